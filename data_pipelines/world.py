# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Drives recorded in the built-in world, to prepared logs.

  python -m data_pipelines.world --out_dir=data/world --num_logs=16 --seed=0

Sizes are those of `rdrl.world.Config`; `--set=width=320` changes one. The log
`world-7` is the street of seed 7.
"""

from absl import flags
import tqdm

from data_pipelines import builder
from data_pipelines import command
from rdrl import training
from rdrl import world

_FLAGS = flags.FlagValues()
_OUT_DIR = flags.DEFINE_string(
  'out_dir', None, 'Folder to write to.', flag_values=_FLAGS
)
_NUM_LOGS = flags.DEFINE_integer(
  'num_logs', 3, 'Drives to record.', 1, flag_values=_FLAGS
)
_SEED = flags.DEFINE_integer(
  'seed', 0, 'Seed of the first street.', flag_values=_FLAGS
)
_SET = flags.DEFINE_multi_string(
  'set',
  [],
  'Override of one field of the sizes, as path=value.',
  flag_values=_FLAGS,
)


# Random keys take 32 bits: others would draw what one of these does.
_MAX_SEED = 2**32 - 1


def record(seeds, config):
  """Yields the log of each seed, named after it."""
  for seed in tqdm.tqdm(seeds, desc='record', unit='log', disable=None):
    log = world.record(world.build(seed, config))
    yield log.replace(name=f'world-{seed}')


def main(_):
  config = training.config.override(world.Config(), _SET.value)
  last = _SEED.value + _NUM_LOGS.value - 1
  if not 0 <= _SEED.value <= last <= _MAX_SEED:
    raise training.config.ConfigError(
      f'--seed={_SEED.value}: the seeds to {last} are not from 0 to {_MAX_SEED}'
    )
  seeds = range(_SEED.value, _SEED.value + _NUM_LOGS.value)
  builder.write(record(seeds, config), _OUT_DIR.value)
  print(f'wrote {len(seeds)} logs to {_OUT_DIR.value}')


if __name__ == '__main__':
  command.run(main, _FLAGS, ['out_dir'])
