# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Every backend against float64, over many random and degenerate scenes."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import splat
from rdrl import types
from tests.splat.raster import reference

HEIGHT, WIDTH = 12, 20
COUNT = 6
BACKGROUND = np.linspace(0, 1, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3)
WEIGHTS = np.random.default_rng(9).normal(size=(HEIGHT, WIDTH, 5))
CONFIG = splat.RenderConfig(entries_per_gaussian=16.0)
CAMERA = types.Camera(
  camera_from_world=jnp.eye(4),
  intrinsics=jnp.array([[18.0, 0, 9.7], [0, 17.0, 6.2], [0, 0, 1]]),
  height=HEIGHT,
  width=WIDTH,
)
EYE = np.tile(np.eye(4), (COUNT, 1, 1))


def _scene(seed):
  """Parameters in float32; most scenes have something odd about them."""
  rng = np.random.default_rng(seed)
  z = rng.uniform(1, 6, COUNT)
  p = {
    'means': np.c_[rng.uniform(-0.5, 0.5, (COUNT, 2)) * z[:, None], z],
    'log_scales': rng.normal(-1.5, 0.6, (COUNT, 3)),
    'quats': rng.normal(size=(COUNT, 4)),
    'opacity_logits': rng.normal(0, 1.5, COUNT),
    'sh': rng.normal(0, 0.4, (COUNT, 4, 3)),
  }
  match seed % 10:
    case 1:  # Behind the camera, before the near plane, beyond the far one.
      p['means'][:3, 2] = -2, 0.05, 2000
    case 2:  # Huge.
      p['log_scales'][0] = 4
    case 3:  # A needle.
      p['log_scales'][0] = -12, -12, 0
    case 4:  # A disc, and a point.
      p['log_scales'][:2] = [[0, 0, -12], [-12, -12, -12]]
    case 5:  # At the border of the image, and far outside of it.
      p['means'][:2, :2] = [[0.55, 0.35], [4, 0]] * p['means'][:2, 2:]
    case 6:  # Opaque, and absent.
      p['opacity_logits'][:2] = 30, -30
    case 7:  # The same depth, at one place and elsewhere.
      p['means'][0] = p['means'][1]
      p['means'][2:4, 2] = p['means'][4, 2]
    case 8:  # A wall behind which nothing is seen.
      p['opacity_logits'][:4] = 9
      p['means'][:4, 2] = rng.uniform(0.5, 0.9, 4)
      p['means'][:4, :2] *= 0.1
      p['log_scales'][:4] = 1
  return {k: v.astype(np.float32) for k, v in p.items()}


@functools.partial(jax.jit, static_argnames='config')
def _image_and_gradients(parameters, config):
  def loss(parameters):
    rendered = splat.render(
      types.Gaussians(**parameters, node=jnp.zeros(COUNT, jnp.int32)),
      CAMERA,
      jnp.asarray(BACKGROUND, jnp.float32),
      config=config,
    )
    image = jnp.concatenate(
      [rendered.color, rendered.depth[..., None], rendered.alpha[..., None]], -1
    )
    loss = jnp.sum(image * jnp.asarray(WEIGHTS, jnp.float32))
    return loss, (image, rendered.overflow)

  gradients, out = jax.grad(loss, has_aux=True)(parameters)
  return out, gradients


@functools.cache
def _expected(seed):
  """Image and gradients in float64."""
  parameters = {k: v.astype(np.float64) for k, v in _scene(seed).items()}

  def image(held=None, **changed):
    return reference.image(
      parameters | changed, CAMERA, BACKGROUND, EYE, held, CONFIG
    )

  expected, held = image()
  gradients = {
    name: reference.central_differences(
      lambda x, name=name: np.sum(image(held, **{name: x})[0] * WEIGHTS),
      value,
    )
    for name, value in parameters.items()
  }
  return expected, gradients


@pytest.mark.parametrize(
  'num_scenes', [20, pytest.param(200, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
  'backend',
  [
    'queue',
    'lockstep',
    'triton',
    'mosaic',
    pytest.param('mosaic_gpu', marks=pytest.mark.slow),
  ],
)
def test_images_and_gradients(backend, num_scenes):
  config = dataclasses.replace(CONFIG, backend=backend)
  flips = 0
  for seed in range(num_scenes):
    (image, overflow), gradients = jax.device_get(
      _image_and_gradients(_scene(seed), config)
    )
    expected, expected_gradients = _expected(seed)
    assert overflow == 0
    error = np.abs(image - expected)
    error[..., 3] /= 1 + expected[..., 3]
    # Where alpha is about 1/255 or the light about gone, rounding decides.
    flipped = np.any(error > 1e-4, -1)
    assert error.max() < 2 / 255, seed
    flips += np.sum(flipped)
    if np.any(flipped):
      continue
    for name, found in gradients.items():
      wanted = expected_gradients[name]
      np.testing.assert_allclose(
        found,
        wanted,
        rtol=1e-3,
        atol=1e-3 * np.abs(wanted).max() + 1e-5,
        err_msg=f'{seed}: {name}',
      )
  assert flips < 1e-3 * num_scenes * HEIGHT * WIDTH, flips


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
