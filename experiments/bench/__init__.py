# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Benchmarks, for any machine and for accelerators."""
