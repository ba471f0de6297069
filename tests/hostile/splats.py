# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Splats, banks of assets and images."""

CASES = {}
