# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Grids of many scenes in one array, sampled without copying a scene."""

import jax.numpy as jnp
import numpy as np

from rdrl import types


def stack(grids):
  """One `Grid` with a leading `[S]` from grids of any height and width.

  Smaller ones are padded by their edge, which is what sampling beyond the edge
  gives anyway.
  """
  height = max(grid.values.shape[-2] for grid in grids)
  width = max(grid.values.shape[-1] for grid in grids)

  def pad(grid):
    rows, columns = grid.values.shape[-2:]
    amount = ((0, height - rows), (0, width - columns))
    values = np.pad(np.asarray(grid.values), amount, mode='edge')
    return grid.replace(values=values)

  return types.stack([pad(grid) for grid in grids])


def sample(grids: types.Grid, scene, xy):
  """Bilinear values `[...]` of one of the grids, clamped at its edge.

  Args:
    grids: `[S]`.
    scene: `[]` int32, which grid.
    xy: `[..., 2]` world points.
  """
  height, width = grids.values.shape[-2:]
  limit = jnp.array([width - 1, height - 1])
  column_row = (xy - grids.origin[scene]) / grids.cell[scene]
  column_row = jnp.clip(column_row, 0, limit)
  low = jnp.minimum(jnp.floor(column_row), jnp.maximum(limit - 1, 0))
  fx, fy = jnp.moveaxis(column_row - low, -1, 0)
  column, row = jnp.moveaxis(low.astype(jnp.int32), -1, 0)
  right = jnp.minimum(column + 1, width - 1)
  below = jnp.minimum(row + 1, height - 1)
  values = grids.values
  top = (1 - fx) * values[scene, row, column] + fx * values[scene, row, right]
  bottom = (1 - fx) * values[scene, below, column] + fx * values[
    scene, below, right
  ]
  return (1 - fy) * top + fy * bottom
