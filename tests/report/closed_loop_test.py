# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of HUGSIM, Bench2Drive and AlpaSim, worked out on paper."""

import sys

import jax
import numpy as np
import pytest

from rdrl import types
from rdrl.report import closed_loop
from tests.report.drives import STATES
from tests.report.drives import TIME
from tests.report.drives import hit
from tests.report.drives import in_lane
from tests.report.drives import straight
from tests.report.drives import turning

FUNCTIONS = (
  closed_loop.route_completion,
  closed_loop.hd_score,
  closed_loop.driving_score,
  closed_loop.driving_success,
  closed_loop.efficiency,
  closed_loop.smoothness,
  closed_loop.scene_score,
)


@jax.jit
def _scores(drive):
  return {function.__name__: function(drive) for function in FUNCTIONS}


def check(drive, **expected):
  found = {name: float(x) for name, x in _scores(drive).items()}
  assert {name: found[name] for name in expected} == pytest.approx(
    expected, abs=1e-4, nan_ok=True
  )


def test_driving_as_the_human_has_every_point():
  check(
    straight(),
    route_completion=1,
    hd_score=1,
    driving_score=1,
    driving_success=1,
    smoothness=1,
    scene_score=1,
  )


def test_half_the_way_is_half_the_score():
  check(
    straight(5.0),
    route_completion=0.5,
    hd_score=0.5,
    driving_score=0.5,
    driving_success=0,
    scene_score=0.5 / 0.8,
  )


def test_going_back_does_not_undo_the_way():
  speed = np.where(TIME < 2.05, 10.0, -10.0)
  check(straight(speed), route_completion=0.5)


def test_where_the_human_stands_all_the_way_is_done():
  check(straight(0.0, human_speed=0.0), route_completion=1)


# HUGSIM: completion times the mean over windows of NC DAC (5 TTC + 2 C) / 7.


def test_hugsim_counts_every_collision():
  check(straight(last=12, dynamic_collision=2), hd_score=0)
  check(straight(last=12, static_collision=2), hd_score=0)
  check(straight(last=12, position_deviation=2), hd_score=0.3)


@pytest.mark.parametrize(
  ('corners', 'middle', 'factor'),
  [(0, 1, 1), (4, -1, 1), (2, -1, 1), (1, -1, 0), (0, -1, 0)],
)
def test_hugsim_wants_more_than_a_quarter_of_the_car_on_ground(
  corners, middle, factor
):
  clearance = straight().road.clearance.copy()
  clearance[20] = [*np.where(np.arange(4) < corners, 1, -1), middle]
  check(in_lane(straight(), clearance=clearance), hd_score=factor)


@pytest.mark.parametrize(('gap', 'ttc'), [(9.9, 0), (10.1, 1)])
def test_hugsim_looks_a_second_ahead(gap, ttc):
  drive = straight(other=([40 + 4 + gap, 0], 0, 0))
  check(drive, hd_score=(5 * ttc + 2) / 7)


def test_hugsim_looks_half_a_second_ahead():
  # In the way after 5 m, passed after 10 m.
  beside = np.stack([TIME * 10 + 4.5, 0 * TIME], -1)
  drive = straight(10.0, other=(beside, 0, 10))
  check(drive, hd_score=2 / 7)


@pytest.mark.parametrize(
  ('make', 'bound'),
  [
    (lambda a: straight(20 + a * TIME), 2.40),
    (lambda a: straight(20 - a * TIME), 4.05),
    (lambda a: turning(straight(), a * TIME), 0.95),
    (
      lambda a: turning(
        straight(last=8, position_deviation=1), a * (TIME - 0.4) ** 2 / 2
      ),
      1.93,
    ),
    (
      lambda a: straight(
        10 + a * (TIME - 0.2) ** 2 / 2, last=4, position_deviation=0
      ),
      8.37,
    ),
  ],
  ids=['acceleration', 'deceleration', 'yaw rate', 'yaw acceleration', 'jerk'],
)
def test_hugsim_has_comfort_bounds_of_its_own(make, bound):
  for factor, comfort in ((0.99, 1), (1.01, 0)):
    drive = make(factor * bound)
    completion = float(_scores(drive)['route_completion'])
    check(drive, hd_score=completion * (5 + 2 * comfort) / 7)


