# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The standard 3DGS file: layout, exact round trip, refusals."""

import gzip
import sys
import tracemalloc

import jax
import numpy as np
import plyfile
import pytest

from rdrl import splat
from rdrl import types


def _gaussians(num_sh):
  rng = np.random.default_rng(0)
  shapes = {
    'means': (7, 3),
    'log_scales': (7, 3),
    'quats': (7, 4),
    'opacity_logits': (7,),
    'sh': (7, num_sh, 3),
  }
  arrays = {k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}
  return types.Gaussians(**arrays, node=np.arange(7, dtype=np.int32) % 3)


@pytest.mark.parametrize('num_sh', [1, 4, 9, 16])
def test_round_trip_is_exact(tmp_path, num_sh):
  g = _gaussians(num_sh)
  splat.save_ply(tmp_path / 'a.ply', g)
  back = splat.load_ply(tmp_path / 'a.ply')
  for name, value in vars(g).items():
    np.testing.assert_array_equal(getattr(back, name), value, err_msg=name)
    assert getattr(back, name).dtype == value.dtype


def test_layout_is_that_of_3dgs(tmp_path):
  g = _gaussians(16)
  splat.save_ply(tmp_path / 'a.ply', g)
  vertex = plyfile.PlyData.read(tmp_path / 'a.ply')['vertex']
  names = [p.name for p in vertex.properties]
  assert names[:9] == [
    *('x', 'y', 'z', 'nx', 'ny', 'nz', 'f_dc_0', 'f_dc_1', 'f_dc_2')
  ]
  assert names[9:54] == [f'f_rest_{i}' for i in range(45)]
  assert names[54:62] == [
    *('opacity', 'scale_0', 'scale_1', 'scale_2'),
    *('rot_0', 'rot_1', 'rot_2', 'rot_3'),
  ]
  # The higher bands go channel by channel: 15 of red, of green, of blue.
  np.testing.assert_array_equal(vertex['f_rest_16'], g.sh[:, 2, 1])
  assert all(p.val_dtype == 'f4' for p in vertex.properties[:62])


def test_a_file_of_another_program_without_nodes_is_background(tmp_path):
  splat.save_ply(tmp_path / 'a.ply', _gaussians(4))
  vertex = plyfile.PlyData.read(tmp_path / 'a.ply')['vertex'].data
  names = [n for n in vertex.dtype.names if n not in ('node', 'nx', 'ny', 'nz')]
  plain = np.empty(len(vertex), [(n, 'f4') for n in names])
  for name in names:
    plain[name] = vertex[name]
  plyfile.PlyData([plyfile.PlyElement.describe(plain, 'vertex')]).write(
    str(tmp_path / 'b.ply')
  )
  assert not np.any(splat.load_ply(tmp_path / 'b.ply').node)


def _columns(g):
  """Name to `[N]` of each property that is needed."""
  names = [f'f_rest_{i}' for i in range(3 * (g.sh.shape[1] - 1))]
  rest = g.sh[:, 1:].transpose(0, 2, 1).reshape(len(g.node), -1)
  return (
    dict(zip('xyz', g.means.T, strict=True))
    | {f'f_dc_{i}': g.sh[:, 0, i] for i in range(3)}
    | dict(zip(names, rest.T, strict=True))
    | {'opacity': g.opacity_logits}
    | {f'scale_{i}': g.log_scales[:, i] for i in range(3)}
    | {f'rot_{i}': g.quats[:, i] for i in range(4)}
  )


def _file(columns, kind='float', form='binary_little_endian', end='\n', **more):
  """The bytes of a file; `more` has `count` and lines `before` the vertices."""
  count = more.get('count', len(columns['x']))
  head = [
    *('ply', f'format {form} 1.0', *more.get('before', ())),
    f'element vertex {count}',
    *(f'property {kind} {n}' for n in columns),
    *('end_header', ''),
  ]
  dtype = {'float': 'f4', 'double': 'f8'}[kind]
  values = np.stack(list(columns.values()), -1)
  if form == 'ascii':
    body = ''.join(' '.join(map(repr, r)) + end for r in values.tolist())
    return (end.join(head) + body).encode()
  order = '<>'[form == 'binary_big_endian']
  return end.join(head).encode() + values.astype(order + dtype).tobytes()


