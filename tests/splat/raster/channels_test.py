# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a rendering holds besides colour, depth and alpha, and transforms."""

import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl.splat.raster import project
from rdrl.splat.raster import tiles
from tests.splat.raster import reference

HEIGHT, WIDTH, COUNT = 20, 36, 40
CONFIG = splat.RenderConfig(entries_per_gaussian=16.0)
CAMERA = types.Camera(
  camera_from_world=jnp.eye(4),
  intrinsics=jnp.array([[30.0, 0, 17.5], [0, 28.0, 10.2], [0, 0, 1]]),
  height=HEIGHT,
  width=WIDTH,
)


def _gaussians(count=COUNT, seed=0):
  rng = np.random.default_rng(seed)
  z = rng.uniform(1, 6, count)
  parts = types.Gaussians(
    means=np.c_[rng.uniform(-0.6, 0.6, (count, 2)) * z[:, None], z],
    log_scales=rng.normal(-1.8, 0.6, (count, 3)),
    quats=rng.normal(size=(count, 4)),
    opacity_logits=rng.normal(0, 1.5, count),
    sh=rng.normal(0, 0.3, (count, 4, 3)),
    node=np.zeros(count),
  )
  return jax.tree.map(jnp.float32, parts).replace(
    node=jnp.zeros(count, jnp.int32)
  )


@functools.partial(jax.jit, static_argnames=('config', 'with_surface', 'mesh'))
def _render(gaussians, config=CONFIG, **options):
  return splat.render(gaussians, CAMERA, jnp.zeros(3), config=config, **options)


CONTRIBUTIONS = jax.jit(splat.contributions, static_argnames='config')


def test_colours_as_features_are_blended_like_colours():
  gaussians = _gaussians()
  flat = gaussians.replace(sh=gaussians.sh[:, :1])
  features = jnp.maximum(0.5 + 0.28209479177387814 * flat.sh[:, 0], 0)
  # Wider than what is blended anyway.
  wide = jnp.concatenate([features] * 4, -1)
  rendered = _render(flat, features=wide, with_surface=True)
  assert rendered.features.shape == (HEIGHT, WIDTH, 12)
  for i in range(0, 12, 3):
    np.testing.assert_allclose(
      rendered.features[..., i : i + 3], rendered.color, atol=1e-6
    )


def test_contributions_are_the_transpose_of_blending():
  gaussians = _gaussians()
  ones = jnp.ones((HEIGHT, WIDTH, 1))
  all_of_it, overflow = CONTRIBUTIONS(gaussians, CAMERA, ones, config=CONFIG)
  assert overflow == 0
  np.testing.assert_allclose(
    jnp.sum(all_of_it), jnp.sum(_render(gaussians).alpha), rtol=1e-5
  )
  # Without the first Gaussian, what lies behind it shows more, itself nothing.
  hidden = gaussians.replace(
    opacity_logits=gaussians.opacity_logits.at[0].set(-30)
  )
  rest, _ = CONTRIBUTIONS(hidden, CAMERA, ones, config=CONFIG)
  assert rest[0, 0] == 0
  assert jnp.all(rest[1:] >= all_of_it[1:] - 1e-4)


def test_antialiased_mode_equals_the_reference():
  config = dataclasses.replace(CONFIG, antialiased=True)
  gaussians = _gaussians()
  expected, _ = reference.image(
    reference.double(gaussians),
    CAMERA,
    np.zeros(3),
    np.tile(np.eye(4), (COUNT, 1, 1)),
    config=config,
  )
  rendered = _render(gaussians, config)
  np.testing.assert_allclose(rendered.color, expected[..., :3], atol=2e-4)
  assert jnp.max(jnp.abs(rendered.color - _render(gaussians).color)) > 0.01


@pytest.mark.slow
def test_capacity_is_room_enough_and_not_much_more():
  gaussians = _gaussians(300)
  cameras = jax.tree.map(lambda x: x[None], CAMERA)
  tight = splat.with_capacity(
    splat.RenderConfig(entries_per_gaussian=0.1), gaussians, cameras
  )
  assert _render(gaussians, tight).overflow == 0
  half = dataclasses.replace(
    tight, entries_per_gaussian=tight.entries_per_gaussian / 2
  )
  assert _render(gaussians, half).overflow > 0


