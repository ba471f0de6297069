# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A mistake is one line, whatever else is on the screen."""

import sys

import pytest
import tqdm

from rdrl import training


def _fail():
  raise ValueError('splat.fit.num_steps=-1:\n  expected 1 or more')


@pytest.mark.parametrize('is_amid_progress', [False, True])
def test_an_error_is_a_line_of_its_own(capsys, is_amid_progress):
  with tqdm.tqdm(total=3, disable=not is_amid_progress):
    assert training.cli.guarded(_fail) == 1
    lines = capsys.readouterr().err.splitlines()
  assert lines[-1] == 'error: splat.fit.num_steps=-1: expected 1 or more'
  assert len(lines) == 1 or is_amid_progress


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
