# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Checks that an accelerator is right and times it, in six minutes.

  python -m experiments.bench.accelerator
  python -m experiments.bench.accelerator --suites=views,rollouts
  python -m experiments.bench.accelerator --size=tiny  # anywhere

prints one JSON line per case, with the device, the version of JAX and the date.
Suites, any of which can be run alone:

  exact     image and gradients of the street by each of `--backends` against
            XLA's on the CPU
  fit       a built-in street: PSNR after so many steps, steps per second
  ppo       updates in 512 environments of `quickstart`: decisions per second
  views     one image of the street, forward and with gradients
  rollouts  small images of 64 and of 512 environments

Where torch and gsplat are installed and there is a GPU, the last two also time
gsplat's CUDA rasterizer, which compiles in the background. A suite begins no
case after `--seconds` and names those that it left out.
"""

import dataclasses
import datetime
import functools
import os
import subprocess
import sys
import time

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments import presets
from experiments.bench import fits
from experiments.bench import peers
from experiments.bench import timing
from experiments.bench.street import fleet
from experiments.bench.street import pinhole
from experiments.bench.street import street
from rdrl import learn
from rdrl import policy as policies
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.learn import ppo


@dataclasses.dataclass(frozen=True)
class Size:
  """Amount of work of each suite.

  Attributes:
    exact: Gaussians, height and width of the image that is compared.
    views: the same of those that are timed.
    rollouts: Gaussians of a scene.
    envs: environments of a rollout.
    scenes: that these are in.
    fit: steps of the fit, and of the size that `fits.SIZES` names.
    fit_size: see above.
    settings: of the fit's scene and of PPO, as path=value.
    ppo_envs: environments of PPO.
  """

  exact: tuple[int, int, int] = (10_000, 192, 320)
  views: tuple[tuple[int, int, int], ...] = (
    (10_000, 192, 320),
    (50_000, 192, 320),
    (50_000, 384, 640),
    (200_000, 384, 640),
    (200_000, 900, 1600),
    (1_000_000, 900, 1600),
  )
  rollouts: tuple[int, ...] = (5_000, 20_000)
  envs: tuple[int, ...] = (64, 512)
  scenes: int = 8
  fit: int = 900
  fit_size: str = 'middle'
  settings: tuple[str, ...] = ()
  ppo_envs: int = 512


SIZES = {
  'full': Size(),
  'tiny': Size(
    exact=(300, 24, 40),
    views=((300, 24, 40),),
    rollouts=(100,),
    envs=(4,),
    scenes=2,
    fit=12,
    fit_size='small',
    settings=(
      'world.height=24',
      'world.width=40',
      'world.num_steps=30',
      'world.num_lidar=128',
      'world.supersample=1',
      'splat.fit.num_gaussians=600',
      'splat.fit.gaussians_per_object=16',
      'splat.grid.size=64',
      'sim.horizon=4',
      'sim.image_height=8',
      'sim.image_width=16',
      'policy.patch=4',
      'policy.hidden=8',
      'policy.num_blocks=1',
      'policy.width=16',
      'policy.num_layers=1',
      'policy.num_heads=2',
      'imitation.stride=10',
    ),
    ppo_envs=2,
  ),
}

_SUITES = shared.flag('suites', [])
_BACKENDS = shared.flag('backends', ['xla', 'auto'])
_REPEATS = shared.flag('repeats', 20)
_SIZE = flags.DEFINE_enum('size', 'full', SIZES, 'How much work.')
_SECONDS = flags.DEFINE_float('seconds', 70, 'For each suite.')

# Updates of PPO, the first of which compiles.
_UPDATES = 4


def report(case, **facts):
  """Prints one JSON line; `timing.report` adds the device."""
  timing.report(
    case, jax=jax.__version__, date=str(datetime.date.today()), **facts
  )


def _exact(size, backends):
  """Cases of `exact`: differences from XLA on the CPU."""
  count, height, width = size.exact
  gaussians = street(count, 3, seed=0)
  camera = pinhole(height, width)
  config = _roomy(gaussians, camera)
  cotangent = jax.random.normal(jax.random.key(1), (height, width, 3))
  known = gaussians, camera, cotangent
  with jax.default_device(jax.local_devices(backend='cpu')[0]):
    # Without the devices that they have, they go where they are wanted.
    truth = jax.device_get(
      _image_and_gradients(
        *jax.device_get(known), dataclasses.replace(config, backend='xla')
      )
    )
  for backend in backends:
    yield (
      f'exact, {backend}',
      lambda backend=backend: _differences(
        truth,
        jax.device_get(
          _image_and_gradients(
            *known, dataclasses.replace(config, backend=backend)
          )
        ),
      ),
    )


def _differences(truth, found):
  """Differences of an image and gradients from the true ones."""
  apart = np.max(np.abs(found[0] - truth[0]), -1)
  facts = {
    'pixels': apart.size,
    # An opacity near 1/255 falls on the other side.
    'pixels_off_by_1e-3': int(np.sum(apart > 1e-3)),
    'mean_error': float(np.mean(apart)),
    'max_error': float(np.max(apart)),
  }
  for name, true in truth[1].items():
    error = np.linalg.norm(found[1][name] - true) / np.linalg.norm(true)
    facts[f'relative_error_of_gradient_{name}'] = float(error)
  return facts


def _roomy(gaussians, camera, margin=1.2):
  """A configuration with enough capacity for a camera."""
  cameras = camera
  if jnp.ndim(camera.intrinsics) == 2:
    cameras = jax.tree.map(lambda x: x[None], camera)
  return splat.with_capacity(
    splat.RenderConfig(), gaussians, cameras, margin=margin
  )


@functools.partial(jax.jit, static_argnames='config')
def _image(gaussians, camera, config):
  return splat.render(gaussians, camera, jnp.zeros(3), config=config).color


@functools.partial(jax.jit, static_argnames='config')
def _image_and_gradients(gaussians, camera, cotangent, config):
  """The image `[H, W, 3]`, and gradients of `peers.PARAMETERS`."""

  def loss(parameters):
    color = _image(gaussians.replace(**parameters), camera, config)
    return jnp.sum(color * cotangent), color

  gradients, color = jax.grad(loss, has_aux=True)(
    {name: getattr(gaussians, name) for name in peers.PARAMETERS}
  )
  return color, gradients


def _views(size, build, repeats):
  """Cases of `views`: ours, then, when it is compiled, gsplat's."""

  def ours(count, height, width):
    gaussians = street(count, 3, seed=0)
    camera = pinhole(height, width)
    config = _roomy(gaussians, camera)
    cotangent = jax.random.normal(jax.random.key(1), (height, width, 3))
    forward, first = timing.median_ms(
      lambda: _image(gaussians, camera, config), repeats=repeats
    )
    both, both_first = timing.median_ms(
      lambda: _image_and_gradients(gaussians, camera, cotangent, config),
      repeats=repeats,
    )
    return {
      'forward_ms': forward,
      'forward_backward_ms': both,
      'compile_s': 1e-3 * (first - forward + both_first - both),
    }

  def theirs(count, height, width):
    name, forward, both = peers.time_gsplat(
      street(count, 3, seed=0),
      pinhole(height, width),
      repeats,
    )
    return {'peer': name, 'forward_ms': forward, 'forward_backward_ms': both}

  for name, time_one in (('view', ours), ('view, gsplat', theirs)):
    if name == 'view' or build.succeeds():
      for view in size.views:
        count, height, width = view
        yield (
          f'{name}, {count} at {width}x{height}',
          functools.partial(time_one, *view),
        )


