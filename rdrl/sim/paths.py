# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tracks as paths: the polyline that an agent drew, without its standstills.

A path may fold back on itself, where a car backed up, and cross itself; who is
where along it is then told by where it was before and where it is going. And
what a path meets in the map: lanes beside it and stop lines across it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry

# Metres between points of a path that lead the way that the agent looks, the
# tangent of the greatest angle between the two, and metres between all others:
# positions by GPS tremble by decimetres where a car stands.
_SPACING, _SLOPE, _FAR = 0.1, np.tan(np.radians(30)), 1.0
# Metres along a path by which a step moves nobody, and metres that the wrong
# part of a path, and that one of the wrong way, count as farther away.
_STEP, _ELSEWHERE, _OPPOSITE = 10.0, 1e3, 5.0
# Metres aside within which lanes are looked for, and between two lanes; rad
# that a lane may turn from a path which it runs beside.
_REACH, _APART, _TURN = 9.0, 2.0, np.radians(30)
# Lanes that are kept beside a point of a path.
NUM_LANES = 6


def from_track(xy, yaw, valid):
  """The path of one track, and how far along it each step is.

  A point belongs to the path if it lies at least 0.1 m ahead of the last one,
  within 30 degrees of where the agent looks, or a metre away in any direction:
  so a standing agent whose position trembles does not tangle its path. Once it
  has gone back a metre it is in reverse, and ahead is behind it, until it has
  gone a metre forward. A track that never leaves its first point becomes a path
  of one metre along its heading.

  Args:
    xy: `[T, 2]`.
    yaw: `[T]`.
    valid: `[T]` bool; gaps are bridged by a straight line.

  Returns:
    Points `[P, 2]`, P = max(T, 2); their validity `[P]`, true for a prefix of
    at least two; progress `[T]` in metres along the path, which never falls and
    is held over gaps.
  """
  xy, yaw, valid = (jnp.asarray(x) for x in (xy, yaw, valid))
  size = max(len(valid), 2)
  heading = jnp.stack([jnp.cos(yaw), jnp.sin(yaw)], -1)
  first = jnp.argmax(valid)

  def step(carry, now):
    last, gear, begins = carry
    xy, heading, valid = now
    x, y = xy - last
    distance = jnp.hypot(x, y)
    along = x * heading[0] + y * heading[1]
    aside = jnp.abs(y * heading[0] - x * heading[1])
    ahead = gear * along
    leads = (ahead >= _SPACING) & (aside <= _SLOPE * ahead)
    is_far = distance >= _FAR
    kept = valid & (begins | leads | is_far)
    new_gear = jnp.where(along < -distance / 2, -1.0, 1.0)
    gear = jnp.where(kept & is_far & ~leads, new_gear, gear)
    return (jnp.where(kept, xy, last), gear, begins & ~valid), kept

  carry = xy[first], jnp.ones((), xy.dtype), jnp.ones((), bool)
  _, kept = jax.lax.scan(step, carry, (xy, heading, valid))
  place = jnp.cumsum(kept) - 1
  points = jnp.zeros((size, 2), xy.dtype)
  points = points.at[jnp.where(kept, place, size)].set(xy, mode='drop')
  count = place[-1] + 1
  points = points.at[1].set(
    jnp.where(count < 2, points[0] + heading[first], points[1])
  )
  used = jnp.arange(size) < jnp.maximum(count, 2)

  segment = jnp.diff(points, axis=0)
  length = jnp.where(used[1:], jnp.hypot(segment[:, 0], segment[:, 1]), 0)
  begin = jnp.cumsum(length) - length
  index = jnp.clip(place, 0, jnp.maximum(count, 2) - 2)
  direction = segment[index] / jnp.maximum(length[index], 1e-9)[:, None]
  along = jnp.sum((xy - points[index]) * direction, -1)
  # Beyond the last point the path goes straight on.
  is_beyond = index < place
  low = jnp.where(is_beyond, length[index], 0)
  high = jnp.where(is_beyond, jnp.inf, length[index])
  progress = begin[index] + jnp.clip(along, low, high)
  return points, used, jax.lax.cummax(jnp.where(valid, progress, 0))


_from_tracks = jax.jit(jax.vmap(from_track))


def from_tracks(xy, yaw, valid):
  """`from_track` of many: `[N, T, 2]`, `[N, T]` and `[N, T]` in host memory."""
  arrays = (np.asarray(xy, np.float32), np.asarray(yaw, np.float32), valid)
  return tuple(map(np.asarray, _from_tracks(*arrays)))


def project(xy, path, path_valid, last=None, velocity=None):
  """Where a point is along a path that may fold or cross itself.

  Args:
    xy: `[2]`.
    path: `[P, 2]`.
    path_valid: `[P]` bool, true for a prefix of at least two points.
    last: `[]` metres along the path at the step before, near which it is looked
      for; everywhere where None.
    velocity: `[2]`; parts of the path that lead the other way are the last
      choice. None and zero have no direction.

  Returns:
    As `geometry.project_to_polyline`.
  """
  segment = jnp.diff(path, axis=0)
  farther = jnp.zeros(len(segment))
  if last is not None:
    length = jnp.where(path_valid[1:], geometry.safe_norm(segment), 0)
    end = jnp.cumsum(length)
    elsewhere = (end < last - _STEP) | (end - length > last + _STEP)
    farther += jnp.where(elsewhere, _ELSEWHERE, 0)
  if velocity is not None:
    way = segment[:, 0] * velocity[0] + segment[:, 1] * velocity[1]
    farther += jnp.where(way < 0, _OPPOSITE, 0)
  return geometry.project_to_polyline(xy, path, path_valid, farther)


def is_backing(heading, progress, track_progress, track_yaw):
  """Whether a track went backwards, tail first, at a place of its path, `[]`.

  Args:
    heading: `[]` of the path there.
    progress: `[]` metres along the path.
    track_progress: `[T]` of the track, see `from_track`.
    track_yaw: `[T]`.
  """
  inside = jnp.minimum(progress, track_progress[-1])
  step = jnp.sum(track_progress < inside)
  return jnp.cos(heading - track_yaw[step]) < -0.5


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
