# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Composites in plain XLA for accelerators: pieces of all lists in lockstep.

Lists are cut into pieces of a few blocks, which are worked on at once. The
light that reaches a piece is the product of the transmittances of the pieces
before it, by a parallel prefix product. So a piece begins with the light that
it would have in order, and pixels end at the same entry: nothing is
approximated, though most entries are evaluated twice. Pieces that no light
reaches and unused capacity are skipped. The others are worked on in chunks of
fixed size, which bounds memory. Under `vmap`, the pieces of a batch are joined.

One kernel blends a block; its threads are the pixels of all pieces.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import trees
from rdrl.splat.raster import blocks
from rdrl.splat.raster import slots

# Blocks of a piece. Longer pieces evaluate fewer entries twice, but are less
# parallel.
_LENGTH = 4
# Pieces in a chunk: enough pixels for the largest accelerators. The weights of
# one block of each take 64 MiB.
_NUMBER = 16384


@struct.dataclass
class _Pieces:
  """Pieces of lists, list after list.

  Attributes:
    tile: `[P]` int32.
    block: `[P]` int32 first block.
    count: `[P]` int32 blocks, 0 where there is no piece.
    rank: `[P]` int32 number of pieces before it in its list.
    is_last: `[P]` bool, whether it is the last of its list.
  """

  tile: jax.Array
  block: jax.Array
  count: jax.Array
  rank: jax.Array
  is_last: jax.Array


@blocks.join_batches
def forward(table, gaussian, valid, middle, first, count):
  """Like `queue.forward`."""
  pieces = _cut(first, count, len(gaussian))
  read = functools.partial(_read, table, gaussian, valid, middle)
  light = _light(pieces, read)

  def turn(index, image):
    here = trees.take(pieces, index)
    parts, _ = read(here)
    sums = _blend(*parts, light[index])
    return image.at[here.tile].add(sums)

  num_features = table.shape[1] - blocks.SHAPE + 1
  image = jnp.zeros((len(first), num_features, blocks.PIXELS))
  return _in_turns(_is_lit(light), turn, image)


@blocks.join_batches
def backward(table, gaussian, valid, middle, first, count, image, cotangent):
  """Like `queue.backward`."""
  pieces = _cut(first, count, len(gaussian))
  read = functools.partial(_read, table, gaussian, valid, middle)
  light = _light(pieces, read)
  is_lit = _is_lit(light)

  def value(index, values):
    here = trees.take(pieces, index)
    parts, _ = read(here)
    sums = _blend(*parts, light[index])
    found = jnp.sum(sums * cotangent[here.tile], 1)
    return values.at[index].set(found)

  values = _in_turns(is_lit & ~pieces.is_last, value, jnp.zeros_like(light))
  rest = jnp.sum(image * cotangent, 1)[pieces.tile] - _before(
    values, pieces.rank, jnp.add, 0
  )

  def turn(index, gradients):
    here = trees.take(pieces, index)
    above = cotangent[here.tile]
    parts, rows, pull_back = read(here, with_pull=True)

    def block(carry, parts):
      *carry, d_coefficients, d_features = slots.pull(
        *parts, *carry, above, fused=True
      )
      return carry, (d_coefficients, d_features)

    _, found = jax.lax.scan(
      block, [light[index], rest[index]], _by_block(parts)
    )
    (found,) = pull_back(_by_block(found))
    return gradients.at[rows].add(found)

  return _in_turns(is_lit, turn, jnp.zeros_like(table))


