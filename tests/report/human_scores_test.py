# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of recorded egos whose driving is known."""

import os
import pathlib
import re
import sys

import numpy as np
import pytest

from data_pipelines import womd
from rdrl import logs
from rdrl.report import human_scores

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'womd_scenes'


@pytest.fixture(scope='module')
def found(road):
  """Scores of an ego that cruises, and of one that stops at 6 m/s^2."""
  time = np.arange(51) * 0.1
  cruises = road.straight(0, -1.75, 8, 51)
  stops = road.straight(0, -1.75, 8, 51)
  speed = np.clip(8 - 6 * (time - 2), 0, 8)
  stops['speed'] = speed
  stops['xy'][:, 0] = np.cumsum(0.1 * speed)
  far = road.straight(300, -1.75, 8, 51)
  return {
    name: human_scores.score(road.scene(own, far))
    for name, own in {'cruises': cruises, 'stops': stops}.items()
  }


@pytest.mark.slow
def test_a_drive_that_breaks_no_rule_has_all_of_the_score(found):
  assert set(found['cruises'].values()) == {1.0}


@pytest.mark.slow
def test_discomfort_alone_costs_two_sixteenths(found):
  stops = found['stops']
  assert stops['is_comfortable'] == 0
  assert stops[human_scores.SCORE] == pytest.approx(14 / 16)
  assert all(stops[name] == 1 for name in human_scores.RULES)


def _driven(road, x, sigma=0.0, **fields):
  """A scene whose ego is at `x` of each step, trembling where it stands."""
  own = road.straight(0, -1.75, 8, len(x))
  own['xy'][:, 0] = x
  own['speed'] = np.gradient(x, 0.1)
  rest = np.abs(own['speed']) < 1e-3
  rng = np.random.default_rng(0)
  own['xy'][rest] += sigma * rng.normal(size=(rest.sum(), 2))
  scene = road.scene(own, road.straight(300, -1.75, 8, len(x)))
  return scene.replace(**fields)


@pytest.mark.slow
def test_a_recorded_human_never_ends_by_deviating(road):
  time = np.arange(51) * 0.1
  stands = np.interp(time, [0, 1.5, 3.5, 5], [0, 9, 9, 18])
  scenes = {
    'backs': _driven(road, -3 * time),
    'forth and back': _driven(road, 6 * np.sin(np.pi * time / 5)),
    'trembles': _driven(road, stands, 0.1),
    'drives': _driven(road, 8 * time),
  }
  # A map that ends at the car's right side, beyond which all is in the way.
  grid = scenes['drives'].drivable
  edge = grid.replace(values=grid.values - 8.0)
  scenes['leaves the map'] = _driven(
    road, 8 * time, drivable=edge, occupancy=edge
  )
  found = {name: human_scores.score(scene) for name, scene in scenes.items()}
  for name, one in found.items():
    assert one['progress'] > 0.97 and one['makes_progress'] == 1, name
    assert one['driving_direction'] == one['no_fault'] == 1, name
  assert found['backs'][human_scores.SCORE] == 1
  assert found['leaves the map']['on_road'] == 0


@pytest.mark.slow
def test_the_table_names_what_cost(found):
  lines = '\n'.join(human_scores.table(found))
  assert '| is comfortable | 0.500 (0.000 to 1.000) | 1 of 2 |' in lines
  assert '2 break no rule, 1 of them have 0.9 or more; of all 2, 1.' in lines
  # Seven eighths, which two digits round either way.
  assert re.search(r'- stops: 0\.8[78]; is_comfortable 0\.00$', lines)


@pytest.mark.slow
def test_recorded_people_score_well(real_scenes):
  found = [human_scores.score(x)[human_scores.SCORE] for x in real_scenes]
  assert len(found) == 3 and min(found) > 0.9, found


@pytest.fixture
def real_scenes():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  paths = sorted(REAL.glob('*.npz'))[2:5]
  return [logs.geometric_scene(womd.read(path)) for path in paths]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
