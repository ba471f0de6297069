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

from rdrl.splat import blocks

# Pairs beyond which counting stops.
MOST = 2**30


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
  return -(-height // blocks.TILE_HEIGHT), -(-width // blocks.TILE_WIDTH)


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


def count_entries(splats, height, width):
  """`[]` float32 (tile, Gaussian) pairs of an image, as `bin_splats` counts."""
  _, span = _rectangles(splats, height, width)
  area = jnp.prod(span.astype(jnp.float32), -1)
  return jnp.sum(jnp.where(splats.visible, area, 0))


def depth_order(depth, visible, near=0.0, far=np.inf):
  """`[N]` int32 indices by depth, exact; what is invisible comes last.

  Args:
    depth: `[N]` metres.
    visible: `[N]` bool; what is visible lies between `near` and `far`.
    near: Python float; the closer to `far`, the fewer bits are sorted.
    far: Python float.
  """
  # The bits of positive floats are ordered like the floats.
  low, high = np.array([near, far], np.float32).view(np.uint32)
  key = jax.lax.bitcast_convert_type(depth.astype(jnp.float32), jnp.uint32)
  key = jnp.where(visible, key, high) - low
  return _stable_order(key, int(high - low).bit_length())


def _stable_order(key, key_bits):
  """`[n]` int32 that sorts `[n]` uint32 keys below 2^key_bits, stably."""
  bits = max((len(key) - 1).bit_length(), 1)
  # Short keys leave room for a position within a part at least.
  if bits > 32 - key_bits >= key_bits:
    return _order_in_parts(key, key_bits)
  # Digits, the least significant first, each sorted together with the position
  # in the order so far: as many bits of the key as a position leaves free.
  position = jnp.arange(len(key), dtype=jnp.uint32)
  order = position
  for shift in range(0, key_bits, 32 - bits):
    # The bits above the digit are lost on the left.
    digit = (key[order] if shift else key) >> shift << bits
    packed = jnp.sort(digit | position)
    order = order[packed & np.uint32((1 << bits) - 1)]
  return order.astype(jnp.int32)


def _order_in_parts(key, key_bits):
  """Sorts parts, whose positions are short, and counts where each key goes."""
  bits = 32 - key_bits
  parts = -(-len(key) >> bits)
  count = len(key)
  # What fills up the last part comes behind all else.
  key = jnp.pad(
    key, (0, (parts << bits) - count), constant_values=2**key_bits - 1
  )
  position = jnp.arange(1 << bits, dtype=jnp.uint32)
  packed = jnp.sort(key.reshape(parts, -1) << bits | position, -1)
  part = jnp.arange(parts, dtype=jnp.int32)[:, None]
  key = (packed >> bits).astype(jnp.int32)
  number = jnp.zeros((parts, 1 << key_bits), jnp.int32).at[part, key].add(1)
  # Of one key, the first part goes first.
  ends = jnp.cumsum(number.T.ravel()).reshape(-1, parts).T
  shift = (ends - number) - (jnp.cumsum(number, -1) - number)
  place = shift[part, key] + position.astype(jnp.int32)
  source = (packed & np.uint32((1 << bits) - 1)).astype(jnp.int32)
  order = jnp.zeros(parts << bits, jnp.int32)
  order = order.at[place].set(source + (part << bits), unique_indices=True)
  return order[:count]


def _rectangles(splats, height, width):
  """First tile (column, row) and number of tiles `[N, 2]` that each meets."""
  # Pixel centres at 0.5: pixel p lies within the ellipse's rectangle if
  # low - 0.5 <= p <= high - 0.5.
  low = splats.xy - splats.reach - 0.5
  high = splats.xy + splats.reach - 0.5
  size = np.array([blocks.TILE_WIDTH, blocks.TILE_HEIGHT])
  grid = np.array(tile_counts(height, width)[::-1])
  # Clipping before the cast: integers from huge floats are undefined.
  begin = jnp.floor(jnp.clip(jnp.ceil(low) / size, 0, grid)).astype(jnp.int32)
  last = jnp.floor(jnp.clip(jnp.floor(high) / size, -1, grid - 1))
  return begin, jnp.maximum(last.astype(jnp.int32) + 1 - begin, 0)


def bin_splats(splats, height, width, room, config, first_row=0, num_parts=1):
  """`TileLists` of one image, or of every `num_parts`-th row of its tiles.

  Args:
    splats: `project.Splats` of `N` Gaussians.
    height: pixels.
    width: pixels.
    room: (tile, Gaussian) pairs to make room for, counted over the tiles of the
      bounding rectangles. What does not fit is the farthest.
    config: `splat.Config`, whose near and far are those of `splats`.
    first_row: `[]` int32, the first row of tiles.
    num_parts: static, rows from one to the next.
  """
  splats = jax.lax.stop_gradient(splats)
  rows, columns = tile_counts(height, width)
  tiles = -(-rows // num_parts) * columns
  order = depth_order(splats.depth, splats.visible, config.near, config.far)
  begin, span = _rectangles(splats, height, width)
  # From here on, rows count those of this part.
  begin_row, end_row = (
    (row - first_row + num_parts - 1) // num_parts
    for row in (begin[:, 1], begin[:, 1] + span[:, 1])
  )
  begin = jnp.stack([begin[:, 0], begin_row], -1)
  span = jnp.stack([span[:, 0], end_row - begin_row], -1)
  area = jnp.where(splats.visible, jnp.prod(span, -1), 0)
  begin, span, area = begin[order], span[order], area[order]
  # More than can be counted finds no room anyway.
  is_countable = jnp.cumsum(area.astype(jnp.float32)) < MOST
  area = jnp.where(is_countable, area, 0)
  ends = jnp.cumsum(area)
  starts = ends - area
  overflow = jnp.where(is_countable[-1], jnp.maximum(ends[-1] - room, 0), MOST)

  # Entry e belongs to the last Gaussian whose entries start at or before it.
  marks = jnp.zeros(room, jnp.int32).at[starts].add(1, mode='drop')
  owner = jnp.cumsum(marks) - 1
  entry = jnp.arange(room, dtype=jnp.int32)
  table = jnp.stack([starts, begin[:, 0], begin[:, 1], span[:, 0]], -1)[owner]
  within = entry - table[:, 0]
  width_of = jnp.maximum(table[:, 3], 1)
  # Exact below 2^22 and far cheaper than dividing integers.
  row = ((within + 0.5) / width_of).astype(jnp.int32)
  column = table[:, 1] + within - row * width_of
  row += table[:, 2]
  gaussian = order[owner]
  exists = entry < ends[-1]
  hit = exists & _ellipse_meets_tile(
    splats, gaussian, row * num_parts + first_row, column
  )
  tile = jnp.where(hit, row * columns + column, tiles).astype(jnp.uint32)
  order = _stable_order(tile, tiles.bit_length())
  edges = jnp.searchsorted(tile[order], np.arange(tiles + 1, dtype=np.uint32))
  edges = edges.astype(jnp.int32)
  gaussian = gaussian[order]

  size = blocks.BLOCK
  count = -(-(edges[1:] - edges[:-1]) // size)
  last = jnp.cumsum(count)
  first = last - count
  index = jnp.arange(room // size + tiles, dtype=jnp.int32)
  tile_of_block = jnp.searchsorted(last, index, side='right').astype(jnp.int32)
  tile_of_block = jnp.minimum(tile_of_block, tiles - 1)
  start = edges[tile_of_block] + size * (index - first[tile_of_block])
  position = start[:, None] + jnp.arange(size)
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
  left = column * blocks.TILE_WIDTH + 0.5 - x
  right = left + (blocks.TILE_WIDTH - 1)
  top = row * blocks.TILE_HEIGHT + 0.5 - y
  bottom = top + (blocks.TILE_HEIGHT - 1)

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
  cutoff = log_opacity - np.log(blocks.MIN_ALPHA)
  # The slack covers rounding, here and in the exponent polynomial.
  return inside | (sigma <= cutoff + 1e-3 * (1 + jnp.abs(sigma)))
