# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times the rasterizer on a street, beside other rasterizers.

  python -m experiments.bench.rasterizer
  taskset -c 0 python -m experiments.bench.rasterizer  # one core

prints one JSON line per case. Suites: `views`, one image of a street, forward
and with all gradients; `rollout`, the small images of many environments;
`parts`, where the time of an image goes at 320x192; `scaling`, time and memory
over Gaussians and over pixels, also as plots in `--workdir`. With `torch`,
`gsplat` and `nerfacc`, `views` also times gsplat: its CUDA rasterizer where
there is a GPU, else its reference in torch. Other peers stand here as measured
elsewhere, scaled by the yardstick.

The scene is that of `experiments.bench.street`.
"""

import functools
import itertools
import os
import pathlib

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments.bench import peers
from experiments.bench import timing
from experiments.bench.street import fleet
from experiments.bench.street import pinhole
from experiments.bench.street import street
from rdrl import report
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl.splat.raster import backends
from rdrl.splat.raster import blocks
from rdrl.splat.raster import project
from rdrl.splat.raster import tiles

SUITES = ('views', 'parts', 'rollout', 'scaling')

_SUITES = shared.flag('suites', ['views', 'rollout'])
_REPEATS = shared.flag('repeats', 10)
_SEED = shared.flag('seed')
# For the plots of `scaling`; without it there are none.
_WORKDIR = shared.flag('workdir')
_GAUSSIANS = flags.DEFINE_list(
  'gaussians',
  ['10000', '50000', '200000'],
  'Sizes of the scenes of `views` and `parts`.',
)
_SH_DEGREES = flags.DEFINE_list(
  'sh_degrees', ['0', '3'], 'Degrees of the harmonics of `views`.'
)
_DEVICES = flags.DEFINE_integer(
  'devices', 2, 'Devices at most that share the work; divides 64.'
)
_BACKEND = flags.DEFINE_string(
  'backend', 'auto', f'{", ".join(backends.NAMES)}.'
)

_SIZES = ((192, 320), (384, 640))
# Milliseconds of others forward, and with gradients, degree 3, measured where a
# product reached 265 GFLOP/s and the sort took 57 ms.
_YARDSTICK = 265, 57
_PEERS = {
  # C++ for CPUs, compiled with -march=native, one thread (it has no more).
  'opensplat': {
    (10_000, 320): (78, 148),
    (50_000, 320): (120, 235),
    (50_000, 640): (348, 583),
    (200_000, 320): (288, 544),
    (200_000, 640): (525, 955),
  },
  # gsplat 1.5's torch reference, one thread.
  'gsplat_torch': {
    (10_000, 320): (717, 1137),
    (50_000, 320): (966, 1374),
    (50_000, 640): (3161, 6592),
    (200_000, 320): (1995, 2748),
    (200_000, 640): (4683, 8208),
  },
  # The better of maurock/splax and jax-gs, two threads.
  'pure_jax': {
    (10_000, 320): (761, 3205),
    (50_000, 320): (1249, 3422),
    (50_000, 640): (4094, 17770),
  },
}


def _config(gaussians, camera):
  cameras = jax.tree.map(lambda x: x[None], camera)
  config = splat.RenderConfig(backend=_BACKEND.value)
  return splat.with_capacity(config, gaussians, cameras)


@functools.cache
def _mesh():
  """A mesh of at most `--devices` devices."""
  return training.mesh.make(jax.devices()[: _DEVICES.value])


def _render(gaussians, camera, config):
  rendered = splat.render(
    gaussians,
    camera,
    jnp.zeros(3),
    mesh=_mesh() if _mesh().size > 1 else None,
    config=config,
  )
  return rendered.color, rendered.depth, rendered.alpha, rendered.overflow


def _gradients(gaussians, camera, cotangent, config):
  def loss(parameters):
    color, *_ = _render(gaussians.replace(**parameters), camera, config)
    return jnp.sum(color * cotangent)

  return jax.grad(loss)({k: getattr(gaussians, k) for k in peers.PARAMETERS})


def time_view(count, height, width, sh_degree):
  """Times one image of the street and prints its line.

  Returns:
    Milliseconds forward and with gradients, and MiB of the latter.
  """
  gaussians = street(count, sh_degree, _SEED.value)
  camera = pinhole(height, width)
  config = _config(gaussians, camera)
  cotangent = jax.random.normal(jax.random.key(1), (height, width, 3))
  forward = jax.jit(lambda *x: _render(*x, config))
  both = jax.jit(lambda *x: _gradients(*x, config))
  forward_ms, first = timing.median_ms(
    forward, gaussians, camera, repeats=_REPEATS.value
  )
  both_ms, both_first = timing.median_ms(
    both, gaussians, camera, cotangent, repeats=_REPEATS.value
  )
  moved = gaussians.replace(means=gaussians.means + 0.01)
  forward(moved, camera), both(moved, camera, cotangent)
  memory = [
    _peak_mib(f, *x)
    for f, x in (
      (forward, (gaussians, camera)),
      (both, (gaussians, camera, cotangent)),
    )
  ]
  entries, useful = map(int, _work(gaussians, camera, config))
  timing.report(
    'view',
    gaussians=count,
    image=f'{width}x{height}',
    sh_degree=sh_degree,
    devices=_mesh().size,
    forward_ms=forward_ms,
    forward_backward_ms=both_ms,
    forward_peak_mib_per_device=memory[0],
    forward_backward_peak_mib_per_device=memory[1],
    intersections=entries,
    overflow=int(forward(gaussians, camera)[3]),
    pairs=entries * blocks.PIXELS,
    useful_share=useful / max(entries * blocks.PIXELS, 1),
    pairs_per_s=1e3 * entries * blocks.PIXELS / forward_ms,
    recompilations=forward._cache_size() + both._cache_size() - 2,
    compile_s=1e-3 * (first + both_first - forward_ms - both_ms),
    **_against_peers(count, width, sh_degree, forward_ms, both_ms),
  )
  return forward_ms, both_ms, memory[1]


def _peak_mib(call, *arguments):
  """MiB of arguments, results and temporaries of a compiled call."""
  memory = call.lower(*arguments).compile().memory_analysis()
  parts = 'argument', 'output', 'temp'
  return sum(getattr(memory, f'{x}_size_in_bytes') for x in parts) / 2**20


@jax.jit(static_argnames='config')
def _work(gaussians, camera, config):
  """(tile, Gaussian) pairs, and (pixel, Gaussian) pairs above 1/255."""
  gaussian, _, alpha = peers.entry_alphas(gaussians, camera, config)
  return jnp.sum(gaussian >= 0), jnp.sum(alpha > 0)


def _against_peers(count, width, sh_degree, forward_ms, both_ms):
  """Times of peers over ours, scaled by the yardstick that is worse for us."""
  gflop_per_s, sort_ms = timing.yardstick(_REPEATS.value)
  scale = min(_YARDSTICK[0] / gflop_per_s, sort_ms / _YARDSTICK[1])
  ratios = {}
  for peer, table in _PEERS.items():
    if sh_degree == 3 and (count, width) in table:
      forward, both = table[count, width]
      ratios[f'{peer}_over_forward'] = scale * forward / forward_ms
      ratios[f'{peer}_over_forward_backward'] = scale * both / both_ms
  return ratios


def _peak():
  """Pairs per second of opacities and their sum alone, on the same devices."""
  entries = 2**15 * _mesh().size
  coefficients = jax.random.normal(jax.random.key(0), (entries, 6)) - 3
  coefficients = training.mesh.shard(coefficients, _mesh())

  @jax.jit
  def opacities(coefficients):
    exponent = jnp.matmul(
      coefficients, blocks.monomials(), precision=jax.lax.Precision.HIGHEST
    )
    return jnp.sum(blocks.opacity(exponent), -1)

  median_ms, _ = timing.median_ms(
    opacities, coefficients, repeats=10 * _REPEATS.value
  )
  pairs_per_s = 1e3 * entries * blocks.PIXELS / median_ms
  timing.report('opacities alone', pairs_per_s=pairs_per_s)


def _views():
  _peak()
  ratios = {}
  for count, (height, width), degree in itertools.product(
    map(int, _GAUSSIANS.value), _SIZES, map(int, _SH_DEGREES.value)
  ):
    times = time_view(count, height, width, degree)
    for name, ratio in _against_peers(count, width, degree, *times[:2]).items():
      ratios.setdefault(name, []).append(ratio)
    if peers.has_gsplat():
      _gsplat(count, height, width, degree, *times[:2])
  for name, values in ratios.items():
    timing.report(
      name,
      geometric_mean=float(np.exp(np.mean(np.log(values)))),
      least=min(values),
    )


def _parts():
  """Times the steps of an image, each alone, on the devices that share it."""
  camera = pinhole(*_SIZES[0])
  for count in map(int, _GAUSSIANS.value):
    gaussians = street(count, 3, _SEED.value)
    times = {
      name: timing.median_ms(jax.jit(call), *arguments, repeats=_REPEATS.value)[
        0
      ]
      for name, (call, *arguments) in _steps(gaussians, camera).items()
    }
    image = times['image']
    times['blending: the rest'] = image - times['projection'] - times['binning']
    times['gradients: what they add'] = (
      times.pop('image with gradients') - image
    )
    for name, ms in times.items():
      timing.report(
        name,
        gaussians=count,
        image=f'{camera.width}x{camera.height}',
        devices=_mesh().size,
        ms=ms,
        share_of_image=ms / image,
      )


def _steps(gaussians, camera):
  """Name to a function and its arguments."""
  mesh, config = _mesh(), _config(gaussians, camera)
  size = camera.height, camera.width
  room = tiles.capacity(len(gaussians.node), *size, config, mesh.size)
  shared = jax.sharding.PartitionSpec(training.mesh.AXIS)

  def share(function, given):
    return jax.shard_map(
      function, mesh=mesh, in_specs=given, out_specs=shared, check_vma=False
    )

  def bin_part(splats):
    row = jax.lax.axis_index(training.mesh.AXIS)
    lists = tiles.bin_splats(splats, *size, room, config, row, mesh.size)
    return jax.tree.map(lambda x: x[None], lists)

  def project_all(gaussians):
    return project.project(gaussians, camera, config)

  def sort(key):
    return tiles.sort_packed((key, 32), (key, 32))[0]

  key = jax.random.bits(jax.random.key(0), (mesh.size * room,), jnp.uint32)
  cotangent = jax.random.normal(jax.random.key(1), (*size, 3))
  return {
    'projection': (project_all, training.mesh.shard(gaussians, mesh)),
    'binning': (
      share(bin_part, jax.sharding.PartitionSpec()),
      jax.jit(project_all)(gaussians),
    ),
    'of binning: a sort of as many': (
      share(sort, shared),
      training.mesh.shard(key, mesh),
    ),
    'image': (functools.partial(_render, config=config), gaussians, camera),
    'image with gradients': (
      functools.partial(_gradients, config=config),
      gaussians,
      camera,
      cotangent,
    ),
  }


def _gsplat(count, height, width, degree, forward_ms, both_ms):
  """gsplat on the same scene, in this run."""
  name, forward_peer, both_peer = peers.time_gsplat(
    street(count, degree, _SEED.value),
    pinhole(height, width),
    # Its reference takes seconds.
    repeats=min(_REPEATS.value, 5),
  )
  timing.report(
    name,
    gaussians=count,
    image=f'{width}x{height}',
    sh_degree=degree,
    forward_ms=forward_peer,
    forward_backward_ms=both_peer,
    over_forward=forward_peer / forward_ms,
    over_forward_backward=both_peer / both_ms,
  )


def _rollout():
  """64 environments in 8 scenes, 3 cameras each, against one at a time."""
  num_envs, num_scenes, height, width = 64, 8, 48, 80
  cameras = fleet(num_envs, height, width)
  index = jnp.arange(num_envs) % num_scenes
  for count in (5_000, 20_000):
    scenes = [street(count, 1, _SEED.value + i) for i in range(num_scenes)]
    config = splat.with_capacity(
      splat.RenderConfig(backend=_BACKEND.value),
      scenes[0],
      trees.take(cameras, 0),
      margin=1.4,
    )
    gaussians = jax.tree.map(lambda *x: jnp.stack(x), *scenes)

    def see(gaussians, index, cameras, config=config):
      """Two environments at a time, whose arrays stay in cache."""

      def look(x):
        scene = trees.take(gaussians, x[0])
        return jax.vmap(lambda camera: _alone(scene, camera, config))(x[1])

      return jax.lax.map(look, (index, cameras), batch_size=2)

    shared = jax.sharding.PartitionSpec(training.mesh.AXIS)
    batch = jax.jit(
      jax.shard_map(
        see,
        mesh=_mesh(),
        in_specs=(jax.sharding.PartitionSpec(), shared, shared),
        out_specs=shared,
        check_vma=False,
      )
    )
    batch_ms, _ = timing.median_ms(
      batch, gaussians, index, cameras, repeats=_REPEATS.value
    )
    alone = jax.jit(functools.partial(_alone, config=config))
    one = trees.take(cameras, (3, 1))
    alone_ms, _ = timing.median_ms(
      alone, scenes[3], one, repeats=10 * _REPEATS.value
    )
    timing.report(
      'rollout',
      gaussians=count,
      image=f'{width}x{height}',
      environments=num_envs,
      cameras=3,
      scenes=num_scenes,
      devices=_mesh().size,
      images_per_s=3e3 * num_envs / batch_ms,
      one_camera_at_a_time_images_per_s=1e3 / alone_ms,
      peak_mib=_peak_mib(batch, gaussians, index, cameras),
      overflow=int(jnp.sum(batch(gaussians, index, cameras)[1])),
    )


def _alone(gaussians, camera, config):
  """Colour and overflow of one image on one device."""
  rendered = splat.render(gaussians, camera, jnp.zeros(3), config=config)
  return rendered.color, rendered.overflow


def _scaling():
  """Time and memory over Gaussians and over pixels, in lines and plots."""
  counts = [round(10 ** (3 + i / 2)) for i in range(7)]
  sizes = [(48, 80), (96, 160), (192, 320), (384, 640), (900, 1600)]
  for axis, x, cases in (
    ('Gaussians', counts, [(n, 192, 320) for n in counts]),
    ('pixels', [h * w for h, w in sizes], [(50_000, *size) for size in sizes]),
  ):
    rows = np.array([time_view(*case, 3) for case in cases]).T
    if _WORKDIR.value:
      out = pathlib.Path(_WORKDIR.value)
      out.mkdir(parents=True, exist_ok=True)
      labels = 'forward, ms', 'with gradients, ms', 'with gradients, MiB'
      report.plots.curves(
        out / f'rasterizer_{axis.lower()}.svg',
        {k: (x, row) for k, row in zip(labels, rows, strict=True)},
        axis,
        '',
        is_logarithmic=True,
      )
  time_view(1_000_000, 900, 1600, 3)


def main():
  # Two devices use two cores better than two threads of one do.
  cores = len(os.sched_getaffinity(0))
  jax.config.update('jax_num_cpu_devices', min(cores, _DEVICES.value))
  # No cache of compiled programs: compiling is timed, too.
  timing.yardstick(_REPEATS.value)
  for name in _SUITES.value:
    if name not in SUITES:
      raise training.config.ConfigError(
        f'--suites={name}: expected some of {", ".join(SUITES)}'
      )
    {
      'views': _views,
      'parts': _parts,
      'rollout': _rollout,
      'scaling': _scaling,
    }[name]()


if __name__ == '__main__':
  training.cli.run(main)
