# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Argoverse 2 sensor logs (Wilson et al. 2021) to logs without images.

  python -m experiments.prepare --source=argoverse2 --data_dir=argoverse2_logs \
    --out_dir=data/argoverse2

`data_dir` holds one folder a log, in the layout of the data set:

  <log>/annotations.feather               cuboids; or annotations_with_ego
  <log>/city_SE3_egovehicle.feather       poses
  <log>/map/log_map_archive_*.json        lanes, crossings, drivable areas

Steps are the lidar sweeps, which is where there are cuboids, every 0.1 s. In a
sweep without cuboids nobody else is there, and the ego is where the poses have
it. Of the cuboids of the ego itself nothing is used, for they lie around its
rear axle. World: axes of the city; the origin lies on the ground below the
middle of the ego at the first step.

Lanes are those for vehicles, in driving direction: halfway between the two
boundaries that the map has of each, as wide as these are apart. There are no
stop lines, lights or speed limits.
"""

import itertools
import pathlib

import numpy as np
from pyarrow import feather
from pyarrow import lib as arrow
from scipy.spatial import transform

from data_pipelines import files
from data_pipelines import traffic
from rdrl import logs
from rdrl import types

# The recording car, a Ford Fusion, as the data set's cuboids of it have it.
EGO_SIZE = (4.877, 2.0, 1.473)
# The middle of the rear axle, where the ego frame is, above the road (Wilson et
# al. 2021, appendix), and half the wheelbase of 2.85 m, taken as the middle of
# the car.
REAR_AXLE_HEIGHT = 0.33
MIDDLE_AHEAD_OF_REAR_AXLE = 1.425

# All categories of github.com/argoverse/av2-api, `annotations.py`.
CLASSES = (
  dict.fromkeys(
    (
      'REGULAR_VEHICLE',
      'LARGE_VEHICLE',
      'BUS',
      'SCHOOL_BUS',
      'ARTICULATED_BUS',
      'BOX_TRUCK',
      'TRUCK',
      'TRUCK_CAB',
      'VEHICULAR_TRAILER',
      'MESSAGE_BOARD_TRAILER',
      'TRAFFIC_LIGHT_TRAILER',
      'RAILED_VEHICLE',
    ),
    types.VEHICLE,
  )
  | dict.fromkeys(
    ('PEDESTRIAN', 'OFFICIAL_SIGNALER', 'STROLLER', 'WHEELCHAIR'),
    types.PEDESTRIAN,
  )
  | dict.fromkeys(
    (
      'BICYCLE',
      'BICYCLIST',
      'MOTORCYCLE',
      'MOTORCYCLIST',
      'WHEELED_DEVICE',
      'WHEELED_RIDER',
    ),
    types.CYCLIST,
  )
  | dict.fromkeys(
    (
      'ANIMAL',
      'DOG',
      'BOLLARD',
      'CONSTRUCTION_BARREL',
      'CONSTRUCTION_CONE',
      'MOBILE_PEDESTRIAN_SIGN',
      'MOBILE_PEDESTRIAN_CROSSING_SIGN',
      'SIGN',
      'STOP_SIGN',
    ),
    types.OTHER,
  )
)

_EGO = 'EGO_VEHICLE'
_QUAT = ('qx', 'qy', 'qz', 'qw')
_PLACE = ('tx_m', 'ty_m', 'tz_m')
_SIZE = ('length_m', 'width_m', 'height_m')

# The greatest magnitude of a number, of each column that has numbers: stamps up
# to the year 2116, metres of a box and of a city.
_LIMITS = (
  {'timestamp_ns': 2**62}
  | dict.fromkeys(_QUAT, 1e3)
  | dict.fromkeys(_PLACE, 1e7)
  | dict.fromkeys(_SIZE, 100.0)
)

# Metres from the first step to what a map of the place can have.
_FAR = 1e5

# Metres between two points of a centre line.
_SPACING = 1.0


def recordings(data_dir):
  """Folders of logs in a folder, by their names.

  Raises:
    LogError: if there is none.
  """
  name = 'city_SE3_egovehicle.feather'
  found = {
    path.parent.name: path.parent
    for path in pathlib.Path(data_dir).glob(f'*/{name}')
  }
  if not found:
    raise logs.LogError(f'{data_dir}: data_dir: no <log>/{name} is there')
  return found


def read(path, options=traffic.DEFAULT) -> types.Log:
  """The log of one folder.

  Args:
    path: of the folder.
    options: what to keep of it.

  Returns:
    A valid `Log` without cameras and lidar.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  path = pathlib.Path(path)
  seen, names, boxes = _cuboids(path)
  stamps, rotation, place = _poses(path, seen)
  agents = [None, *names]
  shape = len(stamps), len(agents)
  xyz, yaw = np.zeros((*shape, 3)), np.zeros(shape)
  valid = np.zeros(shape, bool)
  middle = [
    MIDDLE_AHEAD_OF_REAR_AXLE,
    0,
    EGO_SIZE[2] / 2 - REAR_AXLE_HEIGHT,
  ]
  xyz[:, 0] = place + rotation.apply(middle)
  yaw[:, 0] = _yaw(rotation)
  valid[:, 0] = True
  step = np.searchsorted(stamps, boxes['timestamp_ns'])
  agent = 1 + np.searchsorted(names, boxes['track_uuid'])
  xyz[step, agent] = place[step] + rotation[step].apply(boxes['place'])
  yaw[step, agent] = _yaw(rotation[step] * boxes['rotation'])
  valid[step, agent] = True
  sizes, classes = [EGO_SIZE], [types.VEHICLE]
  for number in range(1, len(agents)):
    mine = agent == number
    sizes.append(np.median(boxes['size'][mine], axis=0))
    classes.append(CLASSES[boxes['category'][mine][0]])

  origin = xyz[0, 0] - [0, 0, EGO_SIZE[2] / 2]
  xyz -= origin
  return traffic.make_log(
    name=path.resolve().name,
    times=(stamps - stamps[0]) / 1e9,
    xyz=xyz,
    yaw=yaw,
    valid=valid,
    sizes=sizes,
    classes=classes,
    make_map=lambda ego, radius: _map(path, origin[:2], ego, radius),
    source=path,
    options=options,
  )


