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
class Parameter:
  """Something of a manoeuvre that is drawn, uniformly between two limits.

  Attributes:
    behaviours: that ask for it.
    limits: least and greatest value, unless `Config.limits` has others. They
      are ours: the paper gives none.
    meaning: with its unit.
    allowed: what limits may be.
  """

  behaviours: tuple[str, ...]
  limits: tuple[float, float]
  meaning: str
  allowed: object = ranges.Interval


def _share(behaviours, meaning, limits=(0.0, 1.0)):
  return Parameter(behaviours, limits, meaning, ranges.Shares)


_EDITED = (*ADVERSARIES, *COUSINS)
_SHIFTED = ('lateral_shift', 'interpolation')
# In the order in which they are drawn.
PARAMETERS = {
  'onset': Parameter(_EDITED, (0.0, 3.0), 's from the start to the trigger'),
  'merge_time': Parameter(('cut_in',), (1.5, 4.0), 's'),
  'merge_gap': Parameter(
    ('cut_in',),
    (2.0, 15.0),
    'm from bumper to bumper afterwards, to where the ego was when recorded',
  ),
  'speed_deficit': Parameter(
    ('cut_in',), (0.0, 6.0), 'm/s below the speed of the ego'
  ),
  'cut_in_brake': Parameter(
    ('cut_in',), (2.0, 5.0), 'm/s^2 of every second one, at last'
  ),
  'cut_in_final_speed': _share(
    ('cut_in',), 'of its speed that this leaves', (0.4, 0.8)
  ),
  'brake': Parameter(('hard_brake',), (3.0, 8.0), 'm/s^2'),
  'brake_final_speed': _share(
    ('hard_brake',), 'of its speed that it leaves', (0.0, 0.4)
  ),
  'change_time': Parameter(('lane_change',), (1.0, 2.5), 's'),
  'drift': Parameter(('drift',), (0.6, 1.6), 'm to the side'),
  'drift_period': Parameter(
    ('drift',), (2.0, 5.0), 's there and back; every second stays'
  ),
  'slow_speed': _share(
    ('stop_and_go',), 'of the speed that is kept', (0.1, 0.5)
  ),
  'slow_period': Parameter(
    ('stop_and_go',), (3.0, 6.0), 's from full speed to full speed'
  ),
  'slow_cycles': Parameter(
    ('stop_and_go',),
    (1.0, 3.0),
    'how often; every second lead stays slow the first time',
  ),
  'encroachment': Parameter(
    ('oncoming',), (0.8, 2.5), 'm beyond the middle between both cars'
  ),
  'encroachment_time': Parameter(('oncoming',), (1.0, 3.0), 's there'),
  'arrival_offset': Parameter(
    ('crossing',),
    (-1.0, 1.0),
    's after the ego, to be where both paths cross',
    ranges.SignedInterval,
  ),
  'follow_gap': Parameter(
    ('tailgate',), (2.0, 6.0), 'm from bumper to bumper at the end'
  ),
  'follow_speed': Parameter(
    ('tailgate',), (0.0, 4.0), 'm/s above the speed of the ego then'
  ),
  'follow_time': Parameter(('tailgate',), (2.0, 4.0), 's of the approach'),
  'time_to_arrival': Parameter(
    ('pull_out', 'dart_out'),
    (1.5, 4.0),
    's before the ego would arrive, of the start',
  ),
  'pull_out_acceleration': Parameter(('pull_out',), (1.5, 3.0), 'm/s^2, mean'),
  'pull_out_speed': Parameter(('pull_out',), (3.0, 8.0), 'm/s in the end'),
  'pull_out_reach': Parameter(
    ('pull_out',), (10.0, 20.0), "m of road to the ego's lane"
  ),
  'walk_speed': Parameter(('dart_out',), (1.2, 3.5), 'm/s'),
  'shift_time': Parameter(_SHIFTED, (2.0, 4.0), 's'),
  'speed_factor': Parameter(
    ('speed_change', 'interpolation'), (0.5, 1.3), 'of the speed'
  ),
  'stop_time': Parameter(
    ('stop_and_creep',), (2.0, 4.0), 's to stop, and to go on at last'
  ),
  'stop_wait': Parameter(('stop_and_creep',), (0.5, 2.0), 's that it stands'),
  'creep_speed': _share(('stop_and_creep',), 'of the speed', (0.1, 0.4)),
  'creep_time': Parameter(('stop_and_creep',), (0.5, 2.0), 's'),
  'start': _share(_EDITED, 'of the steps between two looks for a trigger'),
  'coin': _share(
    ('cut_in', 'drift', 'stop_and_go', *_SHIFTED), 'below a half or not'
  ),
  'level': _share(COUSINS, 'of how far, or which of those known'),
  'family': _share(('insertion',), 'of the list of families not held out'),
  'side': _share(('insertion',), 'below a half right of the ego, else left'),
  'place': _share(('insertion',), "of the role's metres ahead"),
  'place_aside': _share(('insertion',), "of the role's metres to the side"),
  'place_speed': _share(('insertion',), "of the role's speeds"),
}


