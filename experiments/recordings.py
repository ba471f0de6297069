# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings of traffic that experiments read.

A compiled program serves arrays of one shape, and compiling takes a minute
where running takes a second. So recordings are brought to few shapes, and what
was found in each is kept on disk: a run that was killed goes on.
"""

import functools
import json
import pathlib

import numpy as np
import tqdm

from data_pipelines import archive
from data_pipelines import argoverse2
from data_pipelines import nuscenes
from data_pipelines import womd
from rdrl import logs
from rdrl import training
from rdrl import types

# The least numbers of agents, lanes, points of a lane, stop lines and cells
# along a side of a raster; greater ones are doubled until they suffice.
_AGENTS, _LANES, _POINTS, _STOPS, _CELLS = 64, 128, 64, 16, 256
# Steps are multiples of this, and one more.
_STEPS = 50
_NO_LINES = types.Polylines(
  xy=np.zeros((1, 2, 2), np.float32), valid=np.zeros((1, 2), bool)
)
NO_MAP = types.Map(
  lanes=_NO_LINES,
  lane_width=np.zeros(1, np.float32),
  boundaries=_NO_LINES,
  drivable=_NO_LINES,
  crosswalks=_NO_LINES,
  stop_lines=_NO_LINES,
)

# By data set: how to find recordings, how to read one.
SETS = {
  'womd': (archive.recordings, womd.read),
  'nuscenes': (archive.recordings, nuscenes.read),
  'argoverse2': (argoverse2.recordings, argoverse2.read),
}


def asked_for(dirs, limit, options):
  """The recordings that a command line asks for.

  Args:
    dirs: flag of the directory of each of `SETS`, by name.
    limit: first recordings of a data set, or None.
    options: `data_pipelines.traffic.Options` of how to read.

  Returns:
    A list of `(data set, name, function that reads it)`, in order of names.

  Raises:
    training.config.ConfigError: if nothing is asked for.
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


def _rung(number, least):
  """The least of `least`, twice that, four times that... that suffices."""
  while least < number:
    least *= 2
  return least


def _pad(x, axis, before=0, after=0, **kwargs):
  widths = [(0, 0)] * np.ndim(x)
  widths[axis] = before, after
  return np.pad(np.asarray(x), widths, **kwargs)


def with_agents(scene, budget):
  """`scene` with so many agents, the new ones nowhere.

  Raises:
    ValueError: if there are more.
  """
  missing = budget - len(scene.sizes)
  return scene.replace(
    tracks=types.AgentState(
      **{k: _pad(x, 1, after=missing) for k, x in vars(scene.tracks).items()}
    ),
    # A metre, since something may divide by it before it is masked.
    sizes=_pad(scene.sizes, 0, after=missing, constant_values=1),
    classes=_pad(scene.classes, 0, after=missing, constant_values=types.OTHER),
  )


def with_square_rasters(scene):
  """`scene` with rasters of few sizes, which go on as at their edge."""

  def square(grid):
    side = _rung(max(grid.values.shape), _CELLS)
    missing = [(0, side - n) for n in grid.values.shape]
    return grid.replace(values=np.pad(grid.values, missing, mode='edge'))

  names = 'drivable', 'occupancy', 'ground'
  return scene.replace(**{k: square(getattr(scene, k)) for k in names})


def of_few_shapes(scene):
  """The part of a recording that the ego drove, in one of few shapes.

  Steps before the first are added, during which everybody is as at the first.
  Of the map, lanes and stop lines are left, which is what the simulator knows.

  Returns:
    `Scene`, and its first step that was recorded.
  """
  seen = np.flatnonzero(np.asarray(scene.tracks.valid)[:, 0])
  part = slice(seen[0], seen[-1] + 1)
  steps = seen[-1] - seen[0]
  added = -steps % _STEPS

  def in_time(x):
    return _pad(np.asarray(x)[part], 0, before=added, mode='edge')

  lane_map = scene.map
  count = lane_map.stop_lines.valid.shape[0]
  lights = lane_map.lights
  if lights is None:
    lights = np.full((len(scene.tracks.valid), count), types.LIGHT_UNKNOWN)
  limit = lane_map.speed_limit
  if limit is None:
    limit = np.full(len(lane_map.lane_width), np.inf, np.float32)
  shape = logs.map_shape(NO_MAP)
  rows, points = lane_map.lanes.valid.shape
  shape['lanes'] = _rung(rows, _LANES), _rung(points, _POINTS)
  shape['stop_lines'] = _rung(count, _STOPS), 2
  lane_map = lane_map.replace(
    boundaries=_NO_LINES,
    drivable=_NO_LINES,
    crosswalks=_NO_LINES,
    lights=in_time(lights).astype(np.int32),
    speed_limit=np.asarray(limit),
  )
  scene = with_square_rasters(scene).replace(
    tracks=types.AgentState(
      **{k: in_time(x) for k, x in vars(scene.tracks).items()}
    ),
    map=logs.pad_map(lane_map, shape),
  )
  budget = _rung(len(scene.sizes), _AGENTS)
  return with_agents(scene, budget), int(added)


def write(path, tree):
  """JSON, whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_suffix('.tmp')
  temporary.write_text(json.dumps(tree))
  temporary.replace(path)


def scored(todo, workdir, score):
  """What a function finds in recordings, kept on disk, one file for each.

  Args:
    todo: from `asked_for`.
    workdir: holds `<data set>/<name>.json`; what is there is not found anew.
    score: of a log, to what JSON can hold.

  Returns:
    `{data set: {name: what was found}}`.

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