@pytest.mark.parametrize(
  'dialect',
  [
    {'form': 'ascii'},
    {'form': 'ascii', 'end': '\r\n'},
    {'form': 'ascii', 'end': '\r', 'kind': 'double'},
    {'form': 'binary_big_endian'},
    {'kind': 'double', 'end': '\r\n'},
    {'before': ['comment Gau\xdf', '', 'obj_info 5', 'element none 0']},
    {'before': ['element face 0', 'property list uchar int a', 'comment x']},
    {'before': ['element many 0', 'property uint8 a', 'property int16 b']},
  ],
)
def test_dialects_of_one_scene_are_read_alike(tmp_path, dialect):
  g = _gaussians(4)
  columns = _columns(g)
  # In another order, with a property that nobody needs.
  columns = {'area': g.opacity_logits} | dict(reversed(columns.items()))
  path = tmp_path / 'a.ply'
  path.write_bytes(_file(columns, **dialect))
  back = splat.load_ply(path)
  for name, value in vars(g.replace(node=0 * g.node)).items():
    np.testing.assert_array_equal(getattr(back, name), value, err_msg=name)


def test_elements_before_the_vertices_are_passed_over(tmp_path):
  g = _gaussians(1)
  before = ['element chunk 2', 'property short a', 'property char b']
  data = _file(_columns(g), before=before)
  start = data.index(b'end_header\n') + len(b'end_header\n')
  path = tmp_path / 'a.ply'
  path.write_bytes(data[:start] + b'chunks' + data[start:] + b'the end')
  np.testing.assert_array_equal(splat.load_ply(path).means, g.means)
  data = _file(_columns(g), before=before, form='ascii').decode()
  path.write_text(data.replace('end_header\n', 'end_header\n1 2\n3 4\n'))
  np.testing.assert_array_equal(splat.load_ply(path).means, g.means)


def test_what_is_not_quite_finite_is_read_as_it_is_meant(tmp_path):
  columns = _columns(_gaussians(1))
  columns['opacity'] = np.float32([np.inf, -np.inf, 0, 0, 0, 0, 0])
  columns['scale_1'] = np.full(7, -np.inf, np.float32)
  for i in range(4):
    columns[f'rot_{i}'] = columns[f'rot_{i}'] * np.float32(
      [1e25, 1e-25, 1, 1, 1, 1, 1]
    )
  path = tmp_path / 'a.ply'
  path.write_bytes(_file(columns))
  back = splat.load_ply(path)
  np.testing.assert_array_equal(back.opacity_logits, columns['opacity'])
  np.testing.assert_array_equal(back.log_scales[:, 1], columns['scale_1'])
  usual = _gaussians(1).quats
  unit = usual / np.linalg.norm(usual, axis=-1, keepdims=True)
  np.testing.assert_allclose(back.quats[:2], unit[:2], rtol=1e-5)
  np.testing.assert_array_equal(back.quats[2:], usual[2:])


def test_no_splats_at_all_show_the_background(tmp_path):
  for num_sh in (4, 1):
    none = jax.tree.map(lambda x: x[:0], _gaussians(num_sh))
    splat.save_ply(tmp_path / 'a.ply', none)
    back = splat.load_ply(tmp_path / 'a.ply')
    assert back.sh.shape == (0, num_sh, 3)
  camera = types.Camera(
    camera_from_world=np.eye(4, dtype=np.float32),
    intrinsics=np.float32([[9, 0, 8], [0, 9, 4], [0, 0, 1]]),
    height=8,
    width=16,
  )
  rendered = jax.jit(splat.render)(
    back, camera, np.float32([0.2, 0.4, 0.6]), features=np.zeros((0, 2))
  )
  np.testing.assert_allclose(rendered.color[3, 5], [0.2, 0.4, 0.6])
  assert np.ptp(rendered.color, (0, 1)).max() == 0
  assert not rendered.alpha.any() and not rendered.overflow
  assert rendered.features.shape == (8, 16, 2)


