# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drivers that learnt nothing, to measure how hard scenarios are.

All keep to the reference path of the scenario, steered by pure pursuit; they
differ in their speed. They know the state of the simulator.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from rdrl import trees
from rdrl.sim import anchors
from rdrl.world import traffic

EGOS = ('log replay', 'constant speed', 'IDM')

# Seconds ahead of the point that is pursued, and its least and greatest metres.
_AHEAD, _NEAREST, _FARTHEST = 1.0, 5.0, 15.0


def drive(env, ego, scenarios):
  """Drives scenarios to their end, a collision or the horizon.

  Args:
    env: `sim.Env`; whether the ego strays from its reference is not looked at.
    ego: one of `EGOS`. `constant speed` keeps that of the beginning; `IDM` is
      the Intelligent Driver Model (Treiber et al. 2000) with the parameters of
      the other traffic, its desired speed the greatest of the recording.
    scenarios: `[n]` indices.

  Returns:
    `Events` `[n]` in host memory, of the decision that ended the drive or of
    the last one.

  Raises:
    ValueError: if there is no such ego.
  """
  if ego not in EGOS:
    raise ValueError(f'ego {ego!r}: expected one of {", ".join(EGOS)}')
  config = dataclasses.replace(
    env.config, position_limit=math.inf, heading_limit=math.inf
  )
  if ego == 'log replay':
    config = dataclasses.replace(config, dynamics='replay')
  env = env.replace(config=config)
  return jax.device_get(_drive(env, ego, jnp.asarray(scenarios, jnp.int32)))


@functools.partial(jax.jit, static_argnames='ego')
def _drive(env, ego, scenarios):
  def one(scenario):
    first = env.start(jax.random.key(0), scenario)
    cruise = trees.take(first.agents, 0).speed

    def decide(carry, _):
      state, events = carry
      over = state.terminated | state.truncated
      after = env.step(state, _action(env, state, ego, cruise))
      events = jax.tree.map(
        lambda old, new: jnp.where(over, old, new), events, after.events
      )
      return (after, events), None

    carry, _ = jax.lax.scan(
      decide, (first, first.events), length=env.config.horizon
    )
    return carry[1]

  return jax.vmap(one)(scenarios)


def _action(env, state, ego, cruise):
  paths = trees.take(env.paths, state.scenario)
  own = trees.take(state.agents, 0)
  speed = cruise
  if ego == 'IDM':
    sizes = env.scenes.sizes[env.scenarios.scene[state.scenario]]
    gap, lead_speed = traffic.lead_on_path(
      state.agents, sizes, paths.xy[0], paths.valid[0], 0, state.progress[0]
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
