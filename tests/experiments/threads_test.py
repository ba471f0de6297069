# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys
import threading

import pytest

from experiments import threads


def test_results_come_in_the_order_of_the_items():
  assert threads.each(lambda x: x * x, [3, 1, 2]) == [9, 1, 4]


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
    threads.each(work, items)
  assert finished == []
  release.set()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
