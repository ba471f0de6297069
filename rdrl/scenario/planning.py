# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One edit of one scene: who drives otherwise, how, and whether it can be.

One compiled program draws and checks every behaviour: the family chooses among
plans (`adversaries`, `cousins`), all the rest is the same for all. `propose` is
`draft` and then `judge`, which costs the most and which only a draft with
nothing wrong needs: who draws many (`expansion.proposals`) judges only those.
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario import adversaries
from rdrl.scenario import checks
from rdrl.scenario import context as context_lib
from rdrl.scenario import cousins
from rdrl.scenario import frenet
from rdrl.scenario import plan as plan_lib
from rdrl.scenario import profiles
from rdrl.scenario.config import ADVERSARIES
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import FAMILIES
from rdrl.scenario.context import Context

INSERTION = BEHAVIOURS.index('insertion')
FIRST_COUSIN = 1 + len(ADVERSARIES)
_OTHER_LANE = BEHAVIOURS.index('other_lane')
_CROSSING, _ONCOMING, _PULL_OUT, _DART_OUT, _TAILGATE = (
  FAMILIES.index(name)
  for name in ('crossing', 'oncoming', 'pull_out', 'dart_out', 'tailgate')
)
# Steps at which an agent who fits is looked for.
_LOOKS = 16
# Seconds before a crossing car is where both paths cross, and its m/s then.
_CROSSING_TIME, _CROSSING_SPEED = (1.0, 8.0), (0.5, 20.0)
# m/s of a donor that moves, and of one that crosses.
_DONOR_SPEED, _DONOR_CROSSES = 2.0, (3.0, 12.0)


@struct.dataclass
class Proposal:
  """An edit of a scene.

  Attributes:
    track: `[T]` of the one agent that is edited, without agent axis.
    agent: `[]` int32, who it is.
    family: `[]` int32 index into `FAMILIES`; meaningless for cousins.
    donor: `[]` bool, the agent was not in the recording.
    start: `[]` int32 step at which an episode begins.
    trigger: `[]` int32 step at which the edit begins.
    release: `[]` int32 step at which the manoeuvre is over.
    reason: `[]` int32 index into `REASONS`.
    difficulty: `[]` share of the ego's manoeuvres that collide; 0 for cousins.
  """

  track: types.AgentState
  agent: types.Array
  family: types.Array
  donor: types.Array
  start: types.Array
  trigger: types.Array
  release: types.Array
  reason: types.Array
  difficulty: types.Array


@struct.dataclass
class _Moment:
  """Agents `[..., A]` at triggers, relative to the ego where it then is.

  Attributes:
    trigger: `[..., A]` int32.
    s: `[..., A]` metres ahead of the ego.
    d: `[..., A]` metres to its left.
    state: `[..., A]` as recorded.
    ego: `[..., A]` the ego at the same step.
    along: `[..., A]` along the ego's path.
    own: `[..., A]` along the agent's own.
    crossing: `[..., A]` metres to where both paths cross.
    crossing_time: `[..., A]` seconds until it should be there.
  """

  trigger: types.Array
  s: types.Array
  d: types.Array
  state: types.AgentState
  ego: types.AgentState
  along: context_lib.Along
  own: context_lib.Along
  crossing: types.Array
  crossing_time: types.Array


def _moment(context, trigger, draw):
  """`_Moment` `[..., A]` at steps `[..., A]`."""
  agents = jnp.arange(len(context.sizes))
  step = jnp.clip(trigger, 0, len(context.tracks.valid) - 1)
  along, own, state = jax.tree.map(
    lambda x: x[step, agents], (context.ego, context.own, context.tracks)
  )
  arrival = context.crossing_arrival - trigger * types.TIME_STEP
  return _Moment(
    trigger=trigger,
    s=along.s - context.ego.s[step, 0],
    d=along.d - context.ego.d[step, 0],
    state=state,
    ego=jax.tree.map(lambda x: x[step, 0], context.tracks),
    along=along,
    own=own,
    crossing=context.crossing - own.s,
    crossing_time=arrival + draw('arrival_offset'),
  )


