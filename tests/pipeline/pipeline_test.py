# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The pipeline, its real stages at a tiny size, in one process."""

import json
import sys

import numpy as np
import pytest

from rdrl import pipeline
from rdrl import refine
from rdrl import training
from rdrl import trees
from rdrl.pipeline import stages
from rdrl.report import scene_scores
from tests import tiny

TOLD = 'a car brakes hard', 'the bus on the left cuts in'
# So much more that the prior has something to repair and learns how.
LEARNS = (
  'splat.fit.num_steps=150',
  'splat.fit.refit_steps=100',
  'prior.num_steps=60',
  'prior.batch_size=4',
  'refine.num_clips=16',
  'shown_offsets=(0.0,-3.0)',
  f'scenario.sentences={TOLD}',
)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A `pipeline.Run` that has come as far as its repaired scenes."""
  config = training.config.override(
    pipeline.Config(), (*tiny.OVERRIDES, *LEARNS)
  )
  request = pipeline.Request('world', None, 0, config)
  run = pipeline.Run(request, tmp_path_factory.mktemp('run'))
  page = pipeline.run(request, run.workdir, 'refine')
  assert page == run.workdir / 'report' / 'index.html'
  return run


@pytest.fixture(scope='module')
def finished(run):
  """The same, resumed and run to its end."""
  pipeline.run(run.request, run.workdir)
  return run


@pytest.fixture(scope='module')
def repaired(run):
  """`Repaired` of the street that is tested on, read back."""
  fits = stages.fit(run, stages.record(run))
  return stages.refine(run, fits, stages.prior(run, fits))[-1]


@pytest.mark.slow
def test_the_report_shows_all_stages_and_both_worlds(finished):
  report = finished.workdir / 'report'
  metrics = json.loads((report / 'metrics.json').read_text())
  assert metrics['facts']['last stage'] == 'report'
  seconds = json.loads((report / 'timing.json').read_text())['seconds']
  assert set(seconds) == set(pipeline.STAGES)
  worlds = metrics['driving']
  assert {'simulator', 'world'} < set(worlds)
  for world in (worlds['simulator'], worlds['world']):
    assert set(world) >= {'imitation', 'dagger', 'ppo'}
  videos = {path.name for path in (report / 'media').glob('*.mp4')}
  page = (report / 'index.html').read_text()
  assert videos and all(f'media/{name}' in page for name in videos)
  assert all(sentence in page for sentence in TOLD)


def test_a_restored_view_is_nearer_to_the_truth_than_its_render(repaired):
  repair, recording = repaired.repair, repaired.recording
  assert np.all(repair.offset == -3)
  steps = repair.steps[:: recording.log.images.shape[1]].reshape(-1)
  cameras = refine.shifted_cameras(repaired.fitted.scene, -3.0, steps)
  agents = trees.take(recording.log.tracks, steps)
  truth = scene_scores.truth(recording.street, cameras, agents)

  def psnr(clips):
    # Clips of the cameras of one moment follow each other.
    shape = -1, truth.shape[1], *clips.shape[1:]
    views = np.moveaxis(clips.reshape(shape), 1, 2) / 255
    return -10 * np.log10(np.mean((views.reshape(truth.shape) - truth) ** 2))

  assert psnr(repair.restored) > psnr(repair.degraded) + 0.2


def test_refining_brings_the_scene_nearer_to_the_truth(repaired):
  (_, before), (_, after) = (
    repaired.shifted[stage][1] for stage in ('fitted', 'refined')
  )
  assert after > before + 0.2


@pytest.mark.slow
def test_both_stages_of_learning_took_their_steps(finished):
  for name, steps in {
    'imitation/recorded': 8,
    'imitation/round_1': 4,
    'ppo': 2,
  }.items():
    folder = finished.workdir / name
    assert training.checkpoints.latest_step(folder / 'checkpoints') == steps
    lines = training.loop.read_metrics(folder)
    assert lines and all(np.isfinite(line['loss']) for line in lines)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
