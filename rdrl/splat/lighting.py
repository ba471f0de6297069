# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the light of a place makes of things that move in it.

A car that turns shows other sides to the sun. Light on a surface is a smooth
function of its normal that nine spherical harmonics hold within a few per cent
(Ramamoorthi and Hanrahan 2001); here they are those of its logarithm, learnt
with the scene, so that the Gaussians of agents keep what does not turn with
them. Since vehicles are alike on both sides (`splat.symmetry`), what differs
between the sides is the light's.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.splat import project

# Degrees 1 and 2; a constant could not be told from the colours.
NUM_COEFFICIENTS = 8
_SH0 = 0.28209479177387814


def lit(gaussians: types.Gaussians, light, agents: types.AgentState):
  """Gaussians of agents in the light of a scene.

  Args:
    gaussians: `N` of them.
    light: `[8, 3]` harmonics of degree 1 and 2, in the order of 3DGS, over the
      normal in the world, of the logarithm of the light on it; None changes
      nothing.
    agents: `[A]`.

  Returns:
    `Gaussians` whose colour is multiplied by the light on their shortest axis,
    outwards of their box; those of no agent come back as they are.
  """
  if light is None:
    return gaussians
  node = jnp.maximum(gaussians.node, types.BACKGROUND)
  rotation = geometry.rotation_from_quat(gaussians.quats)
  shortest = jnp.argmin(gaussians.log_scales, -1)[:, None, None]
  normal = jnp.take_along_axis(rotation, shortest, -1)[..., 0]
  is_inward = jnp.sum(normal * gaussians.means, -1, keepdims=True) < 0
  normal = jnp.where(is_inward, -normal, normal)
  yaw = agents.yaw[node]
  across = geometry.rotate_2d(normal[:, :2], yaw)
  # Shapes are not bent so that they meet the light.
  normal = jax.lax.stop_gradient(jnp.concatenate([across, normal[:, 2:]], -1))
  basis = project.sh_basis(normal, 1 + NUM_COEFFICIENTS)[1:]
  gain = jnp.exp(sum(b[:, None] * light[k] for k, b in enumerate(basis)))
  gain = jnp.where((node > types.BACKGROUND)[:, None], gain, 1)
  sh = gaussians.sh * gain[:, None]
  # Colours are 0.5 + harmonics; the 0.5 is lit, too.
  return gaussians.replace(sh=sh.at[:, 0].add(0.5 * (gain - 1) / _SH0))


def none(num_traversals):
  """Light `[V, 8, 3]` that changes nothing, to begin with."""
  return np.zeros((num_traversals, NUM_COEFFICIENTS, 3), np.float32)
