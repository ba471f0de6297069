# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Configurations: overrides by dotted path, and a record beside the run."""

import ast
import dataclasses
import json
import pathlib

import jax

from rdrl import ranges
from rdrl.training import checkpoints
from rdrl.training import folders


class ConfigError(ValueError):
  """A flag or an override that names nothing or does not fit."""


def override(config, assignments, prefix='--set='):
  """`config` with `path=value` assignments applied in order.

  Args:
    config: a frozen dataclass, nested.
    assignments: strings such as `splat.fit.num_steps=500`; the right side is a
      Python literal, or else a string.
    prefix: of an assignment in messages, how a user gave it.

  Raises:
    ConfigError: naming the path, if a field does not exist or the value's type
      is not the field's.
  """
  for assignment in assignments:
    path, equals, text = assignment.partition('=')
    if not equals:
      raise ConfigError(f'{prefix}{assignment}: expected path=value')
    try:
      value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
      value = text
    config = _replace(config, path.split('.'), value, prefix + path)
  return config


def _replace(config, names, value, path):
  name, rest = names[0], names[1:]
  fields = [field.name for field in dataclasses.fields(config)]
  if name not in fields:
    raise ConfigError(
      f'{path}: {type(config).__name__} has no field {name!r}; it has'
      f' {", ".join(sorted(fields))}'
    )
  old = getattr(config, name)
  if rest:
    if not dataclasses.is_dataclass(old):
      raise ConfigError(f'{path}: {name} = {old!r} has no fields')
    value = _replace(old, rest, value, path)
  else:
    value = _coerce(value, old, path)
  return dataclasses.replace(config, **{name: value})


def _coerce(value, old, path):
  if dataclasses.is_dataclass(old):
    raise ConfigError(f'{path}: name one of its fields, not the whole')
  if isinstance(old, float) and type(value) is int:
    return float(value)
  if isinstance(old, tuple) and isinstance(value, list | tuple):
    if not old:
      return tuple(value)
    # Fields of a row, or any number of one kind.
    is_row = len({type(x) for x in old}) > 1 and len(old) == len(value)
    likes = old if is_row else old[:1] * len(value)
    return tuple(
      _coerce(x, like, path) for x, like in zip(value, likes, strict=True)
    )
  if old is not None and type(value) is not type(old):
    raise ConfigError(
      f'{path}: {value!r} is not a {type(old).__name__} like {old!r}'
    )
  return value


def flatten(config, prefix=''):
  """Leaves of a nested dataclass by dotted path, tuples as lists."""
  leaves = {}
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    name = prefix + field.name
    if dataclasses.is_dataclass(value):
      leaves |= flatten(value, f'{name}.')
    else:
      leaves[name] = json.loads(json.dumps(value))
  return leaves


def read(path, kind=dict):
  """What a JSON file of a run holds: leaves by dotted path, for `config.json`.

  Raises:
    ConfigError: naming the file, if it is damaged or holds no `kind`.
    OSError: if it cannot be read.
  """
  path = pathlib.Path(path)
  try:
    content = json.loads(path.read_text())
  except (ValueError, RecursionError) as error:
    raise ConfigError(f'{path}: not JSON: {error}') from error
  if not isinstance(content, kind):
    raise ConfigError(f'{path}: not a {kind.__name__}, but {content!r}')
  return content


def record(workdir, config):
  """Claims a work directory for a run and writes `config.json` to it.

  If there is one, it must agree. Until all is right, nothing is written.

  Raises:
    ValueError: naming the first field of `config` with a value that it cannot
      have.
    ConfigError: naming the first field that differs from the run that the
      directory holds, or if it holds results but not of which run they are.
    OSError: if the directory cannot be written or belongs to another process.
  """
  ranges.check(config)
  path = pathlib.Path(workdir) / 'config.json'
  leaves = flatten(config)
  _agrees(path, leaves)
  is_first = jax.process_index() == 0
  folders.claim(workdir, is_first)
  # Another process may have been here since.
  if not _agrees(path, leaves) and is_first:
    text = json.dumps(leaves, indent=2, sort_keys=True)
    folders.write_text(path, text + '\n')


def _agrees(path, leaves):
  """Whether a record exists; raises if it is not that of this run."""
  if not path.exists():
    scores = path.parent.glob('*/*.json')
    result = checkpoints.any_below(path.parent) or next(scores, None)
    if result:
      raise ConfigError(
        f'{path}: missing, but there is {result.relative_to(path.parent)}:'
        ' choose another --workdir'
      )
    return False
  saved = read(path)
  for name in sorted(saved | leaves):
    if saved.get(name) != leaves.get(name):
      raise ConfigError(
        f'{path}: {name} is {saved.get(name)!r}, this run wants'
        f' {leaves.get(name)!r}: choose another --workdir'
      )
  return True
