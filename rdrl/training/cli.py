# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How a command ends: one clear line for a user's mistake, not a traceback."""

import contextlib
import os
import sys

from absl import app
from absl import flags
from absl import logging
import tqdm

from rdrl import interrupts
from rdrl.training import config

# Characters of an error; what is cut out of a longer one is its middle.
_LONGEST = 480


def run(main):
  """Runs a command, with errors at the edge as one line and exit code 1.

  `ValueError` and `OSError` carry what a user can mend: a file, a field, a
  value. `FloatingPointError` is a training run that diverged. Any other
  exception is a defect of ours and keeps its traceback. Ctrl-C and SIGTERM end
  it as `interrupts` says.

  Args:
    main: function without arguments, of the command's module.
  """

  def quiet(argv):
    # Orbax logs every save; --verbosity shows that.
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
    with interrupts.cleaning_up():
      code = guarded(call, main, argv)
    if code:
      # Threads that still compute are not waited for.
      with contextlib.suppress(OSError):
        sys.stdout.flush()
      os._exit(code)

  app.run(quiet)


def call(main, argv):
  """`main()`, if the command line has flags of this command alone.

  Raises:
    ConfigError: naming the first word that is no flag, or the flag of the
      package's other commands that is none of this one's.
  """
  if argv[1:]:
    raise config.ConfigError(f'{argv[1]}: not a flag')
  module = main.__module__
  package = sys.modules[module].__package__
  # absl knows a program by the word that started it.
  own = sys.argv[0] if module == '__main__' else module
  taken = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(own)}
  for other, defined in flags.FLAGS.flags_by_module_dict().items():
    if package and other.partition('.')[0] == package.partition('.')[0]:
      for flag in defined:
        if flag.present and flag.name not in taken:
          raise config.ConfigError(f'--{flag.name}: not a flag of this command')
  return main()


def guarded(function, *arguments):
  """Calls `function`; an error at the edge becomes a line on stderr and 1."""
  try:
    return function(*arguments)
  except (ValueError, OSError, FloatingPointError) as error:
    # Progress bars of other threads leave the cursor where they end.
    begin = '\n' if getattr(tqdm.tqdm, '_instances', None) else ''
    print(f'{begin}error: {_one_line(error)}', file=sys.stderr)
    return 1


def _one_line(error):
  text = str(error)
  if isinstance(error, OSError) and error.filename is not None:
    text = f'{error.filename}: {error.strerror}'
  text = ' '.join(text.split())
  half = _LONGEST // 2
  return text if len(text) <= _LONGEST else f'{text[:half]}...{text[-half:]}'
