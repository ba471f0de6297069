# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What moves, in closed form, in the built-in world and on a real drive."""

import logging
import os
import pathlib
import sys

import jax
import numpy as np
import pytest

from data_pipelines import kitti
from data_pipelines import moving
from rdrl import geometry
from rdrl import logs
from rdrl import trees
from rdrl import types
from rdrl import world

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'kitti_raw_0001'

CAR, WALKER, CYCLE = (4.5, 1.8, 1.5), (0.6, 0.6, 1.7), (1.8, 0.7, 1.7)
EGO = (4.6, 1.9, 1.5)
ABOVE_EGO = 1.15  # of the lidar, from the middle of the box


def cast(origin, directions, boxes):
  """Ranges to the ground z = 0 and to upright boxes, infinite where none is.

  Slab method (Kay and Kajiya 1986). A box is `(middle [3], yaw, size)`.
  """
  with np.errstate(divide='ignore'):
    nearest = np.where(directions[:, 2] < 0, -origin[2] / directions[:, 2], 99)
  for middle, yaw, size in boxes:
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    start, ray = turn @ (origin - middle), directions @ turn.T
    half = np.array(size) / 2
    with np.errstate(divide='ignore'):
      faces = [(-half - start) / ray, (half - start) / ray]
    low, high = np.sort(faces, axis=0)
    enter, leave = low.max(-1), high.min(-1)
    hit = (enter < leave) & (enter > 0)
    nearest = np.where(hit & (enter < nearest), enter, nearest)
  return np.where(nearest < 99, nearest, np.inf)


def scene(ego_speed, *movers, steps=40):
  """Drives east past a wall, a parked car and boxes on straight lines.

  A mover is `(xy at first, yaw, speed, size)`.
  """
  azimuth = np.radians(np.arange(-60, 60, 1.0))
  elevation = np.radians(np.arange(-20, 8, 0.7))
  a, e = np.meshgrid(azimuth, elevation)
  rays = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
  rays = np.stack(rays, -1).reshape(-1, 3)
  still = [
    ((20, 15, 2), 0.0, (120, 1, 4)),
    ((75, 0, 2), 0.0, (1, 60, 4)),
    ((14, -4, 0.75), 0.2, CAR),
  ]
  times = np.arange(steps) * types.TIME_STEP
  lidar = np.zeros((steps, len(rays), 3), np.float32)
  valid = np.zeros((steps, len(rays)), bool)
  for step, time in enumerate(times):
    there = [
      (np.array([*place(mover, time), mover[3][2] / 2]), mover[1], mover[3])
      for mover in movers
    ]
    origin = np.array([ego_speed * time, 0, EGO[2] / 2 + ABOVE_EGO])
    reach = cast(origin, rays, still + there)
    valid[step] = np.isfinite(reach)
    seen = np.where(valid[step], reach, 0)
    lidar[step] = origin + seen[:, None] * rays
  xy = np.c_[ego_speed * times, np.zeros(steps)]
  return types.Log(
    images=None,
    cameras=None,
    camera_from_ego=None,
    times=times,
    tracks=types.AgentState(
      xy=xy[:, None].astype(np.float32),
      z=np.full((steps, 1), EGO[2] / 2, np.float32),
      yaw=np.zeros((steps, 1), np.float32),
      speed=np.full((steps, 1), ego_speed, np.float32),
      valid=np.ones((steps, 1), bool),
    ),
    sizes=np.array([EGO], np.float32),
    classes=np.array([types.VEHICLE], np.int32),
    lidar=lidar,
    lidar_valid=valid,
    map=None,
    name='made-up',
  )


def place(mover, time):
  xy, yaw, speed, _ = mover
  return np.array(xy) + speed * time * np.array([np.cos(yaw), np.sin(yaw)])


def origins(log):
  ego = trees.take(log.tracks, (slice(None), 0))
  return np.c_[ego.xy, ego.z + ABOVE_EGO]


def between(a, b):
  """Degrees between headings."""
  return np.degrees(np.abs((a - b + np.pi) % (2 * np.pi) - np.pi))


@pytest.mark.parametrize(
  ('mover', 'kind', 'ego_speed'),
  [
    (((50, 4), np.pi, 7.0, CAR), types.VEHICLE, 8.0),  # comes towards it
    (((12, -0.5), 0.0, 9.0, CAR), types.VEHICLE, 8.0),  # leads
    (((30, -12), 1.6, 6.0, CAR), types.VEHICLE, 0.0),  # crosses
    (((22, 10), -0.6, 2.5, CAR), types.VEHICLE, 4.0),  # pulls out slowly
    (((24, 5), -1.7, 1.4, WALKER), types.PEDESTRIAN, 4.0),
    (((20, 8), 0.1, 4.5, CYCLE), types.CYCLIST, 8.0),
  ],
)
def test_a_box_on_a_line_is_found_where_it_is(mover, kind, ego_speed):
  log = scene(ego_speed, mover)
  found = moving.find(log, origins(log))
  assert len(found.sizes) == 2
  assert found.classes.tolist() == [types.VEHICLE, kind]
  steps = np.flatnonzero(found.tracks.valid[:, 1])
  assert len(steps) >= 20
  _, yaw, speed, size = mover
  track = trees.take(found.tracks, (steps, 1))
  true = np.array([place(mover, time) for time in log.times[steps]])
  error = np.linalg.norm(track.xy - true, axis=-1)
  assert np.median(error) < 0.3
  assert error.max() < 0.8
  assert np.median(between(track.yaw, yaw)) < 3
  assert np.median(track.speed) == pytest.approx(speed, abs=0.15)
  np.testing.assert_allclose(track.z, size[2] / 2, atol=0.15)
  np.testing.assert_allclose(found.sizes[1], size, atol=0.35)


