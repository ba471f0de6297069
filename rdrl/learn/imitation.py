# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stage 1: the policy copies the expert and its cousins."""

import dataclasses
import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import policy as policies
from rdrl import training
from rdrl import types
from rdrl.scenario import BEHAVIOURS
from rdrl.sim import anchors

# Observations that are rendered by one call.
_RENDER_BATCH = 16
# Bins of the balance: m/s and rad over `balance_steps`.
_SPEED_EDGES = (-4.0, -1.5, -0.5, 0.5, 1.5, 4.0)
_YAW_EDGES = (-0.5, -0.15, -0.04, 0.04, 0.15, 0.5)


@dataclasses.dataclass(frozen=True)
class ImitationConfig:
  """Imitation.

  Attributes:
    stride: steps between two demonstrations of one drive.
    log_share: weight of the recorded drives; cousins get the rest.
    balance_steps: steps ahead at which manoeuvres are told apart.
    balance_offset: added to the count of a bin before it divides.
    balance_cap: greatest weight, over the mean.
    target_width: standard deviation in anchors of the soft target; 0 is cross
      entropy with the nearest anchor, as in RAD's code.
    brightness: greatest relative change of the images' brightness.
    batch_size: demonstrations per step.
    num_steps: of training.
    learning_rate: of AdamW at first; cosine decay.
    weight_decay: of AdamW.
  """

  stride: int = 3
  log_share: float = 0.5
  balance_steps: int = 30
  balance_offset: float = 5.0
  balance_cap: float = 10.0
  target_width: float = 1.0
  brightness: float = 0.2
  batch_size: int = 64
  num_steps: int = 500
  learning_rate: float = 1e-3
  weight_decay: float = 1e-4


@struct.dataclass
class Demonstrations:
  """What an expert saw and did.

  Attributes:
    observation: `[M]`.
    action: `[M, 2]` int32.
    weight: `[M]`, mean 1.
  """

  observation: types.Observation
  action: types.Array
  weight: types.Array


def imitation_data(env, config, key):
  """Renders what the ego would see on its references, and labels it.

  The label is the feasible anchor nearest to where the reference is half a
  second later. Manoeuvres are balanced: the weight of a demonstration falls
  with the number of those whose change of speed and of heading is like its own.

  Args:
    env: `sim.Env`.
    config: an `ImitationConfig`.
    key: shuffles the order, nothing else.

  Returns:
    `Demonstrations` in host memory, of all scenarios without an adversary.

  Raises:
    ValueError: if there is none.
  """
  scenarios = jax.tree.map(np.asarray, env.scenarios)
  pairs = _moments(scenarios, config)
  if not len(pairs):
    raise ValueError('imitation_data: no scenario is without an adversary')
  pairs = np.asarray(jax.random.permutation(key, pairs))
  observations = []
  for begin in range(0, len(pairs), _RENDER_BATCH):
    batch = np.resize(pairs[begin:], (_RENDER_BATCH, 2))
    if begin + _RENDER_BATCH <= len(pairs):
      batch = pairs[begin : begin + _RENDER_BATCH]
    observations.append(jax.device_get(_observe(env, batch)))
  observation = jax.tree.map(
    lambda *x: np.concatenate(x)[: len(pairs)], *observations
  )
  ego = types.take(scenarios.tracks, (slice(None), slice(None), 0))
  now = types.take(ego, (pairs[:, 0], pairs[:, 1]))
  ahead = round(anchors.DURATION / types.TIME_STEP)
  future = types.take(ego, (pairs[:, 0], pairs[:, 1] + ahead))
  action = anchors.label(
    jax.tree.map(jnp.asarray, now),
    jax.tree.map(jnp.asarray, future),
    env.config,
  )
  return Demonstrations(
    observation=observation,
    action=np.asarray(action),
    weight=_weights(ego, scenarios.behaviour, pairs, config),
  )


def _moments(scenarios, config):
  """`[M, 2]` scenario and step of all demonstrations.

  Unedited scenarios of one scene differ only in their start, so the earliest
  stands for all.
  """
  last = scenarios.tracks.valid.shape[1] - 1
  ahead = round(anchors.DURATION / types.TIME_STEP)
  pairs, seen = [], set()
  for index in np.argsort(scenarios.start, kind='stable'):
    if scenarios.adversary[index]:
      continue
    if BEHAVIOURS[scenarios.behaviour[index]] == 'log':
      if int(scenarios.scene[index]) in seen:
        continue
      seen.add(int(scenarios.scene[index]))
    steps = np.arange(scenarios.start[index], last - ahead + 1, config.stride)
    pairs += [(index, step) for step in steps]
  return np.array(sorted(pairs), np.int32).reshape(-1, 2)


