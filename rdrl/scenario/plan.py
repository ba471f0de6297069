# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What a behaviour is told, and what it gives back."""

from flax import struct
import jax.numpy as jnp
import numpy as np

from rdrl import types
from rdrl.scenario import config as config_lib

PARAMETERS = tuple(config_lib.PARAMETERS)
# What a role can be narrowed by: metres ahead of the ego, metres to its left,
# m/s, and metres of the box from end to end.
FEATURES = ('s', 'd', 'speed', 'length')


@struct.dataclass
class Constraint:
  """What is asked of a proposal. All of it is traced: nothing recompiles.

  Attributes:
    parameters: `[len(PARAMETERS), 2]` least and greatest value.
    features: `[len(FEATURES), 2]` likewise, of who moves, at the trigger. A
      donor is put where they say as far as its role allows.
    classes: `[4]` bool, of agents; none set leaves it to the behaviour.
    donor: `[]` bool, a donor takes on the behaviour.
    temperature: `[]` of the choice among who fits; 0 takes the nearest.
  """

  parameters: types.Array
  features: types.Array
  classes: types.Array
  donor: types.Array
  temperature: types.Array


def unconstrained(config: config_lib.Config) -> Constraint:
  """The ranges of the config, and anybody who fits."""
  return Constraint(
    parameters=np.array(
      [config.limits_of(name) for name in PARAMETERS], np.float32
    ),
    features=np.tile(np.float32([-np.inf, np.inf]), (len(FEATURES), 1)),
    classes=np.zeros(4, bool),
    donor=np.zeros((), bool),
    temperature=np.float32(config.temperature),
  )


class Draw:
  """Values of parameters by name, drawn by one `uniform` for all.

  Each draw of its own would compile its own random generator.
  """

  def __init__(self, parameters, uniform):
    """Takes ranges `[len(PARAMETERS), 2]` and as many values in [0, 1)."""
    self._parameters = parameters
    self._uniform = uniform

  def range(self, name):
    """Least and greatest value `[]` of a parameter."""
    low, high = self._parameters[PARAMETERS.index(name)]
    return low, high

  def __call__(self, name):
    low, high = self.range(name)
    return low + (high - low) * self._uniform[PARAMETERS.index(name)]

  def within(self, name, low, high):
    """A parameter that is a share of the way from one value to another."""
    return low + (high - low) * jnp.clip(self(name), 0, 1)


@struct.dataclass
class Mover:
  """Who is about to be edited, at the trigger, along the path of the plan.

  Attributes:
    s: `[]` metres.
    d: `[]` metres to the left.
    speed: `[]` m/s, the rate of s.
    lateral_speed: `[]` m/s, the rate of d.
    acceleration: `[]` m/s^2.
    toward: `[]` +1 where the ego is to the left of the path, -1 to the right.
    apart: `[]` metres between the middles of both across the ego's path.
    width: `[]` metres of the box.
    half_lengths: `[]` metres from middle to middle when bumpers touch.
    meeting: where a cut-in or a follower will meet the ego.
    crossing: `[]` metres to where its path crosses the ego's.
    crossing_time: `[]` seconds until it should be there.
  """

  s: types.Array
  d: types.Array
  speed: types.Array
  lateral_speed: types.Array
  acceleration: types.Array
  toward: types.Array
  apart: types.Array
  width: types.Array
  half_lengths: types.Array
  meeting: 'Meeting'
  crossing: types.Array
  crossing_time: types.Array


@struct.dataclass
class Meeting:
  """How an agent would come to be right ahead of the ego, or behind.

  Attributes:
    duration: `[...]` seconds that it takes.
    end_speed: `[...]` m/s.
    ego_s: `[...]` metres along the ego's path, where the recorded ego then is.
    natural: `[...]` metres, the gap to which steady motion would lead.
    reach: `[...]` metres by which that can be changed within the limits.
  """

  duration: types.Array
  end_speed: types.Array
  ego_s: types.Array
  natural: types.Array
  reach: types.Array


@struct.dataclass
class Plan:
  """A motion along a path.

  Attributes:
    s: `[T]` metres along it.
    d: `[T]` metres to its left.
    duration: `[]` seconds from the trigger to the end of the manoeuvre.
    turn: `[]` radians from the path to where a box at rest points.
  """

  s: types.Array
  d: types.Array
  duration: types.Array
  turn: types.Array = 0.0
