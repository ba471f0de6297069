# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A skeleton bends as one does, and what hangs on it goes along."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
from jax.test_util import check_grads
import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import bodies
from rdrl.splat.appearance import deformation
from rdrl.splat.appearance import views
from rdrl.splat.fitting import fit as fitting
from rdrl.splat.fitting import initialise
from rdrl.splat.fitting import lidar
from rdrl.splat.fitting import optimise
from rdrl.splat.fitting import unpose

SIZE = np.array([0.6, 0.6, 1.75], np.float32)
STILL = np.zeros((24, 4), np.float32) + np.array([1, 0, 0, 0], np.float32)
GAIT = np.array(
  [[0.1, 0.4, -0.1], [0.3, 0.1, 0.2], [0, -0.3, 0.1], [0.4, 0.1, 0.2]],
  np.float32,
)
STRIDE = 1.4
BUDGETS = splat.RenderConfig(articulated_budget=64, deformable_budget=64)
SKIN = jax.jit(jax.vmap(bodies.skin, (0, 0, None, None)))
MOTIONS = jax.jit(bodies.bone_motions)
POSED = jax.jit(bodies.posed, static_argnames='config')


def _cloud(num=50, seed=0):
  """Points `[num, 3]` round the bones and quaternions `[num, 4]`."""
  rng = np.random.default_rng(seed)
  points = unpose.on_bones(SIZE, num, rng)
  quats = rng.normal(size=(num, 4))
  quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
  return points.astype(np.float32), quats.astype(np.float32)


def _pose(seed, strength=0.6):
  rng = np.random.default_rng(seed)
  vectors = strength * rng.normal(size=(24, 3))
  return bodies.quat_from_rotation_vector(jnp.asarray(vectors, jnp.float32))


def _agents(*xs, yaw=0.0):
  """Ego, walker, cyclist and car, the walker at the xs; `[len(xs), 4]`."""
  shape = len(xs), 4
  xy = np.zeros((*shape, 2), np.float32)
  xy[..., 1] = np.arange(4) * 3
  xy[:, 1] = np.array(xs)[:, None] * [np.cos(yaw), np.sin(yaw)]
  zero = np.zeros(shape, np.float32)
  return types.AgentState(
    xy=xy, z=zero, yaw=zero + yaw, speed=zero, valid=np.ones(shape, bool)
  )


def _bodies():
  count = 4
  gait = np.tile(GAIT, (count, 1, 1))
  field = jax.device_get(deformation.init(jax.random.key(0)))
  return types.Bodies(
    kind=np.array(
      [types.RIGID, types.ARTICULATED, types.DEFORMABLE, types.RIGID], np.int32
    ),
    sizes=np.tile(SIZE, (count, 1)),
    origin=np.full(count, 0.2, np.float32),
    motion=types.Motion(
      cadence=np.full(count, 1 / STRIDE, np.float32),
      gait=gait,
      embedding=np.zeros((count, deformation.NUM_EMBEDDED), np.float32),
      field=field,
    ),
  )


def _gaussians(num=40):
  """Every fourth belongs to the background and to each agent but the ego."""
  points, quats = _cloud(num)
  rng = np.random.default_rng(1)
  return types.Gaussians(
    means=points,
    log_scales=np.full((num, 3), -3, np.float32),
    quats=quats,
    opacity_logits=np.full(num, 2, np.float32),
    sh=rng.normal(size=(num, 1, 3)).astype(np.float32),
    node=(np.arange(num) % 4).astype(np.int32),
  )


def test_nothing_moves_at_rest():
  points, quats = _cloud()
  means, turned = SKIN(
    points, quats, SIZE, MOTIONS(bodies.rest_joints(SIZE), STILL)
  )
  np.testing.assert_allclose(means, points, atol=1e-6)
  np.testing.assert_allclose(turned, quats, atol=1e-6)


def test_a_turn_of_the_root_moves_a_body_like_a_rigid_one():
  points, quats = _cloud()
  root = bodies.quat_from_rotation_vector(jnp.array([0.3, -0.5, 1.1]))
  joints = bodies.rest_joints(SIZE)
  means, turned = SKIN(
    points, quats, SIZE, MOTIONS(joints, jnp.asarray(STILL).at[0].set(root))
  )
  rotation = np.asarray(geometry.rotation_from_quat(root))
  expected = (points - joints[0]) @ rotation.T + joints[0]
  np.testing.assert_allclose(means, expected, atol=2e-6)
  np.testing.assert_allclose(
    geometry.rotation_from_quat(turned),
    rotation @ geometry.rotation_from_quat(jnp.asarray(quats)),
    atol=2e-6,
  )


