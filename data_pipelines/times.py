# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Whether what a recording says of places and times can be.

Whether it keeps time is up to `logs.check_times`, as for prepared logs.
"""

import numpy as np

from rdrl import logs

# m/s above which nothing drives: a position that asks for more is a mistake.
MAX_SPEED = 100.0


def check_way(xyz, times, source, first=0):
  """Checks that nobody goes faster than `MAX_SPEED` from step to step.

  Args:
    xyz: `[T, 2]` or `[T, 3]` metres.
    times: `[T]` seconds that increase.
    source: a function from the number of a step to file and field.
    first: number of the first step in the file.

  Raises:
    LogError: one line that names the source, the step and the jump.
  """
  way = np.linalg.norm(np.diff(np.asarray(xyz, np.float64), axis=0), axis=-1)
  gaps = np.diff(np.asarray(times, np.float64))
  for step in np.flatnonzero(~(way <= MAX_SPEED * gaps))[:1]:
    raise logs.LogError(
      f'{source(first + step + 1)}: step {first + step + 1} is '
      f'{way[step]:.6g} m from step {first + step}, {gaps[step]:.3g} s before'
    )
