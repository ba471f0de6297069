# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A log as a scene to drive in that has geometry but no appearance.

Simulator, scenarios and scores need of a scene its tracks, its map and three
rasters. A log of tracks and a map has all of that, so that they run on data
sets of traffic, which come without images.
"""

import numpy as np
from scipy import ndimage

from rdrl import types
from rdrl.logs import grids

# How many times finer than its cells the edge of the drivable area is drawn.
_OVERSAMPLING = 2
# Cells of the ground in metres, and over how many of them it is smoothed.
_GROUND_CELL = 2.0
_SMOOTHING = 1.5


def geometric_scene(
  log: types.Log, cell=0.5, margin=50.0, edge_is_obstacle=True
) -> types.Scene:
  """The scene of a log, without Gaussians, sky and cameras.

  The ground is that below the ego, and elsewhere that below vehicles, whose
  boxes stand on it, at the nearest place where one was; smoothed. What lies
  beyond the edge of the drivable area may be a wall or a lawn, of which a map
  says nothing: it is taken as in the way, so that driving off the road is a
  static collision, or as free.

  Args:
    log: with or without cameras and lidar, which are not used.
    cell: side of the cells of `drivable` and `occupancy` in metres.
    margin: metres by which the rasters reach beyond the ego's path.
    edge_is_obstacle: whether what is not drivable is in the way.

  Returns:
    A `Scene` with `C` = 0; its rasters have the shape that the path needs, and
    `sim.Env` stacks them of any.

  Raises:
    ValueError: if `cell` or `margin` is not positive.
  """
  for name, value in [('cell', cell), ('margin', margin)]:
    if not value > 0:
      raise ValueError(f'geometric_scene: {name}: {value} m is not positive')
  path = np.asarray(log.tracks.xy, np.float64)[:, 0]
  low, high = path.min(0) - margin, path.max(0) + margin
  drivable = _drivable(log.map.drivable, low, high, cell)
  occupancy = drivable
  if not edge_is_obstacle:
    occupancy = grids.distance_grid(
      np.ones_like(drivable.values, bool), low, cell
    )
  cameras = np.zeros((0, 4, 4), np.float32)
  return types.Scene(
    gaussians=types.NO_GAUSSIANS,
    sky=np.zeros((0, 0, 3), np.float32),
    exposure=cameras[:, :3],
    camera_from_ego=cameras,
    intrinsics=cameras[:, :3, :3],
    tracks=log.tracks,
    sizes=log.sizes,
    classes=log.classes,
    map=log.map,
    drivable=drivable,
    occupancy=occupancy,
    ground=_ground(log, low, high),
    # No camera has pixels, but programs divide by the size of its images.
    height=1,
    width=1,
  )


def _drivable(polygons, low, high, cell):
  fine = cell / _OVERSAMPLING
  columns, rows = np.ceil((high - low) / cell).astype(int) + 1
  shape = [(n - 1) * _OVERSAMPLING + 1 for n in (rows, columns)]
  inside = grids.polygon_mask(polygons, shape, low, fine)
  distance = grids.distance_grid(inside, low, fine)
  return types.Grid(
    values=distance.values[::_OVERSAMPLING, ::_OVERSAMPLING],
    origin=distance.origin,
    cell=np.float32(cell),
  )


def _ground(log, low, high):
  """Mean height below the vehicles of each cell, from the nearest that has."""
  columns, rows = np.ceil((high - low) / _GROUND_CELL).astype(int) + 1
  bottom = np.asarray(log.tracks.z) - np.asarray(log.sizes)[:, 2] / 2
  index = (np.asarray(log.tracks.xy) - low) / _GROUND_CELL
  column, row = np.moveaxis(np.round(index).astype(int), -1, 0)
  near = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
  vehicle = np.asarray(log.classes) == types.VEHICLE

  def mean(agents):
    used = np.asarray(log.tracks.valid) & near & agents
    flat = (row * columns + column)[used]
    count = np.bincount(flat, minlength=rows * columns)
    total = np.bincount(flat, bottom[used], minlength=rows * columns)
    return np.where(count, total / np.maximum(count, 1), np.nan)

  # Other cars are seen from the ego, as if on the plane on which it stands.
  ego = mean(np.arange(len(vehicle)) == 0)
  values = np.where(np.isfinite(ego), ego, mean(vehicle))
  values = values.reshape(rows, columns)
  nearest = ndimage.distance_transform_edt(
    np.isnan(values), return_distances=False, return_indices=True
  )
  filled = values[tuple(nearest)]
  return types.Grid(
    values=ndimage.gaussian_filter(filled, _SMOOTHING, mode='nearest').astype(
      np.float32
    ),
    origin=low.astype(np.float32),
    cell=np.float32(_GROUND_CELL),
  )
