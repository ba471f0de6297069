# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Adversaries and cousins: what is proposed, rejected and kept."""

import dataclasses
import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import scenario
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.report import top_view
from rdrl.scenario import adversaries
from rdrl.scenario import checks
from rdrl.scenario import cousins
from rdrl.scenario import frenet
from rdrl.scenario import learned
from rdrl.scenario import planning
from rdrl.scenario.learned import model as model_lib

CONFIG = scenario.Config(
  num_proposals=24, num_accepted=(4, *(6,) * len(scenario.BEHAVIOURS[1:]))
)
NUM_AGENTS = 12
NUM_DRAWN = 64
V, P, C = types.VEHICLE, types.PEDESTRIAN, types.CYCLIST


def _unseen(road):
  agent = road.straight(0, 0, 0)
  return agent | {'valid': np.zeros(101, bool)}


def _scene(road, *agents, classes=(), donor=True):
  """Filled up, so that every scene compiles once; one donor, or none."""
  missing = NUM_AGENTS - len(agents)
  scene = road.scene(
    *agents,
    *[_unseen(road)] * missing,
    classes=[*classes, *[V] * (len(agents) - len(classes)), *[0] * missing],
  )
  return scenario.reserve(scene, [[4.4, 1.8, 1.5]]) if donor else scene


def _propose(scene, behaviour, seed=0, constraint=None):
  return scenario.proposals(
    scenario.prepare(scene),
    np.full(NUM_DRAWN, scenario.BEHAVIOURS.index(behaviour), np.int32),
    jax.random.split(jax.random.key(seed), NUM_DRAWN),
    CONFIG,
    constraint,
  )


def _across(road, x, y, speed, steps=101):
  """Track along y."""
  agent = road.straight(0, 0, speed, steps)
  along = agent['xy'][:, 0].copy()
  agent['xy'] = np.stack([np.full(steps, x), y + along], -1)
  agent['yaw'] = np.full(steps, np.sign(speed or 1) * np.pi / 2)
  return agent


def _crossroads(scene):
  """The road with another across it, 10 to either side of x = 60."""
  x = -60 + 0.5 * np.arange(640)
  crossing = 10 - np.abs(x - 60)
  grid = scene.drivable
  values = np.maximum(grid.values, crossing[None]).astype(np.float32)
  free = np.maximum(scene.occupancy.values, crossing[None] + 2)
  return scene.replace(
    drivable=grid.replace(values=values),
    occupancy=scene.occupancy.replace(values=free.astype(np.float32)),
  )


def _lanes(scene, *lines):
  """The scene with these middles of lanes, `[n, 2]` each."""
  count = max(map(len, lines))
  lanes = types.Polylines(
    xy=np.stack([np.pad(x, ((0, count - len(x)), (0, 0))) for x in lines]),
    valid=np.stack([np.arange(count) < len(x) for x in lines]),
  )
  return scene.replace(map=scene.map.replace(lanes=lanes))


def _left_turn(x, y, radius):
  """A lane along x to (x, y), then by a quarter of a circle along y."""
  angle = np.linspace(0, np.pi / 2, 20)
  arc = np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
  before = np.stack([np.arange(x - 20, x, 2.0), np.full(10, y)], -1)
  arc = np.array([x, y]) + radius * arc
  return np.concatenate([before, arc, arc[-1:] + np.array([[0.0, 60.0]])])


@pytest.fixture(scope='module')
def traffic(road):
  """Somebody ahead of the ego, behind it and beside it."""
  return _scene(
    road,
    road.straight(0, -1.75, 10),
    road.straight(24, -1.75, 10),
    road.straight(17, -5.25, 10),
    road.straight(-6, -5.25, 11),
    road.straight(-20, -1.75, 10),
  )


@pytest.fixture(scope='module')
def quiet(road):
  """Who comes the other way, who waits at a crossroads and at the kerb."""
  scene = _crossroads(
    _scene(
      road,
      road.straight(0, -1.75, 10),
      road.straight(160, 1.75, -9),
      _across(road, 60, -13, 0),
      road.straight(88, -5.6, 0),
      road.straight(75, -8.0, 0),
      classes=[V, V, V, V, P],
    )
  )
  return _lanes(scene, _left_turn(48, -1.75, 12))


QUIET = ('oncoming', 'crossing', 'pull_out', 'dart_out', 'insertion')


@pytest.fixture(scope='module')
def drawn(traffic, quiet):
  """Where it was, and proposals, of each behaviour."""
  places = {
    b: quiet if b in QUIET + scenario.COUSINS else traffic
    for b in scenario.BEHAVIOURS[1:]
  }
  return {b: (place, _propose(place, b)) for b, place in places.items()}


def _reasons(proposals):
  return {scenario.REASONS[i] for i in proposals.reason}


def _accepted(drawn, behaviour):
  _, proposals = drawn[behaviour]
  for index in np.flatnonzero(proposals.reason == 0):
    yield trees.take(proposals, index)


def test_every_adversary_is_accepted_somewhere(drawn):
  counts = {b: int(np.sum(p.reason == 0)) for b, (_, p) in drawn.items()}
  assert min(counts.values()) > 0, counts


