# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From one scene to many scenarios."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import trees
from rdrl import types
from rdrl.scenario import config as config_lib
from rdrl.scenario import context as context_lib
from rdrl.scenario import curriculum
from rdrl.scenario import grammar
from rdrl.scenario import learned
from rdrl.scenario import plan as plan_lib
from rdrl.scenario import planning
from rdrl.scenario.checks import REASONS
from rdrl.scenario.config import BEHAVIOURS

# Proposals that are drawn at once, and judged, of which there are fewer.
_CHUNK, _JUDGED = 64, 16
_LOG = BEHAVIOURS.index('log')
# Number of the keys of a learned adversary, behind those of all sentences.
_REDRAWN = 2**30


def proposals(context, behaviours, keys, config, constraint=None):
  """Proposals of one scene, in host memory.

  Args:
    context: from `prepare`.
    behaviours: `[M]` int32.
    keys: `[M]`.
    config: `scenario.Config`; one compiled program serves all numbers of
      proposals.
    constraint: `Constraint` on all of them, or None; it may change without
      another compilation.

  Returns:
    `Proposal` `[M]`.
  """
  if constraint is None:
    constraint = plan_lib.unconstrained(config)
  config = _without_counts(config)
  behaviours = np.asarray(behaviours, np.int32)
  drawn = trees.map_batches(
    lambda rows: _draft(context, *rows, constraint, config),
    (behaviours, keys),
    _CHUNK,
  )
  return _judged(context, behaviours, drawn, config)


def _judged(context, behaviours, drawn, config):
  """Proposals `[n]` with their difficulty; those judged that may yet pass."""
  is_adversary = behaviours < planning.FIRST_COUSIN
  open_rows = np.flatnonzero((drawn.reason == 0) & is_adversary)
  if not len(open_rows):
    return drawn
  judged = trees.map_batches(
    lambda rows: _judge(context, *rows, config),
    (behaviours[open_rows], trees.take(drawn, open_rows)),
    _JUDGED,
  )
  reason, difficulty = drawn.reason.copy(), drawn.difficulty.copy()
  reason[open_rows] = judged.reason
  difficulty[open_rows] = judged.difficulty
  return drawn.replace(reason=reason, difficulty=difficulty)


def _without_counts(config):
  # Numbers of scenarios are no reason to compile again.
  return dataclasses.replace(
    config,
    num_redrawn=0,
    num_proposals=0,
    num_accepted=(),
    held_out=(),
    sentences=(),
  )


def _batch(size):
  # On a CPU, one after another is faster: each computes only what it drew.
  return None if jax.default_backend() == 'cpu' else size


@functools.partial(jax.jit, static_argnames='config')
def _draft(context, behaviours, keys, constraint, config):
  return jax.lax.map(
    lambda row: planning.draft(context, *row, config, constraint),
    (behaviours, keys),
    batch_size=_batch(_CHUNK),
  )


@functools.partial(jax.jit, static_argnames='config')
def _judge(context, behaviours, proposals, config):
  return jax.lax.map(
    lambda row: planning.judge(context, *row, config),
    (behaviours, proposals),
    batch_size=_batch(_JUDGED),
  )


def _controllers(context, config, key):
  """`[A]` int32, how each agent reacts, drawn by the shares of `config`."""
  agents = jnp.arange(len(context.sizes))
  moving = context_lib.is_moving(context) & config.reactive & (agents != 0)
  drives = context.classes == types.VEHICLE
  share = jax.random.uniform(key, agents.shape)
  drawn = jnp.where(
    share < config.yield_share,
    types.YIELD,
    jnp.where(
      drives & (share < config.yield_share + config.lane_change_share),
      types.LANE_CHANGE,
      types.IDM,
    ),
  )
  return jnp.where(moving, drawn, types.REPLAY).astype(jnp.int32)


def unedited(context, start, scene_index, config, key) -> types.Scenario:
  """The recording as a `Scenario` `[]`.

  Args:
    context: from `prepare`.
    start: `[]` int32 step at which an episode begins.
    scene_index: `[]` int32 place of the scene among those of the environment.
    config: `scenario.Config`.
    key: of who reacts how.
  """
  return types.Scenario(
    tracks=context.tracks,
    scene=jnp.asarray(scene_index, jnp.int32),
    start=start,
    adversary=jnp.zeros((), jnp.int32),
    behaviour=jnp.int32(_LOG),
    controller=_controllers(context, config, key),
    release=jnp.full(len(context.sizes), start, jnp.int32),
    difficulty=jnp.zeros(()),
  )


