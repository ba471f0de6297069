# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What scores are made of: quantities of one `types.Drive` at each state.

Arrays are `[S]` unless said otherwise. Where a state is not of the drive they
hold anything; scores mask them by `Drive.valid`.
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.sim import events
from rdrl.sim import paths

# Half the window of nuPlan's Savitzky-Golay filter, in steps.
_HALF_WINDOW = 7

# m/s up to which nuPlan's time to collision takes an ego for standing.
_AT_REST = 5e-3


def as_score(x):
  """float32 `[]`."""
  return jnp.asarray(x, jnp.float32)


def happened(drive, event):
  """Whether an event `[D]` happened before the end."""
  return jnp.any(event & drive.active)


def masked_mean(x, mask):
  """Mean of what the mask leaves, NaN where it leaves nothing."""
  total = jnp.sum(jnp.where(mask, x, 0))
  count = jnp.sum(mask)
  return as_score(jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan))


def last(drive):
  """Index of the state that ended the drive."""
  return jnp.sum(drive.valid) - 1


def substeps(drive):
  """States per decision."""
  return (len(drive.valid) - 1) // len(drive.active)


def at_state(drive, event):
  """An event `[D]` of decisions at the last state of its decision, bool."""
  decision = jnp.arange(len(drive.active))
  index = jnp.minimum((decision + 1) * substeps(drive), last(drive))
  is_there = jnp.arange(len(drive.valid))[:, None] == index
  return jnp.any(is_there & event & drive.active, -1)


def _path(drive):
  """Reference path, as `paths.from_track` has it, and the step of it at which
  the drive began."""
  path = paths.from_track(drive.path.xy, drive.path.yaw, drive.path.valid)
  num_path, num_states = len(drive.path.valid), len(drive.valid)
  shifted = jnp.arange(num_path)[:, None] + jnp.arange(num_states)
  shifted = jnp.minimum(shifted, num_path - 1)
  error = jnp.sum((drive.path.xy[shifted] - drive.reference.xy) ** 2, -1)
  start = jnp.argmin(jnp.sum(jnp.where(drive.valid, error, 0), -1))
  return path, start


def along_path(drive):
  """Arc lengths and signed offsets `[S]` of the ego along the reference path.

  Beyond its ends the path goes on straight.
  """
  way = located(drive).way
  return way.arc, way.offset


def expert_way(drive):
  """Metres that the expert covers in the time that the record spans.

  That is from where the reference runs along the path on for as many whole
  decisions as the record and the path have, however early the drive ended.
  """
  return located(drive).way.expert


def located(drive):
  """`drive` with its `types.Way`, if it has none yet.

  A dozen scores ask for it, and XLA does not see that their loops are one.
  """
  if drive.way is not None:
    return drive
  (points, used, progress), start = _path(drive)
  ego = trees.take(drive.agents, (slice(None), 0))
  heading = jnp.stack([jnp.cos(ego.yaw), jnp.sin(ego.yaw)], -1)

  def step(last, state):
    arc, offset, *_ = paths.project(state[0], points, used, last, state[1])
    return arc, (arc, offset)

  states = ego.xy, ego.speed[:, None] * heading
  _, (arc, offset) = jax.lax.scan(step, progress[start], states)
  room = jnp.sum(drive.path.valid) - 1 - start
  whole = room // substeps(drive) * substeps(drive)
  end = start + jnp.minimum(whole, len(drive.valid) - 1)
  expert = progress[end] - progress[start]
  return drive.replace(way=types.Way(arc=arc, offset=offset, expert=expert))


@struct.dataclass
class Motion:
  """How the ego moves.

  Attributes:
    acceleration: m/s^2 along the heading.
    lateral: m/s^2 to the left.
    yaw_rate: rad/s.
    yaw_acceleration: rad/s^2.
    jerk: m/s^3, derivative of `acceleration`.
    lateral_jerk: m/s^3, derivative of `lateral`.
  """

  acceleration: types.Array
  lateral: types.Array
  yaw_rate: types.Array
  yaw_acceleration: types.Array
  jerk: types.Array
  lateral_jerk: types.Array


