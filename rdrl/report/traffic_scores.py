# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Adversaries in recorded traffic: how many are possible, how hard are they.

Egos without anything learnt (`rdrl/policy/egos.py`) drive the recording and the
adversaries that were accepted, by geometry alone.
"""

import numpy as np

from rdrl import logs
from rdrl import scenario
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.logs import few_shapes
from rdrl.policy import egos
from rdrl.report import statistics
from rdrl.report import tables

# Length, width and height in metres of the car that may be inserted.
_DONOR = 4.6, 1.9, 1.6
# Collisions that are counted, of `Events`.
_COLLISIONS = 'dynamic_collision', 'at_fault', 'static_collision'
_BINS = np.linspace(0, 1, 6)
_SIM = sim.Config(image_height=1, image_width=1)


def place(log, num_agents):
  """The `Scene` of a log with a last agent that may be inserted.

  Lines of the map are left out, so that recordings have one shape: adversaries
  and collisions know rasters alone, and nobody here heeds lights.

  Args:
    log: of traffic.
    num_agents: budget, the one who may be inserted included; the log has fewer.
  """
  scene = logs.geometric_scene(log).replace(map=types.NO_MAP)
  scene = few_shapes.with_square_rasters(scene)
  scene = few_shapes.with_agents(scene, num_agents)
  return scenario.reserve(scene, [_DONOR])


def score(scene, key, config):
  """What becomes of proposals and of egos in one recording.

  Args:
    scene: from `place`.
    key: one key gives one answer.
    config: `scenario.Config`.

  Returns:
    A dict, and the scenarios of each sentence, see `scenario.of_sentences`. In
    the dict stand `reasons`, from `scenario.expand`; `behaviour` and
    `difficulty` of each scenario, the first unedited; and by ego, by kind of
    collision, whether each scenario ended so.
  """
  scenarios, reasons = scenario.expand(scene, 0, config, key)
  kept = len(scenarios.scene)
  most = sum(config.num_accepted)
  most += len(config.sentences) * config.accepted_per_sentence
  rows = np.arange(most) % kept
  env = sim.Env.create(
    [scene], trees.take(scenarios, rows), sim.NoRenderer(0, 1, 1), _SIM
  )
  driven = {ego: egos.drive(env, ego, np.arange(most)) for ego in egos.EGOS}
  found = {
    'reasons': reasons,
    'behaviour': scenarios.behaviour.tolist(),
    'difficulty': np.asarray(scenarios.difficulty, float).tolist(),
    'egos': {
      ego: {
        name: np.any(getattr(drive.events, name)[:kept], -1).tolist()
        for name in _COLLISIONS
      }
      for ego, drive in driven.items()
    },
  }
  return found, scenario.of_sentences(scenarios, reasons, config)


def reasons_table(found):
  """Lines of a table: what became of proposals, by behaviour."""
  total = {}
  for one in found:
    for behaviour, counts in one['reasons'].items():
      row = total.setdefault(behaviour, dict.fromkeys(scenario.REASONS, 0))
      for reason, count in counts.items():
        row[reason] += count
  used = [r for r in scenario.REASONS if any(row[r] for row in total.values())]
  rows = []
  for behaviour, row in total.items():
    scenes = sum(one['reasons'][behaviour]['accepted'] > 0 for one in found)
    name = behaviour.replace('_', ' ')
    rows.append([name, scenes, *(row[reason] for reason in used)])
  labels = [reason.replace('_', ' ') for reason in used]
  yield from tables.markdown(['', 'scenes', *labels], rows)


def ratios(found):
  """`{ego: {kind: (without, with)}}`, each from `report.statistics`.

  Without adversaries, of the recordings, and with one, of all accepted ones.
  """
  table = {}
  for ego in egos.EGOS:
    table[ego] = {}
    for kind in _COLLISIONS:
      sides = [], []
      for one in found:
        edited = np.array(one['behaviour']) > 0
        values = np.array(one['egos'][ego][kind], float)
        sides[0].append(values[~edited])
        sides[1].append(values[edited])
      table[ego][kind] = tuple(
        statistics.summary({kind: np.concatenate(side)})[kind] for side in sides
      )
  return table


def ratios_table(found):
  """Lines of a table of `ratios`."""
  columns = [
    f'{kind.replace("_", " ")}, {side}'
    for kind in _COLLISIONS
    for side in ('recording', 'adversaries')
  ]
  rows = [
    [ego, *(tables.interval(x) for kind in _COLLISIONS for x in kinds[kind])]
    for ego, kinds in ratios(found).items()
  ]
  yield from tables.markdown(['', *columns], rows)


def difficulties(found):
  """Numbers of accepted adversaries by difficulty, in fifths of 0 to 1."""
  values = [
    value
    for one in found
    for value, behaviour in zip(
      one['difficulty'], one['behaviour'], strict=True
    )
    if behaviour > 0
  ]
  return np.histogram(np.clip(values, 0, 1), _BINS)[0].tolist()
