# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores tell a collision from none; a run can be interrupted and repeated."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from data_pipelines import builder
from data_pipelines import traffic as pipeline
from experiments import train_adversary
from rdrl import trees
from rdrl import types
from rdrl.report import adversary_scores
from rdrl.scenario import learned
from tests import programs

CONFIG = learned.Config(
  num_agents=3,
  past_steps=2,
  future_steps=10,
  num_pieces=8,
  num_near=2,
)
STEPS, NOW = 30, 5


@pytest.fixture(scope='module')
def traffic(road):
  """The ego, a car behind it in the next lane and one far ahead."""
  place = road.scene(
    road.straight(0, -1.75, 5, STEPS),
    road.straight(-8, 1.75, 9, STEPS),
    road.straight(60, -1.75, 5, STEPS),
  )
  return jax.tree.map(jnp.asarray, learned.prepare(place, CONFIG))


@pytest.fixture(scope='module')
def begun(traffic):
  return adversary_scores.beginnings(traffic, jnp.array([NOW, 25]), CONFIG)


def measured(begun, traffic, change=lambda future: future):
  views = trees.take(begun.views, slice(0, 1))
  future = change(trees.take(views.future, (slice(None), None)))
  found = adversary_scores.measure(views, future, traffic.drivable)
  return jax.tree.map(lambda x: np.asarray(x)[0, 0], found)


def test_the_adversary_is_who_moves_nearest_and_has_a_future(begun):
  np.testing.assert_array_equal(begun.usable, [True, False])
  assert begun.agent[0] == 1
  np.testing.assert_array_equal(begun.views.agents[0, :2], [0, 1])


def test_as_recorded_nothing_happens(begun, traffic):
  found = measured(begun, traffic)
  assert not found.collision
  assert not found.off_road.any()
  assert not found.overlap.any()
  assert found.is_feasible
  np.testing.assert_array_equal(found.counts, [False, True, True])
  np.testing.assert_allclose(found.values[..., :4], 0, atol=1e-3)


def test_a_car_put_on_the_ego_collides_and_on_another_overlaps(begun, traffic):
  def onto(other):
    return lambda future: future.replace(
      xy=future.xy.at[..., 3, 1, :].set(future.xy[..., 3, other, :])
    )

  on_ego = measured(begun, traffic, onto(0))
  assert on_ego.collision
  assert not on_ego.overlap[1]
  assert on_ego.values[3, 1, -1] < 0
  on_other = measured(begun, traffic, onto(2))
  assert not on_other.collision
  assert on_other.overlap[1]


def test_beside_the_road_is_off_it(begun, traffic, road):
  def aside(future):
    return future.replace(xy=future.xy.at[..., 9, 1, 1].set(road.HALF_ROAD + 1))

  np.testing.assert_array_equal(
    measured(begun, traffic, aside).off_road, [False, True, False]
  )


def test_braking_is_measured_as_what_it_is(begun, traffic):
  time = types.TIME_STEP * np.arange(1, 11)

  def brake(future):
    return future.replace(
      speed=future.speed.at[..., 1].set(jnp.float32(9 - 3 * time))
    )

  found = measured(begun, traffic, brake)
  np.testing.assert_allclose(found.values[:, 1, 0], -3, atol=1e-3)
  np.testing.assert_allclose(found.values[:, 1, 2], 0, atol=1e-2)


def sample_of(rng, shift, count=4000):
  """`Measured` `[n]` whose quantities are normal with a mean of `shift`."""
  shape = (count, 1, 3, len(adversary_scores.QUANTITIES))
  values = rng.normal(size=shape) * [1, 2, 3, 0.1, 5]
  values[:, :, 1] += np.array(shift) * [1, 2, 3, 0.1, 5]
  counts = np.zeros((count, 3), bool)
  counts[:, 1] = True
  no, all_no = np.zeros(count, bool), np.zeros((count, 3), bool)
  return adversary_scores.Measured(
    collision=np.arange(count) % 4 == 0,
    off_road=all_no,
    overlap=all_no,
    is_feasible=~no,
    values=values.astype(np.float32),
    counts=counts,
  )