def test_plans_stand_in_the_order_of_their_names():
  names = [plan.__name__ for plan in adversaries.PLANS]
  assert tuple(names) == scenario.FAMILIES
  assert tuple(plan.__name__ for plan in cousins.PLANS) == scenario.COUSINS


def test_every_reason_to_reject_is_reachable(road, drawn):
  found = set().union(*(_reasons(p) for _, p in drawn.values()))
  assert 'accepted' in found

  def scene(*agents):
    return _scene(road, *(road.straight(*agent) for agent in agents))

  def reasons(behaviour, place):
    names = _reasons(_propose(place, behaviour))
    found.update(names)
    return names

  alone = _scene(road, road.straight(0, -1.75, 10), donor=False)
  assert reasons('cut_in', alone) == {'no_agent'}
  assert reasons('dart_out', alone) == {'no_agent'}
  assert reasons('other_lane', alone) == {'no_lane'}
  assert reasons('insertion', alone) == {'no_donor'}
  # 3.5 m sideways in 1.5 s, and half of 30 m/s lost in 2 s.
  quick = scene((0, -1.75, 15), (12, -5.25, 14))
  assert 'lateral_acceleration' in reasons('cut_in', quick)
  assert 'acceleration' in reasons('speed_change', scene((0, -1.75, 30)))
  # 3.5 m sideways while 9 m ahead.
  assert 'curvature' in reasons('lateral_shift', scene((0, -1.75, 3)))
  # From the lane at the edge, the road ends a lane further.
  edge = scene((0, -5.25, 10))
  assert reasons('lateral_shift', edge) == {'accepted', 'drivable'}
  # Nothing that a standing ego does reaches a lead that is far away.
  far = scene((0, -1.75, 0), (45, -1.75, 3))
  assert 'trivial' in reasons('hard_brake', far)
  # A car that rubs against the ego is met whatever it does.
  rubs = scene((0, -1.75, 10), (25, -1.75, 10), (1, -0.2, 10))
  rubbed = reasons('hard_brake', rubs)
  assert 'unavoidable' in rubbed and 'accepted' not in rubbed
  # To come close to a standing ego from ahead is to reverse.
  assert 'speed' in reasons('cut_in', scene((0, -1.75, 0), (8, -5.25, 3)))
  # A neighbour in the way.
  beside = scene((0, -1.75, 10), (1, 1.75, 10))
  assert 'overlap' in reasons('lateral_shift', beside)
  # A wall beside the lane.
  grid = alone.occupancy
  walled = alone.replace(occupancy=grid.replace(values=grid.values - 5.5))
  assert 'occupancy' in reasons('lateral_shift', walled)
  # A recording that stumbles as hard as a car can, and harder when faster.
  shaken = road.straight(0, -1.75, 10)
  shaken['xy'][:, 0] += 0.043 * np.sin(np.arange(101) * np.pi / 4)
  assert 'jerk' in reasons('speed_change', _scene(road, shaken))
  # A road that goes uphill by 40 %.
  height = 0.4 * np.maximum(np.arange(640) * 0.5 - 60, 0)
  height = np.tile(height, (len(alone.ground.values), 1)).astype(np.float32)
  steep = alone.replace(ground=alone.ground.replace(values=height))
  assert 'ground' in reasons('speed_change', steep)
  assert found == set(scenario.REASONS)


def _overlap(track, tracks, size, sizes):
  """Whether the box `[T]` meets the boxes `[T, A]`, in float64."""
  cos, sin = np.cos(tracks.yaw), np.sin(tracks.yaw)
  x, y = np.moveaxis(tracks.xy.astype(float) - track.xy[:, None], -1, 0)
  own_cos, own_sin = np.cos(track.yaw)[:, None], np.sin(track.yaw)[:, None]
  turn_cos = np.abs(cos * own_cos + sin * own_sin)
  turn_sin = np.abs(sin * own_cos - cos * own_sin)
  half, halves = size[:2] / 2, sizes[:, :2] / 2
  axes = (
    (own_cos * x + own_sin * y, half[0], halves[:, 0], halves[:, 1]),
    (own_cos * y - own_sin * x, half[1], halves[:, 1], halves[:, 0]),
    (cos * x + sin * y, halves[:, 0], half[0], half[1]),
    (cos * y - sin * x, halves[:, 1], half[1], half[0]),
  )
  apart = False
  for offset, reach, along, across in axes:
    apart |= np.abs(offset) >= reach + turn_cos * along + turn_sin * across
  return ~apart & tracks.valid


