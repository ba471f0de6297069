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


def polygon_mask(polygons: types.Polylines, shape, origin, cell):
  """Which cells have their middle in one of some polygons.

  A middle is inside where an odd number of a polygon's sides lies to its left
  (Shimrat 1962), so that a hole is a part of the outline like any other.

  Args:
    polygons: `[L, P]`; rows of less than three points have no inside.
    shape: H and W.
    origin: `[2]` world xy of the middle of cell (0, 0).
    cell: side of a cell in metres.

  Returns:
    `[H, W]` bool.
  """
  height, width = shape
  inside = np.zeros((height, width), bool)
  for xy, valid in zip(polygons.xy, polygons.valid, strict=True):
    ring = (np.asarray(xy, np.float64)[np.asarray(valid)] - origin) / cell
    if len(ring) < 3:
      continue
    low, high = ring, np.roll(ring, -1, 0)
    swap = low[:, 1] > high[:, 1]
    low, high = np.where(swap[:, None], (high, low), (low, high))
    # A side meets the rows from its lower end up to, without, its upper one.
    first = np.clip(np.ceil(low[:, 1]), 0, height).astype(int)
    count = np.clip(np.ceil(high[:, 1]), 0, height).astype(int) - first
    side = np.repeat(np.arange(len(ring)), count)
    row = np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
    row += first[side]
    if not len(row):
      continue
    slope = (high - low)[side]
    along = (row - low[side, 1]) / slope[:, 1]
    column = np.ceil(low[side, 0] + along * slope[:, 0])
    column = np.clip(column, 0, width).astype(int)
    bottom, top = row.min(), row.max() + 1
    sides = np.zeros((top - bottom, width + 1), np.int32)
    np.add.at(sides, (row - bottom, column), 1)
    inside[bottom:top] |= np.cumsum(sides[:, :width], 1) % 2 == 1
  return inside
