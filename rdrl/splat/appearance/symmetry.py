# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Mirrors vehicles, so that images of one side teach the other.

A vehicle that is mirrored at some steps of a fit learns its far side from
images of the near one. Front and rear are less alike, but the other end is the
best guess for an end that was never seen.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import types

# Harmonics that are odd in x and in y, in the order of 3DGS.
_ODD = ((3, 4, 7, 10, 13, 15), (1, 4, 5, 9, 10, 11))
# Lidar points of an end lie within this share of half the length from it, and
# within this share of half the width from the middle.
_END, _MIDDLE = 0.2, 0.8
# Share of half the length beyond which Gaussians belong to an end.
_BEGIN = 0.4
# An end counts as unseen below this share of the points of the other one.
_HARDLY = 0.25


def planes(log: types.Log, hits):
  """Planes of its box at which each agent may be mirrored.

  Args:
    log: the recorded drive.
    hits: its `lidar.Hits`.

  Returns:
    `[A, 2]` int8, 0 for never. Plane x = 0: for vehicles of which lidar hit one
    end only, the sign of x at the unseen end. Plane y = 0: 1 for all vehicles.
  """
  counts = np.zeros((len(log.sizes), 2), int)
  for agent, size in enumerate(np.asarray(log.sizes)):
    _, place = hits.fitted_around(agent)
    place = place / (size / 2)
    in_middle = np.all(np.abs(place[:, 1:]) < [_MIDDLE, 1], -1)
    in_middle &= np.abs(place[:, 0]) < 1 + _END
    counts[agent, 0] = np.sum(in_middle & (place[:, 0] > 1 - _END))
    counts[agent, 1] = np.sum(in_middle & (place[:, 0] < _END - 1))
  is_vehicle = np.asarray(log.classes) == types.VEHICLE
  is_vehicle[0] = False
  is_one_sided = counts.min(-1) < _HARDLY * counts.max(-1)
  unseen = np.where(counts[:, 0] < counts[:, 1], 1, -1) * is_one_sided
  return (np.stack([unseen, is_vehicle], -1) * is_vehicle[:, None]).astype(
    np.int8
  )


def mirrored(gaussians: types.Gaussians, is_mirrored, axis=1):
  """Reflects Gaussians at a plane through the origin of their node's frame.

  Args:
    gaussians: `N` of them.
    is_mirrored: `[N]` bool, which ones to reflect.
    axis: static, 0 for the plane x = 0, 1 for y = 0.

  Returns:
    `Gaussians`; their harmonics are reflected, too.
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


def end_alone(gaussians: types.Gaussians, end, length):
  """Stops gradients except at the unseen end of what is mirrored at x = 0.

  The seen end must not learn from the mirror image of the other one.

  Args:
    gaussians: `N` of them.
    end: `[N]` sign of x at the end that learns, 0 where all learn.
    length: `[N]` metres, of their boxes.
  """
  is_held = (end != 0) & (gaussians.means[:, 0] * end < _BEGIN * length / 2)

  def hold(x):
    mask = is_held.reshape(-1, *(1,) * (x.ndim - 1))
    return jnp.where(mask, jax.lax.stop_gradient(x), x)

  return jax.tree.map(hold, gaussians)
