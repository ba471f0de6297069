# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How the ego moves in one step: a bicycle, a car on tyres, or the log."""

import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.sim.config import Config
from rdrl.world import vehicle as single_track


def follow_arc(xy, yaw, length, curvature):
  """Pose after `length` metres on a circle tangent to the heading, exactly.

  Args:
    xy: `[..., 2]`.
    yaw: `[...]`.
    length: `[...]` metres.
    curvature: `[...]` 1/m, positive to the left.

  Returns:
    `[..., 2]` and `[...]`.
  """
  angle = length * curvature
  chord = length * jnp.sinc(angle / (2 * jnp.pi))
  direction = yaw + angle / 2
  step = jnp.stack([jnp.cos(direction), jnp.sin(direction)], -1)
  return xy + chord[..., None] * step, geometry.wrap_angle(yaw + angle)


def bicycle(ego: types.AgentState, speed, curvature, config: Config):
  """The kinematic bicycle for one step of `types.TIME_STEP`.

  Args:
    ego: fields of shape `[]`, of the middle of the box.
    speed: `[]` m/s, commanded; reached at a constant acceleration within the
      limits of the config.
    curvature: `[]` 1/m of the track of the rear axle.
    config: wheelbase and limits.

  Returns:
    `AgentState` `[]`; its z is the old one.
  """
  low, high = config.acceleration_limits
  change = jnp.clip(
    speed - ego.speed, low * types.TIME_STEP, high * types.TIME_STEP
  )
  limit = jnp.tan(config.max_steering) / config.wheelbase
  curvature = jnp.clip(curvature, -limit, limit)
  offset = jnp.array([config.rear_axle_to_center, 0.0])
  rear_axle, yaw = follow_arc(
    ego.xy - geometry.rotate_2d(offset, ego.yaw),
    ego.yaw,
    (ego.speed + change / 2) * types.TIME_STEP,
    curvature,
  )
  return ego.replace(
    xy=rear_axle + geometry.rotate_2d(offset, yaw),
    yaw=yaw,
    speed=ego.speed + change,
  )


def initial(ego: types.AgentState, curvature, config: Config):
  """What the dynamics carry, `[V]`, for an ego that drives steadily."""
  if config.dynamics == 'single_track':
    return single_track.initial(ego, curvature)
  return jnp.zeros(0)


def step(ego: types.AgentState, vehicle, speed, curvature, reference, config):
  """Moves the ego for one step.

  Args:
    ego: fields of shape `[]`.
    vehicle: `[V]`, from `initial`.
    speed: `[]` m/s, commanded.
    curvature: `[]` 1/m, commanded.
    reference: `AgentState` `[]`, where the reference is after the step.
    config: which dynamics.

  Returns:
    Ego and vehicle.
  """
  if config.dynamics == 'replay':
    return reference, vehicle
  if config.dynamics == 'single_track':
    vehicle = single_track.step(vehicle, speed, curvature, types.TIME_STEP)
    xy, yaw, speed = single_track.agent_fields(vehicle)
    return ego.replace(
      xy=xy, yaw=geometry.wrap_angle(yaw), speed=speed
    ), vehicle
  return bicycle(ego, speed, curvature, config), vehicle
