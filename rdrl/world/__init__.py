# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The built-in world: a procedural street, its traffic and a car on tyres."""

from rdrl.world import traffic
from rdrl.world import vehicle

__all__ = ['traffic', 'vehicle']
