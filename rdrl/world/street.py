# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A procedural street: where the road runs and what stands beside it.

The centre line is five pieces of constant curvature, joined smoothly: straight,
bend, straight, bend, straight. Road coordinates (s, d) are arc length along it
and offset to its left. Two lanes run each way, between two strips of parked
cars, kerbs, pavements and facades; a side street crosses on the third piece.
"""

import dataclasses
from typing import Annotated

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import ranges
from rdrl import types
from rdrl.world import raycast

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
PARKING_OFFSET = HALF_CARRIAGEWAY + 1.1

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

_NUM_TREES = 18
_NUM_POLES = 10
_BUILDINGS_PER_ROW = 10


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes of a street and of what is recorded on it.

  Attributes:
    height: pixels of the recorded images.
    width: pixels of the recorded images.
    field_of_view: horizontal, degrees.
    camera_yaws: degrees to the left of straight ahead, one per camera.
    num_steps: recorded steps of 0.1 s.
    num_agents: the ego and all tracked agents, at least 2.
    num_lidar: points per step.
    lidar_noise: metres, standard deviation along the ray.
    supersample: rays per pixel along each axis in a recording.
    grid_size: cells along each side of the rasters.
    grid_cell: metres.
  """

  height: ranges.Count = 96
  width: ranges.Count = 160
  field_of_view: Annotated[float, ranges.Range(1, 179)] = 70.0
  camera_yaws: tuple[ranges.Degrees, ...] = (0.0, 50.0, -50.0)
  num_steps: Annotated[int, ranges.Range(2, 10**5)] = 101
  num_agents: Annotated[int, ranges.Range(2, 10**4)] = 12
  num_lidar: ranges.Count = 2048
  lidar_noise: ranges.NotNegative = 0.02
  supersample: ranges.Count = 2
  grid_size: ranges.Count = 256
  grid_cell: ranges.Positive = 0.5


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


@struct.dataclass
class Light:
  """Sun and sky.

  Attributes:
    direction: `[3]` unit vector towards the sun.
    sun: `[3]` linear light on a surface that faces the sun.
    ambient: `[3]` linear light of the whole sky.
    haze: `[3]` linear colour of what is far away.
    zenith: `[3]` linear colour of the sky above.
    horizon: `[3]` and at the horizon.
    cloud: `[3]` linear colour of clouds.
    skyline: `[3]` linear colour of the hills behind everything.
    glow: `[3]` of the sky around the sun, that of a day being 1.
  """

  direction: types.Array
  sun: types.Array
  ambient: types.Array
  haze: types.Array
  zenith: types.Array
  horizon: types.Array
  cloud: types.Array
  skyline: types.Array
  glow: types.Array


@struct.dataclass
class Street:
  """All that never moves, the light, and the agents that will drive here.

  Attributes:
    road: the centre line.
    static: solids that stand still.
    colour: `[N, 3]` linear albedo of each static solid.
    pattern: `[N]` int32: 0 plain, 1 facade, 2 foliage, 3 bark.
    light: of the traversal.
    seed: `[]` uint32 of the textures.
    sizes: `[A, 3]` metres, the ego first.
    classes: `[A]` int32.
    style: `[A]` int32 row of `BODY_STYLES`.
    paint: `[A, 3]` linear albedo of cars or coats.
    start: `[A, 2]` road coordinates at the first step.
    desired_speed: `[A]` m/s; 0 parks.
    direction: `[A]` +1 drives towards growing s, -1 against it.
    lane_change: `[2]` arc length at which the ego begins to change lanes and
      the offset that it goes to, its own where it does not.
    map: the lane map.
    centre: `[2]` world, the middle of the ego's path and of the rasters.
    config: static.
  """

  road: Road
  static: raycast.Scenery
  colour: types.Array
  pattern: types.Array
  light: Light
  seed: types.Array
  sizes: types.Array
  classes: types.Array
  style: types.Array
  paint: types.Array
  start: types.Array
  desired_speed: types.Array
  direction: types.Array
  lane_change: types.Array
  map: types.Map
  centre: types.Array
  config: Config = struct.field(pytree_node=False)


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
  point = point + chord[..., None] * _unit(heading + turn / 2)
  heading = heading + turn
  return point + d[..., None] * _unit(heading + np.pi / 2), heading


