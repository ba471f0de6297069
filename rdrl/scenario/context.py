# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A scene as planning sees it: paths, and agents along them."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.scenario import frenet
from rdrl.scenario import junctions
from rdrl.scenario import smoothing

# Least angle in rad at which paths cross.
_CROSSING_ANGLE = 0.35
# Metres beside a path within which Frenet coordinates are unique enough to find
# a crossing.
_CROSSING_REACH = 6.0


@struct.dataclass
class Along:
  """Agents along one path or each along its own.

  Attributes:
    s: `[T, A]` metres along the path.
    d: `[T, A]` metres to its left.
    speed: `[T, A]` m/s, the rate of s.
    lateral_speed: `[T, A]` m/s, the rate of d.
    acceleration: `[T, A]` m/s^2, the rate of `speed`.
  """

  s: types.Array
  d: types.Array
  speed: types.Array
  lateral_speed: types.Array
  acceleration: types.Array


@struct.dataclass
class Context:
  """A scene as planning sees it.

  Attributes:
    tracks: `[T, A]` as recorded, or as `smoothing` has them.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    paths: `[A]` path of each agent's track; the ego's is the first.
    branches: `[B]` paths of the ego along other lanes.
    ego: all agents along the ego's path.
    own: each agent along its own path.
    ego_reach: `[T]` the ego's s, made strictly increasing.
    crossing: `[A]` metres along the agent's path to its crossing with the
      ego's; infinite where there is none.
    crossing_arrival: `[A]` seconds from the first step to the ego's arrival
      there.
    parked: `[A]` bool, agents that stand whenever they are valid.
    free: `[A]` bool, agents that are never valid: donors may take these slots.
    clearance: `[A]` metres from the ground to the middle of the box.
    drivable: see `Scene`.
    occupancy: see `Scene`.
    ground: see `Scene`.
  """

  tracks: types.AgentState
  sizes: types.Array
  classes: types.Array
  paths: frenet.Path
  branches: junctions.Branches
  ego: Along
  own: Along
  ego_reach: types.Array
  crossing: types.Array
  crossing_arrival: types.Array
  parked: types.Array
  free: types.Array
  clearance: types.Array
  drivable: types.Grid
  occupancy: types.Grid
  ground: types.Grid

  @property
  def path(self) -> frenet.Path:
    """The ego's."""
    return trees.take(self.paths, 0)


def prepare(scene: types.Scene) -> Context:
  """Prepares a scene for `propose`.

  Tracks that no vehicle can have driven are smoothed first, so that what is
  planned on them, and what is driven of them, can be driven. The scene keeps
  them as they were recorded, which is where its pictures are from.

  Raises:
    ValueError: if the ego is not valid throughout.
  """
  tracks = smoothing.smooth(scene.tracks, scene.sizes, scene.classes)
  if not tracks.valid[:, 0].all():
    step = int(np.argmin(tracks.valid[:, 0]))
    raise ValueError(f'scene.tracks.valid of the ego is False at step {step}')
  paths = [
    frenet.build(tracks.xy[:, a], tracks.yaw[:, a], tracks.valid[:, a])
    # An agent that is never valid has no path; the ego's stands in.
    if tracks.valid[:, a].any()
    else None
    for a in range(tracks.valid.shape[1])
  ]
  paths = trees.stack([path or paths[0] for path in paths])
  moved = np.linalg.norm(np.diff(tracks.xy[:, 0], axis=0), axis=-1)
  lanes = None if scene.map is None else scene.map.lanes
  branches = junctions.branches(trees.take(paths, 0), moved.sum(), lanes)
  grids = scene.drivable, scene.occupancy, scene.ground
  parts = tracks, scene.sizes, scene.classes, paths, branches, *grids
  return _prepare(*parts)


def _along(path, tracks):
  """`Along` `[T]` of the tracks `[T]` of one agent."""
  s, d, heading = jax.vmap(frenet.to_frenet, (None, 0))(path, tracks.xy)
  curvature = jax.vmap(frenet.curvature, (None, 0))(path, s)
  # Beside a bend, a metre of road is more or less than a metre of path. Beyond
  # the bend's centre there are no coordinates anyway.
  metres = jnp.maximum(1 - curvature * d, 0.2)
  speed = tracks.speed * jnp.cos(tracks.yaw - heading) / metres
  # Over 0.6 s where there are as many steps: recorded speeds are noisy.
  steps = jnp.arange(len(s))
  first = jnp.argmax(tracks.valid)
  last = len(s) - 1 - jnp.argmax(tracks.valid[::-1])
  before = jnp.clip(steps - 3, first, last)
  after = jnp.clip(steps + 3, first, last)
  duration = jnp.maximum(after - before, 1) * types.TIME_STEP
  return Along(
    s=s,
    d=d,
    speed=speed,
    lateral_speed=tracks.speed * jnp.sin(tracks.yaw - heading),
    acceleration=(speed[after] - speed[before]) / duration,
  )


