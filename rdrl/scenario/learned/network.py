# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A transformer over agents that denoises their joint actions.

Every agent sees the world in its own frame: its past, the map near it, and the
others relative to it, which enter attention as pair features (as in HiVT, Zhou
et al. 2022, and QCNet, Zhou et al. 2023). So the model is invariant to the
frame of the scene. Known futures, such as the plan of the ego, are given in the
frame of each observer.
"""

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario.learned import traffic

# Units of the features: metres and m/s.
_LENGTH, _SPEED, _SIZE = 20.0, 10.0, 5.0
# Frequencies of the embedding of the noise.
_FREQUENCIES = 8


@struct.dataclass
class Features:
  """Features of a `View`.

  Attributes:
    own: `[N, ...]` of each agent itself.
    near: `[N, M, ...]` of map segments.
    is_near: `[N, M]` bool.
    pairs: `[N, N, ...]` of the second agent, in the frame of the first.
    exists: `[N]` bool.
  """

  own: types.Array
  near: types.Array
  is_near: types.Array
  pairs: types.Array
  exists: types.Array


def features(view: traffic.View, known, stride) -> Features:
  """`Features` of one view.

  Args:
    view: a `View`.
    known: `[N]` bool, whose future is an input.
    stride: steps between two states of such a future.
  """
  now = view.now
  exists = now.valid

  def seen(xy, viewer):
    """Transforms points `[N, ...]` to the frames of agents `viewer` `[N]`."""
    ahead = (slice(None), *(None,) * (xy.ndim - 2))
    return geometry.rotate_2d(
      xy - viewer.xy[(*ahead, slice(None))], -viewer.yaw[ahead]
    )

  past = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), view.past)
  turned = past.yaw - now.yaw[:, None]
  history = jnp.concatenate(
    [
      seen(past.xy, now) / _LENGTH,
      jnp.stack([jnp.cos(turned), jnp.sin(turned), past.speed / _SPEED], -1),
      jnp.ones((*past.valid.shape, 1)),
    ],
    -1,
  )
  history = jnp.where(past.valid[..., None], history, 0)
  body = jnp.concatenate(
    [view.sizes / _SIZE, jax.nn.one_hot(view.classes, 4)], -1
  )
  own = jnp.concatenate([history.reshape(len(exists), -1), body], -1)

  is_near = (view.kind != traffic.NOTHING) & exists[:, None]
  near = seen(view.pieces, now) / _LENGTH
  near = jnp.concatenate(
    [
      near.reshape(*view.kind.shape, -1),
      jax.nn.one_hot(view.kind, 2),
    ],
    -1,
  )
  near = jnp.where(is_near[..., None], near, 0)

  pairs = jnp.concatenate(
    [
      _relations(now, seen),
      jnp.broadcast_to(body, (len(exists), *body.shape)),
      _plans(view, known, stride, seen),
    ],
    -1,
  )
  pairs = jnp.where((exists[:, None] & exists)[..., None], pairs, 0)
  return Features(
    own=jnp.where(exists[:, None], own, 0),
    near=near,
    is_near=is_near,
    pairs=pairs,
    exists=exists,
  )


def _relations(now, seen):
  """`[N, N, ...]` state of the second agent relative to the first."""
  count = len(now.yaw)
  offset = seen(jnp.broadcast_to(now.xy, (count, count, 2)), now)
  distance = geometry.safe_norm(offset)
  relative = now.yaw - now.yaw[:, None]
  cos, sin = jnp.cos(relative), jnp.sin(relative)
  velocity = now.speed[None, :, None] * jnp.stack([cos, sin], -1)
  closing = velocity - now.speed[:, None, None] * jnp.array([1.0, 0])
  return jnp.concatenate(
    [
      offset / _LENGTH,
      jnp.stack([distance / _LENGTH, jnp.exp(-distance / _LENGTH)], -1),
      jnp.stack([cos, sin], -1),
      velocity / _SPEED,
      closing / _SPEED,
    ],
    -1,
  )


def _plans(view, known, stride, seen):
  """`[N, N, ...]` known futures of the second agent in the first's frame."""
  future = trees.take(view.future, slice(stride - 1, None, stride))
  is_known = (future.valid & known).T
  count = len(known)
  plans = jnp.swapaxes(future.xy, 0, 1)
  plans = seen(jnp.broadcast_to(plans, (count, *plans.shape)), view.now)
  plans = jnp.where(is_known[..., None], plans / _LENGTH, 0)
  flags = jnp.broadcast_to(is_known, (count, *is_known.shape))
  return jnp.concatenate(
    [plans.reshape(count, count, -1), flags.astype(plans.dtype)], -1
  )


