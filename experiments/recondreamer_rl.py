# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""The whole pipeline: from a recorded drive to a policy that was scored.

On the built-in world (two CPU cores, 5 to 15 minutes):

  python -m experiments.recondreamer_rl --preset=quickstart \
    --workdir=runs/quickstart

On a real drive:

  python -m experiments.recondreamer_rl --preset=quickstart --log=kitti \
    --data_dir=../shared/data/kitti_raw_0001 --workdir=runs/kitti

WORKDIR/report/index.html is written anew after every stage. A killed run
resumes when started again. `--set=ppo.num_updates=80` sets any field of the
configuration; `--print_config` shows them all. Adversaries to train on can be
given in words:

  python -m experiments.recondreamer_rl \
    --scenario="the car on the right cuts in hard after two seconds"
"""

import dataclasses
import json
import pathlib

from absl import flags

from experiments import flags as shared
from experiments import presets
from experiments import sources
from rdrl import pipeline
from rdrl import training

_PRESET = shared.flag('preset', 'quickstart')
_LOG = shared.flag('log', pipeline.SOURCES[0])
_DATA_DIR = shared.flag('data_dir')
# By default runs/PRESET, or runs/LOG of a log that is not built in.
_WORKDIR = shared.flag('workdir')
_SEED = shared.flag('seed')
_SET = shared.flag('set')
_SCENARIO = shared.flag('scenario')
_ADVERSARY = shared.flag('adversary')
_PRINT_CONFIG = shared.flag('print_config')
_UNTIL = flags.DEFINE_string(
  'until',
  pipeline.STAGES[-1],
  f'Last stage to run: {", ".join(pipeline.STAGES)}.',
)
_DISTRIBUTED = flags.DEFINE_bool(
  'distributed', False, 'Whether a launcher started one process per host.'
)


def _resolved(flag):
  """The path of a flag from anywhere, or None."""
  return flag.value and str(pathlib.Path(flag.value).resolve())


def main():
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  sentences = config.scenario.sentences + shared.sentences(_SCENARIO)
  config = dataclasses.replace(
    config,
    scenario=dataclasses.replace(config.scenario, sentences=sentences),
  )
  if _PRINT_CONFIG.value:
    print(json.dumps(training.config.flatten(config), indent=2))
    return
  request = pipeline.Request(
    source=_LOG.value,
    data_dir=_resolved(_DATA_DIR),
    seed=_SEED.value,
    config=config,
    adversary=_resolved(_ADVERSARY),
  )
  training.mesh.start(_DISTRIBUTED.value)
  is_built_in = _LOG.value == pipeline.SOURCES[0]
  workdir = _WORKDIR.value or pathlib.Path(
    'runs', _PRESET.value if is_built_in else _LOG.value
  )
  path = pipeline.run(
    request, workdir, _UNTIL.value, sources.preparer(_LOG.value)
  )
  print(f'report: {path}')


if __name__ == '__main__':
  training.cli.run(main)
