# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Records a drive: an expert among reactive traffic, cameras and a lidar."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.world import road as road_lib
from rdrl.world import shading
from rdrl.world import street as street_lib
from rdrl.world import traffic

# Cameras sit behind the windscreen, the lidar on the roof; metres in the frame
# of the ego's box, whose middle is 0.75 m above ground.
_CAMERA_POSITION = (0.6, 0.0, 0.8)
_CAMERA_ASIDE = 0.25
_LIDAR_HEIGHT = 1.15
_LIDAR_RINGS = 64
_LIDAR_ELEVATION = (-25.0, 22.0)
_LIDAR_SECTOR = 100.0
_LIDAR_RANGE = 90.0

# Paths that agents drive on: how far beyond the start, and how finely.
_PATH_BEHIND, _PATH_AHEAD, _PATH_POINTS = 30.0, 160.0, 191
_LANE_CHANGE_LENGTH = 32.0


def camera_rig(config: street_lib.Config):
  """Mounts and intrinsics of the cameras.

  Returns:
    `camera_from_ego` `[C, 4, 4]` and `intrinsics` `[C, 3, 3]` in pixels of
    images of the config's size.
  """
  mounts = []
  # Columns: camera x, y, z in the ego frame for a camera that looks ahead.
  ahead = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
  for degrees in config.camera_yaws:
    yaw = np.radians(degrees)
    turn = np.array(
      [
        [np.cos(yaw), -np.sin(yaw), 0],
        [np.sin(yaw), np.cos(yaw), 0],
        [0, 0, 1],
      ]
    )
    position = np.array(_CAMERA_POSITION)
    position[1] += _CAMERA_ASIDE * np.sign(degrees)
    camera_from_ego = np.eye(4)
    camera_from_ego[:3, :3] = (turn @ ahead).T
    camera_from_ego[:3, 3] = -(turn @ ahead).T @ position
    mounts.append(camera_from_ego)
  focal = config.width / 2 / np.tan(np.radians(config.field_of_view) / 2)
  intrinsics = np.array(
    [[focal, 0, config.width / 2], [0, focal, config.height / 2], [0, 0, 1]]
  )
  return (
    np.stack(mounts).astype(np.float32),
    np.tile(intrinsics, (len(mounts), 1, 1)).astype(np.float32),
  )


def _paths(street):
  """Path `[A, P, 2]` of each agent and its progress `[A]` at the start.

  Lanes are kept in road coordinates; who crosses goes square to them. The ego's
  path changes lanes by the
  quintic with no lateral speed or acceleration at either end (Werling et al.,
  "Optimal trajectory generation for dynamic street scenarios", ICRA 2010).
  """
  along = np.linspace(-_PATH_BEHIND, _PATH_AHEAD, _PATH_POINTS)
  start = np.asarray(street.start)
  moved = np.asarray(street.direction)[:, None] * along
  crosses = np.asarray(street.crosses)[:, None]
  s = start[:, :1] + np.where(crosses, 0, moved)
  d = start[:, 1:] + np.where(crosses, moved, 0)
  begin, target = np.asarray(street.lane_change)
  u = np.clip((s[0] - begin) / _LANE_CHANGE_LENGTH, 0, 1)
  d[0] += (target - d[0]) * (10 * u**3 - 15 * u**4 + 6 * u**5)
  xy, _ = road_lib.road_point(street.road, s, d)
  length = np.linalg.norm(xy[:, 1:] - xy[:, :-1], axis=-1)
  before = np.searchsorted(along, 0.0)
  progress = length[:, :before].sum(-1)
  return xy.astype(np.float32), progress.astype(np.float32)


@jax.jit
def _drive(street, paths, progress):
  """Tracks `[T, A]` of everybody."""
  xy, yaw = jax.vmap(traffic.pose_on_path, (0, None, 0))(
    paths, jnp.ones(paths.shape[1], bool), progress
  )
  is_raised = jnp.abs(street.start[:, 1]) > road_lib.HALF_WIDTH
  floor = jnp.where(is_raised, road_lib.KERB_HEIGHT, 0.0)
  agents = types.AgentState(
    xy=xy,
    z=floor + street.sizes[:, 2] / 2,
    yaw=yaw,
    speed=street.desired_speed,
    valid=jnp.ones(len(yaw), bool),
  )
  valid = jnp.ones(paths.shape[:2], bool)

  def step(carry, _):
    agents, progress = carry
    followers = traffic.Followers(
      agents, street.sizes, paths, valid, progress, street.desired_speed
    )
    moved = traffic.step_along_paths(followers, street.desired_speed > 0)
    return moved, agents

  _, tracks = jax.lax.scan(
    step, (agents, progress), length=street.config.num_steps
  )
  return tracks


