# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians in the `.ply` layout of 3DGS (Kerbl et al. 2023)."""

import contextlib
import os
import re

import numpy as np
import plyfile

from rdrl import types

# Most bytes of a header; that of degree 3 has 1500.
MAX_HEADER = 1 << 16
_DTYPES = {
  **{'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2'},
  **{'int': 'i4', 'uint': 'u4', 'float': 'f4', 'double': 'f8'},
  **{'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2'},
  **{'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8'},
}
_ORDERS = {
  'ascii': '',
  'binary_little_endian': '<',
  'binary_big_endian': '>',
}

# Limits: metres and colours, beyond which sums may leave float32; logarithms of
# scales that float32 holds; nodes.
_MAX_VALUE, _MAX_LOG_SCALE, _MAX_NODE = 1e9, 88.0, 9999
_MAX_QUAT = 1e38
# Lengths of quaternions whose squares float32 holds.
_QUAT_LENGTHS = 1e-15, 1e15


def _names(num_coefficients):
  rest = 3 * (num_coefficients - 1)
  return [
    *('x', 'y', 'z', 'nx', 'ny', 'nz'),
    *(f'f_dc_{i}' for i in range(3)),
    *(f'f_rest_{i}' for i in range(rest)),
    'opacity',
    *(f'scale_{i}' for i in range(3)),
    *(f'rot_{i}' for i in range(4)),
  ]


def save_ply(path, gaussians):
  """Writes Gaussians so that any viewer of 3DGS scenes opens them.

  Means of tracked objects stay in their box frames. Each Gaussian's node is an
  integer property `node` after the standard ones, which viewers ignore.

  Raises:
    OSError: naming the file, if it cannot be written.
  """
  g = types.Gaussians(**{k: np.asarray(v) for k, v in vars(gaussians).items()})
  num, coefficients, _ = g.sh.shape
  # 3DGS stores the higher bands channel by channel.
  rest = g.sh[:, 1:].transpose(0, 2, 1).reshape(num, 3 * (coefficients - 1))
  columns = np.concatenate(
    [
      g.means,
      np.zeros((num, 3)),
      g.sh[:, 0],
      rest,
      g.opacity_logits[:, None],
      g.log_scales,
      g.quats,
    ],
    1,
  )
  names = _names(coefficients)
  vertices = np.empty(num, [*((name, 'f4') for name in names), ('node', 'i4')])
  for name, column in zip(names, columns.T, strict=True):
    vertices[name] = column
  vertices['node'] = g.node
  element = plyfile.PlyElement.describe(vertices, 'vertex')
  with named(path), open(path, 'wb') as file:
    plyfile.PlyData([element]).write(file)


@contextlib.contextmanager
def named(path):
  """Adds a file name to an `OSError` without one, such as of a full disk."""
  try:
    yield
  except OSError as error:
    if error.filename is None:
      error.filename = os.fspath(path)
    raise


