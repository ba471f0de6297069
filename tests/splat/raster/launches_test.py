# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How many kernels a frame is on a GPU, counted on whatever runs this."""

import collections
import functools
import sys

import jax
import jax.numpy as jnp
import pytest

from rdrl import splat
from rdrl import types
from rdrl.splat.raster import kernels
from tests import launches

COUNT, HEIGHT, WIDTH = 50_000, 192, 320
CONFIG = splat.RenderConfig(backend='triton')


@pytest.fixture(autouse=True)
def _compiled_kernels():
  """Kernels that other tests made for the interpreter are not kept here."""
  made = kernels.forward, kernels.backward
  for function in made:
    function.cache_clear()
  yield
  for function in made:
    function.cache_clear()


def _shapes(shapes):
  return jax.tree.map(
    lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
    shapes,
    is_leaf=lambda x: isinstance(x, tuple),
  )


def _scene():
  parts = types.Gaussians(
    means=(COUNT, 3),
    log_scales=(COUNT, 3),
    quats=(COUNT, 4),
    opacity_logits=(COUNT,),
    sh=(COUNT, 16, 3),
    node=(COUNT,),
  )
  return _shapes(parts).replace(node=jax.ShapeDtypeStruct((COUNT,), jnp.int32))


def _camera(*batch):
  view, intrinsics = _shapes([(*batch, 4, 4), (*batch, 3, 3)])
  return types.Camera(view, intrinsics, HEIGHT, WIDTH)


def _forward(gaussians, camera, poses=None):
  rendered = splat.render(
    gaussians, camera, jnp.zeros(3), node_poses=poses, config=CONFIG
  )
  return rendered.color, rendered.depth, rendered.alpha, rendered.overflow


def _gradients(gaussians, camera, poses=None):
  def loss(parameters):
    color, depth, alpha, _ = _forward(
      gaussians.replace(**parameters), camera, poses
    )
    return jnp.sum(color**2) + jnp.sum(depth) + jnp.sum(alpha)

  names = 'means', 'log_scales', 'quats', 'opacity_logits', 'sh'
  return jax.grad(loss)({name: getattr(gaussians, name) for name in names})


def _count(function, *arguments):
  found = launches.unfusable(function, *arguments)
  return collections.Counter(name for name, _ in found)


# Sorted by depth and by tile; gathered: areas, what entries belong to, their
# Gaussians, and what is blended; added up: areas, owners and blocks; scattered:
# where Gaussians begin, and the entries of each tile.
FORWARD = {
  'sort': 2,
  'gather': 4,
  'reduce_window': 3,
  'scatter': 2,
  'custom_call': 1,
}


@pytest.mark.parametrize(
  'batch', [(), (3,)], ids=['one camera', 'three cameras']
)
def test_a_frame_is_few_kernels(batch):
  forward, gradients = _forward, _gradients
  if batch:
    forward, gradients = (jax.vmap(f, (None, 0)) for f in (forward, gradients))
  assert _count(forward, _scene(), _camera(*batch)) == FORWARD
  # Once more through the tiles, and back to the table.
  more = FORWARD | {'custom_call': 2, 'gather': 5, 'scatter': 3}
  assert _count(gradients, _scene(), _camera(*batch)) == more


def test_objects_that_move_cost_one_gather():
  poses = _shapes((12, 4, 4))
  found = _count(_forward, _scene(), _camera(), poses)
  assert found == FORWARD | {'gather': 5}


def test_cameras_share_each_sort():
  render = jax.vmap(_forward, (None, 0))
  found = launches.unfusable(render, _scene(), _camera(3))
  sorted_shapes = [shape for name, shape in found if name == 'sort']
  assert len(sorted_shapes) == 2
  assert sorted_shapes[0] == (3 * COUNT,)
  assert all(len(shape) == 1 for shape in sorted_shapes)
  # The depths of 64 images do not fit into one integer with their number.
  found = launches.unfusable(render, _scene(), _camera(64))
  ranks = [len(shape) for name, shape in found if name == 'sort']
  assert ranks == [2, 1]


def test_what_is_called_twice_counts_twice_and_what_fuses_does_not():
  numbers = jax.ShapeDtypeStruct((100,), jnp.float32)

  @jax.jit
  def ordered(x):
    return jnp.sort(x)

  def calls(x):
    return ordered(x) + 2 * ordered(x + 1)[::-1]

  assert _count(calls, numbers) == {'sort': 2}
  look_up = functools.partial(jnp.searchsorted, method='scan')
  assert _count(look_up, numbers, numbers) == {'while': 1, 'gather': 1}


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
