# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Argoverse 2: a made-up log of known content, and recorded ones."""

import os
import pathlib
import sys

import numpy as np
import pytest

from data_pipelines import argoverse2
from rdrl import geometry
from rdrl import logs
from rdrl import types

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'argoverse2_logs'


def test_who_is_where(fake_city, tmp_path):
  log = argoverse2.read(fake_city.write(tmp_path, 'abc'))
  assert log.name == 'abc'
  np.testing.assert_allclose(log.times, types.TIME_STEP * np.arange(12))
  # Below the middle of the ego is the origin, and the car is 20 m ahead of the
  # rear axle.
  np.testing.assert_allclose(log.tracks.xy[0, 0], 0, atol=1e-5)
  ahead = fake_city.ahead[:2]
  gap = 20 - argoverse2.MIDDLE_AHEAD_OF_REAR_AXLE
  np.testing.assert_allclose(log.tracks.xy[0, 1], gap * ahead, atol=1e-4)
  np.testing.assert_allclose(log.tracks.xy[-1, 0], 11 * ahead, atol=1e-4)
  np.testing.assert_allclose(log.tracks.speed[:, :2], 10, atol=1e-3)
  np.testing.assert_allclose(log.tracks.yaw[:, :2], fake_city.YAW, atol=1e-6)
  np.testing.assert_array_equal(log.tracks.valid[:, 2], np.arange(12) >= 4)
  np.testing.assert_allclose(log.tracks.speed[4:, 2], 0, atol=1e-3)
  assert log.classes.tolist() == [
    types.VEHICLE,
    types.VEHICLE,
    types.PEDESTRIAN,
  ]


def test_the_map_says_where_to_drive(fake_city, tmp_path):
  log = argoverse2.read(fake_city.write(tmp_path))
  assert log.map.lane_width.tolist() == pytest.approx([4.0])
  drivable = logs.geometric_scene(log).drivable
  side = np.array([-6.0, -4, 0, 5, 7])
  points = side[:, None] * fake_city.left[:2] + 3 * fake_city.ahead[:2]
  found = geometry.sample_grid(drivable, points)
  np.testing.assert_array_equal(found > 0, [False, True, True, True, False])


def test_in_sweeps_without_cuboids_the_ego_goes_on_alone(fake_city, tmp_path):
  fake_city.without_steps(3, 9)
  log = argoverse2.read(fake_city.write(tmp_path))
  np.testing.assert_allclose(np.diff(log.times), types.TIME_STEP)
  np.testing.assert_allclose(log.tracks.speed[:, 0], 10, atol=1e-3)
  step = np.arange(12)
  there = (step < 3) | (step >= 9)
  np.testing.assert_array_equal(log.tracks.valid[:, 1], there)
  np.testing.assert_allclose(log.tracks.speed[there, 1], 10, atol=1e-3)


def test_a_second_that_nobody_knows_is_refused(fake_city, tmp_path):
  fake_city.without_steps(2, 11)
  stamps = (fake_city.poses['timestamp_ns'] - fake_city.FIRST) / 1e9
  kept = (stamps < 0.12) | (stamps > 1.07)
  fake_city.poses = {k: v[kept] for k, v in fake_city.poses.items()}
  path = fake_city.write(tmp_path)
  with pytest.raises(logs.LogError) as caught:
    argoverse2.read(path)
  assert str(caught.value).startswith(
    f'{path}: times: step 2 at 1.1 s is 1 s after step 1'
  )


@pytest.mark.parametrize(
  ('table', 'field', 'value', 'message'),
  [
    ('boxes', 'length_m', 0.0, 'length_m: 0.0 m of track car is not positive'),
    ('boxes', 'width_m', np.inf, 'width_m: inf in row 2'),
    ('boxes', 'category', 'UFO', "category: 'UFO' is unknown"),
    ('boxes', 'tx_m', 1e30, 'tx_m: 1e\\+30 in row 2, expected at most'),
    ('poses', 'ty_m', np.nan, 'ty_m: nan in row 2'),
    ('poses', 'timestamp_ns', 5, 'timestamp_ns: no pose at 315973158059879000'),
  ],
)
def test_a_wrong_value_is_named(
  fake_city, tmp_path, table, field, value, message
):
  values = getattr(fake_city, table)[field]
  if field == 'length_m':
    values[:12] = value
  else:
    values[2] = value
  path = fake_city.write(tmp_path)
  with pytest.raises(logs.LogError, match=message) as caught:
    argoverse2.read(path)
  assert '.feather: ' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.slow
def test_recorded_egos_drive_on_the_road():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  paths = argoverse2.recordings(REAL)
  assert len(paths) == 2
  for path in paths.values():
    log = argoverse2.read(path)
    np.testing.assert_allclose(np.diff(log.times), types.TIME_STEP, atol=1e-3)
    drivable = logs.geometric_scene(log).drivable
    xy = log.tracks.xy[:, 0]
    assert np.asarray(geometry.sample_grid(drivable, xy)).min() > 0.5
    moved = np.linalg.norm(np.diff(xy, axis=0), axis=-1)
    wrong = moved - np.diff(log.times) * log.tracks.speed[1:, 0]
    assert np.median(np.abs(wrong)) < 0.05


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