def load_ply(path):
  """Loads the `Gaussians` of a 3DGS file; without `node`, all are background.

  The file may hold no Gaussian. Opacity logits may be infinite and logarithms
  of scales minus infinite, as some programs write them.

  Raises:
    ValueError: naming the file, property and splat that are missing or cannot
      be drawn.
    OSError: if it cannot be read.
  """
  name = os.fspath(path)
  with open(path, 'rb') as file:
    vertices = _vertices(file, name)
  found = vertices.dtype.names or ()
  rest = sum(n.startswith('f_rest_') for n in found)
  if rest not in (0, 9, 24, 45):
    raise ValueError(f'{name}: f_rest: {rest} properties belong to no degree')
  for wanted in _names(1 + rest // 3):
    if wanted not in found and wanted not in ('nx', 'ny', 'nz'):
      raise ValueError(f'{name}: no property {wanted}')

  def columns(prefix, suffixes, low=-_MAX_VALUE, high=_MAX_VALUE):
    names = [prefix + str(suffix) for suffix in suffixes]
    for n in names:
      # NaN fails both comparisons.
      good = (vertices[n] >= low) & (vertices[n] <= high)
      for row in np.flatnonzero(~good)[:1]:
        raise ValueError(f'{name}: {n}: {vertices[n][row]} of splat {row}')
    with np.errstate(over='ignore'):
      return np.stack([vertices[n].astype(np.float32) for n in names], -1)

  sh = columns('f_dc_', range(3))[:, None]
  if rest:
    higher = columns('f_rest_', range(rest)).reshape(-1, 3, rest // 3)
    sh = np.concatenate([sh, higher.transpose(0, 2, 1)], 1)
  quats = columns('rot_', range(4), -_MAX_QUAT, _MAX_QUAT)
  length = np.linalg.norm(quats.astype(np.float64), axis=-1, keepdims=True)
  for row in np.flatnonzero(length == 0)[:1]:
    raise ValueError(f'{name}: rot_0: the quaternion of splat {row} is zero')
  low, high = _QUAT_LENGTHS
  is_usual = (length > low) & (length < high)
  node = np.zeros(len(vertices), np.int32)
  if 'node' in found:
    node = columns('node', [''], types.GROUND, _MAX_NODE)[:, 0]
    for row in np.flatnonzero(node % 1)[:1]:
      raise ValueError(f'{name}: node: {node[row]} of splat {row}')
  return types.Gaussians(
    means=columns('', 'xyz'),
    log_scales=columns('scale_', range(3), -np.inf, _MAX_LOG_SCALE),
    quats=np.where(is_usual, quats, quats / length).astype(np.float32),
    opacity_logits=columns('opacity', [''], -np.inf, np.inf)[:, 0],
    sh=sh,
    node=node.astype(np.int32),
  )


def _vertices(file, name):
  """Reads the vertices of an open file as a structured array `[N]`.

  Compares the header's claims with the size of the file before it reads.
  """
  order, elements, start = _header(file, name)
  left = os.fstat(file.fileno()).st_size - start
  skipped = 0
  for element, count, properties in elements:
    source = f'{name}: {element}'
    names = [n for n, _ in properties]
    if any(kind is None for _, kind in properties) and count:
      raise ValueError(f'{source}: a list: not a .ply of Gaussians')
    if len(set(names)) < len(names):
      raise ValueError(f'{source}: two properties have one name')
    dtype = np.dtype([(n, order + (kind or 'u1')) for n, kind in properties])
    # A number and its separator take two bytes; the last may lack the latter.
    size = dtype.itemsize if order else 2 * len(names)
    if count * size > left + (not order):
      raise ValueError(
        f'{source}: {count} of {size} bytes, but the file has {left} left'
      )
    if element == 'vertex':
      if not names:
        raise ValueError(f'{source}: no properties')
      file.seek(start)
      if order:
        return np.frombuffer(file.read(count * size), dtype, count)
      return _rows(file, skipped, count, names, source)
    left -= count * size
    start += count * size if order else 0
    skipped += count
  raise ValueError(f'{name}: no element vertex: not a .ply of Gaussians')


def _rows(file, skipped, count, names, source):
  """Parses lines of numbers to a structured float64 array."""
  lines = file.read().splitlines()[skipped : skipped + count]
  if len(lines) < count:
    raise ValueError(f'{source}: cut off at {len(lines)} of {count}')
  vertices = np.empty(count, [(n, 'f8') for n in names])
  for row, line in enumerate(lines):
    words = line.split()
    if len(words) != len(names):
      raise ValueError(
        f'{source}: {len(words)} numbers in row {row}, expected {len(names)}'
      )
    try:
      vertices[row] = tuple(map(float, words))
    except ValueError as error:
      raise ValueError(f'{source}: row {row}: {str(error)[:80]}') from error
  return vertices


def _header(file, name):
  """Parses the header of an open file.

  Returns:
    Byte order, '' for text; elements, each a name, a count and properties of
    name and dtype, None for a list; and the offset of the first element.
  """
  head = file.read(MAX_HEADER)
  opening = re.match(rb'ply(\r\n|\n|\r)', head)
  if not opening:
    raise ValueError(
      f'{name}: not a .ply of Gaussians: it begins with {head[:4]!r}'
    )
  end = opening[1] + b'end_header' + opening[1]
  length = head.find(end)
  if length < 0:
    raise ValueError(f'{name}: no end_header in the first {len(head)} bytes')
  order, elements = None, []
  for line in head[:length].split(opening[1])[1:]:
    match line.decode('latin-1').split():
      case [] | ['comment' | 'obj_info', *_]:
        pass
      case ['format', kind, '1.0'] if kind in _ORDERS:
        order = _ORDERS[kind]
      case ['element', element, count] if re.fullmatch(r'\d{1,15}', count):
        elements.append((element, int(count), []))
      case ['property', kind, prop] if kind in _DTYPES and elements:
        elements[-1][2].append((prop, _DTYPES[kind]))
      case ['property', 'list', _, _, prop] if elements:
        elements[-1][2].append((prop, None))
      case words:
        what = ' '.join(words)[:80]
        raise ValueError(f'{name}: not a .ply of Gaussians: {what!r}')
  if order is None:
    raise ValueError(f'{name}: no format: not a .ply of Gaussians')
  return order, elements, length + len(end)
