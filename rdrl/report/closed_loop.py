# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The scores of closed-loop benchmarks: HUGSIM, Bench2Drive and AlpaSim.

Drives of these benchmarks have as much time as a route needs; a `types.Drive`
has that of the reference, so that an ego slower than it does not arrive.
"""

import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.report import navsim
from rdrl.report import nuplan
from rdrl.report import rad
from rdrl.report import signals

# HUGSIM: steps that the ego goes on for a time to collision, m/s^3, and the
# least share of the cells of the ego's box on the ground. Below 0.5 of them it
# halves DAC, which no share of four cells is.
_HUGSIM_STEPS = (5, 10)
_HUGSIM_JERK = 8.37
_HUGSIM_GROUND = 0.3

# PENALTY_VALUE_DICT of the CARLA leaderboard.
_PEDESTRIAN, _VEHICLE, _STATIC, _RED_LIGHT = 0.5, 0.6, 0.65, 0.7
# rad between car and lane from which OutsideRouteLanesTest has it on the wrong
# one, and metres beyond the lane that it allows.
_WRONG_WAY = jnp.pi * 2 / 3
_OUTSIDE = 1.3
# Share of the route and metres left from which it is complete.
_COMPLETE, _ARRIVED = 0.99, 10.0
# Stretches of the route whose speeds are compared, the greatest ratio that is
# taken seriously, and m/s that a car must reach once not to be parked.
_CHECKPOINTS = 20
_MOST_EFFICIENT = 10.0
_PARKED = 0.5
# Frames of a window of comfort.
_FRAMES = 20

# AlpaSim's SceneScoreConfig.
_SATURATION = 0.8
_SHORT = 5.0


def _way(drive):
  """Metres along the reference path from the beginning to each state, `[S]`."""
  arc, _ = signals.along_path(drive)
  return arc - arc[0]


def route_completion(drive):
  """Share of the reference's way that the ego reached, in [0, 1].

  1 where the reference stands.
  """
  reached = jnp.max(jnp.where(drive.valid, _way(drive), 0))
  route = signals.expert_way(drive)
  share = jnp.clip(reached / jnp.maximum(route, 0.1), 0, 1)
  return signals.as_score(jnp.where(route < 0.1, 1, share))


def hugsim_terms(drive):
  """NC, DAC, TTC and C of HUGSIM for the windows of a drive.

  Args:
    drive: `Drive` with `road`.

  Returns:
    Name to `[D]`, and which windows count `[D]` bool; see `hd_score`.
  """
  inside, counts = navsim.windows(drive)
  hit = signals.at_state(drive, drive.events.dynamic_collision)
  hit |= signals.at_state(drive, drive.events.static_collision)
  # A quarter of the box has ground if its outer corner or the middle has.
  clearance = drive.road.clearance
  ground = (clearance[:, :4] > 0) | (clearance[:, 4:] > 0)
  grounded = jnp.mean(ground, -1) >= _HUGSIM_GROUND
  soon = jnp.zeros(len(drive.valid), bool)
  for steps in _HUGSIM_STEPS:
    meets = signals.would_meet(drive, steps, drive.agents)
    soon |= jnp.any(meets & signals.others(drive), -1)
  motion = signals.motion(drive)
  low, high = nuplan.LONGITUDINAL_ACCELERATION
  smooth = (
    (motion.acceleration >= low)
    & (motion.acceleration <= high)
    & (jnp.abs(motion.jerk) <= _HUGSIM_JERK)
    & (jnp.abs(motion.yaw_rate) <= nuplan.YAW_RATE)
    & (jnp.abs(motion.yaw_acceleration) <= nuplan.YAW_ACCELERATION)
  ) | (jnp.sum(drive.valid) < 4)
  return {
    'NC': 1.0 * ~jnp.any(hit & inside, -1),
    'DAC': 1.0 * jnp.all(grounded | ~inside, -1),
    'TTC': 1.0 * ~jnp.any(soon & inside, -1),
    'C': 1.0 * jnp.all(smooth | ~inside, -1),
  }, counts


def hd_score(drive):
  """HUGSIM's HD-Score (arXiv 2412.01718; sim/utils/score_calculator.py).

  Route completion times the mean over decisions of NC DAC (5 TTC + 2 C) / 7.
  HUGSIM scores each plan; here it is what was driven within the next 4 s, in
  the windows of `navsim.windows`. Any collision counts, whoever is at fault.
  TTC: the ego, moved on by 0.5 s and by 1 s at constant velocity, meets no
  agent where that is now; the record does not tell whether it would meet the
  background. DAC: over a quarter of the ego's box is on drivable ground.
  C: longitudinal acceleration, jerk (8.37 m/s^3), yaw rate and acceleration of
  nuPlan; the code compares acceleration with 4.89, the bound of lateral
  acceleration, by mistake.

  NaN without `Drive.road`.
  """
  if drive.road is None:
    return jnp.float32(jnp.nan)
  found, counts = hugsim_terms(drive)
  score = found['NC'] * found['DAC'] * (5 * found['TTC'] + 2 * found['C']) / 7
  return route_completion(drive) * signals.masked_mean(score, counts)


def _infractions(drive):
  """Product of CARLA's penalties for what is counted, and share of the way
  driven outside the lanes of the route."""
  touched = trees.take(signals.met(drive), signals.last(drive))
  dynamic = signals.happened(drive, drive.events.dynamic_collision)
  static = signals.happened(drive, drive.events.static_collision)
  walkers = jnp.sum(touched & (drive.classes == types.PEDESTRIAN))
  things = jnp.sum(touched & (drive.classes == types.OTHER))
  cars = jnp.sum(touched) - walkers - things
  # A record may tell of a collision of which its boxes show nothing.
  cars = jnp.maximum(cars, 1 - walkers - things)
  penalty = jnp.where(
    dynamic, _PEDESTRIAN**walkers * _VEHICLE**cars * _STATIC**things, 1
  )
  penalty *= jnp.where(static, _STATIC, 1)
  if drive.events.ran_light is not None:
    penalty *= _RED_LIGHT ** jnp.sum(drive.events.ran_light & drive.active)
  turn = geometry.wrap_angle(drive.agents.yaw[:, 0] - drive.road.lane_heading)
  outside = drive.road.has_lane & (jnp.abs(turn) > _WRONG_WAY)
  outside |= drive.road.clearance[:, 4] < -_OUTSIDE
  xy = drive.agents.xy[:, 0]
  moved = geometry.safe_norm(jnp.diff(xy, axis=0))
  moved = jnp.where(drive.valid[1:], moved, 0)
  share = jnp.sum(jnp.where(outside[1:], moved, 0)) / jnp.maximum(
    jnp.sum(moved), 1e-6
  )
  return penalty, share


def driving_score(drive):
  """Bench2Drive's driving score (arXiv 2406.03877), in [0, 1].

  Route completion times the product of penalties of the CARLA leaderboard
  (leaderboard/utils/statistics_manager.py): 0.5 for each pedestrian hit, 0.6
  for each vehicle or cyclist, 0.65 for each object or a static obstacle, 0.7
  for each red light, and 1 less the share of the way driven more than 1.3 m off
  the road or on a lane of the opposite direction. Stop signs, emergency
  vehicles and time limits of scenarios do not occur. Collisions count whoever
  is at fault; here they end the drive.

  NaN without `Drive.road`.
  """
  if drive.road is None:
    return jnp.float32(jnp.nan)
  penalty, share = _infractions(drive)
  return route_completion(drive) * penalty * (1 - share)


def driving_success(drive):
  """1 if the ego arrived in time without infraction: Bench2Drive's success.

  Arrived is, as in CARLA's RouteCompletionTest, 99 % of the route with less
  than 10 m left. NaN without `Drive.road`.
  """
  if drive.road is None:
    return jnp.float32(jnp.nan)
  penalty, share = _infractions(drive)
  completion = route_completion(drive)
  left = (1 - completion) * signals.expert_way(drive)
  arrived = (completion >= _COMPLETE) & (left < _ARRIVED)
  return signals.as_score(arrived & (penalty == 1) & (share == 0))


def efficiency(drive):
  """Ego's speed in units of its neighbours': Bench2Drive's driving efficiency.

  Mean over 20 equal stretches of the route of mean speed over mean speed of the
  vehicles around; 1 is as fast as they, published figures are percent. As there
  (tools/efficiency_smoothness_benchmark.py) more than 10 does not count, nor do
  parked vehicles, which CARLA has not among its traffic. NaN where there is no
  traffic.
  """
  agents = drive.agents
  there = signals.others(drive) & drive.valid[:, None]
  there &= drive.classes == types.VEHICLE
  speed = jnp.abs(agents.speed)
  moves = jnp.max(jnp.where(there, speed, 0), 0) > _PARKED
  there &= moves
  around = jnp.sum(jnp.where(there, speed, 0), -1)
  around /= jnp.maximum(jnp.sum(there, -1), 1)
  share = _way(drive) / jnp.maximum(signals.expert_way(drive), 0.1)
  stretch = jnp.clip(share * _CHECKPOINTS, 0, _CHECKPOINTS - 1).astype(int)
  counts = drive.valid & jnp.any(there, -1)
  inside = (jnp.arange(_CHECKPOINTS)[:, None] == stretch) & counts
  ego, traffic = (
    jnp.sum(jnp.where(inside, x, 0), -1) for x in (speed[:, 0], around)
  )
  ratio = ego / jnp.where(traffic > 0, traffic, 1)
  return signals.masked_mean(ratio, (traffic > 0) & (ratio <= _MOST_EFFICIENT))


def smoothness(drive):
  """Share of 2 s within nuPlan's bounds: Bench2Drive's driving smoothness.

  Of consecutive windows of 20 states, a last one that is shorter left out; of
  20 states or less all are one (tools/efficiency_smoothness_benchmark.py).
  Derivatives are those of `nuplan.comfort`. NaN for less than three states.
  """
  count = jnp.sum(drive.valid)
  index = jnp.arange(len(drive.valid))
  window = jnp.where(count <= _FRAMES, 0, index // _FRAMES)
  num_windows = -(-len(drive.valid) // _FRAMES)
  rough = drive.valid & ~nuplan.within_comfort(drive)
  inside = jnp.arange(num_windows)[:, None] == window
  bad = jnp.any(inside & rough, -1)
  size = jnp.sum(inside & drive.valid, -1)
  counts = (size == _FRAMES) | ((count <= _FRAMES) & (size > 0))
  return jnp.where(count >= 3, signals.masked_mean(~bad, counts), jnp.nan)


def scene_score(drive):
  """AlpaSim's score of a scene (src/eval/src/eval/aggregation/scene_score.py).

  0 on a collision at fault or off the road, else min(progress / 0.8, 1), and 1
  where the reference goes less than 5 m. A static obstacle is hit at fault. Off
  the road is more than nuPlan's 0.3 m, since the edges of a recorded map are
  not known better. Leaving the corridor around the recording, which later
  versions count as a failure, is `position_deviation`.
  """
  hit = jnp.maximum(rad.at_fault_collision(drive), rad.static_collision(drive))
  failed = jnp.maximum(hit, nuplan.off_road(drive))
  progress = jnp.minimum(route_completion(drive) / _SATURATION, 1)
  progress = jnp.where(signals.expert_way(drive) < _SHORT, 1, progress)
  return signals.as_score((1 - failed) * progress)
