# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians on disk: scenes as .ply, and a bank of assets."""
