# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One edit of one scene: who drives otherwise, how, and whether it can be.

One compiled program draws and checks every behaviour: the family chooses among
plans (`adversaries`, `cousins`), all the rest is the same for all. `propose` is
`draft` and then `judge`, which costs the most and which only a draft with
nothing wrong needs: who draws many (`expansion.proposals`) judges only those.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.scenario import adversaries
from rdrl.scenario import casting
from rdrl.scenario import checks
from rdrl.scenario import cousins
from rdrl.scenario import frenet
from rdrl.scenario import profiles
from rdrl.scenario.casting import FIRST_COUSIN
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import FAMILIES
from rdrl.scenario.context import Context

_OTHER_LANE = BEHAVIOURS.index('other_lane')
_PULL_OUT, _DART_OUT = FAMILIES.index('pull_out'), FAMILIES.index('dart_out')


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
  choice_key, draw_key = jax.random.split(key)
  task = casting.task(context, behaviour, draw_key, config, constraint)
  cast = casting.choose(task, choice_key)
  task = casting.settle(task, cast)
  path, mover = casting.mover(task, cast)
  branch = _branch(task)
  path = trees.where(behaviour == _OTHER_LANE, branch.path, path)
  plan = _plan(task, cast, mover, branch)
  track, speed, course = _follow(task, cast, path, plan)
  duration = jnp.ceil(plan.duration / types.TIME_STEP).astype(jnp.int32)
  proposal = Proposal(
    track=track,
    agent=cast.agent,
    family=task.family,
    donor=task.donor,
    start=cast.start,
    trigger=cast.trigger,
    release=jnp.minimum(cast.trigger + duration, task.last),
    reason=jnp.zeros((), jnp.int32),
    difficulty=jnp.zeros(()),
  )
  failed = {
    'no_agent': ~cast.exists & ~task.donor,
    'no_donor': ~cast.exists & task.donor,
    'no_lane': (behaviour == _OTHER_LANE)
    & (
      (plan.s[cast.trigger] > branch.parting)
      | ~(plan.s[-1] > branch.parting + cousins.TURNED)
    ),
    **_failed(context, behaviour, proposal, speed, course, config),
  }
  return proposal.replace(reason=checks.first_reason(failed))


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
  failed = _failed(context, behaviour, proposal, speed, course, config)
  return proposal.replace(reason=checks.first_reason(failed))


def _branch(task):
  """`Branches` `[]`, one of those that there are."""
  branches = task.context.branches
  count = jnp.sum(jnp.isfinite(branches.parting))
  return trees.take(branches, (task.draw('level') * count).astype(jnp.int32))


def _since(task, step):
  """Seconds `[T]` since a step, negative before."""
  return (jnp.arange(task.last + 1) - step) * types.TIME_STEP


def _plan(task, cast, mover, branch):
  """`Plan` of the behaviour; only its own is computed."""
  time = _since(task, cast.trigger)
  along = task.context.ego
  ego = cousins.Recorded(along.s[:, 0], along.d[:, 0], cast.trigger, branch)
  drawn = jnp.maximum(time, 0), task.draw, task.config
  plans = [functools.partial(plan, mover, *drawn) for plan in adversaries.PLANS]
  plans += [functools.partial(plan, ego, *drawn) for plan in cousins.PLANS]

  def as_floats(plan):
    return lambda: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), plan())

  index = jnp.where(
    task.moves_ego, len(FAMILIES) + task.behaviour - FIRST_COUSIN, task.family
  )
  plan = jax.lax.switch(index, [as_floats(plan) for plan in plans])
  # Before its trigger, a donor is on its way.
  before = jnp.where(task.donor, jnp.minimum(time, 0) * mover.speed, 0)
  return plan.replace(s=plan.s + before)


def _follow(task, cast, path, plan):
  """The track `[T]` of a plan, and speed and course `[T]` of its motion."""
  context, donor, trigger = task.context, task.donor, cast.trigger
  recorded = trees.take(context.tracks, (slice(None), cast.agent))
  steps = jnp.arange(task.last + 1)
  time = jnp.maximum(_since(task, trigger), 0)
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
  ground = geometry.sample_grid(context.ground, xy)
  arrives = cast.start - task.config.first_start
  track = types.AgentState(
    xy=xy,
    z=ground + context.clearance[cast.agent],
    yaw=geometry.wrap_angle(course + (1 - blend) * turned),
    speed=speed,
    valid=recorded.valid | ~donor | (steps >= arrives),
  )
  return trees.where(edited, track, recorded), speed, course


def _failed(context, behaviour, proposal, speed, course, config):
  """Failed checks `[]` of a track, by name, all but of how avoidable it is.

  Args:
    context: of the scene.
    behaviour: `[]` int32.
    proposal: with its track.
    speed: `[T]` m/s of the motion along the track.
    course: `[T]` rad, its direction.
    config: `scenario.Config`.
  """
  track, agent, release = proposal.track, proposal.agent, proposal.release
  size = context.sizes[agent]
  moves_ego = behaviour >= FIRST_COUSIN
  wheeled = context.classes[agent] != types.PEDESTRIAN
  steps = jnp.arange(len(track.valid))
  begun = steps >= jnp.where(
    proposal.donor, proposal.start - config.first_start, proposal.trigger
  )
  manoeuvre = begun & (moves_ego | (steps <= release))
  window = begun & (moves_ego | (steps <= release + config.tail_steps))
  agents = jnp.arange(len(context.sizes))
  others = (agents != agent) & (moves_ego | config.avoid_ego | (agents != 0))
  box = track.xy, track.yaw, size
  free = checks.outline_free(context.occupancy, *box)
  off_ground = checks.off_the_ground(context.ground, *box, config, wheeled)
  return {
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
    'drivable': _leaves(context, moves_ego, proposal, window, config),
    'occupancy': jnp.any(window & (free < 0)),
    'ground': jnp.any(window & off_ground),
  }


def _leaves(context, moves_ego, proposal, window, config):
  """Whether a box `[T]` is where its behaviour may not be.

  Cars keep to the road: an oncoming one leaves its lane, not more. A parked
  car may begin beside the road but must end on it, and get no further from it.
  Who walks may be anywhere.
  """
  track, size = proposal.track, context.sizes[proposal.agent]
  on_road = checks.corners_inside(context.drivable, track.xy, track.yaw, size)
  pulls_out = ~moves_ego & (proposal.family == _PULL_OUT)
  walks = ~moves_ego & (proposal.family == _DART_OUT)
  begins = on_road[proposal.trigger]
  least = jnp.where(pulls_out, jnp.minimum(begins - 0.01, 0), 0)
  least -= config.drivable_tolerance
  ends_beside = on_road[proposal.release] < -config.drivable_tolerance
  beyond = jnp.any(window & (on_road < least))
  return ~walks & (beyond | (pulls_out & ends_beside))


def edited_tracks(context: Context, proposal: Proposal) -> types.AgentState:
  """The tracks `[T, A]` of a scene with what one proposal edits."""
  return jax.tree.map(
    lambda x, new: jnp.asarray(x).at[:, proposal.agent].set(new),
    context.tracks,
    proposal.track,
  )
