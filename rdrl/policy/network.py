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

from rdrl import geometry
from rdrl import ranges
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import sight

# m/s, and metres longitudinally and laterally, that bring speed and route to
# about unit size. A lateral metre decides more than a longitudinal one.
_SPEED_SCALE, _ROUTE_SCALE = 10.0, (20.0, 2.0)
# Metres between cameras, and the rise of rays over a metre, of the same.
_MOUNT_SCALE, _SLOPE_SCALE = 2.0, 4.0


@dataclasses.dataclass(frozen=True)
class Config:
  """Size of the network.

  Attributes:
    patch: pixels of a side of what a token shows, not counting its neighbours.
    hidden: channels of the image encoder at half a patch, half of those at a
      whole one.
    num_blocks: residual blocks of each of these two levels.
    width: of tokens and planning query.
    num_layers: of the decoder.
    num_heads: of its attention.
  """

  patch: ranges.Count = 8
  hidden: ranges.Count = 64
  num_blocks: ranges.CountOrNone = 2
  width: ranges.Count = 64
  num_layers: ranges.Count = 2
  num_heads: ranges.Count = 4

  def misfits(self):
    """See `ranges`."""
    if self.width % self.num_heads:
      yield 'num_heads', f'a divisor of the width, {self.width}'
    if self.patch % 2:
      yield 'patch', 'an even number'


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
    percept = self.perceive(observation)
    return self.plan(percept, observation), percept

  def perceive(self, observation) -> types.Percept:
    """What the images `[B]` of an observation show."""
    return self.perception(self.encoder(observation.images, observation.rig))

  def plan(self, percept, observation):
    """Lateral and longitudinal logits `[B, 61]`; images are not looked at."""
    return self.planner(percept, observation)


class ImageEncoder(nn.Module):
  """Images `[B, F, C, h, w, 3]` uint8 to tokens `[B, C, n, m, width]`.

  The frames of a camera are channels of one image, which shows motion. Heights
  and widths must be multiples of `Config.patch`. Patches are few products of
  many channels, which a CPU does sooner than a pyramid of convolutions. Each
  token is told where on the rig it looks, since where somebody is and where he
  goes follows from that, and a filter alone cannot tell.
  """

  config: Config

  @nn.compact
  def __call__(self, images, rig: types.Rig):
    config, batch = self.config, len(images)
    x = einops.rearrange(
      images,
      'b f c (h i) (w j) k -> (b c) h w (f i j k)',
      i=config.patch // 2,
      j=config.patch // 2,
    )
    x = nn.Dense(config.hidden)(x.astype(jnp.float32) / 127.5 - 1)
    for _ in range(config.num_blocks):
      x = x + Block()(x)
    x = nn.LayerNorm()(x)
    x = einops.rearrange(x, 'b (h i) (w j) k -> b h w (i j k)', i=2, j=2)
    x = nn.Dense(2 * config.hidden)(x)
    views = mlp(
      _views(rig, *x.shape[1:3], config.patch), config.hidden, x.shape[-1]
    )
    x = x + views.reshape(x.shape)
    for _ in range(config.num_blocks):
      x = x + Block()(x)
    x = nn.Dense(config.width)(nn.LayerNorm()(x))
    return einops.rearrange(x, '(b c) h w d -> b c h w d', b=batch)


def _views(rig, height, width, patch):
  """Where cells look, `[B, C, n, m, 7]`: which way, from where and how wide."""
  intrinsics = geometry.scale_intrinsics(rig.intrinsics, 1 / patch, 1 / patch)

  def view(camera_from_ego, intrinsics):
    origin, rays = geometry.pixel_rays(
      types.Camera(camera_from_ego, intrinsics, height, width)
    )
    level = jnp.maximum(geometry.safe_norm(rays[..., :2], keepdims=True), 1e-3)
    fixed = jnp.append(origin / _MOUNT_SCALE, intrinsics[0, 0] / width)
    return jnp.concatenate(
      [
        rays[..., :2] / level,
        _SLOPE_SCALE * rays[..., 2:] / level,
        jnp.broadcast_to(fixed, (height, width, 4)),
      ],
      -1,
    )

  return jax.vmap(jax.vmap(view))(rig.camera_from_ego, intrinsics)


class Block(nn.Module):
  """A bottleneck: a quarter of the channels, 3 x 3 of them, and back."""

  @nn.compact
  def __call__(self, x):
    channels = x.shape[-1]
    y = nn.silu(nn.Dense(max(channels // 4, 1))(nn.LayerNorm()(x)))
    y = nn.silu(nn.Dense(channels)(_windows(y)))
    return nn.Dense(channels)(y)


class Perception(nn.Module):
  """Tokens `[B, C, n, m, width]` to a `Percept`: whom they show, and the road.

  Boxes are in units of `BOX_SCALE`, clearances in those of `CLEARANCE_SCALE`.
  """

  config: Config

  @nn.compact
  def __call__(self, tokens):
    width = self.config.width
    known = nn.LayerNorm()(tokens)
    found = mlp(known, 2 * width, 1 + len(BOX_SCALE))
    ahead, aside = jnp.meshgrid(
      jnp.array(sight.AHEAD), jnp.array(sight.ASIDE), indexing='ij'
    )
    places = jnp.stack([ahead, aside], -1) / jnp.array(BOX_SCALE[:2])
    asked = mlp(places.reshape(-1, 2), width, width)
    batch = len(tokens)
    road = nn.MultiHeadDotProductAttention(self.config.num_heads)(
      jnp.broadcast_to(asked, (batch, *asked.shape)),
      known.reshape(batch, -1, width),
    )
    road = mlp(road + asked, width, 1).reshape(batch, *ahead.shape)
    return types.Percept(tokens, found[..., 0], found[..., 1:], road)


# Metres and m/s that bring `Truth.box` and `.clearance` to about unit size.
BOX_SCALE = (20.0, 5.0, 5.0, 2.0, 1.0, 1.0)
CLEARANCE_SCALE = 3.0


class Planner(nn.Module):
  """What was perceived, speed and route to actions."""

  config: Config

  @nn.compact
  def __call__(self, percept, observation):
    config, batch = self.config, len(percept.tokens)
    # Whom tokens show is learnt from the truth alone.
    seen = jax.lax.stop_gradient(percept)
    there = nn.sigmoid(seen.seen)[..., None]
    found = jnp.concatenate([there, there * seen.box], -1)
    tokens = nn.LayerNorm()(percept.tokens) + nn.Dense(config.width)(found)
    tokens = tokens.reshape(batch, -1, config.width)
    # Who is seen is a set besides (Zaheer et al., arXiv 1703.06114): whoever
    # matters counts in full, however small.
    crowd = nn.silu(mlp(found, config.width, config.width))
    crowd = jnp.max(there * crowd, (1, 2, 3))
    state = jnp.concatenate(
      [own_state(observation), seen.clearance.reshape(batch, -1), crowd], -1
    )
    state = mlp(state, 2 * config.width, config.width)
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