@pytest.mark.parametrize(
  ('change', 'named'),
  [
    ({'x': np.nan}, 'x: nan of splat 2'),
    ({'y': -np.inf}, 'y: -inf of splat 2'),
    ({'z': 1e30}, r'z: 1\.0\d*e\+30 of splat 2'),
    ({'f_dc_1': np.nan}, 'f_dc_1: nan'),
    ({'f_rest_8': np.inf}, 'f_rest_8: inf'),
    ({'opacity': np.nan}, 'opacity: nan'),
    ({'scale_0': np.inf}, 'scale_0: inf'),
    ({'scale_2': 100.0}, 'scale_2: 100.0'),
    ({'scale_2': np.nan}, 'scale_2: nan'),
    ({'rot_3': np.inf}, 'rot_3: inf'),
    ({f'rot_{i}': 0 for i in range(4)}, 'rot_0: the quaternion of splat 2'),
    ({'node': 1e9}, 'node: 1000000000.0 of splat 2'),
    ({'node': 1.5}, 'node: 1.5 of splat 2'),
    ({'node': -2}, 'node: -2.0 of splat 2'),
    ({'node': np.nan}, 'node: nan of splat 2'),
  ],
)
@pytest.mark.parametrize('form', ['ascii', 'binary_little_endian'])
def test_what_cannot_be_drawn_is_named_by_property(
  tmp_path, change, named, form
):
  columns = _columns(_gaussians(4)) | {'node': np.zeros(7)}
  for name, value in change.items():
    columns[name] = np.where(np.arange(7) == 2, value, columns[name])
  path = tmp_path / 'bad.ply'
  path.write_bytes(_file(columns, form=form, kind='double'))
  with pytest.raises(ValueError, match=rf'bad\.ply: {named}'):
    splat.load_ply(path)


def _columns_of(rest):
  columns = _columns(_gaussians(1))
  return columns | {f'f_rest_{i}': columns['x'] for i in range(rest)}


@pytest.mark.parametrize(
  ('data', 'named'),
  [
    (_file(_columns_of(10)), 'f_rest: 10 properties'),
    (_file(_columns_of(12)), 'f_rest: 12 properties'),
    (_file(_columns_of(9)).replace(b'rest_8', b'rest_9'), 'no property f_re'),
    (_file(_columns_of(0))[:-1], 'vertex: 7 of 56 bytes, but the file has 391'),
    (_file(_columns_of(0), form='ascii')[:-30], 'vertex: '),
    (_file(_columns_of(0), form='ascii', count=9), 'vertex: cut off at 7 of 9'),
    (_file(_columns_of(0), count=10**9), 'vertex: 1000000000 of 56 bytes'),
    (_file(_columns_of(0), count=10**9, form='ascii'), 'vertex: 1000000000 of'),
    (_file(_columns_of(0), count=10**30), "'element vertex 1000"),
    (_file(_columns_of(0), count=-5), "'element vertex -5'"),
    (_file(_columns_of(0), count='7.0'), r"'element vertex 7\.0'"),
    (_file(_columns_of(0), before=['comment ' + 'x' * 70_000]), 'no end_hea'),
    (_file(_columns_of(0)).replace(b'float y', b'float x'), 'vertex: two'),
    (_file(_columns_of(0)).replace(b'float y', b'quad y'), "'property quad y'"),
    (
      _file(_columns_of(0)).replace(b'float y', b'list int float y'),
      'vertex: a list',
    ),
    (
      _file(_columns_of(0), before=['element a 5', 'property list int int b']),
      'a: a list',
    ),
    (_file(_columns_of(0)).replace(b'vertex', b'vortex'), 'no element vertex'),
    (_file(_columns_of(0)).replace(b'format', b'comment'), 'no format'),
    (_file(_columns_of(0)).replace(b' 1.0', b' 2.0'), "'format .* 2.0'"),
    (b'ply\nformat ascii 1.0\nelement vertex 3\nend_header\n', 'vertex: no p'),
    (gzip.compress(_file(_columns_of(0))), r"not a \.ply .* b'\\x1f\\x8b"),
    (b'', r'not a \.ply of'),
  ],
)
def test_headers_that_claim_what_is_not_there_are_refused(
  tmp_path, data, named
):
  path = tmp_path / 'bad.ply'
  path.write_bytes(data)
  tracemalloc.start()
  try:
    with pytest.raises(ValueError, match=rf'bad\.ply: .*{named}') as error:
      splat.load_ply(path)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 1 << 21
  assert len(str(error.value)) < 200 + len(str(path))


def test_what_is_no_scene_is_refused_by_name(tmp_path):
  path = tmp_path / 'bad.ply'
  path.write_text('hello')
  with pytest.raises(ValueError, match=r'bad\.ply'):
    splat.load_ply(path)
  points = np.zeros(3, [('x', 'f4'), ('y', 'f4'), ('z', 'f4')])
  element = plyfile.PlyElement.describe(points, 'vertex')
  plyfile.PlyData([element]).write(str(path))
  with pytest.raises(ValueError, match=r'bad\.ply: no property f_dc_0'):
    splat.load_ply(path)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
