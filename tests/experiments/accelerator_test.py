# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The check of accelerators runs where there is none, and says so."""

import json
import sys

import jax
import numpy as np
import pytest

from experiments.bench import accelerator
from rdrl import training

TINY = accelerator.SIZES['tiny']


def _lines(capsys, *names, seconds=1e4):
  accelerator.bench(TINY, names, seconds, ['xla', 'auto'], 1)
  lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
  assert all(x['jax'] == jax.__version__ for x in lines)
  device, *rest = lines
  assert device['case'] == 'device' and not device['is_accelerator']
  return {x['case']: x for x in rest}


@pytest.mark.slow
def test_rollouts_are_timed(capsys):
  (line,) = _lines(capsys, 'rollouts').values()
  assert line['case'] == 'rollout, 100 in 4 environments'
  assert line['images_per_s'] > 0


@pytest.mark.slow
def test_images_are_compared_and_timed(capsys):
  lines = _lines(capsys, 'exact', 'views')
  for backend in ('xla', 'auto'):
    line = lines[f'exact, {backend}']
    assert line['pixels'] == 24 * 40
    assert line['max_error'] == line['relative_error_of_gradient_sh'] == 0
  assert lines['view, 300 at 40x24']['forward_ms'] > 0
  assert len(lines) == 3


def test_what_differs_is_counted():
  image = np.zeros((2, 3, 3))
  truth = image, {'means': np.array([3.0, 4.0])}
  image = image.copy()
  image[1, 2, 0], image[0, 0, 1] = 0.3, 1e-4
  facts = accelerator._differences(
    truth, (image, {'means': np.array([3.0, 3.5])})
  )
  assert facts == pytest.approx(
    {
      'pixels': 6,
      'pixels_off_by_1e-3': 1,
      'mean_error': 0.3001 / 6,
      'max_error': 0.3,
      'relative_error_of_gradient_means': 0.1,
    }
  )


def test_no_case_begins_when_time_is_over(capsys):
  lines = _lines(capsys, 'rollouts', seconds=-1)
  (line,) = lines.values()
  assert 'images_per_s' not in line and '--seconds=-1' in line['left_out']


def test_an_unknown_suite_is_named():
  with pytest.raises(training.config.ConfigError, match='--suites=viewz'):
    accelerator.bench(TINY, ['viewz'], 1, [], 1)


def test_cameras_of_an_environment_look_to_three_sides():
  cameras = accelerator.fleet(5, 8, 12)
  assert cameras.camera_from_world.shape == (5, 3, 4, 4)
  middle = np.asarray(cameras.camera_from_world[4, 1])
  # What is 10 m ahead of the first is where the last one stands.
  np.testing.assert_allclose(middle @ [0, 0, 10, 1], [0, 0, 0, 1], atol=1e-5)
  left = np.array(cameras.camera_from_world[0, 0])
  ahead = left[2, :3]
  assert np.degrees(np.arctan2(ahead[0], ahead[2])) == pytest.approx(-50)


@pytest.mark.slow
def test_a_fit_and_updates_are_timed(capsys):
  lines = _lines(capsys, 'fit', 'ppo')
  fit = lines['fit, 600 for 12 steps']
  assert fit['psnr'] > 10 and fit['steps_per_s'] > 0
  ppo = lines['ppo, 2 environments']
  assert ppo['decisions_per_s'] > 0
  assert fit['recompilations'] == ppo['recompilations'] == 0


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
