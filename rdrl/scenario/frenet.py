# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Frenet coordinates of a smooth path: arc length s and offset d to its left.

Werling et al., "Optimal trajectory generation for dynamic street scenarios in a
Frenet frame", ICRA 2010. The path is a cubic Hermite curve through points at
equal distances, so that what is planned in (s, d) has no corners in the world.
"""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
from scipy import interpolate

from rdrl import geometry
from rdrl import types

# Points of a path, metres of straight road before its first and after its last
# recorded point, and standard deviation in metres of recorded noise.
NUM_POINTS = 256
_BEHIND, _AHEAD = 60.0, 120.0
_NOISE = 0.005
# Least metres between recorded points that are used.
_SPACING = 0.5


@struct.dataclass
class Path:
  """A smooth path.

  Attributes:
    xy: `[P, 2]` points at equal distances along the path.
    tangent: `[P, 2]` unit vectors in driving direction.
    start: `[]` metres, s of the first point; s = 0 at the first recorded point.
    spacing: `[]` metres between points.
  """

  xy: types.Array
  tangent: types.Array
  start: types.Array
  spacing: types.Array


def build(xy, yaw, valid) -> Path:
  """Fits a path to a recorded track, with straight ends.

  Args:
    xy: `[T, 2]`.
    yaw: `[T]`, the direction of a track that is too short for a spline.
    valid: `[T]` bool, at least one true.
  """
  xy, yaw = np.asarray(xy, float)[valid], np.asarray(yaw, float)[valid]
  kept = [xy[0]]
  for point in xy[1:]:
    if np.linalg.norm(point - kept[-1]) >= _SPACING:
      kept.append(point)
  kept = np.array(kept)
  if len(kept) >= 4:
    noise = len(kept) * _NOISE**2
    spline, _ = interpolate.splprep(kept.T, s=noise, k=3)
    u = np.linspace(0, 1, 20 * len(kept))
    dense = np.stack(interpolate.splev(u, spline), -1)
    slope = np.stack(interpolate.splev(u, spline, der=1), -1)
  else:
    dense = np.stack([kept[0], kept[0]])
    dense[1] += 1e-3 * np.array([np.cos(yaw[0]), np.sin(yaw[0])])
    slope = np.repeat(dense[1:] - dense[:1], 2, 0)
  slope /= np.linalg.norm(slope, axis=-1, keepdims=True)
  along = np.append(0, np.linalg.norm(np.diff(dense, axis=0), axis=-1).cumsum())
  s = np.linspace(-_BEHIND, along[-1] + _AHEAD, NUM_POINTS)
  inside = np.clip(s, 0, along[-1])[:, None]
  points = np.stack([np.interp(inside[:, 0], along, x) for x in dense.T], -1)
  tangent = np.stack([np.interp(inside[:, 0], along, x) for x in slope.T], -1)
  tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
  points += (s[:, None] - inside) * tangent
  return Path(
    xy=points.astype(np.float32),
    tangent=tangent.astype(np.float32),
    start=np.float32(-_BEHIND),
    spacing=np.float32(s[1] - s[0]),
  )


def evaluate(path: Path, s):
  """Point `[2]` and unit tangent `[2]` at arc length `s` `[]`.

  Beyond both ends the path goes straight on.
  """
  last = path.xy.shape[0] - 1
  position = jnp.clip((s - path.start) / path.spacing, 0, last)
  index = jnp.minimum(position.astype(jnp.int32), last - 1)
  u = position - index
  p0, p1 = path.xy[index], path.xy[index + 1]
  m0, m1 = (path.tangent[index + i] * path.spacing for i in (0, 1))
  # Relative to p0: far from the world's origin, weighted sums of absolute
  # points would lose digits.
  xy = (
    p0
    + (3 * u**2 - 2 * u**3) * (p1 - p0)
    + (u - 2 * u**2 + u**3) * m0
    + (u**3 - u**2) * m1
  )
  slope = (
    6 * (u - u**2) * (p1 - p0)
    + (1 - 4 * u + 3 * u**2) * m0
    + (3 * u**2 - 2 * u) * m1
  )
  tangent = slope / geometry.safe_norm(slope)
  beyond = s - path.start - position * path.spacing
  return xy + beyond * tangent, tangent


def from_frenet(path: Path, s, d):
  """World point `[2]` of s `[]`, d `[]`, and the path's heading `[]` there."""
  xy, tangent = evaluate(path, s)
  normal = jnp.stack([-tangent[1], tangent[0]])
  return xy + d * normal, jnp.arctan2(tangent[1], tangent[0])


def to_frenet(path: Path, xy):
  """s `[]`, d `[]` of a point `[2]`, and heading `[]` of the path there."""
  *_, index = geometry.project_to_polyline(xy, path.xy)
  chord = path.xy[index + 1] - path.xy[index]
  fraction = jnp.sum((xy - path.xy[index]) * chord) / jnp.sum(chord**2)
  s = path.start + path.spacing * (index + fraction)

  def improve(_, s):
    point, tangent = evaluate(path, s)
    x, y = xy - point
    # Newton's method; without the curvature, it converges slowly inside bends.
    metres = 1 - curvature(path, s) * (tangent[0] * y - tangent[1] * x)
    step = tangent[0] * x + tangent[1] * y
    return s + step / jnp.maximum(metres, 0.2)

  s = jax.lax.fori_loop(0, 5, improve, s)
  point, tangent = evaluate(path, s)
  x, y = xy - point
  d = tangent[0] * y - tangent[1] * x
  return s, d, jnp.arctan2(tangent[1], tangent[0])


def curvature(path: Path, s):
  """Curvature `[]` in 1/m at arc length `s` `[]`, positive to the left."""
  _, before = evaluate(path, s - 1)
  _, after = evaluate(path, s + 1)
  return (before[0] * after[1] - before[1] * after[0]) / 2


def reverse(path: Path) -> Path:
  """The path in the opposite direction: s and d change their signs."""
  length = path.spacing * (len(path.xy) - 1)
  return Path(
    xy=path.xy[::-1],
    tangent=-path.tangent[::-1],
    start=-(path.start + length),
    spacing=path.spacing,
  )


def straight(xy, tangent) -> Path:
  """A straight path through a point `[2]` at s = 0, along a unit vector `[2]`.

  It begins as far behind the point as `build` does.
  """
  spacing = jnp.float32((_BEHIND + _AHEAD) / (NUM_POINTS - 1))
  s = -_BEHIND + spacing * jnp.arange(NUM_POINTS)
  return Path(
    xy=xy + s[:, None] * tangent,
    tangent=jnp.broadcast_to(tangent, (NUM_POINTS, 2)),
    start=jnp.float32(-_BEHIND),
    spacing=spacing,
  )
