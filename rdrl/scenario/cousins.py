# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The Cousin Trajectory Generator: the ego's recorded path, driven otherwise.

ReconDreamer-RL (arXiv 2508.08170) names it and gives no formulas; these are
ours. The interface is that of `adversaries`, with the ego's recorded motion in
place of a mover.
"""

import jax.numpy as jnp

from rdrl.scenario import profiles
from rdrl.scenario.plan import Plan


def lateral_shift(s, d, trigger, time, draw, config):
  """The recorded motion, moved to the side, and every second time back.

  Args:
    s: `[T]` metres along the recorded path.
    d: `[T]` metres to its left.
    trigger: `[]` int32.
    time: `[T]` seconds since the trigger, not negative.
    draw: value of a parameter by its name.
    config: `scenario.Config`.
  """
  duration = draw('shift_time')
  target = config.shift * (2 * draw('level') - 1)
  returns = draw('coin') < 0.5
  away = profiles.ease(time / duration)
  away -= returns * profiles.ease((time - duration) / duration)
  return Plan(s=s, d=d + target * away, duration=duration * (1 + returns))


def speed_change(s, d, trigger, time, draw, config):
  """The recorded motion at another speed. Arguments as in `lateral_shift`."""
  factor = draw('speed_factor')
  ramp = jnp.clip(time / config.speed_time, 0, 1)
  factors = 1 + (factor - 1) * ramp**2 * (3 - 2 * ramp)
  moved = (factors[1:] + factors[:-1]) / 2 * jnp.diff(s)
  gone = jnp.append(0, jnp.cumsum(moved))
  return Plan(
    s=s[trigger] + gone - gone[trigger], d=d, duration=config.speed_time
  )


PLANS = (lateral_shift, speed_change)
