# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A flag has one meaning, and a command takes its own ones alone."""

import json
import sys

import pytest

from tests import programs

PACKAGES = ('rdrl', 'data_pipelines', 'experiments')

# Imports all modules at once, as no command does, then says who defines flags.
_ALL = """
import importlib, json, sys
from absl import flags
import jax._src.xla_bridge
for name in json.loads(sys.argv[1]):
  importlib.import_module(name)
assert not jax._src.xla_bridge.backends_are_initialized()
print(json.dumps(list(flags.FLAGS.flags_by_module_dict())))
"""


def _modules():
  for package in PACKAGES:
    for path in sorted((programs.ROOT / package).rglob('*.py')):
      parts = path.relative_to(programs.ROOT).with_suffix('').parts
      yield '.'.join(part for part in parts if part != '__init__')


def test_all_modules_import_together_start_no_backend_and_share_flags():
  found = programs.run('-c', _ALL, json.dumps(list(_modules())))
  assert found.returncode == 0, found.stderr
  # Before it stand complaints of libraries.
  owners = json.loads(found.stdout.splitlines()[-1])
  assert 'experiments.flags' in owners
  for owner in owners:
    assert owner.partition('.')[0] not in ('rdrl', 'data_pipelines'), owner


def test_flags_of_other_commands_and_stray_words_are_refused():
  lines = programs.outcomes(
    'vehicle_check', [['--seed=1'], ['stray'], ['--suites=views'], []]
  )
  assert lines == [
    'error: --seed: not a flag of this command',
    'error: stray: not a flag',
    'error: --suites: not a flag of this command',
    'error: --data_dir: expected a segment',
  ]


def test_help_tells_the_default_of_the_command():
  helped = programs.run('-m', 'experiments.fit_scene', '--helpshort').stdout
  assert "(default: 'runs/scene')" in helped
  assert "(default: 'cpu')" in helped
  assert '--suites' not in helped


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
