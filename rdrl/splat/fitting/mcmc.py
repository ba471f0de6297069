# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A fixed budget of Gaussians, kept busy: 3DGS as MCMC (arXiv 2404.09591).

Unlike in the paper, no Gaussian is ever added: all exist from the start, so
that one compiled program serves a whole fit. Nor are means perturbed by noise.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import trees

# Opacity at or below which a Gaussian is dead.
MIN_OPACITY = 0.005

# Nodes of the quadrature in `split`; at this spacing and reach its error is
# below float32's.
_NODES = np.arange(0, 5.01, 0.125, np.float32)


def split(opacity, copies):
  """Opacity and scale factor of `copies` coincident copies of one Gaussian.

  Equation 9 of the paper: N copies of opacity 1 - (1 - o)^(1/N) blend to the
  opacity o in the middle, and their scale is that for which the blended profile
  has the integral of the original. The paper's double sum of alternating
  binomials, which cancels in float32, equals

    2 / sqrt(pi) * integral over u > 0 of 1 - (1 - o' exp(-u^2))^N,

  because 1 / sqrt(k + 1) is such an integral of exp(-(k + 1) u^2). The
  trapezoid rule converges exponentially on it.

  Args:
    opacity: `[...]` in (0, 1).
    copies: `[...]` at least 1.

  Returns:
    `[...]` opacity of each copy, and `[...]` factor on its scale.
  """
  copies = copies.astype(opacity.dtype)
  # 1 - (1 - o)^(1 / n) without the cancellation of small opacities.
  new = -jnp.expm1(jnp.log1p(-opacity) / copies)
  bell = new[..., None] * np.exp(-(_NODES**2))
  blended = -jnp.expm1(copies[..., None] * jnp.log1p(-bell))
  weight = np.full(len(_NODES), 2 / np.sqrt(np.pi) * 0.125, np.float32)
  weight[0] /= 2
  return new, opacity / jnp.sum(blended * weight, -1)


def relocate(gaussians, key):
  """Moves dead Gaussians onto living ones, drawn by opacity.

  Args:
    gaussians: `N` of them.
    key: for the draw.

  Returns:
    The new Gaussians, and `[N]` bool: whose optimizer moments to reset.
  """
  num = len(gaussians.node)
  opacity = jax.nn.sigmoid(gaussians.opacity_logits)
  is_dead = opacity <= MIN_OPACITY
  total = jnp.cumsum(jnp.where(is_dead, 0, opacity))
  draw = jax.random.uniform(key, (num,)) * total[-1]
  # Inverse cumulative; rounding must not find an index beyond the last.
  drawn = jnp.minimum(jnp.searchsorted(total, draw, side='right'), num - 1)
  is_moved = is_dead & ~is_dead[drawn]
  source = jnp.where(is_moved, drawn, jnp.arange(num))
  copies = jnp.zeros(num, jnp.int32).at[source].add(1)
  new_opacity, factor = split(jnp.clip(opacity, 1e-6, 1 - 1e-6), copies)
  changes = copies > 1
  logits = jnp.log(jnp.maximum(new_opacity, MIN_OPACITY)) - jnp.log1p(
    -jnp.maximum(new_opacity, MIN_OPACITY)
  )
  shrunk = gaussians.replace(
    opacity_logits=jnp.where(changes, logits, gaussians.opacity_logits),
    log_scales=jnp.where(
      changes[:, None],
      gaussians.log_scales + jnp.log(factor)[:, None],
      gaussians.log_scales,
    ),
  )
  return trees.take(shrunk, source), is_moved | changes