@jax.jit
def motion(drive) -> Motion:
  """`Motion` of quadratics fitted to 15 states around each.

  That is the window of nuPlan's jerks and yaw rates (Savitzky and Golay 1964;
  planning/metrics/utils/state_extractors.py); at the ends of a drive it is cut
  off. nuPlan also receives accelerations and smooths them over 8 states; here
  speed and yaw are fitted and all else follows: the lateral acceleration of a
  car that does not slip is speed times yaw rate, and its derivative that of the
  product.
  """
  yaw = jnp.cumsum(
    jnp.concatenate(
      [jnp.zeros(1), geometry.wrap_angle(jnp.diff(drive.agents.yaw[:, 0]))]
    )
  )
  both = jnp.stack([drive.agents.speed[:, 0], yaw], -1)
  value, first, second = _quadratic_fit(both, drive.valid)
  speed = value[:, 0]
  acceleration, yaw_rate = first[:, 0], first[:, 1]
  jerk, yaw_acceleration = second[:, 0], second[:, 1]
  return Motion(
    acceleration=acceleration,
    lateral=speed * yaw_rate,
    yaw_rate=yaw_rate,
    yaw_acceleration=yaw_acceleration,
    jerk=jerk,
    lateral_jerk=acceleration * yaw_rate + speed * yaw_acceleration,
  )


def _quadratic_fit(y, valid):
  """Values and first two time derivatives at each state of series `[S, K]`."""
  index = jnp.arange(len(y))
  offset = (index - index[:, None]) / _HALF_WINDOW
  weight = (jnp.abs(offset) <= 1) & valid
  powers = jnp.stack([jnp.ones_like(offset), offset, offset**2], -1)
  powers = jnp.where(weight[..., None], powers, 0)
  normal = jnp.einsum('sti,stj->sij', powers, powers, precision='highest')
  # Of two states, or none, the shortest of all quadratics through them.
  normal += 1e-6 * jnp.eye(3)
  # Relative to the state itself, since speeds are large against their changes.
  relative = jnp.where(weight[..., None], y - y[:, None], 0)
  right = jnp.einsum('sti,stk->sik', powers, relative, precision='highest')
  fit = _solve(normal, right)
  unit = _HALF_WINDOW * types.TIME_STEP
  return y + fit[:, 0], fit[:, 1] / unit, 2 * fit[:, 2] / unit**2


def _solve(matrix, right):
  """Solution `[S, 3, K]` of `[S, 3, 3]` symmetric systems, by Cramer's rule.

  These are well enough conditioned for it, and a call of LAPACK would be
  repeated wherever a score needs derivatives.
  """
  rows = jnp.moveaxis(matrix, 1, 0)
  adjugate = jnp.stack(
    [jnp.cross(rows[i - 2], rows[i - 1]) for i in range(3)], -1
  )
  determinant = jnp.sum(rows[0] * adjugate[..., 0], -1)
  product = jnp.einsum('sij,sjk->sik', adjugate, right, precision='highest')
  return product / determinant[:, None, None]


def others(drive):
  """Which agents other than the ego are there, `[S, A]` bool."""
  return drive.agents.valid & (jnp.arange(len(drive.sizes)) > 0)


def would_meet(drive, steps, agents):
  """Which agents `[S, A]` the ego meets `steps` on at its velocity, bool."""
  ego = trees.take(drive.agents, (slice(None), slice(1)))
  heading = jnp.stack([jnp.cos(ego.yaw), jnp.sin(ego.yaw)], -1)
  way = ego.speed * steps * types.TIME_STEP
  return geometry.boxes_overlap(
    ego.xy + way[..., None] * heading,
    ego.yaw,
    drive.sizes[:1],
    agents.xy,
    agents.yaw,
    drive.sizes,
  )


@jax.jit
def met(drive):
  """Which agents the ego's box overlaps, `[S, A]` bool."""
  agents = drive.agents
  return others(drive) & geometry.boxes_overlap(
    agents.xy[:, :1],
    agents.yaw[:, :1],
    drive.sizes[:1],
    agents.xy,
    agents.yaw,
    drive.sizes,
  )


def _angle_from_axle(drive, xy):
  """Angles `[S, A]` between the ego's heading and points `[S, A, 2]`."""
  ego = trees.take(drive.agents, (slice(None), 0))
  return jax.vmap(events.angle_from_axle, (0, None, 0))(ego, drive.sizes[0], xy)


def leaves_lane(drive):
  """Whether the ego is not all in its lane, or off the road, `[S]` bool.

  Where the map knows no lane there is none to leave.
  """
  road = drive.road
  return (road.has_lane & ~road.in_lane) | (drive.drivable < 0)


@jax.jit
def concerns(drive, xy):
  """Whether the ego should mind agents at points `[S, A, 2]`: `[S, A]` bool.

  nuPlan's and NAVSIM's rule for times to collision: those ahead; those beside,
  too, where the ego is not all in its lane or lanes cross; none from behind.
  """
  angle = _angle_from_axle(drive, xy)
  minds_sides = leaves_lane(drive) | drive.road.at_crossing
  return (angle < events.AHEAD) | (
    minds_sides[:, None] & (angle <= events.BEHIND)
  )


