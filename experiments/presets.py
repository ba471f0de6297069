# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The configuration of the whole pipeline at four sizes."""

from rdrl import pipeline
from rdrl import training

_CPU = (
  'train_seeds=(1,2,3,4,5,6,7,8)',
  'test_seeds=(101,102,103,104)',
  'num_test_drives=288',
  'dagger.num_drives=192',
  'dagger.rounds=((1.0,300),(0.5,300),(0.2,300),(0.0,300),(0.0,4000))',
  'ppo.num_envs=64',
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
  'encoder=',
  'imitation.trains_encoder=True',
  'policy.hidden=256',
  'policy.num_blocks=6',
  'policy.width=256',
  'policy.num_layers=4',
  'policy.num_heads=8',
  'imitation.stride=2',
  'imitation.batch_size=512',
  'imitation.num_steps=5000',
  'imitation.learning_rate=3e-4',
  'num_test_drives=128',
  'dagger.num_drives=4096',
  'dagger.num_envs=256',
  'dagger.trains_encoder=True',
  'dagger.rounds=((1.0,2000),(0.5,2000),(0.2,2000),(0.0,2000),(0.0,5000))',
  'ppo.num_envs=256',
  'ppo.num_updates=500',
  'ppo.drawn_share=0.5',
  'ppo.trains_encoder=True',
  'ppo.imitation_batch_size=256',
)
# The batch of PPO grows with the devices; everything before it is per scene.
_POD = (
  *_GPU,
  f'train_seeds={tuple(range(1, 33))}',
  'ppo.num_envs=1024',
  'ppo.num_updates=1000',
)

# Overrides of the defaults, as for `--set`.
PRESETS = {'quickstart': (), 'cpu': _CPU, 'gpu': _GPU, 'pod': _POD}

# For a scene fitted alone, on top of the preset of the whole pipeline.
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

# For a recorded drive fitted alone, on top of that: it has more detail than a
# built-in street, and measured poses.
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
  return training.config.override(pipeline.Config(), PRESETS[name])


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
