# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import trees
from rdrl import world
from rdrl.world import road as road_lib

SEEDS = range(4)


@pytest.fixture(scope='module')
def streets():
  return [world.build(seed) for seed in SEEDS]


def leaves(street):
  return [np.asarray(x) for x in jax.tree.leaves(street)]


def test_every_seed_has_the_same_shapes(streets):
  stacked = trees.stack(streets)
  assert stacked.centre.shape == (len(streets), 2)


def test_a_seed_repeats_and_seeds_differ(streets):
  for a, b in zip(leaves(streets[1]), leaves(world.build(1)), strict=True):
    np.testing.assert_array_equal(a, b)
  for other in (0, 2, 3):
    assert np.any(streets[1].road.xy != streets[other].road.xy)
    assert np.any(streets[1].colour != streets[other].colour)
    assert np.any(streets[1].light.direction != streets[other].light.direction)


def test_another_traversal_has_other_light_and_traffic_on_the_same_street():
  first, second = world.build(1), world.build(1, traversal=1)
  for name in ('road', 'static', 'colour', 'pattern', 'map', 'seed'):
    for a, b in zip(
      leaves(getattr(first, name)), leaves(getattr(second, name)), strict=True
    ):
      np.testing.assert_array_equal(a, b)
  for a, b in zip(leaves(first.light), leaves(second.light), strict=True):
    assert np.any(a != b)
  assert abs(first.start[0, 1] - second.start[0, 1]) == road_lib.LANE_WIDTH
  assert np.all(first.start[:, 0] != second.start[:, 0])
  assert trees.stack([first, second]).centre.shape == (2, 2)


def test_road_coordinates_invert_road_points(streets):
  rng = np.random.default_rng(0)
  s = rng.uniform(5, road_lib.ROAD_LENGTH - 5, 500)
  d = rng.uniform(-14, 14, 500)
  invert = jax.jit(road_lib.road_coordinates)
  for street in streets:
    xy, heading = road_lib.road_point(street.road, s, d)
    got = invert(street.road, *jnp.asarray(xy.T, jnp.float32))
    np.testing.assert_allclose(got[0], s, atol=2e-3)
    np.testing.assert_allclose(got[1], d, atol=2e-3)
    np.testing.assert_allclose(got[2], heading, atol=1e-4)


def test_seeds_bend_left_both_ways_right_and_not(streets):
  bends = [
    np.sign(np.asarray(street.road.curvature)[[1, 3]]) for street in streets
  ]
  np.testing.assert_array_equal(bends, [[1, 0], [1, -1], [-1, 0], [0, 0]])


def test_lanes_lie_on_the_drivable_area_and_buildings_do_not(streets):
  inside = jax.jit(geometry.points_in_polygon)
  for street in streets:
    drivable = street.map.drivable
    lanes = street.map.lanes.xy[street.map.lanes.valid]
    # Off the ends, which lie on the polygons' own edges.
    near = np.linalg.norm(lanes - np.asarray(street.centre), axis=-1) < 60
    static = street.static
    facades = np.asarray(static.boxes.centre)[:, :2]
    trunks = np.asarray(static.cylinders.centre)[:, :2]

    def is_drivable(xy, drivable=drivable):
      return np.any(
        [
          inside(xy, polygon, valid)
          for polygon, valid in zip(drivable.xy, drivable.valid, strict=True)
        ],
        0,
      )

    assert is_drivable(lanes)[near].all()
    assert not is_drivable(facades[:-1]).any()
    assert not is_drivable(trunks).any()


def test_crosswalks_and_stop_lines_bound_the_junction(streets):
  for street in streets:
    crosswalks = street.map.crosswalks.xy.mean(1)
    middle = (road_lib.CROSSWALK[0] + road_lib.CROSSWALK[1]) / 2
    np.testing.assert_allclose(
      np.linalg.norm(crosswalks, axis=-1), middle, atol=0.1
    )
    assert street.map.stop_lines.xy.shape == (2, 2, 2)


@pytest.mark.parametrize(
  'seed, config', [(-1, world.Config()), (0, world.Config(num_agents=1))]
)
def test_bad_input_is_named(seed, config):
  with pytest.raises(ValueError, match=r'world (seed|num_agents).*-?1'):
    world.build(seed, config)


def test_bad_traversal_is_named():
  with pytest.raises(ValueError, match='traversal must not be negative: 0, -1'):
    world.build(0, traversal=-1)


def test_grids_agree_with_the_street(streets):
  street = streets[0]
  drivable, occupancy, ground = world.truth_grids(street)
  sample = jax.jit(jax.vmap(geometry.sample_grid, (None, 0)))

  def at(grid, s, d):
    xy, _ = road_lib.road_point(street.road, s, d)
    return np.asarray(sample(grid, jnp.asarray(xy, jnp.float32)))

  # Away from the junction the kerb is the nearest edge of the road.
  s = np.linspace(95, 125, 40)
  half = road_lib.HALF_WIDTH
  for d in (-8.0, -5.25, 5.25, 8.0):
    np.testing.assert_allclose(at(drivable, s, d), half - abs(d), atol=0.15)
    assert np.all(at(ground, s, d) == 0)
  np.testing.assert_allclose(at(drivable, s, half + 1.5), -1.5, atol=0.15)
  np.testing.assert_allclose(
    at(ground, s, half + 1.5), road_lib.KERB_HEIGHT, atol=1e-6
  )
  # A trunk or pole is a disc: its middle is a radius deep.
  cylinders = street.static.cylinders
  near = np.linalg.norm(cylinders.centre[:, :2] - street.centre, axis=-1) < 60
  middle = cylinders.centre[near, :2]
  radius = 1 / np.hypot(*np.asarray(cylinders.to_unit[near, :2]).T)
  clearance = np.asarray(sample(occupancy, middle))
  assert near.sum() > 10
  assert np.all(clearance < 0.4) and np.all(clearance >= -radius - 1e-3)
  assert np.all(at(occupancy, s, 0.0) > half)
  assert np.all(at(occupancy, s, half + 3.4 + 5) < 0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
