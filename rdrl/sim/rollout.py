# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rolls out policies in an environment and records the drives."""

import dataclasses
import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from rdrl import trees
from rdrl import types
from rdrl.sim import env as env_lib
from rdrl.sim import road as road_lib

# Environments rendered at a time on a CPU.
_LOOKS = 2


@struct.dataclass
class Decisions:
  """Record of decisions.

  Attributes:
    action: `[..., 2]` int32.
    aux: second output of the policy.
    active: `[...]` bool, whether the episode was running before the decision.
    moved: `[...]` int32, steps of the clock.
    trace: `[..., decision_steps, A]` agents at each step.
    reward: `[..., len(REWARD_TERMS)]`.
    events: `[...]`.
    terminated: `[...]` bool.
    truncated: `[...]` bool.
  """

  action: types.Array
  aux: Any
  active: types.Array
  moved: types.Array
  trace: types.AgentState
  reward: types.Array
  events: types.Events
  terminated: types.Array
  truncated: types.Array


def unroll(env, act, states, key, num_decisions, mesh=None):
  """Rolls out a batch of environments.

  Frames from before the first decision are rendered in the same loop, so that
  rendering, which is slow to compile, appears once in the program.

  Args:
    env: environment.
    act: `(SimState [B], key) -> (action [B, 2], aux)`; a policy looks at their
      observations alone.
    states: `SimState` `[B]`, from a vmapped `env.start`.
    key: of the actions; decision i draws from `fold_in(key, i)`.
    num_decisions: D, static.
    mesh: of one axis, over which the environments are spread; each device then
      renders its own. The compiler cannot split the queue of tiles of a batch.

  Returns:
    The last `SimState` `[B]` and a `Decisions` `[D, B]`.
  """
  num_before = env.config.frames - 1
  look = _look
  if mesh is not None and mesh.size > 1:
    whole, shared = PartitionSpec(), PartitionSpec(*mesh.axis_names)
    look = jax.shard_map(
      _look,
      mesh=mesh,
      in_specs=(whole, shared, whole),
      out_specs=shared,
      # The rasterizer's batching rules do not track what varies over a mesh.
      check_vma=False,
    )

  def decide(states, i):
    ago = jnp.maximum(num_before - i, 0)
    states = look(env, states, ago)
    action, aux = act(states, jax.random.fold_in(key, i - num_before))
    after = jax.vmap(env.advance)(states, action)
    after = jax.tree.map(functools.partial(jnp.where, ago > 0), states, after)
    return after, Decisions(
      action=jnp.asarray(action, jnp.int32),
      aux=aux,
      active=~(states.terminated | states.truncated),
      moved=after.step - states.step,
      trace=after.trace,
      reward=after.reward,
      events=after.events,
      terminated=after.terminated,
      truncated=after.truncated,
    )

  last, decisions = jax.lax.scan(
    decide, states, jnp.arange(num_before + num_decisions)
  )
  return last, trees.take(decisions, slice(num_before, None))


def _look(env, states, ago):
  """`env.look` of a batch; on a CPU a few at a time, which stay in cache."""
  # `jax.lax.map` divides by the size of the images, which is 0 without cameras.
  if jax.default_backend() == 'cpu' and states.observation.images.size:
    return jax.lax.map(
      lambda state: env.look(state, ago), states, batch_size=_LOOKS
    )
  return jax.vmap(env.look, (0, None))(states, ago)


def rollout(env, act, states, key, num_decisions):
  """Rolls out a batch of environments and records all that metrics need.

  Args:
    env: environment.
    act: `(SimState [B], key) -> [B, 2]` int32 actions.
    states: `SimState` `[B]`, from a vmapped `env.start`.
    key: of the actions; decision i draws from `fold_in(key, i)`.
    num_decisions: D, static.

  Returns:
    `Drive` `[B]`.
  """
  last, decisions = unroll(
    env,
    lambda states, key: (act(states, key), ()),
    states,
    key,
    num_decisions,
  )
  decisions = jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), decisions)
  return jax.vmap(_drive, (None, 0, 0, 0))(env, states, last, decisions)


def _drive(env, first, last, decisions):
  index = first.scenario
  scene = env.scenarios.scene[index]
  substeps = env.config.decision_steps
  # Inactive decisions repeat the last state.
  stays = ~decisions.active[:, None]
  trace = jax.tree.map(
    lambda x, e: jnp.where(stays.reshape(-1, 1, *(1,) * e.ndim), e, x).reshape(
      -1, *e.shape
    ),
    decisions.trace,
    last.agents,
  )
  agents = jax.tree.map(
    lambda x, rest: jnp.concatenate([x[None], rest]), first.agents, trace
  )
  happened = decisions.active[:, None] & (
    jnp.arange(substeps) < decisions.moved[:, None]
  )
  valid = jnp.append(True, happened.reshape(-1))
  path = trees.take(env.scenarios.tracks, (index, slice(None), 0))
  time = first.step + jnp.arange(len(valid))
  reference = trees.take(path, jnp.minimum(time, last.step))

  def road(states):
    return road_lib.along(
      states,
      env.scenes.sizes[scene, 0],
      trees.take(env.scenes.map, scene),
      lambda xy: env.drivable(index, xy),
    )

  ego = trees.take(agents, (slice(None), 0))
  roads = jax.vmap(road)(jax.tree.map(lambda *x: jnp.stack(x), ego, reference))
  ego_road, reference_road = trees.take(roads, 0), trees.take(roads, 1)
  return types.Drive(
    agents=agents,
    valid=valid,
    sizes=env.scenes.sizes[scene],
    classes=env.scenes.classes[scene],
    reference=reference,
    path=path,
    drivable=jnp.min(ego_road.clearance[:, :4], -1),
    action=decisions.action,
    reward=decisions.reward,
    events=decisions.events,
    active=decisions.active,
    terminated=last.terminated,
    scenario=index,
    adversary=env.scenarios.adversary[index],
    behaviour=env.scenarios.behaviour[index],
    road=ego_road,
    reference_road=reference_road,
  )


def replay(env, scenarios, num_decisions=None):
  """Rolls out an ego on its reference, without images; returns `Drive` `[B]`.

  Other agents still react if they have controllers.

  Args:
    env: environment.
    scenarios: `[B]` int32.
    num_decisions: None: the config's horizon.
  """
  config = dataclasses.replace(
    env.config, dynamics='replay', image_height=1, image_width=1
  )
  env = env.replace(
    config=config,
    renderer=env_lib.NoRenderer(env.scenes.intrinsics.shape[1], 1, 1),
  )
  return _replay(env, jnp.asarray(scenarios), num_decisions or config.horizon)


@jax.jit(static_argnames='num_decisions')
def _replay(env, scenarios, num_decisions):
  def act(states, key):
    del key
    return jnp.zeros((*states.step.shape, 2), jnp.int32)

  key = jax.random.key(0)
  states = jax.vmap(env.start, (None, 0))(key, scenarios)
  return rollout(env, act, states, key, num_decisions)
