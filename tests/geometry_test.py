# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Geometry against closed forms and float64 brute force."""

import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rdrl import geometry
from rdrl import trees
from rdrl import types

RNG = np.random.default_rng(0)


def random_transforms(count, reach=50.0):
  transforms = np.tile(np.eye(4), (count, 1, 1))
  transforms[:, :3, :3] = Rotation.random(count, RNG).as_matrix()
  transforms[:, :3, 3] = RNG.uniform(-reach, reach, (count, 3))
  return transforms.astype(np.float32)


def random_agents(count):
  return types.AgentState(
    xy=RNG.uniform(-20, 20, (count, 2)).astype(np.float32),
    z=RNG.uniform(-2, 2, count).astype(np.float32),
    yaw=RNG.uniform(-np.pi, np.pi, count).astype(np.float32),
    speed=np.zeros(count, np.float32),
    valid=np.ones(count, bool),
  )


def random_camera(height=6, width=9):
  return types.Camera(
    camera_from_world=random_transforms(1)[0],
    intrinsics=np.array(
      [[7.0, 1.5, 4.2], [0, 8.0, 3.1], [0, 0, 1]], np.float32
    ),
    height=height,
    width=width,
  )


def test_norm_is_euclidean_and_its_gradient_at_zero_is_zero():
  vectors = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
  np.testing.assert_allclose(geometry.safe_norm(vectors), [5, 0])
  gradient = jax.grad(lambda x: geometry.safe_norm(x).sum())(vectors)
  np.testing.assert_allclose(gradient, [[0.6, 0.8], [0, 0]], atol=1e-6)


@settings(deadline=None)
@given(st.floats(-100, 100))
def test_wrapped_angle_points_the_same_way(angle):
  wrapped = float(geometry.wrap_angle(jnp.float32(angle)))
  assert -np.pi - 1e-5 <= wrapped <= np.pi + 1e-5
  turns = (wrapped - angle) / (2 * np.pi)
  assert turns == pytest.approx(round(turns), abs=1e-4)


def test_a_quarter_turn_brings_x_to_y():
  turned = geometry.rotate_2d(np.array([2.0, 0.0]), np.pi / 2)
  np.testing.assert_allclose(turned, [0, 2], atol=1e-6)


def test_a_transform_composed_with_its_inverse_is_the_identity():
  transforms = random_transforms(50)
  product = geometry.compose(geometry.inverse(transforms), transforms)
  np.testing.assert_allclose(product, np.tile(np.eye(4), (50, 1, 1)), atol=2e-5)


def test_composed_transforms_act_one_after_the_other():
  c_from_b, b_from_a = random_transforms(2)
  points = RNG.uniform(-9, 9, (4, 5, 3)).astype(np.float32)
  at_once = geometry.transform_points(
    geometry.compose(c_from_b, b_from_a), points
  )
  in_turn = geometry.transform_points(
    c_from_b, geometry.transform_points(b_from_a, points)
  )
  np.testing.assert_allclose(at_once, in_turn, atol=1e-4)


def test_quaternions_are_rotations_whatever_their_norm():
  rotations = Rotation.random(50, RNG)
  quats = rotations.as_quat(scalar_first=True) * RNG.uniform(0.1, 9, (50, 1))
  np.testing.assert_allclose(
    geometry.rotation_from_quat(quats.astype(np.float32)),
    rotations.as_matrix(),
    atol=1e-5,
  )


def test_the_product_of_quaternions_is_the_product_of_rotations():
  a, b = RNG.normal(size=(2, 50, 4)).astype(np.float32)
  np.testing.assert_allclose(
    geometry.rotation_from_quat(geometry.multiply_quats(a, b)),
    geometry.rotation_from_quat(a) @ geometry.rotation_from_quat(b),
    atol=1e-5,
  )


def test_a_box_pose_puts_its_corners_where_the_box_is():
  agents = random_agents(20)
  sizes = RNG.uniform(1, 6, (20, 3)).astype(np.float32)
  world_from_box = geometry.world_from_box(agents)
  np.testing.assert_allclose(
    world_from_box[:, :3, :3],
    Rotation.from_euler('z', agents.yaw[:, None]).as_matrix(),
    atol=1e-6,
  )
  corners = geometry.box_corners(agents.xy, agents.yaw, sizes)
  front_left = np.concatenate([sizes[:, :2] / 2, np.zeros((20, 1))], -1)
  moved = jax.vmap(geometry.transform_points)(world_from_box, front_left)
  np.testing.assert_allclose(moved[:, :2], corners[:, 0], atol=1e-5)
  np.testing.assert_allclose(moved[:, 2], agents.z, atol=1e-6)


def test_corners_go_round_counter_clockwise_and_enclose_the_area():
  corners = geometry.box_corners(np.ones(2), np.array(0.7), np.array([5, 2]))
  assert polygon_area(corners) == pytest.approx(10, rel=1e-5)


