# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Checks whether an edited track can be driven, with a reason if not.

Every check looks at the steps of a window; the first that fails, in the order
of `REASONS`, names the rejection. The limits are ours: the publication of
ReconDreamer-RL says that infeasible trajectories are discarded, not how.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario import frenet
from rdrl.scenario import profiles

REASONS = (
  'accepted',
  'no_agent',
  'no_donor',
  'no_lane',
  'speed',
  'acceleration',
  'lateral_acceleration',
  'curvature',
  'jerk',
  'overlap',
  'drivable',
  'occupancy',
  'ground',
  'unavoidable',
  'trivial',
)

# Least speed in m/s by which a yaw rate is divided for a curvature.
_CREEP = 1.0
# Points along a lane change where the ego's box is compared with the road.
_ROAD_LOOKS = 48
# Agents compared with the ego's manoeuvres at a time.
_TOGETHER = 8


def motion(xy, heading):
  """Speed and heading of the middle of a box, by central differences.

  Args:
    xy: `[T, 2]`.
    heading: `[T]` rad of the path, taken on by a standing box.

  Returns:
    Signed speed `[T]` along the path, and heading `[T]`.
  """
  forward = (xy[1:] - xy[:-1]) / types.TIME_STEP
  velocity = jnp.concatenate(
    [forward[:1], (forward[1:] + forward[:-1]) / 2, forward[-1:]]
  )
  tangent = jnp.stack([jnp.cos(heading), jnp.sin(heading)], -1)
  speed = geometry.safe_norm(velocity)
  sign = jnp.where(jnp.sum(velocity * tangent, -1) < -1e-3, -1, 1)
  pointing = velocity * sign[:, None] + 0.1 * tangent
  return speed * sign, jnp.arctan2(pointing[:, 1], pointing[:, 0])


def kinematics(speed, yaw, window, config, wheeled=True):
  """Checks the motion of one track.

  Args:
    speed: `[T]` m/s.
    yaw: `[T]` rad, direction of motion.
    window: `[T]` bool.
    config: `scenario.Config`, the limits.
    wheeled: `[]` bool; pedestrians may turn on the spot.

  Returns:
    Reason to bool `[]`, whether the check failed.
  """
  dt = types.TIME_STEP
  acceleration = jnp.gradient(speed, dt)
  # The second difference, not that of the smoothed gradient above.
  jerk = jnp.pad(speed[2:] - 2 * speed[1:-1] + speed[:-2], 1) / dt**2
  turn = geometry.wrap_angle(yaw[1:] - yaw[:-1]) / dt
  yaw_rate = jnp.concatenate([turn[:1], (turn[1:] + turn[:-1]) / 2, turn[-1:]])
  curvature = yaw_rate / jnp.maximum(jnp.abs(speed), _CREEP)

  def any_beyond(value, limit):
    return jnp.any(window & (jnp.abs(value) > limit))

  return {
    'speed': jnp.any(window & (speed < -0.05)),
    'acceleration': any_beyond(acceleration, config.max_acceleration),
    'lateral_acceleration': wheeled
    & any_beyond(speed * yaw_rate, config.max_lateral_acceleration),
    'curvature': wheeled & any_beyond(curvature, config.max_curvature),
    'jerk': any_beyond(jerk, config.max_jerk),
  }


def overlaps(track, size, tracks, sizes, counts, window, margin):
  """Whether a box comes closer than `margin` to any other.

  Args:
    track: `[T]`, without agent axis.
    size: `[3]` metres.
    tracks: `[T, A]`.
    sizes: `[A, 3]`.
    counts: `[T, A]` bool, which boxes to compare with at each step.
    window: `[T]` bool.
    margin: metres all around the first box.
  """

  own = geometry.boxes(track.xy[:, None], track.yaw[:, None], size + 2 * margin)
  others = geometry.boxes(tracks.xy, tracks.yaw, sizes)
  # Sines once per box, not once per pair.
  gap = geometry.separation(*jax.lax.optimization_barrier((own, others)))
  return jnp.min(jnp.where(counts & window[:, None], gap, jnp.inf)) < 0


def corners_inside(grid, xy, yaw, size):
  """Least value `[...]` of a grid at the corners of boxes `[...]`."""
  return jnp.min(
    geometry.sample_grid(grid, geometry.box_corners(xy, yaw, size)), -1
  )


