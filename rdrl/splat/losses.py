# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Which pixels a photometric loss believes."""

import jax
import jax.numpy as jnp

# Halvings of the range of errors: finer than 8-bit colours.
_HALVINGS = 12


def inliers(error, share):
  """Trims the pixels that are missed most: what moves but nobody tracked.

  Least trimmed squares as in RobustNeRF (Sabour et al. 2023, equations 7 to 9,
  without its patches): a pixel is an inlier if its error is below a quantile,
  or if most of its neighbours' are.

  Args:
    error: `[H, W, 3]` absolute errors.
    share: of the pixels, at or above the quantile.

  Returns:
    `[H, W]` bool, through which no gradient passes.
  """
  error = jax.lax.stop_gradient(jnp.mean(error, -1))

  # The quantile by bisection: a sort takes longer than the whole loss.
  def halve(_, bounds):
    low, high = bounds
    middle = (low + high) / 2
    is_above = jnp.mean(error > middle) > share
    return jnp.where(is_above, middle, low), jnp.where(is_above, high, middle)

  bounds = jnp.zeros(()), jnp.max(error)
  _, quantile = jax.lax.fori_loop(0, _HALVINGS, halve, bounds)
  is_inlier = error <= quantile

  def neighbours(x):
    ones = (1, 1)
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (3, 3), ones, 'SAME')

  votes = neighbours(is_inlier.astype(jnp.float32))
  return is_inlier | (votes > neighbours(jnp.ones_like(votes)) / 2)
