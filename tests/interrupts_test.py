# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Signals end a process at once, in one line, whatever it is doing."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LINE = 'stopped; the same command goes on'
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

# What runs in the background of a shell is started with SIGINT ignored.
_BEGIN = """
import hashlib, os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from rdrl import interrupts
"""
_WAITS = """
interrupts.watch()
print('ready', flush=True)
time.sleep(60)
"""
# Minutes in C, from which no signal brings Python back.
_COMPUTES = """
with interrupts.cleaning_up():
  print('ready', flush=True)
  hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)
"""
_CLEANS_UP = """
with interrupts.cleaning_up():
  try:
    print('ready', flush=True)
    time.sleep(60)
  finally:
    pathlib.Path(sys.argv[1]).touch()
"""
_IGNORES = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with interrupts.cleaning_up():
  os.kill(os.getpid(), signal.SIGINT)
  time.sleep(0.2)
  print('ready', flush=True)
  time.sleep(60)
"""
_FORKS = """
with interrupts.cleaning_up():
  read, write = os.pipe()
  child = os.fork()
  if not child:
    os.write(write, b'ready')
    time.sleep(60)
  os.read(read, 5)
  os.kill(child, signal.SIGTERM)
  assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
  time.sleep(0.2)
"""


def _start(body, *arguments):
  # From Python 3.12 on it warns of every fork beside threads.
  quiet = 'ignore:This process:DeprecationWarning'
  return subprocess.Popen(
    [sys.executable, '-W', quiet, '-c', _BEGIN + body, *arguments],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _assert_ends(process, number, seconds=1.5):
  begin = time.monotonic()
  process.send_signal(number)
  _, errors = process.communicate(timeout=60)
  # Half a second of it is for cleaning up; the rest, for a busy machine.
  assert time.monotonic() - begin < seconds
  assert process.returncode == CODES[number], errors
  assert errors.strip() == LINE


@pytest.mark.parametrize('number', CODES)
@pytest.mark.parametrize('body', [_WAITS, _COMPUTES])
def test_a_signal_ends_a_process_that_waits_or_computes(body, number):
  process = _start(body)
  assert process.stdout.readline() == 'ready\n'
  _assert_ends(process, number)


def test_what_was_being_built_is_cleaned_up(tmp_path):
  process = _start(_CLEANS_UP, str(tmp_path / 'clean'))
  assert process.stdout.readline() == 'ready\n'
  _assert_ends(process, signal.SIGTERM)
  assert (tmp_path / 'clean').exists()


def test_a_signal_that_was_ignored_stays_so():
  process = _start(_IGNORES)
  assert process.stdout.readline() == 'ready\n'
  _assert_ends(process, signal.SIGTERM)


def test_signals_of_a_forked_child_are_its_own():
  process = _start(_FORKS)
  _, errors = process.communicate(timeout=60)
  assert (process.returncode, errors) == (0, '')


@pytest.mark.parametrize(
  'module', ['experiments.recondreamer_rl', 'experiments.prepare']
)
def test_ctrl_c_while_a_command_is_imported_is_one_line(module):
  process = subprocess.Popen(
    [sys.executable, '-X', 'importtime', '-m', module],
    cwd=ROOT,
    stderr=subprocess.PIPE,
    text=True,
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
  )
  for line in process.stderr:
    if line.rpartition('|')[2].strip() == module.partition('.')[0]:
      break
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 130
  lines = [x for x in errors.splitlines() if not x.startswith('import time:')]
  assert lines == [LINE]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