def test_a_pixel_ray_projects_back_to_its_pixel_at_its_depth():
  camera = random_camera()
  origin, directions = geometry.pixel_rays(camera)
  depth = RNG.uniform(1, 30, (6, 9, 1)).astype(np.float32)
  pixels, found = geometry.project(camera, origin + depth * directions)
  x, y = np.meshgrid(np.arange(9) + 0.5, np.arange(6) + 0.5)
  np.testing.assert_allclose(pixels, np.stack([x, y], -1), atol=1e-3)
  np.testing.assert_allclose(found, depth[..., 0], rtol=1e-4)


def test_what_lies_behind_a_camera_has_a_negative_depth_and_finite_gradient():
  camera = random_camera().replace(camera_from_world=np.eye(4))
  points = np.array([[0, 0, -2.0], [1, 1, 0]], np.float32)
  _, depth = geometry.project(camera, points)
  np.testing.assert_allclose(depth, [-2, 0])
  gradient = jax.grad(lambda p: geometry.project(camera, p)[0].sum())(points)
  assert np.isfinite(gradient).all()


def test_intrinsics_of_a_resized_image_scale_its_pixels():
  camera = random_camera()
  points = geometry.pixel_rays(camera)[0] + geometry.pixel_rays(camera)[1]
  half = camera.replace(
    intrinsics=geometry.scale_intrinsics(camera.intrinsics, 0.5, 3.0)
  )
  pixels, _ = geometry.project(camera, points)
  scaled, _ = geometry.project(half, points)
  np.testing.assert_allclose(scaled, pixels * np.array([0.5, 3]), atol=1e-3)


def test_mounted_cameras_ride_with_the_ego():
  camera_from_ego = random_transforms(3, 2.0)
  ego = trees.take(random_agents(1), 0)
  cameras = geometry.mount_cameras(
    camera_from_ego, np.tile(np.eye(3), (3, 1, 1)), ego, 4, 5
  )
  world_from_camera = geometry.inverse(cameras.camera_from_world)
  ego_from_camera = geometry.compose(
    geometry.inverse(geometry.world_from_box(ego)), world_from_camera
  )
  np.testing.assert_allclose(
    ego_from_camera, geometry.inverse(camera_from_ego), atol=1e-5
  )


def polygon_area(polygon):
  x, y = np.asarray(polygon, np.float64).T
  return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


def clip(subject, region):
  """Intersection of two convex counter-clockwise polygons, in float64.

  Sutherland and Hodgman, "Reentrant polygon clipping", CACM 1974.
  """
  for a, b in zip(region, np.roll(region, -1, 0), strict=True):
    side = np.cross(np.append(b - a, 0), np.c_[subject - a, 0 * subject[:, 0]])
    side = side[:, 2]
    kept = []
    for i, point in enumerate(subject):
      j = (i + 1) % len(subject)
      if side[i] >= 0:
        kept.append(point)
      if side[i] * side[j] < 0:
        t = side[i] / (side[i] - side[j])
        kept.append(point + t * (subject[j] - point))
    subject = np.array(kept)
    if len(subject) < 3:
      return np.zeros((0, 2))
  return subject


def test_boxes_overlap_if_and_only_if_their_intersection_has_an_area():
  count = 1500
  xy_a, xy_b = RNG.uniform(-4, 4, (2, count, 2))
  yaw_a, yaw_b = RNG.uniform(-4, 4, (2, count))
  # A part of the pairs is parallel, where edges meet along their whole length.
  yaw_b[:200] = yaw_a[:200] + RNG.integers(0, 4, 200) * np.pi / 2
  size_a, size_b = RNG.uniform(0.5, 6, (2, count, 3))
  found = geometry.boxes_overlap(xy_a, yaw_a, size_a, xy_b, yaw_b, size_b)
  corners = [
    np.asarray(geometry.box_corners(xy, yaw, size), np.float64)
    for xy, yaw, size in [(xy_a, yaw_a, size_a), (xy_b, yaw_b, size_b)]
  ]
  area = np.array(
    [
      polygon_area(p) if len(p := clip(a, b)) else 0.0
      for a, b in zip(*corners, strict=True)
    ]
  )
  assert 0.2 < np.mean(area > 0) < 0.8
  # Shallower than float32 resolves is neither.
  clear = (area == 0) | (area > 1e-6)
  np.testing.assert_array_equal(np.asarray(found)[clear], (area > 0)[clear])


def test_touching_boxes_do_not_overlap_and_a_box_inside_another_does():
  def overlap(x, size):
    args = np.zeros(2), 0.0, np.array([2.0, 2.0]), np.array([x, 0.0]), 0.0
    return bool(geometry.boxes_overlap(*args, np.array(size)))

  assert not overlap(2.0, [2.0, 2.0])
  assert overlap(1.99, [2.0, 2.0])
  assert overlap(0.0, [0.5, 0.5])


