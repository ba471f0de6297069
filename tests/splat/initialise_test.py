# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Normals of lidar points are those of the surfaces that were hit."""

import sys

import numpy as np
import pytest

from rdrl import types
from rdrl.splat import initialise

STEPS = 2


def _log():
  """A floor and a wall at x = 6, seen from the origin, and a box on the floor.

  Returns:
    The log and, of each valid point, which of the three it lies on.
  """
  rng = np.random.default_rng(0)
  clouds, on = [], []
  for _ in range(STEPS):
    u = rng.uniform(-3, 3, (3, 150))
    floor = np.stack([u[0] + 2, u[1], np.zeros(150)], -1)
    wall = np.stack([np.full(150, 6.0), u[2], u[0] + 3.5], -1)
    box = np.array([2, 1, 0.6]) + rng.uniform(-0.4, 0.4, (40, 3))
    clouds.append(np.concatenate([floor, wall, box]))
    on.append(np.repeat([0, 1, 2], [150, 150, 40]))
  still = np.tile(np.array([[0.0, 0], [2, 1]], np.float32), (STEPS, 1, 1))
  tracks = types.AgentState(
    xy=still,
    z=np.full((STEPS, 2), 0.75, np.float32),
    yaw=np.zeros((STEPS, 2), np.float32),
    speed=np.zeros((STEPS, 2), np.float32),
    valid=np.ones((STEPS, 2), bool),
  )
  lidar = np.stack(clouds).astype(np.float32)
  log = types.Log(
    images=None,
    cameras=None,
    camera_from_ego=None,
    times=0.1 * np.arange(STEPS),
    tracks=tracks,
    sizes=np.array([[0.2, 0.2, 0.2], [1.2, 1.2, 1.5]], np.float32),
    classes=np.array([1, 1], np.int32),
    lidar=lidar,
    lidar_valid=np.ones(lidar.shape[:2], bool),
    map=None,
  )
  return log, np.stack(on)


def test_normals_are_square_to_the_surface_and_face_the_sensor():
  log, on = _log()
  found = initialise.lidar_normals(log, range(STEPS))
  for step in range(STEPS):
    normal, where = found[step], on[step]
    # Away from the edge where floor and wall would meet.
    for surface, expected in ((0, [0, 0, 1]), (1, [-1, 0, 0])):
      mine = normal[where == surface]
      is_found = np.any(mine != 0, -1)
      assert is_found.mean() > 0.9
      cosine = mine[is_found] @ expected
      assert np.quantile(cosine, 0.1) > 0.99
    # What is tracked may move between the steps that a plane is fitted to.
    assert not normal[where == 2].any()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