def _meeting(context, trigger, s, speed, half_lengths, family, draw, config):
  """`Meeting` of agents `[...]` ahead of the ego, or behind it to tailgate."""
  follows = family == _TAILGATE
  duration = jnp.where(follows, draw('follow_time'), draw('merge_time'))
  ego_s, ego_speed = context_lib.ego_at(
    context, trigger + duration / types.TIME_STEP
  )
  faster = jnp.where(follows, draw('follow_speed'), -draw('speed_deficit'))
  end_speed = jnp.maximum(ego_speed + faster, 0)
  ahead = s + (speed + end_speed) / 2 * duration - ego_s
  # A quintic that ends x metres off steady motion peaks at an acceleration of
  # 5.77 x / T^2 and a jerk of 60 x / T^3; half the limits are for this.
  reach = jnp.minimum(
    config.max_acceleration * duration**2 / 5.77,
    config.max_jerk * duration**3 / 60,
  )
  return plan_lib.Meeting(
    duration=duration,
    end_speed=end_speed,
    ego_s=ego_s,
    natural=jnp.where(follows, -ahead, ahead) - half_lengths,
    reach=reach / 2,
  )


def _within(value, limits):
  return (value >= limits[0]) & (value <= limits[1])


def _fitting(context, moment, family, meeting, constraint, draw, config):
  """`[..., A]` bool, who is in a place that fits the family."""
  roles = {
    name: jnp.asarray(adversaries.table(name))[family]
    for name in ('s', 'd', 'speed', 'direction', 'parked', 'meets')
  }
  now, agents = moment.state, jnp.arange(len(context.sizes))
  gap = jnp.where(
    family == _TAILGATE,
    jnp.stack(draw.range('follow_gap')),
    jnp.stack(draw.range('merge_gap')),
  )
  can_meet = (meeting.natural + meeting.reach > gap[0]) & (
    meeting.natural - meeting.reach < gap[1]
  )
  distance, duration = moment.crossing, moment.crossing_time
  speed = moment.own.speed
  end_speed = adversaries.crossing_speed(distance, duration, speed)
  change = jnp.abs(end_speed - speed) / duration
  can_cross = (
    _within(duration, _CROSSING_TIME)
    & _within(end_speed, _CROSSING_SPEED)
    & (distance > 1)
    & (change < config.max_acceleration / 2)
  )
  last = len(context.tracks.valid) - 1
  asked = (
    moment.s,
    moment.d,
    now.speed,
    context.sizes[:, 0],
  )
  fits = (
    _within(moment.s, roles['s'])
    & _within(jnp.abs(moment.d), roles['d'])
    & _within(now.speed, roles['speed'])
    & _within(jnp.cos(now.yaw - moment.ego.yaw), roles['direction'])
    & (context.parked | ~roles['parked'])
    & (can_meet | (roles['meets'] == 0))
    & (can_cross | (family != _CROSSING))
    & now.valid
    & (jnp.sum(context.tracks.valid, 0) >= config.alive_steps)
    & (moment.trigger >= config.first_start)
    & (moment.trigger < last)
    & (agents != 0)
  )
  for value, limits in zip(asked, constraint.features, strict=True):
    fits &= _within(value, limits)
  return fits


def _recorded(context, moment, agent, family):
  """`Mover` of an agent at its `_Moment` `[]`, and the path of its plan."""
  own_path = jnp.asarray(adversaries.table('own_path'))[family]
  path = trees.take(context.paths, jnp.where(own_path, agent, 0))
  state = jax.tree.map(
    lambda own, ego: jnp.where(own_path, own, ego), moment.own, moment.along
  )
  now = moment.state
  beside = geometry.rotate_2d(moment.ego.xy - now.xy, -now.yaw)[1]
  return path, {
    's': state.s,
    'd': state.d,
    'speed': state.speed,
    'lateral_speed': state.lateral_speed,
    'acceleration': state.acceleration,
    'toward': jnp.where(beside < 0, -1.0, 1.0),
    'apart': jnp.abs(moment.d),
    'crossing': moment.crossing,
    'crossing_time': moment.crossing_time,
  }


