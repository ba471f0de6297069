# Copyright 2026 The rdrl Authors. Apache-2.0.
"""nuPlan's closed-loop score and what it consists of.

As github.com/motional/nuplan-devkit v1.2 has them in planning/metrics/
evaluation_metrics/common and in the weights of its closed_loop aggregators:

  score = collision * drivable * progress made * direction
          * (5 progress + 5 time to collision + 4 speed limit + 2 comfort) / 16

Rules of the road need `Drive.road`; scores that ask for one are NaN of a record
without it. What a map does not know, such as a speed limit, is not broken.
"""

import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.report import signals
from rdrl.sim import events

# ego_is_comfortable: longitudinal and lateral acceleration in m/s^2, yaw rate
# in rad/s, yaw acceleration in rad/s^2, jerk in m/s^3.
LONGITUDINAL_ACCELERATION = (-4.05, 2.40)
LATERAL_ACCELERATION = 4.89
YAW_RATE = 0.95
YAW_ACCELERATION = 1.93
LONGITUDINAL_JERK = 4.13
JERK = 8.37

# Metres by which drivable_area_compliance lets a corner leave.
OFF_ROAD_TOLERANCE = 0.3
# Metres; below it, score_progress_threshold, progress is not counted.
_LEAST_PROGRESS = 2.0
# Share of the expert's way that ego_is_making_progress asks for.
_MIN_PROGRESS = 0.2
# Metres against the lane that driving_direction_compliance halves the score
# for and those that it gives none for, and over how many steps: its sums over
# the last second have 11 terms.
_AGAINST = (2.0, 6.0)
_DIRECTION_STEPS = 11
# Seconds that time_to_collision_within_bound asks for.
_LEAST_TIME = 0.95
# m/s over the limit, all the time, that leave nothing of the score.
_OVERSPEED = 2.23


def off_road(drive):
  """1 if a corner left the drivable area by more than 0.3 m: nuPlan's
  drivable_area_compliance."""
  return signals.as_score(
    jnp.any(drive.valid & (drive.drivable < -OFF_ROAD_TOLERANCE))
  )


def progress(drive):
  """Share of the reference's way that the ego covered, in [0, 1].

  nuPlan's ego_progress_along_expert_route: min(1, max(ego, 2 m) / max(expert,
  2 m)), and 0 for an ego that went back. Ways are arc lengths along the
  reference path; the expert's is that of all decisions that the record had time
  for, however early the ego's drive ended.
  """
  arc, _ = signals.along_path(drive)
  ego = arc[signals.last(drive)] - arc[0]
  ratio = jnp.maximum(ego, _LEAST_PROGRESS) / jnp.maximum(
    signals.expert_way(drive), _LEAST_PROGRESS
  )
  return signals.as_score(
    jnp.where(ego < -_LEAST_PROGRESS, 0, jnp.minimum(ratio, 1))
  )


@jax.jit
def within_comfort(drive):
  """Which states keep all six bounds of nuPlan's ego_is_comfortable, `[S]`."""
  motion = signals.motion(drive)
  low, high = LONGITUDINAL_ACCELERATION
  return (
    (motion.acceleration >= low)
    & (motion.acceleration <= high)
    & (jnp.abs(motion.lateral) <= LATERAL_ACCELERATION)
    & (jnp.abs(motion.yaw_rate) <= YAW_RATE)
    & (jnp.abs(motion.yaw_acceleration) <= YAW_ACCELERATION)
    & (jnp.abs(motion.jerk) <= LONGITUDINAL_JERK)
    & (jnp.hypot(motion.jerk, motion.lateral_jerk) <= JERK)
  )


def comfort(drive):
  """Share of the states within the six bounds of nuPlan's ego_is_comfortable.

  NaN for less than three states.
  """
  enough = jnp.sum(drive.valid) >= 3
  share = signals.masked_mean(within_comfort(drive), drive.valid)
  return jnp.where(enough, share, jnp.nan)


def is_comfortable(drive):
  """1 if all states are: nuPlan's ego_is_comfortable.

  1 for less than three states, which have no acceleration to feel.
  """
  enough = jnp.sum(drive.valid) >= 3
  return signals.as_score(
    ~enough | jnp.all(within_comfort(drive) | ~drive.valid)
  )


