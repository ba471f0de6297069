# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Where a scene was seen and where it is guessing.

Laplace's approximation about a fit: with J the derivative of all recorded
pixels with respect to a parameter and s the deviation of a pixel's noise, the
parameter's precision is |J|^2 / s^2 plus that of a broad prior (FisherRF, Jiang
et al. 2024, and FaithFusion weigh by the same diagonal). Off the recorded path,
pixels that depend on unseen parameters vary much under this posterior. Where a
fit misses the recording, more recordings do not make it more certain. A second
variance covers that, the discrepancy of model and world (Kennedy and O'Hagan
2001), estimated for each Gaussian from the errors of its pixels. Logarithms of
errors are averaged (multiplicative heteroscedasticity, Harvey 1976): a mean of
squared errors would follow the few worst pixels.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import moment
from rdrl.splat.appearance import views
from rdrl.splat.raster import rendering

# Deviations of the prior: metres, log metres, quaternion, logit and colour.
PRIOR = {
  'means': 0.3,
  'log_scales': 0.5,
  'quats': 0.3,
  'opacity_logits': 2.0,
  'sh': 0.3,
}

# Floors, below which values are noise: of a squared error, one step of a byte;
# of a squared gradient, three; of the light that passes all Gaussians.
_LEAST_ERROR, _LEAST_GRADIENT, _LEAST_LIGHT = 1 / 255**2, 10 / 255**2, 0.01
# -E[log x^2] of a standard normal variable x.
_LOG_BIAS = 1.27


@struct.dataclass
class Discrepancy:
  """How far renders are from the recording.

  A linear model of the logarithm of a pixel's squared error, mean over
  channels. Its terms, in the order of `weights`: 1; the blended levels of the
  Gaussians in the pixel; the logarithm of the render's squared gradient, since
  a misplaced edge costs more than a misplaced wall; the logarithm of the share
  of light that passes all Gaussians.

  Attributes:
    level: `[N]`, 0 for a Gaussian that no view shows.
    weights: `[4]`.
    noise: `[]` root of the mean squared error, for `deviations`.
  """

  level: types.Array
  weights: types.Array
  noise: types.Array


def fisher(scene, cameras, agents, camera_index, key, config, times=None):
  """Diagonal of the Fisher information of the Gaussians, for unit noise.

  The sum of squared derivatives over pixels and channels is the expected square
  of the derivative of a sum with random signs (Hutchinson), so that each view
  costs one backward pass.

  Args:
    scene: reconstruction.
    cameras: `[V]` views that were fitted.
    agents: `[V, A]` at the time of each.
    camera_index: `[V]` int32, the camera whose exposure each view has.
    key: of the signs.
    config: rendering settings.
    times: `[V]` seconds, see `views.render_scene`.

  Returns:
    Name of a parameter to an array of its shape.
  """
  scene = jax.tree.map(jnp.asarray, scene)
  total = {k: jnp.zeros_like(getattr(scene.gaussians, k)) for k in PRIOR}
  for i in range(len(camera_index)):
    total = _add_view(
      total,
      scene,
      *trees.take((cameras, agents, camera_index, times), i),
      jax.random.fold_in(key, i),
      config,
    )
  return total


@functools.partial(jax.jit, static_argnames='config', donate_argnames='total')
def _add_view(total, scene, camera, agents, camera_index, time, key, config):
  signs = jax.random.rademacher(key, (camera.height, camera.width, 3), float)

  def project(parameters):
    one = scene.replace(gaussians=scene.gaussians.replace(**parameters))
    image = views.render_scene(
      one, camera, agents, camera_index, config, time=time
    )
    return jnp.sum(image.color * signs)

  slopes = jax.grad(project)({k: getattr(scene.gaussians, k) for k in total})
  return jax.tree.map(lambda x, y: x + y * y, total, slopes)


def deviations(information, noise):
  """Posterior standard deviations: name of a parameter to its shape.

  Args:
    information: from `fisher`.
    noise: standard deviation of a pixel's colour about the fit.
  """
  return {
    k: jax.lax.rsqrt(x / noise**2 + PRIOR[k] ** -2)
    for k, x in information.items()
  }


