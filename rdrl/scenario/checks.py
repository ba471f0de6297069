# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Whether an edited track could be driven, and why not.

Every check looks at the steps of a window; the first that fails, in the order
of `REASONS`, names the reject. The limits are our choice: the publication of
ReconDreamer-RL says that infeasible trajectories are discarded, not how.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.scenario import frenet
from rdrl.scenario import profiles

REASONS = (
  'accepted',
  'no_vehicle',
  'speed',
  'acceleration',
  'lateral_acceleration',
  'curvature',
  'jerk',
  'overlap',
  'drivable',
  'occupancy',
  'unavoidable',
  'trivial',
)

# m/s below which a heading says nothing about the curvature of the motion.
_CREEP = 1.0


def motion(xy, heading):
  """Speed and heading of the middle of a box, by central differences.

  Args:
    xy: `[T, 2]`.
    heading: `[T]` of the path, which a standing box takes on.

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


def kinematics(speed, yaw, window, config):
  """Failed checks, by name, of the motion of one track.

  Args:
    speed: `[T]` m/s.
    yaw: `[T]` direction of motion.
    window: `[T]` bool.
    config: `scenario.Config`, the limits.

  Returns:
    Dict of bool `[]`.
  """
  dt = types.TIME_STEP
  acceleration = jnp.gradient(speed, dt)
  # The difference of the differences, not of the smoothed gradient above.
  jerk = jnp.pad(speed[2:] - 2 * speed[1:-1] + speed[:-2], 1) / dt**2
  turn = geometry.wrap_angle(yaw[1:] - yaw[:-1]) / dt
  yaw_rate = jnp.concatenate([turn[:1], (turn[1:] + turn[:-1]) / 2, turn[-1:]])
  curvature = yaw_rate / jnp.maximum(jnp.abs(speed), _CREEP)

  def any_beyond(value, limit):
    return jnp.any(window & (jnp.abs(value) > limit))

  return {
    'speed': jnp.any(window & (speed < -0.05)),
    'acceleration': any_beyond(acceleration, config.max_acceleration),
    'lateral_acceleration': any_beyond(
      speed * yaw_rate, config.max_lateral_acceleration
    ),
    'curvature': any_beyond(curvature, config.max_curvature),
    'jerk': any_beyond(jerk, config.max_jerk),
  }


def overlaps(track, size, tracks, sizes, counts, window, margin):
  """Whether a box comes closer than `margin` to any other.

  Args:
    track: `[T]`, without agent axis.
    size: `[3]` metres.
    tracks: `[T, A]`.
    sizes: `[A, 3]`.
    counts: `[T, A]` bool, which boxes matter when.
    window: `[T]` bool.
    margin: metres, all around the first box.
  """
  met = geometry.boxes_overlap(
    track.xy[:, None],
    track.yaw[:, None],
    size + 2 * margin,
    tracks.xy,
    tracks.yaw,
    sizes,
  )
  return jnp.any(met & counts & window[:, None])


def corners_inside(grid, xy, yaw, size):
  """Least value `[...]` of a grid at the corners of boxes `[...]`."""
  return jnp.min(
    geometry.sample_grid(grid, geometry.box_corners(xy, yaw, size)), -1
  )


def outline_free(grid, xy, yaw, size):
  """Least value `[...]` of a grid along the sides of boxes `[...]`."""
  parts = [size[:2] * jnp.array([share, 1.0]) for share in (1.0, 0.5, 0.0)]
  values = [corners_inside(grid, xy, yaw, part) for part in parts]
  return jnp.min(jnp.stack(values), 0)


def first_reason(failed):
  """Index `[]` int32 into `REASONS` of the first failed check, or 0.

  Args:
    failed: dict of bool `[]` by name.
  """
  flags = jnp.stack(
    [failed.get(name, jnp.zeros((), bool)) for name in REASONS[1:]]
  )
  return jnp.where(jnp.any(flags), 1 + jnp.argmax(flags), 0).astype(jnp.int32)


def avoidability(context, tracks, adversary, trigger, config):
  """How hard an adversary is to avoid.

  The ego follows its reference until the trigger, or half a second longer, and
  then brakes or accelerates, and moves over, by each of a library of
  manoeuvres; one that leaves the road does not count. Moving agents that
  follow the ego in its lane do not count either if traffic is reactive.

  Args:
    context: `Context` of the scene.
    tracks: `[T, A]` with the adversary.
    adversary: `[]` int32.
    trigger: `[]` int32 step.
    config: library and horizon.

  Returns:
    Share `[]` of the manoeuvres that collide, whether any meets the adversary
    `[]`, and whether none is free `[]`.
  """

  last = tracks.valid.shape[0] - 1
  steps = jnp.minimum(
    trigger + jnp.arange(0, config.avoid_steps, config.avoid_stride), last
  )
  size = context.sizes[0]
  ahead = context.s[trigger] > context.s[trigger, 0]
  same_lane = jnp.abs(context.d[trigger] - context.d[trigger, 0]) < 2.0
  follows = same_lane & ~ahead & config.reactive
  agent = jnp.arange(len(context.sizes))
  counts = (agent == adversary) | ((agent != 0) & ~follows)
  others = types.take(tracks, steps)

  def drive(acceleration, shift, delay):
    begin = jnp.minimum(trigger + delay, last)
    time = jnp.maximum((steps - begin) * types.TIME_STEP, 0)
    s0, v0 = context.s[begin, 0], context.speed[begin, 0]
    stop = jnp.where(acceleration < 0, -v0 / acceleration, jnp.inf)
    t = jnp.minimum(time, stop)
    moved = v0 * t + acceleration * t**2 / 2
    # A lane change takes three seconds at the first speed, or as much road.
    reach = jnp.maximum(3 * v0, 5.0)
    s = jnp.where(steps < begin, context.s[steps, 0], s0 + moved)
    d = context.d[begin, 0] + shift * profiles.ease(moved / reach)
    d = jnp.where(steps < begin, context.d[steps, 0], d)
    turn = jnp.arctan(shift * profiles.ease_slope(moved / reach) / reach)
    xy, heading = jax.vmap(frenet.from_frenet, (None, 0, 0))(context.path, s, d)
    yaw = heading + turn
    met = geometry.boxes_overlap(
      xy[:, None], yaw[:, None], size, others.xy, others.yaw, context.sizes
    )
    met = jnp.any(met & others.valid & counts, 0)
    on_road = jnp.all(corners_inside(context.drivable, xy, yaw, size) >= 0)
    return jnp.any(met), met[adversary], on_road

  library = jnp.meshgrid(
    jnp.array(config.avoid_accelerations),
    jnp.array(config.avoid_shifts),
    jnp.array(config.avoid_delays),
  )
  collides, meets_adversary, on_road = jax.vmap(drive)(
    *(axis.reshape(-1) for axis in library)
  )
  share = jnp.sum(collides & on_road) / jnp.maximum(jnp.sum(on_road), 1)
  is_threat = jnp.any(meets_adversary & on_road)
  return share, is_threat, ~jnp.any(on_road & ~collides)
