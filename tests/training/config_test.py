# Copyright 2026 The rdrl Authors. Apache-2.0.

import dataclasses
import fcntl
import sys

import numpy as np
import pytest

from rdrl import ranges
from rdrl.training import checkpoints
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
  seed: ranges.Seed = 0


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


@dataclasses.dataclass(frozen=True)
class Rounds:
  rounds: tuple[tuple[float, int], ...] = ((1.0, 4), (0.5, 2))


def test_rows_keep_the_kinds_of_their_fields():
  changed = config.override(Rounds(), ['rounds=((0, 3),)'])
  assert changed == Rounds(((0.0, 3),))
  assert [type(x) for x in changed.rounds[0]] == [float, int]
  assert config.override(Rounds(), ['rounds=()']) == Rounds(())
  with pytest.raises(ValueError, match=r'1\.5 is not a int'):
    config.override(Rounds(), ['rounds=((0, 1.5),)'])


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


@pytest.mark.parametrize('part', ['-', '1+', '[', '9', '(('])
def test_expressions_that_exhaust_the_parser_are_no_numbers(part):
  with pytest.raises(config.ConfigError, match=' is not a int like 10'):
    config.override(Outer(), [f'inner.num_steps={20000 * part}1'])


def test_values_out_of_range_are_refused_before_anything_is_written(tmp_path):
  with pytest.raises(ValueError, match='seed=9223372036854775808: expected 0'):
    config.record(tmp_path / 'run', Outer(seed=2**63))
  with pytest.raises(ValueError, match=r'inner\.rate=inf: expected a finite'):
    config.record(
      tmp_path / 'run', config.override(Outer(), ['inner.rate=1e400'])
    )
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
  ('part', 'times'),
  [('[]', 1), ('5', 1), ('{"a":', 1), ('\x00\x80', 9), ('', 0), ('[', 200000)],
)
def test_a_record_that_is_none_is_told_with_its_file(part, times, tmp_path):
  path = tmp_path / 'config.json'
  path.write_text(times * part)
  with pytest.raises(config.ConfigError) as error:
    config.record(tmp_path, Outer())
  assert str(error.value).startswith(f'{path}: not ')
  assert list(tmp_path.iterdir()) == [path]


def test_results_without_a_record_are_those_of_another_run(tmp_path):
  config.record(tmp_path, Outer())
  checkpoints.save(tmp_path / 'logs' / 'a', 0, {'x': np.ones(2)})
  config.record(tmp_path, Outer())
  (tmp_path / 'config.json').unlink()
  with pytest.raises(
    config.ConfigError, match=r'missing, but there is logs/a/0'
  ):
    config.record(tmp_path, Outer())
  assert not (tmp_path / 'config.json').exists()


def test_a_directory_of_another_process_is_refused(tmp_path):
  # To flock, another open file is another process.
  with (tmp_path / '.lock').open('w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError, match='another process runs here'):
      config.record(tmp_path, Outer())
  assert not (tmp_path / 'config.json').exists()
  config.record(tmp_path, Outer())


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
