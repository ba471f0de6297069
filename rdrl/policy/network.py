# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The network: images to tokens, tokens to a plan.

RAD (arXiv 2502.13144, section 3.2): a learnt planning query attends to scene
tokens through a cascade of Transformer decoder layers; navigation and ego state
are added to what comes out; MLPs read actions and values from it. What differs:
tokens come from the images alone, and heads on the tokens learn whom they show
and where the road is, in place of map and agent tokens. Values are those of a
critic that knows more, see `policy.state`.
"""

import dataclasses

import einops
from flax import linen as nn
import jax
import jax.numpy as jnp

from rdrl import ranges
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import sight

# m/s, and metres longitudinally and laterally, that bring speed and route to
# about unit size. A lateral metre decides more than a longitudinal one.
_SPEED_SCALE, _ROUTE_SCALE = 10.0, (20.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Config:
  """Size of the network.

  Attributes:
    patch: pixels of a side of what a token shows, not counting its neighbours.
    hidden: channels between the pixels of a patch and its token.
    num_blocks: residual blocks of the image encoder.
    width: of tokens and planning query.
    num_layers: of the decoder.
    num_heads: of its attention.
  """

  patch: ranges.Count = 8
  hidden: ranges.Count = 96
  num_blocks: ranges.CountOrNone = 2
  width: ranges.Count = 64
  num_layers: ranges.Count = 2
  num_heads: ranges.Count = 4

  def misfits(self):
    """See `ranges`."""
    if self.width % self.num_heads:
      yield 'num_heads', f'a divisor of the width, {self.width}'


class Network(nn.Module):
  """Logits of both streams.

  Attributes:
    config: its size.
  """

  config: Config

  def setup(self):
    """Declares the parts."""
    self.encoder = ImageEncoder(self.config)
    self.perception = Perception(self.config)
    self.planner = Planner(self.config)

  def __call__(self, observation: types.Observation):
    """Plans for a batch.

    Args:
      observation: leading `[B]`.

    Returns:
      What `plan` returns, and what `perceive` returns.
    """
    tokens = self.encode(observation.images)
    seen = self.perceive(tokens)
    return self.plan(tokens, seen, observation), seen

  def encode(self, images):
    """Tokens `[B, C, n, m, width]` of images `[B, F, C, h, w, 3]` uint8."""
    return self.encoder(images)

  def plan(self, tokens, seen, observation):
    """Lateral and longitudinal logits `[B, 61]`; images are not looked at."""
    return self.planner(tokens, seen, observation)

  def perceive(self, tokens):
    """See `Perception`."""
    return self.perception(tokens)


class ImageEncoder(nn.Module):
  """Images `[B, F, C, h, w, 3]` uint8 to tokens `[B, C, n, m, width]`.

  The frames of a camera are channels of one image, which shows motion. Heights
  and widths must be multiples of `Config.patch`. Patches are few products of
  many channels, which a CPU does sooner than a pyramid of convolutions.
  """

  config: Config

  @nn.compact
  def __call__(self, images):
    config, batch = self.config, len(images)
    x = einops.rearrange(
      images,
      'b f c (h i) (w j) k -> (b c) h w (f i j k)',
      i=config.patch,
      j=config.patch,
    )
    x = x.astype(jnp.float32) / 127.5 - 1
    x = nn.Dense(config.width)(nn.silu(nn.Dense(config.hidden)(x)))
    for _ in range(config.num_blocks):
      x = x + Block()(x)
    x = nn.Dense(config.width)(nn.LayerNorm()(x))
    return einops.rearrange(x, '(b c) h w d -> b c h w d', b=batch)


class Block(nn.Module):
  """A bottleneck: a quarter of the channels, 3 x 3 of them, and back."""

  @nn.compact
  def __call__(self, x):
    channels = x.shape[-1]
    y = nn.silu(nn.Dense(max(channels // 4, 1))(nn.LayerNorm()(x)))
    y = nn.silu(nn.Dense(channels)(_windows(y)))
    return nn.Dense(channels)(y)


class Perception(nn.Module):
  """Tokens `[B, C, n, m, width]` to whom they show, and where the road is.

  Returns:
    Logits `[B, C, n, m]` of `Truth.is_seen`; `Truth.box` `[B, C, n, m, 6]` in
    units of `BOX_SCALE`; `Truth.clearance` `[B, P, Q]` in units of
    `CLEARANCE_SCALE`.
  """

  config: Config

  @nn.compact
  def __call__(self, tokens):
    x = nn.silu(nn.Dense(self.config.width)(nn.LayerNorm()(tokens)))
    found = nn.Dense(1 + len(BOX_SCALE))(x)
    # What lies where in the images is what tells the way of the road.
    low = nn.silu(nn.Dense(8)(tokens)).reshape(len(tokens), -1)
    road = mlp(low, self.config.width, len(sight.AHEAD) * len(sight.ASIDE))
    return (
      found[..., 0],
      found[..., 1:],
      road.reshape(len(tokens), len(sight.AHEAD), len(sight.ASIDE)),
    )


# Metres and m/s that bring `Truth.box` and `.clearance` to about unit size.
BOX_SCALE = (20.0, 5.0, 5.0, 2.0, 1.0, 1.0)
CLEARANCE_SCALE = 3.0


class Planner(nn.Module):
  """Tokens, what was perceived, speed and route to actions."""

  config: Config

  @nn.compact
  def __call__(self, tokens, seen, observation):
    config = self.config
    place = self.param('place', nn.initializers.normal(0.5), tokens.shape[1:])
    # What is perceived is learnt from the truth alone.
    logit, box, road = jax.lax.stop_gradient(seen)
    there = nn.sigmoid(logit)[..., None]
    tokens = nn.LayerNorm()(tokens) + place
    tokens += nn.Dense(config.width)(jnp.concatenate([there, there * box], -1))
    tokens = tokens.reshape(len(tokens), -1, config.width)
    state = jnp.concatenate(
      [own_state(observation), road.reshape(len(tokens), -1)], -1
    )
    state = mlp(state, config.width, config.width)
    query = self.param(
      'query', nn.initializers.normal(1.0), (1, 1, config.width)
    )
    plan = query + state[:, None]
    for _ in range(config.num_layers):
      plan = DecoderLayer(config)(plan, tokens)
    plan = nn.LayerNorm()(plan[:, 0]) + state
    return (
      mlp(plan, config.width, len(anchors.LATERAL), small=True),
      mlp(plan, config.width, len(anchors.LONGITUDINAL), small=True),
    )


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
    return query + mlp(nn.LayerNorm()(query), 2 * width, width)


def _windows(x):
  """The 3 x 3 windows about each pixel, `[b, h, w, c]` to `9 c`.

  A convolution is then one matrix product. XLA:CPU runs the gradient of a real
  one seven times slower inside a loop, which is where PPO needs it.
  """
  height, width = x.shape[1:3]
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  return jnp.concatenate(
    [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)],
    -1,
  )


def own_state(observation):
  """Speed and route `[B, n]` of about unit size."""
  route = observation.route / jnp.array(_ROUTE_SCALE)
  return jnp.concatenate(
    [
      observation.speed[:, None] / _SPEED_SCALE,
      route.reshape(len(route), -1),
    ],
    -1,
  )


def mlp(x, hidden, out, small=False):
  """A hidden layer and an output, of small values where wanted."""
  init = nn.initializers.orthogonal(0.01 if small else 1.0)
  return nn.Dense(out, kernel_init=init)(nn.silu(nn.Dense(hidden)(x)))
