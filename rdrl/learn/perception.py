# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Losses of the heads on the tokens: whom they show, and where the road is."""

import jax.numpy as jnp
import optax

from rdrl import types
from rdrl.policy import network

# Metres of clearance beyond which more says nothing.
_CLEAR = 4.0
# How many times more a cell counts that shows somebody: few do.
_SEEN = 4.0


def loss(percept: types.Percept, truth: types.Truth, weight):
  """Losses of a batch `[B]`, each `[]`.

  Args:
    percept: `[B]`.
    truth: of the same observations.
    weight: `[B]`.

  Returns:
    `{name: []}`: `seen` cross entropy of whether a cell shows somebody, `box`
    the absolute error where it does, `road` that of the clearance, both in
    the units of `Percept`.
  """
  there = 1.0 * truth.is_seen
  entropy = optax.sigmoid_binary_cross_entropy(percept.seen, there)
  entropy *= 1 + (_SEEN - 1) * there
  target = truth.box / jnp.array(network.BOX_SCALE)
  error = jnp.mean(jnp.abs(percept.box - target), -1) * there
  clearance = jnp.clip(truth.clearance, -_CLEAR, _CLEAR)
  off = jnp.abs(percept.clearance - clearance / network.CLEARANCE_SCALE)
  share = weight / jnp.maximum(jnp.sum(weight), 1e-6)
  cells = jnp.sum(there * weight[:, None, None, None])
  return {
    'seen': jnp.sum(jnp.mean(entropy, (1, 2, 3)) * share),
    'box': jnp.sum(error * weight[:, None, None, None])
    / jnp.maximum(cells, 1e-6),
    'road': jnp.sum(jnp.mean(off, (1, 2)) * share),
  }
