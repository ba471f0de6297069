# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rigid transforms, quaternions, projection, boxes, polylines and grids.

Functions take one example; batch with `jax.vmap`. Products run at full float32:
a TPU's default bfloat16 would move a point 50 m away by centimetres
(https://github.com/jax-ml/jax/issues/9973).
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types

_HIGHEST = jax.lax.Precision.HIGHEST


def safe_norm(x, axis=-1, keepdims=False):
  """Euclidean norm whose gradient at zero is zero, not NaN."""
  return _safe_sqrt(jnp.sum(x * x, axis, keepdims=keepdims))


def _safe_sqrt(squared):
  is_zero = squared == 0
  return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, squared)))


def wrap_angle(angle):
  """`angle` in radians brought into [-pi, pi)."""
  return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


def rotate_2d(xy, yaw):
  """Rotates `[..., 2]` vectors counter-clockwise by `yaw` of shape `[...]`."""
  cos, sin = jnp.cos(yaw), jnp.sin(yaw)
  x, y = xy[..., 0], xy[..., 1]
  return jnp.stack([cos * x - sin * y, sin * x + cos * y], -1)


def transform_points(b_from_a, points_a):
  """Applies a `[4, 4]` rigid transform to `[..., 3]` points."""
  rotated = jnp.einsum(
    'ij,...j->...i', b_from_a[:3, :3], points_a, precision=_HIGHEST
  )
  return rotated + b_from_a[:3, 3]


def compose(c_from_b, b_from_a):
  """`[..., 4, 4]` product of rigid transforms."""
  return jnp.matmul(c_from_b, b_from_a, precision=_HIGHEST)


def inverse(b_from_a):
  """Inverse of `[..., 4, 4]` rigid transforms."""
  rotation = jnp.swapaxes(b_from_a[..., :3, :3], -1, -2)
  translation = -jnp.einsum(
    '...ij,...j->...i', rotation, b_from_a[..., :3, 3], precision=_HIGHEST
  )
  return from_rotation_translation(rotation, translation)


def from_rotation_translation(rotation, translation):
  """`[..., 4, 4]` transform of `[..., 3, 3]` and `[..., 3]`."""
  top = jnp.concatenate([rotation, translation[..., None]], -1)
  bottom = jnp.broadcast_to(
    jnp.array([0, 0, 0, 1], top.dtype), (*top.shape[:-2], 1, 4)
  )
  return jnp.concatenate([top, bottom], -2)


def rotation_from_quat(quat):
  """`[..., 3, 3]` rotation of `[..., 4]` wxyz quaternions of any norm."""
  w, x, y, z = jnp.moveaxis(quat / safe_norm(quat, keepdims=True), -1, 0)
  rows = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
  return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def multiply_quats(a, b):
  """Hamilton product of `[..., 4]` wxyz quaternions: turn by `b`, then `a`."""
  aw, ax, ay, az = jnp.moveaxis(a, -1, 0)
  bw, bx, by, bz = jnp.moveaxis(b, -1, 0)
  return jnp.stack(
    [
      aw * bw - ax * bx - ay * by - az * bz,
      aw * bx + ax * bw + ay * bz - az * by,
      aw * by - ax * bz + ay * bw + az * bx,
      aw * bz + ax * by - ay * bx + az * bw,
    ],
    -1,
  )


def velocity(agent: types.AgentState):
  """Velocity `[2]` in the world, m/s, of an agent with fields of shape `[]`."""
  return agent.speed * jnp.stack([jnp.cos(agent.yaw), jnp.sin(agent.yaw)])


def world_from_box(agents: types.AgentState):
  """`[..., 4, 4]` poses of the boxes of an `AgentState` of shape `[...]`."""
  cos, sin = jnp.cos(agents.yaw), jnp.sin(agents.yaw)
  zero, one = jnp.zeros_like(cos), jnp.ones_like(cos)
  rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
  rotation = jnp.stack([jnp.stack(row, -1) for row in rows], -2)
  translation = jnp.concatenate([agents.xy, agents.z[..., None]], -1)
  return from_rotation_translation(rotation, translation)


def project(camera: types.Camera, points_world):
  """Pinhole projection of `[..., 3]` world points by one camera.

  Returns:
    `[..., 2]` pixels, meaningless where the depth is not positive, and `[...]`
    depth along the optical axis in metres.
  """
  points = transform_points(camera.camera_from_world, points_world)
  depth = points[..., 2]
  safe = jnp.where(depth > 0, depth, 1)
  homogeneous = jnp.einsum(
    'ij,...j->...i', camera.intrinsics, points, precision=_HIGHEST
  )
  return homogeneous[..., :2] / safe[..., None], depth


