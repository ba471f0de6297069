# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Fits Gaussians, a sky and exposures to a log.

The loss is that of 3DGS (L1 and DSSIM) plus the relative error of the expected
depth at lidar points. Moving objects are nodes that their tracks place (Street
Gaussians), rigid or not (OmniRe, see `appearance.bodies`). Dead Gaussians are
relocated (3DGS as MCMC). The sky is a map of directions behind everything,
learnt jointly, so that no semantic mask is needed.

Several traversals of one street share the geometry of Gaussians; each has its
own objects, sky and exposures and its own residual of the spherical harmonics
(MTGS, Li et al. 2025, which shares their constant).
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import logs
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.splat import metrics
from rdrl.splat.appearance import bodies as bodies_lib
from rdrl.splat.appearance import lighting
from rdrl.splat.appearance import symmetry
from rdrl.splat.appearance import views
from rdrl.splat.config import Config
from rdrl.splat.config import RenderConfig
from rdrl.splat.fitting import grids
from rdrl.splat.fitting import initialise
from rdrl.splat.fitting import lidar
from rdrl.splat.fitting import optimise
from rdrl.splat.fitting import poses
from rdrl.splat.fitting import unpose
from rdrl.splat.raster import blocks


@dataclasses.dataclass(frozen=True)
class FitResult:
  """Result of a fit for one traversal.

  Attributes:
    scene: the reconstruction.
    snapshots: the scene at `config.fit.snapshot_fractions` of the fit.
    metrics: held-out scores, as `evaluate` returns them.
    log: the fitted log. Its poses are corrected if the configuration says so,
      those of held-out steps by interpolation.
    rig: `[T, 6]` the correction of the ego, see `poses.corrected`.
  """

  scene: types.Scene
  snapshots: tuple[types.Scene, ...]
  metrics: dict
  log: types.Log
  rig: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Start:
  """Start of the fit of a street.

  Attributes:
    traversals: its logs.
    traversal: `[T]` int32, the traversal of each step of the joined log.
    first_agent: `[V]` of each traversal, from 1 on.
    steps: training steps of the joined log.
    rasters: `drivable`, `occupancy` and `ground` of `types.Scene`.
    bodies: of all agents, or None.
    state: before the first step.
    pool: training views.
    coarse_pool: the same at half the resolution, for the first steps, or None.
  """

  traversals: list[types.Log]
  traversal: np.ndarray
  first_agent: np.ndarray
  steps: np.ndarray
  rasters: tuple[types.Grid, types.Grid, types.Grid]
  bodies: types.Bodies | None
  state: optimise.FitState
  pool: optimise.Pool
  coarse_pool: optimise.Pool | None


def _training_steps(traversals):
  """Training steps of all traversals, on the clock of `_join`."""
  begins = np.cumsum([0] + [len(log.times) for log in traversals[:-1]])
  parts = [training_steps(log) for log in traversals]
  return np.concatenate([x + b for x, b in zip(parts, begins, strict=True)])


def training_steps(log):
  """Time steps `[S]` that are not held out.

  Raises:
    ValueError: if there is none.
  """
  steps = np.flatnonzero(~log.is_held_out)
  if not len(steps):
    raise ValueError(f'{log.name}: all {len(log.times)} steps are held out')
  return steps


def fit(log, config: Config, key, directory=None):
  """Reconstructs a log.

  Args:
    log: fitted at all time steps that are not held out.
    config: how to fit.
    key: for all random choices.
    directory: for checkpoints, so that a killed fit resumes; or None.

  Returns:
    `FitResult`.

  Raises:
    ValueError: if the budget of Gaussians does not hold the objects, or a
      budget of bodies does not hold their Gaussians.
  """
  return fit_traversals([log], config, key, directory)[0]


def fit_traversals(traversals, config: Config, key, directory=None):
  """Reconstructs a street from several drives through it.

  Args:
    traversals: one or more logs in one world frame, of one camera rig; each
      gets `config.fit.num_steps` steps.
    config: see `fit`; the budget is for all together.
    key: see `fit`.
    directory: see `fit`.

  Returns:
    A `FitResult` for each log. Their scenes share the background and the number
    of Gaussians; objects of other traversals are transparent.

  Raises:
    ValueError: see `fit`, or if the images differ in shape.
  """
  init_key, step_key = jax.random.split(key)
  start = _prepare(traversals, config, init_key)
  steps_of_all = len(traversals) * config.fit.num_steps
  state = _run(
    start.state,
    start.pool,
    config.with_fit(num_steps=steps_of_all),
    step_key,
    f'fit {", ".join(log.name for log in traversals)}',
    directory,
    coarse_pool=start.coarse_pool,
  )
  return _results(start, state, config)


