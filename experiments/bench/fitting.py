# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times the steps of a fit, beside a yardstick of the machine.

  python -m experiments.bench.fitting
  taskset -c 0 python -m experiments.bench.fitting  # one core
  python -m experiments.bench.fitting --sizes=small,middle,large

prints one JSON line per size. Each fits a built-in street, recorded at that
size by three cameras, and takes every step as a real fit does: one image, its
loss with DSSIM and lidar, gradients of all parameters, Adam, and a relocation
every hundredth. Compilations in any step but the first are counted; there
should be none. The configuration is that of preset `cpu`, at each size.

The peer at `large`, 50,000 Gaussians and 320x192, is OpenSplat's training on a
CPU. It stands in no package index; its rasterizer alone, forward and backward
with harmonics of degree 3 over a street of as many Gaussians, took 235 ms on
one thread where a product reached 265 GFLOP/s and the sort took 57 ms, and a
training step of it adds loss, DSSIM and Adam to that.
"""

import os
import resource

from absl import flags
import jax

from experiments import flags as shared
from experiments.bench import fits
from experiments.bench import timing
from rdrl import training
from rdrl import world

_SIZES = flags.DEFINE_list('sizes', ['large'], ', '.join(fits.SIZES))
_STEPS = flags.DEFINE_integer(
  'timed_steps', 200, 'Timed steps of each fit, after the first one.'
)
_SEED = shared.flag('seed')
_SET = shared.flag('set')
_STREET = flags.DEFINE_integer('street', 1, 'Seed of the built-in street.')

# Milliseconds of OpenSplat at `large` forward and backward, and the yardstick
# beside which it was measured, GFLOP/s and ms.
_OPENSPLAT, _YARDSTICK = 235, (265, 57)


def peak_mib():
  """Peak memory of this process in MiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def bench(size, num_steps):
  """Prints the line of one of `SIZES`; returns its facts."""
  config = fits.config_of(size, _SET.value)
  log = world.record(world.build(_STREET.value, config.world), config.world)
  before = peak_mib()
  facts = fits.time_fit(
    log, config.splat, jax.random.key(_SEED.value), num_steps
  )
  if size == 'large':
    gflop_per_s, sort_ms = timing.yardstick()
    scale = min(_YARDSTICK[0] / gflop_per_s, sort_ms / _YARDSTICK[1])
    facts['opensplat_over_median'] = scale * _OPENSPLAT / facts['median_ms']
  timing.report(
    size,
    gaussians=config.splat.fit.num_gaussians,
    image=f'{config.world.width}x{config.world.height}',
    sh_degree=config.splat.fit.sh_degree,
    frames=len(log.times) * log.images.shape[1],
    cores=len(os.sched_getaffinity(0)),
    iterations_per_s=1e3 / facts['mean_ms'],
    seconds_per_1000=facts['mean_ms'],
    **facts,
    # The second includes recording.
    recording_peak_mib=before,
    process_peak_mib=peak_mib(),
  )
  return facts


def main():
  if _STEPS.value < 1:
    raise training.config.ConfigError(
      f'--timed_steps={_STEPS.value}: expected some'
    )
  for size in _SIZES.value:
    fits.config_of(size, _SET.value)
  # No cache of compiled programs: compiling is timed, too.
  timing.yardstick()
  for size in _SIZES.value:
    bench(size, _STEPS.value)


if __name__ == '__main__':
  training.cli.run(main)
