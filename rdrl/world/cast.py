# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Who drives, walks and parks on a street, and what they look like."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import trees
from rdrl import types
from rdrl.world import road as road_lib

# Shapes of cars: length, width, height in metres; then, as shares of these,
# height of the shoulder, rear and front end of the cabin in [-1, 1], lean of
# its ends and of its sides.
BODY_STYLES = np.array(
  [
    [4.7, 1.85, 1.45, 0.62, -0.80, 0.45, 0.55, 0.20],  # saloon
    [4.0, 1.75, 1.50, 0.60, -0.97, 0.50, 0.40, 0.18],  # hatchback
    [4.7, 1.95, 1.75, 0.62, -0.96, 0.50, 0.35, 0.15],  # sport utility
    [5.4, 2.05, 2.40, 0.46, -0.99, 0.72, 0.16, 0.06],  # van
  ],
  np.float32,
)
EGO_SIZE = (4.6, 1.9, 1.5)
PEDESTRIAN_SIZE = (0.6, 0.6, 1.75)
CYCLIST_SIZE = (1.8, 0.6, 1.7)

_PAINTS = np.array(
  [
    [0.55, 0.05, 0.04],
    [0.06, 0.12, 0.42],
    [0.65, 0.65, 0.66],
    [0.05, 0.05, 0.06],
    [0.30, 0.32, 0.34],
    [0.70, 0.55, 0.08],
    [0.08, 0.28, 0.14],
    [0.72, 0.70, 0.62],
  ]
)

# Who is on the street besides the ego: kind, arc length relative to the ego,
# offset ('lane' the ego's, 'next' the other lane in its direction, else metres
# or a side), desired speed; ranges are drawn from. More agents repeat the list
# farther away.
_CAST = (
  ('car', (22, 30), 'lane', (6.5, 8.0)),
  ('car', (6, 14), 'next', (7.5, 9.0)),
  ('car', (24, 30), 'next', (7.5, 9.5)),
  ('parked', (24, 30), -1, (0, 0)),
  ('car', (66, 80), 1.75, (7.0, 9.0)),
  ('walker', (16, 24), -1, (1.2, 1.5)),
  ('parked', (38, 44), 1, (0, 0)),
  ('car', (-24, -18), 'lane', (8.0, 10.0)),
  ('parked', (46, 52), -1, (0, 0)),
  ('walker', (34, 48), 1, (1.1, 1.4)),
  ('car', (95, 115), 5.25, (6.0, 8.5)),
  ('cyclist', (18, 26), -1, (4.0, 6.0)),
  ('waiting walker', (41.5, 42.5), -1, (0, 0)),
  ('waiting cyclist', (60, 63), -1, (0, 0)),
  ('walker at the crosswalk', None, -1, (0, 0)),
)
_REPEAT = 45.0
# Rows that are otherwise where the ego changes lanes around a slow lead, and
# where it keeps to the inner lane, so that there too a car can come at it, cut
# in and pull out, and somebody can cross its way.
_OVERTAKING = {
  0: ('car', (36, 42), 'lane', (3.4, 4.0)),
  1: ('car', (18, 20), 'next', (9.5, 10.5)),
  2: ('car', (28.5, 30), 'next', (10.0, 11.0)),
  3: ('parked', (23, 26), -1, (0, 0)),
  8: ('parked', (33.5, 36), -1, (0, 0)),
  12: ('waiting walker', (29.5, 30), -1, (0, 0)),
  13: ('waiting cyclist', (47, 50), -1, (0, 0)),
}
_INSIDE = {
  1: ('car', (14, 18), 'next', (7.5, 9.0)),
  2: ('car', (26, 30), 'next', (7.5, 9.5)),
  7: ('car', (-24, -18), 'next', (8.0, 10.0)),
}
# Metres from the middle of the road to who waits to cross it: a walker and a
# cyclist between parked cars, and a walker on the pavement.
_WAITING = {
  'waiting walker': road_lib.HALF_CARRIAGEWAY + 0.6,
  'waiting cyclist': road_lib.HALF_CARRIAGEWAY + 1.3,
  'walker at the crosswalk': road_lib.HALF_WIDTH + 0.5,
}


def draw(seed, rng, num_agents, junction):
  """What `Street` says of its agents, the ego first, by the names there.

  Args:
    seed: says how the ego drives.
    rng: of all else.
    num_agents: the ego and all others.
    junction: arc length of the middle of the junction.
  """
  ego_s = rng.uniform(82, 88)
  lane, neighbour = (-1.75, -5.25) if seed % 3 == 2 else (-5.25, -1.75)
  changes = seed % 3 == 1
  otherwise = ({}, _OVERTAKING, _INSIDE)[seed % 3]
  agents = [_car((ego_s, lane), rng.uniform(8.5, 10.5), 0, _PAINTS[2])]
  agents[0]['sizes'] = np.array(EGO_SIZE)
  for i in range(num_agents - 1):
    repeat, row = divmod(i, len(_CAST))
    kind, ahead, offset, speeds = otherwise.get(row, _CAST[row])
    if kind == 'walker at the crosswalk':
      s = junction - rng.uniform(*road_lib.CROSSWALK) - repeat
    else:
      s = ego_s + rng.uniform(*ahead) + _REPEAT * repeat
    speed = rng.uniform(*speeds)
    if kind not in ('car', 'parked'):
      agents.append(_on_foot_or_bicycle(kind, s, offset, speed, rng))
      continue
    d = {'lane': lane, 'next': neighbour}.get(offset, offset)
    d = offset * road_lib.PARKING_OFFSET if kind == 'parked' else d
    # Long cars that pull out beside the ego would meet the kerb.
    is_short = kind == 'parked' and offset < 0
    style = rng.integers(2 if is_short else len(BODY_STYLES))
    paint = _PAINTS[rng.integers(len(_PAINTS))]
    agents.append(_car((s, d), speed, style, paint))
  lane_change = np.array([ego_s + 14, neighbour if changes else lane])
  return jax.tree.map(
    jnp.asarray, trees.stack(agents) | {'lane_change': lane_change}
  )


def _car(start, speed, style, paint):
  return {
    'start': np.array(start),
    'desired_speed': speed,
    'direction': -1.0 if start[1] > 0 else 1.0,
    'crosses': False,
    'classes': types.VEHICLE,
    'style': style,
    'sizes': BODY_STYLES[style, :3],
    'paint': paint,
  }


def _on_foot_or_bicycle(kind, s, side, speed, rng):
  """A walker or cyclist along the pavement, or one who waits to cross."""
  walks, waits = 'walker' in kind, kind in _WAITING
  d = road_lib.HALF_WIDTH + 2.0 if walks else road_lib.CYCLE_TRACK
  direction = float(rng.choice([-1, 1]) if walks else -side)
  return {
    'start': np.array([s, side * _WAITING.get(kind, d)]),
    'desired_speed': speed,
    'direction': -float(side) if waits else direction,
    'crosses': waits,
    'classes': types.PEDESTRIAN if walks else types.CYCLIST,
    'style': 0,
    'sizes': np.array(PEDESTRIAN_SIZE if walks else CYCLIST_SIZE),
    'paint': rng.uniform(0.05, 0.6, 3),
  }
