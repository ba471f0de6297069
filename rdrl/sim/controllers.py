# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Moves all agents but the ego, on their tracks or by their controllers."""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.sim import paths as paths_lib
from rdrl.world import traffic


def step(env, scenario: types.Scenario, state: types.SimState):
  """Moves all agents but the ego by one step.

  Agents without a controller, before its release or not valid follow their
  tracks; so does the ego, which is then at its reference.

  Args:
    env: `Env`.
    scenario: `[]`, that of the state; its tracks are not read.
    state: before the step.

  Returns:
    The state with new agents; `step` is not increased.
  """
  config, index, now = env.config, state.scenario, state.step
  agents, progress, lateral = state.agents, state.progress, state.lateral
  sizes = env.scenes.sizes[scenario.scene]
  paths = trees.take(env.paths.replace(progress=None), index)
  track = env.track(index, now + 1)
  recorded = env.track(index, now)
  # Driver models go forward: an agent that backs up is turned around first.
  if env.backs:
    is_turned = _turned(env, index, paths, progress)
    agents, track, recorded = (
      _turn(x, is_turned) for x in (agents, track, recorded)
    )
  next_due = env.paths.progress[index, now + 1]
  is_free = (
    (now >= scenario.release) & agents.valid & (jnp.arange(len(sizes)) != 0)
  )
  stop_gap = None
  if paths.stop_lines is not None:
    stop_gap = jax.vmap(traffic.light_gap, (0, 0, 0, 0, None, None))(
      agents.speed,
      progress,
      sizes[:, 0] / 2,
      paths.stop_lines,
      env.lights(scenario.scene, now),
      config.idm,
    )
  followers = traffic.Followers(
    agents,
    sizes,
    paths.xy,
    paths.valid,
    progress,
    paths.desired_speed,
    stop_gap,
  )

  def merge(controlled, driven, driven_progress, moved, moved_progress):
    height = geometry.sample_grid(env.scenes.ground, driven.xy, scenario.scene)
    driven = driven.replace(z=height + paths.clearance)
    return trees.where(controlled, driven, moved), jnp.where(
      controlled, driven_progress, moved_progress
    )

  moved = track, next_due
  if types.IDM in env.controllers:
    controlled = is_free & (scenario.controller == types.IDM)
    driven = traffic.step_along_paths(followers, controlled, config.idm)
    moved = merge(controlled, *driven, *moved)
  if types.YIELD in env.controllers:
    controlled = is_free & (scenario.controller == types.YIELD)
    *driven, is_back = traffic.step_on_schedule(
      followers,
      jax.tree.map(lambda *x: jnp.stack(x), recorded, track),
      env.paths.progress[index, jnp.stack([now, now + 1])],
      controlled,
      config.idm,
      config.schedule,
    )
    moved = merge(controlled & ~is_back, *driven, *moved)
  if types.LANE_CHANGE in env.controllers:
    controlled = is_free & (scenario.controller == types.LANE_CHANGE)
    *driven, lateral = traffic.step_changing_lanes(
      followers, lateral, paths.lanes, controlled, config.idm, config.mobil
    )
    moved = merge(controlled, *driven, *moved)
  agents, progress = moved
  if env.backs:
    agents = _turn(agents, is_turned)
  return state.replace(agents=agents, progress=progress, lateral=lateral)


def is_backing(env, index, agent, heading, progress):
  """Whether an agent's track drove in reverse at a place of its path, `[]`.

  Args:
    env: `Env`.
    index: `[]` int32, the scenario.
    agent: `[]` int32.
    heading: `[]` rad of the path there.
    progress: `[]` metres along the path.
  """
  return paths_lib.is_backing(
    heading,
    progress,
    env.paths.progress[index, :, agent],
    env.scenarios.tracks.yaw[index, :, agent],
  )


def _turned(env, index, paths, progress):
  """Which agents back up at metres `[A]` along their paths, `[A]` bool."""
  _, heading = jax.vmap(traffic.pose_on_path)(paths.xy, paths.valid, progress)
  agents = jnp.arange(len(progress))
  return jax.vmap(is_backing, (None, None, 0, 0, 0))(
    env, index, agents, heading, progress
  )


def _turn(agents, is_turned):
  """Swaps head and tail of some agents, without changing their motion."""
  turned = agents.replace(
    yaw=geometry.wrap_angle(agents.yaw + jnp.pi), speed=-agents.speed
  )
  return trees.where(is_turned, turned, agents)
