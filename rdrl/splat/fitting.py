# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Fits Gaussians, a sky and exposures to a log.

Photometric loss of 3DGS (L1 and DSSIM) and the relative error of the expected
depth at lidar points; moving objects are rigid nodes that their tracks place
(Street Gaussians, OmniRe); dead Gaussians are relocated (3DGS as MCMC). The sky
is a map of directions behind everything, learnt jointly, so that no semantic
mask is needed.

Several traversals of one street share where Gaussians lie; each has its own
objects, sky and exposures and its own residual of the spherical harmonics
(MTGS, Li et al. 2025, which keeps their constant shared).
"""

import dataclasses
import functools
import pathlib

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import training
from rdrl import types
from rdrl.splat import grids
from rdrl.splat import ground
from rdrl.splat import initialise
from rdrl.splat import mcmc
from rdrl.splat import metrics
from rdrl.splat import poses
from rdrl.splat import rendering
from rdrl.splat.config import Config
from rdrl.splat.config import is_held_out

# Pulls exposures to the identity, or the scene could be dark and all cameras
# bright.
_EXPOSURE_WEIGHT = 0.1
# Pulls what traversals add to the shared colours to nothing.
_RESIDUAL_WEIGHT = 0.01
# Pulls corrections of poses to nothing: scene and poses could move together.
_POSE_WEIGHT = 1e-3
# Metres that poses move while they turn by a radian.
_STRIDE = 5.0
# Opacity logit of what is not there.
_TRANSPARENT = -20.0


@struct.dataclass
class Views:
  """Images from elsewhere to go on fitting with.

  Attributes:
    images: `[M, H, W, 3]` uint8.
    weights: `[M, H, W]` how much each pixel is believed, 0 to 1.
    cameras: `[M]`.
    camera_index: `[M]` int32, whose exposure they have.
    steps: `[M]` int32, the time step at which agents are placed.
  """

  images: types.Array
  weights: types.Array
  cameras: types.Camera
  camera_index: types.Array
  steps: types.Array


@dataclasses.dataclass(frozen=True)
class FitResult:
  """What a fit leaves of one traversal.

  Attributes:
    scene: the reconstruction.
    snapshots: the scene at `config.snapshot_fractions` of the fit.
    metrics: held-out scores, as `evaluate` returns them.
    log: what was fitted; its poses are corrected if the configuration says so,
      those of held-out steps by what was found before and after.
    rig: `[T, 6]` that correction of the ego, see `poses.corrected`.
  """

  scene: types.Scene
  snapshots: tuple[types.Scene, ...]
  metrics: dict
  log: types.Log
  rig: np.ndarray


@struct.dataclass
class Trained:
  """What gradients move: the fields of `Gaussians` and of `Scene`.

  Of V traversals, sky and exposure have a leading axis V; where V is more than
  one, `sh` is `[N, (1 + V) K, 3]`, what they share and then what each adds. Of
  T steps and A agents, the corrections of poses are `rig` `[T, 6]` and `boxes`
  `[T, A, 3]`, see `poses.corrected`.
  """

  means: jax.Array
  log_scales: jax.Array
  quats: jax.Array
  opacity_logits: jax.Array
  sh: jax.Array
  sky: jax.Array
  exposure: jax.Array
  rig: jax.Array
  boxes: jax.Array


@struct.dataclass
class FitState:
  """Everything that a killed fit needs to go on.

  Attributes:
    trained: parameters.
    node: `[N]` int32.
    optimizer: Adam's moments of `trained`.
    snapshots: `trained` and `node` with a leading axis, zeros until taken.
  """

  trained: Trained
  node: jax.Array
  optimizer: optax.OptState
  snapshots: tuple[Trained, jax.Array]


@struct.dataclass
class _Pool:
  """All that a step may look at, on the device.

  Attributes:
    views: `V` views of the log, then extra ones.
    depth_pixel: `[V, L]` int32 flat pixel of lidar points.
    depth: `[V, L]` metres, 0 where there is no point.
    tracks: `[T, A]`.
    ground: height of the ground in metres.
    num_log: `[]` int32, how many of the views are the log's.
    traversal: `[T]` int32, the traversal that each step belongs to.
  """

  views: Views
  depth_pixel: jax.Array
  depth: jax.Array
  tracks: types.AgentState
  ground: types.Grid
  num_log: jax.Array
  traversal: jax.Array


def _gaussians(trained, node):
  names = ('means', 'log_scales', 'quats', 'opacity_logits', 'sh')
  return types.Gaussians(
    **{name: getattr(trained, name) for name in names}, node=node
  )


def _training_steps(traversals, config):
  """Those of all, on the clock of `_join`."""
  begins = np.cumsum([0] + [len(log.times) for log in traversals[:-1]])
  parts = [training_steps(log, config) for log in traversals]
  return np.concatenate([x + b for x, b in zip(parts, begins, strict=True)])


def training_steps(log, config):
  """Time steps that may be looked at."""
  steps = np.arange(len(log.times))
  steps = steps[~is_held_out(steps, config)]
  if not len(steps):
    raise ValueError(
      f'splat.holdout={config.holdout} leaves none of {len(log.times)} steps'
    )
  return steps


def fit(log, config: Config, key, directory=None):
  """Reconstructs a log.

  Args:
    log: all time steps but every `config.holdout`-th are fitted.
    config: how.
    key: for all random choices.
    directory: where progress goes, so that a killed fit goes on; or None.

  Returns:
    `FitResult`.

  Raises:
    ValueError: if the budget of Gaussians does not hold the objects.
  """
  return fit_traversals([log], config, key, directory)[0]


def fit_traversals(traversals, config: Config, key, directory=None):
  """Reconstructs a street out of several drives through it.

  Args:
    traversals: one log or more in one world frame and of one camera rig; each
      gets `config.num_steps` steps.
    config: see `fit`; the budget is that of all together.
    key: see `fit`.
    directory: see `fit`.

  Returns:
    A `FitResult` for each log. Their scenes share the background and have as
    many Gaussians; what belongs to the objects of others is transparent.

  Raises:
    ValueError: see `fit`, or if the images differ in shape.
  """
  init_key, step_key = jax.random.split(key)
  rng = np.random.default_rng(np.asarray(jax.random.key_data(init_key)))
  log, traversal, first_agent = _join(traversals)
  steps = _training_steps(traversals, config)
  drivable, occupancy, surface = grids.ground_and_grids(log, config)
  gaussians, sky = initialise.initial_scene(
    log, config, steps, rng, surface if config.has_ground else None
  )
  num = len(traversals)
  if num > 1:
    blank = np.zeros_like(np.tile(gaussians.sh, (1, num, 1)))
    gaussians = gaussians.replace(sh=np.concatenate([gaussians.sh, blank], 1))
  exposure = np.eye(3, 4, dtype=np.float32)
  state = _run(
    gaussians,
    np.tile(sky, (num, 1, 1, 1)),
    np.tile(exposure, (num, log.images.shape[1], 1, 1)),
    len(log.sizes),
    _pool(log, traversal, steps, surface),
    dataclasses.replace(config, num_steps=num * config.num_steps),
    step_key,
    f'fit {log.name}',
    directory,
  )
  results = []
  for v, one in enumerate(traversals):
    mine = traversal == v
    first, count = first_agent[v], len(one.sizes) - 1
    rig, boxes = (
      poses.between(steps, np.asarray(x))[mine]
      for x in (state.trained.rig, state.trained.boxes)
    )
    if config.learning_rate_poses:
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
    )
    snapshots = tuple(
      _scene(scene, *types.take(state.snapshots, i), v, (first, count))
      for i in range(len(config.snapshot_fractions))
    )
    scene = _scene(scene, state.trained, state.node, v, (first, count))
    metrics_ = evaluate(scene, one, config)
    results.append(FitResult(scene, snapshots, metrics_, one, rig))
  return results


def _join(traversals):
  """One log of several, one after the other.

  Returns:
    The log, in which each has its own agents but for the ego; `[T]` int32, to
    which each step belongs; and the first agent of each, from 1 on.

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
    times=np.arange(sum(len(x.times) for x in traversals)) * types.TIME_STEP,
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


