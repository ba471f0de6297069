# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The Cousin Trajectory Generator: variations of the ego's recorded motion.

ReconDreamer-RL (arXiv 2508.08170) names it and gives no formulas; these are
ours. As those of `adversaries`, plans are functions of who moves, here of
`Recorded`, of the seconds `[T]` since the trigger, not negative, of a
`plan.Draw` and of a `scenario.Config`.
"""

from flax import struct
import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.scenario import junctions
from rdrl.scenario import profiles
from rdrl.scenario.plan import Plan

# Least curvature in 1/m; metres after lanes part at which a turn is complete.
_STRAIGHT, TURNED = 1e-4, 10.0


@struct.dataclass
class Recorded:
  """The recorded motion of the ego, and where it could have turned off.

  Attributes:
    s: `[T]` metres along its path; plans of another lane mean that of `branch`.
    d: `[T]` metres to its left.
    trigger: `[]` int32 step at which the edit begins.
    branch: `[]`, another lane.
  """

  s: types.Array
  d: types.Array
  trigger: types.Array
  branch: junctions.Branches

  def aside(self, s):
    """Metres `[T]` to the left of the path where the recording was at s `[T]`.

    Who drives at another speed is there at another time; and who stands does
    not move to the side.
    """
    return jnp.interp(s, jax.lax.cummax(self.s), self.d)


def lateral_shift(ego, time, draw, config):
  """The recorded motion, moved to the side, and every second time back."""
  duration = draw('shift_time')
  target = config.shift * (2 * draw('level') - 1)
  returns = draw('coin') < 0.5
  away = profiles.ease(time / duration)
  away -= returns * profiles.ease((time - duration) / duration)
  return Plan(
    s=ego.s, d=ego.d + target * away, duration=duration * (1 + returns)
  )


def speed_change(ego, time, draw, config):
  """Scales the recorded speed."""
  change = draw('speed_factor') - 1
  factors = 1 + change * profiles.smooth(time / config.speed_time)
  s = _at_speed(ego, factors)
  return Plan(s=s, d=ego.aside(s), duration=config.speed_time)


def stop_and_creep(ego, time, draw, config):
  """Stops, waits, creeps and drives on."""
  stop, wait, creep = (
    draw(name) for name in ('stop_time', 'stop_wait', 'creep_time')
  )
  moves_again = stop + wait
  goes_on = moves_again + config.speed_time + creep
  share = draw('creep_speed')
  factors = (
    1
    - profiles.smooth(time / stop)
    + share * profiles.smooth((time - moves_again) / config.speed_time)
    + (1 - share) * profiles.smooth((time - goes_on) / stop)
  )
  s = _at_speed(ego, factors)
  return Plan(s=s, d=ego.aside(s), duration=goes_on + stop)


def interpolation(ego, time, draw, config):
  """Interpolates between the recorded motion and one shifted and scaled."""
  share = draw('level')
  side = jnp.where(draw('coin') < 0.5, -1.0, 1.0)
  duration = draw('shift_time')
  away = side * config.shift * profiles.ease(time / duration)
  other = speed_change(ego, time, draw, config)
  s = (1 - share) * ego.s + share * other.s
  return Plan(
    s=s,
    d=ego.aside(s) + share * away,
    duration=jnp.maximum(duration, config.speed_time),
  )


def other_lane(ego, time, draw, config):
  """Drives the recorded speeds along another lane, slower in its bends."""
  branch, trigger = ego.branch, ego.trigger
  bend = jnp.maximum(branch.curvature, _STRAIGHT)
  slowest = config.turn_acceleration / bend

  def drive(place, now):
    recorded, begun = now
    room = jnp.maximum(branch.parting - place, 0)
    limit = jnp.sqrt(slowest + 2 * config.turn_brake * room)
    step = jnp.minimum(recorded, limit * types.TIME_STEP)
    place += jnp.where(begun, step, recorded)
    return place, place

  begun = jnp.arange(len(ego.s) - 1) >= trigger
  _, places = jax.lax.scan(drive, ego.s[0], (jnp.diff(ego.s), begun))
  s = jnp.append(ego.s[:1], places)
  turned = s > branch.parting + TURNED
  after = jnp.where(turned, time, time[-1]).min()
  fades = 1 - profiles.ease(time / config.speed_time)
  return Plan(s=s, d=ego.d[trigger] * fades, duration=after)


def _at_speed(ego, factors):
  """s `[T]` after scaling recorded speeds by factors `[T]` from the trigger."""
  moved = (factors[1:] + factors[:-1]) / 2 * jnp.diff(ego.s)
  gone = jnp.append(0, jnp.cumsum(moved))
  return ego.s[ego.trigger] + gone - gone[ego.trigger]


PLANS = (
  lateral_shift,
  speed_change,
  stop_and_creep,
  interpolation,
  other_lane,
)
