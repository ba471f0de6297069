# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A street of a few Gaussians: fitted, interrupted, refitted, rastered."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import logs
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.splat import metrics
from rdrl.splat.appearance import symmetry
from rdrl.splat.appearance import views
from rdrl.splat.fitting import fit as fitting
from rdrl.splat.fitting import grids
from rdrl.splat.fitting import initialise
from rdrl.splat.fitting import lidar
from rdrl.splat.fitting import optimise

HEIGHT, WIDTH, STEPS = 24, 40, 9
CONFIG = splat.Config(
  render=splat.RenderConfig(entries_per_gaussian=16.0),
  fit=splat.FitConfig(
    num_gaussians=160,
    gaussians_per_object=24,
    sh_degree=0,
    sky_height=8,
    num_steps=24,
    refit_steps=8,
    relocate_every=10,
    snapshot_fractions=(0.25, 0.5),
  ),
  grid=splat.GridConfig(size=64),
)


def _true_scene():
  """A wall with blobs at x = 12, ground, and a car that comes closer."""
  rng = np.random.default_rng(0)
  wall = np.c_[np.full(60, 12.0), rng.uniform(-6, 6, 60), rng.uniform(0, 4, 60)]
  road = np.c_[rng.uniform(0, 12, 60), rng.uniform(-4, 4, 60), np.zeros(60)]
  car = rng.uniform(-1, 1, (20, 3)) * [0.9, 0.4, 0.4]
  means = np.concatenate([wall, road, car]).astype(np.float32)
  return types.Gaussians(
    means=means,
    log_scales=np.full((140, 3), -0.7, np.float32)
    - np.r_[np.zeros(120), np.full(20, 0.8)][:, None].astype(np.float32),
    quats=np.tile(np.array([[1, 0, 0, 0]], np.float32), (140, 1)),
    opacity_logits=np.full(140, 2, np.float32),
    sh=rng.normal(0, 0.8, (140, 1, 3)).astype(np.float32),
    node=np.r_[np.zeros(120), np.ones(20)].astype(np.int32),
  )


def _tracks():
  t = np.arange(STEPS)
  zero = np.zeros((STEPS, 2), np.float32)
  ego = np.c_[0.2 * t, 0 * t]
  car = np.c_[9 - 0.3 * t, 2 + 0 * t]
  return types.AgentState(
    xy=np.stack([ego, car], 1).astype(np.float32),
    z=zero + np.array([0.75, 0.5], np.float32),
    yaw=zero + np.array([0, 0.3], np.float32),
    speed=zero + np.array([2, -3], np.float32),
    valid=np.ones((STEPS, 2), bool),
  )


@functools.cache
def _log():
  g, tracks = _true_scene(), _tracks()
  camera_from_ego = np.zeros((1, 4, 4), np.float32)
  camera_from_ego[0] = [
    [0, -1, 0, 0],
    [0, 0, -1, 0.5],
    [1, 0, 0, 0],
    [0, 0, 0, 1],
  ]
  intrinsics = np.array([[[24, 0, 20], [0, 24, 12], [0, 0, 1]]], np.float32)
  sky = np.tile(np.array([0.5, 0.6, 0.9], np.float32), (8, 16, 1))
  exposure = np.eye(3, 4, dtype=np.float32)

  @jax.jit
  def record(agents):
    ego = trees.take(agents, 0)
    cameras = geometry.mount_cameras(
      camera_from_ego, intrinsics, ego, HEIGHT, WIDTH
    )
    rendered = views.render_world(
      jax.tree.map(jnp.asarray, g),
      jnp.asarray(sky),
      exposure,
      trees.take(cameras, 0),
      agents,
      CONFIG.render,
    )
    return rendered.color, cameras

  frames = [record(trees.take(tracks, t)) for t in range(STEPS)]
  images = np.stack([np.asarray(color)[None] for color, _ in frames])
  cameras = trees.stack([cameras for _, cameras in frames])
  lidar = np.stack(
    [
      np.concatenate(
        [
          g.means[:120],
          geometry.transform_points(
            geometry.world_from_box(trees.take(tracks, (t, 1))), g.means[120:]
          ),
        ]
      )
      for t in range(STEPS)
    ]
  )
  square = np.array([[-1, -3], [11, -3], [11, 3], [-1, 3]], np.float32)
  log = types.Log(
    images=np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
    cameras=cameras,
    camera_from_ego=camera_from_ego,
    times=0.1 * np.arange(STEPS),
    tracks=tracks,
    sizes=np.array([[4, 1.8, 1.5], [2, 1, 1]], np.float32),
    classes=np.array([1, 1], np.int32),
    lidar=lidar.astype(np.float32),
    lidar_valid=np.ones(lidar.shape[:2], bool),
    map=types.NO_MAP.replace(
      lane_width=np.full(1, 3.5, np.float32),
      drivable=types.Polylines(xy=square[None], valid=np.ones((1, 4), bool)),
    ),
    name='tiny',
  )
  logs.validate(log, 'tiny')
  return log


