# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A policy and the distribution over actions that it gives.

Lateral and longitudinal choice are two categorical streams (RAD, arXiv
2502.13144, section 3.2). Some lateral anchors cannot be steered to at low
speed; they have no probability given the longitudinal choice.
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.policy.network import Config
from rdrl.policy.network import Network
from rdrl.sim import anchors


@struct.dataclass
class Policy:
  """Parameters and the network that they belong to.

  Attributes:
    params: PyTree.
    config: static.
  """

  params: dict
  config: Config = struct.field(pytree_node=False)


@struct.dataclass
class Output:
  """A policy's distribution over actions and its values for an observation.

  Attributes:
    lateral_logits: `[..., 61]`.
    longitudinal_logits: `[..., 61]`.
    values: `[..., len(REWARD_TERMS)]` discounted return of each term.
  """

  lateral_logits: types.Array
  longitudinal_logits: types.Array
  values: types.Array


def create(key, config, observation):
  """A fresh `Policy` for observations shaped like `observation` `[B]`."""
  one = jax.tree.map(lambda x: jnp.asarray(x[:1]), observation)
  params = jax.jit(Network(config).init)(key, one)
  return Policy(params=params, config=config)


def apply(policy, observation) -> Output:
  """The `Output` of observations with any leading axes."""
  leading = observation.speed.shape
  flat = jax.tree.map(
    lambda x: x.reshape(-1, *x.shape[len(leading) :]), observation
  )
  outputs = Network(policy.config).apply(policy.params, flat)
  return Output(*(x.reshape(*leading, x.shape[-1]) for x in outputs))


def log_probs(output, longitudinal):
  """Logarithms of the probabilities of both streams.

  Args:
    output: `[...]`.
    longitudinal: `[...]` int32 the longitudinal choice that decides which
      lateral anchors there are.

  Returns:
    Lateral `[..., 61]` and longitudinal `[..., 61]`; what is infeasible has the
    most negative number of its type.
  """
  feasible = jnp.asarray(anchors.feasible.T)[longitudinal]
  masked = jnp.where(
    feasible, output.lateral_logits, jnp.finfo(jnp.float32).min
  )
  return jax.nn.log_softmax(masked), jax.nn.log_softmax(
    output.longitudinal_logits
  )


def log_prob(output, action):
  """`[..., 2]` of actions `[..., 2]`, lateral first."""
  logs = log_probs(output, action[..., 1])
  return jnp.concatenate(
    [
      jnp.take_along_axis(x, action[..., i, None], -1)
      for i, x in enumerate(logs)
    ],
    -1,
  )


def sample(output, key):
  """Actions `[..., 2]` int32 drawn from the policy."""
  lateral_key, longitudinal_key = jax.random.split(key)
  longitudinal = jax.random.categorical(
    longitudinal_key, output.longitudinal_logits
  )
  lateral_logs, _ = log_probs(output, longitudinal)
  lateral = jax.random.categorical(lateral_key, lateral_logs)
  return jnp.stack([lateral, longitudinal], -1).astype(jnp.int32)


def mode(output):
  """The most probable action `[..., 2]` int32, speed first chosen."""
  longitudinal = jnp.argmax(output.longitudinal_logits, -1)
  lateral_logs, _ = log_probs(output, longitudinal)
  lateral = jnp.argmax(lateral_logs, -1)
  return jnp.stack([lateral, longitudinal], -1).astype(jnp.int32)


def entropy(logs):
  """`[...]` in nats of log-probabilities `[..., n]`."""
  return -jnp.sum(jnp.exp(logs) * jnp.where(logs > -1e30, logs, 0), -1)
