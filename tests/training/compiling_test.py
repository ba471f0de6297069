# Copyright 2026 The rdrl Authors. Apache-2.0.

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import training

_TRACED = []


@functools.partial(training.compiling.quick_jit, static_argnames='power')
def _norm(x, power):
  """Sums up."""
  _TRACED.append(power)
  return jnp.sum(jnp.abs(x) ** power) ** (1 / power)


def test_a_quickly_compiled_program_is_that_of_jit_but_for_rounding():
  x = np.random.default_rng(0).normal(size=(64, 33)).astype(np.float32)
  for power in (2, 3):
    expected = np.sum(np.abs(x.astype(np.float64)) ** power) ** (1 / power)
    np.testing.assert_allclose(_norm(x, power=power), expected, rtol=1e-5)


def test_it_is_traced_once_for_shapes_and_static_arguments():
  _TRACED.clear()
  for power in (4, 5, 4):
    for _ in range(2):
      _norm(np.ones(7, np.float32), power)
  assert _TRACED == [4, 5]
  assert _norm.__doc__ == 'Sums up.'


def test_within_another_program_it_is_a_part_of_that():
  x = np.arange(6, dtype=np.float32).reshape(2, 3)
  rows = jax.jit(jax.vmap(lambda row: _norm(row, power=2)))(x)
  np.testing.assert_allclose(rows, np.linalg.norm(x, axis=-1), rtol=1e-6)


def test_a_cpu_is_asked_for_less_of_its_compiler(monkeypatch):
  asked = []
  jit = jax.jit

  def spied(function, compiler_options=None, **arguments):
    asked.append(compiler_options)
    return jit(function, compiler_options=compiler_options, **arguments)

  monkeypatch.setattr(jax, 'jit', spied)
  quick = training.compiling.quick_jit(lambda x: x + 1)
  assert not asked
  assert quick(1) == quick(np.int32(1)) == 2
  assert asked == [training.compiling.QUICK]
  monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
  assert training.compiling.quick_jit(lambda x: x + 1)(1) == 2
  assert asked[-1] is None


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
