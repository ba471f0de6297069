# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Actions, and the unicycle that integrates them to tracks.

An action is an acceleration and a yaw rate, given at knots and linear between
them; the unicycle is that of CTG (Zhong et al., arXiv 2210.17366) and Safe-Sim
(Chang et al., arXiv 2401.00391). Its limits hold by construction, so every
sample can be driven. Knots rather than an action per step leave out the jitter
of recorded boxes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types

# Share of a limit that is used, lest rounding fail its check.
_ROUNDING = 0.999
# Weights of a fit: of speeds in m/s relative to positions in metres, and of
# second differences of the actions.
_SPEED_WEIGHT = 0.5
_ROUGHNESS = (0.05, 0.01)


def unroll(now: types.AgentState, actions, wheeled, config):
  """Integrates the actions of one agent.

  Args:
    now: fields of shape `[]`.
    actions: `[K, 2]` m/s^2 and rad/s at the knots.
    wheeled: `[]` bool; pedestrians may turn on the spot.
    config: `learned.Config`, the limits.

  Returns:
    `AgentState` `[F]`, at the height of `now`; never reverses.
  """
  dt = types.TIME_STEP
  between = jnp.asarray(_interpolation(config.num_knots, config.knot_steps))
  acceleration, turn = jnp.moveaxis(
    jnp.matmul(between, actions, precision='highest'), -1, 0
  )
  limit = _ROUNDING * config.max_acceleration
  acceleration = jnp.clip(acceleration, -limit, limit)
  # Speed as max(speed + change, 0) step by step, in closed form: Lindley 1952.
  start = jnp.maximum(now.speed, 0.0)
  free = start + dt * jnp.cumsum(acceleration)
  speed = free - jnp.minimum(jax.lax.cummin(free), 0.0)
  before = jnp.concatenate([start[None], speed[:-1]])
  mean = (before + speed) / 2
  limit = jnp.where(
    wheeled,
    _ROUNDING
    * jnp.minimum(
      config.max_curvature * jnp.minimum(before, speed),
      config.max_lateral_acceleration / jnp.maximum(before, speed).clip(1e-3),
    ),
    config.max_yaw_rate,
  )
  turn = dt * jnp.clip(turn, -limit, limit)
  yaw = now.yaw + jnp.cumsum(turn)
  middle = yaw - turn / 2
  step = (dt * mean)[:, None] * jnp.stack(
    [jnp.cos(middle), jnp.sin(middle)], -1
  )
  return types.AgentState(
    xy=now.xy + jnp.cumsum(step, 0),
    z=jnp.broadcast_to(now.z, yaw.shape),
    yaw=geometry.wrap_angle(yaw),
    speed=speed,
    valid=jnp.broadcast_to(now.valid, yaw.shape),
  )


def fit(now: types.AgentState, future: types.AgentState, config):
  """Fits actions `[K, 2]` to a future by least squares.

  Both parts are linear: distance and speed in the acceleration, heading in the
  yaw rate.

  Args:
    now: fields of shape `[]`.
    future: `[F]`; `valid` is ignored.
    config: `learned.Config`.
  """
  along_fit, turn_fit = _fits(config.num_knots, config.knot_steps)
  yaw = jnp.concatenate([now.yaw[None], future.yaw])
  turned = jnp.cumsum(geometry.wrap_angle(yaw[1:] - yaw[:-1]))
  middle = yaw[:-1] + geometry.wrap_angle(yaw[1:] - yaw[:-1]) / 2
  xy = jnp.concatenate([now.xy[None], future.xy])
  forward = jnp.stack([jnp.cos(middle), jnp.sin(middle)], -1)
  way = jnp.cumsum(jnp.sum((xy[1:] - xy[:-1]) * forward, -1))
  start = jnp.maximum(now.speed, 0.0)
  time = types.TIME_STEP * jnp.arange(1, len(way) + 1)
  gained = _SPEED_WEIGHT * (future.speed - start)
  along = jnp.concatenate([way - start * time, gained])
  return jnp.stack(
    [
      jnp.matmul(along_fit, along, precision='highest'),
      jnp.matmul(turn_fit, turned, precision='highest'),
    ],
    -1,
  )


def smooth(now: types.AgentState, future: types.AgentState, wheeled, config):
  """Projects `future` `[F]` onto what actions can express; see `unroll`."""
  return unroll(now, fit(now, future, config), wheeled, config)


@functools.cache
def _interpolation(num_knots, knot_steps):
  """`[F, K]` linear interpolation from knots to the middle of each step."""
  steps = (num_knots - 1) * knot_steps
  place = (np.arange(steps) + 0.5) / knot_steps
  distance = np.abs(place[:, None] - np.arange(num_knots))
  return np.maximum(1 - distance, 0).astype(np.float32)


@functools.cache
def _fits(num_knots, knot_steps):
  """`[K, 2 F]` and `[K, F]`, pseudo-inverses of the integrals of actions."""
  dt = types.TIME_STEP
  speed = dt * np.cumsum(
    _interpolation(num_knots, knot_steps).astype(np.float64), 0
  )
  before = np.concatenate([np.zeros((1, num_knots)), speed[:-1]])
  way = dt * np.cumsum((before + speed) / 2, 0)
  rough = np.diff(np.eye(num_knots), 2, 0)
  along = np.concatenate([way, _SPEED_WEIGHT * speed, _ROUGHNESS[0] * rough])
  turn = np.concatenate([speed, _ROUGHNESS[1] * rough])
  return tuple(
    np.linalg.pinv(matrix)[:, : len(matrix) - len(rough)].astype(np.float32)
    for matrix in (along, turn)
  )
