# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Splats, banks of assets and images."""

import dataclasses
import gzip
import hashlib
import json
import resource

import numpy as np

from rdrl import logs
from rdrl import splat
from rdrl import types
from tests.hostile import drives
from tests.logs import conftest

CASES = {}


def gaussians(count=4, num_sh=1):
  rng = np.random.default_rng(0)
  shapes = {
    'means': (count, 3),
    'log_scales': (count, 3),
    'quats': (count, 4),
    'opacity_logits': (count,),
    'sh': (count, num_sh, 3),
  }
  arrays = {k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}
  return types.Gaussians(**arrays, node=np.zeros(count, np.int32))


def spoilt(name, named, change):
  """Adds Gaussians of which one is changed, written as they are."""

  def make(folder):
    g = gaussians()
    change(g)
    path = folder / 'a.ply'
    splat.save_ply(path, g)
    return lambda: splat.load_ply(path), f'a.ply: {named}'

  CASES[name] = make


def put(field, index, value):
  def change(g):
    getattr(g, field)[index] = value

  return change


for _name, _named, _change in [
  ('a splat of no colour', 'f_dc_1: nan', put('sh', (2, 0, 1), np.nan)),
  ('a splat of all colours', 'f_dc_0: inf', put('sh', (2, 0, 0), np.inf)),
  ('a splat nowhere', 'y: nan of splat 3', put('means', (3, 1), np.nan)),
  ('a splat beyond all', 'z: 1', put('means', (3, 2), 1e30)),
  (
    'a splat as large as all',
    'scale_0: inf',
    put('log_scales', (0, 0), np.inf),
  ),
  (
    'a splat too large for numbers',
    'scale_2: 99',
    put('log_scales', (0, 2), 99),
  ),
  ('a splat of no size', 'scale_1: nan', put('log_scales', (0, 1), np.nan)),
  ('a splat that is turned nowhere', 'rot_0', put('quats', 1, 0)),
  ('a splat turned for ever', 'rot_3: inf', put('quats', (1, 3), np.inf)),
  ('a splat seen and not', 'opacity: nan', put('opacity_logits', 1, np.nan)),
  ('a splat of nobody', 'node: 1000000000', put('node', 1, 10**9)),
  ('a splat below the ground', 'node: -2', put('node', 1, -2)),
]:
  spoilt(_name, _named, _change)


def rewritten(name, named, change):
  """Adds a file whose bytes are changed."""

  def make(folder):
    path = folder / 'a.ply'
    splat.save_ply(path, gaussians())
    path.write_bytes(change(path.read_bytes()))
    return lambda: splat.load_ply(path), named

  CASES[name] = make


def swap(old, new):
  def change(data):
    assert old in data
    return data.replace(old, new, 1)

  return change


def ascii_of(count, rows):
  def change(data):
    head = data[: data.index(b'end_header')].decode()
    head = head.replace('binary_little_endian', 'ascii')
    head = head.replace('vertex 4', f'vertex {count}')
    return (head + 'end_header\n' + rows).encode()

  return change


