# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Compositing as Pallas kernels, in three forms.

| form | platform | lowered by | needs |
|---|---|---|---|
| `triton` | GPU | Pallas' Triton | compute capability 8.0 |
| `mosaic` | TPU | Pallas' Mosaic | 1 MiB of scalar memory, from v4 on |
| `mosaic_gpu` | GPU | Pallas' Mosaic GPU | compute capability 9.0 |

`automatic` names the default form of a device: `triton` on GPUs, `mosaic` on
TPUs; none, hence XLA, on CPUs, on older GPUs, on AMD's and where the installed
JAX cannot lower the form. JAX 0.11 warns that Pallas' Triton is deprecated
whenever it lowers that form; once JAX has removed it, GPUs have XLA, or
`mosaic_gpu` by name. `mosaic_gpu` is no default because it has not run on
hardware: it compiles for compute capability 9.0 and equals the reference in the
interpreter, under JAX 0.10 and 0.11. `mosaic` has not run on hardware either,
but a TPU has no other kernel.

Away from its platform a form runs in Pallas' interpreter, for tests. A form's
module, and Pallas with it, is imported on first use, so that importing this
package gives no warning.
"""

import functools
import importlib
import importlib.util
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rdrl.splat.raster import blocks


class Form(NamedTuple):
  """Requirements of a form.

  Attributes:
    platform: as `jax.default_backend` names it.
    pallas: the module of JAX that lowers it.
    module: our module, with `arrange`, `blend` and `pull`.
    capability: least compute capability of an NVIDIA GPU; None on others.
    automatic: whether it may be a default.
  """

  platform: str
  pallas: str
  module: str
  capability: tuple[int, int] | None = None
  automatic: bool = True


_PALLAS = 'jax.experimental.pallas'
FORMS = {
  'triton': Form('gpu', f'{_PALLAS}.triton', f'{__name__}.triton', (8, 0)),
  'mosaic': Form('tpu', f'{_PALLAS}.tpu', f'{__name__}.mosaic_tpu'),
  'mosaic_gpu': Form(
    'gpu',
    f'{_PALLAS}.mosaic_gpu',
    f'{__name__}.mosaic_gpu',
    (9, 0),
    automatic=False,
  ),
}


def runs_on(name, device):
  """Whether a form runs on a device, with the JAX that is installed.

  Args:
    name: one of `FORMS`.
    device: a `jax.Device`.
  """
  form = FORMS[name]
  if device.platform != form.platform:
    return False
  if importlib.util.find_spec(form.pallas) is None:
    return False
  if form.capability is None:
    return True
  # '9.0' on NVIDIA's GPUs; 'gfx942' on AMD's, where no form has run.
  major, _, minor = str(getattr(device, 'compute_capability', '')).partition(
    '.'
  )
  return major.isdigit() and (int(major), int(minor)) >= form.capability


def automatic(device):
  """Name of a device's default form, or None for XLA."""
  for name, form in FORMS.items():
    if form.automatic and runs_on(name, device):
      return name
  return None


@functools.cache
def forward(backend, interpret=None):
  """Like `queue.forward`, by one of `FORMS`.

  Args:
    backend: name of the form.
    interpret: whether to use Pallas' interpreter, or its parameters; None uses
      it away from the form's platform.
  """
  form, interpret = _form(backend, interpret)

  def run(table, gaussian, valid, middle, first, count):
    lists = form.arrange(gaussian, valid, middle, first, count)
    image = form.blend(lists, *_entries(table, lists), interpret)
    # The kernel does not write empty tiles.
    return jnp.where((count > 0)[:, None, None], image[: len(count)], 0)

  return blocks.join_batches(run)


@functools.cache
def backward(backend, interpret=None):
  """Like `queue.backward`, by one of `FORMS`."""
  form, interpret = _form(backend, interpret)

  def run(table, gaussian, valid, middle, first, count, image, cotangent):
    lists = form.arrange(gaussian, valid, middle, first, count)
    entries, pull = jax.vjp(lambda table: _entries(table, lists), table)
    total = jnp.sum(image * cotangent, 1)
    gradients = form.pull(lists, *entries, total, cotangent, interpret)
    # Nor does it write unused capacity.
    gradients = [jnp.where(lists.valid[..., None], x, 0) for x in gradients]
    (table,) = pull(tuple(gradients))
    return table

  return blocks.join_batches(run)


def _form(backend, interpret):
  """A form's module, and how to interpret it."""
  form = FORMS[backend]
  if interpret is None:
    interpret = jax.default_backend() != form.platform
  return importlib.import_module(form.module), interpret


def _entries(table, lists):
  return blocks.unpack(table[lists.gaussian], lists.valid, lists.middle)
