# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the map says about a car, on roads whose answers are known."""

import sys

import jax
import numpy as np
import pytest

from rdrl import types
from rdrl.sim import road

SIZE = np.float32([4, 2, 1.5])


def _map(lines, width=3.5, limits=None):
  return types.Map(
    lanes=types.Polylines(
      xy=np.float32(lines), valid=np.ones(np.shape(lines)[:2], bool)
    ),
    lane_width=np.full(len(lines), width, np.float32),
    boundaries=None,
    drivable=None,
    crosswalks=None,
    stop_lines=None,
    speed_limit=limits if limits is None else np.float32(limits),
  )


# One lane to the right along x, one back beside it, one across.
LANES = [
  [[-50, 0], [50, 0]],
  [[50, 3.5], [-50, 3.5]],
  [[20, -50], [20, 50]],
]
CROSSING = _map(LANES, limits=[10, np.inf, 5])


@jax.jit
def _along(xy, yaw, lane_map):
  shape = yaw.shape
  states = types.AgentState(
    xy=xy, z=yaw * 0, yaw=yaw, speed=yaw * 0, valid=np.ones(shape, bool)
  )
  return road.along(states, SIZE, lane_map, lambda xy: 5 - abs(xy[..., 1]))


def along(x, y, yaw, lane_map=CROSSING):
  """`types.Road` `[1]` of one place."""
  return _along(np.float32([[x, y]]), np.float32([yaw]), lane_map)


def test_lane_is_the_nearest_one_that_goes_the_same_way():
  found = along(0, 1.7, 0.0)
  assert found.has_lane[0]
  assert found.lane_offset[0] == pytest.approx(1.7)
  assert found.lane_heading[0] == pytest.approx(0)
  assert found.speed_limit[0] == 10
  # Nearer to the middle of the other, which goes back.
  assert along(0, 1.8, 0.0).lane_heading[0] == pytest.approx(np.pi)
  back = along(0, 1.75, np.pi)
  assert back.lane_offset[0] == pytest.approx(1.75)
  assert abs(back.lane_heading[0]) == pytest.approx(np.pi)
  assert back.speed_limit[0] == np.inf


def test_lane_of_the_other_way_is_the_lane_where_there_is_no_other():
  found = along(0, 3.5, 0.0)
  assert found.lane_offset[0] == pytest.approx(0, abs=1e-6)
  assert abs(found.lane_heading[0]) == pytest.approx(np.pi)


@pytest.mark.parametrize(
  ('y', 'yaw', 'inside'),
  [
    (0.7, 0.0, True),
    (-0.8, 0.0, False),
    # Half extent across: 2 sin 0.3 + cos 0.3 = 1.546.
    (0.2, 0.3, True),
    (0.3, 0.3, False),
  ],
)
def test_box_is_in_its_lane_if_all_of_it_is(y, yaw, inside):
  assert along(0, y, yaw).in_lane[0] == inside


def test_lanes_cross_where_two_of_other_directions_hold_the_middle():
  crossing = along(20, 1.7, 0.0)
  assert crossing.at_crossing[0]
  assert crossing.lane_offset[0] == pytest.approx(1.7)
  assert along(20, 0, np.pi / 2).lane_heading[0] == pytest.approx(np.pi / 2)
  assert along(20, 0, np.pi / 2).speed_limit[0] == 5
  assert not along(17, 0, 0.0).at_crossing[0]


@pytest.mark.parametrize('place', [(0, -1.8), (51, 0), (-50.1, 0)])
def test_beside_and_beyond_lanes_there_is_none(place):
  found = along(*place, 0.0)
  assert not found.has_lane[0]
  assert (found.lane_offset[0], found.lane_heading[0]) == (0, 0)
  assert not found.in_lane[0]
  assert found.speed_limit[0] == np.inf


def test_no_limits_and_no_lanes_are_no_limits_and_no_lanes():
  assert along(0, 0, 0.0, _map(LANES)).speed_limit[0] == np.inf
  nothing = _map(LANES)
  nothing = nothing.replace(
    lanes=nothing.lanes.replace(valid=np.zeros((3, 2), bool))
  )
  assert not along(0, 0, 0.0, nothing).has_lane[0]


def test_clearance_is_that_of_corners_and_middle():
  found = along(0, 1.0, 0.0).clearance[0]
  assert found.tolist() == pytest.approx([3, 3, 5, 5, 4])


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
