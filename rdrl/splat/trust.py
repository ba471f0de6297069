# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Where a scene was seen and where it is guessing.

Laplace's approximation about a fit: with J the derivative of all recorded
pixels with respect to a parameter and s the deviation of a pixel's noise, the
parameter's precision is |J|^2 / s^2 plus that of a broad prior (FisherRF, Jiang
et al. 2024, and FaithFusion weigh by the same diagonal). Off the recorded path,
pixels that hang on parameters that nobody saw vary much under it. Where a fit
misses what was recorded, more of the same tells no parameter better: a second
variance, the discrepancy of model and world (Kennedy and O'Hagan 2001), is what
the Gaussians' own pixels were missed by.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.splat import rendering

# Deviations of the prior: metres, log metres, quaternion, logit and colour.
PRIOR = {
  'means': 0.3,
  'log_scales': 0.5,
  'quats': 0.3,
  'opacity_logits': 2.0,
  'sh': 0.3,
}


def fisher(scene, cameras, agents, camera_index, key, config):
  """Diagonal of the Fisher information of the Gaussians, for unit noise.

  The sum of squared derivatives over pixels and channels is the expected square
  of the derivative of a sum with random signs (Hutchinson), so that each view
  costs one backward pass.

  Args:
    scene: reconstruction.
    cameras: `[V]` views that were fitted.
    agents: `[V, A]` at the time of each.
    camera_index: `[V]` int32, whose exposure each has.
    key: of the signs.
    config: rendering settings.

  Returns:
    Dictionary from the names of parameters to arrays shaped like these.
  """
  scene = jax.tree.map(jnp.asarray, scene)
  total = {k: jnp.zeros_like(getattr(scene.gaussians, k)) for k in PRIOR}
  for i in range(len(camera_index)):
    total = _add_view(
      total,
      scene,
      *types.take((cameras, agents, camera_index), i),
      jax.random.fold_in(key, i),
      config,
    )
  return total


@functools.partial(jax.jit, static_argnames='config', donate_argnames='total')
def _add_view(total, scene, camera, agents, camera_index, key, config):
  signs = jax.random.rademacher(key, (camera.height, camera.width, 3), float)

  def project(parameters):
    one = scene.replace(gaussians=scene.gaussians.replace(**parameters))
    image = rendering.render_scene(one, camera, agents, camera_index, config)
    return jnp.sum(image.color * signs)

  slopes = jax.grad(project)({k: getattr(scene.gaussians, k) for k in total})
  return jax.tree.map(lambda x, y: x + y * y, total, slopes)


def deviations(information, noise):
  """Posterior standard deviation of each parameter, shaped like these.

  Args:
    information: from `fisher`.
    noise: standard deviation of a pixel's colour about the fit.
  """
  return {
    k: jax.lax.rsqrt(x / noise**2 + PRIOR[k] ** -2)
    for k, x in information.items()
  }


def discrepancy(scene, cameras, agents, camera_index, images, config):
  """Mean squared error `[N]` of the recorded pixels that each Gaussian colours.

  Args:
    scene: reconstruction.
    cameras: see `fisher`.
    agents: see `fisher`.
    camera_index: see `fisher`.
    images: `[V, H, W, 3]` in [0, 1], what was recorded.
    config: rendering settings.

  Returns:
    Means over channels, weighted by the Gaussian's share of the pixel; 0 for
    one that nobody saw.
  """
  scene = jax.tree.map(jnp.asarray, scene)
  total = jnp.zeros((len(scene.gaussians.node), 2))
  for i in range(len(camera_index)):
    view = types.take((cameras, agents, camera_index, images), i)
    total = _add_errors(total, scene, *view, config)
  return total[:, 0] / jnp.maximum(total[:, 1], 1e-6)


@functools.partial(jax.jit, static_argnames='config', donate_argnames='total')
def _add_errors(total, scene, camera, agents, camera_index, image, config):
  seen = rendering.render_scene(scene, camera, agents, camera_index, config)
  error = jnp.mean((seen.color - image) ** 2, -1)
  sums, _ = rendering.contributions(
    scene.gaussians,
    camera,
    jnp.stack([error, jnp.ones_like(error)], -1),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    config=config,
  )
  return total + sums


@functools.partial(jax.jit, static_argnames=('num_samples', 'config'))
def information_gain(
  scene, spread, discrepancy, noise, camera, agents, key, num_samples, config
):
  """What recording a pixel would tell about the scene, in nats.

  Half the logarithm of one plus the variance of the pixel over that of its
  noise, summed over channels. The variance is that of renders of samples of the
  posterior, plus the discrepancy of the Gaussians that colour the pixel.

  Args:
    scene: reconstruction.
    spread: from `deviations`.
    discrepancy: `[N]` from `discrepancy`; zeros leave it out.
    noise: standard deviation of a pixel's colour.
    camera: one, anywhere.
    agents: `[A]`.
    key: of the samples.
    num_samples: static, at least 2.
    config: rendering settings.

  Returns:
    `[H, W]`.
  """

  def sample(key):
    keys = jax.random.split(key, len(spread))
    moved = {
      name: getattr(scene.gaussians, name) + x * jax.random.normal(key, x.shape)
      for key, (name, x) in zip(keys, sorted(spread.items()), strict=True)
    }
    one = scene.replace(gaussians=scene.gaussians.replace(**moved))
    return rendering.render_scene(one, camera, agents, config=config).color

  images = jax.lax.map(sample, jax.random.split(key, num_samples))
  missed = rendering.render(
    scene.gaussians,
    camera,
    jnp.zeros(3),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    features=discrepancy[:, None],
    config=config,
  ).features
  variance = jnp.var(images, 0, ddof=1) + missed
  return 0.5 * jnp.sum(jnp.log1p(variance / noise**2), -1)


@jax.jit
def view_distance(depth, camera, recorded):
  """Metres to the nearest recorded camera that had each pixel's point in view.

  Args:
    depth: `[H, W]` metres along the optical axis, not 0.
    camera: one.
    recorded: `[V]` cameras.

  Returns:
    `[H, W]`, infinite where no camera had it; what stands in the way is not
    considered.
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
