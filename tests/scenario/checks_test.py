# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Boxes against polygons in float64, limits against circles, the ground."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import scenario
from rdrl import types
from rdrl.scenario import checks

CONFIG = scenario.Config()


def _corners(xy, yaw, size):
  signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
  x, y = np.moveaxis(signs * size[:, None], -1, 0)
  cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
  return xy[:, None] + np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def _cross(a, b):
  return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _polygons_meet(a, b):
  """Whether convex polygons `[n, 4, 2]` meet: edges cross, or one holds one."""
  edge_a, edge_b = np.roll(a, -1, 1) - a, np.roll(b, -1, 1) - b
  between = b[:, None] - a[:, :, None]
  edge_a, edge_b = edge_a[:, :, None], edge_b[:, None]
  parallel = _cross(edge_a, edge_b)
  with np.errstate(divide='ignore', invalid='ignore'):
    along_a = _cross(between, edge_b) / parallel
    along_b = _cross(between, edge_a) / parallel
  crosses = (along_a >= 0) & (along_a <= 1) & (along_b >= 0) & (along_b <= 1)

  def holds(polygon, point):
    edge = np.roll(polygon, -1, 1) - polygon
    return np.all(_cross(edge, point[:, None] - polygon) > 0, 1)

  return crosses.any((1, 2)) | holds(a, b[:, 0]) | holds(b, a[:, 0])


def test_boxes_meet_as_polygons_do_on_100000_pairs():
  rng = np.random.default_rng(0)
  count = 100_000
  xy = rng.uniform(-4, 4, (2, count, 2))
  yaw = rng.uniform(-np.pi, np.pi, (2, count))
  size = rng.uniform([0.4, 0.4], [8.0, 3.0], (2, count, 2))
  expected = _polygons_meet(
    *(_corners(*box) for box in zip(xy, yaw, size, strict=True))
  )

  @jax.jit
  def both(xy, yaw, size):
    boxes = (geometry.boxes(xy[i], yaw[i], size[i]) for i in (0, 1))
    met = geometry.boxes_overlap(xy[0], yaw[0], size[0], xy[1], yaw[1], size[1])
    return met, geometry.separation(*boxes)

  met, gap = map(np.asarray, both(*map(jnp.float32, (xy, yaw, size))))
  # Those that touch within the digits of float32 may go either way.
  clear = np.abs(gap) > 1e-5
  assert clear.mean() > 0.999 and 0.2 < expected.mean() < 0.9
  np.testing.assert_array_equal(met[clear], expected[clear])
  np.testing.assert_array_equal((gap < 0)[clear], expected[clear])


def test_kinematics_of_a_circle():
  time = jnp.arange(50) * 0.1

  @jax.jit
  def check(speed, radius, wheeled):
    angle = speed / radius * time
    xy = radius * jnp.stack([jnp.sin(angle), 1 - jnp.cos(angle)], -1)
    moving, yaw = checks.motion(xy, angle)
    return checks.kinematics(moving, yaw, jnp.ones(50, bool), CONFIG, wheeled)

  for speed, radius, wheeled, failed in (
    (10.0, 20.0, True, set()),
    (12.0, 20.0, True, {'lateral_acceleration'}),
    (4.0, 4.0, True, {'curvature'}),
    # Who walks may turn on the spot.
    (4.0, 4.0, False, set()),
  ):
    found = check(speed, radius, wheeled)
    assert {name for name, value in found.items() if value} == failed


def test_wheels_are_on_the_ground_or_not():
  x = np.arange(-20, 20.5, 0.5)
  size = jnp.array([4.6, 1.9, 1.5])

  @jax.jit
  def off(height, place, wheeled):
    grid = types.Grid(
      values=height, origin=jnp.array([-20.0, -20.0]), cell=jnp.float32(0.5)
    )
    xy = place[None]
    yaw = jnp.zeros(1)
    return checks.off_the_ground(grid, xy, yaw, size, CONFIG, wheeled)[0]

  def find(height, place=(0.0, 0.0), wheeled=True):
    height = np.broadcast_to(height, (len(x), len(x))).astype(np.float32)
    return bool(off(height, jnp.array(place), wheeled))

  column, row = x[None], x[:, None]
  assert not find(0 * column)
  assert not find(0.2 * column + 0.1 * row)
  assert find(0.3 * column)
  # A ledge under one wheel: a quarter of 0.6 is more than 0.1.
  ledge = 0.6 * ((column >= 1) & (row >= 0.5))
  assert not find(0.5 * ledge)
  assert find(ledge) and not find(ledge, wheeled=False)
  assert find(0 * column, place=(19.0, 0.0), wheeled=False)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
