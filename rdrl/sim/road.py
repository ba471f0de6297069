# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Looks up a car's lane in the map, for the record of a drive.

nuPlan (github.com/motional/nuplan-devkit) does the same for
driving_direction_compliance, speed_limit_compliance and the rule of fault: in
which lane the middle of the ego is, and whether its corners are in that lane.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.sim import events

# Lanes whose headings differ by more rad go different ways.
_OTHER_WAY = jnp.pi / 4
# Metres to the middle of a lane that cost as much as a rad off its heading, so
# that a lane that crosses at right angles is never chosen over the car's own.
_METRES_PER_RAD = 2.0


def along(states: types.AgentState, size, lane_map: types.Map, drivable):
  """`types.Road` `[S]` of a box along its states.

  Args:
    states: `[S]`, without agent axis.
    size: `[3]` metres.
    lane_map: of the scene.
    drivable: function of world points `[..., 2]`, metres to the edge of the
      drivable area, positive inside.
  """
  corners = geometry.box_corners(states.xy, states.yaw, size)
  points = jnp.concatenate([corners, states.xy[:, None]], 1)
  # State by state, because each is compared with all points of all lanes.
  lanes = jax.lax.map(
    lambda state: lane(*state, size, lane_map), (states.xy, states.yaw)
  )
  return types.Road(clearance=drivable(points), **lanes)


def lane(xy, yaw, size, lane_map):
  """All fields of `types.Road` `[]` but the clearance, by name.

  Args:
    xy: `[2]` middle of a box.
    yaw: `[]`.
    size: `[3]` metres.
    lane_map: of the scene.
  """
  lines, width = lane_map.lanes, lane_map.lane_width
  along, offset, heading, _ = jax.vmap(
    geometry.project_to_polyline, (None, 0, 0)
  )(xy, lines.xy, lines.valid)
  both = lines.valid[:, 1:] & lines.valid[:, :-1]
  steps = geometry.safe_norm(jnp.diff(lines.xy, axis=1))
  length = jnp.sum(jnp.where(both, steps, 0), -1)
  holds = (
    (length > 0)
    & (along >= 0)
    & (along <= length)
    & (jnp.abs(offset) <= width / 2)
  )
  turn = geometry.wrap_angle(heading - yaw)
  cost = jnp.abs(offset) + _METRES_PER_RAD * jnp.abs(turn)
  own = jnp.argmin(jnp.where(holds, cost, jnp.inf))
  has_lane = jnp.any(holds)
  in_lane = holds & events.is_in_lane(offset, turn, size, width)
  apart = jnp.abs(geometry.wrap_angle(heading - heading[own]))
  limit = lane_map.speed_limit
  if limit is None:
    limit = jnp.full(len(width), jnp.inf)
  return {
    'has_lane': has_lane,
    'lane_offset': jnp.where(has_lane, offset[own], 0),
    'lane_heading': jnp.where(has_lane, heading[own], 0),
    'in_lane': in_lane[own],
    'at_crossing': jnp.any(holds & (apart > _OTHER_WAY)),
    'speed_limit': jnp.where(has_lane, limit[own], jnp.inf),
  }
