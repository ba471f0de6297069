# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Mosaic on NVIDIA GPUs: 128 lanes are the pixels of two tiles.

A program blends two neighbouring tiles side by side, each with its own list:
half of the lanes take the n-th entry of one, half that of the other.
"""

import functools

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
import jax.numpy as jnp

from rdrl.splat.raster import blocks
from rdrl.splat.raster.kernels import arithmetic

_PAIR = 2, blocks.PIXELS
# Two warps for each tile of a pair, one pixel per lane.
_LAYOUT = plgpu.Layout.TILED(
  plgpu.Tiling((_PAIR, (32,), (1,))), (-4, -3), (-2,), -1
)
_PARAMS = plgpu.CompilerParams(
  lowering_semantics=plgpu.LoweringSemantics.Warpgroup
)


def arrange(gaussian, valid, middle, first, count):
  """Joins the lists of each pair of tiles, `[rooms, 2, BLOCK]`."""
  pad = (0, len(first) % 2)
  first, count = (jnp.pad(x, pad).reshape(-1, 2) for x in (first, count))
  number = jnp.max(count, 1)
  last = jnp.cumsum(number)
  index = jnp.arange(len(gaussian), dtype=jnp.int32)
  pair = jnp.searchsorted(last, index, side='right').astype(jnp.int32)
  pair = jnp.minimum(pair, len(last) - 1)
  within = index - (last - number)[pair]
  exists = within[:, None] < count[pair]
  source = jnp.where(exists, first[pair] + within[:, None], 0)
  return arithmetic.Lists(
    gaussian[source],
    valid[source] & exists[..., None],
    middle[source],
    last - number,
    number,
  )


def blend(lists, coefficients, features, interpret):
  """See `triton.blend`; coefficients and features are `[rooms, 2, BLOCK, ...]`.

  An odd number of tiles is padded by an empty one.
  """
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, image):
    pair = _pair(interpret)
    row, x, y = _places(interpret)
    begin, end = first[pair], first[pair] + count[pair]

    def block(state):
      def entry(k, state):
        before, sums = state
        c = [_scalars(coefficients, row, room, k, i) for i in range(6)]
        alpha, _ = arithmetic.alpha(c, x, y)
        after, weight = blocks.blend(before, alpha)
        sums = tuple(
          total + weight * _scalars(features, row, room, k, i)
          for i, total in enumerate(sums)
        )
        return after, sums

      room, *state = state
      return room + 1, *jax.lax.fori_loop(0, blocks.BLOCK, entry, tuple(state))

    zero = jnp.zeros_like(x)
    _, _, sums = jax.lax.while_loop(
      lambda s: (s[0] < end) & _is_lit(s[1]),
      block,
      (begin, zero + 1, (zero,) * num_features),
    )
    for i, total in enumerate(sums):
      image[pair, i] = total

  pairs = len(lists.first)
  shape = arithmetic.array(pairs, num_features, *_PAIR)
  image = _call(kernel, pairs, shape, interpret)(
    lists.first, lists.count, _by_entry(coefficients), _by_entry(features)
  )
  return jnp.swapaxes(image, 1, 2).reshape(2 * pairs, num_features, -1)


def pull(lists, coefficients, features, total, cotangent, interpret):
  """See `triton.pull`; entries are `[rooms, 2, BLOCK, ...]`."""
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, total, cotangent, out):
    pair = _pair(interpret)
    row, x, y = _places(interpret)
    begin, end = first[pair], first[pair] + count[pair]
    load = functools.partial(_load, interpret=interpret)
    above = [load(cotangent, pair, i) for i in range(num_features)]

    def block(state):
      def entry(k, state):
        before, rest = state
        c = [_scalars(coefficients, row, room, k, i) for i in range(6)]
        alpha, exponent = arithmetic.alpha(c, x, y)
        value = sum(
          _scalars(features, row, room, k, i) * a for i, a in enumerate(above)
        )
        after, rest, weight, d_exponent = blocks.pull(
          before, rest, alpha, exponent, value
        )
        d_coefficients = arithmetic.moments(
          d_exponent, x, y, lambda x: jnp.sum(x, 1)
        )
        d_features = [jnp.sum(weight * a, 1) for a in above]
        for i, value in enumerate((*d_coefficients, *d_features)):
          out[room, k, i] = value
        return after, rest

      room, *state = state
      return room + 1, *jax.lax.fori_loop(0, blocks.BLOCK, entry, tuple(state))

    room, _, _ = jax.lax.while_loop(
      lambda s: (s[0] < end) & _is_lit(s[1]),
      block,
      (begin, jnp.zeros_like(x) + 1, load(total, pair)),
    )

    def clear(room, _):
      def entry(k, _):
        for i in range(2 * width):
          out[room, k, i // 2, i % 2] = jnp.float32(0)
        return _

      return jax.lax.fori_loop(0, blocks.BLOCK, entry, _)

    jax.lax.fori_loop(room, end, clear, None)

  rooms, pairs = len(coefficients), len(lists.first)
  width = 6 + num_features
  pad = (0, 2 * pairs - len(total))
  total = jnp.pad(total, (pad, (0, 0)))
  cotangent = jnp.pad(cotangent, (pad, (0, 0), (0, 0)))
  out = _call(
    kernel, pairs, arithmetic.array(rooms, blocks.BLOCK, width, 2), interpret
  )(
    lists.first,
    lists.count,
    _by_entry(coefficients),
    _by_entry(features),
    total.reshape(pairs, *_PAIR),
    jnp.swapaxes(cotangent.reshape(pairs, 2, num_features, -1), 1, 2),
  )
  out = jnp.moveaxis(out, -1, 1)
  return jnp.split(out, [6], -1)


def _call(kernel, pairs, out_type, interpret):
  if interpret is True:
    # The plain interpreter has no named axes.
    return pl.pallas_call(kernel, out_type, grid=(pairs,), interpret=interpret)
  return plgpu.kernel(
    kernel,
    out_type=out_type,
    grid=(pairs,),
    grid_names=('pair',),
    compiler_params=_PARAMS,
    interpret=interpret,
  )


def _by_entry(x):
  """Turns `[rooms, 2, BLOCK, ...]` into `[rooms, BLOCK, ..., 2]`."""
  return jnp.moveaxis(x, 1, -1)


def _pair(interpret):
  return pl.program_id(0) if interpret is True else jax.lax.axis_index('pair')


def _is_lit(light):
  # A reduction over both axes has no layout.
  return arithmetic.is_lit(jnp.max(light, 1))


def _places(interpret):
  """Tile of the pair, x and y of each lane."""
  row, pixel = (jax.lax.broadcasted_iota(jnp.int32, _PAIR, i) for i in (0, 1))
  if not interpret:
    row, pixel = (plgpu.layout_cast(i, _LAYOUT) for i in (row, pixel))
  return row, *arithmetic.places(pixel)


def _scalars(ref, row, *index):
  """The value of each lane's own tile."""
  return jnp.where(row == 0, ref[*index, 0], ref[*index, 1])


def _load(ref, *index, interpret):
  """`[2, pixels]` from global memory."""
  if interpret:
    return ref[index]
  # Before JAX 0.11 the index is a separate argument.
  parts = (ref, index) if jax.__version_info__ < (0, 11) else (ref.at[index],)
  return plgpu.load(*parts, layout=_LAYOUT, optimized=False)
