# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A drive becomes a scene and a page, also after a kill."""

import json
import sys

import pytest

from rdrl import training
from rdrl import types
from tests import programs

SMALL = (
  '--preset=quickstart',
  '--offsets=0,3',
  '--set=world.height=24',
  '--set=world.width=40',
  '--set=world.num_steps=24',
  '--set=world.num_lidar=256',
  '--set=splat.fit.num_gaussians=1500',
  '--set=splat.fit.has_ground=True',
  '--set=splat.fit.fits_surface=True',
  '--set=splat.fit.snapshot_fractions=()',
)


def _run(*arguments):
  return programs.run('-m', 'experiments.fit_scene', *arguments, timeout=400)


@pytest.mark.slow
def test_a_scene_and_its_page(tmp_path):
  run = [*SMALL, f'--workdir={tmp_path}', '--set=splat.fit.num_steps=60']
  first = _run(*run)
  assert first.returncode == 0, first.stderr
  report = tmp_path / 'report'
  figures = json.loads((report / 'metrics.json').read_text())
  scores = figures['scene']['world_1']
  assert scores['PSNR of held-out frames, dB'] > 12
  assert scores['entries without room, most in a frame'] == 0
  assert 0 < scores['median relative error of depth on the ground'] < 1
  curve = figures['offset']['world_1']['PSNR in dB']['world_1']
  assert curve['offset'] == [0, 3]
  assert (report / 'media/inspection_0_flight.mp4').stat().st_size > 1000
  scene = training.checkpoints.read(tmp_path / 'scenes/world_1', types.Scene)
  assert len(scene.gaussians.node) == 1500 and scene.width == 40
  # A finished fit is read, not done again.
  before = (report / 'metrics.json').read_bytes()
  again = _run(*run)
  assert again.returncode == 0, again.stderr
  assert (report / 'metrics.json').read_bytes() == before
  # Another request does not overwrite it.
  other = _run(*run, '--seed=1')
  assert other.returncode == 1
  assert 'seed' in other.stderr.splitlines()[-1]


def test_a_mistake_is_one_line_and_a_failure(tmp_path):
  result = _run(f'--workdir={tmp_path}/run', '--log=kitti')
  assert result.returncode == 1
  assert '--data_dir: not set' in result.stderr.splitlines()[-1]
  assert not (tmp_path / 'run').exists()


def test_mistakes_and_their_messages(tmp_path):
  mistakes = '--preset=pod', '--streets=one', '--offsets=far'
  lines = programs.outcomes(
    'fit_scene', [[f'--workdir={tmp_path}/run', x] for x in mistakes]
  )
  for mistake, line in zip(mistakes, lines, strict=True):
    assert line.startswith('error:') and mistake in line
  assert not (tmp_path / 'run').exists()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
