# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Image encoders in files, and the one that ships.

A file is an uncompressed `.npz` archive of the parameters of encoder and
perception, by their paths. `experiments.train_encoder` writes it.
"""

import pathlib

from flax import traverse_util
import jax
import numpy as np

from rdrl.policy.policy import Policy

SHIPPED = pathlib.Path(__file__).with_name('encoder.npz')

# Parts of the network that belong to what is seen.
_PARTS = ('encoder', 'perception')


def save(path, policy: Policy):
  """Writes the encoder of a policy with cameras, in half precision."""
  flat = traverse_util.flatten_dict(
    {part: policy.params['params'][part] for part in _PARTS}, sep='/'
  )
  flat = {k: np.asarray(v, np.float16) for k, v in flat.items()}
  pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
  np.savez(path, **flat)


def load(path, policy: Policy) -> Policy:
  """The policy with the encoder of a file.

  Args:
    path: of the archive, from `save`.
    policy: with cameras, of the size of that encoder.

  Raises:
    ValueError: if the file is no such archive, or of another size.
    OSError: if it cannot be read.
  """
  own = {part: policy.params['params'][part] for part in _PARTS}
  own = traverse_util.flatten_dict(own, sep='/')
  try:
    with np.load(path, allow_pickle=False) as archive:
      found = {name: archive[name] for name in archive.files}
  except (ValueError, KeyError, EOFError) as error:
    raise ValueError(f'{path}: no archive of an encoder: {error}') from error
  shapes, known = (
    {name: np.shape(x) for name, x in part.items()} for part in (found, own)
  )
  if shapes != known:
    wrong = sorted(set(shapes.items()) ^ set(known.items()))[0]
    raise ValueError(
      f'{path}: an encoder of another size than policy has: {wrong[0]}'
      f' {wrong[1]}'
    )
  flat = {name: np.asarray(x, np.float32) for name, x in found.items()}
  parts = traverse_util.unflatten_dict(flat, sep='/')
  params = with_encoder_of(policy.params, {'params': parts})
  return policy.replace(params=params)


def with_encoder_of(params, other):
  """Parameters of a policy whose encoder and perception are those of others."""
  parts = {part: other['params'][part] for part in _PARTS}
  whole = dict(params) | {'params': dict(params['params']) | parts}
  return jax.tree.map(np.asarray, whole)
