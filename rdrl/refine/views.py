# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Renders of a scene along a path, with all that is known of each pixel.

Besides render, depth, alpha and rasters there is a reference: what recorded
frames show at the points that the render places in each pixel. Clean frames
beside the degraded one are how Difix3D+ (arXiv 2503.01774) keeps the detail
that a render has lost; we bring them into the view by its own depth.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.refine import conditions

# What the last axis of a condition holds.
CHANNELS = (
  'alpha',
  'nearness',
  'mask',
  'vehicle',
  'other_agent',
  'facing',
  'painted_line',
  'lane_centre',
  'reference_weight',
)

# Metres at which nearness, 1 / (1 + depth / this), is one half.
_HALF_DEPTH = 10.0
# Metres beyond which a render is masked: its depth is a guess.
_FAR = 80.0
# Share of the depth of the ground within which a render means the ground.
_ROAD = 0.15
# Share of it from which on it does where nothing stands.
_HOVER = 0.5
# Depth in metres that agrees with none.
_HIDDEN = -1e4


@struct.dataclass
class Recording:
  """Recorded frames and depths in which views of one scene are looked up.

  Attributes:
    images: `[T, C, H, W, 3]` uint8, recorded.
    depth: `[T, C, H, W]` metres, rendered, those of the road moved onto it; 0
      where nothing is, and far behind the camera where the recording car is in
      the way, so that nothing is looked up there.
    cameras: `[T, C]`.
    lines: what `conditions.lane_grid` returned.
  """

  images: types.Array
  depth: types.Array
  cameras: types.Camera
  lines: types.Grid


def shifted_cameras(scene, offset, steps):
  """Cameras of the recorded path shifted sideways, heading kept.

  Args:
    scene: whose ego to follow.
    offset: metres to the left of the ego.
    steps: `[S]` int, steps of the recording.

  Returns:
    `Camera` `[S, C]`.
  """
  ego = jax.tree.map(lambda x: np.asarray(x)[steps, 0], scene.tracks)
  return _shifted(
    scene.camera_from_ego,
    scene.intrinsics,
    ego,
    np.float32(offset),
    scene.height,
    scene.width,
  )


@functools.partial(
  training.compiling.quick_jit, static_argnames=('height', 'width')
)
def _shifted(camera_from_ego, intrinsics, ego, offset, height, width):
  left = jnp.stack([-jnp.sin(ego.yaw), jnp.cos(ego.yaw)], -1)
  ego = ego.replace(xy=ego.xy + offset * left)
  cameras = jax.vmap(
    lambda ego: geometry.mount_cameras(
      camera_from_ego, intrinsics, ego, height, width
    )
  )(ego)
  shape = (len(ego.yaw), *intrinsics.shape)
  return cameras.replace(intrinsics=jnp.broadcast_to(intrinsics, shape))


def recording(scene, log, render_config):
  """The `Recording` of a log, depths rendered from `scene`."""
  lines, scene = jax.device_put((conditions.lane_grid(scene.map), scene))
  depth = [
    _depths(scene, lines, *_at(log, step), render_config)
    for step in range(len(log.times))
  ]
  depth = np.stack(jax.device_get(depth))
  if log.ego_mask is not None:
    depth = np.where(log.ego_mask, np.float32(_HIDDEN), depth)
  images, depth, cameras = jax.device_put((log.images, depth, log.cameras))
  return Recording(images=images, depth=depth, cameras=cameras, lines=lines)


