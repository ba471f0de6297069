# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Whom cameras see, and what is told of the truth."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.learn import augment
from rdrl.sim import sight

CELL = 8
CONFIG = sim.Config(frames=1, image_height=48, image_width=80, truth_cell=CELL)
WALKER = (0.6, 0.6, 1.75)


def _camera(yaw):
  """`camera_from_ego` that looks ahead, turned to the left."""
  ahead = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
  turn = np.eye(4)
  cos, sin = np.cos(yaw), np.sin(yaw)
  turn[:2, :2] = [[cos, sin], [-sin, cos]]
  return ahead @ turn


def _environment(road, agents, sizes=None, yaws=(0.0,), occupancy=None):
  place = road.scene(*agents)
  lens = np.array([[57.0, 0, 40], [0, 57, 24], [0, 0, 1]], np.float32)
  place = place.replace(
    camera_from_ego=np.stack([_camera(yaw) for yaw in yaws]).astype(np.float32),
    intrinsics=np.tile(lens, (len(yaws), 1, 1)),
    exposure=np.zeros((len(yaws), 3, 4), np.float32),
    height=48,
    width=80,
  )
  if sizes is not None:
    sizes = np.array(sizes, np.float32)
    tracks = place.tracks.replace(
      z=np.broadcast_to(sizes[:, 2] / 2, place.tracks.z.shape)
    )
    place = place.replace(sizes=sizes, tracks=tracks)
  if occupancy is not None:
    place = place.replace(occupancy=occupancy(place.occupancy))
  renderer = sim.NoRenderer(len(yaws), 48, 80)
  return sim.Env.create([place], road.scenario(place), renderer, CONFIG)


def _seen(env):
  return sight.visible(env, jnp.int32(0), env.track(0, 0)).tolist()


def test_who_is_ahead_is_seen_and_who_is_behind_is_not(road):
  ego = road.straight(0, 0, 0)
  others = [road.straight(x, y, 0) for x, y in ((20, 1), (-20, 1), (5, 60))]
  env = _environment(road, [ego, *others])
  assert _seen(env) == [True, True, False, False]


def test_a_van_hides_who_walks_behind_it_and_a_car_does_not_hide_a_van(road):
  ego, van = road.straight(0, 0, 0), road.straight(12, 0, 0)
  walker = road.straight(18, 0, 0)
  high, low = (5.4, 2.05, 2.4), (4.6, 1.9, 1.5)
  agents = [ego, van, walker]
  assert _seen(_environment(road, agents, [low, high, WALKER])) == [
    True,
    True,
    False,
  ]
  gone = van | {'valid': np.zeros(101, bool)}
  env = _environment(road, [ego, gone, walker], [low, high, WALKER])
  assert _seen(env) == [True, False, True]


def test_a_wall_hides_who_stands_behind_it(road):
  agents = [road.straight(0, 0, 0), road.straight(20, 0, 0)]

  def walled(grid):
    x = grid.origin[0] + grid.cell * np.arange(grid.values.shape[1])
    behind = np.abs(x - 10) - 1
    return grid.replace(values=np.minimum(grid.values, behind))

  assert _seen(_environment(road, agents)) == [True, True]
  assert _seen(_environment(road, agents, occupancy=walled)) == [True, False]


def test_who_covers_less_than_four_pixels_is_not_seen(road):
  agents = [road.straight(0, 0, 0), road.straight(40, 0, 0)]
  # 0.6 by 1.75 m times 57 by 57 are 4 pixels at 29 m; 1.9 by 1.5 m at 48 m.
  assert _seen(_environment(road, agents)) == [True, True]
  sizes = [road.CAR, WALKER]
  assert _seen(_environment(road, agents, sizes)) == [True, False]


def test_truth_is_in_the_frame_of_the_ego(road):
  ego = road.straight(0, -1.75, 10)
  other = road.straight(20, 1.75, -4)
  env = _environment(road, [ego, other])
  found = jax.device_get(sight.truth(env, jnp.int32(0), env.track(0, 0)))
  np.testing.assert_allclose(
    found.agents[0],
    [20, 3.5, -14, 0, -1, 0, *road.CAR[:2], 1, 1],
    atol=1e-5,
  )
  np.testing.assert_array_equal(found.agents[1:], 0)
  # Its middle is seen at 40 - 57 * 3.5 / 20 pixels, row 24.
  assert found.is_seen[0, 24 // CELL, 30 // CELL]
  np.testing.assert_allclose(
    found.box[0, 24 // CELL, 30 // CELL], found.agents[0, :6]
  )
  assert not found.is_seen[0, :, 50 // CELL :].any()
  np.testing.assert_array_equal(found.box[~found.is_seen], 0)
  aside = np.array(sight.ASIDE)
  np.testing.assert_allclose(
    found.clearance[0], road.HALF_ROAD - np.abs(aside - 1.75), atol=1e-4
  )


def test_a_mirrored_observation_is_that_of_a_mirrored_place(road):
  rng = np.random.default_rng(0)

  def observe(sign):
    agents = [road.straight(0, sign * -1.75, 8)]
    for x, y in ((15, 1.75), (24, -3), (12, 5), (35, -1)):
      agents.append(road.straight(x, sign * y, 3))
      agents[-1]['yaw'] = np.full(101, sign * 0.3)
    env = _environment(road, agents, yaws=(0.0, sight_yaw, -sight_yaw))
    order = augment.mirror_order(env.scenes)
    return env.expert_observation(0, 5), order

  sight_yaw = 0.9
  one, order = observe(1)
  other, _ = observe(-1)
  assert order == (0, 2, 1)
  images = rng.integers(0, 255, one.images.shape).astype(np.uint8)
  rows = jax.tree.map(
    lambda x: x[None], one.replace(images=jnp.asarray(images))
  )
  action = jnp.array([[28, 17]])
  mirrored, turned = augment.mirror(rows, action, order)
  assert turned.tolist() == [[32, 17]]
  np.testing.assert_array_equal(
    mirrored.images[0], images[:, [0, 2, 1], :, ::-1]
  )
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4),
    trees.take(mirrored.replace(images=None), 0),
    other.replace(images=None),
  )
  assert isinstance(mirrored.truth, types.Truth)
  assert mirrored.truth.is_seen.any()


def test_a_rig_that_is_not_its_mirror_image_has_no_order(road):
  agents = [road.straight(0, 0, 0), road.straight(20, 0, 0)]
  env = _environment(road, agents, yaws=(0.0, 0.9))
  assert augment.mirror_order(env.scenes) is None


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
