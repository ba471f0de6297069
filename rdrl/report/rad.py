# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The scores of RAD (arXiv 2502.13144, section 4.1), and whose fault it was.

RAD's nine are `collision`, `dynamic_collision`, `static_collision`,
`deviation`, `position_deviation`, `heading_deviation`, `average_deviation`,
`longitudinal_jerk` and `lateral_jerk`; its ratios are the means of the first
six over drives. Its papers report besides where and through whose fault
collisions happened, since replayed traffic runs into the ego from behind
(RAD-2, arXiv 2604.15308). AlpaSim counts them by side (github.com/NVlabs/
alpasim, src/eval/src/eval/scorers/collision.py); `sim.events` says which.
"""

import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.report import signals


def dynamic_collision(drive):
  """1 if the ego's box met another agent's: RAD's DCR, section 4.1."""
  return signals.as_score(
    signals.happened(drive, drive.events.dynamic_collision)
  )


def static_collision(drive):
  """1 if the ego's box met a static obstacle: RAD's SCR, section 4.1.

  0 if it met an agent within the same decision, so that CR = DCR + SCR.
  """
  happened = signals.happened(drive, drive.events.static_collision)
  return signals.as_score(happened) * (1 - dynamic_collision(drive))


def collision(drive):
  """1 if either happened: RAD's CR = DCR + SCR, section 4.1."""
  return dynamic_collision(drive) + static_collision(drive)


def position_deviation(drive):
  """1 if the ego went too far from the reference: RAD's PDR, section 4.1."""
  return signals.as_score(
    signals.happened(drive, drive.events.position_deviation)
  )


def heading_deviation(drive):
  """1 if the ego turned too far from the reference: RAD's HDR, section 4.1.

  0 if its position deviated within the same decision, so that DR = PDR + HDR.
  """
  happened = signals.happened(drive, drive.events.heading_deviation)
  return signals.as_score(happened) * (1 - position_deviation(drive))


def deviation(drive):
  """1 if either happened: RAD's DR = PDR + HDR, section 4.1."""
  return position_deviation(drive) + heading_deviation(drive)


def success(drive):
  """1 if none of RAD's four events, each of which ends a drive, happened."""
  return (1 - collision(drive)) * (1 - deviation(drive))


def at_fault_collision(drive):
  """1 if a dynamic collision was the ego's fault: nuPlan's
  no_ego_at_fault_collisions, as `types.Events.at_fault` decides it."""
  return signals.as_score(signals.happened(drive, drive.events.at_fault))


def at_fault_share(drive):
  """1 or 0 whether a dynamic collision was the ego's fault, NaN without one.

  Its mean over drives is the share of collisions that a policy can answer for.
  """
  happened = dynamic_collision(drive)
  return jnp.where(happened > 0, at_fault_collision(drive), jnp.nan)


def _at_side(drive, sides):
  """1 if a dynamic collision met one of these sides, `types.Events.side`.

  NaN of a record that does not tell.
  """
  if drive.events.side is None:
    return jnp.float32(jnp.nan)
  at_side = jnp.isin(drive.events.side, jnp.array(sides))
  met = at_side & drive.events.dynamic_collision
  return signals.as_score(signals.happened(drive, met))


def front_collision(drive):
  """1 if the ego's front was met, as AlpaSim's collision_front counts it."""
  return _at_side(drive, [types.FRONT])


def rear_collision(drive):
  """1 if its rear was, as AlpaSim's collision_rear counts it."""
  return _at_side(drive, [types.REAR])


def lateral_collision(drive):
  """1 if one of its sides was, as AlpaSim's collision_lateral counts it."""
  return _at_side(drive, [types.LEFT, types.RIGHT])


def average_deviation(drive):
  """Mean distance to the reference path in metres: RAD's ADD, section 4.1.

  Over the states without collision, that is all but the last one of a drive
  that ended in one. Beyond its ends the path goes on straight.
  """
  _, offset = signals.along_path(drive)
  is_last = jnp.arange(len(drive.valid)) == signals.last(drive)
  free = drive.valid & ~(is_last & (collision(drive) > 0))
  return signals.masked_mean(jnp.abs(offset), free)


def _triples(drive):
  """`[S - 2]` bool, whether three states in a row belong to the drive."""
  return drive.valid[2:] & drive.valid[1:-1] & drive.valid[:-2]


def longitudinal_jerk(drive):
  """Mean |second difference of speed| / dt^2 in m/s^3: RAD, section 4.1."""
  speed = drive.agents.speed[:, 0]
  second = speed[2:] - 2 * speed[1:-1] + speed[:-2]
  return signals.masked_mean(
    jnp.abs(second) / types.TIME_STEP**2, _triples(drive)
  )


def lateral_jerk(drive):
  """Mean |first difference of lateral acceleration| / dt in m/s^3.

  RAD, section 4.1, names it without a formula. The lateral acceleration of a
  car that does not slip is its speed times its yaw rate.
  """
  speed, yaw = drive.agents.speed[:, 0], drive.agents.yaw[:, 0]
  yaw_rate = geometry.wrap_angle(jnp.diff(yaw)) / types.TIME_STEP
  acceleration = (speed[1:] + speed[:-1]) / 2 * yaw_rate
  jerk = jnp.diff(acceleration) / types.TIME_STEP
  return signals.masked_mean(jnp.abs(jerk), _triples(drive))
