# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""KITTI raw (Geiger et al. 2013): one drive to a prepared log.

  python -m experiments.prepare --source=kitti --out_dir=data/kitti \
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
There is no map, so the lane is the corridor of the driven path, and the road
reaches as far to both sides as the lidar has it, see `data_pipelines.road`.

The steps that are kept must keep time, see `data_pipelines.times`, and what the
sensors stamp at one step must belong together. The receiver's packet of a step
is from up to 5 ms before or after its picture, so its pose is moved to the time
of the picture. A step whose sweep is missing, as four of drive 2011_09_26_0009
are, is read without lidar.
"""

from collections.abc import Callable
import dataclasses
import pathlib
import re

from absl import logging
import jax
import numpy as np
from scipy import signal
from scipy.spatial.transform import Rotation
import tqdm

from data_pipelines import files
from data_pipelines import moving
from data_pipelines import road
from data_pipelines import times as times_lib
from rdrl import logs
from rdrl import trees
from rdrl import types

# The recording car, a Volkswagen Passat B6 Variant.
EGO_SIZE = (4.77, 1.82, 1.52)

# Height of the Velodyne above the road, and how far the middle of the body lies
# ahead of it: the rear axle is 0.76 m behind the Velodyne, the middle 1.26 m
# ahead of the rear axle (Geiger et al. 2013, figure 3).
VELODYNE_HEIGHT = 1.73
MIDDLE_AHEAD_OF_VELODYNE = 0.5

# Seconds between what two sensors stamp at one step. Half a step apart they are
# as near to the next one.
MAX_SHIFT = types.TIME_STEP / 2
# Metres beyond which nothing of a lidar or of a tracklet can be.
MAX_RANGE = 1000.0
# Budgets and counts beyond which a number is a mistake.
MAX_LIDAR, MAX_AGENTS = 1_000_000, 10_000

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


@dataclasses.dataclass(frozen=True)
class _Boxes:
  """One tracklet: `first` step, `[n]` poses in the Velodyne frame."""

  source: str
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
    times: `[T]` seconds; NaN where there is no stamp.
    times_source: where they are from, for messages.
    stamps: by where they are from, `[n]` seconds on the same clock of the other
      sensors; NaN where there are none.
    pose_stamps: `[T]` seconds on that clock of the poses; NaN where there are
      none.
    world_from_imu: `[n, 4, 4]` at `[n]` steps, world as described above but for
      its origin.
    pose_source: where the pose of a step is from.
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
  times_source: str
  stamps: dict[str, np.ndarray]
  pose_stamps: np.ndarray
  world_from_imu: Callable[[np.ndarray], np.ndarray]
  pose_source: Callable[[int], str]
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
    A valid `Log`. Agents are tracked by their boxes, those that are there at
    some step; the ego's is that of the recording car.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  root = pathlib.Path(data_dir)
  if not cameras:
    raise logs.LogError(f'{root}: cameras: none')
  for name, value, most in [
    ('num_lidar', num_lidar, MAX_LIDAR),
    ('num_agents', num_agents or 1, MAX_AGENTS),
  ]:
    if not 0 < value <= most:
      raise logs.LogError(f'{root}: {name}: {value} is not from 1 to {most}')
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
  times = drive.times[steps]
  logs.check_times(times, drive.times_source, start)
  _check_together(drive, steps)

  world_from_imu = drive.world_from_imu(steps)
  times_lib.check_way(world_from_imu[:, :3, 3], times, drive.pose_source, start)
  world_from_imu = _at_times(world_from_imu, drive.pose_stamps[steps], times)
  world_from_velodyne = world_from_imu @ np.linalg.inv(drive.velodyne_from_imu)
  tracks, sizes, classes = _tracks(
    [_part(box, start, end) for box in drive.boxes or []],
    times,
    world_from_velodyne,
  )
  origin = np.append(tracks.xy[0, 0], tracks.z[0, 0] - EGO_SIZE[2] / 2)
  world_from_velodyne[:, :3, 3] -= origin
  tracks = tracks.replace(xy=tracks.xy - origin[:2], z=tracks.z - origin[2])
  camera_from_world = (
    drive.camera_from_velodyne @ np.linalg.inv(world_from_velodyne)[:, None]
  )

  images, lidar, lidar_valid = [], [], []
  for step, pose in zip(
    tqdm.tqdm(steps, desc='read', unit='step', leave=False, disable=None),
    world_from_velodyne,
    strict=True,
  ):
    images.append([_read_image(drive, camera, step) for camera in cameras])
    points, valid = _read_lidar(drive, pose, step, num_lidar)
    lidar.append(points)
    lidar_valid.append(valid)
  _tell_missing(drive, steps[~np.any(lidar_valid, 1)], len(steps))

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
    times=times - times[0],
    tracks=_float32(tracks),
    sizes=sizes,
    classes=classes,
    lidar=np.stack(lidar),
    lidar_valid=np.stack(lidar_valid),
    map=types.NO_MAP,
    name=drive.name,
  )
  if drive.boxes is None and motion is not None:
    log = moving.find(log, world_from_velodyne[:, :3, 3], motion, num_agents)
  log = log.replace(
    map=logs.corridor_map(
      trees.take(tracks, (slice(None), 0)),
      edges=lambda lane: road.edges(log, lane),
    )
  )
  if num_agents is not None:
    log = logs.pad_agents(log, num_agents, source=str(drive.boxes_file))
  logs.validate(log, str(root))
  return log


# Seconds that packets of the receiver are apart, the least share that are so,
# and steps over which cameras are taken to be steady.
_PACKET, _WHOLE, _STEADY = 0.01, 0.9, 31


def _steady(stamps):
  """Times `[T]` of pictures, given the stamps `[T]` of the nearest packets.

  Cameras are triggered by the lidar's turns, which are steady. Stamps that are
  not hundredths of a second apart, or far from steady, are taken as they are.
  """
  ticks = (stamps - stamps[:1]) / _PACKET
  window = min(_STEADY, len(stamps) - 1 + len(stamps) % 2)
  is_whole = np.abs(ticks - np.round(ticks)) < 0.01
  if window < 5 or np.mean(is_whole) < _WHOLE:
    return stamps
  first = stamps[0]
  times = first + signal.savgol_filter(stamps - first, window, 1)
  return times if np.abs(times - stamps).max() < _PACKET else stamps


def _at_times(poses, stamps, times):
  """Poses `[n, 4, 4]` stamped `[n]`, moved to times `[n]` nearby.

  By the velocities between the poses around; those without stamps stay.
  """
  index = np.arange(len(poses))
  before, after = np.maximum(index - 1, 0), np.minimum(index + 1, index[-1])
  span = stamps[after] - stamps[before]
  known = np.isfinite(stamps) & (span > 0)
  shift = np.where(known, times - stamps, 0) / np.where(known, span, 1)
  rotation, place = poses[:, :3, :3], poses[:, :3, 3]
  turn = rotation[after] @ np.swapaxes(rotation[before], 1, 2)
  turn = Rotation.from_matrix(turn).as_rotvec() * shift[:, None]
  moved = poses.copy()
  moved[:, :3, :3] = Rotation.from_rotvec(turn).as_matrix() @ rotation
  moved[:, :3, 3] = place + (place[after] - place[before]) * shift[:, None]
  return moved


def _check_together(drive, steps):
  """Checks that the sensors' stamps of one step belong to it."""
  for source, stamps in drive.stamps.items():
    known = steps[steps < len(stamps)]
    shift = stamps[known] - drive.times[known]
    for row in np.flatnonzero(np.abs(shift) > MAX_SHIFT)[:1]:
      raise logs.LogError(
        f'{source}: step {known[row]} is stamped {shift[row]:.6g} s from the '
        f'image, more than {MAX_SHIFT} s'
      )


