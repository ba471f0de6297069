# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What runs on accelerators is lowered for them, where there are none."""

import functools
import re
import sys

import jax
import numpy as np
import pytest

from rdrl import learn
from rdrl import policy as policies
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl.learn import ppo
from rdrl.splat.fitting import optimise
from tests import launches

COUNT, HEIGHT, WIDTH = 64, 16, 24
VIEWS, STEPS, AGENTS, POINTS = 3, 4, 2, 8
# How JAX names the backend of each platform, the form of the blend there, and
# what calls its kernels.
PLATFORMS = {
  'cuda': ('gpu', 'triton', '__gpu$xla.gpu.triton'),
  'tpu': ('tpu', 'mosaic', 'tpu_custom_call'),
}


@pytest.fixture(params=PLATFORMS)
def platform(request, monkeypatch):
  """Tells all that asks that this is where it runs; else it interprets."""
  backend, *_ = PLATFORMS[request.param]
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  jax.clear_caches()
  yield request.param
  jax.clear_caches()


def _config(platform):
  return splat.Config(
    render=splat.RenderConfig(backend=PLATFORMS[platform][1]),
    fit=splat.FitConfig(
      num_gaussians=COUNT,
      num_steps=100,
      sky_height=4,
      snapshot_fractions=(),
    ),
  )


def _kernels(platform, function, *arguments):
  """How many kernels the blend is, in what `function` is lowered to."""
  with launches.on(platform):
    lowered = function.trace(*arguments).lower(lowering_platforms=(platform,))
  calls = re.findall(r'custom_call @(\S+?)\(', lowered.as_text())
  return calls.count(PLATFORMS[platform][2])


def _gaussians(*shape):
  return types.Gaussians(
    means=np.zeros((*shape, COUNT, 3), np.float32),
    log_scales=np.zeros((*shape, COUNT, 3), np.float32),
    quats=np.ones((*shape, COUNT, 4), np.float32),
    opacity_logits=np.zeros((*shape, COUNT), np.float32),
    sh=np.zeros((*shape, COUNT, 4, 3), np.float32),
    node=np.zeros((*shape, COUNT), np.int32),
  )


def _cameras(*shape):
  return types.Camera(
    camera_from_world=np.zeros((*shape, 4, 4), np.float32),
    intrinsics=np.ones((*shape, 3, 3), np.float32),
    height=HEIGHT,
    width=WIDTH,
  )


def _fit(config):
  """Arguments of `optimise.step`."""
  zero = np.zeros((STEPS, AGENTS), np.float32)
  pool = optimise.Pool(
    views=optimise.Views(
      images=np.zeros((VIEWS, HEIGHT, WIDTH, 3), np.uint8),
      weights=np.ones((1, 1, 1), np.float32),
      cameras=_cameras(VIEWS),
      camera_index=np.zeros(VIEWS, np.int32),
      steps=np.arange(VIEWS, dtype=np.int32),
    ),
    depth_pixel=np.zeros((VIEWS, POINTS), np.int32),
    depth=np.ones((VIEWS, POINTS), np.float32),
    tracks=types.AgentState(
      xy=np.zeros((STEPS, AGENTS, 2), np.float32),
      z=zero,
      yaw=zero,
      speed=zero,
      valid=zero == 0,
    ),
    sizes=np.ones((AGENTS, 3), np.float32),
    is_vehicle=np.ones(AGENTS, bool),
    ground=None,
    num_log=np.int32(VIEWS),
    traversal=np.zeros(STEPS, np.int32),
    clock=np.zeros(STEPS, np.float32),
    bodies=None,
    mirrors=np.zeros((AGENTS, 2), np.int8),
    seen=np.ones((1, 1, 1), bool),
    light=None,
  )
  state = jax.eval_shape(
    functools.partial(optimise.initial_state, config=config),
    _gaussians(),
    np.zeros((1, 4, 8, 3), np.float32),
    np.zeros((1, 1, 3, 4), np.float32),
    pool,
  )
  return state, 0, pool, jax.random.key(0), config


def test_a_render_is_one_kernel(platform):
  render = jax.jit(
    lambda *x: splat.render(*x, np.zeros(3), config=_config(platform).render)
  )
  assert _kernels(platform, render, _gaussians(), _cameras()) == 1
  batch = jax.jit(jax.vmap(render, (None, 0)))
  assert _kernels(platform, batch, _gaussians(), _cameras(5)) == 1


@pytest.mark.parametrize(
  'count', [pytest.param(None, marks=pytest.mark.slow), 25]
)
def test_a_fit_is_two_kernels_however_many_steps_one_call_does(platform, count):
  arguments = *_fit(_config(platform)), False, count
  assert _kernels(platform, optimise.step, *arguments) == 2


@pytest.mark.slow
def test_so_is_a_step_of_many_scenes(platform):
  state, i, pool, key, config = _fit(_config(platform))
  state, pool = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype), (state, pool)
  )
  many = state, i, pool, jax.random.split(key, 2), config, None, 25
  assert _kernels(platform, optimise.step_scenes, *many) == 2


@pytest.mark.slow
def test_an_update_of_ppo_renders_by_kernels(platform, road):
  scene = road.scene(road.straight(0, -1.75, 10, steps=31)).replace(
    gaussians=_gaussians()
  )
  config = sim.Config(
    horizon=4,
    frames=1,
    image_height=HEIGHT,
    image_width=WIDTH,
    truth_cell=4,
  )
  env = sim.Env.create(
    [scene],
    road.scenario(scene),
    splat.Renderer.create([scene], HEIGHT, WIDTH, _config(platform).render),
    config,
  )
  learner = learn.PpoConfig(
    num_envs=2, num_minibatches=2, imitation_batch_size=2
  )
  states = jax.eval_shape(
    jax.vmap(env.start, (None, 0)), jax.random.key(0), np.zeros(3, np.int32)
  )
  policy = jax.eval_shape(
    lambda x: policies.create(
      jax.random.key(0),
      policies.Config(
        patch=4, hidden=8, num_blocks=1, width=16, num_layers=1, num_heads=2
      ),
      x,
    ),
    states.observation,
  )
  begun = jax.eval_shape(
    lambda policy: ppo.start(policy, env, learner, jax.random.key(0)), policy
  )
  demonstrations = learn.Demonstrations(
    observation=states.observation.replace(images=None),
    action=np.zeros((3, 2), np.int32),
    source=np.zeros(3, np.int32),
    weight=np.ones(3, np.float32),
    percept=jax.eval_shape(policies.perceive, policy, states.observation),
  )
  arguments = (
    begun,
    policy,
    env,
    demonstrations,
    None,
    jax.random.key(0),
    np.int32(0),
    learner,
    training.mesh.make(),
  )
  # All decisions are one loop; nothing of what is seen is differentiated.
  assert _kernels(platform, ppo._step, *arguments) == 1


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
