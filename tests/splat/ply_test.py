# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The standard 3DGS file: layout, exact round trip, refusals."""

import sys

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
