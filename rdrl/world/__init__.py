# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The built-in world: a procedural street, its traffic and a car on tyres."""

from rdrl.world import traffic
from rdrl.world import vehicle
from rdrl.world.grids import truth_grids
from rdrl.world.recording import camera_rig
from rdrl.world.recording import drive
from rdrl.world.recording import record
from rdrl.world.scenes import scene
from rdrl.world.shading import LABELS
from rdrl.world.shading import Renderer
from rdrl.world.shading import render
from rdrl.world.shading import survey
from rdrl.world.street import Config
from rdrl.world.street import Street
from rdrl.world.street import build
from rdrl.world.street import with_agents

__all__ = [
  'LABELS',
  'Config',
  'Renderer',
  'Street',
  'build',
  'camera_rig',
  'drive',
  'record',
  'render',
  'scene',
  'survey',
  'traffic',
  'truth_grids',
  'vehicle',
  'with_agents',
]
