# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One configuration of the whole road, at four sizes."""

# Fields are named like the modules that their types come from.
from __future__ import annotations

import dataclasses
from typing import Annotated

from rdrl import learn
from rdrl import policy
from rdrl import prior
from rdrl import ranges
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
    train_seeds: built-in streets that the policy learns on.
    test_seeds: built-in streets of the final scores, which the policy never
      learns on.
    num_traversals: drives through each built-in street, in other light and
      traffic, that are fitted together.
    num_agents: budget of agents per log, the ego among them.
    num_test_drives: edited drives that each score is taken over.
    kitti_num_lidar: budget of lidar points per step of a KITTI drive.
    ego_masks: image files, one for each camera of a recorded drive in order,
      black where it sees the car that carries it; none where none does.
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

  train_seeds: tuple[ranges.Seed, ...] = (1, 2)
  test_seeds: tuple[ranges.Seed, ...] = (102,)
  num_traversals: ranges.Count = 1
  num_agents: ranges.Count = 12
  num_test_drives: ranges.Count = 64
  kitti_num_lidar: ranges.Count = 32768
  ego_masks: tuple[str, ...] = ()
  shown_offsets: tuple[ranges.Signed, ...] = (0.0, 1.5, 3.0)
  reality: Annotated[str, ranges.OneOf(sim.DYNAMICS)] = 'single_track'
  world: world.Config = world.Config()
  splat: splat.Config = splat.Config()
  prior: prior.Config = prior.Config()
  refine: refine.Config = refine.Config()
  scenario: scenario.Config = scenario.Config()
  sim: sim.Config = sim.Config()
  policy: policy.Config = policy.Config()
  imitation: learn.ImitationConfig = learn.ImitationConfig()
  ppo: learn.PpoConfig = learn.PpoConfig()

  def misfits(self):
    """See `ranges`."""
    if self.sim.horizon % self.ppo.num_minibatches:
      yield (
        'ppo.num_minibatches',
        f'a divisor of sim.horizon, {self.sim.horizon}',
      )
    if self.scenario.first_start < self.sim.decision_steps:
      yield (
        'scenario.first_start',
        f'at least sim.decision_steps, {self.sim.decision_steps}',
      )
    for name in ('image_height', 'image_width'):
      # The policy's encoder begins with quarters.
      if getattr(self.sim, name) % 4:
        yield f'sim.{name}', 'a multiple of 4'


_CPU = (
  'splat.fit.num_steps=1500',
  'splat.fit.refit_steps=800',
  'prior.num_steps=400',
  'refine.num_clips=64',
  'imitation.num_steps=400',
  'ppo.num_updates=50',
)
# One accelerator of 80 GB: sizes of the papers where they give any.
_GPU = (
  'train_seeds=(1,2,3,4,5,6,7,8)',
  'test_seeds=(101,102)',
  'world.height=192',
  'world.width=320',
  'world.num_lidar=16384',
  'splat.fit.num_gaussians=131072',
  'splat.fit.gaussians_per_object=1024',
  'splat.fit.sh_degree=3',
  'splat.fit.sky_height=256',
  'splat.fit.num_steps=15000',
  'splat.fit.refit_steps=8000',
  'prior.channels=128',
  'prior.multipliers=(1,2,4,4)',
  'prior.num_blocks=2',
  'prior.num_heads=8',
  'prior.dtype=bfloat16',
  'prior.crop_height=128',
  'prior.crop_width=224',
  'prior.batch_size=16',
  'prior.num_steps=30000',
  'prior.learning_rate=3e-4',
  'prior.ema_decay=0.999',
  'refine.num_frames=8',
  'refine.num_clips=512',
  'refine.offsets=((-1.5,1.5),(-3.0,3.0))',
  'refine.clip_period=8',
  'sim.image_height=96',
  'sim.image_width=160',
  'policy.channels=(64,128,256)',
  'policy.width=256',
  'policy.num_layers=4',
  'policy.num_heads=8',
  'imitation.stride=2',
  'imitation.batch_size=512',
  'imitation.num_steps=5000',
  'imitation.learning_rate=3e-4',
  'num_test_drives=128',
  'ppo.num_envs=64',
  'ppo.num_updates=500',
  'ppo.imitation_batch_size=256',
)
# The batch of PPO grows with the devices; everything before it is per scene.
_POD = (
  *_GPU,
  f'train_seeds={tuple(range(1, 33))}',
  'ppo.num_envs=1024',
  'ppo.num_updates=1000',
)

# Overrides of the defaults, in the words of `--set`.
PRESETS = {'quickstart': (), 'cpu': _CPU, 'gpu': _GPU, 'pod': _POD}

# Of a scene fitted alone, on top of the preset of the whole road.
SCENES = {
  'quickstart': (),
  'cpu': (
    'world.height=144',
    'world.width=240',
    'world.num_lidar=4096',
    'splat.fit.num_gaussians=32768',
    'splat.fit.gaussians_per_object=512',
    'splat.render.eps2d=0.1',
    'splat.render.antialiased=True',
    'splat.render.entries_per_gaussian=3.0',
    'splat.fit.sky_height=64',
    'splat.fit.num_steps=2000',
    'splat.fit.depth_weight=0.05',
    'splat.fit.opacity_weight=0.002',
    'splat.fit.scale_weight=0.002',
    'splat.fit.has_ground=True',
    'splat.fit.fits_surface=True',
  ),
  'gpu': ('splat.fit.has_ground=True', 'splat.fit.fits_surface=True'),
}

# Of a recorded drive that is fitted alone, on top of that: there is more to
# see than in a built-in street, and poses are measured.
RECORDED = {
  'cpu': (
    'splat.fit.num_gaussians=98304',
    'splat.fit.num_steps=3000',
    'splat.fit.extent=10.0',
    'splat.fit.learning_rate_poses=5e-4',
  ),
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


def get_scene(name, is_recorded=False):
  """The configuration of a scene that is fitted alone.

  Args:
    name: of a preset.
    is_recorded: whether it is a real drive, not a built-in street.

  Raises:
    ConfigError: if there is no such preset.
  """
  if name not in SCENES:
    raise training.config.ConfigError(
      f'--preset={name}: expected one of {", ".join(SCENES)}'
    )
  overrides = SCENES[name] + (RECORDED.get(name, ()) if is_recorded else ())
  return training.config.override(get(name), overrides)
