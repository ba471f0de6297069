# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A distance between images that blur lengthens, with features trained here.

LPIPS (Zhang et al. 2018, arXiv 1801.03924, equation 1) with weights of one. Its
networks were trained on photographs and cannot be had here; ours learns to say
what stands at each pixel of the built-in world and how far away, on streets on
which nothing else is measured. Figures compare with each other, not with those
of LPIPS elsewhere.
"""

import functools
import pathlib

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.report import scene_scores

_CHANNELS = (16, 32, 64, 96)
# Streets to learn from, far from all that are used elsewhere.
_STREETS = tuple(range(1001, 1009))
_NUM_MOMENTS = 12
_NUM_STEPS, _BATCH, _CROP, _RATE = 600, 8, 96, 2e-3
# Largest shift of the car in metres and turn in degrees of the pictures.
_SHIFT, _TURN = 4.0, 30.0
_FAR = 100.0
# Features are scores: subtracted from each other.
_HIGHEST = jax.lax.Precision.HIGHEST


class Encoder(nn.Module):
  """Features of images at 1/2, 1/4, 1/8 and 1/16 of their size."""

  @nn.compact
  def __call__(self, images):
    """List of `[B, h, w, channels]` of images `[B, H, W, 3]` in [0, 1]."""
    x, levels = 2 * images - 1, []
    conv = functools.partial(nn.Conv, kernel_size=(3, 3), precision=_HIGHEST)
    for channels in _CHANNELS:
      x = nn.relu(conv(channels, strides=(2, 2))(x))
      x = nn.relu(conv(channels)(x))
      levels.append(x)
    return levels


class _Surveyor(nn.Module):
  """Logits of labels and logarithm of depth at half the images' size."""

  def setup(self):
    self.encoder = Encoder()
    self.head = nn.Dense(len(world.LABELS) + 1, precision=_HIGHEST)

  def __call__(self, images):
    levels = self.encoder(images)
    batch, height, width, _ = levels[0].shape
    same_size = [
      jax.image.resize(x, (batch, height, width, x.shape[-1]), 'linear')
      for x in levels
    ]
    out = self.head(jnp.concatenate(same_size, -1))
    return out[..., :-1], out[..., -1]


@struct.dataclass
class Distance:
  """Distance between images; call it.

  Attributes:
    params: of the `Encoder`.
  """

  params: dict

  def __call__(self, a, b):
    """`[...]` of images `[..., H, W, 3]` in [0, 1].

    Raises:
      ValueError: if they differ in shape.
    """
    if np.shape(a) != np.shape(b):
      raise ValueError(f'images of shapes {np.shape(a)} and {np.shape(b)}')
    batch = np.shape(a)[:-3]
    a, b = (jnp.reshape(x, (-1, *np.shape(x)[-3:])) for x in (a, b))
    return np.asarray(_distances(self.params, a, b)).reshape(batch)


@jax.jit
def _distances(params, a, b):
  def one(pair):
    """Of one pair, so that any number takes the memory of one."""
    total = 0.0
    levels = (Encoder().apply(params, image[None]) for image in pair)
    for x, y in zip(*levels, strict=True):
      x, y = (
        z / (jnp.linalg.norm(z, axis=-1, keepdims=True) + 1e-6) for z in (x, y)
      )
      total += jnp.mean(jnp.sum((x - y) ** 2, -1))
    return total

  return jax.lax.map(one, (a, b))


def trained(directory, num_steps=_NUM_STEPS):
  """The `Distance`, trained once.

  Args:
    directory: where pictures and progress are kept, in `perceptual`.
    num_steps: of training.
  """
  directory = pathlib.Path(directory) / 'perceptual'
  state = _train(directory, num_steps)
  return Distance({'params': state[0]['params']['encoder']})


@struct.dataclass
class Pictures:
  """Images with labels and depths to train on.

  Attributes:
    images: `[N, H, W, 3]` uint8.
    labels: `[N, H, W]` int32, index into `world.LABELS`.
    depth: `[N, H, W]` metres.
  """

  images: types.Array
  labels: types.Array
  depth: types.Array


