# Copyright 2026 The rdrl Authors. Apache-2.0.

from concurrent import futures
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.training import checkpoints


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


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
