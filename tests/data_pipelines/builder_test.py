# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A data set is written whole or not at all."""

import sys

import numpy as np
import pytest

from data_pipelines import builder
from data_pipelines import kitti
from rdrl import logs


@pytest.fixture
def log(drive, tmp_path):
  return kitti.read_raw(drive.compact(tmp_path), num_lidar=16)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda log: log, 'name: a second log'),
    (lambda log: logs.pad_agents(log, 4).replace(name='b'), r'sizes: \(4, 3\)'),
    (
      lambda log: log.replace(name='b', lidar=np.full_like(log.lidar, np.nan)),
      'lidar: nan',
    ),
  ],
)
def test_a_log_that_does_not_fit_leaves_nothing_behind(
  log, tmp_path, change, message
):
  before = set(tmp_path.iterdir())
  with pytest.raises(logs.LogError, match=message):
    builder.write([log, change(log)], tmp_path / 'set')
  assert set(tmp_path.iterdir()) == before


def test_no_logs_are_no_data_set(tmp_path):
  with pytest.raises(logs.LogError, match='no logs to write'):
    builder.write([], tmp_path / 'set')
  assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(log, tmp_path):
  out = tmp_path / 'mine'
  out.mkdir()
  (out / 'thesis.txt').write_text('years')
  with pytest.raises(FileExistsError, match='mine'):
    builder.write([log], out)
  assert (out / 'thesis.txt').read_text() == 'years'


def test_logs_are_taken_one_at_a_time(log, tmp_path):
  held = []

  def stream():
    for i in range(3):
      held.append(i)
      yield log.replace(name=f'drive-{i}')

  builder.write(stream(), tmp_path / 'set')
  assert logs.names(tmp_path / 'set') == ['drive-0', 'drive-1', 'drive-2']
  assert held == [0, 1, 2]
  np.testing.assert_array_equal(
    logs.read(tmp_path / 'set', 'drive-2').images, log.images
  )


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
