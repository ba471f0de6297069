# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Inputs of the model: a scene, and the agents around one of them."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import trees
from rdrl import types

# Values of `Traffic.kind`.
NOTHING, LANE, BOUNDARY = -1, 0, 1

# Metres from the ego's path within which map segments are kept.
_REACH = 80.0


@struct.dataclass
class Traffic:
  """A scene as the model sees it.

  Attributes:
    tracks: `[T, A]`, the ego first.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    pieces: `[G, P, 2]` segments of lanes, in driving direction, and of
      boundaries.
    kind: `[G]` int32 `LANE`, `BOUNDARY` or, for padding, `NOTHING`.
    drivable: see `Scene`.
  """

  tracks: types.AgentState
  sizes: types.Array
  classes: types.Array
  pieces: types.Array
  kind: types.Array
  drivable: types.Grid


@struct.dataclass
class View:
  """A central agent, which comes first, and those around it, at one step.

  Attributes:
    agents: `[N]` int32 indices; meaningless where not valid now.
    past: `[H + 1, N]`, the present last.
    future: `[F, N]` as recorded.
    sizes: `[N, 3]` metres.
    classes: `[N]` int32.
    pieces: `[N, M, P, 2]` map segments nearest to each agent.
    kind: `[N, M]` int32.
  """

  agents: types.Array
  past: types.AgentState
  future: types.AgentState
  sizes: types.Array
  classes: types.Array
  pieces: types.Array
  kind: types.Array

  @property
  def now(self) -> types.AgentState:
    """The present `[N]`."""
    return trees.take(self.past, -1)

  @property
  def wheeled(self):
    """`[N]` bool, all but pedestrians."""
    return self.classes != types.PEDESTRIAN