def _donated(context, trigger, half_lengths, family, constraint, draw):
  """`Mover` of a donor, and the path of its plan."""
  place_s, place_d, place_speed = (
    jnp.asarray(adversaries.table(name))[family]
    for name in ('donor_s', 'donor_d', 'donor_speed')
  )
  timed = jnp.asarray(adversaries.table('timed'))[family]
  ego_s, ego_d = context.ego.s[trigger, 0], context.ego.d[trigger, 0]
  ego_speed = context.ego.speed[trigger, 0]
  asked_d = constraint.features[plan_lib.FEATURES.index('d')]
  side = jnp.where(draw('side') < 0.5, -1.0, 1.0)
  side = jnp.where(asked_d[1] <= 0, -1.0, jnp.where(asked_d[0] >= 0, 1.0, side))
  ahead = jnp.where(
    timed,
    draw('time_to_arrival') * ego_speed + half_lengths,
    draw.within('place', *place_s),
  )
  aside = side * draw.within('place_aside', *place_d)
  speed = jnp.maximum(
    ego_speed + draw.within('place_speed', *place_speed), _DONOR_SPEED
  )
  asked_speed = constraint.features[plan_lib.FEATURES.index('speed')]
  speed = jnp.where(timed, 0.0, jnp.clip(speed, *asked_speed))

  point, tangent = frenet.evaluate(context.path, ego_s + ahead)
  # From the side, at a right angle.
  across = -side * jnp.stack([-tangent[1], tangent[0]])
  arrival = context_lib.ego_arrival(context, ego_s + ahead)
  duration = arrival - trigger * types.TIME_STEP + draw('arrival_offset')
  duration = jnp.clip(duration, *_CROSSING_TIME)
  crossing_speed = jnp.clip(speed, *_DONOR_CROSSES)
  distance = crossing_speed * duration

  crosses, reverses = family == _CROSSING, family == _ONCOMING
  path = frenet.straight(point, across)
  for chosen, other in (
    (~crosses & ~reverses, context.path),
    (reverses, frenet.reverse(context.path)),
  ):
    path = jax.tree.map(lambda x, y, c=chosen: jnp.where(c, y, x), path, other)
  sign = jnp.where(reverses, -1.0, 1.0)
  zero = jnp.zeros(())
  return path, {
    's': jnp.where(crosses, -distance, sign * (ego_s + ahead)),
    'd': jnp.where(crosses, 0.0, sign * (ego_d + aside)),
    'speed': jnp.where(crosses, crossing_speed, speed),
    'lateral_speed': zero,
    'acceleration': zero,
    'toward': -sign * side,
    'apart': jnp.abs(aside),
    'crossing': distance,
    'crossing_time': duration,
  }


def _plan(
  context, mover, branch, behaviour, family, trigger, time, draw, config
):
  """`Plan` of the behaviour; only its own is computed."""

  def of_family(plan):
    return lambda: plan(mover, time, draw, config)

  s, d = context.ego.s[:, 0], context.ego.d[:, 0]

  def of_cousin(plan):
    return lambda: plan(s, d, branch, trigger, time, draw, config)

  branches = [of_family(plan) for plan in adversaries.PLANS]
  branches += [of_cousin(plan) for plan in cousins.PLANS]

  def as_floats(branch):
    return lambda: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), branch())

  index = jnp.where(
    behaviour >= FIRST_COUSIN,
    len(FAMILIES) + behaviour - FIRST_COUSIN,
    family,
  )
  return jax.lax.switch(index, [as_floats(branch) for branch in branches])


