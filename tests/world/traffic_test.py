# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import trees
from rdrl import types
from rdrl.world import traffic

CONFIG = traffic.IdmConfig()
LENGTH = 4.6
POINTS = 101


def queue(x, speed, y=None):
  """Cars on straight lanes along x."""
  x = jnp.asarray(x, jnp.float32)
  y = jnp.zeros_like(x) if y is None else jnp.asarray(y, jnp.float32)
  agents = types.AgentState(
    xy=jnp.stack([x, y], -1),
    z=jnp.full(len(x), 0.75),
    yaw=jnp.zeros(len(x)),
    speed=jnp.asarray(speed, jnp.float32),
    valid=jnp.ones(len(x), bool),
  )
  sizes = jnp.tile(jnp.array([LENGTH, 1.9, 1.5]), (len(x), 1))
  along = jnp.linspace(0, 500, POINTS)
  paths = jnp.stack(
    [jnp.stack([along, jnp.full(POINTS, lane)], -1) for lane in y]
  )
  return agents, sizes, paths, jnp.ones(paths.shape[:2], bool)


@jax.jit
def follow(agents, sizes, paths, valid, desired, controlled):
  def step(carry, _):
    agents, progress = carry
    followers = traffic.Followers(
      agents, sizes, paths, valid, progress, desired
    )
    return traffic.step_along_paths(followers, controlled), agents

  carry = agents, agents.xy[:, 0]
  (agents, _), history = jax.lax.scan(step, carry, length=600)
  return agents, history


def test_gap_settles_at_the_closed_form_of_equilibrium():
  agents, *rest = queue([0, 20, 40], [8.0, 8, 8])
  desired = jnp.array([12.0, 12, 5])
  agents, _ = follow(agents, *rest, desired, jnp.ones(3, bool))
  speed = 5.0
  expected = (CONFIG.min_gap + CONFIG.headway * speed) / np.sqrt(
    1 - (speed / 12.0) ** CONFIG.exponent
  )
  gaps = np.diff(agents.xy[:, 0]) - LENGTH
  np.testing.assert_allclose(agents.speed, speed, rtol=1e-3)
  np.testing.assert_allclose(gaps, expected, rtol=5e-3)


def test_acceleration_from_rest_and_at_the_desired_speed():
  free = traffic.idm_acceleration(0.0, jnp.inf, 0.0, 10.0)
  assert float(free) == pytest.approx(CONFIG.max_acceleration)
  cruising = traffic.idm_acceleration(10.0, jnp.inf, 0.0, 10.0)
  assert float(cruising) == pytest.approx(0.0, abs=1e-6)
  crash = traffic.idm_acceleration(10.0, 0.5, 0.0, 10.0)
  assert float(crash) == -CONFIG.max_deceleration


def test_a_car_stops_behind_one_that_stands():
  agents, *rest = queue([0, 80], [12.0, 0])
  controlled = jnp.array([True, False])
  agents, history = follow(agents, *rest, jnp.full(2, 12.0), controlled)
  gap = float(agents.xy[1, 0] - agents.xy[0, 0]) - LENGTH
  assert CONFIG.min_gap - 0.3 < gap < CONFIG.min_gap + 1.0
  assert float(agents.speed[0]) < 0.05
  assert np.all(np.asarray(agents.xy[1]) == np.asarray([80.0, 0]))
  assert np.all(np.diff(history.xy[:, 0, 0]) >= -1e-4)


def test_lead_is_the_nearest_box_ahead_on_the_path_alone():
  x = [0, 30, 20, 10, -5]
  agents, sizes, paths, valid = queue(x, [8.0, 5, 6, 7, 9], [0, 0, 0, 3.5, 0])
  lead = jax.jit(traffic.lead_on_path)
  gap, speed = lead(agents, sizes, paths[0], valid[0], 0, 0.0)
  assert float(gap) == pytest.approx(20 - LENGTH)
  assert float(speed) == pytest.approx(6)
  # Turned across the lane it is its width that counts, and it does not flee.
  across = agents.replace(yaw=agents.yaw.at[2].set(jnp.pi / 2))
  gap, speed = lead(across, sizes, paths[0], valid[0], 0, 0.0)
  assert float(gap) == pytest.approx(20 - 1.9 / 2 - LENGTH / 2, abs=1e-4)
  assert float(speed) == pytest.approx(0, abs=1e-5)
  alone = agents.replace(valid=agents.valid.at[jnp.array([1, 2])].set(False))
  gap, speed = lead(alone, sizes, paths[0], valid[0], 0, 0.0)
  assert np.isinf(gap) and float(speed) == 0