def _check_accepted(scene, proposal):
  """Facts that hold of any accepted adversary, from its track alone."""
  agent, track = int(proposal.agent), proposal.track
  begin = int(proposal.trigger)
  edit = slice(begin, int(proposal.release) + 1)
  family = scenario.FAMILIES[int(proposal.family)]
  velocity = np.gradient(track.xy.astype(float), 0.1, axis=0)
  speed = np.linalg.norm(velocity, axis=-1)
  acceleration = np.gradient(velocity, 0.1, axis=0)
  heading = np.stack([np.cos(track.yaw), np.sin(track.yaw)], -1)
  moving = (speed > 1) & track.valid
  moving[: begin + 6] = False
  along = np.sum(acceleration * heading, -1)
  beside = (
    acceleration[:, 1] * heading[:, 0] - acceleration[:, 0] * (heading[:, 1])
  )
  # Second differences of positions see a little more than the checks, which
  # look at the speed; the limits are 8, 6 and 0.2.
  assert np.abs(along[edit])[moving[edit]].max(initial=0) < 8.5
  if family != 'dart_out':
    assert np.abs(beside[edit])[moving[edit]].max(initial=0) < 6.5
    curvature = beside / np.maximum(speed, 1) ** 2
    assert np.abs(curvature[edit])[moving[edit]].max(initial=0) < 0.22
    # Heading follows the motion, without side slip, after the blend.
    slip = np.abs(
      velocity[:, 1] * heading[:, 0] - velocity[:, 0] * heading[:, 1]
    )
    slip /= np.maximum(speed, 1e-6)
    assert slip[edit][moving[edit]].max(initial=0) < 0.06
    # On the road, or no further from it than where it was parked.
    out = np.abs(track.xy[edit, 1]) + np.abs(heading[edit, 0]) * 0.9
    on_cross = np.abs(track.xy[edit, 0] - 60) < 10
    assert np.all((out < 9.4) | on_cross)
  assert np.all(track.speed[edit] > -0.06)
  others = np.arange(NUM_AGENTS) != agent
  others[0] = False
  met = _overlap(
    track, scene.tracks, np.asarray(scene.sizes[agent]), np.asarray(scene.sizes)
  )
  assert not met[edit][:, others].any()
  assert track.valid[edit].all()
  assert 0 < proposal.difficulty < 1


def test_accepted_adversaries_respect_the_limits(drawn):
  for behaviour in scenario.ADVERSARIES:
    for proposal in _accepted(drawn, behaviour):
      _check_accepted(drawn[behaviour][0], proposal)


@settings(max_examples=20, deadline=None)
@given(
  st.floats(2, 15),
  st.lists(
    st.tuples(
      st.floats(-25, 60),
      st.sampled_from([-5.25, -1.75, 1.75, 5.25]),
      st.floats(0, 15),
    ),
    min_size=3,
    max_size=8,
  ),
  st.integers(0, 1000),
)
def test_whatever_the_traffic_accepted_adversaries_keep_the_limits(
  road, speed, traffic, seed
):
  cars = [
    road.straight(x, y, v if y < 0 else -v)
    for x, y, v in traffic
    if abs(x) > 6 or y != -1.75
  ]
  scene = _scene(road, road.straight(0, -1.75, speed), *cars)
  context = scenario.prepare(scene)
  behaviours = np.arange(NUM_DRAWN, dtype=np.int32) % len(scenario.ADVERSARIES)
  keys = jax.random.split(jax.random.key(seed), NUM_DRAWN)
  found = scenario.proposals(context, behaviours + 1, keys, CONFIG)
  for index in np.flatnonzero(found.reason == 0):
    _check_accepted(scene, trees.take(found, index))


def test_drives_whose_steps_are_not_in_time_have_cousins(road):
  """Steps .1 or .11 s apart, as packets of KITTI, are jerk of 100 m/s^3."""
  late = 0.01 * np.random.default_rng(0).integers(0, 2, 101)
  ego = road.straight(0, -1.75, 12)
  ego['xy'][:, 0] += 12 * late
  scene = _scene(road, ego)
  for cousin in ('lateral_shift', 'speed_change', 'stop_and_creep'):
    found = _propose(scene, cousin)
    assert np.sum(found.reason == 0) >= 16, cousin


def test_who_stands_does_not_move_to_the_side_as_the_recording_did(road):
  ego = road.straight(0, -1.75, 10)
  ego['xy'][:, 1] += 0.4 * np.sin(ego['xy'][:, 0] / 30)
  recorded = cousins.Recorded(
    s=jnp.asarray(ego['xy'][:, 0]),
    d=jnp.asarray(ego['xy'][:, 1]),
    trigger=jnp.int32(5),
    branch=None,
  )
  s = jnp.minimum(recorded.s, 40.0)
  np.testing.assert_allclose(recorded.aside(s)[40:], recorded.d[40], atol=1e-4)
  np.testing.assert_allclose(recorded.aside(recorded.s), recorded.d, atol=1e-4)


def test_accepted_is_hit_by_one_manoeuvre_and_avoided_by_another(drawn):
  judge = jax.jit(
    lambda context, proposal: checks.avoidability(
      context, proposal.track, proposal.agent, proposal.trigger, CONFIG
    )
  )
  manoeuvres = 36
  for behaviour in scenario.ADVERSARIES:
    context = scenario.prepare(drawn[behaviour][0])
    for proposal in list(_accepted(drawn, behaviour))[:3]:
      share, is_threat, is_hopeless = judge(context, proposal)
      assert is_threat and not is_hopeless
      np.testing.assert_allclose(share, proposal.difficulty, atol=1e-5)
      assert share >= 1 / manoeuvres - 1e-6


