# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The 61 x 61 actions: the place of the rear axle in half a second.

The grid is that of RAD (arXiv 2502.13144, section 3.2). The arc that leads to
each point has a closed form, so no table of simulated motions is needed. With a
constant steering angle, the rear axle rolls along a circle, tangent to its
heading; the circle through the point (y ahead, x to the left) has

  curvature = 2 x / (x^2 + y^2), angle = 2 atan2(x, y), length = angle /
  curvature.

Indices grow to the left and with speed.
"""

import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types

# Seconds in which an anchor is reached.
DURATION = 0.5

# Wheelbase in metres and largest steering angle in rad, of RAD's code.
WHEELBASE = 2.765
MAX_STEERING = float(np.radians(49))

# Metres to the left and ahead. Multiples, so that the middle is exactly zero.
LATERAL_SPACING, LONGITUDINAL_SPACING = 0.025, 0.25
LATERAL = (np.arange(-30, 31) * LATERAL_SPACING).astype(np.float32)
LONGITUDINAL = (np.arange(61) * LONGITUDINAL_SPACING).astype(np.float32)
STRAIGHT = 30


def arc(lateral, longitudinal):
  """The circular arc from the origin, tangent to x, to a point.

  Args:
    lateral: `[...]` metres to the left.
    longitudinal: `[...]` metres ahead, not negative.

  Returns:
    Curvature `[...]` in 1/m, positive to the left, and length `[...]` in
    metres.
  """
  squared = lateral**2 + longitudinal**2
  curvature = 2 * lateral / jnp.where(squared == 0, 1, squared)
  is_straight = curvature == 0
  angle = 2 * jnp.arctan2(lateral, longitudinal)
  length = jnp.where(
    is_straight, longitudinal, angle / jnp.where(is_straight, 1, curvature)
  )
  return curvature, length


def _feasible():
  x, y = LATERAL[:, None].astype(float), LONGITUDINAL.astype(float)
  curvature = 2 * np.abs(x) / np.maximum(x**2 + y**2, 1e-9)
  return curvature <= np.tan(MAX_STEERING) / WHEELBASE


# `[61, 61]` bool, lateral index first, within the largest steering angle.
feasible = _feasible()

# `[61]` feasible lateral steps to either side at each longitudinal index.
_REACH = (feasible.sum(0) - 1) // 2


def nearest(lateral, longitudinal):
  """Indices `[..., 2]` int32, lateral first, of the anchor nearest to a point.

  The longitudinal index is the nearest one; the lateral index is the nearest
  among those that are feasible with it.

  Args:
    lateral: `[...]` metres to the left.
    longitudinal: `[...]` metres ahead.
  """
  row = jnp.clip(jnp.round(longitudinal / LONGITUDINAL_SPACING), 0, 60)
  row = row.astype(jnp.int32)
  reach = jnp.asarray(_REACH)[row]
  column = jnp.round(lateral / LATERAL_SPACING).astype(jnp.int32)
  return jnp.stack([STRAIGHT + jnp.clip(column, -reach, reach), row], -1)


def pursue(route, ahead, length, config):
  """The action `[2]` of pure pursuit (Coulter 1992) of a point of a route.

  It leads along the circle from the rear axle, tangent to its heading, to the
  point.

  Args:
    route: `[R, 2]`, see `types.Observation`.
    ahead: `[]` metres along the route to the point.
    length: `[]` metres to drive along the circle.
    config: `sim.Config`, for the route and the rear axle.
  """
  along = jnp.array((0.0, *config.route_points))
  points = jnp.concatenate([jnp.zeros((1, 2)), route])
  point = jnp.stack([jnp.interp(ahead, along, points[:, i]) for i in range(2)])
  return towards(point, length, config)


def towards(point, length, config):
  """The action `[2]` along the circle through a point, tangent to the heading.

  Args:
    point: `[2]` metres ahead and to the left of the middle of the box.
    length: `[]` metres to drive along the circle.
    config: `sim.Config`, for the rear axle.
  """
  x, y = point
  # A route may end here.
  x = jnp.maximum(x + config.rear_axle_to_center, 1.0)
  curvature, _ = arc(y, x)
  return along(curvature, length)


def along(curvature, length):
  """The action `[..., 2]` of so many metres `[...]` at a curvature `[...]`."""
  angle = curvature * length
  # (sin a / k, (1 - cos a) / k) without the division.
  chord = length * jnp.sinc(angle / (2 * jnp.pi))
  return nearest(chord * jnp.sin(angle / 2), chord * jnp.cos(angle / 2))


def command(action):
  """Curvature `[...]` in 1/m and speed `[...]` in m/s of `[..., 2]` actions."""
  curvature, length = arc(
    jnp.asarray(LATERAL)[action[..., 0]],
    jnp.asarray(LONGITUDINAL)[action[..., 1]],
  )
  return curvature, length / DURATION


def label(now: types.AgentState, future: types.AgentState, config):
  """The action that leads from one state to another `DURATION` later.

  Args:
    now: fields of shape `[...]`, of the ego alone.
    future: fields of shape `[...]`, of the ego alone.
    config: `sim.Config`, for the rear axle.

  Returns:
    `[..., 2]` int32.
  """

  def rear_axle(state):
    ahead = jnp.stack([jnp.cos(state.yaw), jnp.sin(state.yaw)], -1)
    return state.xy - config.rear_axle_to_center * ahead

  moved = geometry.rotate_2d(rear_axle(future) - rear_axle(now), -now.yaw)
  return nearest(moved[..., 1], moved[..., 0])
