# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the fields of configurations may hold, said in their types.

`check` goes through a field of type `Count` or `tuple[Share, Share]` before a
run begins. What depends on other fields is up to a method `misfits` of the
dataclass, which yields a field's name, dotted if it is nested, and what was
expected of it.
"""

import dataclasses
import functools
import math
import operator
import types
import typing
from typing import Annotated


@dataclasses.dataclass(frozen=True)
class Range:
  """Numbers between two bounds, which are among them."""

  low: float
  high: float

  def holds(self, value):
    return self.low <= value <= self.high

  def __str__(self):
    return f'{self.low:.10g} to {self.high:.10g}'


@dataclasses.dataclass(frozen=True)
class OneOf:
  """Some texts."""

  options: tuple[str, ...]

  def holds(self, value):
    return value in self.options

  def __str__(self):
    return f'one of {", ".join(self.options)}'


class Ascending:
  """Numbers none of which is less than the one before, and at least one."""

  def holds(self, value):
    return bool(value) and list(value) == sorted(value)

  def __str__(self):
    return 'ascending numbers'


# Arrays have indices of 32 bits.
_MANY = 2**31 - 1
# More of nothing that we measure makes sense, nor does less that is not 0.
_LARGE, _SMALL = 1e9, 1e-9

Count = Annotated[int, Range(1, _MANY)]
CountOrNone = Annotated[int, Range(0, _MANY)]
# The words of a key: others would draw what one of these does.
Seed = Annotated[int, Range(0, 2**32 - 1)]
Positive = Annotated[float, Range(_SMALL, _LARGE)]
NotNegative = Annotated[float, Range(0, _LARGE)]
Share = Annotated[float, Range(0, 1)]
# A share that is not all.
Decay = Annotated[float, Range(0, 1 - 1e-6)]
# Metres, seconds and their ratios, either way.
Signed = Annotated[float, Range(-1000, 1000)]
Degrees = Annotated[float, Range(-360, 360)]
# Between two directions.
Radians = Annotated[float, Range(0, math.pi)]
Interval = Annotated[tuple[NotNegative, NotNegative], Ascending()]
Shares = Annotated[tuple[Share, Share], Ascending()]
SignedInterval = Annotated[tuple[Signed, Signed], Ascending()]


def check(config, prefix=''):
  """Whether all fields of a nested dataclass hold what their types say.

  Args:
    config: a dataclass.
    prefix: of the names of its fields, in messages.

  Raises:
    ValueError: naming the first field that does not, its value and what was
      expected.
  """
  hints = _hints(type(config))
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      check(value, f'{prefix}{field.name}.')
      continue
    expected = misfit(value, hints[field.name])
    if expected:
      raise ValueError(f'{prefix}{field.name}={value}: expected {expected}')
  for name, expected in getattr(config, 'misfits', tuple)():
    value = operator.attrgetter(name)(config)
    raise ValueError(f'{prefix}{name}={value}: expected {expected}')


@functools.cache
def _hints(cls):
  return typing.get_type_hints(cls, include_extras=True)


def misfit(value, hint):
  """What `value` had to be by the type `hint`, or None if it is."""
  origin, parts = typing.get_origin(hint), typing.get_args(hint)
  if origin is Annotated:
    base, *rules = parts
    wrong = misfit(value, base)
    broken = (str(rule) for rule in rules if not rule.holds(value))
    return wrong or next(broken, None)
  if origin in (typing.Union, types.UnionType):
    wrong = [misfit(value, part) for part in parts]
    return ' or '.join(wrong) if all(wrong) else None
  if origin is tuple:
    if not isinstance(value, tuple):
      return 'several values'
    if parts[-1] is ...:
      parts = parts[:1] * len(value)
    if len(value) != len(parts):
      return f'{len(parts)} values'
    wrong = map(misfit, value, parts)
    each = ' for each'
    return next((x.removesuffix(each) + each for x in wrong if x), None)
  if hint is float:
    is_finite = type(value) in (int, float) and abs(value) < math.inf
    return None if is_finite else 'a finite number'
  if hint is int:
    return None if type(value) is int else 'a whole number'
  return None if isinstance(value, hint) else f'a {hint.__name__}'
