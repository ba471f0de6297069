# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a log must satisfy before anything is computed from it."""

import re

import numpy as np

from rdrl import types

# Seconds by which one step may be longer or shorter. Cameras that wait for a
# lidar to come round differ by a tenth of it (KITTI), clocks by far less.
_TOLERANCE = 0.03
# And the share by which all steps together may be: KITTI's are 3 to 4 % long.
_DRIFT = 0.05

# The greatest magnitude of numbers: seconds since any epoch, metres from the
# origin, where float32 still resolves centimetres, and of a box and of a lane,
# pixels, rad and m/s.
_LATE = 1e11
_FAR = 1e5
_LONG = 1e3
_WIDE = 100.0
_PIXELS = 1e6
_TURNED = 1e3
_FAST = 1e3

# Bytes of a file's name; what follows it has to fit into 255.
_NAME_BYTES = 200
_DEVICES = re.compile(
  r'(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)', re.IGNORECASE
)


class LogError(ValueError):
  """A log that cannot be used: `<source>: <field>: <what is wrong>`."""


def check_name(name, source):
  """Checks that a name can be that of a file or folder, on any system.

  Results of a log are written to places with its name.

  Args:
    name: what may be anything.
    source: where it was read from, for the message; the name itself where
      nothing else is known.

  Raises:
    LogError: one line that names `source` and the name.
  """
  where = f'{source}: name' if source != name else 'name'
  if not isinstance(name, str):
    raise LogError(f'{where}: {type(name).__name__} is no text')
  if (
    not name.isprintable()
    or re.search(r'[<>:"/\\|?*]', name)
    or name.startswith('.')
    or name.endswith(('.', ' '))
    or _DEVICES.match(name)
    or not 0 < len(name.encode()) <= _NAME_BYTES
  ):
    raise LogError(
      f'{where}: {name[:40]!r} of {len(name)} letters cannot be the name of a'
      ' file'
    )


def check_times(times, source, first=0):
  """Checks that consecutive steps are `types.TIME_STEP` apart.

  Whatever follows takes them to be, so that a gap of a second would be played
  in a tenth of it.

  Args:
    times: `[T]` seconds, of the steps that are kept and of no others.
    source: file and field, for the message.
    first: number of the first of them in the file.

  Raises:
    LogError: one line that names the source, a step and its gap, and the
      longest stretch that keeps time.
  """
  times = np.asarray(times, np.float64)
  for step in np.flatnonzero(~np.isfinite(times))[:1]:
    raise LogError(f'{source}: {times[step]} at step {first + step}')
  gaps = np.diff(times)
  bad = np.abs(gaps - types.TIME_STEP) > _TOLERANCE
  for step in np.flatnonzero(bad)[:1]:
    ends = np.flatnonzero(np.r_[True, bad, True])
    longest = np.argmax(np.diff(ends))
    begin, end = first + ends[longest], first + ends[longest + 1]
    what = (
      'does not follow'
      if gaps[step] <= 0
      else f'is {gaps[step]:.6g} s, not {types.TIME_STEP} s, after'
    )
    raise LogError(
      f'{source}: step {first + step + 1} at {times[step + 1]:.9g} s {what} '
      f'step {first + step} at {times[step]:.9g} s; longest without a gap: '
      f'{end - begin} steps from {begin}'
    )
  span = np.sum(gaps)
  if abs(span - len(gaps) * types.TIME_STEP) > _TOLERANCE + _DRIFT * span:
    raise LogError(
      f'{source}: steps {first} to {first + len(gaps)} are {np.mean(gaps):.4g} '
      f's long in the mean, not {types.TIME_STEP} s'
    )


