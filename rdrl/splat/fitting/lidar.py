# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Lidar points of a log with their steps, colours and boxes.

Computed once for a log; grids, gaits, symmetry, light and the initial Gaussians
use it.
"""

import dataclasses

import numpy as np
from scipy import spatial

from rdrl import trees
from rdrl import types

# Metres by which boxes are widened before points in them count as agents.
_MARGIN = 0.3
# Share of a box by which `Hits.around` is wider, on top of the margin.
_AROUND = 0.2
# Points of a normal; and ratio of the variance across their plane to that along
# its shorter axis from which on they form no plane.
_NORMAL_POINTS, _MOST_ROUGH = 12, 0.1


@dataclasses.dataclass(frozen=True)
class Hits:
  """The valid points of all steps, step after step.

  Attributes:
    points: `[M, 3]` metres in the world.
    steps: `[M]` int, the step of each.
    stands: `[M]` bool, whether it is static: in no agent's widened box.
    fitted: `[S]` training steps.
    colors: `[M, 3]` from an image of its step, 0 to 1; NaN where no image sees
      it and at steps that are not `fitted`.
    around: for each agent the points in and around its box: indices `[K]` and
      positions `[K, 3]` in the frame of the box.
  """

  points: np.ndarray
  steps: np.ndarray
  stands: np.ndarray
  fitted: np.ndarray
  colors: np.ndarray
  around: tuple[tuple[np.ndarray, np.ndarray], ...]

  def fitted_around(self, agent):
    """`around` of one agent, at training steps only."""
    index, place = self.around[agent]
    is_fitted = np.isin(self.steps[index], self.fitted)
    return index[is_fitted], place[is_fitted]


def find(log: types.Log, fitted):
  """Finds the `Hits` of a log with training steps `fitted` `[S]`."""
  sizes = np.asarray(log.sizes)
  clouds = [
    np.asarray(cloud)[np.asarray(valid)]
    for cloud, valid in zip(log.lidar, log.lidar_valid, strict=True)
  ]
  counts = [len(cloud) for cloud in clouds]
  begins = np.cumsum([0, *counts])
  points = np.concatenate(clouds)
  stands = np.ones(len(points), bool)
  around = [([], []) for _ in sizes]
  for t, cloud in enumerate(clouds):
    agents = trees.take(log.tracks, t)
    for k in np.flatnonzero(agents.valid):
      place = to_box(cloud, trees.take(agents, k))
      half = sizes[k] / 2
      inside = np.all(np.abs(place) <= half + _MARGIN, -1)
      stands[begins[t] : begins[t + 1]] &= ~inside
      near = np.all(np.abs(place) <= (1 + _AROUND) * half + _MARGIN, -1)
      near = np.flatnonzero(near)
      around[k][0].append(begins[t] + near)
      around[k][1].append(place[near])
  steps = np.repeat(np.arange(len(clouds)), counts)
  return Hits(
    points=points,
    steps=steps,
    stands=stands,
    fitted=np.asarray(fitted),
    colors=_colors(log, points, begins, fitted),
    around=tuple(
      (
        np.concatenate([np.zeros(0, int), *index]),
        np.concatenate([np.zeros((0, 3), np.float32), *place]),
      )
      for index, place in around
    ),
  )


def to_box(points, agent):
  """Transforms world points `[..., 3]` to an agent's box frame, on the host."""
  cos, sin = np.cos(agent.yaw), np.sin(agent.yaw)
  offset = points - np.append(agent.xy, agent.z)
  return np.stack(
    [
      cos * offset[..., 0] + sin * offset[..., 1],
      cos * offset[..., 1] - sin * offset[..., 0],
      offset[..., 2],
    ],
    -1,
  ).astype(np.float32)


def _colors(log, points, begins, steps):
  color = np.full((len(points), 3), np.nan)
  for t in steps:
    mine = np.arange(begins[t], begins[t + 1])
    for c in range(log.images.shape[1]):
      xy, _, inside = _project(log, t, c, points[mine])
      color[mine[inside]] = log.images[t, c][xy[inside, 1], xy[inside, 0]] / 255
  return color


def _project(log, t, c, points):
  """Projects points to pixels `[M, 2]` int, depth `[M]`, in the image `[M]`."""
  m = np.asarray(log.cameras.camera_from_world[t, c], np.float64)
  local = points @ m[:3, :3].T + m[:3, 3]
  depth = local[:, 2]
  ahead = depth > 0.1
  homogeneous = local @ np.asarray(log.cameras.intrinsics[t, c], np.float64).T
  xy = homogeneous[:, :2] / np.where(ahead, depth, 1)[:, None]
  size = (log.cameras.width, log.cameras.height)
  inside = ahead & np.all((xy >= 0) & (xy < size), -1)
  return np.where(inside[:, None], xy, 0).astype(int), depth, inside


def pixels(log, t, c, points=None):
  """Projects lidar points into a view; each pixel keeps the nearest.

  Args:
    log: the drive.
    t: step.
    c: camera.
    points: `[P, 3]` in the world; None: those of the step.

  Returns:
    Flat pixels `[M]` int32 and depths `[M]` in metres.
  """
  if points is None:
    points = np.asarray(log.lidar[t])[np.asarray(log.lidar_valid[t])]
  xy, depth, inside = _project(log, t, c, points)
  pixel, depth = (
    (xy[:, 1] * log.cameras.width + xy[:, 0])[inside],
    depth[inside],
  )
  order = np.lexsort((depth, pixel))
  pixel, first = np.unique(pixel[order], return_index=True)
  return pixel.astype(np.int32), depth[order][first].astype(np.float32)


def normals(log, hits, steps):
  """Unit normals `[M, 3]` in the world of static hits at some steps.

  Each is that of the plane through the nearest static points of these steps
  (Hoppe et al. 1992), towards the sensor; 0 where they form no plane, on agents
  and at other steps.
  """
  chosen = hits.stands & np.isin(hits.steps, steps)
  points, times = hits.points[chosen], hits.steps[chosen]
  found = np.zeros((len(points), 3), np.float32)
  tree = spatial.KDTree(points)
  for t in np.unique(times):
    mine = points[times == t]
    _, near = tree.query(mine, min(_NORMAL_POINTS, len(points)))
    near = points[near.reshape(len(mine), -1)]
    near = near - near.mean(1, keepdims=True)
    variance, axes = np.linalg.eigh(np.einsum('nki,nkj->nij', near, near))
    normal = axes[:, :, 0]
    is_flat = variance[:, 0] < _MOST_ROUGH * variance[:, 1]
    eye = np.append(log.tracks.xy[t, 0], log.tracks.z[t, 0])
    away = np.sum(normal * (mine - eye), -1) > 0
    normal = np.where(away[:, None], -normal, normal) * is_flat[:, None]
    found[times == t] = normal
  result = np.zeros((len(hits.points), 3), np.float32)
  result[chosen] = found
  return result