def _tell_missing(drive, missing, total):
  """Warns of steps without a sweep; if there is none at all, that is wrong."""
  if len(missing) == total:
    files.check_exists(drive.sweep(missing[0]))
  if len(missing):
    logging.warning(
      '%s: no sweep at %d of %d steps, from step %d on: read without lidar',
      drive.sweep(missing[0]).parent,
      len(missing),
      total,
      missing[0],
    )


def _read_image(drive, camera, step):
  path = drive.image(camera, step)
  files.check_exists(path)
  return logs.read_image(path, drive.image_size)


def _read_lidar(drive, world_from_velodyne, step, budget):
  """`[budget, 3]` world points of a sweep and which of them are there.

  None is where the file is missing. A sweep is taken as measured all at once,
  when the cameras fired. What is in view of the forward cameras was measured
  within 11 ms of that.
  """
  padded = np.zeros((budget, 3), np.float32)
  path = drive.sweep(step)
  if not path.exists():
    return padded, np.zeros(budget, bool)
  points = drive.read_sweep(path)
  if not len(points):
    raise logs.LogError(f'{path}: lidar: no points')
  _check_finite(points, f'{path}: lidar')
  for row in np.flatnonzero(np.abs(points).max(-1) > MAX_RANGE)[:1]:
    raise logs.LogError(
      f'{path}: lidar: {points[row].tolist()} at {row} is farther than '
      f'{MAX_RANGE} m'
    )
  if len(points) > budget:
    generator = np.random.default_rng([0, step])
    points = points[np.sort(generator.permutation(len(points))[:budget])]
  padded[: len(points)] = _transform(world_from_velodyne, points)
  return padded, np.arange(budget) < len(points)


