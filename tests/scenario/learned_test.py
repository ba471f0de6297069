# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Joint futures can be driven, know what they are told, and can be bent."""

import dataclasses
import functools

import hypothesis
from hypothesis import strategies
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import scenario
from rdrl import trees
from rdrl import types
from rdrl.scenario import learned
from rdrl.scenario.learned import network

CONFIG = learned.Config(
  num_agents=3,
  past_steps=2,
  future_steps=10,
  num_pieces=12,
  num_near=2,
  channels=16,
  num_heads=2,
  num_layers=1,
  batch_size=16,
  num_steps=200,
  learning_rate=5e-3,
  ema_decay=0.98,
  sampler_steps=12,
)
STEPS, BRAKE, NOW = 30, -2.0, 5
TIME = types.TIME_STEP * np.arange(1, CONFIG.future_steps + 1)


def state(xy=(0.0, 0.0), yaw=0.0, speed=10.0):
  return types.AgentState(
    xy=jnp.array(xy, jnp.float32),
    z=jnp.float32(0.75),
    yaw=jnp.float32(yaw),
    speed=jnp.float32(speed),
    valid=jnp.bool_(True),
  )


def constant(acceleration, turn):
  return jnp.tile(jnp.float32([acceleration, turn]), (CONFIG.num_knots, 1))


@functools.partial(jax.jit, static_argnames='config')
def unroll(now, actions, wheeled=True, config=CONFIG):
  return learned.unroll(now, actions, wheeled, config)


@jax.jit
def refit(now, actions):
  return learned.fit(now, learned.unroll(now, actions, True, CONFIG), CONFIG)


@jax.jit
def failed(now, actions):
  future = learned.unroll(now, actions, True, CONFIG)
  states = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, future)
  found = scenario.checks.kinematics(
    states.speed, states.yaw, states.valid, scenario.Config()
  )
  # Coming to a stand within a step is a jerk beyond the limit of proposals.
  del found['jerk']
  return found


ACTIONS = strategies.lists(
  strategies.tuples(
    strategies.floats(-30, 30, width=32), strategies.floats(-5, 5, width=32)
  ),
  min_size=CONFIG.num_knots,
  max_size=CONFIG.num_knots,
)
few = hypothesis.settings(max_examples=25, deadline=None)


def test_constant_acceleration_is_a_parabola_along_the_heading():
  future = unroll(state(yaw=np.pi / 2), constant(2.0, 0.0))
  np.testing.assert_allclose(future.speed, 10 + 2 * TIME, rtol=1e-6)
  np.testing.assert_allclose(future.xy[:, 1], 10 * TIME + TIME**2, rtol=1e-5)
  np.testing.assert_allclose(future.xy[:, 0], 0, atol=1e-5)


def test_constant_turn_is_a_circle():
  future = unroll(state(), constant(0.0, 0.4))
  radius, angle = 10 / 0.4, 0.4 * TIME
  circle = radius * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
  np.testing.assert_allclose(future.xy, circle, atol=1e-2)
  np.testing.assert_allclose(future.yaw, angle, rtol=1e-5)


def test_who_brakes_stops_and_does_not_reverse():
  future = unroll(state(speed=1.0), constant(-4.0, 0.0))
  speed = np.maximum(1 - 4 * TIME, 0)
  np.testing.assert_allclose(future.speed, speed, atol=1e-5)
  assert np.ptp(future.xy[3:], 0).max() < 1e-6


def test_only_who_walks_turns_on_the_spot():
  still, turn = state(speed=0.0), constant(0.0, 1.0)
  np.testing.assert_array_equal(unroll(still, turn).yaw, 0)
  np.testing.assert_allclose(unroll(still, turn, False).yaw, TIME, rtol=1e-5)


@few
@hypothesis.given(ACTIONS, strategies.floats(0, 30, width=32))
def test_whatever_the_actions_a_car_could_drive_it(actions, speed):
  found = failed(state(speed=speed), jnp.float32(actions))
  assert not any(map(bool, found.values())), found


@few
@hypothesis.given(
  strategies.lists(
    strategies.tuples(
      strategies.floats(-3, 3, width=32),
      strategies.floats(-0.25, 0.25, width=32),
    ),
    min_size=CONFIG.num_knots,
    max_size=CONFIG.num_knots,
  )
)
def test_a_fit_finds_a_track_that_the_model_can_draw(actions):
  now, actions = state(speed=15.0), jnp.float32(actions)
  drawn, again = unroll(now, actions), unroll(now, refit(now, actions))
  np.testing.assert_allclose(again.xy, drawn.xy, atol=0.1)


def test_a_fit_of_straight_actions_returns_them():
  actions = jnp.float32([[1.0, 0.1], [0.5, 0.05], [0.0, 0.0]])
  np.testing.assert_allclose(refit(state(), actions), actions, atol=2e-2)


