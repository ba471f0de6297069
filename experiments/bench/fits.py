# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Times the steps of a real fit of a built-in street."""

import contextlib
import dataclasses
import statistics
import time

import jax
import numpy as np

from experiments import presets
from experiments.bench import timing
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl.splat.fitting import optimise

# Gaussians, height, width and degree of the harmonics.
SIZES = {
  'small': (8_192, 96, 160, 1),
  'middle': (32_768, 144, 240, 1),
  'large': (50_000, 192, 320, 3),
}
# Steps after which a scene shows something.
_HASTY = 25


def config_of(size, assignments=()):
  """`pipeline.Config` of a scene of one of `SIZES`, then overridden.

  Raises:
    ConfigError: if there is no such size or no such field.
  """
  if size not in SIZES:
    raise training.config.ConfigError(
      f'--sizes={size}: expected some of {", ".join(SIZES)}'
    )
  count, height, width, degree = SIZES[size]
  return training.config.override(
    presets.get_scene('cpu'),
    (
      f'world.height={height}',
      f'world.width={width}',
      f'splat.fit.num_gaussians={count}',
      f'splat.fit.sh_degree={degree}',
      'splat.fit.snapshot_fractions=()',
      *assignments,
    ),
  )


def hasty_environment(log, config, draw, key):
  """A `Scene` that is hardly fitted to a log, and a `sim.Env` of it.

  Its observations tell the truth.

  Args:
    log: to fit, for a few steps.
    config: `pipeline.Config`.
    draw: what makes `Scenario` `[V]` of the `Scene`.
    key: of the fit.
  """
  hasty = config.splat.with_fit(num_steps=_HASTY, snapshot_fractions=())
  scene = splat.fit(log, hasty, key).scene
  renderer = splat.Renderer.create(
    [scene],
    config.sim.image_height,
    config.sim.image_width,
    config.splat.render,
  )
  settings = dataclasses.replace(config.sim, truth_cell=config.policy.patch)
  return scene, sim.Env.create([scene], draw(scene), renderer, settings)


def time_fit(log, config, key, num_steps):
  """Fits a log for a few steps and times them.

  Args:
    log: to fit.
    config: `splat.Config`; its number of steps is replaced.
    key: of the fit.
    num_steps: steps to time, after a first one that compiles.

  Returns:
    Facts: those of `Watch`; `step_mib` of the compiled step, its arguments,
    results and temporaries; `overflow`, the largest of a call, see
    `splat.Rendered`; `psnr` of the held-out frames in the end.
  """
  config = config.with_fit(num_steps=1 + num_steps)
  with watched(optimise, 'step', lambda *x: x[-1] or 1) as watch:
    result = splat.fit(log, config, key)
  overflows = [metrics['overflow'] for metrics in watch.metrics]
  return watch.facts() | {
    'step_mib': watch.memory() / 2**20,
    'overflow': int(np.max(jax.device_get(overflows))),
    'psnr': result.metrics.get('psnr'),
  }


@contextlib.contextmanager
def watched(module, name, count=lambda *_: 1):
  """Replaces a jitted function of a module by a `Watch`."""
  with timing.Compilations() as compiled:
    watch = Watch(getattr(module, name), compiled, count)
    setattr(module, name, watch)
    try:
      yield watch
    finally:
      setattr(module, name, watch.step)


class Watch:
  """Replaces a jitted step and times every call.

  Attributes:
    step: the function that it calls, which returns a state and metrics.
    compiled: `timing.Compilations`.
    count: from the arguments of a call to how many steps it does.
    times: seconds of each call.
    counts: steps of each call.
    metrics: of each call.
    recompilations: programs compiled in all calls but the first.
  """

  def __init__(self, step, compiled, count=lambda *_: 1):
    self.step, self.compiled, self.count = step, compiled, count
    self.times, self.counts, self.metrics = [], [], []
    self.recompilations = 0

  def __call__(self, *arguments):
    if not self.times:
      self._shapes = jax.tree.map(_shape, arguments)
    before = self.compiled.count
    begin = time.perf_counter()
    state, metrics = self.step(*arguments)
    jax.block_until_ready(state)
    self.times.append(time.perf_counter() - begin)
    self.counts.append(self.count(*arguments))
    self.metrics.append(metrics)
    if len(self.times) > 1:
      self.recompilations += self.compiled.count - before
    return state, metrics

  def facts(self):
    """Figures of all calls but the first, which compiles.

    Returns:
      `median_ms` of a step and `mean_ms`, which the rare ones are a part of;
      `compile_s` of the first call; `steps_per_call`, the most;
      `recompilations`.
    """
    first, *times = self.times
    each = [t / n for t, n in zip(times, self.counts[1:], strict=True)]
    median = statistics.median(each)
    return {
      'median_ms': 1e3 * median,
      'mean_ms': 1e3 * sum(times) / sum(self.counts[1:]),
      'compile_s': first - median * self.counts[0],
      'steps_per_call': max(self.counts),
      'recompilations': self.recompilations,
    }

  def memory(self):
    """Bytes of the compiled step."""
    compiled = self.step.lower(*self._shapes).compile()
    found = compiled.memory_analysis()
    parts = 'argument', 'output', 'temp'
    total = sum(getattr(found, f'{x}_size_in_bytes') for x in parts)
    # The state is donated: output and input share memory.
    return total - found.alias_size_in_bytes


def _shape(x):
  """Shape of an array, which may be donated; anything else is static."""
  if isinstance(x, jax.Array):
    return jax.ShapeDtypeStruct(x.shape, x.dtype)
  return x
