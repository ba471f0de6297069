# Copyright 2026 The rdrl Authors. Apache-2.0.
"""ReconDreamer-RL in JAX: from a recorded drive to a scored policy."""

__version__ = '0.1.0'
