# Copyright 2026 The rdrl Authors. Apache-2.0.
"""First guesses on the host: Gaussians from coloured lidar points, the sky."""

import numpy as np
from scipy import ndimage
from scipy import spatial

from rdrl import types
from rdrl.splat import grids

# Share of the background's Gaussians on pixels that lidar does not reach, and
# the share of those whose depth is drawn rather than copied from below.
_UNSEEN_SHARE, _DRAWN_SHARE = 0.25, 0.3
_DRAWN_DEPTHS = (20.0, 200.0)
# Pixels from the nearest lidar point from which a pixel counts as unreached.
_UNSEEN_DISTANCE = 6
# Distance in metres within which points are thinned alike: detail nearer than
# this is never seen closer.
_NEAREST = 3.0
_OPACITY, _UNSEEN_OPACITY = 0.6, 0.3
# Thickness of a Gaussian on a surface relative to its width.
_FLATNESS = 0.2
_SH0 = 0.28209479177387814


def initial_scene(log: types.Log, config, steps, rng):
  """Gaussians and sky to start fitting from.

  Args:
    log: with lidar or without; without it, all depths are drawn.
    config: `splat.Config`.
    steps: `[S]` the time steps that may be looked at.
    rng: NumPy generator.

  Returns:
    `Gaussians` of NumPy arrays, `config.num_gaussians` of them, and the sky
    `[h, 2 h, 3]`.
  """
  objects, nodes, object_colors = _object_points(log, config, steps, rng)
  budget = config.num_gaussians - len(objects)
  if budget <= 0:
    raise ValueError(
      f'splat.num_gaussians={config.num_gaussians} leaves none for the'
      f' background: objects take {len(objects)}'
    )
  points, times = grids.static_points(log, steps)
  num_unseen = int(budget * _UNSEEN_SHARE)
  surface, colors = _thin(log, points, times, budget - num_unseen, rng)
  num_unseen = budget - len(surface)
  unseen, unseen_colors, sky = _unseen_points(
    log, config, steps, num_unseen, rng
  )

  means = np.concatenate([surface, unseen, objects])
  color = np.concatenate([colors, unseen_colors, object_colors])
  node = np.r_[np.zeros(len(surface) + len(unseen), np.int32), nodes]
  shapes = [_shape(surface), _shape(unseen)]
  shapes += [_shape(objects[nodes == k]) for k in np.unique(nodes)]
  log_scales, quats = map(np.concatenate, zip(*shapes, strict=True))
  opacity = np.full(len(means), _OPACITY)
  opacity[len(surface) : len(surface) + len(unseen)] = _UNSEEN_OPACITY
  sh = np.zeros((len(means), (config.sh_degree + 1) ** 2, 3))
  sh[:, 0] = (color - 0.5) / _SH0
  floats = {
    'means': means,
    'log_scales': log_scales,
    'quats': quats,
    'opacity_logits': np.log(opacity / (1 - opacity)),
    'sh': sh,
  }
  floats = {k: np.asarray(v, np.float32) for k, v in floats.items()}
  return types.Gaussians(**floats, node=node.astype(np.int32)), sky


def _project(log, t, c, points):
  """Pixels `[M, 2]` int, depth `[M]` and whether in the image `[M]`."""
  m = np.asarray(log.cameras.camera_from_world[t, c], np.float64)
  local = points @ m[:3, :3].T + m[:3, 3]
  depth = local[:, 2]
  ahead = depth > 0.1
  homogeneous = local @ np.asarray(log.cameras.intrinsics[t, c], np.float64).T
  xy = homogeneous[:, :2] / np.where(ahead, depth, 1)[:, None]
  size = (log.cameras.width, log.cameras.height)
  inside = ahead & np.all((xy >= 0) & (xy < size), -1)
  return np.where(inside[:, None], xy, 0).astype(int), depth, inside