class Denoiser(nn.Module):
  """Predicts v of noisy joint actions, for one example.

  Attributes:
    depth: Z, numbers of an agent's actions.
    channels: of a token.
    num_heads: of attention.
    num_layers: of the part that depends on the noisy actions.
  """

  depth: int
  channels: int
  num_heads: int
  num_layers: int

  def setup(self):
    """Defines the parts of `encode` and `denoise`."""
    self.embed_own = Mlp(self.channels)
    self.embed_near = Mlp(self.channels // 2)
    self.embed_pairs = Mlp(self.channels // 2)
    self.read_map = MapAttention(self.num_heads)
    self.embed_actions = nn.Dense(self.channels)
    self.embed_angle = Mlp(self.channels)
    self.layers = [Layer(self.num_heads) for _ in range(self.num_layers)]
    self.reread_map = MapAttention(self.num_heads)
    self.norm = nn.LayerNorm()
    self.head = nn.Dense(self.depth, kernel_init=nn.initializers.zeros)

  def __call__(self, noisy, angle, seen):
    """Predicts v `[N, Z]` from `Features`."""
    return self.denoise(noisy, angle, self.encode(seen))

  def encode(self, seen: Features):
    """Encodes what does not depend on the noisy actions."""
    tokens = self.embed_own(seen.own)
    near = self.embed_near(seen.near)
    tokens = tokens + self.read_map(tokens, near, seen.is_near)
    return tokens, near, self.embed_pairs(seen.pairs), seen

  def denoise(self, noisy, angle, encoded):
    """Predicts v `[N, Z]`.

    Args:
      noisy: `[N, Z]` actions, noiseless where they are known.
      angle: `[N]` of the noise, 0 where the actions are known.
      encoded: from `encode`.
    """
    tokens, near, pairs, seen = encoded
    order = jnp.arange(1, _FREQUENCIES + 1) * angle[:, None]
    level = self.embed_angle(
      jnp.concatenate([jnp.cos(order), jnp.sin(order)], -1)
    )
    # Scaled down, lest nearly pure noise leak into the result.
    signal = jnp.cos(angle)[:, None] * noisy
    x = tokens + self.embed_actions(signal) + level
    for number, layer in enumerate(self.layers):
      x = layer(x, nn.silu(level), pairs, seen.exists)
      if number == 0:
        x = x + self.reread_map(x, near, seen.is_near)
    return self.head(self.norm(x))


class Mlp(nn.Module):
  """Two layers of equal width."""

  channels: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.channels)(nn.silu(nn.Dense(self.channels)(x)))


class Layer(nn.Module):
  """Attention between agents, with pair features."""

  num_heads: int

  @nn.compact
  def __call__(self, x, level, pairs, exists):
    channels = x.shape[-1]
    scale, shift = jnp.split(nn.Dense(2 * channels)(level), 2, -1)
    h = nn.LayerNorm()(x) * (1 + scale) + shift
    queries, keys, values = (
      _heads(nn.Dense(channels)(h), self.num_heads) for _ in range(3)
    )
    pair_keys, pair_values = (
      _heads(nn.Dense(channels)(pairs), self.num_heads) for _ in range(2)
    )
    logits = jnp.einsum('ihc,ijhc->hij', queries, keys + pair_keys)
    share = _softmax(logits / queries.shape[-1] ** 0.5, exists)
    h = jnp.einsum('hij,ijhc->ihc', share, values + pair_values)
    x = x + nn.Dense(channels)(h.reshape(x.shape))
    h = nn.Dense(2 * channels)(nn.LayerNorm()(x))
    return x + nn.Dense(channels)(nn.silu(h))


class MapAttention(nn.Module):
  """Attention of each agent to the map segments near it."""

  num_heads: int

  @nn.compact
  def __call__(self, x, near, is_near):
    channels = x.shape[-1]
    queries = _heads(nn.Dense(channels)(nn.LayerNorm()(x)), self.num_heads)
    keys, values = (
      _heads(nn.Dense(channels)(near), self.num_heads) for _ in range(2)
    )
    logits = jnp.einsum('ihc,imhc->him', queries, keys)
    share = _softmax(logits / queries.shape[-1] ** 0.5, is_near)
    h = jnp.einsum('him,imhc->ihc', share, values)
    return nn.Dense(channels)(h.reshape(x.shape))


def _heads(x, number):
  return x.reshape(*x.shape[:-1], number, -1)


def _softmax(logits, mask):
  """Masked softmax over the last axis; all zeros where nothing is unmasked."""
  share = jax.nn.softmax(jnp.where(mask, logits, -1e9))
  return jnp.where(mask, share, 0)
