# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.world import recording
from rdrl.world import shading

CONFIG = world.Config(height=48, width=80, num_lidar=1024, lidar_noise=0.0)
STREET = world.build(2, CONFIG)
RENDER = jax.jit(world.render)
CAR = 1


def camera_of(ego):
  mounts, intrinsics = world.camera_rig(CONFIG)
  cameras = geometry.mount_cameras(
    mounts, intrinsics, ego, CONFIG.height, CONFIG.width
  )
  return trees.take(cameras, 0)


@pytest.fixture(scope='module')
def agents():
  return trees.take(world.drive(STREET), 0)


def only_car(agents, ahead=None, aside=0.0):
  """Everybody gone but one car, at a place in the ego's frame, or it too."""
  valid = jnp.zeros(CONFIG.num_agents, bool)
  if ahead is None:
    return agents.replace(valid=valid)
  yaw = agents.yaw[0]
  offset = geometry.rotate_2d(jnp.array([ahead, aside]), yaw)
  return agents.replace(
    xy=agents.xy.at[CAR].set(agents.xy[0] + offset),
    yaw=agents.yaw.at[CAR].set(yaw + 0.3),
    valid=valid.at[CAR].set(True),
  )


def see(agents, camera):
  rgb, depth = RENDER(STREET, camera, agents, STREET.sizes, STREET.classes)
  return np.asarray(rgb), np.asarray(depth)


def points_of(camera, depth):
  origin, rays = geometry.pixel_rays(camera)
  return np.asarray(origin) + np.asarray(rays) * depth[..., None]


def in_car(points, agents, margin):
  """Whether world points lie in the box of the car, grown by a margin."""
  half = np.asarray(STREET.sizes[CAR]) / 2 + margin
  local_xy = geometry.rotate_2d(
    points[..., :2] - agents.xy[CAR], -agents.yaw[CAR]
  )
  height = points[..., 2] - agents.z[CAR]
  return (
    (np.abs(local_xy[..., 0]) < half[0])
    & (np.abs(local_xy[..., 1]) < half[1])
    & (np.abs(height) < half[2])
  )


def shaded_by_car(points, agents):
  """Whether the way from points to the sun passes through the car's box."""
  sun = np.asarray(STREET.light.direction)
  steps = np.arange(0, 6, 0.05)
  way = points[..., None, :] + steps[:, None] * sun
  return in_car(way, agents, 0.1).any(-1)


def test_a_moved_car_changes_only_what_it_covers_or_shades(agents):
  camera = camera_of(trees.take(agents, 0))
  _, empty_depth = see(only_car(agents), camera)
  changed = np.zeros((CONFIG.height, CONFIG.width), bool)
  allowed = changed.copy()
  images = []
  for place in ((12.0, 0.5), (17.0, -2.0)):
    moved = only_car(agents, *place)
    rgb, depth = see(moved, camera)
    images.append(rgb)
    covered = depth < empty_depth - 1e-3
    assert covered.sum() > 30
    # What covers the background is the car, and inside its box.
    assert in_car(points_of(camera, depth)[covered], moved, 0.05).all()
    allowed |= covered | shaded_by_car(points_of(camera, empty_depth), moved)
  changed = np.abs(images[0] - images[1]).max(-1) > 1e-3
  assert changed.sum() > 60
  assert not (changed & ~allowed).any()


def test_a_car_casts_a_shadow(agents):
  camera = camera_of(trees.take(agents, 0))
  bare, bare_depth = see(only_car(agents), camera)
  moved = only_car(agents, 12.0, 0.5)
  rgb, depth = see(moved, camera)
  seen = np.isclose(depth, bare_depth, rtol=1e-3)
  darker = seen & ((bare - rgb).min(-1) > 0.05)
  assert darker.sum() > 10
  assert shaded_by_car(points_of(camera, bare_depth), moved)[darker].all()
  assert not (seen & ((rgb - bare).max(-1) > 1e-3)).any()


def test_depth_of_the_road_is_that_of_a_plane(agents):
  camera = camera_of(trees.take(agents, 0))
  _, depth = see(only_car(agents), camera)
  height = points_of(camera, depth)[-8:, 20:60, 2]
  np.testing.assert_allclose(height, 0, atol=1e-4)


def test_sky_is_infinitely_far(agents):
  camera = camera_of(trees.take(agents, 0))
  rgb, depth = see(agents, camera)
  assert np.isinf(depth).any() and (depth > 0).all()
  sky = rgb[np.isinf(depth)]
  assert (sky[:, 2] >= sky[:, 0] - 1e-6).all()


