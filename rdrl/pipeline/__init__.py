# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From recorded drives to a policy that was scored.

Stages are functions from nouns to a frozen noun. `run` does one after the
other, resumes what was killed, takes the time and writes the report anew after
every stage.
"""

from rdrl.pipeline.config import SOURCES as SOURCES
from rdrl.pipeline.config import STAGES as STAGES
from rdrl.pipeline.config import Config as Config
from rdrl.pipeline.config import Request as Request
from rdrl.pipeline.config import check as check
from rdrl.pipeline.config import check_source as check_source
from rdrl.pipeline.runner import Timing as Timing
from rdrl.pipeline.runner import run as run
from rdrl.pipeline.stages import Fitted as Fitted
from rdrl.pipeline.stages import Recording as Recording
from rdrl.pipeline.stages import Run as Run
from rdrl.pipeline.stages import fit as fit
from rdrl.pipeline.stages import fit_group as fit_group
from rdrl.pipeline.stages import groups as groups
from rdrl.pipeline.stages import record as record
