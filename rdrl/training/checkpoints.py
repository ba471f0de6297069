# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Checkpoints of PyTrees: the one file that knows Orbax's API."""

import contextlib
import dataclasses
import hashlib
import pathlib
import re
import shutil
import threading
import typing

from absl import logging
import jax
from jax.experimental import multihost_utils
import numpy as np
from orbax.checkpoint import v1 as ocp

from rdrl.training import folders

# How many of the newest checkpoints of a directory are kept.
_KEEP = 2
# As `sha256sum` writes and checks it, of all other files of a checkpoint.
_SUMS = 'SHA256SUMS'
_SUM = re.compile('([0-9a-f]{64})  (.+)')
_STEP = re.compile('0|[1-9][0-9]*', re.ASCII)
# Orbax fails now and then where two threads of a process save at a time.
_LOCK = threading.Lock()


class CheckpointError(ValueError):
  """A checkpoint does not fit what should be restored from it."""


class DamagedError(CheckpointError):
  """What is on disk is not what was written."""


def save(directory, step, tree):
  """Writes `tree` to `<directory>/<step>`, whole or not at all.

  Arrays may be of JAX or NumPy. Static fields of dataclasses are kept beside
  the arrays, for `read`, and so are checksums of all files, which reading
  verifies, and where below the work directory it belongs. Older checkpoints
  than the newest two are removed. All processes call it; the first one writes
  what is not sharded.

  Raises:
    OSError: if the directory cannot be written.
  """
  path = pathlib.Path(directory).resolve() / str(step)
  notes = {
    'static': _static_fields(tree),
    'empty': {name: s for name, s in _shapes(tree).items() if 0 in s},
    'step': step,
    'place': folders.place(path.parent),
  }
  is_first = jax.process_index() == 0
  with _LOCK:
    with contextlib.ExitStack() as stack:
      new = folders.building(path)
      if is_first:
        stack.enter_context(folders.replacing(path))
      _wait_for_all(path)
      try:
        ocp.save(
          new,
          jax.tree.map(_without_empty, tree),
          overwrite=True,
          custom_metadata=notes,
        )
      except OSError:
        raise
      except Exception as error:
        reason = ' '.join(str(error).split())[:200]
        raise OSError(f'{path}: not written: {reason}') from error
      if is_first:
        (new / _SUMS).write_text(
          ''.join(f'{_digest(new / x)}  {x}\n' for x in _files(new))
        )
    if is_first:
      for old in steps(path.parent)[:-_KEEP]:
        shutil.rmtree(path.parent / str(old))
  _wait_for_all(path)


def steps(directory):
  """Steps of all checkpoints in `directory`, oldest first."""
  directory = pathlib.Path(directory)
  if not directory.is_dir():
    return []
  folders.recover_all(directory)
  names = [path.name for path in directory.iterdir()]
  return sorted(int(name) for name in names if _STEP.fullmatch(name))


def latest_step(directory):
  """The step of the newest checkpoint in `directory`, or None."""
  found = steps(directory)
  return found[-1] if found else None


def restore(directory, like, step=None):
  """The tree saved at `step` (the newest if None), shaped like `like`.

  Args:
    directory: where `save` wrote.
    like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.
    step: which checkpoint.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    CheckpointError: if it is damaged, belongs elsewhere, or if a field is
      missing or has another shape.
  """
  path = _path(directory, step)
  metadata, notes = _metadata(path)
  empty = {k: tuple(v) for k, v in notes['empty'].items()}
  saved = _shapes(metadata) | empty
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


def resume(directory, like, last):
  """Reads the newest checkpoint that is not damaged, for a run to go on from.

  Args:
    directory: where `save` wrote.
    like: see `restore`.
    last: step at which the run ends.

  Returns:
    Step and tree; 0 and `like` if there is no checkpoint.

  Raises:
    CheckpointError: if all are damaged, if the newest one is of a later step
      than the last, or as `restore` does.
  """
  found = steps(directory)
  if found and found[-1] > last:
    raise CheckpointError(
      f'{directory}/{found[-1]}: step {found[-1]} of a run that ends at {last}'
    )
  newest = None
  for step in reversed(found):
    try:
      tree = restore(directory, like, step)
    except DamagedError as error:
      newest = newest or error
      continue
    if newest:
      logging.warning('%s; going on from step %d', newest, step)
    return step, tree
  if newest:
    raise newest
  return 0, like


