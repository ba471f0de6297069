# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From one scene to many scenarios."""

import dataclasses
import functools

import jax
import numpy as np

from rdrl import types
from rdrl.scenario import planning
from rdrl.scenario.checks import REASONS
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import CUT_IN
from rdrl.scenario.config import HARD_BRAKE
from rdrl.scenario.config import LOG

# Proposals that are drawn at once; bounds the memory.
_CHUNK = 16


def proposals(context, behaviours, keys, config):
  """Proposals of one scene, in host memory.

  Args:
    context: from `planning.prepare`.
    behaviours: `[M]` int32.
    keys: `[M]`.
    config: `scenario.Config`; one compiled program serves all numbers of
      proposals.

  Returns:
    `Proposal` `[M]`.
  """
  config = dataclasses.replace(config, num_proposals=0, num_accepted=())
  return types.map_batches(
    lambda rows: _propose(context, *rows, config), (behaviours, keys), _CHUNK
  )


@functools.partial(jax.jit, static_argnames='config')
def _propose(context, behaviours, keys, config):
  return jax.vmap(planning.propose, (None, 0, 0, None))(
    context, behaviours, keys, config
  )


def _unedited(context, count, config):
  """Proposals `[count]` without an edit, at starts spread over the log."""
  last = context.tracks.valid.shape[0] - 1
  latest = max(last - config.episode_steps, config.first_start)
  start = np.round(np.linspace(config.first_start, latest, count))
  zero = np.zeros(count, np.int32)
  return planning.Proposal(
    tracks=jax.tree.map(
      lambda x: np.repeat(np.asarray(x)[None], count, 0), context.tracks
    ),
    agent=zero,
    start=start.astype(np.int32),
    trigger=zero,
    release=zero,
    reason=zero,
    difficulty=np.zeros(count, np.float32),
  )


def _scenarios(context, proposals, behaviour, scene_index, config):
  """`Scenario` `[n]` of accepted proposals `[n]`."""
  count, num_agents = len(proposals.agent), len(context.sizes)
  moving = np.asarray(planning.is_moving(context)) & config.reactive
  moving[0] = False
  controller = np.tile(np.where(moving, types.IDM, types.REPLAY), (count, 1))
  release = np.repeat(proposals.start[:, None], num_agents, 1)
  if behaviour in (CUT_IN, HARD_BRAKE):
    rows = np.arange(count)
    controller[rows, proposals.agent] = types.IDM
    release[rows, proposals.agent] = proposals.release
  return types.Scenario(
    tracks=proposals.tracks,
    scene=np.full(count, scene_index, np.int32),
    start=proposals.start,
    adversary=proposals.agent,
    behaviour=np.full(count, behaviour, np.int32),
    controller=controller.astype(np.int32),
    release=release.astype(np.int32),
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
    became of the proposals, in which `accepted` counts all that passed, of
    which the first `num_accepted` were kept.

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
  context = planning.prepare(scene)
  count = config.num_proposals
  behaviours = np.repeat(np.arange(1, len(BEHAVIOURS), dtype=np.int32), count)
  drawn = proposals(
    context, behaviours, jax.random.split(key, len(behaviours)), config
  )
  unedited = _unedited(context, config.num_accepted[LOG], config)
  parts = [_scenarios(context, unedited, LOG, scene_index, config)]
  counts = {}
  for behaviour in range(1, len(BEHAVIOURS)):
    mine = types.take(drawn, behaviours == behaviour)
    found = np.bincount(mine.reason, minlength=len(REASONS))
    counts[BEHAVIOURS[behaviour]] = dict(
      zip(REASONS, found.tolist(), strict=True)
    )
    kept = np.flatnonzero(mine.reason == 0)[: config.num_accepted[behaviour]]
    parts.append(
      _scenarios(
        context, types.take(mine, kept), behaviour, scene_index, config
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
