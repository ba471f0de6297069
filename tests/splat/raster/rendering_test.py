# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The rasterizer against a per-pixel reference in float64."""

import contextlib
import functools
import sys
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.splat.raster import blocks
from rdrl.splat.raster import project
from rdrl.splat.raster import tiles
from tests.splat.raster import reference

HEIGHT, WIDTH = 20, 36
NUM = 200
CONFIG = splat.RenderConfig(entries_per_gaussian=16.0)


def _camera(height=HEIGHT, width=WIDTH):
  return types.Camera(
    camera_from_world=jnp.eye(4),
    intrinsics=jnp.array([[30.0, 0, 17.5], [0, 28.0, 10.2], [0, 0, 1]]),
    height=height,
    width=width,
  )


def _gaussians(num, seed=0, num_sh=4):
  """Random ones in front of the camera; sharp, so that tiles differ."""
  rng = np.random.default_rng(seed)
  z = rng.uniform(1, 6, num)
  xy = rng.uniform(-0.6, 0.6, (num, 2)) * z[:, None]
  return types.Gaussians(
    means=jnp.asarray(np.c_[xy, z], jnp.float32),
    log_scales=jnp.asarray(rng.normal(-1.8, 0.6, (num, 3)), jnp.float32),
    quats=jnp.asarray(rng.normal(size=(num, 4)), jnp.float32),
    opacity_logits=jnp.asarray(rng.normal(0, 1.5, num), jnp.float32),
    sh=jnp.asarray(rng.normal(0, 0.6, (num, num_sh, 3)), jnp.float32),
    node=jnp.zeros(num, jnp.int32),
  )


def _image(rendered):
  return jnp.concatenate(
    [rendered.color, rendered.depth[..., None], rendered.alpha[..., None]], -1
  )


def _padded(gaussians):
  """`NUM` of them, the last ones absent: tests then share their programs."""
  num = NUM - len(gaussians.node)
  return jax.tree.map(
    lambda x, filler: jnp.concatenate([x, filler[:num]]),
    gaussians,
    _absent(gaussians.sh.shape[1]),
  )


@functools.cache
def _absent(num_sh):
  g = _gaussians(NUM, 99, num_sh)
  return g.replace(opacity_logits=jnp.full(NUM, -30.0))


def _render(gaussians, background, config=CONFIG, **nodes_and_view):
  """Image and overflow; `_draw` of as many Gaussians as ever."""
  background = jnp.broadcast_to(background, (HEIGHT, WIDTH, 3))
  return _draw(_padded(gaussians), background, config=config, **nodes_and_view)


@functools.partial(jax.jit, static_argnames='config')
def _draw(
  gaussians, background, poses=None, valid=None, view=None, config=CONFIG
):
  camera = _camera()
  if view is not None:
    camera = camera.replace(camera_from_world=view)
  rendered = splat.render(
    gaussians,
    camera,
    background,
    node_poses=poses,
    node_valid=valid,
    config=config,
  )
  return _image(rendered), rendered.overflow


WEIGHTS = np.random.default_rng(9).normal(size=(HEIGHT, WIDTH, 5))


def _gradients(gaussians, background, poses=None):
  """Loss and its gradients by parameters, background, poses and view."""
  loss, (parameters, *others) = _differentiate(
    _padded(gaussians), jnp.asarray(background), poses, jnp.eye(4)
  )
  num = len(gaussians.node)
  return loss, ({k: x[:num] for k, x in parameters.items()}, *others)


@jax.jit
def _differentiate(gaussians, background, poses, view):

  def loss(parameters, background, poses, view):
    image, _ = _draw(
      gaussians.replace(**parameters), background, poses, view=view
    )
    return jnp.sum(image * WEIGHTS)

  parameters = {k: getattr(gaussians, k) for k in reference.PARAMETERS}
  return jax.value_and_grad(loss, (0, 1, 2, 3))(
    parameters, background, poses, view
  )


BACKGROUND = np.linspace(0, 1, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3)


