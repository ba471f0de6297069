# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a simulator sees of reconstructed scenes."""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.splat import rendering
from rdrl.splat.config import DEFAULT
from rdrl.splat.config import Config


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
  """

  gaussians: types.Gaussians
  sky: types.Array
  exposure: types.Array
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)
  config: Config = struct.field(pytree_node=False)

  @classmethod
  def create(cls, scenes, height, width, config=DEFAULT):
    """A renderer of a list of scenes of one size.

    Raises:
      ValueError: if the scenes differ in a size, naming the field.
    """
    parts = [
      {'gaussians': s.gaussians, 'sky': s.sky, 'exposure': s.exposure}
      for s in scenes
    ]
    stacked = jax.tree.map(jnp.asarray, types.stack(parts))
    return cls(**stacked, height=height, width=width, config=config)

  def __call__(self, scene_index, cameras: types.Camera, agents):
    """Images uint8 `[C, h, w, 3]` of cameras `[C]` with agents `[A]`.

    Camera c gets the exposure of the scene's camera c.

    Raises:
      ValueError: if the cameras have another size than the renderer.
    """
    if (cameras.height, cameras.width) != (self.height, self.width):
      raise ValueError(
        f'cameras of {cameras.height} x {cameras.width} pixels, renderer of'
        f' {self.height} x {self.width}'
      )
    gaussians, sky, exposure = types.take(
      (self.gaussians, self.sky, self.exposure), scene_index
    )

    def view(camera, exposure):
      rendered = rendering.render_world(
        gaussians, sky, exposure, camera, agents, self.config
      )
      return jnp.round(jnp.clip(rendered.color, 0, 1) * 255).astype(jnp.uint8)

    return jax.vmap(view)(cameras, exposure)
