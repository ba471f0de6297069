# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The forms of the kernels: against float64, poisoned, split and lowered."""

import functools
import subprocess
import sys
import types

import jax
from jax.experimental.pallas import mosaic_gpu as plgpu
from jax.experimental.pallas import tpu as pltpu
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.splat.raster import blocks
from rdrl.splat.raster import kernels
from rdrl.splat.raster.kernels import mosaic_tpu
from tests import launches

# An empty tile, an odd number of them, lists of one block and of several, and
# room that no list uses.
COUNTS = 0, 20, 5, 40, 0, 200, 1
ROOM = 3
# So many rows that hardly any is in two tiles.
NUM_GAUSSIANS, NUM_FEATURES = 70_000, 2


@functools.cache
def _lists(counts=COUNTS):
  """What `composite.composite` blends; the tiles are next to each other.

  Nothing passes the first entries of the fullest tile.
  """
  rng = np.random.default_rng(0)
  number = -(-np.array(counts) // blocks.BLOCK)
  first = np.cumsum(number) - number
  rooms = number.sum() + ROOM
  shape = rooms, blocks.BLOCK
  gaussian = rng.integers(NUM_GAUSSIANS, size=shape)
  valid, middle = np.zeros(shape, bool), np.zeros((rooms, 2))
  table = np.zeros((NUM_GAUSSIANS, blocks.SHAPE + NUM_FEATURES))
  table[:, 2:5] = 0.1, 0.02, 0.1
  table[:, 5] = rng.uniform(-2, -0.05, NUM_GAUSSIANS)
  table[:, 6:] = rng.normal(size=(NUM_GAUSSIANS, NUM_FEATURES))
  for tile, count in enumerate(counts):
    mine = first[tile] + np.arange(number[tile])
    valid[mine] = np.arange(len(mine) * blocks.BLOCK).reshape(-1, 16) < count
    middle[mine] = blocks.TILE_WIDTH * (tile + 0.5), blocks.TILE_HEIGHT / 2
    offset = rng.uniform(-6, 6, (len(mine), blocks.BLOCK, 2))
    table[gaussian[mine], :2] = middle[mine, None] + offset
    if count == max(counts):
      table[gaussian[mine[:4]], 2:6] = 0, 0, 0, -0.3
  known = table, gaussian, valid, middle, first, number
  types = [jnp.float32, jnp.int32, bool, jnp.float32, jnp.int32, jnp.int32]
  return tuple(
    jnp.asarray(x, dtype) for x, dtype in zip(known, types, strict=True)
  )


@functools.cache
def _expected(counts=COUNTS):
  """Image, a cotangent and the gradient of the table, in float64."""
  table, gaussian, valid, middle, first, count = jax.device_get(_lists(counts))
  table, middle = np.float64(table), np.float64(middle)
  y, x = np.mgrid[: blocks.TILE_HEIGHT, : blocks.TILE_WIDTH] + 0.5
  x, y = x.ravel() - blocks.TILE_WIDTH / 2, y.ravel() - blocks.TILE_HEIGHT / 2
  image = np.zeros((len(first), NUM_FEATURES + 1, blocks.PIXELS))
  cotangent = np.random.default_rng(1).normal(size=image.shape)
  d_table = np.zeros_like(table)
  for tile in range(len(first)):
    light = np.ones(blocks.PIXELS)
    blended = []
    for block in range(first[tile], first[tile] + count[tile]):
      for row in gaussian[block][valid[block]]:
        mean_x, mean_y, a, b, c, log_opacity = table[row, :6]
        dx, dy = x + middle[block, 0] - mean_x, y + middle[block, 1] - mean_y
        sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
        opacity = np.exp(log_opacity - sigma)
        alpha = np.minimum(blocks.MAX_ALPHA, opacity)
        alpha = np.where(alpha >= 1 / 255, alpha, 0)
        after = light * (1 - alpha)
        lives = after > 1e-4
        features = np.append(table[row, 6:], 1)[:, None]
        image[tile] += np.where(lives, alpha * light, 0) * features
        is_free = lives & (alpha > 0) & (opacity <= blocks.MAX_ALPHA)
        blended.append((row, dx, dy, alpha, light, lives, is_free, features))
        light = after
    rest = np.sum(image[tile] * cotangent[tile], 0)
    for row, dx, dy, alpha, light, lives, is_free, features in blended:
      weight = np.where(lives, alpha * light, 0)
      value = np.sum(features * cotangent[tile], 0)
      rest = rest - weight * value
      slope = np.where(is_free, alpha * (light * value - rest / (1 - alpha)), 0)
      a, b, c = table[row, 2:5]
      moved = slope * [a * dx + b * dy, b * dx + c * dy]
      turned = slope * [-0.5 * dx * dx, -dx * dy, -0.5 * dy * dy]
      d_table[row] += np.sum(
        [*moved, *turned, slope, *(weight * cotangent[tile, :-1])], 1
      )
  return image, cotangent, d_table


def _check(form, interpret, counts=COUNTS):
  known = _lists(counts)
  expected, cotangent, gradient = _expected(counts)
  image = jax.jit(kernels.forward(form, interpret))(*known)
  np.testing.assert_allclose(image, expected, atol=1e-5)
  found = jax.jit(kernels.backward(form, interpret))(
    *known, image, jnp.float32(cotangent)
  )
  largest = np.abs(gradient).max()
  np.testing.assert_allclose(found, gradient, rtol=1e-3, atol=1e-5 * largest)


# The plain interpreter poisons what of the outputs is not written.
@pytest.mark.slow
@pytest.mark.parametrize('form', sorted(kernels.FORMS))
def test_blends_like_float64(form):
  _check(form, True)


def test_needs_no_zeros_in_a_tpu():
  _check('mosaic', pltpu.InterpretParams(uninitialized_memory='nan'))


@pytest.mark.slow
def test_needs_no_zeros_in_a_gpu_of_mosaic():
  if not hasattr(plgpu, 'InterpretGPUParams'):
    pytest.skip('this JAX does not export its interpreter of GPUs')
  params = plgpu.InterpretGPUParams(uninitialized_memory='nan')
  _check('mosaic_gpu', params, (3, 20, 0))


@pytest.mark.slow
def test_lists_may_be_longer_than_a_call(monkeypatch):
  # One of the calls begins in the midst of a tile.
  monkeypatch.setattr(mosaic_tpu, 'MOST_BLOCKS', 2)
  lists = mosaic_tpu.arrange(*_lists()[1:])
  begins = np.asarray(lists.first)[np.asarray(lists.count) > 1]
  assert np.any(begins % 2)
  kernels.forward.cache_clear()
  kernels.backward.cache_clear()
  _check('mosaic', True)


def test_two_hundred_entries_are_two_blocks_of_a_tpu():
  lists = mosaic_tpu.arrange(*_lists()[1:])
  np.testing.assert_array_equal(lists.count, [0, 1, 1, 1, 0, 2, 1])
  assert lists.gaussian.shape[1] == mosaic_tpu.LANES
  entries = np.asarray(lists.gaussian)[np.asarray(lists.valid)]
  _, gaussian, valid, *_ = jax.device_get(_lists())
  np.testing.assert_array_equal(entries, gaussian[valid])


@pytest.mark.parametrize(
  ('form', 'platform', 'mark'),
  [
    ('triton', 'cuda', 'triton'),
    ('mosaic_gpu', 'cuda', 'mosaic_gpu'),
    ('mosaic', 'tpu', 'tpu_custom_call'),
  ],
)
def test_is_lowered_for_its_platform(form, platform, mark):
  known = _lists()
  image = jnp.ones((len(COUNTS), NUM_FEATURES + 1, blocks.PIXELS))
  with launches.on(platform):
    for function, arguments in (
      (kernels.forward(form, False), known),
      (kernels.backward(form, False), (*known, image, image)),
    ):
      traced = jax.jit(function).trace(*arguments)
      assert mark in traced.lower(lowering_platforms=(platform,)).as_text()


def _device(platform, capability=None):
  return types.SimpleNamespace(platform=platform, compute_capability=capability)


@pytest.mark.parametrize(
  ('device', 'name'),
  [
    (_device('cpu'), None),
    (_device('tpu'), 'mosaic'),
    (_device('gpu', '7.5'), None),
    (_device('gpu', '8.0'), 'triton'),
    (_device('gpu', '10.0'), 'triton'),
    (_device('gpu', 'gfx942'), None),
  ],
)
def test_form_is_chosen_by_platform_and_capability(device, name):
  assert kernels.automatic(device) == name


def test_form_that_jax_lacks_is_not_chosen(monkeypatch):
  monkeypatch.setitem(sys.modules, 'jax.experimental.pallas.triton', None)
  device = _device('gpu', '9.0')
  assert kernels.automatic(device) is None
  # By name only, since it has not run on hardware.
  assert kernels.runs_on('mosaic_gpu', device)
  assert not kernels.runs_on('mosaic_gpu', _device('gpu', '8.9'))


def test_importing_splat_imports_no_kernel():
  code = (
    'import sys, rdrl.splat; sys.exit("jax.experimental.pallas" in sys.modules)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
