# Copyright 2026 The rdrl Authors. Apache-2.0.
"""By way of Triton: a program blends one tile, and its threads are the pixels.

It walks through the tile's entries one after the other.
"""

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pltriton
import jax.numpy as jnp

from rdrl.splat import blocks
from rdrl.splat.kernels import arithmetic

# Two warps hold the 64 pixels of a tile.
_PARAMS = pltriton.CompilerParams(num_warps=2)

# The lists as they are.
arrange = arithmetic.Lists


def blend(lists, coefficients, features, settings, interpret):
  """`[tiles, F, pixels]`, and the median's rows `[tiles, pixels]` or None.

  Args:
    lists: `arithmetic.Lists`.
    coefficients: `[rooms, BLOCK, 6]` of the exponents.
    features: `[rooms, BLOCK, F]`.
    settings: `blocks.Settings`.
    interpret: as `pallas_call` takes it.
  """
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, gaussian, image, *median):
    tile = pl.program_id(0)
    x, y = arithmetic.places(jnp.arange(blocks.PIXELS))
    begin = first[tile] * blocks.BLOCK
    end = begin + count[tile] * blocks.BLOCK

    def step(state):
      entry, before, sums, half = state
      c = [coefficients[entry, i] for i in range(6)]
      alpha, _ = arithmetic.alpha(c, x, y, settings.max_alpha)
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
      lambda s: (s[0] < end) & arithmetic.is_lit(s[1]), step, state
    )
    for i, total in enumerate(sums):
      image[tile, i, :] = total
    for ref in median:
      ref[tile, :] = half

  tiles = len(lists.first)
  shape = [arithmetic.array(tiles, num_features, blocks.PIXELS)]
  if settings.median:
    shape.append(arithmetic.array(tiles, blocks.PIXELS, dtype=jnp.int32))
  image, *median = pl.pallas_call(
    kernel,
    grid=(tiles,),
    out_shape=shape,
    compiler_params=_PARAMS,
    interpret=interpret,
  )(
    lists.first,
    lists.count,
    coefficients.reshape(-1, 6),
    features.reshape(-1, num_features),
    lists.gaussian.reshape(-1),
  )
  return image, median[0] if median else None


def pull(lists, coefficients, features, total, cotangent, max_alpha, interpret):
  """Gradients of coefficients, features and places, like these in shape.

  Args:
    lists: `arithmetic.Lists`.
    coefficients: see `blend`.
    features: see `blend`.
    total: `[tiles, pixels]` the image dotted with its cotangent.
    cotangent: `[tiles, F, pixels]`.
    max_alpha: see `blocks.Settings`.
    interpret: see `blend`.
  """
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, total, cotangent, *out):
    tile = pl.program_id(0)
    x, y = arithmetic.places(jnp.arange(blocks.PIXELS))
    begin = first[tile] * blocks.BLOCK
    end = begin + count[tile] * blocks.BLOCK
    above = [cotangent[tile, i, :] for i in range(num_features)]

    def store(entry, values):
      for ref, row in zip(out, values, strict=True):
        for i, value in enumerate(row):
          ref[entry, i] = value

    def step(state):
      entry, before, rest = state
      c = [coefficients[entry, i] for i in range(6)]
      alpha, exponent = arithmetic.alpha(c, x, y, max_alpha)
      value = sum(features[entry, i] * a for i, a in enumerate(above))
      after, rest, weight, d_exponent = blocks.pull(
        before, rest, alpha, exponent, value, max_alpha
      )
      d_features = [jnp.sum(weight * a) for a in above]
      d_coefficients, moved = arithmetic.moments(d_exponent, c, x, y, jnp.sum)
      store(entry, (d_coefficients, d_features, moved))
      return entry + 1, after, rest

    light = jnp.ones(blocks.PIXELS, jnp.float32)
    entry, _, _ = jax.lax.while_loop(
      lambda s: (s[0] < end) & arithmetic.is_lit(s[1]),
      step,
      (begin, light, total[tile, :]),
    )

    def clear(entry, _):
      store(entry, [[0.0] * 6, [0.0] * num_features, [0.0] * 2])
      return _

    jax.lax.fori_loop(entry, end, clear, None)

  rooms = len(coefficients)
  out = pl.pallas_call(
    kernel,
    grid=(len(lists.first),),
    out_shape=[
      arithmetic.array(rooms * blocks.BLOCK, width)
      for width in (6, num_features, 2)
    ],
    compiler_params=_PARAMS,
    interpret=interpret,
  )(
    lists.first,
    lists.count,
    coefficients.reshape(-1, 6),
    features.reshape(-1, num_features),
    total,
    cotangent,
  )
  return [x.reshape(rooms, blocks.BLOCK, -1) for x in out]
