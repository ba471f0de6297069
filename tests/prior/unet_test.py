# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import prior

NETWORK = prior.UNet(
  channels=8, multipliers=(1, 2), num_blocks=1, patch=2, num_heads=2
)


def _inputs(frames=3, height=16, width=24):
  keys = jax.random.split(jax.random.key(0), 2)
  noisy = jax.random.normal(keys[0], (1, frames, height, width, 3))
  context = jax.random.normal(keys[1], (1, frames, height, width, 5))
  return noisy, context, 0 * noisy, jnp.array([1.0])


@pytest.fixture(scope='module')
def new_params():
  return jax.jit(NETWORK.init)(jax.random.key(1, impl='unsafe_rbg'), *_inputs())


@pytest.fixture(scope='module')
def params(new_params):
  """Random everywhere: what is zero at first would hide what it does."""
  rng = np.random.default_rng(2)
  return jax.tree.map(
    lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype),
    new_params,
  )


@jax.jit
def _apply(params, *inputs):
  return NETWORK.apply(params, *inputs)


def test_shape_of_the_velocity_is_that_of_the_clip(params):
  for frames, height, width in ((3, 16, 24), (2, 24, 16)):
    noisy, context, guess, angle = _inputs(frames, height, width)
    assert _apply(params, noisy, context, guess, angle).shape == noisy.shape


def test_new_network_halves_the_guess(new_params):
  noisy, context, guess, angle = _inputs()
  assert not np.any(_apply(new_params, noisy, context, guess, angle))
  velocity = _apply(new_params, noisy, context, guess + 3, angle)
  np.testing.assert_allclose(velocity, -1.5, rtol=1e-6)


@pytest.mark.slow
def test_moving_the_clip_moves_the_velocity(params):
  # Attention and convolutions have no sense of place except at the border.
  noisy, context, guess, angle = _inputs(2, 64, 16)
  moved = [jnp.roll(x, 4, 2) for x in (noisy, context)]
  plain = np.asarray(_apply(params, noisy, context, guess, angle))
  other = np.asarray(_apply(params, *moved, guess, angle))
  middle = slice(28, 36)
  expected = np.roll(plain, 4, 2)[:, :, middle]
  unmoved = plain[:, :, middle]
  error = np.abs(other[:, :, middle] - expected).mean()
  assert error < 0.02 * np.abs(unmoved - expected).mean()


def test_frames_see_their_neighbours(params):
  noisy, context, guess, angle = _inputs()
  changed = context.at[:, 2].add(1)
  difference = _apply(params, noisy, context, guess, angle) - _apply(
    params, noisy, changed, guess, angle
  )
  assert np.abs(difference[:, 1]).max() > 1e-3


def test_velocity_depends_on_the_noise_level(params):
  noisy, context, guess, angle = _inputs()
  difference = _apply(params, noisy, context, guess, angle) - _apply(
    params, noisy, context, guess, angle / 2
  )
  assert np.abs(difference).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize('angle', [0.0, np.pi / 2])
def test_gradient_is_finite_at_extreme_times(params, angle):
  noisy, context, guess, _ = _inputs()

  def loss(params):
    return jnp.sum(
      _apply(params, noisy, context, guess, jnp.array([angle])) ** 2
    )

  for leaf in jax.tree.leaves(jax.grad(loss)(params)):
    assert np.all(np.isfinite(leaf))


def test_size_that_does_not_fold_is_named():
  with pytest.raises(ValueError, match=r'18 x 24.*multiples of 4'):
    jax.eval_shape(NETWORK.init, jax.random.key(0), *_inputs(height=18))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
