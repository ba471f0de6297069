# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Folders that appear whole or not at all, and belong to one process."""

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil

from absl import logging

_LOCK = '.lock'
# By work directory, open files whose locks go when this process does.
_claimed = {}


def claim(workdir, is_first=True):
  """Makes `workdir` and keeps all other processes out until this one ends.

  The lock is `flock`'s on a file in it, so nothing is left to clean up however
  the process ends. Over NFS, Linux passes it on to the server; on file systems
  that have none, a warning is all.

  Args:
    workdir: where a command writes.
    is_first: of the processes of a command, only the first asks for the lock.

  Raises:
    BlockingIOError: naming directory and process, if another one has it.
    OSError: if the directory cannot be written.
  """
  workdir = pathlib.Path(workdir).resolve()
  if workdir in _claimed:
    return
  if not is_first:
    _claimed[workdir] = None
    return
  workdir.mkdir(parents=True, exist_ok=True)
  file = (workdir / _LOCK).open('a+')
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError as error:
    if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
      logging.warning('%s: no locks on this file system', workdir)
      _claimed[workdir] = file
      return
    file.seek(0)
    owner = ' '.join(file.read(100).split())
    file.close()
    raise BlockingIOError(
      error.errno,
      f'another process runs here{owner and f", {owner}"}: wait for it or'
      ' choose another --workdir',
      str(workdir),
    ) from error
  file.truncate(0)
  file.write(f'{os.getpid()} on {os.uname().nodename}\n')
  file.flush()
  _claimed[workdir] = file


def write_text(path, text):
  """Writes a file whole or not at all, in place of the one that is there."""
  path = pathlib.Path(path)
  temporary = path.with_suffix('.tmp')
  temporary.write_text(text)
  temporary.replace(path)


def place(path):
  """`path` below the work directory that this process has claimed, or None."""
  path = pathlib.Path(path).resolve()
  for workdir in _claimed:
    if workdir in path.parents:
      return str(path.relative_to(workdir))
  return None


@contextlib.contextmanager
def replacing(path):
  """An empty folder that takes the place of `path` when the block has ended.

  When something fails, what was there stays; so it does when the process is
  killed, though it may take `recover` to bring it back.
  """
  recover(path)
  new, old = building(path), _replaced(path)
  # What writes into it may have put folders of its own beside it.
  for left in new.parent.glob(f'{new.name}*'):
    shutil.rmtree(left)
  new.mkdir(parents=True)
  try:
    yield new
  except BaseException:
    shutil.rmtree(new, ignore_errors=True)
    raise
  if path.exists():
    path.rename(old)
  new.rename(path)
  shutil.rmtree(old, ignore_errors=True)


def building(path):
  """Where `replacing` builds."""
  return path.with_name(f'.{path.name}.building')


def recover(path):
  """Brings back what a process that was killed was about to replace."""
  old = _replaced(path)
  if old.exists():
    if path.exists():
      shutil.rmtree(old)
    else:
      old.rename(path)


def recover_all(directory):
  """`recover` for all that was replaced in a directory."""
  for path in directory.glob('.*.replaced'):
    recover(
      path.with_name(path.name.removeprefix('.').removesuffix('.replaced'))
    )


def _replaced(path):
  return path.with_name(f'.{path.name}.replaced')
