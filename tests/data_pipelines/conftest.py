# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A made-up KITTI drive in both layouts, small enough to be wrong on purpose.

The car drives a gentle left bend over a road that falls to its right, past a
parked car and a pole; all sensors are mounted askew.
"""

import json
import types

import numpy as np
from PIL import Image
import pyarrow as arrow
from pyarrow import feather
import pytest
from scipy.spatial.transform import Rotation

STEPS, WIDTH, HEIGHT = 6, 32, 16
POLE = np.array([14.0, 3.0, 1.0])
PARKED = np.array([12.0, -2.5, -0.7])
PARKED_YAW = 0.4


def rigid(angles, translation):
  transform = np.eye(4)
  transform[:3, :3] = Rotation.from_euler('ZYX', angles).as_matrix()
  transform[:3, 3] = translation
  return transform


def text(array):
  return ' '.join(f'{x:.12e}' for x in np.ravel(array))


class FakeDrive:
  """What was recorded; `original` and `compact` write it to a folder."""

  def __init__(self):
    step = np.arange(STEPS)
    self.stamps = 1000.0 + 0.1 * step + 0.002 * (step % 2)
    self.angles = np.stack(
      [0.3 + 0.02 * step, np.full(STEPS, -0.01), np.full(STEPS, 0.03)], -1
    )
    self.imu_from_velodyne = rigid([0.01, -0.015, 0.002], [0.81, -0.32, 0.8])
    self.rectify = Rotation.from_euler('xyz', [4e-3, -9e-3, 1e-2]).as_matrix()
    self.image_size = (WIDTH, HEIGHT)
    axes = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    askew = Rotation.from_euler('xyz', [0.01, 0.005, -0.008]).as_matrix()
    self.camera0_from_velodyne = rigid([0, 0, 0], [-0.01, -0.07, -0.27])
    self.camera0_from_velodyne[:3, :3] = askew @ axes
    intrinsics = np.array([[20.0, 0, 15.5], [0, 21.0, 7.5], [0, 0, 1]])
    self.projections = {
      i: np.c_[intrinsics, [20.0 * x, 0.2, 0.002]]
      for i, x in [(2, 0.06), (3, -0.47)]
    }
    # East, north, up from the first step, then as the receiver reports it.
    forward = np.stack([np.cos(self.angles[:, 0]), np.sin(self.angles[:, 0])])
    self.positions = np.c_[np.cumsum(forward.T, 0), 0.05 * step]
    self.positions -= self.positions[0]
    self.latitude, self.longitude, self.altitude = 49.0, 8.4, 116.0
    self.world_from_imu = np.stack(
      [rigid(a, p) for a, p in zip(self.angles, self.positions, strict=True)]
    )
    self.world_from_velodyne = self.world_from_imu @ self.imu_from_velodyne
    rng = np.random.default_rng(0)
    # The pole and the parked car are where the first sweep sees them.
    first = self.world_from_velodyne[0]
    self.pole = first[:3, :3] @ POLE + first[:3, 3]
    self.parked = first[:3, :3] @ PARKED + first[:3, 3]
    self.images = rng.integers(0, 256, (2, STEPS, HEIGHT, WIDTH, 3), np.uint8)
    self.sweeps = []
    for pose in self.world_from_velodyne:
      pole = pose[:3, :3].T @ (self.pole - pose[:3, 3])
      ground = np.c_[rng.uniform([5, -5], [20, 5], (9, 2)), np.full(9, -1.73)]
      self.sweeps.append(np.concatenate([pole[None], ground]))

  def packets(self):
    radius = 6378137.0
    scale = radius * np.cos(np.deg2rad(self.latitude))
    x = scale * np.deg2rad(self.longitude) + self.positions[:, 0]
    mercator = np.log(np.tan(np.deg2rad(90 + self.latitude) / 2))
    y = scale * mercator + self.positions[:, 1]
    latitude = 2 * np.rad2deg(np.arctan(np.exp(y / scale))) - 90
    yaw, pitch, roll = self.angles.T
    return np.c_[
      latitude,
      np.rad2deg(x / scale),
      self.altitude + self.positions[:, 2],
      roll,
      pitch,
      yaw,
      np.zeros((STEPS, 24)),
    ]

  def original(self, folder, boxes=True):
    day = folder / '2011_09_26'
    drive = day / '2011_09_26_drive_0099_sync'
    for name in ('image_02/data', 'image_03/data', 'oxts/data'):
      (drive / name).mkdir(parents=True)
    (drive / 'velodyne_points/data').mkdir(parents=True)
    velodyne_from_imu = np.linalg.inv(self.imu_from_velodyne)
    for name, transform in [
      ('calib_imu_to_velo.txt', velodyne_from_imu),
      ('calib_velo_to_cam.txt', self.camera0_from_velodyne),
    ]:
      (day / name).write_text(
        f'calib_time: 01-Jan-2012 00:00:00\nR: {text(transform[:3, :3])}\n'
        f'T: {text(transform[:3, 3])}\n'
      )
    lines = [f'R_rect_00: {text(self.rectify)}']
    for i, projection in self.projections.items():
      lines.append(f'S_rect_{i:02d}: {text(self.image_size)}')
      lines.append(f'P_rect_{i:02d}: {text(projection)}')
    (day / 'calib_cam_to_cam.txt').write_text('\n'.join(lines))
    stamps = ''.join(
      f'2011-09-26 13:{int(s // 60):02d}:{s % 60:012.9f}\n' for s in self.stamps
    )
    for i in (2, 3):
      (drive / f'image_{i:02d}/timestamps.txt').write_text(stamps)
    for step, packet in enumerate(self.packets()):
      (drive / f'oxts/data/{step:010d}.txt').write_text(text(packet))
      for i in (2, 3):
        Image.fromarray(self.images[i - 2, step]).save(
          drive / f'image_{i:02d}/data/{step:010d}.png'
        )
      sweep = np.c_[self.sweeps[step], np.ones(len(self.sweeps[step]))]
      sweep.astype(np.float32).tofile(
        drive / f'velodyne_points/data/{step:010d}.bin'
      )
    if boxes:
      (drive / 'tracklet_labels.xml').write_text(self.tracklets())
    return drive

  def tracklets(self):
    """A car parked, seen from step 1 on, and a pedestrian seen once."""
    yaw_world = Rotation.from_matrix(
      self.world_from_velodyne[0, :3, :3]
    ).as_euler('ZYX')[0]
    poses = ''
    for pose in self.world_from_velodyne[1:]:
      at = pose[:3, :3].T @ (self.parked - pose[:3, 3])
      yaw = Rotation.from_matrix(pose[:3, :3]).as_euler('ZYX')[0]
      poses += self.pose(at, PARKED_YAW + yaw_world - yaw)
    return (
      '<?xml version="1.0"?><boost_serialization><tracklets>'
      + self.box('Car', (1.5, 1.8, 4.2), 1, poses)
      + self.box('Pedestrian', (1.7, 0.6, 0.8), 2, self.pose([9, 4, -1.7], 1.0))
      + '</tracklets></boost_serialization>'
    )

  def pose(self, at, yaw):
    # The file holds the bottom of the box; 1.5 m is the height of the car.
    x, y, z = np.asarray(at) - [0, 0, 0.75]
    return (
      f'<item><tx>{x:.9f}</tx><ty>{y:.9f}</ty><tz>{z:.9f}</tz><rx>0</rx>'
      f'<ry>0</ry><rz>{yaw:.9f}</rz><state>2</state></item>'
    )

  def box(self, kind, size, first, poses):
    h, w, length = size
    return (
      f'<item><objectType>{kind}</objectType><h>{h}</h><w>{w}</w>'
      f'<l>{length}</l><first_frame>{first}</first_frame><poses><count>1</count>'
      f'<item_version>2</item_version>{poses}</poses></item>'
    )

  def meta(self):
    first = np.linalg.inv(self.world_from_imu[0])
    rectified = np.eye(4)
    rectified[:3, :3] = self.rectify
    cameras = np.tile(np.eye(4), (4, 1, 1))
    intrinsics = np.tile(np.eye(3), (4, 1, 1))
    for i, projection in self.projections.items():
      shift = np.eye(4)
      shift[:3, 3] = np.linalg.inv(projection[:, :3]) @ projection[:, 3]
      cameras[i] = shift @ rectified @ self.camera0_from_velodyne
      intrinsics[i] = projection[:, :3]
    return {
      'timestamps': self.stamps.copy(),
      'oxts': self.packets()[:, :6],
      'K': intrinsics,
      'T_cam_velo': cameras,
      'T_w_imu': first @ self.world_from_imu,
      'T_w_velo': first @ self.world_from_velodyne,
      'image_size': np.array(self.image_size),
      'lidar_scale': np.array(1 / 400),
    }

  def compact(self, folder, **changes):
    root = folder / 'compact'
    for name in ('image_02', 'image_03', 'velodyne'):
      (root / name).mkdir(parents=True)
    np.savez(root / 'meta.npz', **(self.meta() | changes))
    for step in range(STEPS):
      for i in (2, 3):
        Image.fromarray(self.images[i - 2, step]).save(
          root / f'image_{i:02d}' / f'{step:06d}.png'
        )
      quantised = np.round(self.sweeps[step] * 400).astype(np.int16)
      np.savez(root / 'velodyne' / f'{step:06d}.npz', xyz_q=quantised)
    return root


@pytest.fixture
def drive():
  return FakeDrive()


@pytest.fixture
def constants():
  return types.SimpleNamespace(STEPS=STEPS, POLE=POLE, PARKED_YAW=PARKED_YAW)


class FakeArchive:
  """Four agents on a road along x, in the layout of `data_pipelines.archive`.

  The ego is the last one; the pedestrian is there from step 4 on. Two lanes,
  half of the road is to the left of each edge, and 10 m ahead of the ego a
  light is at stop until step 5. All of it is about an origin that was taken
  away. `fields` may be changed before `write`. `scenarionet` has the same scene
  in the words of ScenarioNet, which has no place of a light in lists.
  """

  STEPS = 12
  ORIGIN = np.array([1000.0, -500.0])

  def __init__(self):
    time = 0.1 * np.arange(self.STEPS)
    start = np.array([[30, 3.0], [60, 0], [20, -6], [0, 0]])
    speed = np.array([-10.0, 0, 0, 8])
    xy = start[:, None] + speed[:, None, None] * time[:, None] * [1, 0]
    valid = np.ones((4, self.STEPS), bool)
    valid[2, :4] = False
    z = np.full((*valid.shape, 1), 20.8)
    xyz = np.concatenate([xy, z], -1)
    xyz[~valid] = np.nan
    x = np.linspace(-80, 120, 51)
    edge = np.stack([x, np.full(51, -2.5)], -1)
    lines = [
      (0, np.stack([x, np.zeros(51)], -1)),
      (0, np.stack([x[::-1], np.full(51, 3.0)], -1)),
      (2, edge),
      (2, np.stack([x[::-1], np.full(51, 5.5)], -1)),
      (1, np.stack([x, np.full(51, 1.5)], -1)),
      (3, np.array([[14, -2.5], [16, -2.5], [16, 5.5], [14, 5.5], [14, -2.5]])),
      (4, np.array([[40, -12], [48, -12], [48, -2], [40, -2]])),
      (5, np.array([[12, -4.0]])),
    ]
    self.fields = {
      'xyz': xyz.astype(np.float32),
      'heading': np.where(speed < 0, np.pi, 0)[:, None] + np.zeros(self.STEPS),
      'vel': (speed[:, None, None] * [1, 0] + np.zeros((self.STEPS, 1))),
      'valid': valid,
      'dims': np.array(
        [[4.6, 1.9, 1.6], [0, 0, 0], [0.7, 0.7, 1.7], [4.8, 2.1, 1.6]]
      ),
      'type': np.array([1, 1, 2, 1], np.int8),
      'sdc': np.int64(-1),
      'road_xyz': np.concatenate(
        [np.c_[line, np.full(len(line), 20.0)] for _, line in lines]
      ),
      'road_id': np.repeat(
        np.arange(len(lines)), [len(line) for _, line in lines]
      ),
      'road_type': np.array([kind for kind, _ in lines], np.int8),
      'road_type_names': np.array(
        ['lane', 'road_line', 'road_edge', 'crosswalk', 'driveway', 'stop_sign']
      ),
      'origin': self.ORIGIN,
      'tl': np.array(json.dumps(self.lights())),
    }

  def lights(self, states=None):
    """Parsed `tl`: two lanes part at x = 10, one has had to stop longer."""
    place = self.ORIGIN + np.array([10, 0])
    states = states or {7: 'stop', 8: 'arrow_stop'}
    return {
      str(lane): {
        'x': [float(place[0])],
        'y': [float(place[1])],
        'time_index': list(range(1, self.STEPS)),
        'state': [
          state if i < (5 if lane == 7 else 9) else 'go'
          for i in range(1, self.STEPS)
        ],
      }
      for lane, state in states.items()
    }

  def scenarionet(self):
    self.fields['road_type_names'] = np.array(
      [
        'LANE_SURFACE_STREET',
        'ROAD_LINE_BROKEN_SINGLE_WHITE',
        'ROAD_EDGE_BOUNDARY',
        'CROSSWALK',
        'DRIVEWAY',
        'STOP_SIGN',
      ]
    )
    lights = {
      lane: {
        'stop': [light['x'][0], light['y'][0]],
        'lane': lane,
        'state': [
          f'LANE_STATE_{word.upper()}' for word in ['unknown', *light['state']]
        ],
      }
      for lane, light in self.lights().items()
    }
    self.fields['tl'] = np.array(json.dumps(lights))
    return self

  def write(self, folder, name='scene'):
    path = folder / f'{name}.npz'
    np.savez(path, **self.fields)
    return path


@pytest.fixture
def fake_archive():
  return FakeArchive()


class FakeCity:
  """An Argoverse 2 log: a car drives ahead of the ego, both at 10 m/s.

  The ego heads `YAW` from a place in a city; poses come twice as often as
  sweeps. A pedestrian stands beside the one lane from step 4 on. `boxes`,
  `poses` and `map` may be changed before `write`.
  """

  STEPS = 12
  YAW = 0.5
  START = np.array([1500.0, -700.0, 12.0])
  FIRST = 315973157959879000

  def __init__(self):
    self.ahead = np.array([np.cos(self.YAW), np.sin(self.YAW), 0])
    self.left = np.array([-self.ahead[1], self.ahead[0], 0])
    half = np.arange(2 * self.STEPS - 1)
    self.poses = {
      'timestamp_ns': self.FIRST + 50_000_000 * half,
      **self._turned(self.YAW, len(half)),
      **self._at(self.START + 0.5 * half[:, None] * self.ahead),
    }
    boxes = [(step, 'car', 'BUS', [20.0, 0, 0.5]) for step in range(self.STEPS)]
    boxes += [
      (step, 'walker', 'PEDESTRIAN', [15.0 - step, -3, 0.5])
      for step in range(4, self.STEPS)
    ]
    steps, names, categories, places = zip(*boxes, strict=True)
    self.boxes = {
      'timestamp_ns': self.FIRST + 100_000_000 * np.array(steps),
      'track_uuid': list(names),
      'category': list(categories),
      'length_m': np.full(len(boxes), 4.5),
      'width_m': np.full(len(boxes), 1.9),
      'height_m': np.full(len(boxes), 1.6),
      **self._turned(0.0, len(boxes)),
      **self._at(np.array(places)),
    }
    lane = {
      'lane_type': 'VEHICLE',
      'left_lane_boundary': self.line(2),
      'right_lane_boundary': self.line(-2),
      'left_lane_mark_type': 'SOLID_WHITE',
      'right_lane_mark_type': 'NONE',
    }
    area = self.line(-5) + self.line(6)[::-1]
    self.map = {
      'lane_segments': {'1': lane},
      'drivable_areas': {'1': {'area_boundary': area}},
      'pedestrian_crossings': {},
    }

  def line(self, side):
    """Points, as the map has them, `side` metres to the left of the ego."""
    x = np.arange(-60.0, 101, 20)[:, None]
    points = self.START + x * self.ahead + side * self.left
    return [dict(zip('xyz', point, strict=True)) for point in points.tolist()]

  def without_steps(self, first, last):
    """Leaves no cuboid from step `first` up to, without, `last`."""
    step = (np.array(self.boxes['timestamp_ns']) - self.FIRST) // 100_000_000
    kept = np.flatnonzero((step < first) | (step >= last))
    self.boxes = {
      field: [values[i] for i in kept] for field, values in self.boxes.items()
    }

  def write(self, folder, name='log'):
    path = folder / name
    (path / 'map').mkdir(parents=True)
    for file, table in [
      ('annotations', self.boxes),
      ('city_SE3_egovehicle', self.poses),
    ]:
      feather.write_feather(arrow.table(table), path / f'{file}.feather')
    file = path / 'map' / 'log_map_archive_log____PIT_city_1.json'
    file.write_text(json.dumps(self.map))
    return path

  @staticmethod
  def _turned(yaw, count):
    quaternion = [0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)]
    names = ('qx', 'qy', 'qz', 'qw')
    return {
      name: np.full(count, value)
      for name, value in zip(names, quaternion, strict=True)
    }

  @staticmethod
  def _at(places):
    return dict(zip(('tx_m', 'ty_m', 'tz_m'), places.T, strict=True))


@pytest.fixture
def fake_city():
  return FakeCity()
