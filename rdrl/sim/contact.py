# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tests many boxes for overlap and for leaving the road.

Sines, cosines and half extents are computed once per box, not per pair, in
arrays whose last axis is long: a pair costs some twenty operations, which
vectorise.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types


def boxes_of(agents: types.AgentState, sizes) -> geometry.Boxes:
  """`Boxes` of an `AgentState` `[..., A]` with sizes `[..., A, 3]`."""
  # XLA would recompute sines for each pair, and its CPU backend drops
  # optimization barriers; it keeps the result of a matrix product.
  heading = jnp.matmul(
    jnp.stack([jnp.cos(agents.yaw), jnp.sin(agents.yaw)], -1),
    jnp.eye(2),
    precision=jax.lax.Precision.HIGHEST,
  )
  return geometry.Boxes(
    x=agents.xy[..., 0],
    y=agents.xy[..., 1],
    cos=heading[..., 0],
    sin=heading[..., 1],
    length=sizes[..., 0] / 2,
    width=sizes[..., 1] / 2,
  )


def overlaps(a: geometry.Boxes, b: geometry.Boxes):
  """Whether boxes `[..., M]` overlap boxes `[..., N]`, more than touch.

  Returns:
    `[..., M, N]` bool.
  """
  a = jax.tree.map(lambda x: x[..., :, None], a)
  b = jax.tree.map(lambda x: x[..., None, :], b)
  return geometry.separation(a, b) < 0


def met(agents: types.AgentState, boxes: geometry.Boxes):
  """Whether each agent overlaps any other, `[A]` bool.

  Args:
    agents: `[A]`; agents that are not valid overlap none.
    boxes: `[A]` of them.
  """
  pairs = overlaps(boxes, boxes)
  pairs &= (
    agents.valid[:, None] & agents.valid & ~jnp.eye(len(boxes.x), dtype=bool)
  )
  return jnp.any(pairs, -1)


def corners(boxes: geometry.Boxes):
  """World points `[..., A, 4, 2]`, counter-clockwise from the front left."""
  signs = jnp.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
  ahead = signs[:, 0] * boxes.length[..., None]
  aside = signs[:, 1] * boxes.width[..., None]
  cos, sin = boxes.cos[..., None], boxes.sin[..., None]
  return jnp.stack(
    [
      boxes.x[..., None] + cos * ahead - sin * aside,
      boxes.y[..., None] + sin * ahead + cos * aside,
    ],
    -1,
  )


def off_road(boxes: geometry.Boxes, drivable):
  """Whether any corner of each box is off the road, `[..., A]` bool.

  Args:
    boxes: `[..., A]`.
    drivable: function of world points `[..., 2]`, metres to the edge of the
      drivable area, positive inside.
  """
  return jnp.min(drivable(corners(boxes)), -1) < 0
