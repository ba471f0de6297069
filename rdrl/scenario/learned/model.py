# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Trains the model of joint futures on recorded traffic.

Diffusion over the actions of agents near each other, given their past, the map
and known futures, after CTG (Zhong et al., arXiv 2210.17366) and Safe-Sim
(Chang et al., arXiv 2401.00391), with noise schedule, v-prediction and sampler
of `rdrl.prior`. As in SceneDiffuser (Jiang et al., arXiv 2412.12129) and
Diffusion Forcing (Chen et al., arXiv 2407.01392), known futures are inputs
without noise among the noisy ones.
"""

import dataclasses
import functools
import json
import pathlib

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.prior import diffusion
from rdrl.scenario.learned import config as config_lib
from rdrl.scenario.learned import motion
from rdrl.scenario.learned import network
from rdrl.scenario.learned import traffic as traffic_lib

# Share of training examples in which the central agent's future is known, like
# an ego's plan; and in which each other one is with probability 1/2, like
# replayed traffic.
_CENTER_KNOWN, _OTHERS_KNOWN = 0.75, 0.25
# Metres within the horizon above which an agent moves, and sampling weight of a
# moving central agent over a standing one.
_MOVES, _MOVING_WEIGHT = 2.0, 8.0
# Moments that the scale of the actions is estimated from.
_LOOKS = 8


@struct.dataclass
class Model:
  """A trained model of joint futures.

  Attributes:
    params: of the network, averaged over training.
    scale: `[2]` root mean square of acceleration and yaw rate of moving agents.
    config: static.
  """

  params: dict
  scale: types.Array
  config: config_lib.Config = struct.field(pytree_node=False)


@struct.dataclass
class Adversary:
  """A trained model and its guidance to a collision.

  Attributes:
    model: a trained one.
    guidance: weights of the objectives.
    strength: of partial diffusion from a proposal, see `sample`.
  """

  model: Model
  guidance: config_lib.Guidance = dataclasses.field(
    default_factory=config_lib.Guidance
  )
  strength: float = 0.6


@struct.dataclass
class _Kept:
  """A `Model` as a checkpoint has it.

  Attributes:
    params: see `Model`.
    scale: see `Model`.
    config: static, fields of `learned.Config` as JSON.
  """

  params: dict
  scale: types.Array
  config: str = struct.field(pytree_node=False)


def save(model: Model, workdir):
  """Keeps a trained model for `load`, in a folder `model`.

  Raises:
    OSError: if the directory cannot be written.
  """
  kept = _Kept(
    params=jax.device_get(model.params),
    scale=jax.device_get(model.scale),
    config=json.dumps(training.config.flatten(model.config)),
  )
  step = model.config.num_steps
  training.checkpoints.save(workdir / 'model', step, kept)


def load(workdir) -> Model:
  """What a run of `experiments.train_adversary` trained.

  Raises:
    FileNotFoundError: if it holds no model.
    training.checkpoints.CheckpointError: if the model is damaged.
  """
  path = pathlib.Path(workdir) / 'model'
  if training.checkpoints.latest_step(path) is None:
    raise FileNotFoundError(
      f'{workdir}: no work directory of a train_adversary that has ended'
    )
  kept = training.checkpoints.read(path, _Kept)
  return Model(
    params=kept.params,
    scale=kept.scale,
    config=config_lib.Config(**json.loads(kept.config)),
  )


@struct.dataclass
class _Moments:
  """Training examples.

  Attributes:
    scene: `[n]` int32.
    step: `[n]` int32.
    center: `[n]` int32, the central agent.
    chance: `[n]` cumulative probability.
  """

  scene: types.Array
  step: types.Array
  center: types.Array
  chance: types.Array


def train(traffic, config, key, directory=None) -> Model:
  """Trains a model.

  Args:
    traffic: `Traffic` `[S]`, from `stack`.
    config: `learned.Config`.
    key: of every draw.
    directory: for metric lines and checkpoints, from which an interrupted run
      resumes; None keeps nothing.

  Raises:
    ValueError: if the config is not valid, or if no agent is valid for long
      enough.
  """
  config_lib.validate(config)
  moments = _moments(traffic, config)
  init_key, step_key = jax.random.split(key)
  traffic = jax.tree.map(jnp.asarray, traffic)
  scale = _scale(traffic, moments, config)
  params = init(traffic, config, init_key)
  state = training.averaged.start(params, config)

  def step(state, i, count):
    return _steps(state, i, count, traffic, moments, scale, step_key, config)

  state = training.loop.run(
    step, state, config.num_steps, name='adversary', directory=directory
  )
  return Model(params=state.average, scale=scale, config=config)


def init(traffic, config, key):
  """Initial parameters of the network."""
  net = denoiser(config)
  # Fifty threefry draws take seconds to compile; those of `rbg` do not.
  key = jax.random.key(jax.random.bits(key), impl='unsafe_rbg')

  @jax.jit
  def make(traffic, key):
    view = traffic_lib.look(traffic, config.past_steps, 0, config)
    known = jnp.zeros(config.num_agents, bool)
    seen = network.features(view, known, config.knot_steps)
    noisy = jnp.zeros((config.num_agents, 2 * config.num_knots))
    return net.init(key, noisy, jnp.zeros(config.num_agents), seen)

  return make(trees.take(traffic, 0), key)


def denoiser(config):
  """The network of a config."""
  return network.Denoiser(
    depth=2 * config.num_knots,
    channels=config.channels,
    num_heads=config.num_heads,
    num_layers=config.num_layers,
  )


def latents(view, scale, config):
  """Actions `[N, Z]` of the recorded futures, scaled to about unit variance."""
  actions = jax.vmap(motion.fit, (0, 1, None))(view.now, view.future, config)
  return (actions / scale).reshape(len(actions), -1)


def complete(view):
  """`[N]` bool, agents valid now and in all of the recorded future."""
  return view.now.valid & jnp.all(view.future.valid, 0)


def loss(params, views, scale, key, config):
  """Mean squared error of v over all complete futures that are not known.

  Args:
    params: of the network.
    views: `View` `[B]`.
    scale: `[2]`, see `Model`.
    key: of the noise, its evenly spread levels, and which futures are known.
    config: `learned.Config`.
  """
  net = denoiser(config)
  noise_key, angle_key, known_key = jax.random.split(key, 3)
  batch = len(views.agents)
  spread = (jnp.arange(batch) + jax.random.uniform(angle_key)) / batch
  data = jax.vmap(latents, (0, None, None))(views, scale, config)
  is_whole = jax.vmap(complete)(views)
  data = jnp.where(is_whole[..., None], data, 0)
  uniform = jax.random.uniform(known_key, (batch, config.num_agents + 2))
  known = jnp.concatenate(
    [
      uniform[:, :1] < _CENTER_KNOWN,
      (uniform[:, 1:-2] < 0.5) & (uniform[:, -1:] < _OTHERS_KNOWN),
    ],
    -1,
  )
  known &= is_whole
  noise = jax.random.normal(noise_key, data.shape)

  def errors(view, data, noise, known, angle):
    angles = jnp.where(known, 0, angle)
    wide = angles[:, None]
    seen = network.features(view, known, config.knot_steps)
    found = net.apply(
      params, diffusion.diffuse(data, noise, wide), angles, seen
    )
    error = found - diffusion.velocity(data, noise, wide)
    return jnp.mean(error**2, -1)

  angle = jnp.arctan(config.sigma_max) * spread
  error = jax.vmap(errors)(views, data, noise, known, angle)
  counts = is_whole & ~known
  return jnp.sum(jnp.where(counts, error, 0)) / jnp.maximum(jnp.sum(counts), 1)


@functools.partial(jax.jit, static_argnames='config', donate_argnames='state')
def _steps(state, i, count, traffic, moments, scale, key, config):
  return training.loop.repeat(
    lambda state, i: _step(state, traffic, moments, scale, key, i, config),
    state,
    i,
    count,
  )


def _step(state, traffic, moments, scale, key, i, config):
  draw_key, mirror_key, loss_key = jax.random.split(
    jax.random.fold_in(key, i), 3
  )
  drawn = jnp.searchsorted(
    moments.chance, jax.random.uniform(draw_key, (config.batch_size,))
  )
  views = _views(traffic, trees.take(moments, drawn), config)
  flipped = jax.random.bernoulli(mirror_key, shape=(config.batch_size,))
  views = jax.vmap(
    lambda flip, view: jax.tree.map(
      lambda x, y: jnp.where(flip, x, y), traffic_lib.mirror(view), view
    )
  )(flipped, views)
  value, gradient = jax.value_and_grad(loss)(
    state.params, views, scale, loss_key, config
  )
  metrics = {'loss': value, 'gradient_norm': optax.tree.norm(gradient)}
  return training.averaged.step(state, gradient, i, config), metrics


def _views(traffic, moments, config):
  """`View` `[B]` at moments `[B]`."""
  return jax.vmap(
    lambda moment: traffic_lib.look(
      trees.take(traffic, moment.scene), moment.step, moment.center, config
    )
  )(moments)


def _moments(traffic, config):
  """All moments at which an agent's whole future was recorded."""
  valid = np.asarray(traffic.tracks.valid)
  xy = np.asarray(traffic.tracks.xy)
  ahead = config.future_steps
  whole = np.cumsum(np.pad(valid, ((0, 0), (1, 0), (0, 0))), 1)
  whole = whole[:, ahead + 1 :] - whole[:, : -ahead - 1] == ahead + 1
  whole[:, : config.past_steps] = False
  scene, step, center = np.nonzero(whole)
  if not len(scene):
    raise ValueError(
      f'traffic: no agent is seen for {ahead + 1} steps after the first'
      f' {config.past_steps}'
    )
  moved = np.linalg.norm(
    xy[scene, step + ahead, center] - xy[scene, step, center], axis=-1
  )
  weight = np.where(moved > _MOVES, _MOVING_WEIGHT, 1.0)
  return _Moments(
    scene=jnp.asarray(scene, jnp.int32),
    step=jnp.asarray(step, jnp.int32),
    center=jnp.asarray(center, jnp.int32),
    chance=jnp.asarray(np.cumsum(weight) / np.sum(weight), jnp.float32),
  )


def _scale(traffic, moments, config):
  """Root mean square `[2]` of the actions of moving agents."""
  rows = np.linspace(0, len(moments.scene) - 1, 64 * _LOOKS).astype(int)

  def sums(view):
    actions = jax.vmap(motion.fit, (0, 1, None))(view.now, view.future, config)
    moved = geometry.safe_norm(view.future.xy[-1] - view.now.xy) > _MOVES
    counts = complete(view) & moved
    square = jnp.where(counts[:, None, None], actions**2, 0)
    return jnp.sum(square, (0, 1)), config.num_knots * jnp.sum(counts)

  @jax.jit
  def totals(moments):
    views = _views(traffic, moments, config)
    return jax.tree.map(lambda x: jnp.sum(x, 0), jax.vmap(sums)(views))

  total, count = totals(trees.take(moments, rows))
  # Where all stand, accelerations of 1 m/s^2 and turns of 0.1 rad/s.
  return jnp.where(
    count > 0,
    jnp.sqrt(total / jnp.maximum(count, 1)).clip(1e-3),
    jnp.array([1.0, 0.1]),
  )
