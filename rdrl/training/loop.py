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
from rdrl.training import folders

# Steps of a call on an accelerator, which does a small step sooner than Python
# asks for the next one.
_ACCELERATED = 25


def steps_per_call(on_cpu=1):
  """Greatest number of steps per call, on the device that JAX has here.

  Args:
    on_cpu: how many on a CPU, where asking takes no time beside most steps, XLA
      makes convolutions in loops eight times slower, and a call cannot be
      interrupted. An accelerator does 25 at least.
  """
  if jax.default_backend() == 'cpu':
    return on_cpu
  return max(on_cpu, _ACCELERATED)


def repeat(step, state, i, count):
  """Steps `i` to `i + count - 1`, for use in a `jit` that traces both.

  One program does any number of steps: how a run is cut into calls changes no
  bit of its state and compiles nothing anew.

  Args:
    step: `(state, i) -> (state, metrics)`.
    state: PyTree of arrays before the first of them.
    i: `[]` int32.
    count: `[]` int32, 1 or more; None is one without a loop, the same but for
      how XLA rounds in another program.

  Returns:
    The state after them and the means of their metrics.
  """
  if count is None:
    return step(state, i)
  # Traced once, for the shapes and for the loop.
  step = jax.jit(step)
  _, shapes = jax.eval_shape(step, state, i)
  blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

  def add(i, carry):
    state, total = carry
    state, metrics = step(state, i)
    return state, jax.tree.map(jnp.add, total, metrics)

  state, total = jax.lax.fori_loop(i, i + count, add, (state, blank))
  return state, jax.tree.map(lambda x: x / count, total)


def is_over(directory, num_steps):
  """Whether `run` would only read back what it kept. Arguments as there."""
  if directory is None:
    return False
  folder = pathlib.Path(directory) / 'checkpoints'
  return checkpoints.latest_step(folder) == num_steps


def run(
  step,
  state,
  num_steps,
  *,
  name,
  directory=None,
  log_every=50,
  save_every=200,
  on_cpu=1,
  stops=(),
  limits=None,
):
  """Applies `step` until `num_steps` have been done, ever.

  A run that was killed goes on from its newest checkpoint and, since `step`
  draws its randomness from the index alone, ends where it would have ended.

  Args:
    step: `(state, i, count) -> (state, metrics)`, jitted, which does `count`
      steps from the i-th on, as `repeat` does; both are Python ints, but
      `count` is None where all calls are to do one. `metrics` is a flat
      dictionary of scalars, means over these steps. May donate the state.
    state: PyTree of arrays to start from.
    num_steps: total number of steps.
    name: what the progress bar says.
    directory: where `metrics.jsonl` and `checkpoints/` go; None writes nothing.
    log_every: steps between two metric lines, each the mean since the last.
    save_every: steps between two checkpoints; the last step is always saved.
    on_cpu: see `steps_per_call`, so many steps or fewer are a call: none goes
      beyond a metric line or a stop.
    stops: numbers of steps after each of which a call ends.
    limits: metric to the least and greatest mean that a line may have.

  Returns:
    The state after `num_steps` steps.

  Raises:
    ValueError: if `num_steps` is negative, or if `log_every` does not divide
      `save_every`: a resumed run would write other lines.
    FloatingPointError: if `loss` or `gradient_norm` was not finite since the
      last line, or a metric beyond its limits; the checkpoints that were there
      stay.
  """
  if num_steps < 0:
    raise ValueError(f'{name}: number of steps is {num_steps}')
  if save_every % log_every:
    raise ValueError(
      f'{name}: log_every {log_every} does not divide save_every {save_every}'
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

  ends = {*range(log_every, num_steps, log_every), *stops, num_steps}
  most = steps_per_call(on_cpu)
  with tqdm.tqdm(
    total=num_steps, initial=start, desc=name, mininterval=1
  ) as bar:
    total, logged = None, start
    for i, count in _calls(start, num_steps, sorted(ends), most):
      state, metrics = step(state, i, None if most == 1 else count)
      done = i + count
      total = _add(total, metrics, count)
      bar.update(count)
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
        for key, (low, high) in (limits or {}).items():
          if not low <= metrics[key] <= high:
            raise FloatingPointError(
              f'{name}: {key} is {metrics[key]:.4g} at step {done}, beyond'
              f' {low:g} to {high:g}'
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


def _calls(start, num_steps, ends, most):
  """First step and number of steps of each call; none goes beyond an end."""
  for end in ends:
    while start < min(end, num_steps):
      count = min(most, end - start)
      yield start, count
      start += count


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
  """The step of a line, or None if it is not a metric line."""
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
  folders.write_text(path, ''.join(kept))
