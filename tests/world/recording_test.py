# Copyright 2026 The rdrl Authors. Apache-2.0.
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import types
from rdrl import world
from rdrl.world import road as road_lib

SEEDS = range(8)
NUM_AGENTS = world.Config().num_agents
TINY = world.Config(
  height=12, width=20, num_steps=3, num_lidar=256, supersample=1
)


@pytest.fixture(scope='module')
def drives():
  return [(world.build(s), world.drive(world.build(s))) for s in SEEDS]


@pytest.fixture(scope='module')
def log():
  return world.record(world.build(1, TINY))


def test_nobody_collides(drives):
  pairs = np.array(list(itertools.combinations(range(NUM_AGENTS), 2)))

  @jax.jit
  def overlaps(tracks, sizes):
    a, b = pairs.T
    return geometry.boxes_overlap(
      tracks.xy[:, a],
      tracks.yaw[:, a],
      sizes[a],
      tracks.xy[:, b],
      tracks.yaw[:, b],
      sizes[b],
    )

  for seed, (street, tracks) in enumerate(drives):
    hits = np.asarray(overlaps(tracks, street.sizes))
    assert not hits.any(), (seed, pairs[hits.any(0)], np.argwhere(hits)[0])


def test_the_ego_stays_on_its_lanes(drives):
  invert = jax.jit(road_lib.road_coordinates)
  for street, tracks in drives:
    corners = geometry.box_corners(
      tracks.xy[:, 0], tracks.yaw[:, 0], street.sizes[0]
    )
    _, d, _ = invert(street.road, corners[..., 0], corners[..., 1])
    assert np.all((d < 0) & (d > -road_lib.HALF_CARRIAGEWAY))


def test_the_expert_drives_like_one(drives):
  for street, tracks in drives:
    speed = np.asarray(tracks.speed[:, 0])
    assert speed.min() > 3 and speed.max() < 11
    acceleration = np.diff(speed) / types.TIME_STEP
    assert np.abs(acceleration).max() < 4
    # Speed, heading and positions tell one story.
    moved = np.diff(tracks.xy[:, 0], axis=0)
    np.testing.assert_allclose(
      np.linalg.norm(moved, axis=-1) / types.TIME_STEP,
      (speed[1:] + speed[:-1]) / 2,
      atol=0.03,
    )
    slip = np.arctan2(moved[:, 1], moved[:, 0]) - tracks.yaw[:-1, 0]
    assert np.abs((slip + np.pi) % (2 * np.pi) - np.pi).max() < 0.04
    assert street.config.num_steps == len(speed)


def test_every_third_street_makes_the_ego_overtake(drives):
  for seed, (street, tracks) in enumerate(drives):
    xy = tracks.xy[jnp.array([0, -1]), 0]
    _, d, _ = road_lib.road_coordinates(street.road, xy[:, 0], xy[:, 1])
    shift = abs(float(d[1] - d[0]))
    assert shift == pytest.approx(3.5 if seed % 3 == 1 else 0.0, abs=0.15)


def test_adversaries_are_at_hand(drives):
  """A lead in the lane and a car beside it, near enough to cut in."""
  invert = jax.jit(road_lib.road_coordinates)
  for street, tracks in drives:
    xy = tracks.xy[0]
    s, d, _ = invert(street.road, xy[:, 0], xy[:, 1])
    moves = np.asarray(street.desired_speed > 2)
    ahead, aside = s - s[0], np.abs(d - d[0])
    lead = moves & (aside < 1) & (ahead > 5) & (ahead < 50)
    beside = moves & (np.abs(aside - 3.5) < 0.5) & (d < 0)
    beside &= (ahead > -15) & (ahead < 30)
    assert lead.sum() >= 1 and beside.sum() >= 2


def test_somebody_waits_to_cross_the_way_of_the_ego(drives):
  """A walker and a cyclist who face it, and a parked car that may pull out."""
  invert = jax.jit(road_lib.road_coordinates)
  for street, tracks in drives:
    xy = np.asarray(tracks.xy)
    s, d, heading = map(np.asarray, invert(street.road, xy[..., 0], xy[..., 1]))
    passed = (s[:, :1] >= s) & (s[0, :1] < s[0])
    waits = np.asarray(street.desired_speed == 0) & passed.any(0) & (d[0] < 0)
    turn = np.abs(np.sin(np.asarray(tracks.yaw) - heading))[0]
    for kind in (types.PEDESTRIAN, types.CYCLIST):
      faces = waits & (street.classes == kind) & (turn > 0.99)
      assert faces.any() and np.all(d[0, faces] < -road_lib.HALF_CARRIAGEWAY)
    parked = waits & (street.classes == types.VEHICLE)
    assert np.any(parked & (turn < 0.1))
    np.testing.assert_array_equal(xy[0, waits], xy[-1, waits])


def test_all_stand_on_the_road_or_on_the_pavement(drives):
  invert = jax.jit(road_lib.road_coordinates)
  for street, tracks in drives:
    _, d, _ = invert(street.road, *jnp.moveaxis(tracks.xy[0], -1, 0))
    floor = np.asarray(tracks.z[0] - street.sizes[:, 2] / 2)
    kerb = np.abs(d) > road_lib.HALF_WIDTH
    np.testing.assert_allclose(floor, kerb * road_lib.KERB_HEIGHT, atol=1e-6)
    assert kerb.any()


def test_a_seed_repeats_its_log(log):
  again = world.record(world.build(1, TINY))
  for a, b in zip(jax.tree.leaves(log), jax.tree.leaves(again), strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_log_passes_the_edge(log):
  logs.validate(log, 'world')
  assert log.images.shape == (3, 3, 12, 20, 3)
  assert log.images.dtype == np.uint8
  assert log.lidar.shape == (3, 256, 3)
  assert log.lidar_valid.mean() > 0.5
  assert log.images.std() > 20
  np.testing.assert_allclose(log.tracks.z[:, 0], log.sizes[0, 2] / 2)


def test_cameras_are_where_a_car_has_them(log):
  world_from_camera = np.asarray(
    geometry.inverse(log.cameras.camera_from_world)
  )
  position = world_from_camera[..., :3, 3]
  np.testing.assert_allclose(position[..., 2], 1.55, atol=1e-4)
  axis = world_from_camera[..., :2, 2]
  yaw = np.arctan2(axis[..., 1], axis[..., 0]) - log.tracks.yaw[:, :1]
  np.testing.assert_allclose(
    np.degrees(yaw), np.tile([0.0, 50.0, -50.0], (3, 1)), atol=1e-2
  )
  width = 2 * np.degrees(np.arctan(10 / log.cameras.intrinsics[..., 0, 0]))
  np.testing.assert_allclose(width, 70, atol=1e-3)


def test_the_cast_grows_with_the_budget():
  street = world.build(0, world.Config(num_agents=24, num_steps=2))
  tracks = world.drive(street)
  xy = np.asarray(tracks.xy[0])
  apart = np.linalg.norm(xy[:, None] - xy, axis=-1) + 99 * np.eye(24)
  assert tracks.valid.shape == (2, 24)
  # A cyclist passes a walker at a metre; their boxes are 0.6 m wide.
  assert apart.min() > 1


def test_recording_refuses_another_number_of_agents():
  with pytest.raises(ValueError, match=rf'street is {NUM_AGENTS}, .* 5$'):
    world.record(world.build(0, TINY), world.Config(num_agents=5))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
