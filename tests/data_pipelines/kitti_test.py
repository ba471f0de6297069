# Copyright 2026 The rdrl Authors. Apache-2.0.
"""KITTI drives, made up and real, and ways to spoil one."""

import logging
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from data_pipelines import builder
from data_pipelines import kitti
from data_pipelines import moving
from rdrl import geometry
from rdrl import logs
from rdrl import training
from rdrl import trees

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'kitti_raw_0001'


def test_both_layouts_give_the_same_log(drive, tmp_path):
  cameras = ('image_02', 'image_03')
  original = kitti.read_raw(drive.original(tmp_path, boxes=False), cameras, 16)
  compact = kitti.read_raw(drive.compact(tmp_path), cameras, 16)
  for name in ('images', 'classes', 'sizes', 'lidar_valid'):
    np.testing.assert_array_equal(
      getattr(original, name), getattr(compact, name)
    )
  # The compact layout has whole units of 2.5 mm.
  np.testing.assert_allclose(original.lidar, compact.lidar, atol=3e-3)
  rest = [
    (x.cameras, x.camera_from_ego, x.times, x.tracks, x.map)
    for x in (original, compact)
  ]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *rest)


def test_what_stands_still_stays_where_it_is_in_the_world(
  drive, tmp_path, constants
):
  log = kitti.read_raw(drive.original(tmp_path), num_lidar=16)
  np.testing.assert_allclose(
    log.lidar[:, 0], np.tile(log.lidar[0, 0], (6, 1)), atol=1e-4
  )
  origin = drive.pole - log.lidar[0, 0]
  np.testing.assert_array_equal(log.tracks.valid[:, 1], np.arange(6) >= 1)
  for step in range(1, 6):
    parked = trees.take(log.tracks, (step, 1))
    np.testing.assert_allclose(
      parked.xy, (drive.parked - origin)[:2], atol=1e-2
    )
    # The car leans by 0.03 rad, its boxes stand upright.
    assert parked.z == pytest.approx((drive.parked - origin)[2], abs=0.05)
    assert parked.speed == pytest.approx(0, abs=0.05)
    assert parked.yaw == pytest.approx(
      log.tracks.yaw[0, 0] + constants.PARKED_YAW, abs=0.01
    )
  np.testing.assert_array_equal(log.classes, [1, 1, 2])
  np.testing.assert_allclose(log.sizes[1], [4.2, 1.8, 1.5])


def test_the_world_is_level_east_and_begins_under_the_car(drive, tmp_path):
  log = kitti.read_raw(drive.original(tmp_path), num_lidar=16)
  ego = trees.take(log.tracks, (slice(None), 0))
  np.testing.assert_allclose(ego.xy[0], 0, atol=1e-6)
  assert ego.z[0] == pytest.approx(kitti.EGO_SIZE[2] / 2)
  heading = drive.angles[:, 0]
  assert np.abs(ego.yaw - heading).max() < 0.02
  moved = np.diff(ego.xy, axis=0) @ [np.cos(0.35), np.sin(0.35)]
  np.testing.assert_allclose(moved, 1, atol=0.02)
  np.testing.assert_allclose(
    ego.speed[1:-1], 2 / (log.times[2:] - log.times[:-2]), rtol=0.02
  )
  # The receiver rose by 5 cm a step; only a level world keeps that as height.
  assert ego.z[-1] - ego.z[0] == pytest.approx(0.25, abs=1e-3)


def test_lidar_falls_on_the_pixels_that_the_devkit_says(drive, tmp_path):
  log = kitti.read_raw(
    drive.original(tmp_path), ('image_03', 'image_02'), num_lidar=16
  )
  rectified = np.eye(4)
  rectified[:3, :3] = drive.rectify
  for camera, index in enumerate((3, 2)):
    for step in range(6):
      points = np.c_[drive.sweeps[step], np.ones(10)]
      homogeneous = (
        drive.projections[index]
        @ rectified
        @ drive.camera0_from_velodyne
        @ points.T
      ).T
      view = jax.tree.map(lambda x: x[step, camera], log.cameras)  # noqa: B023
      pixels, depth = geometry.project(view, log.lidar[step, :10])
      np.testing.assert_allclose(
        pixels, homogeneous[:, :2] / homogeneous[:, 2:], atol=2e-3
      )
      np.testing.assert_allclose(depth, homogeneous[:, 2], atol=1e-3)
    np.testing.assert_array_equal(
      log.images[:, camera], drive.images[index - 2]
    )


