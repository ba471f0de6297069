# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Parity with gsplat's torch reference, where it is installed.

Of its blending, what it has in CUDA alone is ours, see
`experiments.bench.peers`.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench import peers
from experiments.bench import rasterizer
from rdrl import splat
from rdrl import types
from rdrl.splat.raster import project

torch = pytest.importorskip('torch', reason='torch is not installed')
gsplat = pytest.importorskip(
  'gsplat.cuda._torch_impl', reason='gsplat is not installed'
)

COUNT, HEIGHT, WIDTH = 500, 120, 200


@pytest.mark.parametrize('is_antialiased', [False, True])
def test_projection_is_that_of_gsplat(is_antialiased):
  rng = np.random.default_rng(0)
  z = rng.uniform(0.5, 20, COUNT)
  view = np.eye(4, dtype=np.float32)
  view[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
  view[:3, :3] *= np.sign(np.linalg.det(view[:3, :3]))
  view[:3, 3] = rng.normal(size=3)
  in_camera = np.c_[rng.uniform(-1, 1, (COUNT, 2)) * z[:, None], z]
  intrinsics = np.array([[90.0, 0, 101], [0, 95.0, 58], [0, 0, 1]])
  gaussians = types.Gaussians(
    means=np.float32((in_camera - view[:3, 3]) @ view[:3, :3]),
    log_scales=np.float32(rng.normal(-1.5, 0.7, (COUNT, 3))),
    quats=np.float32(rng.normal(size=(COUNT, 4))),
    opacity_logits=np.full(COUNT, 3, np.float32),
    sh=np.float32(rng.normal(0, 0.4, (COUNT, 16, 3))),
    node=np.zeros(COUNT, np.int32),
  )
  camera = types.Camera(
    jnp.asarray(view), jnp.asarray(intrinsics), height=HEIGHT, width=WIDTH
  )
  config = splat.RenderConfig(antialiased=is_antialiased)
  ours = jax.jit(project.project, static_argnums=2)(gaussians, camera, config)

  means = torch.tensor(gaussians.means)
  covariances, _ = gsplat._quat_scale_to_covar_preci(
    torch.tensor(gaussians.quats), torch.tensor(gaussians.log_scales).exp()
  )
  radii, xy, depth, conic, compensation = gsplat._fully_fused_projection(
    means,
    covariances,
    torch.tensor(view)[None],
    torch.tensor(np.float32(intrinsics))[None],
    WIDTH,
    HEIGHT,
    eps2d=config.eps2d,
    near_plane=config.near,
    far_plane=config.far,
    calc_compensations=True,
  )
  seen = np.all(radii[0].numpy() > 0, -1)
  assert np.mean(seen) > 0.5
  assert np.all(np.asarray(ours.visible)[seen])
  for name, expected in (('xy', xy), ('depth', depth), ('conic', conic)):
    np.testing.assert_allclose(
      np.asarray(getattr(ours, name))[seen],
      expected[0].numpy()[seen],
      rtol=2e-3,
      atol=2e-4,
      err_msg=name,
    )
  opacity = 1 / (1 + np.exp(-3))
  if is_antialiased:
    opacity = opacity * compensation[0].numpy()[seen]
  np.testing.assert_allclose(
    np.exp(ours.log_opacity)[seen],
    np.broadcast_to(opacity, np.sum(seen)),
    rtol=5e-3,
  )
  centre = torch.tensor(-view[:3, :3].T @ view[:3, 3])
  color = gsplat._spherical_harmonics(
    3, means - centre, torch.tensor(gaussians.sh)
  )
  np.testing.assert_allclose(
    ours.color, np.maximum(color.numpy() + 0.5, 0), atol=1e-4
  )


def test_image_and_gradients_are_those_of_gsplat():
  pytest.importorskip('nerfacc', reason='nerfacc is not installed')
  gaussians = rasterizer.street(4000, 3, seed=0)
  camera = rasterizer.pinhole(HEIGHT, WIDTH)
  config = splat.with_capacity(
    splat.RenderConfig(),
    gaussians,
    jax.tree.map(lambda x: x[None], camera),
  )
  cotangent = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH, 3))
  cotangent = np.float32(cotangent)

  def render(parameters):
    rendered = splat.render(
      gaussians.replace(**parameters), camera, jnp.zeros(3), config=config
    )
    return jnp.sum(rendered.color * cotangent), rendered.color

  ours = {k: getattr(gaussians, k) for k in peers.PARAMETERS}
  gradients, image = jax.jit(jax.grad(render, has_aux=True))(ours)
  theirs = peers.parameters(gaussians, 'cpu')
  color = peers.torch_renderer(gaussians, camera)(theirs)
  (color * torch.tensor(cotangent)).sum().backward()
  np.testing.assert_allclose(image, color.detach().numpy(), atol=1e-4)
  for name, gradient in gradients.items():
    expected = theirs[name].grad.numpy()
    error = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
    assert error < 1e-3, name


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