@pytest.mark.parametrize('seed', range(3))
def test_bones_keep_their_lengths_in_any_pose(seed):
  joints = bodies.rest_joints(SIZE)
  quats, shifts = MOTIONS(joints, _pose(seed))
  moved = np.asarray(bodies.rotate(quats, joints) + shifts)
  parents = np.array(bodies.PARENTS[1:])
  np.testing.assert_allclose(
    np.linalg.norm(moved[1:] - moved[parents], axis=-1),
    np.linalg.norm(joints[1:] - joints[parents], axis=-1),
    atol=1e-6,
  )
  # Each joint belongs to its parent's bone as much as to its own.
  by_parent = bodies.rotate(quats[parents], joints[1:]) + shifts[parents]
  np.testing.assert_allclose(by_parent, moved[1:], atol=1e-6)


def test_left_and_right_mirror_each_other():
  joints = bodies.rest_joints(SIZE)
  ends, _ = bodies.rest_bones(SIZE)
  left = np.array([1, 4, 7, 10, 13, 16, 18, 20, 22])
  right = left + 1
  mirror = np.array([1, -1, 1])
  np.testing.assert_allclose(joints[left], joints[right] * mirror)
  np.testing.assert_allclose(ends[left], ends[right] * mirror)
  # Half a cycle on, the sides have changed places.
  now = bodies.gait_pose(GAIT, 0.7)
  later = bodies.gait_pose(GAIT, 0.7 + np.pi)
  swapped = np.arange(24)
  swapped[left], swapped[right] = right, left
  # Mirrored across y, a turn about y stays and the others change sign.
  np.testing.assert_allclose(
    now, later[swapped] * np.array([1, -1, 1, -1]), atol=1e-6
  )


def test_positive_flexion_brings_the_leg_ahead_and_the_shin_back():
  joints = bodies.rest_joints(SIZE)
  flexed = np.zeros((4, 3), np.float32)
  flexed[0, 0], flexed[1, 0], flexed[2, 0], flexed[3, 0] = 0.5, 0.9, 0.4, 0.6
  quats, shifts = MOTIONS(joints, bodies.gait_pose(flexed, 0.0))
  moved = np.asarray(bodies.rotate(quats, joints) + shifts)
  hip, knee, ankle = moved[1], moved[4], moved[7]
  thigh = np.linalg.norm(joints[4] - joints[1])
  assert knee[0] - hip[0] == pytest.approx(thigh * np.sin(0.5), abs=1e-5)
  assert ankle[0] < knee[0]
  shoulder, elbow, wrist = moved[16], moved[18], moved[20]
  assert elbow[2] < shoulder[2] - 0.25 and elbow[0] > shoulder[0]
  assert wrist[0] - elbow[0] > elbow[0] - shoulder[0]


def test_gradients_equal_finite_differences():
  points, quats = _cloud(4)
  probe = np.random.default_rng(3).normal(size=(4, 7)).astype(np.float32)

  @jax.jit
  def total(gait, point):
    motions = bodies.bone_motions(
      bodies.rest_joints(SIZE), bodies.gait_pose(gait, 0.4)
    )
    found = jax.vmap(bodies.skin, (0, 0, None, None))(
      point, quats, SIZE, motions
    )
    return jnp.sum(jnp.concatenate(found, -1) * probe)

  with jax.enable_x64(True):
    check_grads(
      total,
      (GAIT.astype(np.float64), points.astype(np.float64)),
      1,
      ['rev'],
      eps=1e-5,
    )


def test_gait_repeats_after_a_stride_and_not_before():
  g, config = _gaussians(), BUDGETS
  walk = _agents(0.3, 0.3 + STRIDE / 2, 0.3 + STRIDE, yaw=0.8)
  start, half, whole = (
    POSED(g, _bodies(), trees.take(walk, t), None, config)[0].means
    for t in range(3)
  )
  np.testing.assert_allclose(whole, start, atol=1e-5)
  assert np.abs(half - start)[g.node == 1].max() > 0.05
  np.testing.assert_array_equal(half[g.node != 1], start[g.node != 1])


