# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of images against their definitions."""

import sys

import jax
import numpy as np
import pytest

from rdrl import splat

RNG = np.random.default_rng(0)
A = RNG.uniform(size=(20, 26, 3)).astype(np.float32)
B = np.clip(A + RNG.normal(0, 0.1, A.shape), 0, 1).astype(np.float32)


def _ssim_by_loops(a, b):
  """Wang et al. 2004, every window, zeros beyond the border."""
  axis = np.arange(11) - 5
  kernel = np.exp(-(axis**2) / (2 * 1.5**2))
  kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
  pad = ((5, 5), (5, 5), (0, 0))
  a, b = np.pad(a.astype(float), pad), np.pad(b.astype(float), pad)
  total = []
  for y in range(a.shape[0] - 10):
    for x in range(a.shape[1] - 10):
      p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]

      def mean(z):
        return np.einsum('ij,ijc->c', kernel, z)

      mp, mq = mean(p), mean(q)
      vp, vq = mean(p * p) - mp**2, mean(q * q) - mq**2
      cov = mean(p * q) - mp * mq
      total.append(
        (2 * mp * mq + 1e-4)
        * (2 * cov + 9e-4)
        / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
      )
  return np.mean(total)


def test_psnr_of_a_known_error_and_of_a_mask():
  a = np.zeros((4, 5, 3))
  np.testing.assert_allclose(splat.psnr(a, a + 0.1), 20, atol=1e-5)
  mask = np.zeros((4, 5), bool)
  mask[0, 0] = True
  b = a.copy()
  b[0, 0] = 0.01
  np.testing.assert_allclose(splat.psnr(a, b, mask), 40, atol=1e-4)
  np.testing.assert_allclose(splat.psnr(a, b, ~mask), 100, atol=1e-4)


def test_ssim_equals_its_definition():
  np.testing.assert_allclose(splat.ssim(A, A), 1, atol=1e-6)
  np.testing.assert_allclose(splat.ssim(A, B), _ssim_by_loops(A, B), atol=1e-5)


def test_gradient_of_ssim_equals_central_differences():
  direction = RNG.normal(size=A.shape).astype(np.float32)
  along = np.sum(jax.jit(jax.grad(splat.ssim))(A, B) * direction)
  step = 1e-3
  up = _ssim_by_loops(A + step * direction, B)
  down = _ssim_by_loops(A - step * direction, B)
  np.testing.assert_allclose(along, (up - down) / (2 * step), rtol=1e-2)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