def test_an_adversary_does_what_its_name_says(drawn):
  def at(proposal, offset=0):
    step = min(int(proposal.release) + offset, 100)
    return proposal.track.xy[step], proposal.track.speed[step], step

  def each(behaviour):
    return list(_accepted(drawn, behaviour))

  for name in ('cut_in', 'lane_change', 'pull_out'):
    for proposal in each(name):
      # In the ego's lane at the end.
      if proposal.release < 100:
        assert abs(at(proposal)[0][1] + 1.75) < 0.1
  assert {int(p.agent) for p in each('cut_in')} <= {2, 3}
  assert {int(p.agent) for p in each('pull_out')} == {3}
  for name in ('hard_brake', 'stop_and_go'):
    for proposal in each(name):
      assert proposal.agent == 1
      after = proposal.track.speed[int(proposal.trigger) :]
      assert after.min() < 0.55 * 10
  for proposal in each('hard_brake'):
    assert np.diff(proposal.track.speed).min() < -0.2
  for proposal in each('drift'):
    lane = drawn['drift'][0].tracks.xy[:, int(proposal.agent), 1]
    aside = np.abs(proposal.track.xy[:, 1] - lane).max()
    assert 0.55 < aside < 1.65
  for proposal in each('oncoming'):
    assert proposal.agent == 1
    # Its side is over the middle between both, by no more than was drawn.
    assert -2.55 < proposal.track.xy[:, 1].min() - 0.95 < -0.75
  for proposal in each('crossing'):
    # At the ego's path when the ego is within a second of it.
    assert proposal.agent == 2
    own = np.interp(-1.75, proposal.track.xy[:, 1], np.arange(101))
    assert abs(own - 60) < 11.5
  for proposal in each('tailgate'):
    assert proposal.agent in (3, 4)
    ego = drawn['tailgate'][0].tracks.xy[:, 0, 0]
    behind = ego - proposal.track.xy[:, 0] - 4.6
    assert 1.8 < behind[int(proposal.release)] < 8
  for proposal in each('dart_out'):
    assert proposal.agent == 4
    assert proposal.track.xy[-1, 1] > -5
    yaw = proposal.track.yaw[int(proposal.release)]
    assert abs(geometry.wrap_angle(yaw - np.pi / 2)) < 0.2
  donor = NUM_AGENTS - 1
  for proposal in each('insertion'):
    assert proposal.agent == donor and proposal.donor
    start = int(proposal.start)
    assert proposal.track.valid[start - 5 :].all()
    assert not proposal.track.valid[: start - 5].any()
  for name in scenario.FAMILIES:
    for proposal in each(name):
      before = slice(0, int(proposal.trigger) + 1)
      np.testing.assert_array_equal(
        proposal.track.xy[before],
        drawn[name][0].tracks.xy[before, int(proposal.agent)],
      )


def test_a_donor_begins_where_there_is_room(road):
  wall = [road.straight(x, -5.25, 10) for x in range(-12, 31, 6)]
  scene = _scene(road, road.straight(0, -1.75, 10), *wall)
  constraint = scenario.unconstrained(CONFIG).replace(donor=np.ones((), bool))
  found = _propose(scene, 'lane_change', constraint=constraint)
  rows = np.arange(NUM_DRAWN)
  assert np.all(found.donor)
  # The other lane beside the ego is full.
  assert np.all(found.track.xy[rows, found.trigger, 1] > 0)
  overlap = found.reason == scenario.REASONS.index('overlap')
  assert overlap.mean() < 0.2


def test_insertions_are_of_no_family_that_is_held_out(traffic):
  names = ('cut_in', 'drift', 'dart_out')
  config = dataclasses.replace(CONFIG, held_out=names)
  constraint = scenario.unconstrained(config)
  found = _propose(traffic, 'insertion', constraint=constraint)
  drawn = {scenario.FAMILIES[family] for family in found.family}
  assert drawn == set(scenario.FAMILIES) - set(names)
  everything = _propose(traffic, 'insertion').family
  assert len(set(everything.tolist())) == len(scenario.FAMILIES)
  with pytest.raises(ValueError, match='not all families'):
    nothing = dataclasses.replace(config, held_out=scenario.FAMILIES)
    scenario.without_held_out(nothing)


def test_a_drive_of_nobody_else_has_all_families_by_donors(road):
  scene = _scene(road, road.straight(0, -1.75, 10))
  for name in ('cut_in', 'hard_brake', 'lane_change', 'tailgate'):
    found = _propose(scene, name)
    assert np.all(found.donor) and np.any(found.reason == 0), name
  cousins = _propose(scene, 'speed_change')
  assert not np.any(cousins.donor) and np.all(cousins.agent == 0)
  # A walker is not there.
  found = _propose(scene, 'dart_out')
  assert np.all(found.reason == scenario.REASONS.index('no_donor'))