def test_gaps_of_boxes_in_a_row_and_side_by_side():
  sizes = jnp.float32([[4.6, 1.9, 1.5]] * 3)
  future = types.AgentState(
    xy=jnp.float32([[[0, 0], [10, 0], [0, 3]]]),
    z=jnp.zeros((1, 3)),
    yaw=jnp.zeros((1, 3)),
    speed=jnp.zeros((1, 3)),
    valid=jnp.ones((1, 3), bool),
  )
  gaps = learned.gaps_between(future, sizes)[0]
  np.testing.assert_allclose(gaps[0, 1], 10 - 4.6, rtol=1e-5)
  np.testing.assert_allclose(gaps[0, 2], 3 - 1.9, rtol=1e-5)
  np.testing.assert_allclose(gaps, gaps.T, atol=1e-6)
  soft = learned.gaps_between(future, sizes, 1e-3)[0]
  off = ~np.eye(3, dtype=bool)
  np.testing.assert_allclose(soft[off], gaps[off], atol=5e-3)


def braking(road, x, y, speed):
  """A track that brakes at `BRAKE` until it stands."""
  track = road.straight(x, y, speed, STEPS)
  time = types.TIME_STEP * np.arange(STEPS)
  track['speed'] = np.maximum(speed + BRAKE * time, 0)
  time = np.minimum(time, -speed / BRAKE)
  track['xy'][:, 0] = x + speed * time + BRAKE * time**2 / 2
  return track


@pytest.fixture(scope='module')
def place(road):
  """A scene of four cars that brake; the fourth is far away."""
  place = road.scene(
    braking(road, 0, -1.75, 12),
    braking(road, 14, 1.75, 11),
    braking(road, -12, -5.25, 13),
    braking(road, 70, 1.75, 9),
  )
  x = np.linspace(-60, 120, 40)
  line = np.stack([x, np.full(40, -1.75)], -1)[None].astype(np.float32)
  lines = types.Polylines(xy=line, valid=np.ones((1, 40), bool))
  edge = lines.replace(xy=line - np.float32([0, 7.55]))
  return place.replace(map=place.map.replace(lanes=lines, boundaries=edge))


@pytest.fixture(scope='module')
def traffic(place):
  return learned.prepare(place, CONFIG)


@pytest.fixture(scope='module')
def view(traffic):
  return jax.jit(learned.look, static_argnames='config')(
    traffic, NOW, 0, CONFIG, 3
  )


@pytest.fixture(scope='module')
def model(traffic):
  return learned.train(learned.stack([traffic]), CONFIG, jax.random.key(0))


@pytest.fixture(scope='module')
def untrained(model, traffic):
  """One that takes all for noise: actions are normal, 2 m/s^2, 0.1 rad/s."""
  zero = jax.tree.map(jnp.zeros_like, model.params)
  return model.replace(params=zero, scale=jnp.float32([2.0, 0.1]))


@jax.jit
def sample(model, view, keys, traffic, guidance=None, start=None, strength=1.0):
  known = jnp.arange(CONFIG.num_agents) == 0
  return jax.vmap(
    lambda key: learned.sample(
      model,
      view,
      known,
      key,
      drivable=traffic.drivable,
      guidance=guidance,
      start=start,
      strength=strength,
    )
  )(keys)


GUIDANCE = learned.Guidance(rate=3.0)
NO_GUIDANCE = GUIDANCE.replace(
  collision=0.0,
  time_to_collision=0.0,
  off_road=0.0,
  separation=0.0,
  comfort=0.0,
)
KEYS = jax.random.split(jax.random.key(1), 32)


def test_a_view_has_the_ego_first_then_who_is_asked_for_then_the_nearest(
  view, place
):
  np.testing.assert_array_equal(view.agents, [0, 3, 2])
  np.testing.assert_array_equal(
    view.now.xy, place.tracks.xy[NOW, np.array([0, 3, 2])]
  )
  np.testing.assert_array_equal(
    view.future.xy[:, 0], place.tracks.xy[NOW + 1 : NOW + 11, 0]
  )
  assert view.past.valid.all()


def test_beyond_the_recording_nobody_is_valid(traffic):
  late = learned.look(traffic, STEPS - 4, 0, CONFIG)
  np.testing.assert_array_equal(
    late.future.valid[:, 0], [True] * 3 + [False] * 7
  )
  early = learned.look(traffic, 0, 0, CONFIG)
  np.testing.assert_array_equal(early.past.valid[:, 0], [False, False, True])


