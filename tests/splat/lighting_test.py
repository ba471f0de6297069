# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Light falls on sides of the world, whichever side of a car these are."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.splat import lighting
from rdrl.splat import project


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
  lit = lighting.lit(gaussians, jnp.asarray(lighting.none(1)[0]), _agents(0.3))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), lit, gaussians
  )


def test_shapes_are_not_bent_to_meet_the_light():
  gaussians = _sides()

  def total(quats):
    one = gaussians.replace(quats=quats)
    lit = lighting.lit(one, jnp.asarray(_FROM_MINUS_X), _agents(0.3))
    return jnp.sum(lit.sh)

  np.testing.assert_array_equal(jax.grad(total)(gaussians.quats), 0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
