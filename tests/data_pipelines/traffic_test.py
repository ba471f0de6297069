# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Lines, areas and velocities by their definitions; logs of one shape."""

import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from data_pipelines import traffic
from data_pipelines import womd
from rdrl import logs
from rdrl import types


def _star(seed, count=11):
  rng = np.random.default_rng(seed)
  angle = np.sort(rng.uniform(0, 2 * np.pi, count))
  radius = rng.uniform(1, 9, (count, 1))
  return radius * np.stack([np.cos(angle), np.sin(angle)], -1)


def _inside(rings, points):
  """Whether `[n, 2]` points lie in an odd number of rings' windings."""
  return [
    bool(
      sum(
        logs.polygon_mask(traffic.polylines([ring]), (1, 1), point, 1.0)[0, 0]
        for ring in rings
      )
      % 2
    )
    for point in points
  ]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 2))
def test_a_simplified_line_stays_within_its_tolerance(seed, tolerance):
  rng = np.random.default_rng(seed)
  line = np.cumsum(rng.normal(0, 1, (40, 2)), 0)
  found = traffic.simplify(line, tolerance)
  np.testing.assert_array_equal(found[[0, -1]], line[[0, -1]])
  start, step = found[:-1], np.diff(found, axis=0)
  relative = line[:, None] - start
  share = np.clip(
    (relative * step).sum(-1) / np.maximum((step * step).sum(-1), 1e-9), 0, 1
  )
  apart = np.linalg.norm(relative - share[..., None] * step, axis=-1).min(1)
  assert apart.max() <= tolerance + 1e-9


def test_what_is_on_a_straight_line_is_superfluous():
  line = np.stack([np.arange(9.0), 2 * np.arange(9.0)], -1)
  np.testing.assert_array_equal(traffic.simplify(line, 1e-9), line[[0, -1]])
  ring = np.array([[0, 0], [2, 0], [4, 0], [4, 4], [0, 4], [0, 0.0]])
  np.testing.assert_array_equal(
    traffic.simplify(ring, 0.1), ring[[0, 2, 3, 4, 5]]
  )
  np.testing.assert_array_equal(traffic.opened(ring), ring[:-1])


def test_a_dense_line_is_the_same_line():
  line = np.array([[0, 0], [3, 4], [3, 4.5]])
  found = traffic.densify(line, 1.5)
  steps = np.linalg.norm(np.diff(found, axis=0), axis=-1)
  assert steps.max() <= 1.5 and steps.sum() == pytest.approx(5.5)
  np.testing.assert_array_equal(traffic.simplify(found, 1e-9), line)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_clipped_polygon_is_what_lies_in_the_rectangle(seed):
  polygon, rng = _star(seed), np.random.default_rng(seed)
  low, high = np.array([-3.0, -5]), np.array([4.0, 2])
  found = traffic.clip(polygon, low, high)
  points = rng.uniform(-8, 8, (40, 2))
  within = np.all((points > low) & (points < high), -1)
  expected = within & _inside([polygon], points)
  np.testing.assert_array_equal(_inside([found], points), expected)
  if len(found):
    assert np.all((found >= low - 1e-9) & (found <= high + 1e-9))


def test_a_polygon_outside_the_rectangle_leaves_nothing():
  square = np.array([[5, 5], [6, 5], [6, 6], [5, 6.0]])
  assert len(traffic.clip(square, np.zeros(2), np.ones(2))) < 3


def test_an_outline_with_holes_is_one_polygon():
  ring = 10 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
  holes = [ring / 10 + [5, 5], (ring / 5)[::-1] - [4, 3]]
  found = traffic.outline(ring, holes)
  points = np.random.default_rng(0).uniform(-11, 11, (80, 2))
  np.testing.assert_array_equal(
    _inside([found], points), _inside([ring, *holes], points)
  )
  area = 400 - 4 - 16
  assert abs(traffic.signed_area(found)) == pytest.approx(area)


