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
# The teacher drives alone, for as many steps as all of our rounds.
_CORNER_CASES = 'dagger.rounds=((1.0,{steps}),)'
# Ours stays near to who was shown how; whoever was not must get away from it.
_EXPLORING = ('ppo.kl_weight=0.03', 'ppo.entropy_weights=(0.003,0.0003)')
_NO_TEACHER = 'dagger.rounds=()'
_RAD = (_RECORDED, _NO_TEACHER, *_EXPLORING)
_PAPER = (_CORNER_CASES, *_EXPLORING)


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a policy comes to be.

  Attributes:
    policy: of those that a run leaves, see `stages.Learned`.
    overrides: of the configuration; recipes that share them share a run.
  """

  policy: str
  overrides: tuple[str, ...] = ()


RECIPES = {
  'imitation of logs': Recipe('imitation', _RAD),
  'RAD': Recipe('ppo', _RAD),
  'imitation of logs and cousins': Recipe('imitation', (_COUSINS, _NO_TEACHER)),
  'stage 1 of the paper': Recipe('dagger', _PAPER),
  'ReconDreamer-RL': Recipe('ppo', _PAPER),
  'ours without PPO': Recipe('dagger'),
  'ours': Recipe('ppo'),
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
    seconds: of learning, that of an earlier recipe of its run included.
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
  overrides = [x.format(steps=steps) for x in RECIPES[recipe].overrides]
  return training.config.override(config, overrides)


def run(request, workdir, recipes, seeds):
  """Reconstructs once, then learns and drives cell by cell.

  Recipes that differ in whether PPO follows learn together.

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
    for overrides in dict.fromkeys(RECIPES[name].overrides for name in recipes):
      names = [name for name in recipes if RECIPES[name].overrides == overrides]
      cells += _cells(context, repaired, edited, names, seed, envs)
  path = workdir / 'cells' / f'{REFERENCE}.json'
  if not path.exists():
    _keep(path, _reference(context, envs))
  return [*cells, _load(path)]


def _cells(context, repaired, edited, recipes, seed, envs):
  """A `Cell` of each of some recipes that share a run, computed once."""
  workdir = context.workdir.parent
  paths = {
    name: workdir / 'cells' / f'{name.replace(" ", "_")}_{seed}.json'
    for name in recipes
  }
  missing = [name for name in recipes if not paths[name].exists()]
  if missing:
    config = of_recipe(context.config, recipes[0])
    request = dataclasses.replace(context.request, seed=seed, config=config)
    folder = workdir / 'runs' / _run_name(recipes[0], seed)
    own = stages.Run(request, folder, base=context.workdir)
    timing = runner.Timing()
    with timing.stage(f'{recipes[0]}, seed {seed}, stage 1'):
      imitators = stages.imitate(own, repaired, edited)
    learnt = imitators.policies
    if any(RECIPES[name].policy == 'ppo' for name in missing):
      with timing.stage(f'{recipes[0]}, seed {seed}, stage 2'):
        learnt = stages.reinforce(own, imitators).policies
    first, *second = timing.seconds.values()
    for name in missing:
      policy = RECIPES[name].policy
      drives = {
        world: report.evaluate(
          learnt[policy], env, np.arange(env.num_scenarios), own.key('evaluate')
        )
        for world, env in envs.items()
      }
      seconds = first + sum(second) * (policy == 'ppo')
      _keep(paths[name], _scored(name, seed, seconds, envs, drives))
    shutil.rmtree(folder / 'demonstrations', ignore_errors=True)
  return [_load(path) for path in paths.values()]


def _run_name(recipe, seed):
  """Of the run that a recipe shares with those of the same overrides."""
  overrides = RECIPES[recipe].overrides
  first = next(x for x in RECIPES if RECIPES[x].overrides == overrides)
  return f'{first.replace(" ", "_")}_{seed}'


def _keep(path, cell):
  path.parent.mkdir(parents=True, exist_ok=True)
  training.folders.write_text(path, json.dumps(dataclasses.asdict(cell)))


def _load(path):
  return Cell(**json.loads(path.read_text()))


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
