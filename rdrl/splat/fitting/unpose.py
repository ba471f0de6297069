# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Initialises the motion of bodies on the host, and takes points back to rest.

A pedestrian's gait shows in its lidar points: below the hips they lie ahead and
behind by the swing of the legs. The gait is the sinusoid over the distance
walked that fits them best, found by a search over frequencies as in the
periodogram of Lomb (1976).
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.splat.appearance import bodies as bodies_lib
from rdrl.splat.appearance import deformation

# Metres beyond the box that belong to the pedestrian: feet reach out.
MARGIN = (0.25, 0.1, 0.1)
# Range of strides over body height that is searched, and the default where
# lidar shows no gait.
_STRIDES, _STRIDE = (0.55, 1.15), 0.83
# Fewest points that show a gait.
_LEAST_POINTS = 30
# Metres above the bottom of the box below which points are ground.
_SOLE = 0.08


def initial_bodies(log: types.Log, hits, config, key):
  """Initialises the bodies of a log.

  Args:
    log: the drive.
    hits: its `lidar.Hits`.
    config: `RenderConfig`, which has the budgets.
    key: of the deformation field.

  Returns:
    `Bodies` of NumPy arrays: pedestrians articulated and cyclists and others
    deformable, where there is a budget for them; None if there is no budget.
  """
  if not (config.articulated_budget or config.deformable_budget):
    return None
  classes, sizes = np.asarray(log.classes), np.asarray(log.sizes, np.float32)
  kind = np.zeros(len(classes), np.int32)
  if config.articulated_budget:
    kind[classes == types.PEDESTRIAN] = types.ARTICULATED
  if config.deformable_budget:
    kind[np.isin(classes, (types.CYCLIST, types.OTHER))] = types.DEFORMABLE
  kind[0] = types.RIGID
  tracks = jax.tree.map(np.asarray, log.tracks)
  along = _along(tracks)
  there = np.maximum(tracks.valid.sum(0), 1)
  origin = np.where(tracks.valid, along, 0).sum(0) / there
  gait = np.zeros((len(kind), 4, 3))
  cadence = np.ones(len(kind))
  for k in np.flatnonzero(kind == types.ARTICULATED):
    cadence[k], gait[k, 0] = _gait(log, hits, k, along[:, k] - origin[k])
  embedding = np.zeros((len(kind), deformation.NUM_EMBEDDED))
  floats = {
    'cadence': cadence,
    'gait': gait,
    'embedding': embedding,
    'field': jax.device_get(deformation.init(key)),
  }
  motion = types.Motion(
    **jax.tree.map(lambda x: np.asarray(x, np.float32), floats)
  )
  return types.Bodies(
    kind=kind,
    sizes=sizes,
    origin=origin.astype(np.float32),
    motion=motion,
  )


def _along(agents):
  """Metres `[...]` along the heading, from the world's origin."""
  return agents.xy[..., 0] * np.cos(agents.yaw) + agents.xy[..., 1] * np.sin(
    agents.yaw
  )


def is_inside(points, size):
  """`[M]` bool, which points `[M, 3]` in its box frame are a pedestrian's."""
  half = np.asarray(size, np.float64) / 2
  inside = np.all(np.abs(points) <= half + MARGIN, -1)
  return inside & (points[:, 2] > _SOLE - half[2])


