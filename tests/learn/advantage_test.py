# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import numpy as np
import pytest

from rdrl import learn


def _brute_force(reward, value, next_value, terminated, truncated):
  """Sums discounted errors until the episode's end, term by term."""
  length = len(reward)
  advantage = np.zeros_like(reward)
  for t in range(length):
    factor = 1.0
    for s in range(t, length):
      bootstrap = 0.0 if terminated[s] else next_value[s]
      advantage[t] += factor * (reward[s] + 0.9 * bootstrap - value[s])
      if terminated[s] or truncated[s]:
        break
      factor *= 0.9 * 0.95
  return advantage


@pytest.mark.parametrize('seed', range(5))
def test_gae_is_the_sum_of_discounted_errors(seed):
  rng = np.random.default_rng(seed)
  reward, value, next_value = rng.normal(size=(3, 12, 2))
  terminated = rng.random(12) < 0.2
  truncated = ~terminated & (rng.random(12) < 0.2)
  found = learn.gae(reward, value, next_value, terminated, truncated, 0.9, 0.95)
  expected = _brute_force(reward, value, next_value, terminated, truncated)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_truncation_bootstraps_and_termination_does_not():
  one = np.ones((1, 1))
  flag = np.array([True])
  ended = learn.gae(one, 0 * one, one, flag, ~flag, 0.9, 0.95)
  cut = learn.gae(one, 0 * one, one, ~flag, flag, 0.9, 0.95)
  np.testing.assert_allclose(ended, 1.0)
  np.testing.assert_allclose(cut, 1.9, rtol=1e-6)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
