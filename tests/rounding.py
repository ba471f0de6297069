# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What accelerators make of products, on any platform.

Products and convolutions of default precision take their operands as TF32 on
NVIDIA's tensor cores and as bfloat16 on TPUs, and add up in float32. Here the
program that JAX traced is written anew with such operands rounded so, in all
programs within it, too. Rules of `custom_jvp` and `custom_vjp` that nobody has
called yet are none of these: round the gradient of a function, do not take the
gradient of a rounded one.
"""

import functools
import pathlib
from typing import NamedTuple

import jax
from jax.extend import core
import jax.numpy as jnp

# Bits of the mantissa; all have float32's 8 of the exponent.
MANTISSA = {'tf32': 10, 'bf16': 7}
_PRODUCTS = 'dot_general', 'conv_general_dilated'
_ROOT = pathlib.Path(__file__).parents[1]
_OURS = 'rdrl', 'experiments', 'data_pipelines', 'tests'


class Product(NamedTuple):
  """A product of a traced program.

  Attributes:
    name: of the primitive.
    is_whole: whether both operands are taken at the highest precision.
    place: file and function of ours that asked for it, such as
      `rdrl/geometry.py project`; empty if none did.
  """

  name: str
  is_whole: bool
  place: str


def rounded(function, kind):
  """`function` compiled, operands of products rounded to a `kind` of number.

  JAX keeps what it has traced of a function: patch what this one calls before.
  """

  @jax.jit
  def run(*args):
    program, out = jax.make_jaxpr(function, return_shape=True)(*args)
    program = _Rounding(MANTISSA[kind]).program(program)
    leaves = core.jaxpr_as_fun(program)(*jax.tree.leaves(args))
    return jax.tree.unflatten(jax.tree.structure(out), leaves)

  return run


def products(function, *args):
  """All `Product`s of a function of arrays or of their shapes."""
  return list(_products(jax.make_jaxpr(function)(*args)))


def _products(program):
  for eqn in _open(program).eqns:
    if eqn.primitive.name in _PRODUCTS:
      precisions = _precisions(eqn)
      is_whole = set(precisions) == {jax.lax.Precision.HIGHEST}
      yield Product(eqn.primitive.name, is_whole, _place(eqn))
    for inner in jax.tree.leaves(
      list(eqn.params.values()), is_leaf=_is_program
    ):
      if _is_program(inner):
        yield from _products(inner)


def _is_program(x):
  return isinstance(x, (core.Jaxpr, core.ClosedJaxpr))


def _open(program):
  return program if isinstance(program, core.Jaxpr) else program.jaxpr


def _precisions(eqn):
  precision = eqn.params['precision']
  return precision if isinstance(precision, tuple) else (precision,)


def _place(eqn):
  for frame in eqn.source_info.traceback.frames:
    path = pathlib.Path(frame.file_name)
    if any(path.is_relative_to(_ROOT / ours) for ours in _OURS):
      return f'{path.relative_to(_ROOT)} {frame.function_name}'
  return ''


class _Rounding:
  """Writes programs anew, each once, so that what was one program stays one."""

  def __init__(self, mantissa):
    self._mantissa = mantissa
    self._done = {}

  def program(self, old):
    """A `Jaxpr` or `ClosedJaxpr` as the old one."""
    if id(old) not in self._done:
      if isinstance(old, core.Jaxpr):
        eqns = [new for eqn in old.eqns for new in self._equations(eqn)]
        new = old.replace(eqns=eqns)
      else:
        new = old.replace(jaxpr=self.program(old.jaxpr))
      # The old one is kept, lest another takes its id.
      self._done[id(old)] = old, new
    return self._done[id(old)][1]

  def _equations(self, eqn):
    eqn = eqn.replace(params={k: self._inner(v) for k, v in eqn.params.items()})
    default = None, jax.lax.Precision.DEFAULT
    if eqn.primitive.name not in _PRODUCTS or not any(
      x in default for x in _precisions(eqn)
    ):
      return [eqn]
    before, operands = [], []
    for operand in eqn.invars:
      if operand.aval.dtype == jnp.float32:
        before.append(self._round(operand, eqn))
        operand = before[-1].outvars[0]
      operands.append(operand)
    return [*before, eqn.replace(invars=operands)]

  def _inner(self, value):
    if _is_program(value):
      return self.program(value)
    if isinstance(value, tuple):
      inner = [self._inner(x) for x in value]
      is_named = hasattr(value, '_fields')
      return type(value)(*inner) if is_named else tuple(inner)
    return value

  def _round(self, operand, eqn):
    """To nearest, ties to even."""
    round_ = functools.partial(
      jax.lax.reduce_precision, exponent_bits=8, mantissa_bits=self._mantissa
    )
    like = jax.ShapeDtypeStruct(operand.aval.shape, operand.aval.dtype)
    (new,) = _open(jax.make_jaxpr(round_)(like)).eqns
    return new.replace(
      invars=[operand], source_info=eqn.source_info, ctx=eqn.ctx
    )
