# Copyright 2026 The rdrl Authors. Apache-2.0.
"""NAVSIM's scores over the 4 s windows of a drive.

PDMS is that of NAVSIM v1 (arXiv 2406.15349), EPDMS that of v2 (arXiv
2506.04218); terms as in pdm_scorer.py of github.com/autonomousvision/navsim:

  PDMS  = NC DAC (5 TTC + 5 EP + 2 C) / 12
  EPDMS = f(NC) f(DAC) f(DDC) f(TLC)
          * (5 f(TTC) + 5 f(EP) + 2 f(LK) + 2 f(HC) + 2 f(EC)) / 16

f(x) is 1 where the human in the same place, here the reference, scores 0: of
all terms, as in the paper; the code leaves EC unfiltered.

NAVSIM scores a plan of 4 s at 2 Hz; a `types.Drive` holds what was driven. So a
window of 4 s begins with every decision, and the score is the mean over
windows. Those that the end of the drive cuts short count if an event ended it,
or if the drive is shorter than a window. The upper bound of progress, there
that of the PDM-Closed planner, is the reference's. Derivatives are fitted over
the whole drive, so C of v1 is HC of v2, which pads a plan by its history.

EC compares two plans 0.5 s apart. Here the earlier one is taken to go on as
the ego did, so that EC compares each state of a window with that 0.5 s before.
"""

import jax
import jax.numpy as jnp

from rdrl import trees
from rdrl import types
from rdrl.report import nuplan
from rdrl.report import signals

WINDOW = 4.0
# Steps ahead at which times to collision are looked at.
_AHEAD_STEPS = (0, 3, 6, 9)
# m/s below which the ego is at rest, so that it causes no collision.
_STOPPED = 5e-3
# Metres; where neither ego nor human goes further, all progress is enough.
_LEAST_PROGRESS = 5.0
# Metres off the middle of the lane and seconds for which they are too long.
_LANE_DEVIATION, _LANE_TIME = 0.5, 2.0
# Steps between two plans, and the greatest root mean squares of the differences
# of acceleration, jerk, yaw rate and yaw acceleration.
_PLAN_STEPS = 5
_PLAN_BOUNDS = (0.7, 0.5, 0.1, 0.1)


def _steps(seconds):
  return round(seconds / types.TIME_STEP)


def windows(drive):
  """Which states belong to the window of each decision, and which one counts.

  Returns:
    `[D, S]` bool and `[D]` bool.
  """
  index = jnp.arange(len(drive.valid))
  decision = jnp.arange(len(drive.active))
  start = (decision * signals.substeps(drive))[:, None]
  inside = (index >= start) & (index <= start + _steps(WINDOW)) & drive.valid
  whole = jnp.sum(inside, -1) == _steps(WINDOW) + 1
  counts = drive.active & (whole | drive.terminated | (decision == 0))
  return inside, counts


def _no_collision(drive, inside):
  """NC: 1, 0.5 or 0 by fault, as in nuPlan."""
  return jnp.min(jnp.where(inside, signals.fault(drive), 1.0), -1)


def _drivable_area(drive, inside):
  """DAC: 1 if no corner leaves the drivable area."""
  return 1.0 * jnp.all((drive.drivable >= 0) | ~inside, -1)


def _driving_direction(drive, inside):
  """DDC: as in nuPlan, without what is driven where lanes cross."""
  against = nuplan.against_lane(drive, at_crossing=False)
  return nuplan.direction_score(jnp.max(jnp.where(inside, against, 0), -1))


def _traffic_light(drive, inside):
  """TLC: 1 if no stop line was crossed whose light said stop."""
  if drive.events.ran_light is None:
    return jnp.ones(len(inside))
  ran = signals.at_state(drive, drive.events.ran_light)
  return 1.0 * ~jnp.any(ran & inside, -1)


@jax.jit
def soon_meets(drive, ego_steps, other_steps):
  """Whether the ego would meet each agent that concerns it, `[S, A]` bool.

  Args:
    drive: `Drive`.
    ego_steps: how many steps the ego goes on at constant velocity.
    other_steps: how many steps later the others are looked at where they were;
      false where the drive ended before.
  """
  later = jnp.minimum(
    jnp.arange(len(drive.valid)) + other_steps, signals.last(drive)
  )
  there = jnp.arange(len(drive.valid)) + other_steps <= signals.last(drive)
  other = trees.take(drive.agents, later)
  meets = signals.would_meet(drive, ego_steps, other)
  counts = trees.take(signals.others(drive), later) & there[:, None]
  counts &= jnp.abs(drive.agents.speed[:, :1]) >= _STOPPED
  return meets & counts & signals.concerns(drive, other.xy)


def _time_to_collision(drive, inside):
  """TTC: 1 if the ego, going on for up to 0.9 s, meets no agent it should mind
  where they really were then."""
  soon = jnp.zeros(len(drive.valid), bool)
  for steps in _AHEAD_STEPS:
    soon |= jnp.any(soon_meets(drive, steps, steps), -1)
  return 1.0 * ~jnp.any(soon & inside, -1)


def _comfort(drive, inside):
  """C and HC: 1 if all states are within nuPlan's bounds."""
  enough = jnp.sum(drive.valid) >= 3
  within = nuplan.within_comfort(drive) | ~enough
  return 1.0 * jnp.all(within | ~inside, -1)


