# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Small corrections of recorded poses, fitted with the scene.

The correction of the rig moves the ego and all of its cameras; that of an agent
moves its box. Both are in the frame of the box that they move.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types


def move_camera(camera, ego, motion):
  """Moves a camera with its rig.

  Args:
    camera: one.
    ego: AgentState `[]` that carries it.
    motion: `[6]` rotation vector in rad, then metres; small.
  """
  quat = jnp.concatenate([jnp.ones(1), motion[:3] / 2])
  moved = geometry.from_rotation_translation(
    geometry.rotation_from_quat(quat), motion[3:]
  )
  world_from_ego = geometry.world_from_box(ego)
  old_from_new = geometry.compose(
    world_from_ego, geometry.compose(moved, geometry.inverse(world_from_ego))
  )
  return camera.replace(
    camera_from_world=geometry.compose(
      camera.camera_from_world, geometry.inverse(old_from_new)
    )
  )


def move_agents(agents, motion):
  """Moves agents `[..., A]` by `[..., A, 3]` metres ahead, left and rad."""
  return agents.replace(
    xy=agents.xy + geometry.rotate_2d(motion[..., :2], agents.yaw),
    yaw=agents.yaw + motion[..., 2],
  )


def between(steps, motion):
  """Interpolates motions `[T, ...]` linearly between rows `steps` `[S]`."""
  count = len(motion)
  flat = np.asarray(motion).reshape(count, -1)
  columns = [np.interp(np.arange(count), steps, x[steps]) for x in flat.T]
  return np.stack(columns, -1).reshape(motion.shape).astype(np.float32)


def corrected(log: types.Log, rig, boxes=0.0):
  """Moves the cameras and the agents of a log.

  Args:
    log: of `T` steps, `C` cameras and `A` agents.
    rig: `[T, 6]`, see `move_camera`.
    boxes: broadcasts to `[T, A, 3]`, see `move_agents`; the ego's is ignored.
  """
  ego = trees.take(log.tracks, (slice(None), 0))
  one_rig = jax.vmap(move_camera, (0, None, None))
  cameras = jax.vmap(one_rig)(log.cameras, ego, jnp.asarray(rig))
  boxes = np.array(np.broadcast_to(boxes, (*log.tracks.yaw.shape, 3)))
  boxes[:, 0] = 0
  moved = cameras, move_agents(log.tracks, boxes)
  cameras, tracks = jax.tree.map(np.asarray, moved)
  return log.replace(cameras=cameras, tracks=tracks)
