# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Waymo Open Motion: a made-up scene of known content, and recorded ones."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from data_pipelines import archive
from data_pipelines import traffic
from data_pipelines import womd
from rdrl import geometry
from rdrl import logs
from rdrl import types

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'womd_scenes'


def test_who_is_where(fake_archive, tmp_path):
  log = womd.read(fake_archive.write(tmp_path, 'abc'))
  assert log.name == 'abc'
  # The ego comes first, the others in the order of the file.
  np.testing.assert_allclose(log.tracks.xy[0, :, 0], [0, 30, 60, 0])
  np.testing.assert_allclose(log.tracks.xy[-1, 0], [8 * 1.1, 0], atol=1e-5)
  np.testing.assert_allclose(log.tracks.speed[0], [8, 10, 0, 0], atol=1e-5)
  np.testing.assert_allclose(np.cos(log.tracks.yaw[0, :3]), [1, -1, 1])
  assert log.classes.tolist() == [1, 1, 1, types.PEDESTRIAN]
  np.testing.assert_array_equal(log.tracks.valid[:, 3], np.arange(12) >= 4)
  np.testing.assert_allclose(log.tracks.z[:, :3], 20.8)
  np.testing.assert_allclose(log.sizes[0], [4.8, 2.1, 1.6])
  # A size that the archive does not tell is that of its class.
  np.testing.assert_allclose(log.sizes[2], archive.USUAL_SIZES[types.VEHICLE])
  np.testing.assert_allclose(np.diff(log.times), types.TIME_STEP)


def test_headings_in_degrees_and_boxes_without_heights(fake_archive, tmp_path):
  fields = fake_archive.fields
  fields['heading'] = np.degrees(fields['heading'])
  fields['xyz'][..., 2] = np.nan
  log = womd.read(fake_archive.write(tmp_path))
  np.testing.assert_allclose(np.cos(log.tracks.yaw[0, :3]), [1, -1, 1])
  np.testing.assert_allclose(log.tracks.z[0, 0], log.sizes[0, 2] / 2)


def test_motion_tells_the_unit_of_headings(fake_archive, tmp_path):
  heading = fake_archive.fields['heading']
  # Twice round, which is no degrees though beyond a turn.
  heading[1] = 0.5 + 4 * np.pi
  log = womd.read(fake_archive.write(tmp_path, 'turned'))
  np.testing.assert_allclose(np.cos(log.tracks.yaw[0, :2]), [1, -1])
  assert log.tracks.yaw[0, 2] == pytest.approx(0.5, abs=1e-5)
  # A road due east in degrees, none beyond a turn.
  heading[:] = 5.0
  fake_archive.fields['xyz'][0, :, :2] += [40, 0] - 2 * (
    fake_archive.fields['xyz'][0, :, :2] - [30, 3]
  )
  fake_archive.fields['vel'][0] *= -1
  log = womd.read(fake_archive.write(tmp_path, 'degrees'))
  np.testing.assert_allclose(log.tracks.yaw[:, :3], np.deg2rad(5), atol=1e-6)
  np.testing.assert_allclose(log.tracks.speed[0, :2], [8, 10], atol=0.1)
  heading[:] = 65.0
  path = fake_archive.write(tmp_path, 'neither')
  with pytest.raises(logs.LogError, match='heading: 124 degrees off the way'):
    womd.read(path)


def test_one_that_backs_up_alone_is_no_mistake(fake_archive, tmp_path):
  fields = fake_archive.fields
  for name in ('xyz', 'heading', 'vel', 'valid', 'dims', 'type'):
    fields[name] = fields[name][3:]
  fields['heading'][:] = np.pi
  log = womd.read(fake_archive.write(tmp_path))
  np.testing.assert_allclose(log.tracks.speed, -8, atol=1e-4)


