# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Objectives that guide samples to a collision and keep them plausible.

They follow Safe-Sim (Chang et al., arXiv 2401.00391) and DiffScene: the
adversary comes near the ego's planned path and is about to hit it, all stay on
the road and clear of each other, and motion stays usual. Unlike there, the gap
at the closest moments counts, not a sum over all; boxes are rows of discs, not
points; and the road is the drivable area, not a lane.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario.learned import config as config_lib
from rdrl.scenario.learned import traffic

# Places of discs along a box, and metres of the soft minimum of gaps.
_DISCS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_SOFT = 0.5
# Metres of overlap to aim at, and decay length in metres of the pull of a
# collision, so that far agents are not pulled.
_DEPTH, _FAR = 0.3, 15.0
# Seconds and metres of the kernel of the time to collision.
_SECONDS, _METRES = 2.0, 2.0
# Least metres to the edge of the road and to others.
_EDGE, _APART = 0.3, 0.5
# nuPlan's bounds of comfort (closed-loop metrics of the devkit): m/s^2 and
# m/s^3.
_BRAKE, _ACCELERATION, _LATERAL, _JERK = 4.05, 2.40, 4.89, 8.37


def objective(
  future: types.AgentState,
  view: traffic.View,
  adversary,
  drivable: types.Grid,
  weights: config_lib.Guidance,
):
  """The objective `[]` that guidance minimises.

  Args:
    future: `[F, N]` as sampled so far, the ego first, on its planned path.
    view: the present.
    adversary: `[]` int32, the agent that should collide with the ego.
    drivable: raster of one scene.
    weights: of the terms.
  """
  gaps = gaps_between(future, view.sizes, _SOFT)
  exists = view.now.valid
  attack = trees.take(future, (slice(None), adversary))
  ego = trees.take(future, (slice(None), 0))
  gap = gaps[:, 0, adversary]
  total = weights.collision * _collision(gap)
  total += weights.time_to_collision * _time_to_collision(attack, ego)
  total += weights.off_road * _off_road(future, view, drivable)
  agents = jnp.arange(len(exists))
  # The pair that should collide.
  wanted = (agents == 0) & (agents[:, None] == adversary)
  counts = exists & exists[:, None] & (agents < agents[:, None])
  near = jnp.maximum(_APART - gaps, 0)
  near = jnp.where(counts & ~wanted, near, 0)
  total += weights.separation * jnp.sum(jnp.mean(near, 0))
  return total + weights.comfort * _discomfort(future, view)


def gaps_between(future, sizes, soft=None):
  """Gaps `[F, N, N]` in metres between boxes, negative where they overlap.

  Boxes are rows of discs of their width, which leaves out their corners.

  Args:
    future: `[F, N]`.
    sizes: `[N, 3]` metres.
    soft: metres of a soft minimum over discs, for its gradient; None: exact.
  """
  length, width = sizes[:, 0], sizes[:, 1]
  reach = jnp.maximum(length - width, 0) / 2
  along = reach[:, None] * jnp.array(_DISCS)
  forward = jnp.stack([jnp.cos(future.yaw), jnp.sin(future.yaw)], -1)
  discs = future.xy[..., None, :] + along[..., None] * forward[..., None, :]
  apart = geometry.safe_norm(
    discs[:, :, None, :, None] - discs[:, None, :, None, :]
  )
  if soft is None:
    nearest = jnp.min(apart, (-2, -1))
  else:
    nearest = -soft * jax.nn.logsumexp(-apart / soft, (-2, -1))
  return nearest - (width[:, None] + width) / 2


def _collision(gap):
  least = -_SOFT * jax.nn.logsumexp(-gap / _SOFT)
  return -jnp.exp(-jnp.maximum(least + _DEPTH, 0) / _FAR) * _FAR


def _time_to_collision(attack, ego):
  """Safe-Sim's kernel of the time and distance of the closest approach."""

  def velocity(state):
    return state.speed[:, None] * jnp.stack(
      [jnp.cos(state.yaw), jnp.sin(state.yaw)], -1
    )

  offset = attack.xy - ego.xy
  closing = velocity(attack) - velocity(ego)
  squared = jnp.sum(closing**2, -1)
  time = -jnp.sum(offset * closing, -1) / jnp.maximum(squared, 0.1)
  time = jnp.maximum(time, 0)
  passing = jnp.sum((offset + time[:, None] * closing) ** 2, -1)
  return -jnp.mean(jnp.exp(-((time / _SECONDS) ** 2) - passing / _METRES**2))


def _off_road(future, view, drivable):
  corners = geometry.box_corners(future.xy, future.yaw, view.sizes)
  beyond = jnp.maximum(_EDGE - geometry.sample_grid(drivable, corners), 0)
  # An agent that is off the road now is not pulled back to it.
  now = geometry.box_corners(view.now.xy, view.now.yaw, view.sizes)
  on_road = jnp.all(geometry.sample_grid(drivable, now) > 0, -1)
  counts = on_road & view.now.valid & view.wheeled
  return jnp.sum(jnp.where(counts, jnp.mean(beyond, (0, 2)), 0))


def _discomfort(future, view):
  dt = types.TIME_STEP
  speed = jnp.concatenate([view.now.speed[None], future.speed])
  yaw = jnp.concatenate([view.now.yaw[None], future.yaw])
  acceleration = (speed[1:] - speed[:-1]) / dt
  turn = geometry.wrap_angle(yaw[1:] - yaw[:-1]) / dt
  lateral = jnp.abs(turn * future.speed)
  steps = config_lib.JERK_STEPS
  jerk = jnp.abs(acceleration[steps:] - acceleration[:-steps]) / (steps * dt)
  excess = (
    jnp.mean(jnp.maximum(acceleration - _ACCELERATION, 0) ** 2, 0)
    + jnp.mean(jnp.maximum(-acceleration - _BRAKE, 0) ** 2, 0)
    + jnp.mean(jnp.maximum(lateral - _LATERAL, 0) ** 2, 0)
    + jnp.mean((jnp.maximum(jerk - _JERK, 0) / 2) ** 2, 0)
  )
  return jnp.sum(jnp.where(view.now.valid, excess, 0))
