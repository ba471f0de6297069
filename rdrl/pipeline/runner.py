# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Does one stage after the other, takes the time and shows what is done."""

import contextlib
import pathlib
import time

import jax

from rdrl import report
from rdrl import training
from rdrl.pipeline import config
from rdrl.pipeline import showing
from rdrl.pipeline import stages
from rdrl.splat.raster import backends

# What each stage does, and the stages whose nouns it takes.
_STAGES = {
  'record': (stages.record, ()),
  'fit': (stages.fit, ('record',)),
  'prior': (stages.prior, ('fit',)),
  'refine': (stages.refine, ('fit', 'prior')),
  'donors': (stages.donors, ('refine',)),
  'scenarios': (stages.scenarios, ('donors',)),
  'imitate': (stages.imitate, ('donors', 'scenarios')),
  'reinforce': (stages.reinforce, ('imitate',)),
  'evaluate': (stages.evaluate, ('donors', 'scenarios', 'reinforce')),
}
# Parts of a page and who shows them once a stage is done: the last that is.
_PARTS = {
  'reconstructions': {
    'record': showing.recorded,
    'fit': showing.fitted,
    'refine': showing.refined,
  },
  'shifts': {'refine': showing.shifts},
  'scenarios': {'scenarios': showing.scenarios, 'imitate': showing.scenarios},
  'driving': {'evaluate': showing.driving},
  'showcases': {'evaluate': showing.showcases},
}
# The last stage that a page shows.
_LAST = 'last stage'


class Timing:
  """Wall times of stages, of this process.

  Attributes:
    seconds: name of a stage to its time so far.
  """

  def __init__(self):
    self.seconds = {}

  @contextlib.contextmanager
  def stage(self, name):
    """Measures what its block does and prints it as that of a stage."""
    with self.more(name):
      yield
    print(f'{name}: {self.seconds[name]:.1f} s', flush=True)

  @contextlib.contextmanager
  def more(self, name):
    """Adds what its block takes to the time of a stage."""
    begin = time.monotonic()
    yield
    passed = time.monotonic() - begin
    self.seconds[name] = self.seconds.get(name, 0.0) + passed


def run(request, workdir, until=config.STAGES[-1], prepare=None):
  """Runs the stages up to and including `until`.

  The report in the folder `report` is written anew after every stage. A work
  directory whose report shows more keeps that until there is as much again.

  Args:
    request: `Request`, what to do.
    workdir: where everything is kept; a run that was killed goes on from it.
    until: one of `STAGES`.
    prepare: see `stages.Run`.

  Returns:
    The path of the report's page.

  Raises:
    As `compute`.
  """
  page, _ = compute(request, workdir, until, prepare)
  return page


def compute(request, workdir, until, prepare=None):
  """`run`, with what the stages made of it.

  Args:
    request: see `run`, as all others.
    workdir: likewise.
    until: likewise.
    prepare: likewise.

  Returns:
    The path of the report's page, and the nouns by stage.

  Raises:
    ValueError: if the request names nothing that there is or contradicts
      itself, or if `workdir` holds a run of another request.
    FileNotFoundError: if there is no such `data_dir`.
    OSError: if `workdir` cannot be written or another process has it.
  """
  config.check(request, until)
  workdir = pathlib.Path(workdir)
  training.config.record(workdir, request)
  name = backends.resolve(request.config.splat.render.backend)
  print(f'{backends.describe(jax.devices()[0])}: {name} blends')
  context = stages.Run(request, workdir, prepare)
  reporter = _Reporter(context)
  print(f'report after every stage: {reporter.page}', flush=True)
  timing, nouns = Timing(), {}
  for name in config.STAGES[: config.STAGES.index(until) + 1]:
    if name == 'report':
      with timing.stage(name):
        reporter.write(name, nouns, timing.seconds)
      continue
    stage, inputs = _STAGES[name]
    with timing.stage(name):
      nouns[name] = stage(context, *(nouns[x] for x in inputs))
    # Of the drives, the stage that comes next shows more.
    if name != 'evaluate' or name == until:
      with timing.more('report'):
        reporter.write(name, nouns, timing.seconds)
  return reporter.page, nouns


class _Reporter:
  """Writes the report of a run again and again.

  Attributes:
    page: path of it.
  """

  def __init__(self, context):
    self._context = context
    self._folder = (context.workdir / 'report').absolute()
    self._shown = _shown(self._folder)
    self._parts, self._encoded = {}, {}
    self.page = self._folder / 'index.html'

  def write(self, last, nouns, seconds):
    """Writes what there is after a stage, unless a page shows more.

    Args:
      last: the stage.
      nouns: stage to its noun, of all that are done.
      seconds: stage to its wall time.
    """
    if config.STAGES.index(last) < self._shown:
      return
    parts = {}
    for part, by_stage in _PARTS.items():
      done = [stage for stage in by_stage if stage in nouns]
      if done:
        parts[part] = self._show(part, done[-1], nouns)
    content = report.content.Content(
      title='ReconDreamer-RL',
      facts=showing.facts(self._context, nouns) | {_LAST: last},
      timing=seconds,
      curves=showing.curves(self._context),
      **parts,
    )
    if jax.process_index() == 0:
      report.page.write(self._folder, content, self._encoded)

  def _show(self, part, stage, nouns):
    """A part of the page, made once for each stage."""
    if self._parts.get(part, (None,))[0] != stage:
      self._parts[part] = stage, _PARTS[part][stage](self._context, nouns)
    return self._parts[part][1]


def _shown(folder):
  """Index of the last stage that the report which is there shows, or -1."""
  training.folders.recover(folder)
  try:
    last = training.config.read(folder / 'metrics.json')['facts'][_LAST]
    return config.STAGES.index(last)
  except (OSError, KeyError, TypeError, ValueError):
    return -1
