# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians out of logs: begun from lidar, optimised, relocated."""
