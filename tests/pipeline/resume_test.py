# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A run that is killed at any moment ends like one that never was.

As a script it prints each kill:

  PYTHONPATH=. python tests/pipeline/resume_test.py
"""

import contextlib
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from rdrl import pipeline
from rdrl import training
from rdrl import types
from tests import tiny

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 25


class Run:
  """The pipeline in a process of its own.

  Attributes:
    stage: that it is in, an index into `STAGES`; their number at the end.
    seconds: wall time of each stage that is done.
    errors: lines on stderr.
  """

  def __init__(self, workdir, *arguments):
    self.stage, self.seconds, self.errors = 0, {}, []
    self.process = subprocess.Popen(
      [
        *(sys.executable, '-u', '-m', 'experiments.recondreamer_rl'),
        f'--workdir={workdir}',
        *(f'--set={value}' for value in tiny.OVERRIDES),
        *arguments,
      ],
      cwd=ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    self._readers = [
      threading.Thread(target=target, daemon=True)
      for target in (self._follow, self._listen)
    ]
    for reader in self._readers:
      reader.start()

  def _follow(self):
    for line in self.process.stdout:
      name, _, value = line.partition(': ')
      # The last line says where the report is, not how long it took.
      if name in pipeline.STAGES and value.endswith(' s\n'):
        self.seconds[name] = float(value.removesuffix(' s\n'))
        self.stage = pipeline.STAGES.index(name) + 1

  def _listen(self):
    self.errors += self.process.stderr

  def wait(self):
    """Its exit code."""
    for reader in self._readers:
      reader.join()
    return self.process.wait()

  def finish(self):
    """Seconds by stage."""
    assert self.wait() == 0, self.errors[-5:]
    return self.seconds

  def wait_for(self, is_time):
    """Whether `is_time()` came before the end."""
    while self.process.poll() is None:
      if is_time():
        return True
      time.sleep(0.002)
    return False


def _is_writing(workdir, since):
  """Whether a checkpoint is half written, since when the clock said so."""
  # Folders may vanish while they are looked through.
  with contextlib.suppress(FileNotFoundError):
    for path in workdir.glob('**/.*.building*/**/ocdbt*'):
      if path.stat().st_mtime > since:
        return True
  return False


def _kill(workdir, stage, draw, seconds, writes):
  """One kill in a stage or after it; whether it came before the end."""
  begin = time.time()
  run = Run(workdir)
  if not run.wait_for(lambda: run.stage >= stage):
    return False
  moment = time.monotonic() + draw.uniform(0, seconds)
  found = run.wait_for(
    lambda: _is_writing(workdir, begin) if writes else time.monotonic() > moment
  )
  run.process.kill()
  if run.wait() != -signal.SIGKILL or not found:
    return False
  half = ', a checkpoint half written' if _is_writing(workdir, begin) else ''
  print(f'killed in {[*pipeline.STAGES, "exit"][run.stage]}{half}', flush=True)
  return True


def _metrics(workdir):
  return (workdir / 'report' / 'metrics.json').read_bytes()


def kills(folder, count, seed=0):
  """Figures of two runs that were let alone and of one that was killed."""
  draw = random.Random(seed)
  Run(folder / 'first').finish()
  # Now that all is compiled, it takes as long as those that are killed.
  seconds = Run(folder / 'second').finish()
  print('let alone:', seconds, flush=True)
  num_killed, may_write = 0, True
  while num_killed < count:
    stage = num_killed * len(pipeline.STAGES) // count
    # What was written is not written again, so there may be nothing to wait
    # for; a resumed stage may also end sooner.
    may_write = _kill(
      folder / 'killed',
      stage,
      draw,
      seconds[pipeline.STAGES[stage]],
      writes=may_write and num_killed % 3 == 0,
    )
    num_killed += may_write
  Run(folder / 'killed').finish()
  return [_metrics(folder / name) for name in ('first', 'second', 'killed')]


def _assert_no_flipped_bit_is_used(workdir):
  """In one file after the other, of each kind of checkpoint."""
  draw = random.Random(1)
  found = sorted(workdir.rglob('SHA256SUMS'))
  assert found, workdir
  for sums in found:
    step = sums.parent
    files = [x for x in step.rglob('*') if x.is_file() and x.stat().st_size]
    assert len(files) > 1, step
    for file in files:
      whole = file.read_bytes()
      data = bytearray(whole)
      data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
      file.write_bytes(data)
      with pytest.raises(training.checkpoints.DamagedError, match=str(step)):
        training.checkpoints.read(step.parent, types.Log, int(step.name))
      file.write_bytes(whole)
    print(f'{step.relative_to(workdir)}: {len(files)} files', flush=True)


@pytest.mark.slow
def test_a_run_that_was_killed_25_times_ends_as_if_it_never_was(tmp_path):
  first, second, killed = kills(tmp_path, KILLS)
  assert second == first
  assert killed == first
  _assert_no_flipped_bit_is_used(tmp_path / 'killed')


@pytest.mark.slow
@pytest.mark.parametrize(
  ('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_during_fits_ends_them_at_once(
  number, code, tmp_path, request
):
  # Where it is ignored, as in what a shell started with &, a child inherits so.
  before = signal.signal(number, signal.default_int_handler)
  request.addfinalizer(lambda: signal.signal(number, before))
  # Long enough to be caught at it.
  fits = '--until=fit', '--set=splat.fit.num_steps=2000'
  run = Run(tmp_path, *fits)
  assert run.wait_for(lambda: run.stage == pipeline.STAGES.index('fit'))
  time.sleep(1)
  begin = time.monotonic()
  run.process.send_signal(number)
  assert run.wait() == code
  assert time.monotonic() - begin < 1
  errors = ''.join(run.errors)
  assert errors.count('stopped; the same command goes on\n') == 1
  assert 'Traceback' not in errors
  Run(tmp_path, *fits).finish()


if __name__ == '__main__':
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    first, *others = kills(folder, KILLS)
    print(KILLS, 'kills; metrics.json equal:', others == [first, first])
    _assert_no_flipped_bit_is_used(folder / 'killed')
