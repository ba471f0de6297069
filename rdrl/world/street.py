# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A procedural street: where the road runs and what stands beside it."""

import dataclasses
from typing import Annotated

from flax import struct
import jax.numpy as jnp
import numpy as np

from rdrl import ranges
from rdrl import types
from rdrl.world import cast
from rdrl.world import light as light_lib
from rdrl.world import raycast
from rdrl.world import road as road_lib
from rdrl.world import roadside


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes of a street and of what is recorded on it.

  Attributes:
    height: pixels of the recorded images.
    width: pixels of the recorded images.
    field_of_view: horizontal, degrees.
    camera_yaws: degrees to the left of straight ahead, one per camera.
    num_steps: recorded steps of 0.1 s.
    num_agents: the ego and all tracked agents, at least 2.
    num_lidar: points per step.
    lidar_noise: metres, standard deviation along the ray.
    supersample: rays per pixel along each axis in a recording.
    grid_size: cells along each side of the rasters.
    grid_cell: metres.
  """

  height: ranges.Count = 96
  width: ranges.Count = 160
  field_of_view: Annotated[float, ranges.Range(1, 179)] = 70.0
  camera_yaws: tuple[ranges.Degrees, ...] = (0.0, 50.0, -50.0)
  num_steps: Annotated[int, ranges.Range(2, 10**5)] = 101
  num_agents: Annotated[int, ranges.Range(2, 10**4)] = 16
  num_lidar: ranges.Count = 2048
  lidar_noise: ranges.NotNegative = 0.02
  supersample: ranges.Count = 2
  grid_size: ranges.Count = 256
  grid_cell: ranges.Positive = 0.5


@struct.dataclass
class Street:
  """All that never moves, the light, and the agents that will drive here.

  Attributes:
    road: the centre line.
    static: solids that stand still.
    colour: `[N, 3]` linear albedo of each static solid.
    pattern: `[N]` int32: 0 plain, 1 facade, 2 foliage, 3 bark.
    light: of the traversal.
    seed: `[]` uint32 of the textures.
    sizes: `[A, 3]` metres, the ego first.
    classes: `[A]` int32.
    style: `[A]` int32 row of `cast.BODY_STYLES`.
    paint: `[A, 3]` linear albedo of cars or coats.
    start: `[A, 2]` road coordinates at the first step.
    desired_speed: `[A]` m/s; 0 parks.
    direction: `[A]` +1 drives towards growing s, -1 against it.
    crosses: `[A]` bool, faces growing or falling d instead of s.
    lane_change: `[2]` arc length at which the ego begins to change lanes and
      the offset that it goes to, its own where it does not.
    map: the lane map.
    centre: `[2]` world, the middle of the ego's path and of the rasters.
    config: static.
  """

  road: road_lib.Road
  static: raycast.Scenery
  colour: types.Array
  pattern: types.Array
  light: light_lib.Light
  seed: types.Array
  sizes: types.Array
  classes: types.Array
  style: types.Array
  paint: types.Array
  start: types.Array
  desired_speed: types.Array
  direction: types.Array
  crosses: types.Array
  lane_change: types.Array
  map: types.Map
  centre: types.Array
  config: Config = struct.field(pytree_node=False)


def build(seed: int, config: Config = Config(), traversal: int = 0) -> Street:
  """The street that belongs to a seed.

  Args:
    seed: bends go left, S, right, straight as it counts up; every third street
      makes the ego change lanes around a slow car.
    config: sizes; every seed gives the same shapes.
    traversal: which drive through it: another one has another light, other
      traffic, other parked cars, and the ego drives as on the street whose seed
      is greater by the traversal.

  Raises:
    ValueError: if seed or traversal is negative or there are fewer than two
      agents.
  """
  if min(seed, traversal) < 0:
    raise ValueError(
      f'world seed and traversal must not be negative: {seed}, {traversal}'
    )
  if config.num_agents < 2:
    raise ValueError(f'world num_agents must be at least 2: {config}')
  rng = np.random.default_rng(seed)
  road = road_lib.lay(seed, rng)
  static, colour, pattern = roadside.build(road, rng)
  if traversal:
    rng = np.random.default_rng((seed, traversal))
  agents = cast.draw(
    seed + traversal, rng, config.num_agents, float(road.junction)
  )
  light = light_lib.draw(traversal, rng)
  duration = (config.num_steps - 1) * types.TIME_STEP
  halfway = float(agents['start'][0, 0]) + 0.5 * duration * 8.0
  centre, _ = road_lib.road_point(road, [halfway], [road_lib.LANE_OFFSETS[0]])
  return Street(
    road=road,
    static=static,
    colour=colour,
    pattern=pattern,
    light=light,
    seed=jnp.uint32(seed),
    map=road_lib.lane_map(road),
    centre=jnp.asarray(centre[0], jnp.float32),
    config=config,
    **agents,
  )


def with_agents(street: Street, sizes, classes, colors) -> Street:
  """The street with looks for more agents, such as donors of a scene.

  Args:
    street: one.
    sizes: `[A, 3]` metres of all, those of the street first.
    classes: `[A]` of all.
    colors: `[A, 3]` sRGB that the bodies of the others should have, in about;
      the street's own keep their paint. A car gets the shape whose size is
      nearest.

  Raises:
    ValueError: if the street has more agents.
  """
  own = len(street.classes)
  count = len(classes)
  if count < own:
    raise ValueError(f'classes: {count} agents, but the street has {own}')
  sizes = np.asarray(sizes, np.float32)
  styles = cast.BODY_STYLES[:, :3]
  nearest = np.abs(sizes[own:, None] - styles).sum(-1).argmin(-1)
  # Colours of images are a power of what the light makes of the paint.
  paint = np.clip(np.asarray(colors)[own:], 0, 1) ** 2.2

  def more(old, new):
    new = jnp.broadcast_to(new, (count - own, *old.shape[1:]))
    return jnp.concatenate([old, new.astype(old.dtype)])

  return street.replace(
    sizes=more(street.sizes, sizes[own:]),
    classes=more(street.classes, np.asarray(classes)[own:]),
    style=more(street.style, nearest),
    paint=more(street.paint, paint),
    start=more(street.start, np.zeros(2)),
    desired_speed=more(street.desired_speed, np.zeros(())),
    direction=more(street.direction, np.ones(())),
    crosses=more(street.crosses, np.zeros((), bool)),
  )