def test_the_nearest_is_taken_at_temperature_zero(road):
  cars = [road.straight(x, -5.25, 10) for x in (8, 16, 24)]
  scene = _scene(road, road.straight(0, -1.75, 10), *cars)
  warm = scenario.unconstrained(CONFIG)
  cold = warm.replace(temperature=np.float32(0))
  chosen = [
    set(_propose(scene, 'drift', constraint=c).agent.tolist())
    for c in (warm, cold)
  ]
  assert chosen[0] == {1, 2, 3} and chosen[1] == {1}


def test_cousins_move_the_ego_alone(quiet, drawn):
  shifts, speeds = [], []
  for proposal in _accepted(drawn, 'lateral_shift'):
    aside = proposal.track.xy[:, 1] + 1.75
    shifts.append(aside[np.argmax(np.abs(aside))])
    np.testing.assert_allclose(
      proposal.track.xy[:, 0], quiet.tracks.xy[:, 0, 0], atol=0.02
    )
  for proposal in _accepted(drawn, 'speed_change'):
    speeds.append(proposal.track.speed[60] / 10)
    np.testing.assert_allclose(proposal.track.xy[:, 1], -1.75, atol=0.02)
  assert np.ptp(shifts) > 1 and np.abs(shifts).max() < 3.6
  assert 0.5 <= min(speeds) < 1.0 and max(speeds) <= 1.31
  restarts = []
  for proposal in _accepted(drawn, 'stop_and_creep'):
    later = proposal.track.speed[proposal.trigger :]
    stands = int(np.argmax(later < 0.01))
    assert stands > 0 and np.diff(later[:stands]).max() < 0.01
    restarts.append(later[stands:].max())
    np.testing.assert_allclose(proposal.track.xy[:, 1], -1.75, atol=0.02)
  # Some drive on before the recording ends, and none is faster than it.
  assert 0.9 < max(restarts) < 10.1
  whole = [
    proposal
    for proposal in _accepted(drawn, 'interpolation')
    if proposal.release < len(proposal.track.speed) - 1
  ]
  assert whole
  for proposal in whole:
    aside = np.abs(proposal.track.xy[-1, 1] + 1.75) / CONFIG.shift
    change = np.abs(proposal.track.speed[-5] / 10 - 1)
    # Both by one share of their greatest.
    assert (
      change <= aside * max(1 - CONFIG.limits_of('speed_factor')[0], 0.3) + 0.01
    )
  for behaviour in scenario.COUSINS:
    assert not any(p.agent for p in _accepted(drawn, behaviour))


def test_cousins_keep_clear_of_who_was_edited(traffic, drawn):
  brakes = next(_accepted(drawn, 'hard_brake'))
  tracks = scenario.edited_tracks(scenario.prepare(traffic), brakes)
  edited = traffic.replace(tracks=jax.tree.map(np.asarray, tracks))
  overlap = scenario.REASONS.index('overlap')
  blocked = []
  for place in (traffic, edited):
    proposals = _propose(place, 'speed_change')
    blocked.append(np.sum(proposals.reason == overlap))
    for index in np.flatnonzero(proposals.reason == 0):
      own = trees.take(proposals.track, index)
      meets = geometry.boxes_overlap(
        own.xy[:, None],
        own.yaw[:, None],
        place.sizes[:1],
        place.tracks.xy[:, 1:],
        place.tracks.yaw[:, 1:],
        place.sizes[1:],
      )
      after = np.arange(len(own.yaw)) > proposals.trigger[index]
      assert not np.any(
        np.asarray(meets) & place.tracks.valid[:, 1:] & after[:, None]
      )
  assert blocked[1] > blocked[0]


def test_a_cousin_turns_off_where_lanes_part(drawn):
  accepted = list(_accepted(drawn, 'other_lane'))
  turned = [p for p in accepted if p.release < len(p.track.speed) - 1]
  assert turned
  for proposal in turned:
    xy, speed = proposal.track.xy, proposal.track.speed
    # On the other lane, which is a circle about (48, 10.25).
    away = np.linalg.norm(xy - [48, 10.25], axis=-1)
    bends = (xy[:, 0] > 50) & (xy[:, 1] < 10.25)
    np.testing.assert_allclose(away[bends], 12, atol=0.3)
    assert (speed[bends] ** 2 / 12).max() < 1.2 * CONFIG.turn_acceleration
    assert xy[-1, 1] > 6
    np.testing.assert_allclose(
      xy[: proposal.trigger + 1, 0], np.arange(proposal.trigger + 1), atol=0.02
    )


def test_lanes_part_where_they_bend_away(road):
  x = np.arange(-20, 150, 5.0)
  ahead = np.stack([x, np.full(len(x), -1.75)], -1)
  turn = _left_turn(30, -1.75, 10)
  beside = ahead + np.array([0, 3.5])
  scene = _scene(road, road.straight(0, -1.75, 10))

  def branches(*lines):
    return scenario.prepare(_lanes(scene, *lines)).branches

  found = branches(ahead, turn, beside, ahead[::-1], turn[::-1])
  assert np.isfinite(found.parting).tolist() == [True, False, False, False]
  # A quarter of a circle is 0.75 m beside its tangent after 3.9 m.
  assert 30 < found.parting[0] < 34
  np.testing.assert_allclose(found.curvature[0], 0.1, atol=0.03)
  # A lane goes on by the next one, and two that are the same are one.
  halves = branches(ahead, turn[:20], turn[19:], turn[:21])
  whole = trees.take(found.path, 0)
  xy, _ = frenet.evaluate(trees.take(halves.path, 0), jnp.float32(80.0))
  np.testing.assert_allclose(xy, frenet.evaluate(whole, 80.0)[0], atol=0.5)
  assert np.isfinite(halves.parting).sum() == 1
  # Six lanes part: the first four are kept.
  many = [_left_turn(20 + 10 * i, -1.75, 10) for i in range(6)][::-1]
  kept = branches(ahead, *many).parting
  np.testing.assert_allclose(np.diff(kept), 10, atol=1.1)
  assert kept[0] < 24


