# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians appear where they are, in the colour of their node."""

import sys

import numpy as np
import pytest

from rdrl import types
from rdrl.report import above


def test_nodes_have_their_colours_and_agents_their_places():
  tracks = types.AgentState(
    xy=np.tile(np.array([[0.0, 0], [10, 5]]), (2, 1, 1)),
    z=np.full((2, 2), 1.0),
    yaw=np.tile(np.array([0, np.pi / 2]), (2, 1)),
    speed=np.zeros((2, 2)),
    valid=np.ones((2, 2), bool),
  )
  gaussians = types.Gaussians(
    # On the ground, in the background, on the car's right, and transparent.
    means=np.array([[-8.0, 0, 0], [0, 8, 1], [0, -2, 0], [4, 4, 0]]),
    log_scales=np.zeros((4, 3)),
    quats=np.zeros((4, 4)),
    opacity_logits=np.array([3.0, 3, 3, -9]),
    sh=np.zeros((4, 1, 3)),
    node=np.array([types.GROUND, types.BACKGROUND, 1, 0]),
  )
  none = dict.fromkeys(
    ('sky', 'exposure', 'camera_from_ego', 'intrinsics', 'map')
  )
  scene = types.Scene(
    gaussians=gaussians,
    tracks=tracks,
    sizes=np.ones((2, 3)),
    classes=np.ones(2),
    **none,
    **dict.fromkeys(('drivable', 'occupancy', 'ground')),
    height=1,
    width=1,
  )
  image = above.picture(scene, 1)
  rows, columns = np.nonzero(np.any(image != image[0, 0], -1))
  assert len(rows) == 3
  found = {}
  height = image.shape[0]
  for row, column in zip(rows, columns, strict=True):
    # A pixel is a fifth of a metre; the picture begins 25 m before the path.
    xy = column / 5 - 25, (height - 1 - row) / 5 - 25
    found[tuple(np.round(xy).astype(int))] = tuple(image[row, column])
  # The car looks north: its right is east.
  assert set(found) == {(-8, 0), (0, 8), (12, 5)}
  assert len(set(found.values())) == 3


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
