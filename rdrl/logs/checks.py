# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a log must satisfy before anything is computed from it."""

import numpy as np

from rdrl import types


class LogError(ValueError):
  """A log that cannot be used: `<source>: <field>: <what is wrong>`."""


def validate(log: types.Log, source: str):
  """Checks a log at the edge.

  Shapes agree; images are bytes; poses, points and map are finite; rotations
  are orthonormal; focal lengths and the sizes of all agents seen are positive;
  times increase; the ego is there at every step; lidar is at some step. A log
  may be without cameras, `C` = 0, and without lidar, `P` = 0.

  Args:
    log: the log.
    source: where it was read from, for the message.

  Raises:
    LogError: one line that names `source`, the field and its value.
  """
  check = _Checker(source)
  images = np.asarray(log.images)
  check(
    images.ndim == 5 and images.shape[-1] == 3 and images.dtype == np.uint8,
    'images',
    f'{images.dtype} of shape {images.shape} is not uint8 [T, C, H, W, 3]',
  )
  steps, cameras, height, width = images.shape[:4]
  pixels = height * width if cameras else 1
  check(steps * pixels > 0, 'images', f'shape {images.shape} is empty')
  agents = np.shape(log.sizes)[0] if np.ndim(log.sizes) else 0
  check(agents > 0, 'sizes', 'no agents, but agent 0 is the ego')
  points = np.shape(log.lidar)[1] if np.ndim(log.lidar) == 3 else 0
  check(
    points > 0 or np.size(log.lidar_valid) == 0,
    'lidar',
    f'no points: shape {np.shape(log.lidar)}',
  )
  for field, shape in [
    ('cameras.camera_from_world', (steps, cameras, 4, 4)),
    ('cameras.intrinsics', (steps, cameras, 3, 3)),
    ('camera_from_ego', (cameras, 4, 4)),
    ('times', (steps,)),
    ('tracks.xy', (steps, agents, 2)),
    ('tracks.z', (steps, agents)),
    ('tracks.yaw', (steps, agents)),
    ('tracks.speed', (steps, agents)),
    ('tracks.valid', (steps, agents)),
    ('sizes', (agents, 3)),
    ('classes', (agents,)),
    ('lidar', (steps, points, 3)),
    ('lidar_valid', (steps, points)),
  ]:
    found = np.shape(_get(log, field))
    check(found == shape, field, f'shape {found} is not {shape}')
  if log.ego_mask is not None:
    found, shape = np.shape(log.ego_mask), (cameras, height, width)
    check(found == shape, 'ego_mask', f'shape {found} is not {shape}')
  check(
    (log.cameras.height, log.cameras.width) == (height, width),
    'cameras',
    f'made for {log.cameras.width}x{log.cameras.height} pixels, but the images '
    f'have {width}x{height}',
  )

  times = np.asarray(log.times)
  check.finite('times', times)
  check.all(
    'times',
    np.diff(times) > 0,
    lambda i: f'step {i + 1} at {times[i + 1]} s does not follow {times[i]} s',
  )
  for field in ('cameras.camera_from_world', 'camera_from_ego'):
    check.rigid(field, _get(log, field))
  intrinsics = np.asarray(log.cameras.intrinsics)
  check.finite('cameras.intrinsics', intrinsics)
  focal = np.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], -1)
  check.all(
    'cameras.intrinsics',
    focal > 0,
    lambda *i: f'focal length {focal[i]} at [step, camera, axis] {list(i)}',
  )

  valid = np.asarray(log.tracks.valid)
  check.all(
    'tracks.valid', valid[:, 0], lambda i: f'the ego is missing at step {i}'
  )
  for field in ('xy', 'z', 'yaw', 'speed'):
    check.finite(f'tracks.{field}', getattr(log.tracks, field), valid)
  sizes = np.asarray(log.sizes)
  # Padding has no size worth checking, but a negative one is a mistake.
  sound = np.where(valid.any(0)[:, None], sizes > 0, sizes >= 0)
  check.all(
    'sizes',
    sound,
    lambda *i: f'{sizes[i]} m of agent {i[0]} is not positive: {sizes[i[0]]}',
  )
  classes = np.asarray(log.classes)
  known = (types.OTHER, types.VEHICLE, types.PEDESTRIAN, types.CYCLIST)
  check.all(
    'classes',
    np.isin(classes, known),
    lambda i: f'{classes[i]} of agent {i} is not one of {known}',
  )

  seen = np.asarray(log.lidar_valid)
  if points:
    check(seen.any(), 'lidar_valid', 'no lidar points at any step')
  check.finite('lidar', log.lidar, seen)
  for field in ('lanes', 'boundaries', 'drivable', 'crosswalks', 'stop_lines'):
    lines = getattr(log.map, field)
    found = np.shape(lines.valid)
    check(
      len(found) == 2 and np.shape(lines.xy) == (*found, 2),
      f'map.{field}',
      f'xy {np.shape(lines.xy)} and valid {found} are not [L, P, 2] and [L, P]',
    )
    check.finite(f'map.{field}', lines.xy, np.asarray(lines.valid))
    prefix = np.diff(np.asarray(lines.valid).astype(int), axis=1) <= 0
    check.all(
      f'map.{field}',
      prefix,
      lambda *i: f'row {i[0]} is valid at point {i[1] + 1} but not before it',
    )
  rows = np.shape(log.map.lanes.valid)[:1]
  found = np.shape(log.map.lane_width)
  check(found == rows, 'map.lane_width', f'shape {found} is not {rows}')
  check.finite('map.lane_width', log.map.lane_width)
  if log.map.speed_limit is not None:
    limit = np.asarray(log.map.speed_limit)
    check(
      limit.shape == rows,
      'map.speed_limit',
      f'shape {limit.shape} is not {rows}',
    )
    check.all(
      'map.speed_limit',
      limit > 0,
      lambda *i: f'{limit[i]} of lane {i[0]} is not positive',
    )
  if log.map.lights is not None:
    lights = np.asarray(log.map.lights)
    shape = (steps, np.shape(log.map.stop_lines.valid)[0])
    check(
      lights.shape == shape,
      'map.lights',
      f'shape {lights.shape} is not {shape}',
    )
    check.all(
      'map.lights',
      (lights >= types.LIGHT_UNKNOWN) & (lights <= types.LIGHT_STOP),
      lambda *i: f'{lights[i]} at [step, line] {list(i)} is no light',
    )


