# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Generalised advantage estimation (Schulman et al., arXiv 1506.02438)."""

import jax
import jax.numpy as jnp


def gae(reward, value, next_value, terminated, truncated, discount, gae_lambda):
  """Advantages of each reward term along time.

  Args:
    reward: `[T, ..., K]`.
    value: `[T, ..., K]` before the action.
    next_value: `[T, ..., K]` of the state after the action, also where the
      episode was truncated there.
    terminated: `[T, ...]` bool.
    truncated: `[T, ...]` bool.
    discount: gamma.
    gae_lambda: lambda.

  Returns:
    `[T, ..., K]`.
  """
  alive = 1.0 - terminated[..., None]
  # A truncated episode has a future that was not recorded: it keeps its
  # bootstrap but stops the recursion.
  goes_on = alive * (1.0 - truncated[..., None])
  td_error = reward + discount * alive * next_value - value

  def step(next_advantage, inputs):
    td_error, goes_on = inputs
    advantage = td_error + discount * gae_lambda * goes_on * next_advantage
    return advantage, advantage

  start = jnp.zeros_like(td_error[0])
  _, advantage = jax.lax.scan(step, start, (td_error, goes_on), reverse=True)
  return advantage
