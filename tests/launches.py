# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a compiled function launches on an accelerator, counted without one."""

from unittest import mock

import jax
from jax.sharding import AbstractDevice
from jax.sharding import AbstractMesh

_DEVICES = {
  'cuda': AbstractDevice('NVIDIA H100', num_cores=None, platform='gpu'),
  'tpu': AbstractDevice('TPU v5 lite', num_cores=1, platform='tpu'),
}

# What begins a kernel of its own, or several. Elementwise operations,
# broadcasts, slices and concatenations are left out, which XLA computes inside
# of what needs them, and so are reductions, inside of which it computes what
# they need.
UNFUSABLE = (
  'convolution',
  'custom_call',
  'dot_general',
  'gather',
  'reduce_window',
  'scatter',
  'sort',
  'while',
)

# Sums along an axis, from JAX 0.11 on.
_RENAMED = {'chlo.scan': 'stablehlo.reduce_window'}


def on(platform):
  """A context in which Pallas lowers for a device that is not here.

  Args:
    platform: 'cuda' or 'tpu'.
  """
  mesh = AbstractMesh((1,), ('x',), abstract_device=_DEVICES[platform])
  return jax.sharding.use_abstract_mesh(mesh)


def unfusable(function, *arguments, platform='cuda'):
  """What of a function's StableHLO for a platform cannot fuse, in a list.

  What is in a loop stands there once, however often the loop turns.

  Args:
    function: to be compiled.
    *arguments: of it; shapes suffice.
    platform: for which to lower.

  Returns:
    Pairs of name and shape of the first operand, of each time it is called.
  """
  backend = {'cuda': 'gpu'}.get(platform, platform)
  # Away from their platform, kernels are interpreted.
  with mock.patch.object(jax, 'default_backend', lambda: backend), on(platform):
    traced = jax.jit(function).trace(*arguments)
    module = traced.lower(lowering_platforms=(platform,)).compiler_ir()
  functions = {
    operation.attributes['sym_name'].value: operation
    for operation in module.body.operations
  }

  def within(operation):
    for region in operation.regions:
      for block in region.blocks:
        for inner in block.operations:
          full = _RENAMED.get(inner.operation.name, inner.operation.name)
          dialect, _, name = full.partition('.')
          if dialect == 'stablehlo' and name in UNFUSABLE:
            yield name, tuple(inner.operands[0].type.shape)
          elif name == 'call':
            yield from within(functions[inner.attributes['callee'].value])
          yield from within(inner.operation)

  return list(within(functions['main']))
