# Copyright 2026 The rdrl Authors. Apache-2.0.
import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.world import vehicle

PARAMS = vehicle.Params()
X, Y, YAW, VX, VY, YAW_RATE, STEERING, ACCELERATION = range(8)


def at_speed(speed, curvature=0.0):
  ego = types.AgentState(
    xy=jnp.zeros(2),
    z=jnp.float32(0.75),
    yaw=jnp.float32(0),
    speed=jnp.float32(speed),
    valid=jnp.bool_(True),
  )
  return vehicle.initial(ego, curvature)


@functools.partial(jax.jit, static_argnames=('steps', 'params'))
def drive(vector, speed, curvature, steps=40, params=PARAMS):
  def step(vector, _):
    vector = vehicle.step(vector, speed, curvature, 0.1, params)
    return vector, vector

  return jax.lax.scan(step, vector, length=steps)[1]


def test_small_slip_agrees_with_the_kinematic_bicycle():
  # 0.02 1/m at 5 m/s is 0.5 m/s^2. The kinematic circle of the centre of
  # gravity has the radius of the rear axle's, the rear axle's length aside.
  curvature, speed = 0.02, 5.0
  path = drive(at_speed(speed, curvature), speed, curvature)
  turn = curvature * speed * 4.0
  rear = np.array([np.sin(turn), 1 - np.cos(turn)]) / curvature
  ahead = PARAMS.rear_axle * np.array([np.cos(turn), np.sin(turn)])
  expected = rear + ahead - [PARAMS.rear_axle, 0]
  np.testing.assert_allclose(path[-1, :2], expected, atol=0.15)
  assert float(path[-1, YAW]) == pytest.approx(turn, rel=0.02)


def test_curvature_is_lost_where_the_tyres_give_out():
  speed = 15.0
  asked = jnp.array([0.01, 0.1])
  yaw_rate = [
    float(drive(at_speed(speed), speed, curvature)[-1, YAW_RATE])
    for curvature in asked
  ]
  assert yaw_rate[0] == pytest.approx(speed * 0.01, rel=0.05)
  limit = PARAMS.friction * 9.81 / speed
  assert yaw_rate[1] < 1.02 * limit < 0.5 * speed * 0.1


def test_standstill_stays_whatever_the_wheels_do():
  path = drive(at_speed(0.0), 0.0, 0.3)
  np.testing.assert_allclose(path[:, :3], 0, atol=1e-6)


def test_brakes_stop_the_car_and_hold_it():
  speed = 12.0
  path = drive(at_speed(speed), 0.0, 0.0)
  speeds = np.asarray(path[:, VX])
  assert speeds.min() > -1e-3 and speeds[-1] < 0.02
  assert np.all(np.diff(path[:, X]) > -1e-4)
  # No shorter than by full braking at once.
  assert float(path[-1, X]) > speed**2 / 2 / PARAMS.max_deceleration


def test_tyre_force_has_its_stiffness_and_its_peak():
  load = 4000.0
  slope = jax.grad(lambda slip: vehicle.tyre_force(slip, load, 0.0))(0.0)
  expected = PARAMS.friction * PARAMS.cornering_stiffness * load
  assert float(slope) == pytest.approx(expected, rel=1e-5)
  slip = jnp.linspace(-0.5, 0.5, 1001)
  force = vehicle.tyre_force(slip, load, 0.0)
  peak = PARAMS.friction * load
  assert float(force.max()) == pytest.approx(peak, rel=1e-3)
  np.testing.assert_allclose(force, -force[::-1], atol=1e-2)
  braking = vehicle.tyre_force(slip, load, 0.8)
  assert float(braking.max()) == pytest.approx(0.6 * peak, rel=1e-3)


def test_acceleration_lags_by_its_time_constant():
  quick = dataclasses.replace(PARAMS, num_substeps=50)
  vector = vehicle.step(at_speed(5.0), 50.0, 0.0, 0.1, quick)
  expected = PARAMS.max_acceleration * (1 - np.exp(-1))
  assert float(vector[ACCELERATION]) == pytest.approx(expected, rel=2e-3)


def test_ten_substeps_are_enough():
  fine = dataclasses.replace(PARAMS, num_substeps=80)
  for speed, curvature in ((3.0, 0.15), (10.0, 0.04), (15.0, 0.1)):
    coarse_path = drive(at_speed(speed), speed, curvature, 20)
    fine_path = drive(at_speed(speed), speed, curvature, 20, fine)
    np.testing.assert_allclose(
      coarse_path[-1, :3], fine_path[-1, :3], atol=0.02
    )


def test_agent_fields_give_back_the_agent():
  ego = types.AgentState(
    xy=jnp.array([3.0, -2.0]),
    z=jnp.float32(0.75),
    yaw=jnp.float32(1.0),
    speed=jnp.float32(7.0),
    valid=jnp.bool_(True),
  )
  xy, yaw, speed = vehicle.agent_fields(vehicle.initial(ego))
  np.testing.assert_array_equal(xy, ego.xy)
  assert (float(yaw), float(speed)) == (1.0, 7.0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
