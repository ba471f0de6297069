# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.prior import diffusion

ANGLES = np.linspace(0, np.pi / 2, 9)


def test_variance_is_preserved():
  data, noise = jax.random.normal(jax.random.key(0), (2, 200_000))
  for angle in ANGLES:
    noisy = diffusion.diffuse(data, noise, angle)
    assert np.var(noisy) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize('angle', ANGLES)
def test_velocity_gives_back_data_and_noise(angle):
  data, noise = jax.random.normal(jax.random.key(1), (2, 100))
  noisy = diffusion.diffuse(data, noise, angle)
  velocity = diffusion.velocity(data, noise, angle)
  np.testing.assert_allclose(
    diffusion.data_from_velocity(noisy, velocity, angle), data, atol=1e-6
  )
  np.testing.assert_allclose(
    diffusion.noise_from_velocity(noisy, velocity, angle), noise, atol=1e-6
  )


def test_velocity_is_the_derivative_of_the_noisy_data():
  data, noise = jnp.float32(0.7), jnp.float32(-1.3)
  for angle in ANGLES:
    derivative = jax.grad(diffusion.diffuse, 2)(data, noise, jnp.float32(angle))
    assert derivative == pytest.approx(
      float(diffusion.velocity(data, noise, angle)), abs=1e-6
    )


def _gaussian_denoiser(mean, deviation):
  """Velocity of the best denoiser of N(mean, deviation^2), by Bayes' rule."""

  def predict(noisy, angle):
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    gain = cos * deviation**2 / (cos**2 * deviation**2 + sin**2)
    data = mean + gain * (noisy - cos * mean)
    # At angle zero the noise has its prior mean; the ODE's slope is zero there.
    noise = sin / (cos**2 * deviation**2 + sin**2) * (noisy - cos * mean)
    return cos * noise - sin * data

  return predict


@pytest.mark.parametrize('solver, steps', [('heun', 60), ('euler', 600)])
def test_flow_maps_noise_to_gaussian_data(solver, steps):
  mean, deviation, sigma_max = 0.4, 0.5, 8.0
  noise = jnp.array([-2.0, -0.5, 0.0, 1.0, 3.0])
  found = diffusion.sample(
    _gaussian_denoiser(mean, deviation),
    noise,
    diffusion.noise_levels(steps, sigma_max, sigma_min=0.01),
    solver,
  )
  # y - mean shrinks as the standard deviation of y does (Karras et al. 2022).
  start = sigma_max * noise - mean
  exact = mean + start * deviation / np.sqrt(deviation**2 + sigma_max**2)
  np.testing.assert_allclose(found, exact, atol=5e-3)


def test_samples_have_the_mean_and_variance_of_the_data():
  mean, deviation = -0.3, 0.8
  noise = jax.random.normal(jax.random.key(2), (100_000,))
  found = diffusion.sample(
    _gaussian_denoiser(mean, deviation),
    noise,
    diffusion.noise_levels(60, 80.0, sigma_min=0.01),
  )
  assert np.mean(found) == pytest.approx(mean, abs=0.01)
  assert np.std(found) == pytest.approx(deviation, abs=0.01)


def test_one_euler_step_is_the_posterior_mean():
  predict = _gaussian_denoiser(0.4, 0.5)
  noise = jax.random.normal(jax.random.key(3), (50,))
  found = diffusion.sample(
    predict, noise, diffusion.noise_levels(1, 8.0), 'euler'
  )
  angle = jnp.arctan(8.0)
  noisy = jnp.cos(angle) * 8.0 * noise
  expected = diffusion.data_from_velocity(noisy, predict(noisy, angle), angle)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_levels_fall_from_the_highest_to_zero():
  for steps in (1, 2, 7):
    levels = diffusion.noise_levels(steps, 8.0)
    assert len(levels) == steps + 1
    assert levels[0] == pytest.approx(8) and levels[-1] == 0
    assert np.all(np.diff(levels) < 0)


def test_loss_of_the_true_velocity_is_zero_and_of_zero_is_one():
  data = jax.random.normal(jax.random.key(4), (64, 500))
  key = jax.random.key(5)
  zero = diffusion.v_loss(lambda z, angle: 0 * z, data, key, 8.0)
  assert np.mean(zero) == pytest.approx(1, abs=0.02)

  def cheat(noisy, angle):
    angle = angle[:, None]
    noise = (noisy - jnp.cos(angle) * data) / jnp.sin(angle)
    return diffusion.velocity(data, noise, angle)

  assert np.max(diffusion.v_loss(cheat, data, key, 8.0)) < 1e-6


def test_unknown_solver_is_named():
  with pytest.raises(ValueError, match=r"'rk'.*euler, heun"):
    diffusion.sample(lambda z, a: z, jnp.zeros(1), np.array([1.0, 0]), 'rk')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))


def test_a_start_is_taken_up_where_noise_has_covered_it():
  # For normal data the velocity is zero and z stays what it was at the start.
  start, noise = jnp.array([3.0, -1.0, 0.5]), jnp.array([0.2, 1.0, -2.0])
  levels = diffusion.noise_levels(8, 0.7)
  found = diffusion.sample(
    lambda z, angle: jnp.zeros_like(z), noise, levels, 'euler', start
  )
  fine = diffusion.sample(
    lambda z, angle: jnp.zeros_like(z), noise, levels, 'heun', start
  )
  exact = diffusion.diffuse(start, noise, np.arctan(0.7))
  np.testing.assert_allclose(fine, exact, rtol=5e-3)
  np.testing.assert_allclose(found, exact, rtol=0.1)
