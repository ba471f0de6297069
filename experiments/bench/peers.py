# Copyright 2026 The rdrl Authors. Apache-2.0.
"""gsplat where `torch`, `gsplat` and `nerfacc` are installed.

They are no dependencies of ours, so they are imported where they are used. With
a GPU gsplat's CUDA rasterizer renders, else its reference in torch. The
reference calls CUDA twice: for the Gaussians of each pixel, which are listed
beforehand here at no cost, and for nerfacc's products along rays, which are
sums of logarithms here. Its own list of tiles is left out, too. So its time is
less than it would need alone.
"""

import importlib.util
import math

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import timing
from rdrl import splat
from rdrl.splat.raster import blocks
from rdrl.splat.raster import project
from rdrl.splat.raster import tiles

PARAMETERS = ('means', 'log_scales', 'quats', 'opacity_logits', 'sh')


def has_gsplat():
  """Whether gsplat and its requirements here are installed."""
  if not all(map(importlib.util.find_spec, ('torch', 'gsplat'))):
    return False
  import torch

  return torch.cuda.is_available() or bool(importlib.util.find_spec('nerfacc'))


def time_gsplat(gaussians, camera, repeats):
  """Name, milliseconds forward and with gradients of gsplat on this machine.

  Args:
    gaussians: `types.Gaussians`.
    camera: a single `types.Camera`.
    repeats: timed calls.
  """
  import torch

  is_cuda = torch.cuda.is_available()
  render = (cuda_renderer if is_cuda else torch_renderer)(gaussians, camera)
  tensors = parameters(gaussians, 'cuda' if is_cuda else 'cpu')
  shape = camera.height, camera.width, 3
  cotangent = torch.as_tensor(
    np.array(jax.random.normal(jax.random.key(1), shape)),
    device='cuda' if is_cuda else 'cpu',
  )

  def wait():
    if is_cuda:
      torch.cuda.synchronize()

  def forward():
    with torch.no_grad():
      render(tensors)
    wait()

  def both():
    (render(tensors) * cotangent).sum().backward()
    wait()

  forward_ms, _ = timing.median_ms(forward, repeats=repeats)
  both_ms, _ = timing.median_ms(both, repeats=repeats)
  return 'gsplat_cuda' if is_cuda else 'gsplat_torch', forward_ms, both_ms


def time_gsplat_batches(scenes, cameras, repeats):
  """Milliseconds of the images of `[E, C]` cameras, by gsplat's CUDA.

  Args:
    scenes: S of `types.Gaussians`; environment e is in scene e modulo S, and
      all cameras in a scene are one batch.
    cameras: `types.Camera` `[E, C]`.
    repeats: timed calls.
  """
  import torch

  batches = []
  for i, scene in enumerate(scenes):
    mine = jax.tree.map(
      lambda x, i=i: x[i :: len(scenes)].reshape(-1, *x.shape[2:]), cameras
    )
    batches.append((cuda_renderer(scene, mine), parameters(scene, 'cuda')))

  def see():
    with torch.no_grad():
      for render, tensors in batches:
        render(tensors)
    torch.cuda.synchronize()

  return timing.median_ms(see, repeats=repeats)[0]


def parameters(gaussians, device):
  """Leaf tensors of `PARAMETERS`."""
  import torch

  return {
    k: torch.tensor(np.array(getattr(gaussians, k)), device=device)
    .float()
    .requires_grad_()
    for k in PARAMETERS
  }


def cuda_renderer(gaussians, camera):
  """A function from `parameters` to colours `[H, W, 3]`, by CUDA.

  For cameras `[C]` it returns `[C, H, W, 3]`.
  """
  import gsplat
  import torch

  degree = _degree(gaussians)
  view, intrinsics = (
    torch.tensor(np.array(x), device='cuda').reshape(-1, *x.shape[-2:])
    for x in (camera.camera_from_world, camera.intrinsics)
  )

  def render(tensors):
    color, _, _ = gsplat.rasterization(
      tensors['means'],
      tensors['quats'],
      tensors['log_scales'].exp(),
      tensors['opacity_logits'].sigmoid(),
      tensors['sh'],
      view,
      intrinsics,
      camera.width,
      camera.height,
      near_plane=splat.RenderConfig().near,
      sh_degree=degree,
      packed=False,
    )
    return color[0] if jnp.ndim(camera.intrinsics) == 2 else color

  return render


