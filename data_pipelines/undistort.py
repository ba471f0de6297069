# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images of lenses to images of pinholes, which is all that a `Log` holds."""

import numpy as np
from scipy import ndimage


def distort(points, coefficients):
  """Where a lens moves points of the image plane, by OpenCV's model.

  Radial and tangential distortion of Brown (1966), as in OpenCV's
  `calib3d` documentation.

  Args:
    points: `[..., 2]` x / z, y / z in OpenCV axes.
    coefficients: `[5]` k1, k2, p1, p2, k3.

  Returns:
    `[..., 2]`.
  """
  k1, k2, p1, p2, k3 = coefficients
  x, y = points[..., 0], points[..., 1]
  r2 = x * x + y * y
  radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
  return np.stack(
    [
      x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
      y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    ],
    -1,
  )


def undistort(image, intrinsics, coefficients):
  """The image that a pinhole of the same intrinsics would have taken.

  Args:
    image: `[H, W, 3]` uint8.
    intrinsics: `[3, 3]` pixels; pixel (0, 0) covers [0, 1) x [0, 1).
    coefficients: see `distort`.

  Returns:
    `[H, W, 3]` uint8, black where the lens did not look.

  Raises:
    ValueError: if the coefficients are not five finite numbers, or the
      intrinsics no pinhole's.
  """
  coefficients = np.asarray(coefficients, np.float64)
  if coefficients.shape != (5,) or not np.all(np.isfinite(coefficients)):
    raise ValueError(
      f'distortion {coefficients.tolist()}: expected k1, k2, p1, p2, k3'
    )
  matrix = np.asarray(intrinsics, np.float64)
  is_finite = matrix.shape == (3, 3) and np.all(np.isfinite(matrix))
  if not is_finite or np.linalg.det(matrix) <= 0:
    raise ValueError(f'intrinsics {matrix.tolist()}: no pinhole')
  height, width, _ = image.shape
  y, x = np.mgrid[:height, :width] + 0.5
  inverse = np.linalg.inv(matrix)
  points = np.stack([x, y, np.ones_like(x)], -1) @ inverse.T
  squared = np.sum(points[..., :2] ** 2, -1)
  points = distort(points[..., :2], coefficients)
  # Beyond its turning point the polynomial folds back onto the image.
  points[squared >= _turning_point(coefficients)] = np.inf
  ones = np.ones((height, width, 1))
  pixels = np.concatenate([points, ones], -1) @ matrix.T
  # `map_coordinates` has the centre of the first pixel at 0.
  where = np.nan_to_num(pixels[..., [1, 0]] - 0.5, nan=-2.0, posinf=-2.0)
  channels = [
    ndimage.map_coordinates(
      image[..., i].astype(np.float64),
      np.moveaxis(where, -1, 0),
      order=1,
      mode='grid-constant',
    )
    for i in range(3)
  ]
  return np.round(np.stack(channels, -1)).astype(np.uint8)


def _turning_point(coefficients):
  """Square of the radius up to which the radial distortion grows."""
  k1, k2, _, _, k3 = coefficients
  roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1])
  real = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > 0)]
  return np.min(real, initial=np.inf)
