# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Conditions of a view besides its render: boxes and lane lines as rasters.

Every pixel's ray is intersected with the boxes and the ground, which is exact,
needs no polygon filling and is one fixed-shape program.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import spatial

from rdrl import geometry
from rdrl import types

# Metres from a line within which its distance is kept.
_REACH = 3.0


def box_raster(camera, agents, sizes, classes):
  """Draws the agents' boxes, nearest first; the ego is not drawn.

  Args:
    camera: one `Camera`.
    agents: `[A]`.
    sizes: `[A, 3]` metres.
    classes: `[A]`.

  Returns:
    `[H, W, 3]`: 1 on vehicles, 1 on other agents, and on both the cosine
    between the ray and the face that it meets, so that faces can be told apart.
    `[H, W]` depth of the face along the optical axis, infinite without one.
  """
  origin, directions = geometry.pixel_rays(camera)
  box_from_world = geometry.inverse(geometry.world_from_box(agents))

  def meet(box_from_world, size, valid):
    enter, leave, facing = geometry.ray_box(
      origin, directions, box_from_world, size
    )
    hit = valid & (enter > 0.1) & (enter < leave)
    return jnp.where(hit, enter, jnp.inf), facing

  drawn = agents.valid & (jnp.arange(len(sizes)) > 0)
  depth, facing = jax.vmap(meet)(box_from_world, jnp.asarray(sizes), drawn)
  nearest = jnp.argmin(depth, 0)
  depth = jnp.min(depth, 0)
  facing = jnp.take_along_axis(facing, nearest[None], 0)[0]
  vehicle = jnp.asarray(classes)[nearest] == types.VEHICLE
  raster = jnp.stack([vehicle, ~vehicle, facing], -1)
  return jnp.where(jnp.isfinite(depth)[..., None], raster, 0), depth


def lane_grid(lane_map, resolution=768):
  """Distance to painted lines and to lane centres, on the host.

  Args:
    lane_map: a `Map`.
    resolution: cells per side; fixed, so that all maps have one shape.

  Returns:
    A `Grid` with values `[2, resolution, resolution]` in metres, at most 3: to
    the nearest boundary, crosswalk or stop line, and to the nearest centre.
  """
  painted = np.concatenate(
    [
      _points(lane_map.boundaries),
      _points(lane_map.stop_lines),
      _points(lane_map.crosswalks, is_closed=True),
    ]
  )
  groups = painted, _points(lane_map.lanes)
  points = np.concatenate(groups)
  if not len(points):
    points = np.zeros((1, 2))
  low, high = points.min(0) - _REACH, points.max(0) + _REACH
  cell = np.max(high - low) / (resolution - 1)
  axis = np.arange(resolution) * cell
  cells = np.stack(np.meshgrid(low[0] + axis, low[1] + axis), -1)
  values = [
    np.minimum(
      spatial.KDTree(group).query(cells, distance_upper_bound=_REACH)[0], _REACH
    )
    if len(group)
    else np.full(cells.shape[:2], _REACH)
    for group in groups
  ]
  return types.Grid(
    values=np.stack(values).astype(np.float32),
    origin=low.astype(np.float32),
    cell=np.float32(cell),
  )


def lane_raster(camera, lines, ground, max_depth=80.0):
  """Draws the lines of `lane_grid` on the ground as seen by one camera.

  Args:
    camera: one `Camera`.
    lines: what `lane_grid` returned.
    ground: height of the ground, a `Grid`.
    max_depth: metres beyond which nothing is drawn.

  Returns:
    `[H, W, 2]` nearness to a painted line and to a lane centre: 1 on the line,
    falling to 0 over 0.15 m or a cell of `lines`, and less where a pixel covers
    more than that. `[H, W]` depth of the ground, infinite where the ray does
    not meet it.
  """
  origin, directions = geometry.pixel_rays(camera)
  falls = directions[..., 2] < -1e-3
  fall = jnp.where(falls, directions[..., 2], -1)
  height = geometry.sample_grid(ground, origin[:2])
  # Roads are nearly flat, so that the fixed point comes within two more looks.
  for _ in range(3):
    depth = (height - origin[2]) / fall
    depth = jnp.clip(depth, 0, max_depth)
    xy = origin[:2] + depth[..., None] * directions[..., :2]
    height = geometry.sample_grid(ground, xy)
  # The longer side of what a pixel covers on the ground.
  footprint = depth / camera.intrinsics[1, 1] / jnp.clip(-fall, 0.02, 1)
  thinnest = jnp.maximum(0.15, 0.7 * lines.cell)
  width = jnp.maximum(thinnest, footprint / 2)
  distance = jax.vmap(
    lambda values: geometry.sample_grid(lines.replace(values=values), xy)
  )(jnp.asarray(lines.values))
  distance = jnp.moveaxis(distance, 0, -1)
  seen = falls & (depth > 0) & (depth < max_depth)
  # A line that is thinner than a pixel fades with what it fills of it.
  near = jnp.clip(1.5 - distance / width[..., None], 0, 1)
  near = near * (thinnest / width[..., None])
  return jnp.where(seen[..., None], near, 0), jnp.where(seen, depth, jnp.inf)


def _points(lines, is_closed=False, spacing=0.1):
  """`[n, 2]` points along padded polylines, `spacing` metres apart."""
  points = [np.zeros((0, 2))]
  for xy, valid in zip(lines.xy, lines.valid, strict=True):
    xy = np.asarray(xy, np.float64)[np.asarray(valid)]
    if is_closed and len(xy):
      xy = np.concatenate([xy, xy[:1]])
    for start, end in itertools.pairwise(xy):
      count = int(np.ceil(np.linalg.norm(end - start) / spacing)) + 1
      points.append(np.linspace(start, end, count))
  return np.concatenate(points)
