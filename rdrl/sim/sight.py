# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What there is around the ego, and whom its cameras see."""

import jax
import jax.numpy as jnp

from rdrl import geometry
from rdrl import trees
from rdrl import types

# Pixels of a side of a square below which what has its area is too small to be
# told from what is behind it.
_LEAST_PIXELS = 2.0
# Others in `types.Truth`, and where it tells the clearance: metres ahead and to
# the left.
NUM_AGENTS = 8
AHEAD = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0)
ASIDE = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0)
# Looks for static obstacles on the way to an agent, metres between two.
_LOOKS, _STRIDE = 48, 1.0


def visible(env, scenario, agents: types.AgentState):
  """`[A]` bool, who is in the image of a camera and not hidden.

  A box is seen if its middle or a corner at half its height is inside an image
  and on a line from the camera that meets no other box and, between .3 and 2 m
  above ground, no static obstacle, and if its end covers four pixels or more.
  The ego, which no camera sees, counts as seen.

  Args:
    env: `sim.Env`; scenes without cameras hide nobody.
    scenario: `[]` int32.
    agents: `[A]`.
  """
  scene = env.scenarios.scene[scenario]
  sizes = env.scenes.sizes[scene]
  if not env.scenes.intrinsics.shape[1]:
    return agents.valid
  cameras = env.cameras(scenario, trees.take(agents, 0))
  corners = geometry.box_corners(agents.xy, agents.yaw, sizes)
  xy = jnp.concatenate([agents.xy[:, None], corners], 1)
  height = jnp.broadcast_to(agents.z[:, None, None], (*xy.shape[:2], 1))
  points = jnp.concatenate([xy, height], -1)
  boxes = geometry.inverse(geometry.world_from_box(agents))
  number = jnp.arange(len(sizes))

  def seen_by(camera):
    pixels, depth = geometry.project(camera, points)
    size = jnp.array([camera.width, camera.height])
    inside = jnp.all((pixels > 0) & (pixels < size), -1) & (depth > 0.1)
    # It shows its narrow end at least.
    end = jnp.min(sizes[:, :2], -1) * sizes[:, 2]
    side = jnp.sqrt(end * camera.intrinsics[0, 0] * camera.intrinsics[1, 1])
    inside &= (side >= _LEAST_PIXELS * depth[:, 0])[:, None]
    eye = geometry.inverse(camera.camera_from_world)[:3, 3]
    rays = points - eye

    def blocked(box, size, other):
      entry, leave, _ = geometry.ray_box(eye, rays, box, size)
      hits = (entry < leave) & (entry < 1) & (leave > 0)
      return hits & (number != other)[:, None] & agents.valid[other]

    others = jax.vmap(blocked)(boxes[1:], sizes[1:], number[1:])
    return inside & ~jnp.any(others, 0), eye

  seen, eyes = jax.vmap(seen_by)(cameras)
  away = xy - eyes[0, :2]
  length = geometry.safe_norm(away)
  reach = _STRIDE * (0.5 + jnp.arange(_LOOKS))
  looks = eyes[0, :2] + (
    away[:, :, None]
    * (reach[:, None] / jnp.maximum(length[:, :, None, None], 1e-3))
  )
  free = geometry.sample_grid(env.scenes.occupancy, looks, scene) > 0
  # A box may touch what it stands beside.
  clear = jnp.all(free | (reach > length[:, :, None] - 1.0), -1)
  seen = jnp.any(jnp.any(seen, 0) & clear, -1)
  return agents.valid & (seen | (number == 0))


def truth(env, scenario, agents: types.AgentState) -> types.Truth:
  """`Truth` `[]` of agents `[A]`, cells as `env.config.truth_cell` has them.

  Args:
    env: `sim.Env`.
    scenario: `[]` int32.
    agents: `[A]`.
  """
  scene = env.scenarios.scene[scenario]
  sizes = env.scenes.sizes[scene]
  ego = trees.take(agents, 0)
  seen = visible(env, scenario, agents)
  place = geometry.rotate_2d(agents.xy - ego.xy, -ego.yaw)
  yaw = agents.yaw - ego.yaw
  heading = jnp.stack([jnp.cos(yaw), jnp.sin(yaw)], -1)
  velocity = agents.speed[:, None] * heading
  velocity -= jnp.stack([ego.speed, jnp.zeros_like(ego.speed)])
  rows = jnp.concatenate([place, velocity, heading], -1)
  is_other = agents.valid.at[0].set(False)
  flags = jnp.stack([seen & is_other, is_other], -1)
  full = jnp.concatenate([rows, sizes[:, :2], 1.0 * flags], -1)
  full = jnp.where(is_other[:, None], full, 0)
  away = jnp.where(is_other, geometry.safe_norm(place), jnp.inf)
  nearest = jnp.argsort(away)[:NUM_AGENTS]
  missing = max(NUM_AGENTS - len(sizes), 0)
  cells = _cells(env, scenario, agents, seen & is_other)
  is_seen = jnp.any(cells < jnp.inf, -1)
  box = jnp.where(is_seen[..., None], rows[jnp.argmin(cells, -1)], 0)
  points = jnp.stack(jnp.meshgrid(jnp.array(AHEAD), jnp.array(ASIDE)), -1)
  points = jnp.swapaxes(points, 0, 1)
  return types.Truth(
    agents=jnp.pad(full[nearest], ((0, missing), (0, 0))),
    is_seen=is_seen,
    box=box,
    clearance=env.drivable(
      scenario, ego.xy + geometry.rotate_2d(points, ego.yaw)
    ),
  )


def _cells(env, scenario, agents, seen):
  """Metres `[C, n, m, A]` to whom is seen and reaches into a cell, else inf."""
  config = env.config
  sizes = env.scenes.sizes[env.scenarios.scene[scenario]]
  cameras = env.cameras(scenario, trees.take(agents, 0))
  corners = geometry.box_corners(agents.xy, agents.yaw, sizes)
  levels = agents.z[:, None] + sizes[:, 2:] * jnp.array([-0.5, 0.5])
  points = jnp.concatenate(
    [
      jnp.repeat(corners, 2, 1),
      jnp.tile(levels, 4)[..., None],
    ],
    -1,
  )
  cell = config.truth_cell
  shape = config.image_height // cell, config.image_width // cell
  row, column = jnp.meshgrid(*(jnp.arange(n) for n in shape), indexing='ij')
  grid = cell * jnp.stack([column, row], -1)[:, :, None]

  def reaches(camera):
    pixels, depth = geometry.project(camera, points)
    ahead = depth > 0.1
    low = jnp.min(jnp.where(ahead[..., None], pixels, jnp.inf), 1)
    high = jnp.max(jnp.where(ahead[..., None], pixels, -jnp.inf), 1)
    inside = jnp.all((low < grid + cell) & (high > grid), -1)
    depth = jnp.max(jnp.where(ahead, depth, -jnp.inf), 1)
    return jnp.where(inside & seen, depth, jnp.inf)

  return jax.vmap(reaches)(cameras)
