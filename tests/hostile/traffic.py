# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Traffic without sensors: WOMD, nuScenes, Argoverse 2; prepared logs."""

import functools
import io
import json
import pathlib
import shutil
import tempfile
import zipfile

import numpy as np

from data_pipelines import argoverse2
from data_pipelines import builder
from data_pipelines import nuscenes
from data_pipelines import traffic
from data_pipelines import womd
from rdrl import logs
from tests.data_pipelines import conftest as recordings
from tests.logs import conftest as prepared


def _archive(change, named, read=womd.read):
  """A case of an archive; `change` is given its fields."""

  def case(folder):
    scene = recordings.FakeArchive()
    change(scene.fields)
    path = scene.write(folder)
    return functools.partial(read, path), named

  return case


def _put(field, index, value, named=None):
  """A case of an archive with one value that cannot be."""

  def change(fields):
    values = np.array(fields[field])
    if values.dtype.kind in 'iub' and isinstance(value, float):
      values = values.astype(float)
    values[index] = value
    fields[field] = values

  return _archive(change, f'.npz: {named or field}')


def _typed(field, dtype, named=None):
  """A case of an archive with a field of another type."""

  def change(fields):
    fields[field] = np.asarray(fields[field]).astype(dtype)

  return _archive(change, f'.npz: {named or field}')


def _tl(words, named='.npz: tl'):
  """A case of an archive with other lights, as a text or made of a light."""

  def change(fields):
    text = words
    if callable(words):
      lights = json.loads(str(fields['tl']))
      words(lights['7'])
      text = json.dumps(lights)
    fields['tl'] = np.array(text)

  return _archive(change, named)


def _stamps(stamps, named='times: step'):
  return _archive(lambda fields: fields.update(ts=stamps), named)


def _bytes(change, named):
  """A case of an archive whose bytes are changed."""

  def case(folder):
    path = recordings.FakeArchive().write(folder)
    path.write_bytes(change(path.read_bytes()))
    return functools.partial(womd.read, path), named

  return case


def _entry(field, data, named):
  """A case of an archive in which an entry has other bytes."""

  def change(whole):
    buffer = io.BytesIO()
    with (
      zipfile.ZipFile(io.BytesIO(whole)) as old,
      zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as new,
    ):
      for name in old.namelist():
        new.writestr(name, data if name == f'{field}.npy' else old.read(name))
    return buffer.getvalue()

  return _bytes(change, named)


def _claim(shape):
  """Bytes of an array that says to be larger than it is."""
  buffer = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    buffer, {'descr': '<f4', 'fortran_order': False, 'shape': shape}
  )
  return buffer.getvalue() + bytes(64)


def _city(change, named):
  """A case of an Argoverse 2 log; `change` is given the maker of it."""

  def case(folder):
    city = recordings.FakeCity()
    change(city)
    path = city.write(folder)
    return functools.partial(argoverse2.read, path), named

  return case


def _column(table, field, value, named=None):
  """A case of an Argoverse 2 log with one column of other values."""
  change = functools.partial(_fill, table, field, value)
  return _city(change, named or f'.feather: {field}')


def _fill(table, field, value, city):
  values = getattr(city, table)
  values[field] = [value] * len(values[field])


def _map_file(data, named):
  """A case of an Argoverse 2 log whose map has other bytes."""

  def case(folder):
    path = recordings.FakeCity().write(folder)
    (file,) = path.glob('map/*.json')
    file.write_bytes(data)
    return functools.partial(argoverse2.read, path), named

  return case


def _log(field, value, named, index=None):
  """A case of a log as it would be written or was read."""

  def change(part, path):
    first, _, rest = path.partition('.')
    if not first:
      if index is None:
        return value
      part = np.array(part)
      part[index] = value
      return part
    return part.replace(**{first: change(getattr(part, first), rest)})

  def case(folder):
    log = change(prepared.make_log(), field)
    out_dir = folder / 'kept' / 'out'
    out_dir.parent.mkdir()
    return functools.partial(builder.write, [log], out_dir), named

  return case


