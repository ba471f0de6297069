# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Edits of tracks: adversaries, and cousins of the ego's trajectory."""

from rdrl.scenario import checks
from rdrl.scenario import frenet
from rdrl.scenario import grammar
from rdrl.scenario import smoothing
from rdrl.scenario.checks import REASONS
from rdrl.scenario.config import ADVERSARIES
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import COUSINS
from rdrl.scenario.config import FAMILIES
from rdrl.scenario.config import PARAMETERS
from rdrl.scenario.config import Config
from rdrl.scenario.context import Context
from rdrl.scenario.context import prepare
from rdrl.scenario.context import reserve
from rdrl.scenario.curriculum import next_target
from rdrl.scenario.curriculum import weights
from rdrl.scenario.expansion import can_redraw
from rdrl.scenario.expansion import draw_scenario
from rdrl.scenario.expansion import edited
from rdrl.scenario.expansion import expand
from rdrl.scenario.expansion import of_sentences
from rdrl.scenario.expansion import proposals
from rdrl.scenario.expansion import scenarios
from rdrl.scenario.expansion import select
from rdrl.scenario.expansion import without_held_out
from rdrl.scenario.plan import Constraint
from rdrl.scenario.plan import unconstrained
from rdrl.scenario.planning import Proposal
from rdrl.scenario.planning import edited_tracks
from rdrl.scenario.planning import propose

__all__ = [
  'ADVERSARIES',
  'BEHAVIOURS',
  'COUSINS',
  'FAMILIES',
  'PARAMETERS',
  'REASONS',
  'Config',
  'Constraint',
  'Context',
  'Proposal',
  'can_redraw',
  'checks',
  'draw_scenario',
  'edited',
  'edited_tracks',
  'expand',
  'frenet',
  'grammar',
  'next_target',
  'of_sentences',
  'prepare',
  'proposals',
  'propose',
  'reserve',
  'scenarios',
  'select',
  'smoothing',
  'unconstrained',
  'weights',
  'without_held_out',
]
