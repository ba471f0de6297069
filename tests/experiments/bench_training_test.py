# Copyright 2026 The rdrl Authors. Apache-2.0.
"""That a round of PPO is one program that nothing passes into or out of."""

import dataclasses
import sys

import jax
import pytest

from experiments import presets
from experiments.bench import training as bench
from rdrl import learn
from rdrl import policy as policies
from rdrl import training
from tests import tiny


@pytest.mark.slow
def test_a_round_is_one_program_without_transfers():
  config = training.config.override(presets.get('quickstart'), tiny.OVERRIDES)
  env, drawer = bench.environment(config, 0)
  key = jax.random.key(0)
  shown = learn.imitation_data(env, config.imitation, key)
  shown = jax.device_put(learn.join([shown], config.imitation))
  policy = policies.create(key, config.policy, shown.observation)
  settings = dataclasses.replace(config.ppo, num_envs=2, drawn_share=0.5)
  facts = dict(bench.time_round(env, drawer, policy, shown, settings, 1))
  whole = facts['round, 2 environments']
  assert whole['programs'] == 1
  assert whole['images_per_s'] > whole['decisions_per_s'] > 0
  shares = [x['share'] for name, x in facts.items() if name.startswith('of')]
  assert len(shares) == 4 and max(shares) < 1


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
