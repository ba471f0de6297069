# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Traffic that follows paths at the speed of the Intelligent Driver Model.

Treiber, Hennecke, Helbing, "Congested traffic states in empirical observations
and microscopic simulations", Phys. Rev. E 62 (2000), arXiv cond-mat/0002177.
An agent keeps to a polyline; who is ahead of it on that polyline, the ego
included, is found anew at every step, so that traffic reacts.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types

# Half the distance of the two axles, both of which follow the path: the chord
# between them is the heading.
_HALF_WHEELBASE = 1.4


@dataclasses.dataclass(frozen=True)
class IdmConfig:
  """Parameters of the Intelligent Driver Model.

  Minimum gap, exponent and deceleration are table I of Treiber et al. 2000;
  acceleration and headway are raised and lowered from its 0.73 m/s^2 and 1.6 s,
  values of a motorway, to what a city street needs.

  Attributes:
    max_acceleration: a, m/s^2.
    comfortable_deceleration: b, m/s^2.
    headway: T, seconds.
    min_gap: s0, metres.
    exponent: delta.
    max_deceleration: m/s^2, the limit of the tyres; the model has none.
  """

  max_acceleration: float = 1.5
  comfortable_deceleration: float = 1.67
  headway: float = 1.2
  min_gap: float = 2.0
  exponent: float = 4.0
  max_deceleration: float = 8.0


def idm_acceleration(speed, gap, lead_speed, desired_speed, config=IdmConfig()):
  """Acceleration in m/s^2, equations 3 and 4 of Treiber et al. 2000.

  Args:
    speed: `[...]` m/s.
    gap: `[...]` metres from bumper to bumper; infinite without a lead.
    lead_speed: `[...]` m/s of the lead along the path.
    desired_speed: `[...]` m/s.
    config: parameters.

  Returns:
    `[...]` in [-max_deceleration, max_acceleration].
  """
  closing = speed - lead_speed
  braking = 2 * jnp.sqrt(
    config.max_acceleration * config.comfortable_deceleration
  )
  # The dynamic part is cut at zero: a lead that pulls away must not attract.
  desired_gap = config.min_gap + jnp.maximum(
    0.0, speed * config.headway + speed * closing / braking
  )
  free = (speed / jnp.maximum(desired_speed, 0.1)) ** config.exponent
  interaction = (desired_gap / jnp.maximum(gap, 0.01)) ** 2
  acceleration = config.max_acceleration * (1 - free - interaction)
  return jnp.clip(
    acceleration, -config.max_deceleration, config.max_acceleration
  )


def lead_on_path(
  agents: types.AgentState,
  sizes,
  path,
  path_valid,
  self_index,
  self_progress,
  lateral_margin=0.3,
):
  """The nearest agent ahead on one path.

  An agent is on the path where its box comes closer to it than half the width
  of the follower plus a margin.

  Args:
    agents: `[A]`.
    sizes: `[A, 3]` metres.
    path: `[P, 2]` polyline that the follower drives along.
    path_valid: `[P]` bool, true for a prefix of at least two points.
    self_index: `[]` int, which agent follows.
    self_progress: `[]` metres along the path of the follower's middle.
    lateral_margin: metres.

  Returns:
    Gap `[]` in metres between the boxes along the path, infinite where nobody
    is ahead, and speed `[]` of the lead along the path in m/s.
  """
  along, offset, heading, _ = jax.vmap(
    geometry.project_to_polyline, (0, None, None)
  )(agents.xy, path, path_valid)
  relative = agents.yaw - heading
  cos, sin = jnp.cos(relative), jnp.sin(relative)
  half_length, half_width = sizes[:, 0] / 2, sizes[:, 1] / 2
  reach_along = jnp.abs(cos) * half_length + jnp.abs(sin) * half_width
  reach_aside = jnp.abs(sin) * half_length + jnp.abs(cos) * half_width
  is_ahead = (
    agents.valid
    & (jnp.arange(len(sizes)) != self_index)
    & (along > self_progress)
    & (jnp.abs(offset) < reach_aside + half_width[self_index] + lateral_margin)
  )
  gap = along - reach_along - self_progress - half_length[self_index]
  gap = jnp.where(is_ahead, gap, jnp.inf)
  lead = jnp.argmin(gap)
  lead_speed = jnp.where(is_ahead[lead], (agents.speed * cos)[lead], 0.0)
  return gap[lead], lead_speed


