# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What all vehicles of a scene have in common tells what nobody saw of one.

A place on a vehicle is painted as the vehicle is, or has a colour of its own as
windows, tyres and lamps have. How much of which, one small network says of all
places on all vehicles, and each vehicle has its paint. Gaussians that images
teach hold the network where it is right about them; those that no image teaches
follow it. One network for a category beside a code for each object is what
CodeNeRF (Jang and Agapito 2021) and AutoRF (Mueller et al. 2022) have; here the
code is a colour.
"""

import functools

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import types
from rdrl.splat.appearance import deformation
from rdrl.splat.raster import project

_WIDTH, _DEPTH = 32, 2
# Waves over a box per axis, the first as long as twice the box, each of half
# the length of the one before; half sizes from the middle beyond which all is
# alike.
_WAVES, _FARTHEST = 3, 1.2
# Logit of how much of the paint shows at first.
_PAINTED = 2.0
# Of an agent without Gaussians.
_GREY = 0.5


@struct.dataclass
class Likeness:
  """What is learnt.

  Attributes:
    paint: `[A, 3]` colour of each agent.
    field: parameters of `Field`.
  """

  paint: jax.Array
  field: dict


class Field(nn.Module):
  """What a place on a vehicle looks like, left and right alike."""

  @nn.compact
  def __call__(self, place):
    """Of `[..., 3]` half sizes, how much is paint `[..., 1]`, and else what.

    The colour that a place has of its own is `[..., 3]`, 0 to 1.
    """
    x, y, z = jnp.moveaxis(place, -1, 0)
    place = jnp.stack([x, jnp.abs(y), z], -1)
    waves = deformation.waves(np.pi / 2 * place, _WAVES)
    x = jnp.concatenate([place, waves], -1)
    # What comes out is compared.
    dense = functools.partial(nn.Dense, precision=jax.lax.Precision.HIGHEST)
    for _ in range(_DEPTH):
      x = nn.relu(dense(_WIDTH)(x))
    share, color = jnp.split(
      dense(4, kernel_init=nn.initializers.zeros)(x), [1], -1
    )
    return nn.sigmoid(share + _PAINTED), nn.sigmoid(color)


def init(gaussians: types.Gaussians, num_agents, key):
  """`Likeness` in which each of `num_agents` has its mean colour for paint."""
  color = _color(gaussians.sh)
  # Those of no agent are counted beyond the last one and dropped.
  agent = jnp.where(
    gaussians.node > types.BACKGROUND, gaussians.node, num_agents
  )
  total = jnp.zeros((num_agents, 3)).at[agent].add(color, mode='drop')
  count = jnp.zeros((num_agents, 1)).at[agent].add(1.0, mode='drop')
  return Likeness(
    paint=jnp.where(count > 0, total / jnp.maximum(count, 1), _GREY),
    field=Field().init(key, jnp.zeros(3))['params'],
  )


def unlikeness(
  likeness: Likeness, gaussians: types.Gaussians, sizes, is_vehicle
):
  """How far the constant colours of vehicles are from what they should be like.

  Args:
    likeness: what vehicles have in common.
    gaussians: `N` of them, those of agents in the frames of their boxes.
    sizes: `[A, 3]` metres.
    is_vehicle: `[N]` bool, which of the Gaussians count.

  Returns:
    Mean `[]` of the absolute differences. Places of Gaussians get no gradient.
  """
  agent = jnp.maximum(gaussians.node, types.BACKGROUND)
  half = jnp.asarray(sizes)[agent] / 2
  place = jax.lax.stop_gradient(gaussians.means) / half
  place = jnp.clip(place, -_FARTHEST, _FARTHEST)
  share, color = Field().apply({'params': likeness.field}, place)
  wanted = share * likeness.paint[agent] + (1 - share) * color
  miss = jnp.abs(_color(gaussians.sh) - wanted)
  weight = is_vehicle[:, None] / (3 * jnp.maximum(jnp.sum(is_vehicle), 1))
  return jnp.sum(weight * miss)


def _color(sh):
  return 0.5 + project.SH0 * sh[:, 0]
