# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Events of the ego: collisions and whose fault they are, deviations, lights.

The rule of fault is nuPlan's (github.com/motional/nuplan-devkit, planning/
metrics/evaluation_metrics/common/no_ego_at_fault_collisions.py), here and in
scores of the human driver.
"""

from collections.abc import Callable
import dataclasses

import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.sim import contact
from rdrl.sim.config import Config

# m/s up to which an agent stands, in nuPlan's collision metric.
STANDING = 0.05
# Half angles in rad of nuPlan's is_agent_ahead and is_agent_behind, seen from
# the rear axle; and its distance behind the middle in lengths of the car, for
# nuPlan's car (1.461 m of 5.176 m).
AHEAD, BEHIND = np.pi / 6, np.pi * 5 / 6
_REAR_AXLE = 0.282
# Points per side of a box's outline, with corners: every 1.2 m of a car.
_OUTLINE = 5


def outline(xy, yaw, size):
  """Points on the outline of one box, corners first.

  Args:
    xy: `[2]` middle.
    yaw: `[]`.
    size: `[2]` or wider, length and width.

  Returns:
    World points `[16, 2]` and the same in the frame of the box.
  """
  spread = np.linspace(-0.5, 0.5, _OUTLINE)[1:-1]
  half = np.full_like(spread, 0.5)
  corners = [[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]
  sides = [(spread, half), (spread, -half), (half, spread), (-half, spread)]
  unit = np.concatenate([corners, *(np.stack(side, -1) for side in sides)])
  local = unit * size[:2]
  return xy + geometry.rotate_2d(local, yaw), local


def none():
  """`Events` `[]` of a decision in which nothing happened."""
  no, zero = jnp.zeros((), bool), jnp.zeros(())
  return types.Events(
    dynamic_collision=no,
    static_collision=no,
    position_deviation=no,
    heading_deviation=no,
    at_fault=no,
    front=zero,
    obstacle_side=zero,
    position_side=zero,
    heading_side=zero,
    side=jnp.int32(types.NO_SIDE),
    closing_speed=zero,
    ran_light=no,
  )


def ended(events: types.Events):
  """Whether any of RAD's four events is set; each ends an episode."""
  return (
    events.dynamic_collision
    | events.static_collision
    | events.position_deviation
    | events.heading_deviation
  )


def angle_from_axle(ego: types.AgentState, size, xy):
  """Angles `[A]` between the heading of the ego `[]` and points `[A, 2]`."""
  local = geometry.rotate_2d(xy - ego.xy, -ego.yaw)
  ahead = local[..., 0] + _REAR_AXLE * size[0]
  return jnp.abs(jnp.arctan2(local[..., 1], ahead))


def is_in_lane(offset, turn, size, width):
  """Whether a box lies within a lane, `[...]` bool.

  Args:
    offset: `[...]` metres from the middle of the lane to that of the box.
    turn: `[...]` rad between their headings.
    size: `[3]` metres.
    width: `[...]` metres of the lane.
  """
  length, breadth = jnp.abs(jnp.sin(turn)), jnp.abs(jnp.cos(turn))
  reach = (size[0] * length + size[1] * breadth) / 2
  return jnp.abs(offset) + reach <= width / 2


def is_blamed(agents: types.AgentState, sizes, classes, in_lane):
  """With which agents a collision would be the ego's fault, `[A]` bool.

  The rule of nuPlan's no_ego_at_fault_collisions. A standing ego is never at
  fault. A moving ego is at fault if the other stands. It is not if the other is
  behind. Else it is if its front bumper hits the other, or if it has left its
  lane or the road.

  Args:
    agents: `[A]`, the ego first.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32; objects count as standing. None: all are road users.
    in_lane: `[]` bool, whether the whole ego is in its lane and on the road.
  """
  ego, size = trees.take(agents, slice(1)), sizes[:1]
  stands = jnp.abs(agents.speed) <= STANDING
  still = stands if classes is None else stands | (classes == types.OTHER)
  heading = jnp.stack([jnp.cos(ego.yaw), jnp.sin(ego.yaw)], -1)
  # The front bumper is a box without length.
  front = ego.replace(xy=ego.xy + size[:, :1] / 2 * heading)
  bumper = contact.boxes_of(front, size * jnp.array([0, 1, 1]))
  at_front = contact.overlaps(bumper, contact.boxes_of(agents, sizes))[0]
  angle = angle_from_axle(trees.take(ego, 0), size[0], agents.xy)
  moving = (angle <= BEHIND) & (at_front | ~in_lane)
  return ~stands[0] & (still | moving)


