# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Each actor drives as its controller says, and lights hold them."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import events
from rdrl.sim import paths

KEEP_10 = jnp.array([anchors.STRAIGHT, 20])
STOP = jnp.array([anchors.STRAIGHT, 0])
ALL = np.array([types.REPLAY, types.YIELD, types.LANE_CHANGE, types.IDM])


def _polylines(*lines):
  xy = np.array(lines, np.float32)
  return types.Polylines(xy=xy, valid=np.ones(xy.shape[:2], bool))


@pytest.fixture(scope='module')
def street(road):
  """Builds a scene of an ego, whom one follows, one behind a slow car, one at
  lights, which hold the whole road at x = 120 until step 60."""

  def build(*agents):
    scene = road.scene(*agents)
    lanes = [[(-200, y), (300, y)] for y in (-5.25, -1.75)]
    lanes += [[(300, y), (-200, y)] for y in (1.75, 5.25)]
    lights = np.full((101, 2), types.LIGHT_STOP, np.int32)
    lights[60:, 0] = types.LIGHT_GO
    return scene.replace(
      map=scene.map.replace(
        lanes=_polylines(*lanes),
        stop_lines=_polylines([(120, -7), (120, 0)], [(250, -7), (250, 0)]),
        lights=lights,
      )
    )

  return build


def _replay(env):
  return jax.device_get(trees.take(sim.replay(env, [0]), 0))


@pytest.mark.slow
def test_who_yields_repeats_the_log_while_the_ego_does(road, street):
  # Two metres apart at 10 m/s; the light at 120 m does not concern a record.
  tail = road.straight(-6.6, -1.75, 10)
  tail['valid'][70:] = False
  scene = street(
    road.straight(0, -1.75, 10),
    tail,
    road.straight(-60, -5.25, 8),
    road.straight(60, -5.25, 10),
  )
  controller = np.array([0, 1, 0, 0]) * types.YIELD
  drive = _replay(road.environment(scene, controller=controller))
  steps = 5 + np.arange(np.sum(drive.valid))
  valid = np.asarray(drive.agents.valid[:, 1])
  np.testing.assert_array_equal(valid, scene.tracks.valid[steps, 1])
  np.testing.assert_array_equal(
    drive.agents.xy[valid, 1], scene.tracks.xy[steps[valid], 1]
  )


@pytest.mark.slow
def test_all_controllers_together(road, street):
  scene = street(
    road.straight(60, -1.75, 10),
    road.straight(40, -1.75, 10),
    road.straight(-60, -5.25, 12),
    road.straight(50, 1.75, 10),
  )
  # The one that changes lanes follows the one at the lights, in its lane.
  scene.tracks.xy[:, 3, 1] = -5.25
  env = road.environment(scene, controller=ALL)
  drive = road.drive(env, STOP)
  agents = jax.device_get(drive.agents)
  assert not drive.terminated
  gap = agents.xy[:, 0, 0] - agents.xy[:, 1, 0] - road.CAR[0]
  assert gap.min() > 0.5 and agents.speed[-1, 1] < 1
  # IDM comes up to the line slowly until it is green, then drives on.
  front = agents.xy[:, 3, 0] + road.CAR[0] / 2
  assert 1 < 120 - front[60 - 5] < 20 and agents.speed[60 - 5, 3] < 7
  assert agents.speed[-1, 3] > agents.speed[60 - 5, 3] + 1
  assert np.all(front[: 60 - 5 + 1] < 120)
  np.testing.assert_allclose(agents.z, road.CAR[2] / 2, atol=1e-6)


@pytest.mark.slow
def test_an_agent_changes_lanes_in_the_environment(road, street):
  scene = street(
    road.straight(-150, -1.75, 0),
    road.straight(-190, 5.25, 0),
    road.straight(-60, -5.25, 12),
    road.straight(-25, -5.25, 3),
  )
  env = road.environment(scene, controller=ALL * np.array([1, 1, 1, 0]))
  drive = road.drive(env, STOP)
  y = np.asarray(drive.agents.xy[:, 2, 1])
  assert y[0] == -5.25 and y[-1] == pytest.approx(-1.75, abs=0.1)
  assert not np.any(drive.events.dynamic_collision)


