# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A log is a place to drive in: edges, obstacles and ground."""

import sys

import jax
import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types


@pytest.fixture
def hill(make_log):
  """30 m of a road 7 m wide that rises by a tenth."""
  log = make_log(num_steps=31)
  xy = log.tracks.xy
  log.tracks.z[:] = 0.1 * xy[..., 0] + log.sizes[:, 2] / 2
  ego = trees.take(log.tracks, (slice(None), 0))
  return log.replace(map=logs.corridor_map(ego, half_width=3.5))


def test_edges_are_where_the_map_has_them(hill):
  scene = logs.geometric_scene(hill, cell=0.5, margin=20.0)
  assert scene.drivable.values.shape == (81, 141)
  y = np.linspace(-6, 6, 40)
  points = np.stack([np.full(40, 15.0), y], -1)
  found = geometry.sample_grid(scene.drivable, points)
  np.testing.assert_allclose(found, 3.5 - np.abs(y), atol=0.26)
  np.testing.assert_array_equal(scene.occupancy.values, scene.drivable.values)
  free = logs.geometric_scene(hill, edge_is_obstacle=False)
  assert free.occupancy.values.min() > 50
  assert free.drivable.values.min() < -20


def test_the_ground_is_below_the_wheels(hill):
  scene = logs.geometric_scene(hill)
  xy = hill.tracks.xy[5:-5, 0]
  found = geometry.sample_grid(scene.ground, xy)
  np.testing.assert_allclose(found, 0.1 * xy[:, 0], atol=0.05)
  # Where nobody drove it is as high as where somebody did, next to it.
  beside = geometry.sample_grid(scene.ground, xy + np.float32([0, -20]))
  np.testing.assert_allclose(beside, found, atol=0.05)
  # People may stand on steps; their feet do not count.
  hill.classes[1:] = types.PEDESTRIAN
  hill.tracks.z[:, 1:] += 5
  again = logs.geometric_scene(hill)
  np.testing.assert_allclose(again.ground.values.max(), 3.0, atol=0.1)


def test_a_scene_keeps_tracks_and_map_and_has_nothing_to_see(hill):
  scene = logs.geometric_scene(hill)
  assert scene.tracks is hill.tracks and scene.map is hill.map
  assert scene.camera_from_ego.shape == (0, 4, 4)
  assert scene.intrinsics.shape == (0, 3, 3)
  assert scene.gaussians.means.shape == (0, 3)
  assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(scene))


@pytest.mark.parametrize('field', ['cell', 'margin'])
def test_lengths_are_positive(hill, field):
  with pytest.raises(ValueError, match=f'{field}: 0.0 m is not positive'):
    logs.geometric_scene(hill, **{field: 0.0})


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
