# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times the steps of a fit and says what they cost, beside a yardstick.

  python -m experiments.bench_fitting
  taskset -c 0 python -m experiments.bench_fitting  # one core
  python -m experiments.bench_fitting --sizes=small,middle,large

prints one JSON line per size. Each fits a built-in street, recorded at that
size by three cameras, and takes every step as a real fit does: one image, its
loss with DSSIM and lidar, gradients of all parameters, Adam, and a relocation
every hundredth. Compilations in any step but the first are counted; there
should be none.

The peer at `large`, 50,000 Gaussians and 320x192, is OpenSplat's training on a
CPU. It stands in no package index; its rasterizer alone, forward and backward
with harmonics of degree 3 over a street of as many Gaussians, took 235 ms on
one thread where a product reached 265 GFLOP/s and the sort took 57 ms, and a
training step of it adds loss, DSSIM and Adam to that.
"""

import dataclasses
import os
import resource
import statistics
import time

from absl import flags
import jax
import numpy as np

from experiments import presets
from experiments import timing
from rdrl import splat
from rdrl import training
from rdrl import world
from rdrl.splat import optimise

# Gaussians, height, width and degree of the harmonics.
SIZES = {
  'small': (8_192, 96, 160, 1),
  'middle': (32_768, 144, 240, 1),
  'large': (50_000, 192, 320, 3),
}

_SIZES = flags.DEFINE_list('sizes', ['large'], ', '.join(SIZES))
_STEPS = flags.DEFINE_integer(
  'steps', 200, 'Timed steps of each fit, after the first one.'
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the fits.')
_STREET = flags.DEFINE_integer('street', 1, 'Seed of the built-in street.')
_SET = flags.DEFINE_multi_string(
  'set', [], 'Override of one field of the preset `cpu`, as path=value.'
)

# Milliseconds of OpenSplat at `large` forward and backward, and the yardstick
# beside which it was measured, GFLOP/s and ms.
_OPENSPLAT, _YARDSTICK = 235, (265, 57)
_COMPILED = '/jax/core/compile/backend_compile_duration'


def config_of(size, assignments=()):
  """`presets.Config` of a scene of one of `SIZES`, then overridden.

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
      f'splat.num_gaussians={count}',
      f'splat.sh_degree={degree}',
      'splat.snapshot_fractions=()',
      *assignments,
    ),
  )


def time_fit(log, config, key, num_steps):
  """Fits a log for a few steps and times them.

  Args:
    log: to fit.
    config: `splat.Config`; its number of steps is replaced.
    key: of the fit.
    num_steps: steps to time, after a first one that compiles.

  Returns:
    Facts: `median_ms` of a step and `mean_ms`, which relocations are a part of;
    `compile_s` of the first step; `recompilations`, programs that were compiled
    in any other; `step_mib` of the compiled step, its arguments, results and
    temporaries; `overflow`, the largest of a step, see `splat.Rendered`.
  """
  watch = _Watch(optimise.step)
  config = dataclasses.replace(config, num_steps=1 + num_steps)
  optimise.step = watch
  jax.monitoring.register_event_duration_secs_listener(watch.listen)
  try:
    splat.fit(log, config, key)
  finally:
    jax.monitoring.unregister_event_duration_listener(watch.listen)
    optimise.step = watch.step
  first, *times = watch.times
  median = statistics.median(times)
  return {
    'median_ms': 1e3 * median,
    'mean_ms': 1e3 * statistics.fmean(times),
    'compile_s': first - median,
    'recompilations': watch.recompilations,
    'step_mib': watch.memory() / 2**20,
    'overflow': int(np.max(watch.overflows)),
  }


class _Watch:
  """Takes the place of the jitted step and looks at every call.

  Attributes:
    step: what it calls.
    times: seconds of each call.
    overflows: of each call.
    recompilations: programs compiled in all calls but the first.
  """

  def __init__(self, step):
    self.step = step
    self.times, self.overflows, self.recompilations = [], [], 0
    self._num_compiled = 0

  def __call__(self, *arguments):
    if not self.times:
      self._shapes = jax.tree.map(_shape, arguments)
    before = self._num_compiled
    begin = time.perf_counter()
    state, metrics = self.step(*arguments)
    jax.block_until_ready(state)
    self.times.append(time.perf_counter() - begin)
    self.overflows.append(metrics['overflow'])
    if len(self.times) > 1:
      self.recompilations += self._num_compiled - before
    return state, metrics

  def listen(self, event, seconds, **_):
    """Counts compilations, of whatever function."""
    del seconds
    self._num_compiled += event == _COMPILED

  def memory(self):
    """Bytes of the compiled step."""
    compiled = self.step.lower(*self._shapes).compile()
    found = compiled.memory_analysis()
    parts = 'argument', 'output', 'temp'
    total = sum(getattr(found, f'{x}_size_in_bytes') for x in parts)
    # The state is donated: what comes out lies where it came in.
    return total - found.alias_size_in_bytes


def _shape(x):
  """Of an array that may be donated; anything else is static."""
  if isinstance(x, jax.Array):
    return jax.ShapeDtypeStruct(x.shape, x.dtype)
  return x


def peak_mib():
  """The most memory that this process ever held."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def bench(size, num_steps):
  """Prints the line of one of `SIZES`; returns its facts."""
  config = config_of(size, _SET.value)
  log = world.record(world.build(_STREET.value, config.world), config.world)
  before = peak_mib()
  facts = time_fit(log, config.splat, jax.random.key(_SEED.value), num_steps)
  if size == 'large':
    gflop_per_s, sort_ms = timing.yardstick()
    scale = min(_YARDSTICK[0] / gflop_per_s, sort_ms / _YARDSTICK[1])
    facts['opensplat_over_median'] = scale * _OPENSPLAT / facts['median_ms']
  timing.report(
    size,
    gaussians=config.splat.num_gaussians,
    image=f'{config.world.width}x{config.world.height}',
    sh_degree=config.splat.sh_degree,
    frames=len(log.times) * log.images.shape[1],
    cores=len(os.sched_getaffinity(0)),
    iterations_per_s=1e3 / facts['mean_ms'],
    seconds_per_1000=facts['mean_ms'],
    **facts,
    # What recording took is a part of the second.
    recording_peak_mib=before,
    process_peak_mib=peak_mib(),
  )
  return facts


def main(argv):
  if argv[1:]:
    raise training.config.ConfigError(f'{argv[1]}: not a flag')
  if _STEPS.value < 1:
    raise training.config.ConfigError(f'--steps={_STEPS.value}: expected some')
  for size in _SIZES.value:
    config_of(size, _SET.value)
  # No cache of compiled programs: compiling is timed, too.
  timing.yardstick()
  for size in _SIZES.value:
    bench(size, _STEPS.value)


if __name__ == '__main__':
  training.cli.run(main)