def _unit(angle):
  return np.stack([np.cos(angle), np.sin(angle)], -1)


def _build_road(seed, rng):
  """Left bend, S, right bend and straight take turns."""
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
    middle = heading[i] + turn / 2
    chord = length[i] * np.sinc(turn / (2 * np.pi))
    xy[i + 1] = xy[i] + chord * np.array([np.cos(middle), np.sin(middle)])
  junction = start[2] + length[2] / 2
  direction = np.array([np.cos(heading[2]), np.sin(heading[2])])
  # The middle of the junction is the origin of the world.
  middle_xy = xy[2] + length[2] / 2 * direction
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


_FACADES = np.array(
  [
    [0.62, 0.50, 0.36],  # sandstone
    [0.45, 0.20, 0.14],  # brick
    [0.60, 0.58, 0.52],  # render
    [0.35, 0.38, 0.42],  # concrete
    [0.55, 0.35, 0.20],  # ochre
    [0.42, 0.48, 0.38],  # sage
  ]
)

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


def _build_facades(road, rng):
  """Buildings in rows along both roads and one that closes the view."""
  junction = float(road.junction)
  s, d, width, depth, height = [], [], [], [], []
  face = HALF_WIDTH + PAVEMENT_WIDTH
  for side in (-1, 1):
    for direction in (-1, 1):
      edge = junction + direction * (SIDE_HALF_WIDTH + 2.8)
      for _ in range(_BUILDINGS_PER_ROW):
        w = rng.uniform(11, 16)
        setback = rng.uniform(0.0, 0.9)
        s.append(edge + direction * w / 2)
        d.append(side * (face + setback + 5))
        width.append(w)
        depth.append(10)
        height.append(rng.uniform(7, 15))
        edge += direction * w
  centre, yaw = road_point(road, s, d)
  side_centre, side_yaw = [], []
  for side in (-1, 1):
    for direction in (-1, 1):
      for k in range(2):
        side_centre.append(
          [
            direction * (SIDE_HALF_WIDTH + 8.3 + rng.uniform(0, 0.6)),
            side * (face + 10.5 + 13 * (k + 0.5)),
          ]
        )
        side_yaw.append(0)
        width.append(11)
        depth.append(13)
        height.append(rng.uniform(7, 13))
    side_centre.append([0, side * (SIDE_LENGTH + 5 + PAVEMENT_WIDTH)])
    side_yaw.append(0)
    width.append(36)
    depth.append(10)
    height.append(11)
  heading = float(road.junction_heading)
  rotation = np.array(
    [
      [np.cos(heading), -np.sin(heading)],
      [np.sin(heading), np.cos(heading)],
    ]
  )
  side_centre = np.array(side_centre) @ rotation.T
  end, end_yaw = road_point(road, [ROAD_LENGTH + 20], [0])
  width.append(12)
  depth.append(60)
  height.append(14)
  centre = np.concatenate([centre, side_centre, end])
  yaw = np.concatenate([yaw, np.array(side_yaw) + heading, end_yaw])
  half = np.stack([width, depth, height], -1) / 2
  centre = np.concatenate([centre, half[:, 2:]], -1)
  colour = _FACADES[rng.integers(len(_FACADES), size=len(yaw))]
  colour = colour * rng.uniform(0.8, 1.15, (len(yaw), 1))
  return centre, half, yaw, colour


