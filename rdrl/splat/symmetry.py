# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Vehicles are alike on both sides, so what is seen of one tells of the other.

A vehicle that is fitted as its own mirror image at some of the steps learns its
far side from pictures of the near one. Front and rear are less alike, but an
end that was never seen is more like the other one than like nothing.
"""

import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types

# The harmonics that are odd in x and in y, in the order of 3DGS.
_ODD = ((3, 4, 7, 10, 13, 15), (1, 4, 5, 9, 10, 11))
# Metres within which a camera sees enough of an end.
_NEAR = 40.0


def planes(log: types.Log, steps):
  """At which planes of its box each agent may be mirrored.

  Args:
    log: what was recorded.
    steps: `[S]` that are looked at.

  Returns:
    `[A, 2]` bool: at x = 0, for vehicles of which just one end was seen, and at
    y = 0, for all vehicles.
  """
  ends = np.zeros((len(log.sizes), 2), bool)
  for t in steps:
    agents = types.take(log.tracks, t)
    from_box = np.asarray(geometry.world_from_box(agents))
    for pose in np.asarray(log.cameras.camera_from_world[t], np.float64):
      eye = -pose[:3, :3].T @ pose[:3, 3]
      offset = np.asarray(agents.xy) - eye[:2]
      is_seen = agents.valid & (np.linalg.norm(offset, axis=-1) < _NEAR)
      is_seen &= offset @ pose[2, :2] > 0
      along = -np.sum(from_box[:, :2, 0] * offset, -1)
      half = np.asarray(log.sizes)[:, 0] / 2
      ends[:, 0] |= is_seen & (along < -half)
      ends[:, 1] |= is_seen & (along > half)
  is_vehicle = np.asarray(log.classes) == types.VEHICLE
  is_vehicle[0] = False
  return np.stack([is_vehicle & (ends.sum(-1) == 1), is_vehicle], -1)


def mirrored(gaussians: types.Gaussians, is_mirrored, axis=1):
  """Gaussians reflected at a plane through the origin of their node's frame.

  Args:
    gaussians: `N` of them.
    is_mirrored: `[N]` bool, which ones; the others come back as they are.
    axis: static, 0 for the plane x = 0, 1 for y = 0.

  Returns:
    `Gaussians`, whose colours follow: what was seen from the left is seen from
    the right.
  """
  flip = is_mirrored[:, None]
  point = np.ones(3, np.float32)
  point[axis] = -1
  # The axis of a rotation is a pseudovector.
  quat = np.append(np.float32(1), -point)
  harmonic = np.ones(16, np.float32)
  harmonic[list(_ODD[axis])] = -1
  harmonic = harmonic[: gaussians.sh.shape[1], None]
  means, quats, sh = gaussians.means, gaussians.quats, gaussians.sh
  return gaussians.replace(
    means=jnp.where(flip, means * point, means),
    quats=jnp.where(flip, quats * quat, quats),
    sh=jnp.where(flip[..., None], sh * harmonic, sh),
  )
