# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What stands beside a road: facades, trees and poles."""

import jax.numpy as jnp
import numpy as np

from rdrl.world import raycast
from rdrl.world import road as road_lib

# Patterns that a solid is shaded with.
_PLAIN, _FACADE, _FOLIAGE, _BARK = range(4)
_NUM_TREES = 18
_NUM_POLES = 10
_BUILDINGS_PER_ROW = 10
# Metres from the middle of the road to the facades.
_FACE = road_lib.HALF_WIDTH + road_lib.PAVEMENT_WIDTH

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


def build(road, rng):
  """All that stands still.

  Returns:
    `Scenery` of N solids, their linear albedo `[N, 3]` and pattern `[N]` int32.
  """
  *facades, facade_colour = _facades(road, rng)
  tree_xy = _along_pavement(
    road, rng, _NUM_TREES, 84, 16.0, road_lib.HALF_WIDTH + 0.9
  )
  trunk_height = rng.uniform(2.4, 3.2, _NUM_TREES)
  *crowns, crown_colour = _crowns(tree_xy, trunk_height, rng)
  pole_xy = _along_pavement(
    road, rng, _NUM_POLES, 76, 29.0, road_lib.HALF_WIDTH + 0.6
  )
  trunk_radius = rng.uniform(0.14, 0.22, _NUM_TREES)
  radius = np.append(trunk_radius, np.full(_NUM_POLES, 0.08))
  height = np.append(trunk_height + 0.5, np.full(_NUM_POLES, 6.5))
  scenery = raycast.Scenery(
    boxes=_solids(*facades),
    frusta=_solids(np.zeros((0, 3)), np.ones((0, 3))),
    ellipsoids=_solids(*crowns),
    cylinders=_solids(
      np.column_stack([np.concatenate([tree_xy, pole_xy]), height / 2]),
      np.stack([radius, radius, height / 2], -1),
    ),
  )
  bark = np.tile([[0.16, 0.11, 0.07]], (_NUM_TREES, 1))
  metal = np.tile([[0.28, 0.30, 0.30]], (_NUM_POLES, 1))
  parts = (
    (facade_colour, _FACADE),
    (crown_colour, _FOLIAGE),
    (bark, _BARK),
    (metal, _PLAIN),
  )
  pattern = np.concatenate([np.full(len(x), kind) for x, kind in parts])
  colour = np.concatenate([x for x, _ in parts])
  return scenery, jnp.asarray(colour), jnp.asarray(pattern, jnp.int32)


def _solids(centre, half, yaw=None):
  yaw = np.zeros(len(centre)) if yaw is None else yaw
  return raycast.solids(*(jnp.asarray(x) for x in (centre, half, yaw)))


def _facades(road, rng):
  """Centre and half size `[n, 3]`, yaw `[n]` and colour of all buildings."""
  end_xy, end_yaw = road_lib.road_point(road, [road_lib.ROAD_LENGTH + 20], [0])
  parts = (
    _along_road(road, rng),
    _along_side_street(road, rng),
    # Closes the view.
    (end_xy, end_yaw, [[12, 60, 14]]),
  )
  xy, yaw, size = (np.concatenate(part) for part in zip(*parts, strict=True))
  half = size / 2
  colour = _FACADES[rng.integers(len(_FACADES), size=len(yaw))]
  colour = colour * rng.uniform(0.8, 1.15, (len(yaw), 1))
  return np.column_stack([xy, half[:, 2]]), half, yaw, colour


def _along_road(road, rng):
  """Centre `[n, 2]`, yaw and size of the rows on both sides of the junction."""
  side = np.array([-1, 1])[:, None, None]
  direction = np.array([-1, 1])[:, None]
  width, setback, height = np.moveaxis(
    rng.uniform([11, 0, 7], [16, 0.9, 15], (2, 2, _BUILDINGS_PER_ROW, 3)), -1, 0
  )
  first = float(road.junction) + direction * (road_lib.SIDE_HALF_WIDTH + 2.8)
  first = np.broadcast_to(first, (2, 2, 1))
  edge = np.cumsum(np.append(first, direction * width, -1), -1)[..., :-1]
  s, d = edge + direction * width / 2, side * (_FACE + setback + 5)
  size = np.stack([width, np.full(width.shape, 10), height], -1)
  xy, yaw = road_lib.road_point(road, s.ravel(), d.ravel())
  return xy, yaw, size.reshape(-1, 3)


def _along_side_street(road, rng):
  """As `_along_road`, with one at either end."""
  rows = []
  for side in (-1, 1):
    for direction in (-1, 1):
      for row in range(2):
        x = road_lib.SIDE_HALF_WIDTH + 8.3 + rng.uniform(0, 0.6)
        y = _FACE + 10.5 + 13 * (row + 0.5)
        height = rng.uniform(7, 13)
        rows.append([direction * x, side * y, 11, 13, height])
    y = road_lib.SIDE_LENGTH + 5 + road_lib.PAVEMENT_WIDTH
    rows.append([0, side * y, 36, 10, 11])
  xy, size = np.split(np.array(rows), [2], -1)
  heading = float(road.junction_heading)
  cos, sin = np.cos(heading), np.sin(heading)
  xy = xy @ np.array([[cos, sin], [-sin, cos]])
  return xy, np.full(len(xy), heading), size


def _crowns(xy, trunk_height, rng):
  """Centre and half axes `[n, 3]` and colour, two crowns for each tree."""
  radius, brightness, redness, *lean = rng.uniform(
    [1.2, 0.75, 0.8, -0.45, -0.45], [1.7, 1.4, 1.6, 0.45, 0.45], (len(xy), 5)
  ).T
  green = np.array([0.10, 0.20, 0.05]) * brightness[:, None]
  green[:, 0] *= redness
  base = trunk_height + 0.6 * radius
  above = np.column_stack([xy + np.stack(lean, -1), base + 0.75 * radius])
  half = radius[:, None] * [1, 1, 0.85], radius[:, None] * [0.75, 0.75, 0.8]
  both = (np.column_stack([xy, base]), above), half, (green, 1.15 * green)
  return (np.stack(pair, 1).reshape(-1, 3) for pair in both)


def _along_pavement(road, rng, number, first, pitch, offset):
  """Points on both pavements in turn, clear of the side street."""
  index = np.arange(number)
  s = first + pitch * (index // 2) + rng.uniform(-2, 2, number)
  s = np.where(index % 2 == 0, s, s + pitch / 2)
  side = np.where(index % 2 == 0, -1, 1)
  away = s - float(road.junction)
  clearance = road_lib.SIDE_HALF_WIDTH + 4
  s = np.where(
    np.abs(away) < clearance,
    float(road.junction) + np.where(away < 0, -clearance, clearance),
    s,
  )
  return road_lib.road_point(road, s, side * offset)[0]
