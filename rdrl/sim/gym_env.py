# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Adapter for Gymnasium, for learners that are not in JAX.

Gymnasium (Towers et al., arXiv 2407.17032; gymnasium.farama.org, 1.x) is an
optional dependency, `pip install rdrl[gym]`; no other module imports it. It
steps one environment at a time on the host; in JAX, `jax.vmap(env.step)` is
faster by orders of magnitude.
"""

import numbers
from typing import ClassVar

import gymnasium
import jax
import numpy as np

from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import env as env_lib
from rdrl.sim import vector


class GymEnv(gymnasium.Env):
  """`sim.Env` as a `gymnasium.Env`.

  An action is the pair of indices, lateral and longitudinal, of the 61 x 61
  anchors. An observation is a dict: `speed` `[1]` m/s and `route` `[R, 2]`
  metres; `images` `[F, C, h, w, 3]` uint8, unless nothing is rendered; `vector`
  from `sim.vector.observe`, if asked for. The reward is the sum of the terms;
  `info` has each of them by name, the scenario, the step of the log and the
  events of the decision.

  `reset` draws a scenario by its seed, or takes `options={'scenario': index}`.

  Vector environments of several processes must start them by spawn, as in
  `gymnasium.vector.AsyncVectorEnv(functions, context='spawn')`: JAX has threads
  and does not survive a fork, Linux's default up to Python 3.13. A forked
  environment raises RuntimeError.
  """

  metadata: ClassVar = {'render_modes': ['rgb_array'], 'render_fps': 2}

  def __init__(
    self,
    env: env_lib.Env,
    vector_config: vector.Config | None = None,
    render_mode: str | None = None,
  ):
    """Wraps an environment.

    Args:
      env: the environment.
      vector_config: of the part `vector` of observations; None leaves it out.
      render_mode: None, or `rgb_array`: `render` returns the image of the first
        camera.

    Raises:
      ValueError: if there is no such mode, or if nothing is rendered.
      RuntimeError: in a process that was forked from one with an environment.
    """
    env_lib.stay_home()
    self._sees = not isinstance(env.renderer, env_lib.NoRenderer)
    if render_mode not in (None, *self.metadata['render_modes']):
      raise ValueError(f'render_mode is {render_mode!r}, expected rgb_array')
    if render_mode is not None and not self._sees:
      raise ValueError(f'render_mode is {render_mode!r}, but the env is blind')
    self.render_mode = render_mode
    self._env = env
    self._state = None

    def observe(env, state):
      observation = state.observation
      parts = {'speed': observation.speed[None], 'route': observation.route}
      if self._sees:
        parts['images'] = observation.images
      if vector_config is not None:
        parts['vector'] = vector.observe(env, state, vector_config)
      return state, parts

    self._reset = jax.jit(lambda env, key, i: observe(env, env.reset(key, i)))
    self._draw = jax.jit(lambda env, key: observe(env, env.reset(key)))
    self._step = jax.jit(lambda env, state, a: observe(env, env.step(state, a)))
    _, shapes = jax.eval_shape(self._draw, env, jax.random.key(0))
    self.action_space = gymnasium.spaces.MultiDiscrete(
      [len(anchors.LATERAL), len(anchors.LONGITUDINAL)]
    )
    self.observation_space = gymnasium.spaces.Dict(
      {name: _box(part) for name, part in shapes.items()}
    )

  def reset(self, *, seed=None, options=None):
    """Begins an episode.

    Raises:
      ValueError: if the options name no scenario of the environment.
    """
    env_lib.stay_home()
    super().reset(seed=seed)
    key = jax.random.key(int(self.np_random.integers(2**31)))
    options = options or {}
    if unknown := set(options) - {'scenario'}:
      raise ValueError(f'options {sorted(unknown)}: expected only scenario')
    if 'scenario' not in options:
      self._state, parts = self._draw(self._env, key)
    else:
      index, count = options['scenario'], self._env.num_scenarios
      if isinstance(index, bool) or not isinstance(index, numbers.Integral):
        raise ValueError(f'scenario {index!r}: expected an integer')
      if not 0 <= index < count:
        raise ValueError(f'scenario {index}: there are {count}')
      self._state, parts = self._reset(self._env, key, np.int32(index))
    return jax.device_get(parts), self._info()

  def step(self, action):
    """Takes one decision.

    Raises:
      gymnasium.error.ResetNeeded: before the first reset and after an end.
      gymnasium.error.InvalidAction: if the action is no pair of indices.
    """
    env_lib.stay_home()
    state = self._state
    if state is None or state.terminated or state.truncated:
      raise gymnasium.error.ResetNeeded('the episode is over: call reset')
    action = np.asarray(action)
    if not self.action_space.contains(action):
      raise gymnasium.error.InvalidAction(
        f'action {action}: expected two of 0 to 60'
      )
    self._state, parts = self._step(self._env, state, action.astype(np.int32))
    state = self._state
    return (
      jax.device_get(parts),
      float(np.sum(state.reward)),
      bool(state.terminated),
      bool(state.truncated),
      self._info(),
    )

  def render(self):
    """`[h, w, 3]` uint8 of the first camera, or None without a mode."""
    if self.render_mode is None or self._state is None:
      return None
    return np.asarray(self._state.observation.images[-1, 0])

  def _info(self):
    state = jax.device_get(self._state)
    rewards = zip(types.REWARD_TERMS, state.reward.tolist(), strict=True)
    return {
      'scenario': int(state.scenario),
      'step': int(state.step),
      'reward_terms': dict(rewards),
      'events': {k: v.item() for k, v in vars(state.events).items()},
    }


def _box(part):
  low, high = (0, 255) if part.dtype == np.uint8 else (-np.inf, np.inf)
  return gymnasium.spaces.Box(low, high, part.shape, part.dtype)
