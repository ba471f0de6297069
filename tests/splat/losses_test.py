# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Trimming leaves out what is missed most, and nothing else."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.splat import losses


def _error(height=40, width=60):
  rng = np.random.default_rng(0)
  return rng.uniform(0, 0.1, (height, width, 3)).astype(np.float32)


def test_a_block_that_moved_is_left_out_and_noise_is_not():
  error = _error()
  error[10:20, 10:30] += 0.5  # A twelfth of the pixels.
  kept = np.asarray(losses.inliers(jnp.asarray(error), 1 / 12))
  assert not kept[11:19, 11:29].any()
  outside = np.ones(kept.shape, bool)
  outside[9:21, 9:31] = False
  assert kept[outside].all()


def test_lone_outliers_among_inliers_stay():
  error = _error()
  error[::10, ::10] += 0.5
  kept = losses.inliers(jnp.asarray(error), 0.01)
  assert bool(jnp.all(kept))


@pytest.mark.parametrize('share', [0.05, 0.2, 0.5])
def test_share_above_the_quantile_is_what_was_asked_for(share):
  # A ramp has no lone pixels, so that neighbours decide nothing.
  ramp = np.linspace(0, 1, 200 * 50, dtype=np.float32).reshape(200, 50, 1)
  kept = losses.inliers(jnp.asarray(np.repeat(ramp, 3, -1)), share)
  np.testing.assert_allclose(jnp.mean(kept), 1 - share, atol=0.01)


def test_no_gradient_passes_through_the_choice():
  error = jnp.asarray(_error())

  def total(scale):
    return jnp.sum(losses.inliers(scale * error, 0.2) * scale * error[..., 0])

  kept = losses.inliers(error, 0.2)
  expected = jnp.sum(kept * error[..., 0])
  np.testing.assert_allclose(jax.grad(total)(1.0), expected, rtol=1e-5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
