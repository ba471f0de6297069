# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The reward of a decision: `types.REWARD_TERMS`, weighted.

The four events are those of RAD (arXiv 2502.13144), section 3.4; progress, time
to collision and comfort are ours, with the bounds of nuPlan.
"""

import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.sim import events as events_lib
from rdrl.sim.config import Config


def reward(
  before: types.SimState,
  after: types.SimState,
  expert_progress,
  sizes,
  config: Config,
):
  """Weighted reward terms `[len(REWARD_TERMS)]` of a decision.

  Comfort takes means over a decision, because commands are step functions.

  Args:
    before: state before the decision.
    after: state after it, with its events and mean acceleration.
    expert_progress: `[T]` metres along the path at each step of the reference.
    sizes: `[A, 3]` metres.
    config: weights and bounds.
  """
  events = after.events
  gone = (after.progress[0] - before.progress[0]) / jnp.maximum(
    expert_progress[after.step] - expert_progress[before.step], 1.0
  )
  duration = (after.step - before.step) * types.TIME_STEP
  old, new = trees.take(before.agents, 0), trees.take(after.agents, 0)
  jerk = (after.acceleration - before.acceleration) / duration
  turned = geometry.wrap_angle(new.yaw - old.yaw) / duration
  lateral = (new.speed + old.speed) / 2 * turned
  low, high = config.comfort_acceleration
  is_rough = (
    (after.acceleration < low)
    | (after.acceleration > high)
    | (jnp.abs(lateral) > config.comfort_lateral_acceleration)
    | (jnp.abs(jerk) > config.comfort_jerk)
  )
  is_urgent = events_lib.soon_collides(
    after.agents, sizes, config.time_to_collision
  )
  terms = [
    -1.0 * events.dynamic_collision,
    -1.0 * events.static_collision,
    -1.0 * events.position_deviation,
    -1.0 * events.heading_deviation,
    jnp.clip(gone, 0, 1),
    -1.0 * is_urgent,
    -1.0 * is_rough,
  ]
  return jnp.stack(terms) * jnp.array(config.reward_weights)
