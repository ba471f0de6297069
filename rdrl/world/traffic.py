# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Traffic that follows paths at the speed of the Intelligent Driver Model.

Treiber, Hennecke, Helbing, "Congested traffic states in empirical observations
and microscopic simulations", Phys. Rev. E 62 (2000), arXiv cond-mat/0002177.
An agent keeps to a polyline; who is ahead of it on that polyline, the ego
included, is found anew at every step, so that traffic reacts. Three kinds of
driver: `step_along_paths` goes at the speed that it likes, `step_on_schedule`
repeats a recorded track as long as nobody is in its way, and
`step_changing_lanes` leaves its polyline for lanes beside it by MOBIL (Kesting,
Treiber, Helbing, "General lane-changing model MOBIL for car-following models",
Transportation Research Record 1999, 2007).
"""

import dataclasses

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import ranges
from rdrl import trees
from rdrl import types

# Half the distance of the two axles, both of which follow the path: the chord
# between them is the heading.
_HALF_WHEELBASE = 1.4
# Metres: length of a path below which an agent stands; distance from a record
# within which the agent is on it; lateral distances between which a lane is the
# next one.
_SHORTEST, _SLACK, _LANE = 0.5, 0.1, (2.0, 5.0)
# Metres around a follower within which a box ahead is in its way.
_MARGIN = 0.3


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

  max_acceleration: ranges.Positive = 1.5
  comfortable_deceleration: ranges.Positive = 1.67
  headway: ranges.Positive = 1.2
  min_gap: ranges.Positive = 2.0
  exponent: ranges.Positive = 4.0
  max_deceleration: ranges.Positive = 8.0


@dataclasses.dataclass(frozen=True)
class MobilConfig:
  """Parameters of lane changes.

  Politeness, threshold and safe deceleration are of Kesting et al. 2007, table
  1 and section 4; the rest is ours.

  Attributes:
    politeness: weight of what others gain or lose.
    threshold: m/s^2 that a change must gain.
    safe_deceleration: m/s^2 that nobody is forced to exceed.
    min_speed: m/s below which no change begins.
    frequency: rad/s of the critically damped lateral motion, which takes about
      4 s.
    max_slope: greatest ratio of lateral to longitudinal speed.
  """

  politeness: ranges.NotNegative = 0.3
  threshold: ranges.NotNegative = 0.1
  safe_deceleration: ranges.Positive = 4.0
  min_speed: ranges.NotNegative = 2.0
  frequency: ranges.Positive = 1.2
  max_slope: ranges.Positive = 0.25


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
  """How a recorded agent gives way and comes back; all of it is ours.

  Attributes:
    position_tolerance: metres from its recorded position within which an agent
      counts as on schedule.
    speed_tolerance: m/s from its recorded speed, for the same.
    catch_up: seconds in which a delay is made up for.
    overspeed: how many times the greatest speed of its record it may drive to
      make up for a delay.
  """

  position_tolerance: ranges.NotNegative = 0.5
  speed_tolerance: ranges.NotNegative = 0.5
  catch_up: ranges.Positive = 2.0
  overspeed: ranges.Positive = 1.2


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


@struct.dataclass
class Followers:
  """Agents on their paths, and how they would like to go on.

  Attributes:
    agents: `[A]` now, the ego and everybody else who can be a lead included.
    sizes: `[A, 3]` metres.
    paths: `[A, P, 2]`.
    paths_valid: `[A, P]` bool, true for a prefix; agents with fewer than two
      points or a path shorter than 0.5 m stand still.
    progress: `[A]` metres along its path of each agent.
    desired_speed: `[A]` m/s.
    stop_gap: `[A]` metres from the front bumper to where each has to stop, see
      `light_gap`; nowhere where None.
  """

  agents: types.AgentState
  sizes: types.Array
  paths: types.Array
  paths_valid: types.Array
  progress: types.Array
  desired_speed: types.Array
  stop_gap: types.Array | None = None

  def each(self, function, *rows):
    """Applies a function of index, path, valid, progress, line and rows."""
    line = self.stop_gap
    if line is None:
      line = jnp.full(self.progress.shape, jnp.inf)
    return jax.vmap(function)(
      jnp.arange(len(self.sizes)),
      self.paths,
      self.paths_valid,
      self.progress,
      line,
      *rows,
    )

  def moved(self, controlled, has_path, xy, yaw, speed, progress):
    """Agents and progress `[A]` after a step, and who of them moved `[A]`."""
    agents = self.agents
    moves = controlled & agents.valid & has_path
    stands = controlled & agents.valid & ~has_path
    agents = agents.replace(
      xy=jnp.where(moves[:, None], xy, agents.xy),
      yaw=jnp.where(moves, yaw, agents.yaw),
      speed=jnp.where(moves, speed, jnp.where(stands, 0.0, agents.speed)),
    )
    return agents, jnp.where(moves, progress, self.progress), moves


@struct.dataclass
class Beside:
  """Everybody as seen along one path.

  Attributes:
    along: `[A]` metres along the path of the middles of the boxes.
    rear: `[A]` metres along the path of their rear ends.
    front: `[A]` metres along the path of their front ends.
    right: `[A]` metres to the left of the path of their right sides.
    left: `[A]` metres to the left of the path of their left sides.
    speed: `[A]` m/s along the path.
  """

  along: types.Array
  rear: types.Array
  front: types.Array
  right: types.Array
  left: types.Array
  speed: types.Array

  def in_band(self, right, left):
    """`[A]` bool, whose boxes reach between two offsets from the path."""
    return (self.right < left) & (self.left > right)


def look_along(agents: types.AgentState, sizes, path, path_valid):
  """`Beside` of one path.

  Args:
    agents: `[A]`.
    sizes: `[A, 3]` metres.
    path: `[P, 2]` polyline.
    path_valid: `[P]` bool, true for a prefix of at least two points.
  """
  along, offset, heading, _ = jax.vmap(
    geometry.project_to_polyline, (0, None, None)
  )(agents.xy, path, path_valid)
  relative = agents.yaw - heading
  cos, sin = jnp.cos(relative), jnp.sin(relative)
  half_length, half_width = sizes[:, 0] / 2, sizes[:, 1] / 2
  reach_along = jnp.abs(cos) * half_length + jnp.abs(sin) * half_width
  reach_aside = jnp.abs(sin) * half_length + jnp.abs(cos) * half_width
  return Beside(
    along=along,
    rear=along - reach_along,
    front=along + reach_along,
    right=offset - reach_aside,
    left=offset + reach_aside,
    speed=agents.speed * cos,
  )


def _lead(seen, others, progress, half_length, right, left):
  """Gap and speed `[]` of the next one ahead whose box is in a band."""
  is_ahead = others & (seen.along > progress) & seen.in_band(right, left)
  gap = jnp.where(is_ahead, seen.rear - progress - half_length, jnp.inf)
  lead = jnp.argmin(gap)
  return gap[lead], jnp.where(is_ahead[lead], seen.speed[lead], 0.0)


def lead_on_path(
  agents: types.AgentState,
  sizes,
  path,
  path_valid,
  self_index,
  self_progress,
):
  """The nearest agent ahead whose box reaches into a path.

  An agent is in the way where its box comes closer to the path than half the
  width of the follower plus 0.3 m.

  Args:
    agents: `[A]`.
    sizes: `[A, 3]` metres.
    path: `[P, 2]` polyline that the follower drives along.
    path_valid: `[P]` bool, true for a prefix of at least two points.
    self_index: `[]` int, which agent follows.
    self_progress: `[]` metres along the path of the follower's middle.

  Returns:
    Gap `[]` in metres between the boxes along the path, infinite where nobody
    is ahead, and speed `[]` of the lead along the path in m/s.
  """
  seen = look_along(agents, sizes, path, path_valid)
  others = agents.valid & (jnp.arange(len(sizes)) != self_index)
  half_length, half_width = sizes[self_index, 0] / 2, sizes[self_index, 1] / 2
  reach = half_width + _MARGIN
  return _lead(seen, others, self_progress, half_length, -reach, reach)


def light_gap(
  speed, progress, half_length, line_progress, lights, config=IdmConfig()
):
  """Where one agent has to stop for lights: a line that says stop is a lead.

  A line that can no longer be respected is none: at stop where not even full
  brakes would do, at caution where comfortable ones would not.

  Args:
    speed: `[]` m/s.
    progress: `[]` metres along the path of the agent's middle.
    half_length: `[]` metres of its box.
    line_progress: `[L]` metres along the path of stop lines, or infinite.
    lights: `[L]` int32 `types.LIGHT_...`.
    config: parameters.

  Returns:
    Gap `[]` in metres from the front bumper to the line, infinite without one.
  """
  gap = line_progress - progress - half_length
  needed = speed**2 / (2 * jnp.maximum(gap, 0.01))
  holds = (
    (lights == types.LIGHT_STOP) & (needed <= config.max_deceleration)
  ) | (
    (lights == types.LIGHT_CAUTION)
    & (needed <= config.comfortable_deceleration)
  )
  return jnp.min(jnp.where(holds & (gap >= 0), gap, jnp.inf), initial=jnp.inf)


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


def _path_length(path, path_valid):
  step = geometry.safe_norm(path[1:] - path[:-1])
  return jnp.sum(jnp.where(path_valid[1:], step, 0))


def _ballistic(speed, acceleration):
  """Speed and distance after a step that stops at speed zero.

  Treiber, Kanagaraj, "Comparing numerical integration schemes for
  time-continuous car-following models", 2015.
  """
  new_speed = jnp.maximum(speed + acceleration * types.TIME_STEP, 0.0)
  return new_speed, (speed + new_speed) / 2 * types.TIME_STEP


def step_along_paths(now: Followers, controlled, config=IdmConfig()):
  """Moves agents along their paths for one step of `types.TIME_STEP`.

  Args:
    now: before the step.
    controlled: `[A]` bool; the others come back unchanged.
    config: parameters of the driver model.

  Returns:
    `AgentState` `[A]` and progress `[A]` after the step.
  """
  agents = now.agents

  def step_one(index, path, path_valid, progress, stop_gap, desired_speed):
    gap, lead_speed = lead_on_path(
      agents, now.sizes, path, path_valid, index, progress
    )
    speed = agents.speed[index]
    acceleration = jnp.minimum(
      idm_acceleration(speed, gap, lead_speed, desired_speed, config),
      idm_acceleration(speed, stop_gap, 0.0, desired_speed, config),
    )
    new_speed, distance = _ballistic(speed, acceleration)
    xy, yaw = pose_on_path(path, path_valid, progress + distance)
    has_path = _path_length(path, path_valid) > _SHORTEST
    return has_path, xy, yaw, new_speed, progress + distance

  agents, progress, _ = now.moved(
    controlled, *now.each(step_one, now.desired_speed)
  )
  return agents, progress


def _yield_acceleration(
  speed, gap, closing, recorded_gap, recorded_closing, config
):
  """Acceleration of an agent that yields, infinite where it need not brake.

  IDM, but no farther from somebody than the record was: people drive closer to
  each other than IDM likes. All arguments are `[]` or `[A]`.
  """
  braking = 2 * jnp.sqrt(
    config.max_acceleration * config.comfortable_deceleration
  )
  keeps = jnp.minimum(
    config.min_gap + speed * config.headway,
    jnp.maximum(recorded_gap - _SLACK, _SLACK),
  )
  excess = jnp.maximum(closing - jnp.maximum(recorded_closing, 0), 0)
  desired = keeps + speed * excess / braking
  needed = config.max_acceleration * (
    1 - (desired / jnp.maximum(gap, 0.01)) ** 2
  )
  return jnp.where(
    gap < desired, jnp.maximum(needed, -config.max_deceleration), jnp.inf
  )


def step_on_schedule(
  followers: Followers,
  recorded: types.AgentState,
  recorded_progress,
  controlled,
  config=IdmConfig(),
  schedule=ScheduleConfig(),
):
  """Moves agents as recorded, unless somebody is in their way.

  An agent on its record trusts those who are on theirs, for the record holds
  no collision; before anybody else, the ego included, it brakes as IDM does. It
  comes back to its record along its path as fast as IDM accelerates, and then
  is on it again, exactly. Where the record ends, who is on it is gone, as
  recorded, and who is late drives on as IDM does.

  Args:
    followers: before the step; the greatest speed that was recorded is desired,
      and an agent on its record does not mind where it has to stop.
    recorded: `[2, A]` where the record has everybody now and after the step.
    recorded_progress: `[2, A]` metres along the paths, of the same two steps.
    controlled: `[A]` bool; the others come back unchanged.
    config: parameters of the driver model.
    schedule: parameters of giving way and coming back.

  Returns:
    `AgentState` `[A]` and progress `[A]` after the step, and `[A]` bool, who is
    exactly where the record has it after the step, if it has it at all.
  """
  agents, sizes = followers.agents, followers.sizes
  desired_speed = followers.desired_speed
  now, following = trees.take(recorded, 0), trees.take(recorded, 1)
  due, next_due = recorded_progress
  is_recorded = (
    agents.valid
    & now.valid
    & (geometry.safe_norm(agents.xy - now.xy) < schedule.position_tolerance)
    & (jnp.abs(agents.speed - now.speed) < schedule.speed_tolerance)
  )

  def step_one(index, path, path_valid, progress, stop_gap, due, next_due):
    half_length, half_width = sizes[index, 0] / 2, sizes[index, 1] / 2
    reach = half_width + _MARGIN
    others = jnp.arange(len(sizes)) != index
    speed = agents.speed[index]
    is_on_time = now.valid[index] & (
      jnp.abs(progress - due) < schedule.position_tolerance
    )
    seen = look_along(agents, sizes, path, path_valid)
    counts = (
      agents.valid
      & others
      & (seen.along > progress)
      & seen.in_band(-reach, reach)
      & ~(is_recorded & is_on_time)
    )
    was = look_along(now, sizes, path, path_valid)
    was_ahead = (
      now.valid & others & (was.along > due) & was.in_band(-reach, reach)
    )
    gap = jnp.where(counts, seen.rear - progress - half_length, jnp.inf)
    recorded_gap = jnp.where(was_ahead, was.rear - due - half_length, jnp.inf)
    yielding = jnp.min(
      _yield_acceleration(
        speed,
        gap,
        speed - seen.speed,
        recorded_gap,
        jnp.where(was_ahead, jnp.abs(now.speed[index]) - was.speed, 0),
        config,
      )
    )
    line = jnp.where(is_on_time, jnp.inf, stop_gap)
    yielding = jnp.minimum(
      yielding,
      jnp.where(
        jnp.isinf(line),
        jnp.inf,
        idm_acceleration(speed, line, 0.0, desired_speed[index], config),
      ),
    )
    planned = jnp.abs(following.speed[index])
    # Where it would be by itself at the end of the step, against the record.
    late = next_due - progress - planned * types.TIME_STEP
    wanted = jnp.where(
      following.valid[index],
      jnp.minimum(
        planned + late / schedule.catch_up,
        jnp.maximum(planned, schedule.overspeed * desired_speed[index]),
      ),
      desired_speed[index],
    )
    acceleration = jnp.minimum(
      jnp.clip(
        (wanted - speed) / types.TIME_STEP,
        -config.comfortable_deceleration,
        config.max_acceleration,
      ),
      yielding,
    )
    new_speed, distance = _ballistic(speed, acceleration)
    xy, yaw = pose_on_path(path, path_valid, progress + distance)
    is_back = (
      is_on_time
      & (jnp.abs(progress - due) < _SLACK)
      & (jnp.abs(speed - jnp.abs(now.speed[index])) < schedule.speed_tolerance)
      & (
        (yielding * types.TIME_STEP > planned - speed) | ~following.valid[index]
      )
    )
    stands = _path_length(path, path_valid) <= _SHORTEST
    xy = jnp.where(stands, agents.xy[index], xy)
    yaw = jnp.where(stands, agents.yaw[index], yaw)
    new_speed = jnp.where(stands, 0.0, new_speed)
    distance = jnp.where(stands, 0.0, distance)
    return xy, yaw, new_speed, progress + distance, is_back

  xy, yaw, speed, new_progress, is_back = followers.each(
    step_one, due, next_due
  )
  moves = controlled & agents.valid
  is_back &= moves
  driven = agents.replace(xy=xy, yaw=yaw, speed=speed)
  kept = trees.where(is_back, following.replace(valid=agents.valid), agents)
  new_progress = jnp.where(is_back, next_due, new_progress)
  return (
    trees.where(moves & ~is_back, driven, kept),
    jnp.where(moves, new_progress, followers.progress),
    is_back,
  )


def step_changing_lanes(
  now: Followers,
  lateral,
  lanes,
  controlled,
  config=IdmConfig(),
  mobil=MobilConfig(),
):
  """Moves agents along their paths or the lanes beside them for one step.

  A change begins where MOBIL's criteria of safety and incentive both hold for
  it: nobody is made to brake hard, and what the agent gains, with what its old
  and its new follower gain weighted by politeness, is more than a threshold.
  Until a change is over, whoever is ahead in either lane is a lead.

  Args:
    now: before the step.
    lateral: `[A, 3]` metres to the left of its path, their rate in m/s, and
      metres where it is going.
    lanes: `[A, P, K]` metres to the left of each point of a path of the lanes
      that go its way, infinite where there are fewer.
    controlled: `[A]` bool; the others come back unchanged.
    config: parameters of the driver model.
    mobil: parameters of the changes.

  Returns:
    `AgentState` `[A]`, progress `[A]` and lateral `[A, 3]` after the step.
  """

  agents, sizes, desired_speed = now.agents, now.sizes, now.desired_speed
  dt = types.TIME_STEP

  def step_one(index, path, path_valid, progress, stop_gap, lateral, lanes):
    offset, rate, target = lateral
    speed, desired = agents.speed[index], desired_speed[index]
    length, width = sizes[index, 0], sizes[index, 1]
    others = agents.valid & (jnp.arange(len(sizes)) != index)
    seen = look_along(agents, sizes, path, path_valid)
    reach = width / 2 + _MARGIN

    def idm(gap, lead_speed, speed=speed, desired=desired):
      return idm_acceleration(speed, gap, lead_speed, desired, config)

    def lead(right, left):
      return _lead(seen, others, progress, length / 2, right, left)

    def follower(middle):
      """Gap behind, speed and desired speed of the follower in a lane."""
      is_behind = (
        others
        & (seen.along <= progress)
        & seen.in_band(middle - reach, middle + reach)
      )
      gap = jnp.where(is_behind, progress - length / 2 - seen.front, jnp.inf)
      behind = jnp.argmin(gap)
      speed = jnp.where(is_behind[behind], seen.speed[behind], 0.0)
      return gap[behind], speed, jnp.maximum(desired_speed[behind], speed)

    ahead_gap, ahead_speed = lead(target - reach, target + reach)
    mine = idm(ahead_gap, ahead_speed)
    behind_gap, behind_speed, behind_desired = follower(target)

    def gain(middle):
      """What a change to a lane is worth; -inf where it is not safe."""
      gap, lead_speed = lead(middle - reach, middle + reach)
      theirs, their_speed, their_desired = follower(middle)
      new = idm(gap, lead_speed)
      forced = idm(theirs, speed, their_speed, their_desired)
      new_follower = forced - idm(
        theirs + length + gap, lead_speed, their_speed, their_desired
      )
      old_follower = idm(
        behind_gap + length + ahead_gap,
        ahead_speed,
        behind_speed,
        behind_desired,
      ) - idm(behind_gap, speed, behind_speed, behind_desired)
      polite = jnp.where(jnp.isinf(theirs), 0, new_follower) + jnp.where(
        jnp.isinf(behind_gap), 0, old_follower
      )
      is_safe = (
        jnp.isfinite(middle)
        & (forced >= -mobil.safe_deceleration)
        & (new >= -mobil.safe_deceleration)
        & (jnp.minimum(gap, theirs) > 0)
      )
      return jnp.where(
        is_safe, new - mine + mobil.politeness * polite, -jnp.inf
      )

    step = jnp.where(
      path_valid[1:], geometry.safe_norm(path[1:] - path[:-1]), 0
    )
    beside = lanes[jnp.sum(jnp.cumsum(step) <= progress)]
    is_left = (beside > target + _LANE[0]) & (beside < target + _LANE[1])
    is_right = (beside < target - _LANE[0]) & (beside > target - _LANE[1])
    left = jnp.min(jnp.where(is_left, beside, jnp.inf))
    right = jnp.max(jnp.where(is_right, beside, -jnp.inf))
    gains = jnp.stack([gain(left), gain(right)])
    is_settled = (jnp.abs(target - offset) < 0.2) & (jnp.abs(rate) < 0.1)
    changes = (
      is_settled
      & (speed > mobil.min_speed)
      & (jnp.max(gains) > mobil.threshold)
    )
    new_target = jnp.where(
      changes, jnp.stack([left, right])[jnp.argmax(gains)], target
    )
    # A lane beside the path keeps its own distance from it; on the path itself
    # the agent drives where it was recorded.
    nearest = beside[jnp.argmin(jnp.abs(beside - new_target))]
    keeps_lane = (jnp.abs(new_target) > 1) & (
      jnp.abs(nearest - new_target) < _LANE[0]
    )
    new_target = jnp.where(keeps_lane, nearest, new_target)

    low = jnp.minimum(offset, new_target) - reach
    high = jnp.maximum(offset, new_target) + reach
    acceleration = jnp.minimum(idm(*lead(low, high)), idm(stop_gap, 0.0))
    new_speed, distance = _ballistic(speed, acceleration)
    pull = mobil.frequency * (new_target - offset) - 2 * rate
    limit = mobil.max_slope * new_speed
    new_rate = jnp.clip(rate + mobil.frequency * pull * dt, -limit, limit)
    new_offset = offset + new_rate * dt
    # The path is longer or shorter than the parallel that is driven.
    _, before = pose_on_path(path, path_valid, progress - _HALF_WHEELBASE)
    _, after = pose_on_path(path, path_valid, progress + _HALF_WHEELBASE)
    curvature = geometry.wrap_angle(after - before) / (2 * _HALF_WHEELBASE)
    stretch = jnp.clip(1 - curvature * offset, 0.5, 2)
    ahead = jnp.sqrt(jnp.maximum(distance**2 - (new_rate * dt) ** 2, 0))
    new_progress = progress + ahead / stretch
    xy, yaw = pose_on_path(path, path_valid, new_progress)
    normal = jnp.stack([-jnp.sin(yaw), jnp.cos(yaw)])
    slip = jnp.arcsin(new_rate / jnp.maximum(new_speed, mobil.min_speed))
    return (
      _path_length(path, path_valid) > _SHORTEST,
      xy + new_offset * normal,
      geometry.wrap_angle(yaw + slip),
      new_speed,
      new_progress,
      jnp.stack([new_offset, new_rate, new_target]),
    )

  *motion, new_lateral = now.each(step_one, lateral, lanes)
  agents, progress, moves = now.moved(controlled, *motion)
  return agents, progress, jnp.where(moves[:, None], new_lateral, lateral)