def test_the_mean_mount_is_the_pose_but_for_pitch_and_roll(drive, tmp_path):
  log = kitti.read_raw(drive.compact(tmp_path), num_lidar=16)
  ego = trees.take(log.tracks, (slice(None), 0))
  mounted = jax.vmap(
    lambda state: geometry.mount_cameras(
      log.camera_from_ego, log.cameras.intrinsics[0], state, 16, 32
    )
  )(ego)
  np.testing.assert_allclose(
    mounted.camera_from_world, log.cameras.camera_from_world, atol=5e-3
  )


def test_a_part_of_a_drive_is_that_part_of_it(drive, tmp_path):
  folder = drive.compact(tmp_path)
  whole = kitti.read_raw(folder, num_lidar=16)
  part = kitti.read_raw(folder, num_lidar=16, start=2, num_steps=3)
  np.testing.assert_array_equal(part.images, whole.images[2:5])
  np.testing.assert_allclose(part.times, whole.times[2:5] - whole.times[2])
  np.testing.assert_allclose(
    part.tracks.xy[:, 0],
    whole.tracks.xy[2:5, 0] - whole.tracks.xy[2, 0],
    atol=1e-5,
  )
  with pytest.raises(logs.LogError, match='steps 4 to 9: the drive has 6'):
    kitti.read_raw(folder, start=4, num_steps=5)


def test_lidar_beyond_the_budget_is_a_fixed_choice(drive, tmp_path):
  folder = drive.compact(tmp_path)
  everything = kitti.read_raw(folder, num_lidar=16)
  once, again = (kitti.read_raw(folder, num_lidar=4) for _ in range(2))
  np.testing.assert_array_equal(once.lidar, again.lidar)
  assert once.lidar_valid.all()
  assert everything.lidar_valid.sum(-1).tolist() == [10] * 6
  for step in range(6):
    rows = {tuple(p) for p in everything.lidar[step, :10].tolist()}
    assert len({tuple(p) for p in once.lidar[step].tolist()} & rows) == 4


def test_speeds_are_those_of_the_true_times(drive, tmp_path):
  # 10 m/s to the east, whatever the stamps.
  drive.stamps = 1000.0 + np.array([0, 0.09, 0.2, 0.29, 0.4, 0.52])
  drive.angles[:] = 0
  drive.positions[:] = 0
  drive.positions[:, 0] = 10 * (drive.stamps - 1000)
  log = kitti.read_raw(drive.original(tmp_path, boxes=False), num_lidar=16)
  np.testing.assert_allclose(log.times, drive.stamps - 1000, atol=1e-6)
  np.testing.assert_allclose(log.tracks.speed[:, 0], 10, atol=1e-3)


@pytest.mark.parametrize('layout', ['original', 'compact'])
def test_steps_without_a_sweep_are_read_without_lidar(
  layout, drive, tmp_path, caplog
):
  root = getattr(drive, layout)(tmp_path)
  whole = kitti.read_raw(root, num_lidar=16)
  sweeps = sorted(
    path
    for path in root.rglob('*')
    if path.parent.name in ('data', 'velodyne')
    and path.suffix in ('.bin', '.npz')
  )
  for step in (2, 3):
    sweeps[step].unlink()
  caplog.clear()
  with caplog.at_level(logging.WARNING, logger='absl'):
    log = kitti.read_raw(root, num_lidar=16)
  (record,) = caplog.records
  assert 'no sweep at 2 of 6 steps, from step 2 on' in record.getMessage()
  assert log.lidar_valid.any(1).tolist() == [1, 1, 0, 0, 1, 1]
  for step in (0, 1, 4, 5):
    np.testing.assert_array_equal(log.lidar[step], whole.lidar[step])
  jax.tree.map(np.testing.assert_array_equal, log.tracks, whole.tracks)
  with pytest.raises(logs.LogError, match='no such file'):
    kitti.read_raw(root, start=2, num_steps=2)


def write_stamps(root, sensor, stamps):
  lines = [
    '' if np.isnan(s) else f'2011-09-26 13:{int(s // 60):02d}:{s % 60:012.9f}'
    for s in stamps
  ]
  (root / sensor / 'timestamps.txt').write_text('\n'.join(lines) + '\n')


