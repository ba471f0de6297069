# Copyright 2026 The rdrl Authors. Apache-2.0.
"""`rdrl COMMAND [--flag=value ...]`: every command of the house by its name.

A command is a module of `experiments` that runs as a program: `rdrl NAME` does
what `python -m experiments.NAME` does. A name may be cut short to a beginning
that no other command shares.
"""

import pathlib
import re
import runpy
import sys

from rdrl import interrupts

_ROOT = pathlib.Path(__file__).parent
_MAIN = '__main__'
_GUARD = re.compile(r"^if __name__ == '__main__':$", re.M)
_DOCSTRING = re.compile(r'^r?"""(.+?)(?:""")?$', re.M)


def commands():
  """Modules that run as programs, with a line about each.

  Reads their text alone, because importing or parsing all takes seconds.

  Returns:
    From the name of a command to its module and the first line of the module's
    docstring; `bench` is `experiments.bench.__main__`.
  """
  found = {}
  for path in sorted(_ROOT.rglob('*.py')):
    parts = path.relative_to(_ROOT).with_suffix('').parts
    text = path.read_text('utf-8')
    if parts != (_MAIN,) and _GUARD.search(text):
      name = '.'.join(part for part in parts if part != _MAIN)
      line = _DOCSTRING.search(text)
      module = '.'.join((_ROOT.name, *parts))
      found[name] = module, line[1] if line else ''
  return found


def _find(word, known):
  """Module of the command that a user means.

  Raises:
    ValueError: it is no command's name nor the beginning of just one.
  """
  names = [name for name in known if name.startswith(word)]
  if word in known:
    names = [word]
  if len(names) > 1:
    raise ValueError(f'{word}: one of {", ".join(names)}?')
  if not names:
    raise ValueError(f'{word}: no such command; rdrl --help lists them')
  return known[names[0]][0]


def main():
  """Runs the command that `sys.argv` names, or lists all.

  Returns:
    Exit code, of a command that returns.
  """
  interrupts.watch()
  word = sys.argv[1] if sys.argv[1:] else '--help'
  known = commands()
  if word in ('--help', '-h', 'help'):
    print('usage: rdrl COMMAND [--flag=value ...]\n')
    width = max(map(len, known))
    for name, (_, line) in sorted(known.items()):
      print(f'  {name:{width}}  {line}')
    print('\nrdrl COMMAND --help lists the flags of one.')
    return 0
  try:
    module = _find(word, known)
  except ValueError as error:
    print(f'error: {error}', file=sys.stderr)
    return 1
  del sys.argv[1]
  runpy.run_module(module, run_name=_MAIN, alter_sys=True)
  return 0


if __name__ == '__main__':
  sys.exit(main())