def prepare(scene: types.Scene, config) -> Traffic:
  """Prepares a scene for the model, in host memory.

  Keeps the `num_pieces` map segments nearest to the ego's path.

  Raises:
    ValueError: if the ego is not valid throughout, or the recording is shorter
      than past and future.
  """
  tracks = jax.tree.map(np.asarray, scene.tracks)
  steps = len(tracks.valid)
  if steps < config.past_steps + 1 + config.future_steps:
    raise ValueError(
      f'scene.tracks has {steps} steps, expected at least'
      f' {config.past_steps} + 1 + {config.future_steps}'
    )
  if not tracks.valid[:, 0].all():
    step = int(np.argmin(tracks.valid[:, 0]))
    raise ValueError(f'scene.tracks.valid of the ego is False at step {step}')
  lanes = _pieces(scene.map.lanes, config)
  boundaries = _pieces(scene.map.boundaries, config)
  pieces = np.concatenate([lanes, boundaries])
  kind = np.repeat([LANE, BOUNDARY], [len(lanes), len(boundaries)])
  path = tracks.xy[::5, 0].astype(np.float64)
  middle = pieces[:, config.piece_points // 2]
  distance = np.min(
    np.linalg.norm(middle[:, None] - path, axis=-1), 1, initial=np.inf
  )
  order = np.argsort(distance, kind='stable')[: config.num_pieces]
  order = order[distance[order] < _REACH]
  kept = np.zeros((config.num_pieces, config.piece_points, 2), np.float32)
  kept[: len(order)] = pieces[order]
  kinds = np.full(config.num_pieces, NOTHING, np.int32)
  kinds[: len(order)] = kind[order]
  return Traffic(
    tracks=tracks,
    sizes=np.asarray(scene.sizes, np.float32),
    classes=np.asarray(scene.classes, np.int32),
    pieces=kept,
    kind=kinds,
    drivable=jax.tree.map(np.asarray, scene.drivable),
  )


def stack(traffics) -> Traffic:
  """Stacks a list to `Traffic` `[S]`, with rasters padded to the largest.

  Padding repeats the edge, which `geometry.sample_grid` would find there
  anyway.

  Raises:
    ValueError: if numbers of steps or agents differ.
  """
  shapes = [traffic.drivable.values.shape for traffic in traffics]
  height, width = np.max(shapes, 0)

  def pad(traffic):
    values = traffic.drivable.values
    rows, columns = height - values.shape[0], width - values.shape[1]
    return traffic.replace(
      drivable=traffic.drivable.replace(
        values=np.pad(values, ((0, rows), (0, columns)), 'edge')
      )
    )

  return trees.stack([pad(traffic) for traffic in traffics])


def _pieces(lines: types.Polylines, config):
  """Cuts lines into evenly spaced segments `[n, P, 2]` float64."""
  parts = []
  spacing, count = config.point_spacing, config.piece_points - 1
  for xy, valid in zip(
    np.asarray(lines.xy, np.float64), np.asarray(lines.valid), strict=True
  ):
    line = xy[valid]
    if len(line) < 2:
      continue
    length = np.linalg.norm(np.diff(line, axis=0), axis=-1)
    place = np.concatenate([[0], np.cumsum(length)])
    number = max(round(place[-1] / (spacing * count)), 1)
    wanted = np.linspace(0, place[-1], number * count + 1)
    fine = np.stack([np.interp(wanted, place, x) for x in line.T], -1)
    parts += [fine[i * count : (i + 1) * count + 1] for i in range(number)]
  return np.array(parts).reshape(-1, config.piece_points, 2)


def look(traffic: Traffic, step, center, config, second=None) -> View:
  """The `View` of the agents nearest to `center` at `step`.

  Args:
    traffic: of one scene.
    step: `[]` int32.
    center: `[]` int32, an agent that is valid at `step`.
    config: `learned.Config`.
    second: `[]` int32, an agent that comes second at any distance; None orders
      by distance alone.
  """
  steps = traffic.tracks.valid.shape[0]

  def at(offsets):
    index = step + offsets
    states = trees.take(traffic.tracks, jnp.clip(index, 0, steps - 1))
    inside = (index >= 0) & (index < steps)
    return states.replace(valid=states.valid & inside[:, None])

  past = at(jnp.arange(-config.past_steps, 1))
  now = trees.take(past, -1)
  distance = jnp.linalg.norm(now.xy - now.xy[center], axis=-1)
  distance = jnp.where(now.valid, distance, jnp.inf).at[center].set(-2)
  if second is not None:
    distance = distance.at[second].set(-1)
  _, agents = jax.lax.top_k(
    -distance, min(config.num_agents, len(traffic.sizes))
  )
  agents = jnp.pad(
    agents, (0, config.num_agents - len(agents)), constant_values=-1
  )
  is_there = agents >= 0

  def of_agents(states):
    states = jax.tree.map(lambda x: x[:, agents], states)
    return states.replace(valid=states.valid & is_there)

  past = of_agents(past)
  pieces, kind = _near(traffic, trees.take(past, -1).xy, config)
  return View(
    agents=agents,
    past=past,
    future=of_agents(at(jnp.arange(1, config.future_steps + 1))),
    sizes=jnp.asarray(traffic.sizes)[agents],
    classes=jnp.asarray(traffic.classes)[agents],
    pieces=pieces,
    kind=kind,
  )


def _near(traffic, xy, config):
  """Segments `[N, M, P, 2]` nearest to points `[N, 2]`, and kinds `[N, M]`."""
  pieces, kinds = jnp.asarray(traffic.pieces), jnp.asarray(traffic.kind)
  middle = pieces[:, config.piece_points // 2]
  squared = jnp.sum((xy[:, None] - middle) ** 2, -1)
  found = []
  for kind in (LANE, BOUNDARY):
    far = jnp.where(kinds == kind, squared, jnp.inf)
    _, index = jax.lax.top_k(-far, min(config.num_near, len(kinds)))
    found.append((index, jnp.where(kinds[index] == kind, kind, NOTHING)))
  index, kind = (jnp.concatenate(x, -1) for x in zip(*found, strict=True))
  return pieces[index], kind


def mirror(view: View) -> View:
  """Mirrors a view at the world's x axis."""
  flip = jnp.array([1, -1])

  def turn(states):
    return states.replace(xy=states.xy * flip, yaw=-states.yaw)

  return view.replace(
    past=turn(view.past),
    future=turn(view.future),
    pieces=view.pieces * flip,
  )
