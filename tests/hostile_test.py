# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Hostile and unlucky inputs: one clear line, a code that is not 0, no harm."""

import hashlib

import pytest

from rdrl import training
from tests.hostile import drives
from tests.hostile import runs
from tests.hostile import splats
from tests.hostile import traffic

# Each case makes its input in a folder and gives the call that is to refuse it
# and what the line must name: a file, a field or a value.
CASES = {
  f'{module.__name__.rpartition(".")[2]}: {name}': case
  for module in (drives, runs, splats, traffic)
  for name, case in module.CASES.items()
}


def _contents(folder):
  return {
    path.relative_to(folder): path.is_file() and _digest(path)
    for path in sorted(folder.rglob('*'))
  }


def _digest(path):
  # Some are longer than all memory, with nothing but zeros behind.
  with path.open('rb') as file:
    digest = hashlib.sha256(file.read(1 << 22)).hexdigest()
  return path.stat().st_size, digest


@pytest.mark.parametrize('name', CASES)
def test_hostile_input_ends_in_one_line_and_leaves_all_as_it_was(
  name, tmp_path, capfd
):
  call, named = CASES[name](tmp_path)
  before = _contents(tmp_path)
  capfd.readouterr()
  assert training.cli.guarded(call) == 1
  line = capfd.readouterr().err
  assert line.startswith('error: ') and line.count('\n') == 1, line
  assert named in line
  assert len(line) < 500
  assert _contents(tmp_path) == before