@functools.cache
def _sound():
  """A folder of one sound prepared log."""
  folder = pathlib.Path(tempfile.mkdtemp()) / 'set'
  builder.write([prepared.make_log('one', num_steps=3)], folder)
  return folder


def _prepared(pattern, change, named):
  """A case of a prepared log of which a file is changed, or gone if None."""

  def case(folder):
    path = folder / 'set'
    shutil.copytree(_sound(), path)
    (file,) = path.glob(pattern)
    data = change(file.read_bytes())
    if data is None:
      file.unlink()
    else:
      file.write_bytes(data)
    return functools.partial(logs.read, path), named

  return case


def _features(change):
  def changed(data):
    features = json.loads(data)
    change(features['featuresDict']['features'])
    return json.dumps(features).encode()

  return changed


def _options(named, **kwargs):
  """A case of a sound archive of which something else is asked for."""
  read = functools.partial(womd.read, options=traffic.Options(**kwargs))
  return _archive(lambda fields: None, named, read)


def _jump(fields):
  fields['xyz'][3, 6:, 0] += 3000


def _far(fields):
  _apart(fields)
  fields['road_xyz'] = fields['road_xyz'] + [4e6, 4e6, 0]


def _apart(fields):
  fields['xyz'] = fields['xyz'] + np.array([4e6, 4e6, 0], np.float32)


def _no_steps(fields):
  for name in ('xyz', 'heading', 'vel', 'valid'):
    fields[name] = fields[name][:, :0]


def _nobody(fields):
  fields['valid'][:] = False


def _sideways(fields):
  fields['heading'] = np.full_like(fields['heading'], 65.0)


def _unknown_roads(fields):
  fields['road_type_names'] = np.array([f'road {i}' for i in range(6)])


def _no_outline(fields):
  fields['road_type_names'] = np.array(
    ['LANE_SURFACE_STREET', 'ROAD_LINE_SOLID_SINGLE_WHITE', *'abcd']
  )


def _no_line(city):
  city.map['lane_segments']['1']['left_lane_boundary'] = []


def _far_lane(city):
  city.map['lane_segments']['1']['left_lane_boundary'][3]['x'] = 1e30


def _gap(city):
  city.without_steps(2, 11)
  stamps = (city.poses['timestamp_ns'] - city.FIRST) / 1e9
  kept = (stamps < 0.12) | (stamps > 1.07)
  city.poses = {name: x[kept] for name, x in city.poses.items()}


_PLACES = {
  'up': '../../evil',
  'absolute': '/tmp/evil',
  'dots': '..',
  'folder': 'a/b',
  'none': '',
  'NUL': 'a\0b',
  'two lines': 'a\nb',
  'long': 'x' * 5000,
  'device': 'aux.log',
  'drive': 'C:evil',
}

