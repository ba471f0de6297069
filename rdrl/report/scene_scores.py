# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Pictures of a reconstruction, and scores against the world it came from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import refine
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl import world

# What the scores of `held_out_scores` are.
LABELS = {
  'psnr_moving': 'PSNR in boxes of moving agents, dB',
  'psnr_pedestrians': 'PSNR in boxes of pedestrians, dB',
  'psnr_cyclists': 'PSNR in boxes of cyclists, dB',
  'depth_ground': 'median relative error of depth on the ground',
  'depth_facade': 'median relative error of depth on facades',
}

# Speed in m/s from which an agent moves.
_MOVES = 0.5
# Pixels of an image that a score must at least be taken over.
LEAST_PIXELS = 50


def rendered(scene, cameras, agents, config, with_surface=False, steps=None):
  """`splat.Rendered` `[S, C]` of cameras `[S, C]` and agents `[S, A]`.

  Steps `[S]` of the tracks say when bodies are seen that deform over time;
  without them they are seen undeformed.
  """
  scene = jax.device_put(scene)
  times = None if steps is None else np.float32(types.TIME_STEP * steps)
  return by_moment(
    lambda camera, agents, time: splat.render_moment(
      scene, camera, agents, config, with_surface, time
    ),
    cameras,
    agents,
    times,
  )


def flight(scene, agents, index, config, frames, radius, height):
  """Views of an agent from all sides, beginning behind it, horizon level.

  Args:
    scene: `types.Scene`.
    agents: `[A]`.
    index: which agent to look at.
    config: `splat.RenderConfig`.
    frames: number of views.
    radius: metres from the agent, seen from above.
    height: metres above the middle of its box.

  Returns:
    Colours `[frames, h, w, 3]` in [0, 1] of the scene's first camera.
  """
  scene, agents = jax.tree.map(jnp.asarray, (scene, agents))
  target = np.array([*np.asarray(agents.xy[index]), float(agents.z[index])])
  behind = float(agents.yaw[index]) + np.pi
  views = []
  for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
    away = np.array([np.cos(behind + turn), np.sin(behind + turn), 0])
    eye = target + radius * away + [0, 0, height]
    views.append(np.asarray(_see(scene, agents, _look_at(eye, target), config)))
  return np.stack(views)


@functools.partial(jax.jit, static_argnames='config')
def _see(scene, agents, camera_from_world, config):
  camera = types.Camera(
    camera_from_world, scene.intrinsics[0], scene.height, scene.width
  )
  return splat.render_scene(scene, camera, agents, config=config).color


def _look_at(eye, target):
  """`camera_from_world` `[4, 4]`, the horizon level."""
  ahead = (target - eye) / np.linalg.norm(target - eye)
  right = np.cross(ahead, [0, 0, 1])
  right /= np.linalg.norm(right)
  rotation = np.stack([right, np.cross(ahead, right), ahead])
  pose = np.eye(4, dtype=np.float32)
  pose[:3, :3], pose[:3, 3] = rotation, -rotation @ eye
  return pose


def truth(street, cameras, agents):
  """Colours that views of a street should show, `[S, C, H, W, 3]` in [0, 1]."""
  return by_moment(lambda *moment: _raycast(street, *moment), cameras, agents)


def survey(street, cameras, agents):
  """Labels and depths `[S, C, H, W]`, see `world.survey`."""
  return by_moment(lambda *moment: _survey(street, *moment), cameras, agents)


def by_moment(function, *moments):
  """Calls a function for each row of trees: one program serves any number."""
  moments = jax.tree.map(np.asarray, moments)
  count = len(jax.tree.leaves(moments)[0])
  rows = [
    jax.device_get(function(*trees.take(moments, i))) for i in range(count)
  ]
  return jax.tree.map(lambda *x: np.stack(x), *rows)


@jax.jit
def _raycast(street, cameras, agents):
  rgb, _ = jax.vmap(
    lambda camera: world.render(
      street, camera, agents, street.sizes, street.classes, supersample=2
    )
  )(cameras)
  return rgb


@jax.jit
def _survey(street, cameras, agents):
  return jax.vmap(
    lambda camera: world.survey(
      street, camera, agents, street.sizes, street.classes
    )
  )(cameras)


