# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A planner that knows whom the cameras see: the teacher of camera policies.

Like PDM-Closed (Dauner et al., arXiv 2306.07962) it rolls out a library of
manoeuvres along the reference path, each an acceleration and an offset to the
side, among forecasts of the others, and takes the one of least cost. What
differs: offsets are reached by a quintic, others are forecast at constant
acceleration and yaw rate, and costs add up.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import ranges
from rdrl import trees
from rdrl import types
from rdrl.scenario import profiles
from rdrl.sim import anchors
from rdrl.sim import paths as paths_lib
from rdrl.sim import sight
from rdrl.world import traffic


@dataclasses.dataclass(frozen=True)
class PlannerConfig:
  """Manoeuvres and what they cost.

  Attributes:
    accelerations: m/s^2, held until the car stands or has its desired speed.
    shifts: metres to the left of the reference path.
    shift_time: seconds of driving at the present speed that a shift takes.
    least_shift: metres that a shift takes at least.
    num_looks: moments at which boxes are compared.
    look_time: seconds between two of them.
    margin: metres around the ego's box that count as a collision.
    headway: seconds of driving ahead of the ego's box that should be free.
    fade_time: seconds in which a forecast's acceleration falls by e.
    collision_cost: of a collision now; one later costs less.
    headway_cost: of each second without headway.
    road_cost: of each second off the road.
    progress_cost: of each metre behind the desired speed.
    shift_cost: of each squared metre of a shift.
    acceleration_cost: of squared m/s^2.
    change_cost: of squared m/s^2 by which the last decision's differs.
  """

  accelerations: tuple[ranges.Signed, ...] = (
    -8.0,
    -6.0,
    -5.0,
    -4.0,
    -3.0,
    -2.0,
    -1.0,
    0.0,
    1.0,
    2.0,
  )
  shifts: tuple[ranges.Signed, ...] = (-1.4, -0.7, 0.0, 0.7, 1.4)
  shift_time: ranges.Positive = 2.0
  least_shift: ranges.Positive = 5.0
  num_looks: ranges.Count = 16
  look_time: ranges.Positive = 0.25
  margin: ranges.NotNegative = 0.3
  headway: ranges.NotNegative = 0.6
  fade_time: ranges.Positive = 1.0
  collision_cost: ranges.NotNegative = 200.0
  headway_cost: ranges.NotNegative = 4.0
  road_cost: ranges.NotNegative = 20.0
  progress_cost: ranges.NotNegative = 0.2
  shift_cost: ranges.NotNegative = 1.0
  acceleration_cost: ranges.NotNegative = 0.05
  change_cost: ranges.NotNegative = 0.05


def plan(env, state: types.SimState, cruise, config=PlannerConfig()):
  """The action `[2]` of the cheapest manoeuvre.

  Args:
    env: `sim.Env`.
    state: `[]`, of one environment.
    cruise: `[]` m/s desired.
    config: a `PlannerConfig`.
  """
  index = state.scenario
  scene = env.scenarios.scene[index]
  path = env.paths.xy[index, 0], env.paths.valid[index, 0]
  sizes = env.scenes.sizes[scene]
  ego = trees.take(state.agents, 0)
  time = config.look_time * (1 + jnp.arange(config.num_looks))
  along, offset, heading, _ = paths_lib.project(
    ego.xy, *path, state.progress[0], geometry.velocity(ego)
  )
  lean = jnp.tan(jnp.clip(geometry.wrap_angle(ego.yaw - heading), -0.5, 0.5))
  others = forecast(env, state, time, config)
  shifts, accelerations = (
    x.reshape(-1)
    for x in jnp.meshgrid(
      jnp.array(config.shifts), jnp.array(config.accelerations)
    )
  )

  def manoeuvre(shift, acceleration):
    """Metres driven, speed, middle and yaw of the box at times `[n]`."""

    def at(time):
      moved, speed = _motion(ego.speed, acceleration, cruise, time)
      reach = jnp.maximum(config.shift_time * ego.speed, config.least_shift)
      done = moved / reach
      aside = offset + (shift - offset) * profiles.ease(done)
      turn = (shift - offset) * profiles.ease_slope(done) / reach
      # The heading of the beginning fades out.
      fade = jnp.maximum(1 - done, 0)
      aside += lean * moved * fade**2
      turn += lean * fade * (1 - 3 * done) * (done < 1)
      point, tangent = traffic.pose_on_path(*path, along + moved)
      normal = jnp.stack([-jnp.sin(tangent), jnp.cos(tangent)])
      return moved, speed, point + aside * normal, tangent + jnp.arctan(turn)

    return at

  def cost(shift, acceleration):
    at = manoeuvre(shift, acceleration)
    moved, speed, xy, yaw = jax.vmap(at)(time)
    size = sizes[0, :2] + 2 * config.margin
    meets = _meets(xy, yaw, size, others, sizes)
    ahead = config.headway * speed
    direction = jnp.stack([jnp.cos(yaw), jnp.sin(yaw)], -1)
    longer = jnp.stack(
      [size[0] + ahead, jnp.broadcast_to(sizes[0, 1], ahead.shape)], -1
    )
    crowded = _meets(
      xy + direction * ahead[:, None] / 2, yaw, longer, others, sizes
    )
    corners = geometry.box_corners(xy, yaw, sizes[0])
    off_road = jnp.any(env.drivable(index, corners) < 0, -1)
    first = jnp.where(jnp.any(meets), jnp.argmax(meets), len(time))
    # To meet somebody slowly, and late, is better.
    urgency = 1 - first / len(time)
    impact = speed[jnp.minimum(first, len(time) - 1)]
    behind = jnp.maximum(cruise * time[-1] - moved[-1], 0)
    change = acceleration - state.acceleration
    return (
      config.collision_cost * urgency * (1 + 0.1 * impact)
      + config.headway_cost * config.look_time * jnp.sum(crowded)
      + config.road_cost * config.look_time * jnp.sum(off_road)
      + config.progress_cost * behind
      + config.shift_cost * shift**2
      + config.acceleration_cost * acceleration**2
      + config.change_cost * change**2
    )

  best = jnp.argmin(jax.vmap(cost)(shifts, accelerations))
  at = manoeuvre(shifts[best], accelerations[best])
  length, *_ = at(anchors.DURATION)
  # Aims at a second ahead, or so far that steering is steady.
  seconds = jnp.maximum(1.0, 5.0 / jnp.maximum(ego.speed, 0.5))
  moved, _, point, _ = at(jnp.minimum(seconds, 4.0))
  route, _ = traffic.pose_on_path(*path, along + 5.0)
  point = jnp.where(moved > 2.0, point, route)
  return anchors.towards(
    geometry.rotate_2d(point - ego.xy, -ego.yaw), length, env.config
  )


