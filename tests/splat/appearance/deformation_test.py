# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A field that bends what is neither stiff nor walks, as time goes by."""

import functools
import sys

import jax
import jax.numpy as jnp
from jax.test_util import check_grads
import numpy as np
import pytest

from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import bodies
from rdrl.splat.appearance import deformation
from rdrl.splat.appearance import views

SIZE = np.array([1.6, 0.8, 1.6], np.float32)
CONFIG = splat.RenderConfig(deformable_budget=32, entries_per_gaussian=16.0)
HEIGHT = WIDTH = 32
POSED = jax.jit(bodies.posed, static_argnames='config')


def _field(is_blank):
  params = jax.device_get(deformation.init(jax.random.key(0)))
  if not is_blank:
    last = max(params)
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 0.1, params[last]['kernel'].shape)
    params[last]['kernel'] = kernel.astype(np.float32)
  return params


def _scene(is_blank, kind=types.DEFORMABLE):
  """A pair of blobs in the box of agent 1 before a camera at the origin."""
  count = 8
  means = np.zeros((count, 3), np.float32)
  means[:, 2] = np.linspace(-0.5, 0.5, count)
  gaussians = types.Gaussians(
    means=means,
    log_scales=np.full((count, 3), -2, np.float32),
    quats=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
    opacity_logits=np.full(count, 3, np.float32),
    sh=np.full((count, 1, 3), 1.5, np.float32),
    node=np.repeat([0, 1], count // 2).astype(np.int32),
  )
  gaussians.means[: count // 2] += [4, 0.6, 0]
  motion = types.Motion(
    cadence=np.ones(2, np.float32),
    gait=np.zeros((2, 4, 3), np.float32),
    embedding=np.zeros((2, deformation.NUM_EMBEDDED), np.float32),
    field=_field(is_blank),
  )
  return types.Scene(
    gaussians=gaussians,
    sky=np.full((4, 8, 3), 0.2, np.float32),
    exposure=np.eye(3, 4, dtype=np.float32)[None],
    camera_from_ego=np.eye(4, dtype=np.float32)[None],
    intrinsics=np.array([[[32, 0, 16], [0, 32, 16], [0, 0, 1]]], np.float32),
    tracks=None,
    sizes=np.stack([SIZE, SIZE]),
    classes=np.array([types.VEHICLE, types.CYCLIST], np.int32),
    map=None,
    drivable=None,
    occupancy=None,
    ground=None,
    height=HEIGHT,
    width=WIDTH,
    bodies=types.Bodies(
      kind=np.array([types.RIGID, kind], np.int32),
      sizes=np.stack([SIZE, SIZE]),
      origin=np.zeros(2, np.float32),
      motion=motion,
    ),
  )


def _agents():
  zero = np.zeros(2, np.float32)
  return types.AgentState(
    xy=np.array([[0, 0], [4, -0.6]], np.float32),
    z=zero,
    yaw=zero,
    speed=zero,
    valid=np.ones(2, bool),
  )


def _cameras():
  ahead = np.eye(4, dtype=np.float32)
  ahead[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
  return types.Camera(
    camera_from_world=ahead[None],
    intrinsics=_scene(True).intrinsics,
    height=HEIGHT,
    width=WIDTH,
  )


def _render(scene, time):
  return splat.render_moment(scene, _cameras(), _agents(), CONFIG, time=time)


@pytest.mark.slow
def test_a_blank_field_leaves_a_node_rigid_bit_for_bit():
  scene = _scene(True)
  moved, missing = POSED(
    scene.gaussians, scene.bodies, _agents(), np.float32(1.3), CONFIG
  )
  assert missing == 0
  jax.tree.map(np.testing.assert_array_equal, moved, scene.gaussians)
  rigid = scene.replace(bodies=None)
  image, plain = _render(scene, np.float32(1.3)), _render(rigid, None)
  np.testing.assert_array_equal(image.color, plain.color)
  assert plain.unposed is None and image.unposed[0] == 0


def test_only_deformable_nodes_deform_and_only_with_a_clock():
  scene = _scene(False)
  g = scene.gaussians
  moved, _ = POSED(g, scene.bodies, _agents(), np.float32(1.3), CONFIG)
  fixed = g.node == 0
  for name in ('means', 'quats', 'log_scales'):
    new, old = getattr(moved, name), getattr(g, name)
    np.testing.assert_array_equal(new[fixed], old[fixed])
    assert np.all(np.any(new[~fixed] != old[~fixed], -1))
  still, _ = POSED(g, scene.bodies, _agents(), None, CONFIG)
  jax.tree.map(np.testing.assert_array_equal, still, g)


@pytest.mark.slow
def test_another_time_shows_another_shape():
  scene = _scene(False)
  early, late, again = (
    _render(scene, np.float32(t)).color for t in (0.3, 1.5, 0.3)
  )
  np.testing.assert_array_equal(early, again)
  assert np.abs(early - late).max() > 0.05
  renderer = splat.Renderer.create([scene, scene], HEIGHT, WIDTH, CONFIG)
  draw = jax.jit(
    jax.vmap(lambda r, i, c, a, t: r(i, c, a, t), (None, 0, None, None, 0))
  )
  images = draw(
    renderer,
    np.array([0, 1, 1]),
    _cameras(),
    _agents(),
    np.float32([0.3, 0.3, 1.5]),
  )
  np.testing.assert_array_equal(images[0], images[1])
  np.testing.assert_allclose(images[1], 255 * early, atol=0.51)
  np.testing.assert_allclose(images[2], 255 * late, atol=0.51)


def test_gradients_equal_finite_differences():
  params = jax.tree.map(np.float64, _field(False))
  mean = np.array([0.3, -0.2, 0.7])
  embedding = np.linspace(-1, 1, deformation.NUM_EMBEDDED)
  probe = np.linspace(-1, 1, 10)

  @jax.jit
  def total(params, mean, embedding, time):
    found = deformation.offsets(params, mean, embedding, time)
    return jnp.sum(jnp.concatenate(found) * probe)

  with jax.enable_x64(True):
    check_grads(
      total,
      (params, mean, embedding, np.float64(0.37)),
      1,
      ['rev'],
      # The kinks of the network lie farther away than this.
      eps=1e-6,
    )


def _pendulum(time):
  """Metres by which the upper half of the blobs is ahead."""
  return 0.5 * np.sin(2 * np.pi * 0.8 * time)


@functools.cache
def _frames():
  """Times and `[32, H, W, 3]` of blobs that swing to the side."""
  scene = _scene(True)
  times = np.arange(32, dtype=np.float32) * types.TIME_STEP
  images = []
  for time in times:
    means = scene.gaussians.means.copy()
    means[-2:, 1] += _pendulum(time)
    moved = scene.replace(
      gaussians=scene.gaussians.replace(means=means), bodies=None
    )
    images.append(np.asarray(_render(moved, None).color[0]))
  return times, np.stack(images)


@functools.cache
def _fitted(is_rigid):
  """PSNR on every fourth frame of what was fitted to the others."""
  scene = jax.tree.map(jnp.asarray, _scene(True))
  times, images = jax.tree.map(jnp.asarray, _frames())
  held_out = np.arange(len(times)) % 4 == 2
  camera, agents = trees.take(_cameras(), 0), _agents()
  start = scene.gaussians.means, scene.bodies.motion

  def render(trained, time):
    means, motion = trained
    one = scene.replace(
      gaussians=scene.gaussians.replace(means=means),
      bodies=scene.bodies.replace(motion=motion),
    )
    return views.render_scene(
      one, camera, agents, 0, CONFIG, time=None if is_rigid else time
    ).color

  @jax.jit
  def descend(trained, moments):
    first, second, trained = trained

    def loss(trained, time, image):
      return jnp.mean((render(trained, time) - image) ** 2)

    gradient = jax.grad(
      lambda x: jnp.mean(jax.vmap(loss, (None, 0, 0))(x, *moments))
    )(trained)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(
      lambda m, g: 0.99 * m + 0.01 * g * g, second, gradient
    )
    trained = jax.tree.map(
      lambda x, m, v: x - 0.004 * m / (jnp.sqrt(v) + 1e-12),
      trained,
      first,
      second,
    )
    return first, second, trained

  zeros = jax.tree.map(jnp.zeros_like, start)
  state = zeros, zeros, start
  rng = np.random.default_rng(0)
  for _ in range(250):
    chosen = rng.choice(np.flatnonzero(~held_out), 4, replace=False)
    state = descend(state, (times[chosen], images[chosen]))
  drawn = jax.jit(jax.vmap(render, (None, 0)))(state[2], times[held_out])
  return float(np.mean(splat.psnr(drawn, images[held_out])))


@pytest.mark.slow
def test_a_pendulum_is_fitted_better_with_the_field():
  assert _fitted(False) > _fitted(True) + 3


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
