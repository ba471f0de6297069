# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Mirrored Gaussians are seen as their mirror images."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import symmetry
from rdrl.splat.fitting import lidar

CONFIG = splat.RenderConfig(entries_per_gaussian=16.0)


def _gaussians(degree=3, count=40):
  rng = np.random.default_rng(0)
  parts = types.Gaussians(
    means=rng.uniform(-1, 1, (count, 3)) * [0.8, 1, 0.6],
    log_scales=rng.uniform(-3, -1.2, (count, 3)),
    quats=rng.normal(size=(count, 4)),
    opacity_logits=rng.normal(size=count),
    sh=0.3 * rng.normal(size=(count, (degree + 1) ** 2, 3)),
    node=np.zeros(count),
  )
  return jax.tree.map(jnp.float32, parts).replace(
    node=jnp.zeros(count, jnp.int32)
  )


def _camera(y, height=48, width=64):
  """At x = -4, looking along x from a metre aside."""
  camera_from_world = np.array(
    [[0, -1, 0, y], [0, 0, -1, 0.2], [1, 0, 0, 4], [0, 0, 0, 1]], np.float32
  )
  intrinsics = np.array(
    [[60, 0, width / 2], [0, 60, height / 2], [0, 0, 1]], np.float32
  )
  return types.Camera(
    jnp.asarray(camera_from_world), jnp.asarray(intrinsics), height, width
  )


@pytest.mark.parametrize('degree', [1, 3])
def test_mirrored_scene_seen_from_the_mirrored_place_is_the_mirror_image(
  degree,
):
  gaussians = _gaussians(degree)
  everything = jnp.ones(len(gaussians.node), bool)
  background = jnp.array([0.2, 0.3, 0.4])
  see = jax.jit(lambda g, c: splat.render(g, c, background, config=CONFIG))
  image = see(gaussians, _camera(0.7)).color
  mirror = see(symmetry.mirrored(gaussians, everything), _camera(-0.7)).color
  assert float(jnp.std(image)) > 0.05
  # Equal but for the order of summation and 1/255, at which alpha is cut.
  np.testing.assert_allclose(mirror[:, ::-1], image, atol=5e-3)
  other = see(
    symmetry.mirrored(gaussians, everything, 0), _mirror_x(_camera(0.7))
  ).color
  np.testing.assert_allclose(other[:, ::-1], image, atol=5e-3)


def _mirror_x(camera):
  """The camera seen in a mirror at x = 0, its image flipped sideways."""
  flip = jnp.diag(jnp.array([-1.0, 1, 1, 1]))
  return camera.replace(
    camera_from_world=flip @ camera.camera_from_world @ flip
  )


@pytest.mark.parametrize('axis', [0, 1])
def test_mirroring_twice_changes_nothing_and_others_stay(axis):
  gaussians = _gaussians()
  some = jnp.arange(len(gaussians.node)) % 2 == 0
  once = symmetry.mirrored(gaussians, some, axis)
  twice = symmetry.mirrored(once, some, axis)
  jax.tree.map(np.testing.assert_array_equal, twice, gaussians)
  jax.tree.map(
    np.testing.assert_array_equal,
    trees.take(once, ~some),
    trees.take(gaussians, ~some),
  )
  np.testing.assert_array_equal(
    once.means[some, axis], -gaussians.means[some, axis]
  )


def test_planes_follow_the_class_and_the_ends_that_lidar_hit():
  # Of the first car both ends are hit, of the second the rear and one point of
  # the front; the third is no car.
  xy = np.array([[0, 0], [20, 4], [8, 0], [21, 5]], np.float32)
  yaw = np.array([0, 0.5, -1, 0], np.float32)
  agents = types.AgentState(
    xy=xy[None],
    z=np.zeros((1, 4), np.float32),
    yaw=yaw[None],
    speed=np.zeros((1, 4), np.float32),
    valid=np.ones((1, 4), bool),
  )
  size = np.array([4.0, 2, 1.5], np.float32)

  def hits(agent, end, count):
    across = np.linspace(-0.7, 0.7, count)
    local = np.stack([np.full(count, end * 1.95), across], -1)
    turned = geometry.rotate_2d(local, np.full(count, yaw[agent]))
    return np.c_[np.asarray(turned) + xy[agent], np.zeros(count)]

  cloud = [
    hits(1, 1, 5),
    hits(1, -1, 9),
    hits(2, -1, 9),
    hits(2, 1, 1),
    hits(3, 1, 9),
  ]
  cloud = np.concatenate(cloud)[None]
  log = types.Log(
    images=np.zeros((1, 0, 1, 1, 3), np.uint8),
    cameras=None,
    camera_from_ego=None,
    times=np.arange(1.0),
    tracks=agents,
    sizes=np.tile(size, (4, 1)),
    classes=np.array([1, 1, 1, types.PEDESTRIAN]),
    lidar=cloud,
    lidar_valid=np.ones(cloud.shape[:2], bool),
    map=None,
  )
  np.testing.assert_array_equal(
    symmetry.planes(log, lidar.find(log, range(1))),
    [[0, 0], [0, 1], [1, 1], [0, 0]],
  )


def test_the_far_end_alone_learns_and_nothing_else_changes():
  gaussians = _gaussians()
  agent = jnp.arange(len(gaussians.node)) % 3
  end, length = jnp.array([0, 1, -1])[agent], jnp.array([2.0, 1, 1.5])[agent]

  def held(means):
    return symmetry.end_alone(gaussians.replace(means=means), end, length)

  jax.tree.map(np.testing.assert_array_equal, held(gaussians.means), gaussians)
  gradient = jax.grad(lambda means: jnp.sum(held(means).means))
  learns = np.asarray(gradient(gaussians.means))[:, 0] > 0
  x = np.asarray(gaussians.means[:, 0])
  expected = np.select([agent == 1, agent == 2], [x >= 0.2, -x >= 0.3], True)
  np.testing.assert_array_equal(learns, expected)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