def forecast(env, state, time, config):
  """Others at times `[n]` from now, `AgentState` `[n, A]`.

  Acceleration and yaw rate are those of the last decision, and fade. Whom no
  camera sees is not there, nor is the ego.
  """
  agents = state.agents
  before = trees.take(state.trace, 0)
  past = types.TIME_STEP * (len(state.trace.speed) - 1)
  known = agents.valid & before.valid
  acceleration = jnp.where(known, (agents.speed - before.speed) / past, 0)
  turned = geometry.wrap_angle(agents.yaw - before.yaw)
  yaw_rate = jnp.where(known, turned / past, 0)
  seen = sight.visible(env, state.scenario, agents).at[0].set(False)
  fine = time[0] / 2
  steps = 2 * len(time)

  def step(carry, i):
    xy, yaw, speed = carry
    fade = jnp.exp(-i * fine / config.fade_time)
    speed_next = speed + acceleration * fade * fine
    # Nobody brakes into reverse.
    speed_next = jnp.where(speed * speed_next < 0, 0, speed_next)
    middle = yaw + yaw_rate * fade * fine / 2
    step = (speed + speed_next)[:, None] / 2 * fine
    xy += step * jnp.stack([jnp.cos(middle), jnp.sin(middle)], -1)
    carry = xy, yaw + yaw_rate * fade * fine, speed_next
    return carry, carry

  begin = agents.xy, agents.yaw, agents.speed
  _, (xy, yaw, speed) = jax.lax.scan(step, begin, jnp.arange(steps))
  xy, yaw, speed = xy[1::2], yaw[1::2], speed[1::2]
  return types.AgentState(
    xy=xy,
    z=jnp.broadcast_to(agents.z, yaw.shape),
    yaw=yaw,
    speed=speed,
    valid=jnp.broadcast_to(seen, yaw.shape),
  )


def _motion(speed, acceleration, cruise, time):
  """Metres and speed after a time at an acceleration, from 0 to cruise."""
  limit = jnp.where(acceleration > 0, jnp.maximum(cruise, speed), 0.0)
  rate = jnp.where(acceleration == 0, 1.0, acceleration)
  until = jnp.where(acceleration == 0, jnp.inf, (limit - speed) / rate)
  until = jnp.clip(until, 0, time)
  end = speed + acceleration * until
  return (speed + end) / 2 * until + end * (time - until), end


def _meets(xy, yaw, size, others, sizes):
  """Whether a box meets any other at times `[n]`, bool `[n]`."""
  meets = geometry.boxes_overlap(
    xy[:, None],
    yaw[:, None],
    jnp.broadcast_to(size, (*yaw.shape, 2))[:, None],
    others.xy,
    others.yaw,
    sizes,
  )
  return jnp.any(meets & others.valid, -1)
