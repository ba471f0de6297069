# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives with sensors: KITTI, its lidar, tracklets and pictures."""

import io
import pickle
import struct
import zipfile
import zlib

import numpy as np

from data_pipelines import builder
from data_pipelines import kitti
from tests.data_pipelines import conftest

CASES = {}

IMAGE = 'image_02/data/0000000002.png'
SWEEP = 'velodyne_points/data/0000000003.bin'
PACKET = 'oxts/data/0000000002.txt'
STAMPS = 'image_02/timestamps.txt'
BOXES = 'tracklet_labels.xml'
# Far more than there is memory, on a disk that has it written nowhere.
ENDLESS = 1 << 40


def case(name, named, compact=False, **options):
  """Adds what a function does to a drive and what the line must name."""

  def add(spoil):
    def make(folder):
      drive = conftest.FakeDrive()
      root = (drive.compact if compact else drive.original)(folder)
      spoil(root)
      wanted = {'num_lidar': 16, 'motion': None} | options
      return lambda: kitti.read_raw(root, **wanted), named

    CASES[name] = make
    return spoil

  return add


def written(name, file, content, named, **kwargs):
  """Adds a file that holds something else."""

  @case(name, named, **kwargs)
  def spoil(root):
    data = content.encode() if isinstance(content, str) else content
    (root / file).write_bytes(data)


def endless(name, file, named, **kwargs):
  """Adds a file that is longer than all memory."""

  @case(name, named, **kwargs)
  def spoil(root):
    with (root / file).open('r+b') as opened:
      opened.truncate(ENDLESS)


def replaced(name, file, old, new, named, **kwargs):
  """Adds a text of which a part is another."""

  @case(name, named, **kwargs)
  def spoil(root):
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def png(width, height):
  """The header of a PNG, which says so, with nothing behind it."""
  chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
  data = struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
  return b'\x89PNG\r\n\x1a\n' + data + b'\0\0\0\0IEND\xaeB`\x82'


EPS = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 16\n%%EndComments\n'

written('a picture of 60000 x 60000', IMAGE, png(60000, 60000), IMAGE)
written('a picture of 12000 x 12000', IMAGE, png(12000, 12000), IMAGE)
written('a picture that is EPS', IMAGE, EPS, IMAGE)
written('a picture of no bytes', IMAGE, b'', IMAGE)
written('a picture without pixels', IMAGE, png(32, 16), IMAGE)
endless('a picture without an end', IMAGE, IMAGE)


@case('a picture and a calibration of 12000 x 12000', '12000x12000 pixels, mo')
def _(root):
  path = root.parent / 'calib_cam_to_cam.txt'
  lines = path.read_text().splitlines()
  lines[1] = 'S_rect_02: 12000 12000'
  path.write_text('\n'.join(lines))
  first = root / 'image_02/data/0000000000.png'
  first.write_bytes(png(12000, 12000))


@case('a picture that is a folder', IMAGE)
def _(root):
  (root / IMAGE).unlink()
  (root / IMAGE).mkdir()


def tracklets(*items):
  body = ''.join(items)
  return (
    f'<boost_serialization><tracklets>{body}</tracklets></boost_serialization>'
  )


def box(first=0, kind='Car', size=4.0, poses=((9, 2), (9, 2))):
  body = ''.join(
    f'<item><tx>{x}</tx><ty>{y}</ty><tz>-1.7</tz><rz>0.1</rz></item>'
    for x, y in poses
  )
  return (
    f'<item><objectType>{kind}</objectType><h>1.5</h><w>1.7</w><l>{size}</l>'
    f'<first_frame>{first}</first_frame><poses>{body}</poses></item>'
  )


LAUGHS = ''.join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))

for _name, _content, _named in [
  (
    'entities of entities',
    f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
    'entity l0',
  ),
  (
    'an entity that is a file',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    'entity x',
  ),
  ('an encoding of nobody', '<?xml version="1.0" encoding="klingon"?><a/>', ''),
  ('an encoding that is none', '<?xml version="1.0" encoding="hex"?><a/>', ''),
  ('elements in elements', '<a>' * 100_000, 'nested'),
  ('an XML of no bytes', '', 'no element'),
  ('an XML of other bytes', b'\x00\x01\xfe\xff' * 99, 'not XML'),
  ('a box 5 steps early', tracklets(box(-5)), 'first_frame: -5'),
  ('a box 1 step early', tracklets(box(-1)), 'first_frame: -1'),
  ('a box at half a step', tracklets(box(1.5)), 'first_frame: 1.5'),
  ('a box that begins at no step', tracklets(box('1e300')), 'first_frame'),
  ('a box beyond the end', tracklets(box(5)), 'first_frame: 5 with 2'),
  ('a box without a beginning', tracklets(box('')), 'first_frame'),
  ('a box on the moon', tracklets(box(poses=[(3.8e8, 0)])), 'tx'),
  ('a box of any size', tracklets(box(size='1e30')), ' l: '),
  ('a box of no number', tracklets(box(size='nan')), ' l: '),
  ('a box of many numbers', tracklets(box(size='4 ' * 99_999)), ' l: '),
  (
    'a box that leaps',
    tracklets(box(), box(poses=[(9, 2), (400, 2)])),
    'Car 1: poses: step 1',
  ),
  (
    'a kind of a thousand letters',
    tracklets(box(kind='Car' * 33_333)),
    'objectType',
  ),
  (
    'a kind that rewrites the line',
    tracklets(box(kind='&#13;Car&#133;is\nfine')),
    'objectType',
  ),
]:
  written(_name, BOXES, _content, _named or BOXES)
