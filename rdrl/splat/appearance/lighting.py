# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the light of a place makes of things that move in it.

A car that turns shows other sides to the sun. Light on a surface is a smooth
function of its normal that nine spherical harmonics hold within a few per cent
(Ramamoorthi and Hanrahan 2001); here they are those of its logarithm, learnt
with the scene, so that the Gaussians of agents keep what does not turn with
them. Since vehicles are alike on both sides (`symmetry`), what differs
between the sides is the light's. Few vehicles are seen from both, so learning
begins with what the facades of the street tell: paints differ from house to
house, but all houses together are brighter where the sun is.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.raster import project

# Degrees 1 and 2; a constant could not be told from the colours.
NUM_COEFFICIENTS = 8
# Of them, those that differ among level normals.
_LEVEL = (0, 2, 3, 7)
# Largest vertical part of the normal of a facade, metres and radians of a patch
# of it, its least points, and least patches to learn from.
_UPRIGHT, _PATCH, _SECTOR = 0.2, 3.0, np.pi / 8
_LEAST_POINTS, _LEAST_PATCHES = 8, 16
# Of the regression: added to colours before their logarithm, pull to 0 in
# patches, repetitions, and the miss below which all count alike.
_DARK, _RIDGE, _ROUNDS, _SMALL_MISS = 0.02, 0.5, 20, 0.05


def lit(gaussians: types.Gaussians, light, agents: types.AgentState):
  """Gaussians of agents in the light of a scene.

  Args:
    gaussians: `N` of them.
    light: `[8, 3]` harmonics of degree 1 and 2, in the order of 3DGS, over the
      normal in the world, of the logarithm of the light on it; None changes
      nothing.
    agents: `[A]`.

  Returns:
    `Gaussians` whose colour is multiplied by the light on their shortest axis,
    outwards of their box; those of no agent come back as they are.
  """
  if light is None:
    return gaussians
  node = jnp.maximum(gaussians.node, types.BACKGROUND)
  rotation = geometry.rotation_from_quat(gaussians.quats)
  shortest = jnp.argmin(gaussians.log_scales, -1)[:, None, None]
  normal = jnp.take_along_axis(rotation, shortest, -1)[..., 0]
  is_inward = jnp.sum(normal * gaussians.means, -1, keepdims=True) < 0
  normal = jnp.where(is_inward, -normal, normal)
  yaw = agents.yaw[node]
  across = geometry.rotate_2d(normal[:, :2], yaw)
  # Shapes are not bent so that they meet the light.
  normal = jax.lax.stop_gradient(jnp.concatenate([across, normal[:, 2:]], -1))
  basis = project.sh_basis(normal, 1 + NUM_COEFFICIENTS)[1:]
  gain = jnp.exp(sum(b[:, None] * light[k] for k, b in enumerate(basis)))
  gain = jnp.where((node > types.BACKGROUND)[:, None], gain, 1)
  sh = gaussians.sh * gain[:, None]
  # Colours are 0.5 + harmonics; the 0.5 is lit, too.
  return gaussians.replace(sh=sh.at[:, 0].add(0.5 * (gain - 1) / project.SH0))


def unlit(gaussians: types.Gaussians, light, tracks, first_agent):
  """Gaussians of agents without the light that fell on them when first seen.

  Args:
    gaussians: `N` of them.
    light: `[V, 8, 3]` of each traversal, as in `lit`.
    tracks: `[T, A]` of all traversals together.
    first_agent: `[V]` the first agent of each, from 1 on.

  Returns:
    `Gaussians`; `lit` in the light of their traversal, with all agents as at
    their first valid step, gives back what came.
  """
  agents = np.arange(tracks.valid.shape[1])
  first = trees.take(tracks, (np.argmax(tracks.valid, 0), agents))
  owner = np.searchsorted(first_agent, agents, 'right') - 1
  owner = owner[np.maximum(np.asarray(gaussians.node), types.BACKGROUND)]
  for traversal, one in enumerate(light):
    bare = lit(gaussians, -one, first)
    mine = (owner == traversal)[:, None, None]
    gaussians = gaussians.replace(sh=np.where(mine, bare.sh, gaussians.sh))
  return gaussians


def of_facades(normals, colors, places):
  """The light on upright surfaces, a robust regression over patches of them.

  How light falls with the height of a normal is left open, since roads and
  walls differ in paint; agents do not tip over.

  Args:
    normals: `[M, 3]` unit normals in the world, those of no surface 0.
    colors: `[M, 3]` in [0, 1].
    places: `[M, 3]` metres.

  Returns:
    Harmonics `[8, 3]` as in `lit`, 0 where there is too little to see.
  """
  light = np.zeros((NUM_COEFFICIENTS, 3), np.float32)
  is_wall = np.any(normals != 0, -1) & (np.abs(normals[:, 2]) < _UPRIGHT)
  normals, colors, places = (x[is_wall] for x in (normals, colors, places))
  azimuth = np.arctan2(normals[:, 1], normals[:, 0])
  cells = [
    np.round(places[:, :2] / _PATCH),
    np.round(azimuth / _SECTOR)[:, None],
  ]
  _, patch, count = np.unique(
    np.concatenate(cells, -1), axis=0, return_inverse=True, return_counts=True
  )
  order = np.argsort(patch.ravel(), kind='stable')
  parts = np.split(order, np.cumsum(count)[:-1])
  parts = [part for part in parts if len(part) >= _LEAST_POINTS]
  if len(parts) < _LEAST_PATCHES:
    return light
  brightness = np.log(colors + _DARK)
  brightness = np.stack([np.median(brightness[part], 0) for part in parts])
  facing = np.stack([normals[part].mean(0) for part in parts])
  facing[:, 2] = 0
  facing /= np.maximum(np.linalg.norm(facing, axis=-1, keepdims=True), 1e-6)
  basis = np.asarray(project.sh_basis(facing, 1 + NUM_COEFFICIENTS))
  design = np.stack([np.ones(len(parts)), *basis[1:][list(_LEVEL)]], -1)
  ridge = np.diag([0.0, *[_RIDGE] * len(_LEVEL)])
  for channel in range(3):
    weight = np.ones(len(parts))
    # Iteratively reweighted least squares: the paint of a house is no outlier
    # of a normal distribution.
    for _ in range(_ROUNDS):
      left = design.T @ (weight[:, None] * design) + ridge
      found = np.linalg.solve(
        left, design.T @ (weight * brightness[:, channel])
      )
      miss = np.abs(brightness[:, channel] - design @ found)
      weight = 1 / np.maximum(miss, _SMALL_MISS)
    light[list(_LEVEL), channel] = found[1:]
  return light
