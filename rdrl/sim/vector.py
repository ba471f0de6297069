# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Vector observations, for policies that drive by geometry alone.

Nothing needs rendering: with a `NoRenderer` of one pixel, an environment costs
no more than its physics.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.sim import contact
from rdrl.sim import env as env_lib


@dataclasses.dataclass(frozen=True)
class Config:
  """Contents and units of an observation.

  Attributes:
    num_agents: nearest agents.
    num_lanes: nearest lane segments.
    reach: metres beyond which agents and lanes are left out; unit of positions.
    speed: m/s, unit of speeds.
  """

  num_agents: int = 8
  num_lanes: int = 16
  reach: float = 50.0
  speed: float = 15.0


# Numbers of the ego without its route, of an agent and of a lane segment.
EGO, AGENT, LANE = 6, 9, 5


def size(env: env_lib.Env, config=Config()):
  """Length of the vector of `observe`."""
  route = 2 * len(env.config.route_points)
  return EGO + route + config.num_agents * AGENT + config.num_lanes * LANE


def observe(env: env_lib.Env, state: types.SimState, config=Config()):
  """Observes what is near the ego, in its frame.

  Args:
    env: the environment of the state.
    state: of one environment.
    config: contents and units.

  Returns:
    `[size]` float32. Ego: speed; distance of its front left, rear left, rear
    right and front right corner to the edge of the road, positive inside; 1 if
    it stands, else 0. Route: its points. Each agent, nearest first: middle (2),
    cosine and sine of its yaw, velocity (2), length, width, 1. Each lane
    segment, nearest first: middle (2), cosine and sine of its direction, 1.
    Missing agents and segments are zeros.
  """
  scene = env.scenarios.scene[state.scenario]
  sizes = env.scenes.sizes[scene]
  ego = trees.take(state.agents, 0)
  box = trees.take(contact.boxes_of(state.agents, sizes), 0)
  edge = env.drivable(state.scenario, contact.corners(box))
  parts = [
    ego.speed[None] / config.speed,
    jnp.clip(edge / config.reach, -1, 1),
    (jnp.abs(ego.speed) < 0.05).astype(jnp.float32)[None],
    state.observation.route.reshape(-1) / config.reach,
    _agents(state.agents, ego, sizes, config).reshape(-1),
    _lanes(trees.take(env.scenes.map.lanes, scene), ego, config).reshape(-1),
  ]
  return jnp.concatenate(parts)


def _nearest(features, distance, count):
  """Rows `[count, F]` of least distance `[N]`; zeros where it is infinite."""
  missing = max(count - len(distance), 0)
  distance = jnp.pad(distance, (0, missing), constant_values=jnp.inf)
  features = jnp.pad(features, ((0, missing), (0, 0)))
  negative, index = jax.lax.top_k(-distance, count)
  return jnp.where(jnp.isfinite(negative)[:, None], features[index], 0.0)


def _agents(agents, ego, sizes, config):
  offset = geometry.rotate_2d(agents.xy - ego.xy, -ego.yaw)
  turn = agents.yaw - ego.yaw
  heading = jnp.stack([jnp.cos(turn), jnp.sin(turn)], -1)
  distance = geometry.safe_norm(offset)
  counts = agents.valid.at[0].set(False) & (distance < config.reach)
  features = jnp.concatenate(
    [
      offset / config.reach,
      heading,
      agents.speed[:, None] * heading / config.speed,
      sizes[:, :2] / config.reach,
      jnp.ones((len(turn), 1)),
    ],
    -1,
  )
  return _nearest(
    features, jnp.where(counts, distance, jnp.inf), config.num_agents
  )


def _lanes(lanes, ego, config):
  start, end = lanes.xy[:, :-1], lanes.xy[:, 1:]
  valid = (lanes.valid[:, 1:] & lanes.valid[:, :-1]).reshape(-1)
  middle = ((start + end) / 2).reshape(-1, 2)
  along = (end - start).reshape(-1, 2)
  offset = geometry.rotate_2d(middle - ego.xy, -ego.yaw)
  along = geometry.rotate_2d(along, -ego.yaw)
  length = geometry.safe_norm(along, keepdims=True)
  distance = geometry.safe_norm(offset)
  counts = valid & (distance < config.reach)
  features = jnp.concatenate(
    [
      offset / config.reach,
      along / jnp.maximum(length, 1e-6),
      jnp.ones((len(distance), 1)),
    ],
    -1,
  )
  return _nearest(
    features, jnp.where(counts, distance, jnp.inf), config.num_lanes
  )