def test_a_camera_with_skew_equals_the_reference():
  g = _gaussians(24, 8)
  camera = _camera()
  camera = camera.replace(intrinsics=camera.intrinsics.at[0, 1].set(9.0))
  rendered = jax.jit(
    lambda g: splat.render(g, camera, jnp.asarray(BACKGROUND), config=CONFIG)
  )(g)
  expected, _ = reference.image(
    reference.double(g), camera, BACKGROUND, np.tile(np.eye(4), (24, 1, 1))
  )
  error = np.abs(np.asarray(_image(rendered)) - expected)
  error[..., 3] /= 1 + expected[..., 3]
  assert np.mean(error > 2e-4) < 2e-3, error.max()
  xy, _ = geometry.project(camera, g.means)
  splats = jax.jit(project.project, static_argnums=2)(g, camera, CONFIG)
  np.testing.assert_allclose(splats.xy, xy, atol=1e-3)


def _check(gaussians, tolerance=2e-4):
  image, overflow = _render(gaussians, BACKGROUND)
  eye = np.tile(np.eye(4), (len(gaussians.node), 1, 1))
  expected, _ = reference.image(
    reference.double(gaussians), _camera(), BACKGROUND, eye
  )
  error = np.abs(np.asarray(image) - expected)
  error[..., 3] /= 1 + expected[..., 3]
  # A pixel on the edge of an alpha of 1/255 may fall on either side.
  assert np.mean(error > tolerance) < 2e-3, error.max()
  assert error.max() < 2 / 255
  assert overflow == 0


@pytest.mark.parametrize('num_sh', [1, 4, 9, 16])
def test_image_depth_and_alpha_equal_the_reference(num_sh):
  _check(_gaussians(24, num_sh, num_sh))


def test_long_lists_equal_the_reference():
  _check(_gaussians(200, 7))


def test_degenerate_gaussians_equal_the_reference():
  g = _gaussians(24, 3)
  means, scales = np.array(g.means), np.array(g.log_scales)
  logits, quats = np.array(g.opacity_logits), np.array(g.quats)
  means[0, 2] = -2  # Behind the camera.
  means[1] = [0, 0, 0.05]  # Before the near plane.
  means[2] = [0.1, 0.05, 2000]  # Beyond the far plane.
  scales[3] = 4  # Huge.
  scales[4] = [-12, -12, 1]  # A needle.
  scales[5] = -14  # A point.
  scales[6] = [1, 1, -14]  # A disc.
  logits[7], logits[8] = 30, -30  # Opaque, absent.
  means[9:12] = means[12]  # The same place and depth.
  means[13] = [9, 0, 0.5]  # Far outside the field of view.
  scales[13] = -0.5
  quats[14] *= 1e3
  means[15:18, 2] = means[18, 2]  # The same depth, elsewhere.
  _check(
    g.replace(
      means=jnp.asarray(means),
      log_scales=jnp.asarray(scales),
      opacity_logits=jnp.asarray(logits),
      quats=jnp.asarray(quats),
    ),
    1e-3,
  )


def test_nothing_in_view_shows_the_background_with_zero_gradients():
  g = _gaussians(24)
  g = g.replace(means=g.means * jnp.array([1, 1, -1.0]))
  image, _ = _render(g, BACKGROUND)
  np.testing.assert_allclose(image[..., :3], BACKGROUND, atol=1e-6)
  assert not np.any(image[..., 3:])
  _, (gradients, *_) = _gradients(g, BACKGROUND)
  assert not any(map(np.any, gradients.values()))


def test_an_opaque_wall_hides_what_is_behind():
  g = _gaussians(24)
  wall = types.Gaussians(
    means=jnp.tile(jnp.array([[0, 0, 0.5]]), (3, 1)),
    log_scales=jnp.full((3, 3), 1.0),
    quats=jnp.tile(jnp.array([[1.0, 0, 0, 0]]), (3, 1)),
    opacity_logits=jnp.full(3, 12.0),
    sh=jnp.zeros((3, 4, 3)),
    node=jnp.zeros(3, jnp.int32),
  )
  both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), g, wall)
  image, _ = _render(both, jnp.ones(3))
  np.testing.assert_allclose(image[..., :3], 0.5, atol=5e-3)
  np.testing.assert_allclose(image[..., 4], 1, atol=1e-2)


