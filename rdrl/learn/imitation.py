# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stage 1: the policy copies experts: the log, its cousins, a teacher."""

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
from rdrl.learn import augment as augmentation
from rdrl.learn import perception
from rdrl.scenario import BEHAVIOURS
from rdrl.sim import anchors

# Steps of training that are one call on a CPU: each takes half the time so.
_ON_CPU = 10
# Observations that are rendered by one call.
_RENDER_BATCH = 16
# Bins of the balance: m/s and rad of one decision.
_SPEED_EDGES = (-2.5, -1.25, -0.4, 0.4, 0.9)
_YAW_EDGES = (-0.12, -0.04, -0.012, 0.012, 0.04, 0.12)
# Demonstrations that are encoded at a time, and the number of their key, beyond
# those of all steps.
_PERCEIVED, _LOOKS = 64, 2**31
# Who demonstrates.
SOURCES = ('log', 'cousin', 'teacher')


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
    mix: weights of the recorded drives, their cousins and a teacher's drives;
      what there is none of leaves its weight to the others.
    balance_offset: added to the count of a bin before it divides.
    balance_cap: greatest weight, over the mean.
    target_widths: standard deviations in anchors of the soft targets, lateral
      and longitudinal; 0 is cross entropy with the nearest anchor, as in RAD's
      code. Their width is what PPO later explores.
    perception_weight: of the losses of `learn.perception`, where demonstrations
      tell the truth.
    trains_encoder: whether the image encoder learns, too. If not, what it sees
      is computed once, in `num_looks` looks of each demonstration.
    num_looks: how often each demonstration is shown, each time looking
      otherwise, to an encoder that does not learn.
    augment: how looks change.
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
  mix: tuple[ranges.Share, ranges.Share, ranges.Share] = (0.2, 0.2, 0.6)
  balance_offset: ranges.Positive = 1000.0
  balance_cap: ranges.Positive = 10.0
  target_widths: tuple[ranges.NotNegative, ranges.NotNegative] = (1.0, 2.0)
  perception_weight: ranges.NotNegative = 1.0
  trains_encoder: bool = False
  num_looks: ranges.Count = 2
  augment: augmentation.AugmentConfig = augmentation.AugmentConfig()
  batch_size: ranges.Count = 64
  num_steps: ranges.Count = 400
  learning_rate: ranges.NotNegative = 1e-3
  weight_decay: ranges.NotNegative = 1e-4


@struct.dataclass
class Demonstrations:
  """What an expert saw and did.

  Attributes:
    observation: `[M]`.
    action: `[M, 2]` int32.
    source: `[M]` int32 index into `SOURCES`.
    weight: `[M]`, mean 1.
    percept: `[M]` float16, what an encoder that does not learn makes of the
      images, which are then None; else None.
  """

  observation: types.Observation
  action: types.Array
  source: types.Array
  weight: types.Array
  percept: types.Percept | None = None


def imitation_data(env, config, key, among=None, last=None):
  """Renders and labels what the ego would see on and beside its references.

  On a reference the label is the feasible anchor nearest to where the reference
  is half a second later. Each moment comes twice, the second time with the ego
  moved to the side, turned, and faster or slower, at random: the label then
  steers on a circle to the path ahead (pure pursuit, Coulter 1992) and halves
  the error of the speed. Without such recoveries a policy that drifts meets
  what no demonstration shows.

  Args:
    env: `sim.Env`.
    config: an `ImitationConfig`.
    key: of displacements and order.
    among: `[n]` scenarios to show; all where None.
    last: step up to which drives are shown; to their end where None.

  Returns:
    `Demonstrations` in host memory, of those scenarios without an adversary.

  Raises:
    ValueError: if there is none.
  """
  scenarios = jax.tree.map(np.asarray, env.scenarios)
  pairs = _moments(scenarios, config, among, last)
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
  is_log = scenarios.behaviour[pairs[:, 0]] == BEHAVIOURS.index('log')
  source = np.where(is_log, SOURCES.index('log'), SOURCES.index('cousin'))
  return Demonstrations(
    observation=observation,
    action=action,
    source=source.astype(np.int32),
    weight=np.ones(len(source), np.float32),
  )