def torch_renderer(gaussians, camera):
  """A function from `parameters` to colours `[H, W, 3]`, by torch.

  The lists of Gaussians of each pixel are those of `gaussians`; see the module
  docstring on what is not gsplat's.
  """
  from gsplat.cuda import _torch_impl
  import nerfacc.volrend
  import torch

  # Both have CUDA code alone.
  nerfacc.volrend.pack_info = lambda pixel, num_pixels: pixel
  nerfacc.volrend.exclusive_prod = _exclusive_product
  degree = _degree(gaussians)
  view, intrinsics = (
    torch.tensor(np.array(x))
    for x in (camera.camera_from_world, camera.intrinsics)
  )
  centre = -view[:3, :3].T @ view[:3, 3]
  gaussian, pixel = map(torch.tensor, pixel_pairs(gaussians, camera))
  config = splat.RenderConfig()

  def render(tensors):
    covariances, _ = _torch_impl._quat_scale_to_covar_preci(
      tensors['quats'], tensors['log_scales'].exp(), compute_preci=False
    )
    _, xy, _, conic, _ = _torch_impl._fully_fused_projection(
      tensors['means'],
      covariances,
      view[None],
      intrinsics[None],
      camera.width,
      camera.height,
      eps2d=config.eps2d,
      near_plane=config.near,
      far_plane=config.far,
    )
    color = _torch_impl._spherical_harmonics(
      degree, tensors['means'] - centre, tensors['sh']
    )
    image, _ = _torch_impl.accumulate(
      xy,
      conic,
      tensors['opacity_logits'].sigmoid()[None],
      torch.clamp_min(color + 0.5, 0)[None],
      gaussian,
      pixel,
      torch.zeros_like(pixel),
      camera.width,
      camera.height,
    )
    return image[0]

  return render


def _degree(gaussians):
  return math.isqrt(gaussians.sh.shape[1]) - 1


def pixel_pairs(gaussians, camera):
  """Gaussians and pixels `[M]` that blend, by pixel and there by depth.

  Pixels are counted row by row. Opacities are limited to .999 as in gsplat's
  release 1.5.
  """
  config = splat.with_capacity(
    splat.RenderConfig(),
    gaussians,
    jax.tree.map(lambda x: x[None], camera),
  )
  gaussian, tile, alpha = map(
    np.asarray, entry_alphas(gaussians, camera, config)
  )
  entry, place = np.nonzero(alpha)
  _, columns = tiles.tile_counts(camera.height, camera.width)
  y = tile[entry] // columns * blocks.TILE_HEIGHT + place // blocks.TILE_WIDTH
  x = tile[entry] % columns * blocks.TILE_WIDTH + place % blocks.TILE_WIDTH
  inside = (y < camera.height) & (x < camera.width)
  alpha, entry = alpha[entry, place][inside], entry[inside]
  pixel = (y * camera.width + x)[inside].astype(np.int64)
  order = np.argsort(pixel, kind='stable')
  alpha, entry, pixel = alpha[order], entry[order], pixel[order]
  log_after = np.cumsum(np.log1p(-alpha.astype(np.float64)))
  log_after = np.concatenate([[0], log_after])
  first = np.searchsorted(pixel, pixel)
  lives = log_after[1:] - log_after[first] > np.log(blocks.MIN_TRANSMITTANCE)
  return gaussian[entry][lives].astype(np.int64), pixel[lives]


@jax.jit(static_argnames='config')
def entry_alphas(gaussians, camera, config):
  """Gaussian and tile `[E]` and alpha `[E, PIXELS]` of the tile lists.

  The Gaussian of an unused entry is -1.
  """
  height, width = camera.height, camera.width
  splats = project.project(gaussians, camera, config)
  room = tiles.capacity(len(gaussians.node), height, width, config)
  lists = tiles.bin_splats(splats, height, width, room, config)
  _, columns = tiles.tile_counts(height, width)
  row, column = lists.tile // columns, lists.tile % columns
  middle = jnp.stack(
    [(column + 0.5) * blocks.TILE_WIDTH, (row + 0.5) * blocks.TILE_HEIGHT], -1
  )
  coefficients = blocks.exponent_coefficients(
    splats.xy[lists.gaussian] - middle[:, None],
    splats.conic[lists.gaussian],
    splats.log_opacity[lists.gaussian],
  )
  exponent = jnp.matmul(
    coefficients, blocks.monomials(), precision=jax.lax.Precision.HIGHEST
  )
  alpha = blocks.opacity(exponent)
  alpha = jnp.where(lists.valid[..., None], alpha, 0)
  return (
    jnp.where(lists.valid, lists.gaussian, -1).ravel(),
    jnp.repeat(lists.tile, blocks.BLOCK),
    alpha.reshape(-1, blocks.PIXELS),
  )


def _exclusive_product(inputs, pixel):
  """Exclusive products `[M]` of inputs `[M]` within each pixel."""
  import torch

  logs = torch.log(inputs.double())
  sums = torch.cumsum(logs, 0) - logs
  return torch.exp(sums - sums[torch.searchsorted(pixel, pixel)]).float()
