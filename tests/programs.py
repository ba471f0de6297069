# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Experiments as modules: many are loaded by the tests of one process."""

import importlib

from absl import flags


def load(name):
  """`experiments.<name>` without its flags, whose names others use, too."""
  known = set(flags.FLAGS)
  program = importlib.import_module(f'experiments.{name}')
  for flag in set(flags.FLAGS) - known:
    delattr(flags.FLAGS, flag)
  return program