def test_what_finds_no_room_is_counted_and_stays():
  g, here = _gaussians(40), trees.take(_agents(0.3), 0)
  full, none = POSED(g, _bodies(), here, None, BUDGETS)
  assert none == 0
  config = splat.RenderConfig(articulated_budget=4, deformable_budget=7)
  cut, missing = POSED(g, _bodies(), here, None, config)
  assert missing == 6 + 3
  walker = np.flatnonzero(g.node == 1)
  np.testing.assert_allclose(
    cut.means[walker[:4]], full.means[walker[:4]], atol=1e-6
  )
  np.testing.assert_array_equal(cut.means[walker[4:]], g.means[walker[4:]])
  bodies.check(g, _bodies(), BUDGETS)
  with pytest.raises(ValueError, match='articulated_budget=4: 10 Gaussians'):
    bodies.check(g, _bodies(), config)


def test_maps_over_moments():
  g, walk = _gaussians(), _agents(0.0, 0.4, 0.9)
  times = np.array([0.0, 0.1, 0.2], np.float32)
  together, _ = jax.jit(
    jax.vmap(
      functools.partial(bodies.posed, config=BUDGETS), (None, None, 0, 0)
    )
  )(g, _bodies(), walk, times)
  for t in range(3):
    alone, _ = POSED(g, _bodies(), trees.take(walk, t), times[t], BUDGETS)
    np.testing.assert_allclose(together.means[t], alone.means, atol=1e-6)
    np.testing.assert_allclose(together.quats[t], alone.quats, atol=1e-6)


@pytest.mark.slow
def test_points_go_back_to_the_bone_that_they_were_on():
  # Far from joints, where one bone holds nearly all.
  ends, _ = bodies.rest_bones(SIZE)
  middle = ends.mean(1)[[1, 2, 4, 5, 15, 18, 19]]
  points = middle + np.array([0.02, 0, 0])
  walk = _agents(0.35, 0.8)
  log = types.Log(
    **dict.fromkeys(
      ('images', 'cameras', 'camera_from_ego', 'lidar', 'lidar_valid', 'map')
    ),
    times=np.array([0.0, 0.1]),
    tracks=walk,
    sizes=np.tile(SIZE, (4, 1)),
    classes=np.array([1, 2, 3, 1]),
  )
  body = _bodies()
  posed, times = [], []
  for t in range(2):
    motions = trees.take(bodies.all_bone_motions(body, trees.take(walk, t)), 1)
    moved, _ = SKIN(
      points.astype(np.float32), np.tile(STILL[0], (7, 1)), SIZE, motions
    )
    posed.append(moved)
    times.append(np.full(7, t))
  back = unpose.to_rest(
    np.concatenate(posed), np.concatenate(times), 1, log, body
  )
  np.testing.assert_allclose(back, np.tile(points, (2, 1)), atol=0.02)
  assert np.abs(np.concatenate(posed) - back).max() > 0.2


# A street of one walker, seen from its side.
HEIGHT, WIDTH, STEPS = 40, 32, 24
CONFIG = splat.Config(
  render=splat.RenderConfig(entries_per_gaussian=16.0),
  fit=splat.FitConfig(
    num_gaussians=256,
    gaussians_per_object=160,
    sh_degree=0,
    sky_height=8,
    num_steps=160,
    snapshot_fractions=(),
  ),
  grid=splat.GridConfig(size=32),
)


