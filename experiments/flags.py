# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Flags that several commands share: each is defined once, with one meaning.

A command declares those that it takes, with its own defaults:

  _SEED = shared.flag('seed')
  _WORKDIR = shared.flag('workdir', 'runs/scene')

`training.cli.run` refuses those that a command does not take. Flags of a single
command are defined in its own module.
"""

import dataclasses
import sys
from typing import Any

from absl import flags

from rdrl import training

flags.DEFINE_string(
  'preset', None, 'Size of the run: quickstart, cpu, gpu or pod.'
)
flags.DEFINE_integer('seed', None, 'Seed of every random draw.')
flags.DEFINE_string(
  'workdir',
  None,
  'Work directory: where a command writes, and goes on if it was killed.',
)
flags.DEFINE_multi_string(
  'set',
  None,
  'Override of one field of the configuration, rdrl.pipeline.Config, as'
  ' path=value; may be repeated.',
)
flags.DEFINE_bool(
  'print_config', None, 'Print the configuration as JSON and stop.'
)
flags.DEFINE_multi_string(
  'scenario',
  None,
  'Adversary in words, such as "the car on the right cuts in hard after two'
  ' seconds"; may be repeated. Words: rdrl/scenario/grammar.py.',
)
flags.DEFINE_string(
  'adversary',
  None,
  'Work directory of train_adversary, whose model draws adversaries anew.',
)
flags.DEFINE_string(
  'log', None, 'Where the drives come from: world, kitti or prepared.'
)
flags.DEFINE_string('data_dir', None, 'Folder of what is read.')
flags.DEFINE_list('streets', None, 'Seeds of built-in streets.')
flags.DEFINE_integer(
  'num_streets',
  None,
  'Built-in streets to learn on, of seeds from 1000 on.',
  lower_bound=1,
  upper_bound=900,
)
flags.DEFINE_list(
  'offsets',
  None,
  'Metres to the side at which views are scored against the built-in world.',
)
flags.DEFINE_string('womd_dir', None, 'Recordings of Waymo Open Motion.')
flags.DEFINE_string('nuscenes_dir', None, 'Recordings of nuScenes.')
flags.DEFINE_string('argoverse2_dir', None, 'Recordings of Argoverse 2.')
flags.DEFINE_integer(
  'limit', None, 'First recordings of a data set; default: all.', lower_bound=1
)
flags.DEFINE_string('bank', None, 'Folder of assets.')
flags.DEFINE_integer('num_agents', None, 'Budget of agents, ego included.')
flags.DEFINE_integer('num_gaussians', None, 'Budget of Gaussians.')
flags.DEFINE_integer(
  'proposals',
  None,
  'Draws of the rule-based Dynamic Adversary Agent for each scene.',
)
flags.DEFINE_list('envs', None, 'Numbers of environments that are timed.')
flags.DEFINE_list('agents', None, 'Numbers of agents that are timed.')
flags.DEFINE_list('suites', None, 'Suites to run, of those that --help names.')
flags.DEFINE_list('backends', None, 'Who blends, of splat.raster.backends.')
flags.DEFINE_integer('repeats', None, 'Timed calls per case.', lower_bound=1)

# So that `flag` declares them to be flags of the module that calls it.
flags.disclaim_key_flags()

_DEFAULTS = {'seed': 0, 'set': [], 'scenario': [], 'print_config': False}


@dataclasses.dataclass(frozen=True)
class Flag:
  """A shared flag as one command takes it.

  Attributes:
    name: of the flag.
    default: of this command.
  """

  name: str
  default: Any

  @property
  def value(self):
    """The value on the command line, or else this command's default."""
    given = flags.FLAGS[self.name].value
    return self.default if given is None else given


def flag(name, default=None) -> Flag:
  """Declares that the calling module takes a shared flag.

  Args:
    name: of the flag.
    default: of this command.

  Raises:
    absl.flags.UnrecognizedFlagError: if there is no such flag.
  """
  flags.declare_key_flag(name)
  if default is None:
    default = _DEFAULTS.get(name)
  # For --help of this process.
  if sys._getframe(1).f_globals['__name__'] == '__main__':
    flags.FLAGS.set_default(name, default)
  return Flag(name, default)


def sentences(flag):
  """A tuple of the sentences of a flag, each in one line."""
  return tuple(' '.join(sentence.split()) for sentence in flag.value)


def numbers(flag, kind):
  """Parses a list flag to a tuple of numbers.

  Args:
    flag: with a name and a value, a list of strings.
    kind: int or float.

  Raises:
    ConfigError: if a value is no `kind`.
  """
  try:
    return tuple(map(kind, flag.value))
  except ValueError as error:
    expected = 'whole numbers' if kind is int else 'numbers'
    raise training.config.ConfigError(
      f'--{flag.name}={",".join(flag.value)}: expected {expected}'
    ) from error
