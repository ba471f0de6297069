# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What was seen is known, what was not is guessed."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import types
from rdrl.splat import trust

HEIGHT, WIDTH = 12, 16
CONFIG = splat.RenderConfig(entries_per_gaussian=40.0)
AGENTS = types.AgentState(
  *(jnp.zeros((1, 2)), jnp.zeros(1), jnp.zeros(1), jnp.zeros(1)),
  valid=jnp.ones(1, bool),
)
CONTRIBUTIONS = jax.jit(splat.contributions, static_argnames='config')


@jax.jit
def _seen(scene, camera):
  return splat.render_scene(scene, camera, AGENTS, 0, CONFIG)


def _camera(x=0.0, turned=False):
  pose = jnp.eye(4).at[0, 3].set(-x)
  if turned:
    pose = pose.at[0, 0].set(-1).at[2, 2].set(-1)
  intrinsics = jnp.array([[12.0, 0, 8], [0, 12.0, 6], [0, 0, 1]])
  return types.Camera(pose, intrinsics, HEIGHT, WIDTH)


def _scene(count=5, seed=0):
  rng = np.random.default_rng(seed)
  z = rng.uniform(2, 5, count)
  gaussians = types.Gaussians(
    means=np.c_[rng.uniform(-0.4, 0.4, (count, 2)) * z[:, None], z],
    log_scales=rng.normal(-1.0, 0.3, (count, 3)),
    quats=rng.normal(size=(count, 4)),
    opacity_logits=rng.normal(0, 1, count),
    sh=rng.normal(0, 0.2, (count, 1, 3)),
    node=np.zeros(count),
  )
  gaussians = jax.tree.map(jnp.float32, gaussians)
  return types.Scene(
    gaussians=gaussians.replace(node=jnp.zeros(count, jnp.int32)),
    sky=jnp.full((2, 4, 3), 0.5),
    exposure=jnp.eye(3, 4)[None],
    **dict.fromkeys(
      ('camera_from_ego', 'intrinsics', 'tracks', 'sizes', 'classes', 'map')
    ),
    **dict.fromkeys(('drivable', 'occupancy', 'ground')),
    height=HEIGHT,
    width=WIDTH,
  )


def _views(*cameras):
  cameras = jax.tree.map(lambda *x: jnp.stack(x), *cameras)
  count = len(cameras.intrinsics)
  agents = jax.tree.map(lambda x: jnp.stack([x] * count), AGENTS)
  return cameras, agents, np.zeros(count, np.int32)


@pytest.mark.slow
def test_fisher_is_the_sum_of_squared_derivatives():
  scene, camera = _scene(), _camera()

  def image(parameters):
    one = scene.replace(gaussians=scene.gaussians.replace(**parameters))
    return _seen(one, camera).color.ravel()

  parameters = {'sh': scene.gaussians.sh, 'means': scene.gaussians.means}
  exact = jax.tree.map(
    lambda x: np.sum(np.asarray(x) ** 2, 0),
    jax.jit(jax.jacrev(image))(parameters),
  )
  draws = 400
  views = _views(*[camera] * draws)
  found = trust.fisher(scene, *views, jax.random.key(0), CONFIG)
  for name, expected in exact.items():
    np.testing.assert_allclose(
      np.asarray(found[name]) / draws,
      expected,
      rtol=0.35,
      atol=0.02 * expected.max(),
      err_msg=name,
    )


def test_deviations_shrink_from_the_prior_as_views_are_added():
  scene = _scene()
  fisher = functools.partial(trust.fisher, scene, config=CONFIG)
  nothing = jax.tree.map(
    jnp.zeros_like, fisher(*_views(_camera()), jax.random.key(0))
  )
  none = trust.deviations(nothing, 0.05)
  for name, prior in trust.PRIOR.items():
    np.testing.assert_allclose(none[name], prior, rtol=1e-5)
  one = trust.deviations(fisher(*_views(_camera()), jax.random.key(0)), 0.05)
  two = trust.deviations(
    fisher(*_views(_camera(), _camera(0.3)), jax.random.key(0)), 0.05
  )
  for name in none:
    assert np.all(np.asarray(one[name]) <= np.asarray(none[name]) + 1e-6)
    assert np.all(np.asarray(two[name]) <= np.asarray(one[name]) + 1e-6)
    assert np.mean(two[name]) < np.mean(one[name]) < np.mean(none[name])


