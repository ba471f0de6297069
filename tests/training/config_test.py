# Copyright 2026 The rdrl Authors. Apache-2.0.

import dataclasses
import sys

import pytest

from rdrl.training import config


@dataclasses.dataclass(frozen=True)
class Inner:
  num_steps: int = 10
  rate: float = 0.5
  offsets: tuple[float, ...] = (1.0, 2.0)
  name: str = 'adam'
  fast: bool = False


@dataclasses.dataclass(frozen=True)
class Outer:
  inner: Inner = dataclasses.field(default_factory=Inner)
  seed: int = 0


def test_overrides_reach_nested_fields_and_leave_the_rest():
  changed = config.override(
    Outer(),
    [
      'inner.num_steps=20',
      'inner.rate=1',
      'inner.offsets=(3.0,)',
      'inner.name=sgd',
      'inner.fast=True',
    ],
  )
  assert changed == Outer(inner=Inner(20, 1.0, (3.0,), 'sgd', True))
  assert isinstance(changed.inner.rate, float)


@pytest.mark.parametrize(
  ('assignment', 'message'),
  [
    ('inner.num_step=3', '--set=inner.num_step: Inner has no field'),
    ('iner.num_steps=3', "--set=iner.num_steps: Outer has no field 'iner'"),
    ('seed.x=3', '--set=seed.x: seed = 0 has no fields'),
    ('inner.num_steps=ten', "'ten' is not a int like 10"),
    ('inner.num_steps=1.5', '1.5 is not a int like 10'),
    ('inner.offsets=(3.0, "a")', "'a' is not a float like"),
    ('inner.fast=1', '1 is not a bool like False'),
    ('inner=3', 'name one of its fields'),
    ('seed', 'expected path=value'),
  ],
)
def test_wrong_overrides_name_path_and_value(assignment, message):
  with pytest.raises(config.ConfigError) as error:
    config.override(Outer(), [assignment])
  assert message in str(error.value)


def test_record_refuses_a_directory_of_another_run(tmp_path):
  config.record(tmp_path, Outer())
  config.record(tmp_path, Outer())
  before = (tmp_path / 'config.json').read_bytes()
  with pytest.raises(config.ConfigError, match=r'inner\.rate is 0\.5, this'):
    config.record(tmp_path, config.override(Outer(), ['inner.rate=0.25']))
  assert (tmp_path / 'config.json').read_bytes() == before


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
