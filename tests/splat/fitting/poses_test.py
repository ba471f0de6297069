# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Corrections of poses: what they move, and which way."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.fitting import poses


def _ego(yaw=0.7):
  return types.AgentState(
    xy=jnp.array([40.0, -25.0]),
    z=jnp.array(0.75),
    yaw=jnp.array(yaw),
    speed=jnp.array(3.0),
    valid=jnp.array(True),
  )


def _camera():
  camera_from_ego = np.array(
    [[[0, -1, 0, 0.2], [0, 0, -1, 0.5], [1, 0, 0, -0.6], [0, 0, 0, 1]]],
    np.float32,
  )
  return trees.take(
    geometry.mount_cameras(
      camera_from_ego, np.eye(3, dtype=np.float32)[None], _ego(), 4, 6
    ),
    0,
  )


def _centre(camera):
  return geometry.inverse(camera.camera_from_world)[:3, 3]


def test_no_motion_moves_nothing():
  moved = poses.move_camera(_camera(), _ego(), jnp.zeros(6))
  np.testing.assert_allclose(
    moved.camera_from_world, _camera().camera_from_world, atol=1e-4
  )


def test_the_rig_moves_in_the_frame_of_the_ego():
  motion = jnp.array([0, 0, 0, 0.3, 0.1, -0.2])
  moved = poses.move_camera(_camera(), _ego(), motion)
  ahead, left = (
    np.array([np.cos(0.7), np.sin(0.7), 0]),
    np.array([-np.sin(0.7), np.cos(0.7), 0]),
  )
  np.testing.assert_allclose(
    _centre(moved) - _centre(_camera()),
    0.3 * ahead + 0.1 * left + np.array([0, 0, -0.2]),
    atol=1e-4,
  )


def test_a_turn_is_about_the_ego():
  """To second order, as the camera of an ego of another yaw."""
  motion = jnp.array([0, 0, 0.02, 0, 0, 0])
  moved = poses.move_camera(_camera(), _ego(), motion)
  mount = geometry.compose(
    _camera().camera_from_world, geometry.world_from_box(_ego())
  )
  turned = geometry.compose(
    mount, geometry.inverse(geometry.world_from_box(_ego(0.72)))
  )
  np.testing.assert_allclose(moved.camera_from_world, turned, atol=2e-4)


def test_agents_move_ahead_and_left_of_themselves():
  moved = poses.move_agents(_ego(np.pi / 2), jnp.array([1.0, 0.5, 0.1]))
  np.testing.assert_allclose(moved.xy, [39.5, -24.0], atol=1e-5)
  np.testing.assert_allclose(moved.yaw, np.pi / 2 + 0.1, atol=1e-6)


def test_unknown_steps_lie_between_their_neighbours():
  motion = np.array([9.0, 1, 9, 3, 4, 9])[:, None] * np.ones(6)
  np.testing.assert_allclose(
    poses.between(np.array([1, 3, 4]), motion)[:, 0], [1, 1, 2, 3, 4, 4]
  )


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
