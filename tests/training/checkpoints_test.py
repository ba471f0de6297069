# Copyright 2026 The rdrl Authors. Apache-2.0.

from concurrent import futures
import os
import random
import shutil
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.training import checkpoints
from rdrl.training import folders


def _camera(height=3):
  return types.Camera(
    jnp.eye(4), np.arange(9.0).reshape(3, 3), height=height, width=4
  )


def test_nouns_come_back_with_their_static_fields(tmp_path):
  checkpoints.save(tmp_path, 0, _camera())
  camera = checkpoints.read(tmp_path, types.Camera)
  assert (camera.height, camera.width) == (3, 4)
  np.testing.assert_array_equal(camera.intrinsics, _camera().intrinsics)


def test_threads_save_one_at_a_time(tmp_path, monkeypatch):
  inside = threading.Lock()
  save = checkpoints.ocp.save

  def alone(*arguments, **options):
    assert inside.acquire(blocking=False)
    save(*arguments, **options)
    inside.release()

  monkeypatch.setattr(checkpoints.ocp, 'save', alone)
  with futures.ThreadPoolExecutor(2) as pool:
    for name in 'ab':
      pool.submit(checkpoints.save, tmp_path / name, 0, _camera())
  for name in 'ab':
    assert checkpoints.latest_step(tmp_path / name) == 0


def test_tuples_and_keys_come_back_as_such(tmp_path):
  tree = {'key': jax.random.key(3), 'pair': (jnp.ones(2), jnp.zeros(()))}
  checkpoints.save(tmp_path, 7, tree)
  like = {'key': jax.random.key(0), 'pair': (jnp.zeros(2), jnp.ones(()))}
  restored = checkpoints.restore(tmp_path, like)
  assert isinstance(restored['pair'], tuple)
  assert jnp.array_equal(
    jax.random.key_data(restored['key']), jax.random.key_data(tree['key'])
  )


def test_arrays_without_elements_come_back(tmp_path):
  cameras = types.Camera(jnp.zeros((0, 4, 4)), jnp.eye(3), height=3, width=4)
  checkpoints.save(tmp_path, 0, cameras)
  read = checkpoints.read(tmp_path, types.Camera)
  restored = checkpoints.restore(tmp_path, cameras)
  assert read.camera_from_world.shape == (0, 4, 4)
  assert restored.camera_from_world.shape == (0, 4, 4)
  np.testing.assert_array_equal(restored.intrinsics, np.eye(3))


def test_newest_two_are_kept(tmp_path):
  for step in (1, 2, 10):
    checkpoints.save(tmp_path, step, {'x': jnp.full(2, step)})
  assert checkpoints.latest_step(tmp_path) == 10
  assert sorted(path.name for path in tmp_path.iterdir()) == ['10', '2']
  assert checkpoints.restore(tmp_path, {'x': jnp.zeros(2)}, 2)['x'][0] == 2


def test_other_shape_names_file_field_and_shapes(tmp_path):
  checkpoints.save(tmp_path, 5, {'params': {'kernel': jnp.zeros((3, 4))}})
  with pytest.raises(checkpoints.CheckpointError) as error:
    checkpoints.restore(tmp_path, {'params': {'kernel': jnp.zeros((3, 5))}})
  assert str(error.value) == (
    f'{tmp_path}/5: params.kernel: shape is (3, 4), expected (3, 5)'
  )


@pytest.mark.parametrize(
  ('like', 'match'),
  [({'a': 0.0, 'b': 0.0}, 'b: missing'), ({}, 'a: unknown field')],
)
def test_missing_and_unknown_fields_are_named(tmp_path, like, match):
  checkpoints.save(tmp_path, 0, {'a': jnp.zeros(())})
  with pytest.raises(checkpoints.CheckpointError, match=match):
    checkpoints.restore(tmp_path, like)


def test_no_checkpoint_is_a_clear_error(tmp_path):
  with pytest.raises(FileNotFoundError, match='no checkpoint'):
    checkpoints.read(tmp_path, types.Camera)


def test_stage_computes_once(tmp_path):
  calls = []

  def compute():
    calls.append(1)
    return _camera()

  first = checkpoints.stage(tmp_path, types.Camera, compute)
  second = checkpoints.stage(tmp_path, types.Camera, compute)
  assert len(calls) == 1
  np.testing.assert_array_equal(first.intrinsics, second.intrinsics)


def _files(path):
  return [x for x in sorted(path.rglob('*')) if x.is_file()]


