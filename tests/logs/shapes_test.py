# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A log keeps its meaning when its shapes change."""

import sys

import jax
import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types


def test_halving_averages_pixels_and_halves_their_coordinates(log):
  half = logs.resize(log, 4, 6)
  assert half.images.shape == (5, 2, 4, 6, 3)
  blocks = log.images.reshape(5, 2, 4, 2, 6, 2, 3).mean((3, 5))
  assert np.abs(half.images - blocks).max() <= 1
  point = np.array([9.0, 1.0, 2.0])
  before, _ = geometry.project(
    jax.tree.map(lambda x: x[1, 0], log.cameras), point
  )
  after, _ = geometry.project(
    jax.tree.map(lambda x: x[1, 0], half.cameras), point
  )
  np.testing.assert_allclose(after, before / 2, rtol=1e-5)
  logs.validate(half, 'here')


def test_resizing_to_the_same_size_changes_nothing(log):
  assert logs.resize(log, 8, 12) is log


def test_a_size_that_is_none_is_refused(log):
  with pytest.raises(logs.LogError, match='0x4 pixels'):
    logs.resize(log, 4, 0)


def test_padding_adds_agents_that_are_nowhere(log):
  padded = logs.pad_agents(log, 8)
  assert padded.tracks.xy.shape == (5, 8, 2)
  assert padded.sizes.shape == (8, 3)
  assert not padded.tracks.valid[:, 3:].any()
  kept = trees.take(padded.tracks, (slice(None), slice(3)))
  jax.tree.map(np.testing.assert_array_equal, kept, log.tracks)


def test_more_agents_than_the_budget_names_both(log):
  with pytest.raises(logs.LogError, match=r'drive: tracks: 3 agents.*is 2'):
    logs.pad_agents(log, 2)


def test_the_ego_and_who_comes_nearest_to_it_are_kept(log):
  tracks = log.tracks
  tracks.xy[:, 1] = [50, 50]
  # The nearest of all, while nobody sees it, and for a moment.
  tracks.xy[2, 1] = tracks.xy[2, 0]
  tracks.valid[2, 1] = False
  kept, left_out = logs.keep_nearest(log, 2)
  assert left_out == 1
  np.testing.assert_array_equal(kept.tracks.xy, tracks.xy[:, [0, 2]])
  tracks.valid[2, 1] = True
  kept, _ = logs.keep_nearest(log, 2)
  np.testing.assert_array_equal(kept.tracks.xy, tracks.xy[:, [0, 1]])
  alone, left_out = logs.keep_nearest(log, 1)
  assert left_out == 2 and alone.sizes.shape == (1, 3)
  whole, left_out = logs.keep_nearest(log, 9)
  assert left_out == 0 and whole.sizes.shape == (3, 3)
  with pytest.raises(logs.LogError, match='0 agents have no room for the ego'):
    logs.keep_nearest(log, 0)


def test_a_padded_map_says_what_it_said(log):
  lights = np.full((5, 1), types.LIGHT_STOP, np.int32)
  lane_map = log.map.replace(lights=lights)
  shape = {
    name: tuple(np.add(each, (2, 3)))
    for name, each in logs.map_shape(lane_map).items()
  }
  padded = logs.pad_map(lane_map, shape)
  assert logs.map_shape(padded) == shape
  for name, (rows, points) in logs.map_shape(lane_map).items():
    old, new = getattr(lane_map, name), getattr(padded, name)
    np.testing.assert_array_equal(new.xy[:rows, :points], old.xy)
    assert new.valid.sum() == old.valid.sum()
  np.testing.assert_array_equal(padded.lights[:, :1], lights)
  assert not padded.lights[:, 1:].any()
  logs.validate(log.replace(map=padded), 'here')
  with pytest.raises(logs.LogError, match=r'map.lanes: shape \(3, 132\)'):
    logs.pad_map(padded, logs.map_shape(lane_map))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
