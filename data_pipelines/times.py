# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Whether a recording keeps time, and whether what it says of places can be.

Whatever comes after a pipeline takes two steps of a log to be
`types.TIME_STEP` apart: a gap of a second would be played in a tenth of it.
"""

import numpy as np

from rdrl import logs
from rdrl import types

# Seconds by which one step may be longer or shorter. Cameras that wait for a
# lidar to come round differ by a tenth of it (KITTI), clocks by far less.
TOLERANCE = 0.03
# And the share by which all steps together may be: KITTI's are 3 to 4 % long.
DRIFT = 0.05
# m/s above which nothing drives: a position that asks for more is a mistake.
MAX_SPEED = 100.0


def check(times, source, first=0):
  """Checks that consecutive steps are `types.TIME_STEP` apart.

  Args:
    times: `[T]` seconds, of the steps that are kept and of no others.
    source: file and field, for the message.
    first: number of the first of them in the file.

  Raises:
    LogError: one line that names the source, a step and its gap, and the
      longest stretch that keeps time.
  """
  times = np.asarray(times, np.float64)
  for step in np.flatnonzero(~np.isfinite(times))[:1]:
    raise logs.LogError(f'{source}: {times[step]} at step {first + step}')
  gaps = np.diff(times)
  bad = np.abs(gaps - types.TIME_STEP) > TOLERANCE
  for step in np.flatnonzero(bad)[:1]:
    ends = np.flatnonzero(np.r_[True, bad, True])
    longest = np.argmax(np.diff(ends))
    begin, end = first + ends[longest], first + ends[longest + 1]
    what = (
      'does not follow'
      if gaps[step] <= 0
      else f'is {gaps[step]:.6g} s, not {types.TIME_STEP} s, after'
    )
    raise logs.LogError(
      f'{source}: step {first + step + 1} at {times[step + 1]:.9g} s {what} '
      f'step {first + step} at {times[step]:.9g} s; longest without a gap: '
      f'{end - begin} steps from {begin}'
    )
  span = np.sum(gaps)
  if abs(span - len(gaps) * types.TIME_STEP) > TOLERANCE + DRIFT * span:
    raise logs.LogError(
      f'{source}: steps {first} to {first + len(gaps)} are {np.mean(gaps):.4g} '
      f's long in the mean, not {types.TIME_STEP} s'
    )


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
