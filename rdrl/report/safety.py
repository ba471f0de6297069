# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How close it was: times to collision and distances.

Time to collision is that of Hayward ("Near-miss determination through use of a
scale of danger", 1972) for boxes that do not turn. Shares and integrals of it
are those of Minderhoud and Bovy ("Extended time-to-collision measures for road
traffic safety assessment", 2001).
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.report import signals

# Seconds that nuPlan's time_to_collision_within_bound looks ahead.
TIME_HORIZON = 3.0


def _times(drive):
  """Seconds to collision `[S]`, infinite where there is none ahead.

  With all but traffic from behind: boxes whose middle is behind the ego's rear
  bumper.
  """
  ego = drive.agents
  local = geometry.rotate_2d(ego.xy - ego.xy[:, :1], -ego.yaw[:, :1])
  counts = signals.others(drive) & (local[..., 0] > -drive.sizes[0, 0] / 2)
  return signals.time_to_collision(drive, counts)


def time_to_collision(drive):
  """Least time to collision of the drive in seconds, at most 3.

  At each state, both boxes go on at constant velocity; nuPlan's
  time_to_collision_within_bound, with its horizon, its exception of an ego at
  rest, and its exception of traffic from behind, here of boxes whose middle is
  behind the ego's rear bumper.
  """
  times = jnp.where(drive.valid, _times(drive), TIME_HORIZON)
  return signals.as_score(jnp.minimum(jnp.min(times), TIME_HORIZON))


def below_one_second(drive):
  """Share of the states whose time to collision is less than 1 s: TET of
  Minderhoud and Bovy, over the duration."""
  return signals.masked_mean(_times(drive) < 1, drive.valid)


def below_three_seconds(drive):
  """Share of the states whose time to collision is less than 3 s: TET, too."""
  return signals.masked_mean(_times(drive) < TIME_HORIZON, drive.valid)


def time_integrated(drive):
  """How far the time to collision was below 3 s, integrated over time: TIT of
  Minderhoud and Bovy, in s^2."""
  short = jnp.maximum(TIME_HORIZON - _times(drive), 0)
  total = jnp.sum(jnp.where(drive.valid, short, 0))
  return signals.as_score(total * types.TIME_STEP)


def impact_speed(drive):
  """m/s at which ego and other approached each other when they met.

  `types.Events.closing_speed`, at least 0; NaN without a dynamic collision and
  of a record that does not tell.
  """
  if drive.events.closing_speed is None:
    return jnp.float32(jnp.nan)
  met = drive.events.dynamic_collision & drive.active
  speed = jnp.max(jnp.where(met, drive.events.closing_speed, 0))
  return signals.as_score(jnp.where(jnp.any(met), speed, jnp.nan))


def least_distance(drive):
  """Least distance from the ego's box to another in metres, seen from above.

  0 where they overlap, NaN where nobody else is there: AlpaSim's minimum
  distance to other traffic.
  """
  agents = drive.agents

  def corner_to_box(corners, xy, yaw, size):
    local = geometry.rotate_2d(corners - xy, -yaw)
    beyond = jnp.maximum(jnp.abs(local) - size[:2] / 2, 0)
    return jnp.min(geometry.safe_norm(beyond))

  def between(xy, yaw, size, ego_xy, ego_yaw):
    ego_size = drive.sizes[0]
    # Of two boxes that are apart, one is nearest with a corner.
    there = corner_to_box(
      geometry.box_corners(xy, yaw, size), ego_xy, ego_yaw, ego_size
    )
    back = corner_to_box(
      geometry.box_corners(ego_xy, ego_yaw, ego_size), xy, yaw, size
    )
    return jnp.minimum(there, back)

  distance = jax.vmap(
    jax.vmap(between, (0, 0, 0, None, None)), (0, 0, None, 0, 0)
  )(agents.xy, agents.yaw, drive.sizes, agents.xy[:, 0], agents.yaw[:, 0])
  distance = jnp.where(signals.met(drive), 0, distance)
  there = signals.others(drive) & drive.valid[:, None]
  least = jnp.min(jnp.where(there, distance, jnp.inf))
  return signals.as_score(jnp.where(jnp.any(there), least, jnp.nan))