def refit(scene, log, extra: Views, config: Config, key, directory=None):
  """Goes on fitting a scene to its log and to extra views.

  Args:
    scene: to start from.
    log: what was recorded, with poses that are taken for the truth.
    extra: weighted views without depth; `config.extra_share` of the steps look
      at one of them.
    config: how; `config.refit_steps` steps.
    key: for all random choices.
    directory: where progress goes, or None.

  Returns:
    The new `Scene`.
  """
  config = dataclasses.replace(
    config,
    snapshot_fractions=(),
    num_steps=config.refit_steps,
    learning_rate_poses=0.0,
  )
  steps = training_steps(log, config)
  traversal = np.zeros(len(log.times), np.int32)
  state = _run(
    scene.gaussians,
    scene.sky[None],
    scene.exposure[None],
    len(scene.sizes),
    _pool(log, traversal, steps, scene.ground, extra),
    config,
    key,
    f'refit {log.name}',
    directory,
    has_extra=True,
  )
  agents = 1, len(scene.sizes) - 1
  return _scene(scene, state.trained, state.node, 0, agents)


def _scene(like, trained, node, traversal, agents):
  """`like` with the appearance in one traversal, in host memory.

  `agents` are the first of the traversal's own nodes and their number.
  """
  trained, node = jax.device_get((trained, node))
  first, count = agents
  is_own = (node <= types.BACKGROUND) | (
    (node >= first) & (node < first + count)
  )
  gaussians = _gaussians(trained, node)
  sh = _harmonics(trained, traversal)
  return like.replace(
    gaussians=gaussians.replace(
      opacity_logits=np.where(is_own, gaussians.opacity_logits, _TRANSPARENT),
      sh=np.asarray(sh),
      node=np.where(
        is_own & (node >= first),
        node - first + 1,
        np.minimum(node, types.BACKGROUND),
      ),
    ),
    sky=trained.sky[traversal],
    exposure=trained.exposure[traversal],
  )