def _sign(x):
  return jnp.where(x >= 0, 1.0, -1.0)


def _is_end_on(ego, ego_size, other, other_size, ahead, aside):
  """Whether two overlapping boxes collided lengthwise, not sideways, `[]` bool.

  They collided along that axis of the ego on which they began to overlap last,
  at their present velocities. nuPlan tests whether the bumper lies inside the
  other box, which calls a sideswipe near the front a frontal collision.

  Args:
    ego: `[]`.
    ego_size: `[3]` metres.
    other: `[]`.
    other_size: `[3]` metres.
    ahead: `[]` metres from ego to other, along the ego's heading.
    aside: `[]` metres from ego to other, to the ego's left.
  """
  turn = other.yaw - ego.yaw
  cos, sin = jnp.cos(turn), jnp.sin(turn)
  length, width = other_size[0] / 2, other_size[1] / 2
  reach = jnp.stack(
    [
      jnp.abs(cos) * length + jnp.abs(sin) * width,
      jnp.abs(sin) * length + jnp.abs(cos) * width,
    ]
  )
  offset = jnp.stack([ahead, aside])
  depth = ego_size[:2] / 2 + reach - jnp.abs(offset)
  velocity = jnp.stack([other.speed * cos - ego.speed, other.speed * sin])
  closing = jnp.maximum(-velocity * _sign(offset), 1e-3)
  since_lengthwise, since_sideways = depth / closing
  return since_lengthwise <= since_sideways


@dataclasses.dataclass(frozen=True)
class Place:
  """Where the ego is, beside its path, in its lane and among what stands.

  Attributes:
    offset: `[]` metres to the left of its reference path.
    heading: `[]` rad, of the path beside it.
    has_lane: `[]` bool, whether the map has a lane there; if not, the lane runs
      along the reference path.
    in_lane: `[]` bool, whether the whole ego is in that lane.
    occupancy: function of world points `[..., 2]`: metres to the nearest static
      obstacle, negative inside.
    drivable: function of world points `[..., 2]`: metres to the edge of the
      drivable area, positive inside.
  """

  offset: types.Array
  heading: types.Array
  has_lane: types.Array
  in_lane: types.Array
  occupancy: Callable
  drivable: Callable


