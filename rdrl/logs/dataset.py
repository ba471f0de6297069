# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Prepared logs: TFDS `array_record` data sets, read without TensorFlow.

A folder holds two data sets. `logs` has one small record per log: what does not
change with time, and where its steps are. `steps` has one record per time step,
those of a log in order one after another. So thousands of logs fit, no record
outgrows a protocol buffer's 2 GB, and any step can be had at random. The data
sets are plain TFDS, and may be read by its other loaders.

Arrays are stored as raw bytes, exactly; images as PNG bytes in a `Text`
feature, for the `Image` feature needs TensorFlow.
"""

import contextlib
import pathlib

import jax
import numpy as np
import tqdm

from rdrl import types
from rdrl.logs import checks
from rdrl.logs import images

VERSION = '1.0.0'
SPLIT = 'train'

_TRACK_FIELDS = ('xy', 'z', 'yaw', 'speed', 'valid')


def names(data_dir):
  """Names of the logs of a prepared data set, in its order.

  Raises:
    LogError: one line that names what is missing or damaged, or a name that
      cannot be that of a file.
  """
  with _readable(data_dir):
    return [_name(record, data_dir) for record in _open(data_dir, 'logs')]


def read(data_dir, name=None) -> types.Log:
  """Reads one log of a prepared data set.

  Args:
    data_dir: folder that `data_pipelines.builder` wrote.
    name: of the log; None where the data set holds one only.

  Returns:
    The `Log` as it was written.

  Raises:
    LogError: one line that names what is missing or damaged, and where.
  """
  with _readable(data_dir):
    record, name = _find(data_dir, name)
    source = f'{data_dir}: {name}'
    first, count = int(record['first_step']), int(record['num_steps'])
    steps = _open(data_dir, 'steps')
    if not (first >= 0 and 0 < count <= len(steps) - first):
      raise checks.LogError(
        f'{source}: num_steps: {count} from {first} on, but the data set has'
        f' {len(steps)}'
      )
    rows = [
      _decode(steps[first + i], f'{source}: step {i}')
      for i in tqdm.trange(
        count, desc='read', unit='step', leave=False, disable=None
      )
    ]
    shapes = {row['images'].shape for row in rows}
    if len(shapes) > 1:
      raise checks.LogError(f'{source}: images: sizes differ: {sorted(shapes)}')
    step = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    lights = step.pop('lights', None)
    log = types.Log(
      images=step['images'],
      cameras=types.Camera(
        camera_from_world=step['camera_from_world'],
        intrinsics=step['intrinsics'],
        height=step['images'].shape[2],
        width=step['images'].shape[3],
      ),
      camera_from_ego=record['camera_from_ego'],
      times=step['time'],
      tracks=types.AgentState(**step['tracks']),
      sizes=record['sizes'],
      classes=record['classes'],
      lidar=step['lidar'],
      lidar_valid=step['lidar_valid'],
      map=types.Map(
        lane_width=record['lane_width'],
        lights=lights,
        speed_limit=record.get('speed_limit'),
        **{k: types.Polylines(**v) for k, v in record['map'].items()},
      ),
      name=name,
    )
  checks.validate(log, source)
  return log


def log_record(log: types.Log, first_step: int):
  """The record of `log` in `logs`."""
  lines = {
    name: {'xy': _float32(value.xy), 'valid': np.asarray(value.valid, bool)}
    for name, value in vars(log.map).items()
    if isinstance(value, types.Polylines)
  }
  limits = {}
  if log.map.speed_limit is not None:
    limits['speed_limit'] = _float32(log.map.speed_limit)
  return limits | {
    'name': log.name,
    'first_step': np.asarray(first_step, np.int64),
    'num_steps': np.asarray(len(log.times), np.int64),
    'camera_from_ego': _float32(log.camera_from_ego),
    'sizes': _float32(log.sizes),
    'classes': np.asarray(log.classes, np.int32),
    'lane_width': _float32(log.map.lane_width),
    'map': lines,
  }


def step_records(log: types.Log):
  """Yields the records of `log` in `steps`."""
  for i in range(len(log.times)):
    tracks = {
      name: _float32(getattr(log.tracks, name)[i])
      for name in _TRACK_FIELDS[:-1]
    }
    tracks['valid'] = np.asarray(log.tracks.valid[i], bool)
    lights = {}
    if log.map.lights is not None:
      lights['lights'] = np.asarray(log.map.lights[i], np.int32)
    yield lights | {
      'time': np.asarray(log.times[i], np.float64),
      'images': [images.encode_image(image) for image in log.images[i]],
      'camera_from_world': _float32(log.cameras.camera_from_world[i]),
      'intrinsics': _float32(log.cameras.intrinsics[i]),
      'tracks': tracks,
      'lidar': _float32(log.lidar[i]),
      'lidar_valid': np.asarray(log.lidar_valid[i], bool),
    }


def _float32(values):
  return np.asarray(values, np.float32)


def _decode(row, source):
  if not len(row['images']):
    row['images'] = np.zeros((0, 0, 0, 3), np.uint8)
    return row
  row['images'] = np.stack(
    [
      images.decode_image(data, f'{source}: camera {camera}')
      for camera, data in enumerate(row['images'])
    ]
  )
  return row


def _name(record, data_dir):
  name = record['name']
  if isinstance(name, bytes):
    name = name.decode()
  checks.check_name(name, data_dir)
  return name


def _find(data_dir, name):
  found = []
  for record in _open(data_dir, 'logs'):
    found.append(_name(record, data_dir))
    if found[-1] == name:
      return record, name
  if name is None and len(found) == 1:
    return record, found[0]
  raise checks.LogError(
    f'{data_dir}: name: {name!r} is not one of {len(found)}: {found[:20]}'
  )


@contextlib.contextmanager
def _readable(data_dir):
  """Turns what TFDS and array_record raise on damaged files into a line."""
  try:
    yield
  except checks.LogError:
    raise
  # They, protobuf and their parsers have no error in common, and a feature that
  # is not there is a KeyError.
  except Exception as error:
    what = ' '.join(repr(error).split())
    raise checks.LogError(
      f'{data_dir}: steps or logs cannot be read: {what[:300]}'
    ) from error


def _open(data_dir, name):
  # Importing takes most of a second, so only reading a prepared log does it.
  import tensorflow_datasets as tfds

  folder = pathlib.Path(data_dir) / name / VERSION
  if not (folder / 'dataset_info.json').is_file():
    raise checks.LogError(
      f'{data_dir}: data_dir: no prepared logs: {folder} is not there'
    )
  return tfds.builder_from_directory(str(folder)).as_data_source(split=SPLIT)