def test_more_entries_than_an_integer_holds_are_counted_as_overflow():
  everywhere = _gaussians(2**12).replace(
    log_scales=jnp.full((2**12, 3), 3.0),
  )
  camera = CAMERA.replace(
    intrinsics=jnp.array([[4e3, 0, 4096], [0, 4e3, 4096], [0, 0, 1]]),
    height=8192,
    width=8192,
  )
  splats = jax.jit(project.project, static_argnums=2)(
    everywhere, camera, CONFIG
  )
  lists = jax.jit(lambda s: tiles.bin_splats(s, 8192, 8192, 1000, CONFIG))(
    splats
  )
  # 4096 Gaussians in each of a million tiles.
  assert lists.overflow == 2**30


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'features': jnp.zeros((3, 2))}, r'features of shape \(3, 2\) for 40'),
    (
      {'config': splat.RenderConfig(backend='cuda')},
      "splat.render.backend is 'cuda', expected one of auto, xla",
    ),
  ],
)
def test_wrong_options_are_named(options, message):
  with pytest.raises(ValueError, match=message):
    _render(_gaussians(), **options)


def test_shapes_that_would_broadcast_are_refused():
  with pytest.raises(ValueError, match=r'background of shape \(36, 3\)'):
    splat.render(_gaussians(), CAMERA, jnp.zeros((WIDTH, 3)), config=CONFIG)
  with pytest.raises(ValueError, match=r'pixel_weights of shape \(36, 20, 1\)'):
    splat.contributions(_gaussians(), CAMERA, jnp.ones((WIDTH, HEIGHT, 1)))
  with pytest.raises(ValueError, match=r'intrinsics of shape \(3, 3\)'):
    splat.with_capacity(CONFIG, _gaussians(), CAMERA)


@pytest.mark.slow
def test_rematerialised_gradients_are_the_same():
  gaussians = _gaussians()

  def loss(means):
    return jnp.sum(_render(gaussians.replace(means=means)).color ** 2)

  np.testing.assert_allclose(
    jax.jit(jax.grad(loss))(gaussians.means),
    jax.jit(jax.grad(jax.checkpoint(loss)))(gaussians.means),
    rtol=1e-3,
    atol=1e-4,
  )


@pytest.mark.slow
def test_eight_devices_share_an_image():
  flags = '--xla_force_host_platform_device_count=8'
  subprocess.run(
    [sys.executable, __file__, 'share'],
    env=os.environ | {'XLA_FLAGS': flags, 'PYTHONPATH': os.getcwd()},
    check=True,
  )


def _share():
  assert jax.device_count() == 8
  gaussians = _gaussians()

  def loss(gaussians, mesh):
    rendered = _render(gaussians, mesh=mesh, with_surface=True)
    return jnp.sum(rendered.color**2) + jnp.sum(rendered.depth), rendered

  both = jax.jit(jax.grad(loss, has_aux=True, allow_int=True), static_argnums=1)
  config = splat.with_capacity(
    CONFIG, gaussians, jax.tree.map(lambda x: x[None], CAMERA), margin=1.5
  )
  # Three rows of tiles among eight devices, each with room for a whole row.
  mesh = training.mesh.make()
  assert _render(gaussians, config, mesh=mesh).overflow == 0
  found, rendered = both(gaussians, mesh)
  expected, alone = both(gaussians, None)
  for name in reference.PARAMETERS:
    np.testing.assert_allclose(
      getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-3
    )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), rendered, alone
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  'backend', ['lockstep', 'triton', 'mosaic', 'mosaic_gpu']
)
def test_kernels_carry_light_from_block_to_block(backend):
  config = dataclasses.replace(CONFIG, entries_per_gaussian=40.0)
  long = _gaussians(200, 3)
  long = long.replace(log_scales=long.log_scales + 1)
  # Nothing passes the first Gaussians of one scene; another is empty.
  wall = long.replace(
    opacity_logits=jnp.where(jnp.argsort(long.means[:, 2]) < 40, 9.0, 0.0),
    log_scales=long.log_scales + 1,
  )
  empty = long.replace(opacity_logits=jnp.full(200, -30.0))
  scenes = jax.tree.map(lambda *x: jnp.stack(x), long, empty, wall)
  weights = jax.random.normal(jax.random.key(0), (HEIGHT, WIDTH, 3))

  @functools.partial(jax.jit, static_argnums=1)
  def both(scenes, config):
    def loss(parameters, scene):
      rendered = _render(
        scene.replace(**parameters),
        config,
        features=parameters['means'],
      )
      total = jnp.sum(rendered.color * weights) + jnp.sum(rendered.features**2)
      return total, rendered

    parameters = {k: getattr(scenes, k) for k in reference.PARAMETERS}
    return jax.vmap(jax.grad(loss, has_aux=True))(parameters, scenes)

  expected = both(scenes, config)
  found = both(scenes, dataclasses.replace(config, backend=backend))
  assert not jnp.any(expected[1].overflow)
  assert jnp.all(expected[1].alpha[1] == 0)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      a, b, rtol=1e-3, atol=1e-5 + 1e-4 * np.abs(b).max()
    ),
    found,
    expected,
  )


