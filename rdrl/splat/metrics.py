# Copyright 2026 The rdrl Authors. Apache-2.0.
"""PSNR and SSIM of images."""

import jax
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

  A variance, a mean of squares less the square of a mean, cancels. So products
  are full float32, and of a+b and a-b in place of a and b: the variances of a
  and b add up to (V(a+b) + V(a-b)) / 2, and the covariance is
  (V(a+b) - V(a-b)) / 4. Then only a-b makes images differ, which has little
  rounding error where they are nearly equal.
  """
  height, width, _ = a.shape
  # Channels first, so that both products are plain.
  a, b = jnp.moveaxis(a, -1, 0), jnp.moveaxis(b, -1, 0)
  total, apart = a + b, a - b
  stacked = jnp.stack([total, apart, total * total, apart * apart])
  highest = jax.lax.Precision.HIGHEST
  across = jnp.matmul(
    stacked.reshape(-1, width), _blur_matrix(width), precision=highest
  )
  across = across.reshape(4, 3, height, width)
  blurred = jnp.einsum(
    'ij,...jk->...ik', _blur_matrix(height), across, precision=highest
  )
  mean_total, mean_apart, square_total, square_apart = blurred
  luminance = _likeness(mean_total**2, mean_apart**2, _C1)
  contrast = _likeness(
    square_total - mean_total**2, square_apart - mean_apart**2, _C2
  )
  return jnp.moveaxis(luminance * contrast, 0, -1)


def _likeness(total, apart, constant):
  """(total - apart) / (total + apart), stabilised to 1 where both are small."""
  # Written so because the gradient of the plain quotient cancels.
  return 1 - 2 * apart / (total + apart + 2 * constant)


def ssim(a, b, mask=None):
  """Mean structural similarity `[]` of two `[H, W, 3]` images in [0, 1].

  Args:
    a: image.
    b: image.
    mask: `[H, W]` bool, the pixels that count; None: all.
  """
  similarity = jnp.mean(ssim_map(a, b), -1)
  if mask is None:
    return jnp.mean(similarity)
  return jnp.sum(similarity * mask) / jnp.maximum(jnp.sum(mask), 1)
