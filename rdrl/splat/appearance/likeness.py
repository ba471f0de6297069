# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A colour model that all vehicles of a scene share, for their unseen parts.

The colour of a place on a vehicle is a mix of the vehicle's paint and of a
colour of the place itself, as of windows, tyres and lamps. One small network
gives mix and colour for all places; each vehicle has its paint. Gaussians that
images constrain train the network; the others follow it. CodeNeRF (Jang and
Agapito 2021) and AutoRF (Mueller et al. 2022) also have one network for a
category and a code for each object; here the code is a colour.
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
# Octaves of the positional encoding of a box; half sizes from the middle at
# which places are clipped.
_WAVES, _FARTHEST = 3, 1.2
# Initial logit of the share of paint.
_PAINTED = 2.0
# Paint of an agent without Gaussians.
_GREY = 0.5


@struct.dataclass
class Likeness:
  """Parameters.

  Attributes:
    paint: `[A, 3]` colour of each agent.
    field: parameters of `Field`.
  """

  paint: jax.Array
  field: dict


class Field(nn.Module):
  """Colour of a place on a vehicle, symmetric left to right."""

  @nn.compact
  def __call__(self, place):
    """Maps places `[..., 3]` in half sizes of the box.

    Returns:
      Share of paint `[..., 1]` and own colour `[..., 3]` of the place.
    """
    x, y, z = jnp.moveaxis(place, -1, 0)
    place = jnp.stack([x, jnp.abs(y), z], -1)
    waves = deformation.waves(np.pi / 2 * place, _WAVES)
    x = jnp.concatenate([place, waves], -1)
    # Its output is compared.
    dense = functools.partial(nn.Dense, precision=jax.lax.Precision.HIGHEST)
    for _ in range(_DEPTH):
      x = nn.relu(dense(_WIDTH)(x))
    share, color = jnp.split(
      dense(4, kernel_init=nn.initializers.zeros)(x), [1], -1
    )
    return nn.sigmoid(share + _PAINTED), nn.sigmoid(color)


def init(gaussians: types.Gaussians, num_agents, key):
  """Initial `Likeness`; the paint of each agent is its mean colour."""
  color = _color(gaussians.sh)
  # Background goes beyond the last agent and is dropped.
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
  """Mean absolute difference `[]` of vehicles' constant colours to the model.

  Args:
    likeness: the model.
    gaussians: `N` of them, those of agents in the frames of their boxes. Their
      means get no gradient.
    sizes: `[A, 3]` metres.
    is_vehicle: `[N]` bool, which of the Gaussians count.
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
