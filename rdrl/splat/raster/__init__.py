# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians to pixels: projected, put into tiles, blended."""
