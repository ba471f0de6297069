# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Inputs and output of a behaviour."""

from flax import struct
import jax.numpy as jnp
import numpy as np

from rdrl import types
from rdrl.scenario import config as config_lib

PARAMETERS = tuple(config_lib.PARAMETERS)
# Features of agents that a constraint bounds: metres ahead of the ego, metres
# to its left, m/s, metres of the box's length.
FEATURES = ('s', 'd', 'speed', 'length')


@struct.dataclass
class Constraint:
  """Bounds of a proposal. All fields are traced, so none causes a compilation.

  Attributes:
    parameters: `[len(PARAMETERS), 2]` least and greatest value.
    features: `[len(FEATURES), 2]` least and greatest value of the agent's
      features at the trigger. A donor is placed within them as far as its role
      allows.
    classes: `[4]` bool, of agents; none set leaves it to the behaviour.
    donor: `[]` bool, whether a donor acts the behaviour.
    families: `[len(FAMILIES)]` bool, those that an insertion may be of.
    temperature: `[]` of the choice among agents that fit; 0 takes the nearest.
  """

  parameters: types.Array
  features: types.Array
  classes: types.Array
  donor: types.Array
  families: types.Array
  temperature: types.Array


def unconstrained(config: config_lib.Config) -> Constraint:
  """A `Constraint` with the ranges of the config and any agent that fits.

  An insertion is of no family that the config holds out.
  """
  return Constraint(
    parameters=np.array(
      [config.limits_of(name) for name in PARAMETERS], np.float32
    ),
    features=np.tile(np.float32([-np.inf, np.inf]), (len(FEATURES), 1)),
    classes=np.zeros(4, bool),
    donor=np.zeros((), bool),
    families=np.array(
      [name not in config.held_out for name in config_lib.FAMILIES]
    ),
    temperature=np.float32(config.temperature),
  )


class Draw:
  """Values of parameters by name, from one draw of uniform numbers.

  Separate draws would each compile a random generator.
  """

  def __init__(self, parameters, uniform):
    """Takes ranges `[P, 2]` and values `[P]` in [0, 1), one per parameter."""
    self._parameters = parameters
    self._uniform = uniform

  def range(self, name):
    """Least and greatest value `[]` of a parameter."""
    low, high = self._parameters[PARAMETERS.index(name)]
    return low, high

  def __call__(self, name):
    low, high = self.range(name)
    return low + (high - low) * self._uniform[PARAMETERS.index(name)]

  def moved_on(self, names, steps):
    """A draw in which some parameters moved on, around their range.

    Args:
      names: of the parameters.
      steps: `[]` int32, how often; 0 leaves all as they are. Many in a row
        spread evenly, each parameter for itself.
    """
    ratio = np.zeros(len(PARAMETERS), np.float32)
    # Powers of the root of x^(n+1) = x + 1, which spread n numbers evenly.
    root = 2.0
    for _ in range(30):
      root = (1 + root) ** (1 / (len(names) + 1))
    for power, name in enumerate(names, 1):
      ratio[PARAMETERS.index(name)] = root**-power
    return Draw(self._parameters, (self._uniform + steps * ratio) % 1.0)

  def within(self, name, low, high):
    """Interpolates from low to high by a parameter, clipped to [0, 1]."""
    return low + (high - low) * jnp.clip(self(name), 0, 1)


@struct.dataclass
class Mover:
  """The agent to edit, at the trigger, along the path of the plan.

  Attributes:
    s: `[]` metres.
    d: `[]` metres to the left.
    speed: `[]` m/s, the rate of s.
    lateral_speed: `[]` m/s, the rate of d.
    acceleration: `[]` m/s^2.
    toward: `[]` +1 if the ego is to the left of the path, -1 to the right.
    apart: `[]` lateral metres between the middles of both.
    width: `[]` metres of the box.
    half_lengths: `[]` metres from middle to middle when bumpers touch.
    meeting: of a cut-in or a follower with the ego.
    crossing: `[]` metres to the crossing of its path with the ego's.
    crossing_time: `[]` seconds to its arrival there.
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
  """How an agent gets right ahead of the ego, or behind.

  Attributes:
    duration: `[...]` seconds.
    end_speed: `[...]` m/s.
    ego_s: `[...]` metres along the ego's path to the recorded ego at the end.
    natural: `[...]` metres, the gap that steady motion would leave.
    reach: `[...]` metres by which the gap can differ from that within limits.
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
    turn: `[]` rad from the path to the heading of a box at rest.
  """

  s: types.Array
  d: types.Array
  duration: types.Array
  turn: types.Array = 0.0