def references(tracks, usable, steps, camera_index, num_cameras, config, least):
  """Recorded frames in which to look up the points of each view of a clip.

  The same camera from where the ego was `config.reference_distances` further
  along its path, and the other cameras from the first of these places.

  Args:
    tracks: `[T, A]`.
    usable: `[T]` bool.
    steps: `[F]` of the views.
    camera_index: of the views.
    num_cameras: of the recording.
    config: with `reference_distances` in metres.
    least: metres that a reference must at least be away; 0 allows the step of
      the view itself.

  Returns:
    `[F, R, 2]` int32 step and camera, best first; step -1 where there is none.
  """
  xy = np.asarray(tracks.xy)[:, 0]
  along = np.append(0, np.cumsum(np.linalg.norm(np.diff(xy, axis=0), axis=-1)))
  others = (camera_index + np.arange(1, num_cameras)) % num_cameras
  rows = []
  for step in steps:
    away = along - along[step]
    found = []
    for distance in config.reference_distances:
      miss = np.where(usable & (np.abs(away) >= least), 0, np.inf)
      miss += np.abs(away - distance)
      # Steps decide between equal distances, as where the ego stands.
      best = np.lexsort((np.abs(np.arange(len(away)) - step), miss))[0]
      is_near = miss[best] <= max(least, 2.0)
      found.append(best if is_near else -1)
    rows.append(
      [(best, camera_index) for best in found]
      + [(found[0], other) for other in others]
    )
  return np.array(rows, np.int32)


@functools.partial(jax.jit, static_argnames='render_config')
def render_clip(
  scene, recording, cameras, steps, camera_index, references, render_config
):
  """Renders one clip and its condition.

  Args:
    scene: rendered.
    recording: its `Recording`.
    cameras: `[F]`.
    steps: `[F]` int32, which say where the agents are.
    camera_index: `[]` int32, whose exposure to use.
    references: `[F, R, 2]` int32, what `references` returned.
    render_config: of rendering.

  Returns:
    Render and reference `[F, h, w, 3]`, and condition `[F, h, w,
    len(CHANNELS)]`, all uint8. The reference fades into the render as its
    weight goes to 0.
  """

  def view(inputs):
    camera, step, references = inputs
    agents = jax.tree.map(lambda x: x[step], scene.tracks)
    rendered = splat.render_scene(
      scene,
      camera,
      agents,
      camera_index,
      render_config,
      time=step * types.TIME_STEP,
    )
    depth = rendered.depth
    boxes, box_depth = conditions.box_raster(
      camera, agents, scene.sizes, scene.classes
    )
    lines, ground_depth = conditions.lane_raster(
      camera, recording.lines, scene.ground
    )
    lines = jnp.where((box_depth < ground_depth)[..., None], 0, lines)
    is_seen = (rendered.alpha > 0.5) & (depth < _FAR)
    geometric = jnp.stack(
      [
        rendered.alpha,
        jnp.where(depth > 0, 1 / (1 + depth / _HALF_DEPTH), 0),
        is_seen,
      ],
      -1,
    )
    reference, weight = _reference(
      scene,
      recording,
      camera,
      _flat(scene, camera, depth, ground_depth, box_depth),
      agents,
      references,
    )
    reference = rendered.color + weight * (reference - rendered.color)
    condition = jnp.concatenate([geometric, boxes, lines, weight], -1)
    return _bytes(rendered.color), _bytes(reference), _bytes(condition)

  return jax.lax.map(view, (cameras, steps, references))


