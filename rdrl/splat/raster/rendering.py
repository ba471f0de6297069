# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Renders Gaussians, differentiably in all inputs that are not integers."""

import dataclasses
import functools
import math

import einops
from flax import struct
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from rdrl import trees
from rdrl import types
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import RenderConfig
from rdrl.splat.raster import backends
from rdrl.splat.raster import blocks
from rdrl.splat.raster import composite
from rdrl.splat.raster import project
from rdrl.splat.raster import tiles


@struct.dataclass
class Rendered:
  """A rendered image.

  Attributes:
    color: `[H, W, 3]`, over the background.
    depth: `[H, W]` expected depth along the optical axis in metres, 0 where
      alpha is 0.
    alpha: `[H, W]` opacity.
    overflow: `[]` int32 (tile, Gaussian) pairs beyond the capacity of the tile
      lists; if not 0, the farthest Gaussians are missing.
    surface_depth: `[H, W]` like `depth`, but a Gaussian has its depth in the
      pixel, not that of its mean (RaDe-GS, Zhang et al. 2024), which differs at
      grazing angles. None unless asked for.
    features: `[H, W, F]` weighted sum of the given features, or None.
    unposed: `[]` int32 Gaussians of bodies beyond the budgets, which were drawn
      at rest; None where there are no bodies.
  """

  color: jax.Array
  depth: jax.Array
  alpha: jax.Array
  overflow: jax.Array
  surface_depth: jax.Array | None = None
  features: jax.Array | None = None
  unposed: jax.Array | None = None


