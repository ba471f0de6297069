# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A learned adversary: guided diffusion over joint futures of agents."""

from rdrl.scenario.learned.config import JERK_STEPS as JERK_STEPS
from rdrl.scenario.learned.config import Config as Config
from rdrl.scenario.learned.config import Guidance as Guidance
from rdrl.scenario.learned.config import validate as validate
from rdrl.scenario.learned.guidance import gaps_between as gaps_between
from rdrl.scenario.learned.guidance import objective as objective
from rdrl.scenario.learned.model import Adversary as Adversary
from rdrl.scenario.learned.model import Model as Model
from rdrl.scenario.learned.model import load as load
from rdrl.scenario.learned.model import save as save
from rdrl.scenario.learned.model import train as train
from rdrl.scenario.learned.motion import fit as fit
from rdrl.scenario.learned.motion import smooth as smooth
from rdrl.scenario.learned.motion import unroll as unroll
from rdrl.scenario.learned.sampling import ADVERSARY as ADVERSARY
from rdrl.scenario.learned.sampling import propose as propose
from rdrl.scenario.learned.sampling import sample as sample
from rdrl.scenario.learned.traffic import Traffic as Traffic
from rdrl.scenario.learned.traffic import View as View
from rdrl.scenario.learned.traffic import look as look
from rdrl.scenario.learned.traffic import prepare as prepare
from rdrl.scenario.learned.traffic import stack as stack
