# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the rasters of a reconstruction should say, from the street itself."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import logs
from rdrl import types
from rdrl.world import raycast
from rdrl.world import street as street_lib

# Heights of the slices in which obstacles count, metres.
_SLICES = (0.3, 0.7, 1.1, 1.5, 2.0)


@jax.jit
def _masks(street, xy):
  x, y = xy[..., 0], xy[..., 1]
  _, d, _ = street_lib.road_coordinates(street.road, x, y)
  _, side_d = street_lib.side_coordinates(street.road, x, y)
  drivable = street_lib.drivable_distance(d, side_d) > 0
  solid = jnp.zeros(x.shape, bool)
  for z in _SLICES:
    solid |= raycast.inside(street.static, (x, y, jnp.full(x.shape, z)))
  return drivable, solid


def truth_grids(street: street_lib.Street):
  """Rasters of a street, centred on the middle of the ego's path.

  Returns:
    Drivable, occupancy and ground `Grid` with the meaning that they have in
    `Scene`. Obstacles are facades, trunks and poles; parked cars are agents.
  """
  config = street.config
  index = np.arange(config.grid_size) - (config.grid_size - 1) / 2
  axis = (index * config.grid_cell).astype(np.float32)
  centre = np.asarray(street.centre)
  xs, ys = np.meshgrid(axis + centre[0], axis + centre[1])
  origin = (centre + axis[0]).astype(np.float32)
  drivable, solid = map(np.asarray, _masks(street, np.stack([xs, ys], -1)))
  ground = np.where(drivable, 0, street_lib.KERB_HEIGHT).astype(np.float32)
  cell = np.float32(config.grid_cell)
  return (
    logs.distance_grid(drivable, origin, cell),
    logs.distance_grid(~solid, origin, cell),
    types.Grid(values=ground, origin=origin, cell=cell),
  )
