# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The training loop: steps, metric lines, progress, checkpoints, resume."""

import json
import pathlib

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from rdrl.training import checkpoints


def run(
  step,
  state,
  num_steps,
  *,
  name,
  directory=None,
  log_every=50,
  save_every=200,
  stride=1,
):
  """Applies `step` until `num_steps` have been done, ever.

  A run that was killed goes on from its newest checkpoint and, since `step`
  draws its randomness from the index alone, ends where it would have ended.

  Args:
    step: `(state, i) -> (state, metrics)`, jitted; `i` is a Python int and
      `metrics` a flat dictionary of scalars, means over the steps that the call
      did. May donate the state.
    state: PyTree of arrays to start from.
    num_steps: total number of steps.
    name: what the progress bar says.
    directory: where `metrics.jsonl` and `checkpoints/` go; None writes nothing.
    log_every: steps between two metric lines, each the mean since the last.
    save_every: steps between two checkpoints; the last step is always saved.
    stride: steps that one call of `step` does, from the i-th on, or as many as
      are left; divides `log_every` and `save_every`.

  Returns:
    The state after `num_steps` steps.

  Raises:
    ValueError: if `num_steps` is negative, or if `stride` does not divide
      `log_every`, or that `save_every`: a resumed run would write other lines.
    FloatingPointError: if `loss` or `gradient_norm` was not finite since the
      last line; the checkpoints that were there stay.
  """
  if num_steps < 0:
    raise ValueError(f'{name}: number of steps is {num_steps}')
  if log_every % stride or save_every % log_every:
    raise ValueError(
      f'{name}: stride {stride}, log_every {log_every} and save_every'
      f' {save_every} do not divide each other'
    )
  start = 0
  writes = directory is not None and jax.process_index() == 0
  if directory is not None:
    directory = pathlib.Path(directory)
    start, state = checkpoints.resume(
      directory / 'checkpoints', state, num_steps
    )
  if writes:
    directory.mkdir(parents=True, exist_ok=True)
    _drop_lines_from(directory / 'metrics.jsonl', start)

  with tqdm.tqdm(
    total=num_steps, initial=start, desc=name, mininterval=1
  ) as bar:
    total, logged = None, start
    for i in range(start, num_steps, stride):
      state, metrics = step(state, i)
      done = min(i + stride, num_steps)
      total = _add(total, metrics, done - i)
      bar.update(done - i)
      if done % log_every == 0 or done == num_steps:
        metrics = {
          k: float(v) / (done - logged)
          for k, v in jax.device_get(total).items()
        }
        total, logged = None, done
        for key in ('loss', 'gradient_norm'):
          if not np.isfinite(metrics.get(key, 0.0)):
            raise FloatingPointError(
              f'{name}: {key} is {metrics[key]} at step {done}'
            )
        bar.set_postfix({k: f'{v:.4g}' for k, v in list(metrics.items())[:5]})
        if writes:
          with (directory / 'metrics.jsonl').open('a') as file:
            file.write(json.dumps({'step': done} | metrics) + '\n')
      if directory is not None and (
        done % save_every == 0 or done == num_steps
      ):
        checkpoints.save(directory / 'checkpoints', done, state)
  return state


def read_metrics(directory):
  """The metric lines of a run as a list of dictionaries, oldest first.

  Raises:
    ValueError: naming file and line, if one is damaged.
  """
  path = pathlib.Path(directory) / 'metrics.jsonl'
  if not path.exists():
    return []
  lines = path.read_text(errors='replace').splitlines()
  for number, line in enumerate(lines, 1):
    if _step_of(line) is None:
      raise ValueError(f'{path}: line {number} is damaged: {line[:40]!r}')
  return [json.loads(line) for line in lines]


def _step_of(line):
  """The step of a metric line, or None if it is none."""
  try:
    step = json.loads(line)['step']
  except (ValueError, TypeError, KeyError, RecursionError):
    return None
  return step if isinstance(step, int) else None


@jax.jit
def _add(total, metrics, count):
  """`total`, None at first, and `count` times the metrics."""
  metrics = jax.tree.map(lambda x: count * x, metrics)
  return metrics if total is None else jax.tree.map(jnp.add, total, metrics)


def _drop_lines_from(path, start):
  """Removes lines after step `start`, which the resumed run writes again."""
  if not path.exists():
    return
  # A kill can cut the last line short, and disks forget.
  lines = path.read_text(errors='replace').splitlines()
  steps = [_step_of(line) for line in lines]
  for number, step in enumerate(steps[:-1], 1):
    if step is None:
      logging.warning('%s: line %d is damaged and left out', path, number)
  kept = [
    f'{line}\n'
    for line, step in zip(lines, steps, strict=True)
    if step is not None and step <= start
  ]
  temporary = path.with_suffix('.tmp')
  temporary.write_text(''.join(kept))
  temporary.replace(path)