class _Checker:
  """Raises the first thing found wrong."""

  def __init__(self, source):
    self._source = source

  def __call__(self, good, field, message):
    if not good:
      raise LogError(f'{self._source}: {field}: ' + ' '.join(message.split()))

  def all(self, field, good, describe):
    """Describes the first index at which `good` is false."""
    bad = np.argwhere(~np.asarray(good))
    if len(bad):
      self(False, field, describe(*map(int, bad[0])))

  def finite(self, field, values, valid=None):
    """`values` are finite wherever `valid`, of leading shape, is true."""
    values = np.asarray(values)
    good = np.isfinite(values)
    if valid is not None:
      trailing = values.ndim - valid.ndim
      good |= ~valid.reshape(*valid.shape, *([1] * trailing))
    self.all(field, good, lambda *i: f'{values[i]} at {list(i)}')

  def rigid(self, field, transforms):
    """`[..., 4, 4]` are rotations and translations."""
    transforms = np.asarray(transforms, np.float64)
    self.finite(field, transforms)
    rotation = transforms[..., :3, :3]
    gram = rotation @ np.swapaxes(rotation, -1, -2)
    error = np.abs(gram - np.eye(3)).max((-2, -1))
    self.all(
      field,
      error < 1e-3,
      lambda *i: (
        f'rotation at {list(i)} is not orthonormal, off by {error[i]:.3g}'
      ),
    )
    determinant = np.linalg.det(rotation)
    self.all(
      field,
      determinant > 0,
      lambda *i: f'rotation at {list(i)} is a reflection',
    )
    self.all(
      field,
      (transforms[..., 3, :] == [0, 0, 0, 1]).all(-1),
      lambda *i: f'last row at {list(i)} is {transforms[i][3]}',
    )


def _get(log, path):
  for name in path.split('.'):
    log = getattr(log, name)
  return log