def validate(log: types.Log, source: str):
  """Checks a log at the edge.

  Its name is one of a file; shapes agree; images are bytes; poses, points and
  map are finite and within what a drive can have; rotations are orthonormal;
  focal lengths, lanes' widths and the sizes of all agents seen are positive;
  steps are `types.TIME_STEP` apart, nearly; the ego is there at every step;
  lidar is at some step. A log may be without cameras, `C` = 0, and without
  lidar, `P` = 0.

  Args:
    log: the log.
    source: where it was read from, for the message.

  Raises:
    LogError: one line that names `source`, the field and its value.
  """
  check_name(log.name, source)
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
  number, whole, flag = 'fiu', 'iu', 'b'
  for field, shape, kind in [
    ('cameras.camera_from_world', (steps, cameras, 4, 4), number),
    ('cameras.intrinsics', (steps, cameras, 3, 3), number),
    ('camera_from_ego', (cameras, 4, 4), number),
    ('times', (steps,), number),
    ('tracks.xy', (steps, agents, 2), number),
    ('tracks.z', (steps, agents), number),
    ('tracks.yaw', (steps, agents), number),
    ('tracks.speed', (steps, agents), number),
    ('tracks.valid', (steps, agents), flag),
    ('sizes', (agents, 3), number),
    ('classes', (agents,), whole),
    ('lidar', (steps, points, 3), number),
    ('lidar_valid', (steps, points), flag),
  ]:
    check.array(field, _get(log, field), shape, kind)
  if log.ego_mask is not None:
    shape = (cameras, height, width)
    check.array('ego_mask', log.ego_mask, shape, flag)
  check(
    (log.cameras.height, log.cameras.width) == (height, width),
    'cameras',
    f'made for {log.cameras.width}x{log.cameras.height} pixels, but the images '
    f'have {width}x{height}',
  )

  times = np.asarray(log.times)
  check.finite('times', times, _LATE)
  check_times(times, f'{source}: times')
  for field in ('cameras.camera_from_world', 'camera_from_ego'):
    check.rigid(field, _get(log, field))
  intrinsics = np.asarray(log.cameras.intrinsics)
  check.finite('cameras.intrinsics', intrinsics, _PIXELS)
  focal = np.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], -1)
  check.all(
    'cameras.intrinsics',
    focal > 0,
    lambda *i: f'focal length {focal[i]} at [step, camera, axis] {list(i)}',
  )
  check.all(
    'cameras.intrinsics',
    (intrinsics[..., 2, :] == [0, 0, 1]).all(-1),
    lambda *i: f'last row at {list(i)} is {intrinsics[i][2]}',
  )

  valid = np.asarray(log.tracks.valid)
  check.all(
    'tracks.valid', valid[:, 0], lambda i: f'the ego is missing at step {i}'
  )
  for field, limit in [
    ('tracks.xy', _FAR),
    ('tracks.z', _FAR),
    ('tracks.yaw', _TURNED),
    ('tracks.speed', _FAST),
  ]:
    check.finite(field, _get(log, field), limit, valid)
  sizes = np.asarray(log.sizes)
  check.finite('sizes', sizes, _LONG)
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
  check.finite('lidar', log.lidar, _FAR, seen)
  for field in ('lanes', 'boundaries', 'drivable', 'crosswalks', 'stop_lines'):
    lines = getattr(log.map, field)
    found = np.shape(lines.valid)
    check(
      len(found) == 2 and np.shape(lines.xy) == (*found, 2),
      f'map.{field}',
      f'xy {np.shape(lines.xy)} and valid {found} are not [L, P, 2] and [L, P]',
    )
    check.array(f'map.{field}', lines.xy, (*found, 2), number)
    check.array(f'map.{field}', lines.valid, found, flag)
    check.finite(f'map.{field}', lines.xy, _FAR, np.asarray(lines.valid))
    prefix = np.diff(np.asarray(lines.valid).astype(int), axis=1) <= 0
    check.all(
      f'map.{field}',
      prefix,
      lambda *i: f'row {i[0]} is valid at point {i[1] + 1} but not before it',
    )
  is_lane = np.asarray(log.map.lanes.valid).any(1)
  widths = np.asarray(log.map.lane_width)
  check.array('map.lane_width', widths, is_lane.shape, number)
  check.finite('map.lane_width', widths, _WIDE)
  # As with sizes: padding has none.
  check.all(
    'map.lane_width',
    np.where(is_lane, widths > 0, widths >= 0),
    lambda i: f'{widths[i]} m of lane {i} is not positive',
  )
  if log.map.speed_limit is not None:
    limit = np.asarray(log.map.speed_limit)
    check.array('map.speed_limit', limit, is_lane.shape, number)
    check.all(
      'map.speed_limit',
      limit > 0,
      lambda *i: f'{limit[i]} of lane {i[0]} is not positive',
    )
  if log.map.lights is not None:
    lights = np.asarray(log.map.lights)
    shape = (steps, np.shape(log.map.stop_lines.valid)[0])
    check.array('map.lights', lights, shape, whole)
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

  def array(self, field, values, shape, kinds):
    """`values` have a shape and a dtype of one of some kinds."""
    values = np.asarray(values)
    self(values.shape == shape, field, f'shape {values.shape} is not {shape}')
    self(values.dtype.kind in kinds, field, f'of type {values.dtype}')

  def finite(self, field, values, limit, valid=None):
    """Magnitudes are at most `limit` where `valid`, of leading shape, is."""
    values = np.asarray(values)
    good = np.abs(values) <= limit
    if valid is not None:
      trailing = values.ndim - valid.ndim
      good |= ~valid.reshape(*valid.shape, *([1] * trailing))
    self.all(
      field,
      good,
      lambda *i: f'{values[i]} at {list(i)}, expected at most {limit:g}',
    )

  def rigid(self, field, transforms):
    """`[..., 4, 4]` are rotations and translations."""
    transforms = np.asarray(transforms, np.float64)
    self.finite(field, transforms, _FAR)
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
