# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of a drive, each a function of one `types.Drive` and of nothing else.

The nine of RAD (arXiv 2502.13144, section 4.1) are `collision`,
`dynamic_collision`, `static_collision`, `deviation`, `position_deviation`,
`heading_deviation`, `average_deviation`, `longitudinal_jerk` and
`lateral_jerk`; RAD's ratios are the means of the first six over drives. The
others follow nuPlan (github.com/motional/nuplan-devkit) and, as at-fault
collisions, keep apart what replayed traffic does to the ego.

Functions take one drive and return float32 `[]`, NaN where a score has no
meaning, such as the jerk of a drive of two states. What a record holds after
the end of its drive changes nothing.
"""

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types

# nuPlan's ego_is_comfortable: longitudinal and lateral acceleration in m/s^2,
# yaw rate in rad/s, yaw acceleration in rad/s^2, jerk in m/s^3.
LONGITUDINAL_ACCELERATION = (-4.05, 2.40)
LATERAL_ACCELERATION = 4.89
YAW_RATE = 0.95
YAW_ACCELERATION = 1.93
LONGITUDINAL_JERK = 4.13
JERK = 8.37

# Half the window of nuPlan's Savitzky-Golay filter, in steps.
_HALF_WINDOW = 7

# Metres; below it, nuPlan's score_progress_threshold, progress is not counted.
_LEAST_PROGRESS = 2.0

# Metres by which nuPlan lets a corner leave the drivable area.
_OFF_ROAD_TOLERANCE = 0.3

# Seconds that nuPlan's time_to_collision_within_bound looks ahead, and the m/s
# up to which its ego is at rest and hits nobody.
TIME_HORIZON = 3.0
_AT_REST = 5e-3


def _happened(drive, event):
  return jnp.any(event & drive.active)


def _as_score(x):
  return jnp.asarray(x, jnp.float32)


def dynamic_collision(drive):
  """1 if the ego's box met another agent's: RAD's DCR, section 4.1."""
  return _as_score(_happened(drive, drive.events.dynamic_collision))


def static_collision(drive):
  """1 if the ego's box met a static obstacle: RAD's SCR, section 4.1.

  0 if it met an agent within the same decision, so that CR = DCR + SCR.
  """
  happened = _happened(drive, drive.events.static_collision)
  return _as_score(happened) * (1 - dynamic_collision(drive))


def collision(drive):
  """1 if either happened: RAD's CR = DCR + SCR, section 4.1."""
  return dynamic_collision(drive) + static_collision(drive)


def position_deviation(drive):
  """1 if the ego went too far from the reference: RAD's PDR, section 4.1."""
  return _as_score(_happened(drive, drive.events.position_deviation))


def heading_deviation(drive):
  """1 if the ego turned too far from the reference: RAD's HDR, section 4.1.

  0 if its position deviated within the same decision, so that DR = PDR + HDR.
  """
  happened = _happened(drive, drive.events.heading_deviation)
  return _as_score(happened) * (1 - position_deviation(drive))


def deviation(drive):
  """1 if either happened: RAD's DR = PDR + HDR, section 4.1."""
  return position_deviation(drive) + heading_deviation(drive)


def at_fault_collision(drive):
  """1 if a dynamic collision was the ego's fault: nuPlan's
  no_ego_at_fault_collisions, as `types.Events.at_fault` decides it."""
  return _as_score(_happened(drive, drive.events.at_fault))


def average_deviation(drive):
  """Mean distance to the reference path in metres: RAD's ADD, section 4.1.

  Over the states without collision, that is all but the last one of a drive
  that ended in one. Beyond its ends the path goes on straight.
  """
  distance = jax.vmap(lambda xy: jnp.abs(_along_path(drive, xy)[1]))(
    drive.agents.xy[:, 0]
  )
  is_last = jnp.arange(len(drive.valid)) == _last(drive)
  free = drive.valid & ~(is_last & (collision(drive) > 0))
  return _masked_mean(distance, free)


def longitudinal_jerk(drive):
  """Mean |second difference of speed| / dt^2 in m/s^3: RAD, section 4.1."""
  speed = drive.agents.speed[:, 0]
  second = speed[2:] - 2 * speed[1:-1] + speed[:-2]
  return _masked_mean(jnp.abs(second) / types.TIME_STEP**2, _triples(drive))