def _flip(path, bit):
  data = bytearray(path.read_bytes())
  data[bit // 8] ^= 1 << bit % 8
  path.write_bytes(data)


def test_one_bit_of_any_file_is_named_and_never_used(tmp_path):
  checkpoints.save(
    tmp_path, 3, {'key': jax.random.key(1), 'x': jnp.arange(9.0)}
  )
  like = {'key': jax.random.key(0), 'x': jnp.zeros(9)}
  draw = random.Random(0)
  files = [x for x in _files(tmp_path) if x.stat().st_size]
  assert len(files) > 8
  for file in files:
    whole = file.read_bytes()
    for _ in range(5):
      _flip(file, draw.randrange(8 * len(whole)))
      with pytest.raises(checkpoints.DamagedError) as error:
        checkpoints.restore(tmp_path, like)
      message = str(error.value)
      assert message.startswith(f'{tmp_path}/3: damaged (')
      assert message.endswith('): delete it to compute it again')
      # A bit of the checksums may speak of another file.
      name = str(file.relative_to(tmp_path / '3'))
      assert name in message or name == 'SHA256SUMS'
      file.write_bytes(whole)
  restored = checkpoints.restore(tmp_path, like)
  np.testing.assert_array_equal(restored['x'], np.arange(9.0))


@pytest.mark.parametrize(
  'damage',
  [
    lambda x: x.unlink(),
    lambda x: x.write_bytes(b''),
    lambda x: x.write_bytes(x.read_bytes()[: x.stat().st_size // 2]),
    lambda x: x.write_bytes(bytes(x.stat().st_size)),
    lambda x: x.with_name('more').write_bytes(b''),
  ],
)
def test_lost_cut_emptied_and_additional_files_are_told(tmp_path, damage):
  checkpoints.save(tmp_path / 'saved', 0, _camera())
  for file in _files(tmp_path / 'saved'):
    if not file.stat().st_size:
      continue
    shutil.copytree(tmp_path / 'saved', tmp_path / 'damaged')
    damage(tmp_path / 'damaged' / file.relative_to(tmp_path / 'saved'))
    with pytest.raises(checkpoints.DamagedError, match='damaged/0: damaged'):
      checkpoints.read(tmp_path / 'damaged', types.Camera)
    shutil.rmtree(tmp_path / 'damaged')


def test_checksums_are_those_of_sha256sum(tmp_path):
  checkpoints.save(tmp_path, 0, _camera())
  command = ['sha256sum', '--check', '--strict', '--status', 'SHA256SUMS']
  subprocess.run(command, cwd=tmp_path / '0', check=True)


def _damage_newest(directory):
  newest = directory / str(checkpoints.latest_step(directory))
  _flip(next(newest.rglob('d/*')), 77)


def test_a_run_goes_on_from_the_older_one_where_the_newest_is_damaged(
  tmp_path, caplog
):
  for step in (5, 10):
    checkpoints.save(tmp_path, step, {'x': jnp.full(2, step)})
  like = {'x': jnp.zeros(2, int)}
  assert checkpoints.resume(tmp_path, like, 10)[0] == 10
  _damage_newest(tmp_path)
  step, tree = checkpoints.resume(tmp_path, like, 10)
  assert (step, tree['x'][0]) == (5, 5)
  (record,) = caplog.records
  assert f'{tmp_path}/10: damaged' in record.message
  assert 'going on from step 5' in record.message
  # It is then written anew.
  checkpoints.save(tmp_path, 10, {'x': jnp.full(2, 10)})
  assert checkpoints.resume(tmp_path, like, 10)[0] == 10


def test_no_run_goes_on_where_all_are_damaged(tmp_path):
  like = {'x': jnp.zeros(2)}
  assert checkpoints.resume(tmp_path, like, 10) == (0, like)
  checkpoints.save(tmp_path, 10, like)
  _damage_newest(tmp_path)
  with pytest.raises(checkpoints.DamagedError, match='10: damaged'):
    checkpoints.resume(tmp_path, like, 10)


def test_a_step_beyond_the_run_is_refused(tmp_path):
  like = {'x': jnp.zeros(2)}
  checkpoints.save(tmp_path, 11, like)
  with pytest.raises(checkpoints.CheckpointError, match='that ends at 10'):
    checkpoints.resume(tmp_path, like, 10)


def test_a_checkpoint_of_another_step_or_street_is_refused(tmp_path):
  folders.claim(tmp_path)
  logs = tmp_path / 'logs'
  checkpoints.save(logs / 'a', 0, _camera())
  checkpoints.save(logs / 'b', 0, _camera())
  checkpoints.read(logs / 'a', types.Camera)
  shutil.rmtree(logs / 'a')
  (logs / 'b').rename(logs / 'a')
  with pytest.raises(checkpoints.CheckpointError) as error:
    checkpoints.read(logs / 'a', types.Camera)
  assert 'logs/a/0: was saved as place logs/b, not logs/a' in str(error.value)
  (logs / 'a' / '0').rename(logs / 'a' / '900')
  with pytest.raises(checkpoints.CheckpointError, match='step 0, not 900'):
    checkpoints.read(logs / 'a', types.Camera)


def test_a_work_directory_may_move(tmp_path):
  folders.claim(tmp_path / 'old')
  checkpoints.save(tmp_path / 'old' / 'logs' / 'a', 0, _camera())
  shutil.copytree(tmp_path / 'old', tmp_path / 'new')
  checkpoints.read(tmp_path / 'new' / 'logs' / 'a', types.Camera)
  folders.claim(tmp_path / 'new')
  checkpoints.read(tmp_path / 'new' / 'logs' / 'a', types.Camera)


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path):
  checkpoints.save(tmp_path, 1, _camera())
  half = tmp_path / '.2.building.orbax-checkpoint-tmp' / 'state'
  half.mkdir(parents=True)
  (tmp_path / '.2.building').mkdir()
  (tmp_path / '\N{SUPERSCRIPT TWO}').mkdir()
  (tmp_path / '03').mkdir()
  assert checkpoints.steps(tmp_path) == [1]
  checkpoints.save(tmp_path, 2, _camera())
  assert not half.exists()
  assert checkpoints.steps(tmp_path) == [1, 2]


def test_a_checkpoint_that_was_being_replaced_comes_back(tmp_path):
  checkpoints.save(tmp_path, 0, _camera())
  (tmp_path / '0').rename(tmp_path / '.0.replaced')
  checkpoints.read(tmp_path, types.Camera)


def test_a_full_disk_is_an_error_of_the_path(tmp_path, monkeypatch):
  def fails(path, *arguments, **options):
    raise ValueError('RESOURCE_EXHAUSTED: no space\n' + 300 * 'left ')

  checkpoints.save(tmp_path, 0, _camera(3))
  monkeypatch.setattr(checkpoints.ocp, 'save', fails)
  with pytest.raises(OSError, match='0: not written: RESOURCE_EXHAUSTED: no s'):
    checkpoints.save(tmp_path, 0, _camera(4))
  assert checkpoints.read(tmp_path, types.Camera).height == 3


def test_results_of_stages_are_found_at_any_depth(tmp_path):
  for name in ('demonstrations', 'logs/a', 'fit/a/checkpoints'):
    workdir = tmp_path / name.replace('/', '_')
    (workdir / 'data' / 'a').mkdir(parents=True)
    assert checkpoints.any_below(workdir) is None
    checkpoints.save(workdir / name, 0, _camera())
    found = checkpoints.any_below(workdir)
    assert found.parent == workdir / name / '0'


_TWO_PROCESSES = """
import sys
import jax
jax.config.update('jax_platforms', 'cpu')
import numpy as np
from rdrl.training import checkpoints
from rdrl.training import folders
from rdrl.training import mesh
mesh.start(distributed=True)
workdir = sys.argv[1]
folders.claim(workdir, jax.process_index() == 0)
devices = mesh.make()
rows = mesh.shard({'x': np.arange(6.0).reshape(2, 3)}, devices)
both = {'x': rows['x'], 'y': mesh.replicate(np.ones(2), devices)}
for step in (1, 2, 3):
  checkpoints.save(f'{workdir}/fit', step, both)
step, tree = checkpoints.resume(f'{workdir}/fit', both, 3)
(mine,) = tree['x'].addressable_shards
assert step == 3
assert (mine.data == 3 * jax.process_index() + np.arange(3)).all(), mine.data
"""


@pytest.mark.slow
def test_two_processes_write_one_checkpoint(tmp_path):
  shared = {
    'JAX_COORDINATOR_ADDRESS': '127.0.0.1:47813',
    'JAX_NUM_PROCESSES': '2',
    'PYTHONPATH': '.',
  }
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', _TWO_PROCESSES, str(tmp_path)],
      env=os.environ | shared | {'JAX_PROCESS_ID': str(i)},
    )
    for i in range(2)
  ]
  assert [process.wait(300) for process in processes] == [0, 0]
  assert checkpoints.steps(tmp_path / 'fit') == [2, 3]
  checkpoints._verify(tmp_path / 'fit' / '3')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