def moved(tree, angle, shift):
  def turn(states):
    return states.replace(
      xy=geometry.rotate_2d(states.xy, jnp.float32(angle)) + shift,
      yaw=states.yaw + angle,
    )

  pieces = geometry.rotate_2d(tree.pieces, jnp.float32(angle)) + shift
  return tree.replace(
    past=turn(tree.past), future=turn(tree.future), pieces=pieces
  )


def test_features_do_not_depend_on_where_the_world_has_its_axes(view):
  known = jnp.array([True, False, False])
  features = jax.jit(network.features, static_argnames='stride')
  here = features(view, known, stride=5)
  there = features(moved(view, 2.1, jnp.float32([30, -80])), known, stride=5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), here, there
  )


def test_features_tell_of_a_future_only_if_it_is_known(view):
  features = jax.jit(network.features, static_argnames='stride')
  late = view.future.replace(xy=view.future.xy + 1)
  for known in (False, True):
    mask = jnp.array([known, False, False])
    pair = [
      features(x, mask, stride=5) for x in (view, view.replace(future=late))
    ]
    differs = not np.array_equal(pair[0].pairs, pair[1].pairs)
    assert differs == known


def test_free_futures_brake_as_all_did_that_were_seen(model, view, traffic):
  futures = sample(model, view, KEYS, traffic)
  gained = (futures.speed[:, -1, 1:] - view.now.speed[1:]) / TIME[-1]
  assert np.abs(np.mean(gained) - BRAKE) < 0.3
  assert np.std(gained) < 0.8


def test_known_futures_come_back_as_given_and_a_key_repeats(
  model, view, traffic
):
  futures = sample(model, view, KEYS, traffic)
  np.testing.assert_array_equal(
    futures.xy[:, :, 0],
    np.broadcast_to(view.future.xy[:, 0], futures.xy[:, :, 0].shape),
  )
  again = sample(model, view, KEYS, traffic)
  np.testing.assert_array_equal(futures.xy, again.xy)
  assert np.ptp(futures.xy[:, -1, 1], 0).max() > 0


def test_a_kept_model_is_read_back_and_what_is_none_is_refused(
  untrained, tmp_path
):
  with pytest.raises(FileNotFoundError, match='no work directory'):
    learned.load(tmp_path)
  learned.save(untrained, tmp_path)
  jax.tree.map(np.testing.assert_array_equal, learned.load(tmp_path), untrained)
  assert learned.load(tmp_path).config == untrained.config


@pytest.mark.slow
def test_guidance_brings_the_adversary_to_the_ego(untrained, traffic):
  view = learned.look(traffic, NOW, 0, CONFIG, 1)
  apart = {}
  for weight in (0.0, 1.0):
    guidance = GUIDANCE.replace(collision=weight, time_to_collision=weight)
    futures = sample(untrained, view, KEYS, traffic, guidance)
    gaps = jax.vmap(learned.gaps_between, (0, None))(futures, view.sizes)
    apart[weight] = np.mean(np.min(gaps[:, :, 0, learned.ADVERSARY], 1))
  assert apart[1.0] < apart[0.0] - 0.5


@pytest.mark.slow
def test_guidance_keeps_on_the_road(untrained, traffic):
  view = learned.look(traffic, NOW, 0, CONFIG, 2)
  # The road ends half a metre to the right of car 2, which drives there.
  edge = traffic.drivable.replace(
    origin=traffic.drivable.origin + np.float32([0, 2.7])
  )
  near = traffic.replace(drivable=edge)
  beyond = {}
  for weight in (0.0, 3.0):
    guidance = NO_GUIDANCE.replace(off_road=weight)
    futures = sample(untrained, view, KEYS, near, guidance)
    corners = geometry.box_corners(
      futures.xy, futures.yaw, jnp.asarray(view.sizes)
    )
    inside = geometry.sample_grid(edge, corners[:, :, learned.ADVERSARY])
    beyond[weight] = np.mean(np.maximum(-inside, 0))
  assert beyond[3.0] < 0.7 * beyond[0.0]


def test_other_weights_of_guidance_compile_nothing(untrained, view, traffic):
  sample(untrained, view, KEYS, traffic, GUIDANCE)
  count = sample._cache_size()
  sample(untrained, view, KEYS, traffic, GUIDANCE.replace(rate=0.1))
  assert sample._cache_size() == count


def test_without_weights_guidance_changes_nothing(untrained, view, traffic):
  free = sample(untrained, view, KEYS, traffic)
  same = sample(untrained, view, KEYS, traffic, NO_GUIDANCE)
  np.testing.assert_allclose(same.xy, free.xy, atol=1e-3)