def _follow(context, path, plan, recorded, agent, trigger, donor, first):
  """The edited track `[T]`, and speed and course `[T]` of its motion.

  Args:
    context: of the scene.
    path: of the plan.
    plan: `[T]`.
    recorded: `[T]` track of the agent.
    agent: `[]` int32.
    trigger: `[]` int32.
    donor: `[]` bool.
    first: `[]` int32 step from which on a donor is there.
  """
  steps = jnp.arange(len(recorded.valid))
  time = jnp.maximum(steps - trigger, 0) * types.TIME_STEP
  xy, heading = jax.vmap(frenet.from_frenet, (None, 0, 0))(path, plan.s, plan.d)
  heading += plan.turn
  edited = donor | (steps > trigger)
  # What the smoothed path has moved fades out; it must not be a jump.
  jump = jnp.where(donor, 0, recorded.xy[trigger] - xy[trigger])
  fade = jnp.maximum(1 - time / adversaries.BLEND, 0)[:, None]
  xy = jnp.where(edited[:, None], xy + jump * fade, recorded.xy)
  speed, course = checks.motion(xy, heading)
  blend = profiles.ease(time / adversaries.BLEND)
  turned = geometry.wrap_angle(recorded.yaw[trigger] - course[trigger])
  turned = jnp.where(donor, 0, turned)
  track = types.AgentState(
    xy=xy,
    z=jnp.where(
      edited,
      geometry.sample_grid(context.ground, xy) + context.clearance[agent],
      recorded.z,
    ),
    yaw=jnp.where(
      edited, geometry.wrap_angle(course + (1 - blend) * turned), recorded.yaw
    ),
    speed=jnp.where(edited, speed, recorded.speed),
    valid=recorded.valid | (edited & (~donor | (steps >= first))),
  )
  return track, speed, course


def _leaves(on_road, family, moves_ego, trigger, release, window, config):
  """Whether a box `[T]` is where its behaviour may not be.

  Cars keep to the road: an oncoming one leaves its lane, not more. A parked
  car may begin beside the road but must end on it, and get no further from it.
  Who walks may be anywhere.
  """
  pulls_out = ~moves_ego & (family == _PULL_OUT)
  walks = ~moves_ego & (family == _DART_OUT)
  least = jnp.where(pulls_out, jnp.minimum(on_road[trigger] - 0.01, 0), 0)
  least -= config.drivable_tolerance
  ends_beside = on_road[release] < -config.drivable_tolerance
  beyond = jnp.any(window & (on_road < least))
  return ~walks & (beyond | (pulls_out & ends_beside))


def propose(
  context: Context, behaviour, key, config, constraint=None
) -> Proposal:
  """Draws one edit and checks it. Arguments as in `draft`."""
  drawn = draft(context, behaviour, key, config, constraint)
  return judge(context, behaviour, drawn, config)


def judge(context: Context, behaviour, proposal, config) -> Proposal:
  """A draft with its difficulty, rejected if it is trivial or unavoidable.

  Args:
    context: of the scene.
    behaviour: `[]` int32; cousins come back as they are.
    proposal: from `draft`.
    config: `scenario.Config`.
  """
  difficulty, is_threat, is_hopeless = checks.avoidability(
    context, proposal.track, proposal.agent, proposal.trigger, config
  )
  found = checks.first_reason(
    {'trivial': ~is_threat, 'unavoidable': is_hopeless}
  )
  is_open = (proposal.reason == 0) & (behaviour < FIRST_COUSIN)
  return proposal.replace(
    reason=jnp.where(is_open, found, proposal.reason),
    difficulty=jnp.where(is_open, difficulty, 0.0),
  )