def _cut(first, count, num_blocks):
  """Cuts lists of blocks into `_Pieces`; the last piece is always empty."""
  number = -(-count // _LENGTH)
  ends = jnp.cumsum(number)
  starts = ends - number
  size = num_blocks // _LENGTH + len(count) + 1
  # A piece belongs to the last list that starts at or before it.
  marks = jnp.zeros(size, jnp.int32).at[starts].add(1, mode='drop')
  tile = jnp.cumsum(marks) - 1
  index = jnp.arange(size, dtype=jnp.int32)
  table = jnp.stack([starts, first, count], -1)[tile]
  rank = index - table[:, 0]
  done = _LENGTH * rank
  left = table[:, 2] - done
  exists = index < ends[-1]
  return _Pieces(
    tile=tile,
    block=table[:, 1] + done,
    count=jnp.where(exists, jnp.minimum(left, _LENGTH), 0),
    rank=jnp.where(exists, rank, 0),
    is_last=left <= _LENGTH,
  )


def _read(table, gaussian, valid, middle, pieces, with_pull=False):
  """Reads the entries of pieces.

  Returns:
    Coefficients `[P, _LENGTH, BLOCK, 6]` and features `[..., F]`, see
    `blocks.unpack`; `[P, _LENGTH, BLOCK]` int32 rows of the table; and, if
    asked for, the function that pulls cotangents back to the rows.
  """
  step = jnp.arange(_LENGTH, dtype=jnp.int32)
  block = jnp.minimum(pieces.block[:, None] + step, len(gaussian) - 1)
  is_entry = valid[block] & (step < pieces.count[:, None])[..., None]
  rows = gaussian[block]

  def unpack(x):
    return blocks.unpack(x, is_entry, middle[block])

  if with_pull:
    parts, pull = jax.vjp(unpack, table[rows])
    return parts, rows, pull
  return unpack(table[rows]), rows


def _blend(coefficients, features, light):
  """Weighted features of pieces."""

  def block(carry, parts):
    return slots.blend(*parts, *carry, fused=True), None

  sums = jnp.zeros((len(light), features.shape[-1], blocks.PIXELS))
  (_, sums), _ = jax.lax.scan(
    block, (light, sums), _by_block((coefficients, features))
  )
  return sums


def _light(pieces, read):
  """`[P, pixels]` share of the light that reaches each piece."""

  def turn(index, passed):
    (coefficients, _), _ = read(trees.take(pieces, index))
    coefficients = coefficients.reshape(len(index), -1, 6)
    return passed.at[index].set(slots.passed(coefficients))

  passed = _in_turns(
    (pieces.count > 0) & ~pieces.is_last,
    turn,
    jnp.ones((len(pieces.rank), blocks.PIXELS)),
  )
  light = _before(passed, pieces.rank, jnp.multiply, 1)
  return jnp.where(pieces.count[:, None] > 0, light, 0)


def _is_lit(light):
  return jnp.max(light, -1) > blocks.MIN_TRANSMITTANCE


def _before(values, rank, combine, neutral):
  """Exclusive prefix combination of `values` `[P, ...]` within each list."""
  index = jnp.arange(len(rank))

  def reach_farther(state):
    distance, values = state
    earlier = values[jnp.maximum(index - distance, 0)]
    is_same = (rank >= distance)[:, None]
    return 2 * distance, jnp.where(is_same, combine(values, earlier), values)

  _, values = jax.lax.while_loop(
    lambda state: state[0] <= jnp.max(rank), reach_farther, (1, values)
  )
  return jnp.where(rank[:, None] > 0, jnp.roll(values, 1, 0), neutral)


def _in_turns(wanted, turn, results):
  """Works on pieces, `_NUMBER` at a time; returns the results.

  Args:
    wanted: `[P]` bool, which ones; the last one, which is empty, fills up.
    turn: `(index [number], results) -> results`.
    results: before the first turn.
  """
  size = len(wanted)
  number = min(_NUMBER, size)
  room = -(-size // number) * number
  indices = jnp.nonzero(wanted, size=room, fill_value=size - 1)[0]
  return jax.lax.fori_loop(
    0,
    -(-jnp.sum(wanted) // number),
    lambda i, results: turn(
      jax.lax.dynamic_slice(indices, (i * number,), (number,)), results
    ),
    results,
  )


def _by_block(tree):
  """Swaps the axes of pieces and blocks."""
  return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree)
