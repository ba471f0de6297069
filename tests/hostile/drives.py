# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives with sensors: KITTI, its lidar, tracklets and pictures."""

CASES = {}