@pytest.mark.slow
def test_a_proposed_track_leaves_the_recording_where_it_is_told_to(
  untrained, place
):
  recorded = trees.take(place.tracks, (slice(None), 1))
  track = learned.propose(
    untrained, place, NOW, 1, KEYS[:8], GUIDANCE, recorded, 0.9
  )
  assert track.xy.shape == (8, STEPS, 2)
  np.testing.assert_array_equal(
    track.xy[:, : NOW + 1],
    np.broadcast_to(place.tracks.xy[: NOW + 1, 1], (8, NOW + 1, 2)),
  )
  assert not np.allclose(track.xy[:, NOW + 10], place.tracks.xy[NOW + 10, 1])
  end = NOW + CONFIG.future_steps
  np.testing.assert_array_equal(
    track.speed[:, end:],
    np.repeat(track.speed[:, end, None], STEPS - end, 1),
  )
  np.testing.assert_allclose(track.z, 0.75, atol=1e-5)
  assert track.valid.all()


@pytest.mark.slow
def test_a_proposal_late_in_the_recording_has_the_ego_go_straight_on(
  untrained, place
):
  track = learned.propose(untrained, place, STEPS - 3, 1, KEYS[:2], GUIDANCE)
  assert np.isfinite(track.xy).all()
  np.testing.assert_array_equal(
    track.xy[0, : STEPS - 2], place.tracks.xy[: STEPS - 2, 1]
  )


@pytest.mark.slow
def test_partial_diffusion_keeps_what_little_noise_leaves(untrained, place):
  proposed = jax.tree.map(np.copy, trees.take(place.tracks, (slice(None), 1)))
  # Half as fast from the next step on, which nobody was seen to do.
  proposed.xy[NOW + 1 :] = proposed.xy[NOW] + 0.5 * (
    proposed.xy[NOW + 1 :] - proposed.xy[NOW]
  )
  proposed.speed[NOW + 1 :] *= 0.5
  end = NOW + CONFIG.future_steps
  drawn = learned.fit(
    trees.take(proposed, NOW),
    trees.take(proposed, slice(NOW + 1, end + 1)),
    CONFIG,
  )
  smooth = unroll(trees.take(proposed, NOW), drawn)
  apart = []
  for strength in (0.01, 0.4, 1.0):
    track = learned.propose(
      untrained, place, NOW, 1, KEYS[:8], NO_GUIDANCE, proposed, strength
    )
    way = np.asarray(track.xy[:, end] - smooth.xy[-1])
    apart.append(np.mean(np.linalg.norm(way, axis=-1)))
  assert apart[0] < 0.05
  assert apart[0] < apart[1] < apart[2]


@pytest.mark.parametrize('agent, step', [(0, 5), (4, 5), (1, STEPS - 1)])
def test_only_others_at_steps_with_a_future_are_edited(
  untrained, place, agent, step
):
  with pytest.raises(ValueError, match=f'agent {agent} at step {step}'):
    learned.propose(untrained, place, step, agent, KEYS[:1])


def test_who_is_not_there_is_not_edited(untrained, place):
  valid = place.tracks.valid.copy()
  valid[NOW, 1] = False
  gone = place.replace(tracks=place.tracks.replace(valid=valid))
  with pytest.raises(ValueError, match='agent 1 is not there at step 5'):
    learned.propose(untrained, gone, NOW, 1, KEYS[:1])


def test_a_short_scene_and_an_ego_that_vanishes_are_told(place):
  short = place.replace(tracks=trees.take(place.tracks, slice(0, 12)))
  with pytest.raises(ValueError, match='12 steps, expected at least 2'):
    learned.prepare(short, CONFIG)
  valid = place.tracks.valid.copy()
  valid[7, 0] = False
  gone = place.replace(tracks=place.tracks.replace(valid=valid))
  with pytest.raises(ValueError, match='False at step 7'):
    learned.prepare(gone, CONFIG)


@pytest.mark.parametrize(
  'fields, message',
  [
    ({'knot_steps': 3}, 'knot_steps=3: expected a divisor'),
    ({'num_heads': 3}, 'num_heads=3: expected a divisor'),
    ({'batch_size': 0}, 'batch_size=0: expected 1 to'),
    ({'future_steps': 5}, 'future_steps=5: expected more than 5'),
  ],
)
def test_sizes_that_do_not_fit_are_told(fields, message):
  with pytest.raises(ValueError, match=message):
    learned.validate(dataclasses.replace(CONFIG, **fields))


def test_padding_a_raster_changes_no_distance(place, traffic):
  small = traffic.replace(
    drivable=traffic.drivable.replace(values=traffic.drivable.values[:20, :30])
  )
  both = learned.stack([small, traffic])
  xy = np.float32([[-100, -80], [-50, -10], [200, 40]])
  np.testing.assert_allclose(
    geometry.sample_grid(trees.take(both, 0).drivable, xy),
    geometry.sample_grid(small.drivable, xy),
  )
