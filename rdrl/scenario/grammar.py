# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Parses sentences that describe an adversary, by a small grammar.

"The car on the right cuts in hard after two seconds": who (`WHO`), where
(`WHERE`), what it does (`VERBS`, one per sentence), how hard (`HOW`), when and
how much (numbers with a unit, `QUANTITIES`), in any order. At each place the
longest known phrase is read; `FILLERS` mean nothing. Any other word is an error
that names it: nothing is guessed.

ReconDreamer-RL (arXiv 2508.08170) takes prompts, but its "text-to-trajectory"
was not published.
"""

import re

import numpy as np

from rdrl import ranges
from rdrl import types
from rdrl.scenario import config as config_lib
from rdrl.scenario import plan

_INF = np.inf
_VEHICLE, _WALKER, _CYCLIST = (
  (types.VEHICLE,),
  (types.PEDESTRIAN,),
  (types.CYCLIST,),
)

# Agents: classes, and range of lengths in metres.
WHO = {
  'car': (_VEHICLE, (0.0, 6.5)),
  'vehicle': (_VEHICLE, (0.0, _INF)),
  'lead': (_VEHICLE, (0.0, _INF)),
  'leader': (_VEHICLE, (0.0, _INF)),
  'lead car': (_VEHICLE, (0.0, 6.5)),
  'lead vehicle': (_VEHICLE, (0.0, _INF)),
  'van': (_VEHICLE, (4.8, 8.0)),
  'truck': (_VEHICLE, (5.5, _INF)),
  'lorry': (_VEHICLE, (5.5, _INF)),
  'bus': (_VEHICLE, (8.0, _INF)),
  'cyclist': (_CYCLIST, (0.0, _INF)),
  'bicycle': (_CYCLIST, (0.0, _INF)),
  'bike': (_CYCLIST, (0.0, _INF)),
  'pedestrian': (_WALKER, (0.0, _INF)),
  'person': (_WALKER, (0.0, _INF)),
  'child': (_WALKER, (0.0, _INF)),
}

# Places: range of a feature of `plan.FEATURES` at the trigger.
WHERE = {
  'on the right': {'d': (-_INF, 0.0)},
  'on my right': {'d': (-_INF, 0.0)},
  'from the right': {'d': (-_INF, 0.0)},
  'to the right': {'d': (-_INF, 0.0)},
  'right hand': {'d': (-_INF, 0.0)},
  'on the left': {'d': (0.0, _INF)},
  'on my left': {'d': (0.0, _INF)},
  'from the left': {'d': (0.0, _INF)},
  'to the left': {'d': (0.0, _INF)},
  'left hand': {'d': (0.0, _INF)},
  'ahead': {'s': (0.0, _INF)},
  'in front': {'s': (0.0, _INF)},
  'behind': {'s': (-_INF, 0.0)},
  'from behind': {'s': (-_INF, 0.0)},
  'beside': {'s': (-8.0, 8.0)},
  'next to': {'s': (-8.0, 8.0)},
  'in the next lane': {'d': (-5.5, 5.5)},
  'fast': {'speed': (8.0, _INF)},
  'slow': {'speed': (0.0, 8.0)},
}

# Adjectives that imply a family.
ADJECTIVES = {
  'parked': 'pull_out',
  'oncoming': 'oncoming',
}

# Verbs: the family.
VERBS = {
  'cuts in': 'cut_in',
  'cut in': 'cut_in',
  'merges': 'cut_in',
  'squeezes in': 'cut_in',
  'brakes': 'hard_brake',
  'slams on the brakes': 'hard_brake',
  'stops': 'hard_brake',
  'changes lane': 'lane_change',
  'changes lanes': 'lane_change',
  'lane change': 'lane_change',
  'changes into my lane': 'lane_change',
  'drifts': 'drift',
  'swerves': 'drift',
  'wanders': 'drift',
  'slows down': 'stop_and_go',
  'crawls': 'stop_and_go',
  'stops and goes': 'stop_and_go',
  'stop and go': 'stop_and_go',
  'crosses the centre line': 'oncoming',
  'crosses the center line': 'oncoming',
  'encroaches': 'oncoming',
  'comes over': 'oncoming',
  'crosses': 'crossing',
  'turns across': 'crossing',
  'runs the light': 'crossing',
  'tailgates': 'tailgate',
  'speeds up': 'tailgate',
  'refuses the merge': 'tailgate',
  'refuses to let me merge': 'tailgate',
  'closes in': 'tailgate',
  'pulls out': 'pull_out',
  'darts out': 'dart_out',
  'steps out': 'dart_out',
  'runs out': 'dart_out',
}

# Families that pedestrians act as another one.
_OF_WALKERS = {'crossing': 'dart_out'}

# Parameters that rise (1) or fall (-1) as a family gets harder.
SEVERITY = {
  'cut_in': {'merge_time': -1, 'merge_gap': -1, 'speed_deficit': 1},
  'hard_brake': {'brake': 1, 'brake_final_speed': -1},
  'lane_change': {'change_time': -1},
  'drift': {'drift': 1, 'drift_period': -1},
  'stop_and_go': {'slow_speed': -1, 'slow_period': -1},
  'oncoming': {'encroachment': 1},
  'crossing': {},
  'tailgate': {'follow_gap': -1, 'follow_speed': 1},
  'pull_out': {'pull_out_acceleration': 1, 'time_to_arrival': -1},
  'dart_out': {'walk_speed': 1, 'time_to_arrival': -1},
}

# Adverbs: share of the ranges of the parameters in `SEVERITY`.
HOW = {
  'hard': (2 / 3, 1.0),
  'sharply': (2 / 3, 1.0),
  'suddenly': (2 / 3, 1.0),
  'aggressively': (2 / 3, 1.0),
  'quickly': (2 / 3, 1.0),
  'abruptly': (2 / 3, 1.0),
  'moderately': (1 / 3, 2 / 3),
  'gently': (0.0, 1 / 3),
  'softly': (0.0, 1 / 3),
  'slowly': (0.0, 1 / 3),
  'smoothly': (0.0, 1 / 3),
}

# Phrases that set ranges of parameters.
ALSO = {
  'and brakes': {'coin': (0.0, 0.499)},
  'then brakes': {'coin': (0.0, 0.499)},
  'and then brakes': {'coin': (0.0, 0.499)},
  'at once': {'onset': (0.0, 0.0)},
  'immediately': {'onset': (0.0, 0.0)},
  'once': {'slow_cycles': (1.0, 1.0), 'coin': (0.5, 1.0)},
  'twice': {'slow_cycles': (2.0, 2.0), 'coin': (0.5, 1.0)},
}
# Families that they apply to, if not to all.
_ALSO_FAMILIES = {
  'and brakes': ('cut_in',),
  'then brakes': ('cut_in',),
  'and then brakes': ('cut_in',),
  'once': ('stop_and_go',),
  'twice': ('stop_and_go',),
}

# Numbers: the words before and the unit, to the parameter that they set, by
# family; `*` is any family.
QUANTITIES = {
  ('after', 's'): {'*': 'onset'},
  ('in', 's'): {'*': 'onset'},
  ('within', 's'): {
    'cut_in': 'merge_time',
    'lane_change': 'change_time',
    'tailgate': 'follow_time',
  },
  ('for', 's'): {'oncoming': 'encroachment_time'},
  ('with a gap of', 'm'): {'cut_in': 'merge_gap', 'tailgate': 'follow_gap'},
  ('leaving', 'm'): {'cut_in': 'merge_gap', 'tailgate': 'follow_gap'},
  ('by', 'm'): {'drift': 'drift', 'oncoming': 'encroachment'},
  ('at', 'm/s'): {'pull_out': 'pull_out_speed', 'dart_out': 'walk_speed'},
  ('at', 'm/s^2'): {'hard_brake': 'brake', 'pull_out': 'pull_out_acceleration'},
}
UNITS = {
  's': 's',
  'sec': 's',
  'second': 's',
  'seconds': 's',
  'm': 'm',
  'metre': 'm',
  'metres': 'm',
  'meter': 'm',
  'meters': 'm',
  'm/s': 'm/s',
  'm/s2': 'm/s^2',
  'm/s^2': 'm/s^2',
}
NUMBERS = {
  'half a': 0.5,
  'a': 1.0,
  'one': 1.0,
  'two': 2.0,
  'three': 3.0,
  'four': 4.0,
  'five': 5.0,
  'six': 6.0,
  'seven': 7.0,
  'eight': 8.0,
  'nine': 9.0,
  'ten': 10.0,
}

# Phrases for a donor instead of a recorded agent.
DONORS = ('inserted', 'a new', 'an extra', 'another')
FILLERS = frozenset(
  (
    'a',
    'an',
    'the',
    'and',
    'then',
    'of',
    'me',
    'my',
    'ego',
    'us',
    'our',
    'it',
    'that',
    'which',
    'is',
    'in',
    'into',
    'onto',
    'lane',
    'road',
    'street',
    'path',
    'driver',
    'its',
    'to',
  )
)

# Characters of a sentence.
_LONGEST = 300
# A sign stands before a number; a hyphen between words is none.
_TOKEN = re.compile(
  r'(?<!\S)-?\d*\.?\d+|\d+(?:\.\d+)?|m/s\^?2?|[a-z]+|[^\sa-z\d.,;:!?-]'
)


def parse(sentence, config=None):
  """Parses a sentence to a behaviour and a constraint.

  Args:
    sentence: English; case, hyphens and commas do not matter.
    config: `scenario.Config`, whose ranges are the defaults.

  Returns:
    Name out of `BEHAVIOURS`, and `Constraint` for `proposals` or `propose`.

  Raises:
    ValueError: naming unknown words, or what is missing, said twice or
      contradictory.
  """
  config = config or config_lib.Config()
  return _Reading(sentence, config).result()


def misfit(config):
  """What is wrong with the sentences of a `scenario.Config`, or None."""
  for sentence in config.sentences:
    try:
      parse(sentence, config)
    except ValueError as error:
      return str(error)
  return None


class _Reading:
  """One sentence, read from left to right."""

  def __init__(self, sentence, config):
    self._sentence = sentence
    self._config = config
    self._who, self._verb, self._how = None, None, None
    self._adjectives, self._also = [], []
    self._donor = False
    self._features, self._quantities = {}, []
    if len(sentence) > _LONGEST:
      raise ValueError(
        f'sentence {sentence[:40]!r}...: {len(sentence)} characters, at most'
        f' {_LONGEST}'
      )
    self._words = _TOKEN.findall(str(sentence).lower())
    unknown = []
    at = 0
    while at < len(self._words):
      taken = self._read(at)
      if not taken:
        unknown.append(self._words[at])
      at += max(taken, 1)
    if unknown:
      words = ', '.join(repr(word) for word in unknown)
      self._fail(f'did not understand {words}')

  def _fail(self, message):
    raise ValueError(f'sentence {self._sentence!r}: {message}')

  def _phrase(self, at, phrases):
    """The longest of some phrases at a place, and its number of words."""
    found = None
    for phrase in phrases:
      parts = phrase.split()
      stands = self._words[at : at + len(parts)] == parts
      if stands and (found is None or len(parts) > found[1]):
        found = phrase, len(parts)
    return found or (None, 0)

  def _read(self, at):
    """Reads a phrase at a place; returns its number of words, or 0."""
    taken = self._quantity(at)
    if taken:
      return taken
    readers = (
      (ALSO, self._also.append),
      (VERBS, lambda phrase: self._once('_verb', phrase, 'what it does')),
      (WHERE, self._place),
      (DONORS, self._insert),
      (ADJECTIVES, self._adjectives.append),
      (WHO, lambda phrase: self._once('_who', phrase, 'who')),
      (HOW, lambda phrase: self._once('_how', phrase, 'how hard')),
      (FILLERS, lambda phrase: None),
    )
    length, phrase, take = 0, None, None
    for phrases, reader in readers:
      candidate, words = self._phrase(at, phrases)
      if words > length:
        length, phrase, take = words, candidate, reader
    if length:
      take(phrase)
    return length

  def _once(self, field, phrase, meaning):
    before = getattr(self, field)
    if before is not None:
      self._fail(f'{meaning} is said twice, {before!r} and {phrase!r}')
    setattr(self, field, phrase)

  def _insert(self, phrase):
    del phrase
    self._donor = True

  def _place(self, phrase):
    for name, (low, high) in WHERE[phrase].items():
      old_low, old_high = self._features.get(name, (-_INF, _INF))
      low, high = max(low, old_low), min(high, old_high)
      if low >= high:
        self._fail(f'{phrase!r} contradicts what was said before')
      self._features[name] = low, high

  def _quantity(self, at):
    """Reads a preposition, a number or a range of two, and a unit."""
    lead, length = self._phrase(at, {lead for lead, _ in QUANTITIES})
    if not length:
      return 0
    values = []
    end = at + length
    while True:
      value, words = self._number(end)
      if value is None:
        return 0
      values.append(value)
      end += words
      if len(values) == 2 or self._words[end : end + 1] != ['to']:
        break
      end += 1
    unit = UNITS.get(self._words[end]) if end < len(self._words) else None
    if (lead, unit) not in QUANTITIES:
      return 0
    phrase = ' '.join(self._words[at : end + 1])
    self._quantities.append((lead, unit, min(values), max(values), phrase))
    return end + 1 - at

  def _number(self, at):
    if at < len(self._words) and self._words[at][-1].isdecimal():
      return float(self._words[at]), 1
    phrase, words = self._phrase(at, NUMBERS)
    return NUMBERS.get(phrase), words

  def _family(self):
    if self._verb is None:
      self._fail(
        'says not what anybody does, expected one of '
        + ', '.join(sorted(VERBS))
      )
    family = VERBS[self._verb]
    if self._who and WHO[self._who][0] == _WALKER:
      family = _OF_WALKERS.get(family, family)
    # The adjective decides the family, as of an oncoming car that drifts or a
    # parked car that merges, if the verb allows it.
    for adjective in self._adjectives:
      own = ADJECTIVES[adjective]
      meant = {
        'oncoming': ('oncoming', 'drift', 'crossing', 'lane_change'),
        'pull_out': ('pull_out', 'cut_in'),
      }[own]
      if family not in meant:
        self._fail(f'{adjective!r} contradicts {self._verb!r}')
      family = family if family == 'crossing' else own
    return family

  def result(self):
    family = self._family()
    constraint = plan.unconstrained(self._config)
    if self._who is not None:
      classes, length = WHO[self._who]
      walks = family == 'dart_out'
      if walks != (classes == _WALKER):
        self._fail(f'{self._who!r} contradicts {self._verb!r}')
      constraint.classes[list(classes)] = True
      constraint.features[plan.FEATURES.index('length')] = length
    for name, limits in self._features.items():
      constraint.features[plan.FEATURES.index(name)] = limits
    constraint = constraint.replace(donor=np.array(self._donor))

    def put(name, low, high):
      constraint.parameters[plan.PARAMETERS.index(name)] = low, high

    if self._how is not None:
      if not SEVERITY[family]:
        self._fail(f'{self._how!r} says nothing about {self._verb!r}')
      for name, sign in SEVERITY[family].items():
        low, high = self._config.limits_of(name)
        shares = HOW[self._how]
        first, last = shares if sign > 0 else (1 - shares[1], 1 - shares[0])
        put(name, low + first * (high - low), low + last * (high - low))
    said = {}

    def say(name, low, high, phrase):
      if name in said:
        self._fail(f'{phrase!r} contradicts {said[name]!r}')
      said[name] = phrase
      wrong = ranges.misfit((low, high), config_lib.PARAMETERS[name].allowed)
      if wrong:
        self._fail(f'{phrase!r}: {name} has to be {wrong}')
      put(name, low, high)

    for phrase in self._also:
      if family not in _ALSO_FAMILIES.get(phrase, (family,)):
        self._fail(f'{phrase!r} says nothing about {self._verb!r}')
      for name, limits in ALSO[phrase].items():
        say(name, *limits, phrase)
    for lead, unit, low, high, phrase in self._quantities:
      names = QUANTITIES[lead, unit]
      name = names.get(family, names.get('*'))
      if name is None:
        self._fail(f'{phrase!r} says nothing about {self._verb!r}')
      say(name, low, high, phrase)
    return family, constraint
