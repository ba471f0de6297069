# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times the whole loop of PPO and its parts, and a step of imitation.

  python -m experiments.bench.training
  python -m experiments.bench.training --envs=64,512  # on an accelerator

prints one JSON line per case, beside a yardstick of the machine: a street is
fitted hastily, then environments of it are driven and learnt from. `round` is
one call of a compiled program, in which scenarios are drawn, images rendered
and all updates done, and nothing passes between host and device; its line says
how many images, decisions and minibatches a second that makes. The next lines
say which share of it goes where: rendering (the round less the same one with
black images), drawing scenarios anew for half of the environments, perceiving,
and the updates, whose rate is that of the products that they must compute,
beside the yardstick's.
"""

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments import presets
from experiments.bench import fits
from experiments.bench import timing
from rdrl import learn
from rdrl import policy as policies
from rdrl import scenario
from rdrl import sim
from rdrl import training
from rdrl import world
from rdrl.learn import imitation
from rdrl.learn import ppo

_PRESET = shared.flag('preset', 'quickstart')
_SET = shared.flag('set')
_SEED = shared.flag('seed')
_REPEATS = shared.flag('repeats', 5)
_ENVS = shared.flag('envs', ['32'])


def environment(config, seed):
  """`sim.Env` of a street that was hardly fitted, and its `learn.Drawer`."""
  key = jax.random.key(seed)
  edits = scenario.without_held_out(config.scenario)

  def draw(scene):
    edited, _ = scenario.expand(scene, 0, edits, key)
    return edited

  log = world.record(world.build(1, config.world), config.world)
  scene, env = fits.hasty_environment(log, config, draw, key)
  drawer = learn.Drawer.create({0: scene}, edits, config.ppo.num_tries)
  return env, jax.device_put(drawer)


def products(function, *arguments):
  """Floating-point operations of what XLA compiles, without loops' repeats."""
  return jax.jit(function).lower(*arguments).compile().cost_analysis()['flops']


def time_round(env, drawer, policy, shown, config, repeats):
  """Lines of a round of PPO, `(case, facts)`.

  Args:
    env: `sim.Env`, whose observations tell the truth.
    drawer: `learn.Drawer` of its scenes.
    policy: with cameras.
    shown: `Demonstrations` that it imitates meanwhile.
    config: `PpoConfig`.
    repeats: calls that are timed.
  """
  key, mesh = jax.random.key(0), training.mesh.make()
  shown = ppo.imitable(policy, shown, config, key)
  begun = training.mesh.replicate(
    ppo.start(policy, env, config, key, drawer), mesh
  )
  fixed = training.mesh.replicate((policy, env, shown, drawer), mesh)
  number = jax.device_put(jnp.int32(config.warmup_updates))

  def rounds(fixed):
    learner = jax.tree.map(jnp.copy, begun)
    times = []
    with timing.Compilations() as compiled, jax.transfer_guard('disallow'):
      for _ in range(1 + repeats):
        begin = time.perf_counter()
        learner, _ = ppo._step(learner, *fixed, key, number, config, mesh)
        jax.block_until_ready(learner)
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:])), times[0], compiled.count

  black = sim.NoRenderer(
    env.scenes.intrinsics.shape[1],
    env.config.image_height,
    env.config.image_width,
  )
  whole, first, programs = rounds(fixed)
  blind, *_ = rounds((policy, env.replace(renderer=black), shown, drawer))
  envs, horizon = config.num_envs, env.config.horizon
  # One decision more looks at what is left, and earlier frames come before.
  looks = envs * (horizon + env.config.frames)
  cameras = env.scenes.intrinsics.shape[1]
  minibatches = config.num_epochs * config.num_minibatches
  yield (
    f'round, {envs} environments',
    {
      'median_s': whole,
      'first_s': first,
      'programs': programs,
      'images_per_s': looks * cameras / whole,
      'decisions_per_s': envs * horizon / whole,
      'minibatches_per_s': minibatches / whole,
    },
  )
  yield (
    'of which rendering',
    {
      'share': 1 - blind / whole,
      'images_per_s': looks * cameras / (whole - blind),
    },
  )

  plain, *_ = rounds((policy, env, shown, None))
  yield (
    'of which drawing scenarios',
    {'share': 1 - plain / whole, 'drawn_share': config.drawn_share},
  )

  states = jax.jit(jax.vmap(env.start, (None, 0)))(key, jnp.zeros(envs, int))
  perceive_ms, _ = timing.median_ms(
    jax.jit(policies.perceive), policy, states.observation, repeats=repeats
  )
  yield (
    'of which perceiving',
    {'share': 1e-3 * perceive_ms * (horizon + 1) / whole},
  )
  collect = jax.jit(
    lambda env, states: ppo.collect(
      policy, begun.critic, env, states, key, config, mesh
    )
  )
  collect_ms, _ = timing.median_ms(collect, env, states, repeats=repeats)
  transition, last = collect(env, states)
  batch = ppo._batch(transition, last, policy, config)
  piece = jax.tree.map(lambda x: x[: horizon // config.num_minibatches], batch)
  demonstration = imitation.draw(shown, key, config.imitation_batch_size)

  def update(nets, piece, demonstration):
    loss = jax.grad(ppo._loss, has_aux=True)
    return loss(nets, policy, piece, demonstration, number, 0.0, config)

  nets = begun.params, begun.critic
  flop = minibatches * products(update, nets, piece, demonstration)
  seconds = whole - 1e-3 * collect_ms
  yield (
    'of which updates',
    {'share': seconds / whole, 'gflop_per_s': 1e-9 * flop / seconds},
  )


def time_imitation(policy, shown, config, repeats):
  """The line of a step of imitation that trains the encoder, too."""
  state = imitation._start(policy.params, config)
  key, count = jax.random.key(0), 10

  def steps(i):
    nonlocal state
    state, _ = imitation._steps(
      state, i, count, shown, key, config, policy.config, None
    )
    return state

  median, _ = timing.median_ms(lambda: steps(jnp.int32(0)), repeats=repeats)

  def gradient(params):
    state = imitation._start(params, config)
    return imitation._step(state, shown, key, 0, config, policy.config, None)

  flop = products(gradient, policy.params)
  yield (
    f'step of imitation, {config.batch_size} observations',
    {'median_ms': median / count, 'gflop_per_s': 1e-6 * flop * count / median},
  )


def main():
  """Reports all cases."""
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  timing.yardstick()
  env, drawer = environment(config, _SEED.value)
  key = jax.random.key(_SEED.value)
  shown = learn.imitation_data(env, config.imitation, key)
  shown = jax.device_put(learn.join([shown], config.imitation))
  policy = policies.create(key, config.policy, shown.observation)
  for num_envs in shared.numbers(_ENVS, int):
    settings = dataclasses.replace(
      config.ppo, num_envs=num_envs, drawn_share=0.5
    )
    lines = time_round(env, drawer, policy, shown, settings, _REPEATS.value)
    for case, facts in lines:
      timing.report(case, **facts)
  for case, facts in time_imitation(
    policy, shown, config.imitation, _REPEATS.value
  ):
    timing.report(case, **facts)


if __name__ == '__main__':
  training.cli.run(main)
