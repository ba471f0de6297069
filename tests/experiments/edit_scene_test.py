# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A fitted scene is edited on the command line; mistakes end in one line."""

import json
import sys

import jax
import numpy as np
import pytest

from experiments import presets
from rdrl import pipeline
from rdrl import splat
from rdrl import training
from rdrl import types
from tests import programs

STEPS = 3


def _edit(*arguments):
  return programs.run('-m', 'experiments.edit_scene', *arguments)


def _scene(road):
  """A car ahead of the ego, before a wall; agent 2 is nowhere."""
  rng = np.random.default_rng(0)
  absent = road.straight(0, 0, 0, STEPS) | {'valid': np.zeros(STEPS, bool)}
  scene = road.scene(
    road.straight(0, 0, 5, STEPS), road.straight(8, 0.5, 5, STEPS), absent
  )

  def gaussians(count, node, middle, spread):
    return types.Gaussians(
      means=np.float32(rng.uniform(-1, 1, (count, 3)) * spread + middle),
      log_scales=np.full((count, 3), -1, np.float32),
      quats=np.float32(rng.normal(size=(count, 4))),
      opacity_logits=np.full(count, 1, np.float32),
      sh=np.float32(rng.normal(0, 0.4, (count, 1, 3))),
      node=np.full(count, node, np.int32),
    )

  car, wall = gaussians(30, 1, 0, [2, 1, 0.7]), gaussians(60, 0, [16, 0, 1], 4)
  return jax.tree.map(
    np.asarray,
    scene.replace(
      gaussians=jax.tree.map(lambda *x: np.concatenate(x), car, wall),
      exposure=np.eye(3, 4, dtype=np.float32)[None],
      intrinsics=np.float32([[[24, 0, 16], [0, 24, 8], [0, 0, 1]]]),
      height=16,
      width=32,
    ),
  )


@pytest.fixture(scope='module')
def fitted(road, tmp_path_factory):
  """A work directory as `experiments.fit_scene` leaves it."""
  workdir = tmp_path_factory.mktemp('fitted')
  config = training.config.override(
    presets.get_scene('quickstart'), ['splat.render.entries_per_gaussian=16.0']
  )
  training.config.record(workdir, pipeline.Request('kitti', '/d', 0, config))
  training.checkpoints.save(workdir / 'scenes/drive', 0, _scene(road))
  return workdir


def _read(out):
  return training.checkpoints.read(out / 'scenes/drive', types.Scene)


@pytest.mark.slow
def test_a_car_leaves_through_the_bank_and_comes_back_elsewhere(
  fitted, tmp_path
):
  bank, out = tmp_path / 'bank', tmp_path / 'out'
  before = _read(fitted)
  # Agent 1 into the bank and away, then parked where agent 1 was free.
  first = _edit(
    f'--workdir={fitted}',
    '--list',
    '--extract=1',
    f'--bank={bank}',
    '--name=car',
    '--remove=1',
    f'--out={tmp_path / "empty"}',
  )
  assert first.returncode == 0, first.stderr
  assert '1 | vehicle | 4.60, 1.90, 1.50 | 3 | 30' in first.stdout
  assert splat.AssetBank(bank).load('car').source == 'drive, agent 1'
  empty = _read(tmp_path / 'empty')
  assert not empty.tracks.valid[:, 1].any()
  second = _edit(
    f'--workdir={tmp_path / "empty"}',
    '--insert=car',
    f'--bank={bank}',
    '--at=9,-1,90',
    '--num_agents=5',
    '--num_gaussians=100',
    f'--out={out}',
  )
  assert second.returncode == 0, second.stderr
  after = _read(out)
  assert after.tracks.xy.shape == (STEPS, 5, 2)
  assert len(after.gaussians.node) == 100
  np.testing.assert_allclose(after.tracks.xy[:, 1], [[9, -1]] * STEPS)
  np.testing.assert_allclose(after.tracks.yaw[:, 1], np.pi / 2, rtol=1e-6)
  np.testing.assert_allclose(
    after.gaussians.means[after.gaussians.node == 1],
    before.gaussians.means[before.gaussians.node == 1],
  )
  assert json.loads((out / 'edits.json').read_text()) == [
    'removed agent 1',
    'padded to 5 agents',
    'inserted car (drive, agent 1) as agent 1 at 9,-1,90',
    'padded to 100 Gaussians',
  ]
  for name in ('edited.mp4', 'edited.png', 'around.mp4'):
    assert (out / name).stat().st_size > 500
  # What was read is as it was.
  jax.tree.map(np.testing.assert_array_equal, _read(fitted), before)


def test_mistakes_and_their_messages(fitted, tmp_path):
  splat.AssetBank(tmp_path / 'bank').save(
    splat.assets.extract(_read(fitted), 1, 'car')
  )
  work, out = f'--workdir={fitted}', f'--out={tmp_path / "out"}'
  bank = f'--bank={tmp_path / "bank"}'
  cases = [
    ([work], 'nothing to do'),
    ([work, '--extract=1'], '--bank: not set'),
    ([work, '--remove=1'], '--out: not set'),
    ([work, '--remove=1', f'--out={fitted}'], 'is --workdir'),
    ([work, '--remove=one', out], '--remove=one: expected whole numbers'),
    ([work, '--remove=0', out], 'agent 0: the ego'),
    ([work, '--remove=7', out], 'agent 7: the scene has agents 1 to 2'),
    ([work, '--move=1', out], '--at, --shift'),
    ([work, '--move=1', '--at=1,2', out], '--at=1,2: expected three numbers'),
    ([work, '--move=1', '--at=nan,2,3', out], '--at=nan,2,3: expected three'),
    ([work, '--move=1', '--shift=1,inf,3', out], '--shift=1,inf,3: expected'),
    ([work, '--move=1', '--at=1,2,1e300', out], '--at=1,2,1e300: expected'),
    (
      [work, '--num_agents=1000000000', out],
      '--num_agents=1000000000: expected 1 to',
    ),
    ([work, '--num_gaussians=-1', out], '--num_gaussians=-1: expected 1 to'),
    ([work, '--move=9', '--at=1,2,3', out], 'agent 9: the scene'),
    ([work, '--insert=van', '--at=1,2,3', bank, out], "no asset 'van'"),
    ([work, '--insert=car', '--shift=1,2,3', bank, out], '--follow'),
    (
      [work, '--insert=car', '--follow=5', '--shift=1,2,3', bank, out],
      '--follow=5: the scene has agents 0 to 2',
    ),
    (
      [work, '--insert=car', '--at=1,2,3', bank, out, '--num_gaussians=100'],
      'budget of 100 leaves room for 10',
    ),
    ([work, '--extract=1', '--name=car', bank], 'car.json: the bank has'),
    ([work, '--place=home', '--list'], '--place=home'),
    ([work, '--score', out], 'no fit of the built-in world'),
    ([f'--workdir={tmp_path}', '--list'], 'scenes: no fitted scene'),
  ]
  lines = programs.outcomes('edit_scene', [arguments for arguments, _ in cases])
  for (arguments, message), line in zip(cases, lines, strict=True):
    assert line.startswith('error:') and message in line, (arguments, line)
  assert not (tmp_path / 'out').exists()


def test_a_mistake_is_one_line_and_a_failure(fitted):
  result = _edit(f'--workdir={fitted}', '--remove=1', '--out=')
  assert result.returncode == 1
  assert result.stderr.splitlines()[-1] == (
    'error: --out: not set, but the result goes there'
  )
  assert 'Traceback' not in result.stderr


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
