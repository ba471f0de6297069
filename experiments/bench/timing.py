# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Times compiled calls, beside a yardstick of the machine."""

import functools
import json
import statistics
import time

import jax
import jax.numpy as jnp

_COMPILED = '/jax/core/compile/backend_compile_duration'
_SIDE = 2048
_SORTED = 200_000


class Compilations:
  """Counts the programs that its block compiles.

  Attributes:
    count: so far.
  """

  def __init__(self):
    self.count = 0

  def __enter__(self):
    jax.monitoring.register_event_duration_secs_listener(self._listen)
    return self

  def __exit__(self, *_):
    jax.monitoring.unregister_event_duration_listener(self._listen)

  def _listen(self, event, seconds, **_):
    del seconds
    self.count += event == _COMPILED


def median_ms(call, *arguments, repeats=10):
  """Median wall time in milliseconds, and that of the first call."""
  return _timed(statistics.median, call, *arguments, repeats=repeats)


def _timed(pick, call, *arguments, repeats):
  begin = time.perf_counter()
  jax.block_until_ready(call(*arguments))
  first = time.perf_counter() - begin
  times = []
  for _ in range(repeats):
    begin = time.perf_counter()
    jax.block_until_ready(call(*arguments))
    times.append(time.perf_counter() - begin)
  return 1e3 * pick(times), 1e3 * first


def least_ms(call, *arguments, repeats=10):
  """Least wall time in milliseconds, and that of the first call.

  For machines with other load.
  """
  return _timed(min, call, *arguments, repeats=repeats)


def report(case, **facts):
  """Prints one JSON line."""
  facts = {k: _rounded(v) for k, v in facts.items()}
  device = jax.devices()[0].device_kind
  print(json.dumps({'case': case, 'device': device} | facts), flush=True)


@functools.cache
def yardstick(repeats=10, measure=median_ms):
  """Prints and returns GFLOP/s of a float32 product and a sort's ms."""
  matrix = jax.random.normal(jax.random.key(0), (_SIDE, _SIDE))
  product, _ = measure(jax.jit(jnp.matmul), matrix, matrix, repeats=repeats)
  numbers = matrix.ravel()[:_SORTED]
  sort, _ = measure(jax.jit(jnp.sort), numbers, repeats=repeats)
  gflop_per_s = 1e-6 * 2 * _SIDE**3 / product
  report(
    'yardstick',
    matrix_product=f'float32 {_SIDE}x{_SIDE}',
    gflop_per_s=gflop_per_s,
    sort=f'{_SORTED} float32',
    sort_ms=sort,
  )
  return gflop_per_s, sort


def _rounded(value):
  return float(f'{value:.4g}') if isinstance(value, float) else value
