# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Configurations: overrides by dotted path, and a record beside the run."""

import ast
import dataclasses
import json
import pathlib


class ConfigError(ValueError):
  """A flag or an override that names nothing or does not fit."""


def override(config, assignments):
  """`config` with `path=value` assignments applied in order.

  Args:
    config: a frozen dataclass, nested.
    assignments: strings such as `splat.num_steps=500`; the right side is a
      Python literal, or else a string.

  Raises:
    ConfigError: naming the path, if a field does not exist or the value's type
      is not the field's.
  """
  for assignment in assignments:
    path, equals, text = assignment.partition('=')
    if not equals:
      raise ConfigError(f'--set={assignment}: expected path=value')
    try:
      value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
      value = text
    config = _replace(config, path.split('.'), value, path)
  return config


def _replace(config, names, value, path):
  name, rest = names[0], names[1:]
  fields = [field.name for field in dataclasses.fields(config)]
  if name not in fields:
    raise ConfigError(
      f'--set={path}: {type(config).__name__} has no field {name!r}; it has'
      f' {", ".join(sorted(fields))}'
    )
  old = getattr(config, name)
  if rest:
    if not dataclasses.is_dataclass(old):
      raise ConfigError(f'--set={path}: {name} = {old!r} has no fields')
    value = _replace(old, rest, value, path)
  else:
    value = _coerce(value, old, path)
  return dataclasses.replace(config, **{name: value})


def _coerce(value, old, path):
  if dataclasses.is_dataclass(old):
    raise ConfigError(f'--set={path}: name one of its fields, not the whole')
  if isinstance(old, float) and type(value) is int:
    return float(value)
  if isinstance(old, tuple) and isinstance(value, list | tuple):
    return tuple(_coerce(x, old[0], path) if old else x for x in value)
  if old is not None and type(value) is not type(old):
    raise ConfigError(
      f'--set={path}: {value!r} is not a {type(old).__name__} like {old!r}'
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


def record(workdir, config):
  """Writes `config.json` to a new work directory, or checks that it agrees.

  Raises:
    ConfigError: naming the first field that differs from the run that the
      directory holds.
    OSError: if the directory cannot be written.
  """
  path = pathlib.Path(workdir) / 'config.json'
  leaves = flatten(config)
  if path.exists():
    saved = json.loads(path.read_text())
    for name in sorted(saved | leaves):
      if saved.get(name) != leaves.get(name):
        raise ConfigError(
          f'{path}: {name} is {saved.get(name)!r}, this run wants'
          f' {leaves.get(name)!r}: choose another --workdir'
        )
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_suffix('.tmp')
  temporary.write_text(json.dumps(leaves, indent=2, sort_keys=True) + '\n')
  temporary.replace(path)