def fit_scenes(drives, config: Config, key, directory=None, mesh=None):
  """Reconstructs several logs at once, each as `fit` does, by `vmap`.

  Args:
    drives: logs of one shape.
    config: see `fit`, the same for all.
    key: see `fit`.
    directory: see `fit`; one for all.
    mesh: of one axis, see `training.mesh.make`; its devices share the scenes,
      whose number is a multiple of its size. None uses one device.

  Returns:
    A `FitResult` for each log.

  Raises:
    ValueError: see `fit`, or naming the field in whose shape the logs differ,
      or if the mesh cannot share them evenly.
  """
  if mesh is not None and len(drives) % mesh.size:
    raise ValueError(f'{len(drives)} scenes for a mesh of {mesh.size} devices')
  keys = jax.random.split(key, (len(drives), 2))
  starts = [
    _prepare([log], config, init_key)
    for log, init_key in zip(drives, keys[:, 0], strict=True)
  ]
  state = _run(
    trees.stack([start.state for start in starts]),
    trees.stack([start.pool for start in starts]),
    config,
    keys[:, 1],
    f'fit {", ".join(log.name for log in drives)}',
    directory,
    coarse_pool=None
    if starts[0].coarse_pool is None
    else trees.stack([start.coarse_pool for start in starts]),
    mesh=mesh,
    num_scenes=len(drives),
  )
  state = jax.device_get(state)
  return [
    _results(start, trees.take(state, i), config)[0]
    for i, start in enumerate(starts)
  ]


def _prepare(traversals, config, key):
  """Prepares the `_Start` of one log or several."""
  rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
  log, traversal, first_agent = _join(traversals)
  steps = _training_steps(traversals)
  hits = lidar.find(log, steps)
  rasters = grids.ground_and_grids(log, hits, config.grid)
  bodies = unpose.initial_bodies(
    log, hits, config.render, jax.random.fold_in(key, 1)
  )
  surface = rasters[2] if config.fit.has_ground else None
  gaussians, sky = initialise.initial_scene(
    log, hits, config.fit, rng, surface, bodies
  )
  bodies_lib.check(gaussians, bodies, config.render)
  light = None
  if config.fit.learning_rate_light:
    parts = np.split(steps, np.flatnonzero(np.diff(traversal[steps])) + 1)
    light = np.stack(
      [initialise.initial_light(log, hits, part) for part in parts]
    )
    gaussians = lighting.unlit(gaussians, light, log.tracks, first_agent)
  num = len(traversals)
  if num > 1:
    blank = np.zeros_like(np.tile(gaussians.sh, (1, num, 1)))
    gaussians = gaussians.replace(sh=np.concatenate([gaussians.sh, blank], 1))
  exposure = np.eye(3, 4, dtype=np.float32)
  mirrors = _mirrors(log, steps, config, hits)
  pool, coarse_pool = (
    None
    if seen is None
    else _pool(
      seen, traversal, steps, rasters[2], light, mirrors, bodies=bodies
    )
    for seen in (log, _halved(log) if config.fit.coarse_share else None)
  )
  return _Start(
    traversals=traversals,
    traversal=traversal,
    first_agent=first_agent,
    steps=steps,
    rasters=rasters,
    bodies=bodies,
    state=optimise.initial_state(
      gaussians,
      np.tile(sky, (num, 1, 1, 1)),
      np.tile(exposure, (num, log.images.shape[1], 1, 1)),
      pool,
      config,
    ),
    pool=pool,
    coarse_pool=coarse_pool,
  )


