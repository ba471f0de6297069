# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Directional light of a scene on the agents that move in it.

A car that turns shows other sides to the sun. Light on a surface is a smooth
function of its normal; nine spherical harmonics approximate it within a few per
cent (Ramamoorthi and Hanrahan 2001). Here they give its logarithm and are
learnt with the scene, so that the Gaussians of agents keep the colours that do
not depend on heading. Both sides of a vehicle have the same paint (`symmetry`),
so a difference between them is light. Few vehicles are seen from both sides, so
the facades of the street initialise the light: paints differ from house to
house, but on the whole houses are brighter where they face the sun.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.raster import project

# Degrees 1 and 2; a constant would be ambiguous with the colours.
NUM_COEFFICIENTS = 8
# Of them, those that vary among horizontal normals.
_LEVEL = (0, 2, 3, 7)
# Facades: largest vertical part of a normal; metres and radians of a patch;
# least points of a patch; least patches to learn from.
_UPRIGHT, _PATCH, _SECTOR = 0.2, 3.0, np.pi / 8
_LEAST_POINTS, _LEAST_PATCHES = 8, 16
# Regression: offset of colours before their logarithm, ridge in patches, number
# of iterations, and residual below which all weights are equal.
_DARK, _RIDGE, _ROUNDS, _SMALL_MISS = 0.02, 0.5, 20, 0.05


def lit(gaussians: types.Gaussians, light, agents: types.AgentState):
  """Applies the light of a scene to the Gaussians of agents.

  Args:
    gaussians: `N` of them.
    light: `[8, 3]` harmonics of degree 1 and 2, in the order of 3DGS, of the
      logarithm of light over the world normal; None changes nothing.
    agents: `[A]`.

  Returns:
    `Gaussians`. Those of agents have their colours multiplied by the light at
    their normal, the shortest axis, which points out of the box.
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
  # Shapes must not adapt to the light.
  normal = jax.lax.stop_gradient(jnp.concatenate([across, normal[:, 2:]], -1))
  basis = project.sh_basis(normal, 1 + NUM_COEFFICIENTS)[1:]
  gain = jnp.exp(sum(b[:, None] * light[k] for k, b in enumerate(basis)))
  gain = jnp.where((node > types.BACKGROUND)[:, None], gain, 1)
  sh = gaussians.sh * gain[:, None]
  # Colours are 0.5 + harmonics; the 0.5 is lit, too.
  return gaussians.replace(sh=sh.at[:, 0].add(0.5 * (gain - 1) / project.SH0))


def unlit(gaussians: types.Gaussians, light, tracks, first_agent):
  """Removes the light on agents at their first valid step; undoes `lit`.

  Args:
    gaussians: `N` of them.
    light: `[V, 8, 3]` of each traversal, as in `lit`.
    tracks: `[T, A]` of all traversals, concatenated.
    first_agent: `[V]` first agent of each traversal, from 1 on.

  Returns:
    `Gaussians`.
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
  """Estimates light from facades by a robust regression over patches.

  It finds no dependence on the vertical part of a normal, because roads and
  walls differ in paint; agents do not tip over.

  Args:
    normals: `[M, 3]` unit normals in the world, 0 where there is no surface.
    colors: `[M, 3]` in [0, 1].
    places: `[M, 3]` metres.

  Returns:
    Harmonics `[8, 3]` as in `lit`, all 0 if there are too few patches.
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
    # Iteratively reweighted least squares, because the paint of houses is not
    # normally distributed.
    for _ in range(_ROUNDS):
      left = design.T @ (weight[:, None] * design) + ridge
      found = np.linalg.solve(
        left, design.T @ (weight * brightness[:, channel])
      )
      miss = np.abs(brightness[:, channel] - design @ found)
      weight = 1 / np.maximum(miss, _SMALL_MISS)
    light[list(_LEVEL), channel] = found[1:]
  return light
