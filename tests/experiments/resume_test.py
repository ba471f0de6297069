# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A run that is killed in every stage ends like one that never was."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from experiments import road

ROOT = pathlib.Path(__file__).parents[2]
TINY = (
  '--set=train_seeds=(1,)',
  '--set=splat.num_gaussians=4096',
  '--set=splat.num_steps=60',
  '--set=splat.refit_steps=20',
  '--set=prior.num_steps=6',
  '--set=refine.num_clips=16',
  '--set=refine.clip_period=40',
  '--set=scenario.num_proposals=16',
  '--set=imitation.num_steps=20',
  '--set=imitation.stride=12',
  '--set=ppo.num_updates=2',
  '--set=ppo.num_envs=4',
  '--set=num_test_drives=8',
)


def _start(workdir, arguments):
  return subprocess.Popen(
    [
      *(sys.executable, '-m', 'experiments.recondreamer_rl'),
      *(f'--workdir={workdir}', *arguments),
    ],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    env=os.environ | {'PYTHONUNBUFFERED': '1'},
  )


def _kill_during(stage, workdir, arguments, seconds):
  """Starts the road and kills it some time after `stage` began."""
  process = _start(workdir, arguments)
  index = road.STAGES.index(stage)
  if index:
    for line in process.stdout:
      if line.startswith(f'{road.STAGES[index - 1]}: '):
        break
  try:
    process.wait(seconds)
  except subprocess.TimeoutExpired:
    process.send_signal(signal.SIGKILL)
  assert process.wait() == -signal.SIGKILL, f'{stage} ended too soon'


def _metrics(workdir, arguments):
  process = _start(workdir, arguments)
  out, _ = process.communicate()
  assert process.returncode == 0, out
  return (workdir / 'report' / 'metrics.json').read_bytes()


@pytest.mark.slow
def test_two_runs_are_one_and_so_is_one_that_was_killed_nine_times(tmp_path):
  whole = _metrics(tmp_path / 'whole', TINY)
  assert _metrics(tmp_path / 'again', TINY) == whole
  for stage in road.STAGES:
    _kill_during(stage, tmp_path / 'killed', TINY, seconds=4)
  assert _metrics(tmp_path / 'killed', TINY) == whole


if __name__ == '__main__':
  sys.exit(pytest.main([__file__, '-m', 'slow']))
