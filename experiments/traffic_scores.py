# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Adversaries in recorded traffic: how many are possible, how hard are they.

  python -m experiments.traffic_scores --womd_dir=womd_scenes \
    --nuscenes_dir=nuscenes_mini_tracks --argoverse2_dir=argoverse2_logs

looks in every recording for adversaries of all families and by an inserted
car, and lets egos without anything learnt (`rdrl/policy/egos.py`) drive the
recording and what was accepted, by geometry alone. It prints tables: per data
set what became of the proposals, how difficult the accepted ones are, and
collision ratios with and without adversaries. WORKDIR holds a file for each
recording, so that a run that was killed goes on where it stopped, and
traffic.json with the ratios.
"""

import dataclasses
import pathlib

from absl import flags
import jax
import numpy as np

from data_pipelines import traffic
from experiments import flags as shared
from experiments import recordings
from rdrl import logs
from rdrl import ranges
from rdrl import report
from rdrl import scenario
from rdrl import sim
from rdrl import training
from rdrl import types
from rdrl.policy import egos
from rdrl.report import tables

_WORKDIR = shared.flag('workdir', 'runs/traffic')
# The ego, the nearest to it, and a car to insert.
_AGENTS = shared.flag('num_agents', 48)
_SEED = shared.flag('seed')
_DIRS = {name: shared.flag(f'{name}_dir') for name in recordings.SETS}
_LIMIT = shared.flag('limit')
_PROPOSALS = flags.DEFINE_integer(
  'num_proposals', 64, 'Of each kind and recording.'
)
_ACCEPTED = flags.DEFINE_integer(
  'num_accepted', 4, 'Driven of each kind and recording, at most.'
)


@dataclasses.dataclass(frozen=True)
class Request:
  """What decides the scores of a recording."""

  num_agents: ranges.Count
  seed: ranges.Seed
  scenario: scenario.Config


# Length, width and height in metres of the car that may be inserted.
_DONOR = 4.6, 1.9, 1.6
# Collisions that are counted, of `Events`.
_COLLISIONS = 'dynamic_collision', 'at_fault', 'static_collision'
_BINS = np.linspace(0, 1, 6)
_SIM = sim.Config(image_height=1, image_width=1)


def place(log):
  """The `Scene` of a log with a last agent that may be inserted.

  Lines of the map are left out, so that recordings have one shape: adversaries
  and collisions know rasters alone, and nobody here heeds lights.

  Args:
    log: of traffic; agents beyond `--num_agents` have been left out.
  """
  scene = logs.geometric_scene(log).replace(map=recordings.NO_MAP)
  scene = recordings.with_square_rasters(scene)
  scene = recordings.with_agents(scene, _AGENTS.value)
  return scenario.reserve(scene, [_DONOR])


def score(scene, key, config):
  """What becomes of proposals and of egos in one recording.

  Args:
    scene: from `place`.
    key: one key gives one answer.
    config: `scenario.Config`.

  Returns:
    `reasons`, from `scenario.expand`; `behaviour` and `difficulty` of each
    scenario, the first unedited; and by ego, by kind of collision, whether each
    scenario ended so.
  """
  scenarios, reasons = scenario.expand(scene, 0, config, key)
  kept = len(scenarios.scene)
  most = sum(config.num_accepted)
  rows = np.arange(most) % kept
  env = sim.Env.create(
    [scene], types.take(scenarios, rows), sim.NoRenderer(0, 1, 1), _SIM
  )
  ended = {ego: egos.drive(env, ego, np.arange(most)) for ego in egos.EGOS}
  return {
    'reasons': reasons,
    'behaviour': scenarios.behaviour.tolist(),
    'difficulty': np.asarray(scenarios.difficulty, float).tolist(),
    'egos': {
      ego: {name: getattr(x, name)[:kept].tolist() for name in _COLLISIONS}
      for ego, x in ended.items()
    },
  }


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
        report.statistics.summary({kind: np.concatenate(side)})[kind]
        for side in sides
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


def main():
  for flag in (_AGENTS, _PROPOSALS, _ACCEPTED):
    if flag.value < 1 + (flag is _AGENTS):
      raise training.config.ConfigError(f'--{flag.name}: {flag.value} is none')
  training.mesh.start()
  wanted = (_ACCEPTED.value,) * len(scenario.ADVERSARIES)
  config = dataclasses.replace(
    scenario.Config(),
    num_proposals=_PROPOSALS.value,
    num_accepted=(1, *wanted, *(0,) * len(scenario.COUSINS)),
    reactive=False,
  )
  options = traffic.Options(num_agents=_AGENTS.value - 1)
  todo = recordings.asked_for(_DIRS, _LIMIT.value, options)
  workdir = pathlib.Path(_WORKDIR.value)
  training.config.record(workdir, Request(_AGENTS.value, _SEED.value, config))
  key = jax.random.key(_SEED.value)
  found = recordings.scored(
    todo, workdir, lambda log: score(place(log), key, config)
  )
  summary = {}
  for name, ones in found.items():
    ones = list(ones.values())
    print(f'\n{name}, {len(ones)} recordings')
    for line in reasons_table(ones):
      print(line)
    hard = difficulties(ones)
    print(f'\nDifficulty of accepted ones, by fifths of 0 to 1: {hard}\n')
    for line in ratios_table(ones):
      print(line)
    summary[name] = {'difficulties': hard, 'ratios': ratios(ones)}
  recordings.write(workdir / 'traffic.json', summary)


if __name__ == '__main__':
  training.cli.run(main)
