# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scenes of recorded traffic in few shapes.

A compiled program serves arrays of one shape, and compiling takes a minute
where running takes a second.
"""

import numpy as np

from rdrl import types
from rdrl.logs import shapes

# The least numbers of agents, lanes, points of a lane, stop lines and cells
# along a side of a raster; greater ones are doubled until they suffice.
_AGENTS, _LANES, _POINTS, _STOPS, _CELLS = 64, 128, 64, 16, 256
# Steps are multiples of this, and one more.
_STEPS = 50


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
  shape = shapes.map_shape(types.NO_MAP)
  rows, points = lane_map.lanes.valid.shape
  shape['lanes'] = _rung(rows, _LANES), _rung(points, _POINTS)
  shape['stop_lines'] = _rung(count, _STOPS), 2
  lane_map = types.NO_MAP.replace(
    lanes=lane_map.lanes,
    lane_width=lane_map.lane_width,
    stop_lines=lane_map.stop_lines,
    lights=in_time(lights).astype(np.int32),
    speed_limit=np.asarray(limit),
  )
  scene = with_square_rasters(scene).replace(
    tracks=types.AgentState(
      **{k: in_time(x) for k, x in vars(scene.tracks).items()}
    ),
    map=shapes.pad_map(lane_map, shape),
  )
  budget = _rung(len(scene.sizes), _AGENTS)
  return with_agents(scene, budget), int(added)
