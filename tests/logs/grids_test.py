# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Signed distances against their definition."""

import sys

import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs


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


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
