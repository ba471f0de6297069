# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Who takes on a behaviour, when, and from where: the first half of a draft."""

import dataclasses

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario import adversaries
from rdrl.scenario import config as config_lib
from rdrl.scenario import context as context_lib
from rdrl.scenario import frenet
from rdrl.scenario import plan as plan_lib
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import FAMILIES

FIRST_COUSIN = 1 + len(config_lib.ADVERSARIES)
_INSERTION = BEHAVIOURS.index('insertion')
# Steps at which an agent who fits is looked for.
_LOOKS = 16
# Seconds before a crossing car is where both paths cross, and its m/s then.
_CROSSING_TIME, _CROSSING_SPEED = (1.0, 8.0), (0.5, 20.0)
# What places a donor, how many places it looks at, and at how many moments
# between its arrival and one second after the trigger.
_PLACE = ('side', 'place', 'place_aside', 'place_speed', 'time_to_arrival')
_PLACES, _MOMENTS = 12, 5
# m/s of a donor that moves, and of one that crosses.
_DONOR_SPEED, _DONOR_CROSSES = 2.0, (3.0, 12.0)


@dataclasses.dataclass(frozen=True)
class Task:
  """What is drawn for one edit, before anybody was chosen.

  Attributes:
    context: of the scene.
    behaviour: `[]` int32 index into `BEHAVIOURS`.
    moves_ego: `[]` bool, the behaviour is a cousin.
    donor: `[]` bool, it falls to an agent who was not in the recording.
    family: `[]` int32 index into `FAMILIES`; meaningless for cousins.
    role: of the family.
    constraint: of what is drawn.
    draw: values of the parameters.
    config: `scenario.Config`.
  """

  context: context_lib.Context
  behaviour: types.Array
  moves_ego: types.Array
  donor: types.Array
  family: types.Array
  role: adversaries.Role
  constraint: plan_lib.Constraint
  draw: plan_lib.Draw
  config: config_lib.Config

  def has_family(self, name):
    """`[]` bool, whether the family is the one of a name."""
    return self.family == FAMILIES.index(name)

  @property
  def onset(self):
    """`[]` int32 steps from the start to the trigger."""
    return jnp.round(self.draw('onset') / types.TIME_STEP).astype(jnp.int32)

  @property
  def last(self):
    """The last step of the recording."""
    return len(self.context.tracks.valid) - 1

  @property
  def latest(self):
    """The last step at which an episode may begin."""
    first = self.config.first_start
    return max(self.last - self.config.episode_steps, first)

  @property
  def half_lengths(self):
    """`[A]` metres from middle to middle when bumpers touch the ego's."""
    return (self.context.sizes[0, 0] + self.context.sizes[:, 0]) / 2


@struct.dataclass
class Moment:
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


@struct.dataclass
class Cast:
  """Who is edited, and when.

  Attributes:
    agent: `[]` int32.
    exists: `[]` bool, somebody fits; if not, the agent is any.
    moment: `[]`, the agent as recorded.
    start: `[]` int32 step at which an episode begins.
    trigger: `[]` int32 step at which the edit begins.
  """

  agent: types.Array
  exists: types.Array
  moment: Moment
  start: types.Array
  trigger: types.Array


def task(context, behaviour, key, config, constraint=None) -> Task:
  """Draws all parameters. Arguments as in `planning.draft`."""
  if constraint is None:
    constraint = plan_lib.unconstrained(config)
  constraint = jax.tree.map(jnp.asarray, constraint)
  draw = plan_lib.Draw(
    constraint.parameters,
    jax.random.uniform(key, (len(plan_lib.PARAMETERS),)),
  )
  moves_ego = behaviour >= FIRST_COUSIN
  inserts = behaviour == _INSERTION
  # Where the recording has nobody but the ego, all fall to donors.
  can_donate = context.free & (context.classes != types.OTHER)
  is_alone = jnp.all(context.free[1:]) & jnp.any(can_donate)
  count = jnp.sum(constraint.families)
  number = jnp.minimum((draw('family') * count).astype(jnp.int32), count - 1)
  # Those that may be drawn come first, in their order.
  any_family = jnp.argsort(~constraint.families)[number]
  family = jnp.where(inserts, any_family, behaviour - 1)
  family = jnp.clip(family, 0, len(FAMILIES) - 1)
  return Task(
    context=context,
    behaviour=behaviour,
    moves_ego=moves_ego,
    donor=~moves_ego & (inserts | constraint.donor | is_alone),
    family=family,
    role=adversaries.role(family),
    constraint=constraint,
    draw=draw,
    config=config,
  )