def _reference(scene, recording, camera, depth, agents, references):
  """Recorded colour `[H, W, 3]` of each pixel's point; weight `[H, W, 1]`."""
  origin, directions = geometry.pixel_rays(camera)
  points = origin + depth[..., None] * directions
  has_point = (depth > 0) & (depth < _FAR)
  pose = geometry.world_from_box(agents)
  local = jax.vmap(geometry.transform_points, (0, None))(
    geometry.inverse(pose), points
  )
  half = jnp.asarray(scene.sizes)[:, None, None] / 2 + 0.2
  inside = jnp.all(jnp.abs(local) < half, -1) & agents.valid[:, None, None]
  # The first agent is the ego, which is not drawn: no point lies in it.
  inside = inside.at[0].set(False)
  owner = jnp.argmax(inside, 0)
  is_owned = jnp.any(inside, 0)
  local = jnp.take_along_axis(local, owner[None, ..., None], 0)[0]

  def look(reference):
    step, camera_index = reference
    there = jax.tree.map(lambda x: x[step], scene.tracks)
    other_pose = geometry.world_from_box(there)[owner]
    moved = (
      jnp.einsum(
        'hwij,hwj->hwi',
        other_pose[..., :3, :3],
        local,
        precision=jax.lax.Precision.HIGHEST,
      )
      + other_pose[..., :3, 3]
    )
    target = jnp.where(is_owned[..., None], moved, points)
    other = jax.tree.map(lambda x: x[step, camera_index], recording.cameras)
    pixel, distance = geometry.project(other, target)
    image = recording.images[step, camera_index] / 255
    seen = recording.depth[step, camera_index]
    sampled = _sample(
      jnp.concatenate([image, seen[..., None]], -1), pixel - 0.5
    )
    height, width = seen.shape
    in_view = jnp.all(
      (pixel > 0.5) & (pixel < jnp.array([width, height]) - 0.5), -1
    )
    # What stands in front of the point in the other frame hides it there.
    mismatch = jnp.abs(sampled[..., 3] - distance)
    agreement = jnp.exp(-mismatch / (0.3 + 0.1 * jnp.abs(distance)))
    usable = has_point & in_view & (distance > 0.1) & (step >= 0)
    usable &= ~is_owned | there.valid[owner]
    return sampled[..., :3], jnp.where(usable, agreement, 0)

  # What the better references leave open, the others fill.
  color, weight = jax.vmap(look)(references)
  left_open = jnp.cumprod(1 - weight, 0)
  weight = weight.at[1:].multiply(left_open[:-1])
  sure = jnp.sum(weight, 0)[..., None]
  mean = jnp.sum(color * weight[..., None], 0) / jnp.maximum(sure, 1e-6)
  return mean, sure


def _flat(scene, camera, depth, ground_depth, box_depth):
  """Moves depths that belong to the road onto it: at grazing angles they wave.

  Nothing is seen below the ground, and what hovers over ground where lidar
  found no obstacle is most likely the ground.
  """
  origin, directions = geometry.pixel_rays(camera)
  is_hit = jnp.isfinite(ground_depth)
  xy = (origin + jnp.where(is_hit, ground_depth, 0)[..., None] * directions)[
    ..., :2
  ]
  is_clear = geometry.sample_grid(scene.occupancy, xy) > 0
  nearest = jnp.where(is_clear, _HOVER, 1 - _ROAD) * ground_depth
  is_road = is_hit & (depth > nearest) & (box_depth > ground_depth)
  return jnp.where(is_road, ground_depth, depth)


def _sample(image, xy):
  """Bilinear `[H, W, D]` of an image at `[H, W, 2]` column and row."""
  height, width = image.shape[:2]
  limit = jnp.array([width - 1, height - 1])
  xy = jnp.clip(xy, 0, limit)
  low = jnp.minimum(xy.astype(jnp.int32), limit - 1)
  fx, fy = jnp.moveaxis(xy - low, -1, 0)[..., None]
  x, y = low[..., 0], low[..., 1]
  top = (1 - fx) * image[y, x] + fx * image[y, x + 1]
  below = (1 - fx) * image[y + 1, x] + fx * image[y + 1, x + 1]
  return (1 - fy) * top + fy * below


@functools.partial(jax.jit, static_argnames='render_config')
def _depths(scene, lines, cameras, agents, time, render_config):
  """`[C, H, W]` metres."""

  def view(camera):
    rendered = splat.render_scene(
      scene, camera, agents, None, render_config, time=time
    )
    _, box_depth = conditions.box_raster(
      camera, agents, scene.sizes, scene.classes
    )
    _, ground_depth = conditions.lane_raster(camera, lines, scene.ground)
    return _flat(scene, camera, rendered.depth, ground_depth, box_depth)

  return jax.lax.map(view, cameras)


def _at(log, step):
  cameras, agents = trees.take((log.cameras, log.tracks), step)
  return cameras, agents, jnp.float32(step * types.TIME_STEP)


def _bytes(image):
  return jnp.round(255 * jnp.clip(image, 0, 1)).astype(jnp.uint8)