def pixel_rays(camera: types.Camera):
  """Origin `[3]` and directions `[H, W, 3]` of the rays of one camera.

  Directions are in the world and reach depth 1 along the optical axis, so that
  origin + depth * direction is the point seen at that depth.
  """
  x = jnp.arange(camera.width) + 0.5
  y = jnp.arange(camera.height) + 0.5
  fx, fy = camera.intrinsics[0, 0], camera.intrinsics[1, 1]
  skew = camera.intrinsics[0, 1]
  cx, cy = camera.intrinsics[0, 2], camera.intrinsics[1, 2]
  grid_y, grid_x = jnp.meshgrid((y - cy) / fy, x - cx, indexing='ij')
  grid_x = (grid_x - skew * grid_y) / fx
  rays = jnp.stack([grid_x, grid_y, jnp.ones_like(grid_x)], -1)
  world_from_camera = inverse(camera.camera_from_world)
  directions = jnp.einsum(
    'ij,...j->...i', world_from_camera[:3, :3], rays, precision=_HIGHEST
  )
  return world_from_camera[:3, 3], directions


def ray_box(origin, directions, box_from_world, size):
  """Where rays enter and leave a box, of an origin that they share.

  Args:
    origin: `[3]` in the world.
    directions: `[..., 3]` in the world.
    box_from_world: `[4, 4]`.
    size: `[3]` metres.

  Returns:
    Entry and exit `[...]` in units of the directions, where a ray misses with
    an entry not before its exit; and the cosine `[...]` between a ray and the
    normal of the face that it enters.
  """
  start = transform_points(box_from_world, origin)
  rays = jnp.einsum(
    'ij,...j->...i', box_from_world[:3, :3], directions, precision=_HIGHEST
  )
  # A ray that is parallel to a face must not divide by zero.
  rays = jnp.where(jnp.abs(rays) < 1e-6, 1e-6, rays)
  one, other = (-size / 2 - start) / rays, (size / 2 - start) / rays
  near, far = jnp.minimum(one, other), jnp.maximum(one, other)
  face = jnp.argmax(near, -1)[..., None]
  across = jnp.abs(jnp.take_along_axis(rays, face, -1))[..., 0]
  return jnp.max(near, -1), jnp.min(far, -1), across / safe_norm(rays)


def mount_cameras(camera_from_ego, intrinsics, ego, height, width):
  """Cameras `[C]` of an ego `AgentState` with fields of shape `[]`.

  Args:
    camera_from_ego: `[C, 4, 4]`.
    intrinsics: `[C, 3, 3]` for images of `height` x `width` pixels.
    ego: state of the ego.
    height: pixels.
    width: pixels.
  """
  ego_from_world = inverse(world_from_box(ego))
  return types.Camera(
    camera_from_world=compose(camera_from_ego, ego_from_world),
    intrinsics=intrinsics,
    height=height,
    width=width,
  )


def scale_intrinsics(intrinsics, factor_x, factor_y):
  """Intrinsics `[..., 3, 3]` of an image resized by the factors."""
  factors = jnp.array([factor_x, factor_y, 1])
  return intrinsics * factors[:, None]


def box_corners(xy, yaw, size):
  """Corners `[..., 4, 2]` of boxes seen from above, counter-clockwise.

  Args:
    xy: `[..., 2]` middle.
    yaw: `[...]`.
    size: `[..., 2]` or wider; length and width come first.
  """
  signs = jnp.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
  local = signs * size[..., None, :2]
  return xy[..., None, :] + rotate_2d(local, yaw[..., None])


@struct.dataclass
class Boxes:
  """Oriented boxes seen from above, component by component.

  Apart, since XLA for CPUs keeps many pairs of scalars in one register, and a
  trailing axis of two in none.

  Attributes:
    x: `[...]` metres, of the middle.
    y: `[...]`.
    cos: `[...]` of the yaw.
    sin: `[...]`.
    length: `[...]` metres, half of it.
    width: `[...]` metres, half of it.
  """

  x: types.Array
  y: types.Array
  cos: types.Array
  sin: types.Array
  length: types.Array
  width: types.Array


def boxes(xy, yaw, size):
  """`Boxes` `[...]`; arguments as in `box_corners`."""
  return Boxes(
    x=xy[..., 0],
    y=xy[..., 1],
    cos=jnp.cos(yaw),
    sin=jnp.sin(yaw),
    length=size[..., 0] / 2,
    width=size[..., 1] / 2,
  )


def separation(a: Boxes, b: Boxes):
  """How far apart two boxes are along the edge normal that parts them most.

  Two boxes are apart if and only if their projections on one of the four edge
  normals are (separating axes, Gottschalk et al. 1996). No sine is taken here:
  all pairs of some boxes share those of their boxes.

  Returns:
    Metres `[...]`, broadcast; negative if and only if the boxes overlap.
  """
  x, y = b.x - a.x, b.y - a.y
  cos = jnp.abs(a.cos * b.cos + a.sin * b.sin)
  sin = jnp.abs(a.cos * b.sin - a.sin * b.cos)

  def gap(one, two):
    along = jnp.abs(one.cos * x + one.sin * y)
    aside = jnp.abs(one.cos * y - one.sin * x)
    return jnp.maximum(
      along - (one.length + cos * two.length + sin * two.width),
      aside - (one.width + cos * two.width + sin * two.length),
    )

  return jnp.maximum(gap(a, b), gap(b, a))


