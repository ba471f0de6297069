# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How many scenarios, of which kinds, within which limits."""

import dataclasses

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

  num_proposals: int = 64
  num_accepted: tuple[int, ...] = (4, 24, 24, *(0,) * 9, 4, 4, 4, 4, 4)
  held_out: tuple[str, ...] = ()
  first_start: int = 5
  episode_steps: int = 80
  reactive: bool = True
  alive_steps: int = 40
  nearness: float = 10.0
  temperature: float = 1.0
  onset: tuple[float, float] = (0.0, 3.0)
  merge_time: tuple[float, float] = (1.5, 4.0)
  merge_gap: tuple[float, float] = (2.0, 15.0)
  speed_deficit: tuple[float, float] = (0.0, 6.0)
  cut_in_brake: tuple[float, float] = (2.0, 5.0)
  cut_in_final_speed: tuple[float, float] = (0.4, 0.8)
  brake: tuple[float, float] = (3.0, 8.0)
  brake_final_speed: tuple[float, float] = (0.0, 0.4)
  brake_jerk: float = 15.0
  change_time: tuple[float, float] = (1.0, 2.5)
  drift: tuple[float, float] = (0.6, 1.6)
  drift_period: tuple[float, float] = (2.0, 5.0)
  slow_speed: tuple[float, float] = (0.1, 0.5)
  slow_period: tuple[float, float] = (3.0, 6.0)
  slow_cycles: tuple[float, float] = (1.0, 3.0)
  encroachment: tuple[float, float] = (0.8, 2.5)
  encroachment_time: tuple[float, float] = (1.0, 3.0)
  arrival_offset: tuple[float, float] = (-1.0, 1.0)
  follow_gap: tuple[float, float] = (2.0, 6.0)
  follow_speed: tuple[float, float] = (0.0, 4.0)
  follow_time: tuple[float, float] = (2.0, 4.0)
  time_to_arrival: tuple[float, float] = (1.5, 4.0)
  pull_out_acceleration: tuple[float, float] = (1.5, 3.0)
  pull_out_speed: tuple[float, float] = (3.0, 8.0)
  pull_out_reach: tuple[float, float] = (10.0, 20.0)
  walk_speed: tuple[float, float] = (1.2, 3.5)
  shift: float = 3.5
  shift_time: tuple[float, float] = (2.0, 4.0)
  speed_factor: tuple[float, float] = (0.5, 1.3)
  speed_time: float = 2.0
  stop_time: tuple[float, float] = (2.0, 4.0)
  stop_wait: tuple[float, float] = (0.5, 2.0)
  creep_speed: tuple[float, float] = (0.1, 0.4)
  creep_time: tuple[float, float] = (0.5, 2.0)
  turn_acceleration: float = 2.0
  turn_brake: float = 1.5
  max_acceleration: float = 8.0
  max_lateral_acceleration: float = 6.0
  max_curvature: float = 0.2
  max_jerk: float = 20.0
  margin: float = 0.2
  avoid_ego: bool = False
  tail_steps: int = 10
  drivable_tolerance: float = 0.0
  max_wheel_gap: float = 0.1
  max_slope: float = 0.25
  avoid_accelerations: tuple[float, ...] = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0)
  avoid_shifts: tuple[float, ...] = (-3.5, 0.0, 3.5)
  avoid_delays: tuple[int, ...] = (0, 5)
  avoid_steps: int = 60
  avoid_stride: int = 2
  target_difficulty: float = 0.2
  difficulty_step: float = 0.05
  difficulty_width: float = 0.15
  success_range: tuple[float, float] = (0.5, 0.8)
  unedited_share: float = 0.3


def validate(config: Config):
  """Checks that the fields fit each other.

  Raises:
    ValueError: naming the field that does not.
  """
  if len(config.num_accepted) != len(BEHAVIOURS):
    raise ValueError(
      f'scenario.num_accepted has {len(config.num_accepted)} values, expected '
      f'{len(BEHAVIOURS)}: {BEHAVIOURS}'
    )
  for name in config.held_out:
    if name not in ADVERSARIES:
      raise ValueError(
        f'scenario.held_out: {name!r}, expected one of {ADVERSARIES}'
      )


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