@pytest.mark.parametrize('seed', [0, 1])
def test_gradients_equal_central_differences_of_the_reference(seed):
  g = _gaussians(8, seed)
  parameters = reference.double(g)
  eye = np.tile(np.eye(4), (8, 1, 1))
  _, held = reference.image(parameters, _camera(), BACKGROUND, eye)
  _, (found, *_) = _gradients(g, BACKGROUND)
  for name in reference.PARAMETERS:

    def loss(value, name=name):
      image, _ = reference.image(
        parameters | {name: value}, _camera(), BACKGROUND, eye, held
      )
      return np.sum(image * WEIGHTS)

    expected = reference.central_differences(loss, parameters[name])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
      found[name], expected, rtol=2e-3, atol=2e-3 * scale, err_msg=name
    )


def test_gradients_of_background_camera_and_node_poses():
  g = _gaussians(8, 2)
  node = np.array([0, 1, 2, 1, 0, 2, 1, 0])
  g = g.replace(node=jnp.asarray(node, jnp.int32))
  poses = np.tile(np.eye(4), (3, 1, 1))
  poses[1, :3] = geometry.world_from_box(
    types.AgentState(
      xy=jnp.array([0.1, -0.05]),
      z=jnp.array(0.3),
      yaw=jnp.array(0.4),
      speed=jnp.array(0.0),
      valid=jnp.array(True),
    )
  )[:3]
  poses[2, :3, 3] = [0.1, 0.2, 0.5]
  parameters = reference.double(g)
  expected, held = reference.image(
    parameters, _camera(), BACKGROUND, poses[node]
  )
  image, _ = _render(
    g, BACKGROUND, poses=jnp.asarray(poses), valid=jnp.ones(3, bool)
  )
  np.testing.assert_allclose(image[..., :3], expected[..., :3], atol=1e-3)

  def reference_loss(view=None, poses=poses, background=BACKGROUND):
    view = np.eye(4) if view is None else view
    camera = _camera().replace(camera_from_world=view)
    image, _ = reference.image(
      parameters, camera, background, poses[node], held
    )
    return np.sum(image * WEIGHTS)

  _, (_, *gradients) = _gradients(g, BACKGROUND, jnp.asarray(poses))
  by_background = reference.central_differences(
    lambda x: reference_loss(background=x), np.zeros(3)
  )
  np.testing.assert_allclose(
    gradients[0].sum((0, 1)), by_background, rtol=1e-3, atol=1e-3
  )
  # Translations only: a general 4x4 matrix is no rigid transform, and the
  # renderer may use that its inverse is a transpose.
  by_pose = reference.central_differences(
    lambda x: reference_loss(
      poses=np.concatenate(
        [poses[:, :, :3], np.concatenate([x, poses[:, 3:, 3]], 1)[..., None]],
        -1,
      )
    ),
    poses[:, :3, 3],
  )
  by_pose[0] = 0
  np.testing.assert_allclose(
    gradients[1][:, :3, 3],
    by_pose,
    rtol=3e-3,
    atol=3e-3 * np.abs(by_pose).max(),
  )
  by_view = reference.central_differences(
    lambda x: reference_loss(
      view=np.concatenate([np.eye(4)[:, :3], np.append(x, 1)[:, None]], 1)
    ),
    np.zeros(3),
  )
  np.testing.assert_allclose(
    gradients[2][:3, 3],
    by_view,
    rtol=3e-3,
    atol=3e-3 * np.abs(by_view).max(),
  )


