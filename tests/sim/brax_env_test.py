# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The adapter keeps Brax's conventions, and Brax's wrappers run on it."""

import sys

from brax import envs
from brax.envs.wrappers import training
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl.sim import brax_env

# The lateral middle, and 5 m in half a second.
KEEP_10 = jnp.array([0.0, -1 / 3])


@pytest.fixture(scope='module')
def env(road):
  """30.4 m behind a parked car; scenario 1 begins 0.9 s before the end."""
  far = road.straight(240, 5.25, 0)
  scene = road.scene(
    road.straight(0, -1.75, 10), road.straight(35, -1.75, 0), far, far
  )
  starts = [road.scenario(scene, start=np.int32(step)) for step in (5, 91)]
  config = sim.Config(
    image_height=2, image_width=4, reward_weights=road.WEIGHTS
  )
  return brax_env.BraxEnv(
    sim.Env.create(
      [scene],
      jax.tree.map(lambda *x: np.concatenate(x), *starts),
      road.ClockRenderer(),
      config,
    )
  )


@pytest.fixture(scope='module')
def reset(env):
  return jax.jit(env.reset)


@pytest.fixture(scope='module')
def step(env):
  return jax.jit(env.step)


def _begin(reset, scenario):
  """The first legacy key that draws a scenario."""
  states = (reset(jax.random.PRNGKey(seed)) for seed in range(100))
  return next(s for s in states if s.pipeline_state.scenario == scenario)


def _shapes(tree):
  return jax.tree.map(lambda x: (x.shape, x.dtype), tree)


def test_reset_and_step_keep_structure_shapes_and_types(env, reset, step):
  assert isinstance(env, envs.Env)
  assert env.unwrapped is env and env.action_size == 2
  state = _begin(reset, 0)
  assert _shapes(state) == _shapes(jax.eval_shape(env.reset, jax.random.key(0)))
  after = step(state, KEEP_10)
  assert _shapes(after) == _shapes(state)
  shapes = {name: part.shape for name, part in state.obs.items()}
  assert shapes == env.observation_size
  assert shapes['pixels/view_0'] == (2, 4, 6)
  assert after.pipeline_state.agents.xy[0, 0] == pytest.approx(10, abs=1e-3)
  assert after.reward == pytest.approx(float(sum(after.metrics.values())))


def test_done_tells_termination_from_truncation(reset, step):
  state = _begin(reset, 0)
  for _ in range(6):
    state = step(state, KEEP_10)
  assert state.done == 1 and state.info['truncation'] == 0
  assert state.metrics['dynamic_collision'] == -1
  state = step(_begin(reset, 1), KEEP_10)
  assert state.done == 1 and state.info['truncation'] == 1


@pytest.mark.parametrize('num_cameras', [0, 1])
def test_who_sees_nothing_is_told_the_state_alone(road, num_cameras):
  scene = road.scene(road.straight(0, -1.75, 10), road.straight(35, -1.75, 0))
  inner = sim.Env.create(
    [scene],
    road.scenario(scene),
    sim.NoRenderer(num_cameras, 2, 4),
    sim.Config(image_height=2, image_width=4),
  )
  blind = brax_env.BraxEnv(inner)
  size = 1 + 2 * len(inner.config.route_points)
  assert blind.observation_size == {'state': (size,)}


@pytest.mark.slow
@pytest.mark.parametrize(
  'wrap, key',
  [
    (training.wrap, jax.random.PRNGKey),
    (brax_env.wrap, jax.random.PRNGKey),
    (brax_env.wrap, jax.random.key),
  ],
)
def test_brax_wrappers_run_on_it(env, wrap, key):
  wrapped = wrap(env, episode_length=4)
  state = jax.jit(wrapped.reset)(jax.random.split(key(1), 6))
  step = jax.jit(wrapped.step)
  late = np.asarray(state.pipeline_state.scenario) == 1
  assert 0 < late.sum() < 6
  done = []
  for _ in range(8):
    state = step(state, jnp.tile(KEEP_10, (6, 1)))
    done.append(np.asarray(state.done) == 1)
  # The late ones begin anew after each decision, the others after four.
  expected = np.tile([False, False, False, True], 2)[:, None] | late
  np.testing.assert_array_equal(done, expected)
  assert step._cache_size() == 1


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
