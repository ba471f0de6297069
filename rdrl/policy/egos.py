# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drivers that know the state, to teach and to measure how hard scenarios are.

`log replay` and `constant speed` heed nobody. All others, and policies that are
told the truth, heed whom the ego's cameras see, so that a policy that has only
the images can learn from them.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from rdrl import sim
from rdrl import trees
from rdrl.policy import planner
from rdrl.policy import policy as policies
from rdrl.sim import anchors
from rdrl.sim import sight
from rdrl.world import traffic

EGOS = (
  'log replay',
  'constant speed',
  'IDM',
  'planner',
  'cautious',
  'gentle',
)

# Seconds ahead of the point that is pursued, and its least and greatest metres.
_AHEAD, _NEAREST, _FARTHEST = 1.0, 5.0, 15.0
# m/s^2 by which a gentle driver changes its acceleration in a decision at most,
# and below which it brakes as hard as it must.
_EASE, _URGENT = 2.0, -4.0


def drive(env, ego, scenarios):
  """Drives scenarios to their end, a collision or the horizon.

  Args:
    env: `sim.Env`; whether the ego strays from its reference is not looked at.
    ego: see `driver`.
    scenarios: `[n]` indices.

  Returns:
    `Drive` `[n]` in host memory.

  Raises:
    ValueError: if there is no such ego.
  """
  choose = driver(ego)
  config = dataclasses.replace(
    env.config, frames=1, position_limit=math.inf, heading_limit=math.inf
  )
  if ego == 'log replay':
    config = dataclasses.replace(config, dynamics='replay')
  # Images keep their size, which decides whom they show.
  renderer = sim.NoRenderer(
    env.scenes.intrinsics.shape[1], config.image_height, config.image_width
  )
  env = env.replace(config=config, renderer=renderer)
  return jax.device_get(_drive(env, choose, jnp.asarray(scenarios, jnp.int32)))


def driver(ego):
  """A function `(env, SimState []) -> [2]`, as a PyTree.

  Args:
    ego: one of `EGOS`, see `action`; or a `Policy` that is told the truth, of
      whose actions it takes the most probable, where `env.config.truth_cell`
      is set.

  Raises:
    ValueError: if there is no such ego.
  """
  if isinstance(ego, policies.Policy):
    return jax.tree_util.Partial(_most_probable, ego)
  if ego not in EGOS:
    raise ValueError(f'ego {ego!r}: expected one of {", ".join(EGOS)}')
  return _named(ego)


@functools.cache
def _named(ego):
  # One object per name, so that equal egos do not compile anew.
  return jax.tree_util.Partial(functools.partial(action, ego))


def _most_probable(policy, env, state):
  del env
  return policies.mode(policies.apply(policy, state.observation))


@jax.jit
def _drive(env, choose, scenarios):
  key = jax.random.key(0)
  states = jax.vmap(env.start, (None, 0))(key, scenarios)

  def act(states, key):
    del key  # None of them draws.
    return jax.vmap(choose, (None, 0))(env, states)

  return sim.rollout(env, act, states, key, env.config.horizon)


def action(ego, env, state):
  """What a driver does, `[2]`.

  All keep to the reference path of the scenario, steered by pure pursuit, or by
  what the planner finds; they differ in their speed.

  Args:
    ego: static, one of `EGOS`. `constant speed` keeps that of the beginning;
      `IDM` is the Intelligent Driver Model (Treiber et al. 2000) with the
      parameters of the other traffic; it and the planner would like the
      greatest speed of the recording. `cautious` does what the slower of these
      two does: the one keeps a distance, the other forecasts who crosses.
      `gentle` does the same, changing its acceleration by little at a time
      unless it must brake hard.
    env: `sim.Env`.
    state: `SimState` `[]`, of one environment.
  """
  paths = trees.take(env.paths, state.scenario)
  own = trees.take(state.agents, 0)
  if ego == 'cautious':
    one, other = (action(name, env, state) for name in ('IDM', 'planner'))
    return jnp.where(one[1] < other[1], one, other)
  if ego == 'gentle':
    return _eased(state, own, action('cautious', env, state))
  if ego == 'planner':
    return planner.plan(env, state, paths.desired_speed[0])
  start = env.scenarios.start[state.scenario]
  speed = env.track(state.scenario, start).speed[0]
  if ego == 'IDM':
    sizes = env.scenes.sizes[env.scenarios.scene[state.scenario]]
    seen = sight.visible(env, state.scenario, state.agents)
    gap, lead_speed = traffic.lead_on_path(
      state.agents.replace(valid=seen),
      sizes,
      paths.xy[0],
      paths.valid[0],
      0,
      state.progress[0],
    )
    acceleration = traffic.idm_acceleration(
      own.speed,
      gap,
      lead_speed,
      paths.desired_speed[0],
      env.config.idm,
    )
    speed = jnp.maximum(own.speed + anchors.DURATION * acceleration, 0)
  return anchors.pursue(
    state.observation.route,
    jnp.clip(_AHEAD * own.speed, _NEAREST, _FARTHEST),
    anchors.DURATION * speed,
    env.config,
  )


def _eased(state, own, wanted):
  """What is wanted, at an acceleration that differs little from the last."""
  curvature, speed = anchors.command(wanted)
  asked = (speed - own.speed) / anchors.DURATION
  last = state.acceleration
  eased = jnp.clip(asked, last - _EASE, last + _EASE)
  eased = jnp.where(asked < _URGENT, asked, eased)
  speed = jnp.maximum(own.speed + anchors.DURATION * eased, 0)
  return anchors.along(curvature, anchors.DURATION * speed)
