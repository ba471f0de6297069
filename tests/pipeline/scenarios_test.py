# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Which stretch of a recorded drive is learnt on, and which is scored on."""

import sys
import types as python_types

import numpy as np
import pytest

from rdrl import learn
from rdrl import pipeline
from rdrl import scenario
from rdrl import training
from rdrl.pipeline import stages

LAST = 60


def _run(*assignments):
  accepted = tuple(
    2 * (name in ('log', 'hard_brake', 'speed_change'))
    for name in scenario.BEHAVIOURS
  )
  config = training.config.override(
    pipeline.Config(),
    (
      'sim.horizon=8',
      'scenario.episode_steps=40',
      'scenario.num_proposals=8',
      f'scenario.num_accepted={accepted}',
      'num_test_drives=2',
      *assignments,
    ),
  )
  return stages.Run(pipeline.Request('kitti', '.', 0, config))


@pytest.fixture(scope='module')
def repaired(road):
  """The ego follows a car at 10 m/s for 10 s."""
  place = road.scene(road.straight(0, -1.75, 10), road.straight(25, -1.75, 10))
  recording = python_types.SimpleNamespace(
    name='drive', is_training=True, is_test=True
  )
  return (python_types.SimpleNamespace(scene=place, recording=recording),)


def test_no_episode_that_is_learnt_on_enters_the_held_out_stretch(repaired):
  (edited,) = stages.scenarios(_run('held_out_share=0.4'), repaired)
  learnt, tested = edited.variants, edited.tested
  kinds = {scenario.BEHAVIOURS[x] for x in learnt.behaviour}
  assert kinds == {'log', 'hard_brake', 'speed_change'}
  assert np.all(learnt.start + 40 <= LAST)
  kinds = {scenario.BEHAVIOURS[x] for x in tested.behaviour}
  # Cousins are for learning.
  assert kinds == {'log', 'hard_brake'}
  assert np.all(tested.start >= LAST)


def test_demonstrations_end_where_the_held_out_stretch_begins(repaired):
  run = _run('held_out_share=0.4')
  (edited,) = stages.scenarios(run, repaired)
  config = run.config.imitation
  steps = learn.imitation._moments(edited.variants, config, None, LAST)[:, 1]
  # A label looks half a second ahead.
  assert LAST - 5 - config.stride < steps.max() <= LAST - 5


def test_without_a_share_drives_are_scored_where_they_are_learnt_on(repaired):
  (edited,) = stages.scenarios(_run(), repaired)
  assert edited.tested is edited.variants
  assert np.max(edited.variants.start) > LAST - 40


def test_a_share_that_leaves_no_episode_is_named(repaired):
  run = _run('held_out_share=0.45', 'scenario.episode_steps=60')
  with pytest.raises(ValueError, match=r'held_out_share=0.45: drive has 55'):
    stages.scenarios(run, repaired)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