@dataclasses.dataclass(frozen=True)
class Config:
  """Parameters of the Dynamic Adversary Agent and the cousin trajectories.

  Attributes:
    num_proposals: drawn per behaviour of which any are kept.
    num_accepted: kept per behaviour, in the order of `BEHAVIOURS`; the first is
      the number of unedited scenarios, which differ in where they start.
    sentences: adversaries in words, see `grammar`; each is proposed
      `num_proposals` times beside those above.
    accepted_per_sentence: kept of each sentence, at most.
    num_redrawn: kept of those that a learned adversary draws, at most, where
      there is one; it begins from adversaries that were accepted.
    held_out: adversaries for tests only, see `expansion.without_held_out`; not
      all families.
    first_start: first step at which an episode may begin: one decision must
      lie before it.
    episode_steps: steps that should remain after the start.
    reactive: moving agents react to what is ahead instead of repeating their
      track: by `types.IDM`, but for two shares.
    yield_share: of those that react, probability that one keeps to its track
      and its time and yields to who is in the way (`types.YIELD`).
    lane_change_share: of those that react and drive, probability that one may
      also change to a lane beside it (`types.LANE_CHANGE`).
    alive_steps: an agent must be seen as long as this to be an adversary.
    nearness: metres by which the distance to the ego may grow until an agent is
      e times less likely to be the adversary, at temperature 1.
    temperature: of that choice; 0 takes the nearest, as the paper does.
    limits: of parameters, in place of those in `PARAMETERS`, such as
      `(('merge_gap', (2.0, 6.0)),)`.
    brake_jerk: m/s^3 of its onset and end.
    shift: metres to either side, lateral shift.
    speed_time: seconds until it holds, and until who stopped creeps.
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
  sentences: tuple[str, ...] = ()
  accepted_per_sentence: ranges.Count = 4
  num_redrawn: ranges.CountOrNone = 24
  held_out: tuple[str, ...] = ()
  first_start: ranges.CountOrNone = 5
  episode_steps: ranges.CountOrNone = 80
  reactive: bool = True
  yield_share: ranges.Share = 0.0
  lane_change_share: ranges.Share = 0.0
  alive_steps: ranges.Count = 40
  nearness: ranges.Positive = 10.0
  temperature: ranges.NotNegative = 1.0
  limits: tuple[tuple[str, tuple[float, float]], ...] = ()
  brake_jerk: ranges.Positive = 15.0
  shift: ranges.NotNegative = 3.5
  speed_time: ranges.Positive = 2.0
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
    if set(FAMILIES) <= set(self.held_out):
      yield 'held_out', 'not all families'
    if len(set(self.sentences)) < len(self.sentences):
      yield 'sentences', 'all different'
    if self.yield_share + self.lane_change_share > 1:
      yield 'yield_share', 'at most 1 together with lane_change_share'
    for name, values in self.limits:
      if name not in PARAMETERS:
        yield 'limits', f'names among {", ".join(PARAMETERS)}'
      elif wrong := ranges.misfit(values, PARAMETERS[name].allowed):
        yield 'limits', f'{wrong} for {name}'

  def limits_of(self, name):
    """Least and greatest value of a parameter.

    Raises:
      KeyError: if it is none.
    """
    return dict(self.limits).get(name, PARAMETERS[name].limits)


def validate(config: Config):
  """Raises ValueError, naming the field, if the numbers do not fit."""
  ranges.check(config, 'scenario.')
