# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Triton on NVIDIA GPUs: a program blends one tile, its threads are the pixels.

It walks through the tile's entries one by one.
"""

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pltriton
import jax.numpy as jnp

from rdrl.splat.raster import blocks
from rdrl.splat.raster.kernels import arithmetic

# Two warps hold the 64 pixels of a tile.
_PARAMS = pltriton.CompilerParams(num_warps=2)

# Lists need no other layout.
arrange = arithmetic.Lists


def blend(lists, coefficients, features, interpret):
  """Blends lists of entries; returns `[tiles, F, pixels]`.

  Args:
    lists: `arithmetic.Lists`.
    coefficients: `[rooms, BLOCK, 6]` of the exponents.
    features: `[rooms, BLOCK, F]`.
    interpret: as `pallas_call` takes it.
  """
  num_features = features.shape[-1]

  def kernel(first, count, coefficients, features, image):
    tile = pl.program_id(0)
    x, y = arithmetic.places(jnp.arange(blocks.PIXELS))
    begin = first[tile] * blocks.BLOCK
    end = begin + count[tile] * blocks.BLOCK

    def step(state):
      entry, before, sums = state
      c = [coefficients[entry, i] for i in range(6)]
      alpha, _ = arithmetic.alpha(c, x, y)
      after, weight = blocks.blend(before, alpha)
      sums = tuple(
        total + weight * features[entry, i] for i, total in enumerate(sums)
      )
      return entry + 1, after, sums

    light = jnp.ones(blocks.PIXELS, jnp.float32)
    zero = jnp.zeros_like(light)
    _, _, sums = jax.lax.while_loop(
      lambda s: (s[0] < end) & arithmetic.is_lit(s[1]),
      step,
      (begin, light, (zero,) * num_features),
    )
    for i, total in enumerate(sums):
      image[tile, i, :] = total

  tiles = len(lists.first)
  return pl.pallas_call(
    kernel,
    grid=(tiles,),
    out_shape=arithmetic.array(tiles, num_features, blocks.PIXELS),
    compiler_params=_PARAMS,
    interpret=interpret,
  )(
    lists.first,
    lists.count,
    coefficients.reshape(-1, 6),
    features.reshape(-1, num_features),
  )


def pull(lists, coefficients, features, total, cotangent, interpret):
  """Gradients of coefficients and features, in their shapes.

  Args:
    lists: `arithmetic.Lists`.
    coefficients: see `blend`.
    features: see `blend`.
    total: `[tiles, pixels]` the image dotted with its cotangent.
    cotangent: `[tiles, F, pixels]`.
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
      alpha, exponent = arithmetic.alpha(c, x, y)
      value = sum(features[entry, i] * a for i, a in enumerate(above))
      after, rest, weight, d_exponent = blocks.pull(
        before, rest, alpha, exponent, value
      )
      d_features = [jnp.sum(weight * a) for a in above]
      d_coefficients = arithmetic.moments(d_exponent, x, y, jnp.sum)
      store(entry, (d_coefficients, d_features))
      return entry + 1, after, rest

    light = jnp.ones(blocks.PIXELS, jnp.float32)
    entry, _, _ = jax.lax.while_loop(
      lambda s: (s[0] < end) & arithmetic.is_lit(s[1]),
      step,
      (begin, light, total[tile, :]),
    )

    def clear(entry, _):
      store(entry, [[0.0] * 6, [0.0] * num_features])
      return _

    jax.lax.fori_loop(entry, end, clear, None)

  rooms = len(coefficients)
  out = pl.pallas_call(
    kernel,
    grid=(len(lists.first),),
    out_shape=[
      arithmetic.array(rooms * blocks.BLOCK, width)
      for width in (6, num_features)
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
