# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Renders cameras in scenes."""

import functools

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.splat.appearance import moment
from rdrl.splat.appearance import sky
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import RenderConfig
from rdrl.splat.raster import rendering


def render_scene(
  scene: types.Scene,
  camera: types.Camera,
  agents: types.AgentState,
  camera_index=None,
  config: RenderConfig = DEFAULT,
  with_surface=False,
  time=None,
):
  """Renders one camera in a scene.

  Args:
    scene: one.
    camera: one, of any size and place.
    agents: `[A]`; the ego, agent 0, is not drawn.
    camera_index: `[]` int32, whose exposure to apply; None applies the mean.
    config: rendering settings.
    with_surface: see `render`.
    time: `[]` seconds on the clock of the tracks; None: nothing deforms.

  Returns:
    `Rendered`, with colours clipped to [0, 1].
  """
  if camera_index is None:
    exposure = jnp.mean(scene.exposure, 0)
  else:
    exposure = scene.exposure[camera_index]
  gaussians, unposed = moment.appear(scene, agents, time, config)
  rendered = render_world(
    gaussians, scene.sky, exposure, camera, agents, config, with_surface
  )
  return rendered.replace(
    color=jnp.clip(rendered.color, 0, 1),
    unposed=None if scene.bodies is None else unposed,
  )


@functools.partial(jax.jit, static_argnames=('config', 'with_surface'))
def render_moment(
  scene: types.Scene,
  cameras: types.Camera,
  agents: types.AgentState,
  config,
  with_surface=False,
  time=None,
):
  """Renders the cameras of a rig at one moment.

  Args:
    scene: one.
    cameras: `[C]`, camera c with the exposure of the scene's camera c.
    agents: `[A]`; the ego, agent 0, is not drawn.
    config: rendering settings.
    with_surface: see `render`.
    time: see `render_scene`.

  Returns:
    `Rendered` `[C]`, with colours clipped to [0, 1].
  """
  index = jnp.arange(len(cameras.intrinsics))
  return jax.vmap(
    lambda camera, i: render_scene(
      scene, camera, agents, i, config, with_surface, time
    )
  )(cameras, index)


def render_world(
  gaussians, sky_map, exposure, camera, agents, config, with_surface=False
):
  """Renders Gaussians over the sky with an exposure, colours unclipped."""
  rendered = rendering.render(
    gaussians,
    camera,
    sky.background(sky_map, camera),
    node_poses=geometry.world_from_box(agents),
    node_valid=agents.valid,
    with_surface=with_surface,
    config=config,
  )
  return rendered.replace(color=expose(rendered.color, exposure))


def expose(color, exposure):
  """Applies a `[3, 4]` affine transform to `[..., 3]` colours."""
  # Written out: a product with a 3x3 matrix would round on a TPU.
  linear = sum(color[..., i, None] * exposure[:, i] for i in range(3))
  return linear + exposure[:, 3]
