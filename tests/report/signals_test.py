# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What scores are made of, where the human backs up, trembles or is met."""

import sys

import jax
import numpy as np
import pytest

from rdrl import trees
from rdrl import types
from rdrl.report import closed_loop
from rdrl.report import nuplan
from rdrl.report import rad
from rdrl.report import signals
from rdrl.sim import events
from tests import faults
from tests.report.drives import LANE_WIDTH
from tests.report.drives import NUM_PATH
from tests.report.drives import STATES
from tests.report.drives import in_lane
from tests.report.drives import states
from tests.report.drives import straight

TIME = np.arange(NUM_PATH) * types.TIME_STEP


@jax.jit
def _human(drive):
  found = signals.human(drive).events
  return found.dynamic_collision.any(), found.at_fault.any()


@jax.jit
def _scores(drive):
  arc, offset = signals.along_path(drive)
  return {
    'arc': arc,
    'offset': offset,
    'way': signals.expert_way(drive),
    'progress': nuplan.progress(drive),
    'direction': nuplan.driving_direction(drive),
    'completion': closed_loop.route_completion(drive),
    'deviation': rad.average_deviation(drive),
  }


def _met(ego, other, kind, **road):
  """A human at a place, and another that is at its own from state 1 on."""
  there = np.tile(np.float64(other[:2]), (STATES, 1))
  there[0] = 1e3
  drive = straight(other=(there, *other[2:]), other_class=kind)
  x, y, yaw, speed = ego
  inside = events.is_in_lane(y, yaw, faults.CAR, LANE_WIDTH)
  drive = drive.replace(
    reference=states(np.tile([x, y], (STATES, 1)), yaw, speed),
    sizes=np.float32([faults.CAR, faults.CAR]),
  )
  return in_lane(drive, 'reference_road', **{'in_lane': bool(inside)} | road)


@pytest.mark.parametrize('ego, other, kind, at_fault', faults.FAULTS)
def test_fault_of_the_human_is_that_of_nuplan(ego, other, kind, at_fault):
  met, found = _human(_met(ego, other, kind))
  assert met and bool(found) == at_fault


def test_where_the_map_knows_no_lane_the_human_has_left_none():
  crossed = (0.0, 1.2, 0, 10), (-1.0, 3.0, -0.1, 10), types.VEHICLE
  assert _human(_met(*crossed))[1]
  assert not _human(_met(*crossed, has_lane=False, in_lane=False))[1]


def test_who_was_run_into_may_drive_on():
  # Run into from behind by a car that stands from then on.
  drive = _met((0.0, 0, 0, 1), (-4.5, 0.0, 0, 2), types.VEHICLE)
  speed = drive.agents.speed.copy()
  speed[2:, 1] = 0
  met, at_fault = _human(
    drive.replace(agents=drive.agents.replace(speed=speed))
  )
  assert met and not at_fault


def _along(x, human=None, sigma=0.0):
  """A car at `x` of states, one at `human` of the path; both look along x."""
  human = (
    np.append(x, np.full(NUM_PATH - STATES, x[-1])) if human is None else human
  )
  path = np.stack([human, np.zeros(NUM_PATH)], -1)
  rest = np.abs(np.gradient(human)) < 1e-3
  path[rest] += sigma * np.random.default_rng(0).normal(size=(rest.sum(), 2))
  drive = straight()
  xy, speed = drive.agents.xy.copy(), drive.agents.speed.copy()
  xy[:, 0] = np.stack([x, np.zeros(STATES)], -1)
  speed[:, 0] = np.gradient(x, types.TIME_STEP)
  path = states(path, 0, np.gradient(human, types.TIME_STEP))
  return drive.replace(
    agents=drive.agents.replace(xy=xy, speed=speed),
    path=path,
    reference=trees.take(path, slice(0, STATES)),
  )


def test_who_backs_up_as_the_human_did_has_done_all_of_the_way():
  x = -3 * TIME[:STATES]
  found = _scores(_along(x, -3 * TIME))
  np.testing.assert_allclose(found['arc'], -x, atol=1e-4)
  assert found['way'] == pytest.approx(12, abs=1e-4)
  assert found['progress'] == found['completion'] == found['direction'] == 1
  assert found['deviation'] == pytest.approx(0, abs=1e-4)


def test_who_backs_up_alone_goes_against_its_lane_and_its_way():
  found = _scores(_along(-3 * TIME[:STATES], 3 * TIME))
  assert found['progress'] == 0 and found['direction'] == 0.5


@pytest.mark.parametrize('share', [1.0, 0.5, 0.1])
def test_there_and_back_counts_twice(share):
  human = np.interp(TIME, [0, 2, 4], [0, 10, 0])
  # As the human, or no farther than the turn, or nowhere.
  x = {
    1.0: human[:STATES],
    0.5: np.minimum(5 * TIME[:STATES], 10),
    0.1: np.zeros(STATES),
  }[share]
  found = _scores(_along(x, human))
  assert found['way'] == pytest.approx(20, abs=1e-3)
  assert found['progress'] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize('sigma', [0.03, 0.06, 0.1])
def test_a_human_who_trembles_at_rest_goes_no_farther(sigma):
  human = np.interp(TIME, [0, 2, 5], [0, 20, 20])
  found = _scores(_along(human[:STATES], human, sigma))
  # Its first point is one that trembles, and so is its last.
  assert found['way'] == pytest.approx(20, abs=4 * sigma)
  assert found['progress'] > 1 - 4 * sigma / 20
  np.testing.assert_allclose(found['arc'], human[:STATES], atol=4 * sigma)
  np.testing.assert_allclose(found['offset'], 0, atol=4 * sigma)


def test_one_state_is_comfortable_but_has_no_share_of_comfort():
  drive = straight(last=0)
  assert np.isnan(nuplan.comfort(drive))
  assert nuplan.is_comfortable(drive) == 1
  assert nuplan.progress(drive) == pytest.approx(2 / 40)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
