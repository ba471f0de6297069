# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians in the `.ply` layout of 3DGS (Kerbl et al. 2023)."""

import os

import numpy as np
import plyfile

from rdrl import types


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

  Means of tracked objects stay in their box frames; `node`, an integer property
  after the standard ones, says whose. Viewers ignore it.
  """
  g = types.Gaussians(**{k: np.asarray(v) for k, v in vars(gaussians).items()})
  num, coefficients, _ = g.sh.shape
  # 3DGS stores the higher bands channel by channel.
  rest = g.sh[:, 1:].transpose(0, 2, 1).reshape(num, -1)
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
  with open(path, 'wb') as file:
    plyfile.PlyData([element]).write(file)


def load_ply(path):
  """`Gaussians` of a 3DGS file; all in the background without a `node`.

  Raises:
    ValueError: naming the file, if it is no such file or lacks a property.
  """
  name = os.fspath(path)
  try:
    vertices = plyfile.PlyData.read(name)['vertex']
  except (plyfile.PlyParseError, KeyError) as error:
    raise ValueError(f'{name}: not a .ply of Gaussians: {error}') from error
  found = {p.name for p in vertices.properties}
  rest = sum(p.startswith('f_rest_') for p in found)
  coefficients = 1 + rest // 3
  missing = [
    n for n in _names(coefficients) if n not in found | {'nx', 'ny', 'nz'}
  ]
  if missing or coefficients not in (1, 4, 9, 16):
    raise ValueError(
      f'{name}: no property {missing[0]}'
      if missing
      else f'{name}: {rest} f_rest properties belong to no degree'
    )

  def columns(*names):
    return np.stack([np.asarray(vertices[n], np.float32) for n in names], -1)

  num = len(vertices)
  sh = columns(*(f'f_dc_{i}' for i in range(3)))[:, None]
  if rest:
    higher = columns(*(f'f_rest_{i}' for i in range(rest)))
    sh = np.concatenate([sh, higher.reshape(num, 3, -1).transpose(0, 2, 1)], 1)
  node = vertices['node'] if 'node' in found else np.zeros(num)
  return types.Gaussians(
    means=columns('x', 'y', 'z'),
    log_scales=columns(*(f'scale_{i}' for i in range(3))),
    quats=columns(*(f'rot_{i}' for i in range(4))),
    opacity_logits=columns('opacity')[:, 0],
    sh=sh,
    node=np.asarray(node, np.int32),
  )
