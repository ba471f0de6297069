# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Cameras on an ego."""

import numpy as np

from rdrl import types


def around(*leading, yaws=(0.0,), focal=20.0, size=(16, 24)):
  """A rig `[*leading, C]` in the middle of the ego that looks each way.

  Args:
    *leading: axes before the cameras.
    yaws: rad to the left of ahead, of each camera.
    focal: pixels.
    size: height and width, pixels.
  """
  poses = []
  for yaw in yaws:
    cos, sin = np.cos(yaw), np.sin(yaw)
    # Rows: right, down and ahead of the camera in the ego's axes.
    rotation = [[sin, -cos, 0], [0, 0, -1], [cos, sin, 0]]
    poses.append(np.eye(4))
    poses[-1][:3, :3] = rotation
  height, width = size
  lens = [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
  shape = (*leading, len(yaws))
  return types.Rig(
    camera_from_ego=np.broadcast_to(np.float32(poses), (*shape, 4, 4)).copy(),
    intrinsics=np.broadcast_to(np.float32(lens), (*shape, 3, 3)).copy(),
  )