def edited(
  context, proposal, behaviour, scene_index, config, key
) -> types.Scenario:
  """A proposal as a `Scenario` `[]`; the recording if it was rejected.

  Once its manoeuvre is over, an adversary that drives follows its path on as
  the Intelligent Driver Model does, so that it does not drive through an ego
  that has stopped; one that walks keeps to its track.

  Args:
    context: from `prepare`.
    proposal: `Proposal` `[]`.
    behaviour: `[]` int32 index into `BEHAVIOURS`.
    scene_index: `[]` int32 place of the scene among those of the environment.
    config: `scenario.Config`.
    key: of who reacts how.
  """
  log = unedited(context, proposal.start, scene_index, config, key)
  is_adversary = behaviour < planning.FIRST_COUSIN
  changes = is_adversary & (jnp.arange(len(context.sizes)) == proposal.agent)
  drives = context.classes != types.PEDESTRIAN
  tail = jnp.where(drives, types.IDM, types.REPLAY)
  new = log.replace(
    tracks=planning.edited_tracks(context, proposal),
    adversary=jnp.where(is_adversary, proposal.agent, 0),
    behaviour=behaviour,
    controller=jnp.where(changes, tail, log.controller),
    release=jnp.where(changes, proposal.release, log.release),
    difficulty=proposal.difficulty,
  )
  return jax.tree.map(
    lambda x, y: jnp.where(proposal.reason == 0, x, y), new, log
  )


def scenarios(context, proposals, behaviours, scene_index, config, keys):
  """`Scenario` `[n]` of proposals `[n]`, n at least 1, in host memory.

  Args:
    context: from `prepare`.
    proposals: `Proposal` `[n]`.
    behaviours: `[n]` int32 index into `BEHAVIOURS`.
    scene_index: place of the scene among those of the environment.
    config: `scenario.Config`.
    keys: `[n]`, of who reacts how.
  """
  config = _without_counts(config)
  return trees.map_batches(
    lambda rows: _edited(context, *rows, scene_index, config),
    (proposals, np.asarray(behaviours, np.int32), keys),
    _JUDGED,
  )


@functools.partial(jax.jit, static_argnames='config')
def _edited(context, proposals, behaviours, keys, scene_index, config):
  return jax.vmap(
    lambda proposal, behaviour, key: edited(
      context, proposal, behaviour, scene_index, config, key
    )
  )(proposals, behaviours, keys)


@functools.partial(jax.jit, static_argnames='config')
def _unedited(context, starts, keys, scene_index, config):
  return jax.vmap(
    lambda start, key: unedited(context, start, scene_index, config, key)
  )(starts, keys)


def _recording(context, count, scene_index, config, key):
  """`Scenario` `[count]` without an edit, at starts spread over the log."""
  last = context.tracks.valid.shape[0] - 1
  latest = max(last - config.episode_steps, config.first_start)
  starts = np.round(np.linspace(config.first_start, latest, count))
  config = _without_counts(config)
  return jax.device_get(
    _unedited(
      context,
      starts.astype(np.int32),
      jax.random.split(key, count),
      scene_index,
      config,
    )
  )


def can_redraw(scene, proposals, config):
  """`[n]` bool, accepted proposals from which a learned adversary may begin.

  Those of agents of the recording on wheels who have a past and a future.

  Args:
    scene: `Scene`.
    proposals: `Proposal` `[n]` in host memory.
    config: `learned.Config`.
  """
  last = scene.tracks.valid.shape[0] - 1 - config.future_steps
  return (
    (proposals.reason == 0)
    & ~proposals.donor
    & (np.asarray(scene.classes)[proposals.agent] != types.PEDESTRIAN)
    & (proposals.trigger >= config.past_steps)
    & (proposals.trigger <= last)
  )


def redraw(scene, context, proposals, behaviours, adversary, config, key):
  """What a learned adversary makes of proposals, checked like any other.

  Args:
    scene: `Scene`.
    context: of it, from `prepare`.
    proposals: `Proposal` `[n]` in host memory, n at least 1, of which it can.
    behaviours: `[n]` int32, of the proposals.
    adversary: `learned.Adversary`.
    config: `scenario.Config`.
    key: of the noise.

  Returns:
    `Proposal` `[n]` in host memory.
  """
  drawn = []
  keys = jax.random.split(key, len(behaviours))
  for row in range(len(behaviours)):
    one = trees.take(proposals, row)
    tracks = learned.propose(
      adversary.model,
      scene,
      int(one.trigger),
      int(one.agent),
      keys[row : row + 1],
      adversary.guidance,
      one.track,
      adversary.strength,
    )
    drawn.append(one.replace(track=jax.device_get(trees.take(tracks, 0))))
  drawn = trees.stack(drawn)
  last = drawn.track.valid.shape[1] - 1
  horizon = adversary.model.config.future_steps
  drawn = drawn.replace(
    release=np.minimum(drawn.trigger + horizon, last),
    difficulty=np.zeros_like(drawn.difficulty),
  )
  config = _without_counts(config)
  drawn = trees.map_batches(
    lambda rows: _recheck(context, *rows, config), (behaviours, drawn), _JUDGED
  )
  return _judged(context, behaviours, drawn, config)


