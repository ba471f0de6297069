# Copyright 2026 The rdrl Authors. Apache-2.0.
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.world import raycast

CENTRE = np.array([1.0, -2.0, 0.5])
HALF = np.array([2.0, 0.8, 1.2])
YAW = 0.7
TAPER = np.array([0.5, 0.2])


def empty():
  return raycast.solids(jnp.zeros((0, 3)), jnp.ones((0, 3)), jnp.zeros(0))


def scenery(**kinds):
  kinds = {name: kinds.get(name, empty()) for name in raycast._KINDS}
  return raycast.Scenery(**kinds)


def one(taper=(0.0, 0.0), shear=0.0):
  return raycast.solids(
    jnp.array([CENTRE], jnp.float32),
    jnp.array([HALF], jnp.float32),
    jnp.array([YAW], jnp.float32),
    shear=jnp.array([shear], jnp.float32),
    taper=jnp.array([taper], jnp.float32),
  )


def rays(number=400):
  """Rays from one point towards the neighbourhood of the solid."""
  rng = np.random.default_rng(0)
  origin = np.array([-6.0, 3.0, 2.5])
  target = CENTRE + rng.uniform(-3, 3, (number, 3))
  direction = target - origin
  return origin, direction / np.linalg.norm(direction, axis=-1)[:, None]


def cast(scene, origin, directions):
  distance, _ = jax.jit(raycast.nearest)(
    scene,
    [jnp.float32(x) for x in origin],
    [jnp.asarray(directions[:, i], jnp.float32) for i in range(3)],
  )
  return np.asarray(distance)


def to_frame(origin, directions):
  cos, sin = np.cos(YAW), np.sin(YAW)
  rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
  return rotation @ (origin - CENTRE), directions @ rotation.T


def first_valid(candidates):
  """Least positive candidate distance whose point passes its test."""
  best = np.inf
  for distance, valid in candidates:
    if valid and distance > 0:
      best = min(best, distance)
  return best


def plane_reference(taper):
  """Each face's plane, and whether the point on it lies in the solid."""
  origin, directions = rays()
  o, d = to_frame(origin, directions)
  planes = [((0, 0, 1), HALF[2]), ((0, 0, -1), HALF[2])]
  for axis in (0, 1):
    for sign in (1, -1):
      lean = taper[axis] / 2 * HALF[axis] / HALF[2]
      normal = np.zeros(3)
      normal[axis], normal[2] = sign, lean
      planes.append((normal, HALF[axis] * (1 - taper[axis] / 2)))
  result = []
  for ray in d:
    candidates = []
    for normal, level in planes:
      speed = np.dot(normal, ray)
      if abs(speed) < 1e-12:
        continue
      distance = (level - np.dot(normal, o)) / speed
      point = o + distance * ray
      within = all(np.dot(n, point) <= h + 1e-9 for n, h in planes)
      candidates.append((distance, within))
    result.append(first_valid(candidates))
  return np.array(result)


def assert_same(got, expected):
  # A ray that grazes an edge may fall on either side of it in float32.
  agree = np.isfinite(got) == np.isfinite(expected)
  assert agree.mean() > 0.99
  both = np.isfinite(got) & np.isfinite(expected)
  assert both.sum() > 50
  np.testing.assert_allclose(got[both], expected[both], rtol=2e-5)


def test_box_meets_rays_where_the_planes_of_its_faces_do():
  got = cast(scenery(boxes=one()), *rays())
  assert_same(got, plane_reference((0.0, 0.0)))


def test_frustum_meets_rays_where_the_planes_of_its_faces_do():
  got = cast(scenery(frusta=one(TAPER)), *rays())
  assert_same(got, plane_reference(TAPER))


def test_ellipsoid_meets_rays_at_the_root_of_its_quadric():
  origin, directions = rays()
  o, d = to_frame(origin, directions)
  o, d = o / HALF, d / HALF
  expected = []
  for ray in d:
    roots = np.roots([ray @ ray, 2 * o @ ray, o @ o - 1])
    expected.append(min(roots.real) if np.isreal(roots).all() else np.inf)
  got = cast(scenery(ellipsoids=one()), origin, directions)
  assert_same(got, np.array(expected))


def test_cylinder_meets_rays_on_its_side_or_its_caps():
  origin, directions = rays()
  o, d = to_frame(origin, directions)
  expected = []
  for ray in d:
    p, q = o[:2] / HALF[:2], ray[:2] / HALF[:2]
    roots = np.roots([q @ q, 2 * p @ q, p @ p - 1])
    candidates = []
    if np.isreal(roots).all():
      for root in roots.real:
        candidates.append((root, abs(o[2] + root * ray[2]) <= HALF[2]))
    for cap in (-HALF[2], HALF[2]):
      distance = (cap - o[2]) / ray[2]
      candidates.append((distance, np.sum((p + distance * q) ** 2) <= 1))
    expected.append(first_valid(candidates))
  got = cast(scenery(cylinders=one()), origin, directions)
  assert_same(got, np.array(expected))


def test_a_sheared_ball_leans_by_its_shear():
  # The top of the ball, at height h above the centre, moves by shear * h.
  scene = scenery(ellipsoids=one(shear=0.5))
  forward = np.array([np.cos(YAW), np.sin(YAW), 0])
  top = CENTRE + 0.5 * HALF[2] * forward + [0, 0, HALF[2]]
  above = top + np.array([0, 0, 3.0])
  got = cast(scene, above, np.array([[0, 0, -1.0]]))
  np.testing.assert_allclose(got, 3.0, rtol=1e-3)


def test_nearest_names_the_solid_in_front():
  centre = jnp.array([[5.0, 0, 0], [9.0, 0, 0], [3.0, 0, 0]])
  cube = raycast.solids(centre, jnp.full((3, 3), 0.5), jnp.zeros(3))
  ball = raycast.solids(
    jnp.array([[1.5, 0, 0]]), jnp.full((1, 3), 0.5), jnp.zeros(1)
  )
  forward = [jnp.array([x]) for x in (1.0, 0.0, 0.0)]
  origin = [jnp.float32(0)] * 3
  distance, index = raycast.nearest(scenery(boxes=cube), origin, forward)
  assert (float(distance[0]), int(index[0])) == (pytest.approx(2.5), 2)
  both = scenery(boxes=cube, ellipsoids=ball)
  distance, index = raycast.nearest(both, origin, forward)
  assert (float(distance[0]), int(index[0])) == (pytest.approx(1.0), 3)
  backward = [jnp.array([x]) for x in (-1.0, 0.0, 0.0)]
  assert np.isinf(raycast.nearest(both, origin, backward)[0])


def test_a_point_is_occluded_exactly_if_its_ray_meets_a_solid():
  origin, directions = rays(200)
  points = origin + 0 * directions
  is_occluded = jax.jit(raycast.occluded)
  for kind in raycast._KINDS:
    scene = scenery(**{kind: one(TAPER if kind == 'frusta' else (0.0, 0.0))})
    met = np.isfinite(cast(scene, origin, directions))
    columns = [jnp.asarray(points[:, i], jnp.float32) for i in range(3)]
    occluded = [
      is_occluded(scene, [c[:1] for c in columns], jnp.asarray(ray))
      for ray in directions[:8].astype(np.float32)
    ]
    assert np.concatenate(occluded).tolist() == met[:8].tolist()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
