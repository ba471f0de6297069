# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What was found in recordings is kept."""

import sys

import pytest

from experiments import recordings
from rdrl import logs
from rdrl.report import human_scores


@pytest.mark.parametrize('steps', [1, 2, 5])
def test_a_recording_without_a_decision_is_named(road, steps, tmp_path):
  ego = road.straight(0, -1.75, 8, steps)
  scene = road.scene(ego, road.straight(30, 1.75, 5, steps))
  todo = [('womd', 'short', lambda: scene)]
  with pytest.raises(
    logs.LogError, match=f'womd: short: tracks: {steps} steps'
  ):
    recordings.scored(todo, tmp_path, human_scores.score)
  assert not list(tmp_path.iterdir())


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path):
  calls = []

  def score(number):
    calls.append(number)
    if number == 2 and calls.count(2) == 1:
      raise KeyboardInterrupt
    return {'x': 0.1 * number}

  todo = [('womd', f'r{n}', lambda n=n: n) for n in range(4)]
  with pytest.raises(KeyboardInterrupt):
    recordings.scored(todo, tmp_path, score)
  found = recordings.scored(todo, tmp_path, score)
  assert calls == [0, 1, 2, 2, 3]
  assert found == {'womd': {f'r{n}': {'x': 0.1 * n} for n in range(4)}}
  assert recordings.scored(todo, tmp_path, None) == found


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
