# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The simulator tells the truth."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import paths
from rdrl.sim import stack

KEEP_10 = jnp.array([anchors.STRAIGHT, 20])
STOP = jnp.array([anchors.STRAIGHT, 0])


@pytest.fixture(scope='module')
def street(road):
  """An ego behind a lead, a neighbour and a parked car."""
  return road.scene(
    road.straight(0, -1.75, 10),
    road.straight(25, -1.75, 10),
    road.straight(5, -5.25, 11),
    road.straight(60, -8.2, 0),
  )


def _alone(road, ego, other):
  far = road.straight(240, 5.25, 0)
  return road.scene(ego, other, far, far)


def test_a_replayed_log_neither_collides_nor_deviates(road, street):
  controller = np.array([0, 1, 1, 0], np.int32)
  for fields in ({}, {'controller': controller}):
    env = road.environment(street, **fields)
    drive = trees.take(jax.device_get(sim.replay(env, [0])), 0)
    assert not drive.terminated
    assert drive.active.all() and drive.valid.all()
    assert not np.any(drive.events.dynamic_collision)
    assert not np.any(drive.events.position_deviation)
    np.testing.assert_array_equal(drive.agents.xy[:, 0], drive.reference.xy)
    # Progress is that of the expert: all of the weight, each time.
    np.testing.assert_allclose(drive.reward[:, 4], 0.1, rtol=1e-5)


def test_time_and_motion_agree(road, street):
  env = road.environment(street)
  state = road.step(env, road.reset(env), KEEP_10)
  assert state.step == 10 and state.decision == 1
  moved = state.agents.xy[:, 0] - street.tracks.xy[5, :, 0]
  np.testing.assert_allclose(moved, [5, 5, 5.5, 0], atol=1e-4)
  np.testing.assert_array_equal(state.trace.xy[-1], state.agents.xy)
  np.testing.assert_allclose(np.diff(state.trace.xy[:, 0, 0]), 1, atol=1e-4)


def test_constant_speed_into_a_parked_car(road):
  scene = _alone(road, road.straight(0, -1.75, 10), road.straight(60, -1.75, 0))
  env = road.environment(scene)
  drive = road.drive(env, KEEP_10)
  # The bumpers meet when the ego's middle is a car's length away.
  start = scene.tracks.xy[5, 0, 0]
  contact = (60 - road.CAR[0] - start) / 10
  last = int(np.flatnonzero(drive.valid)[-1])
  assert 0 <= last * types.TIME_STEP - contact < types.TIME_STEP + 1e-4
  assert drive.terminated
  assert np.sum(drive.events.dynamic_collision) == 1
  decision = int(np.argmax(drive.events.dynamic_collision))
  assert drive.events.at_fault[decision] and drive.events.front[decision] == 1
  assert drive.reward[decision, 0] == -1
  assert np.sum(drive.active) == decision + 1
  # Afterwards nothing moves and nothing is paid.
  np.testing.assert_array_equal(
    drive.agents.xy[last:, 0],
    drive.agents.xy[last:][:1, 0].repeat(len(drive.valid) - last, 0),
  )
  assert not np.any(drive.reward[decision + 1 :])
  assert not np.any(drive.events.dynamic_collision[decision + 1 :])


def test_a_stopped_ego_hit_from_behind_is_not_at_fault(road):
  scene = _alone(road, road.straight(0, -1.75, 0), road.straight(-40, -1.75, 8))
  drive = road.drive(road.environment(scene), STOP)
  decision = int(np.argmax(drive.events.dynamic_collision))
  assert drive.events.dynamic_collision[decision]
  assert drive.events.front[decision] == -1
  assert not drive.events.at_fault[decision]


