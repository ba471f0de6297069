# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Configurations hold what their types say, and every number has a range."""

import dataclasses
import math
import sys
import typing
from typing import Annotated

import pytest

from experiments import presets
from experiments import train_adversary
from rdrl import pipeline
from rdrl import ranges


def _reached(cls):
  """A dataclass of which runs consist and those in its fields, each once."""
  found = {cls}
  for hint in typing.get_type_hints(cls).values():
    if dataclasses.is_dataclass(hint):
      found |= _reached(hint)
  return found


def _numbers(hint):
  """Whether there are numbers in a type."""
  parts = typing.get_args(hint)
  return hint in (int, float) or any(map(_numbers, parts))


def _with_one(value, hint, bad):
  """Values like `value` in which one number is `bad`."""
  if typing.get_origin(hint) is Annotated:
    hint = typing.get_args(hint)[0]
  if typing.get_origin(hint) is not tuple:
    return [bad]
  part = typing.get_args(hint)[0]
  rest = value[1:] if value else ()
  first = value[0] if value else ()
  return [(x, *rest) for x in _with_one(first, part, bad)]


_DEFAULTS = {
  pipeline.Request: pipeline.Request('world', None, 0, pipeline.Config()),
  train_adversary.Request: train_adversary.Request(
    'folder', 0, 1, train_adversary.learned.Config()
  ),
}
_FIELDS = [
  pytest.param(cls, name, hint, id=f'{cls.__module__}.{cls.__name__}.{name}')
  for cls in sorted(
    _reached(pipeline.Request) | _reached(train_adversary.Request), key=str
  )
  for name, hint in typing.get_type_hints(cls, include_extras=True).items()
  if _numbers(hint)
]


def test_all_numbers_of_all_configurations_are_found():
  names = {f'{p.values[0].__module__}.{p.values[1]}' for p in _FIELDS}
  assert {
    'rdrl.pipeline.config.train_seeds',
    'rdrl.splat.config.sh_degree',
    'rdrl.world.traffic.headway',
    'rdrl.sim.config.comfort_jerk',
    'rdrl.learn.ppo.clips',
    'rdrl.refine.repair.offsets',
    'rdrl.scenario.learned.config.sigma_max',
    'rdrl.pipeline.config.seed',
  } <= names
  assert len(_FIELDS) > 200


@pytest.mark.parametrize(('cls', 'name', 'hint'), _FIELDS)
def test_no_number_is_absurd(cls, name, hint):
  config = _DEFAULTS.get(cls) or cls()
  ranges.check(config)
  absurd = (math.nan, math.inf, -math.inf, -1e30, 1e30, -(10**12), 10**400)
  for bad in absurd:
    for value in _with_one(getattr(config, name), hint, bad):
      with pytest.raises(ValueError, match=f'^{name}='):
        ranges.check(dataclasses.replace(config, **{name: value}))


@pytest.mark.parametrize('name', presets.PRESETS)
def test_presets_are_within(name):
  ranges.check(presets.get(name))


@pytest.mark.parametrize('name', presets.SCENES)
def test_scenes_are_within(name):
  ranges.check(presets.get_scene(name))
  ranges.check(presets.get_scene(name, is_recorded=True))


@dataclasses.dataclass(frozen=True)
class _Inner:
  count: ranges.Count = 3
  share: ranges.Share = 0.5
  pair: ranges.Interval = (1.0, 2.0)
  rounds: tuple[tuple[ranges.Signed, ...], ...] = ((1.0,), (2.0, 3.0))
  kind: Annotated[str, ranges.OneOf(('a', 'b'))] = 'a'
  names: tuple[str, ...] = ()
  folder: str | None = None
  fast: bool = False

  def misfits(self):
    if self.count % 3:
      yield 'count', 'a multiple of 3'


@dataclasses.dataclass(frozen=True)
class _Outer:
  inner: _Inner = _Inner()

  def misfits(self):
    if self.inner.count > 30:
      yield 'inner.count', 'fewer'


@pytest.mark.parametrize(
  'fields',
  [
    {},
    {'share': 1},
    {'pair': (2.0, 2.0)},
    {'names': ('x',)},
    {'folder': '/'},
    {'rounds': ()},
  ],
)
def test_what_fits_passes(fields):
  ranges.check(_Outer(_Inner(**fields)))


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'count': 0}, 'inner.count=0: expected 1 to 2147483647'),
    ({'count': True}, 'inner.count=True: expected a whole number'),
    ({'count': 3.0}, 'inner.count=3.0: expected a whole number'),
    ({'count': 4}, 'inner.count=4: expected a multiple of 3'),
    ({'count': 33}, 'inner.count=33: expected fewer'),
    ({'share': 1.5}, 'inner.share=1.5: expected 0 to 1'),
    ({'share': '1'}, 'inner.share=1: expected a finite number'),
    ({'pair': (2.0, 1.0)}, 'inner.pair=(2.0, 1.0): expected ascending numbers'),
    ({'pair': (2.0,)}, 'inner.pair=(2.0,): expected 2 values'),
    ({'pair': 2.0}, 'inner.pair=2.0: expected several values'),
    (
      {'rounds': ((1.0,), (5e3,))},
      'inner.rounds=((1.0,), (5000.0,)): expected -1000 to 1000 for each',
    ),
    ({'kind': 'c'}, 'inner.kind=c: expected one of a, b'),
    ({'names': (1,)}, 'inner.names=(1,): expected a str for each'),
    ({'folder': 1}, 'inner.folder=1: expected a str or a NoneType'),
    ({'fast': 1}, 'inner.fast=1: expected a bool'),
  ],
)
def test_what_does_not_is_named_with_its_value(fields, message):
  with pytest.raises(ValueError) as error:
    ranges.check(_Outer(_Inner(**fields)))
  assert str(error.value) == message


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
