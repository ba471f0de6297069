# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Vehicles of one make in several paints, some seen from one end alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import types
from rdrl.splat.appearance import likeness as likeness_lib
from rdrl.splat.raster import project

PAINTS = np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.9], [0.7, 0.7, 0.6]])
GLASS = np.array([0.1, 0.15, 0.2])
SIZES = np.array([[4, 2, 1.5], [4, 2, 1.5], [5, 2, 2], [4.5, 1.8, 1.4]])
EACH = 200


def _make(rng):
  """Three agents whose upper halves are of glass at the front."""
  node = np.repeat([1, 2, 3], EACH)
  place = rng.uniform(-1, 1, (len(node), 3))
  is_glass = (place[:, 2] > 0.2) & (place[:, 0] > 0.1)
  color = np.where(is_glass[:, None], GLASS, PAINTS[node - 1])
  num = len(node)
  gaussians = types.Gaussians(
    means=(place * SIZES[node] / 2).astype(np.float32),
    log_scales=np.zeros((num, 3), np.float32),
    quats=np.zeros((num, 4), np.float32),
    opacity_logits=np.zeros(num, np.float32),
    sh=((color - 0.5) / project.SH0)[:, None].astype(np.float32),
    node=node.astype(np.int32),
  )
  return jax.tree.map(jnp.asarray, gaussians), place


def _unlikeness(likeness, gaussians, is_vehicle=None):
  if is_vehicle is None:
    is_vehicle = jnp.ones(len(gaussians.node), bool)
  return likeness_lib.unlikeness(likeness, gaussians, SIZES, is_vehicle)


def test_paint_begins_as_the_mean_colour_of_each_agent():
  gaussians, _ = _make(np.random.default_rng(0))
  node = gaussians.node.at[:EACH].set(types.BACKGROUND)
  found = likeness_lib.init(gaussians.replace(node=node), 4, jax.random.key(0))
  color = 0.5 + project.SH0 * np.asarray(gaussians.sh[:, 0])
  means = [color[EACH * k : EACH * (k + 1)].mean(0) for k in (1, 2)]
  np.testing.assert_allclose(
    found.paint, [[0.5] * 3, [0.5] * 3, *means], atol=1e-5
  )


def test_what_was_never_seen_is_painted_and_glazed_like_the_others():
  gaussians, place = _make(np.random.default_rng(0))
  truth = 0.5 + project.SH0 * gaussians.sh[:, 0]
  # The front of agent 2 and the rear of agent 3 were never seen.
  node = np.asarray(gaussians.node)
  is_seen = (node != 2) | (place[:, 0] < 0)
  is_seen &= (node != 3) | (place[:, 0] > -0.3)
  grey = jnp.where(is_seen[:, None, None], gaussians.sh, 0)
  gaussians = gaussians.replace(sh=grey)
  likeness = likeness_lib.init(gaussians, 4, jax.random.key(0))
  adam = optax.adam(0.01)

  def loss(trained):
    sh = jnp.where(is_seen[:, None, None], gaussians.sh, trained[0])
    return _unlikeness(trained[1], gaussians.replace(sh=sh))

  @jax.jit
  def step(trained, state):
    updates, state = adam.update(jax.grad(loss)(trained), state)
    return optax.apply_updates(trained, updates), state

  trained = gaussians.sh, likeness
  state = adam.init(trained)
  for _ in range(1500):
    trained, state = step(trained, state)
  found = 0.5 + project.SH0 * trained[0][:, 0]
  is_clear = np.abs(place[:, 0] - 0.1) > 0.15
  is_clear &= np.abs(place[:, 2] - 0.2) > 0.15
  miss = np.abs(found - truth).mean(-1)[~is_seen & is_clear]
  before = np.abs(0.5 - truth).mean(-1)[~is_seen & is_clear]
  assert np.median(miss) < 0.03
  assert miss.mean() < 0.25 * before.mean()


def test_left_and_right_are_alike_and_nothing_else_is_moved():
  gaussians, _ = _make(np.random.default_rng(1))
  likeness = likeness_lib.init(gaussians, 4, jax.random.key(0))
  noise = jax.tree.map(
    lambda x: x + 0.3 * jax.random.normal(jax.random.key(1), x.shape), likeness
  )
  turned = gaussians.replace(means=gaussians.means * jnp.array([1, -1, 1]))
  np.testing.assert_allclose(
    _unlikeness(noise, gaussians), _unlikeness(noise, turned), rtol=1e-5
  )
  counts = gaussians.node == 2
  gradient = jax.grad(_unlikeness, (0, 1), allow_int=True)(
    noise, gaussians, counts
  )
  assert not np.any(gradient[1].means)
  np.testing.assert_array_equal(
    np.any(np.asarray(gradient[1].sh) != 0, (1, 2)), counts
  )
  paint = np.any(np.asarray(gradient[0].paint) != 0, 1)
  np.testing.assert_array_equal(paint, [False, False, True, False])


def test_without_vehicles_nothing_is_unlike_them():
  gaussians, _ = _make(np.random.default_rng(1))
  likeness = likeness_lib.init(gaussians, 4, jax.random.key(0))
  none = jnp.zeros(len(gaussians.node), bool)
  assert _unlikeness(likeness, gaussians, none) == 0
