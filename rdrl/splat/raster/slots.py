# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Blends blocks in plain XLA, one block of one tile per slot.

`queue` and `lockstep` share this; they assign blocks to slots. With `fused`, a
block is one kernel of many operations, which suits accelerators. Without it, a
loop runs over the entries, which compiles and runs faster on CPUs.
"""

import jax
import jax.numpy as jnp

from rdrl.splat.raster import blocks


def blend(coefficients, features, transmittance, sums, fused):
  """Blends a block per slot.

  Args:
    coefficients: `[slots, BLOCK, 6]`, see `blocks.unpack`.
    features: `[slots, BLOCK, F]`, see `blocks.unpack`.
    transmittance: `[slots, pixels]` before the block.
    sums: `[slots, F, pixels]` weighted features so far.
    fused: whether to unroll the block into one kernel.

  Returns:
    Transmittance and sums after it.
  """
  coefficients, features = (
    jnp.swapaxes(x, 0, 1) for x in (coefficients, features)
  )
  alpha, _ = _alphas(coefficients, fused)

  def step(carry, entry):
    before, sums = carry
    alpha, feature = entry
    after, weight = blocks.blend(before, alpha)
    return (after, sums + weight[:, None] * feature[:, :, None]), None

  carry, _ = jax.lax.scan(
    step,
    (transmittance, sums),
    (alpha, features),
    unroll=blocks.BLOCK if fused else 1,
  )
  return carry


def passed(coefficients):
  """Transmittance `[slots, pixels]` of all entries of each slot.

  Args:
    coefficients: `[slots, entries, 6]`.
  """
  alpha, _ = _alphas(jnp.swapaxes(coefficients, 0, 1), fused=True)
  return jnp.prod(1 - alpha, 0)


def pull(coefficients, features, transmittance, rest, cotangent, fused):
  """Runs the backward pass of a block per slot, see `composite`.

  Args:
    coefficients: `[slots, BLOCK, 6]`.
    features: `[slots, BLOCK, F]`.
    transmittance: `[slots, pixels]` before the block.
    rest: `[slots, pixels]`, see `blocks.pull`.
    cotangent: `[slots, F, pixels]` of the pixels.
    fused: whether to unroll the block into one kernel.

  Returns:
    Transmittance and rest after it; the cotangents of coefficients and
    features.
  """
  by_entry = jnp.swapaxes(coefficients, 0, 1)
  alpha, exponent = _alphas(by_entry, fused)

  def step(carry, entry):
    before, rest = carry
    alpha, exponent, feature = entry
    value = sum(
      feature[:, i, None] * cotangent[:, i] for i in range(feature.shape[-1])
    )
    after, rest, *found = blocks.pull(before, rest, alpha, exponent, value)
    return (after, rest), found

  (transmittance, rest), (weight, d_exponent) = jax.lax.scan(
    step,
    (transmittance, rest),
    (alpha, exponent, jnp.swapaxes(features, 0, 1)),
    unroll=blocks.BLOCK if fused else 1,
  )
  d_coefficients = jnp.matmul(
    d_exponent.reshape(-1, blocks.PIXELS),
    blocks.monomials().T,
    precision=jax.lax.Precision.HIGHEST,
  ).reshape(by_entry.shape)
  d_features = jnp.einsum(
    'ksp,scp->skc',
    weight,
    cotangent,
    precision=jax.lax.Precision.HIGHEST,
  )
  d_coefficients = jnp.swapaxes(d_coefficients, 0, 1)
  return transmittance, rest, d_coefficients, d_features


def _alphas(coefficients, fused):
  """Opacities and exponents `[BLOCK, slots, pixels]` of `[BLOCK, slots, 6]`."""
  if fused:
    # Not a product, whose result would be written to memory and read again.
    _, x, y = blocks.monomials()[:3]
    c = [coefficients[..., i, None] for i in range(6)]
    exponent = c[0] + x * (c[1] + x * c[3] + y * c[4]) + y * (c[2] + y * c[5])
  else:
    exponent = jnp.matmul(
      coefficients.reshape(-1, 6),
      blocks.monomials(),
      precision=jax.lax.Precision.HIGHEST,
    ).reshape(*coefficients.shape[:-1], blocks.PIXELS)
  return blocks.opacity(exponent), exponent