def _rollouts(size, build, repeats):
  """Cases of `rollouts`: three cameras of 80x48 in every environment."""
  height, width = 48, 80

  def ours(count, num_envs):
    scenes = [street(count, 1, seed) for seed in range(size.scenes)]
    cameras = fleet(num_envs, height, width)
    config = _roomy(scenes[0], trees.take(cameras, 0), margin=1.4)
    gaussians = trees.stack(scenes)
    index = jnp.arange(num_envs) % size.scenes

    @jax.jit
    def see(gaussians, index, cameras):
      def look(index, cameras):
        scene = trees.take(gaussians, index)
        return jax.vmap(lambda x: _image(scene, x, config))(cameras)

      return jax.vmap(look)(index, cameras)

    see_ms, _ = timing.median_ms(
      see, gaussians, index, cameras, repeats=repeats
    )
    return {'images_per_s': 3e3 * num_envs / see_ms}

  def theirs(count, num_envs):
    batch_ms = peers.time_gsplat_batches(
      [street(count, 1, seed) for seed in range(size.scenes)],
      fleet(num_envs, height, width),
      repeats,
    )
    return {'images_per_s': 3e3 * num_envs / batch_ms}

  for name, rate in (('rollout', ours), ('rollout, gsplat', theirs)):
    if name == 'rollout' or build.succeeds():
      for count in size.rollouts:
        for num_envs in size.envs:
          yield (
            f'{name}, {count} in {num_envs} environments',
            functools.partial(rate, count, num_envs),
          )