BODY = b'end_header\n'
COUNT = b'vertex 4\n'
for _name, _named, _change in [
  ('splats in gzip', 'a.ply: not a .ply', gzip.compress),
  ('splats in UTF-16', 'a.ply', lambda x: x.decode('latin-1').encode('utf-16')),
  ('splats of no bytes', 'a.ply: not a .ply', lambda x: b''),
  ('splats that are cut off', 'a.ply: vertex: 4 of', lambda x: x[:-1]),
  ('splats cut off in the header', 'a.ply: no end_header', lambda x: x[:99]),
  ('splats of another version', "'format b", swap(b' 1.0', b' 9.9')),
  ('splats of another machine', "'format p", swap(b'binary_little', b'pdp')),
  ('a negative count', "'element vertex -4'", swap(b'vertex 4', b'vertex -4')),
  ('a count of words', 'vertex four', swap(b'vertex 4', b'vertex four')),
  (
    'a count of 30 digits',
    "'element vertex 1",
    swap(COUNT, b'vertex 1%030d\n' % 0),
  ),
  (
    'a count of a billion',
    '1000000000 of',
    swap(COUNT, b'vertex 1000000000\n'),
  ),
  ('a billion lines', 'vertex: 1000000000 of', ascii_of(10**9, '1 2 3\n')),
  ('a line too short', 'numbers in row 0', ascii_of(1, '1 ' * 16 + '\n' * 40)),
  ('a line of words', 'row 0', ascii_of(1, 'one ' * 18 + '\n')),
  (
    'a comment of 50 MB',
    'no end_header in',
    swap(BODY, b'comment %s\n' % (b'x' * 50_000_000) + BODY),
  ),
  ('a list of splats', 'a list', swap(b'float y', b'list int float y')),
  ('two of one property', 'two prop', swap(b'float y', b'float x')),
  ('a property of no type', "'property quad y'", swap(b'float y', b'quad y')),
  ('a property that is missing', 'property y', swap(b'float y', b'float w')),
  (
    'no vertices',
    'no element vertex',
    swap(b'element vertex', b'element face'),
  ),
  (
    'an odd number of bands',
    'f_rest: 1 properties',
    swap(b'float nx', b'float f_rest_0'),
  ),
  (
    'a list before the splats',
    'face: a list',
    swap(
      b'element vertex',
      b'element face 9\nproperty list int int a\nelement vertex',
    ),
  ),
  (
    'a billion elements before the splats',
    'face: 1000000000 of 8',
    swap(
      b'element vertex',
      b'element face 1000000000\nproperty double a\nelement vertex',
    ),
  ),
]:
  rewritten(_name, _named, _change)


def _folder_of_splats(folder):
  (folder / 'a.ply').mkdir()
  return lambda: splat.load_ply(folder / 'a.ply'), 'a.ply: Is a directory'


CASES['splats that are a folder'] = _folder_of_splats


def asset(name='car', **changes):
  return splat.assets.Asset(
    gaussians=gaussians().replace(**changes),
    size=np.array([4.0, 2.0, 1.5]),
    kind=types.VEHICLE,
    name=name,
  )


def banked(name, named, spoil, wanted='car'):
  """Adds a bank of which a file is changed."""

  def make(folder):
    bank = splat.AssetBank(folder)
    bank.save(asset())
    spoil(folder)
    return lambda: bank.load(wanted), named

  CASES[name] = make


def facts(**changes):
  def spoil(folder):
    path = folder / 'car.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

  return spoil


def words(text):
  def spoil(folder):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / 'car.json').write_bytes(data)

  return spoil


def lengthened(pattern):
  def spoil(folder):
    (path,) = folder.glob(pattern)
    with path.open('r+b') as file:
      file.truncate(drives.ENDLESS)

  return spoil


def _of_another(folder):
  """Gaussians that are right but for a node, with their digest."""
  (path,) = folder.glob('*.ply')
  splat.save_ply(path, gaussians().replace(node=np.arange(4)))
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  facts(sha256=digest)(folder)


