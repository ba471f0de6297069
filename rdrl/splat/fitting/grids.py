# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rasters of a log for the simulator: ground, road edges, obstacles."""

import jax
import numpy as np
from scipy import ndimage

from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types

# Percentile of the lidar heights in a cell: noise lies below, objects above.
_GROUND_PERCENTILE = 10
# Metres from the road's plane at which a cell is no ground.
_GROUND_BAND = 1.0
_SMOOTHING = 2.0
# Heights above ground between which a point is an obstacle.
_OBSTACLE_LOW, _OBSTACLE_HIGH = 0.3, 2.0


def ground_and_grids(log, hits, config):
  """Computes the grids of a log, all of one shape so that scenes stack.

  The ground is a low percentile of the static lidar heights per cell, near the
  road's plane, filled from the nearest cell that has one and smoothed. Drivable
  area comes from the map, obstacles from static lidar points between 0.3 and
  2 m above ground.

  Args:
    log: with or without lidar; without it, the ground is that below the ego and
      there are no obstacles.
    hits: its `lidar.Hits`.
    config: `GridConfig`.

  Returns:
    `drivable`, `occupancy` and `ground` as in `types.Scene`.
  """
  size, cell = config.size, config.cell
  ego = trees.take(log.tracks, (slice(None), 0))
  path = np.asarray(ego.xy)[np.asarray(ego.valid)]
  middle = (path.min(0) + path.max(0)) / 2
  origin = (middle - (size - 1) / 2 * cell).astype(np.float32)

  points = hits.points[hits.stands]
  index = np.round((points[:, :2] - origin) / cell).astype(int)
  is_near = np.all((index >= 0) & (index < size), -1)
  points, index = points[is_near], index[is_near]
  flat = index[:, 1] * size + index[:, 0]

  ground = _ground(log, points, flat, size, cell, origin)
  rows, columns = index[:, 1], index[:, 0]
  height = points[:, 2] - ground[rows, columns]
  is_obstacle = (height > _OBSTACLE_LOW) & (height < _OBSTACLE_HIGH)
  free = np.ones((size, size), bool)
  free[rows[is_obstacle], columns[is_obstacle]] = False

  cells = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1)
  cells = (origin + cell * cells).astype(np.float32)
  polygons = jax.tree.map(np.asarray, log.map.drivable)
  inside = np.zeros((size, size), bool)
  test = jax.jit(geometry.points_in_polygon)
  for xy, valid in zip(polygons.xy, polygons.valid, strict=True):
    if valid.sum() > 2:
      inside |= np.asarray(test(cells, xy, valid))
  return (
    logs.distance_grid(inside, origin, cell),
    logs.distance_grid(free, origin, cell),
    types.Grid(
      values=ground.astype(np.float32), origin=origin, cell=np.float32(cell)
    ),
  )


def _ground(log, points, flat, size, cell, origin):
  """`[size, size]` heights."""
  ego = trees.take(log.tracks, (slice(None), 0))
  is_known = np.asarray(ego.valid)
  path = np.asarray(ego.xy)[is_known]
  below = np.asarray(ego.z)[is_known] - log.sizes[0][2] / 2
  # The road's plane through the wheels' heights, level across the path where
  # the path is straight.
  design = np.c_[path - path.mean(0), np.ones(len(path))]
  slope = np.linalg.lstsq(
    np.r_[design, 1e-2 * np.eye(3)[:2] * len(path)],
    np.r_[below, 0, 0],
    rcond=None,
  )[0]
  grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) * cell
  plane = (grid + origin - path.mean(0)) @ slope[:2] + slope[2]

  order = np.lexsort((points[:, 2], flat))
  sorted_flat, heights = flat[order], points[order, 2]
  cells, first, count = np.unique(
    sorted_flat, return_index=True, return_counts=True
  )
  low = heights[first + (count * _GROUND_PERCENTILE) // 100]
  is_ground = np.abs(low - plane.ravel()[cells]) < _GROUND_BAND
  values = np.full(size * size, np.nan)
  values[cells[is_ground]] = low[is_ground]
  index = np.round((path - origin) / cell).astype(int)
  index = np.clip(index, 0, size - 1)
  values[index[:, 1] * size + index[:, 0]] = below
  values = values.reshape(size, size)

  residual = values - plane
  is_empty = np.isnan(residual)
  nearest = ndimage.distance_transform_edt(
    is_empty, return_distances=False, return_indices=True
  )
  # A median first, so that a car's roof in a cell without road is no hill.
  filled = ndimage.median_filter(residual[tuple(nearest)], 5, mode='nearest')
  return plane + ndimage.gaussian_filter(filled, _SMOOTHING, mode='nearest')