def test_a_gap_parts_a_drive_in_two_that_are_read(drive, tmp_path):
  drive.stamps[3:] += 1.0
  root = drive.original(tmp_path)
  with pytest.raises(
    logs.LogError, match=r'3 at 1\.302 s is 1\.102 s.*3 steps'
  ):
    kitti.read_raw(root)
  for start in (0, 3):
    log = kitti.read_raw(root, num_lidar=16, start=start, num_steps=3)
    assert log.times[-1] == pytest.approx(0.2, abs=0.003)


def test_stamps_of_all_sensors_belong_together(drive, tmp_path):
  root = drive.original(tmp_path)
  cameras = ('image_02', 'image_03')
  stamps = drive.stamps
  # As in drive 2011_09_26_0009: a line without a stamp where there is no sweep,
  # and clocks that differ by some milliseconds.
  blank = np.where(np.arange(6) == 4, np.nan, stamps - 0.013)
  write_stamps(root, 'velodyne_points', blank)
  write_stamps(root, 'oxts', stamps + 0.004)
  log = kitti.read_raw(root, cameras, num_lidar=16)
  np.testing.assert_allclose(log.times, stamps - 1000, atol=1e-6)
  for sensor in ('velodyne_points', 'oxts', 'image_03'):
    for wrong, step in [
      (stamps + 0.06, 0),
      (np.append(stamps[:3], stamps[2:5]), 3),
      (np.append(stamps[:4], stamps[:2]), 4),
      (stamps + 60 * (np.arange(6) > 4), 5),
    ]:
      write_stamps(root, sensor, wrong)
      named = rf'{sensor}/timestamps.txt: times: step {step} is stamped'
      with pytest.raises(logs.LogError, match=named):
        kitti.read_raw(root, cameras, num_lidar=16)
    write_stamps(root, sensor, stamps)


def test_poses_are_those_at_the_times_of_pictures(drive, tmp_path):
  root = drive.original(tmp_path)
  write_stamps(root, 'oxts', drive.stamps)
  together = kitti.read_raw(root)
  # Every second packet is from 4 ms later, when the car was 4 cm further.
  late = 0.004 * (np.arange(6) % 2)
  write_stamps(root, 'oxts', drive.stamps + late)
  apart = kitti.read_raw(root)
  moved = (apart.tracks.xy - together.tracks.xy)[:, 0]
  yaw = together.tracks.yaw[:, 0]
  along = moved[:, 0] * np.cos(yaw) + moved[:, 1] * np.sin(yaw)
  np.testing.assert_allclose(along[1:-1], -10 * late[1:-1], atol=1e-3)
  # In a bend of .2 rad/s.
  turned = (apart.tracks.yaw - together.tracks.yaw)[:, 0]
  np.testing.assert_allclose(turned[1:-1], -0.2 * late[1:-1], atol=1e-4)
  np.testing.assert_allclose(apart.times, together.times)


def test_pictures_are_steady_where_stamps_are_of_packets():
  pictures = 1e9 + 0.1035 * np.arange(60) + 0.003
  packets = np.round(pictures, 2) + 0.004
  pictures += 0.004
  assert np.abs(packets - pictures).max() > 0.004
  np.testing.assert_allclose(kitti._steady(packets), pictures, atol=0.002)
  for stamps in (pictures, packets + (np.arange(60) > 30), packets[:3]):
    np.testing.assert_array_equal(kitti._steady(stamps), stamps)


def test_a_blank_line_shifts_no_stamp(drive, tmp_path):
  root = drive.original(tmp_path)
  write_stamps(
    root, 'image_02', np.where(np.arange(6) == 2, np.nan, drive.stamps)
  )
  with pytest.raises(logs.LogError, match=r'timestamps\.txt: .*nan at step 2'):
    kitti.read_raw(root)
  log = kitti.read_raw(root, num_lidar=16, start=3)
  np.testing.assert_allclose(log.times, drive.stamps[3:] - drive.stamps[3])


def test_who_is_never_there_is_nobody(drive, tmp_path):
  root = drive.original(tmp_path)
  whole = kitti.read_raw(root, num_lidar=16)
  rewrite(
    root / 'tracklet_labels.xml',
    '<tracklets>',
    '<tracklets>' + drive.box('Van', (2, 2, 5), 3, ''),
  )
  log = kitti.read_raw(root, num_lidar=16, num_agents=3)
  jax.tree.map(np.testing.assert_array_equal, log, whole)
  # The pedestrian is there at step 2 only.
  late = kitti.read_raw(root, num_lidar=16, start=3, num_agents=2)
  np.testing.assert_allclose(late.sizes, whole.sizes[:2])
  assert late.tracks.valid.all()
  first = kitti.read_raw(root, num_lidar=16, num_steps=1)
  assert len(first.sizes) == 1


