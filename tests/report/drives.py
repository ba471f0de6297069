# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives made by hand, whose scores can be worked out on paper.

The road runs along x: a lane of 3.5 m around y = 0, drivable 5 m to both sides.
All boxes are 4 m by 2 m. A state follows another after 0.1 s, so that 10 m/s is
one metre per state.
"""

import numpy as np

from rdrl import types

SUBSTEPS = 5
DECISIONS = 8
STATES = SUBSTEPS * DECISIONS + 1
NUM_PATH = 61
SIZE = (4.0, 2.0, 1.5)
TIME = np.arange(STATES) * types.TIME_STEP
LANE_WIDTH = 3.5
HALF_ROAD = 5.0

_BOOL = (
  'dynamic_collision',
  'static_collision',
  'position_deviation',
  'heading_deviation',
  'at_fault',
  'ran_light',
)


def _polylines(lines):
  return types.Polylines(
    xy=np.float32(lines), valid=np.ones(np.shape(lines)[:2], bool)
  )


def lane_map():
  """Two lanes along x."""
  return types.Map(
    lanes=_polylines([[[-20, y], [90, y]] for y in (0, 3.5)]),
    lane_width=np.float32([3.5, 3.5]),
    boundaries=_polylines([[[-20, y], [90, y]] for y in (-1.8, 5.3)]),
    drivable=_polylines([[[-20, -1.8], [90, -1.8], [90, 5.3], [-20, 5.3]]]),
    crosswalks=_polylines([[[30, -1.8], [33, -1.8], [33, 5.3], [30, 5.3]]]),
    stop_lines=_polylines([[[28, -1.8], [28, 1.7]]]),
  )


def states(xy, yaw, speed, valid=True):
  xy = np.asarray(xy, np.float32)
  shape = xy.shape[:-1]
  return types.AgentState(
    xy=xy,
    z=np.zeros(shape, np.float32),
    yaw=np.array(np.broadcast_to(np.float32(yaw), shape)),
    speed=np.array(np.broadcast_to(np.float32(speed), shape)),
    valid=np.array(np.broadcast_to(valid, shape)),
  )


def _events(**happened):
  """Events `[D]`: name to decision, or several of them."""
  fields = {}
  for field in types.Events.__dataclass_fields__:
    dtype = bool if field in _BOOL else np.float32
    if field == 'side':
      dtype = np.int32
    values = np.zeros(DECISIONS, dtype)
    if field in happened:
      values[happened[field]] = True
    fields[field] = values
  return types.Events(**fields)


def road(y):
  """`types.Road` of a box along x whose middle is at `y` `[S]`."""
  y = np.broadcast_to(np.float32(y), STATES)
  beside = np.stack([y + 1, y + 1, y - 1, y - 1, y], -1)
  return types.Road(
    clearance=np.float32(HALF_ROAD - np.abs(beside)),
    has_lane=np.ones(STATES, bool),
    lane_offset=np.array(y),
    lane_heading=np.zeros(STATES, np.float32),
    in_lane=np.abs(y) + SIZE[1] / 2 <= LANE_WIDTH / 2,
    at_crossing=np.zeros(STATES, bool),
    speed_limit=np.full(STATES, np.inf, np.float32),
  )


def straight(
  speed=10.0,
  offset=0.0,
  last=STATES - 1,
  other=None,
  start=0,
  other_class=types.VEHICLE,
  human_speed=10.0,
  human_offset=0.0,
  **happened,
):
  """An ego that drives along x next to an expert, until state `last`.

  Args:
    speed: m/s, or `[S]` of it.
    offset: metres to the left of y = 0.
    last: the state that ended it.
    other: xy, yaw and speed of the only other agent, `[S]` of each.
    start: step of the path at which it begins.
    other_class: of the other.
    human_speed: m/s of the expert.
    human_offset: metres of the expert to the left of y = 0.
    **happened: name of an event to its decision.
  """
  speed = np.broadcast_to(np.float64(speed), STATES)
  x = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2) * 0.1])
  ego = np.stack([x, np.full(STATES, offset)], -1)
  far = np.full((STATES, 2), 1e3)
  other_xy, other_yaw, other_speed = other or (far, 0, 0)
  other_xy = np.broadcast_to(np.asarray(other_xy, float), (STATES, 2))
  steps = (np.arange(NUM_PATH) - start) * human_speed * types.TIME_STEP
  path = np.stack([steps, np.full(NUM_PATH, human_offset)], -1)
  time = np.minimum(np.arange(STATES), last) + start
  ego_road = road(offset)
  return types.Drive(
    agents=states(
      np.stack([ego, other_xy], 1),
      np.stack([np.zeros(STATES), np.broadcast_to(other_yaw, STATES)], -1),
      np.stack([speed, np.broadcast_to(other_speed, STATES)], -1),
    ),
    valid=np.arange(STATES) <= last,
    sizes=np.float32([SIZE, SIZE]),
    classes=np.int32([types.VEHICLE, other_class]),
    reference=states(path[np.minimum(time, NUM_PATH - 1)], 0, human_speed),
    path=states(path, 0, human_speed),
    drivable=ego_road.clearance[:, :4].min(-1),
    action=np.zeros((DECISIONS, 2), np.int32),
    reward=np.zeros((DECISIONS, len(types.REWARD_TERMS)), np.float32),
    events=_events(**happened),
    active=np.arange(DECISIONS) * SUBSTEPS < last,
    terminated=np.bool_(last < STATES - 1),
    scenario=np.int32(0),
    adversary=np.int32(1),
    behaviour=np.int32(0),
    road=ego_road,
    reference_road=road(human_offset),
  )


def in_lane(drive, which='road', **fields):
  """The drive with other fields, `[S]` or a value, of one of its roads."""
  road = getattr(drive, which)
  filled = {
    name: np.array(
      np.broadcast_to(value, getattr(road, name).shape),
      getattr(road, name).dtype,
    )
    for name, value in fields.items()
  }
  return drive.replace(**{which: road.replace(**filled)})


def turning(drive, yaw):
  """The drive with another yaw `[S]` of the ego, which goes on along x."""
  whole = drive.agents.yaw.copy()
  whole[:, 0] = (yaw + np.pi) % (2 * np.pi) - np.pi
  return drive.replace(agents=drive.agents.replace(yaw=whole))


def hit(last=12, at_fault=True, other_class=types.VEHICLE, **kwargs):
  """An ego that at state `last` meets a box that stands half a metre inside."""
  happened = {'dynamic_collision': (last - 1) // SUBSTEPS}
  if at_fault:
    happened['at_fault'] = happened['dynamic_collision']
  return straight(
    last=last,
    other=([last + SIZE[0] - 0.5, 0], 0, 0),
    other_class=other_class,
    **happened,
    **kwargs,
  )
