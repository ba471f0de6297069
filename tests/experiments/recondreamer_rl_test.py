# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A user's mistake ends in one line, exit code 1, and nothing overwritten."""

import dataclasses
import sys

import numpy as np
import pytest

from experiments import presets
from rdrl import pipeline
from rdrl import training
from tests import programs


def _run(*arguments):
  return programs.run('-m', 'experiments.recondreamer_rl', *arguments)


def _assert_one_line(result, *parts):
  assert result.returncode == 1
  lines = result.stderr.strip().splitlines()
  assert lines[-1].startswith('error: ')
  assert 'Traceback' not in result.stderr
  for part in parts:
    assert part in lines[-1]


def test_unknown_preset(tmp_path):
  result = _run('--preset=laptop', f'--workdir={tmp_path}/run')
  _assert_one_line(result, '--preset=laptop', 'quickstart, cpu, gpu, pod')
  assert not (tmp_path / 'run').exists()


def test_what_cannot_be_run_is_refused_at_once(tmp_path):
  mistakes = (
    ('--set=policy.num_heads=7', ('policy.num_heads=7', 'width, 64')),
    (f'--seed={2**63}', (f'seed={2**63}',)),
    ('stray', ('stray: not a flag',)),
    ('--adversary=/nowhere', ('/nowhere: no work directory',)),
    ('--scenario=the cow moos', ('the cow moos', "'cow', 'moos'")),
  )
  lines = programs.outcomes(
    'recondreamer_rl',
    [[mistake, f'--workdir={tmp_path}/run'] for mistake, _ in mistakes],
  )
  for (_, parts), line in zip(mistakes, lines, strict=True):
    assert line.startswith('error:')
    for part in parts:
      assert part in line
  assert not (tmp_path / 'run').exists()


def test_workdir_of_another_run_is_left_intact(tmp_path):
  record = tmp_path / 'config.json'
  record.write_text('{"seed": 5}\n')
  result = _run(f'--workdir={tmp_path}', '--seed=0')
  _assert_one_line(result, str(record), 'another --workdir')
  assert record.read_text() == '{"seed": 5}\n'


@pytest.mark.slow
def test_checkpoint_of_another_shape_is_left_intact(tmp_path):
  run = (
    f'--workdir={tmp_path}',
    '--set=train_seeds=(1,)',
    '--set=world.height=24',
    '--set=world.width=40',
    '--set=world.num_steps=24',
  )
  assert _run(*run, '--until=record').returncode == 0
  directory = tmp_path / 'fit' / 'world_1' / 'checkpoints'
  training.checkpoints.save(directory, 1, {'trained': np.zeros(3)})
  result = _run(*run, '--until=fit')
  _assert_one_line(result, f'{directory}/1', 'missing in the checkpoint')
  assert training.checkpoints.latest_step(directory) == 1


@pytest.mark.parametrize('name', presets.PRESETS)
def test_presets_name_fields_that_there_are(name):
  config = presets.get(name)
  assert dataclasses.is_dataclass(config)
  assert (config == pipeline.Config()) == (name == 'quickstart')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
