# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The Dynamic Adversary Agent: families of adversaries and their roles.

ReconDreamer-RL (arXiv 2508.08170) names the agent and three of its behaviours
(cut-in, sudden lane change, hard brake) and gives no formulas: these are ours.
Each family is a function `(mover, time [T], draw, config) -> Plan`. It plans in
Frenet coordinates, along the ego's recorded path or along the agent's own, as
`Role.own_path` says.
"""

import dataclasses

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import types
from rdrl.scenario import profiles
from rdrl.scenario.config import FAMILIES
from rdrl.scenario.plan import Plan

# Seconds of the blend from recorded to planned acceleration and heading.
BLEND = 0.5
# Seconds in which an agent that keeps its lane ends its lateral motion.
_SETTLE = 1.0
# Largest lateral acceleration of an encroachment, m/s^2.
_ENCROACH = 3.0
# Metres beyond the ego's path where a pedestrian stops, and its jerk, m/s^3.
_BEYOND, _WALK_JERK = 4.0, 12.0
# Most seconds in which a crossing car clears the path.
_CLEAR = 3.0


def _keep_lane(mover, time):
  """d `[T]` of an agent that ends its lateral motion."""
  t = jnp.minimum(time, _SETTLE)
  return mover.d + mover.lateral_speed * (t - t**2 / (2 * _SETTLE))


def _keep_speed(mover, time):
  """s `[T]` of an agent whose acceleration fades."""
  faded = profiles.fading(time, mover.acceleration, BLEND)
  return mover.s + mover.speed * time + faded


def _settled(mover):
  """Speed `[]` after that, m/s."""
  return jnp.maximum(mover.speed + mover.acceleration * BLEND / 2, 0)


def _meet(mover, time, gap, ahead):
  """s `[T]` of an agent that ends `gap` metres ahead (1) or behind (-1)."""
  meeting = mover.meeting
  target = ahead * (gap + mover.half_lengths)
  return profiles.quintic(
    time,
    meeting.duration,
    (mover.s, mover.speed, mover.acceleration),
    (meeting.ego_s + target, meeting.end_speed, 0.0),
  )


def _gap(mover, wanted, low, high):
  """The wanted gap `[]` in metres, clipped to what is in reach."""
  meeting = mover.meeting
  least, most = (
    meeting.natural - meeting.reach,
    meeting.natural + meeting.reach,
  )
  return jnp.clip(jnp.clip(wanted, least, most), low, high)


def cut_in(mover, time, draw, config):
  """Merges right ahead of the ego; every second one then brakes."""
  meeting = mover.meeting
  gap = _gap(mover, draw('merge_gap'), *draw.range('merge_gap'))
  s = _meet(mover, time, gap, ahead=1)
  brakes = draw('coin') < 0.5
  lag, brake_time = profiles.braking(
    time - meeting.duration,
    meeting.end_speed,
    draw('cut_in_brake'),
    meeting.end_speed * draw('cut_in_final_speed'),
    config.brake_jerk,
  )
  d = profiles.quintic(
    time,
    meeting.duration,
    (mover.d, mover.lateral_speed, 0.0),
    (0.0, 0.0, 0.0),
  )
  return Plan(
    s=s + jnp.where(brakes, lag, 0),
    d=d,
    duration=meeting.duration + jnp.where(brakes, brake_time, 0),
  )


def hard_brake(mover, time, draw, config):
  """The lead brakes in its lane."""
  settled = _settled(mover)
  lag, duration = profiles.braking(
    time,
    settled,
    draw('brake'),
    settled * draw('brake_final_speed'),
    config.brake_jerk,
  )
  return Plan(
    s=_keep_speed(mover, time) + lag,
    d=_keep_lane(mover, time),
    duration=duration,
  )


def lane_change(mover, time, draw, config):
  """Changes to the ego's lane at unchanged speed, whatever the gap."""
  duration = draw('change_time')
  d = profiles.quintic(
    time,
    duration,
    (mover.d, mover.lateral_speed, 0.0),
    (0.0, 0.0, 0.0),
  )
  return Plan(s=_keep_speed(mover, time), d=d, duration=duration)


