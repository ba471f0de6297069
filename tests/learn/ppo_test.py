# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import jax
import jax.numpy as jnp
import pytest

from rdrl import learn

TAKEN = 30


def _moved_mass(term, side):
  """Mass gained left of / above the action by one gradient step."""
  action = jnp.full((1, 2), TAKEN)
  advantage = jnp.zeros((1, 7)).at[0, term].set(-1.0)
  sides = jnp.zeros((1, 4)).at[0, term].set(side)

  def loss(logits):
    logs = [jax.nn.log_softmax(x) for x in logits]
    return jnp.sum(
      learn.auxiliary_loss(
        logs, action, advantage, sides, jnp.ones(1), [jnp.ones(1)] * 2
      )
    )

  logits = jnp.zeros((2, 1, 61))
  moved = logits - jax.grad(loss)(logits)
  above = jnp.sum(jax.nn.softmax(moved)[:, 0, TAKEN + 1 :], -1)
  return above - jnp.sum(jax.nn.softmax(logits)[:, 0, TAKEN + 1 :], -1)


@pytest.mark.parametrize(
  ('term', 'stream', 'side', 'sign'),
  [
    (0, 1, 1, -1),  # Hit something ahead: slower.
    (0, 1, -1, 1),  # Hit from behind: faster.
    (1, 0, 1, -1),  # Obstacle on the left: to the right.
    (1, 0, -1, 1),
    (2, 0, 1, -1),  # Left of the path: to the right.
    (2, 0, -1, 1),
    (3, 0, 1, -1),  # Turned to the left: to the right.
    (3, 0, -1, 1),
  ],
)
def test_auxiliary_terms_move_probability_away_from_the_event(
  term, stream, side, sign
):
  moved = _moved_mass(term, side)
  assert sign * moved[stream] > 1e-4
  assert moved[1 - stream] == 0


def test_good_outcomes_have_no_auxiliary_gradient():
  loss = learn.auxiliary_loss(
    [jax.nn.log_softmax(jnp.arange(61.0)[None])] * 2,
    jnp.full((1, 2), TAKEN),
    jnp.ones((1, 7)),
    jnp.ones((1, 4)),
    jnp.ones(1),
    [jnp.ones(1)] * 2,
  )
  assert jnp.all(loss == 0)


@pytest.mark.parametrize(
  ('log_ratio', 'advantage', 'has_gradient'),
  [(0.5, 1.0, False), (-0.5, -1.0, False), (0.5, -1.0, True), (0.0, 1.0, True)],
)
def test_clipping_stops_only_moves_that_went_far_enough(
  log_ratio, advantage, has_gradient
):
  gradient = jax.grad(
    lambda x: learn.ppo_loss(
      x, jnp.zeros(1), jnp.array([advantage]), 0.1, jnp.ones(1)
    )[0]
  )(jnp.array([log_ratio]))
  assert (gradient[0] != 0) == has_gradient


def test_what_follows_the_end_weighs_nothing():
  gradient = jax.grad(
    lambda x: learn.ppo_loss(
      x, jnp.zeros(2), jnp.ones(2), 0.1, jnp.array([1.0, 0.0])
    )[0]
  )(jnp.zeros(2))
  assert gradient[0] != 0
  assert gradient[1] == 0


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
