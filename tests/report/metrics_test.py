# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import jax
import numpy as np
import pytest

from rdrl import trees
from rdrl import types
from rdrl.report import metrics
from rdrl.report import safety
from rdrl.training import checkpoints
from tests.report.drives import SIZE
from tests.report.drives import STATES
from tests.report.drives import hit
from tests.report.drives import straight

CAR_LENGTH = SIZE[0]


def score(drive):
  """Scores of one drive as floats."""
  return {
    name: float(x[0])
    for name, x in metrics.scores(
      jax.tree.map(lambda x: x[None], drive)
    ).items()
  }


# What a drive beside the expert, alone on the road, does not have.
MEANINGLESS = 'at_fault_share', 'impact_speed', 'efficiency'


@pytest.mark.slow
def test_driving_as_the_expert_is_perfect():
  found = score(straight())
  best = {
    name: 1.0 if metric.higher_is_better else 0.0
    for name, metric in metrics.METRICS.items()
  }
  best['time_to_collision'] = safety.TIME_HORIZON
  # 1000 m to a box that is off by 1000 m on both axes at first.
  del best['least_distance']
  for name in MEANINGLESS:
    assert np.isnan(found[name]), name
    del best[name]
  assert {name: found[name] for name in best} == pytest.approx(best, abs=1e-5)


def test_front_collision_is_one_of_agents_at_fault_and_no_deviation():
  found = score(straight(last=12, dynamic_collision=2, at_fault=2))
  assert found['dynamic_collision'] == found['collision'] == 1
  assert found['at_fault_collision'] == 1
  assert found['static_collision'] == found['deviation'] == 0


def test_collision_from_behind_is_not_at_fault():
  found = score(straight(last=12, dynamic_collision=2))
  assert (found['collision'], found['at_fault_collision']) == (1, 0)


@pytest.mark.parametrize(
  ('names', 'total'),
  [
    (('dynamic_collision', 'static_collision'), 'collision'),
    (('position_deviation', 'heading_deviation'), 'deviation'),
  ],
)
def test_ratio_is_the_sum_of_its_parts_even_when_both_happen(names, total):
  found = score(straight(last=12, **dict.fromkeys(names, 2)))
  assert found[total] == sum(found[name] for name in names) == 1


def test_average_deviation_is_the_offset_and_skips_the_collision():
  drive = straight(offset=0.7)
  assert score(drive)['average_deviation'] == pytest.approx(0.7, abs=1e-5)
  drive = straight(offset=0.5, last=10, dynamic_collision=1)
  drive.agents.xy[10, 0, 1] = 5.0
  assert score(drive)['average_deviation'] == pytest.approx(0.5, abs=1e-5)


def test_average_deviation_does_not_care_when_the_ego_is_where():
  found = score(straight(speed=4.0, offset=0.3))
  assert found['average_deviation'] == pytest.approx(0.3, abs=1e-5)


def test_constant_jerk_is_found_exactly():
  time = np.arange(STATES) * types.TIME_STEP
  found = score(straight(speed=5 + 0.5 * 1.5 * time**2))
  assert found['longitudinal_jerk'] == pytest.approx(1.5, rel=2e-3)
  assert found['lateral_jerk'] == 0


def test_lateral_jerk_of_a_steadily_tightening_turn():
  # Yaw rate c t at speed v has the lateral acceleration v c t.
  speed, c = 8.0, 0.05
  time = np.arange(STATES) * types.TIME_STEP
  drive = straight(speed=speed)
  drive = drive.replace(
    agents=drive.agents.replace(
      yaw=np.stack([c * time**2 / 2, 0 * time], -1).astype(np.float32)
    )
  )
  found = score(drive)
  assert found['lateral_jerk'] == pytest.approx(speed * c, rel=5e-3)
  assert found['longitudinal_jerk'] == 0


def test_jerk_of_two_states_has_no_value():
  found = score(straight(last=1, dynamic_collision=0))
  assert np.isnan(found['longitudinal_jerk'])
  assert np.isnan(found['lateral_jerk'])
  assert np.isnan(found['comfort'])


@pytest.mark.parametrize(('speed', 'share'), [(5.0, 0.5), (12.0, 1.0)])
def test_progress_is_the_share_of_the_way(speed, share):
  assert score(straight(speed))['progress'] == pytest.approx(share, abs=1e-5)


def test_progress_counts_the_way_that_an_early_end_left_undriven():
  found = score(straight(last=10, dynamic_collision=1))
  assert found['progress'] == pytest.approx(10 / (STATES - 1), abs=1e-5)


def test_progress_of_a_path_that_ends_within_a_decision():
  # From step 28 there is room for 6 decisions, that is 30 of the 32 steps.
  found = score(straight(start=28, last=30))
  assert found['progress'] == pytest.approx(1, abs=1e-5)
  found = score(straight(start=28, last=15, static_collision=2))
  assert found['progress'] == pytest.approx(15 / 30, abs=1e-5)