def boxes_overlap(xy_a, yaw_a, size_a, xy_b, yaw_b, size_b):
  """Whether two oriented boxes seen from above overlap; touching is not.

  Arguments as in `box_corners`, broadcast against each other without the last
  axis of corners.
  """
  return separation(boxes(xy_a, yaw_a, size_a), boxes(xy_b, yaw_b, size_b)) < 0


def project_to_polyline(xy, line, valid=None, farther=None):
  """Nearest point of a polyline.

  Args:
    xy: `[2]`.
    line: `[P, 2]`, P >= 2.
    valid: `[P]` bool, true for a prefix of at least two points.
    farther: `[P - 1]` metres that each segment counts as farther away than it
      is.

  Returns:
    Arc length `[]` of the nearest point in metres, extended beyond both ends
    along the end segments; signed offset `[]`, positive to the left; heading
    `[]` of the segment; index `[]` of the segment.
  """
  # x and y apart, and no argmin: XLA makes loops of trailing axes of two and of
  # argmin on a CPU, which take six times as long.
  start_x, start_y = line[:-1, 0], line[:-1, 1]
  step_x, step_y = line[1:, 0] - start_x, line[1:, 1] - start_y
  length = _safe_sqrt(step_x**2 + step_y**2)
  unit = jnp.maximum(length, 1e-9)
  step_x, step_y = step_x / unit, step_y / unit
  usable = length > 1e-6
  if valid is not None:
    usable &= valid[1:]
  index = jnp.arange(len(length))
  first = jnp.argmax(usable)
  last = len(length) - 1 - jnp.argmax(usable[::-1])
  x, y = xy[0] - start_x, xy[1] - start_y
  low = jnp.where(index == first, -jnp.inf, 0.0)
  high = jnp.where(index == last, jnp.inf, length)
  along = jnp.clip(x * step_x + y * step_y, low, high)
  distance = _safe_sqrt((x - along * step_x) ** 2 + (y - along * step_y) ** 2)
  apart = distance if farther is None else distance + farther
  apart = jnp.where(usable, apart, jnp.inf)
  nearest = jnp.min(jnp.where(apart == jnp.min(apart), index, last))
  begin = jnp.cumsum(jnp.where(usable, length, 0)) - length
  cross = step_x[nearest] * y[nearest] - step_y[nearest] * x[nearest]
  offset = jnp.where(cross >= 0, 1, -1) * distance[nearest]
  heading = jnp.arctan2(step_y[nearest], step_x[nearest])
  return begin[nearest] + along[nearest], offset, heading, nearest


def sample_grid(grid: types.Grid, xy, index=None):
  """Bilinear values `[...]` of a grid, clamped at its edge.

  Args:
    grid: one grid, or `[S]` of them.
    xy: `[..., 2]` world points.
    index: `[]` int32, which of the grids; None where there is one.
  """
  height, width = grid.values.shape[-2:]
  origin, cell, first = grid.origin, grid.cell, 0
  if index is not None:
    # A grid of its own would be a copy of it.
    origin, cell = origin[index], cell[index]
    first = jnp.asarray(index, jnp.uint32) * height

  def between(position, size):
    """Lower neighbour of a position and how far beyond it that is."""
    position = jnp.clip(position, 0, size - 1)
    low = jnp.minimum(jnp.floor(position), max(size - 2, 0))
    return low.astype(jnp.uint32), position - low

  column, fx = between((xy[..., 0] - origin[0]) / cell, width)
  row, fy = between((xy[..., 1] - origin[1]) / cell, height)
  right = jnp.minimum(column + 1, width - 1)
  below = jnp.minimum(row + 1, height - 1)
  # One flat index without a sign, which needs no wrapping, takes half the time
  # of three on a CPU.
  values = jnp.asarray(grid.values).reshape(-1)

  def at(row, column):
    index = (first + row) * width + column
    return values.at[index].get(mode='promise_in_bounds')

  top = (1 - fx) * at(row, column) + fx * at(row, right)
  bottom = (1 - fx) * at(below, column) + fx * at(below, right)
  return (1 - fy) * top + fy * bottom


def points_in_polygon(xy, polygon, valid):
  """Whether `[..., 2]` points lie in one polygon, by crossing number.

  Args:
    xy: `[..., 2]`.
    polygon: `[P, 2]`; the last valid point joins the first.
    valid: `[P]` bool, true for a prefix.
  """
  count = jnp.sum(valid)
  index = jnp.arange(len(polygon))
  following = polygon[jnp.where(index + 1 >= count, 0, index + 1)]
  x, y = xy[..., None, 0], xy[..., None, 1]
  x0, y0 = polygon[:, 0], polygon[:, 1]
  x1, y1 = following[:, 0], following[:, 1]
  straddles = (y0 > y) != (y1 > y)
  rise = jnp.where(y1 == y0, 1, y1 - y0)
  crossing = x0 + (y - y0) / rise * (x1 - x0)
  hits = straddles & (x < crossing) & valid
  return jnp.sum(hits, -1) % 2 == 1
