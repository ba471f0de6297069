# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Renders reconstructed scenes for the simulator."""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import bodies as bodies_lib
from rdrl.splat.appearance import moment
from rdrl.splat.appearance import views
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import RenderConfig


@struct.dataclass
class Renderer:
  """Renders batches of cameras in one of several scenes.

  Attributes:
    scenes: `[S]`.
    height: static, pixels of the images.
    width: static, pixels of the images.
    config: static, rendering settings.
  """

  scenes: moment.Appearance
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)
  config: RenderConfig = struct.field(pytree_node=False)

  @classmethod
  def create(cls, scenes, height, width, config=DEFAULT):
    """Stacks a list of scenes of one size.

    Raises:
      ValueError: naming the field in whose shape the scenes differ, or the
        budget that does not hold the Gaussians of their bodies.
    """
    for scene in scenes:
      bodies_lib.check(scene.gaussians, scene.bodies, config)
    stacked = trees.stack(
      [
        moment.Appearance(
          gaussians=scene.gaussians,
          sky=scene.sky,
          exposure=scene.exposure,
          bodies=scene.bodies,
          light=scene.light,
        )
        for scene in scenes
      ]
    )
    stacked = jax.device_put(stacked)
    return cls(stacked, height=height, width=width, config=config)

  def __call__(self, scene_index, cameras: types.Camera, agents, time=None):
    """Renders images uint8 `[C, h, w, 3]`.

    Args:
      scene_index: `[]` int32.
      cameras: `[C]`; camera c gets the exposure of the scene's camera c.
      agents: `[A]`; the ego, agent 0, is not drawn.
      time: `[]` seconds on the clock of the tracks; None: nothing deforms.

    Raises:
      ValueError: if the cameras have another size than the renderer.
    """
    if (cameras.height, cameras.width) != (self.height, self.width):
      raise ValueError(
        f'cameras of {cameras.height} x {cameras.width} pixels, renderer of'
        f' {self.height} x {self.width}'
      )
    scene = trees.take(self.scenes, scene_index)
    gaussians, _ = moment.appear(scene, agents, time, self.config)

    def view(camera, exposure):
      rendered = views.render_world(
        gaussians, scene.sky, exposure, camera, agents, self.config
      )
      return jnp.round(jnp.clip(rendered.color, 0, 1) * 255).astype(jnp.uint8)

    return jax.vmap(view)(cameras, scene.exposure)
