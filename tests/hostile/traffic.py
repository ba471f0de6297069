# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Traffic without sensors: WOMD, nuScenes, Argoverse 2; prepared logs."""

CASES = {}