def render(
  gaussians: types.Gaussians,
  camera: types.Camera,
  background,
  *,
  node_poses=None,
  node_valid=None,
  with_surface=False,
  features=None,
  mesh=None,
  config: RenderConfig = DEFAULT,
):
  """Rasterizes Gaussians (Kerbl et al. 2023) by gsplat's conventions.

  Args:
    gaussians: `N` of them.
    camera: one; batch with `jax.vmap`.
    background: `[3]` or `[H, W, 3]`, shown where light passes.
    node_poses: `[A, 4, 4]` world_from_box, row 0 ignored; None: all means are
      in the world frame.
    node_valid: `[A]` bool, which nodes are drawn; None draws all.
    with_surface: whether to compute `surface_depth`.
    features: `[N, F]`, such as semantic classes; blended like colours, over
      zeros.
    mesh: of one Auto axis, see `training.mesh.make`; its devices take the rows
      of tiles in turn. None uses one device.
    config: rendering settings.

  Returns:
    `Rendered`.

  Raises:
    ValueError: if background or features have another shape, if the mesh has
      more than one axis, or if there is no such backend.
  """
  count = len(gaussians.node)
  shapes = (3,), (camera.height, camera.width, 3)
  for name, value, fits in (
    ('background', background, np.shape(background) in shapes),
    ('features', features, np.shape(features)[:-1] == (count,)),
  ):
    if value is not None and not fits:
      raise ValueError(
        f'{name} of shape {np.shape(value)} for {count} Gaussians and'
        f' {camera.height} x {camera.width} pixels'
      )
  if not count:
    # A gather needs one row at least; one of zeros is not drawn.
    gaussians, features = jax.tree.map(
      lambda x: jnp.zeros((1, *x.shape[1:]), x.dtype), (gaussians, features)
    )
  if mesh is not None:
    if len(mesh.axis_names) != 1:
      raise ValueError(f'mesh of axes {mesh.axis_names}, expected one')
    (axis,) = mesh.axis_names
    shared = NamedSharding(mesh, PartitionSpec(axis))
    gaussians = jax.lax.with_sharding_constraint(gaussians, shared)
  splats = jax.lax.optimization_barrier(
    project.project(
      gaussians,
      camera,
      config,
      node_poses,
      node_valid,
      slopes=with_surface,
    )
  )
  rasterize = functools.partial(
    _rasterize,
    height=camera.height,
    width=camera.width,
    config=config,
  )
  whole = splats, features
  if mesh is None:
    image, overflow = rasterize(*whole)
  else:
    image, overflow = jax.shard_map(
      lambda *x: rasterize(
        *x, first_row=jax.lax.axis_index(axis), num_parts=mesh.size
      ),
      mesh=mesh,
      in_specs=PartitionSpec(),
      out_specs=PartitionSpec(axis),
      # Our batching rules do not track what varies over the mesh.
      check_vma=False,
    )(*whole)
  # Clipped, so that the sum over parts does not wrap around.
  overflow = jnp.sum(jnp.minimum(overflow, tiles.MOST // len(overflow)))
  image = _untile(image, camera)
  alpha = image[..., -1]
  # The columns that `_rasterize` blends, in its order.
  widths = {
    'color': 3,
    'depth': 1,
    'surface': 0 if splats.slope is None else 3,
    'features': 0 if features is None else features.shape[-1],
  }
  ends = np.cumsum(list(widths.values()))
  sums = dict(
    zip(widths, jnp.split(image[..., :-1], ends[:-1], -1), strict=True)
  )

  def mean(x):
    return jnp.where(alpha > 0, x / jnp.where(alpha > 0, alpha, 1), 0)

  color = sums['color'] + (1 - alpha)[..., None] * background
  surface = None
  if splats.slope is not None:
    y, x = np.mgrid[: camera.height, : camera.width] + np.float32(0.5)
    here = np.stack([np.ones_like(x), x, y], -1)
    surface = mean(jnp.sum(sums['surface'] * here, -1))
  return Rendered(
    color=color,
    depth=mean(sums['depth'][..., 0]),
    alpha=alpha,
    overflow=overflow,
    surface_depth=surface,
    features=None if features is None else sums['features'],
  )


def contributions(
  gaussians: types.Gaussians,
  camera: types.Camera,
  pixel_weights,
  *,
  node_poses=None,
  node_valid=None,
  config: RenderConfig = DEFAULT,
):
  """Sums what each Gaussian contributes to an image.

  Args:
    gaussians: `N` of them.
    camera: one; batch with `jax.vmap`.
    pixel_weights: `[H, W, F]` weight of a pixel in each of F sums.
    node_poses: see `render`.
    node_valid: see `render`.
    config: rendering settings.

  Returns:
    `[N, F]` sums over pixels of alpha_k T_k times the pixel's weight: weights
    of one give the usual pruning score, an image of errors gives each
    Gaussian's share of them. And `[]` int32 overflow, see `Rendered`; dropped
    entries count as 0.

  Raises:
    ValueError: if the weights have another shape.
  """
  pixel_weights = jnp.asarray(pixel_weights, jnp.float32)
  if pixel_weights.shape[:-1] != (camera.height, camera.width):
    raise ValueError(
      f'pixel_weights of shape {pixel_weights.shape}, expected'
      f' ({camera.height}, {camera.width}, F)'
    )

  # Blending is linear in the features, and this is its transpose.
  def blend(features):
    rendered = render(
      gaussians,
      camera,
      jnp.zeros(3),
      node_poses=node_poses,
      node_valid=node_valid,
      features=features,
      config=config,
    )
    return rendered.features, rendered.overflow

  shape = len(gaussians.node), pixel_weights.shape[-1]
  _, pull, overflow = jax.vjp(blend, jnp.zeros(shape), has_aux=True)
  return *pull(pixel_weights), overflow


def with_capacity(
  config, gaussians, cameras, *, node_poses=None, node_valid=None, margin=1.2
):
  """Sizes the tile lists of a config for some views of a scene.

  Looks at values, so call it outside of `jit`.

  Args:
    config: rendering settings.
    gaussians: of the scene.
    cameras: `[C]` views that are typical of those to come.
    node_poses: see `render`.
    node_valid: see `render`.
    margin: factor on the capacity that the fullest of these views needs.

  Returns:
    A `RenderConfig`; its `entries_per_gaussian` has two digits, so that similar
    scenes share a compiled program.

  Raises:
    ValueError: if there is no Gaussian or no batch of cameras, if the margin is
      not positive, or if the pairs are too many to count.
  """
  if not len(gaussians.node) or np.ndim(cameras.intrinsics) != 3 or margin <= 0:
    raise ValueError(
      f'{len(gaussians.node)} Gaussians, intrinsics of shape'
      f' {np.shape(cameras.intrinsics)} and a margin of {margin}: expected some'
      ' Gaussians, [C, 3, 3] and more than 0'
    )
  count = max(
    int(_count(gaussians, camera, node_poses, node_valid, config))
    for camera in (
      trees.take(cameras, i) for i in range(len(cameras.intrinsics))
    )
  )
  if count >= tiles.MOST:
    raise ValueError(f'{count} (tile, Gaussian) pairs in one view')
  needed = margin * max(count, 1) / len(gaussians.node)
  digit = 10.0 ** (math.floor(math.log10(needed)) - 1)
  return dataclasses.replace(
    config,
    entries_per_gaussian=math.ceil(needed / digit) * digit,
    entries_per_tile=0.0,
  )


@functools.partial(jax.jit, static_argnames='config')
def _count(gaussians, camera, node_poses, node_valid, config):
  splats = project.project(gaussians, camera, config, node_poses, node_valid)
  return tiles.count_entries(splats, camera.height, camera.width)


def _rasterize(
  splats,
  features,
  *,
  height,
  width,
  config,
  first_row=0,
  num_parts=1,
):
  """Rasterizes every `num_parts`-th row of tiles from `first_row` on.

  Returns:
    `[1, rows, columns, F, pixels]` accumulated colour and depth, the
    depth as a function of the pixel if there are any, features, and alpha;
    `[1]` overflow.
  """
  _, columns = tiles.tile_counts(height, width)
  room = tiles.capacity(len(splats.depth), height, width, config, num_parts)
  # The barriers keep XLA from recomputing the inputs in each gather.
  lists = jax.lax.optimization_barrier(
    tiles.bin_splats(splats, height, width, room, config, first_row, num_parts)
  )
  # One table, so that the transpose of its gather is one scatter.
  surface = None
  if splats.slope is not None:
    at_corner = splats.depth - jnp.sum(splats.slope * splats.xy, -1)
    surface = jnp.concatenate([at_corner[:, None], splats.slope], -1)
  parts = [
    splats.xy,
    splats.conic,
    splats.log_opacity[:, None],
    splats.color,
    splats.depth[:, None],
    surface,
    features,
  ]
  table = jnp.concatenate([x for x in parts if x is not None], -1)
  # Invisible Gaussians are in no list, but may hold infinities.
  table = jnp.where(splats.visible[:, None], table, 0)
  tile_row = lists.tile // columns * num_parts + first_row
  middle = jnp.stack(
    [
      (lists.tile % columns + 0.5) * blocks.TILE_WIDTH,
      (tile_row + 0.5) * blocks.TILE_HEIGHT,
    ],
    -1,
  )
  image = composite.composite(
    table,
    lists.gaussian,
    lists.valid,
    middle,
    lists.first,
    lists.count,
    backends.resolve(config.backend),
  )
  image = image.reshape(1, -1, columns, *image.shape[1:])
  return image, lists.overflow[None]


def _untile(x, camera):
  """`[H, W, F]` of `[parts, rows, columns, F, pixels]`."""
  x = einops.rearrange(
    x,
    'd r c f (h w) -> (r d h) (c w) f',
    h=blocks.TILE_HEIGHT,
    w=blocks.TILE_WIDTH,
  )
  return x[: camera.height, : camera.width]