def test_the_same_key_gives_the_same_scenario_and_another_another(traffic):
  first, again, other = (
    _propose(traffic, 'cut_in', seed) for seed in (0, 0, 1)
  )
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert not np.array_equal(first.track.xy, other.track.xy)


@pytest.mark.slow
def test_many_proposals_equal_one(traffic, drawn):
  context = scenario.prepare(traffic)
  one = jax.jit(
    lambda context, behaviour, key: scenario.propose(
      context, behaviour, key, CONFIG
    )
  )(context, jnp.int32(1), jax.random.split(jax.random.key(0), NUM_DRAWN)[3])
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y[3], rtol=1e-4, atol=1e-3),
    one,
    drawn['cut_in'][1],
  )


def _recordings(scene, count, **fields):
  """Scenarios of the recording alone, by shares of controllers."""
  rest = (0,) * (len(scenario.BEHAVIOURS) - 1)
  config = scenario.Config(num_accepted=(count, *rest), **fields)
  return scenario.expand(scene, 0, config, jax.random.key(6))[0]


def test_shares_of_controllers_are_drawn_for_those_that_react(traffic):
  shares = {'yield_share': 0.25, 'lane_change_share': 0.5}
  drawn = _recordings(traffic, 100, **shares).controller
  assert not np.any(drawn[:, 0]) and not np.any(drawn[:, 5:])
  for controller, share in (
    (types.YIELD, 0.25),
    (types.LANE_CHANGE, 0.5),
    (types.IDM, 0.25),
  ):
    assert np.mean(drawn[:, 1:5] == controller) == pytest.approx(share, abs=0.1)
  np.testing.assert_array_equal(
    drawn, _recordings(traffic, 100, **shares).controller
  )
  # Who rides a bicycle has no lanes to choose from.
  cyclists = traffic.replace(classes=np.where(np.arange(12) == 1, C, V))
  drawn = _recordings(cyclists, 100, **shares).controller[:, 1]
  assert set(drawn.tolist()) == {types.YIELD, types.IDM}
  with pytest.raises(ValueError, match=r'yield_share=0\.75: expected at most'):
    _recordings(traffic, 1, yield_share=0.75, lane_change_share=0.5)


@pytest.mark.slow
def test_scenarios_of_all_controllers_drive(traffic):
  x = np.arange(-60.0, 300, 2)
  scene = _lanes(
    traffic, *(np.stack([x, np.full_like(x, y)], -1) for y in (-1.75, -5.25))
  )
  drawn = _recordings(scene, 8, yield_share=0.4, lane_change_share=0.4)
  assert set(drawn.controller[:, 1:5].ravel()) == {1, 2, 3}
  sim_config = sim.Config(image_height=2, image_width=4)
  env = sim.Env.create([scene], drawn, sim.NoRenderer(1, 2, 4), sim_config)
  assert env.controllers == {types.IDM, types.YIELD, types.LANE_CHANGE}
  drive = jax.device_get(sim.replay(env, np.arange(8)))
  assert np.all(np.isfinite(drive.agents.xy))
  assert not np.any(drive.events.dynamic_collision)
  # In front of nobody, the car ahead of all that yields is where it was.
  steps = drawn.start[:, None] + np.arange(drive.valid.shape[1])
  for row in np.flatnonzero(drawn.controller[:, 1] == types.YIELD):
    there = np.flatnonzero(drive.valid[row])
    np.testing.assert_allclose(
      drive.agents.xy[row, there, 1],
      scene.tracks.xy[steps[row, there], 1],
      atol=1e-3,
    )


