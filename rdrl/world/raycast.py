# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rays against boxes, frusta, ellipsoids and cylinders, in closed form.

Every solid is the affine image of a unit solid (the cube [-1, 1]^3, the ball
or the cylinder of radius 1 and height 2), so a ray is brought into the unit
frame, where direction and distance keep their scale, and meets one of four
formulas. All rays meet all solids: rays are the vector axis, solids a loop.

Many rays share an origin (a camera, a lidar), and all shadow rays share a
direction (the sun's), which leaves half of the arithmetic outside the loop.
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types


@struct.dataclass
class Solids:
  """Solids of one kind.

  Attributes:
    centre: `[N, 3]` world.
    to_unit: `[N, 6]` a, b, c, d, e, f of the map from world offsets into the
      unit frame: x' = a x + b y + c z, y' = d x + e y, z' = f z.
    taper: `[N, 2]` frusta only: how far the sides x' and y' lean in at the top,
      as a share of the half width at the bottom.
  """

  centre: types.Array
  to_unit: types.Array
  taper: types.Array


@struct.dataclass
class Scenery:
  """Solids of all kinds; an index counts through them in this order."""

  boxes: Solids
  frusta: Solids
  ellipsoids: Solids
  cylinders: Solids


@jax.jit
def solids(centre, half_size, yaw, shear=None, taper=None):
  """Upright solids.

  Args:
    centre: `[N, 3]` metres.
    half_size: `[N, 3]` half extents or semi-axes in metres.
    yaw: `[N]` rad.
    shear: `[N]` metres that x gains per metre of height above the centre.
    taper: `[N, 2]` see `Solids`.
  """
  cos, sin = jnp.cos(yaw), jnp.sin(yaw)
  zero = jnp.zeros_like(cos)
  shear = zero if shear is None else shear
  hx, hy, hz = jnp.moveaxis(half_size, -1, 0)
  rows = [cos / hx, sin / hx, -shear / hx, -sin / hy, cos / hy, 1 / hz]
  taper = jnp.stack([zero, zero], -1) if taper is None else taper
  return Solids(centre=centre, to_unit=jnp.stack(rows, -1), taper=taper)


def concatenate(a, b):
  """The solids of both."""
  return jax.tree.map(lambda x, y: jnp.concatenate([x, y]), a, b)


def to_unit(matrix, x, y, z):
  """World offset to the unit frame by one row of `Solids.to_unit`."""
  a, b, c, d, e, f = matrix
  return a * x + b * y + c * z, d * x + e * y, f * z


def _reciprocal(x):
  return 1 / jnp.where(jnp.abs(x) < 1e-9, 1e-9, x)


def _slab(o, inverse):
  near = -o * inverse
  half = jnp.abs(inverse)
  return near - half, near + half


def box_interval(o, d):
  """Entry and exit distance of rays into the cube [-1, 1]^3.

  Args:
    o: x, y, z of the origin in the unit frame.
    d: x, y, z of the direction in the unit frame.

  Returns:
    Entry, exit; the ray misses where entry > exit.
  """
  slabs = [_slab(*pair) for pair in zip(o, map(_reciprocal, d), strict=True)]
  (ax, bx), (ay, by), (az, bz) = slabs
  entry = jnp.maximum(jnp.maximum(ax, ay), az)
  return entry, jnp.minimum(jnp.minimum(bx, by), bz)


def frustum_interval(o, d, taper):
  """As `box_interval`; x' and y' shrink from 1 to 1 - taper going up."""
  entry, leave = _slab(o[2], _reciprocal(d[2]))
  for axis in (0, 1):
    lean = taper[axis] / 2
    for sign in (1, -1):
      speed = sign * d[axis] + lean * d[2]
      room = 1 - lean - sign * o[axis] - lean * o[2]
      distance = room * _reciprocal(speed)
      entry = jnp.where(speed < 0, jnp.maximum(entry, distance), entry)
      leave = jnp.where(speed < 0, leave, jnp.minimum(leave, distance))
  return entry, leave


def ellipsoid_interval(o, d):
  """As `box_interval`, for the unit ball."""
  a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
  b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
  c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
  return _roots(a, b, c)


def _roots(a, b, c):
  square = b * b - a * c
  root = jnp.sqrt(jnp.maximum(square, 0))
  inverse = _reciprocal(a)
  entry = jnp.where(square > 0, (-b - root) * inverse, jnp.inf)
  return entry, (-b + root) * inverse


def cylinder_interval(o, d):
  """As `box_interval`, for the upright cylinder of radius 1, |z'| <= 1."""
  a = d[0] * d[0] + d[1] * d[1]
  b = o[0] * d[0] + o[1] * d[1]
  c = o[0] * o[0] + o[1] * o[1] - 1
  entry, leave = _roots(a, b, c)
  low, high = _slab(o[2], _reciprocal(d[2]))
  return jnp.maximum(entry, low), jnp.minimum(leave, high)


def _interval(kind, o, d, taper):
  if kind == 'boxes':
    return box_interval(o, d)
  if kind == 'frusta':
    return frustum_interval(o, d, taper)
  if kind == 'ellipsoids':
    return ellipsoid_interval(o, d)
  return cylinder_interval(o, d)


_KINDS = ('boxes', 'frusta', 'ellipsoids', 'cylinders')


def count(scenery):
  """How many solids there are."""
  return sum(len(getattr(scenery, kind).centre) for kind in _KINDS)


def nearest(scenery: Scenery, origin, directions):
  """The first solid that each ray enters.

  Args:
    scenery: solids.
    origin: x, y, z that broadcast against the directions, so that many rays may
      share one; rays that start inside a solid do not see it.
    directions: x, y, z, each `[...]`.

  Returns:
    Distance `[...]` in units of the directions, infinite on a miss, exact to a
    relative 2^(bits - 23) where 2^bits is the number of solids, and index
    `[...]` int32 of the solid, meaningless on a miss.
  """
  # The order of positive floats is that of their bits, so distance and index
  # travel in one integer and the loop carries a single minimum.
  mask = (1 << count(scenery).bit_length()) - 1
  miss = jax.lax.bitcast_convert_type(jnp.float32(jnp.inf), jnp.int32) & ~mask
  key = jnp.full(directions[0].shape, miss, jnp.int32)
  start = 0
  for kind in _KINDS:
    solids = getattr(scenery, kind)
    number = len(solids.centre)
    index = jnp.arange(start, start + number, dtype=jnp.int32)
    start += number

    def step(key, inputs, kind=kind):
      solid, index = inputs
      offset = [p - c for p, c in zip(origin, solid.centre, strict=True)]
      o = to_unit(solid.to_unit, *offset)
      d = to_unit(solid.to_unit, *directions)
      entry, leave = _interval(kind, o, d, solid.taper)
      hits = (entry < leave) & (entry > 0)
      bits = jax.lax.bitcast_convert_type(entry, jnp.int32) & ~mask
      return jnp.minimum(key, jnp.where(hits, bits | index, miss)), None

    key, _ = jax.lax.scan(step, key, (solids, index))
  distance = jax.lax.bitcast_convert_type(key & ~mask, jnp.float32)
  return jnp.where(key >= miss, jnp.inf, distance), key & mask


def occluded(scenery: Scenery, points, direction):
  """Whether a solid lies on the way from points towards the sun.

  Args:
    scenery: solids.
    points: x, y, z, each `[...]`.
    direction: `[3]` shared by all.

  Returns:
    `[...]` bool.
  """
  hit = jnp.zeros(points[0].shape, bool)
  for kind in _KINDS:
    solids = getattr(scenery, kind)

    def step(hit, solid, kind=kind):
      offset = [p - c for p, c in zip(points, solid.centre, strict=True)]
      o = to_unit(solid.to_unit, *offset)
      d = to_unit(solid.to_unit, *direction)
      entry, leave = _interval(kind, o, d, solid.taper)
      return hit | ((entry < leave) & (leave > 0)), None

    hit, _ = jax.lax.scan(step, hit, solids)
  return hit