@functools.cache
def _fitted():
  return splat.fit(_log(), CONFIG, jax.random.key(0))


def _initial():
  return initialise.initial_scene(
    _log(), _hits(), CONFIG.fit, np.random.default_rng(0)
  )


def _hits():
  return lidar.find(_log(), fitting.training_steps(_log()))


def test_initial_objects_lie_in_their_boxes_and_fill_the_budget():
  gaussians, sky = _initial()
  assert gaussians.means.shape == (160, 3)
  assert sky.shape == (8, 16, 3)
  assert 24 <= np.sum(gaussians.node == 1) < 80
  half = _log().sizes[1] / 2 + 0.11
  assert np.all(np.abs(gaussians.means[gaussians.node == 1]) <= half)
  assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gaussians))


def test_fitting_raises_the_score_on_frames_it_never_saw():
  result = _fitted()
  gaussians, sky = _initial()
  start = result.scene.replace(
    gaussians=gaussians,
    sky=sky,
    exposure=np.eye(3, 4, dtype=np.float32)[None],
  )
  before = splat.evaluate(start, _log(), CONFIG.render)['psnr']
  assert result.metrics['psnr'] > before + 1.5
  assert result.metrics['overflow'] == 0
  scores = [
    splat.evaluate(s, _log(), CONFIG.render)['psnr'] for s in result.snapshots
  ]
  assert before < scores[0] < result.metrics['psnr']


def test_held_out_frames_are_not_seen():
  log = _log()
  images = log.images.copy()
  images[log.is_held_out] = 0
  other = splat.fit(log.replace(images=images), CONFIG, jax.random.key(0))
  jax.tree.map(
    np.testing.assert_array_equal,
    other.scene.gaussians,
    _fitted().scene.gaussians,
  )


@pytest.mark.slow
def test_what_the_car_sees_of_itself_teaches_nothing():
  mask = np.zeros((1, HEIGHT, WIDTH), bool)
  mask[:, -6:] = True
  scenes = []
  for value in (0, 200):
    images = np.where(mask[..., None], np.uint8(value), _log().images)
    masked = _log().replace(images=images, ego_mask=mask)
    # DSSIM looks five pixels far, so only its weight is the mask's.
    config = CONFIG.with_fit(ssim_weight=0.0)
    scenes.append(splat.fit(masked, config, jax.random.key(0)))
  a, b = scenes
  # The first guess takes colours from the masked pixels, too.
  apart = [np.abs(splat_image(x)[-6:] - v) for x, v in ((a, 0), (b, 200 / 255))]
  assert apart[0].mean() > 0.15 and apart[1].mean() > 0.15
  assert abs(a.metrics['psnr'] - b.metrics['psnr']) < 1


def splat_image(result):
  """The first frame `[H, W, 3]`."""
  rendered = splat.render_moment(
    jax.tree.map(jnp.asarray, result.scene),
    *trees.take((_log().cameras, _log().tracks), 0),
    CONFIG.render,
  )
  return np.asarray(rendered.color[0])


