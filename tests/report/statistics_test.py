# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import numpy as np
import pytest

from rdrl.report import statistics


def test_interval_holds_the_mean_and_repeats():
  scores = {'x': np.random.default_rng(1).normal(2, 3, 50)}
  found = statistics.summary(scores)['x']
  assert found['low'] < found['mean'] < found['high']
  assert found['mean'] == pytest.approx(scores['x'].mean())
  assert found['n'] == 50
  assert statistics.summary(scores)['x'] == found
  assert statistics.summary(scores, seed=1)['x'] != found


def test_interval_is_as_wide_as_the_normal_one_for_many_drives():
  x = np.random.default_rng(2).normal(0, 1, 4000)
  found = statistics.summary({'x': x})['x']
  half = 1.96 * x.std() / np.sqrt(x.size)
  assert found['high'] - found['low'] == pytest.approx(2 * half, rel=0.1)


def test_interval_covers_the_truth_of_bernoulli_samples():
  rng = np.random.default_rng(3)
  covered = 0
  for _ in range(200):
    x = rng.random(64) < 0.3
    found = statistics.summary({'x': x})['x']
    covered += found['low'] <= 0.3 <= found['high']
  # 95 % nominal; the bootstrap of 64 drives falls a little short of it.
  assert 0.89 <= covered / 200 <= 0.99


def test_what_has_no_score_does_not_count():
  found = statistics.summary({'x': np.array([1.0, np.nan, 3.0])})['x']
  assert (found['mean'], found['n']) == (2, 2)
  found = statistics.summary({'x': np.full(3, np.nan)})['x']
  assert found['n'] == 0
  assert np.isnan(found['mean'])


def test_pairing_narrows_the_interval_of_a_difference():
  rng = np.random.default_rng(4)
  hard = rng.normal(0, 5, 64)
  a, b = hard + rng.normal(1, 0.1, 64), hard + rng.normal(0, 0.1, 64)
  found = statistics.compare({'x': a}, {'x': b})['x']
  assert found['mean'] == pytest.approx((a - b).mean())
  assert found['high'] - found['low'] < 0.2
  alone = statistics.summary({'x': a})['x']
  assert alone['high'] - alone['low'] > 1


@pytest.mark.parametrize(
  ('baseline', 'message'),
  [
    ({'x': np.zeros(3)}, r'x: shapes \(2,\) and \(3,\) differ'),
    ({'y': np.zeros(2)}, r"only one side has \['x', 'y'\]"),
  ],
)
def test_only_the_same_drives_compare(baseline, message):
  with pytest.raises(ValueError, match=message):
    statistics.compare({'x': np.zeros(2)}, baseline)


def test_nested_intervals_are_wide_where_groups_differ():
  groups = np.repeat([7, 9], 50)
  even = np.tile([0.0, 1.0], 50)
  same = statistics.nested(even[None], groups)
  assert same['mean'] == 0.5 and same['n'] == 100
  assert 0.35 < same['low'] < same['high'] < 0.65
  apart = statistics.nested((groups == 9)[None], groups)
  assert (apart['low'], apart['mean'], apart['high']) == (0, 0.5, 1)
  # Seeds that differ widen it as well.
  seeds = np.stack([np.zeros(100), np.ones(100)])
  assert statistics.nested(seeds, groups)['high'] == 1


def test_a_share_of_a_baseline_has_an_interval_of_its_own():
  groups = np.repeat([7, 9], 50)
  often = np.tile([0.0, 1.0], 50)
  rare = np.where(np.arange(100) % 10 == 1, 1.0, 0.0)
  found = statistics.nested(rare[None], groups, np.stack([often, often]))
  assert found['mean'] == pytest.approx(0.2)
  assert 0.05 < found['low'] < 0.2 < found['high'] < 0.4
  itself = statistics.nested(often[None], groups, often[None])
  # Drives are the same in both.
  assert itself['low'] == itself['mean'] == itself['high'] == 1
  never = statistics.nested(rare[None], groups, np.zeros((1, 100)))
  assert np.isnan(never['mean']) and np.isnan(never['low'])


def test_nested_leaves_out_what_has_no_score():
  values = np.array([[np.nan, 1.0, np.nan, np.nan]])
  found = statistics.nested(values, np.array([0, 0, 1, 1]))
  assert found == {'mean': 1, 'low': 1, 'high': 1, 'n': 1}
  assert statistics.nested(values[:, 2:], np.array([1, 1]))['n'] == 0


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
