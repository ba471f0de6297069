# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stacks scenes for an environment."""

import numpy as np

from rdrl import logs
from rdrl import trees
from rdrl import types


def scenes(parts):
  """Stacks scenes to a `Scene` `[S]` in host memory, without appearance.

  Pads maps and grids to the largest.

  Args:
    parts: list of `Scene`, of equal numbers of steps, agents and cameras.

  Raises:
    ValueError: if a map has more or fewer lights than stop lines.
  """
  fields = {
    name: grids([getattr(scene, name) for scene in parts])
    for name in ('drivable', 'occupancy', 'ground')
  }
  maps = _maps([scene.map for scene in parts])
  bare = [
    scene.replace(
      gaussians=types.NO_GAUSSIANS,
      sky=np.zeros((0, 0, 3), np.float32),
      bodies=None,
      map=None,
      drivable=None,
      occupancy=None,
      ground=None,
    )
    for scene in parts
  ]
  return trees.stack(bare).replace(map=maps, **fields)


def grids(parts):
  """Stacks a list of grids of any height and width to a `Grid` `[S]`.

  Pads smaller ones by their edge values, which sampling beyond the edge would
  give anyway.
  """
  height = max(grid.values.shape[-2] for grid in parts)
  width = max(grid.values.shape[-1] for grid in parts)

  def pad(grid):
    rows, columns = grid.values.shape[-2:]
    amount = ((0, height - rows), (0, width - columns))
    values = np.pad(np.asarray(grid.values), amount, mode='edge')
    return grid.replace(values=values)

  return trees.stack([pad(grid) for grid in parts])


def _maps(maps):
  """Stacks maps to a `Map` `[S]`, padded to the largest."""
  if any(m.lights is not None for m in maps):
    steps = max(1 if m.lights is None else len(m.lights) for m in maps)
    maps = [m.replace(lights=_lights(m, steps)) for m in maps]
  if any(m.speed_limit is not None for m in maps):
    maps = [
      m.replace(speed_limit=np.full(len(m.lane_width), np.inf, np.float32))
      if m.speed_limit is None
      else m
      for m in maps
    ]
  shapes = [logs.map_shape(m) for m in maps]
  largest = {k: np.max([x[k] for x in shapes], 0) for k in shapes[0]}
  return trees.stack([logs.pad_map(m, largest) for m in maps])


def _lights(lane_map, steps):
  """Lights `[steps, L]` of a map: the last step holds, missing is unknown."""
  count = lane_map.stop_lines.valid.shape[0]
  lights = lane_map.lights
  if lights is None:
    lights = np.full((1, count), types.LIGHT_UNKNOWN)
  lights = np.asarray(lights, np.int32)
  if lights.shape[1] != count:
    raise ValueError(
      f'map.lights has shape {lights.shape} [T, L], there are {count} stop '
      'lines'
    )
  return np.pad(lights, ((0, steps - len(lights)), (0, 0)), mode='edge')
