# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a simulator sees of reconstructed scenes."""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.splat import bodies as bodies_lib
from rdrl.splat import lighting
from rdrl.splat import rendering
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import RenderConfig


@struct.dataclass
class Renderer:
  """Renders batches of cameras in one of several scenes.

  Attributes:
    gaussians: `[S, N]`.
    sky: `[S, h, w, 3]`.
    exposure: `[S, C, 3, 4]`.
    height: static, pixels of the images.
    width: static, pixels of the images.
    config: static, rendering settings.
    bodies: `[S]`, or None where all agents are rigid.
    light: `[S, 8, 3]`, or None, see `types.Scene`.
  """

  gaussians: types.Gaussians
  sky: types.Array
  exposure: types.Array
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)
  config: RenderConfig = struct.field(pytree_node=False)
  bodies: types.Bodies | None = None
  light: types.Array | None = None

  @classmethod
  def create(cls, scenes, height, width, config=DEFAULT):
    """A renderer of a list of scenes of one size.

    Raises:
      ValueError: if the scenes differ in a size, naming the field, or if the
        budgets of the config do not hold the Gaussians of their bodies.
    """
    for scene in scenes:
      bodies_lib.check(scene.gaussians, scene.bodies, config)
    names = ('gaussians', 'sky', 'exposure', 'bodies', 'light')
    parts = [{name: getattr(s, name) for name in names} for s in scenes]
    stacked = jax.tree.map(jnp.asarray, types.stack(parts))
    return cls(**stacked, height=height, width=width, config=config)

  def __call__(self, scene_index, cameras: types.Camera, agents, time=None):
    """Images uint8 `[C, h, w, 3]` of cameras `[C]` with agents `[A]`.

    Camera c gets the exposure of the scene's camera c; bodies move with agents
    and with time, `[]` seconds on the clock of the tracks.

    Raises:
      ValueError: if the cameras have another size than the renderer.
    """
    if (cameras.height, cameras.width) != (self.height, self.width):
      raise ValueError(
        f'cameras of {cameras.height} x {cameras.width} pixels, renderer of'
        f' {self.height} x {self.width}'
      )
    gaussians, sky, exposure, bodies, light = types.take(
      (self.gaussians, self.sky, self.exposure, self.bodies, self.light),
      scene_index,
    )
    gaussians, _ = bodies_lib.posed(
      gaussians, bodies, agents, time, self.config
    )
    gaussians = lighting.lit(gaussians, light, agents)

    def view(camera, exposure):
      rendered = rendering.render_world(
        gaussians, sky, exposure, camera, agents, self.config
      )
      return jnp.round(jnp.clip(rendered.color, 0, 1) * 255).astype(jnp.uint8)

    return jax.vmap(view)(cameras, exposure)
