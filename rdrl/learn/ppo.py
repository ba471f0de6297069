# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stage 2: dual-stream PPO with RAD's auxiliary terms, beside imitation.

RAD (arXiv 2502.13144, sections 3.5 and 3.6) gives each stream its own reward
and clip range (PPO: Schulman et al., arXiv 1707.06347), adds terms that say
which way the probability should move after each kind of event, and keeps
imitating. What differs: every reward term has a value of its own; imitation is
a loss in every update rather than every fifth update; a divergence from the
imitation policy is penalised, too.

A critic that is told the truth gives the values (`policy.state`). The image
encoder may rest: what it sees is then computed once per rollout.

All environments are reset together and driven for one episode, some to
scenarios that are drawn anew, of a difficulty that rises while the policy
succeeds, the others to one of the environment's, those rather in which the
policy fails; what comes after an episode's end weighs nothing. Minibatches
split time, not environments, so that nothing gathers the rollout when the
environments are spread over devices.
"""

import dataclasses
import functools
import math

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import policy as policies
from rdrl import ranges
from rdrl import sim
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.learn import advantage as advantages
from rdrl.learn import drawing
from rdrl.learn import imitation
from rdrl.scenario import curriculum

# Indices into `types.REWARD_TERMS` of the terms with an auxiliary loss.
_DYNAMIC, _STATIC, _POSITION, _HEADING = range(4)
_LATERAL, _LONGITUDINAL = range(2)
# Number of the critic's key, beyond those of all updates.
_CRITIC = 2**31


@dataclasses.dataclass(frozen=True)
class PpoConfig:
  """PPO; origins in brackets.

  Attributes:
    num_envs: environments of a rollout, a multiple of the number of devices.
    num_updates: rollouts, each followed by its updates.
    edited_share: of the rollouts that meet an adversary, where there are any.
    least_drawn: of the scenarios of either kind, how likely one is in which the
      policy succeeds, to one in which it fails; 1 draws all alike [ours].
    failure_decay: share of a scenario's record that a new drive replaces.
    temperature: by which logits are divided when PPO acts and compares: less
      than 1 explores nearer to the most probable action, which is what drives
      in the end [ours].
    drawn_share: of the rollouts that meet a scenario that nobody met before,
      where there is a drawer [ours].
    num_tries: adversaries that such a scenario is chosen from.
    discount: per decision [.99 at 10 Hz is .95 at 2 Hz].
    gae_lambda: [RAD].
    least_deviation: by which advantages are divided: a stream to which nothing
      happened has only the errors of its values.
    clips: of the lateral and the longitudinal stream [RAD].
    num_epochs: passes over a rollout.
    num_minibatches: into which its time is split.
    value_weight: of half the squared error [RAD].
    entropy_weights: at first and at last, in between linear [ours].
    auxiliary_weight: of each of RAD's four terms [RAD's code].
    imitation_weight: of the imitation loss; RAD has one imitation round after
      four of reinforcement.
    kl_weight: of the divergence from the imitation policy [ReconSparse_base].
    target_kl: divergence from the acting policy beyond which the rest of a
      rollout's updates is skipped.
    warmup_updates: rollouts that train the values alone.
    imitation_batch_size: demonstrations per minibatch.
    imitation_widths: see `ImitationConfig.target_widths`.
    trains_encoder: whether the image encoder learns on.
    critic: its size.
    learning_rate: of Adam at first; falls linearly to a tenth.
    critic_learning_rate: likewise, of the critic.
    gradient_clip: greatest norm.
    least_entropy: nats of both streams; training stops below.
    greatest_ratio: of probabilities; training stops above.
  """

  num_envs: ranges.Count = 32
  num_updates: ranges.CountOrNone = 16
  edited_share: ranges.Share = 0.7
  least_drawn: ranges.Share = 0.2
  failure_decay: ranges.Share = 0.5
  temperature: ranges.Positive = 0.3
  drawn_share: ranges.Share = 0.0
  num_tries: ranges.Count = 8
  discount: ranges.Share = 0.95
  gae_lambda: ranges.Share = 0.95
  least_deviation: ranges.Positive = 0.02
  clips: tuple[ranges.Positive, ranges.Positive] = (0.1, 0.2)
  num_epochs: ranges.Count = 3
  num_minibatches: ranges.Count = 2
  value_weight: ranges.NotNegative = 0.5
  entropy_weights: tuple[ranges.NotNegative, ranges.NotNegative] = (3e-4, 0.0)
  auxiliary_weight: ranges.NotNegative = 1.0
  imitation_weight: ranges.NotNegative = 0.05
  kl_weight: ranges.NotNegative = 1.0
  target_kl: ranges.Positive = 0.05
  warmup_updates: ranges.CountOrNone = 2
  imitation_batch_size: ranges.Count = 32
  imitation_widths: tuple[ranges.NotNegative, ranges.NotNegative] = (1.0, 2.0)
  trains_encoder: bool = False
  critic: policies.StateConfig = policies.StateConfig()
  learning_rate: ranges.NotNegative = 3e-4
  critic_learning_rate: ranges.NotNegative = 1e-3
  gradient_clip: ranges.Positive = 0.5
  least_entropy: ranges.NotNegative = 1e-3
  greatest_ratio: ranges.Positive = 1e3


@struct.dataclass
class Learner:
  """What training carries from update to update.

  Attributes:
    params: of the policy.
    critic: parameters.
    optimizer_state: of both.
    failures: `[V]` share of the last drives of each scenario that failed.
    target: `[]` difficulty of scenarios that are drawn anew.
  """

  params: dict
  critic: dict
  optimizer_state: optax.OptState
  failures: types.Array
  target: types.Array


@struct.dataclass
class Batch:
  """Data of one update, `[T, E]` leading.

  Attributes:
    transition: as collected.
    advantage: `[T, E, len(REWARD_TERMS)]` of each term, not normalised.
    stream_advantage: `[T, E, 2]` sums over the terms of each stream,
      normalised.
    target: `[T, E, len(REWARD_TERMS)]` of the values.
    side: `[T, E, 4]` of the event that ended the episode, for the terms with an
      auxiliary loss: `Events.front`, `obstacle_side`, `position_side`,
      `heading_side`; 0 without such an event.
    reference: `policy.Output` of the imitation policy.
  """

  transition: types.Transition
  advantage: types.Array
  stream_advantage: types.Array
  target: types.Array
  side: types.Array
  reference: policies.Output


def reinforce(
  policy, env, demonstrations, config, key, directory=None, drawer=None
):
  """Improves a policy in an environment.

  Args:
    policy: the imitation policy, to start from and to stay near; or any, of
      images or of the truth, where the configuration has no weight on that.
    env: `sim.Env` whose observations tell the truth.
    demonstrations: what is imitated meanwhile; None imitates nothing.
    config: a `PpoConfig`.
    key: of every draw.
    directory: for metric lines and checkpoints; None keeps nothing.
    drawer: `drawing.Drawer` of the scenes of the environment, whose controllers
      must have those of its adversaries; None draws no scenario anew.

  Returns:
    The `Policy` after `config.num_updates` updates, in host memory: as it comes
    from a mesh, whatever drives it would compile anew.

  Raises:
    ValueError: if the environments cannot be spread over the devices, the
      horizon not be split into the minibatches, or if observations do not tell
      the truth.
    FloatingPointError: if a loss is not finite, the entropy too small or a
      ratio of probabilities too great; the last good checkpoint stays.
  """
  mesh = training.mesh.make()
  if config.num_envs % mesh.size:
    raise ValueError(
      f'ppo.num_envs is {config.num_envs}, no multiple of {mesh.size} devices'
    )
  if env.config.horizon % config.num_minibatches:
    raise ValueError(
      f'ppo.num_minibatches is {config.num_minibatches}, which does not divide'
      f' sim.horizon = {env.config.horizon}'
    )
  is_over = training.loop.is_over(directory, config.num_updates)
  if demonstrations is not None and not is_over:
    demonstrations = imitable(policy, demonstrations, config, key)
  learner = training.mesh.replicate(
    start(policy, env, config, key, drawer), mesh
  )
  fixed = training.mesh.replicate((policy, env, demonstrations, drawer), mesh)

  def step(learner, i, count):
    del count  # One: every update is logged, and keeps any device busy.
    return _step(learner, *fixed, key, jnp.int32(i), config, mesh)

  learner = training.loop.run(
    step,
    learner,
    config.num_updates,
    name='ppo',
    directory=directory,
    log_every=1,
    save_every=10,
    limits={
      'entropy': (config.least_entropy, np.inf),
      'greatest_ratio': (0, config.greatest_ratio),
    },
  )
  return policy.replace(params=jax.device_get(learner.params))


def imitable(policy, demonstrations, config, key):
  """`Demonstrations` of observations such as rollouts keep.

  What an encoder at rest perceives is computed here, once. Arguments are those
  of `reinforce`.
  """
  if not policies.has_cameras(policy):
    observation = demonstrations.observation.replace(images=None)
    return demonstrations.replace(observation=observation)
  if config.trains_encoder:
    return demonstrations
  return imitation.perceived(policy, jax.device_put(demonstrations), key)


def start(policy, env, config, key, drawer=None) -> Learner:
  """The `Learner` before the first update. Arguments as in `reinforce`."""
  critic = policies.create_critic(
    jax.random.fold_in(key, _CRITIC), config.critic, env.blank()
  )
  target = 0.0 if drawer is None else drawer.config.target_difficulty
  return _start(policy.params, critic, env.num_scenarios, target, config)


@functools.partial(
  training.compiling.quick_jit, static_argnames=('num_scenarios', 'config')
)
def _start(params, critic, num_scenarios, target, config):
  # A copy, since training donates its state.
  params = jax.tree.map(jnp.copy, params)
  return Learner(
    params=params,
    critic=critic,
    optimizer_state=_optimizer(config).init((params, critic)),
    failures=jnp.full(num_scenarios, 0.5),
    target=jnp.float32(target),
  )


def _weights(scenarios, failures, config):
  """`[V]` probability of each scenario, from how often the policy failed."""
  rate = config.least_drawn + (1 - config.least_drawn) * failures
  return curriculum.mixed(scenarios.adversary != 0, rate, config.edited_share)


def _recorded(failures, known, failed, decay):
  """`failures` `[V]` after drives `[n]` of scenarios, some of them the same."""
  count = jnp.zeros_like(failures).at[known].add(1.0)
  total = jnp.zeros_like(failures).at[known].add(1.0 * failed)
  mean = total / jnp.maximum(count, 1)
  return jnp.where(count > 0, failures + decay * (mean - failures), failures)


@functools.partial(
  jax.jit, static_argnames=('config', 'mesh'), donate_argnames='learner'
)
def _step(learner, anchor, env, demonstrations, drawer, key, i, config, mesh):
  """One rollout and its updates; `anchor` is the imitation policy."""
  reset_key, act_key, update_key = jax.random.split(
    jax.random.fold_in(key, i), 3
  )
  num_drawn = _num_drawn(config, drawer)
  weights = _weights(env.scenarios, learner.failures, config)
  known = jax.random.choice(
    reset_key, len(weights), (config.num_envs - num_drawn,), p=weights
  )
  begun = known
  if num_drawn:
    drawn = drawer.draw(
      jax.random.fold_in(reset_key, 1), num_drawn, learner.target
    )
    env = env.with_scenarios(
      jax.tree.map(
        lambda x, y: jnp.concatenate([x[known], y]), env.scenarios, drawn
      )
    )
    begun = jnp.arange(config.num_envs)
  begun = jax.lax.with_sharding_constraint(
    begun,
    jax.sharding.NamedSharding(
      mesh, jax.sharding.PartitionSpec(training.mesh.AXIS)
    ),
  )
  states = jax.vmap(env.start, (None, 0))(reset_key, begun)
  policy = anchor.replace(params=learner.params)
  transition, last_value = collect(
    policy, learner.critic, env, states, act_key, config, mesh
  )
  batch = _batch(transition, last_value, anchor, config)
  progress = i / max(config.num_updates - 1, 1)

  def minibatch(carry, inputs):
    nets, optimizer_state, has_stopped = carry
    times, minibatch_key = inputs
    piece = trees.take(batch, times)
    demonstration = None
    if demonstrations is not None:
      demonstration = imitation.draw(
        demonstrations, minibatch_key, config.imitation_batch_size
      )
    (_, metrics), gradient = jax.value_and_grad(_loss, has_aux=True)(
      nets, anchor, piece, demonstration, i, progress, config
    )
    has_stopped |= metrics['kl'] > config.target_kl
    updates, moved_state = _optimizer(config).update(
      gradient, optimizer_state, nets
    )
    moved = optax.apply_updates(nets, updates)
    nets, optimizer_state = jax.tree.map(
      lambda old, new: jnp.where(has_stopped, old, new),
      (nets, optimizer_state),
      (moved, moved_state),
    )
    return (nets, optimizer_state, has_stopped), metrics

  steps = config.num_epochs * config.num_minibatches
  keys = jax.random.split(update_key, config.num_epochs + steps)
  length = transition.weight.shape[0]
  times = jax.vmap(lambda key: jax.random.permutation(key, length))(
    keys[: config.num_epochs]
  ).reshape(steps, -1)
  carry = (
    (learner.params, learner.critic),
    learner.optimizer_state,
    jnp.zeros((), bool),
  )
  ((params, critic), optimizer_state, has_stopped), metrics = jax.lax.scan(
    minibatch, carry, (times, keys[config.num_epochs :])
  )
  greatest = jnp.max(metrics['greatest_ratio'])
  metrics = jax.tree.map(jnp.mean, metrics) | {'greatest_ratio': greatest}
  metrics |= _episode_metrics(batch) | {'stopped_early': 1.0 * has_stopped}
  failed = jnp.any(transition.terminated, 0)
  failures = _recorded(
    learner.failures, known, failed[: len(known)], config.failure_decay
  )
  target = learner.target
  if num_drawn:
    metrics |= {'target_difficulty': target}
    target = drawing.next_target(
      target, drawn, failed[len(known) :], drawer.config
    )
  return Learner(params, critic, optimizer_state, failures, target), metrics


def _num_drawn(config, drawer):
  """Environments that meet a scenario that is drawn anew."""
  return 0 if drawer is None else round(config.drawn_share * config.num_envs)


def collect(policy, critic, env, states, key, config, mesh=None):
  """One episode in each environment.

  Args:
    policy: acts by drawing from its distribution.
    critic: parameters of the critic.
    env: `sim.Env`.
    states: `SimState` `[E]`, from a vmapped `env.start`.
    key: of the actions.
    config: a `PpoConfig`.
    mesh: see `sim.unroll`.

  Returns:
    `Transition` `[T, E]`, T the horizon, and the value `[E, K]` of the last
    observation.
  """

  def act(states, key):
    observation, percept = states.observation, None
    if policies.has_cameras(policy):
      percept = policies.perceive(policy, observation)
    output = policies.output(policy, observation, percept)
    output = output.cooled(config.temperature)
    action = policies.sample(output, key)
    log_prob = policies.log_prob(output, action)
    value = policies.critic(critic, config.critic, observation)
    if config.trains_encoder and percept is not None:
      percept = None
    else:
      observation = observation.replace(images=None)
    return action, (observation, percept, log_prob, value)

  # By the horizon all is over; one decision more only looks at what is left.
  _, decisions = sim.unroll(env, act, states, key, env.config.horizon + 1, mesh)
  last_value = decisions.aux[-1][-1]
  decisions = trees.take(decisions, slice(-1))
  observation, percept, log_prob, value = decisions.aux
  transition = types.Transition(
    observation=observation,
    action=decisions.action,
    log_prob=log_prob,
    value=value,
    reward=decisions.reward,
    events=decisions.events,
    terminated=decisions.terminated,
    truncated=decisions.truncated,
    weight=1.0 * decisions.active,
    percept=percept,
  )
  return transition, last_value


def _batch(transition, last_value, anchor, config):
  next_value = jnp.concatenate([transition.value[1:], last_value[None]])
  advantage = advantages.gae(
    transition.reward,
    transition.value,
    next_value,
    transition.terminated,
    transition.truncated,
    config.discount,
    config.gae_lambda,
  )
  events = transition.events
  side = jnp.stack(
    [
      events.front * events.dynamic_collision,
      events.obstacle_side * events.static_collision,
      events.position_side * events.position_deviation,
      events.heading_side * events.heading_deviation,
    ],
    -1,
  ).astype(jnp.float32)
  # An event ends its episode, so the sum over time is its own side; the
  # decisions that led to it get it as well.
  side = jnp.broadcast_to(jnp.sum(side, 0), side.shape)
  return Batch(
    transition=transition,
    advantage=advantage,
    stream_advantage=jnp.stack(
      [
        _normalise(
          jnp.sum(advantage[..., jnp.array(terms)], -1),
          transition.weight,
          config.least_deviation,
        )
        for terms in sim.STREAMS
      ],
      -1,
    ),
    target=advantage + transition.value,
    side=side,
    reference=policies.output(
      anchor, transition.observation, transition.percept
    )
    .cooled(config.temperature)
    .replace(percept=None),
  )


def ppo_loss(log_prob, old_log_prob, advantage, clip, weight):
  """The clipped surrogate of one stream, to minimise.

  Args:
    log_prob: `[...]` of the action now.
    old_log_prob: `[...]` when it was taken.
    advantage: `[...]`.
    clip: epsilon.
    weight: `[...]`.

  Returns:
    `[]`, and `[...]` bool where the ratio is not clipped.
  """
  ratio = jnp.exp(log_prob - old_log_prob)
  clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
  surrogate = jnp.minimum(ratio * advantage, clipped * advantage)
  return -_mean(surrogate, weight), jnp.abs(ratio - 1) <= clip


def auxiliary_loss(logs, action, advantage, side, weight, unclipped):
  """RAD's four directed terms, section 3.6, to minimise.

  Each moves probability, relative to the action taken, away from what led to an
  event: to less speed after a collision ahead, more after one from behind; to
  the right of an obstacle, path or heading on the left, and the reverse. Signs
  are derived anew: with A <= 0 the advantage of the term and f its side,

    L = E[min(A, 0) f (P_away - P_towards)]

  where for speeds P_away is the mass below the action, for the others that to
  its right. Indices grow with speed and to the left.

  Args:
    logs: log-probabilities of both streams, each `[..., 61]`, lateral first.
    action: `[..., 2]` int32.
    advantage: `[..., K]` of each reward term.
    side: `[..., 4]`, see `Batch`.
    weight: `[...]`.
    unclipped: two of `[...]` bool; a term acts where its stream's ratio is not
      clipped.

  Returns:
    `[4]`, in the order of the first four reward terms.
  """
  below_above = []
  for stream in (_LATERAL, _LONGITUDINAL):
    mass = jnp.exp(logs[stream])
    anchor = jnp.arange(mass.shape[-1])
    taken = action[..., stream, None]
    below = jnp.sum(jnp.where(anchor < taken, mass, 0), -1)
    above = jnp.sum(jnp.where(anchor > taken, mass, 0), -1)
    below_above.append(below - above)
  losses = []
  for term, stream in (
    (_DYNAMIC, _LONGITUDINAL),
    (_STATIC, _LATERAL),
    (_POSITION, _LATERAL),
    (_HEADING, _LATERAL),
  ):
    blame = jnp.minimum(advantage[..., term], 0) * side[..., term]
    losses.append(
      _mean(blame * below_above[stream], weight * unclipped[stream])
    )
  return jnp.stack(losses)


def _apply_both(policy, batch, demonstration):
  """Outputs of a minibatch `[t, E]` and of demonstrations `[b]`, or None."""
  seen = batch.transition.observation, batch.transition.percept
  if demonstration is None:
    return policies.output(policy, *seen), None
  shown = demonstration.observation, demonstration.percept
  shape = seen[0].speed.shape
  joined = jax.tree.map(
    lambda x, y: jnp.concatenate([x.reshape(-1, *x.shape[2:]), y]), seen, shown
  )
  output = policies.output(policy, *joined)
  count = math.prod(shape)
  return (
    jax.tree.map(lambda x: x[:count].reshape(*shape, *x.shape[1:]), output),
    jax.tree.map(lambda x: x[count:], output),
  )


def _loss(nets, anchor, batch, demonstration, i, progress, config):
  """Loss of one minibatch `[t, E]`."""
  params, critic = nets
  transition, weight = batch.transition, batch.transition.weight
  # One pass over both: the network and its gradient are compiled once.
  output, imitating = _apply_both(
    anchor.replace(params=params), batch, demonstration
  )
  output = output.cooled(config.temperature)
  longitudinal = transition.action[..., 1]
  logs = policies.log_probs(output, longitudinal)
  log_prob = policies.log_prob(output, transition.action)
  reference = policies.log_probs(batch.reference, longitudinal)

  surrogate, unclipped, divergence, entropy = 0.0, [], 0.0, 0.0
  for stream in (_LATERAL, _LONGITUDINAL):
    loss, is_free = ppo_loss(
      log_prob[..., stream],
      transition.log_prob[..., stream],
      batch.stream_advantage[..., stream],
      config.clips[stream],
      weight,
    )
    surrogate += loss
    unclipped.append(is_free)
    divergence += _mean(_kl(logs[stream], reference[stream]), weight)
    entropy += _mean(policies.entropy(logs[stream]), weight)
  auxiliary = auxiliary_loss(
    logs, transition.action, batch.advantage, batch.side, weight, unclipped
  )
  values = policies.critic(critic, config.critic, transition.observation)
  value = _mean(0.5 * jnp.sum((values - batch.target) ** 2, -1), weight)
  imitated = jnp.zeros(())
  if imitating is not None:
    imitated = imitation.imitation_loss(
      imitating,
      demonstration.action,
      demonstration.weight,
      config.imitation_widths,
    )
  first, last = config.entropy_weights
  entropy_weight = first + (last - first) * progress
  is_warm = i >= config.warmup_updates
  loss = (
    jnp.where(is_warm, surrogate - entropy_weight * entropy, 0)
    + jnp.where(is_warm, config.auxiliary_weight * jnp.sum(auxiliary), 0)
    + config.value_weight * value
    + config.kl_weight * divergence
    + config.imitation_weight * imitated
  )
  ratio = log_prob - transition.log_prob
  metrics = {
    'loss': loss,
    # Schulman's estimator, which cannot be negative.
    'kl': _mean(jnp.sum(jnp.exp(ratio) - 1 - ratio, -1), weight),
    'clip_fraction': 1 - _mean(1.0 * (unclipped[0] & unclipped[1]), weight),
    'greatest_ratio': jnp.max(jnp.exp(ratio) * weight[..., None]),
    'entropy': entropy,
    'value_loss': value,
    'auxiliary_loss': jnp.sum(auxiliary),
    'imitation_loss': imitated,
    'kl_to_imitation': divergence,
  }
  return loss, metrics


def _episode_metrics(batch):
  """Means over the episodes of a rollout."""
  transition = batch.transition
  happened = jax.tree.map(lambda x: jnp.any(x, 0), transition.events)
  reward = jnp.sum(transition.reward, 0)
  error = (batch.target - transition.value) * transition.weight[..., None]
  target = jnp.sum(batch.target, -1)
  variance = jnp.var(target, where=transition.weight > 0)
  residual = jnp.var(jnp.sum(error, -1), where=transition.weight > 0)
  metrics = {
    'collision_ratio': jnp.mean(
      happened.dynamic_collision | happened.static_collision
    ),
    'at_fault_ratio': jnp.mean(happened.at_fault),
    'deviation_ratio': jnp.mean(
      happened.position_deviation | happened.heading_deviation
    ),
    'return': jnp.mean(jnp.sum(reward, -1)),
    'decisions': jnp.mean(jnp.sum(transition.weight, 0)),
    'explained_variance': 1 - residual / jnp.maximum(variance, 1e-8),
  }
  return metrics | {
    f'return_{name}': jnp.mean(reward[:, k])
    for k, name in enumerate(types.REWARD_TERMS)
  }


def _mean(x, weight):
  return jnp.sum(x * weight) / jnp.maximum(jnp.sum(weight), 1.0)


def _normalise(x, weight, least_deviation):
  x = x - _mean(x, weight)
  deviation = jnp.sqrt(_mean(x**2, weight))
  return x / jnp.maximum(deviation, least_deviation)


def _kl(logs, reference):
  """Divergence `[...]` of a categorical from another; infeasible ones add 0."""
  possible = logs > -1e30
  difference = jnp.where(possible, logs - reference, 0)
  return jnp.sum(jnp.exp(logs) * difference, -1)


def _optimizer(config):
  """Of policy and critic, each with a rate and a clipped norm of its own."""
  steps = config.num_updates * config.num_epochs * config.num_minibatches

  def adam(rate):
    decay = optax.linear_schedule(rate, rate / 10, max(steps, 1))
    return optax.chain(
      optax.clip_by_global_norm(config.gradient_clip), optax.adam(decay)
    )

  return optax.multi_transform(
    {
      'policy': adam(config.learning_rate),
      'critic': adam(config.critic_learning_rate),
    },
    ('policy', 'critic'),
  )
