# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A run in one picture."""

import numpy as np

from rdrl.report import top_view
from rdrl.report import videos

# Least width of a view in pixels.
_WIDTH = 320


def picture(shift, showcase):
  """Recorded view, shifted view before and after refinement, and a drive.

  The views are those of the front camera, or of the first one if none is
  called so, in the middle of the moments of `shift`. The drive is the last
  one of `showcase`, seen from above.

  Args:
    shift: `content.Shift`.
    showcase: `content.Showcase`.

  Returns:
    uint8 `[H, W, 3]`, the four from left to right, each below its label.
  """
  cameras = list(shift.cameras)
  camera = cameras.index('front') if 'front' in cameras else 0
  moment = len(shift.recorded) // 2
  side = 'left' if shift.offset >= 0 else 'right'
  views = {
    'recorded': shift.recorded,
    f'{abs(shift.offset):.1f} m to the {side}, as reconstructed': shift.frames[
      'as reconstructed'
    ],
    'the same after refinement': shift.frames['after refinement'],
  }
  panels = {
    label: videos.enlarge(np.asarray(x)[moment : moment + 1, camera], _WIDTH)
    for label, x in views.items()
  }
  _, height, width, _ = panels['recorded'].shape
  label, (drive, _) = list(showcase.drives.items())[-1]
  frame = top_view.fit_frame([drive], 3 * width // 2, height)
  above = top_view.picture(drive, showcase.lane_map, frame)
  panels[f'a drive of {label} among adversaries, from above'] = above[None]
  captioned = [videos.caption(x, label) for label, x in panels.items()]
  return videos.beside(captioned)[0]