@pytest.mark.slow
def test_the_ego_runs_a_light_at_stop_and_not_at_go(road, street):
  still = road.straight(-190, 5.25, 0)
  for x, runs in ((60, True), (30, False)):
    scene = street(road.straight(x, -1.75, 10), still, still, still)
    drive = road.drive(road.environment(scene, controller=ALL), KEEP_10)
    ran = np.asarray(drive.events.ran_light)
    assert ran.any() == runs
    if runs:
      front = drive.agents.xy[:, 0, 0] + road.CAR[0] / 2
      crossing = int(np.argmax(front >= 120)) - 1
      np.testing.assert_array_equal(np.flatnonzero(ran), [crossing // 5])
    assert not drive.terminated


@pytest.mark.slow
def test_many_environments_of_every_controller_are_one_program(road, street):
  still = road.straight(-190, 5.25, 0)
  scene = street(road.straight(0, -1.75, 10), still, still, still)
  rows = [
    road.scenario(scene, controller=np.roll(ALL, k) * (np.arange(4) > 0))
    for k in range(4)
  ]
  scenarios = jax.tree.map(lambda *x: np.concatenate(x), *rows)
  config = sim.Config(image_height=2, image_width=4)
  env = sim.Env.create([scene], scenarios, sim.NoRenderer(1, 2, 4), config)

  @jax.jit
  def step(env, states):
    return jax.vmap(env.advance, (0, None))(states, KEEP_10)

  states = jax.vmap(env.start, (None, 0))(jax.random.key(0), jnp.arange(4))
  for _ in range(3):
    states = step(env, states)
  assert step._cache_size() == 1
  assert states.lateral.shape == (4, 4, 3)
  np.testing.assert_allclose(states.agents.xy[:, 0, 0], 20, atol=1e-3)


def test_unknown_controllers_and_lights_are_named(road, street):
  still = road.straight(0, 5.25, 0)
  scene = street(still, still, still, still)
  with pytest.raises(ValueError, match=r'scenario.controller goes .* to 7'):
    road.environment(scene, controller=np.array([0, 7, 0, 0]))
  spoilt = scene.map.replace(lights=scene.map.lights[:, :1])
  with pytest.raises(ValueError, match=r'map.lights has shape \(101, 1\)'):
    road.environment(scene.replace(map=spoilt))


def test_lanes_beside_a_path_and_lines_across_it():
  angle = np.linspace(0, 1, 60)

  def arc(radius):
    return radius * np.stack([np.sin(angle), -np.cos(angle)], -1)

  lanes = types.Polylines(
    xy=np.stack([arc(50), arc(46.5), arc(53.5), arc(43)[::-1], arc(30)]),
    valid=np.ones((5, 60), bool),
  )
  path = arc(50.5)[5:55]
  found = paths.lanes_beside(path, np.ones(50, bool), lanes)
  # One goes the other way and one is too far; left is towards the centre.
  expected = np.tile([-3.0, 0.5, 4.0, np.inf, np.inf, np.inf], (50, 1))
  np.testing.assert_allclose(found[1:-1], expected[1:-1], atol=0.02)
  lines = _polylines([(0, -40), (0, -60)], [(40, 0), (60, 0)], [(9, 9), (9, 8)])
  whole = arc(50)
  along = paths.crossings(whole, np.ones(60, bool), lines)
  np.testing.assert_allclose(along, [0, np.inf, np.inf], atol=1e-6)
  slanted = 0.5 * np.array([np.sin(0.5), -np.cos(0.5)])
  lines = _polylines([80 * slanted, 120 * slanted])
  along = paths.crossings(whole, np.ones(60, bool), lines)
  np.testing.assert_allclose(along, 25, atol=0.01)


def test_a_line_is_crossed_once_whatever_the_heading():
  rng = np.random.default_rng(0)
  lines = _polylines([(-2, 0.0), (2, 0)], [(3, 0), (5, 0)])
  size = jnp.array([4.6, 1.9, 1.5])
  y = np.sort(rng.uniform(-4, 4, 50))
  for yaw in (np.pi / 2, 1.2):
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    fronts = y[:, None] * ahead / ahead[1]
    ego = types.AgentState(
      xy=jnp.asarray(fronts - 2.3 * ahead),
      z=jnp.zeros(50),
      yaw=jnp.full(50, yaw),
      speed=jnp.zeros(50),
      valid=jnp.ones(50, bool),
    )
    found = jax.vmap(events.crosses, (0, 0, None, None))(
      trees.take(ego, slice(None, -1)),
      trees.take(ego, slice(1, None)),
      size,
      lines,
    )
    np.testing.assert_array_equal(np.sum(found, 0), [1, 0])
    assert found[np.searchsorted(y, 0) - 1, 0]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