def test_far_from_the_origin_nothing_is_rounded(fake_archive, tmp_path):
  expected = womd.read(fake_archive.write(tmp_path, 'near'))
  fields = fake_archive.fields
  far = np.array([6.6e5, 4e6, 0])
  fields['xyz'] = fields['xyz'].astype(float) + far
  fields['road_xyz'] = fields['road_xyz'] + far
  fields['origin'] = fields['origin'] - far[:2]
  log = womd.read(fake_archive.write(tmp_path, 'far'))
  np.testing.assert_allclose(log.tracks.xy, expected.tracks.xy, atol=1e-6)
  for name in logs.shapes.MAP_LINES:
    np.testing.assert_allclose(
      getattr(log.map, name).xy, getattr(expected.map, name).xy, atol=1e-5
    )
  fields['xyz'] = fields['xyz'].astype(np.float32)
  with pytest.raises(logs.LogError, match=r'xyz: float32 at 4e\+06 m'):
    womd.read(fake_archive.write(tmp_path, 'rounded'))


def test_velocities_that_are_none_come_from_positions(fake_archive, tmp_path):
  velocity = fake_archive.fields['vel']
  velocity[3, 5] = np.nan
  log = womd.read(fake_archive.write(tmp_path, 'hole'))
  np.testing.assert_allclose(log.tracks.speed[:, 0], 8, atol=1e-4)
  velocity *= 3.6
  log = womd.read(fake_archive.write(tmp_path, 'kilometres'))
  np.testing.assert_allclose(log.tracks.speed[:, 0], 8, atol=1e-4)
  np.testing.assert_allclose(log.tracks.speed[:, 1], 10, atol=1e-4)


def test_steps_that_are_too_long_are_halved_or_refused(fake_archive, tmp_path):
  fields = fake_archive.fields
  fields['ts'] = 5 + 0.2 * np.arange(12)
  log = womd.read(fake_archive.write(tmp_path, 'slow'))
  np.testing.assert_allclose(log.times, 5 + 0.1 * np.arange(23))
  # 0.8 m in 0.2 s, and a velocity of 8 m/s that cannot be.
  np.testing.assert_allclose(log.tracks.xy[:, 0, 0], 0.4 * np.arange(23))
  np.testing.assert_allclose(log.tracks.speed[:, 0], 4, atol=1e-4)
  # Seen from step 4 of the file on, and so are lights.
  np.testing.assert_array_equal(log.tracks.valid[:, 3], np.arange(23) >= 8)
  assert log.map.lights[[8, 9, 10], 0].tolist() == [
    types.LIGHT_STOP,
    types.LIGHT_STOP,
    types.LIGHT_GO,
  ]
  fields['ts'] = 0.1 * np.arange(12) + np.where(np.arange(12) > 6, 1.0, 0)
  path = fake_archive.write(tmp_path, 'gap')
  with pytest.raises(logs.LogError) as caught:
    womd.read(path)
  assert f'{path}: times: step 7 at 1.7 s is 1.1 s after step 6' in str(
    caught.value
  )
  # What comes before is sound.
  log = womd.read(path, traffic.Options(num_steps=7))
  np.testing.assert_allclose(log.times, 0.1 * np.arange(7))


@pytest.mark.parametrize('step', [1, 6, 11])
@pytest.mark.parametrize('jump', [1.5, 3000.0])
def test_an_ego_that_jumps_is_refused(fake_archive, tmp_path, step, jump):
  fake_archive.fields['xyz'][3, step:, 1] += jump
  path = fake_archive.write(tmp_path)
  with pytest.raises(
    logs.LogError, match=rf'{path}: xyz: .*ego.* step.* {step}'
  ):
    womd.read(path)


def test_scenarionet_has_other_words_for_the_same(fake_archive, tmp_path):
  expected = womd.read(fake_archive.write(tmp_path, 'one'))
  log = womd.read(fake_archive.scenarionet().write(tmp_path, 'other'))
  jax.tree.map(np.testing.assert_array_equal, log.map, expected.map)
  names = fake_archive.fields['road_type_names']
  names[0] = 'LANE_BIKE_LANE'
  log = womd.read(fake_archive.write(tmp_path, 'bikes'))
  # No lane for cars: that of the ego.
  np.testing.assert_allclose(log.map.lanes.xy[0, :, 1], 0, atol=1e-5)
  fake_archive.fields['road_type_names'] = np.array([f'x{i}' for i in range(6)])
  path = fake_archive.write(tmp_path, 'strange')
  with pytest.raises(logs.LogError, match=r'road_type_names: .* all unknown'):
    womd.read(path)


