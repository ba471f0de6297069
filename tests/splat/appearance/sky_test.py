# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Which way the sky map looks."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import types
from rdrl.splat.appearance import sky


def _looking(forward, up):
  """A narrow camera at the origin."""
  forward, up = np.array(forward, float), np.array(up, float)
  right = np.cross(forward, up)
  view = np.eye(4)
  view[:3, :3] = np.stack([right, -up, forward])
  return types.Camera(
    camera_from_world=jnp.asarray(view),
    intrinsics=jnp.array([[1e4, 0, 1.5], [0, 1e4, 1.5], [0, 0, 1]]),
    height=3,
    width=3,
  )


# Row 0 is the zenith; columns run counter-clockwise from +x.
SKY = np.zeros((16, 32, 3), np.float32)
SKY[..., 0] = np.arange(16)[:, None]
SKY[..., 1] = np.arange(32)


@pytest.mark.parametrize(
  ('forward', 'column'),
  [((0, 1, 0), 7.5), ((-1, 0, 0), 15.5), ((0, -1, 0), 23.5)],
)
def test_columns_turn_counter_clockwise(forward, column):
  seen = sky.background(jnp.asarray(SKY), _looking(forward, (0, 0, 1)))
  np.testing.assert_allclose(seen[1, 1, :2], [7.5, column], atol=0.01)


def test_the_seam_at_plus_x_is_continuous():
  periodic = SKY.copy()
  periodic[..., 1] = np.cos(2 * np.pi * (np.arange(32) + 0.5) / 32)
  seen = sky.background(jnp.asarray(periodic), _looking((1, 0, 0), (0, 0, 1)))
  np.testing.assert_allclose(seen[..., 1], periodic[0, 0, 1], atol=1e-3)


def test_zenith_and_nadir_are_the_first_and_last_row():
  up = sky.background(jnp.asarray(SKY), _looking((0, 0, 1), (-1, 0, 0)))
  down = sky.background(jnp.asarray(SKY), _looking((0, 0, -1), (1, 0, 0)))
  np.testing.assert_allclose(up[..., 0], 0, atol=0.01)
  np.testing.assert_allclose(down[..., 0], 15, atol=0.01)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
