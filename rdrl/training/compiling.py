# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How much is done to make a program fast before it runs."""

import functools

import jax

# XLA's newer emitters of loops for CPUs take as long to compile as all the rest
# of a program, LLVM's optimisations most of what then remains.
QUICK = {
  'xla_cpu_use_fusion_emitters': False,
  'xla_backend_optimization_level': 0,
}


def quick_jit(function, **arguments):
  """`jax.jit` of what is called a few times in a run and computes little.

  On a CPU it is compiled four times sooner and runs several times slower, with
  other rounding; elsewhere it is `jax.jit`. Within another program, where XLA
  takes no options, it is a part of that.

  Args:
    function: from arrays to arrays.
    **arguments: as of `jax.jit`.
  """

  # Not before the first call, since to ask for the platform is to start it.
  @functools.cache
  def compiled():
    options = QUICK if jax.default_backend() == 'cpu' else None
    return jax.jit(function, compiler_options=options, **arguments)

  @functools.wraps(function)
  def call(*args, **kwargs):
    leaves = jax.tree.leaves((args, kwargs))
    is_part = any(isinstance(x, jax.core.Tracer) for x in leaves)
    return (function if is_part else compiled())(*args, **kwargs)

  return call