def _moments(scenarios, config, among, last):
  """`[M, 2]` scenario and step of all demonstrations.

  Unedited scenarios of one scene differ only in their start, so the earliest
  stands for all.
  """
  if last is None:
    last = scenarios.tracks.valid.shape[1] - 1
  ahead = round(anchors.DURATION / types.TIME_STEP)
  pairs, seen = [], set()
  for index in np.argsort(scenarios.start, kind='stable'):
    if scenarios.adversary[index] or (among is not None and index not in among):
      continue
    if BEHAVIOURS[scenarios.behaviour[index]] == 'log':
      if int(scenarios.scene[index]) in seen:
        continue
      seen.add(int(scenarios.scene[index]))
    steps = np.arange(scenarios.start[index], last - ahead + 1, config.stride)
    pairs += [(index, step) for step in steps]
  return np.array(sorted(pairs), np.int32).reshape(-1, 2)


def join(parts, config):
  """All demonstrations together, on the host, with balanced weights.

  The weight of a demonstration falls with the number of those whose change of
  speed and of heading is like its own; then each source gets its share.

  Args:
    parts: list of `Demonstrations`.
    config: an `ImitationConfig`.
  """
  whole = trees.concatenate(parts)
  return whole.replace(weight=_weights(whole, config))


def _manoeuvres(demonstrations):
  """Bins `[2, M]` of how an action changes speed and heading."""
  curvature, speed = jax.device_get(
    anchors.command(jnp.asarray(demonstrations.action))
  )
  gained = speed - np.asarray(demonstrations.observation.speed)
  turned = curvature * speed * anchors.DURATION
  return np.digitize(gained, _SPEED_EDGES), np.digitize(turned, _YAW_EDGES)


def balance(demonstrations):
  """How often each manoeuvre is demonstrated, before and after balancing.

  Args:
    demonstrations: from `join`.

  Returns:
    `{'before': {manoeuvre: share}, 'after': {...}}`, where a manoeuvre is a
    change of speed or of heading in one decision; those of either kind add up
    to 1.
  """
  kinds = (_SPEED_EDGES, 'm/s'), (_YAW_EDGES, 'rad')
  shares = {'before': {}, 'after': {}}
  changes = _manoeuvres(demonstrations)
  for bins, (edges, unit) in zip(changes, kinds, strict=True):
    weights = None, demonstrations.weight
    for name, weight in zip(shares, weights, strict=True):
      total = np.bincount(bins, weight, len(edges) + 1)
      labels = _labels(edges, unit)
      shares[name] |= dict(zip(labels, total / total.sum(), strict=True))
  return shares


def _labels(edges, unit):
  between = [
    f'{low:g} to {high:g} {unit}' for low, high in itertools.pairwise(edges)
  ]
  return [f'below {edges[0]:g} {unit}', *between, f'above {edges[-1]:g} {unit}']


def _weights(demonstrations, config):
  """`[M]` float32 of mean one."""
  speed, turn = _manoeuvres(demonstrations)
  cell = speed * (len(_YAW_EDGES) + 1) + turn
  weight = 1 / (np.bincount(cell)[cell] + config.balance_offset)
  weight = np.minimum(weight / weight.mean(), config.balance_cap)
  source = demonstrations.source
  total = np.bincount(source, weight, len(SOURCES))
  weight = weight * np.array(config.mix)[source] / total[source]
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


def imitate(
  policy, demonstrations, config, key, directory=None, mirror_order=None
):
  """Trains a policy to imitate demonstrations.

  Args:
    policy: to start from.
    demonstrations: `Demonstrations`.
    config: an `ImitationConfig`.
    key: of every draw.
    directory: for metric lines and checkpoints; None keeps nothing.
    mirror_order: see `augment`; None mirrors nothing.

  Returns:
    The trained `Policy`, in host memory.
  """
  state = _start(policy.params, config)
  demonstrations = jax.device_put(demonstrations)
  rests = policies.has_cameras(policy) and not config.trains_encoder
  # What a run that is read back learnt from is not looked at again.
  if rests and not training.loop.is_over(directory, config.num_steps):
    # Nothing that the truth teaches learns on.
    observation = demonstrations.observation.replace(truth=None)
    demonstrations = perceived(
      policy,
      demonstrations.replace(observation=observation),
      jax.random.fold_in(key, _LOOKS),
      config.num_looks,
      config.augment,
      mirror_order,
    )

  def step(state, i, count):
    return _steps(
      state, i, count, demonstrations, key, config, policy.config, mirror_order
    )

  params, _ = training.loop.run(
    step,
    state,
    config.num_steps,
    name='imitation',
    directory=directory,
    on_cpu=_ON_CPU,
  )
  params = jax.device_get(params)
  if rests:
    # Decay of weights moves what has no gradient.
    params = policies.weights.with_encoder_of(params, policy.params)
  return policy.replace(params=params)


