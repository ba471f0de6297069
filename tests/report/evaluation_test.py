# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import policy as policies
from rdrl import report
from rdrl import sim
from rdrl import trees
from rdrl import types

STEPS, AGENTS = 31, 2
CONFIG = sim.Config(horizon=4, frames=1, image_height=16, image_width=16)


@struct.dataclass
class _Compass:
  """Shows how far a camera is along x, in metres, times ten."""

  def __call__(self, scene_index, cameras, agents, time=None):
    del scene_index
    shape = (len(cameras.intrinsics), cameras.height, cameras.width, 3)
    return jnp.full(shape, 10 * agents.xy[0, 0], jnp.uint8)


def _grid(value):
  return types.Grid(
    values=np.full((4, 4), value, np.float32),
    origin=np.float32([-100, -100]),
    cell=np.float32(70),
  )


def _scene():
  """An ego at 8 m/s along x and a car 30 m ahead at 4 m/s."""
  time = np.arange(STEPS) * types.TIME_STEP
  xy = np.stack([[8 * time, 0 * time], [30 + 4 * time, 0 * time]], 0)
  shape = STEPS, AGENTS
  tracks = types.AgentState(
    xy=np.float32(np.moveaxis(xy, -1, 0)),
    z=np.full(shape, 0.75, np.float32),
    yaw=np.zeros(shape, np.float32),
    speed=np.broadcast_to(np.float32([8, 4]), shape),
    valid=np.ones(shape, bool),
  )
  lines = types.Polylines(
    xy=np.float32([[[-100, 0], [100, 0]]]), valid=np.ones((1, 2), bool)
  )
  return types.Scene(
    gaussians=None,
    sky=None,
    exposure=np.zeros((1, 3, 4), np.float32),
    camera_from_ego=np.eye(4, dtype=np.float32)[None],
    intrinsics=np.eye(3, dtype=np.float32)[None],
    tracks=tracks,
    sizes=np.float32([[4.5, 2, 1.5]] * AGENTS),
    classes=np.int32([types.VEHICLE] * AGENTS),
    map=types.Map(
      lanes=lines,
      lane_width=np.float32([3.5]),
      boundaries=lines,
      drivable=lines,
      crosswalks=lines,
      stop_lines=lines,
    ),
    drivable=_grid(10),
    occupancy=_grid(10),
    ground=_grid(0),
    height=16,
    width=16,
  )


@pytest.fixture(scope='module')
def env():
  scene = _scene()
  count = 3
  scenarios = types.Scenario(
    tracks=trees.stack([scene.tracks] * count),
    scene=np.zeros(count, np.int32),
    start=np.int32([0, 3, 6]),
    adversary=np.zeros(count, np.int32),
    behaviour=np.zeros(count, np.int32),
    controller=np.zeros((count, AGENTS), np.int32),
    release=np.zeros((count, AGENTS), np.int32),
  )
  return sim.Env.create([scene], scenarios, _Compass(), CONFIG)


@pytest.fixture(scope='module')
def start(env):
  """What is seen at the start of scenario 0, `[1]`."""
  reset = jax.jit(lambda env: env.reset(jax.random.key(0), jnp.int32(0)))
  return jax.tree.map(lambda x: x[None], reset(env).observation)


@pytest.fixture(scope='module')
def policy(start):
  config = policies.Config(hidden=8, num_blocks=1, width=16, num_layers=1)
  return policies.create(jax.random.key(1), config, start)


@pytest.fixture(scope='module')
def drives(policy, env):
  return report.evaluate(
    policy, env, [2, 0, 1, 0], jax.random.key(2), batch_size=3
  )


def test_drives_come_in_the_order_of_the_scenarios(drives):
  assert drives.scenario.tolist() == [2, 0, 1, 0]
  assert drives.agents.xy.shape == (4, 21, AGENTS, 2)
  assert drives.agents.xy[:, 0, 0, 0] == pytest.approx(
    [0.6 * 8, 0, 0.3 * 8, 0], abs=1e-4
  )


def test_the_same_scenario_gives_the_same_drive(drives):
  for x in jax.tree.leaves(drives):
    assert np.array_equal(x[1], x[3])


def test_actions_are_the_most_probable_ones(drives, policy, start):
  output = jax.jit(policies.apply)(policy, start)
  action = policies.mode(output)
  assert drives.action[1, 0].tolist() == action[0].tolist()


def test_open_loop_error_is_a_distance_between_places(policy, start):
  action = np.asarray(policies.mode(policies.apply(policy, start)))
  same = report.open_loop(policy, start, action, batch_size=2)
  assert same.tolist() == [0] * len(action)
  # 3 anchors of 25 mm and 4 of 250 mm.
  moved = np.clip(action - [3, 4], 0, 60)
  offset = (action - moved) * [0.025, 0.25]
  found = report.open_loop(policy, start, moved, batch_size=2)
  np.testing.assert_allclose(found, np.hypot(*offset.T), atol=1e-6)


def test_replayed_log_is_perfect(env):
  drives = sim.replay(env, jnp.arange(3))
  bad = 'collision', 'deviation', 'off_road', 'average_deviation'
  scores = report.scores(drives, (*bad, 'progress', 'comfort'))
  for name in bad:
    assert scores[name] == pytest.approx(np.zeros(3), abs=1e-4), name
  assert scores['progress'] == pytest.approx(np.ones(3), abs=1e-4)
  assert scores['comfort'] == pytest.approx(np.ones(3))


@pytest.mark.parametrize(
  ('indices', 'wrong'), [([0, 3, -1], r'\[3, -1\]'), ([], 'none')]
)
def test_scenario_that_is_not_there_is_named(policy, env, indices, wrong):
  with pytest.raises(ValueError, match=f'scenario_indices: {wrong} of 3'):
    report.evaluate(policy, env, indices, jax.random.key(0))


def test_film_shows_every_state_until_the_end_at_the_size_asked(drives, env):
  drive = trees.take(drives, 1)
  drive = drive.replace(valid=np.arange(21) < 8)
  frames = report.film(env.renderer, _scene(), 0, drive, 6, 8)
  assert frames.shape == (8, 1, 6, 8, 3)
  expected = (10 * drive.agents.xy[:8, 0, 0]).astype(np.uint8)
  assert np.array_equal(frames[:, 0, 0, 0, 0], expected)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
