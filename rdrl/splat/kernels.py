# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Compositing as Pallas kernels.

On a GPU, by way of Triton, a program blends one tile, entry after entry, and
its threads are the pixels. On a TPU, by way of Mosaic, the grid walks through
the blocks in order, which belong to one tile after the other; what a tile has
so far stays in fast memory until the next one begins. Elsewhere both run in
Pallas' interpreter, which is for tests.
"""

import functools

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as pltriton
import jax.numpy as jnp

from rdrl.splat import blocks

# The platform that each kernel is for.
PLATFORMS = {'triton': 'gpu', 'mosaic': 'tpu'}

# Two warps hold the 64 pixels of a tile.
_TRITON = pltriton.CompilerParams(num_warps=2)


@functools.cache
def forward(settings, interpret=None):
  """Like `queue.forward`, by the kernel that `settings.backend` names.

  Args:
    settings: `blocks.Settings`.
    interpret: whether to use the interpreter; None does away from the platform
      that the kernel is for.
  """
  blend = {'triton': _blend_tiles, 'mosaic': _blend_blocks}[settings.backend]
  interpret = _interprets(settings, interpret)

  def run(table, gaussian, valid, middle, first, count):
    parts = blocks.unpack(table[gaussian], valid, middle)
    image, median = blend(
      *parts, gaussian, first, count, settings=settings, interpret=interpret
    )
    # No block of an empty tile was ever looked at.
    has_blocks = (count > 0)[:, None]
    if median is not None:
      median = jnp.where(has_blocks, median, -1)
    return jnp.where(has_blocks[..., None], image, 0), median

  return blocks.join_batches(run, {1: 0, 4: 1})


@functools.cache
def backward(settings, absolute, interpret=None):
  """Like `queue.backward`, by the kernel that `settings.backend` names."""
  pull_blocks = {'triton': _pull_tiles, 'mosaic': _pull_blocks}[
    settings.backend
  ]
  interpret = _interprets(settings, interpret)

  def run(table, gaussian, valid, middle, first, count, image, cotangent):
    parts, pull = jax.vjp(
      lambda table: blocks.unpack(table[gaussian], valid, middle), table
    )
    *gradients, moved = pull_blocks(
      *parts,
      first,
      count,
      jnp.sum(image * cotangent, 1),
      cotangent,
      max_alpha=settings.max_alpha,
      interpret=interpret,
    )
    # Room that no tile uses was never written.
    gradients, moved = jax.tree.map(
      lambda x: jnp.where(valid[..., None], x, 0), (gradients, moved)
    )
    probe = None
    if absolute:
      probe = jnp.zeros((len(table), 2)).at[gaussian].add(moved)
    return *pull(tuple(gradients)), probe

  return blocks.join_batches(run, {1: 0, 4: 1})


def _interprets(settings, interpret):
  if interpret is not None:
    return interpret
  return jax.default_backend() != PLATFORMS[settings.backend]


def _places(shape):
  """x and y about the middle of a tile, made in a kernel; pixels come last."""
  pixel = jax.lax.broadcasted_iota(jnp.int32, shape, len(shape) - 1)
  x, y = pixel % blocks.TILE_WIDTH, pixel // blocks.TILE_WIDTH
  x = x.astype(jnp.float32) + (0.5 - blocks.TILE_WIDTH / 2)
  y = y.astype(jnp.float32) + (0.5 - blocks.TILE_HEIGHT / 2)
  return x, y


def _alpha(c, x, y, max_alpha):
  """Opacity and exponent of six coefficients at x and y."""
  exponent = c[0] + x * (c[1] + x * c[3] + y * c[4]) + y * (c[2] + y * c[5])
  return blocks.opacity(exponent, max_alpha), exponent


def _moments(d_exponent, c, x, y, total):
  """Gradients of six coefficients, and absolute ones of the place, in lists.

  Args:
    d_exponent: `[..., pixels]`.
    c: six coefficients, which broadcast against it, as do x and y.
    x: of the pixels.
    y: likewise.
    total: sums over pixels.
  """
  along_x = jnp.abs(d_exponent * (c[1] + 2 * c[3] * x + c[4] * y))
  along_y = jnp.abs(d_exponent * (c[2] + c[4] * x + 2 * c[5] * y))
  by_x, by_y = d_exponent * x, d_exponent * y
  sums = [d_exponent, by_x, by_y, by_x * x, by_x * y, by_y * y]
  return list(map(total, sums)), [total(along_x), total(along_y)]


def _blend_tiles(
  coefficients,
  features,
  gaussian,
  first,
  count,
  *,
  settings,
  interpret,
):
  """`[tiles, F, pixels]`, and the median's rows or None."""
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, gaussian, image, *median):
    tile = pl.program_id(0)
    x, y = _places((blocks.PIXELS,))
    begin = first[tile] * blocks.BLOCK
    end = begin + count[tile] * blocks.BLOCK

    def blend(state):
      entry, before, sums, half = state
      c = [coefficients[entry, i] for i in range(6)]
      alpha, _ = _alpha(c, x, y, settings.max_alpha)
      after, weight, is_half = blocks.blend(before, alpha)
      sums = tuple(
        total + weight * features[entry, i] for i, total in enumerate(sums)
      )
      if median:
        half = jnp.where(is_half, gaussian[entry], half)
      return entry + 1, after, sums, half

    light = jnp.ones(blocks.PIXELS, jnp.float32)
    zero = jnp.zeros_like(light)
    state = begin, light, (zero,) * num_features, -jnp.ones_like(x, jnp.int32)
    _, _, sums, half = jax.lax.while_loop(
      lambda s: (s[0] < end) & _is_lit(s[1]), blend, state
    )
    for i, total in enumerate(sums):
      image[tile, i, :] = total
    for ref in median:
      ref[tile, :] = half

  tiles = len(first)
  shape = [_shape(tiles, num_features, blocks.PIXELS)]
  if settings.median:
    shape.append(_shape(tiles, blocks.PIXELS, dtype=jnp.int32))
  image, *median = pl.pallas_call(
    kernel,
    grid=(tiles,),
    out_shape=shape,
    compiler_params=_TRITON,
    interpret=interpret,
  )(
    first,
    count,
    coefficients.reshape(-1, 6),
    features.reshape(-1, num_features),
    gaussian.reshape(-1),
  )
  return image, median[0] if median else None


