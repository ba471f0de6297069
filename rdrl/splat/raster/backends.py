# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Chooses the backend that blends on a device."""

import functools

from absl import logging
import jax

from rdrl.splat.raster import blocks
from rdrl.splat.raster import kernels

# Of `RenderConfig.backend`: the first two leave the choice to the device.
NAMES = ('auto', 'xla', *blocks.BACKENDS)


def resolve(name):
  """Resolves one of `NAMES` to one of `blocks.BACKENDS`, for device 0.

  'auto' is a kernel where the device runs it, else 'xla'; 'xla' is the form of
  XLA that suits the device. Several devices outside of a `shard_map` get XLA,
  which can partition its own operations but no kernel.

  Raises:
    ValueError: if there is no such name.
  """
  if name not in NAMES:
    raise ValueError(
      f'splat.render.backend is {name!r}, expected one of {", ".join(NAMES)}'
    )
  if name not in ('auto', 'xla'):
    return name
  is_manual = jax.sharding.get_abstract_mesh().manual_axes
  has_kernels = name == 'auto' and (jax.device_count() == 1 or bool(is_manual))
  return _choose(jax.devices()[0], has_kernels)


@functools.cache
def _choose(device, has_kernels):
  chosen = suited(device, has_kernels)
  logging.info('Gaussians are blended by %s on %s', chosen, describe(device))
  return chosen


def suited(device, has_kernels=True):
  """The backend for a device: a kernel that it can run, or a form of XLA."""
  if device.platform == 'cpu':
    return 'queue'
  return (has_kernels and kernels.automatic(device)) or 'lockstep'


def describe(device):
  """Text with a device's kind and a GPU's compute capability."""
  capability = getattr(device, 'compute_capability', None)
  return f'{device.device_kind}' + (f' ({capability})' if capability else '')
