# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What is timed on any machine, and on accelerators."""
