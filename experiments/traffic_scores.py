# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Scores adversaries in recorded traffic: how many are possible, how hard.

  python -m experiments.traffic_scores --womd_dir=womd_scenes \
    --nuscenes_dir=nuscenes_mini_tracks --argoverse2_dir=argoverse2_logs

proposes adversaries of all families and insertions in every recording, and lets
rule-based egos (`rdrl/policy/egos.py`) drive the recording and the accepted
scenarios, without rendering. It prints tables for each data set: outcomes of
the proposals, difficulty of the accepted ones, and collision ratios with and
without adversaries. WORKDIR holds a file for each recording, so that a killed
run resumes, and traffic.json with the ratios. Other adversaries can be given in
words,

  --scenario="the car on the right cuts in hard after two seconds"

WORKDIR/scenario_0.png shows the first accepted one from above, with the ego as
recorded. The others repeat their tracks, unless --set=scenario.reactive=True
lets them react.
"""

import dataclasses
import pathlib

from absl import flags
import jax

from data_pipelines import traffic
from experiments import flags as shared
from experiments import recordings
from rdrl import pipeline
from rdrl import ranges
from rdrl import scenario
from rdrl import sim
from rdrl import training
from rdrl import trees
from rdrl.report import top_view
from rdrl.report import traffic_scores
from rdrl.report import videos

_WORKDIR = shared.flag('workdir', 'runs/traffic')
# The ego, the agents nearest to it, and a donor.
_AGENTS = shared.flag('num_agents', 48)
_SEED = shared.flag('seed')
_DIRS = {name: shared.flag(f'{name}_dir') for name in recordings.SETS}
_LIMIT = shared.flag('limit')
_SCENARIO = shared.flag('scenario')
_SET = shared.flag('set')
_PROPOSALS = flags.DEFINE_integer(
  'num_proposals', 64, 'Of each kind and recording.'
)
_ACCEPTED = flags.DEFINE_integer(
  'num_accepted', 4, 'Driven of each kind and recording, at most.'
)


@dataclasses.dataclass(frozen=True)
class Request:
  """Parameters of the scores."""

  num_agents: ranges.Count
  seed: ranges.Seed
  scenario: scenario.Config


def main():
  for flag in (_AGENTS, _PROPOSALS, _ACCEPTED):
    if flag.value < 1 + (flag is _AGENTS):
      raise training.config.ConfigError(f'--{flag.name}: {flag.value} is none')
  training.mesh.start()
  wanted = (_ACCEPTED.value,) * len(scenario.ADVERSARIES)
  replays = pipeline.Config(scenario=scenario.Config(reactive=False))
  config = training.config.override(replays, _SET.value).scenario
  config = dataclasses.replace(
    config,
    num_proposals=_PROPOSALS.value,
    sentences=config.sentences + shared.sentences(_SCENARIO),
    accepted_per_sentence=_ACCEPTED.value,
    num_accepted=(1, *wanted, *(0,) * len(scenario.COUSINS)),
  )
  if wrong := scenario.grammar.misfit(config):
    raise training.config.ConfigError(f'--scenario: {wrong}')
  options = traffic.Options(num_agents=_AGENTS.value - 1)
  todo = recordings.asked_for(_DIRS, _LIMIT.value, options)
  workdir = pathlib.Path(_WORKDIR.value)
  training.config.record(workdir, Request(_AGENTS.value, _SEED.value, config))
  key = jax.random.key(_SEED.value)

  def score(log):
    scene = traffic_scores.place(log, _AGENTS.value)
    found, told = traffic_scores.score(scene, key, config)
    for number, sentence in enumerate(config.sentences):
      path = workdir / f'scenario_{number}.png'
      if sentence in told and not path.exists():
        variant = trees.take(told[sentence], 0)
        image = top_view.replayed(scene, variant, log.map, sim.Config())
        videos.write_image(path, image)
    return found

  found = recordings.scored(todo, workdir, score)
  ones = [one for part in found.values() for one in part.values()]
  for number, sentence in enumerate(config.sentences):
    count = sum(one['reasons'][sentence]['accepted'] > 0 for one in ones)
    seen = f', see {workdir}/scenario_{number}.png' if count else ''
    print(f'{sentence}: accepted in {count} recordings{seen}')
  summary = {}
  for name, ones in found.items():
    ones = list(ones.values())
    print(f'\n{name}, {len(ones)} recordings')
    for line in traffic_scores.reasons_table(ones):
      print(line)
    hard = traffic_scores.difficulties(ones)
    print(f'\nDifficulty of accepted ones, by fifths of 0 to 1: {hard}\n')
    for line in traffic_scores.ratios_table(ones):
      print(line)
    summary[name] = {
      'difficulties': hard,
      'ratios': traffic_scores.ratios(ones),
    }
  recordings.write(workdir / 'traffic.json', summary)


if __name__ == '__main__':
  training.cli.run(main)
