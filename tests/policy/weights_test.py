# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Encoders in files."""

import sys

import jax
import numpy as np
import pytest

from rdrl import policy as policies
from rdrl import types
from tests import rigs

SMALL = policies.Config(hidden=8, num_blocks=1, width=16, num_layers=1)


def _policy(config, seed=0):
  observation = types.Observation(
    images=np.zeros((1, 2, 3, 48, 80, 3), np.uint8),
    speed=np.zeros(1, np.float32),
    route=np.zeros((1, 5, 2), np.float32),
    rig=rigs.around(1, yaws=(0.0, 1.0, -1.0), size=(48, 80)),
  )
  return policies.create(jax.random.key(seed), config, observation)


def test_a_saved_encoder_comes_back_to_half_precision(tmp_path):
  one, other = _policy(SMALL, 0), _policy(SMALL, 1)
  path = tmp_path / 'encoder.npz'
  policies.weights.save(path, one)
  found = policies.weights.load(path, other)
  for part in ('encoder', 'perception'):
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-6),
      found.params['params'][part],
      one.params['params'][part],
    )
  jax.tree.map(
    np.testing.assert_array_equal,
    found.params['params']['planner'],
    other.params['params']['planner'],
  )


def test_what_does_not_fit_is_named(tmp_path):
  path = tmp_path / 'encoder.npz'
  policies.weights.save(path, _policy(SMALL))
  wider = policies.Config(hidden=16, num_blocks=1, width=16, num_layers=1)
  with pytest.raises(ValueError, match=r'encoder.npz: .* another size'):
    policies.weights.load(path, _policy(wider))
  path.write_bytes(b'PK no archive')
  with pytest.raises(ValueError, match=r'encoder.npz: no archive'):
    policies.weights.load(path, _policy(SMALL))


def test_the_one_that_ships_fits_the_default_policy():
  default = _policy(policies.Config())
  found = policies.weights.load(policies.weights.SHIPPED, default)
  assert policies.weights.SHIPPED.stat().st_size < 4e6
  kernel = found.params['params']['encoder']['Dense_0']['kernel']
  assert not np.array_equal(
    kernel, default.params['params']['encoder']['Dense_0']['kernel']
  )


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
