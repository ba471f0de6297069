# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The corridor is the strip along the driven path."""

import sys

import jax
import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types


def drive(xy, yaw):
  return types.AgentState(
    xy=np.asarray(xy, np.float32),
    z=np.zeros(len(xy), np.float32),
    yaw=np.asarray(yaw, np.float32),
    speed=np.zeros(len(xy), np.float32),
    valid=np.ones(len(xy), bool),
  )


def arc(radius, turn, steps=60):
  angle = np.linspace(0, turn, steps)
  xy = radius * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
  return drive(xy, angle)


def count_polygons(street, points):
  inside = jax.vmap(geometry.points_in_polygon, (None, 0, 0))(
    np.asarray(points, np.float32), street.drivable.xy, street.drivable.valid
  )
  return np.asarray(inside).sum(0)


@pytest.mark.parametrize('turn', [1.0, -1.0, 2 * np.pi * 1.2])
def test_points_nearer_to_the_path_than_half_its_width_are_drivable(turn):
  # 1.2 turns cross the beginning of the path again.
  ego = arc(np.sign(turn) * 20.0, turn)
  street = logs.corridor_map(ego, half_width=3.0)
  radial = np.stack([np.sin(ego.yaw), -np.cos(ego.yaw)], -1)
  for offset in (-2.8, 0.0, 2.8):
    assert (count_polygons(street, ego.xy + offset * radial) >= 1).all()
  if abs(turn) < np.pi:
    for offset in (-3.2, 3.2):
      assert (count_polygons(street, ego.xy + offset * radial) == 0).all()


def test_the_lane_runs_along_the_path_and_on_beyond_both_ends():
  ego = arc(20.0, 1.0)
  lane = logs.corridor_map(ego, ahead=30.0, behind=10.0).lanes.xy[0]
  along, offset, *_ = jax.vmap(geometry.project_to_polyline, (0, None))(
    ego.xy, lane
  )
  assert np.abs(offset).max() < 0.05
  assert along[0] == pytest.approx(10, abs=0.05)
  np.testing.assert_allclose(lane[0], [-10, 0], atol=1e-5)
  end = ego.xy[-1] + 30 * np.array([np.cos(1.0), np.sin(1.0)])
  np.testing.assert_allclose(lane[-1], end, atol=1e-4)
  spacing = np.linalg.norm(np.diff(lane, axis=0), axis=-1)
  assert spacing.max() / spacing.min() < 1.01


def test_a_car_at_rest_has_a_straight_lane_along_its_heading():
  jitter = np.random.default_rng(0).normal(0, 0.02, (50, 2))
  ego = drive(jitter, np.full(50, 0.5))
  street = logs.corridor_map(ego)
  direction = street.lanes.xy[0, -1] - street.lanes.xy[0, 0]
  assert np.arctan2(*direction[::-1]) == pytest.approx(0.5, abs=0.01)
  assert (count_polygons(street, ego.xy) >= 1).all()


def test_maps_of_different_drives_stack():
  street = trees.stack(
    [logs.corridor_map(arc(20.0, 1.0)), logs.corridor_map(arc(90.0, 0.2, 9))]
  )
  assert street.lanes.xy.shape == (2, 1, 129, 2)
  assert street.crosswalks.valid.shape[1] == street.stop_lines.xy.shape[1] == 1
  assert not street.crosswalks.valid.any()


@pytest.mark.parametrize('field', ['half_width', 'ahead', 'behind'])
def test_a_corridor_without_extent_is_refused(field):
  with pytest.raises(ValueError, match=f'{field}: -1'):
    logs.corridor_map(arc(20.0, 1.0), **{field: -1})


def test_a_drive_without_an_ego_has_no_corridor():
  ego = arc(20.0, 1.0)
  with pytest.raises(ValueError, match='ego'):
    logs.corridor_map(ego.replace(valid=np.zeros(60, bool)))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
