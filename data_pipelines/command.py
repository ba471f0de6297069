# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Runs a pipeline as a command.

Each pipeline defines its flags in a `FlagValues` of its own, because the global
ones belong to whichever command imports it.
"""

import sys

from absl import flags

from rdrl import training


def run(main, values, required):
  """Runs `main` with the flags in `values`, of which some are required."""
  flags.mark_flags_as_required(required, values)
  flags.FLAGS.append_flag_values(values)
  for name in values:
    # So that --help lists them.
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], values[name])
  values.mark_as_parsed()
  training.cli.run(main)
