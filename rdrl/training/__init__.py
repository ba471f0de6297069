# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Devices, checkpoints, metric lines, progress and the loop.

The only code that knows hosts, devices and disk.
"""

from rdrl.training import averaged as averaged
from rdrl.training import checkpoints as checkpoints
from rdrl.training import cli as cli
from rdrl.training import compiling as compiling
from rdrl.training import config as config
from rdrl.training import folders as folders
from rdrl.training import loop as loop
from rdrl.training import mesh as mesh
from rdrl.training import threads as threads
