# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of a reconstruction against the built-in world that it came from."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import refine
from rdrl import splat
from rdrl import types
from rdrl import world

# What the scores of `held_out_scores` are.
LABELS = {
  'psnr_moving': 'PSNR in boxes of moving agents, dB',
  'depth_ground': 'median relative error of depth on the ground',
  'depth_facade': 'median relative error of depth on facades',
}

# Speed in m/s from which an agent moves.
_MOVES = 0.5
# Pixels of an image that a score must at least be taken over.
_LEAST_PIXELS = 50


def rendered(scene, cameras, agents, config, channels=()):
  """`splat.Rendered` `[S, C]` of cameras `[S, C]` and agents `[S, A]`."""
  scene = jax.tree.map(jnp.asarray, scene)
  return by_moment(
    lambda *moment: splat.render_moment(scene, *moment, config, channels),
    cameras,
    agents,
  )


def truth(street, cameras, agents):
  """What they should show: colours `[S, C, H, W, 3]` in [0, 1]."""
  return by_moment(lambda *moment: _raycast(street, *moment), cameras, agents)


def survey(street, cameras, agents):
  """Labels and depths `[S, C, H, W]`, see `world.survey`."""
  return by_moment(lambda *moment: _survey(street, *moment), cameras, agents)


def by_moment(function, *trees):
  """One call for each row of the trees: one program serves any number."""
  trees = jax.tree.map(np.asarray, trees)
  count = len(jax.tree.leaves(trees)[0])
  rows = [jax.device_get(function(*types.take(trees, i))) for i in range(count)]
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
    config: `splat.Config`.

  Returns:
    Floats: `psnr_moving`, dB inside the visible parts of the boxes of moving
    agents, mean over images with some; `depth_ground` and `depth_facade`,
    median relative error of the expected depth.
  """
  steps = np.flatnonzero(splat.is_held_out(np.arange(len(log.times)), config))
  cameras, agents = types.take((log.cameras, log.tracks), steps)
  seen = rendered(scene, cameras, agents, config, ('surface_depth',))
  labels, depth = survey(street, cameras, agents)
  box = by_moment(
    lambda *x: _boxes(*x, jnp.asarray(log.sizes)), cameras, agents
  )
  is_moving = box < depth
  images = np.asarray(log.images[steps], np.float32) / 255
  psnr = np.asarray(splat.psnr(seen.color, images, is_moving))
  scores = {
    'psnr_moving': psnr[is_moving.sum((-1, -2)) >= _LEAST_PIXELS].mean()
  }
  for name in ('ground', 'facade'):
    mask = labels == world.LABELS.index(name)
    error = np.abs(seen.surface_depth[mask] / depth[mask] - 1)
    scores[f'depth_{name}'] = np.median(error)
  return {k: float(v) for k, v in scores.items()}


@jax.jit
def _boxes(cameras, agents, sizes):
  """Depth `[C, H, W]` at which a ray enters a moving box, infinite if none."""

  def one(camera, agent, size):
    origin, rays = geometry.pixel_rays(camera)
    to_box = geometry.inverse(geometry.world_from_box(agent))
    start = geometry.transform_points(to_box, origin)
    along = rays @ to_box[:3, :3].T
    along = jnp.where(jnp.abs(along) < 1e-9, 1e-9, along)
    ends = (
      jnp.stack([-size / 2 - start, size / 2 - start]) / along[..., None, :]
    )
    entry = jnp.max(jnp.min(ends, -2), -1)
    leave = jnp.min(jnp.max(ends, -2), -1)
    moves = agent.valid & (jnp.abs(agent.speed) > _MOVES)
    return jnp.where((entry < leave) & (entry > 0) & moves, entry, jnp.inf)

  others, sizes = types.take((agents, sizes), slice(1, None))
  boxes = jax.vmap(
    lambda camera: jax.vmap(one, (None, 0, 0))(camera, others, sizes)
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
    config: `splat.Config`.
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
        seen = rendered(one, cameras, agents, config).color
        for score, function in scores.items():
          found[score].append(np.asarray(function(seen, image))[free])
      for score, values in found.items():
        curves[name][score].append(float(np.mean(np.concatenate(values))))
  return curves


_ssims = jax.jit(jax.vmap(jax.vmap(splat.ssim)))