def _part(box, start, end):
  """What of a tracklet there is from one step to another, maybe nothing."""
  begin, stop = np.clip([start, end], box.first, box.first + len(box.yaw))
  rows = slice(begin - box.first, stop - box.first)
  return dataclasses.replace(
    box, first=begin - start, middle=box.middle[rows], yaw=box.yaw[rows]
  )


def _tracks(boxes, times, world_from_velodyne):
  """Tracks `[T, A]` in float64, sizes `[A, 3]` and classes `[A]`.

  Boxes that are never there become nobody.
  """
  boxes = [box for box in boxes if len(box.yaw)]
  total, agents = len(times), 1 + len(boxes)
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
    middle[steps, agent] = np.einsum(
      'tij,tj->ti', world_from_velodyne[steps, :3, :3], box.middle
    )
    middle[steps, agent] += world_from_velodyne[steps, :3, 3]
    yaw[steps, agent] = velodyne_yaw[steps] + box.yaw
    valid[steps, agent] = True
    times_lib.check_way(
      middle[steps, agent],
      times[steps],
      lambda _, box=box: f'{box.source}: poses',
      box.first,
    )
  for agent in range(agents):
    steps = np.flatnonzero(valid[:, agent])
    if len(steps) > 1:
      velocity = np.gradient(middle[steps, agent, :2], times[steps], axis=0)
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
  ego = trees.take(tracks, (slice(None), 0))
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


_META = {
  'timestamps': (files.NUMBER, ('T',)),
  'oxts': (files.NUMBER, ('T', 6)),
  'K': (files.NUMBER, (4, 3, 3)),
  'image_size': (files.WHOLE, (2,)),
  'lidar_scale': (files.NUMBER, ()),
  'T_cam_velo': (files.NUMBER, (4, 4, 4)),
  'T_w_velo': (files.NUMBER, ('T', 4, 4)),
  'T_w_imu': (files.NUMBER, ('T', 4, 4)),
}


def _read_compact(root, cameras):
  path = root / 'meta.npz'
  meta = files.arrays(path, _META)
  for field, values in meta.items():
    _check_finite(values, f'{path}: {field}')
  if not len(meta['timestamps']):
    raise logs.LogError(f'{path}: timestamps: no frames')
  index = [_camera_index(camera) for camera in cameras]
  _check_focal(meta['K'][index], cameras, f'{path}: K')
  for field, rows in [('T_cam_velo', index), ('T_w_velo', [0])]:
    _check_rigid(meta[field][rows], f'{path}: {field}')
  _check_rigid(meta['T_w_imu'], f'{path}: T_w_imu')
  # Its poses start at the identity: turn them to gravity and east.
  roll, pitch, yaw = meta['oxts'][0, 3:6]
  world_from_first = np.eye(4)
  world_from_first[:3, :3] = _rotation(roll, pitch, yaw)
  return _Drive(
    name=root.resolve().name,
    times=_steady(meta['timestamps'].astype(np.float64)),
    times_source=f'{path}: times',
    stamps={},
    pose_stamps=meta['timestamps'].astype(np.float64),
    world_from_imu=lambda steps: world_from_first @ meta['T_w_imu'][steps],
    pose_source=lambda step: f'{path}: T_w_imu',
    velodyne_from_imu=np.linalg.inv(meta['T_w_velo'][0]) @ meta['T_w_imu'][0],
    camera_from_velodyne=meta['T_cam_velo'][index],
    intrinsics=meta['K'][index],
    image_size=tuple(meta['image_size'].tolist()),
    image=lambda camera, step: root / camera / f'{step:06d}.png',
    sweep=lambda step: root / 'velodyne' / f'{step:06d}.npz',
    read_sweep=lambda path: _read_npz_sweep(path, meta['lidar_scale']),
    boxes=None,
    boxes_file=path,
  )


