# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scenarios that PPO draws anew, and how hard they are."""

import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import learn
from rdrl import policy as policies
from rdrl import scenario
from rdrl import sim
from rdrl import types
from rdrl.learn import drawing

EDITS = scenario.Config(
  num_accepted=tuple(
    4 * (name in ('log', 'hard_brake', 'cut_in'))
    for name in scenario.BEHAVIOURS
  )
)
PPO = learn.PpoConfig(
  num_envs=4,
  num_updates=2,
  num_epochs=1,
  warmup_updates=0,
  kl_weight=0.0,
  imitation_weight=0.0,
  drawn_share=0.5,
)


@pytest.fixture(scope='module')
def places(road):
  """Two streets; in each somebody is ahead and somebody beside."""
  ego, ahead = road.straight(0, -1.75, 10), road.straight(24, -1.75, 10)
  return [road.scene(ego, ahead, road.straight(x, 1.75, 11)) for x in (-4, 30)]


@pytest.fixture(scope='module')
def env(road, places):
  config = sim.Config(
    horizon=4, frames=1, image_height=16, image_width=16, truth_cell=8
  )
  return sim.Env.create(
    places,
    road.scenario(places[0], difficulty=np.float32(0)),
    sim.NoRenderer(1, 16, 16),
    config,
    controllers=(types.IDM,),
  )


@pytest.fixture(scope='module')
def drawer(places):
  return learn.Drawer.create({0: places[0], 1: places[1]}, EDITS, 4)


@pytest.mark.slow
def test_scenarios_are_of_all_scenes_and_of_what_is_wanted(drawer):
  draw = jax.jit(drawing.Drawer.draw, static_argnums=2)
  found = jax.device_get(draw(drawer, jax.random.key(0), 16, 0.3))
  assert found.tracks.xy.shape[0] == 16
  assert set(found.scene) == {0, 1}
  kinds = {scenario.BEHAVIOURS[x] for x in found.behaviour[found.adversary > 0]}
  assert kinds and kinds <= {'hard_brake', 'cut_in'}
  again = jax.device_get(draw(drawer, jax.random.key(0), 16, 0.3))
  jax.tree.map(np.testing.assert_array_equal, again, found)
  other = jax.device_get(draw(drawer, jax.random.key(1), 16, 0.3))
  assert not np.array_equal(other.tracks.xy, found.tracks.xy)


@pytest.mark.slow
def test_ppo_meets_them_and_their_difficulty_follows_success(
  env, drawer, tmp_path
):
  policy = policies.create(
    jax.random.key(1), policies.StateConfig(), env.blank()
  )
  key = jax.random.key(2)
  learn.reinforce(policy, env, None, PPO, key, tmp_path / 'drawn', drawer)
  lines = (tmp_path / 'drawn/metrics.jsonl').read_text().splitlines()
  targets = [json.loads(line)['target_difficulty'] for line in lines]
  assert targets[0] == pytest.approx(EDITS.target_difficulty)
  allowed = EDITS.difficulty_step * np.array([-1, 0, 1])
  assert np.isclose(targets[1] - targets[0], allowed, atol=1e-6).any()
  # Without a share, nothing of it is there.
  none = dataclasses.replace(PPO, drawn_share=0.0)
  learn.reinforce(policy, env, None, none, key, tmp_path / 'none', drawer)
  lines = (tmp_path / 'none/metrics.jsonl').read_text().splitlines()
  assert 'target_difficulty' not in json.loads(lines[0])


@pytest.mark.parametrize(
  ('adversary', 'failed', 'change'),
  [
    ((1, 1, 1), (False, False, False), 1),
    ((1, 1, 1), (True, True, True), -1),
    # Nobody but the recording was met.
    ((0, 0, 0), (True, True, True), 0),
    # How the recording went does not count.
    ((1, 0, 0), (False, True, True), 1),
  ],
)
def test_difficulty_rises_with_success_among_adversaries(
  road, places, adversary, failed, change
):
  met = road.scenario(places[0])
  met = jax.tree.map(lambda x: np.repeat(x, 3, 0), met)
  met = met.replace(adversary=np.array(adversary, np.int32))
  moved = drawing.next_target(jnp.float32(0.3), met, np.array(failed), EDITS)
  assert moved == pytest.approx(0.3 + change * EDITS.difficulty_step)


def test_no_scene_is_an_error():
  with pytest.raises(ValueError, match='no scene'):
    learn.Drawer.create({}, EDITS, 4)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
