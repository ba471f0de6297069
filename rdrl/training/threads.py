# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Several things at a time, where that pays."""

from concurrent import futures

import jax


def each(function, items):
  """Results of `function` for each item, two at a time on a CPU.

  Neither compiling nor rendering keeps two cores busy. An accelerator is busy
  with one, and processes must enter their collectives in one order. What one
  raises, or Ctrl-C, is raised at once; others that are busy are not waited for.
  """
  if jax.default_backend() != 'cpu' or jax.process_count() > 1:
    return [function(item) for item in items]
  pool = futures.ThreadPoolExecutor(2)
  try:
    tasks = [pool.submit(function, item) for item in items]
    done, _ = futures.wait(tasks, return_when=futures.FIRST_EXCEPTION)
    for task in done:
      task.result()
    return [task.result() for task in tasks]
  finally:
    pool.shutdown(wait=False, cancel_futures=True)
