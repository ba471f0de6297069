# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The network: images to tokens, tokens to a plan.

RAD (arXiv 2502.13144, section 3.2): a learnt planning query attends to scene
tokens through a cascade of Transformer decoder layers; navigation and ego state
are added to what comes out; MLPs read actions and values from it. What differs:
tokens come from the images alone, without map and agent heads, and each value
head has an output per reward term, so that every term has an advantage.
"""

import dataclasses

import einops
from flax import linen as nn
import jax.numpy as jnp

from rdrl import ranges
from rdrl import sim
from rdrl import types
from rdrl.sim import anchors

# m/s, and metres longitudinally and laterally, that bring speed and route to
# about unit size. A lateral metre decides more than a longitudinal one.
_SPEED_SCALE, _ROUTE_SCALE = 10.0, (20.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Config:
  """Size of the network.

  Attributes:
    channels: of the image encoder after each halving of the resolution, the
      first after a quartering.
    width: of tokens and planning query.
    num_layers: of the decoder.
    num_heads: of its attention.
  """

  channels: tuple[ranges.Count, ...] = (32, 64, 96)
  width: ranges.Count = 96
  num_layers: ranges.Count = 2
  num_heads: ranges.Count = 4

  def misfits(self):
    """See `ranges`."""
    if self.width % self.num_heads:
      yield 'num_heads', f'a divisor of the width, {self.width}'


class Network(nn.Module):
  """Logits of both streams and a value per reward term.

  Attributes:
    config: its size.
  """

  config: Config

  @nn.compact
  def __call__(self, observation: types.Observation):
    """Plans for a batch.

    Args:
      observation: leading `[B]`.

    Returns:
      Lateral logits `[B, 61]`, longitudinal logits `[B, 61]` and values
      `[B, len(REWARD_TERMS)]`.
    """
    config = self.config
    tokens = ImageEncoder(config)(observation.images)
    state = jnp.concatenate(
      [
        observation.speed[:, None] / _SPEED_SCALE,
        (observation.route / jnp.array(_ROUTE_SCALE)).reshape(len(tokens), -1),
      ],
      -1,
    )
    state = _mlp(state, config.width, config.width)
    query = self.param(
      'query', nn.initializers.normal(1.0), (1, 1, config.width)
    )
    plan = query + state[:, None]
    for _ in range(config.num_layers):
      plan = DecoderLayer(config)(plan, tokens)
    plan = nn.LayerNorm()(plan[:, 0]) + state
    values = jnp.zeros((len(plan), len(types.REWARD_TERMS)))
    for stream in sim.STREAMS:
      value = _mlp(plan, config.width, len(stream), small=True)
      values = values.at[:, jnp.array(stream)].set(value)
    return (
      _mlp(plan, config.width, len(anchors.LATERAL), small=True),
      _mlp(plan, config.width, len(anchors.LONGITUDINAL), small=True),
      values,
    )


class ImageEncoder(nn.Module):
  """Images `[B, F, C, h, w, 3]` uint8 to tokens `[B, n, width]`.

  The frames of a camera are channels of one image, which shows motion. Heights
  and widths must be multiples of 4.
  """

  config: Config

  @nn.compact
  def __call__(self, images):
    batch, _, cameras = images.shape[:3]
    x = einops.rearrange(
      images, 'b f c (h i) (w j) k -> (b c) h w (i j f k)', i=4, j=4
    )
    x = x.astype(jnp.float32) / 127.5 - 1
    for level, channels in enumerate(self.config.channels):
      if level > 0:
        x = _windows(x)
      x = nn.Dense(channels)(x)
      x = nn.silu(nn.LayerNorm()(x))
    x = nn.Dense(self.config.width)(x)
    place = self.param(
      'place',
      nn.initializers.normal(0.02),
      (cameras, *x.shape[1:]),
    )
    x = einops.rearrange(x, '(b c) h w d -> b c h w d', b=batch) + place
    return einops.rearrange(x, 'b c h w d -> b (c h w) d')


class DecoderLayer(nn.Module):
  """The query attends to the tokens, then an MLP is applied."""

  config: Config

  @nn.compact
  def __call__(self, query, tokens):
    attended = nn.MultiHeadDotProductAttention(self.config.num_heads)(
      nn.LayerNorm()(query), nn.LayerNorm()(tokens)
    )
    query = query + attended
    width = self.config.width
    return query + _mlp(nn.LayerNorm()(query), 2 * width, width)


def _windows(x):
  """The 3 x 3 windows at every second pixel: `[b, h, w, c]` to halves, `9 c`.

  A convolution is then one matrix product. XLA:CPU runs the gradient of a real
  one seven times slower inside a loop, which is where PPO needs it.
  """
  height, width = x.shape[1:3]
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  return jnp.concatenate(
    [
      x[:, i : i + height : 2, j : j + width : 2]
      for i in range(3)
      for j in range(3)
    ],
    -1,
  )


def _mlp(x, hidden, out, small=False):
  init = nn.initializers.orthogonal(0.01 if small else 1.0)
  return nn.Dense(out, kernel_init=init)(nn.silu(nn.Dense(hidden)(x)))