def pictures(street_seeds, num_moments, seed=0):
  """`Pictures` of built-in streets from and beside the ego's path."""
  config = world.Config(height=120, width=200)
  camera_from_ego, intrinsics = world.camera_rig(config)
  rng = np.random.default_rng(seed)
  parts = []
  for street_seed in street_seeds:
    street = world.build(street_seed, config)
    tracks = jax.tree.map(np.asarray, world.drive(street))
    steps = rng.choice(config.num_steps, num_moments, replace=False)
    agents = trees.take(tracks, steps)
    ego = trees.take(agents, (slice(None), 0))
    aside = rng.uniform(-_SHIFT, _SHIFT, num_moments)
    turned = ego.yaw + np.radians(rng.uniform(-_TURN, _TURN, num_moments))
    left = np.stack([-np.sin(ego.yaw), np.cos(ego.yaw)], -1)
    ego = ego.replace(xy=ego.xy + aside[:, None] * left, yaw=turned)
    cameras = jax.vmap(
      lambda one: geometry.mount_cameras(
        camera_from_ego, intrinsics, one, config.height, config.width
      )
    )(jax.tree.map(jnp.float32, ego))
    images = scene_scores.truth(street, cameras, agents)
    labels, depth = scene_scores.survey(street, cameras, agents)
    parts.append(
      Pictures(np.round(255 * images).astype(np.uint8), labels, depth)
    )
  return jax.tree.map(
    lambda *x: np.concatenate([y.reshape(-1, *y.shape[2:]) for y in x]), *parts
  )


def _train(directory, num_steps):
  """Parameters and the optimizer's state."""
  data = training.checkpoints.stage(
    directory / 'pictures',
    Pictures,
    lambda: pictures(_STREETS, _NUM_MOMENTS),
  )
  data = jax.tree.map(jnp.asarray, data)
  schedule = optax.cosine_decay_schedule(_RATE, num_steps)
  optimizer = optax.adam(schedule)
  params = _Surveyor().init(jax.random.key(0), jnp.zeros((1, _CROP, _CROP, 3)))
  state = params, optimizer.init(params)

  def step(state, i, data):
    params, opt_state = state
    batch = _draw(jax.random.fold_in(jax.random.key(1), i), data)
    loss, gradient = jax.value_and_grad(_loss)(params, *batch)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return (optax.apply_updates(params, updates), opt_state), {'loss': loss}

  @functools.partial(jax.jit, donate_argnames='state')
  def steps(state, i, count, data):
    return training.loop.repeat(
      lambda state, i: step(state, i, data), state, i, count
    )

  return training.loop.run(
    lambda state, i, count: steps(state, i, count, data),
    state,
    num_steps,
    name='perceptual',
    directory=directory,
  )


def _draw(key, data):
  """Crops, lit and tinted by chance."""
  height, width = data.labels.shape[1:]
  keys = jax.random.split(key, 4)
  which = jax.random.randint(keys[0], (_BATCH,), 0, len(data.labels))
  rows = jax.random.randint(keys[1], (_BATCH,), 0, height - _CROP + 1)
  columns = jax.random.randint(keys[2], (_BATCH,), 0, width - _CROP + 1)

  def crop(x):
    size = (1, _CROP, _CROP, *x.shape[3:])
    rest = (0,) * (x.ndim - 3)
    return jax.vmap(
      lambda i, r, c: jax.lax.dynamic_slice(x, (i, r, c, *rest), size)[0]
    )(which, rows, columns)

  images, labels, depth = map(crop, (data.images, data.labels, data.depth))
  gain = jax.random.uniform(keys[3], (_BATCH, 1, 1, 3), minval=0.6, maxval=1.2)
  return images / 255.0 * gain, labels, depth


def _loss(params, images, labels, depth):
  """Cross entropy of labels and error of the logarithm of depth."""
  logits, log_depth = _Surveyor().apply(params, images)
  labels, depth = labels[:, ::2, ::2], jnp.minimum(depth[:, ::2, ::2], _FAR)
  wrong = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  return jnp.mean(wrong) + jnp.mean(jnp.abs(log_depth - jnp.log(depth)))


def accuracy(directory, data):
  """Share of the pixels of `Pictures` whose label is found."""
  params, _ = _train(pathlib.Path(directory) / 'perceptual', _NUM_STEPS)
  logits, _ = _Surveyor().apply(params, data.images / 255.0)
  return float(jnp.mean(jnp.argmax(logits, -1) == data.labels[:, ::2, ::2]))
