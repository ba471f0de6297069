# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of what a scene knows of its errors."""

import sys

import jax
import numpy as np
import pytest

from rdrl import splat
from rdrl import types
from rdrl import world
from rdrl.report import trust_scores
from rdrl.splat.fitting import initialise
from rdrl.splat.fitting import lidar

CONFIG = splat.RenderConfig()
FIT = splat.FitConfig(num_gaussians=1200, gaussians_per_object=32, sh_degree=0)
SIZE = world.Config(
  height=24, width=40, num_steps=24, num_lidar=256, supersample=1
)


def _error(values):
  """The same error `[..., 3]` in all channels, of either sign."""
  return np.asarray(values, float)[..., None] * np.array([1, -1, 1])


def test_rank_correlation_of_a_permutation_of_five():
  values = np.zeros((8, 40))
  values[:] = np.repeat([1, 2, 3, 4, 5], 8)
  error = np.zeros((8, 40))
  error[:] = np.repeat([2, 1, 4, 3, 5], 8)
  found = trust_scores.correlations(np.exp(values), _error(error))
  # 1 - 6 (1 + 1 + 1 + 1) / (5 (5^2 - 1)), whatever grows with the values.
  for name in trust_scores.SCORES:
    assert found[name] == pytest.approx(0.8), name
  found = trust_scores.correlations(-values, _error(error))
  assert found['blocks_squared_pooled'] == pytest.approx(-0.8)


def test_blocks_forgive_what_pixels_do_not():
  level = np.repeat(np.arange(1, 5), 8)[None] * np.ones((16, 1))
  checkers = np.indices(level.shape).sum(0) % 2
  found = trust_scores.correlations(level, _error(2 * level * checkers))
  assert found['blocks_absolute_pooled'] == pytest.approx(1)
  assert 0.2 < found['pixels_absolute_pooled'] < 0.5


def test_every_view_may_be_right_and_all_together_wrong():
  ramp = np.arange(64.0)[None] * np.ones((8, 1))
  values = np.stack([ramp, 100 + ramp])
  found = trust_scores.correlations(
    values, _error(np.stack([100 + ramp, ramp]))
  )
  assert found['pixels_absolute_views'] == pytest.approx(1)
  assert found['pixels_absolute_pooled'] < -0.4
  # A view in which nothing differs has no ranks, and infinity is the highest.
  values = np.stack([np.where(ramp == 63, np.inf, ramp), 0 * ramp])
  found = trust_scores.correlations(values, _error(np.stack([ramp, ramp])))
  assert found['pixels_absolute_views'] == pytest.approx(1)


@pytest.fixture(scope='module')
def recorded():
  """A street, its log, and the scene that a fit would begin with."""
  street = world.build(1, SIZE)
  log = jax.device_get(world.record(street, SIZE))
  hits = lidar.find(log, np.flatnonzero(~log.is_held_out))
  drivable, occupancy, ground = splat.ground_and_grids(
    log, hits, splat.GridConfig()
  )
  gaussians, sky = initialise.initial_scene(
    log, hits, FIT, np.random.default_rng(0)
  )
  scene = types.Scene(
    gaussians=gaussians,
    sky=sky,
    exposure=np.tile(np.eye(3, 4, dtype=np.float32), (3, 1, 1)),
    camera_from_ego=log.camera_from_ego,
    intrinsics=log.cameras.intrinsics[0],
    tracks=log.tracks,
    sizes=log.sizes,
    classes=log.classes,
    map=log.map,
    drivable=drivable,
    occupancy=occupancy,
    ground=ground,
    height=SIZE.height,
    width=SIZE.width,
  )
  return street, log, scene


@pytest.mark.slow
def test_a_scene_is_scored_without_a_look_at_held_out_steps(recorded):
  street, log, scene = recorded
  key = jax.random.key(0)
  known = trust_scores.know(scene, log, CONFIG, key, num_views=18)
  images = np.array(log.images)
  images[log.is_held_out] = 0
  blind = trust_scores.know(
    scene, log.replace(images=images), CONFIG, key, num_views=18
  )
  jax.tree.map(np.testing.assert_array_equal, known, blind)
  found = trust_scores.trust_scores(
    street, known, CONFIG, key, offset=1.0, stride=8
  )
  assert set(found) == set(trust_scores.LABELS)
  for scores in found.values():
    assert set(scores) == set(trust_scores.SCORES)
  # Even before it is fitted, a scene knows more than nothing of its errors.
  assert 0.15 < found['gain']['pixels_absolute_pooled'] < 1
  assert found['gain'] != found['variance'] != found['gradient']
  # Nothing is free where the car would stand in a wall.
  walled = known.replace(
    scene=known.scene.replace(
      occupancy=scene.occupancy.replace(
        values=-np.ones_like(scene.occupancy.values)
      )
    )
  )
  found = trust_scores.trust_scores(street, walled, CONFIG, key, offset=1.0)
  assert np.isnan(found['gain']['pixels_absolute_pooled'])


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
