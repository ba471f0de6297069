# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tracks as paths: the polyline that an agent drew, without its standstills."""

import numpy as np

# Metres below which a point adds only noise to the heading of a path.
_SPACING = 0.1


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