endless('an XML without an end', BOXES, BOXES)

NO_FIX = ' '.join(['0.0'] * 30)
written('a place without a fix', PACKET, NO_FIX, PACKET)
written('a place at the pole', PACKET, '90 8.4 116 0 0 0', PACKET)
written('a place without a height', PACKET, '49 8.4 inf 0 0 0', PACKET)
written('a place of no bytes', PACKET, '', PACKET)
written('a place in other bytes', PACKET, b'\xff\xfe4\x009\x00', PACKET)
written('a place of a million words', PACKET, 'here ' * 200_000, PACKET)
endless('a place without an end', PACKET, PACKET)

OLD = '13:16:40.302'
for _name, _new, _named in [
  ('a stamp twice', '13:16:40.200', 'step 3'),
  ('a clock that goes back', '13:16:39.000', 'step 3'),
  ('a stamp that is none', 'yesterday', STAMPS),
  ('a stamp of another age', '13:16:40.302 BC', STAMPS),
]:
  replaced(_name, STAMPS, OLD, _new, _named)
written('no stamps', STAMPS, '\n \n\n', STAMPS)
written('a year beyond all', STAMPS, '300000-01-01 0:00:00\n' * 6, STAMPS)
endless('stamps without an end', STAMPS, STAMPS)


@case('a gap of a minute', 'step 3 at 60.302 s is 60.102 s')
def _(root):
  lines = (root / STAMPS).read_text().splitlines()
  lines[3:] = [line.replace(' 13:16', ' 13:17') for line in lines[3:]]
  (root / STAMPS).write_text('\n'.join(lines))


@case('a step without a stamp', 'nan at step 2')
def _(root):
  lines = (root / STAMPS).read_text().splitlines()
  lines[2] = ''
  (root / STAMPS).write_text('\n'.join(lines))


@case('places of another hour', 'oxts/timestamps.txt')
def _(root):
  text = (root / STAMPS).read_text().replace(' 13:', ' 14:')
  (root / 'oxts/timestamps.txt').write_text(text)


@case('a sweep twice', 'velodyne_points/timestamps.txt')
def _(root):
  lines = (root / STAMPS).read_text().splitlines()
  lines[4] = lines[3]
  (root / 'velodyne_points/timestamps.txt').write_text('\n'.join(lines))


FAR = np.full((3, 4), 1e30, '<f4').tobytes()
written('a sweep out of sight', SWEEP, FAR, SWEEP)
written('a sweep of no numbers', SWEEP, b'\xff' * 64, SWEEP)
written('a sweep that is cut off', SWEEP, b'\0' * 63, SWEEP)
endless('a sweep without an end', SWEEP, SWEEP)


@case('no sweeps', 'velodyne_points/data/0000000000.bin')
def _(root):
  for path in (root / 'velodyne_points/data').iterdir():
    path.unlink()


CALIB = '../calib_velo_to_cam.txt'
TURN = 'R: 1 0 0 0 1 0 0 0'
written('a mount that stretches', CALIB, f'{TURN} 7\nT: 0 0 0', 'R: no rot')
written('a mount of 8 numbers', CALIB, f'{TURN}\nT: 0 0 0', 'R: 8 numbers')
written('a mount at no place', CALIB, f'{TURN} 1\nT: 0 0 1e999', 'T: inf')
written('a mount in other bytes', CALIB, b'R: \xe9', 'calib_velo_to_cam.txt')
replaced(
  'a camera that is no pinhole',
  '../calib_cam_to_cam.txt',
  '1.000000000000e+00 2.000000000000e-03',
  '0 2.000000000000e-03',
  'P_rect_02: last row',
)

