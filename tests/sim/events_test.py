# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Collisions, deviations, sides and fault of single moments."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import types
from rdrl.sim import events
from tests import faults

CAR = faults.CAR


@jax.jit
def _detect(
  ego, other, is_edited=False, kind=types.VEHICLE, has_lane=False, in_lane=False
):
  """Ego and other are x, y, yaw, speed; the path is the x axis."""
  x, y, yaw, speed = jnp.stack([jnp.asarray(ego), jnp.asarray(other)], 1)
  agents = types.AgentState(
    xy=jnp.stack([x, y], -1),
    z=jnp.zeros(2),
    yaw=yaw,
    speed=speed,
    valid=jnp.ones(2, bool),
  )
  place = events.Place(
    offset=y[0],
    heading=0.0,
    has_lane=has_lane,
    in_lane=in_lane,
    occupancy=lambda xy: 8 - jnp.abs(xy[..., 1]),
    drivable=lambda xy: 5 - jnp.abs(xy[..., 1]),
  )
  return events.detect(
    agents,
    jnp.array([CAR, CAR]),
    jnp.stack([types.VEHICLE, kind]),
    place,
    is_edited,
    sim.Config(),
  )


FAR = (50.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize('ego, other, kind, at_fault', faults.FAULTS)
def test_fault_is_that_of_nuplan(ego, other, kind, at_fault):
  found = _detect(ego, other, kind=kind)
  assert found.dynamic_collision
  assert found.front == np.sign(other[0])
  assert bool(found.at_fault) == at_fault


def test_lane_is_that_of_the_map_where_it_knows_one():
  ego, other = (0.0, 1.2, 0, 10), (-1.0, 3.0, -0.1, 10)
  assert not _detect(ego, other, has_lane=True, in_lane=True).at_fault
  ego, other = (0.0, 0.0, 0, 10), (-1.0, 1.8, -0.1, 10)
  assert _detect(ego, other, has_lane=True).at_fault


def test_touching_boxes_do_not_collide():
  assert not _detect((0.0, 0, 0, 10), (4.6, 0.0, 0, 0)).dynamic_collision
  assert _detect((0.0, 0, 0, 10), (4.59, 0.0, 0, 0)).dynamic_collision


@pytest.mark.parametrize('side', [1, -1])
def test_deviations_know_their_side(side):
  found = _detect((0.0, side * 2.1, 0, 10), FAR)
  assert found.position_deviation and found.position_side == side
  assert not _detect((0.0, side * 1.9, 0, 10), FAR).position_deviation
  found = _detect((0.0, 0, side * 0.75, 10), FAR)
  assert found.heading_deviation and found.heading_side == side
  assert not _detect((0.0, 0, side * 0.65, 10), FAR).heading_deviation
  found = _detect((0.0, side * 7.2, 0, 10), FAR)
  assert found.static_collision and found.obstacle_side == side
  assert not _detect((0.0, side * 7.0, 0, 10), FAR).static_collision


def test_an_edited_scene_lets_the_ego_use_the_whole_road():
  # Half the width is 0.95 m and the road ends at 5 m.
  assert not _detect((0.0, 4.0, 0, 10), FAR, True).position_deviation
  assert _detect((0.0, 4.1, 0, 10), FAR, True).position_deviation


def test_outline_lies_on_the_box():
  points, local = events.outline(jnp.array([3.0, 4]), 0.7, jnp.array(CAR))
  share = np.abs(np.asarray(local)) / (np.array(CAR[:2]) / 2)
  np.testing.assert_allclose(share.max(-1), 1, atol=1e-6)
  assert len(np.unique(np.round(points, 4), axis=0)) == len(points) == 16


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
