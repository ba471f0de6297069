# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Times the parts of the loop, beside a yardstick of the machine.

  python -m experiments.bench

prints one JSON line per case: the median over repeats, after one warm-up. The
yardstick, a matrix product and a sort, differs by machine: compare ratios.
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments.bench import timing
from rdrl import geometry
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl import world

_REPEATS = shared.flag('repeats', 10)
_SEED = shared.flag('seed')


def _time(name, call, *arguments, **facts):
  median, first = timing.median_ms(call, *arguments, repeats=_REPEATS.value)
  timing.report(name, median_ms=median, first_call_ms=first, **facts)


def _gaussians(rng, count):
  """Gaussians of about equal size in the image, at all depths."""
  depth = 3 * 20 ** rng.uniform(size=count)
  side = rng.uniform(-1, 1, (count, 2)) * depth[:, None] * (0.8, 0.5)
  size = 2.2 / np.sqrt(count) * depth[:, None]
  spread = np.exp(0.5 * rng.normal(size=(count, 3)))
  parts = types.Gaussians(
    means=np.concatenate([side, depth[:, None]], -1),
    log_scales=np.log(size * spread),
    quats=rng.normal(size=(count, 4)),
    opacity_logits=rng.normal(size=count),
    sh=0.3 * rng.normal(size=(count, 4, 3)),
    node=np.zeros(count),
  )
  return jax.tree.map(jnp.float32, parts).replace(
    node=jnp.zeros(count, jnp.int32)
  )


def _rasterizer(rng):
  for height, width, count in ((48, 80, 5_000), (96, 160, 10_000)):
    gaussians = _gaussians(rng, count)
    focal = width / 2 / np.tan(np.radians(35))
    camera = types.Camera(
      camera_from_world=jnp.eye(4),
      intrinsics=jnp.array(
        [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
      ),
      height=height,
      width=width,
    )

    def loss(gaussians, camera=camera):
      return jnp.mean(splat.render(gaussians, camera, jnp.zeros(3)).color ** 2)

    facts = {'gaussians': count, 'image': f'{width}x{height}'}
    _time('splat.render', jax.jit(loss), gaussians, **facts)
    gradient = jax.jit(jax.grad(loss, allow_int=True))
    _time('splat.render and gradient', gradient, gaussians, **facts)


def _world(seed):
  config = world.Config(height=48, width=80)
  street = world.build(seed, config)
  tracks = world.drive(street)
  camera_from_ego, intrinsics = world.camera_rig(config)
  renderer = world.Renderer.create(
    [street], street.sizes[None], street.classes[None]
  )

  @jax.jit
  def see(renderer, agents):
    cameras = geometry.mount_cameras(
      camera_from_ego, intrinsics, trees.take(agents, 0), 48, 80
    )
    return renderer(0, cameras, agents)

  agents = trees.take(tracks, 10)
  _time('world.Renderer, 3 cameras', see, renderer, agents, image='80x48')


def main():
  training.mesh.start()
  rng = np.random.default_rng(_SEED.value)
  timing.yardstick(_REPEATS.value)
  _rasterizer(rng)
  _world(_SEED.value)


if __name__ == '__main__':
  training.cli.run(main)
