# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What is timed does the work, and peers are scaled as said."""

import sys

import jax
import numpy as np
import pytest

from experiments.bench import env as bench_env
from rdrl import geometry
from rdrl import trees

AGENTS = 12


@pytest.fixture(scope='module')
def inputs():
  return bench_env.arguments(AGENTS, 300, seed=1)


def test_replayed_cars_are_counted_as_brute_force_does(inputs):
  tracks, sizes, grid, _ = inputs
  _, met, left, last = bench_env.drive(bench_env.CASES[2], 5, 1, *inputs)
  tracks = jax.device_get(tracks)
  # Environment 4 is in scene 0 again; the ego is not where its track is.
  np.testing.assert_array_equal(met[0], met[4])
  np.testing.assert_array_equal(last.xy[0, 1:], tracks.xy[0, -1, 1:])
  for scene in range(4):
    rest = trees.take(tracks, (scene, slice(1, None), slice(1, None)))
    # [T, A, A] of all pairs but the ego's.
    size = np.asarray(sizes[scene, 1:])
    pairs = np.array(
      geometry.boxes_overlap(
        rest.xy[:, :, None],
        rest.yaw[:, :, None],
        size[:, None],
        rest.xy[:, None],
        rest.yaw[:, None],
        size,
      )
    )
    pairs[:, np.arange(AGENTS - 1), np.arange(AGENTS - 1)] = False
    alone = pairs.any(-1).sum(0)
    # The ego adds to the counts what it met.
    assert np.all(met[scene, 1:] >= alone)
    assert np.sum(met[scene, 1:] - alone) >= met[scene, 0] >= 0
    corners = geometry.box_corners(rest.xy, rest.yaw, size)
    off = jax.vmap(jax.vmap(geometry.sample_grid, (None, 0)), (None, 0))(
      trees.take(grid, scene), corners
    )
    np.testing.assert_array_equal(left[scene, 1:], (off.min(-1) < 0).sum(0))
  assert np.sum(met) > 0


def test_a_road_does_not_depend_on_how_many_points_draw_it():
  coarse, fine = bench_env.road(2000, 0.3), bench_env.road(20000, 0.3)
  edge = np.abs(coarse.values - fine.values)
  assert edge.max() <= 2 * coarse.cell
  # From the middle of the road to its edge it is half a width, less in bends.
  angle = np.linspace(0, 6, 50)
  middle = bench_env._radius(angle, 0.3)[:, None] * np.stack(
    [np.cos(angle), np.sin(angle)], -1
  )
  width = geometry.sample_grid(jax.tree.map(np.asarray, fine), middle)
  np.testing.assert_allclose(width, bench_env._HALF_WIDTH, atol=1.3)


def test_lines_and_peers(capsys):
  # Half as fast a machine by the product, a third by the sort.
  args = 'collisions', 2000, 16, 32
  peer = bench_env.waymax(*args, 265 / 2, 57 * 3)
  assert peer == pytest.approx(89e3 / 2)
  assert bench_env.waymax('collisions', 2000, 1024, 32, 265, 57) is None
  assert bench_env.waymax('collisions', 2000, 16, 128, 265, 57) is None
  rows = bench_env.bench(4, [300, 600], [2], 2, 0, (265, 57))
  assert [row['case'] for row in rows] == [*bench_env.CASES, rows[-1]['case']]
  assert not any(row['recompilations'] for row in rows)
  assert all(row['steps_per_s'] > 0 for row in rows)
  assert len(capsys.readouterr().out.splitlines()) == 4
  lines = bench_env.table(rows)
  assert len(lines) == 5 and lines[0].startswith('case')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
