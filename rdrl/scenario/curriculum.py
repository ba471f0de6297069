# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A curriculum from easy adversaries to hard ones.

The difficulty of a scenario is the share of the ego's manoeuvres that collide
(`checks.avoidability`). Draws lie around a target difficulty, which rises while
the policy succeeds often and falls while it fails.
"""

import jax.numpy as jnp


def next_target(target, success, config):
  """Updates the target difficulty `[]`.

  Args:
    target: `[]` so far, `config.target_difficulty` at first.
    success: `[]` share of recent episodes with an adversary that ended well.
    config: `scenario.Config`.
  """
  low, high = config.success_range
  step = jnp.where(success > high, 1, jnp.where(success < low, -1, 0))
  return jnp.clip(target + step * config.difficulty_step, 0, 1)


def weights(difficulty, is_edited, target, config):
  """Probability of each scenario.

  Args:
    difficulty: `[V]` in [0, 1].
    is_edited: `[V]` bool, whether it has an adversary.
    target: `[]` target difficulty.
    config: `scenario.Config`.

  Returns:
    `[V]`, of sum 1: `config.unedited_share` spread evenly over those without an
    adversary, the rest in a bell around the target. If one kind is missing, the
    other gets all.
  """
  is_edited = jnp.asarray(is_edited)
  off = (jnp.asarray(difficulty) - target) / config.difficulty_width
  # Relative to the nearest, so that a target far from all does not underflow.
  least = jnp.min(jnp.where(is_edited, off**2, jnp.inf))
  bell = jnp.where(is_edited, jnp.exp((least - off**2) / 2), 1)
  return mixed(is_edited, bell, 1 - config.unedited_share)


def mixed(is_edited, likeliness, edited_share):
  """Probability of each scenario, those with an adversary together so likely.

  Args:
    is_edited: `[V]` bool, whether it has an adversary.
    likeliness: `[V]` relative to the others of its kind.
    edited_share: of all draws; if one kind is missing, the other gets all.

  Returns:
    `[V]`, of sum 1.
  """
  is_edited = jnp.asarray(is_edited)

  def part(mask):
    kind = jnp.where(mask, likeliness, 0)
    return kind / jnp.maximum(jnp.sum(kind), 1e-9)

  share = jnp.where(jnp.all(is_edited), 1.0, edited_share)
  share = jnp.where(jnp.any(is_edited), share, 0.0)
  return share * part(is_edited) + (1 - share) * part(~is_edited)
