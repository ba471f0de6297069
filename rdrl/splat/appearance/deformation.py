# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A deformation field over time, for agents neither rigid nor articulated.

Deformable 3D Gaussians (Yang et al. 2024), one field for all agents, each with
its own embedding (OmniRe, Chen et al. 2024).
"""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

# Entries of an embedding.
NUM_EMBEDDED = 8
_WIDTH, _DEPTH = 64, 3
# Octaves of the positional encoding: over a box per axis, the longest twice the
# box; over time, the longest 10 seconds.
_WAVES, _TIME_WAVES, _LONGEST = 4, 6, 10.0
# Outputs: mean, quaternion, logarithm of the scales.
_WIDTHS = 3, 4, 3


class Field(nn.Module):
  """Offsets of a Gaussian at one time; zero before any training."""

  @nn.compact
  def __call__(self, mean, embedding, time):
    """See `offsets`; the three `[..., 10]` in one."""
    inputs = [
      mean,
      waves(np.pi * mean, _WAVES),
      embedding,
      waves(2 * np.pi / _LONGEST * time[..., None], _TIME_WAVES),
    ]
    x = jnp.concatenate(inputs, -1)
    # Its output is projected.
    dense = functools.partial(nn.Dense, precision=jax.lax.Precision.HIGHEST)
    for _ in range(_DEPTH):
      x = nn.relu(dense(_WIDTH)(x))
    return dense(sum(_WIDTHS), kernel_init=nn.initializers.zeros)(x)


def waves(phase, count):
  """Positional encoding `[..., 2 D count]` of phases `[..., D]` in rad."""
  octaves = phase[..., None] * 2.0 ** np.arange(count)
  octaves = octaves.reshape(*phase.shape[:-1], -1)
  return jnp.concatenate([jnp.sin(octaves), jnp.cos(octaves)], -1)


def init(key):
  """Parameters of a field that deforms nothing yet."""
  zeros = jnp.zeros(3), jnp.zeros(NUM_EMBEDDED), jnp.zeros(())
  return Field().init(key, *zeros)['params']


def offsets(params, mean, embedding, time):
  """Offsets that the field adds to one Gaussian.

  Args:
    params: from `init`.
    mean: `[3]` undeformed, in half sizes of the box.
    embedding: `[NUM_EMBEDDED]` of the agent.
    time: `[]` seconds on the clock of the tracks.

  Returns:
    Offsets of the mean `[3]` in metres, of the quaternion `[4]` and of the
    logarithms of the scales `[3]`.
  """
  found = Field().apply({'params': params}, mean, embedding, time)
  return tuple(jnp.split(found, np.cumsum(_WIDTHS)[:-1]))