def _pull_tiles(
  coefficients,
  features,
  first,
  count,
  total,
  cotangent,
  *,
  max_alpha,
  interpret,
):
  """Gradients of coefficients, features and places, like these in shape."""
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, total, cotangent, *out):
    tile = pl.program_id(0)
    x, y = _places((blocks.PIXELS,))
    begin = first[tile] * blocks.BLOCK
    end = begin + count[tile] * blocks.BLOCK
    above = [cotangent[tile, i, :] for i in range(num_features)]

    def store(entry, values):
      for ref, row in zip(out, values, strict=True):
        for i, value in enumerate(row):
          ref[entry, i] = value

    def pull(state):
      entry, before, rest = state
      c = [coefficients[entry, i] for i in range(6)]
      alpha, exponent = _alpha(c, x, y, max_alpha)
      value = sum(features[entry, i] * a for i, a in enumerate(above))
      after, rest, weight, d_exponent = blocks.pull(
        before, rest, alpha, exponent, value, max_alpha
      )
      d_features = [jnp.sum(weight * a) for a in above]
      d_coefficients, moved = _moments(d_exponent, c, x, y, jnp.sum)
      store(entry, (d_coefficients, d_features, moved))
      return entry + 1, after, rest

    light = jnp.ones(blocks.PIXELS, jnp.float32)
    entry, _, _ = jax.lax.while_loop(
      lambda s: (s[0] < end) & _is_lit(s[1]),
      pull,
      (begin, light, total[tile, :]),
    )

    def clear(entry, _):
      store(entry, [[0.0] * 6, [0.0] * num_features, [0.0] * 2])
      return _

    jax.lax.fori_loop(entry, end, clear, None)

  rooms = len(coefficients)
  out = pl.pallas_call(
    kernel,
    grid=(len(first),),
    out_shape=[
      _shape(rooms * blocks.BLOCK, width) for width in (6, num_features, 2)
    ],
    compiler_params=_TRITON,
    interpret=interpret,
  )(
    first,
    count,
    coefficients.reshape(-1, 6),
    features.reshape(-1, num_features),
    total,
    cotangent,
  )
  return [x.reshape(rooms, blocks.BLOCK, -1) for x in out]


def _blend_blocks(
  coefficients,
  features,
  gaussian,
  first,
  count,
  *,
  settings,
  interpret,
):
  """Like `_blend_tiles`."""
  num_features = features.shape[-1]
  has_median = settings.median

  def kernel(_, begins, coefficients, features, gaussian, image, *refs):
    light, weights = refs[-2:]
    x, y = _places((1, blocks.PIXELS))

    @pl.when(begins[pl.program_id(0)] == 1)
    def _():
      light[...] = jnp.ones_like(light)
      image[...] = jnp.zeros_like(image)
      if has_median:
        refs[0][...] = -jnp.ones_like(refs[0])

    @pl.when(_is_lit(light[...]))
    def _():
      c = [coefficients[0, :, i : i + 1] for i in range(6)]
      alpha, _ = _alpha(c, x, y, settings.max_alpha)
      for k in range(blocks.BLOCK):
        light[...], weights[k : k + 1, :], is_half = blocks.blend(
          light[...], alpha[k : k + 1]
        )
        if has_median:
          row = gaussian[0, k : k + 1, :]
          refs[0][0] = jnp.where(is_half, row, refs[0][0])
      image[0] += _product(features[0], weights[...], 0)

  tiles = len(first)
  tile, begins = _owners(first, count, len(coefficients))

  def of_block(*shape):
    return pl.BlockSpec((1, *shape), lambda b, *_: (b, 0, 0))

  def of_tile(*shape):
    return pl.BlockSpec((1, *shape), lambda b, tile, _: (tile[b], 0, 0))

  out_specs = [of_tile(num_features, blocks.PIXELS)]
  shape = [_shape(tiles, num_features, blocks.PIXELS)]
  if has_median:
    out_specs.append(of_tile(1, blocks.PIXELS))
    shape.append(_shape(tiles, 1, blocks.PIXELS, dtype=jnp.int32))
  image, *median = pl.pallas_call(
    kernel,
    grid_spec=pltpu.PrefetchScalarGridSpec(
      num_scalar_prefetch=2,
      grid=(len(coefficients),),
      in_specs=[
        of_block(blocks.BLOCK, 6),
        of_block(blocks.BLOCK, num_features),
        of_block(blocks.BLOCK, 1),
      ],
      out_specs=out_specs,
      scratch_shapes=[
        pltpu.VMEM((1, blocks.PIXELS), jnp.float32),
        pltpu.VMEM((blocks.BLOCK, blocks.PIXELS), jnp.float32),
      ],
    ),
    out_shape=shape,
    interpret=interpret,
  )(tile, begins, coefficients, features, gaussian[..., None])
  return image, median[0][:, 0] if median else None