@functools.cache
def _walking_log(kind=types.PEDESTRIAN):
  """A walker of few blobs that passes at 1.3 m/s before a wall."""
  rng = np.random.default_rng(0)
  points = unpose.on_bones(SIZE, 120, rng).astype(np.float32)
  ends, radii = bodies.rest_bones(SIZE)
  distances = jax.vmap(bodies.capsule_distances, (0, None, None))(
    points, ends, radii
  )
  bone = np.argmin(distances, -1)
  colors = np.random.default_rng(3).normal(0, 1.0, (24, 1, 3))[bone]
  wall = np.c_[
    rng.uniform(-3, 3, 60), np.full(60, 6.0), rng.uniform(-1.5, 1.5, 60)
  ]
  gaussians = types.Gaussians(
    means=np.concatenate([wall, points]).astype(np.float32),
    log_scales=np.repeat(np.float32([-0.7, -3.0]), [60, 120])[:, None]
    * np.ones((1, 3), np.float32),
    quats=np.tile(STILL[0], (180, 1)),
    opacity_logits=np.full(180, 3, np.float32),
    sh=np.concatenate([rng.normal(0, 0.3, (60, 1, 3)), colors]).astype(
      np.float32
    ),
    node=np.repeat([0, 1], [60, 120]).astype(np.int32),
  )
  t = np.arange(STEPS)
  walked = 0.13 * t - 1.5
  zero = np.zeros((STEPS, 2), np.float32)
  tracks = types.AgentState(
    xy=np.stack(
      [np.zeros((STEPS, 2)), np.c_[walked, np.full(STEPS, 3.0)]], 1
    ).astype(np.float32),
    z=zero,
    yaw=zero,
    speed=zero + np.float32([0, 1.3]),
    valid=np.ones((STEPS, 2), bool),
  )
  gait = np.zeros((2, 4, 3), np.float32)
  gait[:, 0, 1], gait[:, 1, :2] = 0.45, (0.2, 0.2)
  body = trees.take(_bodies().replace(motion=None), slice(2)).replace(
    motion=types.Motion(
      cadence=np.full(2, 1 / 1.3, np.float32),
      gait=gait,
      embedding=np.zeros((2, deformation.NUM_EMBEDDED), np.float32),
      field=None,
    )
  )
  camera_from_ego = np.zeros((1, 4, 4), np.float32)
  camera_from_ego[0] = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
  intrinsics = np.array([[[40, 0, 16], [0, 40, 20], [0, 0, 1]]], np.float32)
  square = np.array([[-4, -3], [4, -3], [4, 7], [-4, 7]], np.float32)
  config = splat.RenderConfig(articulated_budget=200)

  @jax.jit
  def record(agents):
    cameras = geometry.mount_cameras(
      camera_from_ego, intrinsics, trees.take(agents, 0), HEIGHT, WIDTH
    )
    moved, _ = bodies.posed(gaussians, body, agents, None, config)
    rendered = views.render_world(
      moved,
      jnp.full((8, 16, 3), 0.5),
      np.eye(3, 4, dtype=np.float32),
      trees.take(cameras, 0),
      agents,
      CONFIG.render,
    )
    return rendered.color, cameras, moved.means

  frames = [jax.device_get(record(trees.take(tracks, i))) for i in range(STEPS)]
  places = np.append(tracks.xy[:, 1], tracks.z[:, 1:], -1)[:, None]
  lidar = np.stack([means for *_, means in frames])
  lidar[:, 60:] += places
  return types.Log(
    images=np.stack(
      [np.round(np.clip(x, 0, 1) * 255)[None] for x, *_ in frames]
    ).astype(np.uint8),
    cameras=trees.stack([cameras for _, cameras, _ in frames]),
    camera_from_ego=camera_from_ego,
    times=0.1 * t,
    tracks=tracks,
    sizes=np.stack([[0.2, 0.2, 0.2], SIZE]).astype(np.float32),
    classes=np.array([types.VEHICLE, kind], np.int32),
    lidar=lidar.astype(np.float32),
    lidar_valid=np.ones(lidar.shape[:2], bool),
    map=types.NO_MAP.replace(
      lane_width=np.full(1, 3.5, np.float32),
      drivable=types.Polylines(xy=square[None], valid=np.ones((1, 4), bool)),
    ),
    name='walk',
  )


def _non_rigid(budget=200, **fit):
  render = dataclasses.replace(CONFIG.render, articulated_budget=budget)
  return dataclasses.replace(CONFIG.with_fit(**fit), render=render)


@functools.cache
def _fitted(is_rigid):
  config = CONFIG if is_rigid else _non_rigid()
  return config, splat.fit(_walking_log(), config, jax.random.key(0))


@pytest.mark.slow
def test_lidar_tells_the_stride():
  log = _walking_log()
  hits = lidar.find(log, fitting.training_steps(log))
  config = _non_rigid()
  body = unpose.initial_bodies(log, hits, config.render, jax.random.key(0))
  assert list(body.kind) == [types.RIGID, types.ARTICULATED]
  assert 1 / body.motion.cadence[1] == pytest.approx(1.3, abs=0.1)
  # The leg's as a whole: less than the thigh's, more than the shin's, which
  # the knee takes back.
  assert 0.25 < np.hypot(*body.motion.gait[1, 0, 1:]) < 0.45
  assert (
    unpose.initial_bodies(log, hits, CONFIG.render, jax.random.key(0)) is None
  )


