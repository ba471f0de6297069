# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""KITTI raw (Geiger et al. 2013): one drive to a prepared log.

  python -m data_pipelines.kitti --out_dir=data/kitti \
    --data_dir=2011_09_26/2011_09_26_drive_0001_sync

`data_dir` is a drive in its original layout, synced and rectified, with the
calibration of the day beside it:

  <date>/calib_{cam_to_cam,imu_to_velo,velo_to_cam}.txt
  <date>/<date>_drive_<id>_sync/image_02/{data/*.png,timestamps.txt}
  <date>/<date>_drive_<id>_sync/velodyne_points/data/*.bin
  <date>/<date>_drive_<id>_sync/oxts/data/*.txt
  <date>/<date>_drive_<id>_sync/tracklet_labels.xml      where there are boxes

or a compact folder: `meta.npz`, `image_02/*.png`, `velodyne/*.npz`.

World: x east, y north, z up by gravity; the origin lies on the ground below the
middle of the car at the first step. Boxes come from the tracklets where there
is a file of them. Otherwise they are those of what moves in the lidar, see
`data_pipelines.moving`; `--nofind_moving` leaves the ego alone on the road.
There is no map, so the lane is the corridor of the driven path.
"""

from collections.abc import Callable
import dataclasses
import pathlib
from xml.etree import ElementTree
import zipfile

from absl import flags
import jax
import numpy as np
from scipy.spatial.transform import Rotation
import tqdm

from data_pipelines import builder
from data_pipelines import command
from data_pipelines import moving
from rdrl import logs
from rdrl import types

# The recording car, a Volkswagen Passat B6 Variant.
EGO_SIZE = (4.77, 1.82, 1.52)

# Height of the Velodyne above the road, and how far the middle of the body lies
# ahead of it: the rear axle is 0.76 m behind the Velodyne, the middle 1.26 m
# ahead of the rear axle (Geiger et al. 2013, figure 3).
VELODYNE_HEIGHT = 1.73
MIDDLE_AHEAD_OF_VELODYNE = 0.5

CLASSES = {
  'Car': types.VEHICLE,
  'Van': types.VEHICLE,
  'Truck': types.VEHICLE,
  'Tram': types.VEHICLE,
  'Pedestrian': types.PEDESTRIAN,
  'Person (sitting)': types.PEDESTRIAN,
  'Cyclist': types.CYCLIST,
  'Misc': types.OTHER,
}

_FLAGS = flags.FlagValues()
_DATA_DIR = flags.DEFINE_string(
  'data_dir', None, 'Folder of one drive.', flag_values=_FLAGS
)
_OUT_DIR = flags.DEFINE_string(
  'out_dir', None, 'Folder to write to.', flag_values=_FLAGS
)
_CAMERAS = flags.DEFINE_list(
  'cameras', ['image_02'], 'Cameras to keep.', flag_values=_FLAGS
)
_NUM_LIDAR = flags.DEFINE_integer(
  'num_lidar', 32768, 'Lidar points a step.', flag_values=_FLAGS
)
_NUM_AGENTS = flags.DEFINE_integer(
  'num_agents',
  None,
  'Budget of agents, ego included; default: as many as are.',
  flag_values=_FLAGS,
)
_FIND_MOVING = flags.DEFINE_boolean(
  'find_moving',
  True,
  'Find boxes of what moves in the lidar where there are no tracklets.',
  flag_values=_FLAGS,
)
_START = flags.DEFINE_integer(
  'start', 0, 'First step to keep.', flag_values=_FLAGS
)
_NUM_STEPS = flags.DEFINE_integer(
  'num_steps',
  None,
  'Steps to keep; default: to the end of the drive.',
  flag_values=_FLAGS,
)


@dataclasses.dataclass(frozen=True)
class _Boxes:
  """One tracklet: `first` step, `[n]` poses in the Velodyne frame."""

  first: int
  size: tuple[float, float, float]
  kind: str
  middle: np.ndarray
  yaw: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Drive:
  """What both layouts hold.

  Attributes:
    name: of the drive.
    times: `[T]` seconds.
    world_from_imu: `[T, 4, 4]`, world as described above but for its origin.
    velodyne_from_imu: `[4, 4]`.
    camera_from_velodyne: `[C, 4, 4]`, rectified.
    intrinsics: `[C, 3, 3]`, rectified.
    image_size: width and height in pixels that the intrinsics are for.
    image: file of a camera at a step.
    sweep: file of the lidar at a step.
    read_sweep: `[n, 3]` points of such a file in the Velodyne frame.
    boxes: tracklets; None where there is no file of them.
    boxes_file: where they are from.
  """

  name: str
  times: np.ndarray
  world_from_imu: np.ndarray
  velodyne_from_imu: np.ndarray
  camera_from_velodyne: np.ndarray
  intrinsics: np.ndarray
  image_size: tuple[int, int]
  image: Callable[[str, int], pathlib.Path]
  sweep: Callable[[int], pathlib.Path]
  read_sweep: Callable[[pathlib.Path], np.ndarray]
  boxes: list[_Boxes] | None
  boxes_file: pathlib.Path


def read_raw(
  data_dir,
  cameras=('image_02',),
  num_lidar=32768,
  num_agents=None,
  start=0,
  num_steps=None,
  motion: moving.Config | None = moving.DEFAULT,
) -> types.Log:
  """Reads one drive.

  Args:
    data_dir: folder of the drive, in either layout.
    cameras: of `image_00` to `image_03`, in the order wanted.
    num_lidar: budget of points per step; a fixed random choice of those that a
      sweep has beyond it.
    num_agents: budget of agents, the ego included; None: as many as there are.
      More tracklets than that are an error; of what moves in the lidar, that
      with fewest points is left out, with a warning.
    start: first step to read.
    num_steps: steps to read; None: to the end.
    motion: what counts as moving in the lidar of a drive without tracklets;
      None: nothing does.

  Returns:
    A valid `Log`. Agents are tracked by their boxes; the ego's is that of the
    recording car.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  root = pathlib.Path(data_dir)
  if (root / 'meta.npz').exists():
    drive = _read_compact(root, cameras)
  elif (root / 'oxts').is_dir():
    drive = _read_original(root, cameras)
  else:
    raise logs.LogError(
      f'{root}: data_dir: neither oxts/ nor meta.npz is there: not a '
      'KITTI drive'
    )
  total = len(drive.times)
  end = total if num_steps is None else start + num_steps
  if not 0 <= start < end <= total:
    raise logs.LogError(
      f'{root}: steps {start} to {end}: the drive has {total} steps'
    )
  steps = np.arange(start, end)

  world_from_velodyne = drive.world_from_imu @ np.linalg.inv(
    drive.velodyne_from_imu
  )
  tracks, sizes, classes = _tracks(drive, world_from_velodyne)
  origin = np.append(tracks.xy[start, 0], tracks.z[start, 0] - EGO_SIZE[2] / 2)
  world_from_velodyne[:, :3, 3] -= origin
  tracks = tracks.replace(xy=tracks.xy - origin[:2], z=tracks.z - origin[2])
  tracks = types.take(tracks, steps)
  camera_from_world = (
    drive.camera_from_velodyne
    @ np.linalg.inv(world_from_velodyne[steps])[:, None]
  )

  images, lidar, lidar_valid = [], [], []
  for step in tqdm.tqdm(
    steps, desc='read', unit='step', leave=False, disable=None
  ):
    images.append([_read_image(drive, camera, step) for camera in cameras])
    points, valid = _read_lidar(drive, world_from_velodyne, step, num_lidar)
    lidar.append(points)
    lidar_valid.append(valid)

  width, height = drive.image_size
  log = types.Log(
    images=np.asarray(images),
    cameras=types.Camera(
      camera_from_world=camera_from_world.astype(np.float32),
      intrinsics=np.broadcast_to(
        drive.intrinsics, (len(steps), *drive.intrinsics.shape)
      ).astype(np.float32),
      height=height,
      width=width,
    ),
    camera_from_ego=_mean_mount(camera_from_world, tracks),
    times=drive.times[steps] - drive.times[start],
    tracks=_float32(tracks),
    sizes=sizes,
    classes=classes,
    lidar=np.stack(lidar),
    lidar_valid=np.stack(lidar_valid),
    map=logs.corridor_map(types.take(tracks, (slice(None), 0))),
    name=drive.name,
  )
  if drive.boxes is None and motion is not None:
    log = moving.find(
      log, world_from_velodyne[steps, :3, 3], motion, num_agents
    )
  if num_agents is not None:
    log = logs.pad_agents(log, num_agents, source=str(drive.boxes_file))
  logs.validate(log, str(root))
  return log


def _read_image(drive, camera, step):
  path = drive.image(camera, step)
  _check_exists(path)
  image = logs.decode_image(path.read_bytes(), str(path))
  found = image.shape[1::-1]
  if found != drive.image_size:
    raise logs.LogError(
      f'{path}: image: {found[0]}x{found[1]} pixels, but the calibration is '
      f'for {drive.image_size[0]}x{drive.image_size[1]}'
    )
  return image


def _read_lidar(drive, world_from_velodyne, step, budget):
  """`[budget, 3]` world points of a sweep and which of them are there.

  A sweep is taken as measured all at once, when the cameras fired. What is in
  view of the forward cameras was measured within 11 ms of that.
  """
  path = drive.sweep(step)
  points = drive.read_sweep(path)
  if not len(points):
    raise logs.LogError(f'{path}: lidar: no points')
  _check_finite(points, f'{path}: lidar')
  if len(points) > budget:
    generator = np.random.default_rng([0, step])
    points = points[np.sort(generator.permutation(len(points))[:budget])]
  padded = np.zeros((budget, 3), np.float32)
  padded[: len(points)] = _transform(world_from_velodyne[step], points)
  return padded, np.arange(budget) < len(points)


def _tracks(drive, world_from_velodyne):
  """Tracks `[T, A]` in float64, sizes `[A, 3]` and classes `[A]`."""
  boxes = drive.boxes or []
  total, agents = len(drive.times), 1 + len(boxes)
  middle = np.zeros((total, agents, 3))
  yaw = np.zeros((total, agents))
  valid = np.zeros((total, agents), bool)
  speed = np.zeros((total, agents))
  ego_middle = [MIDDLE_AHEAD_OF_VELODYNE, 0, EGO_SIZE[2] / 2 - VELODYNE_HEIGHT]
  velodyne_yaw = _yaw(world_from_velodyne)
  middle[:, 0] = _transform(world_from_velodyne, np.array(ego_middle))
  yaw[:, 0] = velodyne_yaw
  valid[:, 0] = True
  for agent, box in enumerate(boxes, 1):
    steps = slice(box.first, box.first + len(box.yaw))
    if steps.stop > total:
      raise logs.LogError(
        f'{drive.boxes_file}: first_frame: {box.kind} {agent - 1} is there '
        f'until step {steps.stop - 1}, but the drive ends at {total - 1}'
      )
    middle[steps, agent] = np.einsum(
      'tij,tj->ti', world_from_velodyne[steps, :3, :3], box.middle
    )
    middle[steps, agent] += world_from_velodyne[steps, :3, 3]
    yaw[steps, agent] = velodyne_yaw[steps] + box.yaw
    valid[steps, agent] = True
  for agent in range(agents):
    steps = np.flatnonzero(valid[:, agent])
    if len(steps) > 1:
      velocity = np.gradient(
        middle[steps, agent, :2], drive.times[steps], axis=0
      )
      heading = yaw[steps, agent]
      speed[steps, agent] = velocity[:, 0] * np.cos(heading)
      speed[steps, agent] += velocity[:, 1] * np.sin(heading)
  tracks = types.AgentState(
    xy=middle[..., :2],
    z=middle[..., 2],
    yaw=(yaw + np.pi) % (2 * np.pi) - np.pi,
    speed=speed,
    valid=valid,
  )
  sizes = np.array([EGO_SIZE, *(box.size for box in boxes)], np.float32)
  kinds = [types.VEHICLE, *(CLASSES[box.kind] for box in boxes)]
  return tracks, sizes, np.array(kinds, np.int32)


def _mean_mount(camera_from_world, tracks):
  """`[C, 4, 4]` mean over the drive of the pose of the ego in each camera.

  Pitch and roll of the car, which its box does not have, average out.
  """
  ego = types.take(tracks, (slice(None), 0))
  world_from_ego = np.broadcast_to(np.eye(4), (len(ego.yaw), 4, 4)).copy()
  cos, sin = np.cos(ego.yaw), np.sin(ego.yaw)
  world_from_ego[:, 0, 0], world_from_ego[:, 0, 1] = cos, -sin
  world_from_ego[:, 1, 0], world_from_ego[:, 1, 1] = sin, cos
  world_from_ego[:, :2, 3], world_from_ego[:, 2, 3] = ego.xy, ego.z
  mean = (camera_from_world @ world_from_ego[:, None]).mean(0)
  # The nearest rotation to the mean of rotations (chordal L2 mean).
  u, _, v = np.linalg.svd(mean[:, :3, :3])
  mean[:, :3, :3] = u @ v
  return mean.astype(np.float32)


def _read_compact(root, cameras):
  path = root / 'meta.npz'
  try:
    with np.load(path) as archive:
      meta = dict(archive)
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
    raise logs.LogError(f'{path}: cannot be read: {error}') from error
  wanted = ('timestamps', 'oxts', 'K', 'image_size', 'lidar_scale')
  for field in (*wanted, 'T_cam_velo', 'T_w_velo', 'T_w_imu'):
    if field not in meta:
      raise logs.LogError(f'{path}: {field}: missing')
    _check_finite(meta[field], f'{path}: {field}')
  index = [_camera_index(camera) for camera in cameras]
  _check_times(meta['timestamps'], path)
  _check_focal(meta['K'][index], cameras, f'{path}: K')
  # Its poses start at the identity: turn them to gravity and east.
  roll, pitch, yaw = meta['oxts'][0, 3:6]
  world_from_first = np.eye(4)
  world_from_first[:3, :3] = _rotation(roll, pitch, yaw)
  return _Drive(
    name=root.resolve().name,
    times=meta['timestamps'],
    world_from_imu=world_from_first @ meta['T_w_imu'],
    velodyne_from_imu=np.linalg.inv(meta['T_w_velo'][0]) @ meta['T_w_imu'][0],
    camera_from_velodyne=meta['T_cam_velo'][index],
    intrinsics=meta['K'][index],
    image_size=tuple(map(int, meta['image_size'])),
    image=lambda camera, step: root / camera / f'{step:06d}.png',
    sweep=lambda step: root / 'velodyne' / f'{step:06d}.npz',
    read_sweep=lambda path: _read_npz_sweep(path, meta['lidar_scale']),
    boxes=None,
    boxes_file=path,
  )


def _read_npz_sweep(path, scale):
  _check_exists(path)
  try:
    with np.load(path) as archive:
      return archive['xyz_q'] * scale
  except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
    raise logs.LogError(f'{path}: lidar: cannot be read: {error}') from error


def _read_original(root, cameras):
  day = root.resolve().parent
  calib = _read_calib(day / 'calib_cam_to_cam.txt')
  velodyne_from_imu = _read_rigid(day / 'calib_imu_to_velo.txt')
  camera0_from_velodyne = _read_rigid(day / 'calib_velo_to_cam.txt')
  rectified0 = np.eye(4)
  rectified0[:3, :3] = calib('R_rect_00', (3, 3))
  index = [_camera_index(camera) for camera in cameras]
  intrinsics, camera_from_velodyne = [], []
  for i in index:
    projection = calib(f'P_rect_{i:02d}', (3, 4))
    _check_focal(
      projection[None, :, :3],
      (f'P_rect_{i:02d}',),
      str(day / 'calib_cam_to_cam.txt'),
    )
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    intrinsics.append(projection[:, :3])
    camera_from_velodyne.append(shift @ rectified0 @ camera0_from_velodyne)
  sizes = {tuple(map(int, calib(f'S_rect_{i:02d}', (2,)))) for i in index}
  if len(sizes) > 1:
    raise logs.LogError(
      f'{day / "calib_cam_to_cam.txt"}: S_rect: {cameras} differ: {sizes}'
    )
  times = _read_timestamps(root / cameras[0] / 'timestamps.txt')
  boxes_file = root / 'tracklet_labels.xml'
  return _Drive(
    name=root.resolve().name,
    times=times,
    world_from_imu=_read_oxts(root / 'oxts' / 'data', len(times)),
    velodyne_from_imu=velodyne_from_imu,
    camera_from_velodyne=np.stack(camera_from_velodyne),
    intrinsics=np.stack(intrinsics),
    image_size=sizes.pop(),
    image=lambda camera, step: root / camera / 'data' / f'{step:010d}.png',
    sweep=lambda step: root / 'velodyne_points' / 'data' / f'{step:010d}.bin',
    read_sweep=_read_bin_sweep,
    boxes=_read_tracklets(boxes_file) if boxes_file.exists() else None,
    boxes_file=boxes_file,
  )


def _read_bin_sweep(path):
  _check_exists(path)
  values = np.fromfile(path, np.float32)
  if values.size % 4:
    raise logs.LogError(
      f'{path}: lidar: {values.size} numbers are not x, y, z, reflectance each'
    )
  return values.reshape(-1, 4)[:, :3]


def _read_calib(path):
  """A function from name and shape to the array in a calibration file."""
  _check_exists(path)
  lines = [line.partition(':') for line in path.read_text().splitlines()]
  texts = {name.strip(): text for name, _, text in lines}

  def get(name, shape):
    if name not in texts:
      raise logs.LogError(f'{path}: {name}: missing')
    values = _numbers(texts[name], f'{path}: {name}')
    if values.size != np.prod(shape):
      raise logs.LogError(
        f'{path}: {name}: {values.size} numbers, not {np.prod(shape)}'
      )
    return values.reshape(shape)

  return get


def _read_rigid(path):
  get = _read_calib(path)
  transform = np.eye(4)
  transform[:3, :3], transform[:3, 3] = get('R', (3, 3)), get('T', (3,))
  return transform


def _read_timestamps(path):
  _check_exists(path)
  try:
    stamps = np.array(path.read_text().split('\n'), str)
    stamps = np.array([s.strip() for s in stamps if s.strip()], 'M8[ns]')
  except ValueError as error:
    raise logs.LogError(f'{path}: times: {error}') from error
  if not len(stamps):
    raise logs.LogError(f'{path}: times: no frames')
  times = (stamps - stamps[0]) / np.timedelta64(1, 's')
  _check_times(times, path)
  return times


def _read_oxts(folder, total):
  """`[T, 4, 4]` poses of the IMU by the Mercator projection of the devkit."""
  packets = []
  for step in range(total):
    path = folder / f'{step:010d}.txt'
    _check_exists(path)
    values = _numbers(path.read_text(), f'{path}: oxts')
    if values.size < 6:
      raise logs.LogError(f'{path}: oxts: {values.size} numbers, not 30')
    packets.append(values[:6])
  latitude, longitude, altitude, roll, pitch, yaw = np.transpose(packets)
  earth_radius = 6378137.0
  scale = earth_radius * np.cos(np.deg2rad(latitude[0]))
  poses = np.tile(np.eye(4), (total, 1, 1))
  poses[:, :3, :3] = np.stack(list(map(_rotation, roll, pitch, yaw)))
  poses[:, 0, 3] = scale * np.deg2rad(longitude)
  poses[:, 1, 3] = scale * np.log(np.tan(np.deg2rad(90 + latitude) / 2))
  poses[:, 2, 3] = altitude
  return poses


def _read_tracklets(path):
  """The boxes of `tracklet_labels.xml`; its poses are of their bottoms."""
  try:
    items = ElementTree.parse(path).getroot().findall('tracklets/item')
  except ElementTree.ParseError as error:
    raise logs.LogError(f'{path}: tracklets: {error}') from error
  boxes = []
  for number, item in enumerate(items):
    kind = item.findtext('objectType', '').strip()
    source = f'{path}: {kind} {number}'
    if kind not in CLASSES:
      raise logs.LogError(f'{source}: objectType: not one of {list(CLASSES)}')
    size = tuple(_number(item, field, source) for field in 'lwh')
    for field, value in zip('lwh', size, strict=True):
      if value <= 0:
        raise logs.LogError(f'{source}: {field}: size {value} m, not positive')
    poses = item.findall('poses/item')
    bottom, yaw = np.zeros((len(poses), 3)), np.zeros(len(poses))
    for row, pose in enumerate(poses):
      bottom[row] = [_number(pose, f't{axis}', source) for axis in 'xyz']
      yaw[row] = _number(pose, 'rz', source)
    boxes.append(
      _Boxes(
        first=int(_number(item, 'first_frame', source)),
        size=size,
        kind=kind,
        middle=bottom + np.array([0, 0, size[2] / 2]),
        yaw=yaw,
      )
    )
  return boxes


def _number(item, field, source):
  text = item.findtext(field)
  if text is None:
    raise logs.LogError(f'{source}: {field}: missing')
  values = _numbers(text, f'{source}: {field}')
  if values.size != 1:
    raise logs.LogError(f'{source}: {field}: {text!r} is not one number')
  return float(values[0])


def _numbers(text, source):
  """Finite numbers of a text."""
  try:
    values = np.array([float(word) for word in text.split()])
  except ValueError as error:
    raise logs.LogError(f'{source}: {error}') from error
  _check_finite(values, source)
  return values


def _camera_index(camera):
  names = [f'image_{i:02d}' for i in range(4)]
  if camera not in names:
    raise logs.LogError(f'cameras: {camera!r} is not one of {names}')
  return names.index(camera)


def _check_exists(path):
  if not path.is_file():
    raise logs.LogError(f'{path}: no such file')


def _check_finite(values, source):
  bad = np.argwhere(~np.isfinite(values))
  if len(bad):
    index = tuple(map(int, bad[0]))
    raise logs.LogError(f'{source}: {values[index]} at {list(index)}')


def _check_times(times, path):
  for step in np.flatnonzero(np.diff(times) <= 0)[:1]:
    raise logs.LogError(
      f'{path}: times: step {step + 1} at {times[step + 1]} s does not follow '
      f'step {step} at {times[step]} s'
    )


def _check_focal(intrinsics, names, source):
  for name, matrix in zip(names, intrinsics, strict=True):
    for focal in (matrix[0, 0], matrix[1, 1]):
      if focal <= 0:
        raise logs.LogError(f'{source}: {name}: focal length {focal} pixels')


def _rotation(roll, pitch, yaw):
  """World from body for the angles of an OXTS packet: Rz Ry Rx."""
  return Rotation.from_euler('ZYX', [yaw, pitch, roll]).as_matrix()


def _yaw(world_from_body):
  return np.arctan2(world_from_body[:, 1, 0], world_from_body[:, 0, 0])


def _transform(b_from_a, points_a):
  """`[..., 4, 4]` applied to `[n, 3]` or one `[3]` point, in float64."""
  rotated = points_a @ np.swapaxes(b_from_a[..., :3, :3], -1, -2)
  return rotated + b_from_a[..., None, :3, 3].reshape(
    *b_from_a.shape[:-2], *([1] * (np.ndim(points_a) - 1)), 3
  )


def _float32(tree):
  """`tree` with float64 arrays in float32."""
  return jax.tree.map(
    lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, tree
  )


def main(_):
  log = read_raw(
    _DATA_DIR.value,
    cameras=tuple(_CAMERAS.value),
    num_lidar=_NUM_LIDAR.value,
    num_agents=_NUM_AGENTS.value,
    start=_START.value,
    num_steps=_NUM_STEPS.value,
    motion=moving.DEFAULT if _FIND_MOVING.value else None,
  )
  builder.write([log], _OUT_DIR.value, source=_DATA_DIR.value)
  print(f'wrote {log.name} to {_OUT_DIR.value}')


if __name__ == '__main__':
  command.run(main, _FLAGS, ['data_dir', 'out_dir'])
