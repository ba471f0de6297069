# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The Cousin Trajectory Generator: variations of the ego's recorded motion.

ReconDreamer-RL (arXiv 2508.08170) names it and gives no formulas; these are
ours. The interface is that of `adversaries`, with the ego's recorded motion in
place of a mover.
"""

import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.scenario import profiles
from rdrl.scenario.plan import Plan

# Least curvature in 1/m; metres after lanes part at which a turn is complete.
_STRAIGHT, TURNED = 1e-4, 10.0


def lateral_shift(s, d, branch, trigger, time, draw, config):
  """Shifts the recorded motion to the side; every second time also back.

  Args:
    s: `[T]` metres along the recorded path.
    d: `[T]` metres to its left.
    branch: `junctions.Branches` `[]`, another lane.
    trigger: `[]` int32 step.
    time: `[T]` seconds since the trigger, not negative.
    draw: `plan.Draw`.
    config: `scenario.Config`.
  """
  duration = draw('shift_time')
  target = config.shift * (2 * draw('level') - 1)
  returns = draw('coin') < 0.5
  away = profiles.ease(time / duration)
  away -= returns * profiles.ease((time - duration) / duration)
  return Plan(s=s, d=d + target * away, duration=duration * (1 + returns))


def speed_change(s, d, branch, trigger, time, draw, config):
  """Scales the recorded speed. Arguments as in `lateral_shift`."""
  change = draw('speed_factor') - 1
  factors = 1 + change * profiles.smooth(time / config.speed_time)
  return Plan(s=_at_speed(s, trigger, factors), d=d, duration=config.speed_time)


def stop_and_creep(s, d, branch, trigger, time, draw, config):
  """Stops, waits, creeps and drives on. Arguments as in `lateral_shift`."""
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
  return Plan(s=_at_speed(s, trigger, factors), d=d, duration=goes_on + stop)


def interpolation(s, d, branch, trigger, time, draw, config):
  """Interpolates between the recorded motion and one shifted and scaled.

  Arguments as in `lateral_shift`.
  """
  share = draw('level')
  side = jnp.where(draw('coin') < 0.5, -1.0, 1.0)
  duration = draw('shift_time')
  away = side * config.shift * profiles.ease(time / duration)
  other = speed_change(s, d, branch, trigger, time, draw, config)
  return Plan(
    s=(1 - share) * s + share * other.s,
    d=d + share * away,
    duration=jnp.maximum(duration, config.speed_time),
  )


def other_lane(s, d, branch, trigger, time, draw, config):
  """Drives the recorded speeds along another lane, slower in its bends.

  Arguments as in `lateral_shift`; s and d are along the path of the branch.
  """
  bend = jnp.maximum(branch.curvature, _STRAIGHT)
  slowest = config.turn_acceleration / bend

  def drive(place, now):
    recorded, begun = now
    room = jnp.maximum(branch.parting - place, 0)
    limit = jnp.sqrt(slowest + 2 * config.turn_brake * room)
    step = jnp.minimum(recorded, limit * types.TIME_STEP)
    place += jnp.where(begun, step, recorded)
    return place, place

  begun = jnp.arange(len(s) - 1) >= trigger
  _, places = jax.lax.scan(drive, s[0], (jnp.diff(s), begun))
  s = jnp.append(s[:1], places)
  turned = s > branch.parting + TURNED
  after = jnp.where(turned, time, time[-1]).min()
  fades = 1 - profiles.ease(time / config.speed_time)
  return Plan(s=s, d=d[trigger] * fades, duration=after)


def _at_speed(s, trigger, factors):
  """s `[T]` after scaling recorded speeds by factors `[T]` from the trigger."""
  moved = (factors[1:] + factors[:-1]) / 2 * jnp.diff(s)
  gone = jnp.append(0, jnp.cumsum(moved))
  return s[trigger] + gone - gone[trigger]


PLANS = (
  lateral_shift,
  speed_change,
  stop_and_creep,
  interpolation,
  other_lane,
)
