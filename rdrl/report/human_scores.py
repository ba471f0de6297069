# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of the people who were recorded: what a perfect imitator would get."""

import jax
import numpy as np

from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.logs import few_shapes
from rdrl.report import metrics
from rdrl.report import statistics
from rdrl.report import tables

SCORE = 'closed_loop_score'
LEAST = 0.9
# What nuPlan multiplies, and the compliance with others that it weighs: a
# drive that is at 1 in all of these breaks no rule.
RULES = (
  'no_fault',
  'on_road',
  'makes_progress',
  'driving_direction',
  'speed_limit',
  'time_to_collision_within_bound',
)
PARTS = (*RULES, 'progress', 'is_comfortable')


def score(scene):
  """nuPlan's score and its parts of the recorded ego, name to float.

  Raises:
    ValueError: if the recording has no decision.
  """
  there = np.count_nonzero(scene.tracks.valid[:, 0])
  steps = sim.Config().decision_steps
  if there <= steps:
    raise ValueError(f'tracks: {there} steps, a decision needs {steps + 1}')
  scene, first = few_shapes.of_few_shapes(scene)
  agents = scene.tracks.valid.shape[1]
  replayed = types.Scenario(
    tracks=scene.tracks,
    scene=np.int32(0),
    start=np.int32(first),
    adversary=np.int32(0),
    behaviour=np.int32(0),
    controller=np.full(agents, types.REPLAY, np.int32),
    release=np.zeros(agents, np.int32),
  )
  horizon = (len(scene.tracks.valid) - 1) // steps
  env = sim.Env.create(
    [scene],
    trees.stack([replayed]),
    sim.NoRenderer(0, 1, 1),
    sim.Config(horizon=horizon),
  )
  drives = jax.device_get(sim.replay(env, [0]))
  names = (SCORE, 'off_road', *(name for name in PARTS if name != 'on_road'))
  found = metrics.scores(drives, names, batch_size=1)
  found['on_road'] = 1 - found['off_road']
  return {name: float(found[name][0]) for name in (SCORE, *PARTS)}


def table(found):
  """Lines of what recordings `{name: scores}` of one data set score."""
  values = {
    name: np.array([one[name] for one in found.values()])
    for name in (SCORE, *PARTS)
  }
  rows = []
  for name, one in statistics.summary(values).items():
    whole = int(np.sum(values[name] > 0.999))
    rows.append(
      [
        name.replace('_', ' '),
        tables.interval(one),
        f'{whole} of {len(found)}',
      ]
    )
  yield from tables.markdown(
    ['', 'mean (95 % interval)', 'recordings at 1'], rows
  )
  lawful = np.all([values[name] == 1 for name in RULES], 0)
  good = values[SCORE] >= LEAST
  yield (
    f'\n{lawful.sum()} break no rule, {(lawful & good).sum()} of them have '
    f'{LEAST} or more; of all {len(found)}, {good.sum()}. The others:\n'
  )
  for name, one in found.items():
    if one[SCORE] < LEAST:
      cost = [f'{part} {one[part]:.2f}' for part in PARTS if one[part] < 0.995]
      yield f'- {name}: {one[SCORE]:.2f}; ' + ', '.join(cost)
