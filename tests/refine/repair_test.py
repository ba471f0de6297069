# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A road between two walls with a car: shifted, referenced, repaired."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rdrl import geometry
from rdrl import prior
from rdrl import refine
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.refine import views

HEIGHT, WIDTH, STEPS = 24, 40, 16
SPLAT = splat.Config(
  render=splat.RenderConfig(entries_per_gaussian=16.0),
  fit=splat.FitConfig(
    num_gaussians=360,
    gaussians_per_object=20,
    sh_degree=0,
    sky_height=8,
    refit_steps=4,
    relocate_every=100,
  ),
)
CONFIG = refine.Config(
  num_frames=2,
  stride=2,
  num_clips=6,
  reference_distances=(0.0, -3.0),
  reference_gap=1.0,
  offsets=((-1.0, 1.0),),
  clip_period=6,
)
PRIOR = prior.Config(
  channels=8, multipliers=(1, 2), num_heads=2, num_steps=2, batch_size=2
)


def _constant(value):
  return types.Grid(
    values=np.full((2, 2), value, np.float32),
    origin=np.zeros(2, np.float32),
    cell=np.float32(1),
  )


@functools.cache
def _scene():
  """Two cameras on an ego that turns slightly to the left at 0.8 m a step."""
  rng = np.random.default_rng(0)
  side = np.repeat([-5.0, 5.0], 100)
  walls = np.c_[rng.uniform(0, 40, 200), side, rng.uniform(0, 4, 200)]
  road = np.c_[rng.uniform(0, 40, (120, 1)), rng.uniform(-5, 5, (120, 1))]
  road = np.c_[road, np.zeros(120)]
  car = rng.uniform(-1, 1, (40, 3)) * [0.9, 0.4, 0.4]
  time = np.arange(STEPS)
  ego, other = (
    np.stack([x, y], -1)
    for x, y in ((0.8 * time, 0.01 * time**2), (9 + 0.6 * time, 0 * time + 1.5))
  )
  zero = np.zeros((STEPS, 2), np.float32)
  mount = np.array([[0, -1, 0, 0], [0, 0, -1, 0.5], [1, 0, 0, 0], [0, 0, 0, 1]])
  turned = jnp.float32(Rotation.from_euler('z', [[0.0], [-0.7]]).as_matrix())
  ego_turned = geometry.from_rotation_translation(turned, jnp.zeros((2, 3)))
  none = types.Polylines(np.zeros((1, 2, 2)), np.zeros((1, 2), bool))
  return types.Scene(
    gaussians=types.Gaussians(
      means=np.concatenate([walls, road, car]).astype(np.float32),
      log_scales=np.log(
        np.r_[np.full(320, 0.5), np.full(40, 0.2)][:, None].repeat(3, 1)
      ).astype(np.float32),
      quats=np.tile(np.array([1, 0, 0, 0], np.float32), (360, 1)),
      opacity_logits=np.full(360, 3, np.float32),
      sh=rng.normal(0, 0.8, (360, 1, 3)).astype(np.float32),
      node=np.r_[np.zeros(320), np.ones(40)].astype(np.int32),
    ),
    sky=np.full((8, 16, 3), 0.7, np.float32),
    exposure=np.tile(np.eye(3, 4, dtype=np.float32), (2, 1, 1)),
    camera_from_ego=np.asarray(
      geometry.compose(jnp.asarray(mount), ego_turned), np.float32
    ),
    intrinsics=np.tile(
      np.array([[24, 0, 20], [0, 24, 12], [0, 0, 1]], np.float32), (2, 1, 1)
    ),
    tracks=types.AgentState(
      xy=np.stack([ego, other], 1).astype(np.float32),
      z=zero + np.array([0.75, 0.5], np.float32),
      yaw=np.stack([0.02 * time, 0.3 + 0 * time], -1).astype(np.float32),
      speed=zero,
      valid=np.ones((STEPS, 2), bool),
    ),
    sizes=np.array([[4, 1.8, 1.5], [2, 1, 1]], np.float32),
    classes=np.array([1, 1], np.int32),
    map=types.Map(none, np.ones(1), none, none, none, none),
    drivable=_constant(1.0),
    occupancy=_constant(1.0),
    ground=_constant(0.0),
    height=HEIGHT,
    width=WIDTH,
  )