def outline_free(grid, xy, yaw, size):
  """Least value `[...]` of a grid along the sides of boxes `[...]`."""
  along = jnp.array([1, 0.5, 0, -0.5, -1]) / 2
  places = jnp.stack(
    [jnp.tile(along, 2), jnp.repeat(jnp.array([0.5, -0.5]), len(along))], -1
  )
  places = geometry.rotate_2d(places * size[:2], yaw[..., None])
  return jnp.min(geometry.sample_grid(grid, xy[..., None, :] + places), -1)


def off_the_ground(grid, xy, yaw, size, config, wheeled):
  """Steps at which a box does not stand on the ground.

  These are steps outside of the raster; for a car, also those at which its four
  wheels have no common plane or a steep one.

  Args:
    grid: height of the ground in metres.
    xy: `[T, 2]`.
    yaw: `[T]`.
    size: `[3]` metres.
    config: `scenario.Config`, the limits.
    wheeled: `[]` bool.

  Returns:
    Bool `[T]`.
  """
  wheelbase = 0.6 * size[0]
  track = 0.8 * size[1]
  wheels = geometry.box_corners(xy, yaw, jnp.stack([wheelbase, track]))
  height = geometry.sample_grid(grid, wheels)
  left_front, left_rear, right_rear, right_front = jnp.moveaxis(height, -1, 0)
  # Distance of each wheel to their least-squares plane.
  gap = jnp.abs(left_front - left_rear + right_rear - right_front) / 4
  rise = jnp.abs(left_front + right_front - left_rear - right_rear) / 2
  rows, columns = grid.values.shape[-2:]
  extent = grid.origin + grid.cell * jnp.array([columns - 1, rows - 1])
  outside = jnp.any((wheels < grid.origin) | (wheels > extent), (-2, -1))
  rough = (gap > config.max_wheel_gap) | (rise > config.max_slope * wheelbase)
  return outside | (wheeled & rough)


def first_reason(failed):
  """Index `[]` int32 into `REASONS` of the first failed check, or 0.

  Args:
    failed: dict of bool `[]` by name.
  """
  flags = jnp.stack(
    [failed.get(name, jnp.zeros((), bool)) for name in REASONS[1:]]
  )
  return jnp.where(jnp.any(flags), 1 + jnp.argmax(flags), 0).astype(jnp.int32)


def _within_reach(mine, theirs):
  """`[S, A]` bool, whose bounding rectangle meets that of all manoeuvres.

  Args:
    mine: `Boxes` `[M, S]` of the ego, of one size.
    theirs: `Boxes` `[S, A]`.
  """

  def sides(boxes):
    cos, sin = jnp.abs(boxes.cos), jnp.abs(boxes.sin)
    return (
      (boxes.x, cos * boxes.length + sin * boxes.width),
      (boxes.y, sin * boxes.length + cos * boxes.width),
    )

  near = True
  for (middle, reach), (other, other_reach) in zip(
    sides(mine), sides(theirs), strict=True
  ):
    low = jnp.min(middle - reach, 0)[:, None]
    high = jnp.max(middle + reach, 0)[:, None]
    near &= (other + other_reach > low) & (other - other_reach < high)
  return near


