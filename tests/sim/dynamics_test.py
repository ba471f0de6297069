# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How the ego moves in one step."""

import dataclasses
import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
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


CONFIG = sim.Config()
_drive = jax.jit(lambda *controls: dynamics.drive(*controls, CONFIG))
_controls_of = jax.jit(lambda track: dynamics.controls_of(track, CONFIG))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(-10, 30))
def test_inverse_dynamics_find_what_was_done(seed, speed):
  rng = np.random.default_rng(seed)
  acceleration = rng.uniform(-3, 3, 50).astype(np.float32)
  steering = rng.uniform(-0.3, 0.3, 50).astype(np.float32)
  track = _drive(_ego(speed), acceleration, steering)
  found = _controls_of(track)
  again = _drive(_ego(speed), *found)
  np.testing.assert_allclose(again.xy, track.xy, atol=2e-3)
  np.testing.assert_allclose(again.speed, track.speed, atol=2e-3)
  turned = np.asarray(again.yaw - track.yaw)
  np.testing.assert_allclose(np.cos(turned), 1, atol=1e-5)
  np.testing.assert_allclose(found[0], acceleration, atol=2e-2)
  # Where the car hardly moves its steering shows in nothing.
  middle = (track.speed[1:] + track.speed[:-1]) / 2
  moves = np.abs(middle) > 1
  np.testing.assert_allclose(found[1][moves], steering[moves], atol=1e-2)


def test_a_log_that_no_bicycle_drew_is_followed_and_does_not_drift():
  rng = np.random.default_rng(0)
  time = np.arange(91) * types.TIME_STEP
  # To the next lane and back at 12 m/s, then to a stop, measured with noise.
  ahead = np.where(time < 6, 12.0, np.maximum(12 - 5 * (time - 6), 0))
  x = np.concatenate([[0], np.cumsum(ahead[1:] * types.TIME_STEP)])
  y = 3.5 * np.exp(-(((x - 40) / 25) ** 2))
  yaw = np.arctan2(np.gradient(y), np.maximum(np.gradient(x), 1e-3))
  speed = np.hypot(np.gradient(x), np.gradient(y)) / types.TIME_STEP
  track = types.AgentState(
    xy=jnp.stack([x, y], -1) + rng.normal(0, 0.02, (91, 2)),
    z=jnp.zeros(91),
    yaw=jnp.asarray(yaw + rng.normal(0, 0.002, 91)),
    speed=jnp.asarray(speed + rng.normal(0, 0.05, 91)),
    valid=jnp.ones(91, bool),
  )
  track = jax.tree.map(lambda x: x.astype(jnp.float32), track).replace(
    valid=track.valid
  )
  again = _drive(types.take(track, 0), *_controls_of(track))
  missing = np.linalg.norm(np.asarray(again.xy - track.xy), axis=-1)
  assert missing.max() < 0.25 and np.median(missing) < 0.1
  assert np.abs(np.asarray(again.yaw - track.yaw)).max() < np.radians(3)


def _act(config, speed, curvature, start, steps=40):
  """Speeds `[steps + 1]`, steering, acceleration `[steps]` of one command."""

  def step(carry, _):
    ego, vehicle = dynamics.step(*carry, speed, curvature, start, config)
    return (ego, vehicle), (ego.speed, vehicle)

  carry = start, dynamics.initial(start, 0.0, config)
  _, (speeds, vehicle) = jax.lax.scan(step, carry, length=steps)
  speeds = np.append(start.speed, speeds)
  return speeds, np.asarray(vehicle[:, 0]), np.asarray(vehicle[:, 1])


@pytest.mark.parametrize('begin, command', [(10, 0), (0, 12), (15, 14.8)])
def test_actuators_keep_their_limits_and_do_not_overshoot(begin, command):
  config = dataclasses.replace(sim.Config(), dynamics='actuated')
  limits = config.actuators
  speeds, steering, acceleration = _act(config, command, 1.0, _ego(begin))
  np.testing.assert_allclose(
    np.diff(speeds), acceleration * types.TIME_STEP, atol=1e-5
  )
  low, high = limits.acceleration_limits
  assert acceleration.min() >= low and acceleration.max() <= high
  jerk = np.diff(acceleration, prepend=0) / types.TIME_STEP
  # A car that comes to rest does so within the step.
  jerk = jerk[: np.argmin(speeds[1:]) if command == 0 else None]
  assert np.abs(jerk).max() <= limits.max_jerk * (1 + 1e-4)
  assert speeds[-1] == pytest.approx(command, abs=1e-3)
  assert min(begin, command) - 1e-3 <= speeds.min()
  assert speeds.max() <= max(begin, command) + 1e-3
  # 1 / m is more than the wheels can turn: they get to the stop at their rate.
  turn = limits.max_steering_rate * types.TIME_STEP
  expected = np.minimum(turn * np.arange(1, 41), limits.max_steering)
  np.testing.assert_allclose(steering, expected, rtol=1e-4)


def test_loose_actuators_are_the_plain_bicycle():
  loose = sim.Actuators(
    max_steering=sim.Config().max_steering,
    max_steering_rate=1e3,
    max_jerk=1e6,
  )
  config = dataclasses.replace(
    sim.Config(), dynamics='actuated', actuators=loose
  )
  ego, plain = _ego(10), _ego(10)
  vehicle = dynamics.initial(ego, 0.0, config)
  for command in ((12.0, 0.05), (9.0, -0.2), (9.5, 0.0)):
    ego, vehicle = dynamics.step(ego, vehicle, *command, ego, config)
    plain = dynamics.bicycle(plain, *command, config)
  np.testing.assert_allclose(ego.xy, plain.xy, atol=1e-4)
  np.testing.assert_allclose(ego.yaw, plain.yaw, atol=1e-5)
  np.testing.assert_allclose(ego.speed, plain.speed, atol=1e-2)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
