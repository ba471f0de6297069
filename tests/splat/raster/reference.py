# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The rasterizer again, in float64 NumPy and without tiles."""

import numpy as np

from rdrl import splat

PARAMETERS = ('means', 'log_scales', 'quats', 'opacity_logits', 'sh')


def _rotation(quat):
  w, x, y, z = quat / np.linalg.norm(quat)
  return np.array(
    [
      [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
      [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
      [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
  )


def _harmonics(d, num):
  """Real spherical harmonics by the textbook, square roots unsimplified."""
  x, y, z = d
  pi, sqrt = np.pi, np.sqrt
  return np.array(
    [
      sqrt(1 / (4 * pi)),
      -sqrt(3 / (4 * pi)) * y,
      sqrt(3 / (4 * pi)) * z,
      -sqrt(3 / (4 * pi)) * x,
      sqrt(15 / (4 * pi)) * x * y,
      -sqrt(15 / (4 * pi)) * y * z,
      sqrt(5 / (16 * pi)) * (3 * z * z - 1),
      -sqrt(15 / (4 * pi)) * x * z,
      sqrt(15 / (16 * pi)) * (x * x - y * y),
      -sqrt(35 / (32 * pi)) * y * (3 * x * x - y * y),
      sqrt(105 / (4 * pi)) * x * y * z,
      -sqrt(21 / (32 * pi)) * y * (5 * z * z - 1),
      sqrt(7 / (16 * pi)) * z * (5 * z * z - 3),
      -sqrt(21 / (32 * pi)) * x * (5 * z * z - 1),
      sqrt(105 / (16 * pi)) * z * (x * x - y * y),
      -sqrt(35 / (32 * pi)) * x * (x * x - 3 * y * y),
    ]
  )[:num]


def image(parameters, camera, background, poses, held=None, config=None):
  """One pixel at a time in spirit: every Gaussian against every pixel.

  Args:
    parameters: dictionary of float64 arrays.
    camera: `types.Camera`.
    background: `[3]` or `[H, W, 3]`.
    poses: `[N, 4, 4]` world_from_local of each Gaussian.
    held: what an earlier call returned as such, which (Gaussian, pixel) pairs
      to blend in which order, to hold both still while differentiating; None
      applies the thresholds and sorts by depth.
    config: a `splat.RenderConfig`; None is the default.

  Returns:
    `[H, W, 5]` colour, expected depth, alpha; and `held`.
  """
  config = config or splat.RenderConfig()
  height, width = camera.height, camera.width
  K = np.asarray(camera.intrinsics, np.float64)
  view = np.asarray(camera.camera_from_world, np.float64)
  py, px = np.mgrid[:height, :width] + 0.5
  num = len(parameters['means'])
  splats = []
  for i in range(num):
    m = view @ poses[i]
    point = m[:3, :3] @ parameters['means'][i] + m[:3, 3]
    x, y, z = point
    shear = K[0, 1] / K[0, 0]
    x += shear * y
    if not config.near < z < config.far:
      continue
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    tan_x, tan_y = 0.5 * width / fx, 0.5 * height / fy
    tx = z * np.clip(
      x / z, -cx / fx - 0.3 * tan_x, (width - cx) / fx + 0.3 * tan_x
    )
    ty = z * np.clip(
      y / z, -cy / fy - 0.3 * tan_y, (height - cy) / fy + 0.3 * tan_y
    )
    J = np.array(
      [
        [fx / z, K[0, 1] / z, -fx * tx / z**2],
        [0, fy / z, -fy * ty / z**2],
      ]
    )
    R = _rotation(parameters['quats'][i])
    S = np.diag(np.exp(2 * parameters['log_scales'][i]))
    cov = J @ m[:3, :3] @ R @ S @ R.T @ m[:3, :3].T @ J.T
    blurred = cov + config.eps2d * np.eye(2)
    conic = np.linalg.inv(blurred)
    eye = -m[:3, :3].T @ m[:3, 3]
    direction = parameters['means'][i] - eye
    basis = _harmonics(
      direction / np.linalg.norm(direction), parameters['sh'].shape[1]
    )
    color = np.maximum(0.5 + basis @ parameters['sh'][i], 0)
    opacity = 1 / (1 + np.exp(-parameters['opacity_logits'][i]))
    if config.antialiased:
      opacity *= np.sqrt(np.linalg.det(cov) / np.linalg.det(blurred))
    d = np.stack([px - fx * x / z - cx, py - fy * y / z - cy], -1)
    sigma = 0.5 * np.einsum('hwi,ij,hwj->hw', d, conic, d)
    splats.append((z, i, sigma, opacity, color))
  if held is None:
    splats.sort(key=lambda s: s[:2])
  else:
    splats.sort(key=lambda s: held[1].index(s[1]))
  transmittance = np.ones((height, width))
  finished = np.zeros((height, width), bool)
  image = np.zeros((height, width, 4))
  used = np.zeros((num, height, width), bool)
  for z, i, sigma, opacity, color in splats:
    alpha = np.minimum(0.999, opacity * np.exp(-sigma))
    after = transmittance * (1 - alpha)
    if held is None:
      touches = alpha >= 1 / 255
      finished |= touches & (after <= 1e-4)
      use = touches & ~finished
    else:
      use = held[0][i]
    used[i] = use
    weight = np.where(use, alpha * transmittance, 0)
    image += weight[..., None] * np.append(color, z)
    transmittance = np.where(use, after, transmittance)
  held = used, [i for _, i, *_ in splats]
  alpha = 1 - transmittance
  color = image[..., :3] + transmittance[..., None] * background
  depth = image[..., 3] / np.where(alpha > 0, alpha, 1)
  image = np.concatenate([color, depth[..., None], alpha[..., None]], -1)
  return image, held


def double(gaussians):
  return {
    name: np.asarray(getattr(gaussians, name), np.float64)
    for name in PARAMETERS
  }


def central_differences(function, value, step=1e-6):
  gradient = np.zeros_like(value)
  for index in np.ndindex(value.shape):
    shifted = value.copy()
    shifted[index] += step
    up = function(shifted)
    shifted[index] -= 2 * step
    gradient[index] = (up - function(shifted)) / (2 * step)
  return gradient
