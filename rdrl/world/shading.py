# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images and depths of a street: rays, one sun, one shadow ray per pixel.

Colours are linear until the end, where they become sRGB by a power of 1/2.2.
Lines and windows are filtered over the footprint of a ray in closed form, and
noise fades where it is finer than that, so that one ray per pixel suffices for
a simulator; recordings average several.
"""

import math

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.world import cast
from rdrl.world import raycast
from rdrl.world import road as road_lib
from rdrl.world import street as street_lib

# Names of the labels that `survey` returns.
LABELS = ('sky', 'ground', 'facade', 'agent', 'other')

# From the body on, these are parts of agents.
_PLAIN, _FACADE, _FOLIAGE, _BARK, _BODY, _CABIN, _TYRE, _PERSON = range(8)

_HAZE_LENGTH = 500.0
# Where agents go that are not there: out of reach of every ray.
_NOWHERE = -1e3
# Of cyclists, in metres: ridden per turn of the cranks, and length of a crank.
_DEVELOPMENT, _CRANK = 5.0, 0.17
# Rays that are worked on at a time.
_BLOCK = 8192


def _hash(x, y, seed):
  """Uniform [0, 1) from integer lattice points."""
  h = x.astype(jnp.uint32) * jnp.uint32(0x27D4EB2D)
  h += y.astype(jnp.uint32) * jnp.uint32(0x165667B1)
  h += seed * jnp.uint32(0x9E3779B9)
  h = (h ^ (h >> 15)) * jnp.uint32(0x85EBCA6B)
  h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
  return ((h ^ (h >> 16)) >> 8).astype(jnp.float32) / (1 << 24)


def _noise(x, y, seed):
  """Value noise in [-1, 1] with a lattice of 1, smooth in between."""
  x0, y0 = jnp.floor(x), jnp.floor(y)
  fx, fy = x - x0, y - y0
  fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
  x0, y0 = x0.astype(jnp.int32), y0.astype(jnp.int32)
  low = (1 - fx) * _hash(x0, y0, seed) + fx * _hash(x0 + 1, y0, seed)
  high = (1 - fx) * _hash(x0, y0 + 1, seed) + fx * _hash(x0 + 1, y0 + 1, seed)
  return 2 * ((1 - fy) * low + fy * high) - 1


def _fade(width, wavelength):
  """1 where a footprint resolves a wavelength, 0 where it does not."""
  return jnp.clip(1.5 - 2 * width / wavelength, 0, 1)


def _inside(distance, width):
  """Share of a footprint that lies where `distance` is positive."""
  return jnp.clip(distance / width + 0.5, 0, 1)


def _mix(a, b, share):
  return [x + (y - x) * share for x, y in zip(a, b, strict=True)]


def _scale(colour, factor):
  return [x * factor for x in colour]


def _select(condition, a, b):
  return [jnp.where(condition, x, y) for x, y in zip(a, b, strict=True)]


def _offset(point, vector, factor):
  return [p + factor * v for p, v in zip(point, vector, strict=True)]


def _in_blocks(function, *arrays):
  """`function` of PyTrees of arrays of one shape, block by block of rays.

  Blocks stay in the cache. And XLA on a CPU fuses across stages otherwise and
  repeats each once per use, which made an image take 5 times as long; a loop is
  the only wall that its fusion respects.
  """
  shape = jax.tree.leaves(arrays)[0].shape
  number = math.prod(shape)
  blocks = next(
    (n for n in range(max(2, -(-number // _BLOCK)), 64) if number % n == 0), 1
  )
  arrays = jax.tree.map(lambda x: x.reshape(blocks, -1), arrays)
  result = jax.lax.map(lambda block: function(*block), arrays)
  return jax.tree.map(lambda x: x.reshape(shape), result)


def _pack(colour):
  """Three channels in [0, 1] as one integer, 10 bits each of the square root.

  With one result instead of three, a stage is not compiled and run thrice.
  """
  r, g, b = (
    jnp.round(1023 * jnp.sqrt(jnp.clip(c, 0, 1))).astype(jnp.int32)
    for c in colour
  )
  return (r << 20) | (g << 10) | b


def _unpack(packed):
  channels = (packed >> 20, (packed >> 10) & 1023, packed & 1023)
  return [(c.astype(jnp.float32) / 1023) ** 2 for c in channels]


def _dot(a, b):
  return sum(x * y for x, y in zip(a, b, strict=True))


def agent_scenery(street, agents: types.AgentState, sizes, classes):
  """Solids of all agents but the ego.

  A car is a body, a cabin and four wheels; a pedestrian a torso, a head and two
  legs that swing with the distance walked; a cyclist a torso, a head, two
  wheels and two legs that pedal with the distance ridden. So a picture needs no
  clock.

  Args:
    street: paint and body styles.
    agents: `[A]`.
    sizes: `[A, 3]` metres.
    classes: `[A]`; others are drawn as cars.

  Returns:
    Frusta `[2 (A - 1)]` and ellipsoids `[4 (A - 1)]` with their colours
    `[N, 3]` and patterns `[N]`, agent after agent.
  """
  style = jnp.asarray(cast.BODY_STYLES)[street.style]

  def one(agent, size, kind, style, paint):
    walks, rides = kind == types.PEDESTRIAN, kind == types.CYCLIST
    length, width, height = size
    clearance = 0.12 * height
    shoulder = style[3] * height
    rear, front = style[4] * length / 2, style[5] * length / 2
    boxes = jnp.stack(
      [
        jnp.stack([0.0 * length, 0 * width, (clearance + shoulder) / 2]),
        jnp.stack([(rear + front) / 2, 0 * width, (shoulder + height) / 2]),
      ]
    )
    boxes_half = jnp.stack(
      [
        jnp.stack([length, width, shoulder - clearance]) / 2,
        jnp.stack([front - rear, 0.94 * width, height - shoulder]) / 2,
      ]
    )
    tapers = jnp.stack([jnp.array([0.05, 0.06]), style[6:8]])
    radius = jnp.minimum(0.33, 0.24 * height)
    x, y = 0.3 * length, width / 2 - 0.12
    wheels = jnp.stack(
      [jnp.stack([i * x, j * y, radius]) for i in (1, -1) for j in (1, -1)]
    )
    wheels_half = jnp.broadcast_to(
      jnp.stack([radius, 0.14 + 0 * radius, radius]), (4, 3)
    )
    stride = jnp.dot(
      agent.xy,
      jnp.stack([jnp.cos(agent.yaw), jnp.sin(agent.yaw)]),
      precision=jax.lax.Precision.HIGHEST,
    )
    swing = 0.45 * jnp.sin(2 * jnp.pi * stride / 1.5)
    member = jnp.array(
      [
        [0.0, 0.0, 0.66, 0.15, 0.24, 0.20],  # torso
        [0.0, 0.0, 0.93, 0.10, 0.09, 0.07],  # head
        [0.0, 0.10, 0.26, 0.09, 0.09, 0.26],  # legs
        [0.0, -0.10, 0.26, 0.09, 0.09, 0.26],
      ]
    )
    member = member * jnp.array([1.0, 1, 0, 1, 1, 0]) + member * jnp.stack(
      [0.0, 0, height, 0, 0, height]
    )
    shear = jnp.where(walks, swing * jnp.array([0.0, 0, 1, -1]), 0)
    balls = jnp.where(walks, member[:, :3], wheels)
    balls_half = jnp.where(walks, member[:, 3:], wheels_half)
    rider = _rider(size, stride)
    balls = jnp.where(rides, rider['balls'], balls)
    balls_half = jnp.where(rides, rider['balls_half'], balls_half)
    boxes = jnp.where(rides, rider['boxes'], boxes)
    boxes_half = jnp.where(rides, rider['boxes_half'], boxes_half)
    tapers = jnp.where(rides, rider['tapers'], tapers)

    def world(local, hidden):
      xy = agent.xy + geometry.rotate_2d(local[:, :2], agent.yaw)
      z = agent.z - height / 2 + local[:, 2]
      z = jnp.where(hidden, _NOWHERE, z)
      return jnp.concatenate([xy, z[:, None]], -1)

    # Legs swing about the hip, so their middle moves too.
    balls = balls.at[:, 0].add(-shear * 0.26 * height)
    shear = jnp.where(rides, rider['shear'], shear)
    frusta = raycast.solids(
      world(boxes, ~agent.valid | walks),
      boxes_half,
      jnp.broadcast_to(agent.yaw, (2,)),
      taper=tapers,
    )
    ellipsoids = raycast.solids(
      world(balls, ~agent.valid),
      balls_half,
      jnp.broadcast_to(agent.yaw, (4,)),
      shear=shear,
    )
    skin = jnp.array([0.45, 0.28, 0.20])
    trousers = 0.25 * paint[::-1] + 0.03
    body = jnp.stack([paint, skin, trousers, trousers])
    ball_colours = jnp.where(walks, body, 0.02)
    ball_patterns = jnp.where(walks, _PERSON, _TYRE) + jnp.zeros(4, jnp.int32)
    is_leg = rides & (jnp.arange(4) >= 2)
    ball_colours = jnp.where(is_leg[:, None], trousers, ball_colours)
    ball_patterns = jnp.where(is_leg, _PERSON, ball_patterns)
    box_colours = jnp.stack([paint, jnp.where(rides, skin, paint)])
    box_patterns = jnp.where(rides, _PERSON, jnp.array([_BODY, _CABIN]))
    return (
      (frusta, box_colours, box_patterns),
      (ellipsoids, ball_colours, ball_patterns),
    )

  others = jax.tree.map(
    lambda x: x[1:], (agents, sizes, classes, style, street.paint)
  )
  parts = jax.vmap(one)(*others)
  return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parts)


def _rider(size, distance):
  """A cyclist in the frame of its box, from the ground up.

  Args:
    size: `[3]` metres.
    distance: `[]` metres ridden, which says where the pedals are.

  Returns:
    Middles and half extents of two frusta, torso and head, `boxes` and
    `boxes_half` `[2, 3]` with their `tapers` `[2, 2]`; those of four
    ellipsoids, wheels and legs, `balls` and `balls_half` `[4, 3]` with their
    `shear` `[4]`.
  """
  length, width, height = size
  wheel = 0.2 * height
  axle = length / 2 - wheel
  turn = 2 * jnp.pi * distance / _DEVELOPMENT + jnp.array([0, jnp.pi])
  # From the hips to pedals on a circle about the bottom bracket; wheels turn
  # towards x, so the upper pedal moves ahead.
  hip = jnp.array([-0.1 * length, 0.55 * height])
  pedal = jnp.stack(
    [
      0.03 * length + _CRANK * jnp.sin(turn),
      0.17 * height + _CRANK * jnp.cos(turn),
    ],
    -1,
  )
  middle, reach = (hip + pedal) / 2, hip - pedal
  aside = 0.17 * width * jnp.array([1, -1])
  legs = jnp.stack([middle[:, 0], aside, middle[:, 1]], -1)
  thick = jnp.full(2, 0.07)
  legs_half = jnp.stack([thick, thick, reach[:, 1] / 2 + 0.05], -1)
  zero = jnp.zeros(2)
  wheels = jnp.stack([axle * jnp.array([1, -1]), zero, zero + wheel], -1)
  wheels_half = jnp.broadcast_to(jnp.stack([wheel, 0.03, wheel]), (2, 3))
  return {
    'boxes': jnp.stack(
      [
        jnp.stack([-0.05 * length, 0 * width, 0.68 * height]),
        jnp.stack([0.03 * length, 0 * width, 0.925 * height]),
      ]
    ),
    'boxes_half': jnp.stack(
      [
        jnp.stack([0.15, 0.34 * width, 0.16 * height]),
        jnp.stack([0.10, 0.09, 0.075 * height]),
      ]
    ),
    'tapers': jnp.array([[0.2, 0.1], [0.3, 0.3]]),
    'balls': jnp.concatenate([wheels, legs]),
    'balls_half': jnp.concatenate([wheels_half, legs_half]),
    'shear': jnp.concatenate([zero, reach[:, 0] / reach[:, 1]]),
  }


def _assemble(street, agents, sizes, classes):
  """All solids with one row of numbers per solid for shading."""
  frusta, ellipsoids = agent_scenery(street, agents, sizes, classes)
  static = street.static
  scenery = raycast.Scenery(
    boxes=static.boxes,
    frusta=frusta[0],
    ellipsoids=raycast.concatenate(static.ellipsoids, ellipsoids[0]),
    cylinders=static.cylinders,
  )
  num_boxes = len(static.boxes.centre)
  first_cylinder = num_boxes + len(static.ellipsoids.centre)

  def interleave(static, of_frusta, of_ellipsoids):
    return jnp.concatenate(
      [
        static[:num_boxes],
        of_frusta,
        static[num_boxes:first_cylinder],
        of_ellipsoids,
        static[first_cylinder:],
      ]
    )

  colour = interleave(street.colour, frusta[1], ellipsoids[1])
  pattern = interleave(street.pattern, frusta[2], ellipsoids[2])
  rows = []
  for kind, name in enumerate(('boxes', 'frusta', 'ellipsoids', 'cylinders')):
    solids = getattr(scenery, name)
    code = jnp.full((len(solids.centre), 1), kind, jnp.float32)
    rows.append(
      jnp.concatenate([solids.centre, solids.to_unit, solids.taper, code], -1)
    )
  rows = jnp.concatenate(rows)
  # What stands still looks alike whoever else is there.
  texture = interleave(
    jnp.arange(len(street.pattern)),
    jnp.zeros_like(frusta[2]),
    jnp.zeros_like(ellipsoids[2]),
  )
  looks = [colour, pattern[:, None], texture[:, None]]
  return scenery, jnp.concatenate([rows, *looks], -1)


def _ground(street, origin, directions):
  """The street's surface: carriageway, kerb face and raised pavement.

  Returns:
    Depth, whether it is a kerb's face, and whether the ray comes down on
    raised ground, each `[...]`.
  """
  dx, dy, dz = directions
  down = jnp.where(dz < -1e-6, dz, -1e-6)

  def plane(height):
    t = (height - origin[2]) / down
    x, y = origin[0] + t * dx, origin[1] + t * dy
    _, d, _ = road_lib.road_coordinates(street.road, x, y)
    side_s, side_d = road_lib.side_coordinates(street.road, x, y)
    return t, road_lib.drivable_distance(d, side_s, side_d)

  high, edge_high = plane(road_lib.KERB_HEIGHT)
  low, edge_low = plane(0.0)
  raised = edge_high < 0
  kerb = ~raised & (edge_low < 0)
  share = edge_high / jnp.maximum(edge_high - edge_low, 1e-6)
  depth = jnp.where(
    raised, high, jnp.where(kerb, high + share * (low - high), low)
  )
  return jnp.where(dz < -1e-6, depth, jnp.inf), kerb, raised


def _ground_surface(street, xy, directions, depth, pixel, kerb, raised):
  """Packed albedo and normal x, y, z of the ground that each ray meets."""
  x, y = xy
  s, d, heading = road_lib.road_coordinates(street.road, x, y)
  side_s, side_d = road_lib.side_coordinates(street.road, x, y)
  edge = road_lib.drivable_distance(d, side_s, side_d)
  dx, dy, dz = directions
  across = depth * pixel
  along = across / jnp.clip(-dz, 0.02, 1)
  cos = jnp.abs(jnp.cos(heading) * dx + jnp.sin(heading) * dy)
  cos = jnp.minimum(cos / jnp.sqrt(dx * dx + dy * dy + 1e-6), 1)
  sin = jnp.sqrt(1 - cos * cos)
  width_s = jnp.maximum(along * cos + across * sin, 0.01)
  width_d = jnp.maximum(along * sin + across * cos, 0.01)
  coarse = jnp.sqrt(width_s * width_d)

  seed = street.seed
  fine = _noise(s / 0.35, d / 0.35, seed) * _fade(coarse, 0.7)
  middle = _noise(s / 2.3, d / 1.1, seed + 1) * _fade(coarse, 3.0)
  broad = _noise(s / 9, d / 4, seed + 2)

  on_main = jnp.abs(d) < road_lib.HALF_WIDTH
  lane = d / road_lib.LANE_WIDTH
  in_lane = (lane - jnp.floor(lane) - 0.5) * road_lib.LANE_WIDTH
  track = jnp.exp(-(((jnp.abs(in_lane) - 0.8) / 0.35) ** 2))
  in_lanes = jnp.abs(d) < road_lib.HALF_CARRIAGEWAY
  patch_s, patch_d = jnp.floor(s / 6.5), jnp.floor(lane * 2)
  patch = _hash(patch_s.astype(jnp.int32), patch_d.astype(jnp.int32), seed + 3)
  patched = jnp.where(on_main & (patch > 0.9), 1.0, 0.0)
  shade = 0.125 * (1 + 0.16 * fine + 0.14 * middle + 0.22 * broad)
  shade *= 1 - 0.17 * track * jnp.where(in_lanes & on_main, 1.0, 0.0)
  shade *= 1 - 0.3 * patched
  shade *= jnp.where(on_main & ~in_lanes, 1.25, 1.0)
  asphalt = _scale([1.0, 1.0, 1.04], shade)

  away = jnp.abs(s - street.road.junction)
  clear = jnp.where(away > road_lib.STOP_LINE, 1.0, 0.0)

  def stripe(at, half):
    return _inside(half - jnp.abs(d - at), width_d)

  def dashes(coordinate, width, period, filled):
    phase = coordinate - period * jnp.floor(coordinate / period)
    return _inside(filled / 2 - jnp.abs(phase - period / 2), width)

  long_dash = dashes(s, width_s, 6.0, 3.0)
  short_dash = dashes(s, width_s, 9.0, 3.0)
  edge_line = road_lib.HALF_CARRIAGEWAY
  lines = stripe(0.0, 0.10) * long_dash
  lines += (stripe(3.5, 0.07) + stripe(-3.5, 0.07)) * short_dash
  lines += stripe(edge_line, 0.07) + stripe(-edge_line, 0.07)
  bay = _inside(0.06 - jnp.abs(s - 6.2 * jnp.round(s / 6.2)), width_s)
  lines += bay * jnp.where(in_lanes | ~on_main, 0.0, 0.7)
  lines *= clear
  near, far = road_lib.CROSSWALK
  zebra = _inside((far - near) / 2 - jnp.abs(away - (near + far) / 2), width_s)
  lines += zebra * dashes(d, width_d, 1.0, 0.5)
  toward = (s - street.road.junction) * d > 0
  stop = _inside(0.2 - jnp.abs(away - road_lib.STOP_LINE - 0.2), width_s)
  lines += stop * jnp.where(toward & in_lanes, 1.0, 0.0)
  lines *= jnp.where(on_main, 1.0, 0.0)
  side_line = _inside(0.07 - jnp.abs(side_d), width_s) * dashes(
    side_s, width_d, 6.0, 3.0
  )
  lines += jnp.where(on_main, 0.0, side_line)
  worn = 0.78 + 0.22 * jnp.clip(2 * middle + fine + 0.5 * broad, -1, 1)
  road = _mix(asphalt, [0.72, 0.72, 0.68], jnp.clip(lines, 0, 1) * worn)

  joint_s = jnp.abs(s - 1.2 * jnp.round(s / 1.2))
  joint_d = jnp.abs(d - 1.2 * jnp.round(d / 1.2))
  joints = jnp.maximum(
    _inside(0.03 - joint_s, width_s) * _fade(width_s, 1.2),
    _inside(0.03 - joint_d, width_d) * _fade(width_d, 1.2),
  )
  slab = _hash(
    jnp.round(s / 1.2 + 0.5).astype(jnp.int32),
    jnp.round(d / 1.2 + 0.5).astype(jnp.int32),
    seed + 4,
  )
  slab = (2 * slab - 1) * _fade(coarse, 2.4)
  stone = 0.30 * (1 + 0.10 * fine + 0.12 * slab + 0.15 * broad)
  pavement = _scale([1.0, 0.96, 0.88], stone * (1 - 0.35 * joints))
  kerbstone = _scale([0.42, 0.42, 0.40], 1 + 0.1 * fine)
  pavement = _mix(pavement, kerbstone, _inside(edge + 0.2, coarse))
  lawn = 1 + 0.35 * middle + 0.25 * fine + 0.3 * broad
  grass = _scale([0.085, 0.13, 0.045], lawn)
  verge = _inside(-edge - road_lib.PAVEMENT_WIDTH, coarse)
  pavement = _mix(pavement, grass, verge)

  colour = _select(raised, pavement, road)
  colour = _select(kerb, kerbstone, colour)
  # The face of a kerb looks at the road that it bounds.
  inward = -jnp.sign(d)
  on_side = jnp.abs(d) > road_lib.HALF_WIDTH + 0.3
  facing_x = jnp.where(
    on_side,
    jnp.sign(side_d) * jnp.cos(street.road.junction_heading),
    -jnp.sin(heading) * inward,
  )
  facing_y = jnp.where(
    on_side,
    jnp.sign(side_d) * jnp.sin(street.road.junction_heading),
    jnp.cos(heading) * inward,
  )
  normal = [
    jnp.where(kerb, facing_x, 0.0),
    jnp.where(kerb, facing_y, 0.0),
    jnp.where(kerb, 0.0, 1.0),
  ]
  return _pack(colour), normal


def _surface(street, table, index, point, depth, pixel):
  """Packed albedo and normal x, y, z of the solid that each ray meets."""
  row = [column.at[index].get(mode='promise_in_bounds') for column in table.T]
  centre, matrix, taper = row[0:3], row[3:9], row[9:11]
  kind, base, pattern = row[11], row[12:15], row[15]
  texture = row[16].astype(jnp.int32)
  unit = raycast.to_unit(matrix, *_offset(point, centre, -1))
  half = [
    1 / jnp.sqrt(matrix[0] ** 2 + matrix[1] ** 2),
    1 / jnp.sqrt(matrix[3] ** 2 + matrix[4] ** 2),
    1 / matrix[5],
  ]
  lean = _scale(taper, 0.5)
  gap_x = jnp.abs(unit[0]) + lean[0] * (unit[2] + 1) - 1
  gap_y = jnp.abs(unit[1]) + lean[1] * (unit[2] + 1) - 1
  gap_z = jnp.abs(unit[2]) - 1
  face_z = (gap_z >= gap_x) & (gap_z >= gap_y)
  face_x = (gap_x >= gap_y) & ~face_z
  flat = [
    jnp.where(face_x, jnp.sign(unit[0]), 0.0),
    jnp.where(face_x | face_z, 0.0, jnp.sign(unit[1])),
    jnp.where(face_z, jnp.sign(unit[2]), jnp.where(face_x, *lean)),
  ]
  cylinder = kind == 3
  cap = cylinder & (jnp.abs(unit[2]) > 0.999)
  curved = [
    jnp.where(cap, 0.0, unit[0]),
    jnp.where(cap, 0.0, unit[1]),
    jnp.where(cap, jnp.sign(unit[2]), jnp.where(cylinder, 0.0, unit[2])),
  ]
  n = _select(kind < 2, flat, curved)
  normal = [
    matrix[0] * n[0] + matrix[3] * n[1],
    matrix[1] * n[0] + matrix[4] * n[1],
    matrix[2] * n[0] + matrix[5] * n[2],
  ]
  normal = _scale(normal, jax.lax.rsqrt(_dot(normal, normal) + 1e-12))

  facade = _facade(street, unit, half, n, texture, depth, pixel, base)
  car = _car(pattern, unit, half, n, normal[2], base)
  is_car = (pattern == _BODY) | (pattern == _CABIN)
  colour = _select(
    pattern == _FOLIAGE,
    _foliage(street, point, depth * pixel, texture, base),
    base,
  )
  colour = _select(is_car, car, colour)
  return _pack(_select(pattern == _FACADE, facade, colour)), normal


def _foliage(street, point, width, index, base):
  """Leaves, lit and in the shade of others."""
  seed = street.seed + 11 + index.astype(jnp.uint32)
  x, y, z = point
  fine = _noise(x / 0.25, z / 0.25, seed) + _noise(y / 0.25, z / 0.25, seed + 1)
  broad = _noise((x + y) / 0.8, z / 0.8, seed)
  return _scale(base, 1 + 0.3 * fine * _fade(width, 0.5) + 0.3 * broad)


def _facade(street, unit, half, normal_unit, index, depth, pixel, base):
  """Rows of windows over a ground floor of shops."""
  on_x = jnp.abs(normal_unit[0]) > 0.5
  on_top = jnp.abs(normal_unit[2]) > 0.5
  m = jnp.where(on_x, unit[1] * half[1], unit[0] * half[0])
  extent = jnp.where(on_x, half[1], half[0])
  z = (unit[2] + 1) * half[2]
  width = jnp.maximum(depth * pixel * 1.4, 0.02)
  seed = street.seed + 17 + index.astype(jnp.uint32)
  draw = _hash(index, index * 0, street.seed + 5)

  storey = 3.0 + 0.4 * draw
  bays = jnp.round(2 * extent / (2.3 + 0.8 * _hash(index, index, seed)))
  bay = 2 * extent / jnp.maximum(bays, 1)
  column = (m + extent) / bay
  row = (z - 3.4) / storey
  column_index, row_index = jnp.floor(column), jnp.floor(row)
  across = (column - column_index - 0.5) * bay
  up = (row - row_index - 0.5) * storey
  ground_floor = z < 3.4
  half_width = jnp.where(ground_floor, 0.42 * bay, 0.26 * bay)
  half_height = jnp.where(ground_floor, 1.15, 0.27 * storey)
  up = jnp.where(ground_floor, z - 1.55, up)
  row_index = jnp.where(ground_floor, -9.0, row_index)
  fits = (row_index + 1) * storey + 3.4 < 2 * half[2] - 0.3
  fits = jnp.where(ground_floor | fits, 1.0, 0.0)
  pane = (
    _inside(half_width - jnp.abs(across), width)
    * _inside(half_height - jnp.abs(up), width)
    * fits
  )
  frame = (
    _inside(half_width + 0.14 - jnp.abs(across), width)
    * _inside(half_height + 0.14 - jnp.abs(up), width)
    * fits
  )
  lit = _hash(column_index.astype(jnp.int32), row_index.astype(jnp.int32), seed)
  glass = [0.05 + 0.12 * lit, 0.065 + 0.12 * lit, 0.09 + 0.11 * lit]
  wall = 1 + 0.10 * _noise(m / 1.7, z / 1.7, seed)
  wall += 0.06 * _noise(m / 0.4, z / 0.4, seed) * _fade(width, 0.8)
  # Rain leaves the foot of a wall darker.
  wall *= 1 - 0.25 * jnp.exp(-z / 0.5)
  colour = _scale(base, wall)
  shop = _hash(index, index + 1, seed)
  shopfront = [0.10 + 0.3 * shop, 0.16 + 0.1 * (1 - shop), 0.3 - 0.2 * shop]
  sign = _inside(0.3 - jnp.abs(z - 3.05), width)
  colour = _mix(colour, shopfront, sign)
  band = _inside(0.25 - jnp.abs(2 * half[2] - 0.25 - z), width)
  colour = _mix(colour, _scale(base, 1.25), band)
  colour = _mix(colour, [0.5, 0.49, 0.46], frame)
  colour = _mix(colour, glass, pane)
  return [jnp.where(on_top, 0.15, c) for c in colour]


def _car(pattern, unit, half, normal_unit, normal_z, base):
  """Paint, wheels, lamps and glass."""
  x, y, z = unit
  at_end = jnp.abs(normal_unit[0]) > 0.5
  at_side = jnp.abs(normal_unit[1]) > 0.5
  body = pattern == _BODY
  cabin = pattern == _CABIN
  rim_x = (jnp.abs(x) - 0.6) * half[0]
  rim_z = (z + 1) * half[2] - 0.13
  rim = jnp.sqrt(rim_x * rim_x + rim_z * rim_z)
  colour = base
  lamp_zone = body & at_end & (jnp.abs(y) > 0.62) & (jnp.abs(y) < 0.95)
  lamp_zone &= (z > 0.15) & (z < 0.7)
  lamp = [
    jnp.where(x > 0, f, b) for f, b in ((0.8, 0.5), (0.8, 0.02), (0.7, 0.02))
  ]
  colour = _select(lamp_zone, lamp, colour)
  plate = body & at_end & (jnp.abs(y) < 0.28) & (jnp.abs(z) < 0.2)
  colour = [jnp.where(plate, 0.6, c) for c in colour]
  sill = body & (z < -0.65)
  colour = [jnp.where(sill, 0.04, c) for c in colour]
  wheel = body & at_side & (rim < 0.36)
  colour = [
    jnp.where(wheel, jnp.where(rim < 0.2, 0.35, 0.02), c) for c in colour
  ]
  lateral = jnp.where(at_end, jnp.abs(y) / (1 - 0.1 * (z + 1)), jnp.abs(x))
  pillar = (lateral > 0.88) | (~at_end & (jnp.abs(x - 0.05) < 0.05))
  glass = cabin & (normal_z < 0.75) & ~pillar & (jnp.abs(z) < 0.86)
  colour = _select(glass, (0.05, 0.065, 0.08), colour)
  return colour


def _sky(street, directions):
  """Gradient, sun, clouds on a high plane and a distant skyline."""
  dx, dy, dz = directions
  norm = jnp.sqrt(dx * dx + dy * dy + dz * dz)
  dx, dy, dz = dx / norm, dy / norm, dz / norm
  up = jnp.clip(dz, 0, 1)
  light = street.light
  colour = _mix(light.horizon, light.zenith, jnp.sqrt(up))
  cx, cy = dx / (up + 0.12), dy / (up + 0.12)
  cloud = _noise(1.3 * cx, 1.3 * cy, street.seed + 7)
  cloud += 0.5 * _noise(2.9 * cx, 2.9 * cy, street.seed + 8)
  cloud = jnp.clip(1.1 * cloud - 0.1, 0, 0.85) * jnp.clip(5 * up, 0, 1)
  colour = _mix(colour, light.cloud, cloud)
  cosine = jnp.clip(_dot([dx, dy, dz], light.direction), 0, 1)
  glow = 0.35 * cosine**16 + 3.0 * jnp.where(cosine > 0.9992, 1.0, 0.0)
  colour = _offset(colour, light.glow, glow)
  azimuth = jnp.arctan2(dy, dx)
  hills = 0.035 + 0.02 * _noise(azimuth * 5, azimuth * 0, street.seed + 9)
  hidden = _inside(hills - dz, 0.01)
  return _pack(_mix(colour, light.skyline, hidden))


def shade(street, scenery, table, origin, directions, pixel):
  """Colours and depths of rays from one point.

  Args:
    street: the street.
    scenery: all solids.
    table: `[N, 17]` as `_assemble` makes it.
    origin: x, y, z, each `[C, 1]`, where the rays of each camera begin.
    directions: x, y, z, each `[C, R]`.
    pixel: `[C, 1]` footprint of a ray in metres at distance 1.

  Returns:
    sRGB `[C, R, 3]` in [0, 1] and depth `[C, R]` in units of the directions,
    infinite where the ray meets the sky.
  """
  shape = directions[0].shape
  depth, index = raycast.nearest(scenery, origin, directions)
  origin = [jnp.broadcast_to(x, shape) for x in origin]
  pixel = jnp.broadcast_to(pixel, shape)
  ground_depth, kerb, raised = _in_blocks(
    lambda *rays: _ground(street, *rays), origin, directions
  )
  on_ground = ground_depth < depth
  index = jnp.where(jnp.isfinite(depth), index, 0)
  depth = jnp.minimum(depth, ground_depth)
  is_sky = ~jnp.isfinite(depth)
  safe = jnp.where(is_sky, 1.0, depth)
  point = _offset(origin, directions, safe)

  colour, normal = _in_blocks(
    lambda *rays: _surface(street, table, *rays), index, point, safe, pixel
  )
  ground_colour, ground_normal = _in_blocks(
    lambda *rays: _ground_surface(street, *rays),
    point[:2],
    directions,
    safe,
    pixel,
    kerb,
    raised,
  )
  colour = _unpack(jnp.where(on_ground, ground_colour, colour))
  normal = _select(on_ground, ground_normal, normal)
  start = _offset(point, normal, 0.02)
  shadow = raycast.occluded(scenery, start, street.light.direction)
  sky = _in_blocks(lambda directions: _sky(street, directions), directions)

  sky = _unpack(sky)

  facing = jnp.maximum(_dot(normal, street.light.direction), 0)
  sunlight = jnp.where(shadow, 0.0, facing)
  # Walls and the undersides of cars see less of the sky than a road does.
  openness = 0.62 + 0.38 * normal[2]
  haze = 1 - jnp.exp(-safe / _HAZE_LENGTH)
  result = []
  for channel in range(3):
    light = street.light.sun[channel] * sunlight
    light += street.light.ambient[channel] * openness
    seen = colour[channel] * light
    seen += (street.light.haze[channel] - seen) * haze
    seen = jnp.where(is_sky, sky[channel], seen)
    result.append(jnp.clip(seen, 0, 1) ** (1 / 2.2))
  return jnp.stack(result, -1), depth


def trace(street, agents, sizes, classes, origin, directions):
  """Distance `[...]` along rays from one point to what they meet first.

  Args:
    street: the street.
    agents: `[A]`; the ego is not met.
    sizes: `[A, 3]` metres.
    classes: `[A]`.
    origin: `[3]`.
    directions: x, y, z, each `[...]`.

  Returns:
    Distance in units of the directions, infinite where there is nothing.
  """
  scenery, _ = _assemble(street, agents, sizes, classes)
  distance, _ = raycast.nearest(scenery, origin, directions)
  ground, _, _ = _ground(street, origin, directions)
  return jnp.minimum(distance, ground)


def render_all(street, cameras, agents, sizes, classes, supersample):
  """Colours `[C, H, W, 3]` and depths `[C, H, W]` of cameras `[C]`."""
  fine = types.Camera(
    camera_from_world=cameras.camera_from_world,
    intrinsics=geometry.scale_intrinsics(
      cameras.intrinsics, supersample, supersample
    ),
    height=cameras.height * supersample,
    width=cameras.width * supersample,
  )
  origin, rays = jax.vmap(geometry.pixel_rays)(fine)
  number = len(origin)
  rgb, depth = shade(
    street,
    *_assemble(street, agents, sizes, classes),
    [origin[:, i, None] for i in range(3)],
    [rays[..., i].reshape(number, -1) for i in range(3)],
    1 / fine.intrinsics[:, 0, 0, None],
  )
  blocks = (number, cameras.height, supersample, cameras.width, supersample)
  rgb = rgb.reshape(*blocks, 3).mean((2, 4))
  # On a plane it is the inverse of depth that is linear in the pixels.
  return rgb, 1 / (1 / depth).reshape(blocks).mean((2, 4))


def render(
  street: street_lib.Street,
  camera: types.Camera,
  agents: types.AgentState,
  sizes,
  classes,
  supersample: int = 1,
):
  """What one camera sees with the agents anywhere.

  Args:
    street: the street.
    camera: one camera.
    agents: `[A]`, as many as the street was built for; the ego, agent 0, is
      neither drawn nor casts a shadow.
    sizes: `[A, 3]` metres.
    classes: `[A]`.
    supersample: static, rays per pixel along each axis.

  Returns:
    sRGB `[H, W, 3]` in [0, 1] and depth `[H, W]` along the optical axis in
    metres (harmonic mean over the rays of a pixel), infinite where all of them
    meet the sky.
  """
  cameras = jax.tree.map(lambda x: jnp.asarray(x)[None], camera)
  rgb, depth = render_all(street, cameras, agents, sizes, classes, supersample)
  return rgb[0], depth[0]


def survey(street, camera: types.Camera, agents, sizes, classes):
  """Label and depth at the middle of each pixel of one camera.

  Args:
    street: the street.
    camera: one camera.
    agents: `[A]`; the ego is not seen.
    sizes: `[A, 3]` metres.
    classes: `[A]`.

  Returns:
    Label `[H, W]` int32, an index into `LABELS`, and depth `[H, W]` along the
    optical axis in metres, infinite in the sky.
  """
  origin, rays = geometry.pixel_rays(camera)
  directions = [rays[..., i] for i in range(3)]
  scenery, table = _assemble(street, agents, sizes, classes)
  depth, index = raycast.nearest(scenery, origin, directions)
  ground, _, _ = _ground(street, origin, directions)
  pattern = table[:, -2].at[index].get(mode='clip')
  sky, on_ground, facade, agent, other = range(len(LABELS))
  label = jnp.where(pattern >= _BODY, agent, other)
  label = jnp.where(pattern == _FACADE, facade, label)
  label = jnp.where(ground < depth, on_ground, label)
  depth = jnp.minimum(depth, ground)
  return jnp.where(jnp.isfinite(depth), label, sky), depth


@struct.dataclass
class Renderer:
  """Renders batches of cameras in one of several streets, for a simulator.

  Attributes:
    streets: `[S]` stacked.
    sizes: `[S, A, 3]` metres.
    classes: `[S, A]`.
    supersample: static, rays per pixel along each axis.
  """

  streets: street_lib.Street
  sizes: types.Array
  classes: types.Array
  supersample: int = struct.field(pytree_node=False, default=1)

  @classmethod
  def create(cls, streets, sizes, classes, supersample=1):
    """A renderer of a list of streets built with one config."""
    return cls(
      streets=jax.device_put(trees.stack(streets)),
      sizes=jnp.asarray(sizes, jnp.float32),
      classes=jnp.asarray(classes, jnp.int32),
      supersample=supersample,
    )

  def __call__(self, scene_index, cameras: types.Camera, agents, time=None):
    """Images uint8 `[C, h, w, 3]` of cameras `[C]` with agents `[A]`.

    Time is ignored: legs move with the distance gone.
    """
    del time
    street = trees.take(self.streets, scene_index)
    sizes, classes = self.sizes[scene_index], self.classes[scene_index]
    rgb, _ = render_all(
      street, cameras, agents, sizes, classes, self.supersample
    )
    return jnp.round(rgb * 255).astype(jnp.uint8)