def test_nothing_is_found_where_nothing_moves():
  for speed in (0.0, 8.0):
    log = scene(speed)
    found = moving.find(log, origins(log))
    assert len(found.sizes) == 1
    jax.tree.map(np.testing.assert_array_equal, found.tracks, log.tracks)


@pytest.fixture(scope='module')
def busy():
  return scene(
    8.0,
    ((50, 4), np.pi, 7.0, CAR),
    ((12, -0.5), 0.0, 9.0, CAR),
    ((24, 9), -0.1, 1.4, WALKER),
  )


@pytest.fixture(scope='module')
def found(busy):
  return moving.find(busy, origins(busy))


def test_one_log_gives_one_result_whatever_lies_in_the_padding(busy, found):
  assert len(found.sizes) == 4
  lidar = np.where(busy.lidar_valid[..., None], busy.lidar, np.nan)
  again = moving.find(busy.replace(lidar=lidar), origins(busy))
  jax.tree.map(np.testing.assert_array_equal, found.tracks, again.tracks)
  np.testing.assert_array_equal(found.sizes, again.sizes)


def test_a_budget_keeps_what_has_most_points_and_tells(busy, found, caplog):
  with caplog.at_level(logging.WARNING, logger='absl'):
    best = moving.find(busy, origins(busy), budget=2)
  first = trees.take(found.tracks, (slice(None), slice(0, 2)))
  jax.tree.map(np.testing.assert_array_equal, best.tracks, first)
  (record,) = caplog.records
  assert record.getMessage().startswith('made-up: 2 of 3 moving objects')
  points = [points_on(found, agent).sum() for agent in (1, 2, 3)]
  assert points == sorted(points, reverse=True)


def test_boxes_that_are_there_stay_and_own_their_points(busy, found):
  count = slice(0, 2)
  known = busy.replace(
    tracks=trees.take(found.tracks, (slice(None), count)),
    sizes=found.sizes[count],
    classes=found.classes[count],
  )
  again = moving.find(known, origins(busy))
  assert again.classes.tolist() == found.classes.tolist()
  jax.tree.map(
    np.testing.assert_array_equal,
    trees.take(again.tracks, (slice(None), count)),
    known.tracks,
  )
  both = again.tracks.valid & found.tracks.valid
  assert both.sum() > 0.9 * found.tracks.valid.sum()
  np.testing.assert_allclose(
    again.tracks.xy[both], found.tracks.xy[both], atol=0.2
  )


def test_points_that_cannot_be_used_end_in_one_line(busy):
  at = origins(busy)
  steps, points = busy.lidar_valid.shape
  spoilt = busy.lidar.copy()
  index = int(np.flatnonzero(busy.lidar_valid[3])[0])
  spoilt[3, index, 1] = np.nan
  unseen = np.zeros_like(busy.lidar_valid)
  far = np.where(np.arange(steps)[:, None] == 3, [4.16e6, 0, 0], 0)
  for log, where, message in [
    (busy.replace(lidar=spoilt), at, f'lidar: nan at [3, {index}, 1]'),
    (busy.replace(lidar_valid=unseen), at, 'lidar: no points at any step'),
    (
      busy.replace(lidar=busy.lidar[:, :0], lidar_valid=unseen[:, :0]),
      at,
      f'lidar: no points to find what moves: shape ({steps}, 0, 3)',
    ),
    (
      busy.replace(lidar_valid=unseen[:, 1:]),
      at,
      f'lidar_valid: shape ({steps}, {points - 1}) is not ({steps}, {points})',
    ),
    (busy, at[1:], f'origins: shape ({steps - 1}, 3) is not ({steps}, 3)'),
    (busy, np.where(at > 30, np.inf, at), 'origins: inf at [38, 0]'),
    (
      busy.replace(lidar=busy.lidar + far[:, None]),
      at + far,
      'origins: the lidar saw an area of 4.16008e+06 x 95 m',
    ),
    (busy, at + 1000, 'lidar: no points within 80.0 m of the lidar'),
    (
      busy.replace(times=busy.times[::-1]),
      at,
      'times: step 1 at 3.8000000000000003 s does not follow 3.9000000000000004'
      ' s',
    ),
  ]:
    with pytest.raises(logs.LogError) as error:
      moving.find(log, where)
    assert str(error.value) == f'made-up: {message}'
  with pytest.raises(logs.LogError, match='1 agents, but the budget is 0'):
    moving.find(busy, at, budget=0)