def _along_pavement(road, rng, number, first, pitch, offset):
  """Points on both pavements in turn, clear of the side street."""
  index = np.arange(number)
  s = first + pitch * (index // 2) + rng.uniform(-2, 2, number)
  s = np.where(index % 2 == 0, s, s + pitch / 2)
  side = np.where(index % 2 == 0, -1, 1)
  away = s - float(road.junction)
  clearance = SIDE_HALF_WIDTH + 4
  s = np.where(
    np.abs(away) < clearance,
    float(road.junction) + np.where(away < 0, -clearance, clearance),
    s,
  )
  return road_point(road, s, side * offset)


def _build_static(road, rng):
  centre, half, yaw, colour = _build_facades(road, rng)
  boxes = raycast.solids(*_float32(centre, half, yaw))
  colours, patterns = [colour], [np.full(len(yaw), 1)]

  tree_xy, _ = _along_pavement(
    road, rng, _NUM_TREES, 84, 16.0, HALF_WIDTH + 0.9
  )
  trunk_height = rng.uniform(2.4, 3.2, _NUM_TREES)
  crown, crown_half, crown_colour = [], [], []
  for i, xy in enumerate(tree_xy):
    radius = rng.uniform(1.2, 1.7)
    green = np.array([0.10, 0.20, 0.05]) * rng.uniform(0.75, 1.4)
    green[0] *= rng.uniform(0.8, 1.6)
    base = trunk_height[i] + 0.6 * radius
    lean = rng.uniform(-0.45, 0.45, 2)
    crown.append([*xy, base])
    crown_half.append([radius, radius, 0.85 * radius])
    crown.append([*(xy + lean), base + 0.75 * radius])
    crown_half.append([0.75 * radius, 0.75 * radius, 0.8 * radius])
    crown_colour += [green, 1.15 * green]
  ellipsoids = raycast.solids(
    *_float32(crown, crown_half, np.zeros(len(crown)))
  )
  colours.append(crown_colour)
  patterns.append(np.full(len(crown), 2))

  pole_xy, _ = _along_pavement(
    road, rng, _NUM_POLES, 76, 29.0, HALF_WIDTH + 0.6
  )
  xy = np.concatenate([tree_xy, pole_xy])
  height = np.concatenate([trunk_height + 0.5, np.full(_NUM_POLES, 6.5)])
  radius = np.concatenate(
    [rng.uniform(0.14, 0.22, _NUM_TREES), np.full(_NUM_POLES, 0.08)]
  )
  cylinders = raycast.solids(
    *_float32(
      np.concatenate([xy, height[:, None] / 2], -1),
      np.stack([radius, radius, height / 2], -1),
      np.zeros(len(xy)),
    )
  )
  colours.append(np.tile([[0.16, 0.11, 0.07]], (_NUM_TREES, 1)))
  colours.append(np.tile([[0.28, 0.30, 0.30]], (_NUM_POLES, 1)))
  patterns.append(np.repeat([3, 0], [_NUM_TREES, _NUM_POLES]))
  empty = raycast.solids(*_float32(np.zeros((0, 3)), np.ones((0, 3)), []))
  static = raycast.Scenery(
    boxes=boxes, frusta=empty, ellipsoids=ellipsoids, cylinders=cylinders
  )
  return (
    static,
    jnp.asarray(np.concatenate(colours), jnp.float32),
    jnp.asarray(np.concatenate(patterns), jnp.int32),
  )


def _float32(*arrays):
  return [jnp.asarray(x, jnp.float32) for x in arrays]


# Who is on the street besides the ego: kind, arc length relative to the ego,
# offset ('lane' the ego's, 'next' the other lane in its direction), desired
# speed; ranges are drawn from. More agents repeat the list farther away.
_CAST = (
  ('car', (22, 30), 'lane', (6.5, 8.0)),
  ('car', (6, 14), 'next', (7.5, 9.0)),
  ('car', (-14, -9), 'next', (7.0, 9.5)),
  ('parked', (24, 30), -1, (0, 0)),
  ('car', (66, 80), 1.75, (7.0, 9.0)),
  ('walker', (16, 24), -1, (1.2, 1.5)),
  ('parked', (38, 44), 1, (0, 0)),
  ('car', (-24, -18), 'lane', (8.0, 10.0)),
  ('parked', (46, 52), -1, (0, 0)),
  ('walker', (34, 48), 1, (1.1, 1.4)),
  ('car', (95, 115), 5.25, (6.0, 8.5)),
  ('cyclist', (18, 26), -1, (4.0, 6.0)),
)
_REPEAT = 45.0


def _build_cast(seed, rng, num_agents):
  """Sizes, looks and starts of the agents, the ego first."""
  ego_s = rng.uniform(82, 88)
  inner = seed % 3 == 2
  lane, neighbour = (-1.75, -5.25) if inner else (-5.25, -1.75)
  changes = seed % 3 == 1
  start = [[ego_s, lane]]
  speed = [rng.uniform(8.5, 10.5)]
  direction, classes, style = [1], [types.VEHICLE], [0]
  sizes, paint = [EGO_SIZE], [_PAINTS[2]]
  for i in range(num_agents - 1):
    kind, ahead, offset, speeds = _CAST[i % len(_CAST)]
    s = ego_s + rng.uniform(*ahead) + _REPEAT * (i // len(_CAST))
    v = rng.uniform(*speeds)
    if kind == 'parked':
      d = offset * PARKING_OFFSET
    elif kind == 'walker':
      d = offset * (HALF_WIDTH + 2.0)
    elif kind == 'cyclist':
      d = offset * CYCLE_TRACK
    else:
      d = {'lane': lane, 'next': neighbour}.get(offset, offset)
    if changes and i == 0:
      v = rng.uniform(4.0, 4.8)  # The slow lead that the ego overtakes.
    if changes and i == 1:
      s, v = s + 8, v + 1  # Leaves room to merge behind it.
    start.append([s, d])
    speed.append(v)
    toward = -1 if d > 0 else 1
    if kind == 'walker':
      toward = rng.choice([-1, 1])
      classes.append(types.PEDESTRIAN)
      style.append(0)
      sizes.append(PEDESTRIAN_SIZE)
      paint.append(rng.uniform(0.05, 0.6, 3))
    elif kind == 'cyclist':
      classes.append(types.CYCLIST)
      style.append(0)
      sizes.append(CYCLIST_SIZE)
      paint.append(rng.uniform(0.05, 0.6, 3))
    else:
      classes.append(types.VEHICLE)
      style.append(rng.integers(len(BODY_STYLES)))
      sizes.append(BODY_STYLES[style[-1], :3])
      paint.append(_PAINTS[rng.integers(len(_PAINTS))])
    direction.append(toward)
  lane_change = [ego_s + 14, neighbour if changes else lane]
  return {
    'start': _float32(start)[0],
    'desired_speed': _float32(speed)[0],
    'direction': _float32(direction)[0],
    'classes': jnp.asarray(classes, jnp.int32),
    'style': jnp.asarray(style, jnp.int32),
    'sizes': _float32(sizes)[0],
    'paint': _float32(paint)[0],
    'lane_change': _float32(lane_change)[0],
  }


def _polylines(rows):
  length = max(len(row) for row in rows)
  xy = np.zeros((len(rows), length, 2), np.float32)
  valid = np.zeros((len(rows), length), bool)
  for i, row in enumerate(rows):
    xy[i, : len(row)] = row
    xy[i, len(row) :] = row[-1]
    valid[i, : len(row)] = True
  return types.Polylines(xy=xy, valid=valid)


def _build_map(road):
  s = np.linspace(0, ROAD_LENGTH, 117)
  junction = float(road.junction)
  heading = float(road.junction_heading)
  forward = np.array([np.cos(heading), np.sin(heading)])
  left = np.array([-np.sin(heading), np.cos(heading)])
  middle = np.asarray(road.junction_xy)
  reach = SIDE_LENGTH

  def main(d, s=s):
    return road_point(road, s, np.full(len(s), d))[0]

  def side(d, start=-reach, end=reach):
    along = np.linspace(start, end, 24)[:, None]
    return middle + along * left - d * forward

  lanes = [main(d) if d < 0 else main(d)[::-1] for d in LANE_OFFSETS]
  lanes += [side(-1.75), side(1.75)[::-1]]
  paint = (0.0, -3.5, 3.5, -HALF_CARRIAGEWAY, HALF_CARRIAGEWAY)
  boundaries = [main(d) for d in paint]
  before = s[s < junction - SIDE_HALF_WIDTH]
  after = s[s > junction + SIDE_HALF_WIDTH]
  for d in (-HALF_WIDTH, HALF_WIDTH):
    boundaries += [
      main(d, np.append(before, junction - SIDE_HALF_WIDTH)),
      main(d, np.insert(after, 0, junction + SIDE_HALF_WIDTH)),
    ]
  for d in (-SIDE_HALF_WIDTH, SIDE_HALF_WIDTH):
    boundaries += [side(d, HALF_WIDTH, reach), side(d, -reach, -HALF_WIDTH)]
  drivable = [
    np.concatenate([main(HALF_WIDTH), main(-HALF_WIDTH)[::-1]]),
    np.concatenate([side(SIDE_HALF_WIDTH), side(-SIDE_HALF_WIDTH)[::-1]]),
  ]
  crosswalks, stop_lines = [], []
  for direction in (-1, 1):
    near, far = (junction + direction * x for x in CROSSWALK)
    crosswalks.append(
      np.concatenate(
        [
          main(-HALF_WIDTH, np.array([near, far])),
          main(HALF_WIDTH, np.array([far, near])),
        ]
      )
    )
    at = np.array([junction + direction * STOP_LINE])
    far_d = direction * HALF_CARRIAGEWAY
    stop_lines.append(np.concatenate([main(0.0, at), main(far_d, at)]))
  lane_width = np.full(len(lanes), LANE_WIDTH, np.float32)
  return types.Map(
    lanes=_polylines(lanes),
    lane_width=lane_width,
    boundaries=_polylines(boundaries),
    drivable=_polylines(drivable),
    crosswalks=_polylines(crosswalks),
    stop_lines=_polylines(stop_lines),
  )


# By day, in the evening and under an overcast sky.
_LIGHTS = (
  {
    'sun': (2.1, 1.95, 1.65),
    'ambient': (0.62, 0.74, 0.95),
    'haze': (0.62, 0.72, 0.86),
    'zenith': (0.16, 0.34, 0.78),
    'horizon': (0.66, 0.76, 0.90),
    'cloud': (0.95, 0.95, 0.96),
    'skyline': (0.30, 0.38, 0.42),
    'glow': (1.0, 1.0, 1.0),
  },
  {
    'sun': (2.2, 1.45, 0.80),
    'ambient': (0.50, 0.55, 0.78),
    'haze': (0.74, 0.62, 0.55),
    'zenith': (0.20, 0.30, 0.58),
    'horizon': (0.86, 0.66, 0.48),
    'cloud': (0.93, 0.76, 0.66),
    'skyline': (0.30, 0.30, 0.36),
    'glow': (1.4, 0.9, 0.4),
  },
  {
    'sun': (0.30, 0.30, 0.30),
    'ambient': (0.80, 0.86, 0.94),
    'haze': (0.66, 0.69, 0.72),
    'zenith': (0.52, 0.57, 0.63),
    'horizon': (0.72, 0.75, 0.78),
    'cloud': (0.60, 0.63, 0.67),
    'skyline': (0.36, 0.40, 0.43),
    'glow': (0.0, 0.0, 0.0),
  },
)
# Degrees above the horizon between which the sun stands in each.
_ELEVATIONS = ((35, 55), (22, 30), (35, 55))


def _build_light(traversal, rng):
  kind = traversal % len(_LIGHTS)
  azimuth = rng.uniform(0, 2 * np.pi)
  elevation = np.radians(rng.uniform(*_ELEVATIONS[kind]))
  direction = [*np.cos(elevation) * _unit(azimuth), np.sin(elevation)]
  colours = {k: jnp.asarray(v, jnp.float32) for k, v in _LIGHTS[kind].items()}
  return Light(direction=jnp.asarray(direction, jnp.float32), **colours)


def build(seed: int, config: Config = Config(), traversal: int = 0) -> Street:
  """The street that belongs to a seed.

  Args:
    seed: bends go left, S, right, straight as it counts up; every third street
      makes the ego change lanes around a slow car.
    config: sizes; every seed gives the same shapes.
    traversal: which drive through it: another one has another light, other
      traffic, other parked cars, and the ego drives as on the street whose seed
      is greater by the traversal.

  Raises:
    ValueError: if seed or traversal is negative or there are fewer than two
      agents.
  """
  if min(seed, traversal) < 0:
    raise ValueError(
      f'world seed and traversal must not be negative: {seed}, {traversal}'
    )
  if config.num_agents < 2:
    raise ValueError(f'world num_agents must be at least 2: {config}')
  rng = np.random.default_rng(seed)
  road = _build_road(seed, rng)
  static, colour, pattern = _build_static(road, rng)
  if traversal:
    rng = np.random.default_rng((seed, traversal))
  cast = _build_cast(seed + traversal, rng, config.num_agents)
  light = _build_light(traversal, rng)
  duration = (config.num_steps - 1) * types.TIME_STEP
  halfway = float(cast['start'][0, 0]) + 0.5 * duration * 8.0
  centre, _ = road_point(road, [halfway], [LANE_OFFSETS[0]])
  return Street(
    road=road,
    static=static,
    colour=colour,
    pattern=pattern,
    light=light,
    seed=jnp.uint32(seed),
    map=_build_map(road),
    centre=jnp.asarray(centre[0], jnp.float32),
    config=config,
    **cast,
  )