def test_reactive_traffic_stops_behind_a_stopped_ego(road):
  scene = _alone(road, road.straight(0, -1.75, 8), road.straight(-20, -1.75, 8))
  controller = np.array([0, 1, 0, 0], np.int32)
  drive = road.drive(road.environment(scene, controller=controller), STOP)
  assert not drive.terminated
  gap = drive.agents.xy[-1, 0, 0] - drive.agents.xy[-1, 1, 0] - road.CAR[0]
  assert 1 < gap < 4
  # The parked cars of the fixture stay, on the ground.
  np.testing.assert_array_equal(drive.agents.xy[-1, 2:], scene.tracks.xy[0, 2:])
  np.testing.assert_allclose(drive.agents.z, road.CAR[2] / 2, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize('controller', [types.IDM, types.YIELD])
def test_a_driver_who_backed_up_backs_up(road, controller):
  backs = road.straight(40, 1.75, -3)
  backs['yaw'][:], backs['speed'][:] = 0, -3
  scene = _alone(road, road.straight(0, -1.75, 8), backs)
  controller = np.array([0, controller, 0, 0], np.int32)
  drive = road.drive(road.environment(scene, controller=controller), STOP)
  # After its end an episode stands still.
  agents = trees.take(drive.agents, (drive.valid, 1))
  assert len(agents.yaw) == 81
  np.testing.assert_allclose(agents.yaw, 0, atol=1e-3)
  assert np.all(agents.speed < -2.5)
  moved = np.diff(agents.xy[:, 0])
  np.testing.assert_allclose(moved, 0.1 * agents.speed[1:], atol=0.02)


def test_before_its_release_an_agent_repeats_its_track(road):
  scene = _alone(road, road.straight(0, -1.75, 8), road.straight(-20, -1.75, 8))
  drive = road.drive(
    road.environment(
      scene,
      controller=np.array([0, 1, 0, 0], np.int32),
      release=np.array([0, 25, 0, 0], np.int32),
    ),
    STOP,
  )
  speed = np.asarray(drive.agents.speed[:, 1])
  np.testing.assert_allclose(speed[: 25 - 5 + 1], 8)
  assert speed[25 - 5 + 2] < 8


def test_an_agent_appears_when_its_track_does(road):
  late = road.straight(60, -5.25, 5)
  late['valid'][:30] = False
  scene = _alone(road, road.straight(0, -1.75, 10), late)
  for controller in (0, 1):
    drive = road.drive(
      road.environment(
        scene, controller=np.array([0, controller, 0, 0], np.int32)
      ),
      KEEP_10,
    )
    valid = np.asarray(drive.agents.valid[:, 1])
    np.testing.assert_array_equal(valid, np.arange(len(valid)) + 5 >= 30)
    assert drive.agents.xy[25, 1, 0] == pytest.approx(75)
    assert drive.agents.xy[35, 1, 0] == pytest.approx(80, abs=0.5)


@pytest.mark.parametrize('side', [1, -1])
def test_leaving_the_path_ends_an_unedited_drive_at_two_metres(road, side):
  far = road.straight(200, 5.25, 0)
  scene = _alone(road, road.straight(0, 0, 10), far)
  action = jnp.array([anchors.STRAIGHT + side * 4, 20])
  drive = road.drive(road.environment(scene), action)
  decision = int(np.argmax(drive.events.position_deviation))
  assert drive.events.position_side[decision] == side
  last = int(np.flatnonzero(drive.valid)[-1])
  offset = np.abs(drive.agents.xy[:, 0, 1])
  assert offset[last - 1] <= 2 < offset[last]
  edited = road.drive(road.environment(scene, adversary=np.int32(1)), action)
  assert not np.any(edited.events.position_deviation[: decision + 1])
  assert drive.drivable[0] == pytest.approx(road.HALF_ROAD - road.CAR[1] / 2)


def test_truncation_is_not_termination(road, street):
  drive = road.drive(road.environment(street), KEEP_10)
  # The horizon is sixteen decisions; the last one found it frozen.
  assert not drive.terminated
  np.testing.assert_array_equal(drive.active, np.arange(17) < 16)
  np.testing.assert_array_equal(drive.valid, np.arange(86) < 81)
  assert not np.any(drive.reward[16])
  late = road.environment(street, start=np.int32(92))
  state = road.step(late, road.reset(late), KEEP_10)
  assert state.truncated and not state.terminated and state.step == 97


def test_time_to_collision_and_comfort_cost(road):
  scene = _alone(road, road.straight(0, -1.75, 10), road.straight(60, -1.75, 0))
  drive = road.drive(road.environment(scene), KEEP_10)
  gap = 60 - road.CAR[0] - np.asarray(drive.agents.xy[5::5, 0, 0])
  active = np.asarray(drive.active)
  np.testing.assert_allclose(
    drive.reward[active, 5], np.where(gap / 10 < 0.95, -0.2, 0)[active]
  )
  np.testing.assert_array_equal(drive.reward[:, 6], 0)
  hard = road.drive(road.environment(scene), STOP)
  np.testing.assert_allclose(hard.reward[:2, 6], -0.05)


def test_observation(road, street):
  env = road.environment(street)
  state = road.reset(env)
  assert state.observation.images[:, 0, 0, 0, 0].tolist() == [0, 5]
  state = road.step(env, state, KEEP_10)
  observation = state.observation
  assert observation.images[:, 0, 0, 0, 0].tolist() == [5, 10]
  np.testing.assert_allclose(
    observation.route[:, 0], env.config.route_points, atol=1e-4
  )
  np.testing.assert_allclose(observation.route[:, 1], 0, atol=1e-4)
  expert = jax.jit(lambda env: env.expert_observation(0, 10))(env)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4),
    observation,
    expert,
  )


