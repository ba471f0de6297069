# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A source heeds the flags that it is given, or says that it does not."""

import sys

import pytest

from tests import programs


def test_mistakes_and_their_messages(tmp_path):
  out = f'--out_dir={tmp_path / "set"}'
  cases = (
    ([out], '--source: not set: expected one of kitti, womd'),
    (['--source=world'], '--out_dir: not set'),
    (['--source=kitti', out], '--data_dir: not set'),
    (
      ['--source=womd', out, f'--data_dir={tmp_path}', '--start=3'],
      '--start: --source=womd does not heed it',
    ),
    (
      ['--source=world', out, '--cameras=image_02'],
      '--cameras: --source=world does not heed it',
    ),
    (
      ['--source=kitti', out, f'--data_dir={tmp_path}', '--set=num_agents=3'],
      '--set: --source=kitti does not heed it',
    ),
    # Seeds that others have too.
    (['--source=world', out, '--seed=-1'], '--seed=-1: the seeds to 1'),
    (
      ['--source=world', out, '--seed=4294967295', '--num_logs=2'],
      '--seed=4294967295: the seeds to 4294967296',
    ),
    (
      ['--source=world', out, '--set=world.wide=3'],
      "--set=world.wide: Config has no field 'wide'",
    ),
  )
  lines = programs.outcomes('prepare', [words for words, _ in cases])
  assert len(lines) == len(cases)
  for line, (_, message) in zip(lines, cases, strict=True):
    assert line.startswith(f'error: {message}')
  assert not list(tmp_path.iterdir())


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
