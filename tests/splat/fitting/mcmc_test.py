# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Relocation keeps what is seen, and only moves what is dead."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.splat.fitting import mcmc

OPACITIES = np.array([0.01, 0.1, 0.5, 0.9, 0.99], np.float32)


def _gaussians(opacities):
  num = len(opacities)
  rng = np.random.default_rng(0)
  opacities = np.asarray(opacities, np.float64)
  return types.Gaussians(
    means=jnp.asarray(rng.normal(size=(num, 3)), jnp.float32),
    log_scales=jnp.asarray(rng.normal(-1, 0.3, (num, 3)), jnp.float32),
    quats=jnp.asarray(rng.normal(size=(num, 4)), jnp.float32),
    opacity_logits=jnp.asarray(
      np.log(opacities / (1 - opacities)), jnp.float32
    ),
    sh=jnp.asarray(rng.normal(size=(num, 4, 3)), jnp.float32),
    node=jnp.arange(num, dtype=jnp.int32) % 3,
  )


@pytest.mark.parametrize('copies', [1, 2, 3, 10, 100])
def test_copies_blend_to_the_opacity_and_integral_of_one(copies):
  opacity, factor = mcmc.split(OPACITIES, jnp.full(5, copies))
  opacity = np.asarray(opacity, np.float64)[:, None]
  x = np.linspace(-8, 8, 4001)
  profile = np.exp(-0.5 * (x / np.asarray(factor, np.float64)[:, None]) ** 2)
  blended = 1 - (1 - opacity * profile) ** copies
  original = OPACITIES[:, None] * np.exp(-0.5 * x**2)
  np.testing.assert_allclose(blended[:, 2000], OPACITIES, rtol=1e-5)
  np.testing.assert_allclose(blended.sum(1), original.sum(1), rtol=1e-4)


@pytest.mark.parametrize('copies', [1, 2, 5, 12])
def test_split_equals_the_double_sum_of_the_paper(copies):
  _, factor = mcmc.split(OPACITIES, jnp.full(5, copies))
  for found, o in zip(factor, OPACITIES.astype(np.float64), strict=True):
    new = 1 - (1 - o) ** (1 / copies)
    total = sum(
      math.comb(i - 1, k) * (-1) ** k * new ** (k + 1) / math.sqrt(k + 1)
      for i in range(1, copies + 1)
      for k in range(i)
    )
    np.testing.assert_allclose(found, o / total, rtol=2e-5)


def test_dead_take_the_place_of_the_living():
  opacities = np.array([0.5] * 20 + [0.001] * 10)
  g = _gaussians(opacities)
  new, is_void = jax.jit(mcmc.relocate)(g, jax.random.key(3))
  assert np.all(is_void[20:])
  for i in range(20, 30):
    source = np.flatnonzero(np.all(g.means == new.means[i], -1))
    assert len(source) == 1 and source[0] < 20
    assert is_void[source[0]]
    np.testing.assert_array_equal(new.log_scales[i], new.log_scales[source[0]])
    assert new.node[i] == g.node[source[0]]
  untouched = ~np.asarray(is_void)
  for name in ('means', 'log_scales', 'opacity_logits', 'quats', 'sh', 'node'):
    np.testing.assert_array_equal(
      getattr(new, name)[untouched], getattr(g, name)[untouched]
    )


def test_all_dead_or_none_dead_changes_nothing():
  for opacities in ([0.5] * 6, [0.001] * 6):
    g = _gaussians(opacities)
    new, is_void = mcmc.relocate(g, jax.random.key(0))
    assert not np.any(is_void)
    jax.tree.map(np.testing.assert_array_equal, new, g)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
