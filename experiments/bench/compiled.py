# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Counts the kernels of frames that are compiled for a GPU, without a GPU.

  pip install --no-deps jax-cuda12-plugin==0.10.2 jax-cuda12-pjrt==0.10.2
  JAX_PLATFORMS=cpu python -m experiments.bench.compiled --backends=lockstep

XLA can compile for a described GPU, here an H100; the optimised program says
which kernels it will launch. The versions are those of the installed JAX;
nothing else needs the plugin. Prints one JSON line per case: the kernels that
are launched once, those of each loop whose number of turns depends on values,
and the memory that they read and write, where a gather counts its whole array.
Loops over pieces and over binary digits are those of
`rdrl.splat.raster.lockstep`.
"""

import functools
import re
from unittest import mock

from absl import flags
import jax
from jax.experimental import topologies
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments.bench import timing
from experiments.bench.street import pinhole
from experiments.bench.street import street
from rdrl import splat
from rdrl import training

_BACKENDS = shared.flag('backends', ['lockstep', 'triton'])
_GAUSSIANS = shared.flag('num_gaussians', 50_000)
_HEIGHT = flags.DEFINE_integer('height', 192, 'Pixels.')
_WIDTH = flags.DEFINE_integer('width', 320, 'Pixels.')

# As reported by the driver of an H100 (SXM, 80 GB).
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024  threads_per_warp: 32
  shared_memory_per_block: 49152  shared_memory_per_core: 233472
  shared_memory_per_block_optin: 232448
  threads_per_core_limit: 2048  core_count: 132  fpus_per_core: 128
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000  l2_cache_size: 52428800
  clock_rate_ghz: 1.98  device_memory_size: 84929347584
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 7 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""

# Operations that launch no kernel.
_FREE = {
  'after-all',
  'bitcast',
  'constant',
  'get-tuple-element',
  'opt-barrier',
  'parameter',
  'tuple',
}
_BYTES = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 's64': 8, 'f64': 8}


@functools.cache
def _device():
  (device,) = topologies.get_topology_desc(
    platform='cuda', target_config=_H100, topology='1x1x1'
  ).devices
  return device


def compiled(function, *arguments):
  """The optimised HLO of a function for an H100, as text.

  Args:
    function: to be compiled.
    *arguments: of it; shapes suffice.
  """
  sharding = jax.sharding.SingleDeviceSharding(_device())
  shapes = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
    arguments,
  )
  # Away from their platform, kernels are interpreted.
  with mock.patch.object(jax, 'default_backend', lambda: 'gpu'):
    lowered = jax.jit(function, out_shardings=sharding).lower(*shapes)
  return lowered.compile().as_text()


def launches(text):
  """Counts the kernels of optimised HLO.

  Returns:
    A list of `(kernels, bytes)`: first what is launched once, including loops
    of a known number of turns; then a turn of each other loop.
  """
  bodies, name = {}, None
  for line in text.splitlines():
    if opening := re.match(r'(ENTRY )?%?([\w.-]+) .*-> .*\{$', line):
      name = 'ENTRY' if opening[1] else opening[2]
      bodies[name] = []
    elif name and (found := re.match(r'\s+(?:ROOT )?%?([\w.-]+) = ', line)):
      shape, operation = re.match(
        r'(.*?) ([a-z][\w-]*)\(', line[found.end() :]
      ).groups()
      bodies[name].append((found[1], shape, operation, line))
  unknown = []

  def of(name):
    kernels = size = 0
    shapes = {number: shape for number, shape, *_ in bodies[name]}
    for _, shape, operation, line in bodies[name]:
      if operation in _FREE:
        continue
      if operation == 'while':
        turn = of(re.search(r'body=%?([\w.-]+)', line)[1])
        known = re.search(r'known_trip_count[^}]*"n":"(\d+)"', line)
        if not known:
          unknown.append(turn)
          continue
        kernels += int(known[1]) * turn[0]
        size += int(known[1]) * turn[1]
        continue
      operands = line.partition(f' {operation}(')[2].partition(')')[0]
      read = (shapes.get(x, '') for x in re.findall(r'%([\w.-]+)', operands))
      kernels += 1
      size += _size(shape) + sum(map(_size, read))
    return kernels, size

  return [of('ENTRY'), *unknown]


def _size(shape):
  """Bytes of a shape or of a tuple of them, as HLO writes them."""
  return sum(
    _BYTES.get(dtype, 4) * int(np.prod([int(x) for x in axes.split(',') if x]))
    for dtype, axes in re.findall(r'([a-z]+\d*)\[([\d,]*)\]', shape)
  )


def main():
  gaussians = street(_GAUSSIANS.value, 3, 0)
  camera = pinhole(_HEIGHT.value, _WIDTH.value)
  cameras = jax.tree.map(lambda x: x[None], camera)
  for backend in _BACKENDS.value:
    config = splat.with_capacity(
      splat.RenderConfig(backend=backend), gaussians, cameras
    )

    def image(gaussians, config=config):
      rendered = splat.render(gaussians, camera, jnp.zeros(3), config=config)
      return rendered.color

    def gradients(gaussians, cotangent, image=image):
      return jax.vjp(image, gaussians)[1](cotangent)

    cotangent = jnp.zeros((camera.height, camera.width, 3))
    for case, function, arguments in (
      ('forward', image, (gaussians,)),
      ('with gradients', gradients, (gaussians, cotangent)),
    ):
      once, *loops = launches(compiled(function, *arguments))
      timing.report(
        case,
        backend=backend,
        compiled_for=_device().device_kind,
        gaussians=_GAUSSIANS.value,
        image=f'{camera.width}x{camera.height}',
        kernels=once[0],
        mib=once[1] / 2**20,
        loops=[{'kernels': n, 'mib': round(b / 2**20, 1)} for n, b in loops],
      )


if __name__ == '__main__':
  training.cli.run(main)
