# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings of traffic that experiments are asked to read, by flags."""

import functools

from absl import flags

from data_pipelines import archive
from data_pipelines import argoverse2
from data_pipelines import nuscenes
from data_pipelines import womd
from rdrl import training

# Name, how to find recordings, how to read one.
_SETS = (
  ('womd', archive.recordings, womd.read),
  ('nuscenes', archive.recordings, nuscenes.read),
  ('argoverse2', argoverse2.recordings, argoverse2.read),
)
_DIRS = {
  name: flags.DEFINE_string(f'{name}_dir', None, f'Recordings of {name}.')
  for name, *_ in _SETS
}
_LIMIT = flags.DEFINE_integer(
  'limit', None, 'First recordings of a data set.', lower_bound=1
)


def asked_for(options):
  """What flags ask for.

  Args:
    options: `data_pipelines.traffic.Options` of how to read.

  Returns:
    A list of `(data set, name, function that reads it)`, in order of names.

  Raises:
    training.config.ConfigError: if nothing is asked for.
    logs.LogError: if a directory has no recordings.
  """
  if not any(flag.value for flag in _DIRS.values()):
    names = ', '.join(f'--{name}_dir' for name in _DIRS)
    raise training.config.ConfigError(f'expected one at least of {names}')
  result = []
  for name, find, read in _SETS:
    if _DIRS[name].value is None:
      continue
    found = sorted(find(_DIRS[name].value).items())
    for recording, path in found[: _LIMIT.value]:
      result.append((name, recording, functools.partial(read, path, options)))
  return result
