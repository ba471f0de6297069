# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Front-to-back alpha compositing of per-tile lists of Gaussians.

The backward pass blends front to back once more and saves nothing per entry.
With T_k the transmittance before entry k, v_k the cotangent of the pixel dotted
with the entry's features, and S the same for the composited pixel,

  dL/dalpha_k = T_k v_k - (S - sum_{j<=k} alpha_j T_j v_j) / (1 - alpha_k).
"""

import functools

import jax
import jax.numpy as jnp

from rdrl.splat import kernels
from rdrl.splat import lockstep
from rdrl.splat import queue


def composite(table, gaussian, valid, middle, first, count, settings, probe):
  """Blends the blocks of every tile, front to back.

  Entry k adds its features times alpha_k T_k, where alpha is
  min(max_alpha, exp(exponent)), entries below 1/255 are skipped and a pixel
  is finished before the entry that would leave less than 1e-4 of the light, as
  in gsplat.

  Args:
    table: `[N, 6 + F]` of each Gaussian: where it is in pixels, inverse
      covariance xx, xy, yy, logarithm of its opacity, and F features.
    gaussian: `[blocks, BLOCK]` int32 row of the table of each entry.
    valid: `[blocks, BLOCK]` bool, whether there is an entry.
    middle: `[blocks, 2]` middle in pixels of the tile of each block.
    first: `[tiles]` int32 index of a tile's first block.
    count: `[tiles]` int32 number of its blocks, which follow each other.
    settings: `blocks.Settings`.
    probe: `[N, 2]` whose values do not matter; its cotangent is, for each
      Gaussian, the sum over pixels of the absolute gradient with respect to
      where it is (AbsGS, Ye et al. 2024). None computes nothing.

  Returns:
    `[tiles, F + 1, pixels]`, the last of them the sum of the weights, and
    `[tiles, pixels]` int32, the row of the table at which less than half of the
    light is left, -1 if more is left at the end; None unless asked for.
  """
  image, median = _composite(
    table, probe, gaussian, valid, middle, first, count, settings
  )
  if median is not None:
    # Under `vmap` the rows are those of the joined tables.
    median = jnp.where(median < 0, -1, median % len(table))
  return image, median


def _backend(settings):
  in_xla = {'queue': queue, 'lockstep': lockstep}
  return in_xla.get(settings.backend, kernels)


@functools.partial(jax.custom_vjp, nondiff_argnums=(7,))
def _composite(table, probe, gaussian, valid, middle, first, count, settings):
  del probe
  return _backend(settings).forward(settings)(
    table, gaussian, valid, middle, first, count
  )


def _composite_fwd(
  table, probe, gaussian, valid, middle, first, count, settings
):
  known = table, gaussian, valid, middle, first, count
  out = _backend(settings).forward(settings)(*known)
  return out, (probe, *known, out[0])


def _composite_bwd(settings, residuals, cotangents):
  probe, *known, image = residuals
  backward = _backend(settings).backward(settings, probe is not None)
  table, probe = backward(*known, image, cotangents[0])
  return table, probe, None, None, None, None, None


_composite.defvjp(_composite_fwd, _composite_bwd)
