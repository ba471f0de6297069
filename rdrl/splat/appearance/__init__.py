# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A scene at a moment: what moves, what is lit, what cameras see of it."""
