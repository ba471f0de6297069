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

from rdrl import learn
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
_EXPLORING = (
  'ppo.kl_weight=0.03',
  'ppo.entropy_weights=(0.003,0.0003)',
  'ppo.temperature=1.0',
)
_NO_TEACHER = 'dagger.rounds=()'
_SAME_LOOKS = (
  'imitation.augment.brightness=0',
  'imitation.augment.colour=0',
  'imitation.augment.contrast=0',
  'imitation.augment.noise=0',
  'imitation.augment.shift=0',
  'imitation.augment.cut=0',
  'imitation.augment.mirrors=False',
)
_LEARNS_TO_SEE = (
  'encoder=',
  'imitation.trains_encoder=True',
  'dagger.trains_encoder=True',
)
_RAD = (_RECORDED, _NO_TEACHER, *_EXPLORING)
_PAPER = (_CORNER_CASES, *_EXPLORING)


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a policy comes to be.

  Attributes:
    policy: of those that a run leaves, see `stages.Learned`; or `round_N`.
    overrides: of the configuration.
    num_streets: it learns on the first of so many; on all where None.
  """

  policy: str
  overrides: tuple[str, ...] = ()
  num_streets: int | None = None

  def shares_run(self, other):
    """Whether what both learn differs in what follows at most."""
    return dataclasses.replace(self, policy=other.policy) == other


COMPARED = {
  'imitation of logs': Recipe('imitation', _RAD),
  'RAD': Recipe('ppo', _RAD),
  'imitation of logs and cousins': Recipe('imitation', (_COUSINS, _NO_TEACHER)),
  'stage 1 of the paper': Recipe('dagger', _PAPER),
  'ReconDreamer-RL': Recipe('ppo', _PAPER),
  'ours without PPO': Recipe('dagger'),
  'ours': Recipe('ppo'),
}
# Ours but for one thing, without PPO unless that is about it.
ABLATIONS = {
  'IDM teaches': Recipe('dagger', ('dagger.teacher=IDM',)),
  'the planner teaches': Recipe('dagger', ('dagger.teacher=planner',)),
  'no changed looks': Recipe('dagger', _SAME_LOOKS),
  'learns to see': Recipe('dagger', _LEARNS_TO_SEE),
  'learns to see without heads': Recipe(
    'dagger', (*_LEARNS_TO_SEE, 'imitation.perception_weight=0')
  ),
  'no adversaries': Recipe('dagger', (_COUSINS,)),
  'no cousins': Recipe(
    'dagger', (f'trained_on={("log", *scenario.ADVERSARIES)}',)
  ),
  'ours without auxiliary terms': Recipe('ppo', ('ppo.auxiliary_weight=0',)),
  'RAD without auxiliary terms': Recipe(
    'ppo', (*_RAD, 'ppo.auxiliary_weight=0')
  ),
}
STREETS = {
  f'{count} streets': Recipe('dagger', num_streets=count) for count in (1, 2, 4)
}
ROUNDS = {f'{i + 1} rounds': Recipe(f'round_{i}') for i in range(4)}
RECIPES = COMPARED | ABLATIONS | STREETS | ROUNDS
BASELINE = 'imitation of logs'
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
    open_loop: world to mean metres between the places that recorded drives are
      in half a second later and those that the policy chooses; None of a
      driver that looks at no image.
  """

  recipe: str
  seed: int
  seconds: float
  scores: dict[str, dict[str, list[float]]]
  behaviours: list[int]
  scenes: list[int]
  open_loop: dict[str, float] | None = None


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
    rounds = [f'round_{i}' for i in range(len(request.config.dagger.rounds))]
    policy = RECIPES[recipe].policy
    if policy not in ('imitation', 'dagger', 'ppo', *rounds):
      raise training.config.ConfigError(
        f'recipe {recipe!r}: dagger.rounds has {len(rounds)}'
      )
  folder = pathlib.Path(workdir) / 'cells'
  wanted = [(recipe, seed) for seed in seeds for recipe in recipes]
  wanted.append((REFERENCE, request.seed))
  if not all(_path(folder, *one).exists() for one in wanted):
    _compute(request, folder, wanted)
  return [_load(_path(folder, *one)) for one in wanted]


def _compute(request, folder, wanted):
  """Keeps the cells that are wanted and not there."""
  base = folder.parent / 'base'
  _, nouns = runner.compute(request, base, 'scenarios')
  repaired, edited = nouns['donors'], nouns['scenarios']
  context = stages.Run(request, base)
  envs = stages.test_environments(context, repaired, edited)
  # As driven, nothing displaced.
  settings = dataclasses.replace(
    request.config.imitation, shift=0.0, turn=0.0, speed_change=0.0
  )
  recorded = {
    world: learn.imitation_data(env, settings, context.key('open loop'))
    for world, env in envs.items()
  }
  for recipe, seed in wanted:
    if _path(folder, recipe, seed).exists():
      continue
    if recipe == REFERENCE:
      drives = {
        world: egos.drive(env, REFERENCE, np.arange(env.num_scenarios))
        for world, env in envs.items()
      }
      _keep(folder, _scored(recipe, seed, 0.0, envs, drives))
      continue
    together = [
      name
      for name, other in wanted
      if other == seed
      and name != REFERENCE
      and RECIPES[name].shares_run(RECIPES[recipe])
      and not _path(folder, name, seed).exists()
    ]
    for cell in _learn(
      context, repaired, edited, together, seed, envs, recorded
    ):
      _keep(folder, cell)