def test_standing_still_makes_no_more_than_the_threshold_of_progress():
  way = (STATES - 1) * 1.0
  found = score(straight(speed=0.0))
  assert found['progress'] == pytest.approx(2 / way, abs=1e-5)


@pytest.mark.parametrize(
  ('acceleration', 'share'), [(2.3, 1), (2.5, 0), (-4.0, 1), (-4.2, 0)]
)
def test_comfort_has_the_bounds_of_nuplan(acceleration, share):
  time = np.arange(STATES) * types.TIME_STEP
  found = score(straight(speed=20 + acceleration * time))
  assert found['comfort'] == share


def test_comfort_in_a_turn_is_bounded_by_lateral_acceleration():
  time = np.arange(STATES) * types.TIME_STEP

  def turning(yaw_rate):
    drive = straight()
    yaw = np.stack([yaw_rate * time, 0 * time], -1).astype(np.float32)
    return drive.replace(
      agents=drive.agents.replace(yaw=(yaw + np.pi) % (2 * np.pi) - np.pi)
    )

  assert score(turning(0.48))['comfort'] == 1
  assert score(turning(0.50))['comfort'] == 0


def test_emergency_stop_is_uncomfortable_while_it_lasts():
  time = np.arange(STATES) * types.TIME_STEP
  found = score(straight(speed=np.maximum(10 - 8 * time, 0)))
  assert 0.3 < found['comfort'] < 0.8


def test_time_to_collision_with_a_parked_car_is_gap_over_speed():
  # 50 m ahead, in the end 10 m: less the length of a car, at 10 m/s.
  parked = np.tile([50.0, 0.0], (STATES, 1))
  found = score(straight(other=(parked, 0.0, 0.0)))
  assert found['time_to_collision'] == pytest.approx(
    (10 - CAR_LENGTH) / 10, abs=1e-4
  )


def test_time_to_collision_with_crossing_traffic_that_turns_no_corner():
  # The ego's front reaches the lane of the other after 18 / 10 s. The other is
  # in it while its middle is within 1 + 2 m of the axis: from 1 s to 4 s.
  crossing = np.tile([21.0, -6.0], (STATES, 1))
  drive = straight(last=1, other=(crossing, np.pi / 2, 3.0))
  drive.agents.xy[1] = drive.agents.xy[0]
  found = score(drive)
  assert found['time_to_collision'] == pytest.approx(1.8, abs=1e-4)
  fast = straight(last=1, other=(crossing, np.pi / 2, 10.0))
  fast.agents.xy[1] = fast.agents.xy[0]
  assert score(fast)['time_to_collision'] == safety.TIME_HORIZON


def test_time_to_collision_leaves_out_tailgaters_lanes_beside_and_rest():
  time = np.arange(STATES)[:, None] * types.TIME_STEP
  behind = np.array([-6.0, 0.0]) + time * [10.0, 0.0]
  beside = np.array([40.0, 2.1]) + time * [0.0, 0.0]
  for other, speed in [
    ((behind, 0.0, 20.0), 10.0),
    ((beside, 0.0, 0.0), 10.0),
    ((np.tile([9.0, 0.0], (STATES, 1)), np.pi, 5.0), 0.0),
  ]:
    found = score(straight(speed, other=other))
    assert found['time_to_collision'] == safety.TIME_HORIZON


def test_off_road_tolerates_as_much_as_nuplan():
  drive = straight()
  for distance, expected in [(-0.25, 0), (-0.35, 1)]:
    drive.drivable[20] = distance
    assert score(drive)['off_road'] == expected


def test_nothing_after_the_end_counts():
  ended = straight(
    last=17, offset=0.2, dynamic_collision=3, at_fault=3, speed=9.0
  )
  expected = score(ended)
  rng = np.random.default_rng(0)

  def spoil(x, mask):
    noise = rng.normal(0, 100, x.shape)
    mask = mask.reshape(-1, *(1,) * (x.ndim - 1))
    noise = noise > 0 if x.dtype == bool else noise.astype(x.dtype)
    return np.where(mask, x, noise)

  valid, active = ended.valid, ended.active
  spoiled = ended.replace(
    agents=jax.tree.map(lambda x: spoil(x, valid), ended.agents),
    reference=jax.tree.map(lambda x: spoil(x, valid), ended.reference),
    drivable=spoil(ended.drivable, valid),
    road=jax.tree.map(lambda x: spoil(x, valid), ended.road),
    reference_road=jax.tree.map(
      lambda x: spoil(x, valid), ended.reference_road
    ),
    events=jax.tree.map(lambda x: spoil(x, active), ended.events),
    reward=spoil(ended.reward, active),
    action=spoil(ended.action, active),
  )
  assert score(spoiled) == pytest.approx(
    expected, rel=1e-5, abs=1e-5, nan_ok=True
  )


