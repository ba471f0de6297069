# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import policy
from rdrl import types
from rdrl.sim import anchors
from tests import rigs


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


def test_a_colder_output_is_surer_of_the_same_action():
  output = _output(jax.random.key(5))
  cold = output.cooled(0.5)
  np.testing.assert_array_equal(policy.mode(cold), policy.mode(output))
  longitudinal = policy.mode(output)[:, 1]
  _, logs = policy.log_probs(output, longitudinal)
  _, colder = policy.log_probs(cold, longitudinal)
  # Odds are squared at half the temperature.
  np.testing.assert_allclose(
    colder[:, 1:] - colder[:, :1], 2 * (logs[:, 1:] - logs[:, :1]), atol=1e-4
  )


def test_entropy_of_a_uniform_choice_counts_what_is_possible():
  logs = jnp.where(jnp.arange(8) < 4, jnp.log(0.25), jnp.finfo(jnp.float32).min)
  np.testing.assert_allclose(policy.entropy(logs), np.log(4), rtol=1e-6)


@pytest.fixture(scope='module')
def looking():
  """A policy with three cameras, and what it observes."""
  observation = types.Observation(
    images=np.asarray(
      jax.random.randint(jax.random.key(5), (1, 2, 3, 16, 24, 3), 0, 256),
      np.uint8,
    ),
    speed=np.ones(1, np.float32),
    route=np.zeros((1, 5, 2), np.float32),
    rig=rigs.around(1, yaws=(0.0, 1.0, -2.0)),
  )
  config = policy.Config(patch=8, hidden=8, width=16, num_layers=1)
  return policy.create(jax.random.key(6), config, observation), observation


def test_tokens_and_plans_follow_cameras_that_change_places(looking):
  own, observation = looking
  order = np.array([2, 0, 1])
  moved = observation.replace(
    images=observation.images[:, :, order],
    rig=jax.tree.map(lambda x: x[:, order], observation.rig),
  )
  np.testing.assert_allclose(
    policy.perceive(own, moved).tokens,
    policy.perceive(own, observation).tokens[:, order],
    atol=1e-5,
  )
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5),
    policy.apply(own, moved).replace(percept=None),
    policy.apply(own, observation).replace(percept=None),
  )


def test_the_same_image_elsewhere_means_something_else(looking):
  own, observation = looking
  images = np.repeat(observation.images[:, :, :1], 3, 2)
  seen = policy.perceive(own, observation.replace(images=images))
  tokens = np.asarray(seen.tokens)
  for other in (1, 2):
    assert np.abs(tokens[:, other] - tokens[:, 0]).max() > 0.1


def test_other_cameras_need_no_other_parameters(looking):
  own, observation = looking
  fewer = observation.replace(
    images=observation.images[:, :, :1, :8],
    rig=jax.tree.map(lambda x: x[:, :1], observation.rig),
  )
  output = policy.apply(own, fewer)
  assert output.percept.seen.shape == (1, 1, 1, 3)
  assert np.all(np.isfinite(output.lateral_logits))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
