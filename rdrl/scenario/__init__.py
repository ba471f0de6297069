# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Edits of who drives where: adversaries, and cousins of the ego's path."""

from rdrl.scenario import checks
from rdrl.scenario import frenet
from rdrl.scenario.checks import REASONS
from rdrl.scenario.config import BEHAVIOURS
from rdrl.scenario.config import Config
from rdrl.scenario.expansion import concatenate
from rdrl.scenario.expansion import expand
from rdrl.scenario.expansion import proposals
from rdrl.scenario.expansion import select
from rdrl.scenario.planning import Context
from rdrl.scenario.planning import Proposal
from rdrl.scenario.planning import prepare
from rdrl.scenario.planning import propose

__all__ = [
  'BEHAVIOURS',
  'REASONS',
  'Config',
  'Context',
  'Proposal',
  'checks',
  'concatenate',
  'expand',
  'frenet',
  'prepare',
  'proposals',
  'propose',
  'select',
]
