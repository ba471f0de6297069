# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Sentences: what they mean, and which words mean nothing."""

import sys

import jax
import numpy as np
import pytest

from rdrl import scenario
from rdrl import trees
from rdrl import types
from rdrl.scenario import grammar
from rdrl.scenario import plan

CONFIG = scenario.Config()
INF = np.inf


def _parameter(constraint, name):
  return constraint.parameters[plan.PARAMETERS.index(name)].tolist()


def _feature(constraint, name):
  return constraint.features[plan.FEATURES.index(name)].tolist()


# Sentence, family, parameters, features, classes, donor.
SENTENCES = (
  (
    'The car on the right cuts in hard after two seconds.',
    'cut_in',
    {'onset': [2, 2], 'speed_deficit': [4, 6], 'merge_time': [1.5, 2 + 1 / 3]},
    {'d': [-INF, 0], 'length': [0, 6.5]},
    [types.VEHICLE],
    False,
  ),
  (
    'the lead car brakes hard',
    'hard_brake',
    {'brake': [6 + 1 / 3, 8], 'brake_final_speed': [0, 0.4 / 3]},
    {'d': [-INF, INF]},
    [types.VEHICLE],
    False,
  ),
  (
    'A truck on the left changes lanes within 1.5 s',
    'lane_change',
    {'change_time': [1.5, 1.5], 'onset': [0, 3]},
    {'d': [0, INF], 'length': [5.5, INF]},
    [types.VEHICLE],
    False,
  ),
  (
    'the cyclist ahead swerves by 1 metre',
    'drift',
    {'drift': [1, 1]},
    {'s': [0, INF]},
    [types.CYCLIST],
    False,
  ),
  (
    'the leader slows down twice, immediately',
    'stop_and_go',
    {'slow_cycles': [2, 2], 'coin': [0.5, 1], 'onset': [0, 0]},
    {},
    [types.VEHICLE],
    False,
  ),
  (
    'the oncoming bus drifts by 1 to 2 m for three seconds',
    'oncoming',
    {'encroachment': [1, 2], 'encroachment_time': [3, 3]},
    {'length': [8, INF]},
    [types.VEHICLE],
    False,
  ),
  (
    'a vehicle from the left crosses in 1 s',
    'crossing',
    {'onset': [1, 1]},
    {'d': [0, INF]},
    [types.VEHICLE],
    False,
  ),
  (
    'Another car tailgates me with a gap of 3 metres',
    'tailgate',
    {'follow_gap': [3, 3]},
    {},
    [types.VEHICLE],
    True,
  ),
  (
    'the parked van on the right pulls out gently',
    'pull_out',
    {'pull_out_acceleration': [1.5, 2], 'time_to_arrival': [4 - 2.5 / 3, 4]},
    {'d': [-INF, 0], 'length': [4.8, 8]},
    [types.VEHICLE],
    False,
  ),
  (
    'a child on the right crosses the street at 3 m/s',
    'dart_out',
    {'walk_speed': [3, 3]},
    {'d': [-INF, 0]},
    [types.PEDESTRIAN],
    False,
  ),
)


@pytest.mark.parametrize(
  'sentence, family, parameters, features, classes, donor',
  SENTENCES,
)
def test_a_sentence_gives_the_scenario_that_it_describes(
  sentence, family, parameters, features, classes, donor
):
  found, constraint = grammar.parse(sentence, CONFIG)
  assert found == family
  for name, limits in parameters.items():
    np.testing.assert_allclose(
      _parameter(constraint, name), limits, err_msg=name, atol=1e-5
    )
  # What nobody spoke of stays as it was.
  silent = scenario.unconstrained(CONFIG)
  for name in set(plan.PARAMETERS) - set(parameters):
    if name not in grammar.SEVERITY[family]:
      assert _parameter(constraint, name) == _parameter(silent, name)
  for name, limits in features.items():
    np.testing.assert_allclose(_feature(constraint, name), limits)
  assert np.flatnonzero(constraint.classes).tolist() == classes
  assert bool(constraint.donor) == donor


@pytest.mark.parametrize(
  'sentence, message',
  [
    ('the car flibbers in wugly', "did not understand 'flibbers', 'wugly'"),
    ('the car on the right', 'says not what anybody does'),
    ('colourless ideas brake', "did not understand 'colourless', 'ideas', 'br"),
    ('the car cuts in and drifts', 'what it does is said twice'),
    ('the pedestrian tailgates me', "'pedestrian' contradicts 'tailgates'"),
    ('the car cuts in after two bananas', "'after', 'two', 'bananas'"),
    ('the car on the left on the right cuts in', "'on the right' contradicts"),
    ('the car cuts in by 2 m', "'by 2 m' says nothing about 'cuts in'"),
    ('the parked car brakes', "'parked' contradicts 'brakes'"),
    ('', 'says not what anybody does'),
    ('the car brakes after -5 seconds', "'after -5 seconds': onset has to be"),
    ('the car brakes after ² seconds', "'²'"),
    ('the car brakes at once after 1 second', "second' contradicts 'at once'"),
    ('the car ' * 40 + 'brakes', '326 characters, at most 300'),
  ],
)
def test_nonsense_is_an_error_that_names_it(sentence, message):
  with pytest.raises(ValueError, match='sentence') as error:
    grammar.parse(sentence)
  assert message in str(error.value)


def test_every_family_can_be_asked_for():
  assert set(grammar.VERBS.values()) == set(scenario.FAMILIES)
  assert set(grammar.SEVERITY) == set(scenario.FAMILIES)
  named = {name for names in grammar.SEVERITY.values() for name in names}
  named |= {n for names in grammar.QUANTITIES.values() for n in names.values()}
  named |= {name for names in grammar.ALSO.values() for name in names}
  assert named <= set(plan.PARAMETERS)
  for family, names in grammar.SEVERITY.items():
    for name in names:
      assert family in scenario.PARAMETERS[name].behaviours, (family, name)


def test_a_number_may_begin_with_its_point_and_words_have_hyphens():
  _, constraint = grammar.parse('the right-hand car brakes after .5 seconds')
  np.testing.assert_allclose(_parameter(constraint, 'onset'), [0.5, 0.5])


@pytest.mark.slow
def test_what_a_sentence_asks_for_is_what_is_proposed(road):
  ahead = [road.straight(x, y, 10) for x in (12, 24) for y in (-5.25, 1.75)]
  scene = road.scene(road.straight(0, -1.75, 10), *ahead)
  context = scenario.prepare(scene)
  keys = jax.random.split(jax.random.key(0), 64)

  def propose(sentence):
    family, constraint = grammar.parse(sentence, CONFIG)
    behaviour = np.full(64, scenario.BEHAVIOURS.index(family))
    found = scenario.proposals(context, behaviour, keys, CONFIG, constraint)
    return trees.take(found, np.flatnonzero(found.reason == 0))

  right = propose('the car on the right cuts in after two seconds')
  left = propose('the car on the left cuts in hard after 0.5 seconds')
  assert len(right.agent) > 5 and len(left.agent) > 5
  assert set(right.agent.tolist()) <= {1, 3}
  assert set(left.agent.tolist()) <= {2, 4}
  assert np.all(right.trigger - right.start == 20)
  assert np.all(left.trigger - left.start == 5)
  assert np.mean(left.difficulty) > np.mean(right.difficulty)
  # A wish nobody can fulfil: no car is as long.
  assert not len(propose('the bus on the right cuts in').agent)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
