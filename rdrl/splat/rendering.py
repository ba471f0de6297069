# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images of Gaussians, differentiable in everything that is not an integer."""

import functools

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.splat import composite
from rdrl.splat import project
from rdrl.splat import sky
from rdrl.splat import tiles
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import Config


@struct.dataclass
class Rendered:
  """What a camera sees.

  Attributes:
    color: `[H, W, 3]`, over the background.
    depth: `[H, W]` expected depth along the optical axis in metres, 0 where
      alpha is.
    alpha: `[H, W]` opacity.
    overflow: `[]` int32 (tile, Gaussian) pairs that found no room in the tile
      lists; not 0 means that the farthest Gaussians are missing.
  """

  color: jax.Array
  depth: jax.Array
  alpha: jax.Array
  overflow: jax.Array


def render(
  gaussians: types.Gaussians,
  camera: types.Camera,
  background,
  *,
  node_poses=None,
  node_valid=None,
  config: Config = DEFAULT,
):
  """Rasterizes Gaussians (Kerbl et al. 2023) by gsplat's conventions.

  Args:
    gaussians: `N` of them.
    camera: one; batch with `jax.vmap`.
    background: `[3]` or `[H, W, 3]`, shown where light passes.
    node_poses: `[A, 4, 4]` world_from_box, row 0 ignored; None takes all means
      to be in the world.
    node_valid: `[A]` bool, which nodes are drawn; None draws all.
    config: rendering settings.

  Returns:
    `Rendered`.
  """
  # The barriers keep XLA from computing the projection anew inside each of the
  # gathers that read it.
  splats = jax.lax.optimization_barrier(
    project.project(gaussians, camera, config, node_poses, node_valid)
  )
  height, width = camera.height, camera.width
  room = tiles.capacity(len(gaussians.node), height, width, config)
  lists = jax.lax.optimization_barrier(
    tiles.bin_splats(splats, height, width, room)
  )
  image = _rasterize(splats, lists, height, width, config)
  accumulated, alpha = image[..., 3], image[..., 4]
  has_alpha = alpha > 0
  depth = jnp.where(has_alpha, accumulated / jnp.where(has_alpha, alpha, 1), 0)
  color = image[..., :3] + (1 - alpha)[..., None] * background
  return Rendered(color, depth, alpha, lists.overflow)


def _rasterize(splats, lists, height, width, config):
  """`[H, W, 5]`: accumulated colour and depth, and alpha."""
  rows, columns = tiles.tile_counts(height, width)
  # One table, so that the transpose of its gather is one scatter.
  table = jnp.concatenate(
    [
      splats.xy,
      splats.conic,
      splats.log_opacity[:, None],
      splats.color,
      splats.depth[:, None],
    ],
    -1,
  )
  # What is invisible is in no list; its values may be infinite.
  table = jnp.where(splats.visible[:, None], table, 0)
  tile_row, tile_column = lists.tile // columns, lists.tile % columns
  middle = jnp.stack(
    [
      (tile_column + 0.5) * composite.TILE_WIDTH,
      (tile_row + 0.5) * composite.TILE_HEIGHT,
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
    config.max_alpha,
  )
  image = image.reshape(
    rows,
    columns,
    composite.NUM_FEATURES,
    composite.TILE_HEIGHT,
    composite.TILE_WIDTH,
  )
  image = image.transpose(0, 3, 1, 4, 2).reshape(
    rows * composite.TILE_HEIGHT,
    columns * composite.TILE_WIDTH,
    composite.NUM_FEATURES,
  )
  return image[:height, :width]


def render_scene(
  scene: types.Scene,
  camera: types.Camera,
  agents: types.AgentState,
  camera_index=None,
  config: Config = DEFAULT,
):
  """The image of one camera in a scene with its agents where they are told.

  Args:
    scene: one.
    camera: one, of any size and place.
    agents: `[A]`; the ego, agent 0, is not drawn.
    camera_index: `[]` int32, whose exposure to apply; None applies the mean.
    config: rendering settings.

  Returns:
    `Rendered`, the colour between 0 and 1.
  """
  if camera_index is None:
    exposure = jnp.mean(scene.exposure, 0)
  else:
    exposure = scene.exposure[camera_index]
  rendered = render_world(
    scene.gaussians, scene.sky, exposure, camera, agents, config
  )
  return rendered.replace(color=jnp.clip(rendered.color, 0, 1))


@functools.partial(jax.jit, static_argnames='config')
def render_moment(
  scene: types.Scene, cameras: types.Camera, agents: types.AgentState, config
):
  """What the cameras of a rig see at one moment.

  Args:
    scene: one.
    cameras: `[C]`, camera c with the exposure of the scene's camera c.
    agents: `[A]`; the ego, agent 0, is not drawn.
    config: rendering settings.

  Returns:
    `Rendered` `[C]`, the colours between 0 and 1.
  """
  index = jnp.arange(len(cameras.intrinsics))
  return jax.vmap(
    lambda camera, i: render_scene(scene, camera, agents, i, config)
  )(cameras, index)


def render_world(gaussians, sky_map, exposure, camera, agents, config):
  """Gaussians before the sky, seen through an exposure, colours unclipped."""
  rendered = render(
    gaussians,
    camera,
    sky.background(sky_map, camera),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    config=config,
  )
  return rendered.replace(color=expose(rendered.color, exposure))


def expose(color, exposure):
  """Applies a `[3, 4]` affine transform to `[..., 3]` colours."""
  # Written out: a product with a 3x3 matrix would round on a TPU.
  linear = sum(color[..., i, None] * exposure[:, i] for i in range(3))
  return linear + exposure[:, 3]
