# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Prepares recordings: reads a data set in its own layout, writes logs.

A drive of KITTI raw; recordings of Waymo Open Motion, nuScenes or Argoverse 2;
drives through built-in streets, from `--seed` on, of the sizes of `--preset`:

  python -m experiments.prepare --source=kitti --out_dir=data/kitti \
    --data_dir=2011_09_26/2011_09_26_drive_0001_sync
  python -m experiments.prepare --source=womd --out_dir=data/womd \
    --data_dir=womd_scenes --num_agents=64
  python -m experiments.prepare --source=world --out_dir=data/world \
    --num_logs=16 --set=world.width=320

The module of `data_pipelines` named like the source documents what it reads.
OUT_DIR is written whole or not at all; `--log=prepared` reads it.
"""

from absl import flags

from data_pipelines import builder
from data_pipelines import kitti
from data_pipelines import moving
from data_pipelines import traffic
from data_pipelines import world
from experiments import flags as shared
from experiments import presets
from experiments import recordings
from rdrl import training

SOURCES = ('kitti', *recordings.SETS, 'world')

_SOURCE = flags.DEFINE_enum('source', None, SOURCES, 'What is read.')
_DATA_DIR = shared.flag('data_dir')
_OUT_DIR = flags.DEFINE_string('out_dir', None, 'Folder to write to.')
_NUM_AGENTS = shared.flag('num_agents')
_NUM_STEPS = flags.DEFINE_integer(
  'num_steps', None, 'Steps to keep; default: to the end of the recording.'
)
_START = flags.DEFINE_integer('start', 0, 'First step to keep.')
_CAMERAS = flags.DEFINE_list('cameras', ['image_02'], 'Cameras to keep.')
_NUM_LIDAR = flags.DEFINE_integer('num_lidar', 32768, 'Lidar points a step.')
_FIND_MOVING = flags.DEFINE_boolean(
  'find_moving',
  True,
  'Find boxes of what moves in the lidar where there are no tracklets.',
)
_LOGS = flags.DEFINE_list('logs', None, 'Names of recordings; default: all.')
_MAP_RADIUS = flags.DEFINE_float(
  'map_radius',
  traffic.DEFAULT.map_radius,
  'Metres around the path of the ego of which the map is kept, at most '
  f'{traffic.MAX_RADIUS:g}.',
)
_NUM_LOGS = flags.DEFINE_integer('num_logs', 3, 'Streets to drive.', 1)
_SEED = shared.flag('seed')
_PRESET = shared.flag('preset', 'quickstart')
_SET = shared.flag('set')

# Flags that each source heeds, beyond --source and --out_dir.
_HEEDED = {
  'kitti': (
    'data_dir',
    'num_agents',
    'num_steps',
    'start',
    'cameras',
    'num_lidar',
    'find_moving',
  ),
  'world': ('num_logs', 'seed', 'preset', 'set'),
} | dict.fromkeys(
  recordings.SETS,
  ('data_dir', 'num_agents', 'num_steps', 'logs', 'map_radius'),
)
# Random keys take 32 bits; larger seeds would repeat smaller ones.
_MAX_SEED = 2**32 - 1


def _kitti():
  log = kitti.read_raw(
    _DATA_DIR.value,
    cameras=tuple(_CAMERAS.value),
    num_lidar=_NUM_LIDAR.value,
    num_agents=_NUM_AGENTS.value,
    start=_START.value,
    num_steps=_NUM_STEPS.value,
    motion=moving.DEFAULT if _FIND_MOVING.value else None,
  )
  builder.write([log], _OUT_DIR.value, source=_DATA_DIR.value)
  return 1


def _world():
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  last = _SEED.value + _NUM_LOGS.value - 1
  if not 0 <= _SEED.value <= last <= _MAX_SEED:
    raise training.config.ConfigError(
      f'--seed={_SEED.value}: the seeds to {last} are not from 0 to {_MAX_SEED}'
    )
  seeds = range(_SEED.value, last + 1)
  builder.write(world.record(seeds, config.world), _OUT_DIR.value)
  return len(seeds)


def _traffic():
  find, read = recordings.SETS[_SOURCE.value]
  options = traffic.Options(
    _NUM_AGENTS.value, _NUM_STEPS.value, _MAP_RADIUS.value
  )
  return traffic.prepare(
    _DATA_DIR.value, _OUT_DIR.value, find, read, _LOGS.value, options
  )


def _check_flags(source):
  """Checks that all given flags apply and all needed flags are given.

  Raises:
    ConfigError: if not.
  """
  heeded = _HEEDED[source]
  for name in set().union(*_HEEDED.values()).difference(heeded):
    if flags.FLAGS[name].present:
      raise training.config.ConfigError(
        f'--{name}: --source={source} does not heed it'
      )
  for flag in (_DATA_DIR, _OUT_DIR):
    if not flag.value and flag.name in (*heeded, _OUT_DIR.name):
      raise training.config.ConfigError(f'--{flag.name}: not set')


def main():
  source = _SOURCE.value
  if source is None:
    raise training.config.ConfigError(
      f'--source: not set: expected one of {", ".join(SOURCES)}'
    )
  _check_flags(source)
  count = {'kitti': _kitti, 'world': _world}.get(source, _traffic)()
  print(f'wrote {count} logs to {_OUT_DIR.value}')


if __name__ == '__main__':
  training.cli.run(main)
