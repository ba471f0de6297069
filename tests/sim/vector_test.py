# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a policy is told of its surroundings, in the frame of the ego."""

import sys

import jax
import numpy as np
import pytest

from rdrl import sim
from rdrl import types

CONFIG = sim.vector.Config(num_agents=4, num_lanes=3, reach=50.0, speed=10.0)


@jax.jit
def _observe(env, yaw):
  state = env.reset(jax.random.key(0))
  agents = state.agents
  state = state.replace(agents=agents.replace(yaw=agents.yaw.at[0].set(yaw)))
  return sim.vector.observe(env, state, CONFIG)


def test_who_and_what_is_near(road):
  scene = road.scene(
    road.straight(0, -1.75, 10),
    road.straight(20, 1.75, -10),
    road.straight(8, -5.25, 8),
    road.straight(240, 5.25, 0),
  )
  lanes = types.Polylines(
    xy=np.array(
      [[[0, -1.75], [10, -1.75]], [[15, 1.75], [5, 1.75]]], np.float32
    ),
    valid=np.ones((2, 2), bool),
  )
  scene = scene.replace(map=scene.map.replace(lanes=lanes))
  env = road.environment(scene, start=np.int32(0))
  told = np.asarray(_observe(env, 0.0))
  assert told.shape == (sim.vector.size(env, CONFIG),)
  left = (road.HALF_ROAD + 1.75 - road.CAR[1] / 2) / 50
  right = (road.HALF_ROAD - 1.75 - road.CAR[1] / 2) / 50
  # The road is symmetric: what is nearest to either edge.
  edge = min(left, (road.HALF_ROAD - abs(-1.75 + road.CAR[1] / 2)) / 50)
  np.testing.assert_allclose(
    told[:6], [1, edge, edge, right, right, 0], atol=1e-5
  )
  route, rest = np.split(told[6:], [2 * len(env.config.route_points)])
  np.testing.assert_allclose(
    route[::2] * 50, env.config.route_points, atol=1e-3
  )
  agents, lanes = np.split(rest, [4 * sim.vector.AGENT])
  size = np.array(road.CAR[:2]) / 50
  near = [8 / 50, -3.5 / 50, 1, 0, 0.8, 0, *size, 1]
  oncoming = [20 / 50, 3.5 / 50, -1, 0, -1, 0, *size, 1]
  nobody = np.zeros(9)
  np.testing.assert_allclose(
    agents.reshape(4, 9), [near, oncoming, nobody, nobody], atol=1e-5
  )
  expected = [[0.1, 0, 1, 0, 1], [0.2, 0.07, -1, 0, 1], np.zeros(5)]
  np.testing.assert_allclose(lanes.reshape(3, 5), expected, atol=1e-5)

  # An ego that is turned to the left has all of it turned to the right.
  turned = np.asarray(_observe(env, np.pi / 2))
  near = [-3.5 / 50, -8 / 50, 0, -1, 0, -0.8, *size, 1]
  begin = 6 + 2 * len(env.config.route_points)
  np.testing.assert_allclose(turned[begin : begin + 9], near, atol=1e-5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