def choose(task: Task, key) -> Cast:
  """Draws an agent and a trigger among those that fit, near ones rather."""
  moment = _moment(task, _triggers(task))
  fits = _fits(task, moment)
  distance = geometry.safe_norm(moment.state.xy - moment.ego.xy)
  likeliness = jnp.where(
    task.donor | task.moves_ego, 0, -distance / task.config.nearness
  )
  likeliness /= jnp.maximum(task.constraint.temperature, 1e-6)
  choice = jax.random.categorical(
    key, jnp.where(fits, likeliness, -jnp.inf).reshape(-1)
  )
  look, agent = jnp.divmod(choice.astype(jnp.int32), fits.shape[-1])
  agent = jnp.where(task.moves_ego, 0, agent)
  moment = trees.take(moment, (look, agent))
  first = task.config.first_start
  trigger = jnp.clip(moment.trigger, first, task.last - 1)
  return Cast(
    agent=agent,
    exists=jnp.any(fits),
    moment=moment,
    start=jnp.clip(trigger - task.onset, first, task.latest),
    trigger=trigger,
  )


def mover(task: Task, cast: Cast) -> tuple[frenet.Path, plan_lib.Mover]:
  """Who moves, at the trigger, and the path along which it is planned."""
  return trees.where(task.donor, _donated(task, cast), _recorded(task, cast))


def _triggers(task):
  """Steps `[_LOOKS, A]` or `[_LOOKS, 1]` at which an edit might begin."""
  context, first = task.context, task.config.first_start
  span = task.latest + 1 - first
  looks = (jnp.arange(_LOOKS) + task.draw('start')) / _LOOKS
  looks = jnp.minimum((looks * span).astype(jnp.int32), span - 1)
  triggers = jnp.minimum(first + looks + task.onset, task.last - 1)
  # A role may set the trigger for each agent: as long before the ego would
  # reach it.
  there = jnp.sum(context.tracks.valid, 0)
  place = jnp.sum(jnp.where(context.tracks.valid, context.ego.s, 0), 0)
  place /= jnp.maximum(there, 1)
  arrival = context_lib.ego_arrival(context, place - task.half_lengths)
  arrival -= task.draw('time_to_arrival')
  arrival = jnp.round(jnp.clip(arrival, -1, 1e3) / types.TIME_STEP)
  timed = task.role.timed & ~task.donor & ~task.moves_ego
  return jnp.where(timed, arrival.astype(jnp.int32), triggers[:, None])


def _moment(task, trigger):
  """`Moment` `[..., A]` at steps `[..., A]`."""
  context = task.context
  agents = jnp.arange(len(context.sizes))
  step = jnp.clip(trigger, 0, task.last)
  along, own, state = trees.take(
    (context.ego, context.own, context.tracks), (step, agents)
  )
  arrival = context.crossing_arrival - trigger * types.TIME_STEP
  return Moment(
    trigger=trigger,
    s=along.s - context.ego.s[step, 0],
    d=along.d - context.ego.d[step, 0],
    state=state,
    ego=trees.take(context.tracks, (step, 0)),
    along=along,
    own=own,
    crossing=context.crossing - own.s,
    crossing_time=arrival + task.draw('arrival_offset'),
  )


