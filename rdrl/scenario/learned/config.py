# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Size, training and guidance of the learned adversary."""

import dataclasses

from flax import struct

from rdrl import ranges
from rdrl.scenario import config as config_lib

_LIMITS = config_lib.Config()
# Steps between accelerations of a jerk: over one step, rounding dominates.
JERK_STEPS = 5


@dataclasses.dataclass(frozen=True)
class Config:
  """Inputs, size and training of the model.

  Attributes:
    num_agents: of a joint future, those nearest to a central one.
    past_steps: known steps before the present one.
    future_steps: steps that it samples.
    knot_steps: between two knots of the actions; divides `future_steps`.
    num_pieces: map segments of a scene, those nearest to the ego's path.
    num_near: lane segments, and as many of boundaries, that an agent sees.
    piece_points: points of a segment.
    point_spacing: metres between them.
    max_acceleration: m/s^2, either sign.
    max_lateral_acceleration: m/s^2, of vehicles and cyclists.
    max_curvature: 1/m, of vehicles and cyclists.
    max_yaw_rate: rad/s, of pedestrians.
    channels: of a token, a multiple of `num_heads`.
    num_heads: of attention.
    num_layers: of the denoiser.
    batch_size: joint futures per step.
    num_steps: of training.
    learning_rate: highest, after warm-up and before cosine decay.
    weight_decay: of AdamW.
    ema_decay: of the averaged parameters, which sampling uses.
    sigma_max: noise level at which sampling starts, in units of the actions.
    sigma_min: last noise level above zero.
    sampler_steps: of the probability-flow ODE.
  """

  num_agents: ranges.Count = 8
  past_steps: ranges.Count = 10
  future_steps: ranges.Count = 40
  knot_steps: ranges.Count = 5
  num_pieces: ranges.Count = 768
  num_near: ranges.Count = 12
  piece_points: ranges.Count = 5
  point_spacing: ranges.Positive = 3.0
  max_acceleration: ranges.Positive = _LIMITS.max_acceleration
  max_lateral_acceleration: ranges.Positive = _LIMITS.max_lateral_acceleration
  max_curvature: ranges.Positive = _LIMITS.max_curvature
  max_yaw_rate: ranges.Positive = 2.0
  channels: ranges.Count = 96
  num_heads: ranges.Count = 4
  num_layers: ranges.Count = 3
  batch_size: ranges.Count = 48
  num_steps: ranges.Count = 7000
  learning_rate: ranges.Positive = 1e-3
  weight_decay: ranges.NotNegative = 1e-3
  ema_decay: ranges.Decay = 0.998
  sigma_max: ranges.Positive = 20.0
  sigma_min: ranges.Positive = 0.05
  sampler_steps: ranges.Count = 16

  def misfits(self):
    """See `ranges`."""
    if self.future_steps % self.knot_steps:
      yield 'knot_steps', f'a divisor of future_steps, {self.future_steps}'
    if self.future_steps <= JERK_STEPS:
      yield 'future_steps', f'more than {JERK_STEPS}'
    if self.channels % self.num_heads:
      yield 'num_heads', f'a divisor of channels, {self.channels}'
    if self.sigma_min >= self.sigma_max:
      yield 'sigma_min', f'less than sigma_max, {self.sigma_max}'

  @property
  def num_knots(self):
    """Knots of the actions of a future, both ends included."""
    return self.future_steps // self.knot_steps + 1


@struct.dataclass
class Guidance:
  """Weights of the objectives that guide a sample, see `guidance.objective`.

  Weights may change without another compilation.

  Attributes:
    num_steps: static, of gradient descent at each noise level.
    rate: of a step, and most length of an agent's step, in units of the
      actions.
    collision: of the gap to the ego.
    time_to_collision: of a short time to collision with the ego.
    off_road: of leaving the drivable area.
    separation: of small gaps to all others.
    comfort: of rare accelerations and jerk.
  """

  num_steps: int = struct.field(pytree_node=False, default=5)
  rate: float = 0.8
  collision: float = 1.0
  time_to_collision: float = 2.0
  off_road: float = 1.0
  separation: float = 1.0
  comfort: float = 1.0


def validate(config: Config):
  """Raises ValueError, naming the field, if the numbers do not fit."""
  ranges.check(config, 'learned.Config: ')
