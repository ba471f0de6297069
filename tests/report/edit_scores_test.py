# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of edits tell one that was made from one that was not."""

import sys
import types as builtin_types

import jax
import numpy as np
import pytest

from rdrl import geometry
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.report import edit_scores
from rdrl.report import scene_scores

CONFIG = world.Config(
  height=64,
  width=112,
  field_of_view=40.0,
  camera_yaws=(0.0,),
  num_steps=9,
  num_agents=3,
)


@pytest.fixture(scope='module')
def drive():
  """Street, log and a scene whose cars have Gaussians of no matter what."""
  street = world.build(1, CONFIG)
  tracks = jax.tree.map(np.asarray, world.drive(street))
  mounts, intrinsics = world.camera_rig(CONFIG)
  cameras = jax.vmap(
    lambda ego: geometry.mount_cameras(
      mounts, intrinsics, ego, CONFIG.height, CONFIG.width
    )
  )(trees.take(tracks, (slice(None), 0)))
  cameras = jax.tree.map(np.asarray, cameras)
  cameras = cameras.replace(
    intrinsics=np.tile(intrinsics, (CONFIG.num_steps, 1, 1, 1))
  )
  ends = trees.take((cameras, tracks), np.array([0, 8]))
  images = np.zeros((9, 1, CONFIG.height, CONFIG.width, 3), np.uint8)
  images[[0, 8]] = np.round(255 * scene_scores.truth(street, *ends))
  log = types.Log(
    images=images,
    cameras=cameras,
    camera_from_ego=mounts,
    times=np.arange(9) * types.TIME_STEP,
    tracks=tracks,
    sizes=np.asarray(street.sizes),
    classes=np.asarray(street.classes),
    lidar=None,
    lidar_valid=None,
    map=None,
  )
  gaussians = types.Gaussians(
    means=np.zeros((2, 3), np.float32),
    log_scales=np.zeros((2, 3), np.float32),
    quats=np.ones((2, 4), np.float32),
    opacity_logits=np.zeros(2, np.float32),
    sh=np.zeros((2, 1, 3), np.float32),
    node=np.array([1, 2], np.int32),
  )
  scene = types.Scene(
    gaussians=gaussians,
    sky=None,
    exposure=np.eye(3, 4)[None],
    camera_from_ego=mounts,
    intrinsics=intrinsics,
    tracks=tracks,
    sizes=log.sizes,
    classes=log.classes,
    **dict.fromkeys(('map', 'drivable', 'occupancy', 'ground')),
    height=CONFIG.height,
    width=CONFIG.width,
  )
  return street, log, scene


def _score(drive, monkeypatch, agents_of):
  """Scores of a reconstruction that is the world with some agents."""
  street, log, scene = drive

  def rendered(scene, cameras, agents, config, steps):
    del scene, config, steps
    color = scene_scores.truth(street, cameras, agents_of(agents))
    return builtin_types.SimpleNamespace(color=color)

  monkeypatch.setattr(scene_scores, 'rendered', rendered)
  return edit_scores.edit_scores(
    street, scene, log, splat.RenderConfig(), turns=(90,)
  )


@pytest.mark.slow
def test_the_world_itself_reaches_the_top(drive, monkeypatch):
  scores, pictures = _score(drive, monkeypatch, lambda agents: agents)
  assert [car['agent'] for car in scores['cars']] == [1, 2]
  assert set(pictures) == {1, 2}
  for car in scores['cars']:
    assert car['hole'] == pytest.approx(100)
    assert car['turned']['90'] == pytest.approx(100)
    # Bytes round.
    assert car['recorded'] > 50
    assert car['moments'] == [0, 8]
    assert None not in car['places']
  lines = list(edit_scores.table(scores))
  assert lines[-1].startswith('4 of 4 reach')
  assert lines[-2].startswith('| mean |  | ')


def test_cars_that_stay_where_they_were_fall_short(drive, monkeypatch):
  _, log, _ = drive

  def unedited(agents):
    steps = [0, 8]
    assert len(agents.valid) == len(steps)
    return trees.take(log.tracks, np.array(steps))

  scores, _ = _score(drive, monkeypatch, unedited)
  assert len(scores['cars']) == 2
  for car in scores['cars']:
    assert car['recorded'] > 50
    assert car['hole'] < edit_scores.LEAST_IN_HOLE
    assert car['turned']['90'] < edit_scores.LEAST_IN_BOX


def test_pixels_of_a_box_are_those_in_front_of_what_is_there(drive):
  """A box in the open is entered where its corners project to."""
  _, log, _ = drive
  step = np.array([0])
  cameras, agents = trees.take((log.cameras, log.tracks), step)
  only = agents.replace(valid=np.array([[False, True, False]]))
  depth = scene_scores.box_depths(cameras, only, log.sizes)[0, 0]
  pose = geometry.world_from_box(trees.take(agents, (0, 1)))
  signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3), -1).reshape(-1, 3)
  corners = geometry.transform_points(pose, signs * log.sizes[1])
  xy, away = geometry.project(trees.take(cameras, (0, 0)), corners)
  rows, columns = np.nonzero(np.isfinite(depth))
  for found, expected in ((columns, xy[:, 0]), (rows, xy[:, 1])):
    assert found.min() == pytest.approx(float(expected.min()), abs=1)
    assert found.max() + 1 == pytest.approx(float(expected.max()), abs=1)
  assert float(away.min()) <= depth.min() + 1e-3
  assert depth[np.isfinite(depth)].max() <= float(away.max())
  none = agents.replace(valid=np.zeros((1, 3), bool))
  assert np.isinf(scene_scores.box_depths(cameras, none, log.sizes)).all()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
