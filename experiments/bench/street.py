# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A street of Gaussians to time rasterizers on, and cameras in it.

The street is 80 m long, seen from 1.6 m above the road by a camera of 60
degrees: 40 % of the Gaussians lie on road and pavement, 40 % on facades 9 m to
both sides, 8 % on 12 parked cars, 7 % in 10 trees and 5 % on a dome of sky at
150 m. Their sizes grow with their distance and shrink with their number, so
that surfaces are covered at every number.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import types


def street(count, sh_degree, seed):
  """`Gaussians` of the street; z is along it, y down, as in the camera."""
  rng = np.random.default_rng(seed)
  kind = rng.choice(5, count, p=(0.4, 0.4, 0.08, 0.07, 0.05))
  # The density along the street falls as z^-1.5 from 2 to 80 m.
  ends = 80**-0.5, 2**-0.5
  z = rng.uniform(*ends, count) ** -2
  xyz = np.stack([rng.uniform(-9, 9, count), np.zeros(count), z], -1)
  normal = np.tile([0.0, 1, 0], (count, 1))
  facade = np.flatnonzero(kind == 1)
  xyz[facade, 0] = 9 * rng.choice([-1, 1], len(facade))
  xyz[facade, 1] = rng.uniform(0, 12, len(facade))
  normal[facade] = [1, 0, 0]
  car = np.flatnonzero(kind == 2)
  which, face = rng.integers(12, size=len(car)), rng.integers(3, size=len(car))
  place = rng.uniform(-0.5, 0.5, (len(car), 3))
  place[np.arange(len(car)), face] = rng.choice([-0.5, 0.5], len(car))
  middle = np.stack(
    [5.5 * (-1.0) ** which, np.full(len(car), 0.75), 6 + 6.0 * which], -1
  )
  xyz[car] = middle + place * (1.8, 1.5, 4.4)
  normal[car] = np.eye(3)[face]
  tree = np.flatnonzero(kind == 3)
  which = rng.integers(10, size=len(tree))
  middle = np.stack(
    [7.5 * (-1.0) ** which, np.full(len(tree), 4.5), 8 + 7.0 * which], -1
  )
  radius = 2 * rng.uniform(size=(len(tree), 1)) ** (1 / 3)
  xyz[tree] = middle + radius * _unit(rng.normal(size=(len(tree), 3)))
  sky = np.flatnonzero(kind == 4)
  across, up = rng.uniform(-1, 1, len(sky)), rng.uniform(0, 1.2, len(sky))
  normal[sky] = np.stack(
    [np.sin(across) * np.cos(up), np.sin(up), np.cos(across) * np.cos(up)], -1
  )
  xyz[sky] = 150 * normal[sky]

  means = (0, 1.6, 0) + xyz * (1, -1, 1)
  size = 2.2 / np.sqrt(count) * np.linalg.norm(means, axis=-1)
  size *= rng.lognormal(0, 0.5, count) * np.where(kind == 4, 3, 1)
  axes = size[:, None] * rng.lognormal(0, 0.35, (count, 3))
  axes[:, 2] = size * np.where(kind == 3, 1, 0.15)
  sh = 0.1 * rng.normal(size=(count, (sh_degree + 1) ** 2, 3))
  sh[:, 0] = 0.8 * rng.normal(size=(count, 3))
  parts = types.Gaussians(
    means=means,
    log_scales=np.log(axes),
    quats=_towards(normal * (1, -1, 1), rng.uniform(0, np.pi, count)),
    opacity_logits=rng.normal(-1, 1.5, count),
    sh=sh,
    node=np.zeros(count),
  )
  return jax.tree.map(jnp.float32, parts).replace(
    node=jnp.zeros(count, jnp.int32)
  )


def _unit(x):
  return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _towards(normal, half_turn):
  """wxyz that turn z to `normal`, after a turn about z."""
  c, s = np.cos(half_turn), np.sin(half_turn)
  w, x, y = 1 + normal[:, 2], -normal[:, 1], normal[:, 0]
  opposite = w < 1e-6
  w, x = np.where(opposite, 0, w), np.where(opposite, 1, x)
  return _unit(np.stack([w * c, x * c + y * s, y * c - x * s, w * s], -1))


def pinhole(height, width):
  """A camera of 60 degrees at the origin."""
  focal = width / 2 / math.tan(math.radians(30))
  return types.Camera(
    camera_from_world=jnp.eye(4),
    intrinsics=jnp.array(
      [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
    ),
    height=height,
    width=width,
  )


def fleet(num_envs, height, width):
  """`[num_envs, 3]` cameras to the left, ahead and to the right.

  The environments stand one after the other along the first 10 m.
  """
  camera = pinhole(height, width)
  turns = np.radians([-50.0, 0.0, 50.0])
  views = np.stack([np.eye(4)] * 3)
  views[:, 0, 0] = views[:, 2, 2] = np.cos(turns)
  views[:, 0, 2], views[:, 2, 0] = -np.sin(turns), np.sin(turns)
  shift = np.stack([np.eye(4)] * num_envs)
  shift[:, 2, 3] = -np.linspace(0, 10, num_envs)
  return types.Camera(
    jnp.asarray(views @ shift[:, None], jnp.float32),
    jnp.broadcast_to(camera.intrinsics, (num_envs, 3, 3, 3)),
    height,
    width,
  )