def test_what_stands_still_is_hidden_inside_of_boxes_alone():
  agents, sizes = trees.take(_log().tracks, 2), _log().sizes
  place = geometry.world_from_box(trees.take(agents, 1))
  inside, beside = np.array([[0.8, -0.7, 0.9], [-1.4, 0, 0]]) * sizes[1] / 2
  own = np.zeros(3)
  means = geometry.transform_points(place, np.stack([inside, beside]))
  background, ground, car = types.BACKGROUND, types.GROUND, 1
  gaussians = types.Gaussians(
    means=np.stack([means[0], means[0], means[1], own]).astype(np.float32),
    log_scales=np.zeros((4, 3), np.float32),
    quats=np.zeros((4, 4), np.float32),
    opacity_logits=np.ones(4, np.float32),
    sh=np.zeros((4, 1, 3), np.float32),
    node=np.array([background, ground, background, car], np.int32),
  )

  def learns(gaussians, agents):
    def total(logits):
      found = optimise.cleared(
        gaussians.replace(opacity_logits=logits), agents, sizes
      )
      return jnp.sum(jax.nn.sigmoid(found.opacity_logits))

    return np.asarray(jax.grad(total)(gaussians.opacity_logits)) > 0

  np.testing.assert_array_equal(learns(gaussians, agents), [0, 1, 1, 1])
  gone = agents.replace(valid=np.array([True, False]))
  np.testing.assert_array_equal(learns(gaussians, gone), [1, 1, 1, 1])