@pytest.mark.parametrize('count', [8, 5, 2])
def test_projection_on_a_polyline_finds_the_nearest_of_many_samples(count):
  line = np.cumsum(RNG.uniform([0.5, -1.5], [4, 1.5], (8, 2)), 0)
  line[count:] = line[count - 1]  # what padding may hold
  valid = np.arange(8) < count
  points = RNG.uniform(line.min(0) - 3, line.max(0) + 3, (100, 2))
  along, offset, heading, index = jax.vmap(
    geometry.project_to_polyline, (0, None, None)
  )(points.astype(np.float32), line.astype(np.float32), valid)

  used = line[:count]
  first = used[0] - used[1]
  last = used[-1] - used[-2]
  extended = np.concatenate(
    [
      used[:1] + 50 * first / np.linalg.norm(first),
      used,
      used[-1:] + 50 * last / np.linalg.norm(last),
    ]
  )
  lengths = np.linalg.norm(np.diff(extended, axis=0), axis=-1)
  knots = np.append(0, np.cumsum(lengths)) - 50
  arc = np.linspace(knots[0], knots[-1], 100001)

  def at(s):
    return np.stack([np.interp(s, knots, x) for x in extended.T], -1)

  samples = at(arc)
  for i, point in enumerate(points):
    distance = np.linalg.norm(samples - point, axis=-1)
    np.testing.assert_allclose(abs(offset[i]), distance.min(), atol=1e-3)
    np.testing.assert_allclose(
      np.linalg.norm(at(np.array([along[i]])) - point),
      distance.min(),
      atol=1e-3,
    )
    start, end = used[index[i]], used[index[i] + 1]
    direction = end - start
    assert float(heading[i]) == pytest.approx(
      np.arctan2(direction[1], direction[0]), abs=1e-5
    )
    left = direction[0] * (point - start)[1] - direction[1] * (point - start)[0]
    assert np.sign(offset[i]) == np.sign(left)


def test_a_grid_sampled_between_cells_is_exact_on_bilinear_functions():
  def f(xy):
    return 2 + 3 * xy[..., 0] - xy[..., 1] + 0.5 * xy[..., 0] * xy[..., 1]

  origin, cell = np.array([-3.0, 5.0]), 0.5
  columns, rows = np.meshgrid(np.arange(7), np.arange(4))
  centres = origin + cell * np.stack([columns, rows], -1)
  grid = types.Grid(
    values=f(centres).astype(np.float32), origin=origin, cell=cell
  )
  inside = RNG.uniform(origin, origin + cell * np.array([6, 3]), (50, 2))
  np.testing.assert_allclose(
    geometry.sample_grid(grid, inside.astype(np.float32)), f(inside), atol=1e-4
  )
  outside = origin + np.array([-9.0, 99.0])
  edge = origin + np.array([0, 3 * cell])
  assert geometry.sample_grid(grid, outside) == pytest.approx(f(edge))


def test_a_grid_of_one_cell_is_that_value_everywhere():
  grid = types.Grid(values=np.full((1, 1), 7.0), origin=np.zeros(2), cell=1.0)
  assert geometry.sample_grid(grid, np.array([3.0, -2.0])) == 7


def test_points_in_a_star_shaped_polygon_are_nearer_than_its_edge():
  angle = np.sort(RNG.uniform(0, 2 * np.pi, 12))
  radius = RNG.uniform(2, 6, 12)
  polygon = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
  points = RNG.uniform(-6, 6, (400, 2))
  following = np.roll(polygon, -1, 0)
  # The winding number in float64.
  a, b = polygon - points[:, None], following - points[:, None]
  turn = np.arctan2(
    a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1)
  ).sum(-1)
  padded = np.concatenate([polygon, RNG.uniform(-9, 9, (5, 2))])
  found = geometry.points_in_polygon(
    points.astype(np.float32), padded.astype(np.float32), np.arange(17) < 12
  )
  np.testing.assert_array_equal(found, np.abs(turn) > np.pi)


def test_no_point_lies_in_a_polygon_of_padding():
  polygon = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
  nothing = np.zeros(4, bool)
  assert not geometry.points_in_polygon(np.zeros(2), polygon, nothing)


def test_a_ray_enters_a_box_where_its_face_is():
  turned = types.AgentState(
    xy=jnp.array([10.0, 0.0]),
    z=jnp.float32(1),
    yaw=jnp.float32(jnp.pi / 2),
    speed=jnp.float32(0),
    valid=True,
  )
  box_from_world = geometry.inverse(geometry.world_from_box(turned))
  directions = jnp.array(
    [[1.0, 0, 0], [2.0, 0, 0], [1.0, 0, 0.2], [0, 1.0, 0], [-1.0, 0, 0]]
  )
  enter, leave, facing = geometry.ray_box(
    jnp.array([0.0, 0, 1]), directions, box_from_world, jnp.array([2.0, 4, 3])
  )
  meets = enter < leave
  np.testing.assert_array_equal(meets, [True, True, False, False, True])
  np.testing.assert_allclose(enter[:2], [8, 4], rtol=1e-5)
  np.testing.assert_allclose(leave[:2], [12, 6], rtol=1e-5)
  # It lies behind the last ray.
  np.testing.assert_allclose([enter[4], leave[4]], [-12, -8], rtol=1e-5)
  np.testing.assert_allclose(facing[:2], 1, atol=1e-5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