def drift(mover, time, draw, config):
  """Drifts toward the ego, in or over the edge of the lane; half go back."""
  half = draw('drift_period') / 2
  returns = draw('coin') < 0.5
  away = profiles.ease(time / half)
  away -= returns * profiles.ease((time - half) / half)
  return Plan(
    s=_keep_speed(mover, time),
    d=_keep_lane(mover, time) + mover.toward * draw('drift') * away,
    duration=half * (1 + returns),
  )


def stop_and_go(mover, time, draw, config):
  """The lead slows down and stays slow, or slows down in waves."""
  period = draw('slow_period')
  stays = draw('coin') < 0.5
  end = jnp.where(stays, period / 2, period * jnp.round(draw('slow_cycles')))
  slower = _settled(mover) * (1 - draw('slow_speed'))
  return Plan(
    s=_keep_speed(mover, time) - slower * profiles.waves(time, period, end),
    d=_keep_lane(mover, time),
    duration=end,
  )


def oncoming(mover, time, draw, config):
  """An oncoming car comes over the middle between both and goes back."""
  over = mover.apart / 2 - mover.width / 2 + draw('encroachment')
  over = jnp.maximum(over, 0.3)
  # `ease` peaks at 5.77 times its change per squared duration.
  rise = jnp.sqrt(5.77 * over / _ENCROACH)
  back = rise + draw('encroachment_time')
  away = profiles.ease(time / rise) - profiles.ease((time - back) / rise)
  return Plan(
    s=_keep_speed(mover, time),
    d=_keep_lane(mover, time) + mover.toward * over * away,
    duration=back + rise,
  )


def crossing(mover, time, draw, config):
  """Crosses the ego's path at about the time when the ego is there."""
  end_speed = crossing_speed(mover.crossing, mover.crossing_time, mover.speed)
  s = profiles.quintic(
    time,
    mover.crossing_time,
    (mover.s, mover.speed, mover.acceleration),
    (mover.s + mover.crossing, end_speed, 0.0),
  )
  clear = 2 * mover.half_lengths / jnp.maximum(end_speed, 1.0)
  return Plan(
    s=s,
    d=_keep_lane(mover, time),
    duration=mover.crossing_time + jnp.minimum(clear, _CLEAR),
  )


def crossing_speed(distance, duration, speed):
  """Speed `[...]` at the end of a distance at constant acceleration, m/s."""
  return 2 * distance / duration - speed


def tailgate(mover, time, draw, config):
  """Closes in on the ego from behind, faster than it, and blocks a merge."""
  gap = _gap(mover, draw('follow_gap'), *draw.range('follow_gap'))
  return Plan(
    s=_meet(mover, time, gap, ahead=-1),
    d=_keep_lane(mover, time),
    duration=mover.meeting.duration,
  )


def pull_out(mover, time, draw, config):
  """A parked car enters the ego's lane."""
  speed, reach = draw('pull_out_speed'), draw('pull_out_reach')
  duration = 1.5 * speed / draw('pull_out_acceleration')
  gone = profiles.ramp(time, 0.0, speed, duration)
  # Lateral motion over distance, not time: a car at rest can't move sideways.
  arrives = jnp.maximum(reach - speed * duration / 2, 0) / speed + duration
  return Plan(
    s=mover.s + gone,
    d=mover.d * (1 - profiles.ease(gone / reach)),
    duration=jnp.maximum(duration, arrives),
  )


def dart_out(mover, time, draw, config):
  """A pedestrian runs across the ego's path and stops beyond."""
  speed = draw('walk_speed')
  change = jnp.sqrt(6 * speed / _WALK_JERK)
  distance = jnp.abs(mover.d) + _BEYOND
  stop = change + jnp.maximum(distance - speed * change, 0) / speed
  across = -jnp.sign(mover.d)
  gone = profiles.ramp(time, 0.0, speed, change)
  gone += profiles.ramp(time - stop, 0.0, -speed, change)
  return Plan(
    s=mover.s + profiles.ramp(time, mover.speed, 0.0, change),
    d=mover.d
    + across * gone
    + profiles.ramp(time, mover.lateral_speed, 0.0, change),
    duration=stop + change,
    turn=across * jnp.pi / 2,
  )


