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
from rdrl.policy import state as state_lib
from rdrl.policy.network import Config
from rdrl.policy.network import Network
from rdrl.sim import anchors


@struct.dataclass
class Policy:
  """Parameters and the network that they belong to.

  Attributes:
    params: PyTree.
    config: static, of a policy with cameras, or `StateConfig` of one that is
      told the truth.
  """

  params: dict
  config: Config | state_lib.StateConfig = struct.field(pytree_node=False)


@struct.dataclass
class Output:
  """A policy's distribution over actions for an observation.

  Attributes:
    lateral_logits: `[..., 61]`.
    longitudinal_logits: `[..., 61]`.
    percept: what it made of the images; None where it has none.
  """

  lateral_logits: types.Array
  longitudinal_logits: types.Array
  percept: types.Percept | None = None

  def cooled(self, temperature):
    """With logits divided by a temperature."""
    return self.replace(
      lateral_logits=self.lateral_logits / temperature,
      longitudinal_logits=self.longitudinal_logits / temperature,
    )


def create(key, config, observation):
  """A fresh `Policy` for observations shaped like `observation` `[B]`."""
  network = _network(config)
  if isinstance(network, Network):
    observation = observation.replace(truth=None)
  one = jax.tree.map(lambda x: jnp.asarray(x[:1]), observation)
  params = jax.jit(network.init)(key, one)
  return Policy(params=params, config=config)


def _network(config):
  if isinstance(config, state_lib.StateConfig):
    return state_lib.Network(config)
  return Network(config)


def apply(policy, observation) -> Output:
  """The `Output` of observations with any leading axes."""

  def call(observation):
    return _network(policy.config).apply(policy.params, observation)

  (lateral, longitudinal), percept = _flat(call, observation)
  return Output(lateral, longitudinal, percept)


def output(policy, observation, percept=None) -> Output:
  """The `Output` of what was perceived where known, else of images."""
  if percept is None:
    return apply(policy, observation)
  return plan(policy, percept, observation)


def perceive(policy, observation) -> types.Percept:
  """What the images of observations with any leading axes show."""

  def call(observation):
    return Network(policy.config).apply(
      policy.params, observation, method='perceive'
    )

  return _flat(call, observation)


def plan(policy, percept, observation) -> Output:
  """The `Output` of what was perceived; images are not looked at."""

  def call(inputs):
    return Network(policy.config).apply(policy.params, *inputs, method='plan')

  inputs = percept, observation.replace(images=None)
  lateral, longitudinal = _flat(call, inputs, observation.speed)
  return Output(lateral, longitudinal, percept)


def critic(params, config, observation):
  """Values `[..., len(REWARD_TERMS)]` of observations that tell the truth.

  Args:
    params: from `create_critic`.
    config: `StateConfig`.
    observation: `[...]`.
  """
  observation = observation.replace(images=None)

  def call(observation):
    return state_lib.Critic(config).apply(params, observation)

  return _flat(call, observation)


def create_critic(key, config, observation):
  """Parameters of a critic for observations shaped like those `[B]`.

  Raises:
    ValueError: if they do not tell the truth.
  """
  if observation.truth is None:
    raise ValueError('the critic needs observations with truth: truth_cell')
  observation = observation.replace(images=None)
  one = jax.tree.map(lambda x: jnp.zeros((1, *x.shape[1:])), observation)
  return jax.jit(state_lib.Critic(config).init)(key, one)


def has_cameras(policy):
  """Whether a policy looks at images."""
  return isinstance(policy.config, Config)


def _flat(call, inputs, like=None):
  """Applies a function of one batch axis to inputs with any leading axes."""
  leading = (inputs.speed if like is None else like).shape
  flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[len(leading) :]), inputs)
  return jax.tree.map(lambda x: x.reshape(*leading, *x.shape[1:]), call(flat))


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