def test_a_jump_is_named_with_its_file(drive, tmp_path):
  packet = drive.packets()
  for name, index, value, file in [
    (
      'fix',
      (3, slice(0, 2)),
      0,
      r'0000000003\.txt: oxts: step 3 is 4\.\d+e\+06',
    ),
    (
      'height',
      (2, 2),
      3000,
      r'0000000002\.txt: oxts: step 2 is 2883.95 m from',
    ),
    ('pole', (4, 0), 90, r'0000000004\.txt: oxts: latitude 90'),
  ]:
    (tmp_path / name).mkdir()
    root = drive.original(tmp_path / name)
    changed = packet.copy()
    changed[index] = value
    for step, row in enumerate(changed):
      (root / f'oxts/data/{step:010d}.txt').write_text(
        ' '.join(map(str, row.tolist()))
      )
    with pytest.raises(logs.LogError, match=file):
      kitti.read_raw(root, num_lidar=16)
  poses = drive.meta()['T_w_imu']
  poses[5:, 0, 3] += 50
  root = drive.compact(tmp_path, T_w_imu=poses)
  with pytest.raises(logs.LogError, match=r'meta\.npz: T_w_imu: step 5 is 5'):
    kitti.read_raw(root, num_lidar=16)


def test_boxes_are_found_in_the_lidar_only_where_there_are_no_tracklets(
  drive, tmp_path, monkeypatch
):
  calls = []

  def find(log, *rest):
    calls.append(rest)
    return log

  monkeypatch.setattr(moving, 'find', find)
  config = moving.Config(min_points=7)
  (tmp_path / 'boxes').mkdir()
  kitti.read_raw(drive.original(tmp_path / 'boxes'), motion=config)
  (tmp_path / 'none').mkdir()
  folder = drive.original(tmp_path / 'none', boxes=False)
  kitti.read_raw(folder, motion=None)
  assert not calls
  for root in (folder, drive.compact(tmp_path)):
    log = kitti.read_raw(
      root, num_lidar=16, num_agents=4, start=1, motion=config
    )
    assert log.sizes.shape[0] == 4
    origins, *rest = calls.pop()
    assert rest == [config, 4]
    # A sweep's first point is the pole, seen from where the lidar is.
    np.testing.assert_allclose(
      np.linalg.norm(log.lidar[:, 0] - origins, axis=-1),
      [np.linalg.norm(sweep[0]) for sweep in drive.sweeps[1:]],
      atol=5e-3,
    )


def rewrite(path, old, new):
  content = path.read_text()
  assert old in content
  path.write_text(content.replace(old, new, 1))


def truncated_png(drive, folder):
  root = drive.compact(folder)
  file = root / 'image_02/000003.png'
  file.write_bytes(file.read_bytes()[:-100])
  return root, ['image_02/000003.png', 'image', 'bytes do not decode']


def missing_frame(drive, folder):
  root = drive.original(folder)
  (root / 'image_02/data/0000000004.png').unlink()
  return root, ['image_02/data/0000000004.png', 'no such file']


def no_sweep_at_all(drive, folder):
  root = drive.compact(folder)
  for path in (root / 'velodyne').iterdir():
    path.unlink()
  return root, ['velodyne/000000.npz', 'no such file']


def nan_pose(drive, folder):
  poses = drive.meta()['T_w_imu']
  poses[3, 0, 3] = np.nan
  root = drive.compact(folder, T_w_imu=poses)
  return root, ['meta.npz', 'T_w_imu', 'nan at [3, 0, 3]']


def nan_packet(drive, folder):
  root = drive.original(folder)
  file = root / 'oxts/data/0000000002.txt'
  words = file.read_text().split()
  file.write_text(' '.join(['nan', *words[1:]]))
  return root, ['oxts/data/0000000002.txt', 'oxts', 'nan at [0]']


def zero_focal_length(drive, folder):
  drive.projections[2][0, 0] = 0
  root = drive.original(folder)
  return root, ['calib_cam_to_cam.txt', 'P_rect_02', 'focal length 0.0']


def negative_box(drive, folder):
  root = drive.original(folder)
  rewrite(root / 'tracklet_labels.xml', '<w>1.8</w>', '<w>-1.8</w>')
  return root, ['tracklet_labels.xml', 'Car 0', 'w: size -1.8 m']


