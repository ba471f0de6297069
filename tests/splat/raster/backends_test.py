# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Who blends is chosen by what a device can do, not by its name."""

from absl import logging
import jax
import pytest

from rdrl.splat.raster import backends
from rdrl.splat.raster import blocks


class _Device:
  device_kind = 'a device'

  def __init__(self, platform, capability=None):
    self.platform = platform
    if capability is not None:
      self.compute_capability = capability


@pytest.mark.parametrize(
  ('platform', 'capability', 'kernel', 'without'),
  [
    ('cpu', None, 'queue', 'queue'),
    ('tpu', None, 'mosaic', 'lockstep'),
    # An H100, an A100, a T4, a V100, an MI300X, a plugin that tells nothing.
    ('gpu', '9.0', 'triton', 'lockstep'),
    ('gpu', '8.0', 'triton', 'lockstep'),
    ('gpu', '7.5', 'lockstep', 'lockstep'),
    ('gpu', '7.0', 'lockstep', 'lockstep'),
    ('gpu', 'gfx942', 'lockstep', 'lockstep'),
    ('gpu', None, 'lockstep', 'lockstep'),
  ],
)
def test_kernels_run_where_they_can_and_xla_elsewhere(
  platform, capability, kernel, without
):
  device = _Device(platform, capability)
  assert backends.suited(device) == kernel
  assert backends.suited(device, has_kernels=False) == without


def test_a_name_is_kept_and_the_device_decides_the_rest():
  for name in blocks.BACKENDS:
    assert backends.resolve(name) == name
  # Tests run on CPUs.
  assert backends.resolve('auto') == backends.resolve('xla') == 'queue'
  with pytest.raises(ValueError, match=r"splat\.render\.backend is 'cuda'"):
    backends.resolve('cuda')


def test_the_choice_is_told_once(monkeypatch):
  device = _Device('gpu', '7.5')
  told = []
  monkeypatch.setattr(logging, 'info', lambda *x: told.append(x[0] % x[1:]))
  monkeypatch.setattr(jax, 'devices', lambda: [device])
  for _ in range(3):
    assert backends.resolve('auto') == 'lockstep'
  assert told == ['Gaussians are blended by lockstep on a device (7.5)']