def _weights(ego, behaviour, pairs, config):
  """`[M]` float32 of mean one."""
  scenario, step = pairs[:, 0], pairs[:, 1]
  later = np.minimum(step + config.balance_steps, ego.speed.shape[1] - 1)
  speed = ego.speed[scenario, later] - ego.speed[scenario, step]
  turn = ego.yaw[scenario, later] - ego.yaw[scenario, step]
  turn = (turn + np.pi) % (2 * np.pi) - np.pi
  cell = np.digitize(speed, _SPEED_EDGES) * (len(_YAW_EDGES) + 1)
  cell += np.digitize(turn, _YAW_EDGES)
  weight = 1 / (np.bincount(cell)[cell] + config.balance_offset)
  weight = np.minimum(weight / weight.mean(), config.balance_cap)
  is_log = behaviour[scenario] == BEHAVIOURS.index('log')
  if is_log.any() and not is_log.all():
    share = np.where(is_log, config.log_share, 1 - config.log_share)
    total = np.where(is_log, weight[is_log].sum(), weight[~is_log].sum())
    weight = weight * share / total
  return (weight / weight.mean()).astype(np.float32)


@jax.jit
def _observe(env, pairs):
  return jax.vmap(env.expert_observation)(pairs[:, 0], pairs[:, 1])


def imitation_loss(output, action, weight, target_width):
  """Cross entropy of both streams with soft targets about an action.

  Args:
    output: `policy.Output` `[B]`.
    action: `[B, 2]` int32.
    weight: `[B]`.
    target_width: standard deviation of the target in anchors.

  Returns:
    `[]`.
  """
  loss = 0.0
  logs = policies.log_probs(output, action[:, 1])
  for i, log in enumerate(logs):
    anchor = jnp.arange(log.shape[-1])
    if target_width > 0:
      distance = (anchor - action[:, i, None]) / target_width
      # What is infeasible has a log-probability of minus infinity, nearly.
      logits = jnp.where(log > -1e30, -0.5 * distance**2, -jnp.inf)
      target = jax.nn.softmax(logits)
    else:
      target = jax.nn.one_hot(action[:, i], log.shape[-1])
    loss -= jnp.sum(target * jnp.where(target > 0, log, 0), -1)
  return jnp.mean(weight * loss)


def imitate(policy, demonstrations, config, key, directory=None):
  """Trains a policy to do what demonstrations did.

  Args:
    policy: to start from.
    demonstrations: `Demonstrations`.
    config: an `ImitationConfig`.
    key: of every draw.
    directory: for metric lines and checkpoints; None keeps nothing.

  Returns:
    The trained `Policy`.
  """
  optimizer = _optimizer(config)
  # Copies, since training donates its state.
  params = jax.tree.map(jnp.copy, policy.params)
  state = (params, optimizer.init(params))
  demonstrations = jax.tree.map(jnp.asarray, demonstrations)

  def step(state, i):
    return _step(
      state, demonstrations, key, jnp.int32(i), config, policy.config
    )

  params, _ = training.loop.run(
    step, state, config.num_steps, name='imitation', directory=directory
  )
  return policy.replace(params=params)


def draw(demonstrations, key, batch_size, brightness):
  """A random batch, brightness changed image by image."""
  index_key, light_key = jax.random.split(key)
  index = jax.random.randint(
    index_key, (batch_size,), 0, len(demonstrations.weight)
  )
  batch = types.take(demonstrations, index)
  images = batch.observation.images
  gain = 1 + brightness * jax.random.uniform(
    light_key, (batch_size, *(1,) * (images.ndim - 1)), minval=-1
  )
  images = jnp.clip(jnp.round(images * gain), 0, 255).astype(jnp.uint8)
  return batch.replace(observation=batch.observation.replace(images=images))


@functools.partial(
  jax.jit, static_argnames=('config', 'network'), donate_argnames='state'
)
def _step(state, demonstrations, key, i, config, network):
  params, optimizer_state = state
  batch = draw(
    demonstrations,
    jax.random.fold_in(key, i),
    config.batch_size,
    config.brightness,
  )

  def loss_fn(params):
    output = policies.apply(policies.Policy(params, network), batch.observation)
    loss = imitation_loss(
      output, batch.action, batch.weight, config.target_width
    )
    error = jnp.abs(policies.mode(output) - batch.action)
    return loss, jnp.mean(error, 0)

  (loss, error), gradient = jax.value_and_grad(loss_fn, has_aux=True)(params)
  updates, optimizer_state = _optimizer(config).update(
    gradient, optimizer_state, params
  )
  metrics = {
    'loss': loss,
    'lateral_error_m': error[0] * anchors.LATERAL_SPACING,
    'longitudinal_error_m': error[1] * anchors.LONGITUDINAL_SPACING,
  }
  return (optax.apply_updates(params, updates), optimizer_state), metrics


def _optimizer(config):
  schedule = optax.cosine_decay_schedule(
    config.learning_rate, config.num_steps, alpha=0.02
  )
  return optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(schedule, weight_decay=config.weight_decay),
  )