def _harmonics(trained, traversal):
  """`[N, K, 3]` of one traversal."""
  num = len(trained.sky)
  if num == 1:
    return trained.sh
  shared, *residuals = jnp.split(trained.sh, 1 + num, 1)
  return shared + jnp.stack(residuals)[traversal]


def _pool(log, traversal, steps, ground, extra=None):
  """`_Pool` of the log's views at some steps and of extra ones."""
  num_cameras = log.images.shape[1]
  pairs = [(t, c) for t in steps for c in range(num_cameras)]
  sparse = [initialise.lidar_pixels(log, t, c) for t, c in pairs]
  # Not the longest list: programs are shared by logs of one shape.
  length = min(log.lidar.shape[1], log.cameras.height * log.cameras.width)
  pixels = np.zeros((len(pairs), length), np.int32)
  depths = np.zeros((len(pairs), length), np.float32)
  for i, (pixel, depth) in enumerate(sparse):
    pixels[i, : len(pixel)], depths[i, : len(depth)] = pixel, depth
  index = np.array(pairs)

  def flat(x):
    return np.asarray(x)[index[:, 0], index[:, 1]]

  views = Views(
    images=flat(log.images),
    weights=np.ones((1, 1, 1), np.float32),
    cameras=jax.tree.map(flat, log.cameras),
    camera_index=index[:, 1].astype(np.int32),
    steps=index[:, 0].astype(np.int32),
  )
  if extra is not None:
    views = views.replace(weights=np.ones((1, *extra.weights.shape[1:])))
    views = jax.tree.map(
      lambda a, b: np.concatenate([a, np.asarray(b).astype(a.dtype)]),
      views,
      extra,
    )
  return jax.tree.map(
    jnp.asarray,
    _Pool(
      views=views,
      depth_pixel=pixels,
      depth=depths,
      tracks=log.tracks,
      ground=ground,
      num_log=np.int32(len(pairs)),
      traversal=traversal,
    ),
  )


