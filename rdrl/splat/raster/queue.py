# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Composites in plain XLA by slots that work through a queue of tiles.

A loop holds a fixed number of slots, each on one tile. In every turn a slot
blends one block. When its list has ended or no light passes any more, it takes
the next tile from the queue, longest first. So all slots stay busy however
skewed the lists are, and no turn is spent behind an opaque surface. Under
`vmap`, the tiles of the whole batch are one queue.
"""

import jax
import jax.numpy as jnp

from rdrl.splat.raster import blocks
from rdrl.splat.raster import slots

# Most slots. A short queue gets fewer, lest all others wait for its longest
# tile.
_SLOTS = 16
_TILES_PER_SLOT = 8


@blocks.join_batches
def forward(table, gaussian, valid, middle, first, count):
  """Runs `composite.composite`; batches join their queues.

  Gathers only blocks that a slot reaches, so that unused capacity costs
  nothing.
  """
  tiles = len(first)

  def turn(block, transmittance, pixel, image, tile):
    rows = gaussian[block]
    parts = blocks.unpack(table[rows], valid[block], middle[block])
    transmittance, pixel = slots.blend(
      *parts, transmittance, pixel, fused=False
    )
    return transmittance, pixel, image.at[tile].set(pixel)

  def zeros(number):
    num_features = table.shape[1] - blocks.SHAPE + 1
    return jnp.zeros((number, num_features, blocks.PIXELS))

  # Idle slots write to the last row.
  image = _run_queue(
    first, count, turn, lambda tile: zeros(len(tile)), zeros(tiles + 1)
  )
  return image[:tiles]


@blocks.join_batches
def backward(table, gaussian, valid, middle, first, count, image, cotangent):
  """Cotangent of the table from that of the image `[tiles, F + 1, pixels]`."""
  tiles = len(first)
  cotangent = jnp.pad(cotangent, ((0, 1), (0, 0), (0, 0)))
  total = jnp.sum(jnp.pad(image, ((0, 1), (0, 0), (0, 0))) * cotangent, 1)

  def turn(block, transmittance, carry, gradients, tile):
    rest, cotangent = carry
    rows = gaussian[block]
    is_entry = valid[block] & (tile < tiles)[:, None]
    (coefficients, features), pull = jax.vjp(
      lambda x: blocks.unpack(x, is_entry, middle[block]), table[rows]
    )
    transmittance, rest, *found = slots.pull(
      coefficients,
      features,
      transmittance,
      rest,
      cotangent,
      fused=False,
    )
    (found,) = pull(tuple(found))
    return transmittance, (rest, cotangent), gradients.at[rows].add(found)

  def per_tile(tile):
    return total[tile], cotangent[tile]

  return _run_queue(first, count, turn, per_tile, jnp.zeros_like(table))


def _run_queue(first, count, turn, per_tile, results):
  """Works through all tiles; returns the results.

  Args:
    first: `[tiles]` first block.
    count: `[tiles]` blocks; empty tiles are skipped.
    turn: `(block [slots], transmittance, carry, results, tile [slots]) ->
      (transmittance, carry, results)` blends one block per slot.
    per_tile: `tile [slots] -> carry`, a slot's carry at the start of a tile.
    results: PyTree of arrays that `turn` writes.
  """
  tiles = len(first)
  number = min(_SLOTS, -(-tiles // _TILES_PER_SLOT))
  order = jnp.argsort(-count)
  num_active = jnp.sum(count > 0)
  first, count = first[order], count[order]

  def load(position):
    """The `position`-th tile of the queue, or the idle tile."""
    is_idle = position >= num_active
    position = jnp.minimum(position, tiles - 1)
    block = jnp.where(is_idle, 0, first[position])
    end = block + jnp.where(is_idle, 0, count[position])
    return jnp.where(is_idle, tiles, order[position]), block, end

  def is_busy(state):
    return jnp.any(state[1] < tiles)

  def body(state):
    taken, tile, block, end, transmittance, carry, results = state
    transmittance, carry, results = turn(
      block, transmittance, carry, results, tile
    )
    is_opaque = jnp.max(transmittance, -1) <= blocks.MIN_TRANSMITTANCE
    done = (block + 1 >= end) | is_opaque
    rank = taken + jnp.cumsum(done) - 1
    new_tile, new_block, new_end = load(rank)
    tile = jnp.where(done, new_tile, tile)
    block = jnp.where(done, new_block, block + 1)
    end = jnp.where(done, new_end, end)
    transmittance = jnp.where(done[:, None], 1, transmittance)
    carry = jax.tree.map(
      lambda new, old: jnp.where(
        done.reshape(-1, *[1] * (old.ndim - 1)), new, old
      ),
      per_tile(new_tile),
      carry,
    )
    taken = taken + jnp.sum(done)
    return taken, tile, block, end, transmittance, carry, results

  tile, block, end = load(jnp.arange(number))
  state = (
    jnp.asarray(number, jnp.int32),
    tile,
    block,
    end,
    jnp.ones((number, blocks.PIXELS), jnp.float32),
    per_tile(tile),
    results,
  )
  return jax.lax.while_loop(is_busy, body, state)[-1]