@pytest.mark.slow
def test_a_walker_is_fitted_better_with_a_skeleton():
  _, rigid = _fitted(True)
  _, bent = _fitted(False)
  assert rigid.scene.bodies is None and 'unposed' not in rigid.metrics
  assert bent.metrics['unposed'] == 0
  assert bent.metrics['psnr'] > rigid.metrics['psnr'] + 1


@pytest.mark.slow
def test_a_scene_with_bodies_is_kept_stacked_and_drawn_alike(tmp_path):
  config, result = _fitted(False)
  scene = jax.tree.map(np.asarray, result.scene)
  training.checkpoints.save(tmp_path, 0, scene)
  read = training.checkpoints.read(tmp_path, types.Scene)
  assert isinstance(read.bodies.motion, types.Motion)
  jax.tree.map(np.testing.assert_array_equal, read, scene)
  assert trees.stack([scene, read]).bodies.motion.gait.shape == (2, 2, 4, 3)
  renderer = splat.Renderer.create([scene, read], HEIGHT, WIDTH, config.render)
  log = _walking_log()
  draw = jax.jit(lambda r, *x: r(*x))
  shown = []
  for t in (3, 8):
    cameras, agents = trees.take((log.cameras, log.tracks), t)
    now = np.float32(0.1 * t)
    image = draw(renderer, 1, cameras, agents, now)
    expected = splat.render_moment(
      scene, cameras, agents, config.render, time=now
    )
    np.testing.assert_allclose(image[0], 255 * expected.color[0], atol=0.51)
    shown.append(image)
  with pytest.raises(ValueError, match='articulated_budget=0'):
    splat.Renderer.create([scene], HEIGHT, WIDTH, CONFIG.render)


@pytest.mark.slow
def test_a_scene_without_bodies_is_read_as_before(tmp_path):
  _, result = _fitted(True)
  scene = jax.tree.map(np.asarray, result.scene)
  training.checkpoints.save(tmp_path, 0, scene)
  assert training.checkpoints.read(tmp_path, types.Scene).bodies is None


@pytest.mark.slow
def test_a_step_compiles_once_and_several_traversals_fit(tmp_path):
  log = _walking_log()
  config = _non_rigid(400, num_gaussians=512, num_steps=6, relocate_every=2)
  optimise.step.clear_cache()
  first, second = splat.fit_traversals(
    [log, log], config, jax.random.key(0), tmp_path
  )
  assert optimise.step._cache_size() == 1
  lines = training.loop.read_metrics(tmp_path)
  assert lines[-1]['unposed'] == 0
  for result in (first, second):
    body = result.scene.bodies
    assert list(body.kind) == [types.RIGID, types.ARTICULATED]
    assert body.motion.gait.shape == (2, 4, 3)
    # Both saw the same walk.
    assert 1 / body.motion.cadence[1] == pytest.approx(1.3, abs=0.1)
  again = splat.refit(
    first.scene,
    log,
    splat.Views(
      images=np.asarray(log.images[0]),
      weights=np.ones((1, HEIGHT, WIDTH), np.float32),
      cameras=trees.take(log.cameras, 0),
      camera_index=np.zeros(1, np.int32),
      steps=np.zeros(1, np.int32),
    ),
    config.with_fit(refit_steps=3),
    jax.random.key(1),
  )
  assert np.any(again.bodies.motion.gait != first.scene.bodies.motion.gait)


def test_too_small_a_budget_is_named():
  with pytest.raises(ValueError, match='articulated_budget=5'):
    splat.fit(_walking_log(), _non_rigid(5), jax.random.key(0))


def test_walkers_start_at_rest():
  log = _walking_log()
  config = _non_rigid()
  hits = lidar.find(log, fitting.training_steps(log))
  body = unpose.initial_bodies(log, hits, config.render, jax.random.key(0))
  g, _ = initialise.initial_scene(
    log, hits, config.fit, np.random.default_rng(0), None, body
  )
  mine = g.means[g.node == 1]
  ends, radii = bodies.rest_bones(SIZE)
  near = jax.vmap(bodies.capsule_distances, (0, None, None))(mine, ends, radii)
  assert np.quantile(np.min(near, -1), 0.9) < 0.08
  # Arms, which hang when walking, stick out.
  assert np.ptp(mine[:, 1]) > 1.2


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