def _meeting(task, trigger, s, speed, half_lengths):
  """`Meeting` of agents `[...]` ahead of the ego, or behind it to tailgate."""
  draw, config = task.draw, task.config
  follows = task.has_family('tailgate')
  duration = jnp.where(follows, draw('follow_time'), draw('merge_time'))
  ego_s, ego_speed = context_lib.ego_at(
    task.context, trigger + duration / types.TIME_STEP
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


def _can_meet(task, moment):
  """`[..., A]` bool, who can get to the gap that is asked for."""
  meeting = _meeting(
    task,
    moment.trigger,
    moment.along.s,
    moment.along.speed,
    task.half_lengths,
  )
  low, high = jnp.where(
    task.has_family('tailgate'),
    jnp.stack(task.draw.range('follow_gap')),
    jnp.stack(task.draw.range('merge_gap')),
  )
  return (meeting.natural + meeting.reach > low) & (
    meeting.natural - meeting.reach < high
  )


def _can_cross(task, moment):
  """`[..., A]` bool, who can be where both paths cross when it should."""
  distance, duration = moment.crossing, moment.crossing_time
  speed = moment.own.speed
  end_speed = adversaries.crossing_speed(distance, duration, speed)
  change = jnp.abs(end_speed - speed) / duration
  return (
    _within(duration, _CROSSING_TIME)
    & _within(end_speed, _CROSSING_SPEED)
    & (distance > 1)
    & (change < task.config.max_acceleration / 2)
  )


def _fits(task, moment):
  """`[..., A]` bool, who may take on the behaviour; any in place of the ego."""
  context, role, config = task.context, task.role, task.config
  asked_s, asked_d, asked_speed, asked_length = task.constraint.features
  now = moment.state
  long_enough = _within(context.sizes[:, 0], asked_length)
  fits = (
    _within(moment.s, role.s)
    & _within(moment.s, asked_s)
    & _within(jnp.abs(moment.d), role.d)
    & _within(moment.d, asked_d)
    & _within(now.speed, role.speed)
    & _within(now.speed, asked_speed)
    & _within(jnp.cos(now.yaw - moment.ego.yaw), role.direction)
    & long_enough
    & (context.parked | ~role.parked)
    & (_can_meet(task, moment) | (role.meets == 0))
    & (_can_cross(task, moment) | ~task.has_family('crossing'))
    & now.valid
    & (jnp.sum(context.tracks.valid, 0) >= config.alive_steps)
    & (moment.trigger >= config.first_start)
    & (moment.trigger < task.last)
    & (jnp.arange(len(context.sizes)) != 0)
  )
  asked = task.constraint.classes
  classes = jnp.where(jnp.any(asked), asked, role.classes)
  fits = jnp.where(task.donor, context.free & long_enough, fits)
  return (fits & classes[context.classes]) | task.moves_ego


def _mover(task, cast, s, speed, **fields):
  half_lengths = task.half_lengths[cast.agent]
  return plan_lib.Mover(
    s=s,
    speed=speed,
    width=task.context.sizes[cast.agent, 1],
    half_lengths=half_lengths,
    meeting=_meeting(task, cast.trigger, s, speed, half_lengths),
    **fields,
  )


def _recorded(task, cast):
  """The path of its plan, and `Mover` of an agent as recorded."""
  own_path, moment = task.role.own_path, cast.moment
  path = trees.take(task.context.paths, jnp.where(own_path, cast.agent, 0))
  along = trees.where(own_path, moment.own, moment.along)
  now = moment.state
  beside = geometry.rotate_2d(moment.ego.xy - now.xy, -now.yaw)[1]
  return path, _mover(
    task,
    cast,
    s=along.s,
    d=along.d,
    speed=along.speed,
    lateral_speed=along.lateral_speed,
    acceleration=along.acceleration,
    toward=jnp.where(beside < 0, -1.0, 1.0),
    apart=jnp.abs(moment.d),
    crossing=moment.crossing,
    crossing_time=moment.crossing_time,
  )


@struct.dataclass
class _Place:
  """Where a donor is at the trigger, along and beside the ego's path.

  Attributes:
    s: `[]` metres along it.
    aside: `[]` metres to the left of the ego.
    side: `[]` -1 right of the ego, +1 left.
    speed: `[]` m/s.
    point: `[2]` of the path at s.
    across: `[2]` direction of one that crosses.
    distance: `[]` metres before the point if it crosses.
    duration: `[]` seconds until it is there.
  """

  s: types.Array
  aside: types.Array
  side: types.Array
  speed: types.Array
  point: types.Array
  across: types.Array
  distance: types.Array
  duration: types.Array


def settle(task: Task, cast: Cast) -> Task:
  """The task with a draw that puts a donor where there is room.

  Looks at some places in turn, as its role has them, and takes the first one
  where the donor meets nobody as it arrives; the first of all if there is none.
  """
  context = task.context
  size = context.sizes[cast.agent] + 2 * task.config.margin
  last = cast.trigger + round(1 / types.TIME_STEP)
  share = jnp.linspace(0, 1, _MOMENTS)
  first = cast.start - task.config.first_start
  steps = first + jnp.round(share * (last - first)).astype(jnp.int32)
  steps = jnp.clip(steps, 0, task.last)
  others = jax.tree.map(lambda x: x[steps], context.tracks)
  theirs = geometry.boxes(others.xy, others.yaw, context.sizes)
  agents = jnp.arange(len(context.sizes))
  counts = others.valid & ((agents != 0) | task.config.avoid_ego)

  def has_room(number):
    place = _place(task, cast, task.draw.moved_on(_PLACE, number))
    xy, yaw = jax.vmap(lambda step: _pose(task, cast, place, step))(steps)
    mine = geometry.boxes(xy[:, None], yaw[:, None], size)
    gap = geometry.separation(mine, theirs)
    return jnp.min(jnp.where(counts, gap, jnp.inf)) >= 0

  free = jax.vmap(has_room)(jnp.arange(_PLACES))
  number = jnp.where(task.donor, jnp.argmax(free), 0)
  return dataclasses.replace(task, draw=task.draw.moved_on(_PLACE, number))


def _place(task, cast, draw):
  """`_Place` of a draw."""
  context, role = task.context, task.role
  _, asked_d, asked_speed, _ = task.constraint.features
  ego = trees.take(context.ego, (cast.trigger, 0))
  side = jnp.where(draw('side') < 0.5, -1.0, 1.0)
  side = jnp.where(asked_d[1] <= 0, -1.0, jnp.where(asked_d[0] >= 0, 1.0, side))
  s = ego.s + jnp.where(
    role.timed,
    draw('time_to_arrival') * ego.speed + task.half_lengths[cast.agent],
    draw.within('place', *role.donor_s),
  )
  speed = jnp.maximum(
    ego.speed + draw.within('place_speed', *role.donor_speed), _DONOR_SPEED
  )
  speed = jnp.where(role.timed, 0.0, jnp.clip(speed, *asked_speed))
  crosses = task.has_family('crossing')
  speed = jnp.where(crosses, jnp.clip(speed, *_DONOR_CROSSES), speed)

  point, tangent = frenet.evaluate(context.path, s)
  arrival = context_lib.ego_arrival(context, s)
  duration = arrival - cast.trigger * types.TIME_STEP + draw('arrival_offset')
  duration = jnp.clip(duration, *_CROSSING_TIME)
  return _Place(
    s=s,
    aside=side * draw.within('place_aside', *role.donor_d),
    side=side,
    speed=speed,
    point=point,
    # From the side, at a right angle.
    across=-side * jnp.stack([-tangent[1], tangent[0]]),
    distance=speed * duration,
    duration=duration,
  )


def _pose(task, cast, place, step):
  """xy `[2]` and yaw `[]` of a donor in steady motion at a step `[]`."""
  moved = (step - cast.trigger) * types.TIME_STEP * place.speed
  crosses, reverses = task.has_family('crossing'), task.has_family('oncoming')
  path = task.context.path
  d = task.context.ego.d[cast.trigger, 0] + place.aside
  moved_s = jnp.where(reverses, -moved, moved)
  xy, yaw = frenet.from_frenet(path, place.s + moved_s, d)
  across_yaw = jnp.arctan2(place.across[1], place.across[0])
  across_xy = place.point + (moved - place.distance) * place.across
  # Who walks faces the path that it will cross.
  turn = jnp.where(task.has_family('dart_out'), jnp.pi / 2, 0.0)
  return (
    jnp.where(crosses, across_xy, xy),
    jnp.where(crosses, across_yaw, yaw + turn),
  )


def _donated(task, cast):
  """The path of its plan, and `Mover` of a donor where its role puts it."""
  context = task.context
  place = _place(task, cast, task.draw)
  crosses, reverses = task.has_family('crossing'), task.has_family('oncoming')
  path = trees.where(reverses, frenet.reverse(context.path), context.path)
  across = frenet.straight(place.point, place.across)
  path = trees.where(crosses, across, path)
  sign = jnp.where(reverses, -1.0, 1.0)
  d = sign * (context.ego.d[cast.trigger, 0] + place.aside)
  zero = jnp.zeros(())
  return path, _mover(
    task,
    cast,
    s=jnp.where(crosses, -place.distance, sign * place.s),
    d=jnp.where(crosses, 0.0, d),
    speed=place.speed,
    lateral_speed=zero,
    acceleration=zero,
    toward=-sign * place.side,
    apart=jnp.abs(place.aside),
    crossing=place.distance,
    crossing_time=place.duration,
  )