def _gait(log, hits, k, walked):
  """Estimates the gait of agent k, with straight legs.

  A few dozen points do not separate knees from hips.

  Args:
    log: with lidar.
    hits: of it.
    k: the agent.
    walked: `[T]` metres.

  Returns:
    Cycles per metre; and mean, sine and cosine `[3]` of the hip in rad.
  """
  size = np.asarray(log.sizes[k], np.float64)
  hip = bodies_lib.rest_joints(size)[1, 2]
  index, local = hits.fitted_around(k)
  mine = is_inside(local, size) & (local[:, 2] < hip)
  x, y, z = np.float64(local[mine]).T
  distance = np.float64(walked[hits.steps[index[mine]]])
  lowest, highest = 1 / (max(_STRIDES) * size[2]), 1 / (min(_STRIDES) * size[2])
  reach = np.ptp(distance) if len(x) else 0
  cadences = np.array([1 / (_STRIDE * size[2])])
  # Over less than a stride any cadence fits.
  if reach > max(_STRIDES) * size[2]:
    cadences = np.linspace(
      lowest, highest, 2 + int(8 * reach * (highest - lowest))
    )
  if len(x) < _LEAST_POINTS:
    return 1 / (_STRIDE * size[2]), np.zeros(3)
  best = np.inf, None, None
  for cadence in cadences:
    phase = 2 * np.pi * cadence * distance
    side = np.sign(y)
    basis = np.stack([np.ones(len(x)), side * np.sin(phase)], -1)
    basis = np.c_[basis, side * np.cos(phase)] * (hip - z)[:, None]
    slopes, *_ = np.linalg.lstsq(basis, x, rcond=None)
    error = np.sum((basis @ slopes - x) ** 2)
    if error < best[0]:
      best = error, cadence, slopes
  _, cadence, slopes = best
  swing = np.hypot(*slopes[1:])
  # A slope is the tangent of its angle.
  slopes[1:] *= np.arctan(swing) / max(swing, 1e-9)
  return cadence, np.append(np.arctan(slopes[0]), slopes[1:])


def to_rest(points, times, k, log, bodies):
  """Takes points of a pedestrian back to its rest pose.

  Each moves by the inverse motion of the nearest bone.

  Args:
    points: `[M, 3]` in the box frame.
    times: `[M]` int, the step of each.
    k: the agent.
    log: with its tracks.
    bodies: with its gait.

  Returns:
    `[M, 3]` in the box frame.
  """
  if not len(points):
    return points
  steps, at = np.unique(times, return_inverse=True)
  agents = jax.tree.map(lambda x: jnp.asarray(x)[steps], log.tracks)
  quats, shifts = jax.device_get(_motions(bodies, agents))
  moved = jax.vmap(_point_to_rest, (0, 0, 0, None))(
    jnp.asarray(points, jnp.float32),
    quats[at, k],
    shifts[at, k],
    jnp.asarray(bodies.sizes[k]),
  )
  return np.asarray(moved, np.float64)


@jax.jit
def _motions(bodies, agents):
  return jax.vmap(bodies_lib.all_bone_motions, (None, 0))(bodies, agents)


@jax.jit
def _point_to_rest(point, quats, shifts, size):
  ends, radii = bodies_lib.rest_bones(size)
  moved = bodies_lib.rotate(quats[:, None], ends) + shifts[:, None]
  nearest = jnp.argmin(bodies_lib.capsule_distances(point, moved, radii))
  rotation = geometry.rotation_from_quat(quats[nearest])
  return jnp.sum(rotation * (point - shifts[nearest])[:, None], 0)


def on_bones(size, num, rng):
  """Draws points `[num, 3]` on the capsules around the bones at rest.

  Args:
    size: `[3]` of the box, metres.
    num: how many.
    rng: NumPy generator.
  """
  ends, radii = bodies_lib.rest_bones(np.asarray(size, np.float64))
  axis = ends[:, 1] - ends[:, 0]
  area = radii * (np.linalg.norm(axis, axis=-1) + radii)
  bone = rng.choice(len(radii), num, p=area / area.sum())
  around = rng.normal(size=(num, 3))
  length2 = np.maximum(np.sum(axis[bone] ** 2, -1), 1e-12)
  lean = np.sum(around * axis[bone], -1) / length2
  around -= lean[:, None] * axis[bone]
  around *= (radii[bone] / np.linalg.norm(around, axis=-1))[:, None]
  share = rng.uniform(size=(num, 1))
  return ends[bone, 0] + share * axis[bone] + around