def lidar_pixels(log, t, c, points=None):
  """Flat pixel `[M]` and depth `[M]` of the lidar points that a view sees.

  Where several points share a pixel the nearest stays.
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


def _colors(log, points, times):
  """Colour `[M, 3]` of points in some image of their own step; NaN in none."""
  color = np.full((len(points), 3), np.nan)
  for t in np.unique(times):
    index = np.flatnonzero(times == t)
    for c in range(log.images.shape[1]):
      xy, _, inside = _project(log, t, c, points[index])
      chosen = index[inside]
      color[chosen] = log.images[t, c][xy[inside, 1], xy[inside, 0]] / 255
  return color


def _thin(log, points, times, budget, rng):
  """At most `budget` of the points, evenly as seen from the driven path.

  Cells grow in powers of two with the distance to the path, so that a Gaussian
  covers about as many pixels everywhere.

  Returns:
    Means `[M, 3]` and colours `[M, 3]` of the points of each cell.
  """
  color = _colors(log, points, times)
  is_seen = ~np.isnan(color[:, 0])
  points, color = points[is_seen], color[is_seen]
  if not len(points):
    return np.zeros((0, 3)), np.zeros((0, 3))
  ego = types.take(log.tracks, (slice(None), 0))
  path = np.c_[ego.xy, ego.z][np.asarray(ego.valid)]
  distance = np.maximum(spatial.KDTree(path).query(points)[0], _NEAREST)

  def cells(base):
    size = np.exp2(np.round(np.log2(base * distance)))
    index = np.floor(points / size[:, None]).astype(np.int64)
    key = np.c_[np.round(np.log2(size)).astype(np.int64), index] & 0xFFFF
    key = key @ (1 << np.array([48, 32, 16, 0], np.int64))
    return np.unique(key, return_inverse=True, return_counts=True)

  low, high = 1e-3, 1.0
  for _ in range(10):
    base = np.sqrt(low * high)
    low, high = (low, base) if len(cells(base)[0]) <= budget else (base, high)
  _, inverse, count = cells(high)

  def mean(values):
    sums = [np.bincount(inverse, values[:, i]) for i in range(3)]
    return np.stack(sums, -1) / count[:, None]

  # High cells of one size hold fewer than the budget: points fill the rest.
  more = rng.permutation(len(points))[: max(budget - len(count), 0)]
  return (
    np.concatenate([mean(points), points[more]])[:budget],
    np.concatenate([mean(color), color[more]])[:budget],
  )


def _object_points(log, config, steps, rng):
  """Points of tracked agents in their box frames.

  Lidar points within a box, mirrored across its length because vehicles are
  symmetric and their far side is never seen; where there are too few, points
  on the box's faces.

  Returns:
    Means `[M, 3]`, nodes `[M]` and colours `[M, 3]`.
  """
  budget = config.gaussians_per_object
  means, nodes, colors = [], [], []
  for k in range(1, len(log.sizes)):
    half = np.asarray(log.sizes[k], np.float64) / 2
    seen, seen_times, world = [], [], []
    for t in steps:
      agent = types.take(log.tracks, (t, k))
      if not agent.valid:
        continue
      cloud = np.asarray(log.lidar[t])[np.asarray(log.lidar_valid[t])]
      local = grids.to_box(cloud, agent)
      inside = np.all(np.abs(local) <= half + 0.1, -1)
      # The road below the car is not the car.
      inside &= local[:, 2] > -half[2] + 0.08
      seen.append(local[inside])
      world.append(cloud[inside])
      seen_times.append(np.full(inside.sum(), t))
    if not seen:
      continue
    local, world = np.concatenate(seen), np.concatenate(world)
    color = _colors(log, world, np.concatenate(seen_times))
    is_seen = ~np.isnan(color[:, 0])
    local, color = local[is_seen], color[is_seen]
    default = color.mean(0) if len(color) else np.full(3, 0.5)
    order = rng.permutation(len(local))[: budget // 2]
    local, color = local[order], color[order]
    mirrored = local * [1, -1, 1]
    missing = budget - 2 * len(local)
    face = rng.uniform(-1, 1, (missing, 3))
    axis = rng.integers(0, 3, missing)
    face[np.arange(missing), axis] = np.sign(face[np.arange(missing), axis])
    means += [local, mirrored, face * half * 0.9]
    colors += [color, color, np.tile(default, (missing, 1))]
    nodes.append(np.full(budget, k))
  if not means:
    return np.zeros((0, 3)), np.zeros(0, np.int32), np.zeros((0, 3))
  return (
    np.concatenate(means),
    np.concatenate(nodes),
    np.clip(np.concatenate(colors), 0, 1),
  )


def _unseen_points(log, config, steps, num, rng):
  """Points on pixels without lidar, and the sky that such pixels would make.

  Most take the depth of the nearest pixel that has one, which continues a
  facade above the topmost beam; the rest draw an inverse depth.
  """
  height, width = log.images.shape[2:4]
  sky_size = np.array([config.sky_height, 2 * config.sky_height])
  sky_sum = np.zeros((*sky_size, 3))
  sky_count = np.zeros(sky_size)
  views = [(t, c) for t in steps for c in range(log.images.shape[1])]
  order = rng.permutation(len(views))[: min(len(views), 64)]
  per_view = -(-num // len(order))
  means, colors = [], []
  for t, c in (views[i] for i in order):
    pixel, depth = lidar_pixels(log, t, c)
    image = np.asarray(log.images[t, c]).reshape(-1, 3) / 255
    known = np.zeros(height * width)
    known[pixel] = depth
    known = known.reshape(height, width)
    distance, nearest = ndimage.distance_transform_edt(
      known == 0, return_indices=True
    )
    if not len(pixel):
      distance = np.full((height, width), np.inf)
    unseen = np.flatnonzero(distance > _UNSEEN_DISTANCE)
    if not len(unseen):
      unseen = np.arange(height * width)
    chosen = rng.choice(unseen, per_view)
    near, far = _DRAWN_DEPTHS
    z = 1 / rng.uniform(1 / far, 1 / near, per_view)
    copied = known[tuple(nearest)].ravel()[chosen]
    is_copied = (rng.uniform(size=per_view) > _DRAWN_SHARE) & (copied > 0)
    z = np.where(is_copied, copied * rng.uniform(1, 1.2, per_view), z)
    origin, rays = _rays(log, t, c)
    means.append(origin + z[:, None] * rays[chosen])
    colors.append(image[chosen])

    up = unseen[rays[unseen, 2] > 0]
    row, column = _sky_cell(rays[up], sky_size)
    np.add.at(sky_sum, (row, column), image[up])
    np.add.at(sky_count, (row, column), 1)
  sky = sky_sum / np.maximum(sky_count, 1)[..., None]
  if sky_count.any():
    nearest = ndimage.distance_transform_edt(
      sky_count == 0, return_distances=False, return_indices=True
    )
    sky = sky[tuple(nearest)]
  else:
    sky = np.full_like(sky, 0.5)
  return (
    np.concatenate(means)[:num],
    np.concatenate(colors)[:num],
    sky.astype(np.float32),
  )


def _rays(log, t, c):
  """Origin `[3]` and directions `[H W, 3]` as in `geometry.pixel_rays`."""
  camera = types.take(log.cameras, (t, c))
  y, x = np.mgrid[: camera.height, : camera.width] + 0.5
  pixels = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
  m = np.asarray(camera.camera_from_world, np.float64)
  rays = pixels @ np.linalg.inv(np.asarray(camera.intrinsics, np.float64)).T
  return -m[:3, :3].T @ m[:3, 3], rays @ m[:3, :3]


def _sky_cell(rays, size):
  polar = np.arctan2(np.hypot(rays[:, 0], rays[:, 1]), rays[:, 2])
  azimuth = np.arctan2(rays[:, 1], rays[:, 0]) % (2 * np.pi)
  row = (polar / np.pi * size[0]).astype(int)
  column = (azimuth / (2 * np.pi) * size[1]).astype(int)
  return np.minimum(row, size[0] - 1), np.minimum(column, size[1] - 1)


def _shape(points, num_neighbours=6):
  """Log scales `[M, 3]` and quaternions `[M, 4]` that cover a surface.

  Widths are the mean distance to the nearest points; the thin axis is the
  normal of the plane through them.
  """
  num = len(points)
  if num <= num_neighbours:
    return np.full((num, 3), -1.5), np.tile([1.0, 0, 0, 0], (num, 1))
  distance, index = spatial.KDTree(points).query(points, num_neighbours + 1)
  width = np.clip(distance[:, 1:4].mean(-1), 0.02, 10) * 0.8
  offsets = points[index] - points[index].mean(1, keepdims=True)
  _, axes = np.linalg.eigh(np.einsum('nki,nkj->nij', offsets, offsets))
  # The normal first, then a right-handed frame.
  axes[:, :, 2] *= np.linalg.det(axes)[:, None]
  quats = spatial.transform.Rotation.from_matrix(axes).as_quat()[
    :, [3, 0, 1, 2]
  ]
  scales = width[:, None] * np.array([_FLATNESS, 1, 1])
  return np.log(scales), quats
