# Copyright 2026 The rdrl Authors. Apache-2.0.

import os
import subprocess
import sys

import jax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np
import pytest

from rdrl.training import mesh

_EIGHT = """
import jax, jax.numpy as jnp
from rdrl.training import mesh
m = mesh.make()
assert m.shape == {'data': 8}, m.shape
x = mesh.shard({'x': jnp.arange(16.0)}, m)['x']
assert [s.data.tolist() for s in x.addressable_shards] == [
  [2 * i, 2 * i + 1] for i in range(8)
]
w = mesh.replicate(jnp.float32(3), m)
# Sorting along the sharded axis raises where the axis is Explicit.
assert jnp.sort(-x)[0] == -15
grad = jax.jit(jax.grad(lambda w, x: jnp.mean((w * x) ** 2)))(w, x)
assert abs(grad - 6 * jnp.mean(jnp.arange(16.0) ** 2)) < 1e-3, grad
try:
  mesh.shard({'x': jnp.zeros((3, 2))}, m)
except ValueError as error:
  assert "['x'] of shape (3, 2)" in str(error), error
else:
  raise AssertionError
"""

_TWO_PROCESSES = """
import jax
jax.config.update('jax_platforms', 'cpu')
from rdrl.training import mesh
mesh.start(distributed=True)
assert jax.process_count() == 2
assert mesh.make().shape == {'data': 2}
print('process', jax.process_index())
"""


def test_mean_loss_over_eight_devices_has_the_gradient_of_one():
  flags = '--xla_force_host_platform_device_count=8'
  subprocess.run(
    [sys.executable, '-c', _EIGHT],
    check=True,
    env=os.environ | {'XLA_FLAGS': flags, 'PYTHONPATH': '.'},
  )


def test_two_processes_join_over_loopback():
  shared = {
    'JAX_COORDINATOR_ADDRESS': '127.0.0.1:47811',
    'JAX_NUM_PROCESSES': '2',
    'PYTHONPATH': '.',
  }
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', _TWO_PROCESSES],
      env=os.environ | shared | {'JAX_PROCESS_ID': str(i)},
      stdout=subprocess.PIPE,
      text=True,
    )
    for i in range(2)
  ]
  outputs = [process.communicate(timeout=120)[0] for process in processes]
  assert [process.returncode for process in processes] == [0, 0]
  assert sorted(outputs) == ['process 0\n', 'process 1\n']


@pytest.mark.slow
def test_sigterm_ends_a_process_of_several_in_one_line():
  code = """
import os, signal, time
from rdrl import interrupts
from rdrl.training import mesh
with interrupts.cleaning_up():
  mesh.start(distributed=True)
  os.kill(os.getpid(), signal.SIGTERM)
  time.sleep(60)
"""
  alone = {
    'JAX_COORDINATOR_ADDRESS': '127.0.0.1:47812',
    'JAX_NUM_PROCESSES': '1',
    'JAX_PROCESS_ID': '0',
    'PYTHONPATH': '.',
  }
  result = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | alone,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 143
  assert result.stderr.strip() == 'stopped; the same command goes on'


def test_half_set_environment_is_a_clear_error(monkeypatch):
  monkeypatch.setenv('JAX_NUM_PROCESSES', '2')
  with pytest.raises(ValueError, match='JAX_COORDINATOR_ADDRESS: not set'):
    mesh.start(distributed=True)


def test_one_device_holds_all_of_any_leading_axis():
  one = mesh.make(jax.devices()[:1])
  values = np.arange(6.0, dtype=np.float32).reshape(3, 2)
  x = mesh.shard({'x': values}, one)['x']
  assert x.sharding == NamedSharding(one, PartitionSpec('data'))
  assert x.sharding.device_set == {jax.devices()[0]}
  np.testing.assert_array_equal(x.addressable_shards[0].data, values)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
