# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Every mistake in a log is one line that names file, field and value."""

import sys

import numpy as np
import pytest

from rdrl import logs
from rdrl import types


def put(log, path, index, value):
  """`log` with one element of the array at a dotted path replaced."""
  first, _, rest = path.partition('.')
  child = getattr(log, first)
  if rest:
    return log.replace(**{first: put(child, rest, index, value)})
  child = np.array(child)
  child[index] = value
  return log.replace(**{first: child})


def test_a_sound_log_passes(log):
  logs.validate(log, 'here')
  logs.validate(logs.pad_agents(log, 7), 'here')


@pytest.mark.parametrize(
  ('path', 'index', 'value', 'message'),
  [
    ('cameras.camera_from_world', (3, 1, 0, 3), np.nan, 'nan at [3, 1, 0, 3]'),
    ('cameras.camera_from_world', (2, 0, 0, 1), 0.5, 'not orthonormal, off by'),
    ('camera_from_ego', (1, 0), [0, 1, 0, 0], '[1] is a reflection'),
    ('camera_from_ego', (0, 3, 3), 2.0, 'last row at [0] is'),
    ('cameras.intrinsics', (4, 1, 0, 0), 0.0, 'focal length 0.0 at'),
    ('cameras.intrinsics', (0, 0, 1, 1), -5.0, 'focal length -5.0 at'),
    ('times', 2, 0.1, 'step 2 at 0.1 s does not follow'),
    ('times', 2, np.inf, 'inf at [2]'),
    ('tracks.xy', (1, 2, 0), np.nan, 'nan at [1, 2, 0]'),
    ('tracks.yaw', (1, 0), np.inf, 'inf at [1, 0]'),
    ('tracks.valid', (3, 0), False, 'the ego is missing at step 3'),
    ('sizes', (2, 1), -1.5, '-1.5 m of agent 2 is not positive'),
    ('sizes', (0, 0), 0.0, '0.0 m of agent 0 is not positive'),
    ('classes', 1, 9, '9 of agent 1 is not one of'),
    ('lidar_valid', slice(None), False, 'no lidar points at any step'),
    ('map.lanes.xy', (0, 5, 1), np.nan, 'nan at [0, 5, 1]'),
    ('map.lanes.valid', (0, 5), False, 'row 0 is valid at point 6'),
    ('map.lane_width', 0, np.nan, 'nan at [0]'),
    ('map.lane_width', 0, 0.0, '0.0 m of lane 0 is not positive'),
    ('map.lane_width', 0, -1.0, '-1.0 m of lane 0 is not positive'),
    ('map.lane_width', 0, 1e30, 'e+30 at [0], expected at most 100'),
    ('map.lanes.xy', (0, 5, 1), 1e30, 'at [0, 5, 1], expected at most 100000'),
    ('camera_from_ego', (0, 0, 3), 1e30, 'at [0, 0, 3], expected at most'),
    ('cameras.camera_from_world', (0, 0, 2, 3), -1e30, 'at [0, 0, 2, 3]'),
    ('cameras.intrinsics', (0, 0, 0, 0), 1e30, 'at [0, 0, 0, 0], expected'),
    ('cameras.intrinsics', (1, 0, 2, 2), 2.0, 'last row at [1, 0] is'),
    ('cameras.intrinsics', (1, 0, 2, 0), 0.1, 'last row at [1, 0] is'),
    ('times', slice(1, None), 1e300, '1e+300 at [1], expected at most'),
    (
      'times',
      slice(None),
      1e-300 * np.arange(5),
      'step 1 at 1e-300 s is 1e-300 s, not',
    ),
    ('times', slice(3, None), [1.5, 1.6], 'step 3 at 1.5 s is 0.966667 s, not'),
    (
      'times',
      slice(None),
      0.12 * np.arange(5),
      'steps 0 to 4 are 0.12 s long in the mean',
    ),
    ('tracks.xy', (1, 2, 0), 1e30, 'at [1, 2, 0], expected at most 100000'),
    ('tracks.z', (1, 2), -1e6, 'at [1, 2], expected at most'),
    ('tracks.yaw', (1, 2), 1e30, 'at [1, 2], expected at most'),
    ('tracks.speed', (1, 2), -1e30, 'at [1, 2], expected at most'),
    ('sizes', (1, 0), np.inf, 'inf at [1, 0], expected at most 1000'),
    ('sizes', (1, 0), 1e30, 'at [1, 0], expected at most 1000'),
    ('lidar', (0, slice(None), 0), 1e30, 'expected at most 100000'),
  ],
)
def test_a_wrong_value_is_named(log, path, index, value, message):
  wrong = put(log, path, index, value)
  with pytest.raises(logs.LogError) as caught:
    logs.validate(wrong, 'drive.npz')
  text = str(caught.value)
  field = path.removesuffix('.xy').removesuffix('.valid')
  assert text.startswith(f'drive.npz: {field}')
  assert message in text
  assert '\n' not in text


