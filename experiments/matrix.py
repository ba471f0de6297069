# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Compares recipes of driving policies, each with several seeds.

Reconstructs built-in streets once; then each cell, a recipe and a seed, learns
to drive there and is scored on streets that none has learnt on:

  python -m experiments.matrix --preset=cpu --workdir=runs/matrix

An interrupted run resumes, cell by cell, when the same command is given again.
Fewer recipes, and one seed:

  python -m experiments.matrix --recipes='ours,RAD,imitation of logs' --seeds=0

What each part of ours is worth, and what more streets and rounds are:

  python -m experiments.matrix \
    --recipes='ours without PPO,rounds,streets,ablations'

WORKDIR gets the reconstructions in base/, a file of each cell in cells/, the
tables in matrix.md and pictures of them. Where all cells are there, such as
those of other machines, tables and pictures are made from them alone.
"""

import pathlib

from absl import flags
import numpy as np

from experiments import flags as shared
from experiments import presets
from rdrl import pipeline
from rdrl import training
from rdrl.pipeline import matrix
from rdrl.report import metrics
from rdrl.report import plots

_PRESET = shared.flag('preset', 'cpu')
_SET = shared.flag('set')
_SEED = shared.flag('seed')
_WORKDIR = shared.flag('workdir', 'runs/matrix')
_RECIPES = flags.DEFINE_list(
  'recipes',
  ['compared'],
  'Which: compared, ablations, streets, rounds, or names of those, which are '
  + '; '.join(matrix.RECIPES),
)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of learning.')


_GROUPS = {
  'compared': matrix.COMPARED,
  'ablations': matrix.ABLATIONS,
  'streets': matrix.STREETS,
  'rounds': matrix.ROUNDS,
}
_SHOWN = 'at_fault_collision'


def recipes(names):
  """Names of recipes, groups of them spelt out."""
  return list(
    dict.fromkeys(x for name in names for x in _GROUPS.get(name, [name]))
  )


def lines(cells, config):
  """Lines of all tables."""
  label = metrics.METRICS[_SHOWN].label
  for world in cells[0].scores:
    for score in matrix.SCORES:
      yield f'## {metrics.METRICS[score].label}, {world}'
      yield ''
      yield from matrix.table(cells, config, world, score)
      yield ''
    for columns in (matrix.families, matrix.streets):
      yield f'## {label} by {columns.__name__}, {world}'
      yield ''
      yield from matrix.table(cells, config, world, _SHOWN, columns)
      yield ''
    if any(cell.recipe == matrix.BASELINE for cell in cells):
      yield f'## {label} over that of {matrix.BASELINE}, {world}'
      yield ''
      yield from matrix.table(
        cells, config, world, _SHOWN, baseline=matrix.BASELINE
      )
      yield ''
  yield '## Metres off recorded drives half a second later, open loop'
  yield ''
  for recipe in dict.fromkeys(cell.recipe for cell in cells):
    for world in cells[0].scores:
      found = [
        cell.open_loop[world]
        for cell in cells
        if cell.recipe == recipe and cell.open_loop
      ]
      if found:
        yield f'- {recipe}, {world}: {np.mean(found):.3f}'
  yield ''
  yield '## Seconds of a cell'
  yield ''
  for recipe in dict.fromkeys(cell.recipe for cell in cells):
    taken = [cell.seconds for cell in cells if cell.recipe == recipe]
    yield f'- {recipe}: {np.mean(taken):.0f}'


def draw(cells, config, folder):
  """Pictures of at-fault collisions: all recipes, by streets and by rounds."""
  mask = matrix.groups(cells[0], config)['all families']
  label = f'{metrics.METRICS[_SHOWN].label}, all families'
  # What is varied to its numbers; ours has all of it.
  whole = 'ours without PPO'
  curves = {
    'streets learnt on': {
      name: recipe.num_streets for name, recipe in matrix.STREETS.items()
    }
    | {whole: len(config.train_seeds)},
    'rounds of DAgger': {
      name: number for number, name in enumerate(matrix.ROUNDS, 1)
    }
    | {matrix.BASELINE: 0, whole: len(config.dagger.rounds)},
  }
  drawn = {name: {} for name in curves}
  for world in cells[0].scores:
    found = matrix.summaries(cells, world, _SHOWN, mask)
    plots.bars(
      folder / f'{_SHOWN}_{world}.svg',
      {name: one['mean'] for name, one in found.items()},
      f'{label}, {world}',
      {name: (one['low'], one['high']) for name, one in found.items()},
    )
    for about, numbers in curves.items():
      there = sorted(
        (number, *(found[name][key] for key in ('mean', 'low', 'high')))
        for name, number in numbers.items()
        if name in found
      )
      drawn[about][world] = np.array(there).reshape(-1, 4).T
  for about, series in drawn.items():
    if all(values.shape[1] > 2 for values in series.values()):
      path = folder / f'{_SHOWN}_by_{about.split()[0]}.svg'
      plots.curves(path, series, about, label)


def main():
  """Computes what is missing and writes the tables."""
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  request = pipeline.Request('world', None, _SEED.value, config)
  pipeline.check(request, pipeline.STAGES[-1])
  workdir = pathlib.Path(_WORKDIR.value)
  training.mesh.start()
  cells = matrix.run(
    request, workdir, recipes(_RECIPES.value), shared.numbers(_SEEDS, int)
  )
  text = '\n'.join(lines(cells, config))
  (workdir / 'matrix.md').write_text(text + '\n')
  draw(cells, config, workdir)
  print(text)


if __name__ == '__main__':
  training.cli.run(main)