def _crossing(ego_path, path):
  """s `[]` along the ego's path and along the other at their first crossing."""
  place = path.start + path.spacing * jnp.arange(len(path.xy))
  s, d, heading = jax.vmap(frenet.to_frenet, (None, 0))(ego_path, path.xy)
  tangent = jnp.arctan2(path.tangent[:, 1], path.tangent[:, 0])
  near = jnp.maximum(jnp.abs(d[1:]), jnp.abs(d[:-1])) < _CROSSING_REACH
  crosses = (
    (d[1:] * d[:-1] <= 0)
    & near
    & (jnp.abs(jnp.sin(tangent - heading))[1:] > jnp.sin(_CROSSING_ANGLE))
    & (place[1:] > 0)
    & (s[1:] > 0)
  )
  first = jnp.argmax(crosses)
  step = d[first] - d[first + 1]
  share = d[first] / jnp.where(step == 0, 1, step)
  ego_s = s[first] + share * (s[first + 1] - s[first])
  own_s = place[first] + share * path.spacing
  exists = jnp.any(crosses)
  return jnp.where(exists, ego_s, jnp.inf), jnp.where(exists, own_s, jnp.inf)


@training.compiling.quick_jit
def _prepare(
  tracks, sizes, classes, paths, branches, drivable, occupancy, ground
):
  along = jax.vmap(_along, (None, 1), 1)(trees.take(paths, 0), tracks)
  own = jax.vmap(_along, (0, 1), 1)(paths, tracks)
  crossing_ego, crossing_own = jax.vmap(_crossing, (None, 0))(
    trees.take(paths, 0), paths
  )
  height = jnp.where(
    tracks.valid, tracks.z - geometry.sample_grid(ground, tracks.xy), 0
  )
  seen = jnp.sum(tracks.valid, 0)
  clearance = jnp.sum(height, 0) / jnp.maximum(seen, 1)
  reach = jax.lax.cummax(along.s[:, 0]) + 1e-4 * jnp.arange(len(along.s))
  return Context(
    tracks=tracks,
    sizes=sizes,
    classes=classes,
    paths=paths,
    branches=branches,
    ego=along,
    own=own,
    ego_reach=reach,
    crossing=crossing_own,
    crossing_arrival=arrival(reach, along.speed[-1, 0], crossing_ego),
    parked=~jnp.any(
      tracks.valid & (jnp.abs(tracks.speed) > smoothing.MOVING), 0
    ),
    free=seen == 0,
    clearance=jnp.where(seen > 0, clearance, sizes[:, 2] / 2),
    drivable=drivable,
    occupancy=occupancy,
    ground=ground,
  )


def arrival(reach, last_speed, s):
  """Seconds `[...]` from the first step to the ego's arrival at `s`.

  Args:
    reach: `[T]` the ego's s, strictly increasing.
    last_speed: `[]` m/s, its speed after the recording.
    s: `[...]` metres along its path.
  """
  inside = jnp.interp(s, reach, jnp.arange(1.0 * len(reach)))
  beyond = jnp.maximum(s - reach[-1], 0)
  return inside * types.TIME_STEP + beyond / jnp.maximum(last_speed, 0.1)


def ego_arrival(context: Context, s):
  """Seconds `[...]` from the first step to the ego's arrival at `s` `[...]`."""
  return arrival(context.ego_reach, context.ego.speed[-1, 0], s)


def ego_at(context: Context, step):
  """The ego's s and speed along its path at real-valued steps `[...]`."""
  last = context.tracks.valid.shape[0] - 1
  low = jnp.clip(step.astype(jnp.int32), 0, last - 1)
  share = jnp.clip(step - low, 0, 1)

  def between(x):
    return (1 - share) * x[low] + share * x[low + 1]

  speed = between(context.ego.speed[:, 0])
  beyond = jnp.maximum(step - last, 0) * types.TIME_STEP * speed
  return between(context.ego.s[:, 0]) + beyond, speed


def is_moving(context: Context):
  """`[A]` bool, vehicles and cyclists that move at some time."""
  drives = (context.classes == types.VEHICLE) | (
    context.classes == types.CYCLIST
  )
  return drives & ~context.parked & ~context.free


def reserve(scene: types.Scene, sizes, classes=None) -> types.Scene:
  """Turns the last unused agents of a scene into donors.

  A donor is not valid until a proposal inserts it. To be visible it also needs
  Gaussians on its node, see `splat.assets`.

  Args:
    scene: one.
    sizes: `[n, 3]` metres, of the donors.
    classes: `[n]` of `VEHICLE`, `PEDESTRIAN`, `CYCLIST`; None makes vehicles.

  Raises:
    ValueError: if too few agents are unused or a size is not positive.
  """
  sizes = np.asarray(sizes, np.float32)
  if sizes.ndim != 2 or sizes.shape[1] != 3 or not (sizes > 0).all():
    raise ValueError(f'sizes: {sizes.tolist()}, expected [n, 3] positive')
  if classes is None:
    classes = np.full(len(sizes), types.VEHICLE)
  unused = np.flatnonzero(~np.asarray(scene.tracks.valid).any(0))
  if len(unused) < len(sizes):
    raise ValueError(
      f'sizes: {len(sizes)} donors, but {len(unused)} of'
      f' {len(scene.sizes)} agents are unused'
    )
  slots = unused[len(unused) - len(sizes) :]
  all_sizes, all_classes = (np.array(x) for x in (scene.sizes, scene.classes))
  all_sizes[slots] = sizes
  all_classes[slots] = classes
  return scene.replace(sizes=all_sizes, classes=all_classes)