@pytest.mark.slow
def test_information_gain_is_large_where_nothing_was_seen():
  scene, camera = _scene(), _camera()
  noise = 0.05
  seen = trust.fisher(scene, *_views(*[camera] * 8), jax.random.key(0), CONFIG)
  gain = functools.partial(
    trust.information_gain,
    scene,
    noise=noise,
    camera=camera,
    agents=AGENTS,
    discrepancy=None,
    key=jax.random.key(1),
    num_samples=8,
    config=CONFIG,
  )
  known = gain(trust.deviations(seen, noise))
  guessed = gain(trust.deviations(jax.tree.map(jnp.zeros_like, seen), noise))
  assert known.shape == (HEIGHT, WIDTH)
  covered = _seen(scene, camera).alpha > 0.3
  assert np.mean(guessed[covered]) > 3 * np.mean(known[covered])
  # What differs from the truth by more than noise is not known either.
  missed = trust.Discrepancy(
    level=jnp.zeros(5),
    weights=jnp.array([np.log(0.04), 1, 0, 0]),
    noise=jnp.array(0.2),
  )
  wrong = gain(trust.deviations(seen, noise), discrepancy=missed)
  assert np.mean(wrong[covered]) > np.mean(known[covered]) + 0.5
  # The sky hangs on no Gaussian.
  nothing = _seen(scene, camera).alpha == 0
  np.testing.assert_allclose(known[nothing], 0, atol=5e-3)


def _discrepancy(errors):
  """Of a scene whose two recordings differ from it by `[H, W]` either way."""
  scene, camera = _scene(), _camera()
  color = _seen(scene, camera).color
  images = jnp.stack([color + errors[..., None], color - errors[..., None]])
  return trust.discrepancy(scene, *_views(camera, camera), images, CONFIG)


@pytest.mark.slow
def test_one_error_everywhere_is_expected_everywhere():
  found = _discrepancy(jnp.full((HEIGHT, WIDTH), 0.1))
  np.testing.assert_allclose(found.weights[0], np.log(0.01), atol=0.05)
  np.testing.assert_allclose(found.weights[2:], 0, atol=1e-2)
  np.testing.assert_allclose(found.level, 0, atol=1e-2)
  np.testing.assert_allclose(found.noise, 0.1, rtol=1e-3)


@pytest.mark.slow
def test_what_is_misplaced_is_missed_where_the_image_is_steep():
  scene, camera = _scene(), _camera()
  color = _seen(scene, camera).color
  steep = sum(jnp.mean(x**2, -1) for x in jnp.gradient(color, axis=(0, 1)))
  error = 2 * jnp.sqrt(steep + 10 / 255**2)
  found = _discrepancy(error)
  assert 0.9 < found.weights[2] < 1.1
  expected = trust.squared_error(scene, found, camera, AGENTS, CONFIG)
  # As if that were the deviation of a normal error.
  ratio = expected / (error**2 * np.exp(1.27))
  np.testing.assert_allclose(ratio, 1, atol=0.15)


@pytest.mark.slow
def test_levels_are_weighed_by_views_that_they_do_not_come_from():
  scene, camera = _scene(), _camera()
  color = _seen(scene, camera).color
  ramp = 0.02 * 10 ** (jnp.arange(WIDTH) / WIDTH)[None, :, None]

  def weight(*errors):
    images = jnp.stack([color + error for error in errors])
    views = _views(*[camera] * len(errors))
    return float(trust.discrepancy(scene, *views, images, CONFIG).weights[1])

  # The first and the last of four views are one half.
  alike = weight(ramp, ramp, ramp, ramp)
  unlike = weight(ramp, ramp[:, ::-1], ramp[:, ::-1], ramp)
  assert alike > 1
  assert unlike < 0


def test_what_misses_more_has_the_higher_level():
  scene, camera = _scene(), _camera()
  errors = jnp.where(jnp.arange(WIDTH) < WIDTH // 2, 0.02, 0.2)
  found = _discrepancy(jnp.broadcast_to(errors, (HEIGHT, WIDTH)))
  weights = jnp.stack([errors < 0.1, errors > 0.1], -1).astype(jnp.float32)
  shares, _ = CONTRIBUTIONS(
    scene.gaussians,
    camera,
    jnp.broadcast_to(weights, (HEIGHT, WIDTH, 2)),
    config=CONFIG,
  )
  left, right = np.asarray(shares).T
  is_left, is_right = left > 4 * right + 1, right > 4 * left + 1
  assert is_left.any() and is_right.any()
  level = np.asarray(found.level)
  assert level[is_left].max() < level[is_right].min()


def test_view_distance_is_that_to_the_nearest_camera_with_the_point_in_view():
  recorded, _, _ = _views(_camera(0.0), _camera(5.0), _camera(turned=True))
  depth = jnp.full((HEIGHT, WIDTH), 10.0)
  found = trust.view_distance(depth, _camera(2.0), recorded)
  np.testing.assert_allclose(found[:, 8], 2, atol=1e-5)
  far = trust.view_distance(depth, _camera(40.0), recorded)
  assert np.all(np.isinf(far))
  centre = geometry.inverse(recorded.camera_from_world)[1, :3, 3]
  np.testing.assert_allclose(centre, [5, 0, 0])


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