def test_near_lines_are_kept_whole_and_runs_are_cut():
  line = np.array([[-200.0, 30], [200, 30]])
  far = line + np.array([0, 100])
  path = np.array([[0.0, 0], [5, 0]])
  (kept,) = traffic.near([line, far], path, 50.0)
  np.testing.assert_array_equal(kept, line)
  (part,) = traffic.runs_near([line, far], path, 50.0)
  # 40 m to either side of the path, and the next point, 5 m further on.
  np.testing.assert_allclose(part, [[-45, 30], [50, 30]], atol=5)
  zigzag = np.stack([np.linspace(-20, 20, 101), np.arange(101) % 2], -1)
  parts = traffic.runs_near([zigzag], path, 50.0)
  np.testing.assert_allclose(
    np.concatenate([parts[0], *(p[1:] for p in parts[1:])]), zigzag
  )
  assert max(map(len, parts)) <= traffic._LONGEST


def test_velocities_are_slopes_within_each_stretch():
  times = 0.1 * np.arange(20)
  xy = np.stack([3 * times, 1 - 2 * times], -1)[:, None].repeat(3, 1)
  valid = np.ones((20, 3), bool)
  # Another stretch somewhere else; then one of two steps, and one of one.
  valid[8:11, 1] = False
  xy[11:, 1] += 100
  valid[:, 2] = False
  valid[[3, 4, 9], 2] = True
  xy[~valid] = np.nan
  found = traffic.velocities(xy, times, valid)
  assert np.all(np.isfinite(found))
  expected = np.where(valid[..., None], [3, -2], 0.0)
  expected[9, 2] = 0
  np.testing.assert_allclose(found, expected, atol=1e-9)
  assert traffic.along(np.array([3.0, -2]), np.pi / 2) == pytest.approx(-2)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.02, 0.5), min_size=4, max_size=30))
def test_whatever_the_steps_an_even_motion_stays_one(gaps):
  times = 7 + np.cumsum(gaps)
  velocity = np.array([[3.0, -2], [0, 9]])
  place = velocity * (times - times[0])[:, None, None]
  # Across the angle at which one turn ends and the next begins.
  yaw = np.repeat(np.pi - 0.01 + 0.2 * (times - times[0])[:, None], 2, 1)
  valid = np.ones(yaw.shape, bool)
  valid[2, 1] = False
  wrapped = (yaw + np.pi) % (2 * np.pi) - np.pi
  found, there, moving, held = traffic.in_time(
    times, valid, {'xy': place, 'yaw': wrapped}, 'here'
  )
  grid = types.TIME_STEP * np.arange(len(found))
  # Steps that are on time are left as they are.
  np.testing.assert_allclose(found - times[0], grid, atol=0.01)
  assert found[-1] <= times[-1] + 0.01 and found[-1] > times[-1] - 0.11
  late = (found - times[0])[:, None, None]
  np.testing.assert_allclose(moving['xy'], velocity * late, atol=1e-4)
  off = moving['yaw'] - np.pi + 0.01 - 0.2 * late[..., 0]
  np.testing.assert_allclose(np.cos(off), 1, atol=1e-9)
  assert there[:, 0].all()
  inside = (found > times[1] + 0.01) & (found < times[3] - 0.01)
  assert not there[inside, 1].any()
  assert np.all(times[held] <= found + 0.01)
  speed = traffic.velocities(place, times, valid)[valid]
  expected = np.broadcast_to(velocity, place.shape)[valid]
  expected = np.where(np.any(speed, -1, keepdims=True), expected, 0)
  np.testing.assert_allclose(speed, expected, atol=1e-9)


@pytest.mark.parametrize(
  ('times', 'message'),
  [
    ([0, 0.1, 0.1, 0.3], 'step 2 at 0.1 s is 0 s after step 1'),
    ([0, 0.1, 0.1 + 1e-9, 0.3], 'step 2 at 0.100000001 s is 1e-09 s after'),
    ([0, 0.1, 0.05], 'step 2 at 0.05 s is -0.05 s after step 1'),
    ([0, 0.1, 60.2], 'step 2 at 60.2 s is 60.1 s after step 1'),
    ([0, 100, 200], 'step 1 at 100 s is 100 s after step 0'),
    ([0, np.nan, 0.2], 'step 1 at nan s is nan s after step 0'),
    ([0, 0.1, np.inf], 'step 2 at inf s is inf s after step 1'),
    ([], 'steps: 0 wanted, the recording has 0'),
  ],
)
def test_a_stamp_that_cannot_be_is_named(times, message):
  with pytest.raises(logs.LogError, match=f'^here: (times: )?{message}'):
    traffic.in_time(times, np.ones((len(times), 1), bool), {}, 'here')