def held_out_scores(scene, street, log, config):
  """Scores on the recorded path, on frames that were never fitted.

  Args:
    scene: the reconstruction.
    street: where the log was recorded.
    log: the recording.
    config: `splat.RenderConfig`.

  Returns:
    Floats: `psnr_moving`, dB inside the visible parts of the boxes of moving
    agents, mean over images with some; `psnr_pedestrians` and `psnr_cyclists`,
    the same of these classes, absent where no image shows any; `depth_ground`
    and `depth_facade`, median relative error of the expected depth.
  """
  steps = np.flatnonzero(log.is_held_out)
  cameras, agents = trees.take((log.cameras, log.tracks), steps)
  seen = rendered(scene, cameras, agents, config, True, steps)
  labels, depth = survey(street, cameras, agents)
  images = np.asarray(log.images[steps], np.float32) / 255
  classes = np.asarray(log.classes)
  scores = {}
  for name, is_one in (
    ('moving', np.abs(agents.speed) > _MOVES),
    ('pedestrians', classes == types.PEDESTRIAN),
    ('cyclists', classes == types.CYCLIST),
  ):
    shown = agents.valid & is_one & (np.arange(len(classes)) > 0)
    box = box_depths(cameras, agents.replace(valid=shown), log.sizes)
    inside = box < depth
    psnr = np.asarray(splat.psnr(seen.color, images, inside))
    psnr = psnr[inside.sum((-1, -2)) >= LEAST_PIXELS]
    if len(psnr):
      scores[f'psnr_{name}'] = psnr.mean()
  for name in ('ground', 'facade'):
    mask = labels == world.LABELS.index(name)
    error = np.abs(seen.surface_depth[mask] / depth[mask] - 1)
    scores[f'depth_{name}'] = np.median(error)
  return {k: float(v) for k, v in scores.items()}


def box_depths(cameras, agents, sizes):
  """Depth at which rays enter the first box, seen through everything else.

  Where that is less than the depth of what is there, a camera looks into a box:
  at its agent, or past it at what is behind.

  Args:
    cameras: `[S, C]`.
    agents: `[S, A]`; only boxes that are valid are entered, the ego's too.
    sizes: `[A, 3]` metres.

  Returns:
    `[S, C, H, W]` metres along the optical axis, infinite where none is.
  """
  sizes = jnp.asarray(sizes)
  return by_moment(lambda *x: _boxes(*x, sizes), cameras, agents)


@jax.jit
def _boxes(cameras, agents, sizes):
  """`box_depths` of one moment."""

  def one(camera, agent, size):
    box_from_world = geometry.inverse(geometry.world_from_box(agent))
    entry, leave, _ = geometry.ray_box(
      *geometry.pixel_rays(camera), box_from_world, size
    )
    is_hit = (entry < leave) & (entry > 0) & agent.valid
    return jnp.where(is_hit, entry, jnp.inf)

  boxes = jax.vmap(
    lambda camera: jax.vmap(one, (None, 0, 0))(camera, agents, sizes)
  )
  return jnp.min(boxes(cameras), 1)


def offset_curves(street, scenes, offsets, stride, config, more=None):
  """Scores beside the recorded path, against the world's own images.

  Views whose shifted car would touch another one or a wall are left out: there
  is nothing to see inside them.

  Args:
    street: where the scenes were recorded.
    scenes: name to `Scene`, all of one recording.
    offsets: metres to either side.
    stride: steps from one moment to the next.
    config: `splat.RenderConfig`.
    more: name to another score, a function of images and true images
      `[S, C, H, W, 3]` to `[S, C]`; or None.

  Returns:
    Name to `offset`, `psnr`, `ssim` and what else is scored, lists over the
    offsets; the scores are means over the views of both sides.
  """
  scores = {'psnr': splat.psnr, 'ssim': _ssims} | (more or {})
  scene = next(iter(scenes.values()))
  steps = np.arange(0, len(scene.tracks.valid), stride)
  agents = jax.tree.map(lambda x: np.asarray(x)[steps], scene.tracks)
  curves = {
    name: {'offset': list(offsets)} | {score: [] for score in scores}
    for name in scenes
  }
  for offset in offsets:
    views = []
    for signed in sorted({offset, -offset}):
      free = np.asarray(refine.is_free(scene, signed, steps))
      cameras = refine.shifted_cameras(scene, signed, steps)
      views.append((free, cameras, truth(street, cameras, agents)))
    for name, one in scenes.items():
      found = {score: [] for score in scores}
      for free, cameras, image in views:
        seen = rendered(one, cameras, agents, config, steps=steps).color
        for score, function in scores.items():
          found[score].append(np.asarray(function(seen, image))[free])
      for score, values in found.items():
        curves[name][score].append(float(np.mean(np.concatenate(values))))
  return curves


_ssims = jax.jit(jax.vmap(jax.vmap(splat.ssim)))