def lateral_jerk(drive):
  """Mean |first difference of lateral acceleration| / dt in m/s^3.

  RAD, section 4.1, names it without a formula. The lateral acceleration of a
  car that does not slip is its speed times its yaw rate.
  """
  speed, yaw = drive.agents.speed[:, 0], drive.agents.yaw[:, 0]
  yaw_rate = geometry.wrap_angle(jnp.diff(yaw)) / types.TIME_STEP
  acceleration = (speed[1:] + speed[:-1]) / 2 * yaw_rate
  jerk = jnp.diff(acceleration) / types.TIME_STEP
  return _masked_mean(jnp.abs(jerk), _triples(drive))


def off_road(drive):
  """1 if a corner left the drivable area by more than 0.3 m: nuPlan's
  drivable_area_compliance."""
  return _as_score(
    jnp.any(drive.valid & (drive.drivable < -_OFF_ROAD_TOLERANCE))
  )


def progress(drive):
  """Share of the reference's way that the ego covered, in [0, 1].

  nuPlan's ego_progress_along_expert_route: min(1, max(ego, 2 m) / max(expert,
  2 m)), and 0 for an ego that went back. Ways are arc lengths along the
  reference path; the expert's is that of all decisions that the record had time
  for, however early the ego's drive ended.
  """

  def arc(xy):
    return _along_path(drive, xy)[0]

  ego = arc(drive.agents.xy[_last(drive), 0]) - arc(drive.agents.xy[0, 0])
  start, end = _span(drive)
  steps = geometry.safe_norm(jnp.diff(drive.path.xy, axis=0))
  index = jnp.arange(len(steps))
  expert = jnp.sum(jnp.where((index >= start) & (index < end), steps, 0))
  ratio = jnp.maximum(ego, _LEAST_PROGRESS) / jnp.maximum(
    expert, _LEAST_PROGRESS
  )
  return _as_score(jnp.where(ego < -_LEAST_PROGRESS, 0, jnp.minimum(ratio, 1)))


def comfort(drive):
  """Share of the states within the six bounds of nuPlan's ego_is_comfortable.

  As there, derivatives are those of quadratics fitted to 15 states around each
  (Savitzky and Golay 1964); at the ends, to those of the 15 that there are.
  Speed and yaw are fitted, so that the lateral acceleration, speed times yaw
  rate, and its derivative follow from the product rule.
  """
  speed, acceleration, jerk = _quadratic_fit(
    drive.agents.speed[:, 0], drive.valid
  )
  yaw = jnp.cumsum(
    jnp.concatenate(
      [jnp.zeros(1), geometry.wrap_angle(jnp.diff(drive.agents.yaw[:, 0]))]
    )
  )
  _, yaw_rate, yaw_acceleration = _quadratic_fit(yaw, drive.valid)
  lateral_jerk = acceleration * yaw_rate + speed * yaw_acceleration
  low, high = LONGITUDINAL_ACCELERATION
  within = (
    (acceleration >= low)
    & (acceleration <= high)
    & (jnp.abs(speed * yaw_rate) <= LATERAL_ACCELERATION)
    & (jnp.abs(yaw_rate) <= YAW_RATE)
    & (jnp.abs(yaw_acceleration) <= YAW_ACCELERATION)
    & (jnp.abs(jerk) <= LONGITUDINAL_JERK)
    & (jnp.hypot(jerk, lateral_jerk) <= JERK)
  )
  enough = jnp.sum(drive.valid) >= 3
  return jnp.where(enough, _masked_mean(within, drive.valid), jnp.nan)


def time_to_collision(drive):
  """Least time to collision of the drive in seconds, at most 3.

  At each state, both boxes go on at constant velocity; nuPlan's
  time_to_collision_within_bound, with its horizon, its exception of an ego at
  rest, and its exception of traffic from behind, here of boxes whose middle is
  behind the ego's rear bumper. The time is exact: each of the four separating
  axes of two boxes that do not turn is crossed during one interval (Eberly,
  "Dynamic Collision Detection using Oriented Bounding Boxes", 1999).
  """
  times = jax.vmap(_time_to_collision, (0, None))(drive.agents, drive.sizes)
  return _as_score(jnp.min(jnp.where(drive.valid, times, TIME_HORIZON)))


def _time_to_collision(agents, sizes):
  """Least time `[]` until the ego at one moment meets any other agent."""
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
  ahead = geometry.rotate_2d(agents.xy - ego_xy, -ego_yaw)[:, 0]
  counts = agents.valid & (ahead > -ego_size[0] / 2)
  counts &= jnp.abs(agents.speed[0]) > _AT_REST
  counts = counts.at[0].set(False)
  return jnp.min(jnp.where(counts, time, TIME_HORIZON), initial=TIME_HORIZON)


