# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Checkpoints of PyTrees: the one file that knows Orbax's API."""

import dataclasses
import pathlib
import shutil
import threading
import typing

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

# How many of the newest checkpoints of a directory are kept.
_KEEP = 2
# Orbax fails now and then where two threads of a process save at a time.
_LOCK = threading.Lock()


class CheckpointError(ValueError):
  """A checkpoint does not fit what should be restored from it."""


def save(directory, step, tree):
  """Writes `tree` to `<directory>/<step>`, whole or not at all.

  Arrays may be of JAX or NumPy. Static fields of dataclasses are kept beside
  the arrays, for `read`. Older checkpoints than the newest two are removed.

  Raises:
    OSError: if the directory cannot be written.
  """
  directory = pathlib.Path(directory).resolve()
  directory.mkdir(parents=True, exist_ok=True)
  empty = {name: s for name, s in _shapes(tree).items() if 0 in s}
  with _LOCK:
    ocp.save(
      directory / str(step),
      jax.tree.map(_without_empty, tree),
      overwrite=True,
      custom_metadata={'static': _static_fields(tree), 'empty': empty},
    )
  for old in _steps(directory)[:-_KEEP]:
    shutil.rmtree(directory / str(old))


def latest_step(directory):
  """The step of the newest checkpoint in `directory`, or None."""
  steps = _steps(pathlib.Path(directory))
  return steps[-1] if steps else None


def restore(directory, like, step=None):
  """The tree saved at `step` (the newest if None), shaped like `like`.

  Args:
    directory: where `save` wrote.
    like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.
    step: which checkpoint.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    CheckpointError: if a field is missing or has another shape.
  """
  path = _path(directory, step)
  metadata = _metadata(path)
  empty = {k: tuple(v) for k, v in metadata.custom_metadata['empty'].items()}
  saved = _shapes(metadata.metadata) | empty
  wanted = _shapes(like)
  for name in sorted(saved | wanted):
    if name not in saved:
      raise CheckpointError(f'{path}: {name}: missing in the checkpoint')
    if name not in wanted:
      raise CheckpointError(f'{path}: {name}: unknown field in the checkpoint')
    if saved[name] != wanted[name]:
      raise CheckpointError(
        f'{path}: {name}: shape is {saved[name]}, expected {wanted[name]}'
      )
  loaded = _load(path, jax.tree.map(_without_empty, like))
  return jax.tree.map(
    lambda x, y: np.zeros(y.shape, y.dtype) if 0 in _shape(y) else x,
    loaded,
    like,
  )


def read(directory, cls, step=None):
  """One of our nouns in host memory, its shapes taken from the checkpoint.

  Args:
    directory: where `save` wrote.
    cls: the dataclass that was saved, such as `types.Scene`.
    step: which checkpoint, the newest if None.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    CheckpointError: if a field of `cls` is missing.
  """
  path = _path(directory, step)
  metadata = _metadata(path)
  # Naming a sharding restores on machines with other devices too.
  local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=local),
    metadata.metadata,
    is_leaf=lambda x: hasattr(x, 'shape'),
  )
  saved = jax.device_get(_load(path, like))
  notes = metadata.custom_metadata
  for name, shape in notes['empty'].items():
    _put(saved, name.split('.'), shape)
  return _build(cls, saved, notes['static'], '', path)


def stage(directory, cls, compute):
  """`compute()` in host memory, or what an earlier run of it saved."""
  if latest_step(directory) is not None:
    return read(directory, cls)
  tree = jax.device_get(compute())
  save(directory, 0, tree)
  return tree


def _metadata(path):
  with _LOCK:
    return ocp.metadata(path)


def _load(path, like):
  with _LOCK:
    return ocp.load(path, like)


def _steps(directory):
  if not directory.is_dir():
    return []
  names = [path.name for path in directory.iterdir()]
  return sorted(int(name) for name in names if name.isdigit())


def _path(directory, step):
  directory = pathlib.Path(directory).resolve()
  step = latest_step(directory) if step is None else step
  if step is None or not (directory / str(step)).is_dir():
    raise FileNotFoundError(f'{directory}: no checkpoint of step {step}')
  return directory / str(step)


def _shapes(tree):
  """Shapes by path, alike for dataclasses, dictionaries, lists and tuples."""
  flat, _ = jax.tree_util.tree_flatten_with_path(
    tree, is_leaf=lambda x: hasattr(x, 'shape')
  )
  return {_name(path): _shape(leaf) for path, leaf in flat}


def _name(path):
  return '.'.join(
    str(getattr(key, 'key', getattr(key, 'name', getattr(key, 'idx', key))))
    for key in path
  )


def _shape(leaf):
  if jax.dtypes.issubdtype(getattr(leaf, 'dtype', None), jax.dtypes.prng_key):
    return jax.eval_shape(jax.random.key_data, leaf).shape
  return tuple(np.shape(leaf) if np.isscalar(leaf) else leaf.shape)


def _without_empty(leaf):
  """A scalar in place of an array without elements, which Orbax refuses."""
  if 0 not in _shape(leaf):
    return leaf
  if isinstance(leaf, jax.ShapeDtypeStruct):
    return jax.ShapeDtypeStruct((), leaf.dtype)
  return np.zeros((), leaf.dtype)


def _put(tree, names, shape):
  for name in names[:-1]:
    tree = tree[name]
  tree[names[-1]] = np.zeros(shape, tree[names[-1]].dtype)


def _static_fields(tree, prefix=''):
  """Values by path of the dataclass fields that are not PyTree children."""
  static = {}
  if dataclasses.is_dataclass(tree):
    for field in dataclasses.fields(tree):
      value = getattr(tree, field.name)
      if field.metadata.get('pytree_node', True):
        static |= _static_fields(value, f'{prefix}{field.name}.')
      elif isinstance(value, str | int | float | bool):
        static[prefix + field.name] = value
  return static


def _build(cls, saved, static, prefix, path):
  hints = typing.get_type_hints(cls)
  values = {}
  for field in dataclasses.fields(cls):
    name = prefix + field.name
    if not field.metadata.get('pytree_node', True):
      source, key = static, name
    else:
      source, key = saved, field.name
    # What may be None is so in checkpoints that are older than the field.
    options = typing.get_args(hints[field.name])
    if key not in source and type(None) in options:
      values[field.name] = None
      continue
    if key not in source:
      raise CheckpointError(f'{path}: {name}: missing in the checkpoint')
    value = source[key]
    for hint in (hints[field.name], *options):
      if dataclasses.is_dataclass(hint) and value is not None:
        value = _build(hint, value, static, f'{name}.', path)
    values[field.name] = value
  return cls(**values)
