# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Front-to-back alpha compositing of per-tile lists of Gaussians.

The backward pass blends front to back once more and saves nothing per entry.
With T_k the transmittance before entry k, v_k the cotangent of the pixel dotted
with the entry's features, and S the same for the composited pixel,

  dL/dalpha_k = T_k v_k - (S - sum_{j<=k} alpha_j T_j v_j) / (1 - alpha_k).
"""

import functools

import jax

from rdrl.splat.raster import kernels
from rdrl.splat.raster import lockstep
from rdrl.splat.raster import queue


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def composite(table, gaussian, valid, middle, first, count, backend):
  """Blends the blocks of every tile, front to back.

  As in gsplat: entry k adds its features times alpha_k T_k, where alpha is
  min(0.999, exp(exponent)); entries below 1/255 are skipped; a pixel ends
  before the entry that would leave less than 1e-4 of the light.

  Args:
    table: `[N, 6 + F]` of each Gaussian: xy in pixels, inverse covariance xx,
      xy, yy, logarithm of its opacity, and F features.
    gaussian: `[blocks, BLOCK]` int32 row of the table of each entry.
    valid: `[blocks, BLOCK]` bool, whether there is an entry.
    middle: `[blocks, 2]` middle in pixels of the tile of each block.
    first: `[tiles]` int32 index of a tile's first block.
    count: `[tiles]` int32 number of its blocks, which follow each other.
    backend: one of `blocks.BACKENDS`.

  Returns:
    `[tiles, F + 1, pixels]`, the last of them the sum of the weights.
  """
  forward, _ = _passes(backend)
  return forward(table, gaussian, valid, middle, first, count)


def _passes(backend):
  """The forward and the backward pass of a backend."""
  if backend == 'queue':
    return queue.forward, queue.backward
  if backend == 'lockstep':
    return lockstep.forward, lockstep.backward
  return kernels.forward(backend), kernels.backward(backend)


def _forward(*arguments):
  *known, _ = arguments
  image = composite(*arguments)
  return image, (*known, image)


def _backward(backend, residuals, cotangent):
  _, backward = _passes(backend)
  return backward(*residuals, cotangent), None, None, None, None, None


composite.defvjp(_forward, _backward)
