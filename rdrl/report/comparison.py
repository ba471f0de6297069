# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives of all policies in all worlds: scores side by side, worst first."""

from collections.abc import Mapping
import dataclasses

import jax
import numpy as np

from rdrl import trees
from rdrl import types
from rdrl.report import content
from rdrl.report import metrics
from rdrl.report import statistics


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Scores of drives of all policies in all worlds.

  Attributes:
    worlds: names, the one trained in first.
    policies: names, the baseline first.
    count: drives of each policy in each world.
    scores: (world, policy) to `metrics.scores`.
    figures: world, or difference of two, to policy, or difference of two, to
      `statistics.summary` or `statistics.compare`.
  """

  worlds: list[str]
  policies: list[str]
  count: int
  scores: Mapping[tuple[str, str], Mapping]
  figures: Mapping[str, Mapping]

  @property
  def tables(self):
    """Scores of all worlds, then of each difference of two worlds."""
    worlds = {world: self.figures[world] for world in self.worlds}
    gaps = [{k: v} for k, v in self.figures.items() if k not in worlds]
    return [_table(groups) for groups in (worlds, *gaps)]


def compare(driving: content.Driving) -> Comparison:
  """Scores all drives.

  Raises:
    ValueError: if they did not meet the same scenarios.
  """
  scores, figures = {}, {}
  worlds = list(driving.drives)
  policies = list(driving.drives[worlds[0]])
  expected = np.asarray(driving.drives[worlds[0]][policies[0]].scenario)
  for world in worlds:
    if list(driving.drives[world]) != policies:
      raise ValueError(
        f'driving: {world} has the policies {list(driving.drives[world])}, '
        f'{worlds[0]} has {policies}'
      )
    for policy, drive in driving.drives[world].items():
      if not np.array_equal(np.asarray(drive.scenario), expected):
        raise ValueError(
          f'driving: {policy} in {world} met other scenarios than '
          f'{policies[0]} in {worlds[0]}'
        )
      scores[world, policy] = metrics.scores(drive)
  for world in worlds:
    figures[world] = {
      policy: statistics.summary(scores[world, policy]) for policy in policies
    }
    for policy in policies[1:]:
      figures[world][f'{policy} - {policies[0]}'] = statistics.compare(
        scores[world, policy], scores[world, policies[0]]
      )
  for world in worlds[1:]:
    figures[f'{world} - {worlds[0]}'] = {
      policy: statistics.compare(
        scores[world, policy], scores[worlds[0], policy]
      )
      for policy in policies
    }
  return Comparison(worlds, policies, len(expected), scores, figures)


def _table(groups):
  """Scores as rows; worlds, or differences of two, as groups of columns."""
  rows = [
    {
      'label': metric.label,
      'source': metric.source,
      'unit': metric.unit,
      'is_part': metric.label[0].islower(),
      'cells': [
        _cell(column[name], metric, ' - ' in key or ' - ' in group)
        for group, columns in groups.items()
        for key, column in columns.items()
      ],
    }
    for name, metric in metrics.METRICS.items()
  ]
  return {
    'groups': [(group, list(columns)) for group, columns in groups.items()],
    'rows': [row for row in rows if not _is_zero(row)],
    'zeros': [row for row in rows if _is_zero(row)],
  }


def _is_zero(row):
  """Whether a row of the table has nothing but zeros, for sure."""
  return all(
    cell['n'] > 0 and cell['mean'] == cell['low'] == cell['high'] == 0
    for cell in row['cells']
  )


def _cell(interval, metric, is_difference):
  """A number of the table, with whether its difference is one for sure."""
  verdict = ''
  known = interval['n'] > 0
  if is_difference and known and not interval['low'] <= 0 <= interval['high']:
    better = (interval['mean'] > 0) == metric.higher_is_better
    verdict = 'better' if better else 'worse'
  return interval | {'sign': is_difference, 'verdict': verdict}


# Scores in a row of the list of drives; and those that sort it, worst first:
# the first in which two drives differ decides.
_TOLD = ('closed_loop_score', 'progress', 'time_to_collision')
_ORDER = (
  'at_fault_collision',
  'collision',
  'deviation',
  'off_road',
  'closed_loop_score',
  'progress',
  'time_to_collision',
  'average_deviation',
)


def outcome(drive):
  """How a `Drive` `[]` ended, in words."""
  return _outcome(lambda name: metrics.METRICS[name].function(drive))


def _outcome(score):
  """How a drive ended, in words; `score` gives that of a name."""
  for name, words in (
    ('at_fault_collision', 'collision, at fault'),
    ('dynamic_collision', 'collision, not at fault'),
    ('static_collision', 'hit an obstacle'),
    ('position_deviation', 'too far from the path'),
    ('heading_deviation', 'turned off the path'),
    ('off_road', 'left the road'),
  ):
    if score(name):
      return words
  return 'no incident'


def ranked(driving: content.Driving, compared: Comparison):
  """Rows of all drives, worst first."""
  rows = []
  for (world, policy), scores in compared.scores.items():
    drives = jax.tree.map(np.asarray, driving.drives[world][policy])
    for i in range(compared.count):
      row = _row(driving, trees.take(drives, i), trees.take(scores, i))
      rows.append(row | {'world': world, 'policy': policy})
  return sorted(rows, key=lambda row: row['badness'])


def _row(driving, drive, scores):
  scenario = int(drive.scenario)
  return {
    'drive': drive,
    'lane_map': driving.maps[int(driving.scenes[scenario])],
    'scenario': scenario,
    'behaviour': driving.behaviours[int(drive.behaviour)].replace('_', ' '),
    'outcome': _outcome(scores.get),
    'seconds': (int(drive.valid.sum()) - 1) * types.TIME_STEP,
    'badness': _badness(scores),
    **{name: scores[name] for name in _TOLD},
  }


def _badness(scores):
  """Key that is least for the worst drive; no score is no worse."""
  return tuple(
    np.nan_to_num(
      scores[name] if metrics.METRICS[name].higher_is_better else -scores[name],
      nan=np.inf,
    )
    for name in _ORDER
  )