def test_who_moves_and_where_it_heads_is_compared():
  step = np.arange(8)[:, None]
  rng = np.random.default_rng(0)
  forward = 0.5 * step * [1, 0]
  shaking = rng.normal(0, 1, (8, 2))
  xy = np.stack([forward, forward, -forward, shaking, 0 * forward], 1)
  yaw = np.tile([0.0, 0.3, 0, 0, 2], (8, 1))
  found = traffic.off_course(xy, yaw, np.ones((8, 5), bool))
  np.testing.assert_allclose(found, [0, 0.3, np.pi, np.nan, np.nan], atol=1e-9)


def test_noise_of_positions_is_smoothed():
  rng = np.random.default_rng(0)
  xy = rng.normal(0, 0.02, (200, 1, 2))
  found = traffic.velocities(xy, 0.1 * np.arange(200), np.ones((200, 1), bool))
  # The slope over five steps of 0.1 s: sigma / (0.1 sqrt(10)).
  assert np.std(found[2:-2]) == pytest.approx(0.02 / np.sqrt(0.1), rel=0.15)


def test_only_what_was_asked_for_is_kept(fake_archive, tmp_path):
  path = fake_archive.write(tmp_path)
  log = womd.read(path, traffic.Options(num_agents=2, num_steps=4))
  assert log.tracks.xy.shape == (4, 2, 2) and len(log.times) == 4
  # Two cars are as near at the end; the first of them comes nearest.
  np.testing.assert_allclose(log.tracks.xy[0, 1], [30, 3])
  assert log.map.lights.shape[0] == 4
  # Nobody saw the pedestrian in the first four steps.
  log = womd.read(path, traffic.Options(num_steps=4))
  assert types.PEDESTRIAN not in log.classes
  for options, message in (
    (traffic.Options(num_steps=13), 'steps: 13 wanted, the recording has 12'),
    (traffic.Options(num_steps=0), 'steps: 0 wanted'),
    (traffic.Options(map_radius=0.0), 'map_radius: 0.0 m is not above 0'),
    (traffic.Options(map_radius=np.nan), 'map_radius: nan m is not above 0'),
    (traffic.Options(map_radius=np.inf), 'map_radius: inf m is not .* most'),
    (traffic.Options(num_agents=0), '0 agents have no room for the ego'),
  ):
    with pytest.raises(logs.LogError, match=message):
      womd.read(path, options)


def test_recordings_of_other_shapes_become_one_data_set(fake_archive, tmp_path):
  folder = tmp_path / 'in'
  folder.mkdir()
  paths = [fake_archive.write(folder, 'lit')]
  fields = fake_archive.fields
  fields['tl'] = np.array('{}')
  for name in ('xyz', 'heading', 'vel', 'valid', 'dims', 'type'):
    fields[name] = fields[name][2:]
  paths.append(fake_archive.write(folder, 'dark'))
  traffic.write(paths, womd.read, tmp_path / 'out')
  lit, dark = (logs.read(tmp_path / 'out', name) for name in ('lit', 'dark'))
  assert lit.sizes.shape == dark.sizes.shape == (4, 3)
  assert not dark.tracks.valid[:, 2:].any()
  assert logs.map_shape(lit.map) == logs.map_shape(dark.map)
  assert np.all(dark.map.lights == types.LIGHT_UNKNOWN)
  original = womd.read(paths[0])
  np.testing.assert_array_equal(lit.tracks.xy, original.tracks.xy)
  np.testing.assert_array_equal(lit.map.lights, original.map.lights)
  with pytest.raises(FileExistsError, match='out'):
    traffic.write(paths, womd.read, tmp_path / 'out')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
