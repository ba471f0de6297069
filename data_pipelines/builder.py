# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Writes prepared logs: the two TFDS data sets that `rdrl.logs` describes.

`write` streams: it holds one log at a time. `Logs` and `Steps` are plain
`GeneratorBasedBuilder`s whose examples are whatever collection of (index,
record) they are given; TFDS takes a Beam one there as well.
"""

import contextlib
import errno
import io
import itertools
import os
import pathlib
import shutil
import tempfile

from absl import logging
import numpy as np
import tensorflow_datasets as tfds

from rdrl import logs
from rdrl.logs import dataset


def write(recordings, out_dir, source=None):
  """Writes logs to a folder from which `logs.read` gets them back.

  The folder appears whole or not at all.

  Args:
    recordings: iterable of `Log`, with the same cameras and budgets of agents,
      lidar and map; the number of steps and the images' size may differ. It is
      read once and only one log is held at a time.
    out_dir: folder that must not be there yet, or be empty.
    source: where the logs are from, for messages; default: the log's name.

  Raises:
    LogError: one line, if a log is not valid, does not match the first one or
      has the name of another.
    FileExistsError: if `out_dir` holds something.
    OSError: naming `out_dir`, if it cannot be written.
    ValueError: if its name has letters that the locale does not know.
  """
  out_dir = pathlib.Path(out_dir)
  try:
    str(out_dir).encode()
  except UnicodeEncodeError as error:
    raise ValueError(
      f'{out_dir}: out_dir: has letters that the locale cannot read: set '
      'PYTHONUTF8=1'
    ) from error
  if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
    raise FileExistsError(
      errno.EEXIST, 'out_dir: holds something already', str(out_dir)
    )
  out_dir.parent.mkdir(parents=True, exist_ok=True)
  work_dir = pathlib.Path(
    tempfile.mkdtemp(prefix=f'.{out_dir.name}-', dir=out_dir.parent)
  )
  try:
    with _named(work_dir, out_dir):
      _write(recordings, out_dir, work_dir, source)
  finally:
    shutil.rmtree(work_dir, ignore_errors=True)


def _write(recordings, out_dir, work_dir, source):
  log_records = []
  steps = _steps(recordings, log_records, source)
  first = next(steps, None)
  if first is None:
    raise logs.LogError(f'{source or out_dir}: no logs to write')
  _build(Steps, itertools.chain([first], steps), first, work_dir)
  _build(Logs, log_records, log_records[0], work_dir)
  shutil.rmtree(work_dir / 'downloads', ignore_errors=True)
  # mkdtemp makes it private; a data set is for whoever may read its parent.
  work_dir.chmod(0o777 & ~_umask())
  work_dir.replace(out_dir)


@contextlib.contextmanager
def _named(work_dir, out_dir):
  """Gives errors of writing the name of what is to be written."""
  try:
    yield
  except OSError as error:
    # A full disk has no name, a place that was taken meanwhile that of a folder
    # which is gone.
    name = str(error.filename or work_dir)
    error.filename = name.replace(str(work_dir), str(out_dir))
    raise
  except RuntimeError as error:
    # The writer of records knows no errors of the system, but tells its file.
    what = ' '.join(str(error).split())
    if str(work_dir) not in what:
      raise
    what = what.replace(str(work_dir), str(out_dir))
    raise OSError(
      errno.EIO, f'cannot be written: {what[-300:]}', str(out_dir)
    ) from error


class _Records(tfds.core.GeneratorBasedBuilder):
  """A data set of records that all have the shapes of an example.

  Args:
    records: collection of (index, record).
    example: a record.
    **kwargs: of `tfds.core.GeneratorBasedBuilder`.
  """

  VERSION = tfds.core.Version(dataset.VERSION)

  def __init__(self, records, example, **kwargs):
    self._records = records
    self._example = example
    super().__init__(**kwargs)

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      description=dataset.__doc__,
      features=_feature(self._example),
      # The steps of a log stay together.
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {dataset.SPLIT: self._generate_examples()}

  def _generate_examples(self):
    return self._records


class Logs(_Records):
  """One record per log."""

  name = 'logs'


class Steps(_Records):
  """One record per time step."""

  name = 'steps'


def _build(builder, records, example, data_dir):
  # TFDS tells of downloads that there are none of, and of a folder that is
  # about to be renamed.
  tfds.disable_progress_bar()
  with contextlib.redirect_stdout(io.StringIO()):
    builder(
      enumerate(records),
      example,
      data_dir=str(data_dir),
      file_format='array_record',
    ).download_and_prepare()


def _steps(recordings, log_records, source):
  """Yields the records of the steps; fills `log_records` as it goes."""
  first_step, shapes = 0, None
  for log in recordings:
    where = source or log.name
    logs.validate(log, where)
    record = dataset.log_record(log, first_step)
    if log.name in {other['name'] for other in log_records}:
      raise logs.LogError(f'{where}: name: a second log {log.name!r}')
    found = _shapes(record) | _shapes(next(dataset.step_records(log)))
    shapes = shapes or found
    for field, shape in found.items():
      if shape != shapes[field]:
        raise logs.LogError(
          f'{where}: {field}: {shape} does not match {shapes[field]} of the '
          f'first log, {log_records[0]["name"]}'
        )
    log_records.append(record)
    yield from dataset.step_records(log)
    first_step += len(log.times)
    logging.info('wrote %s: %d steps', log.name, len(log.times))


def _shapes(record, prefix=''):
  """Shape of each array, number of images of each list."""
  shapes = {}
  for name, value in record.items():
    if isinstance(value, dict):
      shapes |= _shapes(value, f'{prefix}{name}.')
    elif isinstance(value, list):
      shapes[prefix + name] = len(value)
    elif isinstance(value, np.ndarray):
      shapes[prefix + name] = value.shape
  return shapes


def _feature(value):
  """TFDS feature for a value of a record, exact for any dtype."""
  match value:
    case dict():
      return tfds.features.FeaturesDict(
        {name: _feature(field) for name, field in value.items()}
      )
    case list():
      return tfds.features.Sequence(tfds.features.Text())
    case str():
      return tfds.features.Text()
    case np.ndarray():
      return tfds.features.Tensor(
        shape=value.shape,
        dtype=value.dtype,
        encoding=tfds.features.Encoding.BYTES,
      )


def _umask():
  mask = os.umask(0)
  os.umask(mask)
  return mask