def _cuboids(path):
  """Sweeps `[T]` in ns, names `[A]` and the cuboids of all but the ego."""
  file = path / 'annotations.feather'
  if not file.is_file():
    file = path / 'annotations_with_ego.feather'
  table = _table(
    file, ('timestamp_ns', 'track_uuid', 'category', *_SIZE, *_QUAT, *_PLACE)
  )
  stamps = np.unique(table['timestamp_ns'])
  others = table['category'] != _EGO
  table = {field: values[others] for field, values in table.items()}
  for category in np.unique(table['category']):
    if category not in CLASSES:
      what = files.short(category)
      raise logs.LogError(f'{file}: category: {what!r} is unknown')
  for field in _SIZE:
    for row in np.flatnonzero(table[field] <= 0)[:1]:
      raise logs.LogError(
        f'{file}: {field}: {table[field][row]} m of track '
        f'{table["track_uuid"][row]} is not positive'
      )
  boxes = {
    'timestamp_ns': table['timestamp_ns'],
    'track_uuid': table['track_uuid'],
    'category': table['category'],
    'size': np.stack([table[field] for field in _SIZE], -1),
    'place': np.stack([table[field] for field in _PLACE], -1),
    'rotation': _rotation(table, file),
  }
  return stamps, np.unique(boxes['track_uuid']), boxes


def _poses(path, stamps):
  """Sweeps `[T]`, also those without cuboids, and where the ego is at each.

  Args:
    path: of the log.
    stamps: of the sweeps with cuboids, in ns.

  Returns:
    Stamps `[T]`, rotations `[T]` and places `[T, 3]` in the city.
  """
  file = path / 'city_SE3_egovehicle.feather'
  table = _table(file, ('timestamp_ns', *_QUAT, *_PLACE))
  posed, rows = np.unique(table['timestamp_ns'], return_index=True)
  for stamp in stamps[~np.isin(stamps, posed)][:1]:
    raise logs.LogError(f'{file}: timestamp_ns: no pose at {stamp}')
  stamps = np.unique(np.r_[stamps, _between(stamps, posed)])
  rows = rows[np.searchsorted(posed, stamps)]
  table = {field: values[rows] for field, values in table.items()}
  place = np.stack([table[x] for x in _PLACE], -1)
  return stamps, _rotation(table, file), place


def _between(stamps, posed):
  """Of the stamps of poses, those nearest to sweeps that are missing."""
  step = int(1e9 * types.TIME_STEP)
  found = []
  for begin, end in itertools.pairwise(stamps):
    inside = posed[(posed > begin + step / 2) & (posed < end - step / 2)]
    number = np.round((inside - begin) / step)
    early = np.argsort(np.abs(inside - begin - number * step), kind='stable')
    _, nearest = np.unique(number[early], return_index=True)
    found.append(inside[early][nearest])
  return np.concatenate([stamps[:0], *found])


