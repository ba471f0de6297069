# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Dynamics of the ego: kinematic bicycle, single track on tyres, or the log.

The kinematic bicycle rolls its rear axle along exact arcs. Its controls are the
acceleration and the steering angle, constant over a step.
"""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
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


def roll(ego: types.AgentState, acceleration, curvature, config, dt):
  """Steps the kinematic bicycle, without limits.

  Args:
    ego: fields of shape `[]`, of the middle of the box.
    acceleration: `[]` m/s^2.
    curvature: `[]` 1/m of the track of the rear axle, positive to the left.
    config: `sim.Config`, for the place of the rear axle.
    dt: seconds.

  Returns:
    `AgentState` `[]`; its z is the old one.
  """
  change = acceleration * dt
  offset = jnp.array([config.rear_axle_to_center, 0.0])
  rear_axle, yaw = follow_arc(
    ego.xy - geometry.rotate_2d(offset, ego.yaw),
    ego.yaw,
    (ego.speed + change / 2) * dt,
    curvature,
  )
  return ego.replace(
    xy=rear_axle + geometry.rotate_2d(offset, yaw),
    yaw=yaw,
    speed=ego.speed + change,
  )


def bicycle(ego: types.AgentState, speed, curvature, config: Config):
  """Steps the kinematic bicycle by `types.TIME_STEP`, within its limits.

  Args:
    ego: fields of shape `[]`, of the middle of the box.
    speed: `[]` m/s, commanded; reached at a constant acceleration within the
      limits of the config.
    curvature: `[]` 1/m of the track of the rear axle.
    config: wheelbase and limits.

  Returns:
    `AgentState` `[]`; its z is the old one.
  """
  acceleration = jnp.clip(
    (speed - ego.speed) / types.TIME_STEP, *config.acceleration_limits
  )
  limit = jnp.tan(config.max_steering) / config.wheelbase
  curvature = jnp.clip(curvature, -limit, limit)
  return roll(ego, acceleration, curvature, config, types.TIME_STEP)


def drive(start: types.AgentState, acceleration, steering, config, dt=None):
  """Integrates the kinematic bicycle over controls, without limits.

  Args:
    start: fields of shape `[]`.
    acceleration: `[T - 1]` m/s^2.
    steering: `[T - 1]` rad at the wheels.
    config: `sim.Config`, for the axles.
    dt: `[T - 1]` seconds of the steps; None: `types.TIME_STEP`.

  Returns:
    `AgentState` `[T]`.
  """
  if dt is None:
    dt = jnp.full(len(acceleration), types.TIME_STEP)

  def step(ego, controls):
    acceleration, steering, dt = controls
    curvature = jnp.tan(steering) / config.wheelbase
    ego = roll(ego, acceleration, curvature, config, dt)
    return ego, ego

  start = jax.tree.map(jnp.asarray, start)
  _, rest = jax.lax.scan(step, start, (acceleration, steering, dt))
  return jax.tree.map(lambda x, y: jnp.append(x[None], y, 0), start, rest)


def initial(ego: types.AgentState, curvature, config: Config):
  """State `[V]` of the dynamics of a steadily driving ego, or None."""
  if config.dynamics == 'single_track':
    return single_track.initial(ego, curvature)
  return None


def step(ego: types.AgentState, vehicle, speed, curvature, reference, config):
  """Moves the ego for one step.

  Args:
    ego: fields of shape `[]`.
    vehicle: from `initial`.
    speed: `[]` m/s, commanded.
    curvature: `[]` 1/m, commanded.
    reference: `AgentState` `[]`, the reference after the step.
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


def advance(agents, vehicle, others, speed, curvature, config):
  """All agents after a step: moves the ego, takes the others as given.

  Args:
    agents: `[A]` now, the ego first.
    vehicle: from `initial`.
    others: `[A]` after the step; the first is the ego's reference.
    speed: `[]` m/s, commanded.
    curvature: `[]` 1/m, commanded.
    config: which dynamics.

  Returns:
    `AgentState` `[A]` and vehicle.
  """
  ego, vehicle = step(
    trees.take(agents, 0),
    vehicle,
    speed,
    curvature,
    trees.take(others, 0),
    config,
  )
  return jax.tree.map(lambda x, e: x.at[0].set(e), others, ego), vehicle