def _run(
  gaussians,
  sky,
  exposure,
  num_agents,
  pool,
  config,
  key,
  name,
  directory,
  has_extra=False,
):
  """`FitState` after `config.num_steps`."""
  # Copies, because the state is donated.
  copied = functools.partial(jnp.array, copy=True)
  g = jax.tree.map(copied, gaussians)
  trained = Trained(
    means=g.means,
    log_scales=g.log_scales,
    quats=g.quats,
    opacity_logits=g.opacity_logits,
    sh=g.sh,
    sky=copied(sky),
    exposure=copied(exposure),
    rig=jnp.zeros((len(pool.traversal), 6)),
    boxes=jnp.zeros((len(pool.traversal), num_agents, 3)),
  )
  num_snapshots = len(config.snapshot_fractions)
  blank = jax.tree.map(
    lambda x: jnp.zeros((num_snapshots, *x.shape), x.dtype), (trained, g.node)
  )
  state = FitState(
    trained=trained,
    node=g.node,
    optimizer=optax.scale_by_adam(eps=1e-15).init(trained),
    snapshots=blank,
  )
  taken = [
    max(1, round(f * config.num_steps)) for f in config.snapshot_fractions
  ]

  def step(state, i):
    index = jnp.asarray(i, jnp.int32)
    state, metrics = _step(state, index, pool, key, config, has_extra)
    for slot, when in enumerate(taken):
      if i + 1 == when:
        state = _snapshot(state, jnp.asarray(slot, jnp.int32))
    return state, metrics

  return training.loop.run(
    step,
    state,
    config.num_steps,
    name=name,
    directory=None if directory is None else pathlib.Path(directory),
  )


@functools.partial(jax.jit, donate_argnames='state')
def _snapshot(state, slot):
  taken = jax.tree.map(
    lambda all_, one: all_.at[slot].set(one),
    state.snapshots,
    (state.trained, state.node),
  )
  return state.replace(snapshots=taken)


@functools.partial(
  jax.jit,
  donate_argnames='state',
  static_argnames=('config', 'has_extra'),
)
def _step(state, i, pool, key, config, has_extra):
  """One image, one step of Adam."""
  step_key = jax.random.fold_in(key, i)
  move_key, noise_key, extra_key = jax.random.split(step_key, 3)
  view = _draw(i, pool, key)
  if has_extra:
    which_key, is_key = jax.random.split(extra_key)
    num_all = len(pool.views.steps)
    other = jax.random.randint(which_key, (), pool.num_log, num_all)
    is_extra = jax.random.uniform(is_key) < config.extra_share
    view = jnp.where(is_extra, other, view)

  (_, logged), gradient = jax.value_and_grad(_loss, has_aux=True)(
    state.trained, state.node, view, pool, config, has_extra
  )
  updates, optimizer = optax.scale_by_adam(eps=1e-15).update(
    gradient, state.optimizer
  )
  rates = _learning_rates(state.trained, i / config.num_steps, config)
  trained = jax.tree.map(
    lambda x, update, rate: x - rate * update, state.trained, updates, rates
  )
  if config.noise:
    means = mcmc.perturb(
      _gaussians(trained, state.node),
      noise_key,
      config.noise * rates.means[:, 0],
    )
    trained = trained.replace(means=means)
  if config.has_ground:
    laid = ground.lay(
      trained.means, trained.log_scales, trained.quats, state.node, pool.ground
    )
    trained = trained.replace(
      **dict(zip(('means', 'log_scales', 'quats'), laid, strict=True))
    )
  is_time = (i + 1) % config.relocate_every == 0
  is_time &= i < config.relocate_until * config.num_steps
  trained, node, optimizer = jax.lax.cond(
    is_time,
    lambda *x: _relocate(*x, move_key, config),
    lambda *x: x,
    trained,
    state.node,
    optimizer,
  )
  state = state.replace(trained=trained, node=node, optimizer=optimizer)
  return state, logged


