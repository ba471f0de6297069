# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings come in few shapes."""

import sys

import numpy as np
import pytest

from experiments.bench import timing
from rdrl import types
from rdrl.logs import few_shapes
from rdrl.report import human_scores


def _lanes(count, points):
  xy = np.zeros((count, points, 2), np.float32)
  xy[..., 0] = np.linspace(-60, 200, points)
  xy[..., 1] = -1.75 + 3.5 * np.arange(count)[:, None]
  return types.Polylines(xy=xy, valid=np.ones((count, points), bool))


def _scene(road, others, steps, lanes=2, points=8, cells=None):
  scene = road.scene(
    road.straight(0, -1.75, 8, steps),
    *(road.straight(30 * i, 1.75, 5, steps) for i in range(1, others + 1)),
  )
  lane_map = scene.map.replace(
    lanes=_lanes(lanes, points), lane_width=np.full(lanes, 3.5, np.float32)
  )
  scene = scene.replace(map=lane_map)
  if cells:
    names = 'drivable', 'occupancy'
    grids = {name: getattr(scene, name) for name in names}
    scene = scene.replace(
      **{k: x.replace(values=x.values[:, :cells]) for k, x in grids.items()}
    )
  return scene


def test_what_is_added_is_nowhere_and_all_else_stays(road):
  scene = _scene(road, 3, 47, lanes=3, points=9)
  valid = np.asarray(scene.tracks.valid).copy()
  valid[:2] = valid[-3:] = False
  scene = scene.replace(tracks=scene.tracks.replace(valid=valid))
  padded, first = few_shapes.of_few_shapes(scene)
  assert padded.tracks.valid.shape == (51, 64) and first == 51 - 42
  for name, values in vars(padded.tracks).items():
    kept = np.asarray(getattr(scene.tracks, name))[2:-3]
    np.testing.assert_array_equal(values[first:, :4], kept)
    # Before the beginning everybody waits.
    np.testing.assert_array_equal(
      values[:first, :4], np.broadcast_to(kept[0], (first, *kept.shape[1:]))
    )
  assert not padded.tracks.valid[:, 4:].any()
  lanes = padded.map.lanes
  assert lanes.valid.shape == (128, 64) and lanes.valid.sum() == 3 * 9
  np.testing.assert_array_equal(lanes.xy[:3, :9], scene.map.lanes.xy)
  assert padded.drivable.values.shape == (1024, 1024)
  height, width = scene.drivable.values.shape
  np.testing.assert_array_equal(
    padded.drivable.values[:height, :width], scene.drivable.values
  )


def test_lights_wait_and_are_kept(road):
  scene = _scene(road, 1, 41)
  lines = types.Polylines(
    xy=np.zeros((2, 2, 2), np.float32), valid=np.ones((2, 2), bool)
  )
  lights = np.arange(82, dtype=np.int32).reshape(41, 2) % 4
  lane_map = scene.map.replace(stop_lines=lines, lights=lights)
  padded, first = few_shapes.of_few_shapes(scene.replace(map=lane_map))
  assert padded.map.lights.shape == (51, 16) and first == 10
  np.testing.assert_array_equal(padded.map.lights[10:, :2], lights)
  np.testing.assert_array_equal(
    padded.map.lights[:10, :2], lights[:1].repeat(10, 0)
  )


@pytest.mark.slow
def test_recordings_of_many_shapes_share_their_programs(road):
  with timing.Compilations() as compiled:
    first = human_scores.score(_scene(road, 2, 51))
    before = compiled.count
    assert before > 0
    second = human_scores.score(_scene(road, 9, 43, 5, 20, cells=560))
    assert compiled.count == before
  assert first == second == dict.fromkeys(first, 1.0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