def test_sentences_add_scenarios_and_change_no_other(traffic):
  wanted = dict.fromkeys(scenario.BEHAVIOURS, 0) | {'log': 2, 'hard_brake': 3}
  plain = dataclasses.replace(CONFIG, num_accepted=tuple(wanted.values()))
  hard = 'The car ahead brakes at 7 to 8 m/s^2'
  config = dataclasses.replace(
    plain,
    sentences=(hard, 'the bus on the left cuts in', 'a new car cuts in'),
    accepted_per_sentence=2,
  )
  key = jax.random.key(5)
  before, _ = scenario.expand(traffic, 0, plain, key)
  after, counts = scenario.expand(traffic, 0, config, key)
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x, y[: len(x)]), before, after
  )
  found = scenario.of_sentences(after, counts, config)
  # There is no bus.
  assert list(found) == [config.sentences[0], config.sentences[2]]
  assert counts[config.sentences[1]]['no_agent'] == config.num_proposals
  for sentence, behaviour in zip(found, ('hard_brake', 'cut_in'), strict=True):
    assert counts[sentence]['accepted'] >= 2
    expected = scenario.BEHAVIOURS.index(behaviour)
    np.testing.assert_array_equal(found[sentence].behaviour, [expected] * 2)
  assert len(after.start) == len(before.start) + 4
  # Who brakes so hard loses 1 m/s at least in some two steps.
  adversary = found[hard].adversary
  speed = found[hard].tracks.speed[np.arange(2), :, adversary]
  assert np.all(np.min(speed[:, 2:] - speed[:, :-2], 1) < -1)
  picture = top_view.replayed(
    traffic.replace(map=types.NO_MAP),
    trees.take(found[hard], 0),
    types.NO_MAP,
    sim.Config(),
  )
  for color in (top_view.EGO, top_view.ADVERSARY):
    assert np.any(np.all(picture == color, -1))
  held_out = dataclasses.replace(config, held_out=('insertion', 'hard_brake'))
  assert scenario.without_held_out(held_out).sentences == config.sentences[1:2]
  with pytest.raises(
    ValueError, match=r"the cow moos.*did not understand 'cow'"
  ):
    wrong = dataclasses.replace(config, sentences=('the cow moos',))
    scenario.expand(traffic, 0, wrong, key)
  with pytest.raises(ValueError, match=r'sentences=.*: expected all different'):
    twice = dataclasses.replace(config, sentences=(hard, hard))
    scenario.expand(traffic, 0, twice, key)


def test_a_track_of_somebody_else_is_checked_like_one_of_our_own(traffic):
  context = scenario.prepare(traffic)
  behaviour = jnp.int32(scenario.BEHAVIOURS.index('hard_brake'))
  drawn = _propose(traffic, 'hard_brake')
  accepted = trees.take(drawn, drawn.reason == 0)
  assert len(accepted.agent) > 8

  @jax.jit
  def reasons(proposals):
    return jax.lax.map(
      lambda one: planning.recheck(context, behaviour, one, CONFIG).reason,
      proposals,
    )

  padded = trees.take(accepted, np.arange(NUM_DRAWN) % len(accepted.agent))
  assert not np.any(reasons(padded))
  moved = {
    'overlap': np.array([-30.0, 0.0]),
    'drivable': np.array([0.0, -40.0]),
  }
  for reason, by in moved.items():
    track = padded.track.replace(xy=padded.track.xy + np.float32(by))
    found = reasons(padded.replace(track=track))
    assert np.mean(found == scenario.REASONS.index(reason)) > 0.4, reason


@pytest.mark.slow
def test_a_learned_adversary_draws_accepted_ones_anew(traffic):
  wanted = dict.fromkeys(scenario.BEHAVIOURS, 0)
  wanted |= {'log': 2, 'hard_brake': 3, 'drift': 3}
  config = dataclasses.replace(
    CONFIG, num_accepted=tuple(wanted.values()), num_redrawn=4
  )
  size = learned.Config(
    num_agents=3,
    past_steps=2,
    future_steps=20,
    num_pieces=4,
    num_near=2,
    channels=16,
    num_heads=2,
    num_layers=1,
  )
  x = np.arange(-60.0, 300, 2)
  traffic = _lanes(traffic, np.stack([x, np.full_like(x, -1.75)], -1))
  seen = learned.stack([learned.prepare(traffic, size)])
  model = learned.Model(
    params=model_lib.init(seen, size, jax.random.key(0)),
    scale=jnp.array([1.0, 0.1]),
    config=size,
  )
  # So little noise leaves about what the rules proposed.
  adversary = learned.Adversary(model, strength=0.02)
  key = jax.random.key(5)
  before, plain = scenario.expand(traffic, 0, config, key)
  after, counts = scenario.expand(traffic, 0, config, key, adversary)
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x, y[: len(x)]), before, after
  )
  found = counts.pop('redrawn')
  assert counts == plain
  assert 4 <= sum(found.values()) <= 8
  new = trees.take(after, slice(len(before.start), None))
  assert len(new.start) == min(found['accepted'], 4) > 0
  names = [scenario.BEHAVIOURS[index] for index in new.behaviour]
  assert set(names) <= {'hard_brake', 'drift'}
  assert np.all(new.difficulty > 0) and np.all(new.adversary > 0)
  rows = np.arange(len(new.start))
  assert np.all(new.release[rows, new.adversary] >= new.start + 20)
  # None of them is what it began from.
  for row in rows:
    track = new.tracks.xy[row, :, new.adversary[row]]
    assert not np.any(np.all(before.tracks.xy == track[:, None], (1, 3)))


