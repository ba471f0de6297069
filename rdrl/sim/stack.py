# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stacks scenes for an environment."""

import numpy as np

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


def _pad_polylines(lines, rows, points):
  missing = (
    (0, rows - lines.valid.shape[0]),
    (0, points - lines.valid.shape[1]),
  )
  return types.Polylines(
    xy=np.pad(np.asarray(lines.xy), (*missing, (0, 0))),
    valid=np.pad(np.asarray(lines.valid), missing),
  )


def _maps(maps):
  """Stacks maps to a `Map` `[S]`, padded to the largest."""
  padded = {}
  for name in ('lanes', 'boundaries', 'drivable', 'crosswalks', 'stop_lines'):
    lines = [getattr(m, name) for m in maps]
    rows = max(x.valid.shape[0] for x in lines)
    points = max(x.valid.shape[1] for x in lines)
    padded[name] = [_pad_polylines(x, rows, points) for x in lines]
  if any(m.lights is not None for m in maps):
    padded['lights'] = _pad_lights(maps, padded['stop_lines'][0].valid.shape[0])
  rows = max(len(m.lane_width) for m in maps)
  padded['lane_width'] = [
    np.pad(np.asarray(m.lane_width), (0, rows - len(m.lane_width)))
    for m in maps
  ]
  if any(m.speed_limit is not None for m in maps):
    limits = np.full((len(maps), rows), np.inf, np.float32)
    for row, m in zip(limits, maps, strict=True):
      if m.speed_limit is not None:
        row[: len(m.speed_limit)] = m.speed_limit
    padded['speed_limit'] = list(limits)
  return types.Map(
    **{
      name: trees.stack(values)
      if isinstance(values[0], types.Polylines)
      else np.stack(values)
      for name, values in padded.items()
    }
  )


def _pad_lights(maps, rows):
  """Lights `[T, rows]` of each map: the last step holds, missing is unknown."""
  steps = max(1 if m.lights is None else len(m.lights) for m in maps)
  padded = []
  for lane_map in maps:
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
    missing = (0, steps - len(lights)), (0, 0)
    lights = np.pad(lights, missing, mode='edge')
    padded.append(np.pad(lights, ((0, 0), (0, rows - count))))
  return padded
