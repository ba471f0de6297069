# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The ground node: Gaussians that lie on the road surface from lidar.

As in ReconDreamer++ (arXiv 2503.18438, section 3.3) the surface is not fitted.
There its Gaussians keep their places; here they slide along the surface, so
that dead ones can be relocated.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types

# Metres, standard deviation across the surface.
THICKNESS = 0.01


def lay(means, log_scales, quats, node, ground: types.Grid):
  """Projects the Gaussians of the ground node onto the ground.

  Args:
    means: `[N, 3]` metres.
    log_scales: `[N, 3]`.
    quats: `[N, 4]` wxyz.
    node: `[N]`.
    ground: height in metres.

  Returns:
    Means, log scales and quaternions. On the ground, a mean has the ground's
    height and the first axis is its normal, `THICKNESS` wide; elsewhere nothing
    changes.
  """
  is_ground = (node == types.GROUND)[:, None]
  normal = jax.vmap(_normal, (None, 0))(ground, means[:, :2])
  upright = _from_x(normal)
  turn = geometry.multiply_quats(upright * np.array([1, -1, -1, -1]), quats)
  turn = turn * np.array([1, 1, 0, 0])
  # A Gaussian on its side has no turn about the normal.
  turn = jnp.where(
    geometry.safe_norm(turn, keepdims=True) > 1e-6, turn, np.eye(4)[0]
  )
  laid = geometry.multiply_quats(
    upright, turn / geometry.safe_norm(turn, keepdims=True)
  )
  height = geometry.sample_grid(ground, means[:, :2])
  flat = jnp.full_like(height, np.log(THICKNESS))
  return (
    jnp.where(is_ground, means.at[:, 2].set(height), means),
    jnp.where(is_ground, log_scales.at[:, 0].set(flat), log_scales),
    jnp.where(is_ground, laid, quats),
  )


def _normal(ground, xy):
  """Unit normal `[3]` at a point."""
  slope = jax.grad(geometry.sample_grid, 1)(ground, xy)
  normal = jnp.append(-slope, 1.0)
  return normal / jnp.linalg.norm(normal)


def _from_x(normal):
  """wxyz `[..., 4]` of the shortest turn from x to a normal that looks up."""
  x, y, z = jnp.moveaxis(normal, -1, 0)
  quat = jnp.stack([1 + x, jnp.zeros_like(x), -z, y], -1)
  return quat / jnp.linalg.norm(quat, axis=-1, keepdims=True)
