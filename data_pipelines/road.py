# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How far the road reaches to either side of a drive, by its lidar.

From the driven path outward the road goes on as long as its surface does: to
the first kerb, the first thing that stands there, or where nothing was seen.
"""

import numpy as np
from scipy import ndimage
from scipy import spatial

from rdrl import types

# Metres of a cell along the path and across it, across which the road is looked
# for to either side, and from the ego within which sweeps are dense.
_ALONG, _ACROSS = 2.0, 0.5
_WIDEST, _RANGE = 12.0, 25.0
_COLUMNS = round(_WIDEST / _ACROSS)
# Metres within which a lidar does not see the road, where the drive ends.
_BLIND = 8.0
# Points of a sweep of which one is taken.
_STRIDE = 4
# Metres by which the surface rises or falls at a kerb, from one cell to the
# next; rails and gutters do so by less.
_KERB = 0.09
# Of the points in a cell, the percentile that is ground and the fewest that
# tell; and share of them within metres above it, that of a thing.
_PERCENTILE, _FEWEST = 20, 4
_LOW, _HIGH, _SHARE = 0.3, 2.0, 0.2
# Cells along the path over which an edge is the median, then the nearest.
_MEDIAN, _NEAREST = 5, 3
# Metres of road on each side of the middle of a car that drove there; and on
# each side of the path that it is taken to have where none is seen.
_DRIVEN, _GUESS = 1.5, 3.5
# Share of the radius of a bend to which its inside may reach, and points of the
# lane over which the radius is smoothed.
_INSIDE, _SMOOTHING = 0.8, 3
# Metres by which boxes of agents are widened, whose points are no road.
_MARGIN = 0.3


def edges(log: types.Log, lane):
  """Metres `[P]` from a lane to the right and to the left edge of the road.

  Beyond both ends of the drive it goes on as there, but no wider than it
  usually was.

  Args:
    log: its lidar, of which points in boxes of agents count as nothing, and the
      track of the ego.
    lane: `[P, 2]` points along the ego's path, at equal distances.

  Returns:
    Two arrays; of 3.5 m if the ego does not drive or no sweep shows the road.
  """
  lane = np.asarray(lane, np.float64)
  ego = log.tracks.xy[log.tracks.valid[:, 0], 0]
  ego = ego[np.linalg.norm(ego - ego[-1], axis=-1) >= _BLIND]
  if not len(ego):
    return 2 * (np.full(len(lane), _GUESS),)
  points = _standing(log)
  tangent = np.gradient(lane, axis=0)
  tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
  spacing = np.linalg.norm(lane[1] - lane[0])
  _, index = spatial.cKDTree(lane).query(points[:, :2])
  away = points[:, :2] - lane[index]
  s = index * spacing + np.sum(away * tangent[index], -1)
  d = tangent[index, 0] * away[:, 1] - tangent[index, 1] * away[:, 0]
  rows = int(np.ceil(len(lane) * spacing / _ALONG))
  middle = (np.arange(rows) + 0.5) * _ALONG
  driven = spatial.cKDTree(ego).query(lane)[0] < _ALONG + spacing
  driven = np.interp(middle, np.arange(len(lane)) * spacing, driven) > 0.5
  heading = np.unwrap(np.arctan2(*tangent.T[::-1]))
  turn = ndimage.gaussian_filter1d(
    np.gradient(heading) / spacing, _SMOOTHING, mode='nearest'
  )
  found = []
  for side in (-1, 1):
    row = np.floor(s / _ALONG).astype(int)
    column = np.floor(side * d / _ACROSS).astype(int)
    near = (row >= 0) & (row < rows) & (column >= 0) & (column < _COLUMNS)
    reach = _reach(row[near], column[near], points[near, 2], rows)
    known = np.isfinite(reach) & driven
    if not known.any():
      found.append(np.full(len(lane), _GUESS))
      continue
    reach = np.interp(middle, middle[known], reach[known])
    reach = ndimage.median_filter(reach, _MEDIAN, mode='nearest')
    reach = ndimage.minimum_filter(reach, _NEAREST, mode='nearest')
    usual = np.median(reach[driven])
    reach = np.where(driven, reach, np.minimum(reach, usual))
    reach = np.interp(np.arange(len(lane)) * spacing, middle, reach)
    bend = np.maximum(side * turn, 1e-6)
    found.append(np.maximum(np.minimum(reach, _INSIDE / bend), _DRIVEN))
  return tuple(found)


def _standing(log):
  """`[M, 3]` points near the ego and in nobody's box, in float64."""
  found = []
  for step in range(len(log.times)):
    points = np.asarray(log.lidar[step])[np.asarray(log.lidar_valid[step])]
    points = points[::_STRIDE].astype(np.float64)
    away = points[:, :2] - log.tracks.xy[step, 0]
    points = points[np.linalg.norm(away, axis=-1) < _RANGE]
    for agent in np.flatnonzero(log.tracks.valid[step]):
      yaw = log.tracks.yaw[step, agent]
      x, y = (points[:, :2] - log.tracks.xy[step, agent]).T
      along = x * np.cos(yaw) + y * np.sin(yaw)
      aside = y * np.cos(yaw) - x * np.sin(yaw)
      length, width = log.sizes[agent, :2] / 2 + _MARGIN
      points = points[(np.abs(along) > length) | (np.abs(aside) > width)]
    found.append(points)
  return np.concatenate(found)


def _reach(row, column, height, rows):
  """Metres `[rows]` outward to the end of the road; NaN where it is not seen.

  Args:
    row: `[M]` cell of each point along the path.
    column: `[M]` cell outward from the path.
    height: `[M]` metres.
    rows: number of them.
  """
  flat = row * _COLUMNS + column
  order = np.lexsort((height, flat))
  cells, first, count = np.unique(
    flat[order], return_index=True, return_counts=True
  )
  ground = np.full(rows * _COLUMNS, np.nan)
  ground[cells] = height[order][first + count * _PERCENTILE // 100]
  ground[cells[count < _FEWEST]] = np.nan
  above = height - ground[flat]
  stands = np.bincount(
    flat[(above > _LOW) & (above < _HIGH)], minlength=rows * _COLUMNS
  )
  total = np.bincount(flat, minlength=rows * _COLUMNS)
  blocked = stands > _SHARE * np.maximum(total, 1)
  ground = ground.reshape(rows, _COLUMNS)
  blocked = blocked.reshape(rows, _COLUMNS)
  reach = np.full(rows, np.nan)
  for i in range(rows):
    known = np.flatnonzero(np.isfinite(ground[i]))
    # Near the car, its own shadow hides the road.
    if not len(known) or known[0] * _ACROSS > _DRIVEN + _ACROSS:
      continue
    last = known[0]
    for j in known[1:]:
      # One cell may be missing.
      is_kerb = abs(ground[i, j] - ground[i, last]) > _KERB
      if j - last > 2 or is_kerb or blocked[i, j]:
        break
      last = j
    reach[i] = (last + 1) * _ACROSS
  return reach