PLANS = (
  cut_in,
  hard_brake,
  lane_change,
  drift,
  stop_and_go,
  oncoming,
  crossing,
  tailgate,
  pull_out,
  dart_out,
)

_INF = np.inf
_AHEAD, _ONCOMING, _ANY_WAY = (0.7, 1.01), (-1.01, -0.7), (-1.01, 1.01)


def _classes(*classes):
  return tuple(i in classes for i in range(4))


_VEHICLES = _classes(types.VEHICLE)
_DRIVERS = _classes(types.VEHICLE, types.CYCLIST)


@struct.dataclass
class Role:
  """Which agents may act a family. Ranges are pairs, least and greatest.

  Attributes:
    s: metres ahead of the ego, along its path.
    d: metres beside it, either side.
    speed: m/s.
    direction: cosine of the angle between both headings.
    classes: which of the classes of agents.
    own_path: whether the plan is along the agent's path, not the ego's.
    parked: whether only agents that never move qualify.
    timed: whether the ego's arrival sets the trigger.
    meets: +1 if it ends ahead of the ego, -1 behind, 0 neither.
    donor_s: metres ahead of the ego where a donor begins.
    donor_d: metres beside it, either side.
    donor_speed: m/s on top of the ego's speed.
  """

  s: tuple[float, float] = (-15.0, 50.0)
  d: tuple[float, float] = (2.0, 7.0)
  speed: tuple[float, float] = (2.0, _INF)
  direction: tuple[float, float] = _AHEAD
  classes: tuple[bool, ...] = _VEHICLES
  own_path: bool = False
  parked: bool = False
  timed: bool = False
  meets: int = 0
  donor_s: tuple[float, float] = (-5.0, 25.0)
  donor_d: tuple[float, float] = (3.2, 3.8)
  donor_speed: tuple[float, float] = (-2.0, 3.0)


_LEAD = Role(
  s=(4.5, 50.0),
  d=(0.0, 1.5),
  own_path=True,
  donor_s=(10.0, 30.0),
  donor_d=(0.0, 0.3),
  donor_speed=(-1.0, 1.0),
)

ROLES = {
  'cut_in': Role(meets=1),
  'hard_brake': _LEAD,
  'lane_change': Role(s=(-8.0, 20.0), donor_s=(-4.0, 12.0)),
  'drift': Role(s=(-8.0, 30.0), classes=_DRIVERS, own_path=True),
  'stop_and_go': dataclasses.replace(_LEAD, classes=_DRIVERS),
  'oncoming': Role(
    s=(10.0, 100.0),
    d=(2.0, 10.0),
    direction=_ONCOMING,
    own_path=True,
    donor_s=(30.0, 80.0),
  ),
  'crossing': Role(
    s=(-15.0, 100.0),
    d=(2.0, 60.0),
    speed=(0.0, _INF),
    direction=_ANY_WAY,
    classes=_DRIVERS,
    own_path=True,
    donor_s=(15.0, 50.0),
    donor_speed=(-4.0, 2.0),
  ),
  'tailgate': Role(
    s=(-50.0, -4.5),
    d=(0.0, 5.0),
    meets=-1,
    donor_s=(-25.0, -9.0),
    donor_d=(0.0, 0.3),
    donor_speed=(0.0, 3.0),
  ),
  'pull_out': Role(
    s=(3.0, 100.0),
    d=(1.8, 7.0),
    speed=(0.0, 0.5),
    parked=True,
    timed=True,
    donor_d=(2.4, 4.0),
  ),
  'dart_out': Role(
    s=(2.0, 100.0),
    d=(1.5, 10.0),
    speed=(0.0, 3.0),
    direction=_ANY_WAY,
    classes=_classes(types.PEDESTRIAN),
    timed=True,
    donor_d=(3.0, 7.0),
  ),
}


def role(family) -> Role:
  """The `Role` of a family `[]`, each field an array `[]`, `[2]` or `[4]`."""
  return jax.tree.map(
    lambda *rows: jnp.asarray(rows)[family],
    *(ROLES[name] for name in FAMILIES),
    is_leaf=lambda x: isinstance(x, tuple),
  )