def _read_npz_sweep(path, scale):
  return files.arrays(path, {'xyz_q': (files.NUMBER, (None, 3))})[
    'xyz_q'
  ] * float(scale)


def _read_original(root, cameras):
  day = root.resolve().parent
  calib = _read_calib(day / 'calib_cam_to_cam.txt')
  velodyne_from_imu = _read_rigid(day / 'calib_imu_to_velo.txt')
  camera0_from_velodyne = _read_rigid(day / 'calib_velo_to_cam.txt')
  rectified0 = np.eye(4)
  rectified0[:3, :3] = calib('R_rect_00', (3, 3))
  _check_rigid(rectified0, f'{day / "calib_cam_to_cam.txt"}: R_rect_00')
  index = [_camera_index(camera) for camera in cameras]
  intrinsics, camera_from_velodyne = [], []
  for i in index:
    name = f'P_rect_{i:02d}'
    projection = calib(name, (3, 4))
    file = day / 'calib_cam_to_cam.txt'
    _check_focal(projection[None, :, :3], (name,), str(file))
    if projection[2, :3].tolist() != [0, 0, 1]:
      raise logs.LogError(f'{file}: {name}: last row is {projection[2]}')
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    intrinsics.append(projection[:, :3])
    camera_from_velodyne.append(shift @ rectified0 @ camera0_from_velodyne)
  sizes = {tuple(map(int, calib(f'S_rect_{i:02d}', (2,)))) for i in index}
  if len(sizes) > 1:
    raise logs.LogError(
      f'{day / "calib_cam_to_cam.txt"}: S_rect: {cameras} differ: {sizes}'
    )
  times_file = root / cameras[0] / 'timestamps.txt'
  files.check_exists(times_file)
  stamps = _read_stamps(times_file)
  zero = stamps[~np.isnat(stamps)][:1]
  if not len(zero):
    raise logs.LogError(f'{times_file}: times: no frames')
  others = [
    root / name / 'timestamps.txt'
    for name in (*cameras[1:], 'velodyne_points', 'oxts')
  ]
  second = np.timedelta64(1, 's')

  def seconds(path):
    return (_read_stamps(path) - zero) / second

  pose_stamps = np.full(len(stamps), np.nan)
  if others[-1].exists():
    known = seconds(others[-1])[: len(stamps)]
    pose_stamps[: len(known)] = known
  packets = root / 'oxts' / 'data'
  boxes_file = root / 'tracklet_labels.xml'
  return _Drive(
    name=root.resolve().name,
    times=(stamps - zero) / second,
    times_source=f'{times_file}: times',
    stamps={
      f'{path}: times': seconds(path) for path in others if path.exists()
    },
    pose_stamps=pose_stamps,
    world_from_imu=lambda steps: _read_oxts(packets, steps),
    pose_source=lambda step: f'{packets / f"{step:010d}.txt"}: oxts',
    velodyne_from_imu=velodyne_from_imu,
    camera_from_velodyne=np.stack(camera_from_velodyne),
    intrinsics=np.stack(intrinsics),
    image_size=sizes.pop(),
    image=lambda camera, step: root / camera / 'data' / f'{step:010d}.png',
    sweep=lambda step: root / 'velodyne_points' / 'data' / f'{step:010d}.bin',
    read_sweep=_read_bin_sweep,
    boxes=_read_tracklets(boxes_file, len(stamps))
    if boxes_file.exists()
    else None,
    boxes_file=boxes_file,
  )


def _read_bin_sweep(path):
  values = files.content(path)
  if len(values) % 16:
    raise logs.LogError(
      f'{path}: lidar: {len(values)} bytes are not x, y, z, reflectance each'
    )
  return np.frombuffer(values, '<f4').reshape(-1, 4)[:, :3]


def _read_calib(path):
  """A function from name and shape to the array in a calibration file."""
  lines = [line.partition(':') for line in files.text(path).splitlines()]
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
  _check_rigid(transform, f'{path}: R')
  return transform


_STAMP = re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?')


