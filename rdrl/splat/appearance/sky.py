# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The sky behind all Gaussians: an equirectangular map of directions."""

import jax.numpy as jnp

from rdrl import geometry


def background(sky, camera):
  """Looks up every pixel's direction in the sky, bilinearly; `[H, W, 3]`.

  Args:
    sky: `[h, w, 3]` as in `types.Scene`: pixel centres at half integers, row 0
      the zenith, columns counter-clockwise from world +x and periodic.
    camera: one.
  """
  height, width = sky.shape[:2]
  _, rays = geometry.pixel_rays(camera)
  horizontal = jnp.hypot(rays[..., 0], rays[..., 1])
  polar = jnp.arctan2(horizontal, rays[..., 2])
  azimuth = jnp.arctan2(rays[..., 1], rays[..., 0])
  row = jnp.clip(polar / jnp.pi * height - 0.5, 0, height - 1)
  column = azimuth / (2 * jnp.pi) * width - 0.5
  top = jnp.minimum(jnp.floor(row), height - 2)
  left = jnp.floor(column)
  down, across = (row - top)[..., None], (column - left)[..., None]
  top, left = top.astype(jnp.int32), left.astype(jnp.int32)
  flat = sky.reshape(-1, 3)

  def at(row, column):
    return flat[row * width + column % width]

  above = (1 - across) * at(top, left) + across * at(top, left + 1)
  below = (1 - across) * at(top + 1, left) + across * at(top + 1, left + 1)
  return (1 - down) * above + down * below
