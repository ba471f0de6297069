# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One edit of one scene: who drives otherwise, how, and whether it can be.

ReconDreamer-RL (arXiv 2508.08170) names the Dynamic Adversary Agent, which
moves another vehicle, and the Cousin Trajectory Generator, which moves the ego,
and gives no formulas; those here are ours. Both plan in the Frenet frame of the
ego's recorded path.
"""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.scenario import checks
from rdrl.scenario import config as config_lib
from rdrl.scenario import frenet
from rdrl.scenario import profiles

# Seconds in which recorded acceleration and heading give way to the planned.
_BLEND = 0.5
# Seconds in which an agent that only brakes ends its lateral motion.
_SETTLE = 1.0
# m/s above which an agent counts as moving.
_MOVING = 0.5
# What is drawn: uniform in the range of the config by that name, or in [0, 1].
_DRAWN = (
  'start',
  'onset',
  'coin',
  'level',
  'merge_time',
  'merge_gap',
  'speed_deficit',
  'cut_in_brake',
  'cut_in_final_speed',
  'brake',
  'brake_final_speed',
  'shift_time',
  'speed_factor',
)


@struct.dataclass
class Context:
  """A scene as planning sees it.

  Attributes:
    tracks: `[T, A]` as recorded.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    path: the ego's recorded path.
    s: `[T, A]` metres along that path.
    d: `[T, A]` metres to its left.
    speed: `[T, A]` m/s, the rate of s.
    lateral_speed: `[T, A]` m/s, the rate of d.
    acceleration: `[T, A]` m/s^2, the rate of `speed`.
    clearance: `[A]` metres from the ground to the middle of the box.
    drivable: see `Scene`.
    occupancy: see `Scene`.
    ground: see `Scene`.
  """

  tracks: types.AgentState
  sizes: types.Array
  classes: types.Array
  path: frenet.Path
  s: types.Array
  d: types.Array
  speed: types.Array
  lateral_speed: types.Array
  acceleration: types.Array
  clearance: types.Array
  drivable: types.Grid
  occupancy: types.Grid
  ground: types.Grid


@struct.dataclass
class Proposal:
  """An edit and what the checks say of it.

  Attributes:
    tracks: `[T, A]`.
    agent: `[]` int32, who was edited; 0 is the ego.
    start: `[]` int32 step at which an episode begins.
    trigger: `[]` int32 step at which the edit begins.
    release: `[]` int32 step at which the manoeuvre is over.
    reason: `[]` int32 index into `REASONS`.
    difficulty: `[]` share of the ego's manoeuvres that collide; 0 for cousins.
  """

  tracks: types.AgentState
  agent: types.Array
  start: types.Array
  trigger: types.Array
  release: types.Array
  reason: types.Array
  difficulty: types.Array


def prepare(scene: types.Scene) -> Context:
  """What `propose` needs of a scene.

  Raises:
    ValueError: if the ego is not valid throughout.
  """
  tracks = jax.tree.map(np.asarray, scene.tracks)
  if not tracks.valid[:, 0].all():
    step = int(np.argmin(tracks.valid[:, 0]))
    raise ValueError(f'scene.tracks.valid of the ego is False at step {step}')
  path = frenet.build(tracks.xy[:, 0], tracks.yaw[:, 0], tracks.valid[:, 0])
  grids = scene.drivable, scene.occupancy, scene.ground
  parts = tracks, scene.sizes, scene.classes, path, *grids
  return _prepare(*jax.tree.map(jnp.asarray, parts))


@jax.jit
def _prepare(tracks, sizes, classes, path, drivable, occupancy, ground):
  def on_path(xy):
    s, d, heading = frenet.to_frenet(path, xy)
    return s, d, heading, frenet.curvature(path, s)

  s, d, heading, curvature = jax.vmap(jax.vmap(on_path))(tracks.xy)
  # Beside a bend, a metre of road is more or less than a metre of path; an
  # agent beyond the middle of the bend has no place on the path anyway.
  metres = jnp.maximum(1 - curvature * d, 0.2)
  speed = tracks.speed * jnp.cos(tracks.yaw - heading) / metres
  # Over 0.6 s: recorded speeds are noisy.
  width = 3
  edge = jnp.pad(speed, ((width, width), (0, 0)), mode='edge')
  acceleration = (edge[2 * width :] - edge[: -2 * width]) / (
    2 * width * types.TIME_STEP
  )
  height = jnp.where(
    tracks.valid, tracks.z - geometry.sample_grid(ground, tracks.xy), 0
  )
  seen = jnp.maximum(jnp.sum(tracks.valid, 0), 1)
  return Context(
    tracks=tracks,
    sizes=sizes,
    classes=classes,
    path=path,
    s=s,
    d=d,
    speed=speed,
    lateral_speed=tracks.speed * jnp.sin(tracks.yaw - heading),
    acceleration=acceleration,
    clearance=jnp.sum(height, 0) / seen,
    drivable=drivable,
    occupancy=occupancy,
    ground=ground,
  )


def _merge(context, trigger, draw, config):
  """What a cut-in by each agent would come to.

  Returns:
    Seconds `[]` that it takes, m/s `[]` at its end, metres `[]` along the path
    where the ego then was in the recording, gaps `[A]` in metres to which
    steady motion would lead, and metres `[]` by which a gap can be changed.
  """
  duration = draw('merge_time')
  last = context.s.shape[0] - 1
  # The ego as recorded, straight on at the end of the recording.
  then = trigger + duration / types.TIME_STEP
  steps = jnp.arange(last + 1.0)
  ego_speed = jnp.interp(then, steps, context.speed[:, 0])
  beyond = jnp.maximum(then - last, 0) * types.TIME_STEP * ego_speed
  ego_s = jnp.interp(then, steps, context.s[:, 0]) + beyond
  end_speed = jnp.maximum(ego_speed - draw('speed_deficit'), 0)
  moved = (context.speed[trigger] + end_speed) / 2 * duration
  half_lengths = (context.sizes[0, 0] + context.sizes[:, 0]) / 2
  natural = context.s[trigger] + moved - ego_s - half_lengths
  # A quintic that ends x metres off steady motion peaks at an acceleration of
  # 5.77 x / T^2 and a jerk of 60 x / T^3; half the limits are for this.
  reach = jnp.minimum(
    config.max_acceleration * duration**2 / 5.77,
    config.max_jerk * duration**3 / 60,
  )
  return duration, end_speed, ego_s, natural, reach / 2


def _choose(context, trigger, behaviour, merge, config, key):
  """An agent `[]` in a place that fits the behaviour, and whether there is one.

  The weight is exp(-distance / 10 m): the paper takes the nearest.
  """
  *_, natural, reach = merge
  shortest, longest = config.merge_gap
  can_merge = (natural + reach > shortest) & (natural - reach < longest)
  s = context.s[trigger] - context.s[trigger, 0]
  d = context.d[trigger] - context.d[trigger, 0]
  now = types.take(context.tracks, trigger)
  aligned = jnp.cos(now.yaw - now.yaw[0]) > 0.7
  beside = (jnp.abs(d) > 2) & (jnp.abs(d) < 7) & (s > -15) & (s < 50)
  ahead = (jnp.abs(d) < 1.5) & (s > context.sizes[0, 0]) & (s < 50)
  fits = (
    jnp.where(behaviour == config_lib.CUT_IN, beside & can_merge, ahead)
    & now.valid
    & (context.classes == types.VEHICLE)
    & (jnp.sum(context.tracks.valid, 0) >= config.alive_steps)
    & aligned
    & (now.speed > 2)
    & (jnp.arange(len(s)) != 0)
  )
  distance = geometry.safe_norm(now.xy - now.xy[0])
  logits = jnp.where(fits, -distance / 10, -jnp.inf)
  return jax.random.categorical(key, logits).astype(jnp.int32), jnp.any(fits)


def _cut_in(context, agent, trigger, time, merge, draw, config):
  """s, d `[T]` and duration `[]` of a lane change in front of the ego."""
  duration, end_speed, ego_s, natural, reach = merge
  natural = natural[agent]
  gap = jnp.clip(draw('merge_gap'), natural - reach, natural + reach)
  gap = jnp.clip(gap, *config.merge_gap)
  half_lengths = (context.sizes[0, 0] + context.sizes[agent, 0]) / 2
  s = profiles.quintic(
    time,
    duration,
    (
      context.s[trigger, agent],
      context.speed[trigger, agent],
      context.acceleration[trigger, agent],
    ),
    (ego_s + gap + half_lengths, end_speed, 0.0),
  )
  brakes = draw('coin') < 0.5
  lag, brake_time = profiles.braking(
    time - duration,
    end_speed,
    draw('cut_in_brake'),
    end_speed * draw('cut_in_final_speed'),
    config.brake_jerk,
  )
  s += jnp.where(brakes, lag, 0)
  d = profiles.quintic(
    time,
    duration,
    (context.d[trigger, agent], context.lateral_speed[trigger, agent], 0.0),
    (0.0, 0.0, 0.0),
  )
  return s, d, duration + jnp.where(brakes, brake_time, 0)


def _hard_brake(context, agent, trigger, time, draw, config):
  """s, d `[T]` and duration `[]` of braking in the own lane."""
  acceleration = context.acceleration[trigger, agent]
  speed = context.speed[trigger, agent]
  settled = jnp.maximum(speed + acceleration * _BLEND / 2, 0)
  lag, duration = profiles.braking(
    time,
    settled,
    draw('brake'),
    settled * draw('brake_final_speed'),
    config.brake_jerk,
  )
  s = context.s[trigger, agent] + speed * time + lag
  s += profiles.fading(time, acceleration, _BLEND)
  # Lateral motion fades as well, over the time of a correction in the lane.
  lateral_speed = context.lateral_speed[trigger, agent]
  t = jnp.minimum(time, _SETTLE)
  d = context.d[trigger, agent] + lateral_speed * (t - t**2 / (2 * _SETTLE))
  return s, d, duration


def _lateral_shift(context, time, draw, config):
  """The recorded motion, moved to the side, and every second time back."""
  duration = draw('shift_time')
  target = config.shift * (2 * draw('level') - 1)
  returns = draw('coin') < 0.5
  away = profiles.ease(time / duration)
  away -= returns * profiles.ease((time - duration) / duration)
  d = context.d[:, 0] + target * away
  return context.s[:, 0], d, duration * (1 + returns)


def _speed_change(context, trigger, time, draw, config):
  """The recorded motion at another speed."""
  factor = draw('speed_factor')
  ramp = jnp.clip(time / config.speed_time, 0, 1)
  factors = 1 + (factor - 1) * ramp**2 * (3 - 2 * ramp)
  moved = (factors[1:] + factors[:-1]) / 2 * jnp.diff(context.s[:, 0])
  gone = jnp.append(0, jnp.cumsum(moved))
  s = context.s[trigger, 0] + gone - gone[trigger]
  return s, context.d[:, 0], config.speed_time


def propose(context: Context, behaviour, key, config) -> Proposal:
  """Draws one edit and checks it.

  Args:
    context: of the scene, from `prepare`.
    behaviour: `[]` int32 index into `BEHAVIOURS`, not 0.
    key: of every draw.
    config: `scenario.Config`.
  """
  num_steps = context.tracks.valid.shape[0]
  last = num_steps - 1
  choice_key, draw_key = jax.random.split(key)
  # One draw for all: each would compile its own random generator.
  uniform = jax.random.uniform(draw_key, (len(_DRAWN),))

  def draw(name):
    low, high = getattr(config, name, (0.0, 1.0))
    return low + (high - low) * uniform[_DRAWN.index(name)]

  latest = max(last - config.episode_steps, config.first_start)
  choices = latest + 1 - config.first_start
  start = config.first_start + jnp.minimum(
    (draw('start') * choices).astype(jnp.int32), choices - 1
  )
  onset = jnp.round(draw('onset') / types.TIME_STEP).astype(jnp.int32)
  trigger = jnp.minimum(start + onset, last - 1)
  steps = jnp.arange(num_steps)
  time = jnp.maximum(steps - trigger, 0) * types.TIME_STEP

  moves_ego = behaviour >= config_lib.LATERAL_SHIFT
  merge = _merge(context, trigger, draw, config)
  chosen, exists = _choose(
    context, trigger, behaviour, merge, config, choice_key
  )
  agent = jnp.where(moves_ego, 0, chosen)
  plans = (
    _cut_in(context, agent, trigger, time, merge, draw, config),
    _hard_brake(context, agent, trigger, time, draw, config),
    _lateral_shift(context, time, draw, config),
    _speed_change(context, trigger, time, draw, config),
  )
  s, d, duration = (
    jnp.stack([jnp.asarray(plan[i], jnp.float32) for plan in plans])[
      behaviour - 1
    ]
    for i in range(3)
  )
  release = trigger + jnp.ceil(duration / types.TIME_STEP).astype(jnp.int32)
  release = jnp.minimum(release, last)

  recorded = jax.tree.map(lambda x: x[:, agent], context.tracks)
  xy, heading = jax.vmap(frenet.from_frenet, (None, 0, 0))(context.path, s, d)
  edited = steps > trigger
  # What the smoothed path has moved fades out; it must not be a jump.
  jump = recorded.xy[trigger] - xy[trigger]
  fade = jnp.maximum(1 - time / _BLEND, 0)[:, None]
  xy = jnp.where(edited[:, None], xy + jump * fade, recorded.xy)
  speed, course = checks.motion(xy, heading)
  blend = profiles.ease(time / _BLEND)
  turned = geometry.wrap_angle(recorded.yaw[trigger] - course[trigger])
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
    valid=recorded.valid | edited,
  )
  tracks = jax.tree.map(
    lambda x, new: x.at[:, agent].set(new), context.tracks, track
  )

  size = context.sizes[agent]
  manoeuvre = (steps >= trigger) & (moves_ego | (steps <= release))
  window = (steps >= trigger) & (
    moves_ego | (steps <= release + config.tail_steps)
  )
  others = jnp.arange(len(context.sizes)) != agent
  others &= moves_ego | config.avoid_ego | (jnp.arange(len(others)) != 0)
  on_road = checks.corners_inside(context.drivable, track.xy, track.yaw, size)
  free = checks.outline_free(context.occupancy, track.xy, track.yaw, size)
  difficulty, is_threat, is_hopeless = checks.avoidability(
    context, tracks, agent, trigger, config
  )
  reason = checks.first_reason(
    {
      'no_vehicle': ~moves_ego & ~exists,
      **checks.kinematics(speed, course, manoeuvre, config),
      'overlap': checks.overlaps(
        track,
        size,
        tracks,
        context.sizes,
        tracks.valid & others,
        window,
        config.margin,
      ),
      'drivable': jnp.any(window & (on_road < -config.drivable_tolerance)),
      'occupancy': jnp.any(window & (free < 0)),
      'trivial': ~moves_ego & ~is_threat,
      'unavoidable': ~moves_ego & is_hopeless,
    }
  )
  return Proposal(
    tracks=tracks,
    agent=agent,
    start=start,
    trigger=trigger,
    release=release,
    reason=reason,
    difficulty=jnp.where(moves_ego, 0.0, difficulty),
  )


def is_moving(context: Context):
  """`[A]` bool, vehicles and cyclists that move at some time."""
  tracks = context.tracks
  drives = (context.classes == types.VEHICLE) | (
    context.classes == types.CYCLIST
  )
  return drives & jnp.any(tracks.valid & (tracks.speed > _MOVING), 0)