# Bench2Drive: completion times penalties.


@pytest.mark.parametrize(
  ('drive', 'factor'),
  [
    (hit(other_class=types.PEDESTRIAN), 0.5),
    (hit(other_class=types.VEHICLE), 0.6),
    (hit(other_class=types.CYCLIST), 0.6),
    (hit(other_class=types.OTHER), 0.65),
    (hit(at_fault=False), 0.6),
    # A record of a collision that its boxes do not show.
    (straight(last=12, dynamic_collision=2), 0.6),
    (straight(last=12, static_collision=2), 0.65),
  ],
)
def test_carla_has_a_penalty_for_each_collision(drive, factor):
  check(drive, driving_score=0.3 * factor, driving_success=0)


def test_carla_has_a_penalty_for_each_red_light():
  check(straight(ran_light=2), driving_score=0.7, driving_success=0)
  check(straight(ran_light=[2, 6]), driving_score=0.49)
  check(straight(ran_light=6, last=12, position_deviation=2), driving_score=0.3)


def test_carla_takes_off_the_share_of_the_way_outside_its_lanes():
  late = np.arange(STATES) > 20
  clearance = straight().road.clearance.copy()
  clearance[late, 4] = -1.4
  outside = in_lane(straight(), clearance=clearance)
  check(outside, driving_score=0.5, driving_success=0)
  clearance[late, 4] = -1.2
  check(in_lane(straight(), clearance=clearance), driving_score=1)
  late = np.arange(STATES) > 30
  wrong_way = in_lane(straight(), lane_heading=np.where(late, np.pi, 0))
  check(wrong_way, driving_score=0.75, driving_success=0)
  across = in_lane(straight(), lane_heading=np.where(late, 2.0, 0))
  check(across, driving_score=1, driving_success=1)


@pytest.mark.parametrize(('speed', 'arrives'), [(9.95, 1), (9.85, 0)])
def test_to_arrive_is_to_have_done_99_percent(speed, arrives):
  check(straight(speed), driving_success=arrives)


def test_efficiency_is_the_ratio_of_speeds():
  check(straight(other=([500, 0], 0, 5.0)), efficiency=2)
  check(straight(5.0, other=([500, 0], 0, 10.0)), efficiency=0.5)


@pytest.mark.parametrize(
  ('speed', 'kind'),
  [(0.4, types.VEHICLE), (0.9, types.VEHICLE), (5.0, types.PEDESTRIAN)],
)
def test_parked_cars_walkers_and_ten_times_the_speed_do_not_count(speed, kind):
  drive = straight(other=([500, 0], 0, speed), other_class=kind)
  check(drive, efficiency=np.nan)


def test_smoothness_is_the_share_of_2_s_within_bounds():
  # The fits of the first 20 states do not see what begins at state 32.
  rough = 10 + 6 * np.maximum(TIME - 3.2, 0)
  check(straight(rough), smoothness=0.5)
  check(straight(20 + 2.5 * TIME), smoothness=0)
  # Up to 20 states are one stretch; a rest that is shorter is left out.
  rough = 10 + 6 * np.maximum(TIME - 0.8, 0)
  check(straight(rough, last=12, position_deviation=2), smoothness=0)


def test_smoothness_of_two_states_has_no_value():
  check(straight(last=1, position_deviation=0), smoothness=np.nan)


# AlpaSim: min(completion / 0.8, 1), or 0.


@pytest.mark.parametrize(
  ('drive', 'score'),
  [
    (straight(4.0), 0.5),
    (straight(8.5), 1),
    (hit(), 0),
    (hit(at_fault=False), 0.3 / 0.8),
    (straight(last=12, static_collision=2), 0),
    (straight(0.0, human_speed=1.2), 1),
    (straight(0.0, human_speed=1.3), 0),
  ],
)
def test_alpasim_forgives_a_fifth_of_the_way_and_nothing_else(drive, score):
  check(drive, scene_score=score)


@pytest.mark.parametrize(('distance', 'score'), [(-0.29, 1), (-0.31, 0)])
def test_alpasim_forgives_no_leaving_of_the_road(distance, score):
  drive = straight()
  drive.drivable[20] = distance
  check(drive, scene_score=score)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