def read(directory, cls, step=None):
  """One of our nouns in host memory, its shapes taken from the checkpoint.

  Args:
    directory: where `save` wrote.
    cls: the dataclass that was saved, such as `types.Scene`.
    step: which checkpoint, the newest if None.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    CheckpointError: if it is damaged, belongs elsewhere, or if a field of `cls`
      is missing.
  """
  path = _path(directory, step)
  metadata, notes = _metadata(path)
  # Naming a sharding restores on machines with other devices too.
  local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=local),
    metadata,
    is_leaf=lambda x: hasattr(x, 'shape'),
  )
  saved = jax.device_get(_load(path, like))
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


def any_below(workdir):
  """A file that only checkpoints of a work directory's stages have, or None."""
  for depth in ('*/*', '*/*/*', '*/*/*/*'):
    for name in (_SUMS, '_CHECKPOINT_METADATA'):
      for path in pathlib.Path(workdir).glob(f'{depth}/{name}'):
        return path
  return None


def _metadata(path):
  """Orbax's metadata of the arrays, and our notes, of a whole checkpoint."""
  _verify(path)
  with _LOCK, _blaming(path):
    metadata = ocp.metadata(path)
  notes = metadata.custom_metadata
  if not (
    isinstance(notes, dict)
    and {'static', 'empty', 'step', 'place'} <= set(notes)
    and all(_is_empty(shape) for shape in notes['empty'].values())
  ):
    raise _damaged(path, 'notes that are none of ours')
  for field, here in (
    ('step', int(path.name)),
    ('place', folders.place(path.parent)),
  ):
    if notes[field] != here and None not in (notes[field], here):
      raise CheckpointError(
        f'{path}: was saved as {field} {notes[field]}, not {here}: delete it to'
        ' compute it again'
      )
  return metadata.metadata, notes


def _load(path, like):
  with _LOCK, _blaming(path):
    return ocp.load(path, like)


@contextlib.contextmanager
def _blaming(path):
  """Turns any error of Orbax and below into one line that names the path."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:
    raise _damaged(path, type(error).__name__) from error


def _verify(path):
  """Checks that all files are there, as they were written, and no others."""
  try:
    lines = (path / _SUMS).read_text().split('\n')
  except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError) as error:
    raise _damaged(path, f'{_SUMS}: {type(error).__name__}') from error
  found = [_SUM.fullmatch(line) for line in lines[:-1]]
  if not all(found) or lines[-1]:
    raise _damaged(path, f'{_SUMS}: not as it was written')
  sums = {name: digest for digest, name in (x.groups() for x in found)}
  files = {name: _digest(path / name) for name in _files(path)}
  for name in sorted(sums | files):
    if name not in files:
      raise _damaged(path, f'{name}: missing')
    if files[name] != sums.get(name):
      raise _damaged(path, f'{name}: not as it was written')


def _damaged(path, reason):
  return DamagedError(
    f'{path}: damaged ({reason}): delete it to compute it again'
  )


def _files(path):
  """Relative paths of all files of a checkpoint but the checksums."""
  paths = (x.relative_to(path) for x in sorted(path.rglob('*')) if x.is_file())
  return [str(x) for x in paths if str(x) != _SUMS]


def _digest(path):
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _is_empty(shape):
  return (
    isinstance(shape, list)
    and all(type(x) is int and 0 <= x < 2**31 for x in shape)
    and 0 in shape
  )


def _wait_for_all(path):
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(str(path))


def _path(directory, step):
  directory = pathlib.Path(directory).resolve()
  step = latest_step(directory) if step is None else step
  if step is None or not (directory / str(step)).exists():
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
