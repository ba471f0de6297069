# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The registry of scores, each a function of one `types.Drive` alone.

Functions take one drive and return float32 `[]`, NaN where a score has no
meaning, such as the jerk of a drive of two states. What a record holds after
the end of its drive changes nothing. They live beside their like: `rad`,
`safety`, `nuplan`, `navsim` and `closed_loop`.
"""

from collections.abc import Callable
import dataclasses
import functools

import jax
import numpy as np

from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.report import closed_loop
from rdrl.report import navsim
from rdrl.report import nuplan
from rdrl.report import rad
from rdrl.report import safety
from rdrl.report import signals
from rdrl.report import statistics


@dataclasses.dataclass(frozen=True)
class Metric:
  """How a score is computed and shown.

  Attributes:
    function: of one drive.
    label: for people; of a part of the score above it, it begins small.
    unit: of its mean over drives; a ratio of drives has none.
    higher_is_better: which direction is an improvement.
    source: whose score it is.
  """

  function: Callable[[types.Drive], jax.Array]
  label: str
  unit: str = ''
  higher_is_better: bool = False
  source: str = 'RAD'


METRICS = {
  'collision': Metric(rad.collision, 'Collision ratio (CR)'),
  'dynamic_collision': Metric(rad.dynamic_collision, 'with agents (DCR)'),
  'static_collision': Metric(rad.static_collision, 'with obstacles (SCR)'),
  'at_fault_collision': Metric(
    rad.at_fault_collision, 'at fault', source='nuPlan'
  ),
  'front_collision': Metric(
    rad.front_collision, 'at the front', source='AlpaSim'
  ),
  'rear_collision': Metric(rad.rear_collision, 'at the rear', source='AlpaSim'),
  'lateral_collision': Metric(
    rad.lateral_collision, 'at a side', source='AlpaSim'
  ),
  'at_fault_share': Metric(
    rad.at_fault_share, 'at fault, of those with agents', source='RAD-2'
  ),
  'impact_speed': Metric(
    safety.impact_speed, 'closing speed of those', 'm/s', source='ours'
  ),
  'deviation': Metric(rad.deviation, 'Deviation ratio (DR)'),
  'position_deviation': Metric(rad.position_deviation, 'of position (PDR)'),
  'heading_deviation': Metric(rad.heading_deviation, 'of heading (HDR)'),
  'success': Metric(rad.success, 'Success ratio', '', True),
  'off_road': Metric(nuplan.off_road, 'Off-road ratio', source='nuPlan'),
  'average_deviation': Metric(
    rad.average_deviation, 'Average deviation (ADD)', 'm'
  ),
  'progress': Metric(nuplan.progress, 'Progress', '', True, 'nuPlan'),
  'time_to_collision': Metric(
    safety.time_to_collision, 'Least time to collision', 's', True, 'nuPlan'
  ),
  'time_to_collision_below_1': Metric(
    safety.below_one_second, 'share of time below 1 s', source='Minderhoud'
  ),
  'time_to_collision_below_3': Metric(
    safety.below_three_seconds, 'share of time below 3 s', source='Minderhoud'
  ),
  'time_integrated_collision': Metric(
    safety.time_integrated, 'integrated below 3 s', 's²', source='Minderhoud'
  ),
  'least_distance': Metric(
    safety.least_distance, 'Least distance to others', 'm', True, 'AlpaSim'
  ),
  'comfort': Metric(nuplan.comfort, 'Comfort', '', True, 'nuPlan'),
  'longitudinal_jerk': Metric(
    rad.longitudinal_jerk, 'Longitudinal jerk', 'm/s³'
  ),
  'lateral_jerk': Metric(rad.lateral_jerk, 'Lateral jerk', 'm/s³'),
  'closed_loop_score': Metric(
    nuplan.closed_loop_score, 'nuPlan score (CLS)', '', True, 'nuPlan'
  ),
  'no_fault': Metric(
    nuplan.no_fault, 'no collision at fault', '', True, 'nuPlan'
  ),
  'makes_progress': Metric(
    nuplan.makes_progress, 'making progress', '', True, 'nuPlan'
  ),
  'driving_direction': Metric(
    nuplan.driving_direction, 'driving direction', '', True, 'nuPlan'
  ),
  'time_to_collision_within_bound': Metric(
    nuplan.time_to_collision_within_bound,
    'time to collision within bound',
    '',
    True,
    'nuPlan',
  ),
  'speed_limit': Metric(nuplan.speed_limit, 'speed limit', '', True, 'nuPlan'),
  'is_comfortable': Metric(
    nuplan.is_comfortable, 'comfortable throughout', '', True, 'nuPlan'
  ),
  'pdm_score': Metric(navsim.pdm_score, 'NAVSIM PDMS', '', True, 'NAVSIM v1'),
  'extended_pdm_score': Metric(
    navsim.extended_pdm_score, 'NAVSIM EPDMS', '', True, 'NAVSIM v2'
  ),
  'hd_score': Metric(closed_loop.hd_score, 'HD-Score', '', True, 'HUGSIM'),
  'route_completion': Metric(
    closed_loop.route_completion, 'Route completion', '', True, 'HUGSIM'
  ),
  'driving_score': Metric(
    closed_loop.driving_score, 'Driving score', '', True, 'Bench2Drive'
  ),
  'driving_success': Metric(
    closed_loop.driving_success,
    'arrived without infraction',
    '',
    True,
    'Bench2Drive',
  ),
  'efficiency': Metric(
    closed_loop.efficiency, 'speed over traffic', '', True, 'Bench2Drive'
  ),
  'smoothness': Metric(
    closed_loop.smoothness, 'smoothness', '', True, 'Bench2Drive'
  ),
  'scene_score': Metric(
    closed_loop.scene_score, 'AlpaSim scene score', '', True, 'AlpaSim'
  ),
}


# Drives at a time: one compiled program serves any number of them.
_BATCH_SIZE = 16


# 16 drives take 30 ms, compiled for speed 20 ms, but 20 s more to compile.
@functools.partial(training.compiling.quick_jit, static_argnames='names')
def _scores(drives, names):
  drives = jax.vmap(signals.located)(drives)
  return {name: jax.vmap(METRICS[name].function)(drives) for name in names}


def scores(drives: types.Drive, names=None, batch_size=_BATCH_SIZE):
  """Scores of drives.

  Args:
    drives: `Drive` `[n]`.
    names: in `METRICS`, of those that are wanted; all where None.
    batch_size: drives at a time, for each of which there is a program.

  Returns:
    name to float32 NumPy `[n]`, in the order of the names.
  """
  names = tuple(METRICS if names is None else names)
  found = trees.map_batches(
    functools.partial(_scores, names=names), drives, batch_size
  )
  return {name: found[name] for name in names}


def table(drives, baseline=None, seed=0):
  """Every score over drives, with 95 % bootstrap intervals.

  Args:
    drives: `Drive` `[n]`.
    baseline: `Drive` `[n]` of the same scenarios in the same order; where
      given, the table is of the differences, paired drive by drive.
    seed: of the resampling.

  Returns:
    name in `METRICS` to `{'mean', 'low', 'high', 'n'}`, see `statistics`.

  Raises:
    ValueError: if the baseline met other scenarios.
  """
  if baseline is None:
    return statistics.summary(scores(drives), seed)
  met, other = np.asarray(drives.scenario), np.asarray(baseline.scenario)
  if not np.array_equal(met, other):
    raise ValueError(
      f'table: baseline.scenario {other.tolist()} is not {met.tolist()}'
    )
  return statistics.compare(scores(drives), scores(baseline), seed)