def test_distances_are_wasserstein_distances_in_recorded_deviations():
  rng = np.random.default_rng(0)
  truth = sample_of(rng, [0, 0, 0, 0, 0])
  free = sample_of(rng, [0, 0.5, 0, 1, 0])
  scores = adversary_scores.summary(
    {'recorded': [truth], 'free': [free], 'guided': [free]}
  )
  assert scores['recorded']['realism'] == 0
  assert scores['free']['collision'] == 0.25
  for i, name in enumerate(adversary_scores.QUANTITIES):
    values = truth.values[:, 0, 1, i]
    exact = stats.wasserstein_distance(values, free.values[:, 0, 1, i])
    found = scores['free']['distances_adversary'][name]
    assert found == pytest.approx(exact / values.std(), abs=0.01)
  assert scores['times']['realism']['mean'] == pytest.approx(1)
  assert scores['times']['collision'] == {'mean': 1, 'low': 1, 'high': 1}


def test_a_ratio_to_no_collision_has_no_bound():
  rng = np.random.default_rng(0)
  truth, guided = (sample_of(rng, [0] * 5, 400) for _ in range(2))
  free = truth.replace(collision=np.zeros(400, bool))
  scores = adversary_scores.summary(
    {'recorded': [truth], 'free': [free], 'guided': [guided]}
  )
  assert scores['times']['collision'] == dict.fromkeys(('mean', 'low', 'high'))
  assert 'collision: no bound' in '\n'.join(adversary_scores.table(scores))


def test_without_any_adversary_there_is_no_score():
  nobody = sample_of(np.random.default_rng(0), [0] * 5, 0)
  with pytest.raises(ValueError, match='no moment has an adversary'):
    adversary_scores.summary({'recorded': [nobody]})


def test_a_split_repeats_leaves_nobody_out_and_has_two_sides():
  names = list('abcdefgh')
  trained, held_out = train_adversary.split(names, 3, 4)
  assert sorted(trained + held_out) == names
  assert len(held_out) == 3
  assert train_adversary.split(names, 3, 4) == (trained, held_out)
  assert train_adversary.split(names, 3, 5)[1] != held_out
  for number in (0, 8):
    with pytest.raises(ValueError, match=f'--held_out={number}'):
      train_adversary.split(names, number, 0)


def test_a_proposal_is_where_partial_diffusion_starts(traffic):
  track = trees.take(traffic.tracks, (slice(None), 2))
  views, start = adversary_scores.proposed_view(traffic, NOW, 2, track, CONFIG)
  np.testing.assert_array_equal(views.agents[0, :2], [0, 2])
  np.testing.assert_array_equal(start.xy[0, :, 1], track.xy[NOW + 1 : NOW + 11])
  _, late = adversary_scores.proposed_view(traffic, 25, 2, track, CONFIG)
  np.testing.assert_array_equal(late.valid[0, :, 1], [True] * 4 + [False] * 6)


@pytest.fixture(scope='module')
def data_dir(road, tmp_path_factory):
  """A data set of three logs."""
  logs = []
  for number in range(3):
    place = road.scene(
      road.straight(0, -1.75, 5 + number, STEPS),
      road.straight(-8, 1.75, 9, STEPS),
      road.straight(20, -1.75, 6, STEPS),
    )
    square = np.float32([[-50, -9], [90, -9], [90, 9], [-50, 9]])
    area = types.Polylines(xy=square[None], valid=np.ones((1, 4), bool))
    lane_map = place.map.replace(drivable=area, lane_width=np.float32([3.5]))
    logs.append(
      pipeline.make_log(
        name=f'street-{number}',
        times=types.TIME_STEP * np.arange(STEPS),
        xyz=np.concatenate(
          [place.tracks.xy, place.tracks.z[..., None]], -1
        ).astype(float),
        yaw=place.tracks.yaw,
        valid=place.tracks.valid,
        sizes=place.sizes,
        classes=place.classes,
        make_map=lambda ego, radius, lane_map=lane_map: lane_map,
        source='test',
      )
    )
  path = tmp_path_factory.mktemp('traffic') / 'data'
  builder.write(logs, path)
  return path


