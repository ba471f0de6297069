# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Ctrl-C and SIGTERM end a command within a second, in one line.

Python hands a signal to the main thread between two of its instructions, and
waiting for XLA to compile is one that can take minutes. Its C handler writes a
byte to a pipe at once, though (`signal.set_wakeup_fd`), and a thread of ours
waits for it. What we write appears whole or not at all whenever a process ends,
so nothing has to be waited for. Imports little, so that it can come before what
takes seconds to import.
"""

import contextlib
import os
import signal
import sys
import threading
import time

_SIGNALS = signal.SIGINT, signal.SIGTERM
_MESSAGE = 'stopped; the same command goes on'
# Seconds in which a command may clean up what it was building.
_GRACE = 0.5

_is_watching = False
_is_cleaning = False
_received = None
_ends = threading.Lock()


def watch():
  """From here on a signal ends the process; call it in the main thread.

  A signal that is ignored, as nohup has it, stays so.
  """
  global _is_watching
  if _is_watching:
    return
  _is_watching = True
  read, write = os.pipe()
  os.set_blocking(write, False)
  _handle()
  signal.set_wakeup_fd(write, warn_on_full_buffer=False)
  threading.Thread(target=_wait, args=(read,), daemon=True).start()
  os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def cleaning_up():
  """Watches; within, a signal raises KeyboardInterrupt in the main thread.

  Where the block has not ended half a second later, the process does. Use it
  once, around all that a command does.
  """
  global _is_cleaning
  watch()
  # Libraries that were imported since may have put their own handlers there.
  _handle()
  _is_cleaning = True
  try:
    yield
  finally:
    if _received:
      with contextlib.suppress(OSError):
        sys.stdout.flush()
      _end()
    _is_cleaning = False


def _handle():
  for number in _SIGNALS:
    if signal.getsignal(number) != signal.SIG_IGN:
      signal.signal(number, _raise)


def _raise(number, frame):
  del frame
  global _received
  _received = _received or number
  if _is_cleaning:
    raise KeyboardInterrupt


def _wait(pipe):
  global _received
  # Other signals that Python handles write to the pipe, too.
  while (number := os.read(pipe, 1)[0]) not in _SIGNALS:
    pass
  _received = _received or number
  if _is_cleaning:
    time.sleep(_GRACE)
  _end()


def _end():
  """Says so and exits, in whichever thread comes here first."""
  with _ends:
    # Progress bars leave the cursor where they end.
    line = f'\n{_MESSAGE}\n' if _is_cleaning else f'{_MESSAGE}\n'
    with contextlib.suppress(OSError):
      os.write(2, line.encode())
    os._exit(128 + _received)


def _forget():
  """In a child that was forked: signals are no business of the parent's."""
  signal.set_wakeup_fd(-1)
  for number in _SIGNALS:
    if signal.getsignal(number) == _raise:
      signal.signal(number, signal.SIG_DFL)
