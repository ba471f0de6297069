# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Blocks of entries of tiles, as matrices, and how one entry is blended.

The exponent of a Gaussian is a quadratic polynomial in the pixel's position
within its tile. So a block's exponents are a matrix product with six monomials,
the same for all tiles, and the sums over pixels in the backward pass are
products with them, too. Tile-local coordinates keep cancellation small.
"""

import jax
from jax import custom_batching
import jax.numpy as jnp
import numpy as np

# Entries of a tile that are blended at a time.
BLOCK = 16
TILE_HEIGHT, TILE_WIDTH = 8, 8
# Columns of a table before its features.
SHAPE = 6

# Alpha of one entry in one pixel: skipped below the first, clipped at the
# second, as in gsplat 1.5.
MIN_ALPHA, MAX_ALPHA = 1 / 255, 0.999
# Opacity logit of Gaussians that are never drawn.
TRANSPARENT = -20.0
MIN_TRANSMITTANCE = 1e-4

PIXELS = TILE_HEIGHT * TILE_WIDTH


# Arguments of `composite` that index another argument: from position to
# position.
_POINTERS = {1: 0, 4: 1}

# XLA in either of two forms, or one of `kernels.FORMS`.
BACKENDS = ('queue', 'lockstep', 'triton', 'mosaic', 'mosaic_gpu')


def monomials():
  """`[6, pixels]`: 1, x, y, x^2, xy, y^2 about the middle of a tile."""
  y, x = np.mgrid[:TILE_HEIGHT, :TILE_WIDTH] + 0.5
  x, y = x.ravel() - TILE_WIDTH / 2, y.ravel() - TILE_HEIGHT / 2
  rows = [np.ones_like(x), x, y, x * x, x * y, y * y]
  return np.stack(rows).astype(np.float32)


def opacity(exponent):
  """Alpha of an exponent, 0 below 1/255."""
  alpha = jnp.exp(jnp.minimum(exponent, np.log(MAX_ALPHA)))
  return jnp.where(exponent >= np.log(MIN_ALPHA), alpha, 0)


def blend(before, alpha):
  """Blends one entry.

  Args:
    before: `[...]` transmittance before the entry.
    alpha: `[...]` of the entry.

  Returns:
    Transmittance after it, and its weight.
  """
  after = before * (1 - alpha)
  return after, jnp.where(after > MIN_TRANSMITTANCE, alpha * before, 0)


def pull(before, rest, alpha, exponent, value):
  """Takes one entry of the backward pass, see `composite`.

  Args:
    before: transmittance before the entry.
    rest: cotangent dotted with the part of the pixel that is not blended yet.
    alpha: of the entry.
    exponent: of the entry.
    value: cotangent dotted with the entry's features.

  Returns:
    Transmittance after it, the new rest, its weight, and the cotangent of the
    exponent.
  """
  after, weight = blend(before, alpha)
  rest = rest - weight * value
  d_alpha = before * value - rest / (1 - alpha)
  is_free = (after > MIN_TRANSMITTANCE) & (exponent <= np.log(MAX_ALPHA))
  return after, rest, weight, jnp.where(is_free, d_alpha * alpha, 0)


def exponent_coefficients(offset, conic, log_opacity):
  """`[..., 6]` coefficients of log(opacity) - sigma in the monomials.

  Args:
    offset: `[..., 2]` mean of the Gaussian relative to the middle of the tile.
    conic: `[..., 3]` inverse covariance xx, xy, yy in 1 / pixel^2.
    log_opacity: `[...]`.
  """
  x, y = offset[..., 0], offset[..., 1]
  a, b, c = conic[..., 0], conic[..., 1], conic[..., 2]
  along_x, along_y = a * x + b * y, b * x + c * y
  constant = log_opacity - 0.5 * (along_x * x + along_y * y)
  return jnp.stack([constant, along_x, along_y, -0.5 * a, -b, -0.5 * c], -1)


def unpack(rows, valid, middle):
  """Unpacks rows of the table of `composite`.

  Args:
    rows: `[..., BLOCK, 6 + F]`.
    valid: `[..., BLOCK]` bool.
    middle: `[..., 2]` middle of the tile in pixels.

  Returns:
    Coefficients `[..., BLOCK, 6]` and features `[..., BLOCK, F + 1]`.
  """
  coefficients = exponent_coefficients(
    rows[..., :2] - middle[..., None, :], rows[..., 2:5], rows[..., 5]
  )
  # exp(-100) is skipped like every alpha below 1/255.
  nothing = jnp.array([-100.0, 0, 0, 0, 0, 0])
  coefficients = jnp.where(valid[..., None], coefficients, nothing)
  features = jnp.concatenate(
    [rows[..., SHAPE:], jnp.ones_like(rows[..., :1])], -1
  )
  return coefficients, features


def join_batches(function, pointers=_POINTERS):
  """Gives a function a batching rule that joins the lists of a batch.

  Args:
    function: of arrays; their leading axes are joined.
    pointers: position of an argument that indexes another one to the position
      of that one; by default those of a pass of `composite`.
  """
  batched = custom_batching.custom_vmap(function)

  @batched.def_vmap
  def rule(size, in_batched, *arguments):
    arguments = [
      x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
      for x, is_batched in zip(arguments, in_batched, strict=True)
    ]
    for pointer, target in pointers.items():
      x = arguments[pointer]
      shift = arguments[target].shape[1] * jnp.arange(size, dtype=jnp.int32)
      arguments[pointer] = x + shift.reshape(-1, *[1] * (x.ndim - 1))
    flat = [x.reshape(-1, *x.shape[2:]) for x in arguments]
    out = batched(*flat)
    unflat = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), out)
    return unflat, jax.tree.map(lambda _: True, out)

  return batched
