# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Adversaries and cousins: what is proposed, rejected and kept."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import scenario
from rdrl import sim
from rdrl import types
from rdrl.scenario import checks

# Sixteen of each of four behaviours are as many as `_propose` draws of one.
CONFIG = scenario.Config(num_proposals=16)
CUT_IN, HARD_BRAKE, LATERAL_SHIFT, SPEED_CHANGE = range(1, 5)
NUM_AGENTS = 6


def _scene(road, *agents):
  """Padded by parked cars far away, so that every scene compiles once."""
  missing = NUM_AGENTS - len(agents)
  far = [road.straight(250, 5.25, 0)] * missing
  return road.scene(*agents, *far)


def _propose(scene, behaviour, seed=0):
  return scenario.proposals(
    scenario.prepare(scene),
    np.full(64, behaviour, np.int32),
    jax.random.split(jax.random.key(seed), 64),
    CONFIG,
  )


@pytest.fixture(scope='module')
def street(road):
  """A lead, a neighbour ahead, one beside, a follower, a parked car."""
  return _scene(
    road,
    road.straight(0, -1.75, 10),
    road.straight(22, -1.75, 10),
    road.straight(15, -5.25, 10),
    road.straight(-5, -5.25, 11),
    road.straight(-20, -1.75, 10),
  )


@pytest.fixture(scope='module')
def drawn(street):
  """Proposals of each behaviour."""
  return {b: _propose(street, b) for b in range(1, 5)}


@jax.jit
def _overlap(track, tracks, size, sizes):
  return geometry.boxes_overlap(
    track.xy[:, None],
    track.yaw[:, None],
    size,
    tracks.xy,
    tracks.yaw,
    sizes,
  )


def _reasons(proposals):
  return {scenario.REASONS[i] for i in proposals.reason}


def test_every_reason_to_reject_is_reachable(road, street, drawn):
  def scene(*agents):
    return _scene(road, *(road.straight(*agent) for agent in agents))

  found = set().union(*(_reasons(p) for p in drawn.values()))
  assert {'accepted', 'overlap'} <= found

  def reasons(behaviour, *agents):
    names = _reasons(_propose(scene(*agents), behaviour))
    found.update(names)
    return names

  assert reasons(CUT_IN, (0, -1.75, 10)) == {'no_vehicle'}
  assert reasons(HARD_BRAKE, (0, -1.75, 10)) == {'no_vehicle'}
  # 3.5 m sideways in 1.5 s, and half of 30 m/s lost in 2 s.
  quick = reasons(CUT_IN, (0, -1.75, 15), (12, -5.25, 14))
  assert 'lateral_acceleration' in quick
  assert 'acceleration' in reasons(SPEED_CHANGE, (0, -1.75, 30))
  # 3.5 m sideways while 9 m ahead.
  assert 'curvature' in reasons(LATERAL_SHIFT, (0, -1.75, 3))
  # From the lane at the edge, the road ends a lane further.
  edge = reasons(LATERAL_SHIFT, (0, -5.25, 10))
  assert edge == {'accepted', 'drivable'}
  # Nothing that a standing ego does reaches a lead that is far away.
  assert 'trivial' in reasons(HARD_BRAKE, (0, -1.75, 0), (45, -1.75, 3))
  # A car that rubs against the ego is met whatever it does.
  rubs = reasons(HARD_BRAKE, (0, -1.75, 10), (25, -1.75, 10), (1, -0.2, 10))
  assert 'unavoidable' in rubs and 'accepted' not in rubs
  # To come close to a standing ego from ahead is to reverse.
  assert 'speed' in reasons(CUT_IN, (0, -1.75, 0), (8, -5.25, 3))
  # A wall beside the lane.
  alone = scene((0, -1.75, 10))
  grid = alone.occupancy.replace(values=alone.occupancy.values - 5.5)
  walled = _propose(alone.replace(occupancy=grid), LATERAL_SHIFT)
  assert 'occupancy' in _reasons(walled)
  # A recording that stumbles.
  shaken = road.straight(0, -1.75, 10)
  shaken['xy'][1::4, 0] += 0.04
  assert 'jerk' in _reasons(_propose(_scene(road, shaken), LATERAL_SHIFT))
  found |= {'occupancy', 'jerk'}
  assert found == set(scenario.REASONS)


