# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The ground node stays on the ground."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import types
from rdrl.splat.appearance import ground

COUNT = 50


def _slope(across, along):
  """A plane that climbs so much per metre."""
  index = np.arange(32.0)
  return types.Grid(
    values=jnp.float32(across * index + along * index[:, None]),
    origin=jnp.zeros(2),
    cell=jnp.float32(1),
  )


def _gaussians(rng):
  node = rng.integers(-1, 2, COUNT)
  return (
    jnp.float32(rng.uniform(1, 30, (COUNT, 3))),
    jnp.float32(rng.normal(size=(COUNT, 3))),
    jnp.float32(rng.normal(size=(COUNT, 4))),
    jnp.int32(node),
  )


@pytest.mark.parametrize('slope', [(0.0, 0.0), (0.1, -0.2)])
def test_only_the_ground_is_laid_and_it_lies_on_the_plane(slope):
  means, scales, quats, node = _gaussians(np.random.default_rng(0))
  plane = _slope(*slope)
  laid = jax.jit(ground.lay)(means, scales, quats, node, plane)
  is_ground = np.asarray(node) == types.GROUND
  assert 0 < is_ground.sum() < COUNT
  for old, new in zip((means, scales, quats), laid, strict=True):
    np.testing.assert_array_equal(new[~is_ground], old[~is_ground])
  xyz, scales, quats = (np.asarray(x)[is_ground] for x in laid)
  np.testing.assert_array_equal(xyz[:, :2], np.asarray(means)[is_ground, :2])
  np.testing.assert_allclose(xyz[:, 2], xyz[:, :2] @ slope, atol=1e-4)
  np.testing.assert_allclose(np.exp(scales[:, 0]), ground.THICKNESS, rtol=1e-5)
  # The thin axis is the normal, and what was across it stays along the plane.
  axes = np.asarray(geometry.rotation_from_quat(jnp.asarray(quats)))
  normal = np.array([-slope[0], -slope[1], 1])
  normal /= np.linalg.norm(normal)
  expected = np.tile(normal, (len(axes), 1))
  np.testing.assert_allclose(axes[:, :, 0], expected, atol=1e-5)
  again = ground.lay(*laid, node, plane)
  for old, new in zip(laid, again, strict=True):
    np.testing.assert_allclose(new, old, atol=1e-5)


def test_a_turn_about_the_normal_is_kept():
  half = 0.4
  # x looks up, then a turn about it.
  up = np.array([np.sqrt(0.5), 0, -np.sqrt(0.5), 0], np.float32)
  turn = np.array([np.cos(half), np.sin(half), 0, 0], np.float32)
  quats = geometry.multiply_quats(jnp.asarray(up), jnp.asarray(turn))[None]
  _, _, laid = ground.lay(
    jnp.full((1, 3), 5.0),
    jnp.zeros((1, 3)),
    quats,
    jnp.array([types.GROUND]),
    _slope(0.0, 0.0),
  )
  np.testing.assert_allclose(np.abs(jnp.sum(laid * quats)), 1, atol=1e-5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
