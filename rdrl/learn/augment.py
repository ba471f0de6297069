# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Other looks of what was observed, drawn anew in every step of training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import ranges
from rdrl import types
from rdrl.sim import anchors


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
  """How much looks change, each uniformly up to a limit.

  Attributes:
    brightness: relative, of each observation.
    colour: relative, of each channel.
    contrast: relative, about the mean of an observation.
    noise: standard deviation of pixels, of 255.
    shift: pixels by which all images of an observation move to a side.
    cut: side of a grey square in each image, as a share of its height.
    mirrors: half of all observations and actions swap left and right, where
      the cameras are mounted alike on both sides.
  """

  brightness: ranges.Decay = 0.3
  colour: ranges.Decay = 0.1
  contrast: ranges.Decay = 0.3
  noise: ranges.NotNegative = 4.0
  shift: ranges.CountOrNone = 1
  cut: ranges.Share = 0.25
  mirrors: bool = True


def mirror_order(scene: types.Scene):
  """For each camera, the one that sees the mirror image of what it sees.

  Args:
    scene: one, or `[S]` of them.

  Returns:
    A tuple of C integers, or None where the rig of a scene is not its own
    mirror image to a centimetre, a hundredth of a radian and a pixel.
  """
  mounts = np.asarray(scene.camera_from_ego).reshape(
    -1, *scene.camera_from_ego.shape[-3:]
  )
  lens = np.asarray(scene.intrinsics).reshape(-1, *scene.intrinsics.shape[-3:])
  # Mirrored are the ego's y and the image's x.
  ego, image = np.diag([1.0, -1, 1, 1]), np.diag([-1.0, 1, 1, 1])
  swapped = image @ mounts @ ego
  centre = lens.copy()
  centre[..., 0, 2] = scene.width - lens[..., 0, 2]
  order = []
  for camera in range(mounts.shape[1]):
    fits = [
      other
      for other in range(mounts.shape[1])
      if np.allclose(mounts[:, other], swapped[:, camera], atol=0.01)
      and np.allclose(lens[:, other], centre[:, camera], atol=1)
    ]
    if not fits:
      return None
    order.append(fits[0])
  return tuple(order) or None


def mirror(observation: types.Observation, action, order):
  """Observations and actions `[B]` with left and right swapped.

  Args:
    observation: `[B]`, with or without images.
    action: `[B, 2]` int32.
    order: from `mirror_order`.
  """
  order = jnp.array(order)
  truth = observation.truth
  if truth is not None:
    # y, and what points along it, changes sign.
    sign = jnp.array([1.0, -1, 1, -1, 1, -1])
    agents = truth.agents.at[..., :6].multiply(sign)
    truth = types.Truth(
      agents=agents,
      is_seen=truth.is_seen[..., order, :, ::-1],
      box=truth.box[..., order, :, ::-1, :] * sign,
      clearance=truth.clearance[..., ::-1],
    )
  images = observation.images
  return types.Observation(
    images=None if images is None else images[..., order, :, ::-1, :],
    speed=observation.speed,
    route=observation.route * jnp.array([1.0, -1]),
    # It is its own mirror image, or there was no order.
    rig=observation.rig,
    truth=truth,
  ), action.at[..., 0].set(2 * anchors.STRAIGHT - action[..., 0])


def apply(observation, action, key, config, order):
  """Observations `[B]` and actions `[B, 2]` as they might have looked.

  Args:
    observation: `[B]`; without images it is mirrored at most.
    action: `[B, 2]` int32.
    key: of every draw.
    config: an `AugmentConfig`, static.
    order: from `mirror_order`, static.
  """
  keys = jax.random.split(key, 7)
  if config.mirrors and order is not None:
    flips = jax.random.bernoulli(keys[0], shape=action.shape[:1])
    other = mirror(observation, action, order)
    observation, action = jax.tree.map(
      lambda x, y: jnp.where(flips.reshape(-1, *(1,) * (x.ndim - 1)), y, x),
      (observation, action),
      other,
    )
  images = observation.images
  if images is None:
    return observation, action
  count = len(images)

  def draw(key, limit, *shape):
    return limit * jax.random.uniform(key, (count, *shape), minval=-1)

  if config.shift:
    by = jax.random.randint(keys[1], (count, 2), 0, 2 * config.shift + 1)
    images = jax.vmap(_moved, (0, 0, None))(images, by, config.shift)
  x = images.astype(jnp.float32)
  mean = jnp.mean(x, (1, 2, 3, 4, 5), keepdims=True)
  wide = (count, 1, 1, 1, 1, 1)
  contrast = 1 + draw(keys[2], config.contrast).reshape(wide)
  gain = 1 + draw(keys[3], config.brightness).reshape(wide)
  gain *= 1 + draw(keys[4], config.colour, 3).reshape(count, 1, 1, 1, 1, 3)
  x = (mean + contrast * (x - mean)) * gain
  if config.noise:
    # One draw for the batch, which a CPU would else spend half a step on.
    noise_key, sign_key = jax.random.split(keys[5])
    sign = jax.random.rademacher(sign_key, wide, x.dtype)
    x += config.noise * sign * jax.random.normal(noise_key, x.shape[1:])
  if config.cut:
    x = _cut(x, keys[6], config.cut)
  images = jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)
  return observation.replace(images=images), action


def _moved(images, by, most):
  """Images `[F, C, h, w, 3]` by some pixels, edges repeated."""
  height, width = images.shape[2:4]
  pad = ((0, 0), (0, 0), (most, most), (most, most), (0, 0))
  wide = jnp.pad(images, pad, mode='edge')
  start = (0, 0, by[0], by[1], 0)
  return jax.lax.dynamic_slice(
    wide, start, (*images.shape[:2], height, width, 3)
  )


def _cut(x, key, share):
  """Puts a grey square into each image `[B, F, C, h, w, 3]`."""
  count, _, cameras, height, width, _ = x.shape
  side = jax.random.uniform(key, (count, cameras)) * share * height
  place = jax.random.uniform(jax.random.fold_in(key, 1), (2, count, cameras))
  top, left = place[0] * (height - side), place[1] * (width - side)
  row, column = jnp.arange(height), jnp.arange(width)
  rows = (row >= top[..., None]) & (row < (top + side)[..., None])
  columns = (column >= left[..., None]) & (column < (left + side)[..., None])
  hole = rows[..., :, None] & columns[..., None, :]
  return jnp.where(hole[:, None, ..., None], 127.0, x)