def _learn(context, repaired, edited, recipes, seed, envs, recorded):
  """Yields the `Cell` of each of some recipes that share a run."""
  recipe = RECIPES[recipes[0]]
  config = of_recipe(context.config, recipes[0])
  request = dataclasses.replace(context.request, seed=seed, config=config)
  # The same for whichever of them is asked for first.
  name = next(x for x in RECIPES if RECIPES[x].shares_run(recipe))
  folder = context.workdir.parent / 'runs' / _file_name(name, seed)
  own = stages.Run(request, folder, base=context.workdir)
  pairs = list(zip(repaired, edited, strict=True))
  if recipe.num_streets is not None:
    learnt_on = [x for x in pairs if x[0].recording.is_training]
    pairs = learnt_on[: recipe.num_streets]
  timing = runner.Timing()
  with timing.stage(f'{name}, seed {seed}, stage 1'):
    imitators = stages.imitate(own, *zip(*pairs, strict=True))
  learnt = dict(imitators.policies)
  learnt |= {f'round_{i}': x for i, x in enumerate(imitators.rounds)}
  if any(RECIPES[x].policy == 'ppo' for x in recipes):
    with timing.stage(f'{name}, seed {seed}, stage 2'):
      learnt |= stages.reinforce(own, imitators).policies
  first, *second = timing.seconds.values()
  for name in recipes:
    policy = RECIPES[name].policy
    drives = {
      world: report.evaluate(
        learnt[policy], env, np.arange(env.num_scenarios), own.key('evaluate')
      )
      for world, env in envs.items()
    }
    errors = {
      world: report.open_loop(learnt[policy], shown.observation, shown.action)
      for world, shown in recorded.items()
    }
    seconds = first + sum(second) * (policy == 'ppo')
    yield _scored(name, seed, seconds, envs, drives, errors)
  shutil.rmtree(folder / 'demonstrations', ignore_errors=True)


def _file_name(recipe, seed):
  return f'{recipe.replace(" ", "_")}_{seed}'


def _path(folder, recipe, seed):
  return folder / f'{_file_name(recipe, seed)}.json'


def _keep(folder, cell):
  folder.mkdir(parents=True, exist_ok=True)
  training.folders.write_text(
    _path(folder, cell.recipe, cell.seed),
    json.dumps(dataclasses.asdict(cell)),
  )


def _load(path):
  return Cell(**json.loads(path.read_text()))


def _scored(recipe, seed, seconds, envs, drives, errors=None):
  scenarios = jax.device_get(envs['simulator'].scenarios)
  scores = {
    world: {
      name: np.round(np.asarray(values, float), 4).tolist()
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
    errors and {x: round(float(y.mean()), 4) for x, y in errors.items()},
  )


def groups(cell, config):
  """Masks `[n]` of the drives that a column of the table is about, by name."""
  names = np.array(scenario.BEHAVIOURS)[np.array(cell.behaviours)]
  return {
    'cut-in and hard brake': np.isin(names, ('cut_in', 'hard_brake')),
    'all families': np.isin(names, scenario.ADVERSARIES),
    'held-out families': np.isin(names, config.scenario.held_out),
    'recorded': names == 'log',
  }


def families(cell, config):
  """As `groups`, of each family and insertion."""
  del config
  names = np.array(scenario.BEHAVIOURS)[np.array(cell.behaviours)]
  return {x.replace('_', ' '): names == x for x in scenario.ADVERSARIES}


def streets(cell, config):
  """As `groups`, of adversaries on each street."""
  scenes, edited = np.array(cell.scenes), groups(cell, config)['all families']
  return {
    f'street {number}': edited & (scenes == scene)
    for number, scene in zip(config.test_seeds, np.unique(scenes), strict=True)
  }


def summaries(cells, world, score, mask, baseline=None):
  """Recipe to mean and 95 % interval of the bootstrap over streets and seeds.

  Args:
    cells: list of `Cell`.
    world: `simulator` or `world`.
    score: in `SCORES`.
    mask: `[n]` drives that count.
    baseline: a recipe over whose mean each is given; None gives means.
  """
  values, scenes = {}, np.array(cells[0].scenes)[mask]
  for cell in cells:
    found = np.array(cell.scores[world][score])[mask]
    values.setdefault(cell.recipe, []).append(found)
  return {
    recipe: statistics.nested(
      own, scenes, None if baseline is None else values[baseline]
    )
    for recipe, own in values.items()
  }


def table(cells, config, world, score, columns=groups, baseline=None):
  """Lines of a table: a score of each recipe, by group of drives.

  Args:
    cells: list of `Cell`.
    config: `pipeline.Config`.
    world: see `summaries`.
    score: see `summaries`.
    columns: `groups`, `families` or `streets`.
    baseline: see `summaries`.
  """
  masks = columns(cells[0], config)
  found = [
    summaries(cells, world, score, mask, baseline) for mask in masks.values()
  ]
  names = [cell.recipe for cell in cells]
  rows = [
    [recipe, names.count(recipe), *(tables.interval(x[recipe]) for x in found)]
    for recipe in dict.fromkeys(names)
  ]
  yield from tables.markdown(['', 'seeds', *masks], rows)
