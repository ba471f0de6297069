# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import numpy as np
import pytest

from data_pipelines import undistort

COEFFICIENTS = (-0.3, 0.1, 0.002, -0.001, 0.01)
INTRINSICS = np.array([[90.0, 0, 81.0], [0, 92.0, 49.0], [0, 0, 1]])
HEIGHT, WIDTH = 100, 160


def _pattern(points):
  """A smooth colour of each point of the image plane."""
  x, y = points[..., 0], points[..., 1]
  waves = np.sin(4 * x), np.cos(5 * y), np.sin(3 * x + 2 * y)
  return np.round(127.5 * (1 + np.stack(waves, -1))).astype(np.uint8)


def _plane():
  y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
  return np.stack([(x - 81) / 90, (y - 49) / 92], -1)


def test_image_of_a_lens_becomes_that_of_a_pinhole():
  # What a lens sees in a pixel is the point that it moves there.
  seen = _plane()
  for _ in range(50):
    seen += _plane() - undistort.distort(seen, COEFFICIENTS)
  found = undistort.undistort(_pattern(seen), INTRINSICS, COEFFICIENTS)
  error = np.abs(found.astype(float) - _pattern(_plane()))
  assert np.percentile(error[10:-10, 10:-10], 99) <= 2
  assert np.abs(_pattern(seen).astype(float) - _pattern(_plane())).max() > 30


def test_corner_beyond_the_lens_is_black():
  # With k1 alone the distorted radius is largest at r = 1 / sqrt(-3 k1).
  image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
  found = undistort.undistort(image, INTRINSICS, (-0.5, 0, 0, 0, 0))
  radius = np.linalg.norm(_plane(), axis=-1)
  assert not np.any(found[radius > 1.01 / np.sqrt(1.5)])
  assert np.all(found[radius < 0.5] == 200)


def test_no_distortion_changes_nothing():
  image = _pattern(_plane())
  found = undistort.undistort(image, INTRINSICS, (0,) * 5)
  np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize('wrong', [(0.1, 0.2), (0, 0, 0, 0, np.nan)])
def test_wrong_coefficients_are_named(wrong):
  image = _pattern(_plane())
  with pytest.raises(ValueError, match='expected k1, k2, p1, p2, k3'):
    undistort.undistort(image, INTRINSICS, wrong)


@pytest.mark.parametrize('focal', [0.0, np.nan, np.inf])
def test_intrinsics_of_no_pinhole_are_named(focal):
  intrinsics = np.array([[focal, 0, 8], [0, 9, 4], [0, 0, 1]])
  with pytest.raises(ValueError, match='no pinhole'):
    undistort.undistort(np.zeros((8, 16, 3), np.uint8), intrinsics, (0,) * 5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
