# Copyright 2026 The rdrl Authors. Apache-2.0.
"""PPO alone, from a random policy, where the best return is known."""

import sys

import jax
import numpy as np
import pytest

from rdrl import learn
from rdrl import policy as policies
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.policy import egos

HORIZON, STARTS = 8, (5, 10, 15, 20)
PPO = learn.PpoConfig(
  num_envs=128,
  num_updates=300,
  warmup_updates=1,
  discount=0.99,
  entropy_weights=(0.02, 0.0),
  kl_weight=0.0,
  imitation_weight=0.0,
  auxiliary_weight=0.0,
  learning_rate=3e-3,
  target_kl=1.0,
  temperature=1.0,
)


def _env(road, x, y):
  """The ego at 10 m/s and a parked car; only progress counts, and to stay."""
  worth = {'progress': 1.0, 'dynamic_collision': 5.0, 'position_deviation': 5.0}
  config = sim.Config(
    horizon=HORIZON,
    frames=1,
    truth_cell=8,
    reward_weights=tuple(worth.get(x, 0.0) for x in types.REWARD_TERMS),
  )
  ego = road.straight(0, -1.75, 10, steps=61)
  place = road.scene(ego, road.straight(x, y, 0, steps=61))
  scenarios = [road.scenario(place, start=np.int32(start)) for start in STARTS]
  scenarios = trees.concatenate(scenarios)
  # Nobody looks at images, but their size decides who can be seen.
  renderer = sim.NoRenderer(1, config.image_height, config.image_width)
  return sim.Env.create([place], scenarios, renderer, config)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('x', 'y', 'metres'),
  [
    # Nobody in the way: as far as the recording goes in eight half seconds.
    (200, 5.25, [5 * HORIZON] * 4),
    # Up to the bumper of the car, which is as long as the ego, 4.6 m.
    (46, -1.75, [46 - 4.6 - start for start in STARTS]),
  ],
)
def test_the_best_return_is_nearly_reached(road, x, y, metres):
  env = _env(road, x, y)
  policy = policies.create(
    jax.random.key(1), policies.StateConfig(), env.blank()
  )
  before = egos.drive(env, policy, np.arange(4))
  policy = learn.reinforce(policy, env, None, PPO, jax.random.key(2))
  after = egos.drive(env, policy, np.arange(4))
  # A reward of 1 is what the recording drives in half a second, 5 m.
  best = np.array(metres) / 5
  found = after.reward.sum((1, 2))
  assert np.all(found <= best + 1e-3)
  assert found.sum() > 0.9 * best.sum() > before.reward.sum()
  assert not np.any(after.terminated)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
