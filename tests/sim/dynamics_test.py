# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How the ego moves in one step."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import types
from rdrl.sim import dynamics


def _ego(speed):
  return types.AgentState(
    xy=jnp.zeros(2),
    z=jnp.zeros(()),
    yaw=jnp.zeros(()),
    speed=jnp.array(speed, jnp.float32),
    valid=jnp.array(True),
  )


@pytest.mark.parametrize('command, reached', [(0, 9.2), (30, 10.4), (9.9, 9.9)])
def test_speed_follows_its_command_within_the_limits(command, reached):
  ego = dynamics.bicycle(_ego(10), command, 0.0, sim.Config())
  assert ego.speed == pytest.approx(reached)
  assert ego.xy[0] == pytest.approx((10 + reached) / 2 * 0.1)


def test_the_rear_axle_not_the_middle_draws_the_circle():
  config, curvature = sim.Config(), 0.1
  ego = _ego(5)
  offset = config.rear_axle_to_center
  middle = np.array([-offset, 1 / curvature])
  for _ in range(20):
    ego = dynamics.bicycle(ego, 5.0, curvature, config)
    ahead = np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
    radius = np.linalg.norm(ego.xy - offset * ahead - middle)
    assert radius == pytest.approx(1 / curvature, abs=1e-4)
  assert ego.yaw == pytest.approx(20 * 0.1 * 5 * curvature, abs=1e-5)


def test_curvature_is_limited_by_the_steering():
  config = sim.Config()
  ego = dynamics.bicycle(_ego(2), 2.0, 10.0, config)
  limit = np.tan(config.max_steering) / config.wheelbase
  assert ego.yaw == pytest.approx(0.2 * limit)


def test_the_car_on_tyres_follows_the_same_command():
  config = dataclasses.replace(sim.Config(), dynamics='single_track')
  ego = _ego(8)

  def step(carry, _):
    return dynamics.step(*carry, 10.0, 0.02, ego, config), None

  start = ego, dynamics.initial(ego, 0.0, config)
  (ego, _), _ = jax.lax.scan(step, start, length=20)
  assert ego.speed == pytest.approx(10, abs=0.3)
  # The steering lags, so it turns a little less than the bicycle would.
  assert 0.5 < ego.yaw / (19 * 0.02) < 1.05


def test_constant_controls_draw_a_circle_ever_faster():
  config = sim.Config()
  acceleration, steering = 0.5, 0.2
  steps = 40
  track = dynamics.drive(
    _ego(8), jnp.full(steps, acceleration), jnp.full(steps, steering), config
  )
  time = np.arange(steps + 1) * types.TIME_STEP
  radius = config.wheelbase / np.tan(steering)
  np.testing.assert_allclose(track.speed, 8 + acceleration * time, rtol=1e-5)
  angle = (8 * time + acceleration * time**2 / 2) / radius
  turned = np.asarray(track.yaw) - angle
  np.testing.assert_allclose(np.cos(turned), 1, atol=1e-5)
  offset = config.rear_axle_to_center
  rear = track.xy - offset * np.stack([np.cos(angle), np.sin(angle)], -1)
  circle = radius * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
  np.testing.assert_allclose(rear, circle - [offset, 0], atol=1e-3)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