def test_poses_on_a_circle_are_tangent_and_extend_straight():
  angle = np.linspace(0, np.pi / 2, 200)
  path = jnp.asarray(30 * np.stack([np.sin(angle), 1 - np.cos(angle)], -1))
  valid = jnp.ones(200, bool)
  for progress in (5.0, 20.0, 40.0):
    xy, yaw = traffic.pose_on_path(path, valid, progress)
    assert float(yaw) == pytest.approx(progress / 30, abs=2e-3)
    assert float(xy[0]) == pytest.approx(30 * np.sin(progress / 30), abs=0.01)
  xy, yaw = traffic.pose_on_path(path, valid, 30 * np.pi / 2 + 10)
  np.testing.assert_allclose(xy, [30, 40], atol=0.1)
  xy, _ = traffic.pose_on_path(path, valid, -10.0)
  np.testing.assert_allclose(xy, [-10, 0], atol=0.1)


def test_an_agent_without_a_path_stands_still():
  agents, sizes, paths, valid = queue([3.0], [4.0])
  paths = jnp.zeros_like(paths) + agents.xy[:, None]
  followers = traffic.Followers(
    agents, sizes, paths, valid, jnp.zeros(1), jnp.full(1, 9.0)
  )
  step = jax.jit(traffic.step_along_paths)
  moved, progress = step(followers, jnp.array([True]))
  np.testing.assert_array_equal(moved.xy, agents.xy)
  np.testing.assert_array_equal(moved.yaw, agents.yaw)
  assert float(moved.speed[0]) == 0 and float(progress[0]) == 0


RECORDED = 700


def _record(x, speed):
  """Record `[RECORDED + 1, A]` of cars at constant speed along x."""
  time = np.arange(RECORDED + 1)[:, None] * types.TIME_STEP
  x = np.asarray(x, float) + time * np.asarray(speed, float)
  return types.AgentState(
    xy=np.stack([x, np.zeros_like(x)], -1).astype(np.float32),
    z=np.full(x.shape, 0.75, np.float32),
    yaw=np.zeros(x.shape, np.float32),
    speed=np.broadcast_to(np.asarray(speed, np.float32), x.shape),
    valid=np.ones(x.shape, bool),
  )


@jax.jit
def repeat(record, lead_x):
  """Car 0 yields on its record, car 1 is where `lead_x` `[T]` has it."""
  _, sizes, paths, valid = queue([0, 0], [0.0, 0])
  progress = record.xy[:, :, 0]

  def step(carry, t):
    agents, done = carry
    speed = (lead_x[t] - lead_x[t - 1]) / types.TIME_STEP
    agents = agents.replace(
      xy=agents.xy.at[1, 0].set(lead_x[t]),
      speed=agents.speed.at[1].set(speed),
    )
    times = jnp.stack([t, t + 1])
    followers = traffic.Followers(
      agents, sizes, paths, valid, done, record.speed.max(0)
    )
    after, done, is_back = traffic.step_on_schedule(
      followers,
      trees.take(record, times),
      progress[times],
      jnp.array([True, False]),
    )
    return (after, done), (agents, is_back[0])

  carry = trees.take(record, 1), progress[1]
  return jax.lax.scan(step, carry, jnp.arange(1, RECORDED))[1]


def test_a_record_without_disturbance_comes_back_exactly():
  # Two metres at 12 m/s, much nearer than IDM would follow.
  record = _record([0, LENGTH + 2], [12.0, 12])
  agents, is_back = repeat(record, record.xy[:, 1, 0])
  assert np.all(is_back)
  np.testing.assert_array_equal(agents.xy[:, 0], record.xy[1:-1, 0])


def test_a_recorded_car_yields_and_comes_back_to_its_time():
  record = _record([0, LENGTH + 12], [12.0, 12])
  lead = record.xy[:, 1, 0].astype(float)
  # The car ahead stands for four seconds, then drives off twice as fast.
  rest = lead[0] + np.cumsum(
    np.r_[
      np.maximum(12 - 0.6 * np.arange(20), 0),
      np.zeros(40),
      24 * np.ones(RECORDED),
    ]
    * types.TIME_STEP
  )
  lead[20:] = lead[19] + (rest - lead[0])[: RECORDED + 1 - 20]
  agents, is_back = repeat(record, jnp.asarray(lead, jnp.float32))
  gap = np.asarray(agents.xy[:, 1, 0] - agents.xy[:, 0, 0]) - LENGTH
  assert gap.min() > 0.5
  speed = np.asarray(agents.speed[:, 0])
  assert speed.min() < 1
  late = np.asarray(record.xy[1:-1, 0, 0] - agents.xy[:, 0, 0])
  assert late.max() > 20 and late.min() > -0.5
  # IDM's acceleration and 1.2 times its greatest speed bound how it catches up.
  assert np.diff(speed).max() <= CONFIG.max_acceleration * 0.1 + 1e-4
  assert speed.max() <= 1.2 * 12 + 1e-3
  assert is_back[10] and not is_back[60] and is_back[-1]
  assert late[-1] == 0


