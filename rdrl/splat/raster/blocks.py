# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What is blended: blocks of entries of tiles, as matrices.

The exponent of a Gaussian is a quadratic polynomial of the pixel's place in its
tile, hence for a block a matrix product with six monomials that are the same
for all tiles; the sums over pixels in the backward pass are products with the
same monomials. Tile-local coordinates keep the cancellation of float32 small.
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

# Of one entry in one pixel: below the first it is skipped, at the second it
# stops, as in gsplat 1.5.
MIN_ALPHA, MAX_ALPHA = 1 / 255, 0.999
# Opacity logit of what is not drawn at all.
TRANSPARENT = -20.0
MIN_TRANSMITTANCE = 1e-4

PIXELS = TILE_HEIGHT * TILE_WIDTH


# Arguments of `composite` that hold rows of another one, to that other one.
_POINTERS = {1: 0, 4: 1}

# Who blends: XLA in either of two forms, or one of `kernels.FORMS`.
BACKENDS = ('queue', 'lockstep', 'triton', 'mosaic', 'mosaic_gpu')


def monomials():
  """`[6, pixels]`: 1, x, y, x^2, xy, y^2 about the middle of a tile."""
  y, x = np.mgrid[:TILE_HEIGHT, :TILE_WIDTH] + 0.5
  x, y = x.ravel() - TILE_WIDTH / 2, y.ravel() - TILE_HEIGHT / 2
  rows = [np.ones_like(x), x, y, x * x, x * y, y * y]
  return np.stack(rows).astype(np.float32)


def opacity(exponent):
  """Alpha of an exponent; what is below 1/255 is nothing."""
  alpha = jnp.exp(jnp.minimum(exponent, np.log(MAX_ALPHA)))
  return jnp.where(exponent >= np.log(MIN_ALPHA), alpha, 0)


def blend(before, alpha):
  """One entry of the forward pass.

  Args:
    before: transmittance before the entry.
    alpha: of the entry, likewise shaped.

  Returns:
    Transmittance after it, and its weight.
  """
  after = before * (1 - alpha)
  return after, jnp.where(after > MIN_TRANSMITTANCE, alpha * before, 0)


def pull(before, rest, alpha, exponent, value):
  """One entry of the backward pass, see `composite`.

  Args:
    before: transmittance before the entry.
    rest: what the cotangent makes of all that has not been blended yet.
    alpha: of the entry.
    exponent: of the entry.
    value: what the cotangent makes of the entry's features.

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
  """Coefficients `[..., 6]` and features `[..., F + 1]` of blocks of entries.

  Args:
    rows: `[..., BLOCK, 6 + F]` of the table, see `composite`.
    valid: `[..., BLOCK]`.
    middle: `[..., 2]` pixels.
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
  """Batches by joining the lists of the batch into one.

  Args:
    function: of arrays whose leading axes are joined.
    pointers: argument that holds rows of another one to that other one; both
      by number. The default is that of a pass of `composite`.
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
