# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What lidar hit: what stands, what is around boxes, colours and normals."""

import sys

import numpy as np
import pytest

from rdrl import types
from rdrl.splat.fitting import lidar

STEPS = 2
# At the origin, looking along x, 90 degrees wide.
CAMERA_FROM_WORLD = np.array(
  [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float32
)
INTRINSICS = np.array([[4, 0, 4], [0, 4, 4], [0, 0, 1]], np.float32)


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
  points = np.stack(clouds).astype(np.float32)
  log = types.Log(
    images=np.full((STEPS, 1, 8, 8, 3), 51, np.uint8),
    cameras=types.Camera(
      camera_from_world=np.tile(CAMERA_FROM_WORLD, (STEPS, 1, 1, 1)),
      intrinsics=np.tile(INTRINSICS, (STEPS, 1, 1, 1)),
      height=8,
      width=8,
    ),
    camera_from_ego=None,
    times=0.1 * np.arange(STEPS),
    tracks=tracks,
    sizes=np.array([[0.2, 0.2, 0.2], [1.2, 1.2, 1.5]], np.float32),
    classes=np.array([1, 1], np.int32),
    lidar=points,
    lidar_valid=np.ones(points.shape[:2], bool),
    map=None,
  )
  return log, np.stack(on)


def test_normals_are_square_to_the_surface_and_face_the_sensor():
  log, on = _log()
  found = lidar.normals(log, lidar.find(log, range(STEPS)), range(STEPS))
  for normal, where in zip(found.reshape(STEPS, -1, 3), on, strict=True):
    # Away from the edge where floor and wall would meet.
    for surface, expected in ((0, [0, 0, 1]), (1, [-1, 0, 0])):
      mine = normal[where == surface]
      is_found = np.any(mine != 0, -1)
      assert is_found.mean() > 0.9
      cosine = mine[is_found] @ expected
      assert np.quantile(cosine, 0.1) > 0.99
    # What is tracked may move between the steps that a plane is fitted to.
    assert not normal[where == 2].any()


def test_what_stands_is_in_no_box_and_around_it_all_of_the_box_is_found():
  log, on = _log()
  hits = lidar.find(log, [1])
  on = on.ravel()
  beside = np.abs(hits.points[:, :2] - [2, 1]) > 0.6 + 0.3
  assert not hits.stands[on == 2].any()
  assert hits.stands[(on != 2) & beside.any(-1)].all()
  index, place = hits.around[1]
  assert set(np.flatnonzero(on == 2)) <= set(index)
  np.testing.assert_allclose(
    place, hits.points[index] - [2, 1, 0.75], atol=1e-6
  )
  fitted, _ = hits.fitted_around(1)
  np.testing.assert_array_equal(fitted, index[hits.steps[index] == 1])


def test_only_images_of_fitted_steps_give_colours():
  log, _ = _log()
  hits = lidar.find(log, [1])
  x, y, z = hits.points.T
  is_seen = (x > 0.1) & (np.abs(y) < x) & (np.abs(z) < x) & (hits.steps == 1)
  np.testing.assert_allclose(hits.colors[is_seen], 0.2)
  assert np.isnan(hits.colors[~is_seen]).all()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