@functools.cache
def _log():
  """What the cameras of `_scene` see, so that its renders are the truth."""
  scene = _scene()
  cameras = views.shifted_cameras(scene, 0.0, np.arange(STEPS))

  @jax.jit
  def see(scene, camera, agents):
    return splat.render_scene(scene, camera, agents, None, SPLAT.render).color

  images = [
    [
      see(
        scene,
        trees.take(cameras, (step, camera)),
        trees.take(scene.tracks, step),
      )
      for camera in range(2)
    ]
    for step in range(STEPS)
  ]
  return types.Log(
    images=np.round(255 * np.array(images)).astype(np.uint8),
    cameras=jax.tree.map(np.asarray, cameras),
    camera_from_ego=scene.camera_from_ego,
    times=0.1 * np.arange(STEPS),
    tracks=scene.tracks,
    sizes=scene.sizes,
    classes=scene.classes,
    lidar=np.tile(scene.gaussians.means[:320], (STEPS, 1, 1)),
    lidar_valid=np.ones((STEPS, 320), bool),
    map=scene.map,
  )


USABLE = np.arange(STEPS) % 8 != 0


def test_shifted_cameras_move_by_the_offset_and_keep_their_heading():
  steps, offset = np.array([2, 9]), 2.5
  shifted = refine.shifted_cameras(_scene(), offset, steps)
  recorded = trees.take(_log().cameras, steps)
  rotation = recorded.camera_from_world[..., :3, :3]
  np.testing.assert_allclose(
    shifted.camera_from_world[..., :3, :3], rotation, atol=1e-6
  )
  centre = [
    np.asarray(geometry.inverse(c.camera_from_world))[..., :3, 3]
    for c in (shifted, recorded)
  ]
  yaw = _scene().tracks.yaw[steps, 0]
  left = np.stack([-np.sin(yaw), np.cos(yaw), 0 * yaw], -1)
  np.testing.assert_allclose(
    centre[0] - centre[1],
    np.broadcast_to(offset * left[:, None], (2, 2, 3)),
    atol=1e-5,
  )


def test_references_are_usable_and_as_far_away_as_asked():
  config = dataclasses.replace(CONFIG, reference_distances=(0.0, -4.0, 90.0))
  found = views.references(
    _log().tracks, USABLE, np.array([10]), 1, 2, config, 0.0
  )
  # 0.8 m a step: 4 m are five steps; nothing is 90 m ahead.
  np.testing.assert_array_equal(found[0], [[10, 1], [5, 1], [-1, 1], [10, 0]])
  apart = views.references(
    _log().tracks, USABLE, np.array([10]), 1, 2, config, 1.0
  )
  assert apart[0, 0, 0] != 8 and 2 <= abs(apart[0, 0, 0] - 10) <= 3


def _clip(least, offset=0.0, steps=(5, 7)):
  scene, log, steps = _scene(), _log(), np.array(steps)
  recording = views.recording(scene, log, SPLAT.render)
  cameras = refine.shifted_cameras(scene, offset, steps)
  return views.render_clip(
    scene,
    recording,
    jax.tree.map(lambda x: x[:, 0], cameras),
    steps,
    0,
    views.references(log.tracks, USABLE, steps, 0, 2, CONFIG, least),
    SPLAT.render,
  )


def test_reference_of_a_recorded_view_is_the_recorded_frame():
  _, reference, condition = _clip(0.0)
  sure = condition[..., -1] > 250
  assert np.mean(sure) > 0.5
  error = np.abs(np.int32(reference) - _log().images[[5, 7], 0])
  # Some of the blobs that make up the road hover and are put on the ground.
  assert np.mean(error[sure] > 2) < 0.03