def _pull_blocks(
  coefficients,
  features,
  first,
  count,
  total,
  cotangent,
  *,
  max_alpha,
  interpret,
):
  """Like `_pull_tiles`."""
  num_features = features.shape[-1]

  def kernel(_, begins, coefficients, features, total, cotangent, *refs):
    *out, light, rest, weights, slopes = refs
    x, y = _places((1, blocks.PIXELS))

    @pl.when(begins[pl.program_id(0)] == 1)
    def _():
      light[...] = jnp.ones_like(light)
      rest[...] = total[0]

    is_lit = _is_lit(light[...])

    @pl.when(~is_lit)
    def _():
      for ref in out:
        ref[...] = jnp.zeros_like(ref)

    @pl.when(is_lit)
    def _():
      c = [coefficients[0, :, i : i + 1] for i in range(6)]
      alpha, exponent = _alpha(c, x, y, max_alpha)
      value = _product(features[0], cotangent[0], 1)
      for k in range(blocks.BLOCK):
        row = slice(k, k + 1)
        light[...], rest[...], weights[row, :], slopes[row, :] = blocks.pull(
          light[...],
          rest[...],
          alpha[row],
          exponent[row],
          value[row],
          max_alpha,
        )
      d_coefficients, moved = _moments(
        slopes[...], c, x, y, lambda v: jnp.sum(v, -1, keepdims=True)
      )
      for i, column in enumerate(d_coefficients):
        out[0][0, :, i : i + 1] = column
      out[1][0] = jax.lax.dot_general(
        weights[...],
        cotangent[0],
        (((1,), (1,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
      )
      for i, column in enumerate(moved):
        out[2][0, :, i : i + 1] = column

  tile, begins = _owners(first, count, len(coefficients))

  def of_block(width):
    return pl.BlockSpec((1, blocks.BLOCK, width), lambda b, *_: (b, 0, 0))

  def of_tile(height):
    shape = 1, height, blocks.PIXELS
    return pl.BlockSpec(shape, lambda b, tile, _: (tile[b], 0, 0))

  widths = 6, num_features, 2
  row = pltpu.VMEM((1, blocks.PIXELS), jnp.float32)
  matrix = pltpu.VMEM((blocks.BLOCK, blocks.PIXELS), jnp.float32)
  return pl.pallas_call(
    kernel,
    grid_spec=pltpu.PrefetchScalarGridSpec(
      num_scalar_prefetch=2,
      grid=(len(coefficients),),
      in_specs=[
        of_block(6),
        of_block(num_features),
        of_tile(1),
        of_tile(num_features),
      ],
      out_specs=[of_block(width) for width in widths],
      scratch_shapes=[row, row, matrix, matrix],
    ),
    out_shape=[
      _shape(len(coefficients), blocks.BLOCK, width) for width in widths
    ],
    interpret=interpret,
  )(tile, begins, coefficients, features, total[:, None], cotangent)


def _owners(first, count, rooms):
  """`[rooms]` int32: the tile of each block, and 1 where its list begins."""
  index = jnp.arange(rooms, dtype=jnp.int32)
  # Blocks beyond a list are empty; they may go to any tile whose own blocks
  # come later or not at all.
  tile = jnp.searchsorted(first + count, index, side='right')
  tile = jnp.minimum(tile.astype(jnp.int32), len(first) - 1)
  return tile, (index == first[tile]).astype(jnp.int32)


def _product(a, b, axis):
  """`a` times `b`, contracted over that axis of `a` and the first of `b`."""
  return jax.lax.dot_general(
    a, b, (((axis,), (0,)), ((), ())), precision=jax.lax.Precision.HIGHEST
  )


def _is_lit(light):
  return jnp.max(light) > blocks.MIN_TRANSMITTANCE


def _shape(*shape, dtype=jnp.float32):
  return jax.ShapeDtypeStruct(shape, dtype)
