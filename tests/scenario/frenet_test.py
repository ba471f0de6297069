# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Frenet coordinates against circles, and there and back."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl.scenario import frenet

RADIUS = 40.0


@pytest.fixture(scope='module')
def arc():
  """A path of 80 m on a circle to the left around (0, 40)."""
  angle = np.linspace(0, 2, 101)
  xy = RADIUS * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
  return frenet.build(xy, angle, np.ones(101, bool))


_from = jax.jit(jax.vmap(frenet.from_frenet, (None, 0, 0)))
_to = jax.jit(jax.vmap(frenet.to_frenet, (None, 0)))


def test_an_arc_has_the_coordinates_of_an_arc(arc):
  s, d = np.meshgrid(np.linspace(2, 78, 20), [-5.0, -1, 0, 2, 5])
  s, d = s.ravel().astype(np.float32), d.ravel().astype(np.float32)
  xy, heading = _from(arc, s, d)
  angle = s / RADIUS
  radius = RADIUS - d
  expected = np.stack(
    [radius * np.sin(angle), RADIUS - radius * np.cos(angle)], -1
  )
  np.testing.assert_allclose(xy, expected, atol=0.03)
  np.testing.assert_allclose(heading, angle, atol=6e-3)
  inner = jnp.linspace(10, 70, 20)
  curvature = jax.jit(jax.vmap(frenet.curvature, (None, 0)))(arc, inner)
  np.testing.assert_allclose(curvature, 1 / RADIUS, rtol=0.1)


def test_there_and_back(arc):
  rng = np.random.default_rng(0)
  s = rng.uniform(-30, 150, 500).astype(np.float32)
  d = rng.uniform(-7, 7, 500).astype(np.float32)
  xy, heading = _from(arc, s, d)
  found_s, found_d, found_heading = _to(arc, xy)
  np.testing.assert_allclose(found_s, s, atol=2e-3)
  np.testing.assert_allclose(found_d, d, atol=2e-3)
  np.testing.assert_allclose(found_heading, heading, atol=1e-3)


@pytest.mark.parametrize('curvature', [0.0, 0.02, 0.1])
def test_exact_to_a_centimetre_both_ways(curvature):
  # The sharpest bend of a lane that a car drives has a radius of about 10 m.
  radius = 1 / max(curvature, 1e-6)
  spacing = 0.5
  s = spacing * np.arange(min(256, int(2 * radius / spacing)))
  angle = s / radius
  centre = np.array([0, radius])
  path = frenet.Path(
    xy=jnp.float32(radius * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)),
    tangent=jnp.float32(np.stack([np.cos(angle), np.sin(angle)], -1)),
    start=jnp.float32(0),
    spacing=jnp.float32(spacing),
  )
  rng = np.random.default_rng(0)
  s = rng.uniform(0.5, s[-1] - 0.5, 500)
  d = rng.uniform(-7, 7, 500)
  angle = s / radius
  out = np.stack([np.sin(angle), -np.cos(angle)], -1)
  xy = centre + (radius - d)[:, None] * out
  found_xy, heading = _from(path, s.astype(np.float32), d.astype(np.float32))
  assert np.linalg.norm(found_xy - xy, axis=-1).max() < 0.01
  assert np.abs(heading - angle).max() < np.deg2rad(0.1)
  found_s, found_d, heading = _to(path, xy.astype(np.float32))
  # Along the path, a centimetre beside it counts as it is out there.
  scale = (radius - d) / radius
  assert np.abs((found_s - s) * scale).max() < 0.01
  assert np.abs(found_d - d).max() < 0.01
  assert np.abs(heading - angle).max() < np.deg2rad(0.1)


def test_the_other_way_round_signs_change(arc):
  s = np.linspace(5, 75, 30).astype(np.float32)
  d = np.linspace(-5, 5, 30).astype(np.float32)
  xy, heading = _from(arc, s, d)
  back, turned = _from(frenet.reverse(arc), -s, -d)
  np.testing.assert_allclose(back, xy, atol=2e-3)
  np.testing.assert_allclose(np.cos(turned - heading), -1, atol=1e-4)


def test_a_straight_path_through_a_point():
  path = frenet.straight(jnp.array([3.0, 4.0]), jnp.array([0.0, 1.0]))
  xy, heading = _from(path, jnp.array([0.0, 7.0]), jnp.array([0.0, 2.0]))
  np.testing.assert_allclose(xy, [[3, 4], [1, 11]], atol=1e-4)
  np.testing.assert_allclose(heading, np.pi / 2, atol=1e-5)


def test_a_constant_offset_is_as_smooth_as_the_path(arc):
  # Motion at constant speed beside a circle has the acceleration v^2 / r.
  time = np.arange(60) * 0.1
  s = (10 + 10 * time).astype(np.float32)
  xy, _ = _from(arc, s, np.full(60, 3.5, np.float32))
  acceleration = np.diff(np.asarray(xy, float), 2, axis=0) / 0.1**2
  speed = 10 * (RADIUS - 3.5) / RADIUS
  size = np.linalg.norm(acceleration, axis=-1)
  np.testing.assert_allclose(size, speed**2 / (RADIUS - 3.5), rtol=0.12)


def test_ends_go_straight_on(arc):
  s = jnp.array([-100.0, 180.0])
  xy, heading = _from(arc, s, jnp.zeros(2))
  end = RADIUS * np.array([np.sin(2), 1 - np.cos(2)])
  ahead = np.array([np.cos(2), np.sin(2)])
  np.testing.assert_allclose(xy[0], [-100, 0], atol=1)
  np.testing.assert_allclose(xy[1], end + 100 * ahead, atol=1)
  np.testing.assert_allclose(heading, [0, 2], atol=1e-2)


def test_a_standing_track_gives_a_straight_path():
  rng = np.random.default_rng(0)
  jitter = 0.01 * rng.normal(size=(50, 2)) + [100, 200]
  path = frenet.build(jitter, np.full(50, np.pi / 2), np.ones(50, bool))
  s, d, heading = _to(path, jnp.array([[97.0, 230.0]]))
  np.testing.assert_allclose(
    [s[0], d[0], heading[0]], [30, 3, np.pi / 2], atol=0.1
  )


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
