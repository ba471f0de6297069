# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives in an environment, recorded."""

import dataclasses

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import types
from rdrl.sim import env as env_lib


def rollout(env, act, states, key, num_decisions):
  """Drives a batch of environments and records what any metric needs.

  Args:
    env: environment.
    act: `(observation [B], key) -> [B, 2]` int32 actions.
    states: `SimState` `[B]`, from a vmapped `env.reset`.
    key: of the actions; decision i draws from `fold_in(key, i)`.
    num_decisions: D, static.

  Returns:
    The last `SimState` `[B]` and `Drive` `[B]`.
  """

  def decide(states, decision):
    action = act(states.observation, jax.random.fold_in(key, decision))
    after = jax.vmap(env.step)(states, action)
    record = {
      'active': ~(states.terminated | states.truncated),
      'moved': after.step - states.step,
      'trace': after.trace,
      'action': jnp.asarray(action, jnp.int32),
      'reward': after.reward,
      'events': after.events,
    }
    return after, record

  last, record = jax.lax.scan(decide, states, jnp.arange(num_decisions))
  record = jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), record)
  drive = jax.vmap(_drive, (None, 0, 0, 0))(env, states, last, record)
  return last, drive


def _drive(env, first, last, record):
  index = first.scenario
  scene = env.scenarios.scene[index]
  substeps = env.config.decision_steps
  # What is frozen keeps showing the state at the end.
  stays = ~record['active'][:, None]
  trace = jax.tree.map(
    lambda x, e: jnp.where(stays.reshape(-1, 1, *(1,) * e.ndim), e, x).reshape(
      -1, *e.shape
    ),
    record['trace'],
    last.agents,
  )
  agents = jax.tree.map(
    lambda x, rest: jnp.concatenate([x[None], rest]), first.agents, trace
  )
  happened = record['active'][:, None] & (
    jnp.arange(substeps) < record['moved'][:, None]
  )
  valid = jnp.append(True, happened.reshape(-1))
  path = types.take(env.scenarios.tracks, (index, slice(None), 0))
  time = first.step + jnp.arange(len(valid))
  corners = geometry.box_corners(
    agents.xy[:, 0], agents.yaw[:, 0], env.scenes.sizes[scene, 0]
  )
  return types.Drive(
    agents=agents,
    valid=valid,
    sizes=env.scenes.sizes[scene],
    classes=env.scenes.classes[scene],
    reference=types.take(path, jnp.minimum(time, last.step)),
    path=path,
    drivable=jnp.min(env.drivable(index, corners), -1),
    action=record['action'],
    reward=record['reward'],
    events=record['events'],
    active=record['active'],
    terminated=last.terminated,
    scenario=index,
    adversary=env.scenarios.adversary[index],
    behaviour=env.scenarios.behaviour[index],
  )


def replay(env, scenarios, num_decisions=None):
  """`Drive` `[B]` of an ego that follows its reference, without images.

  The traffic still reacts, if its controllers say so.

  Args:
    env: environment.
    scenarios: `[B]` int32.
    num_decisions: those of the config's horizon where None.
  """
  config = dataclasses.replace(env.config, dynamics='replay')
  env = env.replace(
    config=config,
    renderer=env_lib.NoRenderer(env.scenes.intrinsics.shape[1], 1, 1),
  )
  return _replay(env, jnp.asarray(scenarios), num_decisions or config.horizon)


@jax.jit(static_argnames='num_decisions')
def _replay(env, scenarios, num_decisions):
  def act(observation, key):
    del key
    return jnp.zeros((*observation.speed.shape, 2), jnp.int32)

  key = jax.random.key(0)
  states = jax.vmap(env.reset, (None, 0))(key, scenarios)
  return rollout(env, act, states, key, num_decisions)[1]
