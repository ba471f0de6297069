# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Initialises Gaussians, from coloured lidar points, and sky on the host."""

import numpy as np
from scipy import ndimage
from scipy import spatial

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import lighting
from rdrl.splat.appearance import symmetry
from rdrl.splat.fitting import lidar
from rdrl.splat.fitting import unpose
from rdrl.splat.raster import project

# Share of the background's Gaussians on pixels without lidar; and of those, the
# share whose depth is drawn rather than copied from the nearest lidar pixel.
_UNSEEN_SHARE, _DRAWN_SHARE = 0.15, 0.3
_DRAWN_DEPTHS = (20.0, 200.0)
# Pixels from the nearest lidar point beyond which a pixel has no lidar.
_UNSEEN_DISTANCE = 6
_OPACITY, _UNSEEN_OPACITY, _VEHICLE_OPACITY = 0.6, 0.3, 0.9
# `_whole`: metres from a vehicle's own points within which those of others are
# not used; edge of the voxels that measure surfaces; and the sum of differences
# of log sizes beyond which its own other end comes before another vehicle.
_KNOWN, _VOXEL, _ALIKE = 0.3, 0.15, 0.1
# Scale of a Gaussian over the deviation of the points that it covers, least
# scale in metres, and least scale relative to the largest.
_SPREAD, _MIN_WIDTH, _MIN_FLATNESS = 1.5, 0.02, 0.1
# Metres above or below the ground within which a point lies on it.
_GROUND_BAND = 0.1
# Most steps that the light is initialised from.
_LIGHT_STEPS = 100


