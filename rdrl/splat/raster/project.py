# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Projects Gaussians to ellipses (EWA splatting, Zwicker et al. 2001).

Conventions are gsplat's (arXiv 2409.06765), so that scenes and scores can be
compared: the clamp of the Jacobian to 1.3 fields of view, the low-pass `eps2d`
on the projected covariance, colours 0.5 + spherical harmonics cut at zero.
"""

import functools
import operator

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.splat.raster import blocks

# Real spherical harmonics, the constants and order of 3DGS (Kerbl et al. 2023).
SH0 = 0.28209479177387814
_SH1 = 0.4886025119029199
_SH2 = (
  1.0925484305920792,
  -1.0925484305920792,
  0.31539156525252005,
  -1.0925484305920792,
  0.5462742152960396,
)
_SH3 = (
  -0.5900435899266435,
  2.890611442640554,
  -0.4570457994644658,
  0.3731763325901154,
  -0.4570457994644658,
  1.445305721320277,
  -0.5900435899266435,
)

# Squares of larger values, seen from near, are not finite.
_LARGEST_MEAN = 1e15
_LARGEST_LOG_SCALE = 40.0


@struct.dataclass
class Splats:
  """Gaussians on an image.

  Attributes:
    xy: `[N, 2]` pixels.
    conic: `[N, 3]` inverse covariance xx, xy, yy.
    reach: `[N, 2]` half extents in pixels of the ellipse on which alpha falls
      to 1/255.
    log_opacity: `[N]`.
    color: `[N, 3]`.
    depth: `[N]` metres along the optical axis.
    visible: `[N]` bool.
    slope: `[N, 2]` metres of depth per pixel: the depth of a Gaussian in a
      pixel is that of its mean plus the slope times the offset of the pixel
      (RaDe-GS, Zhang et al. 2024); None unless asked for.
  """

  xy: jax.Array
  conic: jax.Array
  reach: jax.Array
  log_opacity: jax.Array
  color: jax.Array
  depth: jax.Array
  visible: jax.Array
  slope: jax.Array | None = None


def sh_basis(direction, num_coefficients):
  """`K` real spherical harmonics `[N]` of unit directions `[N, 3]`, K <= 16."""
  x, y, z = jnp.unstack(direction, axis=-1)
  basis = [jnp.full_like(x, SH0)]
  if num_coefficients > 1:
    basis += [-_SH1 * y, _SH1 * z, -_SH1 * x]
  if num_coefficients > 4:
    xx, yy, zz = x * x, y * y, z * z
    basis += [
      _SH2[0] * x * y,
      _SH2[1] * y * z,
      _SH2[2] * (2 * zz - xx - yy),
      _SH2[3] * x * z,
      _SH2[4] * (xx - yy),
    ]
  if num_coefficients > 9:
    basis += [
      _SH3[0] * y * (3 * xx - yy),
      _SH3[1] * x * y * z,
      _SH3[2] * y * (4 * zz - xx - yy),
      _SH3[3] * z * (2 * zz - 3 * xx - 3 * yy),
      _SH3[4] * x * (4 * zz - xx - yy),
      _SH3[5] * z * (xx - yy),
      _SH3[6] * x * (xx - 3 * yy),
    ]
  return basis


def project(
  gaussians: types.Gaussians,
  camera: types.Camera,
  config,
  node_poses=None,
  node_valid=None,
  *,
  slopes=False,
):
  """Projects Gaussians into one camera; returns `Splats`.

  View directions for the spherical harmonics are taken in the frame of a
  Gaussian's mean, so that a moving object carries its colours with it.

  Args:
    gaussians: `N` of them.
    camera: one.
    config: `RenderConfig`.
    node_poses: `[A, 4, 4]` world_from_box, row 0 ignored; None: all means are
      in the world frame.
    node_valid: `[A]` bool, which nodes are drawn; None draws all. Row 0 is
      ignored: the background is always drawn.
    slopes: whether to compute `Splats.slope`.
  """
  # First into the world, which cameras share under `vmap`, then into the
  # camera, whose pose is the same for all Gaussians and need not be gathered.
  # Products with 3x3 matrices are written out: many small ones are slow on
  # every backend, and a TPU would round them.
  visible, mean, quat, log_scale, logit = _proper(gaussians)
  axes = _local_axes(quat, log_scale)
  if node_valid is not None:
    is_fixed = gaussians.node <= types.BACKGROUND
    visible &= is_fixed | node_valid[gaussians.node]
  view = camera.camera_from_world
  if node_poses is not None:
    node = jnp.maximum(gaussians.node, types.BACKGROUND)
    poses = jnp.concatenate([jnp.eye(4)[None], node_poses[1:]])
    pose = jnp.unstack(poses[:, :3].reshape(-1, 12)[node], axis=-1)
    pose = [pose[4 * i : 4 * i + 4] for i in range(3)]
    mean = [sum(map(operator.mul, row, [*mean, 1.0])) for row in pose]
    axes = _product(pose, axes)
    mean, axes, pose = jax.lax.optimization_barrier((mean, axes, pose))
  # From the camera to the mean, in the world and then in the mean's frame.
  away = [
    mean[i] + sum(view[k, i] * view[k, 3] for k in range(3)) for i in range(3)
  ]
  if node_poses is not None:
    away = [sum(pose[k][i] * away[k] for k in range(3)) for i in range(3)]
  turned = _turned(view[:3, :3], [[*axes[i], mean[i]] for i in range(3)])
  in_camera = [row[:3] for row in turned]
  point = [turned[i][3] + view[i, 3] for i in range(3)]
  depth = point[2]
  visible &= (depth > config.near) & (depth < config.far)
  z = jnp.where(visible, depth, 1.0)

  fx, fy = camera.intrinsics[0, 0], camera.intrinsics[1, 1]
  # A camera with skew is one without, before a sheared world.
  shear = camera.intrinsics[0, 1] / fx
  point[0] += shear * point[1]
  in_camera[0] = [
    x + shear * y for x, y in zip(in_camera[0], in_camera[1], strict=True)
  ]
  cx, cy = camera.intrinsics[0, 2], camera.intrinsics[1, 2]
  slope_x, slope_y = point[0] / z, point[1] / z
  xy = jnp.stack([fx * slope_x + cx, fy * slope_y + cy], -1)

  # Far outside the field of view the linearisation explodes, hence the clamp.
  margin_x = 0.3 * 0.5 * camera.width / fx
  margin_y = 0.3 * 0.5 * camera.height / fy
  slope_x = jnp.clip(
    slope_x, -cx / fx - margin_x, (camera.width - cx) / fx + margin_x
  )
  slope_y = jnp.clip(
    slope_y, -cy / fy - margin_y, (camera.height - cy) / fy + margin_y
  )

  # J W R S: its rows are the image-plane directions of the principal axes.
  u = [fx * (in_camera[0][k] - slope_x * in_camera[2][k]) / z for k in range(3)]
  v = [fy * (in_camera[1][k] - slope_y * in_camera[2][k]) / z for k in range(3)]
  *_, determinant = _footprint(*jax.lax.stop_gradient((u, v)), config.eps2d)
  visible &= jnp.isfinite(determinant)
  u, v = jax.tree.map(lambda x: jnp.where(visible, x, 0), (u, v))
  var_x, var_y, cov, sharp, determinant = _footprint(u, v, config.eps2d)
  determinant = jnp.where(visible, determinant, 1.0)
  conic = jnp.stack([var_y, -cov, var_x], -1) / determinant[:, None]

  log_opacity = jax.nn.log_sigmoid(logit)
  if config.antialiased:
    # The floor is far below what could be seen, and keeps gradients finite.
    log_opacity += 0.5 * jnp.log(jnp.maximum(sharp / determinant, 1e-12))
  visible &= jnp.isfinite(jnp.sum(conic, -1) + jnp.sum(xy, -1))
  cutoff = 2 * (log_opacity - np.log(blocks.MIN_ALPHA))
  cutoff = jnp.where(visible, jnp.maximum(cutoff, 0), 0)
  reach = jnp.sqrt(
    jax.lax.stop_gradient(cutoff[:, None] * jnp.stack([var_x, var_y], -1))
  )
  # From a root, whose result XLA for CPUs keeps; it would recompute all else
  # wherever `visible` is used.
  visible = jnp.max(reach, -1) > 0

  # No gradient through harmonics, which may not be finite, where not drawn.
  direction = jnp.stack([jnp.where(visible, x, 1) for x in away], -1)
  direction = direction / jnp.maximum(
    geometry.safe_norm(direction, keepdims=True), 1e-12
  )
  basis = sh_basis(direction, gaussians.sh.shape[1])
  color = 0.5 + sum(
    b[:, None] * gaussians.sh[:, k] for k, b in enumerate(basis)
  )
  return Splats(
    xy=xy,
    conic=conic,
    reach=reach,
    log_opacity=log_opacity,
    color=jnp.maximum(color, 0),
    depth=depth,
    visible=visible,
    slope=_slopes((u, v), in_camera[2], conic) if slopes else None,
  )


def _slopes(across, along, conic):
  """See `Splats`: the covariance of pixel and depth over that of the pixel."""
  x, y = (sum(map(operator.mul, row, along)) for row in across)
  xx, xy, yy = jnp.unstack(conic, axis=-1)
  return jnp.stack([xx * x + xy * y, xy * x + yy * y], -1)


def _product(left, right):
  """Product of two matrices; all three are lists of rows of arrays."""
  return [
    [sum(row[j] * right[j][k] for j in range(3)) for k in range(len(right[0]))]
    for row in left
  ]


def _turned(rotation, rows):
  """`_product` with one `[3, 3]` matrix for all Gaussians.

  XLA for CPUs recomputes inputs in each loop that uses them, above all in those
  of gradients, but not across a matrix product.
  """
  width = len(rows[0])

  def in_one(rotation, rows):
    flat = jnp.stack([jnp.stack(row) for row in rows]).reshape(3, -1)
    turned = jnp.matmul(rotation, flat, precision=jax.lax.Precision.HIGHEST)
    return [list(jnp.unstack(row)) for row in turned.reshape(3, width, -1)]

  return jax.lax.platform_dependent(
    rotation, rows, cpu=in_one, default=_product
  )


def _proper(gaussians):
  """Finds the Gaussians that can be drawn, and their parameters as lists.

  Replaces the others by harmless ones: gradients of poses sum over all
  Gaussians, and zero times a derivative that is not finite is NaN.

  Returns:
    `[N]` bool, the elements of means, quaternions and logarithms of scales, and
    the logits of opacity.
  """
  mean, quat, log_scale = (
    jnp.unstack(x, axis=-1)
    for x in (gaussians.means, gaussians.quats, gaussians.log_scales)
  )
  logit = gaussians.opacity_logits
  conditions = [jnp.abs(x) < _LARGEST_MEAN for x in mean]
  conditions += [x < _LARGEST_LOG_SCALE for x in log_scale]
  conditions += [jnp.isfinite(x) for x in quat]
  conditions += [sum(x * x for x in quat) > 0, ~jnp.isnan(logit)]
  is_proper = functools.reduce(operator.and_, conditions)
  mean, log_scale, logit = jax.tree.map(
    lambda x: jnp.where(is_proper, x, 0), (mean, log_scale, logit)
  )
  quat = [jnp.where(is_proper, x, 1) for x in quat]
  return is_proper, list(mean), quat, log_scale, logit


def _footprint(u, v, eps2d):
  """Covariance on the image and its determinants.

  Args:
    u: first row of J W R S.
    v: second row.
    eps2d: see `RenderConfig`.

  Returns:
    Variances along x and y, covariance, the determinant without the low-pass,
    and with it.
  """
  var_x = sum(x * x for x in u) + eps2d
  var_y = sum(y * y for y in v) + eps2d
  cov = sum(x * y for x, y in zip(u, v, strict=True))
  # |u x v|^2 + eps (|u|^2 + |v|^2) + eps^2: the determinant without the
  # cancellation that a needle would suffer.
  cross = [
    u[1] * v[2] - u[2] * v[1],
    u[2] * v[0] - u[0] * v[2],
    u[0] * v[1] - u[1] * v[0],
  ]
  sharp = sum(x * x for x in cross)
  return var_x, var_y, cov, sharp, sharp + eps2d * (var_x + var_y - eps2d)


def _local_axes(quat, log_scale):
  """Rows of R S as `[3][3]` arrays of shape `[N]`, from lists of such."""
  # `geometry.rotation_from_quat`, but one array per element: slices of stacked
  # arrays are slow in the backward pass.
  norm = jnp.sqrt(sum(x * x for x in quat))
  w, x, y, z = (x / norm for x in quat)
  scale = [jnp.exp(x) for x in log_scale]
  rotation = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
  return [[row[k] * scale[k] for k in range(3)] for row in rotation]
