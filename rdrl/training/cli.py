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

  def guarded(argv):
    # Orbax narrates every save; ask for it with --verbosity.
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
    try:
      return main(argv)
    except (ValueError, OSError, FloatingPointError) as error:
      print(f'error: {_one_line(error)}', file=sys.stderr)
      return 1

  app.run(guarded)


def _one_line(error):
  if isinstance(error, OSError) and error.filename is not None:
    return f'{error.filename}: {error.strerror}'
  return ' '.join(str(error).split())