@functools.cache
def _log(config):
  return world.record(world.build(1, config), config)


def _fit(size):
  """The case of `fit`."""
  config = fits.config_of(size.fit_size, size.settings)

  def fit():
    facts = fits.time_fit(
      _log(config.world), config.splat, jax.random.key(0), size.fit - 1
    )
    return facts | {'steps_per_s': 1e3 / facts['mean_ms']}

  yield f'fit, {config.splat.fit.num_gaussians} for {size.fit} steps', fit


def _ppo(size):
  """The case of `ppo`, on a street that was hardly fitted."""

  def update():
    config = training.config.override(presets.get('quickstart'), size.settings)
    _, env = fits.hasty_environment(
      _log(config.world), config, _replay, jax.random.key(0)
    )
    data = learn.imitation_data(env, config.imitation, jax.random.key(1))
    policy = policies.create(jax.random.key(2), config.policy, data.observation)
    learner = dataclasses.replace(
      config.ppo, num_envs=size.ppo_envs, num_updates=_UPDATES
    )
    with fits.watched(ppo, '_step') as watch:
      learn.reinforce(policy, env, data, learner, jax.random.key(3))
    facts = watch.facts()
    # Episodes that end early are looked at to the end, too.
    decisions = config.sim.horizon * size.ppo_envs
    return facts | {'decisions_per_s': 1e3 * decisions / facts['median_ms']}

  yield f'ppo, {size.ppo_envs} environments', update


def _replay(scene):
  """`Scenario` `[1]` of an unedited drive."""
  nobody = np.zeros(len(scene.sizes), np.int32)
  zero = np.int32(0)
  one = types.Scenario(
    tracks=scene.tracks,
    scene=zero,
    start=zero,
    adversary=zero,
    behaviour=zero,
    controller=nobody,
    release=nobody,
  )
  return trees.stack([one])


class _Build:
  """gsplat's CUDA code, compiled by another process in the background."""

  def __init__(self, is_wanted):
    self.process = None
    if not is_wanted or not peers.has_gsplat():
      return
    import torch

    if not torch.cuda.is_available():
      return
    major, minor = torch.cuda.get_device_capability()
    # Of the build and of this run, which must agree.
    os.environ['TORCH_CUDA_ARCH_LIST'] = f'{major}.{minor}'
    self.process = subprocess.Popen(
      [sys.executable, '-c', 'from gsplat.cuda._backend import _C; assert _C'],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )

  def succeeds(self):
    """Whether gsplat is there; waits for its build."""
    return self.process is not None and self.process.wait() == 0


def bench(size, names, seconds, backends, repeats):
  """Prints the lines of some suites.

  Args:
    size: a `Size`.
    names: of the suites; none stands for all.
    seconds: after which a suite begins no case.
    backends: that `exact` compares.
    repeats: timed calls per case.

  Raises:
    ConfigError: if there is no such suite.
    RuntimeError: in the end, if a case failed.
  """
  suites = {
    'exact': lambda: _exact(size, backends),
    'fit': lambda: _fit(size),
    'ppo': lambda: _ppo(size),
    'views': lambda: _views(size, build, repeats),
    'rollouts': lambda: _rollouts(size, build, repeats),
  }
  for name in names:
    if name not in suites:
      raise training.config.ConfigError(
        f'--suites={name}: expected some of {", ".join(suites)}'
      )
  names = names or list(suites)
  build = _Build(not {'views', 'rollouts'}.isdisjoint(names))
  report(
    'device',
    platform=jax.default_backend(),
    count=jax.device_count(),
    is_accelerator=jax.default_backend() != 'cpu',
    has_gsplat=build.process is not None,
  )
  errors = []
  for name in names:
    begin = time.perf_counter()
    for case, measure in suites[name]():
      if time.perf_counter() - begin > seconds:
        report(case, left_out=f'--seconds={seconds:g} were over')
        continue
      try:
        report(case, **measure())
      except RuntimeError as error:  # As XLA's and CUDA's are.
        report(case, error=' '.join(str(error).split())[:200])
        errors.append(error)
  if errors:
    raise errors[0]


def main():
  # No cache of compiled programs: compiling is timed, too.
  bench(
    SIZES[_SIZE.value],
    _SUITES.value,
    _SECONDS.value,
    _BACKENDS.value,
    _REPEATS.value,
  )


if __name__ == '__main__':
  training.cli.run(main)
