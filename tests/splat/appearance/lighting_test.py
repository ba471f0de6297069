# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Light falls on sides of the world, whichever side of a car these are."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.splat.appearance import lighting
from rdrl.splat.raster import project


def _sides():
  """Flat Gaussians on the four sides of a box of agent 1, and one of none."""
  out = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [5, 5, 0]])
  thin = np.abs(out) > 0
  thin[4] = [True, False, False]
  parts = types.Gaussians(
    means=out,
    log_scales=np.where(thin, -5.0, -1.0),
    quats=np.tile([1.0, 0, 0, 0], (5, 1)),
    opacity_logits=np.zeros(5),
    sh=np.random.default_rng(0).uniform(-0.5, 0.5, (5, 4, 3)),
    node=np.zeros(5),
  )
  return jax.tree.map(jnp.float32, parts).replace(
    node=jnp.array([1, 1, 1, 1, 0])
  )


def _agents(yaw):
  zero = jnp.zeros(2)
  return types.AgentState(
    xy=jnp.zeros((2, 2)),
    z=zero,
    yaw=jnp.array([0.0, yaw]),
    speed=zero,
    valid=jnp.ones(2, bool),
  )


def _color(gaussians, direction=(0.0, 0.6, 0.8)):
  """`[N, 3]` seen along one direction."""
  basis = project.sh_basis(jnp.array([direction]), gaussians.sh.shape[1])
  return 0.5 + sum(b[0] * gaussians.sh[:, k] for k, b in enumerate(basis))


# Harmonic 2, in this order the third of degree 1, is -x: light from world -x.
_FROM_MINUS_X = np.zeros((8, 3), np.float32)
_FROM_MINUS_X[2] = [1.0, 0.5, 0.2]


@pytest.mark.parametrize('yaw', [0.0, np.pi / 2, np.pi])
def test_the_side_that_faces_the_light_is_bright_however_the_car_turns(yaw):
  gaussians = _sides()
  lit = lighting.lit(gaussians, jnp.asarray(_FROM_MINUS_X), _agents(yaw))
  gain = _color(lit) / _color(gaussians)
  bright = int({0.0: 1, np.pi / 2: 2, np.pi: 0}[yaw])
  strength = 0.4886025119029199 * _FROM_MINUS_X[2]
  np.testing.assert_allclose(gain[bright], np.exp(strength), rtol=1e-4)
  opposite = [1, 0, 3, 2][bright]
  np.testing.assert_allclose(gain[opposite], np.exp(-strength), rtol=1e-4)
  np.testing.assert_allclose(gain[4], 1, rtol=1e-6)


def test_no_light_and_light_from_everywhere_change_nothing():
  gaussians = _sides()
  assert lighting.lit(gaussians, None, _agents(0.3)) is gaussians
  lit = lighting.lit(gaussians, jnp.zeros((8, 3)), _agents(0.3))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), lit, gaussians
  )


def _houses(rng, paint, noise):
  """Facades on both sides of a street along x and across it, one paint each.

  Returns:
    Normals, log colours without light, and places, each `[M, 3]`.
  """
  normals, colors, places = [], [], []
  for x in range(0, 120, 6):
    for normal in ([0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]):
      there = np.array([x, -9.0 * normal[1], 2]) + rng.uniform(-1, 1, (40, 3))
      normals.append(np.tile(np.array(normal, float), (40, 1)))
      own = np.log(0.3) + paint * rng.normal(size=3)
      colors.append(own + noise * rng.normal(size=(40, 3)))
      places.append(there)
  return (np.concatenate(x) for x in (normals, colors, places))


def test_houses_of_many_paints_tell_where_the_sun_is():
  rng = np.random.default_rng(0)
  normals, colors, places = _houses(rng, paint=0.2, noise=0.1)
  true = np.zeros((8, 3))
  true[0], true[2] = -0.5, [0.6, 0.5, 0.4]
  basis = np.asarray(project.sh_basis(jnp.asarray(normals), 9))[1:]
  lit = np.exp(colors + basis.T @ true)
  found = lighting.of_facades(normals, lit, places)
  # 0.2 of a standard deviation over twenty houses of each side.
  np.testing.assert_allclose(found[[0, 2]], true[[0, 2]], atol=0.15)
  np.testing.assert_array_equal(found[[1, 4, 5, 6]], 0)


def test_unlit_agents_in_the_light_of_their_traversal_are_as_they_were():
  gaussians = _sides().replace(node=jnp.array([1, 1, 2, 3, 0]))
  light = np.random.default_rng(1).normal(0, 0.3, (2, 8, 3)).astype(np.float32)
  yaw = np.array([[0.0, 9, 9, 9], [0.1, 0.2, 9, 0.4], [0.5, 0.6, 0.7, 0.8]])
  tracks = types.AgentState(
    xy=np.zeros((3, 4, 2)),
    z=np.zeros((3, 4)),
    yaw=yaw,
    speed=np.zeros((3, 4)),
    valid=yaw < 9,
  )
  bare = lighting.unlit(gaussians, light, tracks, np.array([1, 3]))
  first = _agents(0.0).replace(yaw=jnp.array([0.1, 0.2, 0.7, 0.4]))
  for traversal, mine in enumerate(np.array([[0, 1, 2, 4], [3, 3, 3, 4]])):
    again = lighting.lit(bare, light[traversal], first)
    np.testing.assert_allclose(again.sh[mine], gaussians.sh[mine], atol=1e-5)
  assert np.abs(bare.sh[:4] - gaussians.sh[:4]).max(axis=(1, 2)).min() > 0.01


def test_without_facades_light_comes_from_everywhere():
  points = np.random.default_rng(0).uniform(size=(50, 3))
  road = np.tile([0.0, 0, 1], (50, 1))
  for normals in (road, 0 * road):
    assert not lighting.of_facades(normals, points, points).any()


def test_shapes_are_not_bent_to_meet_the_light():
  gaussians = _sides()

  def total(quats):
    one = gaussians.replace(quats=quats)
    lit = lighting.lit(one, jnp.asarray(_FROM_MINUS_X), _agents(0.3))
    return jnp.sum(lit.sh)

  np.testing.assert_array_equal(jax.grad(total)(gaussians.quats), 0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
