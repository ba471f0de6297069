# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Paths of agents: their tracks as polylines, without standstills.

A path may fold back, where a car backed up, and cross itself; a projection onto
it then needs the agent's last progress and its velocity. Paths also know the
lanes beside them and the stop lines across them.
"""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types

# Metres between points of a path along the agent's heading, tangent of the
# greatest angle to it, and metres between other points: GPS positions jitter by
# decimetres where a car stands.
_SPACING, _SLOPE, _FAR = 0.1, np.tan(np.radians(30)), 1.0
# Most metres along a path in a step; metres that are added to the distance of
# parts of a path beyond these, and of parts of the opposite direction.
_STEP, _ELSEWHERE, _OPPOSITE = 10.0, 1e3, 5.0
# Lanes beside a path: most metres away, least metres between two, and most rad
# to the path.
_REACH, _APART, _TURN = 9.0, 2.0, np.radians(30)
# Lanes that are kept beside a point of a path.
NUM_LANES = 6


@struct.dataclass
class Paths:
  """Paths of the agents of a scenario.

  Attributes:
    xy: `[A, P, 2]` the tracks as polylines.
    valid: `[A, P]` bool, true for a prefix of at least two points.
    progress: `[T, A]` metres along the path at each step of a track.
    desired_speed: `[A]` m/s, the greatest of a track from its release on.
    clearance: `[A]` metres from the ground to the middle of the box.
    stop_lines: `[A, L]` metres along the path to each stop line, infinite where
      it is not crossed; None if no line has a light.
    lanes: `[A, P, NUM_LANES]` metres to the left of each point to the lanes
      beside it, ascending, then infinite; None if no agent changes lanes.
  """

  xy: types.Array
  valid: types.Array
  progress: types.Array
  desired_speed: types.Array
  clearance: types.Array
  stop_lines: types.Array | None = None
  lanes: types.Array | None = None


def of_scenarios(scenarios, scenes, has_lanes):
  """`Paths` `[V]` of scenarios, in JAX.

  Args:
    scenarios: `types.Scenario` `[V]`.
    scenes: `types.Scene` `[S]`; reads their map and ground.
    has_lanes: static, whether an agent may have the controller `LANE_CHANGE`;
      the lanes of all others are infinite.
  """
  found = jax.vmap(_of_scenario, (0, None))(scenarios, scenes)
  if not has_lanes:
    return found

  def lanes(row):
    xy, valid, controller, scene = row
    return jax.lax.cond(
      controller == types.LANE_CHANGE,
      lambda: lanes_beside(xy, valid, trees.take(scenes.map.lanes, scene)),
      lambda: jnp.full((len(valid), NUM_LANES), jnp.inf),
    )

  # One agent at a time: few change lanes, and a map may have thousands.
  rows = (
    found.xy,
    found.valid,
    scenarios.controller,
    jnp.broadcast_to(scenarios.scene[:, None], scenarios.controller.shape),
  )
  flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
  beside = jax.lax.map(lanes, flat)
  return found.replace(lanes=beside.reshape(*found.valid.shape, NUM_LANES))


def _of_scenario(scenario, scenes):
  tracks, scene = scenario.tracks, scenario.scene
  xy, valid, progress = jax.vmap(from_track, 1)(
    tracks.xy, tracks.yaw, tracks.valid
  )
  is_free = jnp.arange(len(tracks.yaw))[:, None] >= scenario.release
  speed = jnp.where(tracks.valid & is_free, jnp.abs(tracks.speed), 0)
  ground = geometry.sample_grid(scenes.ground, tracks.xy, scene)
  height = jnp.where(tracks.valid, tracks.z - ground, 0)
  stop_lines = None
  if scenes.map.lights is not None:
    lines = trees.take(scenes.map.stop_lines, scene)
    stop_lines = jax.vmap(crossings, (0, 0, None))(xy, valid, lines)
  return Paths(
    xy=xy,
    valid=valid,
    progress=progress.T,
    desired_speed=jnp.max(speed, 0),
    clearance=jnp.sum(height, 0) / jnp.maximum(jnp.sum(tracks.valid, 0), 1),
    stop_lines=stop_lines,
  )


def from_track(xy, yaw, valid):
  """The path of one track, and the progress of each step along it.

  A point joins the path if it lies at least 0.1 m ahead of the last one, within
  30 degrees of the heading, or a metre away in any direction: so the jitter of
  a standing agent does not tangle its path. After a metre backwards the agent
  is in reverse, with ahead and behind swapped, until it has gone a metre
  forward. A track that never leaves its first point becomes a path of one metre
  along its heading.

  Args:
    xy: `[T, 2]`.
    yaw: `[T]`.
    valid: `[T]` bool; gaps are bridged by a straight line.

  Returns:
    Points `[P, 2]`, P = max(T, 2); their validity `[P]`, true for a prefix of
    at least two; progress `[T]` in metres along the path, which never falls and
    holds over gaps.
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