def unknown_object(drive, folder):
  root = drive.original(folder)
  rewrite(root / 'tracklet_labels.xml', '>Car<', '>Elephant<')
  return root, ['tracklet_labels.xml', 'Elephant 0', 'objectType']


def broken_xml(drive, folder):
  root = drive.original(folder)
  rewrite(root / 'tracklet_labels.xml', '</tracklets>', '')
  return root, ['tracklet_labels.xml', 'tracklets', 'mismatched tag']


def no_lidar(drive, folder):
  root = drive.original(folder)
  (root / 'velodyne_points/data/0000000005.bin').write_bytes(b'')
  return root, ['0000000005.bin', 'lidar', 'no points']


def no_lidar_folder(drive, folder):
  root = drive.original(folder)
  (root / 'velodyne_points').rename(root / 'gone')
  return root, ['velodyne_points/data/0000000000.bin', 'no such file']


def times_out_of_order(drive, folder):
  drive.stamps[4] = drive.stamps[2]
  root = drive.original(folder)
  return root, ['image_02/timestamps.txt', 'times', 'step 4 at', 'not follow']


def times_with_a_gap(drive, folder):
  drive.stamps[3:] += 40
  root = drive.compact(folder)
  return root, ['meta.npz', 'times', 'step 3 at', 'is 40.102 s, not 0.1 s']


def too_many_agents(drive, folder):
  root = drive.original(folder)
  return root, ['tracklet_labels.xml', '3 agents, but the budget is 2']


def other_image_size(drive, folder):
  drive.image_size = (64, 32)
  root = drive.compact(folder)
  return root, ['image_02/000000.png', '32x16 pixels', 'for 64x32']


def not_a_drive(drive, folder):
  del drive
  return folder, ['data_dir', 'not a KITTI drive']


@pytest.mark.parametrize(
  'spoil',
  [
    truncated_png,
    missing_frame,
    no_sweep_at_all,
    nan_pose,
    nan_packet,
    zero_focal_length,
    negative_box,
    unknown_object,
    broken_xml,
    no_lidar,
    no_lidar_folder,
    times_out_of_order,
    times_with_a_gap,
    too_many_agents,
    other_image_size,
    not_a_drive,
  ],
)
def test_a_spoilt_drive_ends_in_one_line_and_writes_nothing(
  spoil, drive, tmp_path, capfd
):
  (tmp_path / 'in').mkdir()
  root, parts = spoil(drive, tmp_path / 'in')
  out = tmp_path / 'out'
  out.mkdir()

  def prepare():
    log = kitti.read_raw(root, num_agents=2 if spoil is too_many_agents else 3)
    builder.write([log], out / 'set', source=root)

  assert training.cli.guarded(prepare) == 1
  (line,) = capfd.readouterr().err.splitlines()
  assert line.startswith('error: ')
  for part in parts:
    assert part in line
  assert not list(out.iterdir())


