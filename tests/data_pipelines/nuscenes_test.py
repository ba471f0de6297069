# Copyright 2026 The rdrl Authors. Apache-2.0.
"""nuScenes: what its archives have of their own is undone."""

import os
import pathlib
import sys

import numpy as np
import pytest

from data_pipelines import archive
from data_pipelines import nuscenes
from rdrl import geometry
from rdrl import logs
from rdrl import types

ROOT = pathlib.Path(__file__).parents[2]
REAL = (
  ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'nuscenes_mini_tracks'
)


@pytest.fixture
def scene(fake_archive):
  """The made-up scene with lanes, outlines and an ego as nuScenes has them."""
  fields = fake_archive.fields
  fields['tl'] = np.array('{}')
  fields['dims'][3] = [1.8, 4.1, 1.6]
  fields['xyz'][3, :, 2] = 0
  # Velocities are zero at the last step.
  fields['vel'][:, -1] = 0
  outer = np.array([[-70, -3], [90, -3], [90, 9], [-70, 9], [-70, -3.0]])
  island = np.array([[40, 6], [60, 6], [60, 8], [40, 8], [40, 6.0]])
  lane = np.stack([np.linspace(-60, 80, 30), np.zeros(30)], -1)
  lines = [(0, outer), (0, island), (3, lane)]
  fields['road_xyz'] = np.concatenate(
    [np.c_[line, np.zeros(len(line))] for _, line in lines]
  )
  fields['road_id'] = np.repeat(np.arange(3), [5, 5, 30])
  fields['road_type'] = np.array([0, 0, 3])
  fields['road_type_names'] = np.array(
    [
      'ROAD_LINE_SOLID_SINGLE_WHITE',
      'ROAD_LINE_BROKEN_SINGLE_WHITE',
      'ROAD_LINE_SOLID_SINGLE_YELLOW',
      'LANE_SURFACE_STREET',
    ]
  )
  return fake_archive


def test_the_ego_is_moved_to_the_middle_of_its_box(scene, tmp_path):
  log = nuscenes.read(scene.write(tmp_path))
  ahead = nuscenes.MIDDLE_AHEAD_OF_REAR_AXLE
  np.testing.assert_allclose(log.tracks.xy[0, 0], [ahead, 0], atol=1e-5)
  np.testing.assert_allclose(log.tracks.xy[0, 1], [30, 3])
  np.testing.assert_allclose(log.sizes[0], [4.1, 1.8, 1.6])
  np.testing.assert_allclose(log.tracks.z[:, 0], 0.8)
  np.testing.assert_allclose(log.tracks.speed[:, 0], 8, atol=1e-4)
  np.testing.assert_allclose(log.tracks.speed[:, 1], 10, atol=1e-4)


def test_an_island_is_a_hole_of_the_drivable_area(scene, tmp_path):
  log = nuscenes.read(scene.write(tmp_path))
  drivable = logs.geometric_scene(log, margin=60).drivable
  for point, inside in (
    ((20.0, 5.0), True),
    ((50.0, 7.0), False),
    ((50.0, 4.0), True),
    ((20.0, -5.0), False),
  ):
    found = geometry.sample_grid(drivable, np.array(point))
    assert (found > 0) == inside, point
  assert log.map.lights is None


def test_an_ego_that_jumps_back_ends_the_log_and_not_one_that_brakes(
  scene, tmp_path
):
  xyz = scene.fields['xyz']
  time = 0.1 * np.arange(12)
  xyz[3, :, 0] = 8 * time - 4 * time**2
  assert len(nuscenes.read(scene.write(tmp_path)).times) == 12
  xyz[3, 9:, 0] -= 2
  assert len(nuscenes.read(scene.write(tmp_path)).times) == 9


def test_velocities_that_nobody_uses_may_be_anything(scene, tmp_path):
  expected = nuscenes.read(scene.write(tmp_path, 'one'))
  scene.fields['vel'][1, 5] = np.nan
  scene.fields['vel'][2] = 1e30
  log = nuscenes.read(scene.write(tmp_path, 'other'))
  np.testing.assert_array_equal(log.tracks.speed, expected.tracks.speed)


