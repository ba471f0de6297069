# Copyright 2026 The rdrl Authors. Apache-2.0.
"""NAVSIM's scores of drives that can be worked out on paper.

A drive that no event ends is one window of 4 s. A perfect one has PDMS = (5 TTC
+ 5 EP + 2 C) / 12 = 1 and EPDMS = (5 TTC + 5 EP + 2 LK + 2 HC + 2 EC) / 16 = 1.
"""

import sys

import jax
import numpy as np
import pytest

from rdrl import types
from rdrl.report import navsim
from tests.report.drives import DECISIONS
from tests.report.drives import STATES
from tests.report.drives import TIME
from tests.report.drives import hit
from tests.report.drives import in_lane
from tests.report.drives import straight
from tests.report.drives import turning


@jax.jit
def _scores(drive):
  return navsim.pdm_score(drive), navsim.extended_pdm_score(drive)


def check(drive, pdms=None, epdms=None):
  found = _scores(drive)
  for x, expected in zip(found, (pdms, epdms), strict=True):
    if expected is not None:
      assert float(x) == pytest.approx(expected, abs=1e-5)


def test_driving_as_the_human_has_every_point():
  check(straight(), 1, 1)


def test_windows_are_whole_unless_an_event_cut_them_short():
  count = jax.jit(lambda drive: navsim.windows(drive)[1])
  assert count(straight()).tolist() == [True] + [False] * (DECISIONS - 1)
  ended = straight(last=12, position_deviation=2)
  assert count(ended).tolist() == [True] * 3 + [False] * (DECISIONS - 3)


def test_score_is_the_mean_of_the_windows():
  drive = straight(last=12, position_deviation=2)
  drive.drivable[3] = -0.1
  check(drive, 2 / 3, 2 / 3)


def test_progress_is_worth_five():
  check(straight(5.0), (5 + 2.5 + 2) / 12, (5 + 2.5 + 6) / 16)
  check(straight(12.0), 1, 1)


def test_all_progress_is_enough_where_nobody_goes_further_than_5_m():
  check(straight(0.6, human_speed=1.2), 1, 1)
  check(straight(0.65, human_speed=1.3), (5 + 2.5 + 2) / 12, 13.5 / 16)


def test_collision_at_fault_leaves_nothing_if_with_people():
  check(hit(human_offset=3.0), 0, 0)
  check(hit(other_class=types.PEDESTRIAN, human_offset=3.0), 0, 0)


def test_collision_at_fault_leaves_half_if_with_an_object():
  # v1 halves the way, too: 6 of 12 m, 3.5 of 7 m, then too little to count.
  first, last = 0.5 * (0 + 2.5 + 2) / 12, 0.5 * (0 + 5 + 2) / 12
  check(
    hit(other_class=types.OTHER, human_offset=3.0),
    (2 * first + last) / 3,
    0.5 * (0 + 5 + 6) / 16,
  )


def test_what_the_human_cannot_avoid_does_not_count_in_v2():
  # The human hits the same: of a vehicle it scores 0 and the ego is excused, of
  # an object it scores half, which excuses nothing but the time to collision.
  check(hit(), 0, 1)
  check(
    hit(other_class=types.OTHER),
    0.5 * (0 + 5 + 2) / 12,
    0.5 * (5 + 5 + 6) / 16,
  )


def test_collision_from_behind_costs_no_more_than_the_time_to_it():
  # Where they meet is ahead of where the ego was 0.3, 0.6 and 0.9 s before,
  # which the first two windows hold; the human is met as well.
  behind = np.stack([TIME * 12 - 3.5 - 1.2 * 2, 0 * TIME], -1)
  drive = straight(last=12, other=(behind, 0, 12), dynamic_collision=2)
  check(drive, (2 * 7 / 12 + 1) / 3, 1)


def test_no_corner_may_leave_the_road_unless_those_of_the_human_do():
  drive = straight()
  drive.drivable[20] = -0.01
  check(drive, 0, 0)
  drive.reference_road.clearance[20, 1] = -0.01
  check(drive, 0, 1)


@pytest.mark.parametrize(
  ('speed', 'factor'), [(1.8, 1), (1.85, 0.5), (5.4, 0.5), (5.5, 0)]
)
def test_against_the_lane_but_not_where_lanes_cross(speed, factor):
  drive = in_lane(straight(speed, human_speed=speed), lane_heading=np.pi)
  check(drive, 1, factor)
  check(in_lane(drive, at_crossing=True), 1, 1)
  human = in_lane(drive, 'reference_road', lane_heading=np.pi)
  check(human, 1, factor or 1)


def test_red_light_leaves_nothing_in_v2():
  check(straight(ran_light=3), 1, 0)


def test_time_to_collision_is_worth_five():
  # The ego points to the left of where it goes: moved on by 0.9 s it would be
  # in the box that keeps pace on its left, 3.5 m ahead.
  beside = np.stack([TIME * 10 + 3.5, np.full(STATES, 3.0)], -1)
  drive = straight(other=(beside, 0, 10))
  check(drive, 1, 1)
  drive = turning(drive, np.full(STATES, 0.2))
  check(drive, (0 + 5 + 2) / 12, (0 + 5 + 6) / 16)
  still = drive.agents.speed.copy()
  still[:, 0] = 0
  check(drive.replace(agents=drive.agents.replace(speed=still)), 1, 1)


@pytest.mark.parametrize(
  ('offset', 'states', 'keeps'), [(0.6, 19, 1), (0.6, 20, 0), (0.45, 41, 1)]
)
def test_half_a_metre_off_the_lane_for_2_s_costs_two(offset, states, keeps):
  beside = np.where(np.arange(STATES) < states, offset, 0)
  drive = in_lane(straight(), lane_offset=beside)
  check(drive, 1, (14 + 2 * keeps) / 16)
  check(in_lane(drive, 'reference_road', lane_offset=beside), 1, 1)


def test_off_all_lanes_is_off_the_lane():
  check(in_lane(straight(), has_lane=False), 1, 14 / 16)


def test_where_lanes_cross_no_lane_is_kept_and_nothing_interrupted():
  off = in_lane(straight(), lane_offset=0.6)
  check(in_lane(off, at_crossing=True), 1, 1)
  half = np.arange(STATES) < 21
  check(in_lane(off, at_crossing=half), 1, 14 / 16)
  middle = (np.arange(STATES) >= 10) & (np.arange(STATES) < 31)
  check(in_lane(off, at_crossing=middle), 1, 14 / 16)


def test_comfort_is_worth_two():
  check(straight(20 + 2.5 * TIME), 10 / 12, 14 / 16)


@pytest.mark.parametrize(('jerk', 'is_smooth'), [(1.3, 1), (1.5, 0)])
def test_acceleration_may_change_by_70_cm_a_second_in_half_a_second(
  jerk, is_smooth
):
  speed = 10 + 0.2 * TIME + jerk * TIME**2 / 2
  drive = straight(speed, last=10, position_deviation=1)
  check(drive, 1, (14 + 2 * is_smooth) / 16)


@pytest.mark.parametrize(('change', 'is_smooth'), [(0.19, 1), (0.21, 0)])
def test_yaw_rate_may_change_by_a_tenth_in_half_a_second(change, is_smooth):
  drive = straight(1.0, last=10, human_speed=1.0, position_deviation=1)
  check(turning(drive, change * TIME**2 / 2), 1, (14 + 2 * is_smooth) / 16)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