DEEP = '{"size":' + '[' * 200_000
for _name, _named, _spoil in [
  ('a size of 400 digits', 'car.json: size', facts(size=[10**400, 2, 2])),
  ('a size without an end', 'car.json: size', facts(size=[float('inf'), 2, 2])),
  ('a size of true', 'car.json: size', facts(size=[True, 2, 2])),
  ('a size of sizes', 'car.json: size', facts(size=[[4.0], 2, 2])),
  ('sizes of too much', 'car.json: ', facts(size=[1.0] * 20_000)),
  ('a count beyond all', 'car.json: count', facts(count=10**18)),
  ('a class of nobody', 'car.json: class', facts(**{'class': 'tank'})),
  ('a class of classes', 'car.json: class', facts(**{'class': ['vehicle']})),
  ('a way out of the bank', 'gaussians', facts(gaussians='../../a.ply')),
  ('a file of no name', 'car.json: gaussians', facts(gaussians='a\0.ply')),
  ('a digest of another', '.ply: sha256', facts(sha256='0' * 64)),
  ('a digest of a number', 'car.json: sha256', facts(sha256=5)),
  ('facts in facts', 'car.json: JSON nested too deep', words(DEEP[:65_000])),
  ('facts of too much', 'car.json: 200008 bytes', words(DEEP)),
  ('facts that are a list', 'car.json: [', words('[1, 2]')),
  ('facts that are a number', 'car.json: 5 is', words('5')),
  ('facts of no bytes', 'car.json: not JSON', words('')),
  ('facts in other bytes', 'car.json: not JSON', words(b'{"a": "\xe9"}')),
  ('a number of 5000 digits', 'car.json: not JSON', words('9' * 5000)),
  ('facts without an end', 'car.json', lengthened('*.json')),
  ('an asset without an end', '.ply', lengthened('*.ply')),
  ('an asset of many nodes', '.ply: node', _of_another),
]:
  banked(_name, _named, _spoil)

for _wanted in ('../car', '/etc/passwd', 'a/b', '', 'car\n', 'c\0', 'x' * 5000):
  banked(
    f'an asset named {_wanted[:20]!r}', 'asset', lambda folder: None, _wanted
  )


def _asset_of_nan(folder):
  spoilt_asset = asset(sh=np.full((4, 1, 3), np.nan, np.float32))
  bank = splat.AssetBank(folder)
  return lambda: bank.save(spoilt_asset), 'asset car: sh'


def _full_disk(folder):
  bank = splat.AssetBank(folder)
  bank.save(asset())
  other = dataclasses.replace(asset(), source='elsewhere')

  def save():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
      bank.save(other, overwrite=True)
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, limits)

  return save, str(folder / '.car')


CASES['an asset that is not finite'] = _asset_of_nan
CASES['an asset for a full disk'] = _full_disk


def mask(name, named, data):
  """Adds a mask of the ego for a log of two cameras."""

  def make(folder):
    path = folder / 'mask.png'
    path.write_bytes(data)
    log = conftest.make_log()
    return lambda: logs.with_ego_masks(log, [path, path]), named

  CASES[name] = make


BLACK = logs.encode_image(np.zeros((8, 12, 3), np.uint8))
mask('a mask that is EPS', 'mask.png: image', drives.EPS)
mask('a mask of 60000 x 60000', 'mask.png: image', drives.png(60000, 60000))
mask('a mask of 9000 x 9000', 'mask.png: image: 9000x', drives.png(9000, 9000))
mask('a mask of TIFF', 'mask.png: image', b'II*\0\x08\0\0\0\0\0')
mask('a mask of SVG', 'mask.png: image', b'<svg/>')
mask('a mask that is cut off', 'mask.png: image', BLACK[:45])
mask('a mask that hides all', 'mask.png: ego_masks: black', BLACK)


def _no_mask(folder):
  log = conftest.make_log()
  path = folder / 'none.png'
  return lambda: logs.with_ego_masks(log, [path, path]), 'none.png: No such'


def _one_mask(folder):
  log = conftest.make_log()
  return lambda: logs.with_ego_masks(log, [folder]), '1 files for 2 cameras'


def _mask_without_an_end(folder):
  path = folder / 'mask.png'
  path.write_bytes(BLACK)
  with path.open('r+b') as file:
    file.truncate(drives.ENDLESS)
  log = conftest.make_log()
  return lambda: logs.with_ego_masks(log, [path, path]), 'mask.png: image'


CASES['a mask that is not there'] = _no_mask
CASES['a mask too few'] = _one_mask
CASES['a mask without an end'] = _mask_without_an_end