def discrepancy(
  scene, cameras, agents, camera_index, images, config, times=None
):
  """Estimates the `Discrepancy` of a scene from recorded images.

  Args:
    scene: reconstruction.
    cameras: see `fisher`.
    agents: see `fisher`.
    camera_index: see `fisher`.
    images: `[V, H, W, 3]` in [0, 1], recorded.
    config: rendering settings.
    times: see `fisher`.

  Returns:
    `Discrepancy`. Half of the views give the levels: means of the log errors
    over pixels, weighted by a Gaussian's share of each, less what gradient and
    light explain, and with one more pixel of the overall mean. The other half
    gives the weights by least squares, because averaging and blending flatten
    the levels.
  """
  scene = jax.tree.map(jnp.asarray, scene)
  views = [
    trees.take((cameras, agents, camera_index, images, times), i)
    for i in range(len(camera_index))
  ]
  # The halves of the Thue-Morse sequence both have all cameras of any rig.
  halves = [
    [view for i, view in enumerate(views) if i.bit_count() % 2 == half]
    for half in range(2)
  ]
  total = jnp.zeros((len(scene.gaussians.node), 3 + 2 + 4 + 2))
  for view in halves[0]:
    total = _add_errors(total, scene, *view, config)
  weight, y, error, x, xx, xy = np.split(
    np.asarray(total, np.float64), [1, 2, 3, 5, 9], -1
  )
  count = max(weight.sum(), 1e-6)
  # Covariances within Gaussians, in which levels cancel.
  mean_x = x / np.maximum(weight, 1e-6)
  spread = np.sum(xx.reshape(-1, 2, 2) - mean_x[:, None] * x[..., None], 0)
  slopes = np.linalg.solve(
    spread + 1e-3 * np.eye(2), np.sum(xy - mean_x * y, 0)
  )
  rest = y - x @ slopes[:, None]
  mean = rest.sum() / count
  level = ((rest - mean * weight) / (weight + 1))[:, 0]
  weights = np.array([mean, 1, *slopes])
  found = Discrepancy(
    level=jnp.float32(level),
    weights=jnp.float32(weights),
    noise=jnp.float32(np.sqrt(error.sum() / count)),
  )
  # The ridge keeps these weights where the other half says nothing.
  square, product = 1e-3 * np.eye(4), np.zeros(4)
  for view in halves[1]:
    more = jax.device_get(_add_residuals(scene, found, *view, config))
    square, product = square + more[0], product + more[1]
  weights = weights + np.linalg.solve(square, product)
  return found.replace(weights=jnp.float32(weights))


@functools.partial(jax.jit, static_argnames='config', donate_argnames='total')
def _add_errors(
  total, scene, camera, agents, camera_index, image, time, config
):
  gaussians, _ = moment.appear(scene, agents, time, config)
  seen = views.render_scene(
    scene, camera, agents, camera_index, config, time=time
  )
  error = jnp.mean((seen.color - image) ** 2, -1, keepdims=True)
  y = jnp.log(error + _LEAST_ERROR)
  x = _clues(seen)
  xx = (x[..., None] * x[..., None, :]).reshape(*error.shape[:2], -1)
  sums, _ = rendering.contributions(
    gaussians,
    camera,
    jnp.concatenate([jnp.ones_like(y), y, error, x, xx, x * y], -1),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    config=config,
  )
  return total + sums


@functools.partial(jax.jit, static_argnames='config')
def _add_residuals(
  scene, discrepancy, camera, agents, camera_index, image, time, config
):
  """Normal equations `[4, 4]` and `[4]` of corrections of the weights."""
  color, x = _explained(
    scene, discrepancy, camera, agents, config, time, camera_index
  )
  y = jnp.log(jnp.mean((color - image) ** 2, -1) + _LEAST_ERROR)
  rest = y - _weighted(x, discrepancy)
  normal = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
  return normal('hwi,hwj->ij', x, x), normal('hwi,hw->i', x, rest)


def _explained(
  scene, discrepancy, camera, agents, config, time, camera_index=None
):
  """A render `[H, W, 3]` and the terms `[H, W, 4]` that `weights` multiply."""
  gaussians, _ = moment.appear(scene, agents, time, config)
  level = rendering.render(
    gaussians,
    camera,
    jnp.zeros(3),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    features=discrepancy.level[:, None],
    config=config,
  ).features
  seen = views.render_scene(
    scene, camera, agents, camera_index, config, time=time
  )
  return seen.color, jnp.concatenate(
    [jnp.ones_like(level), level, _clues(seen)], -1
  )


