# Copyright 2026 The rdrl Authors. Apache-2.0.
"""AdamW with a cosine decay, alone or with averages of the parameters.

The averages are those of diffusion models (Ho et al., arXiv 2006.11239), which
sample with them.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import optax

from rdrl.training import compiling


@struct.dataclass
class State:
  """What training carries from step to step."""

  params: dict
  average: dict
  optimizer_state: optax.OptState


@functools.partial(compiling.quick_jit, static_argnames='config')
def start(params, config) -> State:
  """The state before the first step.

  Args:
    params: as initialised.
    config: with `num_steps`, `learning_rate` (the highest), `weight_decay` and
      `ema_decay`.
  """
  # Copies, because steps may donate the state.
  return State(
    params=jax.tree.map(jnp.copy, params),
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
  return adamw(config, max(config.num_steps // 20, 1))


def adamw(config, num_warmup=0) -> optax.GradientTransformation:
  """AdamW of clipped gradients; its rate decays to a fiftieth by a cosine.

  Args:
    config: with `num_steps`, `learning_rate` (the highest) and `weight_decay`.
    num_warmup: steps in which the rate grows from 0.
  """
  rate = config.learning_rate
  decay = optax.cosine_decay_schedule(
    rate, max(config.num_steps - num_warmup, 1), alpha=0.02
  )
  if num_warmup:
    warmup = optax.linear_schedule(0.0, rate, num_warmup)
    decay = optax.join_schedules([warmup, decay], [num_warmup])
  return optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(decay, weight_decay=config.weight_decay),
  )
