# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From one scene to many scenarios."""

import dataclasses
import functools

import jax
import numpy as np

from rdrl import types
from rdrl.scenario import context as context_lib
from rdrl.scenario import plan as plan_lib
from rdrl.scenario import planning
from rdrl.scenario.checks import REASONS
from rdrl.scenario.config import ADVERSARIES
from rdrl.scenario.config import BEHAVIOURS

# Proposals that are drawn at once, and judged, of which there are fewer.
_CHUNK, _JUDGED = 64, 16
_LOG = BEHAVIOURS.index('log')


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
  config = dataclasses.replace(
    config, num_proposals=0, num_accepted=(), held_out=()
  )
  behaviours = np.asarray(behaviours, np.int32)
  drawn = types.map_batches(
    lambda rows: _draft(context, *rows, constraint, config),
    (behaviours, keys),
    _CHUNK,
  )
  is_adversary = behaviours < planning.FIRST_COUSIN
  open_rows = np.flatnonzero((drawn.reason == 0) & is_adversary)
  if not len(open_rows):
    return drawn
  judged = types.map_batches(
    lambda rows: _judge(context, *rows, config),
    (behaviours[open_rows], types.take(drawn, open_rows)),
    _JUDGED,
  )
  reason, difficulty = drawn.reason.copy(), drawn.difficulty.copy()
  reason[open_rows] = judged.reason
  difficulty[open_rows] = judged.difficulty
  return drawn.replace(reason=reason, difficulty=difficulty)


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


def _unedited(context, count, scene_index, config):
  """`Scenario` `[count]` without an edit, at starts spread over the log."""
  last = context.tracks.valid.shape[0] - 1
  latest = max(last - config.episode_steps, config.first_start)
  start = np.round(np.linspace(config.first_start, latest, count))
  return _scenario(
    context,
    jax.tree.map(
      lambda x: np.repeat(np.asarray(x)[None], count, 0), context.tracks
    ),
    start.astype(np.int32),
    np.full(count, _LOG, np.int32),
    scene_index,
    config,
  )


def scenarios(context, proposals, behaviours, scene_index, config):
  """`Scenario` `[n]` of proposals `[n]`, in host memory.

  Once its manoeuvre is over, an adversary that drives follows its path on as
  the Intelligent Driver Model does, so that it does not drive through an ego
  that has stopped; one that walks keeps to its track.

  Args:
    context: from `prepare`.
    proposals: `Proposal` `[n]`, accepted ones.
    behaviours: `[n]` int32 index into `BEHAVIOURS`.
    scene_index: place of the scene among those of the environment.
    config: `scenario.Config`.
  """
  rows = np.arange(len(proposals.agent))
  agent = np.asarray(proposals.agent)
  behaviours = np.asarray(behaviours, np.int32)

  def edit(x, new):
    x = np.repeat(np.asarray(x)[None], len(rows), 0)
    x[rows, :, agent] = new
    return x

  edited = _scenario(
    context,
    jax.tree.map(edit, context.tracks, proposals.track),
    np.asarray(proposals.start),
    behaviours,
    scene_index,
    config,
  )
  names = np.array(BEHAVIOURS)[behaviours]
  is_adversary = np.isin(names, ADVERSARIES)
  rows, who = rows[is_adversary], agent[is_adversary]
  drives = np.asarray(context.classes)[who] != types.PEDESTRIAN
  edited.controller[rows, who] = np.where(drives, types.IDM, types.REPLAY)
  edited.release[rows, who] = np.asarray(proposals.release)[is_adversary]
  return edited.replace(
    adversary=np.where(is_adversary, agent, 0).astype(np.int32),
    difficulty=np.asarray(proposals.difficulty),
  )


def _scenario(context, tracks, start, behaviours, scene_index, config):
  """`Scenario` `[n]` without an adversary."""
  count, num_agents = len(start), len(context.sizes)
  moving = np.asarray(context_lib.is_moving(context)) & config.reactive
  moving[0] = False
  controller = np.where(moving, types.IDM, types.REPLAY).astype(np.int32)
  return types.Scenario(
    tracks=tracks,
    scene=np.full(count, scene_index, np.int32),
    start=start,
    adversary=np.zeros(count, np.int32),
    behaviour=behaviours,
    controller=np.tile(controller, (count, 1)),
    release=np.repeat(start[:, None], num_agents, 1).astype(np.int32),
    difficulty=np.zeros(count, np.float32),
  )


def expand(scene, scene_index, config, key):
  """The scenarios of one scene: unedited first, then by behaviour.

  Args:
    scene: `Scene`.
    scene_index: its place among the scenes of the environment.
    config: `scenario.Config`.
    key: one key gives one set of scenarios.

  Returns:
    `Scenario` `[V]` in host memory, and `{behaviour: {reason: count}}` of what
    became of the proposals of all behaviours that are wanted, in which
    `accepted` counts all that passed, of which the first `num_accepted` were
    kept.

  Raises:
    ValueError: if the recording is too short, or the numbers do not fit.
  """
  if len(config.num_accepted) != len(BEHAVIOURS):
    raise ValueError(
      f'scenario.num_accepted has {len(config.num_accepted)} values, expected '
      f'{len(BEHAVIOURS)}: {BEHAVIOURS}'
    )
  num_steps = scene.tracks.valid.shape[0]
  if num_steps < 2 * config.first_start + 1:
    raise ValueError(
      f'scene.tracks has {num_steps} steps, an episode that begins at step '
      f'{config.first_start} needs at least {2 * config.first_start + 1}'
    )
  context = context_lib.prepare(scene)
  wanted = [
    index
    for index in range(1, len(BEHAVIOURS))
    if config.num_accepted[index] > 0
  ]
  parts = [_unedited(context, config.num_accepted[_LOG], scene_index, config)]
  counts = {}
  for behaviour in wanted:
    behaviours = np.full(config.num_proposals, behaviour, np.int32)
    drawn = proposals(
      context,
      behaviours,
      jax.random.split(
        jax.random.fold_in(key, behaviour), config.num_proposals
      ),
      config,
    )
    found = np.bincount(drawn.reason, minlength=len(REASONS))
    counts[BEHAVIOURS[behaviour]] = dict(
      zip(REASONS, found.tolist(), strict=True)
    )
    kept = np.flatnonzero(drawn.reason == 0)[: config.num_accepted[behaviour]]
    parts.append(
      scenarios(
        context,
        types.take(drawn, kept),
        behaviours[kept],
        scene_index,
        config,
      )
    )
  return concatenate(parts), counts


def concatenate(scenarios):
  """One `Scenario` in host memory from a list of `Scenario` `[V]`."""
  return jax.tree.map(
    lambda *x: np.concatenate([np.asarray(part) for part in x]), *scenarios
  )


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
