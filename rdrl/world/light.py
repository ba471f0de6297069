# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Sun and sky of a street."""

from flax import struct
import jax.numpy as jnp
import numpy as np

from rdrl import types
from rdrl.world import road as road_lib


@struct.dataclass
class Light:
  """Sun and sky.

  Attributes:
    direction: `[3]` unit vector towards the sun.
    sun: `[3]` linear light on a surface that faces the sun.
    ambient: `[3]` linear light of the whole sky.
    haze: `[3]` linear colour of what is far away.
    zenith: `[3]` linear colour of the sky above.
    horizon: `[3]` and at the horizon.
    cloud: `[3]` linear colour of clouds.
    skyline: `[3]` linear colour of the hills behind everything.
    glow: `[3]` of the sky around the sun, that of a day being 1.
  """

  direction: types.Array
  sun: types.Array
  ambient: types.Array
  haze: types.Array
  zenith: types.Array
  horizon: types.Array
  cloud: types.Array
  skyline: types.Array
  glow: types.Array


# By day, in the evening and under an overcast sky.
_LIGHTS = (
  {
    'sun': (2.1, 1.95, 1.65),
    'ambient': (0.62, 0.74, 0.95),
    'haze': (0.62, 0.72, 0.86),
    'zenith': (0.16, 0.34, 0.78),
    'horizon': (0.66, 0.76, 0.90),
    'cloud': (0.95, 0.95, 0.96),
    'skyline': (0.30, 0.38, 0.42),
    'glow': (1.0, 1.0, 1.0),
  },
  {
    'sun': (2.2, 1.45, 0.80),
    'ambient': (0.50, 0.55, 0.78),
    'haze': (0.74, 0.62, 0.55),
    'zenith': (0.20, 0.30, 0.58),
    'horizon': (0.86, 0.66, 0.48),
    'cloud': (0.93, 0.76, 0.66),
    'skyline': (0.30, 0.30, 0.36),
    'glow': (1.4, 0.9, 0.4),
  },
  {
    'sun': (0.30, 0.30, 0.30),
    'ambient': (0.80, 0.86, 0.94),
    'haze': (0.66, 0.69, 0.72),
    'zenith': (0.52, 0.57, 0.63),
    'horizon': (0.72, 0.75, 0.78),
    'cloud': (0.60, 0.63, 0.67),
    'skyline': (0.36, 0.40, 0.43),
    'glow': (0.0, 0.0, 0.0),
  },
)
# Degrees above the horizon between which the sun stands in each.
_ELEVATIONS = ((35, 55), (22, 30), (35, 55))


def draw(traversal, rng) -> Light:
  """By day, in the evening and under an overcast sky take turns."""
  kind = traversal % len(_LIGHTS)
  azimuth = rng.uniform(0, 2 * np.pi)
  elevation = np.radians(rng.uniform(*_ELEVATIONS[kind]))
  across = np.cos(elevation) * road_lib.unit(azimuth)
  direction = jnp.asarray([*across, np.sin(elevation)], jnp.float32)
  colours = {k: jnp.asarray(v, jnp.float32) for k, v in _LIGHTS[kind].items()}
  return Light(direction=direction, **colours)
