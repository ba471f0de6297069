# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How many scenarios, of which kinds, within which limits."""

import dataclasses

from rdrl import ranges

# What another agent does, in the order of `adversaries.FAMILIES`.
FAMILIES = (
  'cut_in',
  'hard_brake',
  'lane_change',
  'drift',
  'stop_and_go',
  'oncoming',
  'crossing',
  'tailgate',
  'pull_out',
  'dart_out',
)
# An insertion is any of the families by a donor.
ADVERSARIES = (*FAMILIES, 'insertion')
COUSINS = (
  'lateral_shift',
  'speed_change',
  'stop_and_creep',
  'interpolation',
  'other_lane',
)
BEHAVIOURS = ('log', *ADVERSARIES, *COUSINS)


@dataclasses.dataclass(frozen=True)
class Config:
  """Parameters of the Dynamic Adversary Agent and the cousin trajectories.

  Ranges are ours, the paper gives none.

  Attributes:
    num_proposals: drawn per behaviour of which any are kept.
    num_accepted: kept per behaviour, in the order of `BEHAVIOURS`; the first is
      the number of unedited scenarios, which differ in where they start.
    held_out: adversaries for tests only, see `without_held_out`.
    first_start: first step at which an episode may begin: one decision must
      lie before it.
    episode_steps: steps that should remain after the start.
    reactive: moving agents react to what is ahead instead of repeating their
      track.
    alive_steps: an agent must be seen as long as this to be an adversary.
    nearness: metres by which the distance to the ego may grow until an agent is
      e times less likely to be the adversary, at temperature 1.
    temperature: of that choice; 0 takes the nearest, as the paper does.
    onset: seconds from start to trigger, of adversaries and cousins.
    merge_time: seconds, cut-in.
    merge_gap: metres from bumper to bumper after a cut-in, to where the ego was
      in the recording.
    speed_deficit: m/s below the ego's speed after a cut-in.
    cut_in_brake: m/s^2 of braking after every second cut-in.
    cut_in_final_speed: share of its speed that this braking leaves.
    brake: m/s^2, hard brake.
    brake_final_speed: share of the speed that it leaves.
    brake_jerk: m/s^3 of its onset and end.
    change_time: seconds, lane change without a gap.
    drift: metres to the side.
    drift_period: seconds there and back; every second drift stays there.
    slow_speed: share of the speed that a lead slows down to.
    slow_period: seconds from one full speed to the next.
    slow_cycles: how often; every second lead stays slow the first time.
    encroachment: metres beyond the middle between both cars.
    encroachment_time: seconds there.
    arrival_offset: seconds after the ego at which a crossing car is where both
      paths cross.
    follow_gap: metres from bumper to bumper behind where the ego was.
    follow_speed: m/s above the ego's speed at the end of the approach.
    follow_time: seconds of the approach.
    time_to_arrival: seconds before the ego would arrive, at which a parked car
      or a pedestrian starts.
    pull_out_acceleration: m/s^2, mean.
    pull_out_speed: m/s in the end.
    pull_out_reach: metres of road to reach the ego's lane.
    walk_speed: m/s of a pedestrian who darts out.
    shift: metres to either side, lateral shift.
    shift_time: seconds.
    speed_factor: of a speed change.
    speed_time: seconds until it holds, and until who stopped creeps.
    stop_time: seconds in which a cousin stops, and later regains its speed.
    stop_wait: seconds that it stands.
    creep_speed: share of the recorded speed at which it creeps.
    creep_time: seconds that it creeps.
    turn_acceleration: m/s^2 to the side at most where another lane bends.
    turn_brake: m/s^2 before that.
    max_acceleration: m/s^2, either sign.
    max_lateral_acceleration: m/s^2.
    max_curvature: 1/m.
    max_jerk: m/s^3, longitudinal.
    margin: metres around an edited box that no other may enter.
    avoid_ego: an adversary must also keep clear of the recorded ego, which a
      policy that repeats the recording needs.
    tail_steps: after the end of a manoeuvre for which the margin holds.
    drivable_tolerance: metres that a corner may leave the drivable area.
    max_wheel_gap: metres by which the ground under one wheel may miss the plane
      under the four.
    max_slope: rise of the ground over the length of a car.
    avoid_accelerations: m/s^2, ego manoeuvres.
    avoid_shifts: metres.
    avoid_delays: steps.
    avoid_steps: steps after the trigger within which a manoeuvre must stay
      free.
    avoid_stride: steps between two looks.
    target_difficulty: the curriculum's first.
    difficulty_step: by which it changes.
    difficulty_width: standard deviation of what is drawn around it.
    success_range: of the policy; above it gets harder, below easier.
    unedited_share: of what the curriculum draws, at least.
  """

  num_proposals: ranges.Count = 64
  num_accepted: tuple[ranges.CountOrNone, ...] = (
    4,
    24,
    24,
    *(0,) * 9,
    4,
    4,
    4,
    4,
    4,
  )
  held_out: tuple[str, ...] = ()
  first_start: ranges.CountOrNone = 5
  episode_steps: ranges.CountOrNone = 80
  reactive: bool = True
  alive_steps: ranges.Count = 40
  nearness: ranges.Positive = 10.0
  temperature: ranges.NotNegative = 1.0
  onset: ranges.Interval = (0.0, 3.0)
  merge_time: ranges.Interval = (1.5, 4.0)
  merge_gap: ranges.Interval = (2.0, 15.0)
  speed_deficit: ranges.Interval = (0.0, 6.0)
  cut_in_brake: ranges.Interval = (2.0, 5.0)
  cut_in_final_speed: ranges.Shares = (0.4, 0.8)
  brake: ranges.Interval = (3.0, 8.0)
  brake_final_speed: ranges.Shares = (0.0, 0.4)
  brake_jerk: ranges.Positive = 15.0
  change_time: ranges.Interval = (1.0, 2.5)
  drift: ranges.Interval = (0.6, 1.6)
  drift_period: ranges.Interval = (2.0, 5.0)
  slow_speed: ranges.Shares = (0.1, 0.5)
  slow_period: ranges.Interval = (3.0, 6.0)
  slow_cycles: ranges.Interval = (1.0, 3.0)
  encroachment: ranges.Interval = (0.8, 2.5)
  encroachment_time: ranges.Interval = (1.0, 3.0)
  arrival_offset: ranges.SignedInterval = (-1.0, 1.0)
  follow_gap: ranges.Interval = (2.0, 6.0)
  follow_speed: ranges.Interval = (0.0, 4.0)
  follow_time: ranges.Interval = (2.0, 4.0)
  time_to_arrival: ranges.Interval = (1.5, 4.0)
  pull_out_acceleration: ranges.Interval = (1.5, 3.0)
  pull_out_speed: ranges.Interval = (3.0, 8.0)
  pull_out_reach: ranges.Interval = (10.0, 20.0)
  walk_speed: ranges.Interval = (1.2, 3.5)
  shift: ranges.NotNegative = 3.5
  shift_time: ranges.Interval = (2.0, 4.0)
  speed_factor: ranges.Interval = (0.5, 1.3)
  speed_time: ranges.Positive = 2.0
  stop_time: ranges.Interval = (2.0, 4.0)
  stop_wait: ranges.Interval = (0.5, 2.0)
  creep_speed: ranges.Shares = (0.1, 0.4)
  creep_time: ranges.Interval = (0.5, 2.0)
  turn_acceleration: ranges.Positive = 2.0
  turn_brake: ranges.Positive = 1.5
  max_acceleration: ranges.Positive = 8.0
  max_lateral_acceleration: ranges.Positive = 6.0
  max_curvature: ranges.Positive = 0.2
  max_jerk: ranges.Positive = 20.0
  margin: ranges.NotNegative = 0.2
  avoid_ego: bool = False
  tail_steps: ranges.CountOrNone = 10
  drivable_tolerance: ranges.NotNegative = 0.0
  max_wheel_gap: ranges.Positive = 0.1
  max_slope: ranges.Positive = 0.25
  avoid_accelerations: tuple[ranges.Signed, ...] = (
    -8.0,
    -6.0,
    -4.0,
    -2.0,
    0.0,
    2.0,
  )
  avoid_shifts: tuple[ranges.Signed, ...] = (-3.5, 0.0, 3.5)
  avoid_delays: tuple[ranges.CountOrNone, ...] = (0, 5)
  avoid_steps: ranges.Count = 60
  avoid_stride: ranges.Count = 2
  target_difficulty: ranges.Share = 0.2
  difficulty_step: ranges.Share = 0.05
  difficulty_width: ranges.Positive = 0.15
  success_range: ranges.Shares = (0.5, 0.8)
  unedited_share: ranges.Share = 0.3

  def misfits(self):
    """See `ranges`."""
    if len(self.num_accepted) != len(BEHAVIOURS):
      yield 'num_accepted', f'one for each of {BEHAVIOURS}'
    if not set(self.held_out) <= set(ADVERSARIES):
      yield 'held_out', f'some of {ADVERSARIES}'


def validate(config: Config):
  """Raises ValueError, naming the field, if the numbers do not fit."""
  ranges.check(config, 'scenario.')


def without_held_out(config: Config) -> Config:
  """`config` for training: nothing is kept of what is only for tests.

  Raises:
    ValueError: as `validate` does.
  """
  validate(config)
  return dataclasses.replace(
    config,
    num_accepted=tuple(
      0 if name in config.held_out else count
      for name, count in zip(BEHAVIOURS, config.num_accepted, strict=True)
    ),
  )
