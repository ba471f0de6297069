# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    return traffic.step_along_paths(
      agents, sizes, paths, valid, progress, desired, controlled
    ), agents

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
  moved, progress = jax.jit(traffic.step_along_paths)(
    agents, sizes, paths, valid, jnp.zeros(1), jnp.full(1, 9.0), jnp.array([1])
  )
  np.testing.assert_array_equal(moved.xy, agents.xy)
  np.testing.assert_array_equal(moved.yaw, agents.yaw)
  assert float(moved.speed[0]) == 0 and float(progress[0]) == 0


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