def draft(
  context: Context, behaviour, key, config, constraint=None
) -> Proposal:
  """Draws one edit and checks all but whether the ego can avoid it.

  Args:
    context: of the scene, from `prepare`.
    behaviour: `[]` int32 index into `BEHAVIOURS`, not 0.
    key: of every draw.
    config: `scenario.Config`.
    constraint: `Constraint` of what is drawn; None leaves it to the config.
  """
  if constraint is None:
    constraint = plan_lib.unconstrained(config)
  constraint = jax.tree.map(jnp.asarray, constraint)
  num_steps, num_agents = context.tracks.valid.shape
  last = num_steps - 1
  steps = jnp.arange(num_steps)
  choice_key, draw_key = jax.random.split(key)
  draw = plan_lib.Draw(
    constraint.parameters,
    jax.random.uniform(draw_key, (len(plan_lib.PARAMETERS),)),
  )

  moves_ego = behaviour >= FIRST_COUSIN
  donor = ~moves_ego & ((behaviour == INSERTION) | constraint.donor)
  any_family = (draw('family') * len(FAMILIES)).astype(jnp.int32)
  family = jnp.where(behaviour == INSERTION, any_family, behaviour - 1)
  family = jnp.clip(family, 0, len(FAMILIES) - 1)

  onset = jnp.round(draw('onset') / types.TIME_STEP).astype(jnp.int32)
  latest = max(last - config.episode_steps, config.first_start)
  span = latest + 1 - config.first_start
  looks = (jnp.arange(_LOOKS) + draw('start')) / _LOOKS
  looks = jnp.minimum((looks * span).astype(jnp.int32), span - 1)
  triggers = jnp.minimum(config.first_start + looks + onset, last - 1)
  half_lengths = (context.sizes[0, 0] + context.sizes[:, 0]) / 2
  # A role may set the trigger for each agent: as long before the ego would
  # reach it.
  timed = jnp.asarray(adversaries.table('timed'))[family] & ~donor & ~moves_ego
  there = jnp.sum(context.tracks.valid, 0)
  place = jnp.sum(jnp.where(context.tracks.valid, context.ego.s, 0), 0)
  place /= jnp.maximum(there, 1)
  arrival = context_lib.ego_arrival(context, place - half_lengths)
  arrival -= draw('time_to_arrival')
  arrival = jnp.round(jnp.clip(arrival, -1, 1e3) / types.TIME_STEP)
  triggers = jnp.where(timed, arrival.astype(jnp.int32), triggers[:, None])
  moment = _moment(context, triggers, draw)

  meeting = _meeting(
    context,
    moment.trigger,
    moment.along.s,
    moment.along.speed,
    half_lengths,
    family,
    draw,
    config,
  )
  wanted = jnp.where(
    jnp.any(constraint.classes),
    constraint.classes,
    jnp.asarray(adversaries.class_table())[family],
  )
  fits = _fitting(context, moment, family, meeting, constraint, draw, config)
  length = constraint.features[plan_lib.FEATURES.index('length')]
  is_free = (
    context.free
    & (context.sizes[:, 0] >= length[0])
    & (context.sizes[:, 0] <= length[1])
  )
  fits = jnp.where(donor, is_free, fits) & wanted[context.classes]
  fits |= moves_ego
  distance = geometry.safe_norm(moment.state.xy - moment.ego.xy)
  likeliness = jnp.where(donor | moves_ego, 0, -distance / config.nearness)
  likeliness /= jnp.maximum(constraint.temperature, 1e-6)
  choice = jax.random.categorical(
    choice_key, jnp.where(fits, likeliness, -jnp.inf).reshape(-1)
  )
  look, agent = jnp.divmod(choice.astype(jnp.int32), num_agents)
  agent = jnp.where(moves_ego, 0, agent)
  exists = jnp.any(fits)
  moment = trees.take(moment, (look, agent))
  trigger = jnp.clip(moment.trigger, config.first_start, last - 1)
  start = jnp.clip(trigger - onset, config.first_start, latest)

  path, state = jax.tree.map(
    lambda x, y: jnp.where(donor, y, x),
    _recorded(context, moment, agent, family),
    _donated(context, trigger, half_lengths[agent], family, constraint, draw),
  )
  # One of the branches that there are.
  count = jnp.sum(jnp.isfinite(context.branches.parting))
  branch = trees.take(
    context.branches, (draw('level') * count).astype(jnp.int32)
  )
  turns_off = behaviour == _OTHER_LANE
  path = jax.tree.map(
    lambda x, y: jnp.where(turns_off, y, x), path, branch.path
  )
  mover = plan_lib.Mover(
    width=context.sizes[agent, 1],
    half_lengths=half_lengths[agent],
    meeting=_meeting(
      context,
      trigger,
      state['s'],
      state['speed'],
      half_lengths[agent],
      family,
      draw,
      config,
    ),
    **state,
  )
  time = (steps - trigger) * types.TIME_STEP
  plan = _plan(
    context,
    mover,
    branch,
    behaviour,
    family,
    trigger,
    jnp.maximum(time, 0),
    draw,
    config,
  )
  is_late = plan.s[trigger] > branch.parting
  turns = plan.s[-1] > branch.parting + cousins.TURNED
  # Before its trigger, a donor is on its way.
  before = jnp.where(donor, jnp.minimum(time, 0) * mover.speed, 0)
  plan = plan.replace(s=plan.s + before)
  release = trigger + jnp.ceil(plan.duration / types.TIME_STEP).astype(
    jnp.int32
  )
  release = jnp.minimum(release, last)
  track, speed, course = _follow(
    context,
    path,
    plan,
    jax.tree.map(lambda x: x[:, agent], context.tracks),
    agent,
    trigger,
    donor,
    start - config.first_start,
  )

  proposal = Proposal(
    track=track,
    agent=agent,
    family=family,
    donor=donor,
    start=start,
    trigger=trigger,
    release=release,
    reason=jnp.zeros((), jnp.int32),
    difficulty=jnp.zeros(()),
  )
  missing = {
    'no_agent': ~exists & ~donor,
    'no_donor': ~exists & donor,
    'no_lane': turns_off & (is_late | ~turns),
  }
  return proposal.replace(
    reason=_reason(context, behaviour, proposal, speed, course, missing, config)
  )


