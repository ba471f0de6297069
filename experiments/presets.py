# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One configuration of the whole road, at four sizes."""

# Fields are named like the modules that their types come from.
from __future__ import annotations

import dataclasses

from rdrl import learn
from rdrl import policy
from rdrl import prior
from rdrl import refine
from rdrl import scenario
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import world


@dataclasses.dataclass(frozen=True)
class Config:
  """Everything that decides a run; the defaults are preset `quickstart`.

  Attributes:
    train_seeds: built-in streets that the prior and the policy learn on.
    test_seeds: built-in streets that only the final scores see.
    num_agents: budget of agents per log, the ego among them.
    num_test_drives: edited drives that each score is taken over.
    kitti_num_lidar: budget of lidar points per step of a KITTI drive.
    shown_offsets: metres off the path at which scenes are compared with the
      truth.
    reality: how the vehicle moves in the held-out world.
    world: recording the built-in streets.
    splat: fitting.
    prior: the video diffusion prior.
    refine: restoring shifted paths.
    scenario: cousins and adversaries to train on.
    sim: the environment.
    policy: the network.
    imitation: stage 1.
    ppo: stage 2.
  """

  train_seeds: tuple[int, ...] = (1, 2)
  test_seeds: tuple[int, ...] = (102,)
  num_agents: int = 12
  num_test_drives: int = 64
  kitti_num_lidar: int = 32768
  shown_offsets: tuple[float, ...] = (0.0, 1.5, 3.0)
  reality: str = 'single_track'
  world: world.Config = world.Config()
  splat: splat.Config = splat.Config()
  prior: prior.Config = prior.Config()
  refine: refine.Config = refine.Config()
  scenario: scenario.Config = scenario.Config()
  sim: sim.Config = sim.Config()
  policy: policy.Config = policy.Config()
  imitation: learn.ImitationConfig = learn.ImitationConfig()
  ppo: learn.PpoConfig = learn.PpoConfig()


# Overrides of the defaults, in the words of `--set`.
PRESETS = {
  'quickstart': (),
  'cpu': (),
  'gpu': (),
  'pod': (),
}


def get(name):
  """The configuration of a preset.

  Raises:
    ConfigError: if there is no such preset.
  """
  if name not in PRESETS:
    raise training.config.ConfigError(
      f'--preset={name}: expected one of {", ".join(PRESETS)}'
    )
  return training.config.override(Config(), PRESETS[name])
