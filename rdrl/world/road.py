# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The line of a procedural road, what it is divided into, and its lane map.

The centre line is five pieces of constant curvature, joined smoothly: straight,
bend, straight, bend, straight. Road coordinates (s, d) are arc length along it
and offset to its left. Two lanes run each way, between two strips of parked
cars, kerbs, pavements and facades; a side street crosses on the third piece.
"""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import types

LANE_WIDTH = 3.5
# Half the width of the carriageway and from its middle to the kerb.
HALF_CARRIAGEWAY = 2 * LANE_WIDTH
PARKING_WIDTH = 2.3
HALF_WIDTH = HALF_CARRIAGEWAY + PARKING_WIDTH
SIDE_HALF_WIDTH = 4.5
KERB_HEIGHT = 0.12
PAVEMENT_WIDTH = 3.4
# Cyclists keep to the edge of the pavement; pedestrians walk in its middle.
CYCLE_TRACK = HALF_WIDTH + 3.05
# From the middle of the junction to either end of the side street.
SIDE_LENGTH = HALF_WIDTH + PAVEMENT_WIDTH + 45
# Arc length of the whole road; the middle of what a log sees is near 150.
ROAD_LENGTH = 290.0

# Crossing of pedestrians and stop line, metres before the middle of the
# junction.
CROSSWALK = (6.0, 9.0)
STOP_LINE = 10.5

# Lanes by the offset of their middle; traffic keeps to the right.
LANE_OFFSETS = (-1.75, -5.25, 1.75, 5.25)
PARKING_OFFSET = HALF_CARRIAGEWAY + 1.0


@struct.dataclass
class Road:
  """The centre line: five pieces of constant curvature.

  Attributes:
    xy: `[5, 2]` first point of each piece.
    heading: `[5]` rad at the first point.
    curvature: `[5]` 1/m, positive to the left.
    start: `[5]` arc length of the first point.
    length: `[5]` metres.
    junction: `[]` arc length of the middle of the junction.
    junction_xy: `[2]`.
    junction_heading: `[]` of the main road there; the side street is square to
      it.
  """

  xy: types.Array
  heading: types.Array
  curvature: types.Array
  start: types.Array
  length: types.Array
  junction: types.Array
  junction_xy: types.Array
  junction_heading: types.Array


def road_coordinates(road: Road, x, y):
  """Road coordinates s, d and heading at world points of any one shape.

  On a piece of curvature k that starts at the origin along x, the offset is
  (1 - r) / k with r^2 = 1 + k u, u = k (x^2 + y^2) - 2 y; written as
  -u / (1 + r) it holds for k = 0 too.
  """
  local = []
  for i in range(len(road.curvature)):
    cos, sin = jnp.cos(road.heading[i]), jnp.sin(road.heading[i])
    dx, dy = x - road.xy[i, 0], y - road.xy[i, 1]
    local.append((cos * dx + sin * dy, cos * dy - sin * dx))
  best = jnp.full(x.shape, jnp.inf)
  px = py = d = k = start = heading = jnp.zeros(x.shape)
  for i, (ahead, left) in enumerate(local):
    curvature = road.curvature[i]
    u = curvature * (ahead * ahead + left * left) - 2 * left
    offset = -u / (1 + jnp.sqrt(jnp.maximum(1 + curvature * u, 0)))
    # A point belongs to a piece if it lies between the normals at its ends.
    outside = jnp.zeros(x.shape)
    if i > 0:
      outside = jnp.maximum(outside, -ahead)
    if i + 1 < len(local):
      outside = jnp.maximum(outside, local[i + 1][0])
    score = jnp.abs(offset) + 1e3 * outside
    closer = score < best
    best = jnp.where(closer, score, best)
    px, py = jnp.where(closer, ahead, px), jnp.where(closer, left, py)
    d = jnp.where(closer, offset, d)
    k = jnp.where(closer, curvature, k)
    start = jnp.where(closer, road.start[i], start)
    heading = jnp.where(closer, road.heading[i], heading)
  slope = px / jnp.maximum(1 - k * py, 0.1)
  turn = k * slope
  # atan(turn) / turn without its singularity.
  ratio = jnp.where(
    jnp.abs(turn) < 1e-2, 1 - turn * turn / 3, jnp.arctan(turn) / turn
  )
  along = slope * ratio
  return start + along, d, heading + k * along


def side_coordinates(road: Road, x, y):
  """Coordinates s, d along and to the left of the side street."""
  cos, sin = jnp.cos(road.junction_heading), jnp.sin(road.junction_heading)
  dx, dy = x - road.junction_xy[0], y - road.junction_xy[1]
  return cos * dy - sin * dx, -(cos * dx + sin * dy)


def drivable_distance(d, side_s, side_d):
  """Metres to the kerb, positive on the road.

  Args:
    d: offset from the main road.
    side_s: along the side street, which ends at buildings.
    side_d: offset from it.
  """
  side = jnp.minimum(
    SIDE_HALF_WIDTH - jnp.abs(side_d), SIDE_LENGTH - jnp.abs(side_s)
  )
  return jnp.maximum(HALF_WIDTH - jnp.abs(d), side)


def road_point(road: Road, s, d):
  """World point `[..., 2]` and heading of the road at coordinates, on the host.

  Args:
    road: the centre line.
    s: `[...]` metres along it.
    d: `[...]` metres to its left.

  Returns:
    NumPy float64 arrays `[..., 2]` and `[...]`.
  """
  s, d = np.broadcast_arrays(np.asarray(s, float), np.asarray(d, float))
  start = np.asarray(road.start, float)
  index = np.clip(np.searchsorted(start, s, 'right') - 1, 0, len(start) - 1)
  along = s - start[index]
  turn = np.asarray(road.curvature, float)[index] * along
  # The chord of an arc is shorter than it by sinc of half the turn, which is
  # also the angle between them.
  chord = along * np.sinc(turn / (2 * np.pi))
  heading = np.asarray(road.heading, float)[index]
  point = np.asarray(road.xy, float)[index]
  point = point + chord[..., None] * unit(heading + turn / 2)
  heading = heading + turn
  return point + d[..., None] * unit(heading + np.pi / 2), heading


def unit(angle):
  """Unit vectors `[..., 2]` at angles `[...]` in rad, on the host."""
  return np.stack([np.cos(angle), np.sin(angle)], -1)


def lay(seed, rng) -> Road:
  """Seeds in turn bend left, like an S, right, and not at all."""
  kind = seed % 4
  radius = rng.uniform(60, 85, 2)
  first = {0: 1, 1: 1, 2: -1, 3: 0}[kind]
  second = {0: 0, 1: -1, 2: 0, 3: 0}[kind]
  curvature = np.array([0, first / radius[0], 0, second / radius[1], 0])
  length = np.array([rng.uniform(96, 104), rng.uniform(36, 46), 26, 40, 0])
  length[4] = ROAD_LENGTH - length.sum()
  start = np.concatenate([[0], np.cumsum(length)[:-1]])
  heading = np.concatenate([[0], np.cumsum(curvature * length)[:-1]])
  xy = np.zeros((5, 2))
  for i in range(4):
    turn = curvature[i] * length[i]
    chord = length[i] * np.sinc(turn / (2 * np.pi))
    xy[i + 1] = xy[i] + chord * unit(heading[i] + turn / 2)
  junction = start[2] + length[2] / 2
  # The middle of the junction is the origin of the world.
  middle_xy = xy[2] + length[2] / 2 * unit(heading[2])
  fields = Road(
    xy=xy - middle_xy,
    heading=heading,
    curvature=curvature,
    start=start,
    length=length,
    junction=junction,
    junction_xy=np.zeros(2),
    junction_heading=heading[2],
  )
  return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), fields)


def lane_map(road: Road) -> types.Map:
  """Lanes, paint, kerbs and drivable area of both streets."""
  s = np.linspace(0, ROAD_LENGTH, 117)
  junction, heading = float(road.junction), float(road.junction_heading)
  forward, left = unit(heading), np.array([-np.sin(heading), np.cos(heading)])
  reach = SIDE_LENGTH

  def main(d, s=s):
    return road_point(road, s, np.full(len(s), d))[0]

  def side(d, start=-reach, end=reach):
    along = np.linspace(start, end, 24)[:, None]
    return np.asarray(road.junction_xy) + along * left - d * forward

  lanes = [main(d) if d < 0 else main(d)[::-1] for d in LANE_OFFSETS]
  lanes += [side(-1.75), side(1.75)[::-1]]
  paint = (0.0, -3.5, 3.5, -HALF_CARRIAGEWAY, HALF_CARRIAGEWAY)
  boundaries = [main(d) for d in paint]
  # Kerbs end where the other street begins.
  ends = junction - SIDE_HALF_WIDTH, junction + SIDE_HALF_WIDTH
  before, after = np.append(s[s < ends[0]], ends[0]), s[s > ends[1]]
  after = np.insert(after, 0, ends[1])
  for d in (-HALF_WIDTH, HALF_WIDTH):
    boundaries += [main(d, before), main(d, after)]
  for d in (-SIDE_HALF_WIDTH, SIDE_HALF_WIDTH):
    boundaries += [side(d, HALF_WIDTH, reach), side(d, -reach, -HALF_WIDTH)]
  drivable = [
    np.concatenate([main(HALF_WIDTH), main(-HALF_WIDTH)[::-1]]),
    np.concatenate([side(SIDE_HALF_WIDTH), side(-SIDE_HALF_WIDTH)[::-1]]),
  ]
  crosswalks, stop_lines = [], []
  for direction in (-1, 1):
    across = junction + direction * np.array(CROSSWALK)
    right, other = main(-HALF_WIDTH, across), main(HALF_WIDTH, across[::-1])
    crosswalks.append(np.concatenate([right, other]))
    at = np.array([junction + direction * STOP_LINE])
    far_d = direction * HALF_CARRIAGEWAY
    stop_lines.append(np.concatenate([main(0.0, at), main(far_d, at)]))
  return types.Map(
    lanes=_polylines(lanes),
    lane_width=np.full(len(lanes), LANE_WIDTH, np.float32),
    boundaries=_polylines(boundaries),
    drivable=_polylines(drivable),
    crosswalks=_polylines(crosswalks),
    stop_lines=_polylines(stop_lines),
  )


def _polylines(rows):
  length = max(len(row) for row in rows)
  xy = np.zeros((len(rows), length, 2), np.float32)
  valid = np.zeros((len(rows), length), bool)
  for i, row in enumerate(rows):
    xy[i, : len(row)] = row
    xy[i, len(row) :] = row[-1]
    valid[i, : len(row)] = True
  return types.Polylines(xy=xy, valid=valid)
