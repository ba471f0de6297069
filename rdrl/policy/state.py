# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Networks that are told the truth: critics, and policies that may teach.

A critic that sees more than the actor is the asymmetric one of Pinto et al.
(arXiv 1710.06542): it exists in training alone.
"""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from rdrl import ranges
from rdrl import sim
from rdrl import types
from rdrl.policy import network
from rdrl.sim import anchors

# What brings the columns of `Truth.agents` to about unit size.
_SCALE = (20.0, 5.0, 5.0, 2.0, 1.0, 1.0, 5.0, 2.0, 1.0, 1.0)
_IS_SEEN, _EXISTS = 8, 9


@dataclasses.dataclass(frozen=True)
class StateConfig:
  """Size of a network on `types.Truth`.

  Attributes:
    width: of its layers.
  """

  width: ranges.Count = 64


class Features(nn.Module):
  """A set of agents, the road, speed and route to `[B, width]`.

  Agents are one set: each goes through the same layers, and the greatest of
  each output counts (Deep Sets, Zaheer et al., arXiv 1703.06114).

  Attributes:
    config: its size.
    only_seen: whether it leaves out whom no camera sees.
  """

  config: StateConfig
  only_seen: bool

  @nn.compact
  def __call__(self, observation: types.Observation):
    """Args: observation: `[B]`, with its truth."""
    width, truth = self.config.width, observation.truth
    counts = truth.agents[..., _IS_SEEN if self.only_seen else _EXISTS] > 0
    rows = truth.agents / jnp.array(_SCALE)
    x = nn.silu(nn.Dense(width)(rows))
    x = nn.silu(nn.Dense(width)(x))
    x = jnp.max(jnp.where(counts[..., None], x, 0), -2)
    road = truth.clearance / network.CLEARANCE_SCALE
    own = [network.own_state(observation), road.reshape(len(x), -1)]
    own = nn.silu(nn.Dense(width)(jnp.concatenate(own, -1)))
    x = nn.silu(nn.Dense(width)(jnp.concatenate([x, own], -1)))
    return nn.silu(nn.Dense(width)(x))


class Critic(nn.Module):
  """Discounted return `[B, len(REWARD_TERMS)]` of each term.

  Each stream has layers of its own, so that every term has an advantage of its
  own.
  """

  config: StateConfig

  @nn.compact
  def __call__(self, observation):
    x = Features(self.config, only_seen=False)(observation)
    values = jnp.zeros((len(x), len(types.REWARD_TERMS)))
    for stream in sim.STREAMS:
      value = network.mlp(x, self.config.width, len(stream), small=True)
      values = values.at[:, jnp.array(stream)].set(value)
    return values


class Network(nn.Module):
  """Lateral and longitudinal logits `[B, 61]`, and None for what is seen."""

  config: StateConfig

  @nn.compact
  def __call__(self, observation):
    x = Features(self.config, only_seen=True)(observation)
    return tuple(
      network.mlp(x, self.config.width, len(stream), small=True)
      for stream in (anchors.LATERAL, anchors.LONGITUDINAL)
    ), None
