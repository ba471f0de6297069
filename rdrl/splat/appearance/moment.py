# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A scene at a moment: poses bodies and lights agents."""

from flax import struct

from rdrl import types
from rdrl.splat.appearance import bodies
from rdrl.splat.appearance import lighting


@struct.dataclass
class Appearance:
  """The fields of `types.Scene` that an image depends on.

  Attributes:
    gaussians: `N` of them.
    sky: `[h, w, 3]`.
    exposure: `[C, 3, 4]`, or `[3, 4]` of the one camera that looks.
    bodies: None where all agents are rigid.
    light: `[8, 3]`, or None.
  """

  gaussians: types.Gaussians
  sky: types.Array
  exposure: types.Array
  bodies: types.Bodies | None = None
  light: types.Array | None = None


def appear(scene, agents, time, config):
  """Poses and lights the Gaussians of a scene.

  Args:
    scene: `Appearance` or `types.Scene`.
    agents: `[A]`.
    time: `[]` seconds on the clock of the tracks; None: nothing deforms.
    config: `RenderConfig`, whose budgets bound how many are moved.

  Returns:
    `Gaussians` in their box frames, and `[]` int32 how many of bodies stayed at
    rest because they were beyond the budgets.
  """
  gaussians, unposed = bodies.posed(
    scene.gaussians, scene.bodies, agents, time, config
  )
  return lighting.lit(gaussians, scene.light, agents), unposed
