# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Lanes that branch off a recorded path, where the ego could have turned."""

from flax import struct
import numpy as np

from rdrl import trees
from rdrl import types
from rdrl.scenario import frenet

# Branches that are kept of a path, the first to part.
NUM_BRANCHES = 4
# A lane runs along the path within so many metres and rad; a branch ends at
# least so many metres away, and is at least so many metres long.
_TOGETHER, _ALIGNED, _APART, _SHORTEST = 0.75, 0.35, 2.5, 5.0
# Most metres and rad between the end of a lane and the beginning of the next.
_JOINED, _BENT = 1.0, 0.5
# Metres of a branch, of the recorded path left out for a smooth transition, and
# between points.
_REACH, _SEAM, _SPACING = 100.0, 4.0, 1.0


@struct.dataclass
class Branches:
  """Paths that follow the recorded one and then part from it.

  Attributes:
    path: `[B]` paths; before they part, s is that of the recorded path.
    parting: `[B]` metres along the path to where they part; infinite where
      there is no branch.
    curvature: `[B]` 1/m, the largest after that.
  """

  path: frenet.Path
  parting: types.Array
  curvature: types.Array


def branches(
  path: frenet.Path, length, lanes: types.Polylines | None
) -> Branches:
  """Finds the branches of a path, in host memory.

  Args:
    path: recorded, from `frenet.build`.
    length: driven metres of it.
    lanes: centre lines in driving direction, see `Map`; or None.
  """
  known = () if lanes is None else zip(lanes.xy, lanes.valid, strict=True)
  lines = [
    _resampled(np.asarray(xy, float)[np.asarray(valid)])
    for xy, valid in known
    if np.sum(valid) > 1
  ]
  lines = [line for line in lines if len(line) > 1]
  found = []
  for line in lines:
    begin = _leaves(path, length, line)
    if begin is None:
      continue
    parting, index = begin
    other = _continued(line[index:], lines)
    if not any(_is_same(other, one) for _, one in found):
      found.append((parting, other))
  found.sort(key=lambda one: one[0])
  result = [
    _joined(path, parting, other) for parting, other in found[:NUM_BRANCHES]
  ]
  none = Branches(path, np.float32(np.inf), np.float32(0))
  return trees.stack(result + [none] * (NUM_BRANCHES - len(result)))


def _resampled(xy):
  """Resamples a polyline to points a metre apart."""
  step = np.linalg.norm(np.diff(xy, axis=0), axis=-1)
  along = np.append(0, step.cumsum())
  s = np.arange(0, along[-1], _SPACING)
  return np.stack([np.interp(s, along, x) for x in xy.T], -1)


def _headings(xy):
  slope = np.gradient(xy, axis=0)
  return np.arctan2(slope[:, 1], slope[:, 0])


def _turn(a, b):
  return np.abs(np.angle(np.exp(1j * (a - b))))


def _leaves(path, length, line):
  """s where a lane parts from the path and the index of its point, or None."""
  tangent = np.asarray(path.tangent)
  away = line[:, None] - np.asarray(path.xy)
  nearest = np.argmin(np.sum(away**2, -1), -1)
  away = away[np.arange(len(line)), nearest]
  tangent = tangent[nearest]
  s = path.start + path.spacing * nearest + np.sum(away * tangent, -1)
  d = np.abs(away[:, 1] * tangent[:, 0] - away[:, 0] * tangent[:, 1])
  turn = _turn(_headings(line), np.arctan2(tangent[:, 1], tangent[:, 0]))
  together = (d < _TOGETHER) & (turn < _ALIGNED) & (s > 0) & (s < length)
  if not together.any() or d[-1] < _APART:
    return None
  index = np.flatnonzero(together)[-1]
  if (len(line) - index) * _SPACING < _SHORTEST:
    return None
  return float(s[index]), index


def _continued(line, lines):
  """A lane and its successors, the straightest at forks."""
  while len(line) * _SPACING < _REACH:
    heading = _headings(line)[-1]
    following = [
      (_turn(_headings(other)[0], heading), i)
      for i, other in enumerate(lines)
      if np.linalg.norm(other[0] - line[-1]) < _JOINED + _SPACING
    ]
    if not following or min(following)[0] > _BENT:
      break
    line = np.concatenate([line, lines[min(following)[1]][1:]])
  return line[: int(_REACH / _SPACING)]


def _is_same(line, other):
  count = min(len(line), len(other))
  away = np.linalg.norm(line[:count] - other[:count], axis=-1)
  return away.max() < _TOGETHER


def _joined(path, parting, line):
  s = np.asarray(path.start + path.spacing * np.arange(len(path.xy)))
  before = np.asarray(path.xy)[(s > 0) & (s < parting - _SEAM)]
  first = np.stack([np.interp(0, s, x) for x in np.asarray(path.xy).T])
  xy = np.concatenate([first[None], before, line])
  yaw = _headings(xy)
  joined = frenet.build(xy, yaw, np.ones(len(xy), bool))
  s = joined.start + joined.spacing * np.arange(len(joined.xy))
  heading = np.unwrap(np.arctan2(joined.tangent[:, 1], joined.tangent[:, 0]))
  bend = np.abs(np.gradient(heading, joined.spacing))
  bend = bend[(s > parting - _SEAM) & (s < parting + _REACH)].max()
  return Branches(joined, np.float32(parting), np.float32(bend))
