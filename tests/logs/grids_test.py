# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Signed distances against their definition."""

import sys

import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types


def test_distance_is_to_the_nearest_cell_of_the_other_kind():
  inside = np.random.default_rng(0).random((9, 13)) < 0.7
  grid = logs.distance_grid(inside, (0, 0), 0.5)
  cells = np.argwhere(np.ones_like(inside)).reshape(9, 13, 2)
  for index in np.ndindex(9, 13):
    others = cells[inside != inside[index]]
    nearest = np.linalg.norm(others - index, axis=-1).min()
    sign = 1 if inside[index] else -1
    assert grid.values[index] == pytest.approx(
      sign * (nearest - 0.5) * 0.5, rel=1e-5
    )


def test_the_edge_of_a_half_plane_lies_between_the_cells():
  inside = np.arange(20)[None, :].repeat(6, 0) < 8
  grid = logs.distance_grid(inside, (10.0, 20.0), 0.25)
  x = np.linspace(10.0, 14.5, 40)
  found = geometry.sample_grid(grid, np.stack([x, np.full(40, 20.6)], -1))
  # Cells 0 to 7 are inside: the edge lies half a cell beyond the middle of 7.
  np.testing.assert_allclose(found, 10 + 7.5 * 0.25 - x, atol=1e-5)


@pytest.mark.parametrize('value', [True, False])
def test_without_an_edge_the_distance_is_large_and_has_the_right_sign(value):
  grid = logs.distance_grid(np.full((3, 4), value), (0, 0), 2.0)
  assert np.unique(grid.values) == pytest.approx(10 if value else -10)


@pytest.mark.parametrize(
  ('shape', 'cell', 'message'),
  [((4,), 1.0, r'\(4,\)'), ((0, 4), 1.0, r'\(0, 4\)'), ((2, 2), 0.0, '0.0 m')],
)
def test_what_is_no_raster_is_refused(shape, cell, message):
  with pytest.raises(ValueError, match=message):
    logs.distance_grid(np.ones(shape, bool), (0, 0), cell)


def test_a_mask_of_polygons_is_that_of_their_crossing_numbers():
  rng = np.random.default_rng(1)
  # Stars that overlap; the last has its own hole, the fourth is no polygon.
  angle = np.sort(rng.uniform(0, 2 * np.pi, (3, 9)), -1)
  radius = rng.uniform(2, 9, (3, 9, 1))
  spokes = radius * np.stack([np.cos(angle), np.sin(angle)], -1)
  xy = np.zeros((5, 10, 2))
  xy[:3, :9] = spokes + rng.uniform(-4, 4, (3, 1, 2))
  xy[3, :2] = [[0, 0], [9, 9]]
  ring = np.array([[-8.1, 3.2], [-2.2, 3.2], [-2.2, 8.3], [-8.1, 8.3]])
  hole = np.array([[-6.4, 4.4], [-6.4, 6.6], [-4.3, 6.6], [-4.3, 4.4]])
  xy[4] = np.concatenate([ring, ring[:1], hole, hole[:1]])
  valid = np.arange(10) < np.array([9, 9, 9, 2, 10])[:, None]
  polygons = types.Polylines(xy=xy.astype(np.float32), valid=valid)
  origin, cell = np.array([-11.3, -9.7]), 0.37
  found = logs.polygon_mask(polygons, (57, 64), origin, cell)
  rows, columns = np.mgrid[:57, :64]
  middles = origin + cell * np.stack([columns, rows], -1)
  expected = np.zeros((57, 64), bool)
  for points, used in zip(polygons.xy, valid, strict=True):
    if used.sum() > 2:
      expected |= np.asarray(geometry.points_in_polygon(middles, points, used))
  np.testing.assert_array_equal(found, expected)
  assert found[:, 0].sum() == 0 and 200 < found.sum() < 3000
  # In the ring, in its hole.
  for point, inside in (((-7.2, 5.5), True), ((-5.2, 5.5), False)):
    alone = trees.take(polygons, slice(4, 5))
    mask = logs.polygon_mask(alone, (1, 1), np.array(point), 1.0)
    assert mask.tolist() == [[inside]]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
