# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A reconstruction from above, each Gaussian in the colour of its node."""

import colorsys

import jax
import numpy as np

from rdrl import trees
from rdrl import types

_PAPER = (245, 246, 248)
_GROUND, _BACKGROUND = (150, 155, 163), (59, 130, 246)
_PIXELS_PER_METRE = 5
# Metres around the recorded path that are shown, and least opacity.
_MARGIN, _LEAST_OPACITY = 25.0, 0.1


def picture(scene: types.Scene, step):
  """Uint8 `[H, W, 3]`, north up, agents where they were at a step.

  Ground is grey, background blue, each agent has a hue of its own; what is
  higher hides what is lower.

  Args:
    scene: reconstruction.
    step: of the recording.
  """
  g, tracks = jax.tree.map(np.asarray, (scene.gaussians, scene.tracks))
  path = tracks.xy[tracks.valid[:, 0], 0]
  low, high = path.min(0) - _MARGIN, path.max(0) + _MARGIN
  agent = np.maximum(g.node, types.BACKGROUND)
  agents = trees.take(tracks, step)
  cos, sin = np.cos(agents.yaw)[agent], np.sin(agents.yaw)[agent]
  x, y, z = g.means.T
  moves = agent > types.BACKGROUND
  xy = np.stack([cos * x - sin * y, sin * x + cos * y], -1) + agents.xy[agent]
  xy = np.where(moves[:, None], xy, g.means[:, :2])
  height = np.where(moves, z + agents.z[agent], z)

  shape = np.ceil((high - low) * _PIXELS_PER_METRE).astype(int)[::-1]
  pixel = np.floor((xy - low) * _PIXELS_PER_METRE).astype(int)
  is_shown = np.all((pixel >= 0) & (pixel < shape[::-1]), -1)
  is_shown &= 1 / (1 + np.exp(-g.opacity_logits)) > _LEAST_OPACITY
  is_shown &= ~moves | agents.valid[agent]
  order = np.flatnonzero(is_shown)
  order = order[np.argsort(height[order], kind='stable')]
  image = np.full((*shape, 3), _PAPER, np.uint8)
  column, row = pixel[order].T
  image[shape[0] - 1 - row, column] = _palette(len(scene.sizes))[g.node[order]]
  return image


def _palette(num_agents):
  """`[num_agents + 1, 3]`, indexed by the node; the last one is the ground."""
  # Hues by the golden ratio: neighbours differ.
  hues = [(0.6180339887 * k) % 1 for k in range(num_agents)]
  colors = [
    tuple(255 * c for c in colorsys.hsv_to_rgb(h, 0.8, 0.8)) for h in hues
  ]
  return np.array([_BACKGROUND, *colors[1:], _GROUND], np.uint8)
