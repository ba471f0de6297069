# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stage 1: the policy copies the expert and its cousins."""

import dataclasses
import functools
import itertools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import geometry
from rdrl import policy as policies
from rdrl import ranges
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.scenario import BEHAVIOURS
from rdrl.sim import anchors

# Steps of training that are one call on a CPU: each takes half the time so.
_ON_CPU = 10
# Observations that are rendered by one call.
_RENDER_BATCH = 16
# Bins of the balance: m/s and rad over `balance_steps`.
_SPEED_EDGES = (-4.0, -1.5, -0.5, 0.5, 1.5, 4.0)
_YAW_EDGES = (-0.5, -0.15, -0.04, 0.04, 0.15, 0.5)


@dataclasses.dataclass(frozen=True)
class ImitationConfig:
  """Imitation.

  Attributes:
    stride: steps between two moments of one drive, each of which is
      demonstrated as driven and once more with the ego displaced.
    shift: greatest displacement to either side, metres.
    turn: greatest displacement of the heading, rad.
    speed_change: greatest displacement of the speed, m/s.
    rejoin_time: seconds ahead at which a displaced ego aims at the path.
    log_share: weight of the recorded drives; cousins get the rest.
    balance_steps: steps ahead at which manoeuvres are classified.
    balance_offset: added to the count of a bin before it divides.
    balance_cap: greatest weight, over the mean.
    target_widths: standard deviations in anchors of the soft targets, lateral
      and longitudinal; 0 is cross entropy with the nearest anchor, as in RAD's
      code. Their width is what PPO later explores.
    brightness: greatest relative change of the images' brightness.
    batch_size: demonstrations per step.
    num_steps: of training.
    learning_rate: of AdamW at first; cosine decay.
    weight_decay: of AdamW.
  """

  stride: ranges.Count = 7
  shift: ranges.NotNegative = 1.2
  turn: ranges.Radians = 0.14
  speed_change: ranges.NotNegative = 2.0
  rejoin_time: ranges.Positive = 1.2
  log_share: ranges.Share = 0.5
  balance_steps: ranges.Count = 30
  balance_offset: ranges.Positive = 5.0
  balance_cap: ranges.Positive = 10.0
  target_widths: tuple[ranges.NotNegative, ranges.NotNegative] = (1.0, 2.0)
  brightness: ranges.Decay = 0.2
  batch_size: ranges.Count = 64
  num_steps: ranges.Count = 220
  learning_rate: ranges.NotNegative = 1e-3
  weight_decay: ranges.NotNegative = 1e-4


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
  """Renders and labels what the ego would see on and beside its references.

  On a reference the label is the feasible anchor nearest to where the reference
  is half a second later. Each moment comes twice, the second time with the ego
  moved to the side, turned, and faster or slower, at random: the label then
  steers on a circle to the path ahead (pure pursuit, Coulter 1992) and halves
  the error of the speed. Without such recoveries a policy that drifts meets
  what no demonstration shows.

  Manoeuvres are balanced: the weight of a demonstration falls with the number
  of those whose change of speed and of heading is like its own.

  Args:
    env: `sim.Env`.
    config: an `ImitationConfig`.
    key: of displacements and order.

  Returns:
    `Demonstrations` in host memory, of all scenarios without an adversary.

  Raises:
    ValueError: if there is none.
  """
  scenarios = jax.tree.map(np.asarray, env.scenarios)
  pairs = _moments(scenarios, config)
  if not len(pairs):
    raise ValueError('imitation_data: no scenario is without an adversary')
  order_key, displacement_key = jax.random.split(key)
  limits = jnp.array([config.shift, config.turn, config.speed_change])
  displacement = limits * jax.random.uniform(
    displacement_key, (len(pairs), 3), minval=-1
  )
  displacement = np.concatenate([np.zeros_like(displacement), displacement])
  pairs = np.concatenate([pairs, pairs])
  order = np.asarray(jax.random.permutation(order_key, len(pairs)))
  pairs, displacement = pairs[order], displacement[order]
  observation, action = trees.map_batches(
    lambda rows: _demonstrate(env, *rows, config),
    (pairs, displacement),
    _RENDER_BATCH,
  )
  ego = trees.take(scenarios.tracks, (slice(None), slice(None), 0))
  return Demonstrations(
    observation=observation,
    action=action,
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


def _manoeuvres(ego, scenario, step, config):
  """Bins `[2, M]` of how speed and heading change."""
  later = np.minimum(step + config.balance_steps, ego.speed.shape[1] - 1)
  speed = ego.speed[scenario, later] - ego.speed[scenario, step]
  turn = ego.yaw[scenario, later] - ego.yaw[scenario, step]
  turn = np.asarray(geometry.wrap_angle(turn))
  return np.digitize(speed, _SPEED_EDGES), np.digitize(turn, _YAW_EDGES)


def balance(scenarios, config):
  """How often each manoeuvre is demonstrated, before and after balancing.

  Args:
    scenarios: `Scenario` `[V]`, those of the environment.
    config: an `ImitationConfig`.

  Returns:
    `{'before': {manoeuvre: share}, 'after': {...}}`, where a manoeuvre is a
    change of speed or of heading over `balance_steps`; those of either kind
    add up to 1.
  """
  scenarios = jax.tree.map(np.asarray, scenarios)
  pairs = _moments(scenarios, config)
  ego = trees.take(scenarios.tracks, (slice(None), slice(None), 0))
  weight = _weights(ego, scenarios.behaviour, pairs, config)
  kinds = (_SPEED_EDGES, 'm/s'), (_YAW_EDGES, 'rad')
  shares = {'before': {}, 'after': {}}
  changes = _manoeuvres(ego, *pairs.T, config)
  for bins, (edges, unit) in zip(changes, kinds, strict=True):
    for name, weights in zip(shares, (None, weight), strict=True):
      total = np.bincount(bins, weights, len(edges) + 1)
      labels = _labels(edges, unit)
      shares[name] |= dict(zip(labels, total / total.sum(), strict=True))
  return shares


def _labels(edges, unit):
  between = [
    f'{low:g} to {high:g} {unit}' for low, high in itertools.pairwise(edges)
  ]
  return [f'below {edges[0]:g} {unit}', *between, f'above {edges[-1]:g} {unit}']


def _weights(ego, behaviour, pairs, config):
  """`[M]` float32 of mean one."""
  scenario, step = pairs.T
  changes = _manoeuvres(ego, scenario, step, config)
  cell = changes[0] * (len(_YAW_EDGES) + 1) + changes[1]
  weight = 1 / (np.bincount(cell)[cell] + config.balance_offset)
  weight = np.minimum(weight / weight.mean(), config.balance_cap)
  is_log = behaviour[scenario] == BEHAVIOURS.index('log')
  if is_log.any() and not is_log.all():
    share = np.where(is_log, config.log_share, 1 - config.log_share)
    total = np.where(is_log, weight[is_log].sum(), weight[~is_log].sum())
    weight = weight * share / total
  return (weight / weight.mean()).astype(np.float32)


@functools.partial(jax.jit, static_argnames='config')
def _demonstrate(env, pairs, displacement, config):
  """`Observation` `[m]` and actions `[m, 2]` of moments `[m, 2]`."""
  return jax.vmap(_demonstration, (None, 0, 0, 0, None))(
    env, pairs[:, 0], pairs[:, 1], displacement, config
  )


def _demonstration(env, scenario, step, displacement, config):
  """`Observation` and action `[2]` of one moment, displaced `[3]`."""
  tracks = trees.take(env.scenarios.tracks, scenario)
  now = trees.take(tracks, step)
  moved = _displaced(now, now, 0.0, displacement)
  sizes = env.scenes.sizes[env.scenarios.scene[scenario]]
  displacement *= _is_free(env, scenario, moved, sizes)
  ago = env.config.decision_steps * jnp.arange(env.config.frames)[::-1]
  past = jnp.maximum(step - ago, 0)
  observation = env.observe_past(
    scenario,
    jax.vmap(
      lambda before, past: _displaced(
        trees.take(tracks, past), now, before * types.TIME_STEP, displacement
      )
    )(ago, past),
    past,
  )
  ego = trees.take(now, 0)
  ahead = round(anchors.DURATION / types.TIME_STEP)
  future = trees.take(tracks, (step + ahead, 0))
  gone = geometry.safe_norm(future.xy - ego.xy)
  recovery = anchors.pursue(
    observation.route,
    jnp.clip(
      observation.speed * config.rejoin_time,
      env.config.route_points[0],
      env.config.route_points[-1],
    ),
    gone + displacement[2] / 2 * anchors.DURATION,
    env.config,
  )
  action = jnp.where(
    jnp.any(displacement != 0),
    recovery,
    anchors.label(ego, future, env.config),
  )
  return observation, action


def _displaced(then, now, ago, displacement):
  """Agents `[A]` some seconds ago, had the ego come to where it is displaced.

  Args:
    then: `[A]` as recorded.
    now: `[A]` as recorded.
    ago: `[]` seconds between them.
    displacement: `[3]` metres to the left, rad and m/s, now.
  """
  shift, turn, speed_change = displacement
  behind = geometry.safe_norm(now.xy[0] - then.xy[0])
  offset = jnp.stack([-speed_change * ago, shift - turn * behind])
  is_ego = jnp.arange(len(then.yaw)) == 0
  moved = then.xy + geometry.rotate_2d(offset, then.yaw[0])
  return then.replace(
    xy=jnp.where(is_ego[:, None], moved, then.xy),
    yaw=jnp.where(is_ego, geometry.wrap_angle(then.yaw + turn), then.yaw),
    speed=jnp.where(
      is_ego, jnp.maximum(then.speed + speed_change, 0), then.speed
    ),
  )


def _is_free(env, scenario, agents, sizes):
  """Whether the ego overlaps nobody and keeps to the road, `[]`."""
  ego = trees.take(agents, 0)
  meets = geometry.boxes_overlap(
    ego.xy, ego.yaw, sizes[0], agents.xy, agents.yaw, sizes
  )
  meets &= agents.valid.at[0].set(False)
  corners = geometry.box_corners(ego.xy, ego.yaw, sizes[0])
  return ~jnp.any(meets) & jnp.all(env.drivable(scenario, corners) > 0)


def imitation_loss(output, action, weight, target_widths):
  """Cross entropy of both streams with soft targets about an action.

  Args:
    output: `policy.Output` `[B]`.
    action: `[B, 2]` int32.
    weight: `[B]`.
    target_widths: standard deviations of the targets in anchors, lateral first.

  Returns:
    `[]`.
  """
  loss = 0.0
  logs = policies.log_probs(output, action[:, 1])
  for i, log in enumerate(logs):
    anchor = jnp.arange(log.shape[-1])
    if target_widths[i] > 0:
      distance = (anchor - action[:, i, None]) / target_widths[i]
      # What is infeasible has a log-probability of minus infinity, nearly.
      logits = jnp.where(log > -1e30, -0.5 * distance**2, -jnp.inf)
      target = jax.nn.softmax(logits)
    else:
      target = jax.nn.one_hot(action[:, i], log.shape[-1])
    loss -= jnp.sum(target * jnp.where(target > 0, log, 0), -1)
  return jnp.mean(weight * loss)


def imitate(policy, demonstrations, config, key, directory=None):
  """Trains a policy to imitate demonstrations.

  Args:
    policy: to start from.
    demonstrations: `Demonstrations`.
    config: an `ImitationConfig`.
    key: of every draw.
    directory: for metric lines and checkpoints; None keeps nothing.

  Returns:
    The trained `Policy`, in host memory.
  """
  state = _start(policy.params, config)
  demonstrations = jax.device_put(demonstrations)

  def step(state, i, count):
    return _steps(state, i, count, demonstrations, key, config, policy.config)

  params, _ = training.loop.run(
    step,
    state,
    config.num_steps,
    name='imitation',
    directory=directory,
    on_cpu=_ON_CPU,
  )
  return policy.replace(params=jax.device_get(params))


@functools.partial(training.compiling.quick_jit, static_argnames='config')
def _start(params, config):
  # A copy, since training donates its state.
  return jax.tree.map(jnp.copy, params), training.averaged.adamw(config).init(
    params
  )


def draw(demonstrations, key, batch_size, brightness):
  """A random batch, brightness changed image by image."""
  index_key, light_key = jax.random.split(key)
  index = jax.random.randint(
    index_key, (batch_size,), 0, len(demonstrations.weight)
  )
  batch = trees.take(demonstrations, index)
  images = batch.observation.images
  gain = 1 + brightness * jax.random.uniform(
    light_key, (batch_size, *(1,) * (images.ndim - 1)), minval=-1
  )
  images = jnp.clip(jnp.round(images * gain), 0, 255).astype(jnp.uint8)
  return batch.replace(observation=batch.observation.replace(images=images))


@functools.partial(
  jax.jit, static_argnames=('config', 'network'), donate_argnames='state'
)
def _steps(state, i, count, demonstrations, key, config, network):
  return training.loop.repeat(
    lambda state, i: _step(state, demonstrations, key, i, config, network),
    state,
    i,
    count,
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
      output, batch.action, batch.weight, config.target_widths
    )
    error = jnp.abs(policies.mode(output) - batch.action)
    return loss, jnp.mean(error, 0)

  (loss, error), gradient = jax.value_and_grad(loss_fn, has_aux=True)(params)
  updates, optimizer_state = training.averaged.adamw(config).update(
    gradient, optimizer_state, params
  )
  metrics = {
    'loss': loss,
    'lateral_error_m': error[0] * anchors.LATERAL_SPACING,
    'longitudinal_error_m': error[1] * anchors.LONGITUDINAL_SPACING,
  }
  return (optax.apply_updates(params, updates), optimizer_state), metrics
