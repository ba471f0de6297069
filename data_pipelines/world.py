# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Drives recorded in the built-in world, to prepared logs.

  python -m experiments.prepare --source=world --out_dir=data/world \
    --num_logs=16

The log `world-7` is the street of seed 7.
"""

import tqdm

from rdrl import world


def record(seeds, config):
  """Yields the log of each seed, named after it.

  Args:
    seeds: of the streets.
    config: `world.Config`.
  """
  for seed in tqdm.tqdm(seeds, desc='record', unit='log', disable=None):
    log = world.record(world.build(seed, config))
    yield log.replace(name=f'world-{seed}')