def recheck(context: Context, behaviour, proposal, config) -> Proposal:
  """A proposal whose track somebody else drew, with the reason to reject it.

  Args:
    context: of the scene.
    behaviour: `[]` int32 index into `BEHAVIOURS`.
    proposal: all but its `reason` is taken as it is.
    config: `scenario.Config`.
  """
  track = proposal.track
  speed, course = checks.motion(track.xy, track.yaw)
  reason = _reason(context, behaviour, proposal, speed, course, {}, config)
  return proposal.replace(reason=reason)


def _reason(context, behaviour, proposal, speed, course, missing, config):
  """Index into `REASONS` of what is wrong, all but whether it is avoidable.

  Args:
    context: of the scene.
    behaviour: `[]` int32.
    proposal: with its track.
    speed: `[T]` m/s of the motion along the track.
    course: `[T]` rad, its direction.
    missing: failed checks, by name, that come before those of the track.
    config: `scenario.Config`.
  """
  track, agent, family = proposal.track, proposal.agent, proposal.family
  trigger, release = proposal.trigger, proposal.release
  moves_ego = behaviour >= FIRST_COUSIN
  steps = jnp.arange(len(track.valid))
  size = context.sizes[agent]
  wheeled = context.classes[agent] != types.PEDESTRIAN
  first = proposal.start - config.first_start
  begun = steps >= jnp.where(proposal.donor, first, trigger)
  manoeuvre = begun & (moves_ego | (steps <= release))
  window = begun & (moves_ego | (steps <= release + config.tail_steps))
  agents = jnp.arange(len(context.sizes))
  others = agents != agent
  others &= moves_ego | config.avoid_ego | (agents != 0)
  on_road = checks.corners_inside(context.drivable, track.xy, track.yaw, size)
  free = checks.outline_free(context.occupancy, track.xy, track.yaw, size)
  failed = missing | {
    **checks.kinematics(speed, course, manoeuvre, config, wheeled),
    'overlap': checks.overlaps(
      track,
      size,
      context.tracks,
      context.sizes,
      context.tracks.valid & others,
      window,
      config.margin,
    ),
    'drivable': _leaves(
      on_road, family, moves_ego, trigger, release, window, config
    ),
    'occupancy': jnp.any(window & (free < 0)),
    'ground': jnp.any(
      window
      & checks.off_the_ground(
        context.ground, track.xy, track.yaw, size, config, wheeled
      )
    ),
  }
  return checks.first_reason(failed)


def edited_tracks(context: Context, proposal: Proposal) -> types.AgentState:
  """The tracks `[T, A]` of a scene with what one proposal edits."""
  return jax.tree.map(
    lambda x, new: jnp.asarray(x).at[:, proposal.agent].set(new),
    context.tracks,
    proposal.track,
  )
