# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Pairs to train the prior on, and the progressive repair of a scene.

ReconDreamer (arXiv 2411.19548): renders of the recorded path from under-trained
snapshots, paired with the recorded frames, teach a restorer (section 3.2); the
path is then shifted sideways in growing steps, and the restored frames of each
round replace those of the round before in what the scene is fitted to (PDUS,
section 3.3). Ours differs in what degrades the pairs, see `training_clips`, and
weighs each restored pixel by how far it can be trusted, as FaithFusion does
(CVPR 2026) by another measure.
"""

import dataclasses
import functools
import pathlib

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import prior as priors
from rdrl import ranges
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.refine import views


@dataclasses.dataclass(frozen=True)
class Config:
  """How clips are made and how scenes are repaired.

  Attributes:
    num_frames: of a clip.
    stride: steps between two frames of a clip.
    num_clips: training clips of one drive, shared out among the snapshots in
      proportion to 1, 2, 3, ..., since the better ones are what is repaired.
    position_noise: of perturbed Gaussians, in their own standard deviations.
    scale_noise: noise in the logarithm of their scales.
    color_noise: noise in their spherical harmonics.
    drop: share of them that vanish.
    reference_distances: metres along the path from a view to the recorded
      frames in which its points are looked up, best first.
    reference_gap: metres between a training view and its references at least,
      about what lies between a shifted view and its own.
    offsets: metres to the left, the paths of each round of repair.
    clip_period: steps between the starts of two restored clips of one path.
    view_weight: of a fully trusted restored pixel; a recorded one has 1.
    doubt: standard deviation of a restored pixel over the draws of the prior
      at which its weight falls to 1/e; one draw leaves no doubt.
  """

  num_frames: ranges.Count = 4
  stride: ranges.Count = 2
  num_clips: ranges.Count = 44
  position_noise: ranges.NotNegative = 0.7
  scale_noise: ranges.NotNegative = 0.3
  color_noise: ranges.NotNegative = 0.03
  drop: ranges.Share = 0.2
  reference_distances: tuple[ranges.Signed, ...] = (0.0, -4.0, 4.0, -10.0)
  reference_gap: ranges.NotNegative = 2.0
  offsets: tuple[tuple[ranges.Signed, ...], ...] = ((-3.0, 3.0),)
  clip_period: ranges.Count = 16
  view_weight: ranges.NotNegative = 1.0
  doubt: ranges.Positive = 0.1


@struct.dataclass
class Repair:
  """A repaired scene and the clips of the last round that repaired it.

  Attributes:
    scene: after all rounds.
    degraded: `[M, F, h, w, 3]` uint8 renders beside the path.
    reference: `[M, F, h, w, 3]` uint8 recorded colours in these views.
    restored: `[M, F, h, w, 3]` uint8 what the prior made of both.
    weight: `[M, F, h, w]` of the restored pixels in the fit.
    offset: `[M]` metres to the left of the path.
    steps: `[M, F]` int32.
    camera_index: `[M]` int32.
  """

  scene: types.Scene
  degraded: types.Array
  reference: types.Array
  restored: types.Array
  weight: types.Array
  offset: types.Array
  steps: types.Array
  camera_index: types.Array


def training_clips(log, snapshots, config, key, *, render_config):
  """Pairs of degraded and true clips of one recorded drive.

  Half of the clips of each snapshot are plain renders, as in ReconDreamer. An
  under-trained scene is blurred where a novel view is torn, so the other half
  perturb the Gaussians: moved within their own extent, stretched, recoloured,
  dropped. No held-out frame is a target or a reference, and no pixel in which
  the recording car is in the way: there the target is the render.

  Args:
    log: the drive.
    snapshots: `Scene`s of its fitting, from under-trained to the final one.
    config: a `Config`.
    key: of every draw.
    render_config: of rendering.

  Returns:
    `prior.Clips` of uint8, in host memory.

  Raises:
    ValueError: if no run of training steps is as long as a clip.
  """
  usable = ~log.is_held_out
  windows = _windows(usable, config)
  if not len(windows):
    raise ValueError(
      f'{log.name}: no {config.num_frames} steps {config.stride} apart between'
      f' held-out ones among {len(usable)}'
    )
  num_cameras = log.images.shape[1]
  # The last scene knows best which recorded frame sees what.
  recording = views.recording(snapshots[-1], log, render_config)
  shares = np.arange(1, len(snapshots) + 1)
  ends = np.round(np.cumsum(shares) / np.sum(shares) * config.num_clips)
  pairs = []
  for number in range(config.num_clips):
    scene = snapshots[np.searchsorted(ends, number, 'right')]
    draw_key, noise_key = jax.random.split(jax.random.fold_in(key, number))
    draw = np.asarray(jax.random.uniform(draw_key, (2,)))
    steps = windows[int(draw[0] * len(windows))]
    camera_index = int(draw[1] * num_cameras)
    known = views.render_clip(
      scene.replace(gaussians=_perturb(scene.gaussians, noise_key, config))
      if number % 2
      else scene,
      recording,
      trees.take(log.cameras, (steps, camera_index)),
      steps,
      camera_index,
      views.references(
        log.tracks,
        usable,
        steps,
        camera_index,
        num_cameras,
        config,
        config.reference_gap,
      ),
      render_config,
    )
    known = tuple(map(np.asarray, known))
    target = log.images[steps, camera_index]
    if log.ego_mask is not None:
      hidden = log.ego_mask[camera_index][..., None]
      target = np.where(hidden, known[0], target)
    pairs.append((*known, target))
  return priors.Clips(*(np.stack(x) for x in zip(*pairs, strict=True)))


def refine(
  scene,
  log,
  prior,
  config,
  key,
  directory=None,
  *,
  splat_config,
):
  """Repairs a scene in views off the recorded path.

  Args:
    scene: fitted to `log`.
    log: the recorded drive.
    prior: a trained `prior.Prior`.
    config: a `Config`.
    key: of every draw.
    directory: for the checkpoints of the refits; None keeps nothing.
    splat_config: of the fitting.

  Returns:
    A `Repair`, in host memory.
  """
  usable = ~log.is_held_out
  for number, offsets in enumerate(config.offsets):
    restore_key, fit_key = jax.random.split(jax.random.fold_in(key, number))
    cameras, clips = _restored(
      scene,
      log,
      usable,
      prior,
      offsets,
      config,
      restore_key,
      splat_config.render,
    )
    extra = splat.Views(
      images=_flat(clips['restored']),
      weights=_flat(clips['weight']),
      cameras=jax.tree.map(_flat, cameras),
      camera_index=np.repeat(clips['camera_index'], config.num_frames),
      steps=_flat(clips['steps']),
    )
    scene = splat.refit(
      scene,
      log,
      extra,
      splat_config,
      fit_key,
      None if directory is None else pathlib.Path(directory) / f'{number}',
    )
  return Repair(scene, **clips)


def _restored(scene, log, usable, prior, offsets, config, key, render_config):
  """Cameras `[M, F]` of shifted clips, and fields of `Repair` by name."""
  recording = views.recording(scene, log, render_config)
  num_steps, num_cameras = log.images.shape[:2]
  span = config.stride * (config.num_frames - 1)
  starts = np.arange(0, max(num_steps - span, 1), config.clip_period)
  window = config.stride * np.arange(config.num_frames)
  clips = []
  for offset in offsets:
    for start in starts:
      steps = np.minimum(start + window, num_steps - 1)
      cameras = jax.device_get(views.shifted_cameras(scene, offset, steps))
      free = is_free(scene, offset, steps)
      for camera_index in range(num_cameras):
        camera = jax.tree.map(lambda x, c=camera_index: x[:, c], cameras)
        known = jax.device_get(
          views.render_clip(
            scene,
            recording,
            camera,
            steps,
            camera_index,
            views.references(
              log.tracks, usable, steps, camera_index, num_cameras, config, 0.0
            ),
            render_config,
          )
        )
        restored, deviation = jax.device_get(
          priors.posterior(
            prior,
            *(x[None] for x in known),
            jax.random.fold_in(key, len(clips)),
          )
        )
        degraded, reference, condition = known
        alpha = condition[..., views.CHANNELS.index('alpha')] / np.float32(255)
        doubt = np.mean(deviation[0], -1) / config.doubt
        weight = alpha * np.exp(-(doubt**2)) * free[:, None, None]
        clip = {
          'degraded': degraded,
          'reference': reference,
          'restored': np.round(255 * restored[0]).astype(np.uint8),
          'weight': config.view_weight * weight,
          'offset': np.float32(offset),
          'steps': steps.astype(np.int32),
          'camera_index': np.int32(camera_index),
        }
        clips.append((camera, clip))
  return trees.stack([c for c, _ in clips]), trees.stack([c for _, c in clips])


@functools.partial(training.compiling.quick_jit, static_argnames='config')
def _perturb(gaussians, key, config):
  """Gaussians with the errors that they have in views that none recorded."""
  keys = jax.random.split(key, 6)
  strength = jax.random.uniform(keys[0])

  def noise(key, like):
    return strength * jax.random.normal(key, like.shape)

  size = jnp.exp(jnp.mean(gaussians.log_scales, -1, keepdims=True))
  dropped = jax.random.uniform(keys[4], gaussians.node.shape)
  return gaussians.replace(
    means=gaussians.means
    + config.position_noise * size * noise(keys[1], gaussians.means),
    log_scales=gaussians.log_scales
    + config.scale_noise * noise(keys[2], gaussians.log_scales),
    sh=gaussians.sh + config.color_noise * noise(keys[3], gaussians.sh),
    opacity_logits=jnp.where(
      dropped < strength * config.drop, -10.0, gaussians.opacity_logits
    ),
  )


def is_free(scene, offset, steps):
  """`[F]` whether the shifted ego is clear of agents and static obstacles."""
  agents = jax.tree.map(lambda x: np.asarray(x)[steps], scene.tracks)
  offset = np.float32(offset)
  return np.asarray(_is_free(agents, scene.sizes, scene.occupancy, offset))


@training.compiling.quick_jit
def _is_free(agents, sizes, occupancy, offset):
  ego_yaw = agents.yaw[:, :1]
  left = jnp.stack([-jnp.sin(ego_yaw), jnp.cos(ego_yaw)], -1)
  ego_xy = agents.xy[:, :1] + offset * left
  hits = geometry.boxes_overlap(
    ego_xy, ego_yaw, sizes[:1], agents.xy, agents.yaw, sizes
  )
  hits &= agents.valid & (jnp.arange(len(sizes)) > 0)
  clear = geometry.sample_grid(occupancy, ego_xy[:, 0]) > 0
  return ~jnp.any(hits, -1) & clear


def _windows(usable, config):
  """`[n, F]` steps of all clips without a held-out step."""
  window = config.stride * np.arange(config.num_frames)
  starts = np.arange(max(len(usable) - window[-1], 0))
  steps = starts[:, None] + window
  return steps[np.all(usable[steps], -1)].astype(np.int32)


def _flat(x):
  return x.reshape(-1, *x.shape[2:])