def test_lidar_points_reproject_to_the_depth_that_is_rendered(agents):
  points, valid = recording._scan(STREET, agents, jnp.int32(0))
  camera = camera_of(trees.take(agents, 0))
  _, depth = see(agents, camera)
  pixels, along = geometry.project(camera, points)
  column, row = np.floor(np.asarray(pixels)).astype(int).T
  in_image = (
    np.asarray(valid & (along > 1))
    & (column >= 1)
    & (column < CONFIG.width - 1)
    & (row >= 1)
    & (row < CONFIG.height - 1)
  )
  assert in_image.sum() > 100
  along, column, row = along[in_image], column[in_image], row[in_image]
  around = np.stack(
    [depth[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
  )
  # Within the range of depths that a pixel and its neighbours span. The lidar
  # looks over some edges that hide a point from the camera, hence the share.
  low, high = 0.99 * around.min(0), 1.01 * around.max(0)
  assert np.mean((along >= low) & (along <= high)) > 0.9


def test_the_ego_is_not_drawn(agents):
  camera = camera_of(trees.take(agents, 0))
  rgb, _ = see(agents, camera)
  ahead = agents.xy[0] + geometry.rotate_2d(jnp.array([10.0, 0]), agents.yaw[0])
  moved, _ = see(agents.replace(xy=agents.xy.at[0].set(ahead)), camera)
  np.testing.assert_array_equal(rgb, moved)


def test_the_lidar_does_not_see_its_own_car(agents):
  points, valid = recording._scan(STREET, agents, jnp.int32(3))
  xy = geometry.rotate_2d(points[:, :2] - agents.xy[0], -agents.yaw[0])
  half = np.asarray(STREET.sizes[0, :2]) / 2
  assert valid.mean() > 0.5
  assert not (np.asarray(valid) & (np.abs(xy) < half).all(-1)).any()


@pytest.mark.slow
def test_renderer_agrees_with_render_and_maps_over_environments(agents):
  other = world.build(0, CONFIG)
  renderer = world.Renderer.create(
    [other, STREET],
    [other.sizes, STREET.sizes],
    [other.classes, STREET.classes],
  )
  camera = camera_of(trees.take(agents, 0))
  cameras = jax.tree.map(lambda x: x[None], camera)
  pair = trees.stack([agents, agents.replace(valid=agents.valid & False)])
  images = jax.jit(jax.vmap(renderer, (None, None, 0)))(1, cameras, pair)
  assert images.dtype == jnp.uint8
  assert images.shape == (2, 1, CONFIG.height, CONFIG.width, 3)
  rgb, _ = see(agents, camera)
  off = np.abs(images[0, 0] - 255.0 * rgb).max(-1)
  assert (off < 1.5).mean() > 0.998
  assert np.any(images[0] != images[1])


def test_solids_of_an_agent_lie_in_its_box():
  others = jnp.arange(1, CONFIG.num_agents)
  spread = jnp.stack([20.0 * jnp.arange(CONFIG.num_agents)] * 2, -1)
  agents = types.AgentState(
    xy=spread,
    z=STREET.sizes[:, 2] / 2,
    yaw=jnp.zeros(CONFIG.num_agents),
    speed=jnp.zeros(CONFIG.num_agents),
    valid=jnp.ones(CONFIG.num_agents, bool),
  )
  frusta, ellipsoids = jax.jit(shading.agent_scenery)(
    STREET, agents, STREET.sizes, STREET.classes
  )
  for solids, per_agent in ((frusta[0], 2), (ellipsoids[0], 4)):
    matrix = np.asarray(solids.to_unit)
    half = 1 / np.abs(matrix[:, [0, 4, 5]])
    owner = np.repeat(others, per_agent)
    away = np.abs(
      np.asarray(solids.centre)
      - np.concatenate([agents.xy[owner], agents.z[owner, None]], -1)
    )
    drawn = np.asarray(solids.centre[:, 2]) > -1
    reach = (away + half)[drawn] - np.asarray(STREET.sizes[owner] / 2)[drawn]
    walks = np.asarray(STREET.classes)[owner][drawn] == types.PEDESTRIAN
    assert reach[~walks].max() < 0.03
    assert (
      reach[walks].max(initial=0) < 0.35
    )  # A leg swings out of a walker's box.


def test_survey_names_what_is_rendered(agents):
  camera = camera_of(trees.take(agents, 0))
  agents = only_car(agents, 12.0)
  labels, depth = jax.jit(world.survey)(
    STREET, camera, agents, STREET.sizes, STREET.classes
  )
  _, expected = see(agents, camera)
  np.testing.assert_allclose(depth, expected, rtol=1e-5)
  points = points_of(camera, np.asarray(depth))
  named = {name: np.asarray(labels) == i for i, name in enumerate(world.LABELS)}
  for name in ('sky', 'ground', 'facade', 'agent'):
    assert named[name].sum() > 20, name
  np.testing.assert_array_equal(named['sky'], np.isinf(depth))
  assert np.all(points[named['ground']][:, 2] < 0.13)
  inside = in_car(points, agents, 0.05)
  np.testing.assert_array_equal(named['agent'], inside & ~named['ground'])
  assert np.all(points[named['facade']][:, 2] > -0.01)


def test_more_agents_are_drawn_in_about_their_colours(agents):
  red, blue = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
  own = CONFIG.num_agents
  sizes = np.concatenate([STREET.sizes, [(4.6, 1.9, 1.5)] * 2])
  classes = np.append(STREET.classes, [types.VEHICLE] * 2)
  colors = np.concatenate([np.zeros((own, 3)), [red, blue]])
  street = world.with_agents(STREET, sizes, classes, colors)
  camera = camera_of(trees.take(agents, 0))
  for index, color in enumerate((red, blue)):
    more = jax.tree.map(lambda x: jnp.concatenate([x, x[:2]]), only_car(agents))
    place = only_car(agents, 9.0)
    more = jax.tree.map(
      lambda x, y, at=own + index: x.at[at].set(y[CAR]), more, place
    )
    rgb, depth = RENDER(street, camera, more, sizes, classes)
    seen = in_car(points_of(camera, np.asarray(depth)), place, 0.1)
    assert seen.sum() > 20
    found = np.asarray(rgb)[seen].mean(0)
    assert np.argmax(found) == np.argmax(color)
    # All others are those of the street itself.
    hidden = more.replace(valid=more.valid.at[own + index].set(False))
    without, _ = RENDER(street, camera, hidden, sizes, classes)
    alone, _ = see(only_car(agents), camera)
    np.testing.assert_allclose(without, alone, atol=1e-5)


def test_a_street_has_no_fewer_agents_than_it_has():
  with pytest.raises(ValueError, match='classes: 1 agents, but the street has'):
    world.with_agents(STREET, np.ones((1, 3)), np.ones(1), np.ones((1, 3)))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
