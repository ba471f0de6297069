# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A car that its tyres carry: the single-track model with slip and lag.

Planar single-track model with load transfer, section 8 of Althoff, Koschi,
Manzinger, "CommonRoad: Vehicle Models", 2020
(gitlab.lrz.de/tum-cps/commonroad-vehicle-models), with three changes. The
lateral tyre force saturates by Pacejka's magic formula with E = 0 (Pacejka,
"Tire and Vehicle Dynamics", 3rd ed. 2012, eq. 4.E1) and shrinks by the
friction circle while braking. Steering angle and acceleration follow their
commands with first-order lag. Below walking pace, where slip angles lose their
meaning, the model fades into the kinematic bicycle.

The state is a vector `[8]`: x, y of the centre of gravity in the world, yaw,
longitudinal and lateral velocity in the body frame, yaw rate, steering angle,
acceleration. The centre of gravity is taken to be the middle of the box.
"""

import dataclasses

import diffrax
import jax
import jax.numpy as jnp

from rdrl import types

_GRAVITY = 9.81


@dataclasses.dataclass(frozen=True)
class Params:
  """Parameters of the vehicle, its actuators and its tracking controller.

  Tyre stiffness, height of the centre of gravity and steering rate are those of
  the BMW 320i of Althoff et al. 2020, appendix A; mass, inertia and axles are
  those of a mid-size car with a wheelbase of 2.8 m; the lags are those of
  Autoware's planning simulator (tier4.github.io/scenario_simulator_v2-docs,
  "Vehicle Dynamics"). The gains of the controller are ours.

  Attributes:
    mass: kg.
    yaw_inertia: kg m^2.
    front_axle: metres ahead of the centre of gravity.
    rear_axle: metres behind it.
    gravity_height: metres of the centre of gravity above ground.
    friction: coefficient mu of dry asphalt.
    cornering_stiffness: 1/rad, lateral force over mu times load and slip angle.
    shape_factor: C of the magic formula for lateral force.
    steering_lag: seconds.
    acceleration_lag: seconds.
    max_steering: rad at the wheels.
    max_steering_rate: rad/s.
    max_acceleration: m/s^2.
    max_deceleration: m/s^2.
    speed_gain: 1/s, acceleration command per error of speed.
    yaw_rate_gain: seconds, steering command per error of yaw rate.
    blend_speeds: m/s, kinematic below the first, dynamic above the second.
    num_substeps: steps of Heun's method in one call of `step`.
  """

  mass: float = 1500.0
  yaw_inertia: float = 2600.0
  front_axle: float = 1.3
  rear_axle: float = 1.5
  gravity_height: float = 0.57
  friction: float = 0.9
  cornering_stiffness: float = 20.9
  shape_factor: float = 1.3
  steering_lag: float = 0.27
  acceleration_lag: float = 0.1
  max_steering: float = 0.61
  max_steering_rate: float = 0.4
  max_acceleration: float = 4.0
  max_deceleration: float = 8.0
  speed_gain: float = 2.5
  yaw_rate_gain: float = 0.15
  blend_speeds: tuple[float, float] = (2.0, 4.0)
  num_substeps: int = 10

  @property
  def wheelbase(self):
    return self.front_axle + self.rear_axle


def initial(ego: types.AgentState, curvature=0.0, params=Params()):
  """State `[8]` of an `AgentState` `[]` that drives steadily.

  Args:
    ego: fields of shape `[]`.
    curvature: `[]` 1/m that it drives at present.
    params: parameters.
  """
  steering = jnp.arctan(params.wheelbase * curvature)
  yaw_rate = ego.speed * curvature
  lateral = params.rear_axle * yaw_rate
  fields = [*ego.xy, ego.yaw, ego.speed, lateral, yaw_rate, steering, 0.0]
  return jnp.stack([jnp.asarray(x, jnp.float32) for x in fields])


def agent_fields(vector):
  """Middle of the box `[..., 2]`, yaw, speed along the heading `[...]`."""
  return vector[..., :2], vector[..., 2], vector[..., 3]


def tyre_force(slip_angle, load, longitudinal_use, params=Params()):
  """Lateral force of an axle in newtons, positive to the left.

  Args:
    slip_angle: `[...]` rad, angle of the wheel less that of its motion.
    load: `[...]` newtons on the axle.
    longitudinal_use: `[...]` share of the friction that braking or driving
      takes, in [-1, 1].
    params: parameters.
  """
  peak = (
    params.friction
    * load
    * jnp.sqrt(jnp.maximum(1 - longitudinal_use**2, 0.01))
  )
  stiffness = params.cornering_stiffness / params.shape_factor
  return peak * jnp.sin(
    params.shape_factor * jnp.arctan(stiffness * slip_angle)
  )


def _derivative(time, vector, args):
  del time  # The commands hold still over the step.
  target_speed, target_curvature, params = args
  _, _, yaw, vx, vy, yaw_rate, steering, acceleration = vector
  wheelbase = params.wheelbase

  steering_command = jnp.arctan(wheelbase * target_curvature)
  steering_command += params.yaw_rate_gain * (vx * target_curvature - yaw_rate)
  steering_command = jnp.clip(
    steering_command, -params.max_steering, params.max_steering
  )
  steering_rate = jnp.clip(
    (steering_command - steering) / params.steering_lag,
    -params.max_steering_rate,
    params.max_steering_rate,
  )
  # A vehicle with a target speed of zero keeps braking.
  wish = params.speed_gain * (target_speed - vx)
  wish = jnp.where(target_speed < 0.05, jnp.minimum(wish, -1.0), wish)
  acceleration_command = jnp.clip(
    wish,
    -params.max_deceleration,
    params.max_acceleration,
  )
  jerk = (acceleration_command - acceleration) / params.acceleration_lag

  # Brakes hold a standing car, they do not push it backwards.
  limit = 0.98 * params.friction * _GRAVITY
  pull = jnp.clip(acceleration, -limit, limit)
  pull = jnp.where(pull < 0, pull * jnp.clip(vx / 0.2, 0, 1), pull)

  transfer = params.gravity_height * pull / _GRAVITY
  weight = params.mass * _GRAVITY / wheelbase
  load_front = weight * (params.rear_axle - transfer)
  load_rear = weight * (params.front_axle + transfer)
  low, high = params.blend_speeds
  safe_vx = jnp.maximum(vx, low)
  slip_front = steering - jnp.arctan2(
    vy + params.front_axle * yaw_rate, safe_vx
  )
  slip_rear = -jnp.arctan2(vy - params.rear_axle * yaw_rate, safe_vx)
  use = pull / (params.friction * _GRAVITY)
  front = tyre_force(slip_front, load_front, use, params)
  rear = tyre_force(slip_rear, load_rear, use, params)
  cos_steering = jnp.cos(steering)
  lateral_dynamic = (front * cos_steering + rear) / params.mass - vx * yaw_rate
  yaw_dynamic = (
    params.front_axle * front * cos_steering - params.rear_axle * rear
  ) / params.yaw_inertia
  drag = front * jnp.sin(steering) / params.mass

  # The kinematic bicycle as an attractor with a time constant of 50 ms.
  yaw_rate_kinematic = vx * jnp.tan(steering) / wheelbase
  lateral_kinematic = params.rear_axle * yaw_rate_kinematic
  dynamic = jnp.clip((vx - low) / (high - low), 0, 1)

  def blend(kinematic, dynamic_rate, value):
    return dynamic * dynamic_rate + (1 - dynamic) * (kinematic - value) / 0.05

  cos, sin = jnp.cos(yaw), jnp.sin(yaw)
  return jnp.stack(
    [
      vx * cos - vy * sin,
      vx * sin + vy * cos,
      yaw_rate,
      pull + dynamic * (vy * yaw_rate - drag),
      blend(lateral_kinematic, lateral_dynamic, vy),
      blend(yaw_rate_kinematic, yaw_dynamic, yaw_rate),
      steering_rate,
      jerk,
    ]
  )


def step(vector, target_speed, target_curvature, dt=0.1, params=Params()):
  """Drives for `dt` seconds towards a speed and a curvature.

  Args:
    vector: `[8]`.
    target_speed: `[]` m/s.
    target_curvature: `[]` 1/m, positive to the left.
    dt: seconds.
    params: parameters.

  Returns:
    `[8]`.
  """
  # Single steps of the solver: `diffeqsolve` around them compiles ten times
  # longer and keeps state that a fixed step does not need.
  term = diffrax.ODETerm(_derivative)
  solver = diffrax.Heun()
  args = (target_speed, target_curvature, params)
  substep = dt / params.num_substeps

  def advance(_, vector):
    vector, *_ = solver.step(
      term, 0.0, substep, vector, args, solver_state=None, made_jump=False
    )
    return vector

  return jax.lax.fori_loop(0, params.num_substeps, advance, vector)
