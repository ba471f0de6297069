# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The simulator: dynamics, traffic, collisions, observations and reward."""

from rdrl.sim import anchors
from rdrl.sim import vector
from rdrl.sim.config import DYNAMICS
from rdrl.sim.config import STREAMS
from rdrl.sim.config import Config
from rdrl.sim.env import Env
from rdrl.sim.env import NoRenderer
from rdrl.sim.rollout import replay
from rdrl.sim.rollout import rollout
from rdrl.sim.rollout import unroll

__all__ = [
  'DYNAMICS',
  'STREAMS',
  'Config',
  'Env',
  'NoRenderer',
  'anchors',
  'replay',
  'rollout',
  'unroll',
  'vector',
]
