# Copyright 2026 The rdrl Authors. Apache-2.0.
"""AdamW with warm-up and cosine decay that also averages its parameters.

The averages are those of diffusion models (Ho et al., arXiv 2006.11239), which
sample with them.
"""

from flax import struct
import jax
import jax.numpy as jnp
import optax


@struct.dataclass
class State:
  """What training carries from step to step."""

  params: dict
  average: dict
  optimizer_state: optax.OptState


def start(params, config) -> State:
  """The state before the first step.

  Args:
    params: as initialised.
    config: with `num_steps`, `learning_rate` (the highest), `weight_decay` and
      `ema_decay`.
  """
  return State(
    params=params,
    average=jax.tree.map(jnp.copy, params),
    optimizer_state=_optimizer(config).init(params),
  )


def step(state: State, gradient, i, config) -> State:
  """The state after step `i` `[]`; config as in `start`."""
  updates, optimizer_state = _optimizer(config).update(
    gradient, state.optimizer_state, state.params
  )
  params = optax.apply_updates(state.params, updates)
  # Young averages forget faster, or the initial parameters would stay in them.
  decay = jnp.minimum(config.ema_decay, (1 + i) / (10 + i))
  average = jax.tree.map(
    lambda a, p: decay * a + (1 - decay) * p, state.average, params
  )
  return State(params, average, optimizer_state)


def _optimizer(config):
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=config.learning_rate,
    warmup_steps=max(config.num_steps // 20, 1),
    decay_steps=max(config.num_steps, 2),
    end_value=0.02 * config.learning_rate,
  )
  return optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(schedule, weight_decay=config.weight_decay),
  )
