# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Closed-form profiles over time: quintics, and braking with limited jerk."""

import jax.numpy as jnp


def ease(u):
  """Quintic from 0 to 1 with no slope or curvature at either end.

  10 u^3 - 15 u^4 + 6 u^5 for u in [0, 1], constant beyond.
  """
  u = jnp.clip(u, 0, 1)
  return u**3 * (10 + u * (6 * u - 15))


def ease_slope(u):
  """Derivative of `ease`."""
  u = jnp.clip(u, 0, 1)
  return 30 * u**2 * (1 - u) ** 2


def smooth(u):
  """Cubic from 0 to 1 with no slope at either end, constant beyond."""
  u = jnp.clip(u, 0, 1)
  return u**2 * (3 - 2 * u)


def quintic(time, duration, start, end):
  """Quintic between two states, then constant speed.

  Args:
    time: `[...]` seconds since the start, not negative.
    duration: `[]` seconds.
    start: position, speed, acceleration, `[]` each.
    end: position, speed, acceleration, `[]` each.

  Returns:
    Position `[...]`.
  """
  x0, v0, a0 = start
  x1, v1, a1 = end
  T = duration
  # Residuals at the end of constant acceleration from the start.
  x = x1 - x0 - v0 * T - a0 * T**2 / 2
  v = v1 - v0 - a0 * T
  a = a1 - a0
  c3 = (10 * x - 4 * v * T + a * T**2 / 2) / T**3
  c4 = (-15 * x + 7 * v * T - a * T**2) / T**4
  c5 = (6 * x - 3 * v * T + a * T**2 / 2) / T**5
  t = jnp.minimum(time, T)
  inside = x0 + t * (v0 + t * (a0 / 2 + t * (c3 + t * (c4 + t * c5))))
  return inside + v1 * (time - t)


def braking(time, speed, deceleration, final_speed, jerk):
  """Distance of braking relative to constant speed.

  The deceleration ramps up, holds and ramps down with limited jerk; it is not
  reached if the change of speed is too small.

  Args:
    time: `[...]` seconds since the onset; nothing happens before 0.
    speed: `[]` m/s at the onset.
    deceleration: `[]` m/s^2, positive.
    final_speed: `[]` m/s, at most `speed`.
    jerk: m/s^3, positive.

  Returns:
    Metres `[...]`, not positive, to add to `speed * time`; and seconds `[]`
    until the final speed is reached.
  """
  change = jnp.maximum(speed - final_speed, 1e-3)
  peak = jnp.minimum(deceleration, jnp.sqrt(jerk * change))
  ramp = peak / jerk
  hold = change / peak - ramp

  # Phase by phase, because a single formula would subtract large cubes.
  first = jnp.clip(time, 0, ramp)
  second = jnp.clip(time - ramp, 0, hold)
  third = jnp.clip(time - ramp - hold, 0, ramp)
  end = 2 * ramp + hold
  slower = peak * ramp / 2
  fallen = jerk * first**3 / 6
  fallen += slower * second + peak * second**2 / 2
  fallen += (slower + peak * hold) * third
  fallen += peak * third**2 / 2 - jerk * third**3 / 6
  return -fallen - change * jnp.maximum(time - end, 0), end


def fading(time, acceleration, duration):
  """Metres `[...]` that an acceleration adds while it fades linearly to zero.

  So a plan continues the recorded acceleration without a jump.

  Args:
    time: `[...]` seconds, not negative.
    acceleration: `[]` m/s^2 at time 0.
    duration: seconds.
  """
  t = jnp.minimum(time, duration)
  inside = t**2 / 2 - t**3 / (6 * duration)
  return acceleration * (inside + duration / 2 * (time - t))


def ramp(time, start, end, duration):
  """Metres `[...]` driven while the speed changes smoothly to another value.

  The speed is a cubic with no slope at either end: with its change c and
  duration T, the acceleration peaks at 1.5 c / T and the jerk at 6 c / T^2.

  Args:
    time: `[...]` seconds; nothing happens before 0.
    start: `[]` m/s.
    end: `[]` m/s, held afterwards.
    duration: `[]` seconds, positive.
  """
  time = jnp.maximum(time, 0)
  u = jnp.minimum(time / duration, 1)
  inside = duration * (u**3 - u**4 / 2)
  beyond = jnp.maximum(time - duration, 0)
  return start * time + (end - start) * (inside + beyond)


def waves(time, period, end):
  """Integral `[...]` in seconds of waves (1 - cos) / 2 over time.

  Args:
    time: `[...]` seconds, not negative.
    period: `[]` seconds.
    end: `[]` seconds, after which the wave holds its last value.
  """
  t = jnp.minimum(time, end)
  angle = 2 * jnp.pi / period
  lost = t / 2 - jnp.sin(angle * t) / (2 * angle)
  return lost + (1 - jnp.cos(angle * end)) / 2 * (time - t)
