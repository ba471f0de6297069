# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How a command ends: one clear line for a user's mistake, not a traceback."""

import sys

from absl import app
from absl import flags
from absl import logging


def run(main):
  """`absl.app.run(main)`, with errors at the edge as one line and exit code 1.

  `ValueError` and `OSError` carry what a user can mend: a file, a field, a
  value. `FloatingPointError` is a training run that diverged. Any other
  exception is a defect of ours and keeps its traceback.
  """

  def quiet(argv):
    # Orbax narrates every save; ask for it with --verbosity.
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
    return guarded(main, argv)

  app.run(quiet)


def guarded(function, *arguments):
  """Calls `function`; an error at the edge becomes a line on stderr and 1."""
  try:
    return function(*arguments)
  except (ValueError, OSError, FloatingPointError) as error:
    print(f'error: {_one_line(error)}', file=sys.stderr)
    return 1


def _one_line(error):
  if isinstance(error, OSError) and error.filename is not None:
    return f'{error.filename}: {error.strerror}'
  return ' '.join(str(error).split())
