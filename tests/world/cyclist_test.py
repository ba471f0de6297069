# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Who is the thirteenth on the street."""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.world import cast
from rdrl.world import road as road_lib
from rdrl.world import shading
from rdrl.world import traffic

SEEDS = range(6)
CYCLIST = 12
CONFIG = world.Config(height=36, width=60, num_agents=13)
SCENERY = jax.jit(shading.agent_scenery)


@pytest.fixture(scope='module')
def drives():
  streets = [world.build(seed, CONFIG) for seed in SEEDS]
  return [(street, world.drive(street)) for street in streets]


def test_twelve_agents_are_as_they_were_without_it(drives):
  for seed, (street, _) in zip(SEEDS, drives, strict=True):
    without = world.build(seed, world.Config(num_agents=12))
    for name in ('start', 'desired_speed', 'direction', 'sizes', 'paint'):
      np.testing.assert_array_equal(
        getattr(street, name)[:CYCLIST], getattr(without, name)
      )
    assert types.CYCLIST not in without.classes
    assert street.classes[CYCLIST] == types.CYCLIST
    np.testing.assert_allclose(street.sizes[CYCLIST], [1.8, 0.6, 1.7])


def test_it_rides_freely_beside_the_road(drives):
  for street, tracks in drives:
    speed = np.asarray(tracks.speed[:, CYCLIST])
    assert 4 <= speed[0] <= 6
    np.testing.assert_allclose(speed, speed[0], atol=0.5)
    s, d, _ = road_lib.road_coordinates(
      street.road, *jnp.moveaxis(tracks.xy[:, CYCLIST], -1, 0)
    )
    assert np.all(np.diff(s) > 0)
    edge = road_lib.HALF_WIDTH + road_lib.PAVEMENT_WIDTH
    assert np.all((d - 0.3 > -edge) & (d + 0.3 < -road_lib.HALF_WIDTH))


def test_nobody_collides(drives):
  a, b = np.array(list(itertools.combinations(range(13), 2))).T

  @jax.jit
  def overlaps(tracks, sizes):
    return geometry.boxes_overlap(
      tracks.xy[:, a],
      tracks.yaw[:, a],
      sizes[a],
      tracks.xy[:, b],
      tracks.yaw[:, b],
      sizes[b],
    )

  for street, tracks in drives:
    assert not np.any(overlaps(tracks, street.sizes))


def test_the_ego_sees_it_for_a_good_part_of_the_drive(drives):
  mounts, intrinsics = world.camera_rig(CONFIG)

  @jax.jit
  def depths(street, agents):
    cameras = geometry.mount_cameras(
      mounts, intrinsics, trees.take(agents, 0), CONFIG.height, CONFIG.width
    )
    return jax.vmap(
      lambda camera: world.render(
        street, camera, agents, street.sizes, street.classes
      )[1]
    )(cameras)

  for street, tracks in drives[:3]:
    seen = []
    for step in range(0, 100, 10):
      agents = trees.take(tracks, step)
      absent = agents.replace(valid=agents.valid.at[CYCLIST].set(False))
      seen.append(np.any(depths(street, agents) != depths(street, absent)))
    assert np.mean(seen) > 0.4


def _parts(distance):
  """Middles `[6, 3]` in the box of a cyclist's solids after some metres."""
  street = world.build(0, CONFIG)
  zero = jnp.zeros(13)
  agents = types.AgentState(
    xy=jnp.zeros((13, 2)).at[CYCLIST, 0].set(distance),
    z=zero,
    yaw=zero,
    speed=zero,
    valid=jnp.ones(13, bool),
  )
  frusta, ellipsoids = SCENERY(street, agents, street.sizes, street.classes)
  centres = jnp.concatenate([frusta[0].centre[-2:], ellipsoids[0].centre[-4:]])
  return np.asarray(centres) - [distance, 0, 0]


def test_only_its_legs_pedal_and_do_so_with_the_distance():
  start, half, turn = (_parts(x) for x in (0.3, 2.8, 5.3))
  np.testing.assert_allclose(turn, start, atol=1e-5)
  np.testing.assert_allclose(half[:4], start[:4], atol=1e-5)
  # Half a turn of the cranks swaps the legs.
  np.testing.assert_allclose(half[4:, ::2], start[[5, 4], ::2], atol=1e-5)
  assert np.abs(half[4:] - start[4:]).max() > 0.1
  assert np.all(start[:, 2] + 0.85 > 0)


def test_it_fits_its_box():
  street = world.build(0, CONFIG)
  height, length = street.sizes[CYCLIST, 2], street.sizes[CYCLIST, 0]
  for distance in np.linspace(0, 5, 9):
    rider = shading._rider(street.sizes[CYCLIST], distance)
    for middle, half in (('balls', 'balls_half'), ('boxes', 'boxes_half')):
      low = np.asarray(rider[middle] - rider[half])
      high = np.asarray(rider[middle] + rider[half])
      assert low[:, 2].min() > -1e-6 and high[:, 2].max() < height + 1e-6
      assert high[:, 0].max() < length / 2 + 1e-6
      assert low[:, 0].min() > -length / 2 - 1e-6
      assert np.abs(high[:, 1]).max() < 0.3 and np.abs(low[:, 1]).max() < 0.3


def test_a_car_follows_a_cyclist_in_its_lane():
  agents = types.AgentState(
    xy=jnp.array([[0.0, 0], [30, -1.0]]),
    z=jnp.zeros(2),
    yaw=jnp.zeros(2),
    speed=jnp.array([9.0, 5]),
    valid=jnp.ones(2, bool),
  )
  sizes = jnp.array([cast.EGO_SIZE, cast.CYCLIST_SIZE])
  along = jnp.linspace(0, 400, 101)
  paths = jnp.stack(
    [jnp.stack([along, jnp.full(101, y)], -1) for y in (0.0, -1.0)]
  )

  def step(carry, _):
    agents, progress = carry
    valid, desired = jnp.ones((2, 101), bool), jnp.array([10.0, 5])
    followers = traffic.Followers(
      agents, sizes, paths, valid, progress, desired
    )
    moved = traffic.step_along_paths(followers, jnp.ones(2, bool))
    return moved, moved[0]

  _, history = jax.lax.scan(step, (agents, agents.xy[:, 0]), length=400)
  gap = np.diff(history.xy[..., 0], axis=-1)[:, 0] - (4.6 + 1.8) / 2
  assert gap.min() > 1.5
  np.testing.assert_allclose(history.speed[-1], 5, atol=0.05)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