def test_headings_in_degrees_are_turned_back(scene, tmp_path):
  expected = nuscenes.read(scene.write(tmp_path, 'one'))
  scene.fields['heading'] = np.degrees(scene.fields['heading'])
  log = nuscenes.read(scene.write(tmp_path, 'other'))
  np.testing.assert_allclose(log.tracks.xy, expected.tracks.xy, atol=1e-5)
  np.testing.assert_allclose(np.cos(log.tracks.yaw[0, :2]), [1, -1])


def test_keyframes_alone_are_joined_and_a_gap_is_named(scene, tmp_path):
  scene.fields['ts'] = 0.5 * np.arange(12)
  log = nuscenes.read(scene.write(tmp_path, 'one'))
  assert len(log.times) == 56
  # 0.8 m in half a second.
  np.testing.assert_allclose(log.tracks.speed[:, 0], 1.6, atol=1e-4)
  scene.fields['ts'][1:] += 0.5
  path = scene.write(tmp_path, 'other')
  with pytest.raises(logs.LogError, match='times: step 1 at 1 s is 1 s after'):
    nuscenes.read(path)


def test_an_ego_that_jumps_in_the_middle_is_refused(scene, tmp_path):
  for name in ('xyz', 'heading', 'vel', 'valid'):
    scene.fields[name] = np.repeat(scene.fields[name], 3, 1)
  fields = scene.fields
  fields['xyz'][:, :, 0] = fields['xyz'][:, :1, 0] + 0.3 * np.arange(36)
  fields['xyz'][3, 12:, 0] -= 2
  fields['valid'][2] = False
  fields['heading'][:] = 0
  path = scene.write(tmp_path)
  with pytest.raises(logs.LogError, match='xyz: the ego jumps by 2 m between'):
    nuscenes.read(path)


def test_an_outline_in_pieces_is_put_together(scene, tmp_path):
  expected = nuscenes.read(scene.write(tmp_path, 'one'))
  fields = scene.fields
  points = fields['road_xyz'][:5]
  # Its first side, two of the others the other way round, and the last.
  fields['road_xyz'] = np.concatenate(
    [points[:2], points[1:4][::-1], points[3:], fields['road_xyz'][5:]]
  )
  fields['road_id'] = np.repeat(np.arange(5), [2, 3, 2, 5, 30])
  fields['road_type'] = np.array([0, 0, 0, 0, 3])
  log = nuscenes.read(scene.write(tmp_path, 'other'))
  found, wanted = (
    np.asarray(logs.geometric_scene(x).drivable.values) for x in (log, expected)
  )
  np.testing.assert_allclose(found, wanted, atol=0.1)
  fields['road_type'][1:3] = 1
  path = scene.write(tmp_path, 'third')
  with pytest.raises(logs.LogError, match='the ego is in none of them'):
    nuscenes.read(path)


def test_a_map_of_another_data_set_is_named(fake_archive, tmp_path):
  with pytest.raises(logs.LogError, match='no LANE_SURFACE_STREET among'):
    nuscenes.read(fake_archive.write(tmp_path))


@pytest.fixture(scope='module')
def real():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  return sorted(archive.recordings(REAL).values())


def test_recorded_egos_drive_on_the_road(real):
  assert len(real) == 10
  for path in real[:2]:
    log = nuscenes.read(path)
    scene = logs.geometric_scene(log)
    xy = log.tracks.xy[:, 0]
    assert np.asarray(geometry.sample_grid(scene.drivable, xy)).min() > 1
    moved = np.linalg.norm(np.diff(xy, axis=0), axis=-1)
    wrong = moved - types.TIME_STEP * log.tracks.speed[1:, 0]
    # Annotations at 2 Hz are joined by straight lines.
    assert np.median(np.abs(wrong)) < 0.05


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
