# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Experiments as commands."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# Its flags alone are set back: `flagsaver` would drop those of libraries that
# are imported on the way.
_MANY = """
import contextlib, importlib, json, sys
from absl import flags
from rdrl.training import cli
program = importlib.import_module(sys.argv[1])
for arguments in json.loads(sys.argv[2]):
  for module, own in flags.FLAGS.flags_by_module_dict().items():
    for flag in own if module.startswith('experiments.') else ():
      flag.unparse()
      flag.present = 0
  argv = flags.FLAGS([sys.argv[1], *arguments])
  with contextlib.redirect_stderr(sys.stdout):
    if not cli.guarded(cli.call, program.main, argv):
      print('fine')
"""


def run(*words, timeout=300):
  """A finished process of this Python on a CPU, from the repository's root."""
  return subprocess.run(
    [sys.executable, *words],
    cwd=ROOT,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    timeout=timeout,
    check=False,
  )


def outcomes(name, lines, timeout=300):
  """What `experiments.<name>` says to each line of arguments, one a line.

  All in one process, since starting one takes longest.
  """
  done = run(
    '-c', _MANY, f'experiments.{name}', json.dumps(lines), timeout=timeout
  )
  assert done.returncode == 0, done.stderr
  return done.stdout.splitlines()
