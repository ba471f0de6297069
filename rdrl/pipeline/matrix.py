# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recipes of driving policies side by side, each with several seeds.

All learn in the same reconstructions, among the same scenarios, and are scored
on the same drives of streets that none has learnt on.
"""

import dataclasses
import json
import pathlib
import shutil

import jax
import numpy as np

from rdrl import report
from rdrl import scenario
from rdrl import training
from rdrl.pipeline import runner
from rdrl.pipeline import stages
from rdrl.policy import egos
from rdrl.report import statistics
from rdrl.report import tables

_RECORDED = f'trained_on={("log",)}'
_COUSINS = f'trained_on={("log", *scenario.COUSINS)}'
_NO_TEACHER, _NO_PPO = 'dagger.rounds=()', 'ppo.num_updates=0'
# The teacher drives alone, for as many steps as all of our rounds.
_CORNER_CASES = 'dagger.rounds=((1.0,{steps}),)'

# Overrides of a configuration; `ours` is that itself.
RECIPES = {
  'imitation of logs': (_RECORDED, _NO_TEACHER, _NO_PPO),
  'imitation of logs and cousins': (_COUSINS, _NO_TEACHER, _NO_PPO),
  'stage 1 of the paper': (_CORNER_CASES, _NO_PPO),
  'RAD': (_RECORDED, _NO_TEACHER),
  'ReconDreamer-RL': (_CORNER_CASES,),
  'ours without PPO': (_NO_PPO,),
  'ours': (),
}
# The upper reference, which knows the state.
REFERENCE = 'IDM'

SCORES = (
  'collision',
  'at_fault_collision',
  'off_road',
  'progress',
  'is_comfortable',
  'longitudinal_jerk',
  'closed_loop_score',
)


@dataclasses.dataclass(frozen=True)
class Cell:
  """How one policy of a recipe drove.

  Attributes:
    recipe: in `RECIPES`, or the `REFERENCE`.
    seed: of learning.
    seconds: of learning and driving.
    scores: world to score to a value of each drive.
    behaviours: of each drive.
    scenes: of each drive.
  """

  recipe: str
  seed: int
  seconds: float
  scores: dict[str, dict[str, list[float]]]
  behaviours: list[int]
  scenes: list[int]


def of_recipe(config, recipe):
  """The configuration of a recipe."""
  steps = sum(steps for _, steps in config.dagger.rounds)
  overrides = [x.format(steps=steps) for x in RECIPES[recipe]]
  return training.config.override(config, overrides)


def run(request, workdir, recipes, seeds):
  """Reconstructs once, then learns and drives cell by cell.

  Args:
    request: `Request`; its seed is that of reconstructions and scenarios.
    workdir: where all is kept: a run that was killed goes on from it.
    recipes: names in `RECIPES`.
    seeds: of learning.

  Returns:
    list of `Cell`.

  Raises:
    ValueError: if there is no such recipe, and as `runner.run`.
  """
  for recipe in recipes:
    if recipe not in RECIPES:
      raise training.config.ConfigError(
        f'recipe {recipe!r}: expected some of {", ".join(RECIPES)}'
      )
  workdir = pathlib.Path(workdir)
  base = workdir / 'base'
  _, nouns = runner.compute(request, base, 'scenarios')
  repaired, edited = nouns['donors'], nouns['scenarios']
  context = stages.Run(request, base)
  envs = stages.test_environments(context, repaired, edited)
  cells = []
  for seed in seeds:
    for recipe in recipes:
      name = f'{recipe.replace(" ", "_")}_{seed}'
      cells.append(
        _kept(
          workdir / 'cells' / name,
          lambda path, recipe=recipe, seed=seed: _cell(
            request, base, path, repaired, edited, recipe, seed, envs
          ),
        )
      )
  cells.append(
    _kept(
      workdir / 'cells' / REFERENCE,
      lambda path: _reference(context, envs),
    )
  )
  return cells


def _kept(path, compute):
  """A `Cell` that is computed once; what it learnt on goes."""
  file = path / 'scores.json'
  if not file.exists():
    path.mkdir(parents=True, exist_ok=True)
    cell = compute(path)
    text = json.dumps(dataclasses.asdict(cell))
    training.folders.write_text(file, text)
    shutil.rmtree(path / 'demonstrations', ignore_errors=True)
  return Cell(**json.loads(file.read_text()))


def _cell(request, base, path, repaired, edited, recipe, seed, envs):
  config = of_recipe(request.config, recipe)
  own = dataclasses.replace(request, seed=seed, config=config)
  context = stages.Run(own, path, base=base)
  timing = runner.Timing()
  name = f'{recipe}, seed {seed}'
  with timing.stage(name):
    learned = stages.reinforce(
      context, stages.imitate(context, repaired, edited)
    )
    *_, last = learned.policies.values()
    drives = {
      world: report.evaluate(
        last, env, np.arange(env.num_scenarios), context.key('evaluate')
      )
      for world, env in envs.items()
    }
  return _scored(recipe, seed, timing.seconds[name], envs, drives)


def _reference(context, envs):
  drives = {
    world: egos.drive(env, REFERENCE, np.arange(env.num_scenarios))
    for world, env in envs.items()
  }
  return _scored(REFERENCE, context.request.seed, 0.0, envs, drives)


def _scored(recipe, seed, seconds, envs, drives):
  scenarios = jax.device_get(envs['simulator'].scenarios)
  scores = {
    world: {
      name: np.asarray(values, float).tolist()
      for name, values in report.metrics.scores(drive, SCORES).items()
    }
    for world, drive in drives.items()
  }
  return Cell(
    recipe,
    seed,
    seconds,
    scores,
    scenarios.behaviour.tolist(),
    scenarios.scene.tolist(),
  )


def groups(cell, config):
  """Masks `[n]` of the drives that a column of the table is about, by name."""
  names = np.array(scenario.BEHAVIOURS)[np.array(cell.behaviours)]
  edited = names != 'log'
  return {
    'cut-in and hard brake': np.isin(names, ('cut_in', 'hard_brake')),
    'all families': edited,
    'held-out families': np.isin(names, config.scenario.held_out),
    'recorded': ~edited,
  }


def table(cells, config, world, score):
  """Lines of a table: a score of each recipe, by group of drives.

  Means, with 95 % intervals of the bootstrap over streets and seeds.

  Args:
    cells: list of `Cell`.
    config: `pipeline.Config`.
    world: `simulator` or `world`.
    score: in `SCORES`.
  """
  columns = list(groups(cells[0], config))
  rows = []
  for recipe in dict.fromkeys(cell.recipe for cell in cells):
    own = [cell for cell in cells if cell.recipe == recipe]
    row = [recipe, len(own)]
    for column in columns:
      mask = groups(own[0], config)[column]
      values = np.array([cell.scores[world][score] for cell in own])
      streets = np.array(own[0].scenes)[mask]
      found = statistics.nested(values[:, mask], streets)
      row.append(tables.interval(found))
    rows.append(row)
  yield from tables.markdown(['', 'seeds', *columns], rows)
