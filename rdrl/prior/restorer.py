# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Trains the prior to restore degraded clips, and restores them.

The DriveRestorer of ReconDreamer (arXiv 2411.19548) fine-tunes a pretrained
latent video model. Ours is small and trained from nothing, so it does not draw
the frame but what the render lacks: the residual, true minus degraded, brought
to unit variance (residual diffusion: SR3+, arXiv 2302.07864; ResShift, arXiv
2307.12348). Zero then means "leave the render as it is".
"""

import dataclasses
import functools
from typing import Annotated

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import ranges
from rdrl import training
from rdrl import types
from rdrl.prior import diffusion
from rdrl.prior import unet

# Values of `Config.dtype`.
DTYPES = ('float32', 'bfloat16')


@dataclasses.dataclass(frozen=True)
class Config:
  """Size and training of the prior.

  Attributes:
    channels: of the finest level of the U-Net, a multiple of 8.
    multipliers: channels of each level over that of the finest.
    num_blocks: residual blocks per level and direction.
    patch: side of the pixel patches of the finest level.
    num_heads: of attention.
    dtype: of activations, one of `DTYPES`.
    crop_height: of the training crops, pixels.
    crop_width: of the training crops, pixels.
    batch_size: clips per step.
    num_steps: of training.
    learning_rate: highest, after warm-up and before cosine decay.
    weight_decay: of AdamW.
    ema_decay: of the averaged parameters that restore.
    sigma_max: noise level at which sampling starts, in units of the residual.
    solver: 'euler' or 'heun'; Heun needs many steps before it gains.
    sampler_steps: of the probability-flow ODE. One Euler step is the posterior
      mean, which has the highest PSNR; more give sharper draws.
    num_samples: clips that are drawn; restoration is their mean.
  """

  channels: ranges.Count = 32
  multipliers: tuple[ranges.Count, ...] = (1, 2, 3)
  num_blocks: ranges.Count = 1
  patch: ranges.Count = 2
  num_heads: ranges.Count = 4
  dtype: Annotated[str, ranges.OneOf(DTYPES)] = 'float32'
  crop_height: ranges.Count = 48
  crop_width: ranges.Count = 80
  batch_size: ranges.Count = 4
  num_steps: ranges.Count = 160
  learning_rate: ranges.NotNegative = 2e-3
  weight_decay: ranges.NotNegative = 1e-4
  ema_decay: ranges.Decay = 0.98
  sigma_max: ranges.Positive = 20.0
  solver: Annotated[str, ranges.OneOf(('euler', 'heun'))] = 'euler'
  sampler_steps: ranges.Count = 1
  num_samples: ranges.Count = 1

  def misfits(self):
    """See `ranges`."""
    if self.channels % 8:
      yield 'channels', 'a multiple of 8'
    if not self.multipliers:
      yield 'multipliers', 'one or more'
    elif self.channels * self.multipliers[-1] % self.num_heads:
      yield 'num_heads', 'a divisor of the channels of the coarsest level'
    stride = _network(self).stride
    for name in ('crop_height', 'crop_width'):
      if getattr(self, name) % stride:
        yield name, f'a multiple of {stride}, as patch and multipliers have it'


@struct.dataclass
class Clips:
  """Pairs of degraded and true clips, floats 0..1 or uint8 0..255.

  Attributes:
    degraded: `[B, F, h, w, 3]` renders.
    reference: `[B, F, h, w, 3]` another guess of the true frames, such as
      recorded colours brought into the view; the render where there is none.
    condition: `[B, F, h, w, K]` what else is known of each pixel.
    target: `[B, F, h, w, 3]` true frames.
  """

  degraded: types.Array
  reference: types.Array
  condition: types.Array
  target: types.Array


@struct.dataclass
class Prior:
  """A trained restorer.

  Attributes:
    params: of the U-Net, averaged over training.
    scale: `[]` standard deviation of true minus degraded.
    config: static.
  """

  params: dict
  scale: types.Array
  config: Config = struct.field(pytree_node=False)


def train(clips, config, key, directory=None):
  """Trains a prior on random crops of clips.

  Args:
    clips: the pairs.
    config: a `Config`.
    key: of every draw.
    directory: for metric lines and checkpoints; None keeps nothing.

  Returns:
    A `Prior`.

  Raises:
    ValueError: if the crop does not fit the frames or the network.
  """
  network = _network(config)
  _, frames, height, width, _ = clips.target.shape
  crop = (
    min(config.crop_height, height - height % network.stride),
    min(config.crop_width, width - width % network.stride),
  )
  if min(crop) < network.stride:
    raise ValueError(
      f'clips are {height} x {width} pixels, the network needs at least'
      f' {network.stride} x {network.stride}'
    )
  scale = _residual_scale(clips)
  seed_key, step_key = jax.random.split(key)
  # Fifty threefry draws take seconds to compile; the hardware generator none.
  init_key = jax.random.key(jax.random.bits(seed_key), impl='unsafe_rbg')
  shape = (1, frames, *crop)
  context = 6 + clips.condition.shape[-1]
  params = jax.jit(network.init)(
    init_key,
    jnp.zeros((*shape, 3)),
    jnp.zeros((*shape, context)),
    jnp.zeros((*shape, 3)),
    jnp.zeros(1),
  )
  state = training.averaged.start(params, config)
  clips = jax.device_put(clips)

  def step(state, i, count):
    return _steps(state, i, count, clips, scale, step_key, config, crop)

  state = training.loop.run(
    step, state, config.num_steps, name='prior', directory=directory
  )
  return Prior(params=state.average, scale=scale, config=config)


def restore(prior, degraded, reference, condition, key):
  """Restored clips `[B, F, h, w, 3]`, floats 0..1.

  Args:
    prior: a `Prior`.
    degraded: `[B, F, h, w, 3]` floats 0..1 or uint8.
    reference: `[B, F, h, w, 3]` floats 0..1 or uint8, see `Clips`.
    condition: `[B, F, h, w, K]` floats 0..1 or uint8.
    key: of the noise.
  """
  return posterior(prior, degraded, reference, condition, key)[0]


def posterior(prior, degraded, reference, condition, key):
  """Mean and standard deviation of `num_samples` draws, each `[B, F, h, w, 3]`.

  Clips go through the network one by one, so that memory does not grow with
  their number. Arguments as in `restore`.
  """
  keys = jax.random.split(key, len(degraded))
  return _posterior(prior, (degraded, reference, condition, keys))


@jax.jit
def _posterior(prior, clips):
  config = prior.config
  network = _network(config)
  levels = diffusion.noise_levels(config.sampler_steps, config.sigma_max)
  height, width = clips[0].shape[2:4]
  pad = [(0, 0), *((0, -n % network.stride) for n in (height, width)), (0, 0)]

  def restore_clip(clip):
    *known, key = clip
    context, guess = (
      jnp.pad(x, pad, 'reflect')[None] for x in _known(*known, prior.scale)
    )

    def predict(noisy, angle):
      return network.apply(
        prior.params, noisy[None], context, guess, angle[None]
      )[0]

    def draw(key):
      noise = jax.random.normal(key, guess.shape[1:])
      residual = diffusion.sample(predict, noise, levels, config.solver)
      residual = residual[:, :height, :width] * prior.scale
      return jnp.clip(_unit(known[0]) + residual, 0, 1)

    draws = jax.lax.map(draw, jax.random.split(key, config.num_samples))
    return jnp.mean(draws, 0), jnp.std(draws, 0)

  return jax.lax.map(restore_clip, clips)


@functools.partial(
  jax.jit, static_argnames=('config', 'crop'), donate_argnames='state'
)
def _steps(state, i, count, clips, scale, key, config, crop):
  return training.loop.repeat(
    lambda state, i: _step(state, clips, scale, key, i, config, crop),
    state,
    i,
    count,
  )


def _step(state, clips, scale, key, i, config, crop):
  crop_key, loss_key = jax.random.split(jax.random.fold_in(key, i))
  batch = _crops(clips, crop_key, config.batch_size, crop)
  residual = (_unit(batch.target) - _unit(batch.degraded)) / scale
  context, guess = _known(
    batch.degraded, batch.reference, batch.condition, scale
  )
  network = _network(config)

  def loss_fn(params):
    return jnp.mean(
      diffusion.v_loss(
        lambda noisy, angle: network.apply(
          params, noisy, context, guess, angle
        ),
        residual,
        loss_key,
        config.sigma_max,
      )
    )

  loss, gradient = jax.value_and_grad(loss_fn)(state.params)
  metrics = {'loss': loss, 'gradient_norm': optax.tree.norm(gradient)}
  return training.averaged.step(state, gradient, i, config), metrics


def _crops(clips, key, batch_size, crop):
  """Random clips, cut to `crop` and half of them mirrored."""
  height, width = clips.target.shape[2:4]
  keys = jax.random.split(key, 4)
  index = jax.random.randint(keys[0], (batch_size,), 0, len(clips.target))
  top = jax.random.randint(keys[1], (batch_size,), 0, height - crop[0] + 1)
  left = jax.random.randint(keys[2], (batch_size,), 0, width - crop[1] + 1)
  mirrored = jax.random.bernoulli(keys[3], shape=(batch_size,))

  def cut(video):
    def one(index, top, left, mirrored):
      frames, channels = video.shape[1], video.shape[-1]
      piece = jax.lax.dynamic_slice(
        video, (index, 0, top, left, 0), (1, frames, *crop, channels)
      )[0]
      return jnp.where(mirrored, piece[:, :, ::-1], piece)

    return jax.vmap(one)(index, top, left, mirrored)

  return jax.tree.map(cut, clips)


def _known(degraded, reference, condition, scale):
  """The network's context, and its guess of the residual."""
  known = list(map(_unit, (degraded, reference, condition)))
  context = 2 * jnp.concatenate(known, -1) - 1
  return context, (known[1] - known[0]) / scale


def _unit(image):
  return image / 255 if image.dtype == jnp.uint8 else image


def _residual_scale(clips):
  """Root mean square of true minus degraded, at least a third of a level."""
  total = 0.0
  for degraded, target in zip(clips.degraded, clips.target, strict=True):
    residual = np.asarray(_unit(target)) - np.asarray(_unit(degraded))
    total += np.mean(np.square(residual, dtype=np.float64))
  return jnp.float32(max(np.sqrt(total / len(clips.target)), 1 / 768))


def _network(config):
  return unet.UNet(
    channels=config.channels,
    multipliers=config.multipliers,
    num_blocks=config.num_blocks,
    patch=config.patch,
    num_heads=config.num_heads,
    dtype=config.dtype,
  )
