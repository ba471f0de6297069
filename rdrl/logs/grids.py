# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rasters over the ground."""

import numpy as np
from scipy import ndimage

from rdrl import types


def distance_grid(inside, origin, cell):
  """Signed distance to the edge of a region, positive inside.

  Exact Euclidean distance between cell centres (Maurer et al. 2003, as in
  SciPy), less the half cell that separates a centre from the region's edge.

  Args:
    inside: `[H, W]` bool; row i, column j lies at origin + cell * (j, i).
    origin: `[2]` world xy of the middle of cell (0, 0).
    cell: side of a cell in metres.

  Returns:
    A `Grid` of float32 metres. Where the region has no edge within the raster
    the magnitude is the raster's diagonal.

  Raises:
    ValueError: if `inside` is not a raster or `cell` is not positive.
  """
  inside = np.asarray(inside, bool)
  if inside.ndim != 2 or not inside.size:
    raise ValueError(
      f'inside: a raster [H, W] was expected, not {inside.shape}'
    )
  if not cell > 0:
    raise ValueError(f'cell: {cell} m is not positive')
  if inside.all() or not inside.any():
    distance = np.full(inside.shape, np.hypot(*inside.shape))
  else:
    to_outside = ndimage.distance_transform_edt(inside)
    to_inside = ndimage.distance_transform_edt(~inside)
    distance = np.where(inside, to_outside, to_inside) - 0.5
  return types.Grid(
    values=(np.where(inside, distance, -distance) * cell).astype(np.float32),
    origin=np.asarray(origin, np.float32),
    cell=np.float32(cell),
  )
