# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Mosaic on TPUs: entries along the lanes, pixels along the sublanes.

The grid walks through the blocks, 128 entries of one tile each, tile after
tile. A tile's sums stay in fast memory until the next tile begins. The
sequential part of a block is a running product or sum along the lanes, written
as a product with a triangular matrix, for which TPUs have a unit.
"""

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
import jax.numpy as jnp

from rdrl.splat.raster import blocks
from rdrl.splat.raster.kernels import arithmetic

# Lanes of a TPU, and entries of a block here.
LANES = 128
# Most blocks in one call: their tile numbers take up half of the 1 MiB of
# scalar memory of a core, from the fourth generation on.
MOST_BLOCKS = 2**17


def arrange(gaussian, valid, middle, first, count):
  """Joins the blocks of lists to `LANES` entries, `[rooms, LANES]`."""
  size = LANES // blocks.BLOCK
  number = -(-count // size)
  last = jnp.cumsum(number)
  lists = arithmetic.Lists(gaussian, valid, middle, last - number, number)
  rooms = len(gaussian) // size + len(first)
  # All calls have one size. Blocks beyond all lists are empty and belong to the
  # last tile.
  calls = -(-rooms // MOST_BLOCKS)
  rooms = calls * -(-rooms // calls)
  tile = _owners(lists, rooms)
  within = jnp.arange(rooms, dtype=jnp.int32) - lists.first[tile]
  source = size * within[:, None] + jnp.arange(size, dtype=jnp.int32)
  exists = source < count[tile][:, None]
  source = jnp.where(exists, source + first[tile][:, None], 0)
  return lists._replace(
    gaussian=gaussian[source].reshape(rooms, LANES),
    valid=(valid[source] & exists[..., None]).reshape(rooms, LANES),
    middle=middle[source[:, 0]],
  )


def blend(lists, coefficients, features, interpret):
  """See `triton.blend`; coefficients and features are `[rooms, LANES, ...]`."""
  tiles, num_features = len(lists.first), features.shape[-1]

  def kernel(tile, coefficients, features, light_in, image, light_out, light):
    begins = _begins(tile)

    @pl.when(pl.program_id(0) == 0)
    def _():
      light[...] = light_in[...]

    @pl.when(begins)
    def _():
      light[...] = jnp.ones_like(light)

    # Calls add up, so each starts at zero, even within a tile.
    @pl.when(begins | (pl.program_id(0) == 0))
    def _():
      image[...] = jnp.zeros_like(image)

    @pl.when(arithmetic.is_lit(light[...]))
    def _():
      c = _rows(coefficients)
      alpha, _ = arithmetic.alpha(c, *_places())
      before = light[...] * jnp.exp(_sum_before(jnp.log(1 - alpha)))
      after, weight = blocks.blend(before, alpha)
      image[0] += _product(features[0], weight, 1, 1)
      light[...] = jnp.broadcast_to(after[:, LANES - 1 :], light.shape)

    light_out[...] = light[...]

  matrix = blocks.PIXELS, LANES
  shape = arithmetic.array(tiles, num_features, blocks.PIXELS)

  def call(carry, tile, *parts):
    image, light = carry
    new, light = _call(
      kernel,
      grid=len(tile) - 1,
      in_specs=[
        *(_of_block(*x.shape[1:]) for x in parts),
        _whole(*matrix),
      ],
      out_specs=[_of_tile(num_features, blocks.PIXELS), _whole(*matrix)],
      out_shape=[shape, arithmetic.array(*matrix)],
      scratch_shapes=[pltpu.VMEM(matrix, jnp.float32)],
      interpret=interpret,
    )(tile, *parts, light)
    return (image + jnp.where(_touched(lists, tile), new, 0), light), ()

  (image, _), () = _in_calls(
    call,
    (jnp.zeros(shape.shape), jnp.ones(matrix)),
    lists,
    jnp.swapaxes(coefficients, 1, 2),
    jnp.swapaxes(features, 1, 2),
  )
  return image


def pull(lists, coefficients, features, total, cotangent, interpret):
  """See `triton.pull`; coefficients and features are `[rooms, LANES, ...]`."""
  num_features = features.shape[-1]

  def kernel(tile, coefficients, features, *refs):
    total, cotangent, light_in, rest_in, *out = refs
    *out, light_out, rest_out, light, rest = out

    @pl.when(pl.program_id(0) == 0)
    def _():
      light[...] = light_in[...]
      rest[...] = rest_in[...]

    @pl.when(_begins(tile))
    def _():
      light[...] = jnp.ones_like(light)
      # Moves pixels from lanes to sublanes.
      rest[...] = _product(total[0], jnp.ones((1, LANES), jnp.float32), 0, 0)

    is_lit = arithmetic.is_lit(light[...])

    @pl.when(~is_lit)
    def _():
      for ref in out:
        ref[...] = jnp.zeros_like(ref)

    @pl.when(is_lit)
    def _():
      c, places = _rows(coefficients), _places()
      alpha, exponent = arithmetic.alpha(c, *places)
      before = light[...] * jnp.exp(_sum_before(jnp.log(1 - alpha)))
      value = _product(cotangent[0], features[0], 0, 0)
      after, weight = blocks.blend(before, alpha)
      _, after_rest, weight, d_exponent = blocks.pull(
        before,
        rest[...] - _sum_before(weight * value),
        alpha,
        exponent,
        value,
      )
      d_coefficients = arithmetic.moments(
        d_exponent, *places, lambda x: jnp.sum(x, 0, keepdims=True)
      )
      for i, row in enumerate(d_coefficients):
        out[0][0, i : i + 1, :] = row
      out[1][0] = _product(cotangent[0], weight, 1, 0)
      for ref, x in ((light, after), (rest, after_rest)):
        ref[...] = jnp.broadcast_to(x[:, LANES - 1 :], ref.shape)

    light_out[...] = light[...]
    rest_out[...] = rest[...]

  widths = 6, num_features
  matrix = blocks.PIXELS, LANES

  def call(carry, tile, *parts):
    *out, light, rest = _call(
      kernel,
      grid=len(tile) - 1,
      in_specs=[
        *(_of_block(*x.shape[1:]) for x in parts),
        _of_tile(1, blocks.PIXELS),
        _of_tile(num_features, blocks.PIXELS),
        _whole(*matrix),
        _whole(*matrix),
      ],
      out_specs=[
        *(_of_block(width, LANES) for width in widths),
        _whole(*matrix),
        _whole(*matrix),
      ],
      out_shape=[
        *(arithmetic.array(len(tile) - 1, width, LANES) for width in widths),
        arithmetic.array(*matrix),
        arithmetic.array(*matrix),
      ],
      scratch_shapes=[pltpu.VMEM(matrix, jnp.float32)] * 2,
      interpret=interpret,
    )(
      tile,
      *parts,
      total[:, None],
      cotangent,
      *carry,
    )
    return (light, rest), out

  _, out = _in_calls(
    call,
    (jnp.ones(matrix), jnp.zeros(matrix)),
    lists,
    jnp.swapaxes(coefficients, 1, 2),
    jnp.swapaxes(features, 1, 2),
  )
  return [jnp.swapaxes(x, 1, 2) for x in out]


def _owners(lists, rooms):
  """`[rooms]` int32: the tile of each block."""
  index = jnp.arange(rooms, dtype=jnp.int32)
  tile = jnp.searchsorted(lists.first + lists.count, index, side='right')
  return jnp.minimum(tile.astype(jnp.int32), len(lists.first) - 1)


def _in_calls(call, carry, lists, *parts):
  """Scans over calls of at most `MOST_BLOCKS` blocks.

  Args:
    call: `(carry, tile, *parts) -> (carry, out)`, where `tile` has the tile of
      the block before these, then that of each of them.
    carry: of the first call.
    lists: `arithmetic.Lists`.
    parts: `[rooms, ...]` arrays.

  Returns:
    The last carry, and `[rooms, ...]` arrays.
  """
  tile = _owners(lists, len(lists.gaussian))
  calls = -(-len(tile) // MOST_BLOCKS)
  size = len(tile) // calls
  start = jnp.full(1, -1, jnp.int32)
  before = jnp.concatenate([start, tile[size - 1 : -1 : size]])
  tile = jnp.concatenate([before[:, None], tile.reshape(calls, size)], 1)
  if calls == 1:
    return call(carry, tile[0], *parts)
  parts = [x.reshape(calls, size, *x.shape[1:]) for x in parts]
  carry, out = jax.lax.scan(lambda c, x: call(c, *x), carry, (tile, *parts))
  return carry, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), out)


def _touched(lists, tile):
  """`[tiles, 1, 1]` bool, whether a call has blocks of a tile."""
  touched = jnp.zeros(len(lists.first), bool).at[tile[1:]].set(True)
  return touched[:, None, None]


def _begins(tile):
  """Whether a tile begins with this block."""
  block = pl.program_id(0)
  return tile[block + 1] != tile[block]


def _call(kernel, *, grid, in_specs, out_specs, scratch_shapes, **options):
  return pl.pallas_call(
    kernel,
    grid_spec=pltpu.PrefetchScalarGridSpec(
      num_scalar_prefetch=1,
      grid=(grid,),
      in_specs=in_specs,
      out_specs=out_specs,
      scratch_shapes=scratch_shapes,
    ),
    **options,
  )


def _of_block(*shape):
  return pl.BlockSpec((1, *shape), lambda block, _: (block, 0, 0))


def _of_tile(*shape):
  return pl.BlockSpec((1, *shape), lambda block, tile: (tile[block + 1], 0, 0))


def _whole(*shape):
  return pl.BlockSpec(shape, lambda *_: (0,) * len(shape))


def _rows(coefficients):
  """Six arrays `[1, LANES]`."""
  return [coefficients[0, i : i + 1, :] for i in range(6)]


def _places():
  return arithmetic.places(
    jax.lax.broadcasted_iota(jnp.int32, (blocks.PIXELS, LANES), 0)
  )


def _sum_before(x):
  """Exclusive running sum along the lanes."""
  row = jax.lax.broadcasted_iota(jnp.int32, (LANES, LANES), 0)
  column = jax.lax.broadcasted_iota(jnp.int32, (LANES, LANES), 1)
  return _product(x, (row < column).astype(jnp.float32), 1, 0)


def _product(a, b, axis_a, axis_b):
  """Contracts an axis of `a` with one of `b`."""
  return jax.lax.dot_general(
    a,
    b,
    (((axis_a,), (axis_b,)), ((), ())),
    precision=jax.lax.Precision.HIGHEST,
    preferred_element_type=jnp.float32,
  )