for _name, _named, _options in [
  ('a camera that is none', 'image_07', {'cameras': ('image_07',)}),
  ('a camera elsewhere', 'cameras', {'cameras': ('../image_02',)}),
  ('no cameras', 'cameras: none', {'cameras': ()}),
  ('a budget of lidar beyond all', 'num_lidar', {'num_lidar': 10**12}),
  ('no budget of lidar', 'num_lidar: 0', {'num_lidar': 0}),
  ('a budget of agents beyond all', 'num_agents', {'num_agents': 10**12}),
  ('steps beyond all', 'steps 2 to 1', {'start': 2, 'num_steps': 10**30}),
  ('steps before all', 'steps -3 to 6', {'start': -3}),
]:
  case(_name, _named, **_options)(lambda root: None)


def repacked(name, named, make, compression=zipfile.ZIP_DEFLATED):
  """Adds a compact drive of which `make` gives other entries."""

  @case(name, named, compact=True)
  def spoil(root):
    entries = {}
    for field, value in conftest.FakeDrive().meta().items():
      buffer = io.BytesIO()
      np.save(buffer, value)
      entries[field] = buffer.getvalue()
    with zipfile.ZipFile(root / 'meta.npz', 'w', compression) as archive:
      for field, data in (entries | make(entries)).items():
        archive.writestr(f'{field}.npy', data)


def array(value):
  buffer = io.BytesIO()
  np.save(buffer, value)
  return buffer.getvalue()


def header(shape, dtype='<f8'):
  text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}\n"
  return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode()


class _Harm:
  """What runs when it is unpickled."""

  def __reduce__(self):
    return print, ('harm',)


HARM = header((6,), '|O') + pickle.dumps(_Harm())
STEPS = 0.2 * np.arange(6)

repacked('stamps of any number', 'timestamps', lambda x: {
  'timestamps': header((10**11,))
})  # fmt: skip
repacked('stamps of fewer than none', 'timestamps', lambda x: {
  'timestamps': header((-6,))
})  # fmt: skip
repacked('stamps that are code', 'timestamps', lambda x: {'timestamps': HARM})
repacked('stamps that are words', 'timestamps', lambda x: {
  'timestamps': array(np.array(['now'] * 6))
})  # fmt: skip
repacked('steps of a fifth of a second', 'times: step 1', lambda x: {
  'timestamps': array(STEPS)
})  # fmt: skip
repacked('a header of brackets', 'oxts', lambda x: {'oxts': header('(' * 9000)})
repacked('poses of other steps', 'T_w_imu', lambda x: {
  'T_w_imu': array(np.tile(np.eye(4), (5, 1, 1)))
})  # fmt: skip
repacked('a pose without an inverse', 'T_w_velo', lambda x: {
  'T_w_velo': array(np.zeros((6, 4, 4)))
})  # fmt: skip
repacked('a picture of half pixels', 'image_size', lambda x: {
  'image_size': array(np.array([31.5, 16]))
})  # fmt: skip
repacked('another compression', 'timestamps', lambda x: {}, zipfile.ZIP_LZMA)
written('a file that is no archive', 'meta.npz', b'PK\3\4', 'meta.npz',
  compact=True)  # fmt: skip
endless('an archive without an end', 'meta.npz', 'meta.npz', compact=True)
written('a sweep that is no archive', 'velodyne/000001.npz', array(np.ones(3)),
  'velodyne/000001.npz', compact=True)  # fmt: skip


@case('an archive behind a password', 'meta.npz', compact=True)
def _(root):
  path = root / 'meta.npz'
  data = bytearray(path.read_bytes())
  # The flag of each entry of the directory, and of each entry.
  for magic, offset in [(b'PK\1\2', 8), (b'PK\3\4', 6)]:
    at = data.find(magic)
    while at >= 0:
      data[at + offset] |= 1
      at = data.find(magic, at + 4)
  path.write_bytes(bytes(data))


@case('a sweep that is inflated', 'velodyne/000001.npz: xyz_q', compact=True)
def _(root):
  path = root / 'velodyne/000001.npz'
  data = array(np.zeros((10, 3), np.int16))
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('xyz_q.npy', data.replace(b'(10, 3)', b'(90000000000, 3)'))


def _taken(folder):
  root = conftest.FakeDrive().compact(folder)
  log = kitti.read_raw(root, num_lidar=16, motion=None)
  return lambda: builder.write([log], root), 'holds something already'


def _two_of_a_name(folder):
  root = conftest.FakeDrive().compact(folder)
  log = kitti.read_raw(root, num_lidar=16, motion=None)
  return lambda: builder.write([log, log], folder / 'out'), 'a second log'


CASES['a place that is taken'] = _taken
CASES['two drives of a name'] = _two_of_a_name
