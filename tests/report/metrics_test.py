# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import jax
import numpy as np
import pytest

from rdrl import types
from rdrl.report import metrics

SUBSTEPS = 5
DECISIONS = 8
STATES = SUBSTEPS * DECISIONS + 1
NUM_PATH = 61
SIZE = (4.0, 2.0, 1.5)

CAR_LENGTH = SIZE[0]


def _agents(xy, yaw, speed, valid=True):
  xy = np.asarray(xy, np.float32)
  shape = xy.shape[:-1]
  return types.AgentState(
    xy=xy,
    z=np.zeros(shape, np.float32),
    yaw=np.broadcast_to(np.float32(yaw), shape),
    speed=np.broadcast_to(np.float32(speed), shape),
    valid=np.broadcast_to(valid, shape),
  )


def _events(**happened):
  """Events `[D]`: name to (decision, value)."""
  fields = {}
  for field in types.Events.__dataclass_fields__:
    kind = np.float32
    if field in (
      'dynamic_collision',
      'static_collision',
      'position_deviation',
      'heading_deviation',
      'at_fault',
    ):
      kind = bool
    values = np.zeros(DECISIONS, kind)
    if field in happened:
      values[happened[field]] = True
    fields[field] = values
  return types.Events(**fields)


def straight(
  speed=10.0, offset=0.0, last=STATES - 1, other=None, start=0, **happened
):
  """An ego that drives along x next to a 10 m/s expert, until state `last`.

  Args:
    speed: m/s, or `[S]` of it.
    offset: metres to the left of the reference path.
    last: the state that ended it.
    other: xy, yaw and speed of the only other agent, `[S]` of each.
    start: step of the path at which it begins.
    **happened: name of an event to its decision.
  """
  speed = np.broadcast_to(np.float64(speed), STATES)
  x = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2) * 0.1])
  ego = np.stack([x, np.full(STATES, offset)], -1)
  far = np.full((STATES, 2), 1e3)
  other_xy, other_yaw, other_speed = other or (far, 0, 0)
  steps = np.arange(NUM_PATH) - start
  path = np.stack([steps * 1.0, 0 * steps], -1)
  time = np.minimum(np.arange(STATES), last) + start
  return types.Drive(
    agents=_agents(
      np.stack([ego, other_xy], 1),
      np.stack([np.zeros(STATES), np.broadcast_to(other_yaw, STATES)], -1),
      np.stack([speed, np.broadcast_to(other_speed, STATES)], -1),
    ),
    valid=np.arange(STATES) <= last,
    sizes=np.float32([SIZE, SIZE]),
    classes=np.int32([types.VEHICLE, types.VEHICLE]),
    reference=_agents(path[np.minimum(time, NUM_PATH - 1)], 0, 10),
    path=_agents(path, 0, 10),
    drivable=np.full(STATES, 1.0, np.float32),
    action=np.zeros((DECISIONS, 2), np.int32),
    reward=np.zeros((DECISIONS, len(types.REWARD_TERMS)), np.float32),
    events=_events(**happened),
    active=np.arange(DECISIONS) * SUBSTEPS < last,
    terminated=np.bool_(bool(happened)),
    scenario=np.int32(0),
    adversary=np.int32(1),
    behaviour=np.int32(0),
  )


def score(drive):
  """Scores of one drive as floats."""
  return {
    name: float(x[0])
    for name, x in metrics.scores(
      jax.tree.map(lambda x: x[None], drive)
    ).items()
  }


def test_driving_as_the_expert_is_perfect():
  found = score(straight())
  perfect = dict.fromkeys(metrics.METRICS, 0.0) | {
    'progress': 1.0,
    'comfort': 1.0,
    'time_to_collision': metrics.TIME_HORIZON,
  }
  assert found == pytest.approx(perfect, abs=1e-5)


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
  assert score(fast)['time_to_collision'] == metrics.TIME_HORIZON


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
    assert found['time_to_collision'] == metrics.TIME_HORIZON


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
    events=jax.tree.map(lambda x: spoil(x, active), ended.events),
    reward=spoil(ended.reward, active),
    action=spoil(ended.action, active),
  )
  assert score(spoiled) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_scores_of_many_drives_are_those_of_each():
  drives = [straight(), straight(5.0, 0.4), straight(last=9, at_fault=1)]
  found = metrics.scores(types.stack(drives))
  for i, drive in enumerate(drives):
    for name, value in score(drive).items():
      assert found[name][i] == pytest.approx(value, abs=1e-6), name


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