def test_scores_of_many_drives_are_those_of_each():
  drives = [straight(), straight(5.0, 0.4), straight(last=9, at_fault=1)]
  found = metrics.scores(trees.stack(drives))
  for i, drive in enumerate(drives):
    for name, value in score(drive).items():
      assert found[name][i] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_written_and_read_drives_have_the_same_scores(tmp_path):
  drives = trees.stack([hit(), straight(7.0, 0.4), straight(last=9)])
  checkpoints.save(tmp_path, 0, drives)
  read = checkpoints.read(tmp_path, types.Drive)
  before, after = metrics.scores(drives), metrics.scores(read)
  for name in metrics.METRICS:
    np.testing.assert_array_equal(before[name], after[name], name)


@pytest.mark.parametrize(
  ('side', 'name'),
  [
    (types.FRONT, 'front_collision'),
    (types.REAR, 'rear_collision'),
    (types.LEFT, 'lateral_collision'),
    (types.RIGHT, 'lateral_collision'),
  ],
)
def test_collision_is_at_the_side_that_was_met(side, name):
  drive = hit()
  drive.events.side[2] = side
  # What is no collision has no side, and what was after the end no weight.
  drive.events.side[[0, 5]] = types.FRONT
  drive.events.dynamic_collision[5] = True
  found = score(drive)
  sides = 'front_collision', 'rear_collision', 'lateral_collision'
  assert {k: found[k] for k in sides} == {k: float(k == name) for k in sides}


def test_impact_speed_is_that_of_the_collision():
  drive = hit()
  drive.events.closing_speed[2] = 7.5
  assert score(drive)['impact_speed'] == 7.5
  assert np.isnan(score(straight())['impact_speed'])


def test_share_at_fault_is_over_collisions_only():
  drives = [hit(), hit(at_fault=False), hit(), hit(), straight()]
  found = metrics.table(trees.stack(drives))
  assert found['at_fault_share']['mean'] == pytest.approx(3 / 4)
  assert found['at_fault_share']['n'] == 4
  assert found['at_fault_collision']['mean'] == pytest.approx(3 / 5)
  assert found['success']['mean'] == pytest.approx(1 / 5)


def test_shares_of_time_below_a_time_to_collision():
  # (50.5 - 4) m at first: less than 3 s from 1.7 s on, than 1 s from 3.7 s on.
  found = score(straight(other=([50.5, 0.0], 0.0, 0.0)))
  assert found['time_to_collision_below_3'] == pytest.approx(24 / 41)
  assert found['time_to_collision_below_1'] == pytest.approx(4 / 41)
  # 24 states from 0.05 s on to 2.35 s short of 3 s.
  assert found['time_integrated_collision'] == pytest.approx(
    24 * 1.2 * 0.1, abs=1e-3
  )


def test_least_distance_is_between_nearest_corners():
  # In the end 3 m ahead and 4 m to the left of a corner.
  found = score(straight(other=([40 + 4 + 3, 2 + 4], 0.0, 0.0)))
  assert found['least_distance'] == pytest.approx(5, abs=1e-4)
  assert score(hit())['least_distance'] == 0


def test_distance_to_nobody_has_no_value():
  drive = straight()
  drive.agents.valid[:, 1] = False
  assert np.isnan(score(drive)['least_distance'])


def test_record_that_tells_less_has_fewer_scores():
  drive = straight()
  bare = drive.replace(
    road=None,
    reference_road=None,
    events=drive.events.replace(side=None, closing_speed=None, ran_light=None),
  )
  asked = (
    'closed_loop_score',
    'driving_direction',
    'speed_limit',
    'time_to_collision_within_bound',
    'pdm_score',
    'extended_pdm_score',
    'hd_score',
    'driving_score',
    'driving_success',
    'front_collision',
    'impact_speed',
  )
  found = jax.jit(
    lambda drive: {
      name: metrics.METRICS[name].function(drive) for name in asked
    }
  )(bare)
  assert np.isnan(list(found.values())).all(), found


def test_table_has_every_score_and_pairs_with_a_baseline():
  drives = trees.stack([straight(s) for s in (8.0, 6.0, 9.0)])
  slower = trees.stack([straight(s - 2.0) for s in (8.0, 6.0, 9.0)])
  found = metrics.table(drives, slower)
  assert list(found) == list(metrics.METRICS)
  gained = found['progress']
  assert [gained[k] for k in ('mean', 'low', 'high')] == pytest.approx(
    [0.2] * 3, abs=1e-5
  )
  assert gained['n'] == 3
  alone = metrics.table(drives)['progress']
  assert alone['low'] < alone['mean'] < alone['high']


def test_table_of_other_scenarios_names_them():
  drives = trees.stack([straight(), straight()])
  other = drives.replace(scenario=np.int32([0, 3]))
  with pytest.raises(ValueError, match=r'baseline.scenario \[0, 3\] is not'):
    metrics.table(drives, other)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
