# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Where fits begin: what vehicles have."""

import dataclasses
import sys

import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.splat.fitting import initialise
from rdrl.splat.fitting import lidar
from rdrl.splat.raster import project


def _nose(rng, size, count=200):
  """Points `[count, 3]` of a rounded front, in the frame of its box."""
  u, v = rng.uniform(-1, 1, (2, count))
  return np.stack([0.9 - 0.1 * v**2, 0.9 * u, 0.8 * v], -1) * size / 2


def _two_cars():
  """Two cars before a camera: of one the rear was hit, of the other the front.

  Returns:
    The log, in which a half of the image is red and the other one blue.
  """
  rng = np.random.default_rng(0)
  sizes = np.array([[4.0, 2, 1.5], [4, 2, 1.5], [4.1, 2, 1.5]], np.float32)
  tracks = types.AgentState(
    xy=np.array([[[0, 0], [12, 4], [12, -4]]], np.float32),
    z=np.full((1, 3), 0.75, np.float32),
    yaw=np.zeros((1, 3), np.float32),
    speed=np.zeros((1, 3), np.float32),
    valid=np.ones((1, 3), bool),
  )
  u, v = rng.uniform(-1, 1, (2, 200))
  rear = np.stack([np.full(200, -0.95), 0.9 * u, 0.8 * v], -1) * sizes[1] / 2
  clouds = [
    geometry.transform_points(
      geometry.world_from_box(trees.take(tracks, (0, agent))), points
    )
    for agent, points in ((1, rear), (2, _nose(rng, sizes[2])))
  ]
  floor = rng.uniform(-1, 1, (400, 3)) * [4, 3, 0] + [8, 0, 0]
  lidar = np.concatenate([*clouds, floor])[None].astype(np.float32)
  camera_from_ego = np.array(
    [[[0, -1, 0, 0], [0, 0, -1, 0.5], [1, 0, 0, 0], [0, 0, 0, 1]]], np.float32
  )
  intrinsics = np.array([[[24, 0, 20], [0, 24, 12], [0, 0, 1]]], np.float32)
  cameras = geometry.mount_cameras(
    camera_from_ego, intrinsics, trees.take(tracks, (0, 0)), 24, 40
  )
  images = np.zeros((1, 1, 24, 40, 3), np.uint8)
  images[..., :20, 0] = images[..., 20:, 2] = 255
  return types.Log(
    images=images,
    cameras=trees.stack([cameras]),
    camera_from_ego=camera_from_ego,
    times=np.zeros(1),
    tracks=tracks,
    sizes=sizes,
    classes=np.full(3, types.VEHICLE, np.int32),
    lidar=lidar,
    lidar_valid=np.ones(lidar.shape[:2], bool),
    map=None,
  )


def test_what_was_not_hit_of_a_vehicle_begins_as_that_of_another_one():
  log = _two_cars()
  config = splat.FitConfig(
    num_gaussians=900, gaussians_per_object=200, sh_degree=0, sky_height=8
  )

  def begin(weight):
    gaussians, _ = initialise.initial_scene(
      log,
      lidar.find(log, range(1)),
      dataclasses.replace(config, likeness_weight=weight),
      np.random.default_rng(0),
    )
    mine = trees.take(gaussians, gaussians.node == 1)
    return mine, mine.means / (log.sizes[1] / 2)

  _, place = begin(0.0)
  assert np.all(place[:, 0] < 0)
  mine, place = begin(0.1)
  x, _, z = place.T
  is_rear, is_front = np.abs(x + 0.95) < 0.03, x > 0
  assert np.all(is_rear | is_front)
  assert is_rear.mean() > 0.3 and is_front.mean() > 0.3
  assert np.mean(np.abs(x - 0.9 + 0.1 * z**2)[is_front] < 0.04) > 0.9
  # Red stands to the left; nothing of the other car's blue comes along.
  color = 0.5 + project.SH0 * mine.sh[:, 0]
  np.testing.assert_allclose(color[is_front].mean(0), [1, 0, 0], atol=0.02)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
