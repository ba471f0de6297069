# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives of a policy, and films of its cameras."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import policy as policies
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.sim import anchors


def evaluate(policy, env, scenario_indices, key, batch_size=16):
  """Drives each scenario once, taking the most probable action.

  Args:
    policy: `policy.Policy`.
    env: `sim.Env`.
    scenario_indices: `[n]` of the environment's scenarios.
    key: of whatever the environment draws; a drive's depends on its place among
      the indices, so that two policies meet the same.
    batch_size: drives at a time; one compiled program serves all batches.

  Returns:
    `Drive` `[n]` in host memory, in the order of the indices.

  Raises:
    ValueError: if there is no scenario or an index is out of range.
  """
  indices = np.asarray(scenario_indices, np.int32)
  count = env.num_scenarios
  wrong = indices[(indices < 0) | (indices >= count)]
  if not indices.size or wrong.size:
    raise ValueError(
      f'evaluate: scenario_indices: {wrong.tolist() or "none"} of {count}'
    )
  batch_size = min(batch_size, len(indices))
  return trees.map_batches(
    lambda rows: _drive(policy, env, *rows),
    (indices, jax.random.split(key, len(indices))),
    batch_size,
  )


@jax.jit
def _chosen(policy, observation):
  return policies.mode(policies.apply(policy, observation))


@jax.jit
def _drive(policy, env, indices, keys):
  states = jax.vmap(env.start)(keys, indices)

  def act(states, key):
    del key  # The mode is no draw.
    return _chosen(policy, states.observation)

  return sim.rollout(env, act, states, keys[0], env.config.horizon)


def open_loop(policy, observation, action, batch_size=64):
  """Metres between where a policy wants to be and where it was shown to be.

  Args:
    policy: `policy.Policy`.
    observation: `Observation` `[n]`.
    action: `[n, 2]` that was shown.
    batch_size: observations at a time.

  Returns:
    `[n]` float32, half a second later, of the most probable action.
  """
  chosen = trees.map_batches(
    functools.partial(_chosen, policy), observation, batch_size
  )
  lateral, ahead = (
    table[chosen[:, i]] - table[action[:, i]]
    for i, table in enumerate((anchors.LATERAL, anchors.LONGITUDINAL))
  )
  return np.hypot(lateral, ahead)


def film(renderer, scene, scene_index, drive, height, width, start=0):
  """What the cameras see during a drive.

  Args:
    renderer: `splat.Renderer` or `world.Renderer`.
    scene: `Scene` with the mounts of the cameras.
    scene_index: int, which scene of the renderer it is.
    drive: one `Drive`.
    height: pixels.
    width: pixels.
    start: step of the tracks at which the drive began.

  Returns:
    uint8 `[s, C, height, width, 3]`, s the number of states until the end.
  """
  intrinsics = geometry.scale_intrinsics(
    scene.intrinsics, width / scene.width, height / scene.height
  )
  frames = _film(
    renderer,
    jnp.int32(scene_index),
    jnp.asarray(scene.camera_from_ego),
    intrinsics,
    jax.tree.map(jnp.asarray, drive.agents),
    (start + jnp.arange(len(drive.valid))) * types.TIME_STEP,
    height,
    width,
  )
  return np.asarray(frames)[np.asarray(drive.valid)]


@functools.partial(jax.jit, static_argnames=('height', 'width'))
def _film(
  renderer,
  scene_index,
  camera_from_ego,
  intrinsics,
  agents,
  times,
  height,
  width,
):
  def frame(moment):
    state, time = moment
    cameras = geometry.mount_cameras(
      camera_from_ego, intrinsics, trees.take(state, 0), height, width
    )
    return renderer(scene_index, cameras, state, time)

  return jax.lax.map(frame, (agents, times))
