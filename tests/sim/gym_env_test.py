# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The adapter keeps Gymnasium's conventions."""

import multiprocessing
import os
import sys

import jax
import numpy as np
import pytest

from rdrl import sim
from rdrl import types
from rdrl.sim import anchors

gymnasium = pytest.importorskip('gymnasium')
KEEP_10 = np.array([anchors.STRAIGHT, 20])


@pytest.fixture(scope='module')
def inner(road):
  """30.4 m behind a parked car; scenario 1 begins 0.9 s before the end."""
  far = road.straight(240, 5.25, 0)
  scene = road.scene(
    road.straight(0, -1.75, 10), road.straight(35, -1.75, 0), far, far
  )
  starts = [road.scenario(scene, start=np.int32(step)) for step in (5, 91)]
  scenarios = jax.tree.map(lambda *x: np.concatenate(x), *starts)
  config = sim.Config(image_height=2, image_width=4)
  return sim.Env.create([scene], scenarios, road.ClockRenderer(), config)


@pytest.fixture(scope='module')
def env(inner):
  from rdrl.sim import gym_env

  return gym_env.GymEnv(inner, sim.vector.Config(), render_mode='rgb_array')


@pytest.mark.filterwarnings('ignore')
def test_gymnasium_finds_nothing_to_complain_of(env):
  from gymnasium.utils import env_checker

  env_checker.check_env(env, skip_render_check=True)
  assert env.render().shape == (2, 4, 3)


def test_an_episode_ends_by_termination_or_truncation(env, inner):
  seen, info = env.reset(seed=3, options={'scenario': 0})
  assert info['scenario'] == 0 and info['step'] == 5
  assert env.observation_space.contains(seen)
  assert seen['vector'].shape == (sim.vector.size(inner),)
  for _ in range(6):
    seen, reward, terminated, truncated, info = env.step(KEEP_10)
    assert reward == pytest.approx(sum(info['reward_terms'].values()))
  assert terminated and not truncated
  assert info['events']['dynamic_collision'] and info['events']['at_fault']
  assert info['events']['side'] == types.FRONT
  assert info['events']['closing_speed'] == pytest.approx(10, abs=1e-3)
  with pytest.raises(gymnasium.error.ResetNeeded):
    env.step(KEEP_10)
  env.reset(options={'scenario': 1})
  _, _, terminated, truncated, _ = env.step(KEEP_10)
  assert truncated and not terminated


def test_seeds_draw_scenarios_and_bad_input_is_named(env):
  drawn = [env.reset(seed=seed)[1]['scenario'] for seed in range(12)]
  assert set(drawn) == {0, 1}
  assert drawn == [env.reset(seed=seed)[1]['scenario'] for seed in range(12)]
  with pytest.raises(ValueError, match='scenario 2: there are 2'):
    env.reset(options={'scenario': 2})
  for wrong in (1.7, 1.0, '1', True, None, np.float32(1)):
    with pytest.raises(ValueError, match=r'scenario .*: expected an int'):
      env.reset(options={'scenario': wrong})
  assert env.reset(options={'scenario': np.int64(1)})[1]['scenario'] == 1
  with pytest.raises(ValueError, match='colour'):
    env.reset(options={'colour': 2})
  env.reset(seed=0)
  with pytest.raises(gymnasium.error.InvalidAction, match='61'):
    env.step(np.array([61, 0]))


def _messages(env, inner, queue):
  from rdrl.sim import gym_env

  calls = {
    'reset': env.reset,
    'step': lambda: env.step(KEEP_10),
    'wrap': lambda: gym_env.GymEnv(inner),
    'make': lambda: sim.Env.create(None, None, None, None),
  }
  found = {}
  for name, call in calls.items():
    try:
      call()
    except RuntimeError as error:
      found[name] = str(error)
  queue.put(found)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='nothing forks here')
@pytest.mark.filterwarnings('ignore')
def test_a_forked_environment_says_that_workers_should_spawn(env, inner):
  context = multiprocessing.get_context('fork')
  queue = context.Queue()
  child = context.Process(target=_messages, args=(env, inner, queue))
  child.start()
  try:
    found = queue.get(timeout=60)
  finally:
    child.kill()
    child.join()
  assert set(found) == {'reset', 'step', 'wrap', 'make'}
  assert all("context='spawn'" in message for message in found.values())
  # The parent drives on.
  env.reset(seed=0)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