@pytest.mark.slow
def test_the_first_steps_look_at_half_the_resolution(monkeypatch):
  shapes = []
  step = optimise.step

  def watched(state, i, pool, *rest):
    shapes.append(pool.views.images.shape[1:3])
    return step(state, i, pool, *rest)

  monkeypatch.setattr(optimise, 'step', watched)
  config = CONFIG.with_fit(
    num_steps=10, coarse_share=0.4, snapshot_fractions=()
  )
  result = splat.fit(_log(), config, jax.random.key(0))
  assert shapes == 4 * [(HEIGHT // 2, WIDTH // 2)] + 6 * [(HEIGHT, WIDTH)]
  assert (result.scene.height, result.scene.width) == (HEIGHT, WIDTH)


@pytest.mark.slow
def test_a_mirrored_car_is_symmetric():
  config = CONFIG.with_fit(num_steps=60, mirror_share=0.5)
  plain = config.with_fit(mirror_share=0.0)

  def asymmetry(config):
    result = splat.fit(_log(), config, jax.random.key(0))
    scene = jax.tree.map(jnp.asarray, result.scene)
    g = scene.gaussians
    turned = scene.replace(gaussians=symmetry.mirrored(g, g.node == 1))
    view = trees.take((_log().cameras, _log().tracks), 5)
    pair = [
      splat.render_moment(x, *view, CONFIG.render).color
      for x in (scene, turned)
    ]
    return float(jnp.mean(jnp.abs(pair[0] - pair[1])))

  assert asymmetry(config) < 0.6 * asymmetry(plain)


class _KilledError(Exception):
  pass


@pytest.mark.slow
def test_what_nobody_sees_of_a_vehicle_stays_and_looks_like_the_rest():
  config = CONFIG.with_fit(num_steps=60, likeness_weight=0.3)
  plain = config.with_fit(likeness_weight=0.0)
  opacity, contrast = {}, {}
  for name, each in (('alike', config), ('plain', plain)):
    g = splat.fit(_log(), each, jax.random.key(0)).scene.gaussians
    car = trees.take(g, np.asarray(g.node) == 1)
    # The ego stays behind the car.
    is_hidden = np.asarray(car.means[:, 0]) > 0.3
    assert is_hidden.sum() >= 3
    opacity[name] = float(jax.nn.sigmoid(car.opacity_logits)[is_hidden].mean())
    contrast[name] = float(jnp.std(car.sh[:, 0], 0).mean())
  assert opacity['plain'] < 0.6 < 0.8 < opacity['alike']
  assert contrast['alike'] < contrast['plain']


def test_killed_fit_goes_on_to_the_same_scene(tmp_path, monkeypatch):
  run = functools.partial(training.loop.run, log_every=5, save_every=5)
  monkeypatch.setattr(training.loop, 'run', run)
  step = optimise.step

  def killed(state, i, *args):
    if i == 18:
      raise _KilledError
    return step(state, i, *args)

  monkeypatch.setattr(optimise, 'step', killed)
  with pytest.raises(_KilledError):
    splat.fit(_log(), CONFIG, jax.random.key(0), tmp_path)
  monkeypatch.setattr(optimise, 'step', step)
  result = splat.fit(_log(), CONFIG, jax.random.key(0), tmp_path)
  jax.tree.map(
    np.testing.assert_array_equal,
    (result.scene.gaussians, result.scene.sky, result.snapshots[0].sky),
    (
      _fitted().scene.gaussians,
      _fitted().scene.sky,
      _fitted().snapshots[0].sky,
    ),
  )


def test_a_fit_that_meets_nan_stops_and_keeps_the_last_good_checkpoint(
  tmp_path, monkeypatch
):
  run = functools.partial(training.loop.run, log_every=5, save_every=10)
  monkeypatch.setattr(training.loop, 'run', run)
  step = optimise.step

  def poisoned(state, i, pool, *args):
    if i == 17:
      pool = pool.replace(
        tracks=pool.tracks.replace(xy=np.nan + pool.tracks.xy)
      )
    return step(state, i, pool, *args)

  monkeypatch.setattr(optimise, 'step', poisoned)
  with pytest.raises(
    FloatingPointError, match='fit tiny: loss is nan at step 20'
  ):
    splat.fit(_log(), CONFIG, jax.random.key(0), tmp_path)
  assert training.checkpoints.latest_step(tmp_path / 'checkpoints') == 10
  monkeypatch.setattr(optimise, 'step', step)
  result = splat.fit(_log(), CONFIG, jax.random.key(0), tmp_path)
  np.testing.assert_array_equal(
    result.scene.gaussians.means, _fitted().scene.gaussians.means
  )


@pytest.mark.slow
def test_many_steps_per_call_make_the_same_scene(monkeypatch):
  calls, step = [], optimise.step

  def watched(state, i, pool, key, config, has_extra, count):
    calls.append((i, count))
    return step(state, i, pool, key, config, has_extra, count)

  def fit(most):
    monkeypatch.setattr(training.loop, 'steps_per_call', lambda on_cpu: most)
    result = splat.fit(_log(), CONFIG, jax.random.key(0))
    return result.scene, *result.snapshots

  alone = _fitted()
  monkeypatch.setattr(optimise, 'step', watched)
  compiled = step._cache_size()
  sevens = fit(7)
  # Snapshots are taken after 6 steps and after 12.
  assert calls == [(0, 6), (6, 6), (12, 7), (19, 5)]
  jax.tree.map(np.testing.assert_array_equal, sevens, fit(5))
  assert step._cache_size() == compiled + 1
  # Without a loop XLA may round otherwise, and Adam turns what is nearly no
  # gradient into a whole step: the images are the same, not each Gaussian.
  for one, other in zip(sevens, (alone.scene, *alone.snapshots), strict=True):
    assert metrics.psnr(_first_image(one), _first_image(other)) > 50


def _first_image(scene):
  log = _log()
  rendered = splat.render_moment(
    scene,
    trees.take(log.cameras, 0),
    trees.take(scene.tracks, 0),
    CONFIG.render,
  )
  return rendered.color[0]


def _without_a_frame(log):
  images = log.images.copy()
  images[2] = 0
  return log.replace(images=images)


def _with_a_camera_that_looks_away(log):
  poses = log.cameras.camera_from_world.copy()
  turned = np.diag([-1, 1, -1, 1]).astype(np.float32)
  poses[2, 0] = turned @ poses[2, 0]
  return log.replace(cameras=log.cameras.replace(camera_from_world=poses))


def _with_a_track_that_ends(log):
  valid = log.tracks.valid.copy()
  valid[4:, 1] = False
  nowhere = {
    name: np.where(valid.reshape(valid.shape + (1,) * (x.ndim - 2)), x, np.nan)
    for name, x in (('xy', log.tracks.xy), ('yaw', log.tracks.yaw))
  }
  return log.replace(tracks=log.tracks.replace(valid=valid, **nowhere))


def _with_a_track_that_leaves(log):
  xy = log.tracks.xy.copy()
  xy[3:, 1] += 500
  return log.replace(tracks=log.tracks.replace(xy=xy))


@pytest.mark.parametrize(
  'spoil',
  [
    _without_a_frame,
    _with_a_camera_that_looks_away,
    _with_a_track_that_ends,
    _with_a_track_that_leaves,
  ],
)
def test_a_fit_goes_on_with(spoil):
  log = spoil(_log())
  logs.validate(log, 'tiny')
  result = splat.fit(log, CONFIG, jax.random.key(0))
  for x in jax.tree.leaves((result.scene.gaussians, result.scene.sky)):
    assert np.all(np.isfinite(x))
  assert np.isfinite(result.metrics['psnr'])


@pytest.mark.slow
def test_refit_turns_towards_the_extra_views():
  log, scene = _log(), _fitted().scene
  camera = trees.take(log.cameras, (0, 0))
  red = np.zeros((2, HEIGHT, WIDTH, 3), np.uint8)
  red[..., 0] = 255
  extra = splat.Views(
    images=red,
    weights=np.ones((2, HEIGHT, WIDTH), np.float32),
    cameras=jax.tree.map(lambda x: np.stack([x, x]), camera),
    camera_index=np.zeros(2, np.int32),
    steps=np.zeros(2, np.int32),
  )

  def distance(scene):
    rendered = jax.jit(splat.render_scene, static_argnames='config')(
      jax.tree.map(jnp.asarray, scene),
      camera,
      trees.take(log.tracks, 0),
      config=CONFIG.render,
    )
    return np.mean(np.abs(rendered.color - red[0] / 255))

  all_extra = CONFIG.with_fit(extra_share=1.0)
  key = jax.random.key(1)
  after = splat.refit(scene, log, extra, all_extra, key)
  assert distance(after) < distance(scene) - 0.03
  # Pixels that are not believed teach nothing.
  blind = extra.replace(weights=np.zeros_like(extra.weights))
  unmoved = splat.refit(scene, log, blind, all_extra, key)
  assert abs(distance(unmoved) - distance(scene)) < 0.02


@pytest.mark.slow
def test_wrong_poses_are_found():
  t = np.arange(STEPS)
  rig = np.zeros((STEPS, 6), np.float32)
  rig[:, 2] = 0.06 * np.sin(0.8 * t)
  boxes = np.zeros((STEPS, 2, 3), np.float32)
  boxes[:, 1, 1] = 0.3 * np.cos(0.8 * t)
  wrong = splat.corrected(_log(), rig, boxes)
  config = CONFIG.with_fit(num_steps=200, learning_rate_poses=0.002)
  result = splat.fit(wrong, config, jax.random.key(0))
  seen = fitting.training_steps(_log())

  def errors(log):
    """Mean turn of the camera in rad and shift of the car in metres."""
    turn = log.cameras.camera_from_world - _log().cameras.camera_from_world
    shift = (log.tracks.xy - _log().tracks.xy)[seen, 1]
    return np.abs(turn[seen, 0, 0, 0]).mean(), np.linalg.norm(shift, axis=-1)

  before, after = errors(wrong), errors(result.log)
  assert after[0] < 0.25 * before[0]
  assert after[1].mean() < 0.75 * before[1].mean()
  np.testing.assert_allclose(result.rig[seen, 2], -rig[seen, 2], atol=0.02)
  np.testing.assert_array_equal(result.scene.tracks.xy, result.log.tracks.xy)
  # Both held-out steps are ends, whose own corrections are extrapolated.
  true = splat.evaluate(result.scene, _log(), CONFIG.render)
  assert true['psnr'] > 29


def _at_night():
  """A second traversal, in which all is darker."""
  images = _log().images * np.float32([0.3, 0.4, 0.5])
  return _log().replace(images=images.astype(np.uint8), name='night')


@pytest.mark.slow
def test_traversals_share_the_street_and_keep_their_looks():
  day, night = _log(), _at_night()
  results = splat.fit_traversals([day, night], CONFIG, jax.random.key(0))
  first, second = (result.scene for result in results)
  a, b = first.gaussians, second.gaussians
  for name in ('means', 'log_scales', 'quats'):
    np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
  # Each sees the other's objects no more, and its own as its agent 1.
  is_mine, is_hers = a.node == 1, b.node == 1
  assert is_mine.sum() >= 24 and is_hers.sum() >= 24
  assert not np.any(is_mine & is_hers)
  assert np.all(a.opacity_logits[is_hers] == b.opacity_logits[is_mine])
  assert np.all(a.opacity_logits[is_hers] < -19)
  static = ~(is_mine | is_hers)
  np.testing.assert_array_equal(
    a.opacity_logits[static], b.opacity_logits[static]
  )
  assert a.sh.shape == (160, 1, 3)
  assert results[0].metrics['psnr'] > 18
  assert results[1].metrics['psnr'] > 18
  assert splat.evaluate(first, night, CONFIG.render)['psnr'] < 15


def test_one_traversal_is_a_fit():
  (one,) = splat.fit_traversals([_log()], CONFIG, jax.random.key(0))
  jax.tree.map(np.testing.assert_array_equal, one.scene, _fitted().scene)


@pytest.mark.slow
def test_scenes_fitted_at_once_are_those_fitted_alone(monkeypatch):
  config = CONFIG.with_fit(num_steps=12)
  logs_, key = [_log(), _at_night()], jax.random.key(0)
  together = splat.fit_scenes(logs_, config, key)
  monkeypatch.setattr(training.loop, 'steps_per_call', lambda on_cpu: 5)
  for one, other in zip(
    together, splat.fit_scenes(logs_, config, key), strict=True
  ):
    a, b = one.scene.gaussians.means, other.scene.gaussians.means
    # Adam makes full steps of gradients that are all rounding, too.
    assert np.mean(np.abs(a - b) < 1e-3) > 0.99
    np.testing.assert_allclose(a, b, atol=0.01)
  keys = jax.random.split(key, (2, 2))
  for i, result in enumerate(together):
    start = fitting._prepare([logs_[i]], config, keys[i, 0])
    state = fitting._run(
      start.state, start.pool, config, keys[i, 1], 'alone', None
    )
    (alone,) = fitting._results(start, state, config)
    assert result.log.name == alone.log.name
    assert abs(result.metrics['psnr'] - alone.metrics['psnr']) < 0.05
    # Not the turn of what is round: its gradient is all rounding, of which
    # Adam makes full steps.
    for name in ('means', 'opacity_logits', 'sh'):
      a, b = (getattr(x.scene.gaussians, name) for x in (result, alone))
      assert np.mean(np.abs(a - b) < 1e-3) > 0.9
      np.testing.assert_allclose(a, b, atol=0.1)


def test_scenes_that_do_not_fit_together_are_refused():
  small = logs.resize(_at_night(), HEIGHT // 2, WIDTH // 2)
  with pytest.raises(ValueError, match='different'):
    splat.fit_scenes([_log(), small], CONFIG, jax.random.key(0))


@pytest.mark.slow
def test_one_scene_is_fitted_on_a_mesh():
  mesh = jax.make_mesh(
    (1,), ('data',), axis_types=(jax.sharding.AxisType.Auto,)
  )
  result = splat.fit_scenes(
    [_log()],
    CONFIG.with_fit(num_steps=2),
    jax.random.key(0),
    mesh=mesh,
  )
  assert len(result) == 1


def test_traversals_of_other_shapes_are_refused():
  small = logs.resize(_at_night(), HEIGHT // 2, WIDTH // 2)
  with pytest.raises(ValueError, match=r'night: images .*12, 20.*24, 40'):
    splat.fit_traversals([_log(), small], CONFIG, jax.random.key(0))


def test_grids_of_a_street_with_a_wall():
  drivable, occupancy, ground = grids.ground_and_grids(
    _log(), _hits(), CONFIG.grid
  )
  assert drivable.values.shape == occupancy.values.shape == (64, 64)

  def sample(grid, *xy):
    return float(geometry.sample_grid(grid, jnp.array(xy)))

  np.testing.assert_allclose(sample(drivable, 3, 0), 3, atol=0.3)
  assert sample(drivable, 3, 4) < 0
  np.testing.assert_allclose(sample(ground, 4, 0), 0, atol=0.1)
  # The wall stands at x = 12; the car, which is in the lidar too, moves.
  assert sample(occupancy, 9, 0) > 1.5
  assert sample(occupancy, 9, 2) > 1.5


@pytest.mark.slow
def test_renderer_of_stacked_scenes_equals_render_scene():
  log, scene = _log(), _fitted().scene
  dark = scene.replace(exposure=scene.exposure * 0.5)
  renderer = splat.Renderer.create([scene, dark], HEIGHT, WIDTH, CONFIG.render)
  cameras, agents = trees.take(log.cameras, 2), trees.take(log.tracks, 2)
  call = jax.jit(lambda r, i, c, a: r(i, c, a))
  image = call(renderer, 1, cameras, agents)
  expected = jax.jit(splat.render_scene, static_argnames='config')(
    jax.tree.map(jnp.asarray, dark),
    trees.take(cameras, 0),
    agents,
    0,
    config=CONFIG.render,
  )
  assert image.dtype == jnp.uint8
  assert np.abs(image[0] / 255.0 - expected.color).max() < 1 / 255
  with pytest.raises(ValueError, match='48 x 80'):
    renderer(0, cameras.replace(height=48, width=80), agents)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
