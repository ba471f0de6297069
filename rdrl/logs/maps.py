# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A map for drives that were recorded without one."""

import numpy as np

from rdrl import types

# One budget for every corridor, so that the maps of different drives stack.
NUM_POINTS = 129
NUM_PIECES = 4


def corridor_map(ego, half_width=3.5, ahead=30.0, behind=10.0, edges=None):
  """The lane corridor of a driven path.

  One lane runs along the path, at equal distances, and goes straight on beyond
  both ends. The drivable area is the strip within `half_width` of it, or within
  its `edges`, in `NUM_PIECES` polygons, because one polygon would have holes
  where a long drive crosses its own path.

  Args:
    ego: `AgentState` with fields of shape `[T]`.
    half_width: metres from the path to the edge of the drivable area, and half
      the width of the lane.
    ahead: metres by which the lane goes on after the end of the path.
    behind: metres by which it begins before its start.
    edges: function of the points `[NUM_POINTS, 2]` of the lane to the metres
      `[NUM_POINTS]` to the right and to the left edge of the drivable area.

  Returns:
    A `Map` with lanes `[1, NUM_POINTS]`, boundaries `[2, NUM_POINTS]`, drivable
    `[NUM_PIECES, ...]`, and one invalid row of crosswalks and of stop lines.

  Raises:
    ValueError: if no state of the ego is valid or a length is not positive.
  """
  for name, value in [
    ('half_width', half_width),
    ('ahead', ahead),
    ('behind', behind),
  ]:
    if not value > 0:
      raise ValueError(f'corridor_map: {name}: {value} m is not positive')
  valid = np.asarray(ego.valid, bool)
  if not valid.any():
    raise ValueError('corridor_map: ego.valid: no state of the ego is valid')
  path = _moving(np.asarray(ego.xy, np.float64)[valid])
  yaw = np.asarray(ego.yaw, np.float64)[valid]
  first, last = (np.array([np.cos(a), np.sin(a)]) for a in (yaw[0], yaw[-1]))
  path = np.concatenate(
    [path[:1] - behind * first, path, path[-1:] + ahead * last]
  )
  lane = _resample(path, NUM_POINTS)
  tangent = np.gradient(lane, axis=0)
  tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
  normal = tangent[:, ::-1] * [-1, 1]
  to_right, to_left = edges(lane) if edges else (half_width, half_width)
  left = lane + np.reshape(to_left, (-1, 1)) * normal
  right = lane - np.reshape(to_right, (-1, 1)) * normal
  step = (NUM_POINTS - 1) // NUM_PIECES
  drivable = [
    np.concatenate([right[i : i + step + 1], left[i : i + step + 1][::-1]])
    for i in range(0, NUM_POINTS - 1, step)
  ]
  return types.Map(
    lanes=_polylines([lane]),
    lane_width=np.array([2 * half_width], np.float32),
    boundaries=_polylines([left, right]),
    drivable=_polylines(drivable),
    crosswalks=_nothing(4),
    stop_lines=_nothing(2),
  )


def _moving(path, least=0.2):
  """`path` `[T, 2]` without the points less than `least` metres further on.

  A car at rest jitters by centimetres, which would turn the lane about.
  """
  kept = [path[0]]
  for point in path[1:]:
    if np.linalg.norm(point - kept[-1]) >= least:
      kept.append(point)
  return np.array(kept)


def _resample(path, count):
  """`count` points at equal distances along a path `[P, 2]`."""
  steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
  along = np.concatenate([[0.0], np.cumsum(steps)])
  wanted = np.linspace(0, along[-1], count)
  return np.stack([np.interp(wanted, along, x) for x in path.T], -1)


def _polylines(lines):
  xy = np.stack(lines).astype(np.float32)
  return types.Polylines(xy=xy, valid=np.ones(xy.shape[:2], bool))


def _nothing(points):
  return types.Polylines(
    xy=np.zeros((1, points, 2), np.float32),
    valid=np.zeros((1, points), bool),
  )
