# Copyright 2026 The rdrl Authors. Apache-2.0.
"""All who could teach are trained, driven and tabled, and kept."""

import sys

import pytest

from rdrl.policy import egos
from tests import programs
from tests import tiny

# Geometry needs no more than a street with somebody on it.
SIZE = (
  *(x for x in tiny.OVERRIDES if x.startswith(('num_', 'world.', 'scenario.'))),
  'ppo.num_envs=8',
  'ppo.num_updates=2',
  'dagger.num_drives=8',
  'dagger.num_envs=8',
  'dagger.rounds=((1.0,4),(0.0,4))',
)


@pytest.mark.slow
def test_everybody_drives_and_a_second_run_says_the_same(tmp_path):
  command = (
    '-m',
    'experiments.teachers',
    f'--workdir={tmp_path}',
    '--num_streets=1',
    '--streets=101',
    '--per_family=1',
    *(f'--set={x}' for x in SIZE),
  )
  first = programs.run(*command, timeout=1200)
  assert first.returncode == 0, first.stderr
  table = (tmp_path / 'scores.md').read_text()
  drivers = {line.split('|')[3].strip() for line in table.splitlines()[2:]}
  assert drivers == {*egos.EGOS, 'PPO', 'student', 'student, then PPO'}
  again = programs.run(*command, timeout=1200)
  assert again.returncode == 0, again.stderr
  assert again.stdout == first.stdout


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
