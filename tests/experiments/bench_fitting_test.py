# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the steps of a fit cost, and that they are compiled once."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench import fits
from experiments.bench import fitting as bench_fitting
from experiments.bench import timing
from rdrl import training
from rdrl import world
from rdrl.splat.fitting import fit as fitting
from rdrl.splat.fitting import optimise


@pytest.mark.slow
def test_a_fit_compiles_once(monkeypatch):
  config = fits.config_of(
    'small',
    (
      'world.height=24',
      'world.width=40',
      'world.num_steps=10',
      'world.num_lidar=128',
      'world.supersample=1',
      'splat.fit.num_gaussians=800',
      'splat.fit.gaussians_per_object=16',
      'splat.fit.relocate_every=2',
      'splat.grid.size=64',
    ),
  )
  log = world.record(world.build(1, config.world), config.world)
  # What a fit scores at its end is timed by nobody.
  monkeypatch.setattr(fitting, 'evaluate', lambda *_: {})
  step = optimise.step
  facts = fits.time_fit(log, config.splat, jax.random.key(0), 4)
  assert facts['recompilations'] == 0
  assert facts['overflow'] == 0
  assert 0 < facts['median_ms'] < 1e3 * facts['compile_s']
  # At least Gaussians and both moments, of 23 numbers each, are in memory.
  assert facts['step_mib'] > 3 * 23 * 4 * 800 / 2**20
  assert bench_fitting.peak_mib() > facts['step_mib']
  assert optimise.step is step


def test_a_compilation_after_the_first_step_is_counted():
  @jax.jit
  def step(state, i, num):
    return state + num.sum(), {'overflow': i}

  calls = [
    (jnp.asarray(i), jnp.asarray(np.zeros(size)))
    for i, size in enumerate((1, 1, 2, 2, 3))
  ]
  state = jnp.asarray(0.0)
  with timing.Compilations() as compiled:
    watch = fits.Watch(step, compiled)
    for arguments in calls:
      watch(state, *arguments)
  assert len(watch.times) == 5
  assert watch.recompilations == 2
  assert watch.memory() > 0


def test_an_unknown_size_is_named():
  with pytest.raises(training.config.ConfigError, match='vast'):
    fits.config_of('vast')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