def initial_scene(log: types.Log, hits, config, rng, surface=None, bodies=None):
  """Initialises Gaussians and sky.

  Args:
    log: with lidar or without; without it, all depths are drawn.
    hits: its `lidar.Hits`.
    config: `FitConfig`.
    rng: NumPy generator.
    surface: `Grid` of the ground's height for a ground node, or None.
    bodies: from `unpose.initial_bodies`; Gaussians of pedestrians are at rest.

  Returns:
    `Gaussians` of NumPy arrays, `config.num_gaussians` of them, and the sky
    `[h, 2 h, 3]`.

  Raises:
    ValueError: if objects take the whole budget.
  """
  clouds = _object_points(log, hits, config, bodies)
  is_seen = hits.stands & ~np.isnan(hits.colors[:, 0])
  points, colors = hits.points[is_seen], hits.colors[is_seen]

  # Lidar samples directions evenly, as images do: an object's share of points
  # is about its share of pixels.
  total = len(points) + sum(len(cloud) for cloud, _ in clouds.values())
  budget = config.num_gaussians
  counts = {
    k: max(config.gaussians_per_object, budget * len(cloud) // max(total, 1))
    for k, (cloud, _) in clouds.items()
  }
  rest = budget - sum(counts.values())
  if rest <= 0:
    raise ValueError(
      f'splat.fit.num_gaussians={budget} leaves none for the background:'
      f' objects take {sum(counts.values())}'
    )
  seen = min(len(points), rest - int(rest * _UNSEEN_SHARE))
  far, far_colors, sky = _unseen_points(
    log, config, hits.fitted, rest - seen, rng
  )
  is_ground = np.zeros(len(points), bool)
  if surface is not None:
    height = np.asarray(geometry.sample_grid(surface, points[:, :2]))
    is_ground = np.abs(points[:, 2] - height) < _GROUND_BAND
  on_ground = seen * np.sum(is_ground) // max(len(points), 1)
  parts = [
    (*_cover(points[mask], colors[mask], count), node, _OPACITY)
    for mask, count, node in (
      (~is_ground, seen - on_ground, types.BACKGROUND),
      (is_ground, on_ground, types.GROUND),
    )
  ]
  parts.append(
    (far, *_shape(far), far_colors, types.BACKGROUND, _UNSEEN_OPACITY)
  )
  for k, cloud in clouds.items():
    size = np.asarray(log.sizes[k], np.float64)
    if config.likeness_weight and log.classes[k] == types.VEHICLE:
      for part in _whole(k, clouds, log, counts[k], rng):
        parts.append((*part, k, _VEHICLE_OPACITY))
      continue
    cloud = _complete(*cloud, size, counts[k], rng, _walks(bodies, k))
    parts.append((*_cover(*cloud, counts[k]), k, _OPACITY))

  means, log_scales, quats, color = (
    np.concatenate([part[i] for part in parts]) for i in range(4)
  )
  sizes = [len(part[0]) for part in parts]
  node = np.repeat([part[4] for part in parts], sizes)
  opacity = np.repeat([part[5] for part in parts], sizes)
  sh = np.zeros((len(means), (config.sh_degree + 1) ** 2, 3))
  sh[:, 0] = (color - 0.5) / project.SH0
  floats = {
    'means': means,
    'log_scales': log_scales,
    'quats': quats,
    'opacity_logits': np.log(opacity / (1 - opacity)),
    'sh': sh,
  }
  floats = {k: np.asarray(v, np.float32) for k, v in floats.items()}
  return types.Gaussians(**floats, node=node.astype(np.int32)), sky


def initial_light(log, hits, steps):
  """Harmonics `[8, 3]` of the light on agents, see `lighting.of_facades`."""
  steps = steps[:: -(-len(steps) // _LIGHT_STEPS)]
  is_seen = np.isin(hits.steps, steps) & ~np.isnan(hits.colors[:, 0])
  normals = lidar.normals(log, hits, steps)
  return lighting.of_facades(
    normals[is_seen], hits.colors[is_seen], hits.points[is_seen]
  )


def _patches(points, num):
  """Cuts points into `num` equally large patches, as a k-d tree does.

  Returns:
    Indices `[M]` patch after patch, and `[num]` where each patch begins.
  """
  leaves = []

  def cut(index, num):
    if num == 1:
      leaves.append(index)
      return
    part = points[index]
    axis = np.argmax(np.ptp(part, axis=0))
    left = num // 2
    at = len(index) * left // num
    order = np.argpartition(part[:, axis], at)
    cut(index[order[:at]], left)
    cut(index[order[at:]], num - left)

  cut(np.arange(len(points)), num)
  begins = np.cumsum([0] + [len(leaf) for leaf in leaves[:-1]])
  return np.concatenate(leaves), begins


def _cover(points, colors, num):
  """Covers points, at least `num`, by `num` Gaussians of equally many points.

  Returns:
    Means `[num, 3]`, log scales `[num, 3]`, quaternions `[num, 4]`, colours
    `[num, 3]`.
  """
  if not num:
    return tuple(np.zeros((0, n)) for n in (3, 3, 4, 3))
  order, begins = _patches(points, num)
  points, colors = points[order].astype(np.float64), colors[order]
  count = np.diff(np.append(begins, len(points)))[:, None]
  mean = np.add.reduceat(points, begins) / count
  offset = points - np.repeat(mean, count[:, 0], 0)
  outer = np.einsum('ni,nj->nij', offset, offset)
  covariance = np.add.reduceat(outer, begins) / count[..., None]
  # Few points say little about a patch's shape: shrink it towards a round one
  # of the spacing of neighbours.
  nearest = spatial.KDTree(mean).query(mean, min(4, num))[0].reshape(num, -1)
  round_ = np.mean(nearest**2, 1)[:, None, None] / 12 * np.eye(3)
  trust = count[..., None] / (count[..., None] + 3)
  covariance = trust * covariance + (1 - trust) * round_
  scales, quats = _principal_axes(covariance)
  color = np.add.reduceat(colors, begins) / count
  return mean, np.log(scales), quats, color


def _principal_axes(covariance):
  """Scales `[M, 3]` in metres and quaternions `[M, 4]` of covariances."""
  variance, axes = np.linalg.eigh(covariance)
  # Right-handed.
  axes[:, :, 2] *= np.linalg.det(axes)[:, None]
  quats = spatial.transform.Rotation.from_matrix(axes).as_quat()
  width = _SPREAD * np.sqrt(np.maximum(variance, 0))
  width = np.maximum(width, _MIN_WIDTH)
  return np.maximum(width, _MIN_FLATNESS * width[:, 2:]), quats[:, [3, 0, 1, 2]]


def _walks(bodies, k):
  return bodies is not None and bodies.kind[k] == types.ARTICULATED


def _object_points(log, hits, config, bodies=None):
  """Points and colours of each agent that is valid at a training step.

  Returns:
    Agent to points `[M, 3]` in its box frame and colours `[M, 3]`. Points are
    mirrored at y = 0, because vehicles are symmetric and their far side is
    never seen, and at x = 0 where `symmetry.planes` says so, unless `_whole`
    fills the vehicle. Those of pedestrians are at rest.
  """
  clouds = {}
  ends = np.zeros(len(log.sizes), np.int8)
  if config.mirror_share and not config.likeness_weight:
    ends = symmetry.planes(log, hits)[:, 0]
  for k in range(1, len(log.sizes)):
    half = np.asarray(log.sizes[k], np.float64) / 2
    if not log.tracks.valid[hits.fitted, k].any():
      continue
    index, local = hits.fitted_around(k)
    inside = np.all(np.abs(local) <= half + 0.1, -1)
    # Without the road below.
    inside &= local[:, 2] > -half[2] + 0.08
    if _walks(bodies, k):
      inside = unpose.is_inside(local, log.sizes[k])
    inside &= ~np.isnan(hits.colors[index, 0])
    index, local = index[inside], local[inside]
    colors = hits.colors[index]
    if _walks(bodies, k):
      local = unpose.to_rest(local, hits.steps[index], k, log, bodies)
    local = np.concatenate([local, local * [1, -1, 1]])
    if ends[k]:
      local = np.concatenate([local, local * [-1, 1, 1]])
    clouds[k] = local, np.tile(colors, (len(local) // max(len(colors), 1), 1))
  return clouds


def _whole(k, clouds, log, num, rng):
  """Covers a whole vehicle by `num` Gaussians, in two lists as of `_cover`.

  The first list covers its own points. The second covers what is missing by the
  points of other vehicles, scaled to its size, and of its own other end, the
  most similar first, in its mean colour. The area of each decides its number.
  """
  sizes = np.asarray(log.sizes, np.float64)
  own, colors = clouds[k]
  others = [
    (np.abs(np.log(sizes[j] / sizes[k])).sum(), cloud / sizes[j] * sizes[k])
    for j, (cloud, _) in clouds.items()
    if j != k and log.classes[j] == types.VEHICLE
  ]
  others.append((_ALIKE, own * [-1, 1, 1]))
  fill, known = np.zeros((0, 3)), own
  for _, cloud in sorted(others, key=lambda other: other[0]):
    if len(known) and len(cloud):
      distance, _ = spatial.KDTree(known).query(cloud)
      cloud = cloud[distance > _KNOWN]
    fill, known = (np.concatenate([x, cloud]) for x in (fill, known))
  areas = [len(np.unique(np.round(x / _VOXEL), axis=0)) for x in (own, fill)]
  count = min(len(own), num * areas[0] // max(sum(areas), 1))
  fill = fill, np.tile(_mean_color(colors), (len(fill), 1))
  fill = _complete(*fill, sizes[k], num - count, rng)
  return _cover(own, colors, count), _cover(*fill, num - count)


def _complete(points, colors, size, num, rng, walks=False):
  """Adds points on a box's faces, or on a pedestrian's bones, up to `num`."""
  missing = max(num - len(points), 0)
  if walks:
    face = unpose.on_bones(size, missing, rng) / (0.45 * size)
  else:
    face = rng.uniform(-1, 1, (missing, 3))
    axis = rng.integers(0, 3, missing)
    face[np.arange(missing), axis] = np.sign(face[np.arange(missing), axis])
  return (
    np.concatenate([points, 0.45 * face * size]),
    np.concatenate([colors, np.tile(_mean_color(colors), (missing, 1))]),
  )


def _mean_color(colors):
  return colors.mean(0) if len(colors) else np.full(3, 0.5)


def _unseen_points(log, config, steps, num, rng):
  """Points on pixels without lidar, and a sky of the colours of such pixels.

  Most points take the depth of the nearest lidar pixel, which continues a
  facade above the topmost beam; for the rest an inverse depth is drawn.
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
    pixel, depth = lidar.pixels(log, t, c)
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
  camera = trees.take(log.cameras, (t, c))
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


def _shape(points):
  """Log scales `[M, 3]`, quaternions `[M, 4]` of round, touching Gaussians."""
  num = len(points)
  if not num:
    return np.zeros((0, 3)), np.zeros((0, 4))
  distance, _ = spatial.KDTree(points).query(points, min(4, num))
  width = np.clip(distance.reshape(num, -1).mean(-1), 0.05, 10)
  return np.log(np.tile(width[:, None], 3)), np.tile([1.0, 0, 0, 0], (num, 1))
