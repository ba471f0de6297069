# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One mesh with one axis: the single-device program, its batch sharded."""

import os

import jax
from jax.sharding import AxisType
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec

AXIS = 'data'


def start(distributed=False):
  """Joins the other hosts if asked to and turns the compile cache on.

  Call it before anything else touches a device.

  Args:
    distributed: whether this process is one of several, each of which a
      launcher started; on a TPU pod JAX finds the others by itself, elsewhere
      it reads `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and
      `JAX_PROCESS_ID`.

  Raises:
    ValueError: if one of these variables is set and the others are not.
  """
  if distributed:
    # Which would take SIGTERM for itself; `interrupts` has it.
    jax.config.update('jax_enable_preemption_service', False)
    jax.distributed.initialize(**_process_from_environment())
  # An empty name would be the folder at hand.
  cache = os.environ.get('RDRL_CACHE') or os.path.join('.cache', 'xla')
  jax.config.update('jax_compilation_cache_dir', os.path.abspath(cache))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)


def make(devices=None):
  """A mesh of these devices, or of all of all hosts, along `AXIS`.

  The axis is Auto: sorting and shuffling along a sharded axis raises in
  Explicit mode, and rendering and PPO do both.
  """
  devices = jax.devices() if devices is None else devices
  return jax.make_mesh(
    (len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices
  )


def shard(tree, mesh):
  """`tree` with the leading axis of every array spread over the mesh.

  Raises:
    ValueError: if a leading axis is not a multiple of the number of devices.
  """
  size = mesh.shape[AXIS]

  def put(path, x):
    if x.shape[0] % size:
      name = jax.tree_util.keystr(path)
      raise ValueError(
        f'{name} of shape {x.shape} cannot be spread over {size} devices'
      )
    return jax.device_put(x, NamedSharding(mesh, PartitionSpec(AXIS)))

  return jax.tree_util.tree_map_with_path(put, tree)


def replicate(tree, mesh):
  """`tree` with a whole copy of every array on each device of the mesh."""
  return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def _process_from_environment():
  names = {
    'coordinator_address': 'JAX_COORDINATOR_ADDRESS',
    'num_processes': 'JAX_NUM_PROCESSES',
    'process_id': 'JAX_PROCESS_ID',
  }
  values = {key: os.environ.get(name) for key, name in names.items()}
  if not any(values.values()):
    return {}
  for key, name in names.items():
    if values[key] is None:
      raise ValueError(f'{name}: not set, but another of {names} is')
  return {
    'coordinator_address': values['coordinator_address'],
    'num_processes': int(values['num_processes']),
    'process_id': int(values['process_id']),
  }