def detect(
  agents: types.AgentState,
  sizes,
  classes,
  place: Place,
  is_edited,
  config: Config,
) -> types.Events:
  """Detects the `Events` `[]` of one moment.

  Args:
    agents: `[A]`, the ego first.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    place: of the ego.
    is_edited: `[]` bool, whether another agent was edited; then the ego may use
      all of the road.
    config: limits.
  """
  ego = trees.take(agents, 0)
  size = sizes[0]
  others = agents.valid.at[0].set(False)
  boxes = contact.boxes_of(agents, sizes)
  ego_box = trees.take(boxes, slice(1))
  met = others & contact.overlaps(ego_box, boxes)[0]
  offset = geometry.rotate_2d(agents.xy - ego.xy, -ego.yaw)
  distance = geometry.safe_norm(offset)
  other = jnp.argmin(jnp.where(met, distance, jnp.inf))
  is_met = jnp.any(met)
  ahead, aside = offset[other]
  hit = trees.take(agents, other)
  is_end_on = _is_end_on(ego, size, hit, sizes[other], ahead, aside)
  side = _sign(aside)
  turn = hit.yaw - ego.yaw
  closing_speed = jnp.where(
    is_end_on,
    _sign(ahead) * (ego.speed - hit.speed * jnp.cos(turn)),
    -side * hit.speed * jnp.sin(turn),
  )
  met_side = jnp.where(
    is_end_on,
    jnp.where(ahead > 0, types.FRONT, types.REAR),
    jnp.where(aside > 0, types.LEFT, types.RIGHT),
  )
  drift = geometry.wrap_angle(ego.yaw - place.heading)
  in_lane = jnp.where(
    place.has_lane,
    place.in_lane,
    is_in_lane(place.offset, drift, size, config.lane_width),
  )
  is_off_road = contact.off_road(ego_box, place.drivable)[0]
  in_lane &= ~is_off_road
  at_fault = jnp.any(met & is_blamed(agents, sizes, classes, in_lane))

  points, local = outline(ego.xy, ego.yaw, size)
  clearance = place.occupancy(points)
  worst = jnp.argmin(clearance)
  static_collision = (clearance[worst] < 0) & (
    jnp.abs(place.offset) > config.static_deviation
  )
  position_deviation = jnp.where(
    is_edited,
    is_off_road,
    jnp.abs(place.offset) > config.position_limit,
  )
  heading_deviation = jnp.abs(drift) > config.heading_limit

  def side_of(happened, value):
    return jnp.where(happened, _sign(value), 0.0)

  return types.Events(
    dynamic_collision=is_met,
    static_collision=static_collision,
    position_deviation=position_deviation,
    heading_deviation=heading_deviation,
    at_fault=at_fault,
    front=side_of(is_met, ahead),
    obstacle_side=side_of(static_collision, jnp.asarray(local)[worst, 1]),
    position_side=side_of(position_deviation, place.offset),
    heading_side=side_of(heading_deviation, drift),
    side=jnp.where(is_met, met_side, types.NO_SIDE).astype(jnp.int32),
    closing_speed=jnp.where(is_met, closing_speed, 0.0),
    ran_light=jnp.zeros((), bool),
  )


def crosses(before: types.AgentState, after: types.AgentState, size, lines):
  """Which lines the middle of the front bumper crossed, `[L]` bool.

  Args:
    before: fields of shape `[]`, of the ego.
    after: fields of shape `[]`, of the ego a step later.
    size: `[3]` metres.
    lines: `types.Polylines` `[L]` of two points.
  """

  def bumper(ego):
    ahead = jnp.stack([jnp.cos(ego.yaw), jnp.sin(ego.yaw)])
    return ego.xy + size[0] / 2 * ahead

  def cross(u, v):
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

  start, end = bumper(before), bumper(after)
  one, two = lines.xy[:, 0], lines.xy[:, 1]
  # A step that ends on a line has crossed it; the next one does not again.
  sides = [cross(two - one, point - one) > 0 for point in (start, end)]
  ends = cross(end - start, one - start) * cross(end - start, two - start)
  return lines.valid[:, 1] & (sides[0] != sides[1]) & (ends <= 0)


def soon_collides(agents: types.AgentState, sizes, horizon):
  """Whether the ego hits an agent ahead if all keep speed and heading, `[]`.

  As in nuPlan's time-to-collision metric, agents whose middle is behind the
  ego's do not count, nor does a standing ego.

  Args:
    agents: `[A]`, the ego first.
    sizes: `[A, 3]` metres.
    horizon: seconds.
  """
  times = jnp.linspace(0, horizon, 6)[:, None]
  direction = jnp.stack([jnp.cos(agents.yaw), jnp.sin(agents.yaw)], -1)
  velocity = agents.speed[:, None] * direction
  xy = agents.xy + times[..., None] * velocity
  meets = geometry.boxes_overlap(
    xy[:, :1], agents.yaw[:1], sizes[:1], xy, agents.yaw, sizes
  )
  ahead = jnp.sum((agents.xy - agents.xy[0]) * direction[0], -1) > 0
  counts = agents.valid.at[0].set(False) & ahead
  return jnp.any(meets & counts) & (jnp.abs(agents.speed[0]) > STANDING)
