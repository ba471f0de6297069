# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A spatio-temporal U-Net that is fully convolutional over short clips.

After Video Diffusion Models (Ho et al., arXiv 2204.03458): convolutions over
space and over time are apart, attention over space and over time too, and runs
at the lowest resolution only. What differs: the finest level works on patches
of pixels (space to depth); groups are normalised at each position alone, so
that a network trained on crops sees the same statistics in whole frames; and
the last layer also gates guesses of the data at each pixel, as denoisers that
predict kernels do (Bako et al. 2017, Mildenhall et al. 2018), because choosing
between colours is learnt much sooner than painting them.
"""

import einops
from flax import linen as nn
import jax.numpy as jnp


class UNet(nn.Module):
  """Predicts the velocity of a noisy clip.

  Attributes:
    channels: of the finest level, a multiple of 8.
    multipliers: of the channels, one per level, each level at half the
      resolution of the one before.
    num_blocks: residual blocks per level, on the way down and again up.
    patch: side of the pixel patches of the finest level.
    num_heads: of attention.
    dtype: of activations; parameters stay float32.
  """

  channels: int
  multipliers: tuple[int, ...]
  num_blocks: int
  patch: int
  num_heads: int
  dtype: str = 'float32'

  @property
  def stride(self):
    """Heights and widths must be multiples of this."""
    return self.patch * 2 ** (len(self.multipliers) - 1)

  @nn.compact
  def __call__(self, noisy, context, guess, angle):
    """Velocity `[B, F, h, w, D]` of clips.

    Args:
      noisy: `[B, F, h, w, D]`.
      context: `[B, F, h, w, K]` what is known, about -1 to 1.
      guess: `[B, F, h, w, D]` of the data, on the data's scale.
      angle: `[B]` of the noise.

    Raises:
      ValueError: if height or width is no multiple of `stride`.
    """
    height, width, depth = noisy.shape[-3:]
    if height % self.stride or width % self.stride:
      raise ValueError(
        f'clip is {height} x {width}, expected multiples of {self.stride}'
      )
    widths = [self.channels * multiplier for multiplier in self.multipliers]
    embedding = nn.Dense(2 * self.channels, dtype=self.dtype)(
      _fourier(angle, self.channels)
    )
    embedding = nn.silu(embedding)

    # Where noise is nearly all, what is not scaled down leaks into the result.
    signal = jnp.cos(angle).reshape(-1, 1, 1, 1, 1) * noisy
    x = jnp.concatenate([signal, context], -1).astype(self.dtype)
    x = _fold(x, self.patch)
    x = nn.Conv(widths[0], (3, 3), dtype=self.dtype)(x)
    skips = []
    for level, width in enumerate(widths):
      if level > 0:
        x = nn.Dense(width, dtype=self.dtype)(_fold(x, 2))
      for _ in range(self.num_blocks):
        x = Block(dtype=self.dtype)(x, embedding)
      skips.append(x)
    x = Attention(self.num_heads, dtype=self.dtype)(x)
    for level in reversed(range(len(widths))):
      if level < len(widths) - 1:
        x = nn.Dense(4 * widths[level], dtype=self.dtype)(x)
        x = _unfold(x, 2) + skips[level]
      for _ in range(self.num_blocks):
        x = Block(dtype=self.dtype)(x, embedding)
    x = nn.silu(_norm(self.dtype)(x))
    x = nn.Conv(
      (depth + 1) * self.patch**2,
      (3, 3),
      kernel_init=nn.initializers.zeros,
      dtype=self.dtype,
    )(x)
    x = _unfold(x, self.patch).astype(noisy.dtype)
    # The velocity of noise that is all noise is minus the data.
    return x[..., :depth] - nn.sigmoid(x[..., depth:]) * guess


class Block(nn.Module):
  """Residual block: space, then noise level and time, then space."""

  dtype: str

  @nn.compact
  def __call__(self, x, embedding):
    channels = x.shape[-1]
    h = nn.silu(_norm(self.dtype)(x))
    h = nn.Conv(channels, (3, 3), dtype=self.dtype)(h)
    scale, shift = jnp.split(
      nn.Dense(2 * channels, dtype=self.dtype)(embedding), 2, -1
    )
    expand = (slice(None), None, None, None)
    h = _norm(self.dtype)(h) * (1 + scale[expand]) + shift[expand]
    h = h + TemporalConv(dtype=self.dtype)(nn.silu(h))
    h = nn.Conv(
      channels, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype
    )(nn.silu(h))
    return x + h


class TemporalConv(nn.Module):
  """Mixes each frame with the ones before and after it, repeated at the ends.

  One matrix product over three frames: a 3D convolution is slow on XLA:CPU.
  """

  dtype: str

  @nn.compact
  def __call__(self, x):
    before = jnp.concatenate([x[:, :1], x[:, :-1]], 1)
    after = jnp.concatenate([x[:, 1:], x[:, -1:]], 1)
    frames = jnp.concatenate([before, x, after], -1)
    return nn.Dense(x.shape[-1], dtype=self.dtype)(frames)


class Attention(nn.Module):
  """Attention among the positions of a frame, then among frames."""

  num_heads: int
  dtype: str

  @nn.compact
  def __call__(self, x):
    frames, height = x.shape[1:3]
    for pattern, back in (
      ('b f h w c -> (b f) (h w) c', '(b f) (h w) c -> b f h w c'),
      ('b f h w c -> (b h w) f c', '(b h w) f c -> b f h w c'),
    ):
      tokens = einops.rearrange(_norm(self.dtype)(x), pattern)
      tokens = nn.MultiHeadDotProductAttention(
        self.num_heads,
        dtype=self.dtype,
        out_kernel_init=nn.initializers.zeros,
      )(tokens)
      x = x + einops.rearrange(tokens, back, b=x.shape[0], f=frames, h=height)
    return x


def _norm(dtype):
  return nn.GroupNorm(
    num_groups=None, group_size=8, reduction_axes=(-1,), dtype=dtype
  )


def _fourier(angle, channels):
  """`[..., channels]` sines and cosines of angles in [0, pi/2]."""
  frequencies = 2.0 ** jnp.linspace(0, 5, channels // 2)
  phases = angle[..., None] * frequencies
  return jnp.concatenate([jnp.sin(phases), jnp.cos(phases)], -1)


def _fold(x, side):
  return einops.rearrange(
    x, 'b f (h i) (w j) c -> b f h w (i j c)', i=side, j=side
  )


def _unfold(x, side):
  return einops.rearrange(
    x, 'b f h w (i j c) -> b f (h i) (w j) c', i=side, j=side
  )
