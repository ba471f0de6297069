# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How far a road reaches to both sides, by lidar."""

import sys

import numpy as np
import pytest

from data_pipelines import road
from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types

STEPS, SPEED = 61, 10.0


def _surface(x, y):
  """Crowned asphalt, to the right of which a kerb rises 5 m from the path."""
  return 0.02 * np.abs(y) + np.where(y < -5, 0.14, 0)


def _log(surface=_surface, density=6000, things=(), radius=np.inf):
  """An ego that drives along x, or a bend to the left, over a surface.

  Args:
    surface: function of metres along and to the left of the path to height.
    density: points of a sweep, at random within 25 m, none within 3 m.
    things: `(from, to, left, right, height)` each, which stand there.
    radius: metres.
  """
  rng = np.random.default_rng(0)
  along = SPEED * types.TIME_STEP * np.arange(STEPS)

  def world(s, d):
    if np.isinf(radius):
      return np.stack([s, d], -1)
    angle = s / radius
    return np.stack(
      [(radius - d) * np.sin(angle), radius - (radius - d) * np.cos(angle)], -1
    )

  points = np.zeros((STEPS, density, 3), np.float32)
  for step, s in enumerate(along):
    x, y = rng.uniform(-25, 25, (2, density))
    x, y = np.where(np.hypot(x, y) < 3, 20.0, x), y
    z = surface(s + x, y) + rng.normal(scale=0.01, size=density)
    for first, last, left, right, height in things:
      inside = (s + x > first) & (s + x < last) & (y < left) & (y > right)
      z += inside * rng.uniform(0, height, density)
    points[step] = np.c_[world(s + x, y), z]
  tracks = types.AgentState(
    xy=world(along, np.zeros(STEPS))[:, None].astype(np.float32),
    z=np.full((STEPS, 1), 0.75, np.float32),
    yaw=(along / radius)[:, None].astype(np.float32),
    speed=np.full((STEPS, 1), SPEED, np.float32),
    valid=np.ones((STEPS, 1), bool),
  )
  return types.Log(
    images=np.zeros((STEPS, 0, 0, 0, 3), np.uint8),
    cameras=None,
    camera_from_ego=np.zeros((0, 4, 4), np.float32),
    times=types.TIME_STEP * np.arange(STEPS),
    tracks=tracks,
    sizes=np.array([[4.6, 1.9, 1.5]], np.float32),
    classes=np.array([types.VEHICLE]),
    lidar=points,
    lidar_valid=np.ones(points.shape[:2], bool),
    map=types.NO_MAP,
  )


def _edges(log):
  """Metres along the path, and to the right and left where it was driven."""
  ego = trees.take(log.tracks, (slice(None), 0))
  lane = logs.corridor_map(ego).lanes.xy[0]
  right, left = road.edges(log, lane)
  s = np.linspace(-10, 90, len(lane))
  driven = (s > 4) & (s < 46)
  return s[driven], right[driven], left[driven]


def test_a_road_ends_at_its_kerb_and_at_what_stands_there():
  s, right, left = _edges(_log(things=[(20, 30, 8.0, 6.0, 1.5)]))
  np.testing.assert_allclose(right, 5, atol=0.01)
  beside = (s > 20) & (s < 30)
  np.testing.assert_allclose(left[beside], 6, atol=0.01)
  np.testing.assert_allclose(left[(s < 14) | (s > 36)], 12, atol=0.01)


def test_beyond_the_drive_the_road_goes_on_as_wide_as_usual():
  log = _log(things=[(-40, 44, 8.0, 6.0, 1.5)])
  ego = trees.take(log.tracks, (slice(None), 0))
  right, left = road.edges(log, logs.corridor_map(ego).lanes.xy[0])
  np.testing.assert_allclose(right, 5, atol=0.01)
  np.testing.assert_allclose(left[[0, -1]], 6, atol=0.01)


def test_what_moved_there_is_no_end_of_the_road():
  thing = (20, 30, 8.0, 4.0, 1.5)
  log = _log(things=[thing])
  box = types.AgentState(
    xy=np.tile(np.float32([25, 6]), (STEPS, 1, 1)),
    z=np.zeros((STEPS, 1), np.float32),
    yaw=np.zeros((STEPS, 1), np.float32),
    speed=np.ones((STEPS, 1), np.float32),
    valid=np.ones((STEPS, 1), bool),
  )
  # One that goes, so that its place is seen before.
  box.valid[:20] = False
  lidar = log.lidar.copy()
  lidar[:20, :, 2] = _surface(*np.moveaxis(lidar[:20, :, :2], -1, 0))
  tracks = trees.take(log.tracks, slice(None))
  together = types.AgentState(
    **{
      name: np.concatenate([x, getattr(box, name)], 1)
      for name, x in vars(tracks).items()
    }
  )
  sizes = np.float32([[4.6, 1.9, 1.5], [10, 4, 1.5]])
  moving = log.replace(tracks=together, sizes=sizes, lidar=lidar)
  _, _, left = _edges(moving)
  np.testing.assert_allclose(left, 12, atol=0.01)


def test_a_corridor_has_the_road_as_its_drivable_area():
  log = _log()
  ego = trees.take(log.tracks, (slice(None), 0))
  street = logs.corridor_map(ego, edges=lambda lane: road.edges(log, lane))
  places = np.float32([[25, -4.8], [25, -5.2], [25, 11.8], [25, 12.2]])
  inside = [
    geometry.points_in_polygon(places, xy, valid)
    for xy, valid in zip(street.drivable.xy, street.drivable.valid, strict=True)
  ]
  assert np.any(inside, 0).tolist() == [True, False, True, False]
  np.testing.assert_allclose(street.lane_width, 7)


def test_the_inside_of_a_bend_stays_within_its_radius():
  _, right, left = _edges(_log(lambda s, d: 0 * s, radius=10.0))
  assert left.max() < 8.5 and np.median(right) > 11


def test_where_nothing_was_seen_the_road_is_as_wide_as_two_lanes():
  log = _log()
  blind = log.replace(lidar_valid=np.zeros_like(log.lidar_valid))
  _, right, left = _edges(blind)
  assert set(right) == set(left) == {3.5}
  stands = log.replace(
    tracks=log.tracks.replace(xy=np.zeros_like(log.tracks.xy))
  )
  _, right, left = _edges(stands)
  assert set(right) == set(left) == {3.5}


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
