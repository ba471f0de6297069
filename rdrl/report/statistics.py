# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Means over drives with their uncertainty.

Intervals are 95 % percentile intervals of the bootstrap over drives (Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). They show
what other drives of the same kind would have changed, not other seeds of
training; where all drives score the same, an interval has no width.
"""

import functools

import numpy as np

NUM_RESAMPLES = 2000
LEVEL = 0.95


def summary(scores, seed=0):
  """Mean and interval of each score.

  Args:
    scores: name to `[n]`, from `metrics.scores`; NaN has no score.
    seed: of the resampling; the same seed gives the same interval.

  Returns:
    name to `{'mean', 'low', 'high', 'n'}`, floats and the number of drives that
    have the score; without any, the floats are NaN.
  """
  return {name: _interval(x, seed) for name, x in scores.items()}


def compare(scores, baseline, seed=0):
  """Mean and interval of `scores - baseline`, paired drive by drive.

  Args:
    scores: name to `[n]`.
    baseline: name to `[n]` of the same scenarios in the same order.
    seed: of the resampling.

  Returns:
    As `summary`; a drive counts where both have the score.

  Raises:
    ValueError: if a name is missing or the numbers of drives differ.
  """
  if scores.keys() != baseline.keys():
    different = sorted(scores.keys() ^ baseline.keys())
    raise ValueError(f'compare: only one side has {different}')
  for name, x in scores.items():
    if np.shape(x) != np.shape(baseline[name]):
      raise ValueError(
        f'compare: {name}: shapes {np.shape(x)} and '
        f'{np.shape(baseline[name])} differ'
      )
  return summary(
    {name: np.subtract(x, baseline[name]) for name, x in scores.items()}, seed
  )


def nested(values, groups, baseline=None, seed=0):
  """Mean and interval over seeds of training and groups of drives.

  Resamples seeds, groups and then the drives of each group, since drives of one
  street and one policy are alike.

  Args:
    values: `[s, n]` a score of each seed and drive; NaN has no score.
    groups: `[n]`, such as the street of each drive.
    baseline: `[t, n]` the same of another policy in the same drives: what is
      described is then the mean of `values` over its own. None divides by
      nothing.
    seed: of the resampling.

  Returns:
    As one of `summary`.
  """
  values = np.asarray(values, np.float64)
  tables = [values] if baseline is None else [values, np.asarray(baseline)]
  rng = np.random.default_rng(seed)
  scored = ~np.all(np.isnan(values), 0)
  columns = [
    np.flatnonzero((groups == group) & scored)
    for group in np.unique(groups[scored])
  ]
  if not columns:
    return {'mean': np.nan, 'low': np.nan, 'high': np.nan, 'n': 0}
  # How often each column is drawn, of a group as often as that is.
  share = np.full(len(columns), 1 / len(columns))
  often = rng.multinomial(len(columns), share, NUM_RESAMPLES)
  drawn = np.zeros((NUM_RESAMPLES, len(groups)))
  for times, part in zip(often.T, columns, strict=True):
    share = np.full(part.size, 1 / part.size)
    drawn[:, part] = rng.multinomial(times * part.size, share)
  means = []
  for table in tables:
    share = np.full(len(table), 1 / len(table))
    rows = rng.multinomial(len(table), share, NUM_RESAMPLES)
    total = np.sum(rows @ np.nan_to_num(table) * drawn, 1)
    means.append(_divided(total, np.sum(rows @ ~np.isnan(table) * drawn, 1)))
  means = functools.reduce(_divided, means)
  means = means[~np.isnan(means)]
  tail = (1 - LEVEL) / 2
  low, high = (
    np.quantile(means, [tail, 1 - tail]) if means.size else (np.nan, np.nan)
  )
  mean = functools.reduce(
    _divided, [np.nanmean(table[:, scored]) for table in tables]
  )
  return {
    'mean': float(mean),
    'low': float(low),
    'high': float(high),
    'n': int(np.sum(~np.isnan(values))),
  }


def _divided(x, y):
  """A ratio; over nothing there is none."""
  return np.divide(
    x, y, out=np.full(np.shape(x), np.nan), where=np.greater(y, 0)
  )


def _interval(x, seed):
  x = np.asarray(x, np.float64)
  x = x[~np.isnan(x)]
  if not x.size:
    return {'mean': np.nan, 'low': np.nan, 'high': np.nan, 'n': 0}
  index = np.random.default_rng(seed).integers(
    0, x.size, (NUM_RESAMPLES, x.size)
  )
  tail = (1 - LEVEL) / 2
  low, high = np.quantile(x[index].mean(-1), [tail, 1 - tail])
  return {
    'mean': float(x.mean()),
    'low': float(low),
    'high': float(high),
    'n': int(x.size),
  }