def test_lights_are_states_of_all_steps_or_of_some(fake_archive, tmp_path):
  place = (fake_archive.ORIGIN + np.array([10, 0])).tolist()
  colours = ['TRAFFIC_LIGHT_RED'] * 5 + [None] + ['TRAFFIC_LIGHT_GREEN'] * 6
  light = {'stop_point': [*place, 0], 'state': {'object_state': colours}}
  lights = {'7': light, '8': {'state': ['go'] * 12}}
  fake_archive.fields['tl'] = np.array(json.dumps(lights))
  log = womd.read(fake_archive.write(tmp_path, 'colours'))
  stop, go = types.LIGHT_STOP, types.LIGHT_GO
  expected = [*[stop] * 5, types.LIGHT_UNKNOWN, *[go] * 6]
  assert log.map.lights.T.tolist() == [expected]
  light['state'] = colours[:11]
  fake_archive.fields['tl'] = np.array(json.dumps(lights))
  with pytest.raises(
    logs.LogError, match=r'light 7: state: 11, but .* 12 steps'
  ):
    womd.read(fake_archive.write(tmp_path, 'short'))


def test_without_a_map_the_ego_has_its_own_way(fake_archive, tmp_path):
  fields = fake_archive.fields
  fields['road_xyz'] = np.zeros((0, 3))
  fields['road_id'] = fields['road_type'] = np.zeros(0, int)
  log = womd.read(fake_archive.write(tmp_path))
  for place in log.tracks.xy[:, 0]:
    assert logs.polygon_mask(log.map.drivable, (1, 1), place, 1.0)[0, 0]
  assert log.map.lanes.valid.any() and not log.map.boundaries.valid.any()


def test_the_map_says_where_to_drive(fake_archive, tmp_path):
  log = womd.read(fake_archive.write(tmp_path))
  lane_map = log.map
  assert lane_map.lanes.valid.any(1).sum() == 2
  first = lane_map.lanes.xy[0][lane_map.lanes.valid[0]]
  np.testing.assert_allclose(first, [[-80, 0], [120, 0]], atol=1e-5)
  assert lane_map.crosswalks.valid.sum() == 4
  scene = logs.geometric_scene(log)
  y = np.linspace(-6, 9, 40)
  found = geometry.sample_grid(
    scene.drivable, np.stack([np.full(40, 5.0), y], -1)
  )
  # From the edge on the right to that on the left.
  np.testing.assert_allclose(found, np.minimum(y + 2.5, 5.5 - y), atol=0.4)
  driveway = geometry.sample_grid(scene.drivable, np.array([44.0, -8]))
  assert 2 < driveway < 4.5


def test_without_edges_lanes_are_strips():
  lane = np.array([[0.0, 0], [30, 0]])
  low, high = np.array([-10.0, -10]), np.array([40.0, 10])
  (outline,) = womd.drivable_area([], [lane], [], low, high)
  # A strip of 3 m and half a disk at either end.
  area = 30 * 2 * womd._STRIP + np.pi * womd._STRIP**2
  assert traffic.signed_area(outline) == pytest.approx(area, rel=0.02)
  assert womd.drivable_area([], [], [], low, high) == []