def avoidability(context, track, adversary, trigger, config):
  """Measures how hard an adversary is to avoid.

  The ego follows its reference until the trigger, or some steps longer
  (`config.avoid_delays`). Then it tries a library of manoeuvres: each brakes or
  accelerates, and shifts to the side. Manoeuvres that leave the road do not
  count. If traffic is reactive, agents that follow the ego in its lane do not
  count either.

  Args:
    context: `Context` of the scene.
    track: `[T]` of the adversary, edited.
    adversary: `[]` int32.
    trigger: `[]` int32 step.
    config: library and horizon.

  Returns:
    Share `[]` of the manoeuvres that collide; `[]` bool, whether any hits the
    adversary; `[]` bool, whether all collide.
  """
  ego = context.ego
  last = track.valid.shape[0] - 1
  steps = jnp.minimum(
    trigger + jnp.arange(0, config.avoid_steps, config.avoid_stride), last
  )
  ahead = ego.s[trigger] > ego.s[trigger, 0]
  same_lane = jnp.abs(ego.d[trigger] - ego.d[trigger, 0]) < 2.0
  follows = same_lane & ~ahead & config.reactive
  agent = jnp.arange(len(context.sizes))
  counts = (agent == adversary) | ((agent != 0) & ~follows)
  others = jax.tree.map(
    lambda x, new: x[steps].at[:, adversary].set(new[steps].astype(x.dtype)),
    context.tracks,
    track,
  )
  counts &= others.valid
  begins = jnp.minimum(trigger + jnp.array(config.avoid_delays), last)
  shifts = jnp.array(config.avoid_shifts)
  accelerations = jnp.array(config.avoid_accelerations)
  longest = config.avoid_steps * types.TIME_STEP

  def aside(begin, shift, moved):
    """xy and yaw of the ego, `moved` metres into a lane change."""
    s0, v0 = ego.s[begin, 0], ego.speed[begin, 0]
    # A lane change takes the distance of three seconds at the first speed.
    reach = jnp.maximum(3 * v0, 5.0)
    d = ego.d[begin, 0] + shift * profiles.ease(moved / reach)
    turn = jnp.arctan(shift * profiles.ease_slope(moved / reach) / reach)
    xy, along = frenet.from_frenet(context.path, s0 + moved, d)
    return xy, along + turn

  def on_road_until(begin, shift):
    """Metres `[]` into a lane change where it leaves the road."""
    most = ego.speed[begin, 0] + jnp.max(accelerations) * longest / 2
    moved = jnp.linspace(0, most * longest, _ROAD_LOOKS)
    xy, yaw = jax.vmap(aside, (None, None, 0))(begin, shift, moved)
    inside = corners_inside(context.drivable, xy, yaw, context.sizes[0]) >= 0
    return jnp.where(jnp.all(inside), jnp.inf, moved[jnp.argmin(inside)])

  def drive(acceleration, shift, begin, road):
    time = jnp.maximum((steps - begin) * types.TIME_STEP, 0)
    v0 = ego.speed[begin, 0]
    stop = jnp.where(acceleration < 0, -v0 / acceleration, jnp.inf)
    t = jnp.minimum(time, stop)
    moved = v0 * t + acceleration * t**2 / 2
    xy, yaw = jax.vmap(aside, (None, None, 0))(begin, shift, moved)
    waits = steps < begin
    recorded = trees.take(context.tracks, (steps, 0))
    xy = jnp.where(waits[:, None], recorded.xy, xy)
    yaw = jnp.where(waits, recorded.yaw, yaw)
    return xy, yaw, moved[-1] < road

  begins, shifts = (axis.reshape(-1) for axis in jnp.meshgrid(begins, shifts))
  roads = jax.vmap(on_road_until)(begins, shifts)
  xy, yaw, on_road = jax.vmap(
    jax.vmap(drive, (None, 0, 0, 0)), (0, None, None, None)
  )(accelerations, shifts, begins, roads)
  on_road = on_road.reshape(-1)

  mine = geometry.boxes(
    xy.reshape(-1, len(steps), 2),
    yaw.reshape(-1, len(steps)),
    context.sizes[0],
  )
  theirs = geometry.boxes(
    others.xy,
    others.yaw,
    jnp.broadcast_to(context.sizes, (*others.yaw.shape, 3)),
  )
  # The barrier keeps XLA from recomputing the boxes for every pair.
  mine, theirs = jax.lax.optimization_barrier((mine, theirs))
  near = _within_reach(mine, theirs)
  near = jnp.any(near & counts, 0)
  # Agents in reach come first; the loop stops before the others.
  order = jnp.argsort(~near)
  order = jnp.pad(order, (0, -len(order) % _TOGETHER), mode='edge')

  def meets(agents):
    """Which manoeuvres `[M]` hit any of some agents `[n]`."""
    own = jax.tree.map(lambda x: x[..., None], mine)
    gap = geometry.separation(own, trees.take(theirs, (slice(None), agents)))
    gap = jnp.where(counts[:, agents], gap, jnp.inf)
    return jnp.min(gap, (1, 2)) < 0

  def look(carry):
    begin, collides = carry
    agents = jax.lax.dynamic_slice(order, (begin,), (_TOGETHER,))
    return begin + _TOGETHER, collides | meets(agents)

  meets_adversary = meets(adversary[None])
  _, collides = jax.lax.while_loop(
    lambda carry: carry[0] < jnp.sum(near), look, (0, meets_adversary)
  )
  share = jnp.sum(collides & on_road) / jnp.maximum(jnp.sum(on_road), 1)
  is_threat = jnp.any(meets_adversary & on_road)
  return share, is_threat, ~jnp.any(on_road & ~collides)