def test_a_batch_sees_what_single_steps_see(road, street):
  env = road.environment(street)

  def act(states, key):
    del key
    return KEEP_10[None], states.observation

  @jax.jit
  def unroll(env):
    states = jax.vmap(env.start, (None, 0))(jax.random.key(0), jnp.zeros(1))
    return sim.unroll(env, act, states, jax.random.key(1), 3)[1]

  decisions = unroll(env)
  state = road.reset(env)
  for i in range(3):
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4),
      trees.take(decisions.aux, (i, 0)),
      state.observation,
    )
    state = road.step(env, state, KEEP_10)


def test_reset_draws_another_scenario_by_each_key(road, street):
  scenarios = jax.tree.map(lambda x: np.repeat(x, 8, 0), road.scenario(street))
  scenarios = scenarios.replace(start=np.arange(8, dtype=np.int32))
  config = sim.Config(image_height=2, image_width=4)
  env = sim.Env.create([street], scenarios, road.ClockRenderer(), config)

  @jax.jit
  def draw(env, keys):
    state = jax.vmap(env.reset)(keys)
    return state.scenario, state.step

  keys = jax.random.split(jax.random.key(3), 64)
  index, step = draw(env, keys)
  assert set(index.tolist()) == set(range(8))
  np.testing.assert_array_equal(step, index)
  np.testing.assert_array_equal(index, draw(env, keys)[0])


def test_a_batch_drives_like_one_and_nothing_recompiles(road, street):
  env = road.environment(street)
  action = jnp.array([31, 21])
  drive = road.drive(env, action)
  state = road.reset(env)
  compiled = road.step._cache_size()
  for decision in range(4):
    state = road.step(env, state, action)
    np.testing.assert_allclose(
      state.trace.xy,
      drive.agents.xy[1 + 5 * decision : 6 + 5 * decision],
      rtol=1e-5,
      atol=1e-5,
    )
    np.testing.assert_allclose(
      state.reward, drive.reward[decision], rtol=1e-5, atol=1e-6
    )
  assert road.step._cache_size() - compiled <= 1


def test_the_car_on_tyres_drives_the_same_environment(road, street):
  config = dataclasses.replace(
    sim.Config(image_height=2, image_width=4), dynamics='single_track'
  )
  env = road.environment(street, config)
  state = road.reset(env)
  for _ in range(3):
    state = road.step(env, state, KEEP_10)
  assert not state.terminated
  assert state.agents.xy[0, 0] == pytest.approx(20, abs=0.2)


def test_create_names_what_does_not_fit(road, street):
  with pytest.raises(ValueError, match=r'sim.dynamics.*hover'):
    road.environment(street, sim.Config(dynamics='hover'))
  with pytest.raises(ValueError, match=r'scenario.start goes from 99'):
    road.environment(street, start=np.int32(99))
  with pytest.raises(ValueError, match=r'scenario.scene goes from 1'):
    road.environment(street, scene=np.int32(1))


_path = jax.jit(paths.from_track)


def test_paths_skip_standstills_and_keep_progress():
  x = np.array([0, 0.01, -0.01, 1, 2, 2.01, 2, 3.0])
  xy = np.stack([x, np.zeros(8)], -1)
  valid = np.ones(8, bool)
  points, used, progress = _path(xy, np.zeros(8), valid)
  assert points[used, 0].tolist() == [0, 1, 2, 3]
  way = np.maximum.accumulate(np.abs(x))
  np.testing.assert_allclose(progress, way, atol=1e-6)
  points, used, _ = _path(np.zeros((8, 2)), np.full(8, np.pi), valid)
  np.testing.assert_allclose(points[used], [[0, 0], [-1, 0]], atol=1e-6)


def test_grids_of_different_sizes_keep_their_values():
  small = types.Grid(np.arange(6.0).reshape(2, 3), np.zeros(2), np.float64(1))
  large = types.Grid(np.zeros((4, 5)), np.ones(2), np.float64(2))
  grids = jax.tree.map(jnp.asarray, stack.grids([small, large]))
  points = jnp.array([[0.0, 0], [2, 1], [1.5, 0.5], [9, 9]])
  sample = jax.jit(geometry.sample_grid)
  np.testing.assert_allclose(sample(grids, points, 0), [0, 5, 3, 5], atol=1e-6)
  np.testing.assert_allclose(sample(grids, points, 1), 0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
