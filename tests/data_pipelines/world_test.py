# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Recordings of the built-in world become prepared logs."""

import sys

import jax
import numpy as np
import pytest

from data_pipelines import builder
from data_pipelines import world as pipeline
from rdrl import logs
from rdrl import world


@pytest.mark.slow
def test_a_prepared_drive_is_the_recorded_one(tmp_path):
  config = world.Config(
    height=8, width=16, num_steps=3, num_agents=3, num_lidar=32, supersample=1
  )
  (recorded,) = pipeline.record([4], config)
  builder.write([recorded], tmp_path / 'set')
  found = logs.read(tmp_path / 'set', 'world-4')
  jax.tree.map(np.testing.assert_array_equal, found, recorded)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
