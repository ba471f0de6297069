# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A data set is written whole or not at all."""

import resource
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


@pytest.mark.parametrize('room', [100, 8000])
def test_a_disk_that_is_full_is_named_and_left_clean(log, tmp_path, room):
  # The image data of a step alone is 1.5 kB.
  before = set(tmp_path.iterdir())
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
  try:
    with pytest.raises(OSError, match='too large') as error:
      builder.write([log], tmp_path / 'set')
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert error.value.filename.startswith(str(tmp_path / 'set'))
  assert str(tmp_path / '.set') not in str(error.value)
  assert set(tmp_path.iterdir()) == before


def test_what_another_wrote_meanwhile_stays(log, tmp_path):
  out = tmp_path / 'set'

  def slow():
    yield log
    out.mkdir()
    (out / 'other').write_text('faster')

  with pytest.raises(OSError, match='not empty') as error:
    builder.write(slow(), out)
  assert error.value.filename == str(out)
  assert [p.name for p in out.iterdir()] == ['other']
  assert len(list(tmp_path.iterdir())) == 2


def test_a_defect_while_logs_are_read_stays_one(log, tmp_path):
  def broken():
    yield log
    raise RuntimeError('not of the disk')

  with pytest.raises(RuntimeError, match='not of the disk'):
    builder.write(broken(), tmp_path / 'set')


def test_a_name_that_the_locale_cannot_read_is_refused(log, tmp_path):
  # What an umlaut becomes where LC_ALL=C.
  with pytest.raises(ValueError, match=r'out_dir: has letters .* PYTHONUTF8=1'):
    builder.write([log], tmp_path / 'm\udcc3\udcbcll')
  assert [p.name for p in tmp_path.iterdir()] == ['compact']


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