@functools.partial(jax.jit, static_argnames='config')
def _recheck(context, behaviours, proposals, config):
  return jax.lax.map(
    lambda row: planning.recheck(context, *row, config),
    (behaviours, proposals),
    batch_size=_batch(_JUDGED),
  )


def expand(scene, scene_index, config, key, adversary=None):
  """The scenarios of one scene: unedited, by behaviour, redrawn, by sentence.

  All are checked against the tracks of the scene. Given those of a scenario
  instead (`scene.replace(tracks=scenario.tracks)`), cousins keep clear of whom
  that one edits.

  Args:
    scene: `Scene`.
    scene_index: its place among the scenes of the environment.
    config: `scenario.Config`.
    key: one key gives one set of scenarios.
    adversary: `learned.Adversary`, which draws adversaries that were accepted
      anew, or None.

  Returns:
    `Scenario` `[V]` in host memory, and `{name: {reason: count}}` of what
    became of the proposals of all behaviours and sentences that are wanted, and
    of those that were `redrawn`, in which `accepted` counts all that passed, of
    which the first so many as the config has it were kept.

  Raises:
    ValueError: if the recording is too short, the numbers do not fit, or a
      sentence is not understood.
  """
  config_lib.validate(config)
  num_steps = scene.tracks.valid.shape[0]
  # As much after the start as before it, or a whole episode.
  least = config.first_start + min(config.first_start, config.episode_steps) + 1
  if num_steps < least:
    raise ValueError(
      f'scene.tracks has {num_steps} steps, an episode that begins at step '
      f'{config.first_start} needs at least {least}'
    )
  context = context_lib.prepare(scene)
  # No proposal of the recording is drawn: its key is free.
  controller_key = jax.random.fold_in(key, _LOG)
  parts = [
    _recording(
      context,
      config.num_accepted[_LOG],
      scene_index,
      config,
      jax.random.fold_in(controller_key, _LOG),
    )
  ]
  counts = {}

  def keep(name, drawn, behaviours, most, number):
    found = np.bincount(drawn.reason, minlength=len(REASONS))
    counts[name] = dict(zip(REASONS, found.tolist(), strict=True))
    kept = np.flatnonzero(drawn.reason == 0)[:most]
    if len(kept):
      rows = trees.take(drawn, kept), behaviours[kept]
      keys = jax.random.split(
        jax.random.fold_in(controller_key, number), len(kept)
      )
      parts.append(scenarios(context, *rows, scene_index, config, keys))

  def draw(behaviour, number, constraint=None):
    behaviours = np.full(config.num_proposals, behaviour, np.int32)
    keys = jax.random.split(
      jax.random.fold_in(key, number), config.num_proposals
    )
    drawn = proposals(context, behaviours, keys, config, constraint)
    return drawn, behaviours

  sources = []
  for behaviour, most in enumerate(config.num_accepted):
    if behaviour == _LOG or not most:
      continue
    drawn, behaviours = draw(behaviour, behaviour)
    keep(BEHAVIOURS[behaviour], drawn, behaviours, most, behaviour)
    if adversary is not None and behaviour < planning.FIRST_COUSIN:
      usable = np.flatnonzero(can_redraw(scene, drawn, adversary.model.config))
      sources += [
        (place, behaviour, trees.take(drawn, row))
        for place, row in enumerate(usable)
      ]
  if sources and config.num_redrawn:
    # The first of each behaviour, then the second, as not all are accepted.
    sources = sorted(sources, key=lambda source: source[:2])
    sources = sources[: 2 * config.num_redrawn]
    behaviours = np.array([behaviour for _, behaviour, _ in sources], np.int32)
    begun = trees.stack([proposal for *_, proposal in sources])
    drawn = redraw(
      scene.replace(tracks=context.tracks),
      context,
      begun,
      behaviours,
      adversary,
      config,
      jax.random.fold_in(key, _REDRAWN),
    )
    keep('redrawn', drawn, behaviours, config.num_redrawn, _REDRAWN)
  for index, sentence in enumerate(config.sentences):
    name, constraint = grammar.parse(sentence, config)
    number = len(BEHAVIOURS) + index
    keep(
      sentence,
      *draw(BEHAVIOURS.index(name), number, constraint),
      config.accepted_per_sentence,
      number,
    )
  return trees.concatenate(parts), counts


