# Copyright 2026 The rdrl Authors. Apache-2.0.
"""nuPlan's closed-loop score of drives that can be worked out on paper.

A perfect drive has (5 progress + 5 time to collision + 4 limit + 2 comfort) /
16 = 1.
"""

import sys

import jax
import numpy as np
import pytest

from rdrl import types
from rdrl.report import nuplan
from tests.report.drives import STATES
from tests.report.drives import TIME
from tests.report.drives import hit
from tests.report.drives import in_lane
from tests.report.drives import straight
from tests.report.drives import turning

FUNCTIONS = (
  nuplan.closed_loop_score,
  nuplan.no_fault,
  nuplan.makes_progress,
  nuplan.driving_direction,
  nuplan.time_to_collision_within_bound,
  nuplan.speed_limit,
  nuplan.is_comfortable,
)


@jax.jit
def _scores(drive):
  return {function.__name__: function(drive) for function in FUNCTIONS}


def score(drive):
  return {name: float(x) for name, x in _scores(drive).items()}


def check(drive, **expected):
  found = score(drive)
  assert {name: found[name] for name in expected} == pytest.approx(
    expected, abs=1e-4
  )


def test_driving_as_the_human_has_every_point():
  found = score(straight())
  assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=1e-5)


def test_progress_is_worth_five_of_sixteen():
  check(straight(5.0), closed_loop_score=(2.5 + 5 + 4 + 2) / 16)


@pytest.mark.parametrize(('speed', 'makes'), [(1.9, 0), (2.1, 1)])
def test_who_makes_less_than_a_fifth_of_the_way_has_nothing(speed, makes):
  check(
    straight(speed),
    makes_progress=makes,
    closed_loop_score=makes * (speed / 2 + 5 + 4 + 2) / 16,
  )


@pytest.mark.parametrize(
  ('other', 'factor'),
  [
    (types.VEHICLE, 0),
    (types.PEDESTRIAN, 0),
    (types.CYCLIST, 0),
    (types.OTHER, 0.5),
  ],
)
def test_collision_at_fault_costs_half_with_objects_all_with_people(
  other, factor
):
  # 12 of 40 m, no time to collision.
  check(
    hit(other_class=other),
    no_fault=factor,
    time_to_collision_within_bound=0,
    closed_loop_score=factor * (5 * 0.3 + 0 + 4 + 2) / 16,
  )


def test_static_obstacle_costs_as_much_as_an_object():
  check(
    straight(last=12, static_collision=2),
    no_fault=0.5,
    closed_loop_score=0.5 * (5 * 0.3 + 0 + 4 + 2) / 16,
  )


def test_collision_from_behind_costs_the_way_only():
  behind = np.stack([TIME * 12 - 3.5 - 1.2 * 2, 0 * TIME], -1)
  drive = straight(last=12, other=(behind, 0, 12), dynamic_collision=2)
  check(drive, no_fault=1, closed_loop_score=(5 * 0.3 + 5 + 4 + 2) / 16)


@pytest.mark.parametrize(('distance', 'factor'), [(-0.29, 1), (-0.31, 0)])
def test_off_the_road_by_30_cm_is_nothing(distance, factor):
  drive = straight()
  drive.drivable[20] = distance
  check(drive, closed_loop_score=factor)


@pytest.mark.parametrize(
  ('speed', 'factor'),
  # Eleven steps of a tenth of a second.
  [(1.8, 1), (1.85, 0.5), (5.4, 0.5), (5.5, 0)],
)
def test_against_the_lane_by_2_and_6_m_a_second(speed, factor):
  drive = straight(speed, human_speed=speed)
  check(
    in_lane(drive, lane_heading=np.pi),
    driving_direction=factor,
    closed_loop_score=factor,
  )
  check(in_lane(drive, has_lane=False), driving_direction=1)


@pytest.mark.parametrize(('gap', 'within'), [(9.4, 0), (9.6, 1)])
def test_time_to_collision_of_950_ms_is_worth_five_of_sixteen(gap, within):
  check(
    straight(other=([40 + 4 + gap, 0], 0, 0)),
    time_to_collision_within_bound=within,
    closed_loop_score=(5 + 5 * within + 4 + 2) / 16,
  )


def test_who_is_beside_counts_between_lanes_and_where_lanes_cross():
  # Beside the ego, 7 cm off and closing at 3 m/s.
  beside = np.stack([TIME * 10 + 1, np.full(STATES, 2.6)], -1)
  drive = straight(other=(beside, -np.arctan(0.3), np.hypot(10, 3)))
  check(drive, time_to_collision_within_bound=1)
  between = in_lane(drive, in_lane=False)
  check(between, time_to_collision_within_bound=0)
  crossing = in_lane(drive, at_crossing=True)
  check(crossing, time_to_collision_within_bound=0)
  behind = np.stack([TIME * 10 - 4, np.full(STATES, 2.1)], -1)
  drive = straight(other=(behind, -0.1, 10))
  check(in_lane(drive, in_lane=False), time_to_collision_within_bound=1)


def test_standing_ego_has_all_the_time():
  drive = straight(0.0, other=([5.0, 0], np.pi, 10), human_speed=0.1)
  check(drive, time_to_collision_within_bound=1)


def test_whom_it_has_met_without_fault_is_out_of_account():
  ahead = np.stack([TIME * 10 + 3.5, 0 * TIME], -1)
  drive = straight(other=(ahead, 0, 9), dynamic_collision=0)
  check(drive, time_to_collision_within_bound=1)


def test_limit_is_worth_four_of_sixteen_by_how_much_it_is_passed():
  # 1.115 m/s over at 41 states of 4 s.
  share = 1 - 1.115 * 4.1 / (2.23 * 4.0)
  check(
    in_lane(straight(), speed_limit=10 - 1.115),
    speed_limit=share,
    closed_loop_score=(5 + 5 + 4 * share + 2) / 16,
  )
  check(in_lane(straight(), speed_limit=7), speed_limit=0)
  check(in_lane(straight(), speed_limit=10), speed_limit=1)


def _yawing(t, yaw, speed=1.0):
  """As far as `t` `[k]` goes."""
  drive = straight(speed, last=len(t) - 1, human_speed=speed)
  padded = np.zeros(STATES)
  padded[: len(t)] = yaw
  return turning(drive, padded)


# Derivatives of quadratics are found exactly; of constant rates all of a drive.
_SHORT = (np.arange(9) - 4) * types.TIME_STEP


@pytest.mark.parametrize(
  ('make', 'bound'),
  [
    (lambda a: straight(20 + a * TIME), 2.40),
    (lambda a: straight(20 - a * TIME), 4.05),
    (lambda a: turning(straight(), a / 10 * TIME), 4.89),
    (lambda a: turning(straight(1.0, human_speed=1.0), a * TIME), 0.95),
    (lambda a: _yawing(_SHORT, a * _SHORT**2 / 2), 1.93),
    (lambda a: straight(10 + a * (TIME - 0.4) ** 2 / 2, last=8), 4.13),
    (lambda a: _yawing(_SHORT, a / 10 * _SHORT**2 / 2, 10.0), 8.37),
  ],
  ids=[
    'acceleration',
    'deceleration',
    'lateral acceleration',
    'yaw rate',
    'yaw acceleration',
    'longitudinal jerk',
    'jerk',
  ],
)
def test_each_bound_of_comfort(make, bound):
  check(make(0.99 * bound), is_comfortable=1)
  check(make(1.01 * bound), is_comfortable=0)


def test_comfort_is_worth_two_of_sixteen():
  check(straight(20 + 2.5 * TIME), closed_loop_score=14 / 16)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
