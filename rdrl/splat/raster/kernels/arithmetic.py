# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Arithmetic of one entry and the layout of lists, shared by all forms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdrl.splat.raster import blocks


class Lists(NamedTuple):
  """Blocks of entries in the layout of a form.

  Attributes:
    gaussian: `[rooms, ..., entries]` int32 row of the table of each entry.
    valid: `[rooms, ..., entries]` bool.
    middle: `[rooms, ..., 2]` middle of the tile in pixels.
    first: `[tiles]` int32 first block of each tile, or of each pair of tiles.
    count: `[tiles]` int32 blocks of each.
  """

  gaussian: jax.Array
  valid: jax.Array
  middle: jax.Array
  first: jax.Array
  count: jax.Array


def places(pixel):
  """x and y of numbered pixels from the middle of their tile, in a kernel."""
  x, y = pixel % blocks.TILE_WIDTH, pixel // blocks.TILE_WIDTH
  x = x.astype(jnp.float32) + (0.5 - blocks.TILE_WIDTH / 2)
  y = y.astype(jnp.float32) + (0.5 - blocks.TILE_HEIGHT / 2)
  return x, y


def alpha(c, x, y):
  """Alpha and exponent of six coefficients `c` at x and y."""
  exponent = c[0] + x * (c[1] + x * c[3] + y * c[4]) + y * (c[2] + y * c[5])
  return blocks.opacity(exponent), exponent


def moments(d_exponent, x, y, total):
  """Gradients of six coefficients, a list.

  Args:
    d_exponent: `[..., pixels]`.
    x: of the pixels, broadcasts against `d_exponent`.
    y: of the pixels, broadcasts against `d_exponent`.
    total: function that sums over pixels.
  """
  by_x, by_y = d_exponent * x, d_exponent * y
  sums = [d_exponent, by_x, by_y, by_x * x, by_x * y, by_y * y]
  return list(map(total, sums))


def is_lit(light):
  return jnp.max(light) > blocks.MIN_TRANSMITTANCE


def array(*shape, dtype=jnp.float32):
  return jax.ShapeDtypeStruct(shape, dtype)
