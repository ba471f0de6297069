# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Rows of PyTrees: taken, chosen, joined, stacked, mapped in batches."""

import jax
import jax.numpy as jnp
import numpy as np


def take(tree, index):
  """`tree` with every array indexed by `index` along its leading axes."""
  return jax.tree.map(lambda x: x[index], tree)


def where(condition, x, y):
  """Chooses between trees; a condition `[A]` holds along trailing axes."""

  def choose(x, y):
    shape = condition.shape + (1,) * (jnp.ndim(x) - condition.ndim)
    return jnp.where(condition.reshape(shape), x, y)

  return jax.tree.map(choose, x, y)


def map_batches(function, tree, batch_size):
  """Applies `function` to all rows of a tree in fixed-size batches.

  Args:
    function: of a tree of `batch_size` rows, to a tree of as many; compiled
      once, since the last batch is filled up by repetition.
    tree: arrays `[n, ...]`, n at least 1.
    batch_size: rows at a time.

  Returns:
    Tree of `[n, ...]` NumPy arrays, in host memory.
  """
  count = len(jax.tree.leaves(tree)[0])
  parts = []
  for begin in range(0, count, batch_size):
    rows = np.arange(begin, begin + batch_size) % count
    parts.append(jax.device_get(function(take(tree, rows))))
  return take(concatenate(parts), slice(count))


def concatenate(trees):
  """The rows of all `trees`, one after the other, in host memory."""
  return jax.tree.map(
    lambda *x: np.concatenate([np.asarray(part) for part in x]), *trees
  )


def stack(trees):
  """One tree whose arrays stack those of `trees` along a new leading axis.

  Raises:
    ValueError: if the trees differ in structure or in the shape of a field.
  """
  structures = {jax.tree.structure(tree) for tree in trees}
  if len(structures) > 1:
    raise ValueError(f'cannot stack different structures: {structures}')

  def stack_field(path, *leaves):
    shapes = [np.shape(leaf) for leaf in leaves]
    if len(set(shapes)) > 1:
      name = jax.tree_util.keystr(path)
      raise ValueError(f'cannot stack {name} of different shapes: {shapes}')
    return np.stack([np.asarray(leaf) for leaf in leaves])

  return jax.tree_util.tree_map_with_path(stack_field, *trees)
