# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The nouns are PyTrees that index and stack."""

import sys

import jax
import numpy as np
import pytest

from rdrl import trees
from rdrl import types


def make_state(count):
  return types.AgentState(
    xy=np.arange(2.0 * count).reshape(count, 2),
    z=np.zeros(count),
    yaw=np.zeros(count),
    speed=np.ones(count),
    valid=np.ones(count, bool),
  )


def test_taking_from_a_stack_returns_what_was_stacked():
  first, second = make_state(3), make_state(3).replace(z=np.ones(3))
  stacked = trees.stack([first, second])
  assert stacked.xy.shape == (2, 3, 2)
  jax.tree.map(np.testing.assert_array_equal, trees.take(stacked, 1), second)


def test_stacking_different_shapes_names_the_field_and_the_shapes():
  with pytest.raises(ValueError, match=r'xy.*\(3, 2\).*\(4, 2\)'):
    trees.stack([make_state(3), make_state(4)])


def test_stacking_different_image_sizes_is_refused():
  def camera(width):
    return types.Camera(np.eye(4), np.eye(3), height=2, width=width)

  with pytest.raises(ValueError, match='structures'):
    trees.stack([camera(3), camera(4)])


def test_a_noun_passes_through_jit_and_vmap():
  state = make_state(3)
  moved = jax.jit(jax.vmap(lambda s: s.replace(z=s.z + s.speed)))(state)
  np.testing.assert_array_equal(moved.z, np.ones(3))
  assert moved.valid.dtype == bool


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
