# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What decides how scenes are fitted and rendered."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """Fitting and rendering; the defaults are preset `quickstart`.

  Attributes:
    near: metres; what is closer along the optical axis is not drawn.
    far: metres; likewise what is farther.
    eps2d: pixel^2 added to the projected variances (gsplat's low-pass).
    max_alpha: largest opacity of one Gaussian in one pixel; gsplat 1.5 has
      0.999, its main branch 0.99.
    entries_per_gaussian: capacity of the tile lists of an image; what does not
      fit is the farthest, is left out and is counted.
  """

  near: float = 0.1
  far: float = 1000.0
  eps2d: float = 0.3
  max_alpha: float = 0.999
  entries_per_gaussian: float = 4.0
