# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recipes side by side."""

import dataclasses
import sys

import pytest

from experiments import presets
from rdrl import learn
from rdrl import pipeline
from rdrl import ranges
from rdrl import scenario
from rdrl import training
from rdrl.pipeline import matrix
from rdrl.pipeline import stages
from tests import tiny


def test_recipes_are_configurations_of_what_their_names_say():
  ours = presets.get('cpu')
  found = {name: matrix.of_recipe(ours, name) for name in matrix.RECIPES}
  for config in found.values():
    ranges.check(config)
  assert found['ours'] == ours
  logs = found['imitation of logs']
  assert logs.trained_on == ('log',)
  assert not logs.dagger.rounds
  # Its imitation of logs is the other's, by the same run.
  rad = found['RAD']
  assert rad == logs
  explores = {
    name: getattr(rad.ppo, name)
    for name in ('kl_weight', 'entropy_weights', 'temperature')
  }
  assert rad.ppo == dataclasses.replace(ours.ppo, **explores)
  policies = {name: one.policy for name, one in matrix.RECIPES.items()}
  assert policies['imitation of logs'] == 'imitation'
  assert policies['RAD'] == policies['ReconDreamer-RL'] == 'ppo'
  paper = found['ReconDreamer-RL']
  # The teacher alone drives, for as many steps as in all of our rounds.
  ((share, steps),) = paper.dagger.rounds
  assert share == 1
  assert steps == sum(steps for _, steps in ours.dagger.rounds)
  for name, config in found.items():
    others = {'dagger', 'ppo', 'trained_on'}
    if name in matrix.ABLATIONS:
      others |= {'imitation', 'encoder'}
    for field in dataclasses.fields(config):
      if field.name not in others:
        same = getattr(config, field.name) == getattr(ours, field.name)
        assert same, (name, field.name)


def _cell(recipe, seed, collides):
  """Two streets; in each a recorded drive, a cut-in and one held out."""
  behaviours = [
    scenario.BEHAVIOURS.index(name) for name in ('log', 'cut_in', 'oncoming')
  ] * 2
  scores = {'simulator': {'collision': collides}}
  return matrix.Cell(recipe, seed, 1.0, scores, behaviours, [3, 3, 3, 5, 5, 5])


def test_a_table_has_each_recipe_and_group_with_an_interval():
  config = pipeline.Config(scenario=scenario.Config(held_out=('oncoming',)))
  cells = [
    _cell('ours', 0, [0.0, 0, 1, 0, 0, 0]),
    _cell('ours', 1, [0.0, 0, 1, 0, 0, 0]),
    _cell('IDM', 0, [0.0] * 6),
  ]
  lines = list(matrix.table(cells, config, 'simulator', 'collision'))
  assert len(lines) == 4
  head, _, ours, reference = (
    [x.strip() for x in line.split('|')[1:-1]] for line in lines
  )
  assert head[1:] == [
    'seeds',
    'cut-in and hard brake',
    'all families',
    'held-out families',
    'recorded',
  ]
  assert ours[:2] == ['ours', '2'] and reference[:2] == ['IDM', '1']
  # One of two streets always, the other never: any share may come.
  assert ours[4] == '0.500 (0.000 to 1.000)'
  assert ours[2] == ours[5] == reference[3] == '0.000 (0.000 to 0.000)'


def test_an_unknown_recipe_is_named(tmp_path):
  request = pipeline.Request('world', None, 0, presets.get('cpu'))
  with pytest.raises(ValueError, match="recipe 'luck'"):
    matrix.run(request, tmp_path, ['luck'], [0])
  few = dataclasses.replace(
    request.config, dagger=learn.DaggerConfig(rounds=((1.0, 1),))
  )
  request = dataclasses.replace(request, config=few)
  with pytest.raises(ValueError, match=r"'2 rounds': dagger.rounds has 1"):
    matrix.run(request, tmp_path, ['1 rounds', '2 rounds'], [0])
  assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_recipes_of_one_run_learn_once_and_cells_are_kept(
  tmp_path, monkeypatch
):
  config = training.config.override(pipeline.Config(), tiny.OVERRIDES)
  request = pipeline.Request('world', None, 0, config)
  imitate, seeds = stages.imitate, []

  def counted(run, *inputs):
    seeds.append(run.request.seed)
    return imitate(run, *inputs)

  monkeypatch.setattr(stages, 'imitate', counted)
  recipes = ['imitation of logs', 'RAD']
  first = matrix.run(request, tmp_path, recipes, [3])
  assert [cell.recipe for cell in first] == [*recipes, 'IDM']
  assert seeds == [3]
  imitator, rad, _ = first
  assert 0 < imitator.seconds < rad.seconds
  assert set(rad.scores) == set(rad.open_loop) == {'simulator', 'world'}
  assert matrix.run(request, tmp_path, recipes, [3]) == first
  assert seeds == [3]
  # A cell that is gone comes back as it was.
  (tmp_path / 'cells/RAD_3.json').unlink()
  again = matrix.run(request, tmp_path, recipes, [3])
  assert again[1].scores == rad.scores and again[0] == imitator


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