def point_on_path(path, path_valid, progress):
  """Point `[2]` at arc length `progress` `[]`, straight on beyond both ends.

  Args:
    path: `[P, 2]`.
    path_valid: `[P]` bool, true for a prefix of at least two points.
    progress: metres from the first point.
  """
  segment = path[1:] - path[:-1]
  length = jnp.where(path_valid[1:], geometry.safe_norm(segment), 0)
  usable = length > 1e-6
  end = jnp.cumsum(length)
  index = jnp.sum(end <= progress)
  first = jnp.argmax(usable)
  last = len(segment) - 1 - jnp.argmax(usable[::-1])
  index = jnp.clip(index, first, last)
  fraction = (progress - (end - length)[index]) / jnp.maximum(
    length[index], 1e-6
  )
  fraction = jnp.where(usable[index], fraction, 0)
  return path[index] + fraction * segment[index]


def pose_on_path(path, path_valid, progress):
  """Middle `[2]` and heading `[]` of an agent at `progress` `[]` on a path.

  The heading is that of the chord between two axles on the path, which is
  smooth where the heading of the segments is not.
  """
  rear = point_on_path(path, path_valid, progress - _HALF_WHEELBASE)
  front = point_on_path(path, path_valid, progress + _HALF_WHEELBASE)
  chord = front - rear
  xy = point_on_path(path, path_valid, progress)
  return xy, jnp.arctan2(chord[1], chord[0])


def step_along_paths(
  agents: types.AgentState,
  sizes,
  paths,
  paths_valid,
  progress,
  desired_speed,
  controlled,
  dt=types.TIME_STEP,
  config=IdmConfig(),
  lateral_margin=0.3,
):
  """Moves agents along their paths for one step.

  Args:
    agents: `[A]` now, the ego and everybody else who can be a lead included.
    sizes: `[A, 3]` metres.
    paths: `[A, P, 2]`.
    paths_valid: `[A, P]` bool, true for a prefix; agents with fewer than two
      points or a path shorter than 0.5 m stand still.
    progress: `[A]` metres along its path of each agent.
    desired_speed: `[A]` m/s.
    controlled: `[A]` bool; the others come back unchanged.
    dt: seconds.
    config: parameters of the driver model.
    lateral_margin: metres, see `lead_on_path`.

  Returns:
    `AgentState` `[A]` and progress `[A]` after the step.
  """

  def step_one(index, path, path_valid, progress, desired_speed):
    gap, lead_speed = lead_on_path(
      agents, sizes, path, path_valid, index, progress, lateral_margin
    )
    speed = agents.speed[index]
    acceleration = idm_acceleration(
      speed, gap, lead_speed, desired_speed, config
    )
    # Ballistic update that stops at speed zero (Treiber, Kanagaraj 2015).
    new_speed = jnp.maximum(speed + acceleration * dt, 0.0)
    new_progress = progress + (speed + new_speed) / 2 * dt
    length = jnp.sum(
      jnp.where(path_valid[1:], geometry.safe_norm(path[1:] - path[:-1]), 0)
    )
    xy, yaw = pose_on_path(path, path_valid, new_progress)
    return xy, yaw, new_speed, new_progress, length > 0.5

  xy, yaw, speed, new_progress, has_path = jax.vmap(step_one)(
    jnp.arange(len(sizes)), paths, paths_valid, progress, desired_speed
  )
  moves = controlled & agents.valid & has_path
  stands = controlled & agents.valid & ~has_path
  agents = agents.replace(
    xy=jnp.where(moves[:, None], xy, agents.xy),
    yaw=jnp.where(moves, yaw, agents.yaw),
    speed=jnp.where(moves, speed, jnp.where(stands, 0.0, agents.speed)),
  )
  return agents, jnp.where(moves, new_progress, progress)