NOT_OF_FILES = [
  '',
  '.',
  '..',
  '../../evil',
  '/etc/evil',
  'a/b',
  'a\\b',
  'C:evil',
  '.hidden',
  'dot.',
  'blank ',
  'a\0b',
  'a\nb',
  'bell\a',
  'half \ud800',
  'NUL',
  'com1.log',
  'what?',
  'x' * 5000,
  '\u00e4' * 101,
]


@pytest.mark.parametrize('name', NOT_OF_FILES)
def test_a_name_that_no_file_can_have_is_refused(log, name):
  with pytest.raises(logs.LogError) as caught:
    logs.validate(log.replace(name=name), 'here')
  text = str(caught.value)
  assert text.startswith('here: name: ') and '\n' not in text
  assert len(text) < 200 and text.isprintable()


@pytest.mark.parametrize(
  'name', ['world-7', 'scene (1) \u00e4', 'console', 'a.b']
)
def test_a_name_that_a_file_can_have_passes(log, name, tmp_path):
  logs.validate(log.replace(name=name), 'here')
  (tmp_path / name).mkdir()
  assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
  ('path', 'dtype'),
  [
    ('tracks.valid', np.int32),
    ('lidar_valid', np.float32),
    ('map.lanes.valid', np.uint8),
    ('tracks.xy', np.complex64),
    ('times', 'U8'),
    ('classes', np.float32),
    ('sizes', object),
  ],
)
def test_another_type_is_named(log, path, dtype):

  def change(part, path):
    first, _, rest = path.partition('.')
    child = getattr(part, first)
    child = change(child, rest) if rest else np.asarray(child).astype(dtype)
    return part.replace(**{first: child})

  field = path.removesuffix('.valid') if 'lanes' in path else path
  with pytest.raises(logs.LogError, match=f'here: {field}: of type '):
    logs.validate(change(log, path), 'here')


def test_a_nan_where_nothing_is_valid_is_no_mistake(log):
  log = put(log, 'tracks.valid', (2, 1), False)
  log = put(log, 'tracks.xy', (2, 1), np.nan)
  log = put(log, 'lidar_valid', (1, 0), False)
  logs.validate(put(log, 'lidar', (1, 0), np.nan), 'here')


def test_a_step_without_lidar_is_none_at_all(log):
  logs.validate(put(log, 'lidar_valid', 4, False), 'here')


def test_a_negative_size_of_padding_is_a_mistake(log):
  padded = logs.pad_agents(log, 5)
  with pytest.raises(logs.LogError, match='agent 4'):
    logs.validate(put(padded, 'sizes', (4, 2), -1), 'here')


@pytest.mark.parametrize(
  ('field', 'message'),
  [
    ('images', r'images: .* is not uint8'),
    ('lidar', r'lidar: no points'),
    ('times', r'times: shape \(4,\) is not \(5,\)'),
    ('sizes', r'tracks.xy: shape \(5, 3, 2\) is not \(5, 2, 2\)'),
  ],
)
def test_a_wrong_shape_is_named_with_the_right_one(log, field, message):
  changed = {
    'images': log.images.astype(np.float32),
    'lidar': log.lidar[:, :0],
    'times': log.times[1:],
    'sizes': log.sizes[1:],
  }
  with pytest.raises(logs.LogError, match=f'^here: {message}'):
    logs.validate(log.replace(**{field: changed[field]}), 'here')


def test_intrinsics_of_other_images_are_refused(log):
  wrong = log.replace(cameras=log.cameras.replace(width=99))
  with pytest.raises(logs.LogError, match='99x8 pixels, but the images have'):
    logs.validate(wrong, 'here')


def test_neither_cameras_nor_lidar_are_needed(log, without_sensors):
  logs.validate(without_sensors(log), 'here')
  with pytest.raises(logs.LogError, match=r'images: shape .* is empty'):
    logs.validate(log.replace(images=log.images[:, :, :0]), 'here')


@pytest.mark.parametrize(
  ('lights', 'message'),
  [
    (np.zeros((5, 2), int), r'map.lights: shape \(5, 2\) is not \(5, 1\)'),
    (np.full((5, 1), 4), r'map.lights: 4 at \[step, line\] \[0, 0\]'),
  ],
)
def test_lights_are_those_of_the_stop_lines(log, lights, message):
  lit = log.map.replace(lights=np.full((5, 1), types.LIGHT_STOP))
  logs.validate(log.replace(map=lit), 'here')
  with pytest.raises(logs.LogError, match=message):
    logs.validate(log.replace(map=log.map.replace(lights=lights)), 'here')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
