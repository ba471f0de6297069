# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Compares recipes of driving policies, each with several seeds.

Reconstructs built-in streets once; then each cell, a recipe and a seed, learns
to drive there and is scored on streets that none has learnt on:

  python -m experiments.matrix --preset=cpu --workdir=runs/matrix

An interrupted run resumes, cell by cell, when the same command is given again.
Fewer recipes, and one seed:

  python -m experiments.matrix --recipes='ours,RAD,imitation of logs' --seeds=0

WORKDIR gets the reconstructions in base/, a folder of each cell in cells/ and
the tables in matrix.md.
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

_PRESET = shared.flag('preset', 'cpu')
_SET = shared.flag('set')
_SEED = shared.flag('seed')
_WORKDIR = shared.flag('workdir', 'runs/matrix')
_RECIPES = flags.DEFINE_list(
  'recipes', list(matrix.RECIPES), 'Which, of those that there are.'
)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of learning.')


def lines(cells, config):
  """Lines of all tables."""
  for world in cells[0].scores:
    for score in matrix.SCORES:
      yield f'## {metrics.METRICS[score].label}, {world}'
      yield ''
      yield from matrix.table(cells, config, world, score)
      yield ''
  yield '## Seconds of a cell'
  yield ''
  for recipe in dict.fromkeys(cell.recipe for cell in cells):
    taken = [cell.seconds for cell in cells if cell.recipe == recipe]
    yield f'- {recipe}: {np.mean(taken):.0f}'


def main():
  """Computes what is missing and writes the tables."""
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  request = pipeline.Request('world', None, _SEED.value, config)
  pipeline.check(request, pipeline.STAGES[-1])
  workdir = pathlib.Path(_WORKDIR.value)
  training.mesh.start()
  cells = matrix.run(
    request, workdir, _RECIPES.value, shared.numbers(_SEEDS, int)
  )
  text = '\n'.join(lines(cells, config))
  (workdir / 'matrix.md').write_text(text + '\n')
  print(text)


if __name__ == '__main__':
  training.cli.run(main)