def test_accepted_adversaries_respect_the_limits(street, drawn):
  sizes = np.asarray(street.sizes)
  for behaviour in (CUT_IN, HARD_BRAKE):
    proposals = drawn[behaviour]
    accepted = np.flatnonzero(proposals.reason == 0)
    assert len(accepted) >= 5
    for index in accepted:
      proposal = types.take(proposals, index)
      agent = int(proposal.agent)
      edit = slice(int(proposal.trigger), int(proposal.release) + 1)
      track = jax.tree.map(lambda x, a=agent: x[:, a], proposal.tracks)
      velocity = np.gradient(track.xy.astype(float), 0.1, axis=0)
      speed = np.linalg.norm(velocity, axis=-1)
      acceleration = np.gradient(velocity, 0.1, axis=0)
      assert np.all(np.linalg.norm(acceleration, axis=-1)[edit] < 10)
      assert np.all(velocity[edit, 0] > -0.1)
      np.testing.assert_allclose(speed, track.speed, atol=0.05)
      # Heading follows the motion, without side slip, after the blend.
      moving = speed > 1
      slip = np.arctan2(velocity[:, 1], velocity[:, 0]) - track.yaw
      assert np.abs(slip)[moving].max() < 0.06
      others = np.arange(1, NUM_AGENTS) != agent
      met = _overlap(track, proposal.tracks, sizes[agent], sizes)
      met = np.asarray(met)
      assert not np.any(met[edit, 1:][:, others])
      assert 0 < proposal.difficulty < 1


def test_an_adversary_does_what_its_name_says(street, drawn):
  for proposal in _accepted(drawn[CUT_IN]):
    agent, end = int(proposal.agent), int(proposal.release)
    # In the ego's lane, ahead of it, at the end.
    assert abs(proposal.tracks.xy[end, agent, 1] + 1.75) < 0.1
    assert agent in (2, 3)
  for proposal in _accepted(drawn[HARD_BRAKE]):
    agent = int(proposal.agent)
    assert agent == 1
    speed = proposal.tracks.speed[:, agent]
    assert speed[int(proposal.release) + 2] < 0.45 * 10
    assert np.diff(speed).min() < -0.2
  for behaviour in (CUT_IN, HARD_BRAKE):
    for proposal in _accepted(drawn[behaviour]):
      before = slice(0, int(proposal.trigger) + 1)
      others = np.arange(NUM_AGENTS) != proposal.agent
      np.testing.assert_array_equal(
        proposal.tracks.xy[before], street.tracks.xy[before]
      )
      np.testing.assert_array_equal(
        proposal.tracks.xy[:, others], street.tracks.xy[:, others]
      )


def _accepted(proposals):
  for index in np.flatnonzero(proposals.reason == 0):
    yield types.take(proposals, index)


def test_cousins_move_the_ego_alone(street, drawn):
  shifts, speeds = [], []
  for proposal in _accepted(drawn[LATERAL_SHIFT]):
    aside = proposal.tracks.xy[:, 0, 1] + 1.75
    shifts.append(aside[np.argmax(np.abs(aside))])
    np.testing.assert_allclose(
      proposal.tracks.xy[:, 0, 0], street.tracks.xy[:, 0, 0], atol=0.02
    )
  for proposal in _accepted(drawn[SPEED_CHANGE]):
    speeds.append(proposal.tracks.speed[60, 0] / 10)
    np.testing.assert_allclose(proposal.tracks.xy[:, 0, 1], -1.75, atol=0.02)
  assert min(shifts) < -0.3 and max(shifts) > 1.5
  assert np.abs(shifts).max() < 3.6
  assert 0.5 <= min(speeds) < 0.9 and 1.1 < max(speeds) <= 1.31
  for behaviour in (LATERAL_SHIFT, SPEED_CHANGE):
    for proposal in _accepted(drawn[behaviour]):
      assert proposal.agent == 0
      np.testing.assert_array_equal(
        proposal.tracks.xy[:, 1:], street.tracks.xy[:, 1:]
      )


