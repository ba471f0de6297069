# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Which Gaussians each tile of an image must blend, nearest first.

All sorts are of single unsigned integers that carry their own position in their
low bits: on every backend that is several times cheaper than sorting floats or
key-value pairs, and it makes the sort stable.
"""

import math

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl.splat import composite


@struct.dataclass
class TileLists:
  """Blocks of entries, tile after tile.

  Attributes:
    gaussian: `[blocks, BLOCK]` int32 index of the Gaussian of each entry.
    valid: `[blocks, BLOCK]` bool.
    tile: `[blocks]` int32.
    first: `[tiles]` int32 first block of each tile.
    count: `[tiles]` int32 blocks of each tile.
    overflow: `[]` int32 (tile, Gaussian) pairs that found no room.
  """

  gaussian: jax.Array
  valid: jax.Array
  tile: jax.Array
  first: jax.Array
  count: jax.Array
  overflow: jax.Array


def tile_counts(height, width):
  """Rows and columns of tiles that cover an image."""
  return -(-height // composite.TILE_HEIGHT), -(-width // composite.TILE_WIDTH)


def capacity(num_gaussians, height, width, config):
  """(tile, Gaussian) pairs that an image has room for."""
  num_tiles = math.prod(tile_counts(height, width))
  return max(
    1,
    int(
      num_gaussians * config.entries_per_gaussian
      + num_tiles * config.entries_per_tile
    ),
  )


def depth_order(depth, visible):
  """`[N]` int32 indices by depth, exact; what is invisible comes last."""
  num = len(depth)
  bits = max((num - 1).bit_length(), 1)
  # The bits of positive floats are ordered like the floats.
  key = jax.lax.bitcast_convert_type(depth.astype(jnp.float32), jnp.uint32)
  key = jnp.where(visible, key, jnp.uint32(0x7F800000))
  order = jnp.arange(num, dtype=jnp.uint32)
  position = jnp.arange(num, dtype=jnp.uint32)
  for shift in range(0, 31, 32 - bits):
    digit = (key[order] >> shift) << bits
    packed = jnp.sort(digit | position)
    order = order[packed & np.uint32((1 << bits) - 1)]
  return order.astype(jnp.int32)


def bin_splats(splats, height, width, room):
  """`TileLists` of one image.

  Args:
    splats: `project.Splats` of `N` Gaussians.
    height: pixels.
    width: pixels.
    room: (tile, Gaussian) pairs to make room for, counted over the tiles of the
      bounding rectangles. What does not fit is the farthest.

  Raises:
    ValueError: if tiles and room together need more than 32 bits.
  """
  splats = jax.lax.stop_gradient(splats)
  rows, columns = tile_counts(height, width)
  tiles = rows * columns
  bits = max((room - 1).bit_length(), 1)
  if (tiles + 1) << bits > 1 << 32:
    raise ValueError(
      f'{tiles} tiles with {room} entries do not fit a 32-bit sort key'
    )

  order = depth_order(splats.depth, splats.visible)
  # Pixel centres at 0.5: pixel p lies within the ellipse's rectangle if
  # low - 0.5 <= p <= high - 0.5.
  low = (splats.xy - splats.reach - 0.5)[order]
  high = (splats.xy + splats.reach - 0.5)[order]
  size = np.array([composite.TILE_WIDTH, composite.TILE_HEIGHT])
  grid = np.array([columns, rows])
  # Clipping before the cast: integers from huge floats are undefined.
  begin = jnp.floor(jnp.clip(jnp.ceil(low) / size, 0, grid))
  end = jnp.floor(jnp.clip(jnp.floor(high) / size, -1, grid - 1)) + 1
  begin, end = begin.astype(jnp.int32), end.astype(jnp.int32)
  span = jnp.maximum(end - begin, 0)
  area = jnp.where(splats.visible[order], span[:, 0] * span[:, 1], 0)
  ends = jnp.cumsum(area)
  starts = ends - area
  overflow = jnp.maximum(ends[-1] - room, 0)

  # Entry e belongs to the last Gaussian whose entries start at or before it.
  marks = jnp.zeros(room, jnp.int32).at[starts].add(1, mode='drop')
  owner = jnp.cumsum(marks) - 1
  entry = jnp.arange(room, dtype=jnp.int32)
  table = jnp.stack([starts, begin[:, 0], begin[:, 1], span[:, 0]], -1)[owner]
  within = entry - table[:, 0]
  width_of = jnp.maximum(table[:, 3], 1)
  column = table[:, 1] + within % width_of
  row = table[:, 2] + within // width_of
  gaussian = order[owner]
  exists = entry < ends[-1]
  hit = exists & _ellipse_meets_tile(splats, gaussian, row, column)
  tile = jnp.where(hit, row * columns + column, tiles).astype(jnp.uint32)

  packed = jnp.sort((tile << bits) | entry.astype(jnp.uint32))
  edges = jnp.arange(tiles + 1, dtype=jnp.uint32) << bits
  edges = jnp.searchsorted(packed, edges).astype(jnp.int32)
  gaussian = gaussian[packed & np.uint32((1 << bits) - 1)]

  block = composite.BLOCK
  count = -(-(edges[1:] - edges[:-1]) // block)
  last = jnp.cumsum(count)
  first = last - count
  blocks = room // block + tiles
  index = jnp.arange(blocks, dtype=jnp.int32)
  tile_of_block = jnp.searchsorted(last, index, side='right').astype(jnp.int32)
  tile_of_block = jnp.minimum(tile_of_block, tiles - 1)
  start = edges[tile_of_block] + block * (index - first[tile_of_block])
  position = start[:, None] + jnp.arange(block)
  return TileLists(
    gaussian=gaussian[jnp.minimum(position, room - 1)],
    valid=position < edges[tile_of_block + 1][:, None],
    tile=tile_of_block,
    first=first,
    count=count,
    overflow=overflow,
  )


def _ellipse_meets_tile(splats, gaussian, row, column):
  """Whether alpha reaches 1/255 somewhere among a tile's pixel centres.

  Sigma is convex, so over a rectangle that does not hold its minimum it is
  least on the edges, where it is a parabola in one coordinate.
  """
  table = jnp.concatenate(
    [splats.xy, splats.conic, splats.log_opacity[:, None]], -1
  )[gaussian]
  x, y, a, b, c, log_opacity = jnp.moveaxis(table, -1, 0)
  left = column * composite.TILE_WIDTH + 0.5 - x
  right = left + (composite.TILE_WIDTH - 1)
  top = row * composite.TILE_HEIGHT + 0.5 - y
  bottom = top + (composite.TILE_HEIGHT - 1)

  def least(fixed, low, high, square_fixed, square_free):
    free = jnp.clip(-b * fixed / square_free, low, high)
    return (
      0.5 * (square_fixed * fixed * fixed + square_free * free * free)
      + b * fixed * free
    )

  sigma = jnp.minimum(
    jnp.minimum(
      least(left, top, bottom, a, c), least(right, top, bottom, a, c)
    ),
    jnp.minimum(
      least(top, left, right, c, a), least(bottom, left, right, c, a)
    ),
  )
  inside = (left <= 0) & (right >= 0) & (top <= 0) & (bottom >= 0)
  cutoff = log_opacity - np.log(composite.MIN_ALPHA)
  # The slack covers rounding, here and in the exponent polynomial.
  return inside | (sigma <= cutoff + 1e-3 * (1 + jnp.abs(sigma)))
