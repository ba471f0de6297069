# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What all forms do with an entry of a list, and lists arranged for them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdrl.splat.raster import blocks


class Lists(NamedTuple):
  """Blocks of entries, as a form wants them.

  Attributes:
    gaussian: `[rooms, ...]` int32 row of the table of each entry.
    valid: `[rooms, ...]` bool.
    middle: `[rooms, ..., 2]` pixels, without the last axis of the former.
    first: `[tiles]` int32 first block of each tile, or of each pair of tiles.
    count: `[tiles]` int32 blocks, likewise.
  """

  gaussian: jax.Array
  valid: jax.Array
  middle: jax.Array
  first: jax.Array
  count: jax.Array


def places(pixel):
  """x and y about the middle of a tile of pixels by number, in a kernel."""
  x, y = pixel % blocks.TILE_WIDTH, pixel // blocks.TILE_WIDTH
  x = x.astype(jnp.float32) + (0.5 - blocks.TILE_WIDTH / 2)
  y = y.astype(jnp.float32) + (0.5 - blocks.TILE_HEIGHT / 2)
  return x, y


def alpha(c, x, y):
  """Opacity and exponent of six coefficients at x and y."""
  exponent = c[0] + x * (c[1] + x * c[3] + y * c[4]) + y * (c[2] + y * c[5])
  return blocks.opacity(exponent), exponent


def moments(d_exponent, x, y, total):
  """Gradients of six coefficients, a list.

  Args:
    d_exponent: `[..., pixels]`.
    x: of the pixels, which broadcasts against it.
    y: likewise.
    total: sums over pixels.
  """
  by_x, by_y = d_exponent * x, d_exponent * y
  sums = [d_exponent, by_x, by_y, by_x * x, by_x * y, by_y * y]
  return list(map(total, sums))


def is_lit(light):
  return jnp.max(light) > blocks.MIN_TRANSMITTANCE


def array(*shape, dtype=jnp.float32):
  return jax.ShapeDtypeStruct(shape, dtype)
