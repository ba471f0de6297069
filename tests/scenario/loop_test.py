# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scenarios drawn within a compiled loop, as a curriculum asks for them."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import scenario
from rdrl import sim
from rdrl import types
from rdrl.sim import anchors

NUM_AGENTS, NUM_UPDATES, NUM_DRAWN = 6, 3, 6
CONFIG = scenario.without_held_out(
  scenario.Config(
    num_accepted=(4, *[6] * (len(scenario.BEHAVIOURS) - 1)),
    held_out=('drift', 'tailgate'),
  )
)


@jax.jit
def _loop(context, key):
  """Targets `[U]` and scenarios `[U, N]` of a policy that always succeeds."""

  def update(target, key):
    drawn = jax.vmap(
      lambda key: scenario.draw_scenario(
        context, key, target, 3, CONFIG, num_tries=8
      )
    )(jax.random.split(key, NUM_DRAWN))
    return scenario.next_target(target, 1.0, CONFIG), (target, drawn)

  keys = jax.random.split(key, NUM_UPDATES)
  return jax.lax.scan(update, jnp.float32(0.2), keys)[1]


def _context(road, *cars):
  gone = road.straight(0, 0, 0) | {'valid': np.zeros(101, bool)}
  missing = NUM_AGENTS - 1 - len(cars)
  # Slots of no class, which donors can't take.
  classes = [types.VEHICLE] * (1 + len(cars)) + [0] * missing
  scene = road.scene(
    road.straight(0, -1.75, 10), *cars, *[gone] * missing, classes=classes
  )
  return scene, scenario.prepare(scene)


@pytest.fixture(scope='module')
def busy(road):
  cars = (24, -1.75, 10), (12, -5.25, 10), (-4, 1.75, 11), (15, 5.25, 9)
  return _context(road, *(road.straight(*car) for car in cars))


@pytest.mark.slow
def test_scenarios_are_drawn_within_a_compiled_loop(road, busy):
  scene, context = busy
  targets, drawn = jax.device_get(_loop(context, jax.random.key(0)))
  np.testing.assert_allclose(targets, [0.2, 0.25, 0.3], atol=1e-6)
  drawn = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), drawn)
  assert isinstance(drawn, types.Scenario)
  is_edited = drawn.adversary != 0
  assert 0.4 < is_edited.mean() < 1
  names = np.array(scenario.BEHAVIOURS)[drawn.behaviour]
  assert set(names[~is_edited]) == {'log'}
  assert set(names[is_edited]) <= set(scenario.ADVERSARIES) - {
    'drift',
    'tailgate',
  }
  assert np.all((drawn.difficulty > 0) == is_edited)
  assert np.all(drawn.difficulty < 1) and np.all(drawn.scene == 3)
  # Only the adversary drives otherwise than in the recording.
  same = np.all(drawn.tracks.xy == scene.tracks.xy, (1, 3))
  who = np.arange(NUM_AGENTS) == drawn.adversary[:, None]
  np.testing.assert_array_equal(~same, who & is_edited[:, None])
  release = np.take_along_axis(drawn.release, drawn.adversary[:, None], 1)
  assert np.all(release[is_edited, 0] > drawn.start[is_edited])
  assert np.all(drawn.release[~is_edited] == drawn.start[~is_edited, None])

  # As with the host's scenarios: the same key gives the same, another others.
  _, again = _loop(context, jax.random.key(0))
  again = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), again)
  jax.tree.map(np.testing.assert_array_equal, again, drawn)
  _, other = _loop(context, jax.random.key(1))
  assert not np.array_equal(
    other.tracks.xy.reshape(same.shape[0], -1),
    drawn.tracks.xy.reshape(same.shape[0], -1),
  )
  # One drawn on the host is the same.
  key = jax.random.split(jax.random.key(0), NUM_UPDATES)[0]
  key = jax.random.split(key, NUM_DRAWN)[0]
  alone = scenario.draw_scenario(context, key, 0.2, 3, CONFIG, num_tries=8)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y[0], atol=1e-5), alone, drawn
  )
  # Where nobody else is, there is no adversary, and nothing recompiles.
  _, lonely = _loop(_context(road)[1], jax.random.key(0))
  assert not np.any(lonely.adversary) and not np.any(lonely.behaviour)
  assert _loop._cache_size() == 1


def test_to_draw_from_nothing_is_an_error(busy):
  config = scenario.Config(num_accepted=(4,) + (0,) * 11 + (4,) * 5)
  with pytest.raises(ValueError, match='no adversary is wanted'):
    scenario.draw_scenario(busy[1], jax.random.key(0), 0.2, 0, config)


def test_what_is_drawn_in_a_program_drives_in_it(road, busy):
  """As the same scenarios, made before, in an environment of their own."""
  scene, context = busy
  config = sim.Config(image_height=2, image_width=4)
  renderer = sim.NoRenderer(1, 2, 4)
  brake = jnp.array([anchors.STRAIGHT, 16])

  def draw(context, keys):
    return jax.vmap(
      lambda key: scenario.draw_scenario(
        context, key, 0.3, 0, CONFIG, num_tries=4
      )
    )(keys)

  def drive(env):
    count = jnp.arange(env.num_scenarios)
    states = jax.vmap(env.start, (None, 0))(jax.random.key(0), count)

    def decide(states, _):
      after = jax.vmap(env.advance, (0, None))(states, brake)
      return after, after

    return jax.lax.scan(decide, states, length=config.horizon)[1]

  @jax.jit
  def draw_and_drive(env, context, keys):
    env = env.with_scenarios(draw(context, keys))
    return env.scenarios, drive(env)

  keys = jax.random.split(jax.random.key(2), 8)
  # An environment that has seen none of them, with one scenario instead of 8.
  base = sim.Env.create(
    [scene], road.scenario(scene), renderer, config, controllers=(types.IDM,)
  )
  drawn, within = jax.device_get(draw_and_drive(base, context, keys))
  assert np.any(drawn.adversary)
  env = sim.Env.create([scene], drawn, renderer, config)
  assert env.controllers == base.controllers
  alone = jax.device_get(jax.jit(drive)(env))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-3), within, alone
  )
  # They drove: the ego brakes, others go on, each as its scenario has it.
  ego = within.agents.xy[-1, :, 0, 0] - scene.tracks.xy[5, 0, 0]
  assert np.all(ego > 5)
  ways = {tuple(np.round(x, 2)) for x in within.agents.xy[-1, :, 1:, 0]}
  assert len(ways) > 1


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
