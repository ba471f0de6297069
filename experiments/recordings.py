# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings of traffic that experiments read.

Results of each are kept on disk, so that a killed run resumes.
"""

import functools
import json
import pathlib

import tqdm

from data_pipelines import archive
from data_pipelines import argoverse2
from data_pipelines import nuscenes
from data_pipelines import womd
from rdrl import logs
from rdrl import training

# Data set to the functions that find its recordings and read one.
SETS = {
  'womd': (archive.recordings, womd.read),
  'nuscenes': (archive.recordings, nuscenes.read),
  'argoverse2': (argoverse2.recordings, argoverse2.read),
}


def asked_for(dirs, limit, options):
  """Finds the recordings that a command line asks for.

  Args:
    dirs: flag of the directory of each of `SETS`, by name.
    limit: most recordings of a data set, or None.
    options: `data_pipelines.traffic.Options`.

  Returns:
    A list of `(data set, name, function that reads it)`, in order of names.

  Raises:
    training.config.ConfigError: if no directory is given.
    logs.LogError: if a directory has no recordings.
  """
  if not any(flag.value for flag in dirs.values()):
    names = ', '.join(f'--{flag.name}' for flag in dirs.values())
    raise training.config.ConfigError(f'expected one at least of {names}')
  result = []
  for name, (find, read) in SETS.items():
    if dirs[name].value is None:
      continue
    found = sorted(find(dirs[name].value).items())
    for recording, path in found[:limit]:
      result.append((name, recording, functools.partial(read, path, options)))
  return result


def write(path, tree):
  """Writes JSON, whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  training.folders.write_text(path, json.dumps(tree))


def scored(todo, workdir, score):
  """Scores recordings; keeps a file of each on disk.

  Args:
    todo: from `asked_for`.
    workdir: holds `<data set>/<name>.json`; existing files are not made anew.
    score: function of a log, with a result that JSON can hold.

  Returns:
    `{data set: {name: result}}`.

  Raises:
    logs.LogError: one line that names the recording, if it cannot be scored.
  """
  found = {}
  for name, recording, read in tqdm.tqdm(todo, unit='scene'):
    path = pathlib.Path(workdir) / name / f'{recording}.json'
    if not path.exists():
      log = read()
      try:
        one = score(log)
      except ValueError as error:
        raise logs.LogError(f'{name}: {recording}: {error}') from error
      write(path, one)
    found.setdefault(name, {})[recording] = json.loads(path.read_text())
  return found