@pytest.mark.slow
def test_expand(traffic):
  config = dataclasses.replace(CONFIG, held_out=('drift', 'insertion'))
  config = scenario.without_held_out(config)
  variants, counts = scenario.expand(traffic, 0, config, jax.random.key(5))
  kept_out = ('drift', 'insertion')
  wanted = [b for b in scenario.BEHAVIOURS[1:] if b not in kept_out]
  assert list(counts) == wanted
  for found in counts.values():
    assert sum(found.values()) == config.num_proposals
  kept = {b: min(counts[b]['accepted'], 6) for b in wanted} | {'log': 4}
  for index, name in enumerate(scenario.BEHAVIOURS):
    assert np.sum(variants.behaviour == index) == kept.get(name, 0), name
  edited = [scenario.BEHAVIOURS.index(b) for b in scenario.ADVERSARIES]
  np.testing.assert_array_equal(
    variants.adversary != 0, np.isin(variants.behaviour, edited)
  )
  np.testing.assert_array_equal(
    variants.difficulty > 0, variants.adversary != 0
  )
  jax.tree.map(
    np.testing.assert_array_equal,
    trees.take(variants.tracks, 0),
    traffic.tracks,
  )
  # Moving agents react, the parked do not, the ego is nobody's.
  np.testing.assert_array_equal(variants.controller[0], [0, *[1] * 4, *[0] * 7])
  rows = np.flatnonzero(variants.adversary)
  who = variants.adversary[rows]
  assert np.all(variants.release[rows, who] > variants.start[rows])
  # Who drives reacts afterwards, who walks does not.
  np.testing.assert_array_equal(
    variants.controller[rows, who] == types.IDM,
    np.asarray(traffic.classes)[who] != types.PEDESTRIAN,
  )
  # Nobody but the adversary is edited.
  rest = np.arange(NUM_AGENTS)[None] != variants.adversary[rows][:, None]
  same = variants.tracks.xy[rows] == traffic.tracks.xy[None]
  assert np.all(same.all((1, 3)) | ~rest)
  only = scenario.select(variants, ['cut_in', 'log'])
  assert set(only.behaviour.tolist()) == {0, 1}
  both = trees.concatenate([variants, only])
  assert len(both.start) == len(variants.start) + len(only.start)
  with pytest.raises(ValueError, match='swerve'):
    scenario.select(variants, ['swerve'])
  with pytest.raises(ValueError, match=r'held_out.*swerve'):
    scenario.without_held_out(dataclasses.replace(CONFIG, held_out=('swerve',)))
  with pytest.raises(ValueError, match=r'num_accepted=\(1, 2\): expected one'):
    short = dataclasses.replace(CONFIG, num_accepted=(1, 2))
    scenario.expand(traffic, 0, short, jax.random.key(5))

  # All of it drives, and the unedited ones are safe to repeat.
  sim_config = sim.Config(image_height=2, image_width=4)
  env = sim.Env.create([traffic], variants, sim.NoRenderer(1, 2, 4), sim_config)
  drive = sim.replay(env, np.arange(len(variants.start)))
  collided = np.asarray(drive.events.dynamic_collision).any(1)
  assert not collided[variants.behaviour == 0].any()
  # An adversary that no ego reacts to is often hit.
  assert collided[variants.adversary != 0].mean() > 0.3


def test_donors_take_unused_slots(road):
  scene = _scene(road, road.straight(0, -1.75, 10), donor=False)
  donated = scenario.reserve(scene, [[8, 2.5, 3], [0.5, 0.5, 1.7]], [V, P])
  np.testing.assert_allclose(donated.sizes[-2:, 0], [8, 0.5])
  np.testing.assert_array_equal(donated.classes[-2:], [V, P])
  assert not donated.tracks.valid[:, -2:].any()
  with pytest.raises(ValueError, match='12 donors, but 11 of 12'):
    scenario.reserve(scene, [[4, 2, 1]] * 12)
  with pytest.raises(ValueError, match='positive'):
    scenario.reserve(scene, [[4, 0, 1]])


def test_the_curriculum_gets_harder_with_success():
  config = scenario.Config()
  difficulty = np.array([0, 0.1, 0.3, 0.5, 0.9, 0.0])
  edited = np.array([False, True, True, True, True, False])
  target, hardness = 0.2, []
  for success in (0.9, 0.9, 0.9, 0.6, 0.2):
    target = scenario.next_target(target, success, config)
    weights = np.asarray(scenario.weights(difficulty, edited, target, config))
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights[~edited].sum() == pytest.approx(0.3, abs=1e-5)
    hardness.append(float(weights @ difficulty))
  assert hardness[0] < hardness[1] < hardness[2] == hardness[3]
  assert hardness[4] < hardness[3]
  alone = scenario.weights(difficulty[edited], edited[edited], 0.5, config)
  assert np.sum(alone) == pytest.approx(1, abs=1e-5)
  none = scenario.weights(difficulty, np.zeros(6, bool), 0.5, config)
  np.testing.assert_allclose(none, 1 / 6, atol=1e-6)


def test_an_ego_that_is_not_there_is_an_error(traffic):
  valid = traffic.tracks.valid.copy()
  valid[7, 0] = False
  scene = traffic.replace(tracks=traffic.tracks.replace(valid=valid))
  with pytest.raises(ValueError, match=r'tracks.valid of the ego .* step 7'):
    scenario.prepare(scene)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
