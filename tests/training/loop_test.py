# Copyright 2026 The rdrl Authors. Apache-2.0.

import functools
import sys

import jax
import jax.numpy as jnp
import pytest

from rdrl import training


def _walk(state, i):
  noise = jax.random.normal(jax.random.fold_in(jax.random.key(0), i), (3,))
  x = jnp.sin(state['x']) + noise
  return {'x': x}, {'loss': jnp.sum(x), 'steps': i}


@functools.partial(jax.jit, donate_argnames='state')
def _step(state, i, count):
  return training.loop.repeat(_walk, state, i, count)


def _run(num_steps, directory, step=_step):
  return training.loop.run(
    step,
    {'x': jnp.zeros(3)},
    num_steps,
    name='walk',
    directory=directory,
    log_every=2,
    save_every=4,
  )


def test_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
  whole = _run(10, tmp_path / 'whole')

  def dies(state, i, count):
    if i == 7:
      raise KeyboardInterrupt
    return _step(state, i, count)

  with pytest.raises(KeyboardInterrupt):
    _run(10, tmp_path / 'cut', dies)
  assert training.checkpoints.latest_step(tmp_path / 'cut/checkpoints') == 4
  resumed = _run(10, tmp_path / 'cut')

  assert jnp.array_equal(whole['x'], resumed['x'])
  assert training.loop.read_metrics(
    tmp_path / 'whole'
  ) == training.loop.read_metrics(tmp_path / 'cut')


def test_calls_end_at_lines_and_stops_and_change_nothing(tmp_path):
  calls = []

  def step(state, i, count):
    calls.append((i, count))
    return _step(state, i, count)

  def run(on_cpu):
    return training.loop.run(
      step,
      {'x': jnp.zeros(3)},
      21,
      name='walk',
      directory=tmp_path / str(on_cpu),
      log_every=8,
      save_every=16,
      on_cpu=on_cpu,
      stops=(0, 11, 99),
    )

  _step.clear_cache()
  many = run(5)
  assert calls == [(0, 5), (5, 3), (8, 3), (11, 5), (16, 5)]
  # One program does calls of any number of steps.
  assert jnp.array_equal(many['x'], run(9)['x'])
  assert _step._cache_size() == 1
  del calls[:]
  # Another one does those without a loop.
  assert jnp.allclose(many['x'], run(1)['x'], atol=1e-5)
  assert _step._cache_size() == 2
  assert calls == [(i, None) for i in range(21)]
  first, *others = (training.loop.read_metrics(tmp_path / x) for x in '159')
  for other in others:
    for line, same in zip(first, other, strict=True):
      assert line == pytest.approx(same, rel=1e-4)
  assert [line['steps'] for line in first] == [3.5, 11.5, 18]


def test_an_accelerator_does_many_steps_per_call(monkeypatch):
  assert training.loop.steps_per_call() == 1
  assert training.loop.steps_per_call(on_cpu=10) == 10
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  calls = []

  def step(state, i, count):
    calls.append((i, count))
    return _step(state, i, count)

  state = training.loop.run(
    step, {'x': jnp.zeros(3)}, 60, name='walk', stops=(27,)
  )
  assert calls == [(0, 25), (25, 2), (27, 23), (50, 10)]
  monkeypatch.undo()
  assert jnp.allclose(state['x'], _run(60, None)['x'], atol=1e-5)


def test_line_holds_the_means_since_the_last_one(tmp_path):
  def step(state, i, count):
    return state, {'loss': jnp.float32(i)}

  _run(7, tmp_path, step)
  lines = training.loop.read_metrics(tmp_path)
  assert [line['loss'] for line in lines] == [0.5, 2.5, 4.5, 6.0]


def test_negative_number_of_steps_is_refused():
  with pytest.raises(ValueError, match='walk: number of steps is -1'):
    _run(-1, None)


def test_intervals_that_do_not_nest_are_refused():
  with pytest.raises(ValueError, match='walk: log_every 50 does not'):
    training.loop.run(_step, {}, 10, name='walk', save_every=70)


def test_line_cut_short_by_a_kill_is_written_again(tmp_path):
  _run(4, tmp_path)
  with (tmp_path / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 6, "lo')
  _run(6, tmp_path)
  lines = training.loop.read_metrics(tmp_path)
  assert [line['step'] for line in lines] == [2, 4, 6]


def test_damaged_checkpoint_is_done_again_from_the_one_before(tmp_path):
  whole = _run(10, tmp_path / 'whole')
  _run(10, tmp_path / 'cut')
  (newest,) = (tmp_path / 'cut/checkpoints/10').glob('state/manifest.ocdbt')
  newest.write_bytes(newest.read_bytes()[:-1])
  resumed = _run(10, tmp_path / 'cut')
  assert jnp.array_equal(whole['x'], resumed['x'])
  assert training.loop.read_metrics(
    tmp_path / 'whole'
  ) == training.loop.read_metrics(tmp_path / 'cut')


def test_checkpoint_of_a_later_step_than_the_last_is_refused(tmp_path):
  _run(10, tmp_path)
  with pytest.raises(training.checkpoints.CheckpointError, match='10 of a run'):
    _run(8, tmp_path)


@pytest.mark.parametrize(
  'damaged', ['{"step": 4, "lo', '[4]', '\x00\ufffd', '{}']
)
def test_good_lines_after_a_damaged_one_are_kept(tmp_path, caplog, damaged):
  _run(8, tmp_path)
  path = tmp_path / 'metrics.jsonl'
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([lines[0], damaged, *lines[2:]]) + '\n')
  with pytest.raises(ValueError, match=r'metrics\.jsonl: line 2 is damaged'):
    training.loop.read_metrics(tmp_path)
  _run(10, tmp_path)
  lines = training.loop.read_metrics(tmp_path)
  assert [line['step'] for line in lines] == [2, 6, 8, 10]
  (record,) = caplog.records
  assert f'{path}: line 2 is damaged' in record.message


def test_finished_run_takes_no_step(tmp_path):
  _run(4, tmp_path)

  def never(state, i, count):
    raise AssertionError(i)

  _run(4, tmp_path, never)


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
  def diverges(state, i, count):
    state, metrics = _step(state, i, count)
    return state, {'loss': jnp.where(i < 5, metrics['loss'], jnp.nan)}

  with pytest.raises(FloatingPointError, match='walk: loss is nan at step 6'):
    _run(10, tmp_path, diverges)
  assert training.checkpoints.latest_step(tmp_path / 'checkpoints') == 4


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