def drive(street: street_lib.Street):
  """Tracks `[T, A]` of the expert, agent 0, and of the traffic around it."""
  return _drive(street, *_paths(street))


@jax.jit
def _images(street, tracks, camera_from_ego, intrinsics):
  config = street.config
  ego = trees.take(tracks, 0)
  cameras = geometry.mount_cameras(
    camera_from_ego, intrinsics, ego, config.height, config.width
  )
  rgb, _ = shading.render_all(
    street, cameras, tracks, street.sizes, street.classes, config.supersample
  )
  return jnp.round(rgb * 255).astype(jnp.uint8), cameras.camera_from_world


@jax.jit
def _scan(street, agents, step):
  """Lidar points `[P, 3]` of one step and whether they hit anything.

  The beam turns on between steps by the golden ratio of a column, so that the
  columns of many steps interleave.
  """
  config = street.config
  index = jnp.arange(config.num_lidar)
  ring = index % _LIDAR_RINGS
  columns = -(-config.num_lidar // _LIDAR_RINGS)
  offset = (step * 0.6180339887) % 1.0
  azimuth = jnp.radians(
    _LIDAR_SECTOR * (2 * (index // _LIDAR_RINGS + offset) / columns - 1)
  )
  low, high = _LIDAR_ELEVATION
  elevation = jnp.radians(low + (high - low) * ring / (_LIDAR_RINGS - 1))
  ego = trees.take(agents, 0)
  flat = jnp.cos(elevation)
  directions = [
    flat * jnp.cos(ego.yaw + azimuth),
    flat * jnp.sin(ego.yaw + azimuth),
    jnp.sin(elevation),
  ]
  origin = jnp.append(ego.xy, ego.z + _LIDAR_HEIGHT)
  distance = shading.trace(
    street, agents, street.sizes, street.classes, origin, directions
  )
  key = jax.random.fold_in(jax.random.key(street.seed), step)
  noise = config.lidar_noise * jax.random.normal(key, distance.shape)
  valid = distance < _LIDAR_RANGE
  reach = jnp.where(valid, distance + noise, 0)
  return origin + reach[:, None] * jnp.stack(directions, -1), valid


def record(
  street: street_lib.Street, config: street_lib.Config | None = None
) -> types.Log:
  """Drives the expert down the street and records what it senses.

  Args:
    street: from `build`.
    config: sizes of images, lidar and time; those that the street was built
      with where None.

  Returns:
    A log in host memory. The expert keeps its lane, or changes it once, at the
    speed of the Intelligent Driver Model; all others react to it and to each
    other. Lidar points lie within a sector of 200 degrees ahead.

  Raises:
    ValueError: if the config names another number of agents than the street.
  """
  if config is not None:
    if config.num_agents != street.config.num_agents:
      raise ValueError(
        f'world num_agents of the street is {street.config.num_agents}, of '
        f'the recording {config.num_agents}'
      )
    street = street.replace(config=config)
  config = street.config
  tracks = jax.device_get(drive(street))
  camera_from_ego, intrinsics = camera_rig(config)
  images, poses, lidar, lidar_valid = [], [], [], []
  for step in range(config.num_steps):
    agents = trees.take(tracks, step)
    pictures, camera_from_world = _images(
      street, agents, camera_from_ego, intrinsics
    )
    points, valid = _scan(street, agents, jnp.int32(step))
    images.append(np.asarray(pictures))
    poses.append(np.asarray(camera_from_world))
    lidar.append(np.asarray(points))
    lidar_valid.append(np.asarray(valid))
  cameras = types.Camera(
    camera_from_world=np.stack(poses),
    intrinsics=np.tile(intrinsics, (config.num_steps, 1, 1, 1)),
    height=config.height,
    width=config.width,
  )
  return types.Log(
    images=np.stack(images),
    cameras=cameras,
    camera_from_ego=camera_from_ego,
    times=np.arange(config.num_steps) * types.TIME_STEP,
    tracks=tracks,
    sizes=np.asarray(street.sizes),
    classes=np.asarray(street.classes),
    lidar=np.stack(lidar),
    lidar_valid=np.stack(lidar_valid),
    map=street.map,
    name=f'world-{int(street.seed)}',
  )