def test_reference_follows_the_world_and_the_moving_car():
  # Render and recording agree, so what other frames show must agree as well.
  degraded, reference, condition = _clip(1.0, steps=range(2, 15))
  sure = condition[..., -1] > 100
  vehicle = condition[..., refine.CHANNELS.index('vehicle')] == 255
  # The car is a handful of blobs in few pixels.
  for where, least in ((sure & ~vehicle, 0.85), (sure & vehicle, 0.7)):
    assert np.sum(where) > 100
    found = np.corrcoef(
      np.float32(reference)[where].ravel(), np.float32(degraded)[where].ravel()
    )
    assert found[0, 1] > least


def test_training_clips_leave_held_out_frames_alone():
  log = _log()
  marked = log.replace(images=log.images.copy())
  marked.images[~USABLE] = 0
  key = jax.random.key(0)
  scenes = (_scene(), _scene())
  clips, other = (
    refine.training_clips(x, scenes, CONFIG, key, render_config=SPLAT.render)
    for x in (log, marked)
  )
  assert clips.target.shape == (6, 2, HEIGHT, WIDTH, 3)
  assert clips.condition.shape[-1] == len(refine.CHANNELS)
  jax.tree.map(np.testing.assert_array_equal, clips, other)


def test_training_clips_know_nothing_of_the_recording_car():
  mask = np.zeros((2, HEIGHT, WIDTH), bool)
  mask[:, -6:, 5:-5] = True
  log = _log()
  # What is looked up may lie between pixels, of which one is hidden.
  painted = np.where(mask[..., None], 255 - log.images, log.images)
  clips, other = (
    refine.training_clips(
      log.replace(images=images, ego_mask=mask),
      (_scene(),),
      CONFIG,
      jax.random.key(0),
      render_config=SPLAT.render,
    )
    for images in (log.images, painted)
  )
  np.testing.assert_array_equal(clips.target, other.target)
  gap = np.abs(np.int32(clips.reference) - other.reference)
  assert gap.max() <= 2
  np.testing.assert_array_equal(
    clips.target[..., -6:, 5:-5, :], clips.degraded[..., -6:, 5:-5, :]
  )


def test_too_short_a_recording_is_named():
  config = dataclasses.replace(CONFIG, num_frames=9)
  with pytest.raises(ValueError, match='no 9 steps 2 apart'):
    refine.training_clips(
      _log(), (_scene(),), config, jax.random.key(0), render_config=SPLAT.render
    )


def test_views_from_inside_another_car_count_for_nothing():
  scene = _scene()
  steps = np.array([0, 3])
  tracks = scene.tracks.replace(xy=scene.tracks.xy.copy())
  tracks.xy[3, 1] = tracks.xy[3, 0] + [0, 3]
  free = refine.is_free(scene.replace(tracks=tracks), 3.0, steps)
  np.testing.assert_array_equal(free, [True, False])
  wall = scene.replace(occupancy=_constant(-0.5))
  assert not np.any(refine.is_free(wall, 0.0, steps))


@pytest.mark.slow
def test_refining_refits_and_shows_what_was_restored():
  scene, log = _scene(), _log()
  clips = refine.training_clips(
    log, (scene,), CONFIG, jax.random.key(0), render_config=SPLAT.render
  )
  restorer = prior.train(clips, PRIOR, jax.random.key(1))
  repair = refine.refine(
    scene, log, restorer, CONFIG, jax.random.key(2), splat_config=SPLAT
  )
  # Two offsets, starts at 0, 6 and 12, two cameras.
  assert repair.restored.shape == (12, 2, HEIGHT, WIDTH, 3)
  np.testing.assert_array_equal(np.unique(repair.offset), [-1, 1])
  assert repair.weight.min() >= 0 and 0.5 < repair.weight.max() <= 1
  before, after = scene.gaussians.means, repair.scene.gaussians.means
  assert 0 < np.abs(after - before).max() < 1


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
