# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Work directories, checkpoints and configurations."""

CASES = {}
