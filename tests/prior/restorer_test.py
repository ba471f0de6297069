# Copyright 2026 The rdrl Authors. Apache-2.0.
import dataclasses
import sys

import jax
import numpy as np
import pytest
from scipy import ndimage

from rdrl import prior
from rdrl import training

CONFIG = prior.Config(
  channels=16,
  multipliers=(1, 2),
  num_heads=2,
  crop_height=16,
  crop_width=24,
  batch_size=4,
  num_steps=100,
  learning_rate=4e-3,
  ema_decay=0.9,
)


def _clips(count, seed, height=20, width=28):
  """Smooth random videos that noise and a colour cast have degraded."""
  rng = np.random.default_rng(seed)
  shape = (count, 3, height, width, 3)
  target = ndimage.gaussian_filter(rng.normal(size=shape), (0, 1, 3, 3, 0))
  target = np.clip(0.5 + 2 * target, 0, 1)
  degraded = target + 0.1 * rng.normal(size=shape) + [0.1, 0, -0.1]
  condition = rng.uniform(size=(*shape[:-1], 2))
  as_bytes = [
    np.round(255 * np.clip(x, 0, 1)).astype(np.uint8)
    for x in (degraded, condition, target)
  ]
  return prior.Clips(as_bytes[0], *as_bytes)


def _psnr(a, b):
  a, b = (np.asarray(x, np.float64) / 255 for x in (a, b))
  return -10 * np.log10(np.mean((a - b) ** 2))


@pytest.fixture(scope='module')
def trained():
  return prior.train(_clips(24, 0), CONFIG, jax.random.key(0))


def test_restoration_beats_the_degraded_clip(trained):
  unseen = _clips(4, 1)
  restored, deviation = prior.posterior(
    trained,
    unseen.degraded,
    unseen.reference,
    unseen.condition,
    jax.random.key(1),
  )
  assert restored.shape == deviation.shape == unseen.degraded.shape
  before = _psnr(unseen.degraded, unseen.target)
  assert _psnr(255 * restored, unseen.target) > before + 2


def test_one_seed_one_result_and_killed_training_goes_on(trained, tmp_path):
  for _ in range(2):  # The second run finds all its steps done.
    other = prior.train(_clips(24, 0), CONFIG, jax.random.key(0), tmp_path)
    jax.tree.map(np.testing.assert_array_equal, trained.params, other.params)


@pytest.mark.slow
def test_many_steps_per_call_train_the_same(monkeypatch):
  config = dataclasses.replace(CONFIG, num_steps=10)
  few = prior.train(_clips(24, 0), config, jax.random.key(0))
  monkeypatch.setattr(training.loop, 'steps_per_call', lambda on_cpu: 4)
  many = prior.train(_clips(24, 0), config, jax.random.key(0))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-3),
    many.params,
    few.params,
  )


def test_floats_and_bytes_are_restored_alike(trained):
  clips, key = _clips(4, 1), jax.random.key(1)
  known = clips.degraded, clips.reference, clips.condition
  from_bytes = prior.restore(trained, *known, key)
  floats = [np.float32(x) / 255 for x in known]
  np.testing.assert_allclose(
    prior.restore(trained, *floats, key), from_bytes, atol=1e-5
  )


def test_clips_that_are_too_small_are_named():
  with pytest.raises(ValueError, match='2 x 28 pixels'):
    prior.train(_clips(1, 0, height=2), CONFIG, jax.random.key(0))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
