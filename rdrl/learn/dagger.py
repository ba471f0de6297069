# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A teacher who knows the truth labels where the policy gets to.

DAgger (Ross et al., arXiv 1011.0686): policy and teacher share the driving,
the teacher says at every decision what it would do, and the policy learns from
all rounds. The first round is the teacher's own.
"""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from rdrl import policy as policies
from rdrl import ranges
from rdrl import sim
from rdrl import trees
from rdrl.learn import imitation
from rdrl.policy import egos
from rdrl.scenario import curriculum

_TEACHER = imitation.SOURCES.index('teacher')


@dataclasses.dataclass(frozen=True)
class DaggerConfig:
  """How demonstrations of a teacher are gathered.

  Attributes:
    teacher: one of `policy.egos.EGOS`.
    rounds: of each the probability that the teacher decides and the steps of
      training that follow.
    num_drives: in each round.
    num_envs: driven at a time.
    edited_share: of the drives in which somebody is edited.
    trains_encoder: whether the image encoder learns on in these rounds.
  """

  teacher: Annotated[str, ranges.OneOf(egos.EGOS)] = 'gentle'
  rounds: tuple[tuple[ranges.Share, ranges.Count], ...] = (
    (1.0, 300),
    (0.5, 300),
    (0.2, 300),
    (0.0, 900),
  )
  num_drives: ranges.Count = 128
  num_envs: ranges.Count = 32
  edited_share: ranges.Share = 0.8
  trains_encoder: bool = False


def teach(
  policy,
  env,
  parts,
  config,
  settings,
  key,
  mirror_order=None,
  keep=lambda name, compute: compute(),
  folder=lambda name: None,
):
  """All rounds, each followed by imitation of all that was shown so far.

  Args:
    policy: to start from.
    env: `sim.Env` whose observations tell the truth.
    parts: list of `Demonstrations` from before.
    config: a `DaggerConfig`.
    settings: an `ImitationConfig`; steps and whether the encoder learns are
      those of `config`.
    key: function of a purpose and a round's name to a random key.
    mirror_order: see `augment`.
    keep: function of a round's name and of what computes its demonstrations,
      which returns them.
    folder: function of a round's name to where its training is kept, or None.

  Returns:
    The `Policy` after each round, and the `Demonstrations` that the last learnt
    from.

  Raises:
    ValueError: if there is no round.
  """
  if not config.rounds:
    raise ValueError('teach: dagger.rounds is empty')
  parts, found = list(parts), []
  for number, (share, num_steps) in enumerate(config.rounds):
    name = f'round_{number}'
    parts.append(
      keep(
        name,
        lambda policy=policy, share=share, name=name: demonstrate(
          policy, env, share, config, key('demonstrate', name)
        ),
      )
    )
    own = dataclasses.replace(
      settings, num_steps=num_steps, trains_encoder=config.trains_encoder
    )
    demonstrations = imitation.join(parts, own)
    policy = imitation.imitate(
      policy,
      demonstrations,
      own,
      key('imitate', name),
      folder(name),
      mirror_order,
    )
    found.append(policy)
  return found, demonstrations


def demonstrate(policy, env, share, config, key, teacher=None, among=None):
  """Drives and labels.

  Args:
    policy: `policy.Policy`, which draws its actions.
    env: `sim.Env`.
    share: probability that the teacher decides.
    config: a `DaggerConfig`.
    key: of every draw.
    teacher: a `Policy` that is told the truth, in place of the configuration's.
    among: `[n]` scenarios to drive; all where None.

  Returns:
    `Demonstrations` in host memory, of weight 1, in the order of the drives.
  """
  scenario_key, drive_key = jax.random.split(key)
  if among is None:
    among = np.arange(env.num_scenarios)
  among = np.asarray(among, np.int32)
  adversary = np.asarray(env.scenarios.adversary)[among]
  weights = curriculum.mixed(
    adversary != 0, jnp.ones(len(among)), config.edited_share
  )
  drives = -(-config.num_drives // config.num_envs) * config.num_envs
  scenarios = jax.random.choice(scenario_key, among, (drives,), p=weights)
  found, active = [], []
  for begin in tqdm.trange(0, drives, config.num_envs, desc='teacher'):
    rows = scenarios[begin : begin + config.num_envs]
    demonstrations, is_active = jax.device_get(
      _drive(
        policy,
        env,
        rows,
        jnp.float32(share),
        jax.random.fold_in(drive_key, begin),
        egos.driver(teacher or config.teacher),
      )
    )
    found.append(demonstrations)
    active.append(is_active)
  shown = trees.take(trees.concatenate(found), np.concatenate(active))
  if policies.has_cameras(policy):
    return shown
  return shown.replace(observation=shown.observation.replace(images=None))


@jax.jit
def _drive(policy, env, scenarios, share, key, teacher):
  """`Demonstrations` and whether they were before the end, `[E D]`."""

  def act(states, key):
    policy_key, turn_key = jax.random.split(key)
    label = jax.vmap(teacher, (None, 0))(env, states)
    output = policies.apply(policy, states.observation)
    turn = jax.random.bernoulli(turn_key, share, label.shape[:1])
    drawn = policies.sample(output, policy_key)
    return jnp.where(turn[:, None], label, drawn), (states.observation, label)

  states = jax.vmap(env.start, (None, 0))(key, scenarios)
  _, decisions = sim.unroll(env, act, states, key, env.config.horizon)
  observation, label = decisions.aux
  demonstrations = imitation.Demonstrations(
    observation=observation,
    action=label,
    source=jnp.full(label.shape[:2], _TEACHER),
    weight=jnp.ones(label.shape[:2]),
  )

  def by_drive(x):
    return jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])

  return jax.tree.map(by_drive, (demonstrations, decisions.active))
