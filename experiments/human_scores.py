# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Scores the recorded human drivers: what a perfect imitator would get.

  python -m experiments.human_scores --womd_dir=womd_scenes

replays every recording, first step to last, and prints for each data set the
mean of nuPlan's closed-loop score, its parts, and the recordings below 0.9 with
the reasons. Low scores here are due to the recording or to the score, not to a
policy. WORKDIR holds a file for each recording, so that a killed run resumes,
and human.json with all of them.
"""

import pathlib

from data_pipelines import traffic
from experiments import flags as shared
from experiments import recordings
from rdrl import logs
from rdrl import training
from rdrl.report import human_scores

_WORKDIR = shared.flag('workdir', 'runs/human')
_DIRS = {name: shared.flag(f'{name}_dir') for name in recordings.SETS}
_LIMIT = shared.flag('limit')


def main():
  todo = recordings.asked_for(_DIRS, _LIMIT.value, traffic.DEFAULT)
  training.mesh.start()
  workdir = pathlib.Path(_WORKDIR.value)
  found = recordings.scored(
    todo, workdir, lambda log: human_scores.score(logs.geometric_scene(log))
  )
  for name, ones in found.items():
    print(f'\n{name}, {len(ones)} recordings\n')
    for line in human_scores.table(ones):
      print(line)
  recordings.write(workdir / 'human.json', found)


if __name__ == '__main__':
  training.cli.run(main)