def _lane_keeping(drive, inside):
  """LK: 0 if the middle is over 0.5 m off its lane's for 2 s on end.

  What is driven where lanes cross neither counts nor interrupts.
  """
  road = drive.road
  # Off all lanes is off the middle of one.
  off = ~road.has_lane | (jnp.abs(road.lane_offset) > _LANE_DEVIATION)

  def step(count, state):
    is_off, crossing, is_inside = state
    new = jnp.where(crossing, count, jnp.where(is_off, count + 1, 0))
    count = jnp.where(is_inside, new, 0)
    return count, count

  _, count = jax.lax.scan(
    step,
    jnp.zeros(len(inside), jnp.int32),
    (off, road.at_crossing, inside.T),
  )
  return 1.0 * (jnp.max(count, 0) < _steps(_LANE_TIME))


def _extended_comfort(drive, inside):
  """EC: 1 if acceleration, jerk and yaw rate are near those of 0.5 s before."""
  motion = signals.motion(drive)
  felt = jnp.stack(
    [
      jnp.hypot(motion.acceleration, motion.lateral),
      jnp.hypot(motion.jerk, motion.lateral_jerk),
      motion.yaw_rate,
      motion.yaw_acceleration,
    ],
    -1,
  )
  square = (felt[_PLAN_STEPS:] - felt[:-_PLAN_STEPS]) ** 2
  both = inside[:, _PLAN_STEPS:] & inside[:, :-_PLAN_STEPS]
  total = jnp.sum(jnp.where(both[..., None], square, 0), 1)
  mean = total / jnp.maximum(jnp.sum(both, -1), 1)[:, None]
  return 1.0 * jnp.all(jnp.sqrt(mean) <= jnp.array(_PLAN_BOUNDS), -1)


def _way(drive, inside):
  """Metres along the reference path that each window covers, at least 0."""
  arc, _ = signals.along_path(drive)
  first = jnp.argmax(inside, -1)
  end = jnp.maximum(first + jnp.sum(inside, -1) - 1, first)
  return jnp.maximum(arc[end] - arc[first], 0)


def _terms(drive, inside):
  """Terms `[D]` of both scores but progress, by their names."""
  return {
    'NC': _no_collision(drive, inside),
    'DAC': _drivable_area(drive, inside),
    'DDC': _driving_direction(drive, inside),
    'TLC': _traffic_light(drive, inside),
    'TTC': _time_to_collision(drive, inside),
    'LK': _lane_keeping(drive, inside),
    'HC': _comfort(drive, inside),
    'EC': _extended_comfort(drive, inside),
  }


def terms(drive):
  """Terms of the windows of a drive.

  Args:
    drive: `Drive` with `road` and `reference_road`.

  Returns:
    Name to `[D]` of the ego, the same of the human, and which windows count
    `[D]` bool. Names are those of NAVSIM v2; EP is v2's.
  """
  inside, counts = windows(drive)
  found, way = _with_human(
    drive, lambda one: (_terms(one, inside), _way(one, inside))
  )
  gate = found['NC'] * found['DAC'] * found['DDC'] * found['TLC']
  most = jnp.max(way * gate, 0)
  share = way[0] / jnp.maximum(most, _LEAST_PROGRESS)
  progress = jnp.where(most > _LEAST_PROGRESS, jnp.minimum(share, 1), 1.0)
  found['EP'] = jnp.stack([progress, jnp.ones_like(progress)])
  return trees.take(found, 0), trees.take(found, 1), counts


def _with_human(drive, function):
  """Applies a function to the ego's drive and to the human's, stacked."""
  both = jax.tree.map(lambda *x: jnp.stack(x), drive, signals.human(drive))
  return jax.vmap(function)(both)


def _knows(drive):
  return drive.road is not None and drive.reference_road is not None


def pdm_score(drive):
  """PDMS of NAVSIM v1, mean over windows. NaN without `Drive.road`.

  v1 measures progress after the multipliers: EP = m x / max(m x, n y) for the
  ways x and y of ego and human and m and n their NC DAC; where that maximum is
  5 m or less, EP = 1.
  """
  if not _knows(drive):
    return jnp.float32(jnp.nan)
  inside, counts = windows(drive)
  gates, ways = _with_human(
    drive,
    lambda one: (
      _no_collision(one, inside) * _drivable_area(one, inside),
      _way(one, inside),
    ),
  )
  gate, most = gates[0], jnp.max(gates * ways, 0)
  progress = jnp.where(
    most > _LEAST_PROGRESS,
    gate * ways[0] / jnp.maximum(most, _LEAST_PROGRESS),
    1.0,
  )
  weighted = (
    5 * _time_to_collision(drive, inside)
    + 5 * progress
    + 2 * _comfort(drive, inside)
  ) / 12
  return signals.masked_mean(gate * weighted, counts)


def extended_pdm_score(drive):
  """EPDMS of NAVSIM v2, mean over windows. NaN without `Drive.road`."""
  if not _knows(drive):
    return jnp.float32(jnp.nan)
  of_ego, of_human, counts = terms(drive)
  kept = {
    name: jnp.where(of_human[name] == 0, 1.0, x) for name, x in of_ego.items()
  }
  weighted = (
    5 * kept['TTC']
    + 5 * kept['EP']
    + 2 * kept['LK']
    + 2 * kept['HC']
    + 2 * kept['EC']
  ) / 16
  gate = kept['NC'] * kept['DAC'] * kept['DDC'] * kept['TLC']
  return signals.masked_mean(gate * weighted, counts)
