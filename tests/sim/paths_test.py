# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Paths of tracks that tremble, back up, turn round and cross themselves."""

import sys

import jax
import numpy as np
import pytest

from rdrl.sim import paths

STEPS = 91
TIME = np.arange(STEPS) * 0.1
STANDS = (TIME >= 3) & (TIME <= 7)

_track = jax.jit(paths.from_track)
_project = jax.jit(jax.vmap(paths.project, (0, None, None, 0, 0)))
_backing = jax.jit(jax.vmap(paths.is_backing, (0, 0, None, None)))


def _stopped():
  """Metres along x of a car that stands from 3 s to 7 s."""
  return np.interp(TIME, [0, 3, 7, 9], [0, 30, 30, 46])


def _path(xy, yaw=0.0, valid=True):
  rows = np.asarray(xy), np.broadcast_to(yaw, STEPS)
  return jax.device_get(_track(*rows, np.broadcast_to(valid, STEPS)))


def _velocity(xy):
  return np.float32(np.gradient(xy, 0.1, axis=0))


@pytest.mark.parametrize('sigma', [0.0, 0.01, 0.03, 0.06, 0.1])
@pytest.mark.parametrize('turn', [0.0, 2.0])
def test_a_car_that_stands_and_trembles_has_a_path_that_does_not_fold(
  sigma, turn
):
  rng = np.random.default_rng(0)
  xy = np.stack([_stopped(), np.zeros(STEPS)], -1)
  xy[STANDS] += sigma * rng.normal(size=(STANDS.sum(), 2))
  rotation = np.array(
    [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
  )
  points, used, progress = _path(xy @ rotation, turn)
  step = np.diff(points[used], axis=0) @ rotation.T
  assert np.all(np.abs(np.arctan2(step[:, 1], step[:, 0])) < np.radians(32))
  # Metres along are those of the car, but for how far it trembles.
  np.testing.assert_allclose(progress, _stopped(), atol=0.01 + 4 * sigma)
  assert np.all(np.diff(progress) >= 0)


def test_a_pedestrian_who_trembles_all_the_time_goes_nowhere():
  rng = np.random.default_rng(1)
  _, _, progress = _path(0.05 * rng.normal(size=(STEPS, 2)), 0.7)
  assert progress[-1] < 0.4


def test_a_pedestrian_who_looks_aside_has_a_path():
  xy = np.stack([1.2 * TIME, np.zeros(STEPS)], -1)
  points, used, progress = _path(xy, np.pi / 2)
  np.testing.assert_allclose(progress, xy[:, 0], atol=1e-5)
  np.testing.assert_allclose(points[used, 1], 0, atol=1e-6)


def test_metres_backwards_are_metres_along_the_path():
  xy = np.stack([-3 * TIME, np.zeros(STEPS)], -1)
  points, used, progress = _path(xy)
  np.testing.assert_allclose(progress, 3 * TIME, atol=1e-4)
  heading = np.arctan2(*np.diff(points[used], axis=0).T[::-1])
  places = heading, progress[: len(heading)], progress
  assert np.all(_backing(*places, np.zeros(STEPS)))
  # Of a car that looks where it goes, nowhere.
  assert not np.any(_backing(*places, np.full(STEPS, np.pi)))


def _there_and_back():
  """Forward 20 m in 4 s, a second at rest, and back again."""
  x = np.interp(TIME, [0, 4, 5, 9], [0, 20, 20, 0])
  return np.stack([x, np.zeros(STEPS)], -1)


def test_there_and_back_is_twice_the_way():
  xy = _there_and_back()
  points, used, progress = _path(xy)
  way = np.interp(TIME, [0, 4, 5, 9], [0, 20, 20, 40])
  np.testing.assert_allclose(progress, way, atol=1e-3)
  last = np.float32(np.append(0, way[:-1]))
  along, offset, heading, _ = _project(
    np.float32(xy), points, used, last, _velocity(xy)
  )
  moves = np.abs(_velocity(xy)[:, 0]) > 4
  np.testing.assert_allclose(np.asarray(along)[moves], way[moves], atol=1e-3)
  np.testing.assert_allclose(offset, 0, atol=1e-5)
  backing = _backing(heading, along, progress, np.zeros(STEPS))
  np.testing.assert_array_equal(np.asarray(backing)[moves], TIME[moves] > 4.5)


def test_where_a_path_crosses_itself_the_way_is_not_cut_short():
  # Round a circle of 40 m that begins and ends on a straight line.
  s = 10 * TIME
  angle = np.clip((s - 20) / 8, 0, 2 * np.pi)
  beyond = np.maximum(s - 20 - 16 * np.pi, 0)
  x = np.minimum(s, 20) + 8 * np.sin(angle) + beyond
  xy = np.stack([x, 8 - 8 * np.cos(angle)], -1)
  points, used, progress = _path(xy, angle)
  last = np.append(0, progress[:-1])
  along, *_ = _project(np.float32(xy), points, used, last, _velocity(xy))
  np.testing.assert_allclose(along, progress, atol=1e-3)
  np.testing.assert_allclose(progress, s, rtol=2e-3)


def test_gaps_are_bridged_and_progress_is_held_over_them():
  xy = np.stack([10 * TIME, np.zeros(STEPS)], -1)
  valid = (TIME > 0.95) & ((TIME < 3.95) | (TIME > 4.95)) & (TIME < 8.05)
  xy[~valid] = 1e3
  points, used, progress = _path(xy, valid=valid)
  assert points[used, 0].max() == pytest.approx(80)
  np.testing.assert_allclose(progress[valid], xy[valid, 0] - 10, atol=1e-4)
  np.testing.assert_allclose(progress[:10], 0)
  np.testing.assert_allclose(progress[40:50], 29, atol=1e-4)
  np.testing.assert_allclose(progress[-5:], 70, atol=1e-4)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