def without_held_out(config: config_lib.Config) -> config_lib.Config:
  """`config` for training: nothing is kept of what is only for tests.

  Raises:
    ValueError: naming the field or the sentence that is wrong.
  """
  config_lib.validate(config)

  def is_kept(sentence):
    behaviour, constraint = grammar.parse(sentence, config)
    inserted = constraint.donor and 'insertion' in config.held_out
    return behaviour not in config.held_out and not inserted

  return dataclasses.replace(
    config,
    sentences=tuple(filter(is_kept, config.sentences)),
    num_accepted=tuple(
      0 if name in config.held_out else count
      for name, count in zip(BEHAVIOURS, config.num_accepted, strict=True)
    ),
  )


def draw_scenario(
  context, key, target, scene_index, config, num_tries=16, constraint=None
) -> types.Scenario:
  """One `Scenario` `[]` for a policy at some stage, within a compiled loop.

  Of `num_tries` adversaries, one that was accepted and whose difficulty is
  about the target's; or the recording, as often as `curriculum.weights` has it
  and whenever no adversary was accepted.

  Args:
    context: from `prepare`.
    key: one key gives one scenario.
    target: `[]` difficulty to aim at, see `curriculum.next_target`.
    scene_index: `[]` int32 place of the scene among those of the environment.
    config: `scenario.Config`; adversaries are as frequent as `num_accepted` has
      them.
    num_tries: adversaries to choose from.
    constraint: `Constraint` on all of them, or None.

  Raises:
    ValueError: if no adversary is wanted.
  """
  config_lib.validate(config)
  wanted = np.array(config.num_accepted[1 : planning.FIRST_COUSIN], float)
  if not wanted.any():
    raise ValueError(
      f'scenario.num_accepted: {config.num_accepted}, no adversary is wanted'
    )
  keys = jax.random.split(key, 4)
  behaviour_key, proposal_key, choice_key, controller_key = keys
  behaviours = 1 + jax.random.categorical(
    behaviour_key, jnp.log(jnp.array(wanted)), shape=(num_tries,)
  ).astype(jnp.int32)
  found = jax.lax.map(
    lambda row: planning.propose(context, *row, config, constraint),
    (behaviours, jax.random.split(proposal_key, num_tries)),
    batch_size=_batch(num_tries),
  )
  # The last stands for the recording; who was rejected would become it, too.
  is_edited = jnp.append(found.reason == 0, False)
  likeliness = curriculum.weights(
    jnp.append(found.difficulty, 0), is_edited, target, config
  )
  choice = jax.random.categorical(choice_key, jnp.log(likeliness))
  row = jnp.where(is_edited[choice], choice, 0)
  chosen = trees.take(found, row)
  chosen = chosen.replace(
    reason=jnp.where(is_edited[choice], 0, REASONS.index('no_agent'))
  )
  return edited(
    context, chosen, behaviours[row], scene_index, config, controller_key
  )


def of_sentences(scenarios, counts, config):
  """The scenarios `[v]` of each sentence, v at least 1, by sentence.

  Args:
    scenarios: from `expand`, as are `counts`.
    counts: of the same scene.
    config: `scenario.Config` that they were expanded by.

  Returns:
    `{sentence: Scenario}`, without those of which nothing was accepted.
  """
  found, end = {}, len(scenarios.start)
  told = [name for name in counts if name in config.sentences]
  for sentence in reversed(told):
    kept = min(counts[sentence]['accepted'], config.accepted_per_sentence)
    if kept:
      found[sentence] = trees.take(scenarios, slice(end - kept, end))
    end -= kept
  return dict(reversed(found.items()))


def select(scenarios, behaviours):
  """The scenarios `[v]` of certain behaviours, on the host.

  Args:
    scenarios: `Scenario` `[V]`.
    behaviours: names out of `BEHAVIOURS`.

  Raises:
    ValueError: if a name is unknown.
  """
  for name in behaviours:
    if name not in BEHAVIOURS:
      raise ValueError(f'behaviour {name!r}: expected one of {BEHAVIOURS}')
  wanted = [BEHAVIOURS.index(name) for name in behaviours]
  kept = np.isin(np.asarray(scenarios.behaviour), wanted)
  return jax.tree.map(lambda x: np.asarray(x)[kept], scenarios)
