# Copyright 2026 The rdrl Authors. Apache-2.0.
"""That adversaries are drawn by programs that are compiled once."""

import sys

import pytest

from experiments.bench import adversaries


@pytest.mark.slow
def test_proposals_of_all_families_compile_once():
  facts = adversaries.measure(
    num_agents=6, num_proposals=150, num_rounds=2, seed=0
  )
  assert facts['recompilations'] == 0
  assert 0 < facts['accepted'] <= facts['judged'] < 1
  assert facts['proposals_per_s'] > 0


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
