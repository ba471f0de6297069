# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Configuration of an environment."""

import dataclasses
import math
from typing import Annotated

from rdrl import ranges
from rdrl import types
from rdrl.sim import anchors
from rdrl.world import traffic

# Indices into `types.REWARD_TERMS` of the lateral and the longitudinal stream,
# in the order of an action. RAD (arXiv 2502.13144), section 3.4, has r_x =
# static + position + heading and r_y = dynamic; our progress, time to collision
# and comfort depend on speed.
STREAMS = ((1, 2, 3), (0, 4, 5, 6))

DYNAMICS = ('bicycle', 'single_track', 'replay')


@dataclasses.dataclass(frozen=True)
class Config:
  """Parameters of the environment; the thresholds are RAD's where it has any.

  Attributes:
    decision_steps: steps of `types.TIME_STEP` for which an action holds.
    horizon: decisions after which an episode is truncated.
    frames: images in an observation, one decision apart.
    image_height: pixels.
    image_width: pixels.
    truth_cell: pixels of a side of the cells of `types.Truth`, which must
      divide the images; 0 leaves it out of observations.
    route_points: metres along the reference path, from the ego's projection, of
      the route points that the policy sees.
    dynamics: of the ego: `bicycle`; `single_track`, see `world.vehicle`;
      `replay`, which follows the reference whatever the action.
    wheelbase: metres.
    rear_axle_to_center: metres from the rear axle to the middle of the box.
    max_steering: rad; commanded curvature is clipped to it.
    acceleration_limits: m/s^2, bounds within which speed follows its command.
    position_limit: metres from the reference path, where no agent was edited.
    heading_limit: rad from the tangent of the reference path.
    static_deviation: metres off the reference path below which a static
      obstacle does not count: a mapped obstacle on the driven path is noise.
    lane_width: metres of the lane along the reference path where the map has
      none, to decide who is at fault in a lateral collision.
    reward_weights: of `types.REWARD_TERMS`, not negative.
    time_to_collision: seconds below which it costs.
    comfort_acceleration: m/s^2, bounds of nuPlan's comfort metric, like the two
      below (github.com/motional/nuplan-devkit).
    comfort_lateral_acceleration: m/s^2.
    comfort_jerk: m/s^3, longitudinal.
    idm: of agents with the Intelligent Driver Model.
    mobil: of agents that change lanes.
    schedule: of agents that follow their tracks and yield.
  """

  decision_steps: ranges.Count = 5
  horizon: ranges.Count = 16
  frames: ranges.Count = 2
  image_height: ranges.Count = 48
  image_width: ranges.Count = 80
  truth_cell: ranges.CountOrNone = 0
  route_points: Annotated[
    tuple[ranges.NotNegative, ...], ranges.Ascending()
  ] = (5.0, 10.0, 15.0, 20.0, 30.0)
  dynamics: Annotated[str, ranges.OneOf(DYNAMICS)] = 'bicycle'
  wheelbase: ranges.Positive = anchors.WHEELBASE
  rear_axle_to_center: ranges.NotNegative = anchors.WHEELBASE / 2
  max_steering: ranges.Radians = anchors.MAX_STEERING
  acceleration_limits: ranges.SignedInterval = (-8.0, 4.0)
  position_limit: ranges.Positive = 2.0
  heading_limit: ranges.Radians = math.radians(40)
  static_deviation: ranges.NotNegative = 0.2
  lane_width: ranges.Positive = 3.5
  reward_weights: tuple[ranges.NotNegative, ...] = (
    3.0,
    3.0,
    3.0,
    3.0,
    0.1,
    0.2,
    0.2,
  )
  time_to_collision: ranges.NotNegative = 0.95
  comfort_acceleration: ranges.SignedInterval = (-4.05, 2.40)
  comfort_lateral_acceleration: ranges.NotNegative = 4.89
  comfort_jerk: ranges.NotNegative = 4.13
  idm: traffic.IdmConfig = traffic.IdmConfig()
  mobil: traffic.MobilConfig = traffic.MobilConfig()
  schedule: traffic.ScheduleConfig = traffic.ScheduleConfig()

  def misfits(self):
    """See `ranges`."""
    if len(self.reward_weights) != len(types.REWARD_TERMS):
      yield 'reward_weights', f'one for each of {types.REWARD_TERMS}'
