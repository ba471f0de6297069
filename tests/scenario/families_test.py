# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Every family of adversaries occurs on the built-in streets."""

import sys

import jax
import numpy as np
import pytest

from experiments.bench import adversaries
from rdrl import scenario
from rdrl import world

SEEDS = (1, 2, 3, 4, 102, 103, 1000, 1001)
NUM_DRAWN = 64


def _accepted(seed):
  """How many of so many proposals of each adversary pass on one street."""
  context = scenario.prepare(adversaries.place(world.build(seed)))
  behaviours = 1 + np.arange(len(scenario.ADVERSARIES)).repeat(NUM_DRAWN)
  keys = jax.random.split(jax.random.key(seed), len(behaviours))
  found = scenario.proposals(context, behaviours, keys, scenario.Config())
  return [
    np.sum((behaviours == number) & (found.reason == 0))
    for number in range(1, 1 + len(scenario.ADVERSARIES))
  ]


@pytest.mark.slow
def test_streets_offer_every_family():
  accepted = np.array([_accepted(seed) for seed in SEEDS])
  # A car between both rules out some on some streets.
  offers = (accepted >= NUM_DRAWN // 8).sum(0)
  rare = np.flatnonzero(offers < 6)
  assert not len(rare), {
    scenario.ADVERSARIES[i]: accepted[:, i].tolist() for i in rare
  }


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
