# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tracks as paths: the polyline that an agent drew, without its standstills.

And what a path meets in the map: lanes beside it and stop lines across it.
"""

import numpy as np

# Metres below which a point adds only noise to the heading of a path.
_SPACING = 0.1
# Metres aside within which lanes are looked for, and between two lanes; rad
# that a lane may turn from a path which it runs beside.
_REACH, _APART, _TURN = 9.0, 2.0, np.radians(30)
# Lanes that are kept beside a point of a path.
NUM_LANES = 6


def from_tracks(xy, yaw, valid):
  """Paths of many tracks, and how far along them each step is.

  A point that lies within 0.1 m of the one before is left out, so that a
  standing agent does not tangle its path. A track that never leaves its first
  point becomes a path of one metre along its heading.

  Args:
    xy: `[N, T, 2]`.
    yaw: `[N, T]`.
    valid: `[N, T]` bool; gaps are bridged by a straight line.

  Returns:
    NumPy arrays: points `[N, P, 2]`, P = max(T, 2); their validity `[N, P]`,
    true for a prefix of at least two; progress `[N, T]` in metres along the
    path, held over gaps.
  """
  xy, yaw, valid = map(np.asarray, (xy, yaw, valid))
  count, steps = valid.shape
  size = max(steps, 2)
  points = np.zeros((count, size, 2), np.float32)
  used = np.zeros(count, int)
  length = np.zeros(count, np.float32)
  progress = np.zeros((count, steps), np.float32)
  rows = np.arange(count)
  first_yaw = yaw[rows, np.argmax(valid, 1)]
  for step in range(steps):
    last = points[rows, np.maximum(used - 1, 0)]
    moved = np.linalg.norm(xy[:, step] - last, axis=-1)
    begins = used == 0
    kept = valid[:, step] & (begins | (moved >= _SPACING))
    length[kept & ~begins] += moved[kept & ~begins]
    points[kept, used[kept]] = xy[kept, step]
    used[kept] += 1
    beyond = np.where(valid[:, step] & ~kept & ~begins, moved, 0)
    progress[:, step] = length + beyond
  single = used < 2
  ahead = np.stack([np.cos(first_yaw), np.sin(first_yaw)], -1)
  points[single, 1] = points[single, 0] + ahead[single]
  used[single] = 2
  return points, np.arange(size) < used[:, None], progress


def _segments(lines):
  """Starts and ends `[N, 2]` of the valid segments of `types.Polylines`."""
  xy, valid = np.asarray(lines.xy), np.asarray(lines.valid)
  both = valid[:, 1:] & valid[:, :-1]
  return xy[:, :-1][both], xy[:, 1:][both]


def lanes_beside(points, valid, lanes):
  """How far to the left of each point of a path lanes run that go its way.

  Args:
    points: `[P, 2]`.
    valid: `[P]` bool, true for a prefix of at least two.
    lanes: `types.Polylines`, centre lines in driving direction.

  Returns:
    NumPy `[P, NUM_LANES]` metres, the nearest lanes in ascending order, then
    infinite. Lanes within 2 m of a nearer one are left out.
  """
  points = np.asarray(points, float)
  found = np.full((len(points), NUM_LANES), np.inf, np.float32)
  start, end = _segments(lanes)
  count = int(np.sum(valid))
  tangent = np.gradient(points[:count], axis=0)
  tangent /= np.maximum(np.linalg.norm(tangent, axis=-1, keepdims=True), 1e-9)
  for i, (point, (x, y)) in enumerate(
    zip(points[:count], tangent, strict=True)
  ):
    axes = np.array([[x, y], [-y, x]])
    begin, stop = (start - point) @ axes.T, (end - point) @ axes.T
    span = stop - begin
    turn = np.arctan2(span[:, 1], span[:, 0])
    meets = (begin[:, 0] <= 0) & (stop[:, 0] > 0) & (np.abs(turn) < _TURN)
    begin, span = begin[meets], span[meets]
    aside = begin[:, 1] - begin[:, 0] / span[:, 0] * span[:, 1]
    kept = []
    for offset in sorted(aside[np.abs(aside) < _REACH], key=abs):
      if all(abs(offset - other) > _APART for other in kept):
        kept.append(offset)
    kept = sorted(kept[:NUM_LANES])
    found[i, : len(kept)] = kept
  return found


def crossings(points, valid, lines):
  """Where a path first crosses each of some lines.

  Args:
    points: `[P, 2]`.
    valid: `[P]` bool, true for a prefix of at least two.
    lines: `types.Polylines` `[L]` of two points.

  Returns:
    NumPy `[L]` metres along the path, infinite where it does not.
  """
  count = int(np.sum(valid))
  points = np.asarray(points, float)[:count]
  step = np.diff(points, axis=0)
  length = np.linalg.norm(step, axis=-1)
  begin = np.cumsum(length) - length
  a, b = (
    np.asarray(lines.xy, float)[:, None, 0],
    np.asarray(lines.xy)[:, None, 1],
  )
  across = b - a

  def cross(u, v):
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

  area = cross(step, across)
  usable = (np.abs(area) > 1e-9) & np.asarray(lines.valid)[:, 1:2]
  area = np.where(usable, area, 1)
  share = cross(a - points[:-1], across) / area
  beside = cross(a - points[:-1], step) / area
  meets = usable & (share >= 0) & (share <= 1) & (beside >= 0) & (beside <= 1)
  return np.min(np.where(meets, begin + share * length, np.inf), 1)