def test_overflow_is_counted_and_drops_the_farthest():
  g = _gaussians(64, 5).replace(log_scales=jnp.full((64, 3), 1.0))
  num_tiles = np.prod(tiles.tile_counts(HEIGHT, WIDTH))
  # Each covers the image, so there is room for this many whole ones.
  image, overflow = _render(
    g,
    jnp.zeros(3),
    config=splat.RenderConfig(entries_per_gaussian=4.0, entries_per_tile=0.0),
  )
  assert overflow == 64 * num_tiles - 4 * NUM
  nearest = jnp.argsort(g.means[:, 2])[: 4 * NUM // num_tiles]
  kept = g.replace(
    opacity_logits=jnp.full(64, -30.0)
    .at[nearest]
    .set(g.opacity_logits[nearest])
  )
  part, overflow = _render(kept, jnp.zeros(3))
  assert overflow == 0
  # Of the next Gaussian the first tiles only found room.
  np.testing.assert_allclose(image[-4:, -4:], part[-4:, -4:], atol=1e-5)


def test_node_that_is_not_valid_is_not_drawn():
  g = _gaussians(8, 4)
  node = jnp.arange(8, dtype=jnp.int32) % 2
  poses = jnp.tile(jnp.eye(4), (3, 1, 1))
  hidden, _ = _render(
    g.replace(node=node), jnp.zeros(3), poses=poses, valid=jnp.zeros(3, bool)
  )
  background = g.replace(
    opacity_logits=jnp.where(node == 0, g.opacity_logits, -30)
  )
  alone, _ = _render(
    background, jnp.zeros(3), poses=poses, valid=jnp.ones(3, bool)
  )
  np.testing.assert_allclose(hidden, alone, atol=1e-6)


@pytest.mark.slow
def test_vmap_equals_a_loop_in_images_and_gradients():
  scenes = trees.stack([_gaussians(24, seed) for seed in range(3)])
  scenes = jax.tree.map(jnp.asarray, scenes)

  def loss(means, gaussians):
    image, _ = _draw(gaussians.replace(means=means), jnp.asarray(BACKGROUND))
    return jnp.sum(image * WEIGHTS), image

  both = jax.jit(jax.value_and_grad(loss, has_aux=True))
  (_, images), gradients = jax.jit(jax.vmap(both))(scenes.means, scenes)
  for i in range(3):
    one = trees.take(scenes, i)
    (_, image), gradient = both(one.means, one)
    np.testing.assert_allclose(images[i], image, atol=1e-5)
    np.testing.assert_allclose(gradients[i], gradient, rtol=1e-4, atol=1e-3)
  # One argument batched, the other not, and two levels of batching.
  shifts = jnp.array([[0.0, 0, 0], [0.1, 0, 0]])
  one_by_one = jax.vmap(lambda g, s: loss(g.means + s, g)[1], (0, None))
  rows = jax.jit(jax.vmap(one_by_one, (None, 0)))(scenes, shifts)
  one = trees.take(scenes, 2)
  np.testing.assert_allclose(
    rows[1, 2], loss(one.means + shifts[1], one)[1], atol=1e-5
  )


@pytest.mark.parametrize('platform', ['cpu', 'cuda'])
@pytest.mark.parametrize('far', [1000.0, 1e38])
def test_lists_are_by_depth_and_stable(platform, far):
  count = 5000
  rng = np.random.default_rng(0)
  depth = rng.uniform(1, 100, count).astype(np.float32)
  depth[100:200] = np.nextafter(depth[:100], np.float32(1e9))
  depth[200:300] = depth[:100]
  visible = rng.uniform(size=count) < 0.8
  # All of them cover the one tile there is.
  splats = project.Splats(
    xy=np.full((count, 2), 4, np.float32),
    conic=np.full((count, 3), 0.01, np.float32) * np.float32([1, 0, 1]),
    reach=np.full((count, 2), 9, np.float32),
    log_opacity=np.zeros(count, np.float32),
    color=np.zeros((count, 3), np.float32),
    depth=depth,
    visible=visible,
  )
  expected = np.argsort(np.where(visible, depth, np.inf), kind='stable')
  expected = expected[: visible.sum()]
  config = splat.RenderConfig(far=far)

  @functools.partial(jax.jit, static_argnums=1)
  def lists(splats, room):
    return tiles.bin_splats(splats, 8, 8, room, config)

  with _as_on(platform):
    for room in (4500, 400):
      found = lists(splats, room)
      gaussian = np.asarray(found.gaussian)[np.asarray(found.valid)]
      np.testing.assert_array_equal(gaussian, expected[:room])
      assert found.overflow == max(len(expected) - room, 0)


@contextlib.contextmanager
def _as_on(platform):
  """Lets this machine do what another platform would."""

  def choose(*arguments, default, **functions):
    return functions.get(platform, default)(*arguments)

  with mock.patch.object(jax.lax, 'platform_dependent', choose):
    yield


@pytest.mark.slow
@pytest.mark.parametrize('room', [1000, 300])
def test_lists_of_a_batch_are_those_of_its_images_on_every_platform(room):
  camera = _camera(40, 64)
  images = [_gaussians(150, seed) for seed in range(3)]
  splats = [
    jax.jit(project.project, static_argnums=2)(g, camera, CONFIG)
    for g in images
  ]

  def lists(splats):
    return tiles.bin_splats(splats, 40, 64, room, CONFIG)

  found = {'one': [jax.jit(lists)(s) for s in splats]}
  for platform in ('cpu', 'cuda'):
    with _as_on(platform):
      batch = jax.jit(jax.vmap(lists))(trees.stack(splats))
    found[platform] = [trees.take(batch, i) for i in range(3)]
  overflows = [int(one.overflow) for one in found['one']]
  assert any(overflows) == (room == 300), overflows

  def by_tile(lists):
    lists = jax.device_get(lists)
    return [
      lists.gaussian[first : first + count][
        lists.valid[first : first + count]
      ].tolist()
      for first, count in zip(lists.first, lists.count, strict=True)
    ], int(lists.overflow)

  for one, *others in zip(*found.values(), strict=True):
    for other in others:
      assert by_tile(one) == by_tile(other)


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('quats', 0),
    ('quats', np.nan),
    ('means', np.nan),
    ('means', np.inf),
    ('means', 1e30),
    ('log_scales', np.nan),
    ('log_scales', np.inf),
    ('log_scales', 57),
    ('log_scales', 30),
    ('opacity_logits', np.nan),
  ],
)
def test_what_cannot_be_drawn_has_no_part_in_image_and_gradients(name, value):
  g = _gaussians(8, 4)
  bad = g.replace(**{name: getattr(g, name).at[0].set(value)})
  absent = g.replace(opacity_logits=g.opacity_logits.at[0].set(-30))
  loss, (found, *_, view) = _gradients(bad, BACKGROUND)
  expected_loss, (expected, *_, expected_view) = _gradients(absent, BACKGROUND)
  np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
  found['view'], expected['view'] = view, expected_view
  for key, wanted in expected.items():
    assert key == 'view' or not np.any(found[key][0]), key
    np.testing.assert_allclose(
      found[key], wanted, atol=1e-5 * np.abs(wanted).max(), err_msg=key
    )