def no_fault(drive):
  """1, or less if the ego was at fault in a collision: 0.5 with an object or a
  static obstacle, 0 with a road user: nuPlan's no_ego_at_fault_collisions."""
  return signals.as_score(
    jnp.min(jnp.where(drive.valid, signals.fault(drive), 1))
  )


def makes_progress(drive):
  """1 if progress is 0.2 or more: nuPlan's ego_is_making_progress."""
  return signals.as_score(progress(drive) >= _MIN_PROGRESS)


def against_lane(drive, at_crossing=True):
  """Metres against its lane that the ego went over the last second, `[S]`.

  What it backs up while the reference does is not counted: so does the human
  whose way it is to follow, in the lane of the right direction.

  Args:
    drive: `Drive` with `road`.
    at_crossing: whether what is driven where lanes cross counts.
  """
  road = drive.road
  xy = drive.agents.xy[:, 0]
  moved = jnp.concatenate([jnp.zeros((1, 2)), jnp.diff(xy, axis=0)])
  heading = road.lane_heading
  way = moved[:, 0] * jnp.cos(heading) + moved[:, 1] * jnp.sin(heading)
  speeds = drive.agents.speed[:, 0], drive.reference.speed
  backs = jnp.max(jnp.stack(speeds), 0) < -events.STANDING
  counts = drive.valid & road.has_lane & ~backs
  if not at_crossing:
    counts &= ~road.at_crossing
  total = jnp.cumsum(jnp.where(counts, way, 0))
  before = jnp.concatenate([jnp.zeros(_DIRECTION_STEPS), total])
  return before[: len(total)] - total


def direction_score(worst):
  """nuPlan's {0, 0.5, 1} for metres driven against a lane within a second."""
  half, none = _AGAINST
  return jnp.where(worst < half, 1.0, jnp.where(worst < none, 0.5, 0.0))


def driving_direction(drive):
  """1 if the ego never went 2 m against its lane within a second, 0.5 if never
  6 m, else 0: nuPlan's driving_direction_compliance."""
  if drive.road is None:
    return jnp.float32(jnp.nan)
  against = jnp.where(drive.valid, against_lane(drive), 0)
  return signals.as_score(direction_score(jnp.max(against)))


def time_to_collision_within_bound(drive):
  """1 if it never was 0.95 s or less: nuPlan's metric of that name.

  Against those ahead; where the ego is not all in its lane or lanes cross, also
  against those beside. A collision at fault counts as no time.
  """
  if drive.road is None:
    return jnp.float32(jnp.nan)
  counts = signals.others(drive) & signals.concerns(drive, drive.agents.xy)
  # An agent that the ego has met no longer counts.
  touched = signals.met(drive) & drive.valid[:, None]
  counts &= jnp.cumsum(touched, 0) == 0
  time = signals.time_to_collision(drive, counts)
  at_fault = signals.fault(drive) < 1
  soon = drive.valid & ((time <= _LEAST_TIME) | at_fault)
  return signals.as_score(~jnp.any(soon))


def speed_limit(drive):
  """1 less the mean speed over the limit in units of 2.23 m/s, at least 0:
  nuPlan's speed_limit_compliance, which divides by the duration."""
  if drive.road is None:
    return jnp.float32(jnp.nan)
  over = jnp.maximum(drive.agents.speed[:, 0] - drive.road.speed_limit, 0)
  total = jnp.sum(jnp.where(drive.valid, over, 0)) * types.TIME_STEP
  duration = signals.last(drive) * types.TIME_STEP
  loss = total / (_OVERSPEED * jnp.maximum(duration, types.TIME_STEP))
  return signals.as_score(jnp.maximum(1 - loss, 0))


def closed_loop_score(drive):
  """nuPlan's closed-loop score, in [0, 1]."""
  weighted = (
    5 * progress(drive)
    + 5 * time_to_collision_within_bound(drive)
    + 4 * speed_limit(drive)
    + 2 * is_comfortable(drive)
  ) / 16
  return (
    no_fault(drive)
    * (1 - off_road(drive))
    * makes_progress(drive)
    * driving_direction(drive)
    * weighted
  )
