# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scenarios drawn within a compiled loop, as a curriculum asks for them."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import scenario
from rdrl import types

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
  # Where nobody else is, there is no adversary, and nothing recompiles.
  _, lonely = _loop(_context(road)[1], jax.random.key(0))
  assert not np.any(lonely.adversary) and not np.any(lonely.behaviour)
  assert _loop._cache_size() == 1


def test_to_draw_from_nothing_is_an_error(busy):
  config = scenario.Config(num_accepted=(4,) + (0,) * 11 + (4,) * 5)
  with pytest.raises(ValueError, match='no adversary is wanted'):
    scenario.draw_scenario(busy[1], jax.random.key(0), 0.2, 0, config)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
