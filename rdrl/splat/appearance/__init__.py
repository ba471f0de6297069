# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A scene at a moment: moving bodies, light, views."""
