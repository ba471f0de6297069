# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The action grid and the arcs that lead to it."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import dynamics


def test_steering_cuts_the_low_speed_rows():
  # The closed form of RAD's hard-coded mask.
  cut = [(61 - int(anchors.feasible[:, row].sum())) // 2 for row in range(9)]
  assert cut == [30, 30, 28, 26, 22, 16, 9, 0, 0]
  assert anchors.feasible.sum() == 3399
  assert anchors.LATERAL[anchors.STRAIGHT] == 0
  assert anchors.LATERAL[[0, -1]].tolist() == [-0.75, 0.75]
  assert anchors.LONGITUDINAL[[0, -1]].tolist() == [0, 15]


def test_arc_matches_runge_kutta_of_the_bicycle_to_a_millimetre():
  x, y = np.meshgrid(anchors.LATERAL, anchors.LONGITUDINAL, indexing='ij')
  curvature, length = anchors.arc(jnp.asarray(x), jnp.asarray(y))
  steering = np.arctan(anchors.WHEELBASE * np.asarray(curvature, float))
  speed = np.asarray(length, float) / anchors.DURATION

  def rate(pose):
    yaw = pose[2]
    yaw_rate = speed / anchors.WHEELBASE * np.tan(steering)
    return np.stack([speed * np.cos(yaw), speed * np.sin(yaw), yaw_rate])

  pose, dt = np.zeros((3, 61, 61)), anchors.DURATION / 50
  for _ in range(50):
    a = rate(pose)
    b = rate(pose + dt / 2 * a)
    c = rate(pose + dt / 2 * b)
    d = rate(pose + dt * c)
    pose += dt / 6 * (a + 2 * b + 2 * c + d)
  error = np.hypot(pose[0] - y, pose[1] - x)
  assert error[anchors.feasible].max() < 1e-3
  # And the exact step that the simulator takes.
  xy, yaw = dynamics.follow_arc(jnp.zeros((61, 61, 2)), 0.0, length, curvature)
  error = np.hypot(xy[..., 0] - y, xy[..., 1] - x)
  assert error[anchors.feasible].max() < 1e-3
  assert np.abs(yaw - pose[2])[anchors.feasible].max() < 1e-3


def test_every_feasible_anchor_is_nearest_to_itself():
  index = np.argwhere(anchors.feasible)
  found = anchors.nearest(
    jnp.asarray(anchors.LATERAL)[index[:, 0]],
    jnp.asarray(anchors.LONGITUDINAL)[index[:, 1]],
  )
  np.testing.assert_array_equal(found, index)


def test_nearest_is_always_feasible():
  rng = np.random.default_rng(0)
  lateral, longitudinal = rng.uniform([[-2], [-3]], [[2], [20]], (2, 1000))
  found = np.asarray(
    anchors.nearest(jnp.asarray(lateral), jnp.asarray(longitudinal))
  )
  assert anchors.feasible[found[:, 0], found[:, 1]].all()


def test_label_of_a_driven_decision_is_its_action():
  config = sim.Config()

  def drive(action):
    curvature, speed = anchors.command(action)
    start = types.AgentState(
      xy=jnp.array([30.0, -20.0]),
      z=jnp.zeros(()),
      yaw=jnp.array(2.5),
      speed=speed,
      valid=jnp.array(True),
    )
    ego = jax.lax.fori_loop(
      0,
      config.decision_steps,
      lambda _, ego: dynamics.bicycle(ego, speed, curvature, config),
      start,
    )
    return anchors.label(start, ego, config)

  actions = np.argwhere(anchors.feasible)
  np.testing.assert_array_equal(jax.jit(jax.vmap(drive))(actions), actions)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