CASES = {
  'WOMD: infinite size': _put('dims', (1, 0), np.inf),
  'WOMD: size 1e30': _put('dims', (0, 2), 1e30),
  'WOMD: heading 1e30': _put('heading', (0, 3), 1e30),
  'WOMD: heading NaN': _put('heading', (3, 3), np.nan),
  'WOMD: headings across the way': _archive(_sideways, '.npz: heading'),
  'WOMD: origin NaN': _put('origin', 0, np.nan),
  'WOMD: origin 1e300': _put('origin', 1, 1e300),
  'WOMD: type NaN': _put('type', 2, np.nan),
  'WOMD: place 1e30': _put('xyz', (0, 0, 1), 1e30),
  'WOMD: all places 1e30': _put('xyz', slice(None), 1e30),
  'WOMD: height infinite': _put('xyz', (0, 0, 2), np.inf),
  'WOMD: place at 4000 km in float32': _archive(_far, 'xyz: float32'),
  'WOMD: roads of another origin': _archive(_apart, '.npz: road_xyz'),
  'WOMD: valid 7': _put('valid', (0, 0), 7.0),
  'WOMD: roads 1e30': _put('road_xyz', (9, 0), 1e30),
  'WOMD: road_id NaN': _put('road_id', 3, np.nan),
  'WOMD: road_id -1': _put('road_id', 3, -1),
  'WOMD: roads of unknown names': _archive(_unknown_roads, 'road_type_names'),
  'WOMD: sdc beyond': _put('sdc', (), 2**62),
  'WOMD: no steps': _archive(_no_steps, '.npz: valid'),
  'WOMD: nobody is there': _archive(_nobody, 'the ego is missing at step 0'),
  'WOMD: the ego jumps': _archive(_jump, 'xyz: ego'),
  'WOMD: xyz complex': _typed('xyz', complex),
  'WOMD: xyz text': _typed('xyz', 'U9'),
  'WOMD: xyz float16': _typed('road_xyz', np.float16),
  'WOMD: valid text': _typed('valid', 'U5'),
  'WOMD: sdc text': _typed('sdc', 'U5'),
  'WOMD: type text': _typed('type', 'U5'),
  'WOMD: ts text': _stamps(np.array(['0.1'] * 12), '.npz: ts'),
  'WOMD: objects that run code': _typed('dims', object),
  'WOMD: stamps twice': _stamps(0.1 * (np.arange(12) // 2)),
  'WOMD: a stamp nearly twice': _stamps(
    0.1 * np.r_[np.arange(6), 5 + 1e-9, np.arange(6, 11)]
  ),
  'WOMD: a second is missing': _stamps(
    0.1 * np.r_[np.arange(6), np.arange(16, 22)]
  ),
  'WOMD: stamps in ns': _stamps(1e17 * np.arange(12)),
  'WOMD: stamps back': _stamps(-0.1 * np.arange(12)),
  'WOMD: a stamp NaN': _stamps(np.r_[0, np.nan, 0.2 + 0.1 * np.arange(10)]),
  'WOMD: lights nested deep': _tl('[' * 200_000),
  'WOMD: lights nested deep in an object': _tl(
    '{"7": ' * 200_000 + '1' + '}' * 200_000
  ),
  'WOMD: light at step 1e300': _tl(
    lambda light: light.update(time_index=[1e300] * 11)
  ),
  'WOMD: light at step 10**30': _tl(
    lambda light: light.update(time_index=[10**30] * 11)
  ),
  'WOMD: light far away': _tl(lambda light: light.update(x=[1e30])),
  'WOMD: light nowhere': _tl(lambda light: light.update(y=[None])),
  'WOMD: light that is a number': _tl('{"7": 5}'),
  'WOMD: state that is none': _tl(
    lambda light: light.update(state=['x' * 10**4] * 11)
  ),
  'WOMD: states that are no list': _tl(lambda light: light.update(state=3)),
  'WOMD: states of fewer steps': _tl(
    '{"7": {"stop": [0, 0], "state": ["go"]}}', 'state: 1, but there are 12'
  ),
  'WOMD: half a file': _bytes(lambda x: x[: len(x) // 2], 'cannot be read'),
  'WOMD: no archive': _bytes(lambda x: b'PK\3\4 none', 'cannot be read'),
  'WOMD: a flipped bit': _bytes(
    lambda x: x[:300] + bytes([x[300] ^ 4]) + x[301:], 'scene.npz: '
  ),
  'WOMD: an entry that is no array': _entry('valid', b'no array', 'scene.npz'),
  'WOMD: an array of 10**11': _entry('xyz', _claim((10**11, 12, 3)), 'xyz'),
  'WOMD: an array of -1': _entry('heading', _claim((-1, 12)), 'heading'),
  'WOMD: map_radius NaN': _options('map_radius', map_radius=np.nan),
  'WOMD: map_radius infinite': _options('map_radius', map_radius=np.inf),
  'WOMD: map_radius 1e9': _options('map_radius', map_radius=1e9),
  'WOMD: num_agents 0': _options('0 agents', num_agents=0),
  'WOMD: num_steps 13': _options('steps: 13 wanted', num_steps=13),
  'nuScenes: a map of another set': _archive(
    lambda fields: None, 'road_type_names', nuscenes.read
  ),
  'nuScenes: no outline around the ego': _archive(
    _no_outline, 'ROAD_LINE_SOLID_SINGLE_WHITE', nuscenes.read
  ),
  'AV2: a cuboid of length 0': _column(
    'boxes', 'length_m', 0.0, 'length_m: 0.0 m of track car'
  ),
  'AV2: an infinite cuboid': _column('boxes', 'height_m', np.inf),
  'AV2: a cuboid at 1e30': _column('boxes', 'tx_m', 1e30),
  'AV2: a quaternion of 0': _city(
    lambda city: [
      _fill('boxes', name, 0.0, city) for name in ('qx', 'qy', 'qz', 'qw')
    ],
    '.feather: qw',
  ),
  'AV2: category of numbers': _column('boxes', 'category', 3),
  'AV2: category missing': _column('boxes', 'category', None),
  'AV2: sizes of texts': _column('boxes', 'width_m', 'wide'),
  'AV2: places of lists': _column('boxes', 'ty_m', [1.0, 2.0]),
  'AV2: stamps of texts': _column('poses', 'timestamp_ns', '1'),
  'AV2: stamps of dictionaries': _column('poses', 'timestamp_ns', {'a': 1}),
  'AV2: stamps beyond all': _column('boxes', 'timestamp_ns', 2**63 - 1),
  'AV2: pose NaN': _column('poses', 'qz', np.nan),
  'AV2: a column is missing': _city(
    lambda city: city.boxes.pop('qx'), '.feather: qx: missing'
  ),
  'AV2: a second without anything': _city(_gap, 'times: step 2'),
  'AV2: a boundary of no points': _city(_no_line, '.json: map'),
  'AV2: a boundary at 1e30': _city(_far_lane, '.json: map'),
  'AV2: map nested deep': _map_file(b'[' * 200_000, '.json: '),
  'AV2: map of a list': _map_file(b'[]', '.json: '),
  'AV2: map of other bytes': _map_file(b'\xff\xfe\0', '.json: '),
  'prepared: sizes infinite': _log('sizes', np.inf, 'sizes: inf', (1, 0)),
  'prepared: lane of no width': _log(
    'map.lane_width', 0.0, 'map.lane_width: 0.0', 0
  ),
  'prepared: steps of 1e-300 s': _log(
    'times', 1e-300 * np.arange(5), 'times: step 1'
  ),
  'prepared: a second is missing': _log(
    'times', [0, 0.1, 0.2, 1.3, 1.4], 'times: step 3', slice(None)
  ),
  'prepared: pose 1e30': _log(
    'camera_from_ego', 1e30, 'camera_from_ego', (0, 0, 3)
  ),
  'prepared: intrinsics that are no projection': _log(
    'cameras.intrinsics', 1.0, 'cameras.intrinsics: last row', (0, 0, 2, 0)
  ),
  'prepared: valid of numbers': _log(
    'tracks.valid', np.ones((5, 3), int), 'tracks.valid: of type int64'
  ),
  **{
    f'prepared: a name that leads elsewhere, {what}': _log('name', name, 'name')
    for what, name in _PLACES.items()
  },
  'prepared: steps cut': _prepared(
    'steps/*/*array_record*', lambda data: data[:1000], 'set: steps'
  ),
  'prepared: steps of zeros': _prepared(
    'steps/*/*array_record*', lambda data: bytes(len(data)), 'set: '
  ),
  'prepared: no records of logs': _prepared(
    'logs/*/*array_record*', lambda data: None, 'set: '
  ),
  'prepared: info that is no JSON': _prepared(
    'steps/*/dataset_info.json', lambda data: data[:50], 'set: steps'
  ),
  'prepared: no info': _prepared(
    'logs/*/dataset_info.json', lambda data: None, 'no prepared logs'
  ),
  'prepared: features that are no JSON': _prepared(
    'logs/*/features.json', lambda data: b'[' * 200_000, 'set: steps or logs'
  ),
  'prepared: a feature is missing': _prepared(
    'steps/*/features.json',
    _features(lambda features: features.pop('lidar')),
    "KeyError('lidar')",
  ),
  'prepared: a feature of another shape': _prepared(
    'logs/*/features.json',
    _features(
      lambda features: features['sizes']['tensor']['shape'].update(
        dimensions=['2', '3']
      )
    ),
    'set: ',
  ),
}
