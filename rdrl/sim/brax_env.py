# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Adapter for Brax, its wrappers and learners.

Importing Brax imports MuJoCo and more, so no other module does.
"""

from brax import envs
from brax.envs.wrappers import training
import jax
import jax.numpy as jnp

from rdrl import types
from rdrl.sim import env as env_lib


def wrap(env, *args, **kwargs):
  """Brax's `training.wrap`, for typed and legacy keys.

  Brax's own wrapper reads the number of environments off the shape of legacy
  keys. Learners take this one as `wrap_env_fn`.
  """
  return _AnyKeys(training.wrap(env, *args, **kwargs))


class _AnyKeys(envs.Wrapper):
  """Turns typed keys into legacy ones."""

  def reset(self, rng):
    if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
      rng = jax.random.key_data(rng)
    return self.env.reset(rng)


class BraxEnv(envs.Env):
  """`sim.Env` as a `brax.envs.Env`.

  An action is two floats in [-1, 1], right to left and slow to fast, each
  rounded to one of the 61 anchors. An observation is a dict: `pixels/view_<c>`
  `[h, w, 3 F]` in [0, 1] of each camera, with frames as channels, newest last,
  as Brax's vision networks expect, unless nothing is rendered; `state`
  `[1 + 2 R]`, speed and route. The reward is the sum of the terms; each is also
  a metric.

  Termination and truncation both set `done`; `info['truncated']` and
  `info['truncation']` are 1 for truncation alone. Brax's `EpisodeWrapper`
  overwrites the latter with its own. For typed keys use `wrap` in place of
  Brax's wrapper.
  """

  def __init__(self, env: env_lib.Env):
    self._env = env
    self._sees = not isinstance(env.renderer, env_lib.NoRenderer)

  def reset(self, rng) -> envs.State:
    """Begins an episode; `rng`, a typed or legacy key, draws the scenario."""
    if not jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
      rng = jax.random.wrap_key_data(rng)
    state = self._env.reset(rng)
    return envs.State(
      pipeline_state=state,
      obs=self._observe(state.observation),
      reward=jnp.zeros(()),
      done=jnp.zeros(()),
      metrics=_metrics(state),
      info={'truncation': jnp.zeros(()), 'truncated': jnp.zeros(())},
    )

  def step(self, state: envs.State, action) -> envs.State:
    """Takes one decision."""
    index = jnp.round((jnp.clip(action, -1, 1) + 1) * 30).astype(jnp.int32)
    new = self._env.step(state.pipeline_state, index)
    truncated = new.truncated.astype(jnp.float32)
    state.metrics.update(_metrics(new))
    state.info.update(truncation=truncated, truncated=truncated)
    return state.replace(
      pipeline_state=new,
      obs=self._observe(new.observation),
      reward=jnp.sum(new.reward),
      done=(new.terminated | new.truncated).astype(jnp.float32),
    )

  def _observe(self, observation):
    state = jnp.append(observation.speed, observation.route.reshape(-1))
    if not self._sees:
      return {'state': state}
    images = observation.images.astype(jnp.float32) / 255
    views = jnp.moveaxis(images, 0, -2)
    views = views.reshape(*views.shape[:-2], -1)
    pixels = {f'pixels/view_{c}': view for c, view in enumerate(views)}
    return {**pixels, 'state': state}

  @property
  def observation_size(self):
    """Shape of each part of an observation."""
    state = jax.eval_shape(self.reset, jax.random.key(0))
    return {name: part.shape for name, part in state.obs.items()}

  @property
  def action_size(self):
    return 2

  @property
  def backend(self):
    return 'rdrl'


def _metrics(state):
  return dict(zip(types.REWARD_TERMS, state.reward, strict=True))
