# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Poses the Gaussians of agents that are not rigid.

The scene graph of OmniRe (Chen et al. 2024, arXiv 2408.16760): beside rigid
nodes there are pedestrians, whose Gaussians follow a skeleton by linear blend
skinning, and deformable nodes, see `deformation`. The skeleton has the
kinematic tree of SMPL's joints (Loper et al. 2015); its proportions are those
of Drillis and Contini (1966) as printed in Winter, "Biomechanics and Motor
Control of Human Movement", figure 4.1. A gait bends it, the mean and first
harmonic of each joint's flexion (Troje 2002). Its phase is the distance walked,
so it needs no clock.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import deformation

# Parent of each joint, in SMPL's order.
PARENTS = (
  *(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),
  *(9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
)
_LEFT_HIP, _LEFT_KNEE, _LEFT_SHOULDER, _LEFT_ELBOW = 1, 4, 16, 18

# Shares of the height. Winter's figure: height of ankle .039, knee .285, hip
# .530, shoulder .818 and chin .870; half the width of the shoulders .129;
# length of the foot .152, of upper arm .186, forearm .146 and hand .108. Spine,
# collar and hip joints, which it does not give, are interpolated.
_LEFT = {
  1: (0.0, 0.050, 0.530),  # hip
  4: (0.0, 0.050, 0.285),  # knee
  7: (0.0, 0.050, 0.039),  # ankle
  10: (0.070, 0.050, 0.015),  # ball of the foot
  13: (0.0, 0.040, 0.800),  # collar
  16: (0.0, 0.129, 0.818),  # shoulder
  18: (0.0, 0.315, 0.818),  # elbow
  20: (0.0, 0.461, 0.818),  # wrist
  22: (0.0, 0.515, 0.818),  # palm
}
_MIDDLE = {
  0: (0.0, 0.0, 0.560),  # pelvis
  3: (0.0, 0.0, 0.620),
  6: (0.0, 0.0, 0.690),
  9: (0.0, 0.0, 0.740),
  12: (0.0, 0.0, 0.840),  # neck
  15: (0.0, 0.0, 0.880),  # head
}
# End of the bone that moves with a joint, where it is not the joint's child.
_ENDS = {
  0: (0.0, 0.0, 0.620),
  9: (0.0, 0.0, 0.840),
  10: (0.112, 0.050, 0.015),
  15: (0.0, 0.0, 0.960),
  22: (0.0, 0.569, 0.818),
}
# Radii of the flesh around bones, shares of the height.
_RADII = {
  0: 0.070,
  1: 0.045,
  3: 0.065,
  4: 0.030,
  6: 0.065,
  7: 0.025,
  9: 0.070,
  10: 0.020,
  12: 0.035,
  13: 0.045,
  15: 0.050,
  16: 0.028,
  18: 0.022,
  20: 0.018,
  22: 0.015,
}
# Distance over which skinning blends from one bone to the next, likewise.
_BLEND = 0.02
# Turn in rad from the rest pose, arms out, to hanging arms.
_HANG = 1.45


def _tables():
  """Joints `[24, 3]`, ends of bones `[24, 3]` and radii `[24]`."""
  right = {k + 1: np.array(v) * [1, -1, 1] for k, v in _LEFT.items()}
  places = _MIDDLE | _LEFT | right
  joints = np.array([places[k] for k in range(len(PARENTS))])
  ends = {PARENTS[k]: places[k] for k in range(len(PARENTS) - 1, 0, -1)} | _ENDS
  for k in _LEFT:
    ends[k + 1] = np.array(ends[k]) * [1, -1, 1]
  radii = [_RADII.get(k, _RADII.get(k - 1)) for k in range(len(PARENTS))]
  joints[:, 2] -= 0.5
  ends = np.array([ends[k] for k in range(len(PARENTS))]) - [0, 0, 0.5]
  return tuple(np.asarray(x, np.float32) for x in (joints, ends, radii))


_JOINTS, _BONE_ENDS, _BONE_RADII = _tables()


def rest_joints(size):
  """Joints `[24, 3]` at rest in the box frame of an agent of a size `[3]`."""
  return _JOINTS * size[2]


def rest_bones(size):
  """Capsules around the bones at rest, in the box frame.

  Args:
    size: `[3]` of the box, metres.

  Returns:
    Ends `[24, 2, 3]` and radii `[24]` in metres.
  """
  ends = np.stack([_JOINTS, _BONE_ENDS], 1)
  return ends * size[2], _BONE_RADII * size[2]


def capsule_distances(point, ends, radii):
  """Metres `[...]` from a point to the surface of capsules, negative inside.

  Args:
    point: `[3]`.
    ends: `[..., 2, 3]` of the axes.
    radii: `[...]`.
  """
  start, axis = ends[..., 0, :], ends[..., 1, :] - ends[..., 0, :]
  offset = point - start
  length2 = jnp.maximum(jnp.sum(axis * axis, -1), 1e-12)
  share = jnp.clip(jnp.sum(offset * axis, -1) / length2, 0, 1)
  return geometry.safe_norm(offset - share[..., None] * axis) - radii


def quat_from_rotation_vector(vector):
  """wxyz quaternions `[..., 4]` of rotation vectors `[..., 3]` in rad."""
  angle = geometry.safe_norm(vector, keepdims=True)
  # sin(angle / 2) / angle, also at 0.
  ratio = 0.5 * jnp.sinc(angle / (2 * jnp.pi))
  return jnp.concatenate([jnp.cos(angle / 2), ratio * vector], -1)


def rotate(quat, vector):
  """Turns `[..., 3]` vectors by `[..., 4]` unit quaternions."""
  w, u = quat[..., :1], quat[..., 1:]
  cross = jnp.cross(u, vector)
  return vector + 2 * (w * cross + jnp.cross(u, cross))


def gait_phase(agents: types.AgentState, bodies: types.Bodies):
  """Phase `[A]` of the gait in rad, 2 pi for each stride walked."""
  heading = jnp.stack([jnp.cos(agents.yaw), jnp.sin(agents.yaw)], -1)
  along = jnp.sum(agents.xy * heading, -1) - bodies.origin
  return 2 * jnp.pi * bodies.motion.cadence * along


def gait_pose(gait, phase):
  """Rotation of each joint relative to its parent, at a phase of the gait.

  Args:
    gait: `[4, 3]`, see `types.Motion`. Positive flexion brings leg, upper arm
      and forearm ahead and the shin back.
    phase: `[]` rad.

  Returns:
    wxyz quaternions `[24, 4]`.
  """
  half_cycle = jnp.array([0, jnp.pi])
  basis = jnp.stack(
    [
      jnp.ones(2),
      jnp.sin(phase + half_cycle),
      jnp.cos(phase + half_cycle),
    ]
  )
  hip, knee, shoulder, elbow = jnp.sum(gait[..., None] * basis, 1)
  zero, side = jnp.zeros(2), jnp.array([1.0, -1.0])

  def turn(x, y, z):
    return quat_from_rotation_vector(jnp.stack([x, y, z], -1))

  hanging = turn(-_HANG * side, zero, zero)
  pairs = {
    _LEFT_HIP: turn(zero, -hip, zero),
    _LEFT_KNEE: turn(zero, knee, zero),
    _LEFT_SHOULDER: geometry.multiply_quats(
      turn(zero, -shoulder, zero), hanging
    ),
    # The arm at rest lies along y, so its elbow bends about z.
    _LEFT_ELBOW: turn(zero, zero, -elbow * side),
  }
  pose = jnp.zeros((len(PARENTS), 4)).at[:, 0].set(1)
  for joint, quats in pairs.items():
    pose = pose.at[joint : joint + 2].set(quats)
  return pose


def bone_motions(joints, pose):
  """Rigid motion of each bone from rest to a pose: x to R x + shift.

  Args:
    joints: `[24, 3]` metres at rest.
    pose: `[24, 4]` wxyz rotation of each joint relative to its parent.

  Returns:
    R as wxyz quaternions `[24, 4]`, and shifts `[24, 3]` in metres. The first
    joint stays in place.
  """
  parents = np.array(PARENTS)
  bones = joints - jnp.where(parents[:, None] >= 0, joints[parents], 0)
  quats, places, ancestors = pose, bones, parents
  # Each round doubles the length of the joined chains. The usual loop over
  # bones takes XLA a minute to compile.
  while np.any(ancestors >= 0):
    above_quats, above_places = quats[ancestors], places[ancestors]
    has_above = ancestors[:, None] >= 0
    places = jnp.where(
      has_above, above_places + rotate(above_quats, places), places
    )
    quats = jnp.where(
      has_above, geometry.multiply_quats(above_quats, quats), quats
    )
    ancestors = np.where(ancestors >= 0, ancestors[ancestors], ancestors)
  return quats, places - rotate(quats, joints)


def skinning_weights(mean, size):
  """Skinning weights `[24]` of a point at rest; they sum to 1.

  Args:
    mean: `[3]` metres in the box frame.
    size: `[3]` of the box.
  """
  distances = capsule_distances(mean, *rest_bones(size))
  return jax.nn.softmax(-distances / (_BLEND * size[2]))


def skin(mean, quat, size, motions):
  """Applies linear blend skinning to one Gaussian.

  Args:
    mean: `[3]` metres at rest.
    quat: `[4]` wxyz of its axes at rest.
    size: `[3]` of the box.
    motions: from `bone_motions`.

  Returns:
    Mean and quaternion in the pose; the latter turns by the blend of the bones'
    quaternions, with signs aligned to the root's.
  """
  turns, shifts = motions
  weights = skinning_weights(mean, size)[:, None]
  moved = jnp.sum(weights * (rotate(turns, mean) + shifts), 0)
  aligned = jnp.sum(turns * turns[0], -1, keepdims=True) >= 0
  turn = jnp.sum(weights * jnp.where(aligned, turns, -turns), 0)
  return moved, geometry.multiply_quats(turn, quat)


def all_bone_motions(bodies: types.Bodies, agents: types.AgentState):
  """`bone_motions` `[A]` of all agents, as if all were pedestrians."""
  pose = jax.vmap(gait_pose)(bodies.motion.gait, gait_phase(agents, bodies))
  return jax.vmap(bone_motions)(jax.vmap(rest_joints)(bodies.sizes), pose)


def posed(gaussians, bodies, agents, time, config):
  """Poses the Gaussians of bodies at a time.

  Args:
    gaussians: `N` of them, at rest in their box frames.
    bodies: `types.Bodies`, or None if all agents are rigid.
    agents: `[A]`.
    time: `[]` seconds on the clock of the tracks; None: nothing deforms.
    config: `RenderConfig`, whose budgets bound how many are moved.

  Returns:
    Posed Gaussians in their box frames, and `[]` int32 how many stayed at rest
    because they were beyond the budgets.
  """
  if bodies is None:
    return gaussians, jnp.int32(0)
  gaussians, bodies = jax.tree.map(jnp.asarray, (gaussians, bodies))
  node = jnp.maximum(gaussians.node, types.BACKGROUND)
  kind = jnp.where(node > types.BACKGROUND, bodies.kind[node], types.RIGID)
  parts, missing = [], jnp.int32(0)
  for which, budget in (
    (types.ARTICULATED, config.articulated_budget),
    (types.DEFORMABLE, config.deformable_budget),
  ):
    is_mine = kind == which
    missing += jnp.maximum(jnp.sum(is_mine) - budget, 0)
    if not budget or (which == types.DEFORMABLE and time is None):
      continue
    (index,) = jnp.nonzero(is_mine, size=budget, fill_value=len(node))

    def pick(x, index=index):
      return x.at[index].get(mode='fill', fill_value=0)

    agent = pick(node)
    shape = tuple(map(pick, _shape(gaussians)))
    size = bodies.sizes[agent]
    if which == types.ARTICULATED:
      motions = all_bone_motions(bodies, agents)
      mean, quat = jax.vmap(skin)(
        shape[0], shape[1], size, trees.take(motions, agent)
      )
      shape = mean, quat, shape[2]
    else:
      offsets = jax.vmap(deformation.offsets, (None, 0, 0, None))(
        bodies.motion.field,
        2 * shape[0] / size,
        bodies.motion.embedding[agent],
        jnp.asarray(time, jnp.float32),
      )
      shape = jax.tree.map(jnp.add, shape, offsets)
    parts.append((index, shape))
  means, quats, log_scales = _shape(gaussians)
  for index, shape in parts:
    means, quats, log_scales = (
      x.at[index].set(new, mode='drop')
      for x, new in zip((means, quats, log_scales), shape, strict=True)
    )
  moved = gaussians.replace(means=means, quats=quats, log_scales=log_scales)
  return moved, missing


def check(gaussians, bodies, config):
  """Checks on the host that the budgets hold the Gaussians of the bodies.

  Raises:
    ValueError: naming the budget that is too small.
  """
  if bodies is None:
    return
  node = np.maximum(np.asarray(gaussians.node), types.BACKGROUND)
  kind = np.asarray(bodies.kind)[node]
  for which, name in (
    (types.ARTICULATED, 'articulated_budget'),
    (types.DEFORMABLE, 'deformable_budget'),
  ):
    count = int(np.sum((kind == which) & (node > types.BACKGROUND)))
    if count > getattr(config, name):
      raise ValueError(
        f'splat.render.{name}={getattr(config, name)}: {count} Gaussians need'
        ' it'
      )


def _shape(gaussians):
  return gaussians.means, gaussians.quats, gaussians.log_scales
