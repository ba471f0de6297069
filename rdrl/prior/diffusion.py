# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Noise schedule, v-prediction, and the probability-flow ODE.

Time is the angle of Salimans & Ho (arXiv 2202.00512, appendix D): data `x` and
white noise `n` give z = cos(angle) x + sin(angle) n, so the squares of both
coefficients add up to one, and an angle that is uniform in [0, pi/2] is their
cosine schedule. The network predicts the velocity dz/d(angle) = cos(angle) n -
sin(angle) x, which loses neither data nor noise at either end. For data of unit
variance this is the preconditioning of EDM (Karras et al., arXiv 2206.00364,
table 1) at the noise level sigma = tan(angle).
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np


def diffuse(data, noise, angle):
  """The noisy `z` at `angle`, which broadcasts against the data."""
  return jnp.cos(angle) * data + jnp.sin(angle) * noise


def velocity(data, noise, angle):
  """The network's target at `diffuse(data, noise, angle)`."""
  return jnp.cos(angle) * noise - jnp.sin(angle) * data


def data_from_velocity(noisy, velocity, angle):
  """The data that `noisy` and its velocity imply."""
  return jnp.cos(angle) * noisy - jnp.sin(angle) * velocity


def noise_from_velocity(noisy, velocity, angle):
  """The noise that `noisy` and its velocity imply."""
  return jnp.sin(angle) * noisy + jnp.cos(angle) * velocity


def v_loss(predict, data, key, sigma_max):
  """Mean squared error of the velocity, per example.

  Args:
    predict: `(noisy [B, ...], angle [B]) -> velocity [B, ...]`.
    data: `[B, ...]` of about unit variance.
    key: draws noise and angles. Half of the examples are at `sigma_max`, where
      every sampler starts and one of few steps mostly is; the others are spread
      evenly below it.
    sigma_max: the highest noise level that the sampler visits.

  Returns:
    `[B]`.
  """
  angle_key, noise_key = jax.random.split(key)
  batch = data.shape[0]
  spread = (jnp.arange(batch) + jax.random.uniform(angle_key)) / batch
  angle = jnp.minimum(2 * spread, 1) * jnp.arctan(sigma_max)
  noise = jax.random.normal(noise_key, data.shape, data.dtype)
  wide = angle.reshape(batch, *(1,) * (data.ndim - 1))
  error = predict(diffuse(data, noise, wide), angle) - velocity(
    data, noise, wide
  )
  return jnp.mean(error**2, range(1, data.ndim))


def noise_levels(num_steps, sigma_max, sigma_min=0.1, rho=7.0):
  """`[num_steps + 1]` levels from `sigma_max` to 0, equation 5 of EDM."""
  if num_steps == 1:
    return np.array([sigma_max, 0.0])
  ramp = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), num_steps)
  return np.append(ramp**rho, 0.0)


def sample(predict, noise, levels, solver='heun', start=0.0):
  """Integrates the probability-flow ODE from noise to data.

  In y = x + sigma n the flow is dy/d(sigma) = E[n | y] (EDM, equation 1), which
  stays finite at sigma = 0 when the noise comes from a velocity. An Euler step
  is a DDIM step; one from the highest level to zero is the posterior mean.

  Args:
    predict: `(noisy [...], angle []) -> velocity [...]`.
    noise: `[...]` standard normal.
    levels: `[S + 1]` noise levels, decreasing to 0.
    solver: 'euler' or 'heun' (one and two evaluations per step).
    start: `[...]` data to which the noise is added: SDEdit (Meng et al., arXiv
      2108.01073), which keeps of it what is coarser than the highest level.

  Returns:
    `[...]` data.

  Raises:
    ValueError: if the solver is unknown.
  """
  solvers = {'euler': diffrax.Euler, 'heun': diffrax.Heun}
  if solver not in solvers:
    raise ValueError(
      f'solver is {solver!r}, expected one of {", ".join(solvers)}'
    )

  def slope(sigma, y, args):
    del args
    angle = jnp.arctan(sigma)
    noisy = jnp.cos(angle) * y
    return noise_from_velocity(noisy, predict(noisy, angle), angle)

  levels = jnp.asarray(levels, jnp.float32)
  solution = diffrax.diffeqsolve(
    diffrax.ODETerm(slope),
    solvers[solver](),
    t0=levels[0],
    t1=levels[-1],
    dt0=None,
    y0=start + levels[0] * noise,
    stepsize_controller=diffrax.StepTo(levels),
    saveat=diffrax.SaveAt(t1=True),
    max_steps=len(levels),
  )
  return solution.ys[0]
