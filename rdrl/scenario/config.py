# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How many scenarios, of which kinds, within which limits."""

import dataclasses

BEHAVIOURS = ('log', 'cut_in', 'hard_brake', 'lateral_shift', 'speed_change')
LOG, CUT_IN, HARD_BRAKE, LATERAL_SHIFT, SPEED_CHANGE = range(len(BEHAVIOURS))


@dataclasses.dataclass(frozen=True)
class Config:
  """Parameters of the Dynamic Adversary Agent and the cousin trajectories.

  Ranges are ours, the paper gives none.

  Attributes:
    num_proposals: drawn per behaviour.
    num_accepted: kept per behaviour, in the order of `BEHAVIOURS`; the first is
      the number of unedited scenarios, which differ in where they start.
    first_start: first step at which an episode may begin: one decision must
      lie before it.
    episode_steps: steps that should remain after the start.
    reactive: moving agents react to what is ahead instead of repeating their
      track.
    alive_steps: an agent must be seen as long as this to be an adversary.
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
    shift: metres to either side, lateral shift.
    shift_time: seconds.
    speed_factor: of a speed change.
    speed_time: seconds until it holds.
    max_acceleration: m/s^2, either sign.
    max_lateral_acceleration: m/s^2.
    max_curvature: 1/m.
    max_jerk: m/s^3, longitudinal.
    margin: metres around an edited box that no other may enter.
    avoid_ego: an adversary must also keep clear of the recorded ego, which a
      policy that repeats the recording needs.
    tail_steps: after the end of a manoeuvre for which the margin holds.
    drivable_tolerance: metres that a corner may leave the drivable area.
    avoid_accelerations: m/s^2, ego manoeuvres.
    avoid_shifts: metres.
    avoid_delays: steps.
    avoid_steps: steps after the trigger within which a manoeuvre must stay
      free.
    avoid_stride: steps between two looks.
  """

  num_proposals: int = 64
  num_accepted: tuple[int, ...] = (4, 24, 24, 4, 4)
  first_start: int = 5
  episode_steps: int = 80
  reactive: bool = True
  alive_steps: int = 40
  onset: tuple[float, float] = (0.0, 3.0)
  merge_time: tuple[float, float] = (1.5, 4.0)
  merge_gap: tuple[float, float] = (2.0, 15.0)
  speed_deficit: tuple[float, float] = (0.0, 6.0)
  cut_in_brake: tuple[float, float] = (2.0, 5.0)
  cut_in_final_speed: tuple[float, float] = (0.4, 0.8)
  brake: tuple[float, float] = (3.0, 8.0)
  brake_final_speed: tuple[float, float] = (0.0, 0.4)
  brake_jerk: float = 15.0
  shift: float = 3.5
  shift_time: tuple[float, float] = (2.0, 4.0)
  speed_factor: tuple[float, float] = (0.5, 1.3)
  speed_time: float = 2.0
  max_acceleration: float = 8.0
  max_lateral_acceleration: float = 6.0
  max_curvature: float = 0.2
  max_jerk: float = 20.0
  margin: float = 0.2
  avoid_ego: bool = False
  tail_steps: int = 10
  drivable_tolerance: float = 0.0
  avoid_accelerations: tuple[float, ...] = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0)
  avoid_shifts: tuple[float, ...] = (-3.5, 0.0, 3.5)
  avoid_delays: tuple[int, ...] = (0, 5)
  avoid_steps: int = 60
  avoid_stride: int = 2
