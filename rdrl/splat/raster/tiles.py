# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Lists the Gaussians that each tile of an image blends, nearest first.

On accelerators the number of kernels costs more than their work, and sorting
pairs takes linear time: Gaussians are sorted by depth, then entries by tile,
stably. On CPUs sorting costs most, and that of pairs several times as much as
that of integers: tile, depth and Gaussian of an entry are packed into one
integer and sorted once.
"""

import functools
import math

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl.splat.raster import blocks

# (tile, Gaussian) pairs at which counting stops.
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
    overflow: `[]` int32 (tile, Gaussian) pairs beyond the capacity.
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


def capacity(num_gaussians, height, width, config, num_parts=1):
  """Most (tile, Gaussian) pairs of an image, or of a part of it."""
  rows, columns = tile_counts(height, width)
  room = max(
    1,
    int(
      num_gaussians * config.entries_per_gaussian
      + rows * columns * config.entries_per_tile
    ),
  )
  if num_parts > 1:
    # Rows of tiles next to each other are about equally full.
    room = math.ceil(1.1 * room * -(-rows // num_parts) / rows)
  return room


def count_entries(splats, height, width):
  """`[]` float32 (tile, Gaussian) pairs of an image, as `bin_splats` counts."""
  _, span = _rectangles(splats, height, width)
  area = jnp.prod(span.astype(jnp.float32), -1)
  return jnp.sum(jnp.where(splats.visible, area, 0))


def _rectangles(splats, height, width):
  """First tile `[N, 2]` (column, row) and tiles along each axis `[N, 2]`."""
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
    room: static, capacity in (tile, Gaussian) pairs, counted over the tiles of
      bounding rectangles. The farthest pairs beyond it are dropped.
    config: `RenderConfig`, with the near and far of `splats`.
    first_row: `[]` int32, the first row of tiles.
    num_parts: static, rows from one to the next.
  """
  splats = jax.lax.stop_gradient(splats)
  rows, columns = tile_counts(height, width)
  begin, span = _rectangles(splats, height, width)
  # From here on, rows count those of this part.
  begin_row, end_row = (
    (row - first_row + num_parts - 1) // num_parts
    for row in (begin[:, 1], begin[:, 1] + span[:, 1])
  )
  area = span[:, 0] * (end_row - begin_row)
  area = jnp.where(splats.visible, area, 0).astype(jnp.uint32)
  depth, depth_bits = _depth_keys(splats, config)
  table = jnp.stack([begin[:, 0], begin_row, span[:, 0]], -1)
  shape = jnp.concatenate(
    [splats.xy, splats.conic, splats.log_opacity[:, None]], -1
  )
  table = jnp.concatenate(
    [
      table,
      jax.lax.bitcast_convert_type(depth, jnp.int32)[:, None],
      jax.lax.bitcast_convert_type(shape, jnp.int32),
    ],
    -1,
  )
  build = functools.partial(
    _lists,
    depth_bits=depth_bits,
    room=room,
    columns=columns,
    tiles=-(-rows // num_parts) * columns,
    num_parts=num_parts,
  )
  return jax.lax.platform_dependent(
    table,
    area,
    depth,
    jnp.asarray(first_row, jnp.int32),
    cpu=functools.partial(build, sorts_once=True),
    default=functools.partial(build, sorts_once=False),
  )


def _depth_keys(splats, config):
  """Keys `[N]` uint32 in the order of depth, invisible last; and their bits."""
  # The bits of positive floats are ordered like the floats.
  low, high = np.array([config.near, config.far], np.float32).view(np.uint32)
  key = jax.lax.bitcast_convert_type(
    splats.depth.astype(jnp.float32), jnp.uint32
  )
  key = jnp.where(splats.visible, key, high) - low
  return key, int(high - low).bit_length()


def _lists(
  table,
  area,
  depth,
  first_row,
  *,
  depth_bits,
  room,
  columns,
  tiles,
  num_parts,
  sorts_once,
):
  """See `bin_splats`.

  Args:
    table: `[N, 10]` int32: column and row of a Gaussian's first tile, its
      columns of tiles, `depth`, and the bits of its xy, conic and log opacity.
    area: `[N]` uint32 number of its tiles.
    depth: `[N]` uint32 keys of `depth_bits` bits.
    first_row: see `bin_splats`.
    depth_bits: static.
    room: static, see `bin_splats`.
    columns: static, of tiles.
    tiles: static, number of tiles in this part.
    num_parts: static, see `bin_splats`.
    sorts_once: static, whether tile, depth and Gaussian are one integer.
  """
  count = len(table)
  total = jnp.sum(area)
  is_countable = jnp.sum(area.astype(jnp.float32)) < MOST
  fits = is_countable & (total <= room)
  tile_bits, bits = tiles.bit_length(), count.bit_length()
  sorts_once &= tile_bits + depth_bits + bits <= 64
  if sorts_once:
    # Depth order matters here only for what is dropped.
    order = _order_unless(fits, depth, depth_bits)
  else:
    index = jnp.arange(count, dtype=jnp.int32)
    _, order = _sort_pairs(depth, index, depth_bits)
  area = area[order]
  ends = jnp.cumsum(area)
  # From where the sum wraps around, all entries are dropped.
  index = jnp.arange(count)
  wraps = jnp.min(jnp.where(ends < area, index, count))
  starts = jnp.where(index < wraps, ends - area, np.uint32(room))

  # Entry e belongs to the last Gaussian whose entries start at or before it.
  marks = jnp.zeros(room, jnp.int32).at[starts].add(1, mode='drop')
  owner = jnp.cumsum(marks) - 1
  start, gaussian = jnp.unstack(
    jnp.stack([starts.astype(jnp.int32), order], -1)[owner], axis=-1
  )
  column, row, width, depth, *shape = jnp.unstack(table[gaussian], axis=-1)
  entry = jnp.arange(room, dtype=jnp.int32)
  within = entry - start
  width = jnp.maximum(width, 1)
  # Exact below 2^22 and much faster than dividing integers.
  down = ((within + 0.5) / width).astype(jnp.int32)
  column += within - down * width
  row += down
  hit = (~fits | (entry < total.astype(jnp.int32))) & _ellipse_meets_tile(
    [jax.lax.bitcast_convert_type(x, jnp.float32) for x in shape],
    row * num_parts + first_row,
    column,
  )
  tile = jnp.where(hit, row * columns + column, tiles)

  size = blocks.BLOCK
  number = jnp.zeros(tiles, jnp.int32).at[tile].add(1, mode='drop')
  full = -(-number // size)
  last = jnp.cumsum(full)
  first = last - full
  if sorts_once:
    _, _, gaussian = sort_packed(
      (tile, tile_bits), (depth, depth_bits), (gaussian, bits)
    )
    gaussian, valid, tile = _cut(gaussian, number, first, last)
  else:
    gaussian, valid, tile = _sort_filled(
      tile, jnp.where(hit, gaussian, -1), full * size - number
    )
  overflow = jnp.maximum(total, np.uint32(room)) - np.uint32(room)
  return TileLists(
    gaussian=gaussian,
    valid=valid,
    tile=tile,
    first=first,
    count=full,
    overflow=jnp.where(is_countable, overflow, MOST).astype(jnp.int32),
  )


def _cut(gaussian, number, first, last):
  """Cuts entries, sorted by tile, into blocks.

  Args:
    gaussian: `[room]` of each entry.
    number: `[tiles]` of entries.
    first: `[tiles]` first block.
    last: `[tiles]` one beyond the last block.

  Returns:
    `gaussian`, `valid` and `tile` of `TileLists`.
  """
  room, tiles, size = len(gaussian), len(number), blocks.BLOCK
  ends = jnp.cumsum(number)
  index = jnp.arange((room + (size - 1) * tiles) // size, dtype=jnp.int32)
  tile = jnp.searchsorted(last, index, side='right').astype(jnp.int32)
  tile = jnp.minimum(tile, tiles - 1)
  start = (ends - number)[tile] + size * (index - first[tile])
  position = start[:, None] + jnp.arange(size)
  valid = position < ends[tile][:, None]
  return gaussian[jnp.minimum(position, room - 1)], valid, tile


def _sort_filled(tile, gaussian, missing):
  """Sorts entries by tile into blocks, without a gather after the sort.

  Fillers that complete each tile's last block are sorted along.

  Args:
    tile: `[room]` of each entry, the number of tiles where there is none.
    gaussian: `[room]` of each entry, -1 where there is none.
    missing: `[tiles]` fillers of each tile.

  Returns:
    `gaussian`, `valid` and `tile` of `TileLists`.
  """
  tiles, size = len(missing), blocks.BLOCK
  is_filler = jnp.arange(size - 1) < missing[:, None]
  filler = jnp.where(is_filler, jnp.arange(tiles)[:, None], tiles).ravel()
  tile, gaussian = _sort_pairs(
    jnp.concatenate([tile, filler]),
    jnp.pad(gaussian, (0, len(filler)), constant_values=-1),
    tiles.bit_length(),
  )
  whole = len(tile) // size * size
  gaussian = gaussian[:whole].reshape(-1, size)
  tile = jnp.minimum(tile[:whole:size], tiles - 1)
  return jnp.maximum(gaussian, 0), gaussian >= 0, tile


def _sort_pairs(key, value, key_bits):
  """Sorts `[n]` keys below 2^key_bits stably, and `[n]` values along.

  Under `vmap` all images are sorted at once, if the image's number fits in
  front of the key: XLA on GPUs sorts a few large batches by comparisons, but
  one by radix (`IsCubSortFasterOnH100` in its sort_rewriter.cc).
  """

  def run(key, value):
    images, count = key.shape
    if key_bits + (images - 1).bit_length() > 32:
      return jax.lax.sort((key, value), num_keys=1)
    image = jnp.arange(images, dtype=jnp.uint32)[:, None] << key_bits
    key, value = jax.lax.sort(
      ((key | image).ravel(), value.ravel()), num_keys=1
    )
    key &= np.uint32(2**key_bits - 1)
    return key.reshape(images, count), value.reshape(images, count)

  key, value = blocks.join_batches(run, {})(
    key.astype(jnp.uint32)[None], value[None]
  )
  return key[0].astype(jnp.int32), value[0]


def sort_packed(*fields):
  """Sorts rows of `[n]` fields, each below a power of two, by all of them.

  Args:
    *fields: pairs of an array of no negative numbers and its bits, together at
      most 64.
  """
  with jax.enable_x64(True):
    packed = jnp.zeros_like(fields[0][0], jnp.uint64)
    for field, bits in fields:
      packed = packed << np.uint64(bits) | field.astype(jnp.uint64)
    packed = jax.lax.sort(packed)
    found = []
    for _, bits in reversed(fields):
      found.append((packed & np.uint64(2**bits - 1)).astype(jnp.int32))
      packed >>= np.uint64(bits)
  return found[::-1]


def _order_unless(fits, depth, depth_bits):
  """Indices `[N]` int32 by depth, or unsorted where all images fit."""

  def run(fits, depth):
    index = jax.lax.broadcasted_iota(jnp.int32, depth.shape, 1)

    def ordered(depth):
      bits = depth.shape[1].bit_length()
      return jax.vmap(
        lambda *x: sort_packed((x[0], depth_bits), (x[1], bits))[1]
      )(depth, index)

    return jax.lax.cond(jnp.all(fits), lambda _: index, ordered, depth)

  return blocks.join_batches(run, {})(fits[None], depth[None])[0]


def _ellipse_meets_tile(shape, row, column):
  """Whether alpha reaches 1/255 somewhere among a tile's pixel centres.

  Sigma is convex, so over a rectangle that does not hold its minimum it is
  least on an edge, where it is a parabola in one coordinate.

  Args:
    shape: six `[n]`: x, y, conic xx, xy, yy and logarithm of the opacity.
    row: `[n]` of the tile.
    column: `[n]` of the tile.
  """
  x, y, a, b, c, log_opacity = shape
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