LANES = jnp.array([0.0, 3.5, jnp.inf])


@jax.jit
def change(agents, paths, valid, desired, lanes):
  """Car 0 may change lanes, the others drive on at their speeds."""
  sizes = jnp.tile(jnp.array([LENGTH, 1.9, 1.5]), (len(desired), 1))
  lanes = jnp.broadcast_to(lanes, (*valid.shape, len(lanes)))
  controlled = jnp.arange(len(desired)) == 0

  def step(carry, _):
    agents, progress, lateral = carry
    agents = agents.replace(
      xy=agents.xy.at[1:, 0].add(agents.speed[1:] * types.TIME_STEP)
    )
    followers = traffic.Followers(
      agents, sizes, paths, valid, progress, desired
    )
    carry = traffic.step_changing_lanes(followers, lateral, lanes, controlled)
    return carry, carry

  carry = agents, agents.xy[:, 0], jnp.zeros((len(desired), 3))
  return jax.lax.scan(step, carry, length=300)[1]


def _overtake(other, lanes=LANES):
  """Behind a car at 5 m/s, with another one in the lane to the left."""
  agents, _, paths, valid = queue(
    [0, 40, other[0]], [12.0, 5, other[1]], [0, 0, 3.5]
  )
  desired = jnp.array([14.0, 5, 14])
  return change(agents, paths, valid, desired, lanes)


def test_a_car_overtakes_where_the_other_lane_is_free():
  agents, progress, lateral = _overtake((-300.0, 0.0))
  xy = np.asarray(agents.xy)
  assert xy[-1, 0, 0] > xy[-1, 1, 0] + 50
  np.testing.assert_allclose(xy[:, 0, 1], lateral[:, 0, 0], atol=1e-4)
  beside = np.abs(xy[:, 0, 0] - xy[:, 1, 0]) < LENGTH
  assert beside.any() and np.all(xy[beside, 0, 1] > 1.9)
  # Over at once and, past it, nothing to gain by going back.
  np.testing.assert_array_equal(lateral[:, 0, 2], 3.5)
  assert xy[:, 0, 1].max() < 3.6
  np.testing.assert_allclose(
    np.linalg.norm(np.diff(xy[:, 0], axis=0), axis=-1),
    np.asarray(agents.speed[1:, 0] + agents.speed[:-1, 0]) / 2 * 0.1,
    atol=2e-3,
  )
  np.testing.assert_allclose(progress[:, 0], xy[:, 0, 0], atol=1e-3)


def test_no_change_without_a_lane_or_into_somebody():
  agents, _, lateral = _overtake((-300.0, 0.0), LANES.at[1].set(jnp.inf))
  assert not np.any(lateral)
  assert agents.xy[-1, 0, 0] < agents.xy[-1, 1, 0] - LENGTH
  # Somebody much faster comes up from behind: it waits until he has passed.
  agents, _, lateral = _overtake((-60.0, 25.0))
  xy = np.asarray(agents.xy)
  begins = int(np.argmax(np.asarray(lateral[:, 0, 2]) > 0))
  assert begins > 0 and xy[begins, 2, 0] > xy[begins, 0, 0]
  apart = np.abs(xy[:, :1, 0] - xy[:, 1:, 0]) >= LENGTH
  aside = np.abs(xy[:, :1, 1] - xy[:, 1:, 1]) >= 1.9
  assert np.all(apart | aside)


def test_lights_hold_who_can_still_stop():
  lines = jnp.array([50.0, 30, jnp.inf])

  def gap(speed, progress, *lights):
    return float(
      traffic.light_gap(speed, progress, 2.3, lines, jnp.array(lights))
    )

  stop, go, caution = types.LIGHT_STOP, types.LIGHT_GO, types.LIGHT_CAUTION
  assert gap(10.0, 10.0, stop, stop, stop) == pytest.approx(30 - 12.3)
  assert gap(10.0, 10.0, stop, go, stop) == pytest.approx(50 - 12.3)
  assert np.isinf(gap(10.0, 10.0, go, types.LIGHT_UNKNOWN, go))
  # 10^2 / (2 x 5) is more than full brakes, 10^2 / (2 x 17.7) than gentle ones.
  assert gap(10.0, 22.7, go, stop, go) == np.inf
  assert gap(10.0, 10.0, go, caution, go) == np.inf
  assert gap(7.0, 10.0, go, caution, go) == pytest.approx(17.7)
  # Who has passed a line no longer minds it.
  assert np.isinf(gap(0.0, 48.0, stop, stop, go))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