def test_sweeps_that_are_missing_hide_nobody(busy, found):
  valid = busy.lidar_valid.copy()
  valid[[0, 11, 12, 25]] = False
  fewer = moving.find(busy.replace(lidar_valid=valid), origins(busy))
  assert fewer.classes.tolist() == found.classes.tolist()
  both = fewer.tracks.valid & found.tracks.valid
  assert both.sum() > 0.9 * found.tracks.valid.sum()
  np.testing.assert_allclose(
    fewer.tracks.xy[both], found.tracks.xy[both], atol=0.5
  )


@pytest.mark.slow
@pytest.mark.parametrize('seed', [1, 2])
def test_in_the_built_in_world_what_drives_is_found_and_nothing_else(seed):
  config = world.Config(
    height=4,
    width=8,
    supersample=1,
    camera_yaws=(0.0,),
    num_steps=40,
    num_lidar=4096,
  )
  truth = world.record(world.build(seed, config))
  ego = slice(0, 1)
  log = truth.replace(
    tracks=trees.take(truth.tracks, (slice(None), ego)),
    sizes=truth.sizes[ego],
    classes=truth.classes[ego],
  )
  found = moving.find(log, origins(log))
  offset = found.tracks.xy[:, :, None] - truth.tracks.xy[:, None]
  distance = np.linalg.norm(offset, axis=-1)
  matches = {}
  for k in range(1, len(found.sizes)):
    steps = found.tracks.valid[:, k]
    median = np.median(distance[steps, k], axis=0)
    agent = int(median.argmin())
    # Neither a parked car nor a wall.
    assert agent > 0
    assert truth.tracks.speed[steps, agent].mean() > 0.5
    assert median[agent] < 0.5
    assert agent not in matches
    matches[agent] = k
    turned = between(found.tracks.yaw[steps, k], truth.tracks.yaw[steps, agent])
    assert np.median(turned) < 10
    # Where a beam is 3 degrees from the next, a lorry may look like a car.
    assert (found.classes[k] == types.PEDESTRIAN) == (
      truth.classes[agent] == types.PEDESTRIAN
    )
  wanted = [
    agent
    for agent in range(1, len(truth.sizes))
    if np.median(truth.tracks.speed[:, agent]) > 2
    and (points_on(truth, agent) >= 5).sum() >= 20
  ]
  assert len(wanted) == 2
  assert set(wanted) <= set(matches)


def points_on(log, agent):
  """`[T]` lidar points above the ground in the box of an agent."""
  state = trees.take(log.tracks, (slice(None), agent))
  offset = np.asarray(log.lidar[..., :2] - state.xy[:, None])
  cos, sin = np.cos(state.yaw)[:, None], np.sin(state.yaw)[:, None]
  half = log.sizes[agent] / 2
  inside = np.abs(cos * offset[..., 0] + sin * offset[..., 1]) < half[0] + 0.1
  inside &= np.abs(cos * offset[..., 1] - sin * offset[..., 0]) < half[1] + 0.1
  inside &= np.abs(log.lidar[..., 2] - state.z[:, None]) < half[2] - 0.1
  return (inside & log.lidar_valid).sum(-1)


@pytest.fixture(scope='module')
def real():
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  return kitti.read_raw(REAL, num_lidar=16384, start=45, num_steps=55)


# Middles in pixels of what moves in image_02 of the drive, marked by hand: two
# cyclists before the wall on the right and the rear of a tram. All else that
# could, a dozen cars on the left, is parked.
MARKED = [
  (60, types.CYCLIST, (305, 58)),
  (60, types.CYCLIST, (252, 57)),
  (63, types.VEHICLE, (215, 54)),
  (81, types.CYCLIST, (361, 61)),
  (81, types.CYCLIST, (271, 57)),
  (81, types.VEHICLE, (209, 54)),
  (96, types.CYCLIST, (285, 57)),
]


def test_on_the_real_drive_cyclists_and_tram_are_found_and_no_parked_car(real):
  assert sorted(real.classes[1:]) == [types.VEHICLE] + 2 * [types.CYCLIST]
  for step, kind, pixel in MARKED:
    step -= 45
    camera = jax.tree.map(lambda x: x[step, 0], real.cameras)  # noqa: B023
    tracks = trees.take(real.tracks, step)
    middles = np.c_[tracks.xy, tracks.z][1:]
    pixels, _ = map(np.asarray, geometry.project(camera, middles))
    nearest = np.linalg.norm(pixels - pixel, axis=-1).argmin()
    assert np.linalg.norm(pixels[nearest] - pixel) < 6
    assert tracks.valid[1 + nearest]
    assert real.classes[1 + nearest] == kind
  # All drive the way that the car does.
  for agent in range(1, 4):
    steps = real.tracks.valid[:, agent]
    assert steps.sum() > 40
    track = trees.take(real.tracks, (steps, agent))
    assert np.median(between(track.yaw, real.tracks.yaw[steps, 0])) < 15
    assert 3 < np.median(track.speed) < 12
  (tram,) = np.flatnonzero(real.classes == types.VEHICLE)[1:]
  assert real.sizes[tram, 2] > 2.8


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