def project(xy, path, path_valid, last=None, velocity=None):
  """Projects a point onto a path that may fold or cross itself.

  Args:
    xy: `[2]`.
    path: `[P, 2]`.
    path_valid: `[P]` bool, true for a prefix of at least two points.
    last: `[]` metres along the path at the step before, near which to search;
      None searches everywhere.
    velocity: `[2]`; parts of the path in the opposite direction count as
      farther away. None and zero have no direction.

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
  """Whether a track drove in reverse at a place of its path, `[]` bool.

  Args:
    heading: `[]` rad of the path there.
    progress: `[]` metres along the path.
    track_progress: `[T]` of the track, see `from_track`.
    track_yaw: `[T]`.
  """
  inside = jnp.minimum(progress, track_progress[-1])
  step = jnp.sum(track_progress < inside)
  return jnp.cos(heading - track_yaw[step]) < -0.5


def lanes_beside(points, valid, lanes):
  """Lateral offsets of the lanes beside each point of a path, in its direction.

  Args:
    points: `[P, 2]`.
    valid: `[P]` bool, true for a prefix of at least two.
    lanes: `types.Polylines`, centre lines in driving direction.

  Returns:
    `[P, NUM_LANES]` metres to the left, the nearest lanes in ascending order,
    then infinite. Lanes within 2 m of a nearer one are left out.
  """
  start = lanes.xy[:, :-1].reshape(-1, 2)
  end = lanes.xy[:, 1:].reshape(-1, 2)
  is_lane = (lanes.valid[:, :-1] & lanes.valid[:, 1:]).reshape(-1)
  last = jnp.sum(valid) - 1
  index = jnp.arange(len(valid))
  tangent = (
    points[jnp.minimum(index + 1, last)] - points[jnp.maximum(index - 1, 0)]
  )

  def beside(point, tangent, valid):
    """`[NUM_LANES]` of one point."""
    heading = jnp.arctan2(tangent[1], tangent[0])
    begin = geometry.rotate_2d(start - point, -heading)
    stop = geometry.rotate_2d(end - point, -heading)
    ahead, left = (stop - begin).T
    meets = (
      valid
      & is_lane
      & (begin[:, 0] <= 0)
      & (stop[:, 0] > 0)
      & (jnp.abs(jnp.arctan2(left, ahead)) < _TURN)
    )
    aside = begin[:, 1] - begin[:, 0] / jnp.where(meets, ahead, 1) * left
    aside = jnp.where(meets & (jnp.abs(aside) < _REACH), aside, jnp.inf)
    # A map without lanes has no nearest one.
    aside = jnp.append(aside, jnp.inf)

    def nearest(aside, _):
      found = aside[jnp.argmin(jnp.abs(aside))]
      return jnp.where(jnp.abs(aside - found) > _APART, aside, jnp.inf), found

    _, found = jax.lax.scan(nearest, aside, length=NUM_LANES)
    return jnp.sort(found)

  return jax.lax.map(
    lambda row: beside(*row), (points, tangent, valid), batch_size=16
  )


def crossings(points, valid, lines):
  """Metres along a path to its first crossing of each line.

  Args:
    points: `[P, 2]`.
    valid: `[P]` bool, true for a prefix of at least two.
    lines: `types.Polylines` `[L]` of two points.

  Returns:
    `[L]`, infinite where it does not cross.
  """
  step = jnp.diff(points, axis=0)
  length = jnp.where(valid[1:], geometry.safe_norm(step), 0)
  begin = jnp.cumsum(length) - length
  a, b = lines.xy[:, None, 0], lines.xy[:, None, 1]
  across = b - a

  def cross(u, v):
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

  area = cross(step, across)
  usable = valid[1:] & lines.valid[:, 1:2] & (jnp.abs(area) > 1e-9)
  area = jnp.where(usable, area, 1)
  share = cross(a - points[:-1], across) / area
  beside = cross(a - points[:-1], step) / area
  meets = usable & (share >= 0) & (share <= 1) & (beside >= 0) & (beside <= 1)
  return jnp.min(jnp.where(meets, begin + share * length, jnp.inf), 1)
