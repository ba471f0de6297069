# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Boxes that meet, many at a time, against an independent reference."""

import sys

import jax
import numpy as np
import pytest
import shapely

from rdrl import geometry
from rdrl import types
from rdrl.sim import contact

COUNT = 100_000


def _random(seed, count):
  """Agents and sizes within about a car's length of each other."""
  rng = np.random.default_rng(seed)
  agents = types.AgentState(
    xy=rng.uniform(-5, 5, (count, 2)).astype(np.float32),
    z=np.zeros(count, np.float32),
    yaw=rng.uniform(-4, 4, count).astype(np.float32),
    speed=np.zeros(count, np.float32),
    valid=np.ones(count, bool),
  )
  sizes = rng.uniform([1, 0.5, 1], [9, 3, 2], (count, 3)).astype(np.float32)
  return agents, sizes


def _corners(agents, sizes):
  """`[N, 4, 2]` in float64."""
  yaw = agents.yaw.astype(float)[:, None, None]
  signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
  x, y = np.moveaxis(signs * sizes[:, None, :2].astype(float), -1, 0)[..., None]
  ahead = np.concatenate([np.cos(yaw), np.sin(yaw)], -1)
  left = np.concatenate([-np.sin(yaw), np.cos(yaw)], -1)
  return agents.xy[:, None].astype(float) + x * ahead + y * left


def _signed_gap(a, b):
  """Widest gap of two convex polygons `[N, 4, 2]`, negative if they overlap.

  The separating axis theorem on corners, in float64: it shares with the code
  neither its frames nor its extents.
  """
  widest = np.full(len(a), -np.inf)
  for one in (a, b):
    edge = np.roll(one, -1, 1) - one
    normal = np.stack([edge[..., 1], -edge[..., 0]], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    of_a = np.einsum('nei,nci->nec', normal, a)
    of_b = np.einsum('nei,nci->nec', normal, b)
    gap = np.maximum(of_b.min(-1) - of_a.max(-1), of_a.min(-1) - of_b.max(-1))
    widest = np.maximum(widest, gap.max(-1))
  return widest


@jax.jit
def _pairs(a, a_sizes, b, b_sizes):
  def overlap(a, a_size, b, b_size):
    one, two = contact.boxes_of(a, a_size), contact.boxes_of(b, b_size)
    one, two = (jax.tree.map(lambda x: x[None], x) for x in (one, two))
    return contact.overlaps(one, two)[0, 0]

  return jax.vmap(overlap)(a, a_sizes, b, b_sizes)


def test_a_hundred_thousand_pairs_agree_with_corners_in_float64():
  a, b = _random(0, COUNT), _random(1, COUNT)
  found = np.asarray(_pairs(*a, *b))
  gap = _signed_gap(_corners(*a), _corners(*b))
  certain = np.abs(gap) > 1e-5
  assert certain.mean() > 0.999 and 0.2 < found.mean() < 0.8
  np.testing.assert_array_equal(found[certain], gap[certain] < 0)


def test_a_hundred_thousand_pairs_agree_with_shapely():
  a, b = _random(2, COUNT), _random(3, COUNT)
  found = np.asarray(_pairs(*a, *b))
  one, two = shapely.polygons(_corners(*a)), shapely.polygons(_corners(*b))
  gap = _signed_gap(_corners(*a), _corners(*b))
  certain = np.abs(gap) > 1e-5
  np.testing.assert_array_equal(
    found[certain], shapely.intersects(one, two)[certain]
  )


def test_all_pairs_of_a_crowd():
  agents, sizes = _random(4, 24)
  spread = agents.replace(xy=agents.xy * 4, valid=np.arange(24) % 5 != 0)
  found = jax.jit(
    lambda agents: contact.met(agents, contact.boxes_of(agents, sizes))
  )(spread)
  pairs = geometry.boxes_overlap(
    spread.xy[:, None],
    spread.yaw[:, None],
    sizes[:, None],
    spread.xy,
    spread.yaw,
    sizes,
  )
  pairs = np.array(pairs) & spread.valid & spread.valid[:, None]
  np.fill_diagonal(pairs, False)
  np.testing.assert_array_equal(found, pairs.any(1))
  assert 0 < np.sum(found) < np.sum(spread.valid)


def test_corners_and_what_leaves_the_road():
  agents, sizes = _random(5, 50)
  boxes = contact.boxes_of(agents, sizes)
  np.testing.assert_allclose(
    contact.corners(boxes), _corners(agents, sizes), atol=1e-5
  )
  edge = float(np.median(_corners(agents, sizes)[..., 0].max(-1)))
  found = contact.off_road(boxes, lambda xy: edge + 1e-3 - xy[..., 0])
  assert np.sum(found) == 25


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
