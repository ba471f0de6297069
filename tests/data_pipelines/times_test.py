# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings that keep time, and those that do not."""

import sys

import numpy as np
import pytest

from data_pipelines import times
from rdrl import logs

STEPS = 0.1 * np.arange(20)


@pytest.mark.parametrize(
  'stamps',
  [
    STEPS,
    1.317e9 + STEPS,
    STEPS + 0.01 * (np.arange(20) % 2),  # 0.09 and 0.11 s, as KITTI has
    1.036 * STEPS,  # what KITTI's steps are
    STEPS[:2] * 1.2,
    STEPS[:1],
  ],
)
def test_steps_of_a_tenth_of_a_second_keep_time(stamps):
  logs.check_times(stamps, 'a.txt: times')


@pytest.mark.parametrize(
  ('stamps', 'named'),
  [
    (STEPS + 60 * (np.arange(20) > 6), 'step 7 at 60.7 s is 60.1 s, not 0.1 s'),
    (STEPS + 1.0 * (np.arange(20) > 6), 'is 1.1 s, not 0.1 s, after step 6'),
    (np.delete(STEPS, 7), 'step 7 at 0.8 s is 0.2 s'),
    (STEPS - 0.1 * (np.arange(20) > 6), 'step 7 at 0.6 s does not follow'),
    (STEPS - 9.0 * (np.arange(20) > 6), 'step 7 at -8.3 s does not follow'),
    (2 * STEPS, 'step 1 at 0.2 s is 0.2 s'),
    (1.2 * STEPS, 'are 0.12 s long in the mean'),
    (0.75 * STEPS, 'are 0.075 s long in the mean'),
    (np.where(STEPS > 0.65, np.nan, STEPS), 'nan at step 7'),
  ],
)
def test_what_does_not_keep_time_is_named_by_step_and_gap(stamps, named):
  with pytest.raises(logs.LogError) as error:
    logs.check_times(stamps, 'a.txt: times')
  assert str(error.value).startswith('a.txt: times: ')
  assert named in str(error.value)


def test_the_longest_stretch_without_a_gap_is_told():
  late = STEPS + 1.0 * (np.arange(20) > 2) + 1.0 * (np.arange(20) > 11)
  with pytest.raises(logs.LogError, match=r'longest .*: 9 steps from 103'):
    logs.check_times(late, 'a', first=100)
  logs.check_times(late[3:12], 'a')


def test_nothing_goes_faster_than_anything_drives():
  way = np.c_[99 * STEPS, 0 * STEPS, 0 * STEPS]
  times.check_way(way, STEPS, str)
  way[5:, 2] += 14  # off by 17 m in 0.1 s
  with pytest.raises(logs.LogError, match=r'^12: step 12 is 17.1\d* m from'):
    times.check_way(way, STEPS, str, first=7)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