def _draw(i, pool, key):
  """The view of step `i`: every epoch sees each once, in another order."""
  # The number of views is fixed by the shape of the depths.
  num = len(pool.depth)
  order = jax.random.permutation(jax.random.fold_in(key, -1 - i // num), num)
  return order[i % num]


def _learning_rates(trained, done, config):
  """Per array, broadcastable to it."""
  decay = 0.01**done
  # What is far moves on the image as fast as what is near.
  num_blocks = 1 if len(trained.sky) == 1 else 1 + len(trained.sky)
  constants = np.arange(num_blocks) * (trained.sh.shape[1] // num_blocks)
  bands = jnp.full((trained.sh.shape[1], 1), config.learning_rate_sh / 20)
  slow = 0.1**done
  return Trained(
    means=jnp.full((1, 1), config.learning_rate_means * decay),
    log_scales=config.learning_rate_scales * slow,
    quats=config.learning_rate_quats * slow,
    opacity_logits=config.learning_rate_opacity * slow,
    sh=bands.at[constants].set(config.learning_rate_sh) * slow,
    sky=config.learning_rate_sky * slow,
    exposure=config.learning_rate_exposure * slow,
    rig=config.learning_rate_poses * slow * np.repeat([1, _STRIDE], 3),
    boxes=config.learning_rate_poses * slow * np.array([_STRIDE, _STRIDE, 1]),
  )


def _loss(trained, node, view, pool, config, has_extra):
  views = pool.views
  camera = types.take(views.cameras, view)
  step = views.steps[view]
  agents = types.take(pool.tracks, step)
  if config.learning_rate_poses:
    camera = poses.move_camera(camera, types.take(agents, 0), trained.rig[step])
    agents = poses.move_agents(agents, trained.boxes[step])
  traversal = pool.traversal[step]
  exposure = trained.exposure[traversal, views.camera_index[view]]
  gaussians = _gaussians(trained, node).replace(
    sh=_harmonics(trained, traversal)
  )
  rendered = rendering.render_world(
    gaussians,
    trained.sky[traversal],
    exposure,
    camera,
    agents,
    config,
    channels=('surface_depth',) if config.fits_surface else (),
  )
  image = views.images[view].astype(jnp.float32) / 255
  absolute = jnp.abs(rendered.color - image)
  dissimilar = (1 - metrics.ssim_map(rendered.color, image)) / 2
  photometric = jnp.mean(
    (1 - config.ssim_weight) * absolute + config.ssim_weight * dissimilar, -1
  )
  if has_extra:
    is_log = view < pool.num_log
    extra = jnp.maximum(view - pool.num_log + 1, 0)
    weights = jnp.where(is_log, 1, views.weights[extra])
    photometric = jnp.mean(photometric * weights)
    row = jnp.where(is_log, view, 0)
    truth = jnp.where(is_log, pool.depth[row], 0)
    pixel = pool.depth_pixel[row]
  else:
    photometric = jnp.mean(photometric)
    truth, pixel = pool.depth[view], pool.depth_pixel[view]

  has_depth = truth > 0
  depth = rendered.surface_depth if config.fits_surface else rendered.depth
  depth = depth.reshape(-1)[pixel]
  alpha = rendered.alpha.reshape(-1)[pixel]
  # What lidar hits is opaque; what it hits far away is known less well.
  error = jnp.minimum(jnp.abs(depth / jnp.where(has_depth, truth, 1) - 1), 1)
  error = jnp.sum(jnp.where(has_depth, error + 1 - alpha, 0))
  depth_error = error / jnp.maximum(jnp.sum(has_depth), 1)

  loss = (
    photometric
    + config.depth_weight * depth_error
    + config.opacity_weight * jnp.mean(jax.nn.sigmoid(trained.opacity_logits))
    + config.scale_weight * jnp.mean(jnp.exp(trained.log_scales))
    + _EXPOSURE_WEIGHT * jnp.mean((trained.exposure - jnp.eye(3, 4)) ** 2)
  )
  if config.learning_rate_poses:
    loss += _POSE_WEIGHT * (jnp.sum(trained.rig**2) + jnp.sum(trained.boxes**2))
  num = len(trained.sky)
  if num > 1:
    residuals = trained.sh[:, trained.sh.shape[1] // (1 + num) :]
    loss += _RESIDUAL_WEIGHT * jnp.mean(residuals**2)
  return loss, {
    'loss': loss,
    'psnr': metrics.psnr(rendered.color, image),
    'depth_error': depth_error,
    'overflow': rendered.overflow,
  }


def _relocate(trained, node, optimizer, key, config):
  gaussians, is_void = mcmc.relocate(
    _gaussians(trained, node), key, config.min_opacity
  )
  names = ('means', 'log_scales', 'quats', 'opacity_logits', 'sh')

  def reset(moment):
    return moment.replace(
      **{
        name: jnp.where(
          is_void.reshape(-1, *[1] * (getattr(moment, name).ndim - 1)),
          0,
          getattr(moment, name),
        )
        for name in names
      }
    )

  optimizer = optimizer._replace(mu=reset(optimizer.mu), nu=reset(optimizer.nu))
  trained = trained.replace(
    **{name: getattr(gaussians, name) for name in names}
  )
  return trained, gaussians.node, optimizer


def evaluate(scene, log, config: Config):
  """Scores of a scene on the log's held-out frames.

  Returns:
    Floats: `psnr` and `ssim`, means over frames; `psnr_camera_<c>`;
    `psnr_lidar` on the pixels that lidar of the step or of its two neighbours
    on either side covers; `overflow`, the largest of a frame.
  """
  steps = np.arange(len(log.times))
  held_out = steps[is_held_out(steps, config)]
  scores = {'psnr': [], 'ssim': [], 'psnr_lidar': [], 'overflow': []}
  scene = jax.tree.map(jnp.asarray, scene)
  for t in held_out:
    rendered = rendering.render_moment(
      scene, types.take(log.cameras, t), types.take(log.tracks, t), config
    )
    images = rendered.color
    truth = np.asarray(log.images[t], np.float32) / 255
    mask = np.stack([_lidar_mask(log, t, c) for c in range(len(truth))])
    scores['psnr'].append(metrics.psnr(images, truth))
    scores['psnr_lidar'].append(metrics.psnr(images, truth, mask))
    scores['ssim'].append(_ssims(images, truth))
    scores['overflow'].append(rendered.overflow)
  table = {k: np.array(v) for k, v in jax.device_get(scores).items()}
  result = {k: float(table[k].mean()) for k in ('psnr', 'ssim', 'psnr_lidar')}
  result['overflow'] = int(table['overflow'].max())
  for c, value in enumerate(table['psnr'].mean(0)):
    result[f'psnr_camera_{c}'] = float(value)
  return result


_ssims = jax.jit(jax.vmap(metrics.ssim))


def _lidar_mask(log, t, c):
  nearby = slice(max(t - 2, 0), t + 3)
  points = np.asarray(log.lidar[nearby])[np.asarray(log.lidar_valid[nearby])]
  mask = np.zeros(log.cameras.height * log.cameras.width, bool)
  mask[initialise.lidar_pixels(log, t, c, points)[0]] = True
  return mask.reshape(log.cameras.height, log.cameras.width)