def test_the_same_key_gives_the_same_scenario_and_another_another(street):
  first, again, other = (_propose(street, CUT_IN, seed) for seed in (0, 0, 1))
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert not np.array_equal(first.tracks.xy, other.tracks.xy)


@pytest.mark.slow
def test_many_proposals_equal_one(street, drawn):
  context = scenario.prepare(street)
  one = jax.jit(
    lambda context, behaviour, key: scenario.propose(
      context, behaviour, key, CONFIG
    )
  )(context, jnp.int32(CUT_IN), jax.random.split(jax.random.key(0), 64)[3])
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y[3], rtol=1e-4, atol=1e-3),
    one,
    drawn[CUT_IN],
  )


def test_expand(road, street):
  scenarios, counts = scenario.expand(street, 0, CONFIG, jax.random.key(5))
  assert list(counts) == list(scenario.BEHAVIOURS[1:])
  for found in counts.values():
    assert sum(found.values()) == CONFIG.num_proposals
  kept = [CONFIG.num_accepted[0]] + [
    min(counts[name]['accepted'], CONFIG.num_accepted[i + 1])
    for i, name in enumerate(scenario.BEHAVIOURS[1:])
  ]
  np.testing.assert_array_equal(
    scenarios.behaviour, np.repeat(np.arange(5), kept)
  )
  np.testing.assert_array_equal(
    scenarios.adversary != 0, np.isin(scenarios.behaviour, [1, 2])
  )
  for x, y in zip(
    jax.tree.leaves(types.take(scenarios.tracks, 0)),
    jax.tree.leaves(street.tracks),
    strict=True,
  ):
    np.testing.assert_array_equal(x, y)
  # Moving agents react, the parked do not, the ego is nobody's.
  np.testing.assert_array_equal(scenarios.controller[0], [0, 1, 1, 1, 1, 0])
  rows = np.flatnonzero(scenarios.adversary)
  release = scenarios.release[rows, scenarios.adversary[rows]]
  assert np.all(release > scenarios.start[rows])
  only = scenario.select(scenarios, ['cut_in', 'log'])
  assert set(only.behaviour.tolist()) == {0, 1}
  both = scenario.concatenate([scenarios, only])
  assert len(both.start) == len(scenarios.start) + len(only.start)
  with pytest.raises(ValueError, match='swerve'):
    scenario.select(scenarios, ['swerve'])

  # All of it drives, and the unedited ones are safe to repeat.
  config = sim.Config(image_height=2, image_width=4)
  env = sim.Env.create([street], scenarios, sim.NoRenderer(1, 2, 4), config)
  drive = sim.replay(env, np.arange(len(scenarios.start)))
  collided = np.asarray(drive.events.dynamic_collision).any(1)
  assert not collided[scenarios.behaviour == 0].any()
  # An adversary that no ego reacts to is mostly hit.
  assert collided[scenarios.adversary != 0].mean() > 0.5


def test_an_ego_that_is_not_there_is_an_error(street):
  valid = street.tracks.valid.copy()
  valid[7, 0] = False
  scene = street.replace(tracks=street.tracks.replace(valid=valid))
  with pytest.raises(ValueError, match=r'tracks.valid of the ego .* step 7'):
    scenario.prepare(scene)


def test_kinematics_of_a_circle():
  time = jnp.arange(50) * 0.1

  @jax.jit
  def check(speed, radius):
    angle = speed / radius * time
    xy = radius * jnp.stack([jnp.sin(angle), 1 - jnp.cos(angle)], -1)
    moving, yaw = checks.motion(xy, angle)
    return checks.kinematics(moving, yaw, jnp.ones(50, bool), CONFIG)

  for speed, radius, failed in (
    (10.0, 20.0, set()),
    (12.0, 20.0, {'lateral_acceleration'}),
    (4.0, 4.0, {'curvature'}),
  ):
    found = check(speed, radius)
    assert {name for name, value in found.items() if value} == failed


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