def _reach(axes, yaw, size):
  """Half the extent of a box along directions at angles `axes`."""
  turn = axes - yaw
  return (
    size[0] * jnp.abs(jnp.cos(turn)) + size[1] * jnp.abs(jnp.sin(turn))
  ) / 2


def _along_path(drive, xy):
  """Arc length and signed offset of a point along the reference path."""
  return geometry.project_to_polyline(xy, drive.path.xy, drive.path.valid)[:2]


def _span(drive):
  """First and last index into `drive.path` of a drive that does not end early.

  The first is where the reference runs along the path; the last is as many
  whole decisions later as the record and the path have room for.
  """
  num_path, num_states = len(drive.path.valid), len(drive.valid)
  shifted = jnp.arange(num_path)[:, None] + jnp.arange(num_states)
  shifted = jnp.minimum(shifted, num_path - 1)
  error = jnp.sum((drive.path.xy[shifted] - drive.reference.xy) ** 2, -1)
  start = jnp.argmin(jnp.sum(jnp.where(drive.valid, error, 0), -1))
  substeps = (num_states - 1) // len(drive.active)
  room = jnp.sum(drive.path.valid) - 1 - start
  return start, start + jnp.minimum(room // substeps * substeps, num_states - 1)


def _last(drive):
  """Index of the state that ended the drive."""
  return jnp.sum(drive.valid) - 1


def _triples(drive):
  """`[S - 2]` bool, whether three states in a row belong to the drive."""
  return drive.valid[2:] & drive.valid[1:-1] & drive.valid[:-2]


def _masked_mean(x, mask):
  total = jnp.sum(jnp.where(mask, x, 0))
  count = jnp.sum(mask)
  return _as_score(jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan))


def _quadratic_fit(y, valid):
  """Value and first two time derivatives at each state, each `[S]`."""
  index = jnp.arange(len(y))
  offset = (index - index[:, None]) / _HALF_WINDOW
  weight = (jnp.abs(offset) <= 1) & valid
  powers = jnp.stack([jnp.ones_like(offset), offset, offset**2], -1)
  powers = jnp.where(weight[..., None], powers, 0)
  normal = jnp.einsum('sti,stj->sij', powers, powers, precision='highest')
  # Of two states, or none, the shortest of all quadratics through them.
  normal += 1e-6 * jnp.eye(3)
  # Relative to the state itself, since speeds are large against their changes.
  relative = jnp.where(weight, y - y[:, None], 0)
  right = jnp.einsum('sti,st->si', powers, relative, precision='highest')
  fit = jnp.linalg.solve(normal, right[..., None])[..., 0]
  unit = _HALF_WINDOW * types.TIME_STEP
  return y + fit[:, 0], fit[:, 1] / unit, 2 * fit[:, 2] / unit**2


@dataclasses.dataclass(frozen=True)
class Metric:
  """How a score is computed and shown.

  Attributes:
    function: of one drive.
    label: for people.
    unit: of its mean over drives; a ratio of drives has none.
    higher_is_better: which direction is an improvement.
  """

  function: Callable[[types.Drive], jax.Array]
  label: str
  unit: str = ''
  higher_is_better: bool = False


METRICS = {
  'collision': Metric(collision, 'Collision ratio (CR)'),
  'dynamic_collision': Metric(dynamic_collision, 'with agents (DCR)'),
  'static_collision': Metric(static_collision, 'with obstacles (SCR)'),
  'at_fault_collision': Metric(at_fault_collision, 'at fault'),
  'deviation': Metric(deviation, 'Deviation ratio (DR)'),
  'position_deviation': Metric(position_deviation, 'of position (PDR)'),
  'heading_deviation': Metric(heading_deviation, 'of heading (HDR)'),
  'off_road': Metric(off_road, 'Off-road ratio'),
  'average_deviation': Metric(
    average_deviation, 'Average deviation (ADD)', 'm'
  ),
  'progress': Metric(progress, 'Progress', '', True),
  'time_to_collision': Metric(
    time_to_collision, 'Least time to collision', 's', True
  ),
  'comfort': Metric(comfort, 'Comfort', '', True),
  'longitudinal_jerk': Metric(longitudinal_jerk, 'Longitudinal jerk', 'm/s³'),
  'lateral_jerk': Metric(lateral_jerk, 'Lateral jerk', 'm/s³'),
}


@jax.jit
def _scores(drive):
  return {
    name: jax.vmap(metric.function)(drive) for name, metric in METRICS.items()
  }


def scores(drive: types.Drive):
  """Every score of drives `[n]`: name in `METRICS` to float32 NumPy `[n]`."""
  found = jax.device_get(_scores(drive))
  return {name: np.asarray(found[name]) for name in METRICS}