@jax.jit
def time_to_collision(drive, counts):
  """Least seconds until the ego meets an agent, infinite where it meets none.

  At each state all boxes go on at constant velocity; an ego at rest meets
  nobody. The time is exact: each of the four separating axes of two boxes that
  do not turn is crossed during one interval (Eberly, "Dynamic Collision
  Detection using Oriented Bounding Boxes", 1999).

  Args:
    drive: `Drive`.
    counts: `[S, A]` bool, the agents that may be met.
  """
  return jax.vmap(_time_to_collision, (0, 0, None))(
    drive.agents, counts, drive.sizes
  )


def _time_to_collision(agents, counts, sizes):
  velocity = agents.speed[:, None] * jnp.stack(
    [jnp.cos(agents.yaw), jnp.sin(agents.yaw)], -1
  )
  ego_xy, ego_yaw, ego_size = agents.xy[0], agents.yaw[0], sizes[0]

  def one(xy, yaw, size, velocity_b):
    axes = jnp.array([ego_yaw, ego_yaw + jnp.pi / 2, yaw, yaw + jnp.pi / 2])
    normals = jnp.stack([jnp.cos(axes), jnp.sin(axes)], -1)
    offset = jnp.sum(normals * (xy - ego_xy), -1)
    closing = jnp.sum(normals * (velocity_b - velocity[0]), -1)
    reach = _reach(axes, ego_yaw, ego_size) + _reach(axes, yaw, size)
    moves = jnp.abs(closing) > 1e-6
    safe = jnp.where(moves, closing, 1)
    first, second = (-reach - offset) / safe, (reach - offset) / safe
    always = jnp.where(jnp.abs(offset) < reach, -jnp.inf, jnp.inf)
    enter = jnp.max(jnp.where(moves, jnp.minimum(first, second), always))
    leave = jnp.min(jnp.where(moves, jnp.maximum(first, second), jnp.inf))
    meets = (enter < leave) & (leave > 0)
    return jnp.where(meets, jnp.maximum(enter, 0), jnp.inf)

  time = jax.vmap(one)(agents.xy, agents.yaw, sizes, velocity)
  counts &= jnp.abs(agents.speed[0]) > _AT_REST
  return jnp.min(jnp.where(counts, time, jnp.inf), initial=jnp.inf)


def _reach(axes, yaw, size):
  """Half the extent of a box along directions at angles `axes`."""
  turn = axes - yaw
  return (
    size[0] * jnp.abs(jnp.cos(turn)) + size[1] * jnp.abs(jnp.sin(turn))
  ) / 2


@jax.jit
def fault(drive):
  """1, or 0.5 or 0 where the ego is at fault in a collision.

  0.5 for objects and static obstacles, 0 for road users: those of the classes
  of nuPlan's AGENT_TYPES.
  """
  touched = met(drive)
  user = jnp.any(touched & (drive.classes != types.OTHER), -1)
  thing = jnp.any(touched & (drive.classes == types.OTHER), -1)
  at_fault = at_state(drive, drive.events.at_fault)
  static = at_state(drive, drive.events.static_collision)
  one = jnp.where(at_fault, jnp.where(thing & ~user, 0.5, 0.0), 1.0)
  return jnp.minimum(one, jnp.where(static, 0.5, 1.0))


def human(drive):
  """The reference in the ego's place, among the same traffic.

  Its collisions are those of its box with the agents as they drove for the ego,
  and its fault is decided by `events.is_blamed` at the moment in which it meets
  each. Where the map has no lane, it counts as in its own. It hits no static
  obstacle and runs no light, since the record does not contain these.

  Args:
    drive: `Drive` with `reference_road`.
  """
  agents = jax.tree.map(
    lambda x, r: jnp.concatenate([r[:, None], x[:, 1:]], 1),
    drive.agents,
    drive.reference,
  )
  placed = drive.replace(
    agents=agents,
    road=drive.reference_road,
    drivable=jnp.min(drive.reference_road.clearance[:, :4], -1),
  )
  touched = met(placed)
  before = jnp.concatenate([jnp.zeros_like(touched[:1]), touched[:-1]])
  blamed = jax.vmap(events.is_blamed, (0, None, None, 0))(
    agents, drive.sizes, drive.classes, ~leaves_lane(placed)
  )
  at_fault = jnp.any(touched & ~before & blamed, -1) & drive.valid
  by_decision = at_fault[1:].reshape(len(drive.active), -1).any(-1)
  no = jnp.zeros_like(by_decision)
  return placed.replace(
    events=drive.events.replace(
      dynamic_collision=jnp.any(touched & drive.valid[:, None], -1)[1:]
      .reshape(len(drive.active), -1)
      .any(-1),
      static_collision=no,
      at_fault=by_decision,
      ran_light=no,
    )
  )
