# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Prepared logs come back as they were written, or say why not."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from data_pipelines import builder
from rdrl import logs
from rdrl import types
from rdrl.logs import checks


@pytest.fixture
def prepared(tmp_path, make_log):
  drives = [make_log('one'), make_log('two', num_steps=3, width=16)]
  builder.write(drives, tmp_path / 'set')
  return tmp_path / 'set', drives


def test_each_log_is_read_back_exactly(prepared):
  folder, drives = prepared
  assert logs.names(folder) == ['one', 'two']
  for drive in drives:
    found = logs.read(folder, drive.name)
    assert jax.tree.structure(found) == jax.tree.structure(drive)
    for a, b in zip(
      jax.tree.leaves(found), jax.tree.leaves(drive), strict=True
    ):
      assert a.dtype == b.dtype
      np.testing.assert_array_equal(a, b)


def test_lights_and_limits_come_back_and_what_was_not_there_does_not(
  tmp_path, make_log, without_sensors
):
  lights = np.arange(5, dtype=np.int32)[:, None] % 4
  drive = without_sensors(make_log())
  limit = np.full(len(drive.map.lane_width), np.inf, np.float32)
  limit[0] = 13.9
  drive = drive.replace(map=drive.map.replace(lights=lights, speed_limit=limit))
  builder.write([drive], tmp_path / 'set')
  found = logs.read(tmp_path / 'set')
  assert types.LIGHT_STOP in found.map.lights
  assert jax.tree.structure(found) == jax.tree.structure(drive)
  jax.tree.map(np.testing.assert_array_equal, found, drive)


def test_a_log_must_be_named_where_there_are_several(prepared):
  with pytest.raises(logs.LogError, match=r"None is not one of 2: \['one'"):
    logs.read(prepared[0])


def test_a_log_that_is_not_there_is_named(prepared):
  with pytest.raises(logs.LogError, match="name: 'three' is not one of 2"):
    logs.read(prepared[0], 'three')


def test_a_folder_without_logs_is_named(tmp_path):
  with pytest.raises(logs.LogError, match='no prepared logs'):
    logs.read(tmp_path / 'nothing')


def test_a_damaged_file_is_named(prepared):
  folder, _ = prepared
  (file,) = folder.glob('steps/*/*array_record*')
  file.write_bytes(file.read_bytes()[:1000])
  with pytest.raises(logs.LogError, match='steps') as caught:
    logs.read(folder, 'one')
  assert '\n' not in str(caught.value)


def test_a_name_that_leads_elsewhere_is_refused(
  tmp_path, make_log, monkeypatch
):
  drive = make_log('../../evil')
  with pytest.raises(logs.LogError, match=r"name: '../../evil' of 10 letters"):
    builder.write([drive], tmp_path / 'set')
  assert not list(tmp_path.iterdir())
  with monkeypatch.context() as context:
    context.setattr(checks, 'check_name', lambda name, source: None)
    builder.write([drive], tmp_path / 'set')
  for read in (
    logs.names,
    logs.read,
    lambda folder: logs.read(folder, '../../evil'),
  ):
    with pytest.raises(logs.LogError, match=r"set: name: '../../evil' of 10"):
      read(tmp_path / 'set')


def test_a_feature_that_is_missing_is_named(prepared):
  folder, _ = prepared
  (file,) = folder.glob('steps/*/features.json')
  features = json.loads(file.read_text())
  del features['featuresDict']['features']['tracks']
  file.write_text(json.dumps(features))
  with pytest.raises(logs.LogError, match=r"set: .* KeyError\('tracks'\)"):
    logs.read(folder, 'one')


def test_reading_does_not_need_tensorflow(prepared):
  code = (
    'import sys\n'
    'from rdrl import logs\n'
    'assert "tensorflow_datasets" not in sys.modules\n'
    f'print(logs.read({str(prepared[0])!r}, "two").images.shape)\n'
    'assert "tensorflow" not in sys.modules\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert done.stdout == '(3, 2, 8, 16, 3)\n', done.stderr


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