def _table(file, fields):
  """Columns of a feather file: texts, or numbers that can be."""
  files.check_exists(file)
  try:
    table = feather.read_table(file)
  except (arrow.ArrowException, OSError) as error:
    what = files.short(error)
    raise logs.LogError(f'{file}: cannot be read: {what}') from error
  if not table.num_rows:
    raise logs.LogError(f'{file}: no rows')
  columns = {}
  for field in fields:
    if field not in table.column_names:
      raise logs.LogError(f'{file}: {field}: missing')
    values = np.asarray(table[field])
    limit = _LIMITS.get(field)
    if limit is None:
      fits = all(isinstance(value, str) for value in values)
    else:
      fits = values.dtype.kind in 'iuf'
    if not fits:
      raise logs.LogError(f'{file}: {field}: of type {table[field].type}')
    if limit is None:
      columns[field] = values.astype(str)
      continue
    for row in np.flatnonzero(~(np.abs(values) <= limit))[:1]:
      raise logs.LogError(
        f'{file}: {field}: {values[row]} in row {row}, expected at most '
        f'{limit:g}'
      )
    is_stamp = field == 'timestamp_ns'
    columns[field] = values.astype(np.int64 if is_stamp else np.float64)
  return columns


def _rotation(table, file):
  quats = np.stack([table[field] for field in _QUAT], -1)
  norms = np.linalg.norm(quats, axis=-1)
  for row in np.flatnonzero(norms < 1e-6)[:1]:
    raise logs.LogError(f'{file}: qw, qx, qy, qz: {quats[row]} in row {row}')
  return transform.Rotation.from_quat(quats)


def _yaw(rotation):
  forward = rotation.apply([1, 0, 0])
  return np.arctan2(forward[..., 1], forward[..., 0])


def _map(path, origin, ego, radius):
  found = sorted((path / 'map').glob('log_map_archive_*.json'))
  if len(found) != 1:
    raise logs.LogError(
      f'{path / "map"}: log_map_archive_*.json: {len(found)} files, not one'
    )
  content = files.json(files.text(found[0]), found[0])
  try:
    lanes = [
      (
        lane['lane_type'],
        _points(lane['left_lane_boundary'], origin),
        _points(lane['right_lane_boundary'], origin),
        lane['left_lane_mark_type'],
        lane['right_lane_mark_type'],
      )
      for lane in content['lane_segments'].values()
    ]
    areas = [
      _points(area['area_boundary'], origin)
      for area in content['drivable_areas'].values()
    ]
    crossings = [
      # Both edges go the same way.
      np.concatenate(
        [_points(x['edge1'], origin), _points(x['edge2'], origin)[::-1]]
      )
      for x in content['pedestrian_crossings'].values()
    ]
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    what = files.short(repr(error))
    raise logs.LogError(f'{found[0]}: map: {what}') from error

  lines, widths, marks = [], [], []
  for kind, left, right, left_mark, right_mark in lanes:
    # Neighbours have the same line, which needs to be there but once.
    for line, mark in [(left, left_mark), (right, right_mark)]:
      if mark != 'NONE' and not any(_same(line, other) for other in marks):
        marks.append(line)
    middle, width = _centre_line(left, right)
    if kind != 'BIKE' and traffic.near([middle], ego, radius):
      lines.append(middle)
      widths.append(width)
  kerbs = [np.concatenate([area, area[:1]]) for area in areas]
  low, high = ego.min(0) - radius, ego.max(0) + radius
  areas = [traffic.clip(traffic.opened(area), low, high) for area in areas]
  return types.Map(
    lanes=traffic.polylines(lines, traffic.LINE_TOLERANCE),
    lane_width=np.array(widths or [traffic.LANE_WIDTH], np.float32),
    boundaries=traffic.polylines(
      traffic.runs_near([*marks, *kerbs], ego, radius)
    ),
    drivable=traffic.polylines(
      [area for area in areas if len(area) > 2],
      traffic.LINE_TOLERANCE,
      points=4,
    ),
    crosswalks=traffic.polylines(
      traffic.near(crossings, ego, radius), points=4
    ),
    stop_lines=traffic.polylines([]),
  )


def _points(points, origin):
  xy = np.array([[point['x'], point['y']] for point in points], np.float64)
  xy = xy.reshape(-1, 2) - origin
  if len(xy) < 2 or not np.all(np.abs(xy) <= _FAR):
    raise ValueError(f'{files.short(points)} is no line near the ego')
  return xy


def _same(line, other):
  return np.shape(line) == np.shape(other) and (
    np.array_equal(line, other) or np.array_equal(line, other[::-1])
  )


def _centre_line(left, right):
  """`[P, 2]` halfway between two boundaries, and their mean distance."""
  sides = [traffic.densify(side, _SPACING / 4) for side in (left, right)]
  lengths = [
    np.r_[0, np.cumsum(np.linalg.norm(np.diff(side, axis=0), axis=-1))]
    for side in sides
  ]
  count = max(2, 1 + int(np.ceil(max(x[-1] for x in lengths) / _SPACING)))
  share = np.linspace(0, 1, count)
  left, right = (
    np.stack([np.interp(share * x[-1], x, side[:, i]) for i in (0, 1)], -1)
    for x, side in zip(lengths, sides, strict=True)
  )
  return (left + right) / 2, np.mean(np.linalg.norm(left - right, axis=-1))
