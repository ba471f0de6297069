# Copyright 2026 The rdrl Authors. Apache-2.0.
"""`rdrl COMMAND` finds and runs the commands that there are."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from experiments import __main__ as program
from rdrl import interrupts
from tests import programs

_ROOT = pathlib.Path(__file__).parents[2]
_README = (_ROOT / 'README.md').read_text()


def _run(monkeypatch, capsys, *words):
  watched = []
  # Else Ctrl-C would no longer end the tests as pytest has it.
  monkeypatch.setattr(interrupts, 'watch', lambda: watched.append(True))
  monkeypatch.setattr(sys, 'argv', ['rdrl', *words])
  code = program.main()
  assert watched
  return code, capsys.readouterr()


@pytest.mark.parametrize('words', [(), ('--help',)])
def test_help_gives_each_command_a_line(monkeypatch, capsys, words):
  code, said = _run(monkeypatch, capsys, *words)
  lines = said.out.splitlines()
  assert code == 0 and not said.err
  commands = program.commands()
  assert {'fit_scene', 'recondreamer_rl', 'bench'} <= set(commands)
  for name, (_, line) in commands.items():
    assert line.endswith(('.', '?')), name
    assert [x.split() for x in lines].count([name, *line.split()]) == 1


def test_the_table_of_commands_in_the_readme_has_each_once():
  section = _README.split('## Commands')[1].split('\n## ')[0]
  rows = [x.split('|')[1] for x in section.splitlines() if x.startswith('| `')]
  named = re.findall(r'`([^`]+)`', ' '.join(rows))
  assert sorted(named) == sorted(program.commands())


def test_files_that_the_readme_names_are_there():
  named = re.findall(
    r'[`(]((?:rdrl|experiments|data_pipelines|docs)/[^`)]*)', _README
  )
  assert len(named) > 20
  assert [x for x in named if not (_ROOT / x).exists()] == []


@pytest.mark.parametrize(
  ('word', 'says'),
  [
    ('drive', 'error: drive: no such command; rdrl --help lists them'),
    ('--seed=1', 'error: --seed=1: no such command; rdrl --help lists them'),
    ('train_', None),
  ],
)
def test_a_wrong_word_is_one_line(monkeypatch, capsys, word, says):
  monkeypatch.setattr(
    program,
    'commands',
    lambda: {'train_a': ('a', ''), 'train_b': ('b', '')},
  )
  code, said = _run(monkeypatch, capsys, word)
  assert code == 1 and not said.out
  says = says or 'error: train_: one of train_a, train_b?'
  assert said.err.splitlines() == [says]


def test_a_name_wins_over_what_it_begins():
  known = {'bench': ('a', ''), 'bench.fits': ('b', '')}
  assert program._find('bench', known) == 'a'
  assert program._find('bench.', known) == 'b'


def test_a_command_runs_from_any_folder(tmp_path):
  words = 'recon', '--print_config', '--set=ppo.num_updates=7'
  done = subprocess.run(
    [sys.executable, '-m', 'experiments', *words],
    cwd=tmp_path,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(programs.ROOT)},
    capture_output=True,
    text=True,
    check=True,
  )
  assert json.loads(done.stdout)['ppo.num_updates'] == 7


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
