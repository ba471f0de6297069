# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Streets as scenes by geometry alone, without recording anything."""

import jax
import numpy as np

from rdrl import types
from rdrl.world import grids
from rdrl.world import recording
from rdrl.world import street as street_lib


def scene(street: street_lib.Street) -> types.Scene:
  """The `Scene` of a street, with its cameras but without Gaussians and sky.

  Rasters and map are true, and the expert and its traffic drive as they do
  when they are recorded: `Renderer` draws it.
  """
  drivable, occupancy, ground = grids.truth_grids(street)
  mounts, intrinsics = recording.camera_rig(street.config)
  return types.Scene(
    gaussians=types.NO_GAUSSIANS,
    sky=np.zeros((0, 0, 3), np.float32),
    exposure=np.zeros((len(mounts), 3, 4), np.float32),
    camera_from_ego=mounts,
    intrinsics=intrinsics,
    tracks=jax.device_get(recording.drive(street)),
    sizes=np.asarray(street.sizes),
    classes=np.asarray(street.classes),
    map=street.map,
    drivable=drivable,
    occupancy=occupancy,
    ground=ground,
    height=street.config.height,
    width=street.config.width,
  )