def _halved(log):
  """The log at half its resolution, rounded up."""
  camera = log.cameras
  return logs.resize(log, -(-camera.height // 2), -(-camera.width // 2))


def _results(start, state, config):
  """`FitResult` of each traversal."""
  results = []
  drivable, occupancy, surface = start.rasters
  taken = jax.device_get(state.snapshots)
  for v, one in enumerate(start.traversals):
    mine = start.traversal == v
    first, count = start.first_agent[v], len(one.sizes) - 1
    rig, boxes = (
      poses.between(start.steps, np.asarray(x))[mine]
      for x in (state.trained.rig, state.trained.boxes)
    )
    if config.fit.learning_rate_poses:
      own = boxes[:, [0, *range(first, first + count)]]
      one = poses.corrected(one, rig, own)
    scene = types.Scene(
      gaussians=None,
      sky=None,
      exposure=None,
      camera_from_ego=np.asarray(one.camera_from_ego),
      intrinsics=np.asarray(one.cameras.intrinsics[0]),
      tracks=one.tracks,
      sizes=one.sizes,
      classes=one.classes,
      map=one.map,
      drivable=drivable,
      occupancy=occupancy,
      ground=surface,
      height=one.cameras.height,
      width=one.cameras.width,
      bodies=start.bodies,
    )
    snapshots = tuple(
      _scene(scene, *trees.take(taken, i), v, (first, count))
      for i in range(len(config.fit.snapshot_fractions))
    )
    scene = _scene(scene, state.trained, state.node, v, (first, count))
    metrics_ = evaluate(scene, one, config.render)
    results.append(FitResult(scene, snapshots, metrics_, one, rig))
  return results


def _join(traversals):
  """Concatenates logs in time; the times of each begin at 0.

  Returns:
    The log, in which traversals share the ego alone; `[T]` int32, the traversal
    of each step; and `[V]` the first agent of each traversal, from 1 on.

  Raises:
    ValueError: if the images differ in shape.
  """
  for log in traversals:
    if log.images.shape[1:] != traversals[0].images.shape[1:]:
      raise ValueError(
        f'{log.name}: images of shape {log.images.shape[1:]}, those of'
        f' {traversals[0].name} are {traversals[0].images.shape[1:]}'
      )
  counts = [len(log.sizes) - 1 for log in traversals]
  first = 1 + np.cumsum([0, *counts[:-1]])
  num_points = max(log.lidar.shape[1] for log in traversals)
  total = 1 + sum(counts)
  tracks, lidar, lidar_valid = [], [], []
  for log, begin, count in zip(traversals, first, counts, strict=True):

    def widen(x, begin=begin, count=count):
      x = np.asarray(x)
      wide = np.zeros((len(x), total, *x.shape[2:]), x.dtype)
      wide[:, 0], wide[:, begin : begin + count] = x[:, 0], x[:, 1:]
      return wide

    tracks.append(jax.tree.map(widen, log.tracks))
    missing = num_points - log.lidar.shape[1]
    lidar.append(np.pad(log.lidar, ((0, 0), (0, missing), (0, 0))))
    lidar_valid.append(np.pad(log.lidar_valid, ((0, 0), (0, missing))))

  def concatenate(*parts):
    return np.concatenate([np.asarray(x) for x in parts])

  def by_agent(*parts):
    return concatenate(parts[0], *(x[1:] for x in parts[1:]))

  log = traversals[0].replace(
    images=concatenate(*(x.images for x in traversals)),
    cameras=jax.tree.map(concatenate, *(x.cameras for x in traversals)),
    times=types.TIME_STEP
    * concatenate(*(np.arange(len(x.times)) for x in traversals)),
    tracks=jax.tree.map(concatenate, *tracks),
    sizes=by_agent(*(x.sizes for x in traversals)),
    classes=by_agent(*(x.classes for x in traversals)),
    lidar=concatenate(*lidar),
    lidar_valid=concatenate(*lidar_valid),
    name=', '.join(x.name for x in traversals),
  )
  lengths = [len(x.times) for x in traversals]
  traversal = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
  return log, traversal, first


def refit(
  scene, log, extra: optimise.Views, config: Config, key, directory=None
):
  """Continues to fit a scene to its log and to extra views.

  Args:
    scene: to start from.
    log: the recorded drive; its poses are trusted.
    extra: weighted views without depth, used by `config.fit.extra_share` of the
      steps.
    config: how to fit, for `config.fit.refit_steps` steps.
    key: for all random choices.
    directory: for checkpoints, or None.

  Returns:
    The new `Scene`.
  """
  config = config.with_fit(
    snapshot_fractions=(),
    num_steps=config.fit.refit_steps,
    learning_rate_poses=0.0,
  )
  steps = training_steps(log)
  traversal = np.zeros(len(log.times), np.int32)
  light = None if scene.light is None else np.asarray(scene.light)[None]
  mirrors = _mirrors(log, steps, config)
  pool = _pool(
    log, traversal, steps, scene.ground, light, mirrors, extra, scene.bodies
  )
  start = optimise.initial_state(
    scene.gaussians,
    scene.sky[None],
    scene.exposure[None],
    pool,
    config,
  )
  state = _run(
    start, pool, config, key, f'refit {log.name}', directory, has_extra=True
  )
  agents = 1, len(scene.sizes) - 1
  return _scene(scene, state.trained, state.node, 0, agents)


def _scene(like, trained, node, traversal, agents):
  """`like` with its appearance in one traversal, in host memory.

  Args:
    like: `types.Scene`.
    trained: `optimise.Trained`.
    node: `[N]` of its Gaussians.
    traversal: index.
    agents: first agent of the traversal and their number.
  """
  trained, node = jax.device_get((trained, node))
  first, count = agents
  is_own = (node <= types.BACKGROUND) | (
    (node >= first) & (node < first + count)
  )
  gaussians = trained.gaussians
  sh = optimise.harmonics(trained, traversal)
  bodies = like.bodies
  if bodies is not None:
    mine = [0, *range(first, first + count)]
    motion = trained.motion
    bodies = types.Bodies(
      kind=np.asarray(bodies.kind)[mine],
      sizes=np.asarray(bodies.sizes)[mine],
      origin=np.asarray(bodies.origin)[mine],
      motion=motion.replace(
        cadence=motion.cadence[mine],
        gait=motion.gait[mine],
        embedding=motion.embedding[mine],
      ),
    )
  return like.replace(
    bodies=bodies,
    gaussians=gaussians.replace(
      opacity_logits=np.where(
        is_own, gaussians.opacity_logits, blocks.TRANSPARENT
      ),
      sh=np.asarray(sh),
      node=np.where(
        is_own & (node >= first),
        node - first + 1,
        np.minimum(node, types.BACKGROUND),
      ),
    ),
    sky=trained.sky[traversal],
    exposure=trained.exposure[traversal],
    light=None if trained.light is None else trained.light[traversal],
  )


def _mirrors(log, steps, config, hits=None):
  """`symmetry.planes` of the fitted steps; zeros if nothing is mirrored."""
  if not config.fit.mirror_share:
    return np.zeros((len(log.sizes), 2), np.int8)
  return symmetry.planes(log, hits or lidar.find(log, steps))


def _pool(
  log, traversal, steps, ground, light, mirrors, extra=None, bodies=None
):
  """Makes the `Pool` of the log's views at some steps and of extra views."""
  num_cameras = log.images.shape[1]
  pairs = [(t, c) for t in steps for c in range(num_cameras)]
  sparse = [lidar.pixels(log, t, c) for t, c in pairs]
  # Not the longest list, so that logs of one shape share a program.
  length = min(log.lidar.shape[1], log.cameras.height * log.cameras.width)
  pixels = np.zeros((len(pairs), length), np.int32)
  depths = np.zeros((len(pairs), length), np.float32)
  for i, (pixel, depth) in enumerate(sparse):
    pixels[i, : len(pixel)], depths[i, : len(depth)] = pixel, depth
  index = np.array(pairs)

  def flat(x):
    return np.asarray(x)[index[:, 0], index[:, 1]]

  looks = optimise.Views(
    images=flat(log.images),
    weights=np.ones((1, 1, 1), np.float32),
    cameras=jax.tree.map(flat, log.cameras),
    camera_index=index[:, 1].astype(np.int32),
    steps=index[:, 0].astype(np.int32),
  )
  if extra is not None:
    looks = looks.replace(weights=np.ones((1, *extra.weights.shape[1:])))
    looks = jax.tree.map(
      lambda a, b: np.concatenate([a, np.asarray(b).astype(a.dtype)]),
      looks,
      extra,
    )
  since = np.arange(len(traversal)) - np.searchsorted(traversal, traversal)
  return jax.device_put(
    optimise.Pool(
      views=looks,
      depth_pixel=pixels,
      depth=depths,
      tracks=_finite(log.tracks),
      sizes=np.asarray(log.sizes, np.float32),
      is_vehicle=np.asarray(log.classes) == types.VEHICLE,
      ground=ground,
      num_log=np.int32(len(pairs)),
      traversal=traversal,
      clock=(types.TIME_STEP * since).astype(np.float32),
      bodies=bodies,
      mirrors=mirrors,
      seen=np.ones((1, 1, 1), bool) if log.ego_mask is None else ~log.ego_mask,
      light=light,
    ),
  )


def _finite(tracks):
  """Fills in zeros where agents are not valid: NaN would enter gradients."""

  def fill(x):
    valid = np.expand_dims(tracks.valid, tuple(range(2, np.ndim(x))))
    return np.where(valid, x, np.zeros_like(x))

  return jax.tree.map(fill, tracks)


def _run(
  state,
  pool,
  config,
  key,
  name,
  directory,
  *,
  coarse_pool=None,
  has_extra=False,
  mesh=None,
  num_scenes=None,
):
  """Runs `config.fit.num_steps` steps; returns the `FitState`.

  With `num_scenes`, state, pools and key have a leading axis of scenes.
  """
  num_steps = config.fit.num_steps
  taken = [max(1, round(f * num_steps)) for f in config.fit.snapshot_fractions]

  num_coarse = 0
  if coarse_pool is not None:
    num_coarse = round(config.fit.coarse_share * num_steps)

  def step(state, i, count):
    seen = coarse_pool if i < num_coarse else pool
    if num_scenes is None:
      state, logged = optimise.step(
        state, i, seen, key, config, has_extra, count
      )
    else:
      state, logged = optimise.step_scenes(
        state, i, seen, key, config, mesh, count
      )
    for slot, when in enumerate(taken):
      if i + (count or 1) == when:
        axis = 0 if num_scenes is None else 1
        state = optimise.snapshot(state, jnp.asarray(slot, jnp.int32), axis)
    return state, logged

  return training.loop.run(
    step,
    state,
    num_steps,
    name=name,
    directory=None if directory is None else pathlib.Path(directory),
    stops=(num_coarse, *taken),
  )


def evaluate(scene, log, config: RenderConfig):
  """Scores a scene on the log's held-out frames, outside of `log.ego_mask`.

  Returns:
    Floats: `psnr` in dB and `ssim`, means over frames; `psnr_camera_<c>`;
    `psnr_lidar` on the pixels that lidar hits at the step or up to two steps
    before or after; `overflow` and, where there are bodies, `unposed`, see
    `Rendered`, the largest of a frame.
  """
  scores = {'psnr': [], 'ssim': [], 'psnr_lidar': [], 'overflow': []}
  scene = jax.device_put(scene)
  street = np.ones(log.images.shape[1:4], bool)
  if log.ego_mask is not None:
    street &= ~log.ego_mask
  for t in np.flatnonzero(log.is_held_out):
    rendered = views.render_moment(
      scene,
      *trees.take((log.cameras, log.tracks), t),
      config,
      False,
      np.float32(t * types.TIME_STEP),
    )
    images = rendered.color
    truth = np.asarray(log.images[t], np.float32) / 255
    mask = np.stack([_lidar_mask(log, t, c) for c in range(len(truth))])
    scores['psnr'].append(metrics.psnr(images, truth, street))
    scores['psnr_lidar'].append(metrics.psnr(images, truth, mask & street))
    scores['ssim'].append(_ssims(images, truth, street))
    scores['overflow'].append(rendered.overflow)
    if rendered.unposed is not None:
      scores.setdefault('unposed', []).append(rendered.unposed)
  table = {k: np.array(v) for k, v in jax.device_get(scores).items()}
  result = {k: float(table[k].mean()) for k in ('psnr', 'ssim', 'psnr_lidar')}
  for name in ('overflow', 'unposed'):
    if name in table:
      result[name] = int(table[name].max())
  for c, value in enumerate(table['psnr'].mean(0)):
    result[f'psnr_camera_{c}'] = float(value)
  return result


_ssims = jax.jit(jax.vmap(metrics.ssim))


def _lidar_mask(log, t, c):
  nearby = slice(max(t - 2, 0), t + 3)
  points = np.asarray(log.lidar[nearby])[np.asarray(log.lidar_valid[nearby])]
  mask = np.zeros(log.cameras.height * log.cameras.width, bool)
  mask[lidar.pixels(log, t, c, points)[0]] = True
  return mask.reshape(log.cameras.height, log.cameras.width)