def test_nothing_at_all_shows_the_background():
  empty = jax.tree.map(lambda x: x[:0], _gaussians(3))
  image, overflow = _render(empty, jnp.asarray(BACKGROUND))
  np.testing.assert_allclose(image[..., :3], BACKGROUND, atol=1e-6)
  assert not np.any(image[..., 3:])
  assert overflow == 0


def test_tile_lists_hold_exactly_the_tiles_that_an_ellipse_touches():
  g = _gaussians(60, 11)
  camera = _camera(40, 64)
  splats = jax.jit(project.project, static_argnums=2)(g, camera, CONFIG)
  lists = jax.jit(tiles.bin_splats, static_argnums=(1, 2, 3, 4))(
    splats, 40, 64, 2000, CONFIG
  )
  rows, columns = tiles.tile_counts(40, 64)
  py, px = np.mgrid[: rows * blocks.TILE_HEIGHT, : columns * blocks.TILE_WIDTH]
  for i in range(60):
    dx, dy = px + 0.5 - splats.xy[i, 0], py + 0.5 - splats.xy[i, 1]
    a, b, c = np.asarray(splats.conic[i], np.float64)
    exponent = splats.log_opacity[i] - (
      0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    )
    touched = (
      (exponent >= np.log(1 / 255))
      .reshape(rows, blocks.TILE_HEIGHT, columns, blocks.TILE_WIDTH)
      .any((1, 3))
    )
    touched &= bool(splats.visible[i])
    listed = np.zeros(rows * columns, bool)
    mine = np.asarray(lists.valid & (lists.gaussian == i)).any(1)
    listed[np.asarray(lists.tile)[mine]] = True
    listed = listed.reshape(rows, columns)
    assert not np.any(touched & ~listed)
    # The test is over the rectangle's continuum, so it may keep a few more.
    assert np.sum(listed & ~touched) <= 2


def test_new_values_do_not_recompile():
  _render(_gaussians(16, 0), BACKGROUND)
  compiled = _draw._cache_size()
  _render(_gaussians(16, 1), BACKGROUND)
  assert _draw._cache_size() == compiled


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
