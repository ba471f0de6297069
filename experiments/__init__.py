# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

from rdrl import interrupts

# `python -m` imports this first, then for seconds what the command needs.
if sys.argv[:1] == ['-m']:
  interrupts.watch()
