# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A small valid log."""

import numpy as np
import pytest

from rdrl import logs
from rdrl import trees
from rdrl import types


def make_log(name='drive', num_steps=5, num_agents=3, height=8, width=12):
  rng = np.random.default_rng(len(name) + num_steps)
  step = np.arange(num_steps, dtype=np.float32)[:, None]
  tracks = types.AgentState(
    xy=np.stack(
      [
        np.repeat(step, num_agents, 1),
        np.tile(4.0 * np.arange(num_agents), (num_steps, 1)),
      ],
      -1,
    ).astype(np.float32),
    z=np.full((num_steps, num_agents), 0.8, np.float32),
    yaw=np.zeros((num_steps, num_agents), np.float32),
    speed=np.full((num_steps, num_agents), 10, np.float32),
    valid=np.ones((num_steps, num_agents), bool),
  )
  camera_from_ego = np.array(
    [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float32
  )
  intrinsics = np.array(
    [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float32
  )
  return types.Log(
    images=rng.integers(0, 256, (num_steps, 2, height, width, 3), np.uint8),
    cameras=types.Camera(
      camera_from_world=np.tile(camera_from_ego, (num_steps, 2, 1, 1)),
      intrinsics=np.tile(intrinsics, (num_steps, 2, 1, 1)),
      height=height,
      width=width,
    ),
    camera_from_ego=np.tile(camera_from_ego, (2, 1, 1)),
    times=np.arange(num_steps) / 10 + 1 / 3,
    tracks=tracks,
    sizes=np.tile(np.array([4.5, 1.8, 1.6], np.float32), (num_agents, 1)),
    classes=np.ones(num_agents, np.int32),
    lidar=rng.normal(size=(num_steps, 6, 3)).astype(np.float32),
    lidar_valid=rng.random((num_steps, 6)) < 0.9,
    map=logs.corridor_map(trees.take(tracks, (slice(None), 0))),
    name=name,
  )


@pytest.fixture(name='make_log')
def make_log_fixture():
  return make_log


@pytest.fixture
def log():
  return make_log()


@pytest.fixture
def without_sensors():
  """What makes of a log one of tracks and a map alone."""

  def strip(log):
    steps = len(log.times)
    return log.replace(
      images=np.zeros((steps, 0, 0, 0, 3), np.uint8),
      cameras=types.Camera(
        camera_from_world=np.zeros((steps, 0, 4, 4), np.float32),
        intrinsics=np.zeros((steps, 0, 3, 3), np.float32),
        height=0,
        width=0,
      ),
      camera_from_ego=np.zeros((0, 4, 4), np.float32),
      lidar=np.zeros((steps, 0, 3), np.float32),
      lidar_valid=np.zeros((steps, 0), bool),
    )

  return strip
