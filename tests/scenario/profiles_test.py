# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Closed-form profiles against their own derivatives."""

import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.scenario import profiles

DT = 5e-2


def _derivatives(x):
  v = np.gradient(np.asarray(x, float), DT)
  return v, np.gradient(v, DT)


def test_quintic_meets_both_ends():
  start, end = (5.0, 10.0, 1.0), (40.0, 6.0, -0.5)

  def position(time):
    return profiles.quintic(time, 3.0, start, end)

  speed = jax.grad(position)
  for time, state in ((1e-4, start), (3 - 1e-4, end)):
    found = position(time), speed(time), jax.grad(speed)(time)
    np.testing.assert_allclose(found, state, atol=5e-3)
  assert position(5.0) == pytest.approx(40 + 2 * 6, abs=1e-3)


def test_ease_is_the_quintic_from_zero_to_one():
  u = jnp.linspace(-0.5, 1.5, 201)
  rest = profiles.quintic(jnp.maximum(u, 0), 1.0, (0.0,) * 3, (1.0, 0.0, 0.0))
  np.testing.assert_allclose(profiles.ease(u), rest, atol=2e-6)
  slope = np.gradient(np.asarray(profiles.ease(u), float), 0.01)
  np.testing.assert_allclose(profiles.ease_slope(u), slope, atol=0.01)


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 25), st.floats(1, 8), st.floats(0, 0.9), st.floats(5, 20))
def test_braking_reaches_its_speed_within_its_limits(
  speed, deceleration, share, jerk
):
  time = jnp.arange(-1, 30, DT)
  lag, end = profiles.braking(time, speed, deceleration, share * speed, jerk)
  v, a = _derivatives(lag)
  np.testing.assert_allclose(v[: int(0.9 / DT)], 0, atol=1e-6)
  assert -deceleration - 0.1 <= a.min() and a.max() < 0.1
  assert np.abs(np.diff(a) / DT).max() < jerk + 1
  after = int((1 + float(end)) / DT) + 2
  np.testing.assert_allclose(v[after:-1], (share - 1) * speed, atol=0.01)


def test_fading_takes_an_acceleration_to_zero():
  time = jnp.arange(0, 2, DT)
  v, _ = _derivatives(profiles.fading(time, 3.0, 0.5))
  expected = np.where(time < 0.5, 3 * time - 3 * time**2, 0.75)
  np.testing.assert_allclose(v[1:-1], expected[1:-1], atol=0.03)


def test_a_ramp_meets_both_speeds_and_its_peaks():
  time = jnp.arange(0, 6, DT)
  v, a = _derivatives(profiles.ramp(time - 1, 2.0, 8.0, 3.0))
  u = np.clip((np.asarray(time) - 1) / 3, 0, 1)
  expected = np.where(u > 0, 2 + 6 * (3 * u**2 - 2 * u**3), 0)
  smooth = np.abs(time - 1) > 2 * DT
  np.testing.assert_allclose(v[smooth], expected[smooth], atol=0.01)
  np.testing.assert_allclose(a[24:].max(), 1.5 * 6 / 3, rtol=0.02)


def test_waves_slow_down_and_let_go():
  time = jnp.arange(0, 12, DT)
  v, _ = _derivatives(profiles.waves(time, 4.0, 8.0))
  lows = v[[40, 120]]
  np.testing.assert_allclose(lows, 1, atol=0.01)
  np.testing.assert_allclose(v[[80, 200]], 0, atol=0.01)
  stays, _ = _derivatives(profiles.waves(time, 4.0, 2.0))
  np.testing.assert_allclose(stays[45:], 1, atol=0.01)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