def _weighted(x, discrepancy):
  """Expected logarithms `[H, W]` of squared errors from `[H, W, 4]`."""
  return jnp.matmul(x, discrepancy.weights, precision=jax.lax.Precision.HIGHEST)


def _clues(seen):
  """`[H, W, 2]` logarithms of the squared gradient and of the light left."""
  slopes = jnp.gradient(seen.color, axis=(0, 1))
  steep = sum(jnp.mean(x**2, -1) for x in slopes) + _LEAST_GRADIENT
  light = jnp.maximum(1 - seen.alpha, 0) + _LEAST_LIGHT
  return jnp.log(jnp.stack([steep, light], -1))


@functools.partial(jax.jit, static_argnames=('num_samples', 'config'))
def information_gain(
  scene,
  spread,
  discrepancy,
  noise,
  camera,
  agents,
  key,
  num_samples,
  config,
  time=None,
):
  """Information about the scene in recording a pixel, in nats.

  Half the logarithm of one plus the variance of the pixel over that of its
  noise, summed over channels. The variance is that of the posterior, plus the
  discrepancy.

  Args:
    scene: reconstruction.
    spread: from `deviations`.
    discrepancy: from `discrepancy`; None leaves it out.
    noise: standard deviation of a pixel's colour.
    camera: one, anywhere.
    agents: `[A]`.
    key: of the samples.
    num_samples: static, see `posterior_variance`.
    config: rendering settings.
    time: see `views.render_scene`.

  Returns:
    `[H, W]`.
  """
  view = camera, agents, config, time
  variance = posterior_variance(scene, spread, key, num_samples, *view)
  if discrepancy is not None:
    variance += squared_error(scene, discrepancy, *view)[..., None]
  return nats(variance, noise)


def nats(variance, noise):
  """Information `[...]` in nats of colours of variance `[..., 3]`.

  Args:
    variance: of the colours.
    noise: standard deviation of a colour.
  """
  return 0.5 * jnp.sum(jnp.log1p(variance / noise**2), -1)


def posterior_variance(
  scene, spread, key, num_samples, camera, agents, config, time=None
):
  """Variance `[H, W, 3]` of renders of samples of the posterior.

  Args:
    scene: see `information_gain`.
    spread: see `information_gain`.
    key: see `information_gain`.
    num_samples: at least 2.
    camera: see `information_gain`.
    agents: see `information_gain`.
    config: see `information_gain`.
    time: see `information_gain`.
  """

  def sample(key):
    keys = jax.random.split(key, len(spread))
    moved = {
      name: getattr(scene.gaussians, name) + x * jax.random.normal(key, x.shape)
      for key, (name, x) in zip(keys, sorted(spread.items()), strict=True)
    }
    one = scene.replace(gaussians=scene.gaussians.replace(**moved))
    return views.render_scene(
      one, camera, agents, config=config, time=time
    ).color

  images = jax.lax.map(sample, jax.random.split(key, num_samples))
  return jnp.var(images, 0, ddof=1)


def squared_error(scene, discrepancy, camera, agents, config, time=None):
  """Expected squared error `[H, W]` of a channel of a render.

  Args:
    scene: see `information_gain`.
    discrepancy: from `discrepancy`.
    camera: see `information_gain`.
    agents: see `information_gain`.
    config: see `information_gain`.
    time: see `information_gain`.
  """
  _, x = _explained(scene, discrepancy, camera, agents, config, time)
  return jnp.exp(_weighted(x, discrepancy) + _LOG_BIAS)


@jax.jit
def view_distance(depth, camera, recorded):
  """Metres to the nearest recorded camera with a pixel's point in view.

  Args:
    depth: `[H, W]` metres along the optical axis, not 0.
    camera: one.
    recorded: `[V]` cameras.

  Returns:
    `[H, W]`, infinite where there is none. Occlusion is ignored.
  """
  origin, rays = geometry.pixel_rays(camera)
  points = origin + depth[..., None] * rays

  def one(least, view):
    pixel, z = geometry.project(view, points)
    inside = (z > 0) & jnp.all(
      (pixel >= 0) & (pixel < np.array([view.width, view.height])), -1
    )
    centre = geometry.inverse(view.camera_from_world)[:3, 3]
    away = jnp.linalg.norm(centre - origin)
    return jnp.where(inside, jnp.minimum(least, away), least), None

  far = jnp.full(depth.shape, jnp.inf)
  return jax.lax.scan(one, far, recorded)[0]