def test_the_command_writes_what_it_read_and_overwrites_nothing(
  drive, tmp_path
):
  root = drive.original(tmp_path)
  words = [sys.executable, '-m', 'experiments.prepare', '--source=kitti']
  words += [f'--data_dir={root}', f'--out_dir={tmp_path}/set']
  words += ['--num_lidar=16', '--num_agents=5']
  first = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
  assert first.returncode == 0, first.stderr.decode()
  found = logs.read(tmp_path / 'set')
  assert found.name == '2011_09_26_drive_0099_sync'
  wanted = kitti.read_raw(root, num_lidar=16, num_agents=5)
  jax.tree.map(np.testing.assert_array_equal, found, wanted)

  before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'set').rglob('*')}
  second = subprocess.run(
    words, cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert second.returncode == 1
  assert second.stderr.splitlines() == [
    f'error: {tmp_path}/set: out_dir: holds something already'
  ]
  assert before == {
    p: p.stat().st_mtime_ns for p in (tmp_path / 'set').rglob('*')
  }


@pytest.fixture(scope='module')
def real():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  return kitti.read_raw(REAL, ('image_02', 'image_03'), motion=None)


def test_the_real_calibration_files_agree_with_the_compact_ones(real):
  calib = kitti._read_calib(REAL / 'calib_cam_to_cam.txt')
  velodyne = kitti._read_rigid(REAL / 'calib_velo_to_cam.txt')
  rectified = np.eye(4)
  rectified[:3, :3] = calib('R_rect_00', (3, 3))
  relative = []
  for index in (2, 3):
    projection = calib(f'P_rect_{index:02d}', (3, 4))
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    relative.append(shift @ rectified @ velodyne)
  with np.load(REAL / 'meta.npz') as meta:
    np.testing.assert_allclose(meta['T_cam_velo'][2:], relative, atol=1e-9)
  # image_03 sees the world 0.53 m to the right of image_02.
  between = real.camera_from_ego[1] @ np.linalg.inv(real.camera_from_ego[0])
  np.testing.assert_allclose(between[:3, 3], [-0.53, 0, 0], atol=0.01)


def test_the_real_drive_is_whole_and_stands_on_the_ground(real):
  assert real.images.shape == (108, 2, 120, 397, 3)
  ego = trees.take(real.tracks, (slice(None), 0))
  length = np.linalg.norm(np.diff(ego.xy, axis=0), axis=-1).sum()
  assert length == pytest.approx(107, abs=1)
  assert 4 < ego.speed.min() < ego.speed.max() < 14
  for step in (0, 40, 80):
    points = real.lidar[step][real.lidar_valid[step]]
    # A strip of the road ahead, where only the road is low.
    ahead = geometry.rotate_2d(points[:, :2] - ego.xy[step], -ego.yaw[step])
    near = (ahead[:, 0] > 3) & (ahead[:, 0] < 9) & (np.abs(ahead[:, 1]) < 1.5)
    ground = ego.z[step] - kitti.EGO_SIZE[2] / 2
    assert np.median(points[near, 2]) == pytest.approx(ground, abs=0.15)


def test_the_real_car_does_not_lurch(real):
  places = real.tracks.xy[:, 0].astype(float)
  speed = np.linalg.norm(np.diff(places, axis=0), axis=-1) / 0.1
  # As stamped, every third step or so is a tenth longer.
  assert np.abs(np.diff(speed)).max() < 0.3


def test_the_real_road_reaches_to_its_kerb_and_to_parked_cars(real):
  lane, (left, right) = real.map.lanes.xy[0], real.map.boundaries.xy
  driven = slice(20, 90)
  to_right, to_left = (
    np.linalg.norm(edge - lane, axis=-1)[driven] for edge in (right, left)
  )
  # A tram runs on the right; side streets make it wider.
  assert np.median(to_right) == pytest.approx(8.5, abs=0.5)
  assert np.median(to_left) == pytest.approx(8, abs=0.5)
  assert min(to_right.min(), to_left.min()) > 6.5


def test_colours_carried_by_real_lidar_beat_the_copy_of_the_frame_before(real):
  """The floor that any reconstruction has to pass.

  Points coloured in the frames beside a held-out one, projected into it.
  """

  def project(step, points):
    camera = jax.tree.map(lambda x: x[step, 0], real.cameras)
    pixels, depth = map(np.asarray, geometry.project(camera, points))
    column, row = np.floor(pixels).astype(int).T
    seen = (depth > 0.5) & (column >= 0) & (column < 397)
    seen &= (row >= 0) & (row < 120)
    column, row, depth = column[seen], row[seen], depth[seen]
    nearest = np.full((120, 397), np.inf)
    np.minimum.at(nearest, (row, column), depth)
    front = depth < nearest[row, column] + 0.5
    return np.flatnonzero(seen)[front], row[front], column[front]

  error = before = count = 0
  images = real.images[:, 0].astype(np.float64)
  for step in range(4, 108, 16):
    points, colours = [], []
    for other in (step - 1, step + 1):
      sweep = real.lidar[other][real.lidar_valid[other]]
      index, row, column = project(other, sweep)
      points.append(sweep[index])
      colours.append(images[other][row, column])
    points, colours = np.concatenate(points), np.concatenate(colours)
    index, row, column = project(step, points)
    total, weight = np.zeros((120, 397, 3)), np.zeros((120, 397, 1))
    np.add.at(total, (row, column), colours[index])
    np.add.at(weight, (row, column), 1)
    covered = weight[..., 0] > 0
    estimate = total[covered] / weight[covered]
    error += ((estimate - images[step][covered]) ** 2).sum()
    before += ((images[step - 1] - images[step])[covered] ** 2).sum()
    count += 3 * covered.sum()
  psnr = 10 * np.log10(255**2 * count / np.array([error, before]))
  assert psnr[0] > 23  # misplaced by a step, it is below 19
  assert psnr[1] == pytest.approx(17.9, abs=0.5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
