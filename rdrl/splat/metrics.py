# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How alike two images are."""

import jax.numpy as jnp
import numpy as np

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(a, b, mask=None):
  """Peak signal-to-noise ratio in dB of `[..., H, W, 3]` images in [0, 1].

  Args:
    a: images.
    b: images.
    mask: `[..., H, W]` bool or weights of the pixels that count; None: all.

  Returns:
    `[...]`.
  """
  squared = jnp.mean((a - b) ** 2, -1)
  if mask is None:
    error = jnp.mean(squared, (-1, -2))
  else:
    error = jnp.sum(squared * mask, (-1, -2)) / jnp.maximum(
      jnp.sum(mask, (-1, -2)), 1e-9
    )
  return -10 * jnp.log10(jnp.maximum(error, 1e-10))


def _blur_matrix(size):
  """`[size, size]` Gaussian blur along one axis, zeros beyond the border."""
  offset = np.arange(size)[:, None] - np.arange(size)
  kernel = np.exp(-0.5 * (np.arange(_WINDOW) - _WINDOW // 2) ** 2 / _SIGMA**2)
  weight = np.exp(-0.5 * offset**2 / _SIGMA**2) / kernel.sum()
  weight[np.abs(offset) > _WINDOW // 2] = 0
  return weight.astype(np.float32)


def ssim_map(a, b):
  """Structural similarity `[H, W, 3]` of two `[H, W, 3]` images in [0, 1].

  Wang et al. 2004: 11 x 11 Gaussian window of deviation 1.5, padded by zeros as
  in 3DGS. The window is separable, hence two products with banded matrices,
  which are faster than convolutions on every backend at these sizes.
  """
  height, width, _ = a.shape
  # Channels first, so that both products are plain.
  a, b = jnp.moveaxis(a, -1, 0), jnp.moveaxis(b, -1, 0)
  stacked = jnp.stack([a, b, a * a, b * b, a * b])
  across = stacked.reshape(-1, width) @ _blur_matrix(width)
  across = across.reshape(5, 3, height, width)
  blurred = jnp.einsum('ij,...jk->...ik', _blur_matrix(height), across)
  mean_a, mean_b, square_a, square_b, product = blurred
  variance = square_a - mean_a**2 + square_b - mean_b**2
  covariance = product - mean_a * mean_b
  luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
  similarity = luminance * (2 * covariance + _C2) / (variance + _C2)
  return jnp.moveaxis(similarity, 0, -1)


def ssim(a, b, mask=None):
  """Mean structural similarity `[]` of two `[H, W, 3]` images in [0, 1].

  Over the pixels of a mask `[H, W]` bool, or over all.
  """
  similarity = jnp.mean(ssim_map(a, b), -1)
  if mask is None:
    return jnp.mean(similarity)
  return jnp.sum(similarity * mask) / jnp.maximum(jnp.sum(mask), 1)
