# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the report says of nouns that the stages hand on."""

import sys
import types as python_types

import numpy as np
import pytest

from rdrl import scenario
from rdrl import trees
from rdrl.pipeline import showing
from rdrl.pipeline import stages


def _drive(name, place, variants):
  recording = python_types.SimpleNamespace(name=name)
  repaired = python_types.SimpleNamespace(scene=place, recording=recording)
  return repaired, stages.Edited(variants, {})


def test_report_says_how_far_a_reference_is_from_the_recorded_ego(road):
  place = road.scene(road.straight(0, -1.75, 10), road.straight(20, -1.75, 10))
  moved = place.tracks.xy.copy()
  moved[:, 0, 1] += np.tile(np.float32([0.03, 0.03, 0.03, -0.06]), 26)[:101]
  # The cousin's is no reference of the recording, nor who is ahead of it.
  moved[:, 1] += 5
  smoothed = road.scenario(place, tracks=place.tracks.replace(xy=moved))
  far = place.tracks.replace(xy=place.tracks.xy + 9)
  cousin = road.scenario(
    place,
    tracks=far,
    behaviour=np.int32(scenario.BEHAVIOURS.index('lateral_shift')),
  )
  pairs = [
    _drive('jitters', place, trees.concatenate([cousin, smoothed])),
    _drive('is smooth', place, road.scenario(place)),
    _drive('has cousins alone', place, cousin),
  ]
  repaired, edited = zip(*pairs, strict=True)
  found = showing.residuals({'refine': repaired, 'scenarios': edited})
  assert set(found) == {'jitters'}
  np.testing.assert_allclose(found['jitters'], (0.0395, 0.06), atol=1e-3)


def test_what_was_wanted_and_never_accepted_is_named_with_reasons():
  counts = [
    {
      'crossing': {'accepted': 0, 'no_agent': 5, 'overlap': 0},
      'cut_in': {'accepted': 0, 'overlap': 8},
    },
    {
      'crossing': {'accepted': 0, 'no_agent': 1, 'overlap': 7},
      'cut_in': {'accepted': 2, 'overlap': 6},
    },
  ]
  edited = [stages.Edited(None, one) for one in counts]
  assert stages.never_accepted(edited) == {'crossing': 'overlap 7, no agent 6'}


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
