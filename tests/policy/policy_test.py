# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import policy
from rdrl.sim import anchors


def _output(key, shape=(5,)):
  lateral, longitudinal = jax.random.normal(key, (2, *shape, 61))
  return policy.Output(lateral, longitudinal)


def test_probabilities_sum_to_one_over_feasible_anchors_only():
  output = _output(jax.random.key(0), (61,))
  lateral, longitudinal = policy.log_probs(output, jnp.arange(61))
  np.testing.assert_allclose(jnp.exp(lateral).sum(-1), 1, rtol=1e-5)
  np.testing.assert_allclose(jnp.exp(longitudinal).sum(-1), 1, rtol=1e-5)
  np.testing.assert_array_equal(jnp.exp(lateral) > 0, anchors.feasible.T)


def test_samples_and_modes_are_feasible():
  output = _output(jax.random.key(1), (500,))
  for action in (
    policy.sample(output, jax.random.key(2)),
    policy.mode(output),
  ):
    assert np.all(anchors.feasible[action[:, 0], action[:, 1]])


def test_log_prob_is_that_of_the_logits():
  output = _output(jax.random.key(3))
  action = policy.sample(output, jax.random.key(4))
  found = policy.log_prob(output, action)
  logs = policy.log_probs(output, action[:, 1])
  for i in range(5):
    for stream in range(2):
      assert found[i, stream] == logs[stream][i, action[i, stream]]


def test_entropy_of_a_uniform_choice_counts_what_is_possible():
  logs = jnp.where(jnp.arange(8) < 4, jnp.log(0.25), jnp.finfo(jnp.float32).min)
  np.testing.assert_allclose(policy.entropy(logs), np.log(4), rtol=1e-6)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