def test_surface_depth_is_the_mean_depth_where_a_gaussian_is_seen():
  gaussians = _gaussians(1, seed=3)
  gaussians = gaussians.replace(
    means=jnp.array([[0.1, -0.05, 3.0]]),
    log_scales=jnp.log(jnp.full((1, 3), 0.2)).at[0, 1].set(-4.0),
  )
  rendered = _render(gaussians, with_surface=True)
  # In image and depth the Gaussian is one of three dimensions, of which the
  # projection keeps the covariance: a pixel's depth is its conditional mean.
  x, y, z = np.float64(gaussians.means[0])
  quat = np.float64(gaussians.quats[0])
  w, i, j, k = quat / np.linalg.norm(quat)
  turn = np.array(
    [
      [1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)],
      [2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)],
      [2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)],
    ]
  )
  axes = turn * np.exp(np.float64(gaussians.log_scales[0]))
  focal = np.float64(CAMERA.intrinsics)
  slope = np.array(
    [
      [focal[0, 0] / z, 0, -focal[0, 0] * x / z**2],
      [0, focal[1, 1] / z, -focal[1, 1] * y / z**2],
      [0, 0, 1],
    ]
  )
  covariance = slope @ axes @ axes.T @ slope.T
  covariance[:2, :2] += CONFIG.eps2d * np.eye(2)
  middle = np.array(
    [focal[0, 0] * x / z + focal[0, 2], focal[1, 1] * y / z + focal[1, 2]]
  )
  rows, columns = np.nonzero(np.asarray(rendered.alpha) > 0.05)
  assert len(rows) > 10
  offset = np.stack([columns + 0.5, rows + 0.5], -1) - middle
  expected = z + offset @ np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
  assert np.ptp(expected) > 0.1
  np.testing.assert_allclose(
    np.asarray(rendered.surface_depth)[rows, columns], expected, rtol=1e-4
  )
  np.testing.assert_allclose(
    np.asarray(rendered.depth)[rows, columns], z, rtol=1e-5
  )


def test_surface_depth_of_a_road_is_nearer_the_truth_than_that_of_middles():
  count = 1500
  rng = np.random.default_rng(0)
  z = 2 * 10 ** rng.uniform(size=count)
  road = types.Gaussians(
    means=np.c_[rng.uniform(-0.7, 0.7, count) * z, np.full(count, 1.6), z],
    log_scales=np.log(np.c_[0.06 * z, np.full(count, 0.01), 0.06 * z]),
    quats=np.tile([1.0, 0, 0, 0], (count, 1)),
    opacity_logits=np.full(count, 2.0),
    sh=np.zeros((count, 1, 3)),
    node=np.zeros(count),
  )
  road = jax.tree.map(jnp.float32, road)
  road = road.replace(node=jnp.zeros(count, jnp.int32))
  rendered = _render(road, with_surface=True)
  rows = np.arange(HEIGHT - 4, HEIGHT)
  truth = (1.6 * 28.0 / (rows + 0.5 - 10.2))[:, None]
  assert np.all(np.asarray(rendered.alpha)[rows] > 0.99)
  error = {
    name: np.median(
      np.abs(np.asarray(getattr(rendered, name))[rows] / truth - 1)
    )
    for name, depth in (
      ('depth', rendered.depth),
      ('surface_depth', rendered.surface_depth),
    )
  }
  assert error['surface_depth'] < 0.6 * error['depth']


if __name__ == '__main__':
  if sys.argv[1:] == ['share']:
    _share()
  else:
    sys.exit(pytest.main([__file__]))
