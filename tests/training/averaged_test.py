# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Averages lag behind the parameters, and forget where these began."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rdrl.training import averaged


@dataclasses.dataclass(frozen=True)
class Config:
  num_steps: int = 200
  learning_rate: float = 0.1
  weight_decay: float = 0.0
  ema_decay: float = 0.9


@jax.jit
def step(state, i):
  gradient = jax.grad(lambda x: jnp.sum((x - 3) ** 2))(state.params)
  return averaged.step(state, gradient, i, Config())


def test_both_reach_the_minimum_and_the_average_lags_behind():
  state = averaged.start(jnp.zeros(2), Config())
  for i in range(200):
    state = step(state, i)
    if i == 20:
      assert np.all(state.average < state.params)
  np.testing.assert_allclose(state.params, 3, atol=0.05)
  np.testing.assert_allclose(state.average, 3, atol=0.05)


def test_a_young_average_is_nearly_the_newest_parameters():
  state = averaged.start(jnp.full(2, 10.0), Config())
  # Warm-up begins at a rate of zero.
  state = step(step(state, 0), 1)
  share = (state.average - 10) / (state.params - 10)
  np.testing.assert_allclose(share, 1 - 2 / 11, rtol=1e-4)
