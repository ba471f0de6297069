# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A scene at a moment: bodies as they move, agents in the light around."""

from flax import struct

from rdrl import types
from rdrl.splat.appearance import bodies
from rdrl.splat.appearance import lighting


@struct.dataclass
class Appearance:
  """What an image of a scene depends on, see `types.Scene`, which has it, too.

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
  """Gaussians of a scene as they are at a moment.

  Args:
    scene: `Appearance` or `types.Scene`.
    agents: `[A]`.
    time: `[]` seconds on the clock of the tracks; None leaves aside what of the
      bodies needs a clock.
    config: `RenderConfig`, whose budgets say how many are moved at most.

  Returns:
    `Gaussians` in the box frames, and `[]` int32 how many of bodies found no
    room in the budgets and stayed at rest.
  """
  gaussians, unposed = bodies.posed(
    scene.gaussians, scene.bodies, agents, time, config
  )
  return lighting.lit(gaussians, scene.light, agents), unposed
