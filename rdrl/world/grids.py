# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Ground truth for the rasters of a reconstruction, from the street itself."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import logs
from rdrl import types
from rdrl.world import raycast
from rdrl.world import road as road_lib
from rdrl.world import street as street_lib

# The drivable area is rasterised finer by this odd factor before distances are
# taken, so that they are exact to a sixth of a cell.
_FINE = 3


@jax.jit
def _is_drivable(street, xy):
  x, y = xy[..., 0], xy[..., 1]
  _, d, _ = road_lib.road_coordinates(street.road, x, y)
  side_s, side_d = road_lib.side_coordinates(street.road, x, y)
  return road_lib.drivable_distance(d, side_s, side_d) > 0


@jax.jit
def _clearance(street, xy):
  """Signed distance to facades, trunks and poles, seen from above."""
  x, y = xy[..., 0], xy[..., 1]
  clearance = jnp.full(x.shape, jnp.inf)

  def to_unit(solid):
    matrix = solid.to_unit
    px, py, _ = raycast.to_unit(
      matrix, x - solid.centre[0], y - solid.centre[1], 0.0
    )
    half_x = jax.lax.rsqrt(matrix[0] ** 2 + matrix[1] ** 2)
    half_y = jax.lax.rsqrt(matrix[3] ** 2 + matrix[4] ** 2)
    return px, py, half_x, half_y

  def box(clearance, solid):
    px, py, half_x, half_y = to_unit(solid)
    dx, dy = (jnp.abs(px) - 1) * half_x, (jnp.abs(py) - 1) * half_y
    outside = jnp.hypot(jnp.maximum(dx, 0), jnp.maximum(dy, 0))
    distance = outside + jnp.minimum(jnp.maximum(dx, dy), 0)
    return jnp.minimum(clearance, distance), None

  def cylinder(clearance, solid):
    px, py, radius, _ = to_unit(solid)
    return jnp.minimum(clearance, (jnp.hypot(px, py) - 1) * radius), None

  clearance, _ = jax.lax.scan(box, clearance, street.static.boxes)
  clearance, _ = jax.lax.scan(cylinder, clearance, street.static.cylinders)
  return clearance


def truth_grids(street: street_lib.Street):
  """Rasters of a street, centred on the middle of the ego's path.

  Returns:
    Drivable, occupancy and ground `Grid` with the meaning that they have in
    `Scene`. Obstacles are facades, trunks and poles; parked cars are agents.
  """
  config = street.config
  centre = np.asarray(street.centre)

  def raster(cell, size):
    axis = (np.arange(size) - (size - 1) / 2) * cell
    xs, ys = np.meshgrid(axis + centre[0], axis + centre[1])
    return np.stack([xs, ys], -1).astype(np.float32)

  cell = np.float32(config.grid_cell)
  xy = raster(cell, config.grid_size)
  fine = raster(cell / _FINE, config.grid_size * _FINE)
  inside = np.asarray(_is_drivable(street, fine))
  distance = logs.distance_grid(inside, fine[0, 0], cell / _FINE).values
  drivable = distance[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]
  ground = np.where(drivable > 0, 0, road_lib.KERB_HEIGHT)
  values = (drivable, np.asarray(_clearance(street, xy)), ground)
  return tuple(
    types.Grid(values=x.astype(np.float32), origin=xy[0, 0], cell=cell)
    for x in values
  )