SMALL = (
  'num_agents=3',
  'past_steps=2',
  'future_steps=10',
  'num_pieces=8',
  'num_near=2',
  'channels=8',
  'num_heads=2',
  'num_layers=1',
  'batch_size=4',
  'num_steps=3',
  'sampler_steps=3',
)


@pytest.mark.slow
def test_runs_train_score_draw_and_repeat_and_mistakes_are_told(
  data_dir, tmp_path
):
  def arguments(folder, *more):
    return [
      f'--data_dir={data_dir}',
      f'--workdir={tmp_path / folder}',
      '--held_out=1',
      '--steps=5,12',
      '--samples=2',
      *(f'--model={name}' for name in SMALL),
      *more,
    ]

  mistakes = {
    '--steps=5,x': '--steps=5,x: expected whole numbers',
    '--guide=speed=1.0': "no field 'speed'",
    '--model=knot_steps=3': 'knot_steps=3: expected a divisor of future_steps',
    '--held_out=3': '--held_out=3: expected 1 to 2',
  }
  lines = [arguments('new', mistake) for mistake in mistakes]
  lines += [arguments('run'), arguments('run')]
  lines += [arguments('run', '--model=num_steps=4')]
  said = programs.outcomes('train_adversary', lines, timeout=600)
  told = [x for x in said if x.startswith(('fine', 'err'))]
  for line, message in zip(told, mistakes.values(), strict=False):
    assert message in line
  assert told[4:6] == ['fine', 'fine']
  assert 'num_steps is 3, this run wants 4' in told[6]
  assert not (tmp_path / 'new').exists()

  tables = [x for x in said if x.startswith('|')]
  assert len(tables) % 2 == 0
  assert tables[: len(tables) // 2] == tables[len(tables) // 2 :]
  scores = json.loads((tmp_path / 'run' / 'scores.json').read_text())['scores']
  assert scores['recorded']['collision'] == 0
  assert scores['free']['futures'] == 4
  assert (tmp_path / 'run' / 'above.png').stat().st_size > 1000


@pytest.mark.slow
def test_rule_based_proposals_are_scored_and_started_from(road):
  steps = 91
  place = road.scene(
    road.straight(0, -1.75, 8, steps),
    road.straight(-6, -5.25, 9, steps),
    road.straight(15, -1.75, 8, steps),
    road.straight(10, -5.25, 8, steps),
  )
  config = dataclasses.replace(CONFIG, channels=8, num_heads=2, num_steps=1)
  traffic = learned.stack([learned.prepare(place, config)])
  key = jax.random.key(3)
  proposals = adversary_scores.rule_based(place, 64, key, config)
  assert proposals
  for step, agent, track in proposals:
    assert config.past_steps <= step <= steps - 1 - config.future_steps
    recorded = trees.take(place.tracks, (slice(None), agent))
    np.testing.assert_allclose(
      track.xy[: step + 1], recorded.xy[: step + 1], atol=1e-3
    )
    assert not np.allclose(track.xy, recorded.xy, atol=0.1)
  scores = adversary_scores.score(
    learned.train(traffic, config, key),
    traffic,
    [5],
    2,
    learned.Guidance(),
    key,
    [proposals],
  )
  assert scores['rules']['futures'] == len(proposals)
  assert scores['guided from rules']['futures'] == 2 * len(proposals)
  assert scores['free']['futures'] == 2