@functools.partial(training.compiling.quick_jit, static_argnames='config')
def _start(params, config):
  # A copy, since training donates its state.
  return jax.tree.map(jnp.copy, params), training.averaged.adamw(config).init(
    params
  )


def perceived(
  policy, demonstrations, key, num_looks=1, augment=None, mirror_order=None
):
  """What a resting encoder makes of demonstrations, in place of images.

  Args:
    policy: with cameras.
    demonstrations: `[M]`.
    key: of how looks change.
    num_looks: of each demonstration.
    augment: an `AugmentConfig`; None changes no look.
    mirror_order: see `augment`.

  Returns:
    `Demonstrations` `[num_looks M]` on the device, percepts in half precision.
  """
  count = len(demonstrations.weight)
  looks = [
    trees.map_batches(
      lambda rows, number=number: _perceive(
        policy,
        demonstrations,
        rows[0],
        jax.random.fold_in(key, number),
        augment,
        mirror_order,
      ),
      (np.arange(count, dtype=np.int32),),
      min(_PERCEIVED, count),
    )
    for number in range(num_looks)
  ]
  return jax.device_put(trees.concatenate(looks))


@functools.partial(jax.jit, static_argnames=('augment', 'mirror_order'))
def _perceive(policy, demonstrations, rows, key, augment, mirror_order):
  batch = _look_anew(
    trees.take(demonstrations, rows),
    jax.random.fold_in(key, rows[0]),
    augment,
    mirror_order,
  )
  percept = policies.perceive(policy, batch.observation)
  return batch.replace(
    observation=batch.observation.replace(images=None),
    percept=jax.tree.map(jnp.float16, percept),
  )


def _look_anew(batch, key, augment, mirror_order):
  """Demonstrations of changed looks, where an `AugmentConfig` is given."""
  if augment is None:
    return batch
  observation, action = augmentation.apply(
    batch.observation, batch.action, key, augment, mirror_order
  )
  return batch.replace(observation=observation, action=action)


def draw(demonstrations, key, batch_size, augment=None, mirror_order=None):
  """A random batch; images have changed looks where `augment` is given."""
  index_key, look_key = jax.random.split(key)
  index = jax.random.randint(
    index_key, (batch_size,), 0, len(demonstrations.weight)
  )
  batch = trees.take(demonstrations, index)
  if batch.percept is not None:
    percept = jax.tree.map(jnp.float32, batch.percept)
    return batch.replace(percept=percept)
  return _look_anew(batch, look_key, augment, mirror_order)


@functools.partial(
  jax.jit,
  static_argnames=('config', 'network', 'mirror_order'),
  donate_argnames='state',
)
def _steps(state, i, count, demonstrations, key, config, network, mirror_order):
  return training.loop.repeat(
    lambda state, i: _step(
      state, demonstrations, key, i, config, network, mirror_order
    ),
    state,
    i,
    count,
  )


def _step(state, demonstrations, key, i, config, network, mirror_order):
  params, optimizer_state = state
  batch = draw(
    demonstrations,
    jax.random.fold_in(key, i),
    config.batch_size,
    config.augment,
    mirror_order,
  )

  def loss_fn(params):
    policy = policies.Policy(params, network)
    output = policies.output(policy, batch.observation, batch.percept)
    loss = imitation_loss(
      output, batch.action, batch.weight, config.target_widths
    )
    error = jnp.mean(jnp.abs(policies.mode(output) - batch.action), 0)
    metrics = {
      'imitation_loss': loss,
      'lateral_error_m': error[0] * anchors.LATERAL_SPACING,
      'longitudinal_error_m': error[1] * anchors.LONGITUDINAL_SPACING,
    }
    truth = batch.observation.truth
    if truth is not None and output.percept is not None:
      losses = perception.loss(output.percept, truth, batch.weight)
      loss += config.perception_weight * sum(losses.values())
      metrics |= {f'{name}_loss': value for name, value in losses.items()}
    return loss, metrics | {'loss': loss}

  gradient, metrics = jax.grad(loss_fn, has_aux=True)(params)
  updates, optimizer_state = training.averaged.adamw(config).update(
    gradient, optimizer_state, params
  )
  return (optax.apply_updates(params, updates), optimizer_state), metrics
