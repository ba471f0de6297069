# Copyright 2026 The rdrl Authors. Apache-2.0.

import pathlib
import subprocess
import sys
import threading

import pytest

from rdrl import training


def test_results_come_in_the_order_of_the_items():
  assert training.threads.each(lambda x: x * x, [3, 1, 2]) == [9, 1, 4]


@pytest.mark.parametrize('items', [('bad', 'slow', 'late'), ('slow', 'bad')])
def test_what_fails_is_told_while_others_are_busy(items):
  release = threading.Event()
  finished = []

  def work(item):
    if item == 'bad':
      raise ValueError(item)
    release.wait(20)
    finished.append(item)

  with pytest.raises(ValueError, match='bad'):
    training.threads.each(work, items)
  assert finished == []
  release.set()


_COMMAND = """
import hashlib
from rdrl import training

def work(item):
  if item == 'bad':
    raise ValueError('no such thing')
  # Minutes, in C.
  hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)

training.cli.run(lambda: training.threads.each(work, ['slow', 'bad']))
"""


@pytest.mark.slow
def test_a_command_that_fails_in_one_thread_ends_with_the_line():
  result = subprocess.run(
    [sys.executable, '-c', _COMMAND],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert result.returncode == 1
  assert result.stderr == 'error: no such thing\n'


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