def _read_stamps(path):
  """`[T]` stamps of a file with one a line, not a time where that is blank."""
  lines = [line.strip() for line in files.text(path).rstrip().split('\n')]
  for number, line in enumerate(lines):
    if line and not _STAMP.fullmatch(line):
      raise logs.LogError(
        f'{path}: times: {files.short(repr(line))} of step {number} is no time'
      )
  try:
    return np.array([line or 'NaT' for line in lines], 'M8[ns]')
  except ValueError as error:
    raise logs.LogError(f'{path}: times: {files.short(error)}') from error


# Degrees of latitude where there is still an east.
_MAX_LATITUDE = 89.0


def _read_oxts(folder, steps):
  """`[n, 4, 4]` poses of the IMU by the Mercator projection of the devkit."""
  packets = []
  for step in steps:
    path = folder / f'{step:010d}.txt'
    values = _numbers(files.text(path), f'{path}: oxts')
    if values.size < 6:
      raise logs.LogError(f'{path}: oxts: {values.size} numbers, not 30')
    if abs(values[0]) > _MAX_LATITUDE:
      raise logs.LogError(f'{path}: oxts: latitude {values[0]}')
    packets.append(values[:6])
  latitude, longitude, altitude, roll, pitch, yaw = np.transpose(packets)
  earth_radius = 6378137.0
  scale = earth_radius * np.cos(np.deg2rad(latitude[0]))
  poses = np.tile(np.eye(4), (len(steps), 1, 1))
  poses[:, :3, :3] = np.stack(list(map(_rotation, roll, pitch, yaw)))
  poses[:, 0, 3] = scale * np.deg2rad(longitude)
  poses[:, 1, 3] = scale * np.log(np.tan(np.deg2rad(90 + latitude) / 2))
  poses[:, 2, 3] = altitude
  return poses


def _read_tracklets(path, total):
  """The boxes of `tracklet_labels.xml`; its poses are of their bottoms.

  Args:
    path: of the file.
    total: steps of the drive, within which all boxes must be.
  """
  items = files.xml(path, f'{path}: tracklets').findall('tracklets/item')
  if len(items) > MAX_AGENTS:
    raise logs.LogError(f'{path}: tracklets: {len(items)} of them')
  boxes = []
  for number, item in enumerate(items):
    kind = item.findtext('objectType', '').strip()
    source = f'{path}: {files.short(kind)} {number}'
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
    first = _number(item, 'first_frame', source, np.inf)
    if not first.is_integer() or not 0 <= first <= total - len(poses):
      raise logs.LogError(
        f'{source}: first_frame: {first:g} with {len(poses)} poses is not '
        f'within the {total} steps of the drive'
      )
    boxes.append(
      _Boxes(
        source=source,
        first=int(first),
        size=size,
        kind=kind,
        middle=bottom + np.array([0, 0, size[2] / 2]),
        yaw=yaw,
      )
    )
  return boxes


def _number(item, field, source, most=MAX_RANGE):
  text = item.findtext(field)
  if text is None:
    raise logs.LogError(f'{source}: {field}: missing')
  values = _numbers(text, f'{source}: {field}')
  if values.size != 1 or abs(values[0]) > most:
    raise logs.LogError(
      f'{source}: {field}: {files.short(repr(text))} is not one number up to '
      f'{most}'
    )
  return float(values[0])


def _numbers(text, source):
  """Finite numbers of a text."""
  try:
    values = np.array([float(word) for word in text.split()])
  except ValueError as error:
    raise logs.LogError(f'{source}: {files.short(error)}') from error
  _check_finite(values, source)
  return values


def _camera_index(camera):
  names = [f'image_{i:02d}' for i in range(4)]
  if camera not in names:
    raise logs.LogError(f'cameras: {camera!r} is not one of {names}')
  return names.index(camera)


def _check_finite(values, source):
  bad = np.argwhere(~np.isfinite(values))
  if len(bad):
    index = tuple(map(int, bad[0]))
    raise logs.LogError(f'{source}: {values[index]} at {list(index)}')


def _check_rigid(transforms, source):
  """`[..., 4, 4]` are rotations, as far as they are written out."""
  rotation = np.asarray(transforms, np.float64)[..., :3, :3]
  gram = rotation @ np.swapaxes(rotation, -1, -2)
  error = np.max(np.abs(gram - np.eye(3)))
  if not error < 1e-3:
    raise logs.LogError(f'{source}: no rotation, off by {error:.3g}')


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
