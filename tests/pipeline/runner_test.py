# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Stages come in order, keep nothing without a folder and show what is done."""

import ast
import dataclasses
import json
import pathlib
import sys

import jax
import numpy as np
import pytest

from rdrl import pipeline
from rdrl import training
from rdrl import types
from rdrl.pipeline import runner
from rdrl.pipeline import stages
from tests import tiny

SMALL = (
  'train_seeds=(1,)',
  'test_seeds=(2,)',
  'num_agents=4',
  'world.num_agents=4',
  'world.height=24',
  'world.width=40',
  'world.num_steps=61',
  'world.num_lidar=64',
  'world.supersample=1',
)


def _request(*assignments):
  config = training.config.override(pipeline.Config(), (*SMALL, *assignments))
  return pipeline.Request('world', None, 0, config)


def _recording(steps=16):
  """A drive of which there are only pictures."""
  images = np.random.default_rng(0).integers(
    0, 255, (steps, 3, 24, 40, 3), np.uint8
  )
  rest = [f.name for f in dataclasses.fields(types.Log)]
  log = types.Log(
    **{name: None for name in rest}
    | {'images': images, 'times': 0.1 * np.arange(steps)}
  )
  return pipeline.Recording('drive', log, 'drive')


def test_a_stage_takes_nouns_of_stages_before_it():
  assert (*runner._STAGES, 'report') == pipeline.STAGES
  for name, (_, inputs) in runner._STAGES.items():
    before = pipeline.STAGES[: pipeline.STAGES.index(name)]
    assert set(inputs) <= set(before), name
  for by_stage in runner._PARTS.values():
    # The last one that is done is the one that shows most.
    assert list(by_stage) == sorted(by_stage, key=pipeline.STAGES.index)


@pytest.mark.slow
def test_drives_of_one_shape_are_fitted_at_once_and_read_back(tmp_path):
  config = training.config.override(pipeline.Config(), tiny.OVERRIDES)
  run = stages.Run(pipeline.Request('world', None, 0, config), tmp_path)
  recordings = stages.record(run)
  assert stages._are_alike(recordings)
  found = stages.fit_together(run, recordings)
  assert [one.recording.name for one in found] == ['world_1', 'world_102']
  for one, alone in zip(found, stages.fit(run, recordings), strict=True):
    # Of other draws.
    assert one.metrics['psnr'] == pytest.approx(alone.metrics['psnr'], abs=1.5)
  again = stages.fit_together(run, recordings)
  jax.tree.map(
    np.testing.assert_array_equal,
    [one.scene for one in again],
    [one.scene for one in found],
  )
  twice = [dataclasses.replace(one, group='one') for one in recordings]
  assert not stages._are_alike(twice)
  short = jax.tree.map(lambda x: x[:-1], recordings[0].log)
  other = dataclasses.replace(recordings[0], log=short)
  assert not stages._are_alike([other, recordings[1]])


def test_the_outline_in_the_readme_calls_the_stages_as_the_runner_does():
  readme = (pathlib.Path(__file__).parents[2] / 'README.md').read_text()
  lines = ast.parse(readme.split('```python')[1].split('```')[0]).body
  noun_of, called = {}, []
  for line in lines:
    stage, (run, *inputs) = line.value.func.attr, line.value.args
    assert (line.value.func.value.id, run.id) == ('stages', 'run')
    called.append((stage, tuple(noun_of[x.id] for x in inputs)))
    noun_of[line.targets[0].id] = stage
  assert called == [(k, x) for k, (_, x) in runner._STAGES.items()]


def test_the_report_shows_a_recording_and_what_shows_more_stays(tmp_path):
  reporter = runner._Reporter(pipeline.Run(_request(), tmp_path))
  assert not reporter.page.exists()
  reporter.write('record', {'record': (_recording(),)}, {'record': 1.5})
  page = reporter.page.read_text()
  assert 'media/reconstruction_0.mp4' in page
  assert '<td>' not in page
  figures = reporter.page.with_name('metrics.json')
  facts = json.loads(figures.read_text())['facts']
  assert (facts['last stage'], facts['drives fitted']) == ('record', 1)
  seconds = json.loads(reporter.page.with_name('timing.json').read_text())
  assert seconds == {'seconds': {'record': 1.5}}

  # As a run leaves it that was killed after `imitate` and begins again.
  figures.write_text(json.dumps({'facts': {'last stage': 'imitate'}}))
  again = runner._Reporter(pipeline.Run(_request(), tmp_path))
  again.write('record', {'record': (_recording(),)}, {})
  assert json.loads(figures.read_text())['facts'] == {'last stage': 'imitate'}


def test_what_is_shown_is_made_once_and_encoded_once(tmp_path, monkeypatch):
  calls = []
  encode = runner.report.page.videos.write
  monkeypatch.setattr(
    runner.report.page.videos,
    'write',
    lambda path, *args: [calls.append(path.name), encode(path, *args)],
  )
  reporter = runner._Reporter(pipeline.Run(_request(), tmp_path))
  nouns = {'record': (_recording(),)}
  reporter.write('record', nouns, {})
  reporter.write('fit', nouns, {})
  assert calls == ['reconstruction_0.mp4']
  assert (reporter.page.parent / 'media/reconstruction_0.mp4').stat().st_size


@pytest.mark.slow
def test_a_stage_without_a_folder_gives_what_it_gives_with_one(tmp_path):
  request = _request()
  alone = pipeline.record(pipeline.Run(request))
  kept = pipeline.record(pipeline.Run(request, tmp_path / 'run'))
  read = pipeline.record(pipeline.Run(request, tmp_path / 'run'))
  for other in (kept, read):
    assert [x.name for x in other] == ['world_1', 'world_2']
    assert [x.is_test for x in other] == [False, True]
    for one, two in zip(alone, other, strict=True):
      # Checkpoints keep the times, float64, as float32.
      times = one.log.times.astype(np.float32)
      jax.tree.map(
        np.testing.assert_array_equal,
        one.log.replace(times=times),
        two.log.replace(times=two.log.times.astype(np.float32)),
      )
  assert (tmp_path / 'run/logs/world_1').is_dir()
  with pytest.raises(dataclasses.FrozenInstanceError):
    alone[0].log = None


@pytest.mark.slow
def test_a_run_that_ends_early_shows_what_it_did(tmp_path, capsys):
  request = _request(
    'splat.fit.num_gaussians=600',
    'splat.fit.gaussians_per_object=16',
    'splat.grid.size=64',
    'splat.fit.num_steps=6',
  )
  page = pipeline.run(request, tmp_path / 'run', 'fit')
  out = capsys.readouterr().out
  # The path comes before the first stage is done.
  assert out.index(str(page)) < out.index('record: ')
  facts = json.loads(page.with_name('metrics.json').read_text())['facts']
  assert facts['last stage'] == 'fit'
  assert 'reconstructed' in page.read_text()
  before = page.stat().st_mtime_ns
  pipeline.run(request, tmp_path / 'run', 'record')
  assert page.stat().st_mtime_ns == before


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