def test_lights_stand_at_the_lane_and_show_what_is_most_permissive(
  fake_archive, tmp_path
):
  lane_map = womd.read(fake_archive.write(tmp_path)).map
  # Two lanes part there, which is one line, across the lane.
  assert lane_map.stop_lines.valid.shape[0] == 1
  half = traffic.LANE_WIDTH / 2
  np.testing.assert_allclose(
    lane_map.stop_lines.xy[0], [[10, half], [10, -half]], atol=1e-4
  )
  go, stop, unknown = (
    types.LIGHT_GO,
    types.LIGHT_STOP,
    types.LIGHT_UNKNOWN,
  )
  expected = [unknown, *[stop] * 4, *[go] * 7]
  assert lane_map.lights[:, 0].tolist() == expected


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('sdc', np.int64(9), 'sdc: 9, but there are 4 agents'),
    ('heading', np.zeros((4, 3)), r'heading: shape \(4, 3\) is not'),
    ('origin', None, 'origin: missing'),
    ('road_type', np.full(8, 9), 'road_type: 9 at 0 is not one of 6'),
    ('road_id', -1, 'road_id: -1 at 0'),
    ('tl', np.array('{'), 'tl: '),
    ('tl', np.array('[]'), "tl: '.*' is no object"),
    ('ts', np.zeros(3), r'ts: shape \(3,\) is not'),
    ('ts', np.zeros(12), 'times: step 1 at 0 s is 0 s after step 0'),
  ],
)
def test_a_wrong_field_is_named(fake_archive, tmp_path, field, value, message):
  fields = fake_archive.fields
  if value is None:
    del fields[field]
  elif field == 'road_id':
    fields[field] = np.full_like(fields[field], value)
  else:
    fields[field] = value
  path = fake_archive.write(tmp_path)
  with pytest.raises(logs.LogError, match=message) as caught:
    womd.read(path)
  assert str(caught.value).startswith(str(path))
  assert '\n' not in str(caught.value)


def test_wrong_numbers_and_lights_are_named(fake_archive, tmp_path):
  lights = fake_archive.lights({7: 'blue'})
  fake_archive.fields['tl'] = np.array(json.dumps(lights))
  with pytest.raises(logs.LogError, match="light 7: state: 'blue' is not one"):
    womd.read(fake_archive.write(tmp_path))
  lights['7']['time_index'][0] = 99
  fake_archive.fields['tl'] = np.array(json.dumps(lights))
  with pytest.raises(logs.LogError, match='light 7: time_index: 11 for 11'):
    womd.read(fake_archive.write(tmp_path))
  fake_archive.fields['xyz'][1, 5, 0] = np.inf
  with pytest.raises(logs.LogError, match=r'xyz: inf at \[1, 5, 0\]'):
    womd.read(fake_archive.write(tmp_path))
  spoilt = tmp_path / 'spoilt.npz'
  spoilt.write_bytes(b'PK nothing')
  with pytest.raises(logs.LogError, match=r'spoilt\.npz: cannot be read'):
    womd.read(spoilt)
  with pytest.raises(logs.LogError, match=r'no .npz is there'):
    archive.recordings(tmp_path / 'nowhere')


@pytest.mark.slow
def test_the_command_writes_what_is_read(fake_archive, tmp_path):
  path = fake_archive.write(tmp_path, 'one')
  command = [sys.executable, '-m', 'experiments.prepare', '--source=womd']
  command += [f'--data_dir={tmp_path}', f'--out_dir={tmp_path / "out"}']
  done = subprocess.run(
    [*command, '--num_agents=3'],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
  )
  assert done.returncode == 0, done.stderr
  found = logs.read(tmp_path / 'out')
  expected = womd.read(path, traffic.Options(num_agents=3))
  np.testing.assert_array_equal(found.tracks.xy, expected.tracks.xy)
  done = subprocess.run(
    [*command, '--logs=two'],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
  )
  assert done.returncode != 0
  assert "logs: 'two' is not one of ['one']" in done.stderr


@pytest.fixture(scope='module')
def real():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  return sorted(REAL.glob('*.npz'))


def _facts(path):
  """Metres: least from the ego's middle to the road's edge; how it jumps."""
  log = womd.read(path)
  scene = logs.geometric_scene(log)
  xy = log.tracks.xy[:, 0]
  edge = np.asarray(geometry.sample_grid(scene.drivable, xy)).min()
  moved = np.linalg.norm(np.diff(xy, axis=0), axis=-1)
  wrong = moved - types.TIME_STEP * np.abs(log.tracks.speed[1:, 0])
  return edge, np.median(np.abs(wrong)), log


def test_recorded_egos_drive_on_the_road(real):
  assert len(real) >= 3
  for path in real[1:3]:
    edge, wrong, log = _facts(path)
    assert edge > 1 and wrong < 0.05
    assert log.map.lights.max() == types.LIGHT_STOP


@pytest.mark.slow
def test_all_recorded_egos_drive_on_the_road(real):
  assert len(real) == 78
  for path in real:
    edge, wrong, _ = _facts(path)
    assert edge > 0.5 and wrong < 0.05, path.name


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
