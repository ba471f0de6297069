# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import spatial

from rdrl import geometry
from rdrl import refine
from rdrl import trees
from rdrl import types

HEIGHT, WIDTH = 48, 64
# Looks along world +x from the origin, 1.5 m up.
CAMERA = types.Camera(
  camera_from_world=np.array(
    [[0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]], np.float32
  ),
  intrinsics=np.array([[40, 0, 32], [0, 40, 24], [0, 0, 1]], np.float32),
  height=HEIGHT,
  width=WIDTH,
)
SIZES = np.array([[4, 2, 1.5], [4, 2, 1.5], [1, 1, 1.8]], np.float32)
CLASSES = np.array([types.VEHICLE, types.VEHICLE, types.PEDESTRIAN])


def _agents(car=(12.0, 1.0, 0.4), walker=(40.0, 30.0, 0.0), valid=(1, 1, 1)):
  poses = np.array([(5, 0, 0), car, walker], np.float32)
  return types.AgentState(
    xy=poses[:, :2],
    z=SIZES[:, 2] / 2,
    yaw=poses[:, 2],
    speed=np.zeros(3, np.float32),
    valid=np.array(valid, bool),
  )


def _corners(agents, index):
  signs = np.stack(np.meshgrid(*[[-1, 1]] * 3), -1).reshape(-1, 3) / 2
  pose = geometry.world_from_box(trees.take(agents, index))
  return geometry.transform_points(pose, signs * SIZES[index])


_raster = jax.jit(refine.box_raster)


def test_box_covers_what_its_projected_corners_enclose():
  agents = _agents(valid=(1, 1, 0))
  raster, depth = _raster(CAMERA, agents, SIZES, CLASSES)
  pixels, _ = geometry.project(CAMERA, _corners(agents, 1))
  hull = np.asarray(pixels)[spatial.ConvexHull(pixels).vertices]
  centres = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1) + 0.5
  inside = geometry.points_in_polygon(
    jnp.asarray(centres), jnp.asarray(hull), jnp.ones(len(hull), bool)
  )
  assert 20 < np.sum(inside) < 500
  np.testing.assert_array_equal(raster[..., 0] == 1, inside)
  np.testing.assert_array_equal(np.isfinite(depth), inside)


def test_face_straight_ahead_has_its_depth_and_faces_the_camera():
  raster, depth = _raster(CAMERA, _agents(car=(12.0, 0.0, 0.0)), SIZES, CLASSES)
  assert depth[26, 32] == pytest.approx(10, abs=1e-4)
  assert raster[26, 32, 2] > 0.99


def test_nearer_box_hides_the_other_and_classes_are_apart():
  agents = _agents(car=(12.0, 0.0, 0.0), walker=(8.0, 0.0, 0.0))
  raster, depth = _raster(CAMERA, agents, SIZES, CLASSES)
  np.testing.assert_array_equal(raster[26, 32, :2], [0, 1])
  assert depth[26, 32] == pytest.approx(7.5, abs=1e-4)


def test_ego_and_invalid_agents_are_not_drawn():
  raster, _ = _raster(CAMERA, _agents(valid=(1, 0, 0)), SIZES, CLASSES)
  assert not np.any(raster)


def _map():
  """One lane centre at y = 0 and one boundary at y = 2, along x."""
  x = np.linspace(0, 60, 4)
  row = np.ones((1, 4), bool)
  none = types.Polylines(np.zeros((1, 4, 2)), np.zeros((1, 4), bool))
  return types.Map(
    lanes=types.Polylines(np.stack([x, 0 * x], -1)[None], row),
    lane_width=np.full(1, 4.0),
    boundaries=types.Polylines(np.stack([x, 0 * x + 2], -1)[None], row),
    drivable=none,
    crosswalks=none,
    stop_lines=none,
  )


FLAT = types.Grid(
  values=np.zeros((2, 2), np.float32),
  origin=np.zeros(2, np.float32),
  cell=np.float32(1),
)


def test_grid_holds_the_distance_to_lines_and_to_centres():
  grid = refine.lane_grid(_map(), resolution=256)
  for y in (-1.5, 0.5, 2.0, 4.0):
    for values, line in zip(grid.values, (2, 0), strict=True):
      found = geometry.sample_grid(
        grid.replace(values=values), jnp.array([30.0, y])
      )
      expected = min(abs(y - line), 3)
      assert found == pytest.approx(expected, abs=float(grid.cell))


def test_lines_appear_where_they_project():
  grid = refine.lane_grid(_map(), resolution=512)
  raster, depth = jax.jit(refine.lane_raster)(CAMERA, grid, FLAT)
  for channel, y in ((0, 2.0), (1, 0.0)):
    points = jnp.array([[6.0, y, 0], [9.0, y, 0]])
    pixels, depths = geometry.project(CAMERA, points)
    for (column, row), distance in zip(pixels, depths, strict=True):
      row, column = int(row), int(column)
      # A thin line fades with what it fills of a pixel's length on the ground.
      footprint = float(distance) ** 2 / 40 / 1.5
      assert raster[row, column, channel] == pytest.approx(
        2 * 0.15 / footprint, rel=0.3
      )
      assert raster[row, column, 1 - channel] == 0
      assert depth[row, column] == pytest.approx(float(distance), rel=0.1)


def test_sky_has_no_lines():
  raster, depth = jax.jit(refine.lane_raster)(
    CAMERA, refine.lane_grid(_map(), resolution=64), FLAT
  )
  assert not np.any(raster[:24])
  assert np.all(np.isinf(depth[:24]))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
