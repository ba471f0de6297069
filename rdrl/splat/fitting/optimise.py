# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One step of fitting: parameters, training views, the loss."""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.splat import metrics
from rdrl.splat.appearance import ground
from rdrl.splat.appearance import likeness as likeness_lib
from rdrl.splat.appearance import moment
from rdrl.splat.appearance import symmetry
from rdrl.splat.appearance import views
from rdrl.splat.fitting import mcmc
from rdrl.splat.fitting import poses
from rdrl.splat.raster import blocks

# Pulls exposures to the identity, else the scene could be dark and all cameras
# bright.
_EXPOSURE_WEIGHT = 0.1
# Pulls the traversals' residuals of the shared colours to 0.
_RESIDUAL_WEIGHT = 0.01
# Pulls the light on agents to its initial value, since few cars constrain it.
_LIGHT_WEIGHT = 1e-2
# Pulls pose corrections to 0, else scene and poses could drift together.
_POSE_WEIGHT = 1e-3
_ADAM = optax.scale_by_adam(eps=1e-15)
# Learning rates, as in 3DGS but for shorter fits. That of means, metres per
# step, decays to a hundredth, all others to a tenth.
_MEANS_RATE, _SCALES_RATE, _QUATS_RATE, _OPACITY_RATE = 0.01, 0.02, 0.005, 0.05
# Of the constant colour; higher bands get a twentieth.
_SH_RATE, _SKY_RATE, _EXPOSURE_RATE = 0.02, 0.01, 0.001
# Of gaits, rad, and a tenth of it for cadence, cycles per metre; of the
# deformation field and its embeddings.
_GAIT_RATE, _FIELD_RATE = 0.002, 0.001
# Of the network and the paints of `appearance.likeness`.
_LIKENESS_RATE, _PAINT_RATE = 0.003, 0.005
# Metres around a box that count as inside.
_BOX_MARGIN = 0.1
# Share of the steps after which no Gaussian is relocated.
_RELOCATE_UNTIL = 0.8
# Learning rate of metres over that of radians in pose corrections.
_STRIDE = 5.0


@struct.dataclass
class Views:
  """Images to fit, with cameras and weights.

  Attributes:
    images: `[M, H, W, 3]` uint8.
    weights: `[M, H, W]` weight of each pixel, 0 to 1.
    cameras: `[M]`.
    camera_index: `[M]` int32, the camera whose exposure they have.
    steps: `[M]` int32, the time step of the agents.
  """

  images: types.Array
  weights: types.Array
  cameras: types.Camera
  camera_index: types.Array
  steps: types.Array


@struct.dataclass
class Trained:
  """Trained parameters, of V traversals, T steps and A agents.

  Attributes:
    gaussians: `node` is None, for it is no parameter; `sh` is `[N, K, 3]`, with
      several traversals `[N, (1 + V) K, 3]`: shared, then each one's residual.
    sky: `[V, h, 2 h, 3]`.
    exposure: `[V, C, 3, 4]`.
    rig: `[T, 6]` pose corrections of the ego, see `poses.corrected`.
    boxes: `[T, A, 3]` pose corrections of agents.
    motion: of bodies, or None.
    light: `[V, 8, 3]` on agents, or None.
    likeness: of vehicles, or None.
  """

  gaussians: types.Gaussians
  sky: jax.Array
  exposure: jax.Array
  rig: jax.Array
  boxes: jax.Array
  motion: types.Motion | None = None
  light: jax.Array | None = None
  likeness: likeness_lib.Likeness | None = None


@struct.dataclass
class FitState:
  """Everything that a killed fit needs to go on.

  Attributes:
    trained: parameters.
    node: `[N]` int32.
    optimizer: Adam's moments of `trained`.
    snapshots: `trained` and `node` with a leading axis of slots, at first 0.
  """

  trained: Trained
  node: jax.Array
  optimizer: optax.OptState
  snapshots: tuple[Trained, jax.Array]


@struct.dataclass
class Pool:
  """Training data, on the device.

  Attributes:
    views: `V` views of the log, then extra ones.
    depth_pixel: `[V, L]` int32 flat pixel of lidar points.
    depth: `[V, L]` metres, 0 where there is no point.
    tracks: `[T, A]`.
    sizes: `[A, 3]` metres, of the agents' boxes.
    is_vehicle: `[A]` bool.
    ground: height of the ground in metres.
    num_log: `[]` int32, number of views of the log, V.
    traversal: `[T]` int32, the traversal that each step belongs to.
    clock: `[T]` seconds since the beginning of the traversal.
    bodies: of all agents, or None where all are rigid.
    mirrors: `[A, 2]` int8, see `symmetry.planes`.
    seen: `[C, H, W]` bool, False on the recording car itself; `[1, 1, 1]` if no
      camera sees it.
    light: initial light on agents, one `[8, 3]` per traversal, or None.
  """

  views: Views
  depth_pixel: jax.Array
  depth: jax.Array
  tracks: types.AgentState
  sizes: jax.Array
  is_vehicle: jax.Array
  ground: types.Grid
  num_log: jax.Array
  traversal: jax.Array
  clock: jax.Array
  bodies: types.Bodies | None
  mirrors: jax.Array
  seen: jax.Array
  light: jax.Array | None


def harmonics(trained, traversal):
  """Spherical harmonics `[N, K, 3]` of one traversal."""
  num = len(trained.sky)
  if num == 1:
    return trained.gaussians.sh
  shared, *residuals = jnp.split(trained.gaussians.sh, 1 + num, 1)
  return shared + jnp.stack(residuals)[traversal]


@functools.partial(training.compiling.quick_jit, static_argnames='config')
def initial_state(gaussians, sky, exposure, pool, config):
  """`FitState` before the first step, in new arrays.

  Args:
    gaussians: `N` of them; `sh` as in `Trained`.
    sky: `[V, h, 2 h, 3]`.
    exposure: `[V, C, 3, 4]`.
    pool: training data.
    config: `splat.Config`.
  """
  # Copies, because the state is donated.
  copied = functools.partial(jnp.array, copy=True)
  g = jax.tree.map(copied, gaussians)
  trained = Trained(
    gaussians=g.replace(node=None),
    sky=copied(sky),
    exposure=copied(exposure),
    rig=jnp.zeros((len(pool.traversal), 6)),
    boxes=jnp.zeros((*pool.tracks.yaw.shape, 3)),
    motion=pool.bodies and jax.tree.map(copied, pool.bodies.motion),
    light=None if pool.light is None else copied(pool.light),
    likeness=likeness_lib.init(g, len(pool.sizes), jax.random.key(0))
    if config.fit.likeness_weight
    else None,
  )
  count = len(config.fit.snapshot_fractions)
  return FitState(
    trained=trained,
    node=g.node,
    optimizer=_ADAM.init(trained),
    snapshots=jax.tree.map(
      lambda x: jnp.zeros((count, *x.shape), x.dtype), (trained, g.node)
    ),
  )


@functools.partial(jax.jit, donate_argnames='state', static_argnames='axis')
def snapshot(state, slot, axis=0):
  """Copies `trained` and `node` to a slot of `snapshots` along `axis`."""
  index = (slice(None),) * axis
  taken = jax.tree.map(
    lambda all_, one: all_.at[*index, slot].set(one),
    state.snapshots,
    (state.trained, state.node),
  )
  return state.replace(snapshots=taken)


@functools.partial(
  jax.jit,
  donate_argnames='state',
  static_argnames=('config', 'has_extra'),
)
def step(state, i, pool, key, config, has_extra=False, count=None):
  """Takes `count` steps of Adam, one image each.

  Args:
    state: `FitState`, donated.
    i: `[]` int32, number of the first step, of `config.fit.num_steps`.
    pool: `Pool`.
    key: of the whole fit.
    config: static, `splat.Config`.
    has_extra: static, whether the pool has extra views.
    count: `[]` int32 steps or None for one, see `training.loop.repeat`.

  Returns:
    `FitState` and a dictionary of scalars to log, means over the steps.
  """
  return training.loop.repeat(
    lambda state, i: _advance(state, i, pool, key, config, has_extra),
    state,
    i,
    count,
  )


@functools.partial(
  jax.jit, donate_argnames='state', static_argnames=('config', 'mesh')
)
def step_scenes(state, i, pool, keys, config, mesh=None, count=None):
  """`step` of many scenes with a leading axis; logs are means over scenes.

  With a mesh each device fits its own scenes; nothing passes between devices.
  """
  advance = jax.vmap(
    functools.partial(_advance, config=config), (0, None, 0, 0)
  )
  if mesh is not None:
    own = jax.P(*mesh.axis_names)
    advance = jax.shard_map(
      advance,
      mesh=mesh,
      in_specs=(own, jax.P(), own, own),
      out_specs=own,
      # Our batching rules do not track what varies over the mesh.
      check_vma=False,
    )

  def step(state, i):
    state, logged = advance(state, i, pool, keys)
    return state, jax.tree.map(jnp.mean, logged)

  return training.loop.repeat(step, state, i, count)


def _advance(state, i, pool, key, config, has_extra=False):
  step_key = jax.random.fold_in(key, i)
  move_key, _, extra_key = jax.random.split(step_key, 3)
  mirror_key = jax.random.fold_in(step_key, 3)
  view = _draw(i, pool, key)
  if has_extra:
    which_key, is_key = jax.random.split(extra_key)
    num_all = len(pool.views.steps)
    other = jax.random.randint(which_key, (), pool.num_log, num_all)
    is_extra = jax.random.uniform(is_key) < config.fit.extra_share
    view = jnp.where(is_extra, other, view)

  (_, logged), gradient = jax.value_and_grad(_loss, has_aux=True)(
    state.trained, state.node, view, pool, mirror_key, config, has_extra
  )
  logged['gradient_norm'] = optax.tree.norm(gradient)
  updates, optimizer = _ADAM.update(gradient, state.optimizer)
  rates = _learning_rates(state.trained, i / config.fit.num_steps, config)
  camera = trees.take(pool.views.cameras, view)
  pace = _pace(state.trained.gaussians.means, state.node, camera, config)
  rates = rates.replace(
    gaussians=rates.gaussians.replace(means=rates.gaussians.means * pace)
  )
  trained = jax.tree.map(
    lambda x, update, rate: x - rate * update, state.trained, updates, rates
  )
  if config.fit.has_ground:
    g = trained.gaussians
    means, log_scales, quats = ground.lay(
      g.means, g.log_scales, g.quats, state.node, pool.ground
    )
    g = g.replace(means=means, log_scales=log_scales, quats=quats)
    trained = trained.replace(gaussians=g)
  is_time = (i + 1) % config.fit.relocate_every == 0
  is_time &= i < _RELOCATE_UNTIL * config.fit.num_steps
  trained, node, optimizer = jax.lax.cond(
    is_time,
    lambda *x: _relocate(*x, move_key),
    lambda *x: x,
    trained,
    state.node,
    optimizer,
  )
  state = state.replace(trained=trained, node=node, optimizer=optimizer)
  return state, logged


def _draw(i, pool, key):
  """The view of step `i`: each epoch has all views, in a new order."""
  # The number of views is fixed by the shape of the depths.
  num = len(pool.depth)
  order = jax.random.permutation(jax.random.fold_in(key, -1 - i // num), num)
  return order[i % num]


def _learning_rates(trained, done, config):
  """Learning rates, a `Trained` of arrays that broadcast."""
  decay = 0.01**done
  num_blocks = 1 if len(trained.sky) == 1 else 1 + len(trained.sky)
  width = trained.gaussians.sh.shape[1]
  constants = np.arange(num_blocks) * (width // num_blocks)
  bands = jnp.full((width, 1), _SH_RATE / 20)
  slow = 0.1**done
  motion, likeness = None, None
  field_rate = _FIELD_RATE * slow
  if trained.motion is not None:
    motion = types.Motion(
      cadence=_GAIT_RATE / 10 * slow,
      gait=_GAIT_RATE * slow,
      embedding=field_rate,
      field=jax.tree.map(lambda _: field_rate, trained.motion.field),
    )
  if trained.likeness is not None:
    likeness = likeness_lib.Likeness(
      paint=_PAINT_RATE * slow,
      field=jax.tree.map(
        lambda _: _LIKENESS_RATE * slow, trained.likeness.field
      ),
    )
  return Trained(
    motion=motion,
    likeness=likeness,
    light=None
    if trained.light is None
    else config.fit.learning_rate_light * slow,
    gaussians=types.Gaussians(
      means=jnp.full((1, 1), _MEANS_RATE * decay),
      log_scales=_SCALES_RATE * slow,
      quats=_QUATS_RATE * slow,
      opacity_logits=_OPACITY_RATE * slow,
      sh=bands.at[constants].set(_SH_RATE) * slow,
      node=None,
    ),
    sky=_SKY_RATE * slow,
    exposure=_EXPOSURE_RATE * slow,
    rig=config.fit.learning_rate_poses * slow * np.repeat([1, _STRIDE], 3),
    boxes=config.fit.learning_rate_poses
    * slow
    * np.array([_STRIDE, _STRIDE, 1]),
  )


def _pace(means, node, camera, config):
  """Factor `[N, 1]` on the rate of means, 1 for those of objects."""
  pace = jnp.ones((len(node), 1))
  if config.fit.extent:
    eye = geometry.inverse(camera.camera_from_world)[:3, 3]
    away = geometry.safe_norm(means - eye, keepdims=True)
    pace = jnp.maximum(pace, away / config.fit.extent)
  return jnp.where(node[:, None] > types.BACKGROUND, 1, pace)


def cleared(gaussians, agents, sizes):
  """Makes background Gaussians inside of agents' boxes transparent."""
  away = gaussians.means[:, None] - jnp.concatenate(
    [agents.xy, agents.z[:, None]], -1
  )
  across = geometry.rotate_2d(away[..., :2], -agents.yaw)
  place = jnp.abs(jnp.concatenate([across, away[..., 2:]], -1))
  is_inside = jnp.all(place < sizes / 2 + _BOX_MARGIN, -1) & agents.valid
  is_inside = jnp.any(is_inside, -1) & (gaussians.node == types.BACKGROUND)
  return gaussians.replace(
    opacity_logits=jnp.where(
      is_inside, blocks.TRANSPARENT, gaussians.opacity_logits
    )
  )


def _loss(trained, node, view, pool, key, config, has_extra):
  """Loss `[]` of one view, and a dictionary of scalars to log."""
  rendered = _rendered(trained, node, view, pool, key, config)
  image = pool.views.images[view].astype(jnp.float32) / 255
  is_log, row, extra = True, view, None
  if has_extra:
    is_log = view < pool.num_log
    extra = jnp.maximum(view - pool.num_log + 1, 0)
    row = jnp.where(is_log, view, 0)
  photometric = _photometric(rendered.color, image, config.fit)
  camera_index = pool.views.camera_index[view]
  photometric *= pool.seen[camera_index % len(pool.seen)]
  if has_extra:
    photometric *= jnp.where(is_log, 1, pool.views.weights[extra])
  depth_error = _depth_error(
    rendered,
    pool.depth_pixel[row],
    jnp.where(is_log, pool.depth[row], 0),
    config.fit,
  )
  loss = jnp.mean(photometric) + config.fit.depth_weight * depth_error
  for term in _priors(trained, node, pool, config.fit):
    loss += term
  logged = {
    'loss': loss,
    'psnr': metrics.psnr(rendered.color, image),
    'depth_error': depth_error,
    'overflow': rendered.overflow,
  }
  if rendered.unposed is not None:
    logged['unposed'] = rendered.unposed
  return loss, logged


def _rendered(trained, node, view, pool, key, config):
  """`Rendered` of one view of the pool, colours unclipped."""
  camera, camera_index, step = trees.take(
    (pool.views.cameras, pool.views.camera_index, pool.views.steps), view
  )
  agents = trees.take(pool.tracks, step)
  if config.fit.learning_rate_poses:
    camera = poses.move_camera(camera, trees.take(agents, 0), trained.rig[step])
    agents = poses.move_agents(agents, trained.boxes[step])
  traversal = pool.traversal[step]
  gaussians = trained.gaussians.replace(
    sh=harmonics(trained, traversal), node=node
  )
  if config.fit.clears_boxes:
    gaussians = cleared(gaussians, agents, pool.sizes)
  if config.fit.mirror_share:
    gaussians = _mirrored(gaussians, pool, key, config.fit)
  scene = moment.Appearance(
    gaussians=gaussians,
    sky=trained.sky[traversal],
    exposure=trained.exposure[traversal, camera_index],
    bodies=pool.bodies and pool.bodies.replace(motion=trained.motion),
    light=None if trained.light is None else trained.light[traversal],
  )
  gaussians, unposed = moment.appear(
    scene, agents, pool.clock[step], config.render
  )
  rendered = views.render_world(
    gaussians,
    scene.sky,
    scene.exposure,
    camera,
    agents,
    config.render,
    with_surface=config.fit.fits_surface,
  )
  return rendered.replace(unposed=None if pool.bodies is None else unposed)


def _mirrored(gaussians, pool, key, config):
  """Mirrors some vehicles, drawn anew at each step."""
  agent = jnp.maximum(gaussians.node, types.BACKGROUND)
  turn = jax.random.bernoulli(key, config.mirror_share, pool.mirrors.shape)
  turn = (turn & (pool.mirrors != 0))[agent]
  if config.likeness_weight:
    end = jnp.where(turn[:, 0], pool.mirrors[agent, 0], 0)
    gaussians = symmetry.end_alone(gaussians, end, pool.sizes[agent, 0])
  for axis in range(2):
    gaussians = symmetry.mirrored(gaussians, turn[:, axis], axis)
  return gaussians


def _photometric(color, image, config):
  """`[H, W]` L1 and DSSIM."""
  absolute = jnp.abs(color - image)
  dissimilar = (1 - metrics.ssim_map(color, image)) / 2
  return jnp.mean(
    (1 - config.ssim_weight) * absolute + config.ssim_weight * dissimilar, -1
  )


def _depth_error(rendered, pixel, truth, config):
  """Mean relative error `[]` of depth at the pixels that lidar hit.

  Args:
    rendered: `Rendered`.
    pixel: `[L]` int32, flat.
    truth: `[L]` metres, 0 where there is none.
    config: `FitConfig`.
  """
  has_depth = truth > 0
  depth = rendered.surface_depth if config.fits_surface else rendered.depth
  depth = depth.reshape(-1)[pixel]
  alpha = rendered.alpha.reshape(-1)[pixel]
  # Relative, because far depths are less certain; and lidar hits opaque things.
  error = jnp.minimum(jnp.abs(depth / jnp.where(has_depth, truth, 1) - 1), 1)
  error = jnp.sum(jnp.where(has_depth, error + 1 - alpha, 0))
  return error / jnp.maximum(jnp.sum(has_depth), 1)


def _priors(trained, node, pool, config):
  """Yields the terms of the loss that do not depend on images."""
  opacity = jax.nn.sigmoid(trained.gaussians.opacity_logits)
  scales = jnp.exp(trained.gaussians.log_scales)
  if config.likeness_weight:
    # These would remove unseen parts; those of vehicles stay.
    agent = jnp.maximum(node, types.BACKGROUND)
    is_kept = pool.is_vehicle[agent] & (node > types.BACKGROUND)
    opacity = jnp.where(is_kept, 0, opacity)
    scales = jnp.where(is_kept[:, None], 0, scales)
  yield config.opacity_weight * jnp.mean(opacity)
  yield config.scale_weight * jnp.mean(scales)
  yield _EXPOSURE_WEIGHT * jnp.mean((trained.exposure - jnp.eye(3, 4)) ** 2)
  if config.likeness_weight:
    yield config.likeness_weight * likeness_lib.unlikeness(
      trained.likeness,
      trained.gaussians.replace(node=node),
      pool.sizes,
      is_kept,
    )
  if trained.light is not None:
    yield _LIGHT_WEIGHT * jnp.mean((trained.light - pool.light) ** 2)
  if config.learning_rate_poses:
    yield _POSE_WEIGHT * (jnp.sum(trained.rig**2) + jnp.sum(trained.boxes**2))
  num = len(trained.sky)
  if num > 1:
    sh = trained.gaussians.sh
    residuals = sh[:, sh.shape[1] // (1 + num) :]
    yield _RESIDUAL_WEIGHT * jnp.mean(residuals**2)


def _relocate(trained, node, optimizer, key):
  gaussians, is_void = mcmc.relocate(trained.gaussians.replace(node=node), key)

  def reset(moment):
    return moment.replace(
      gaussians=jax.tree.map(
        lambda x: jnp.where(is_void.reshape(-1, *[1] * (x.ndim - 1)), 0, x),
        moment.gaussians,
      )
    )

  optimizer = optimizer._replace(mu=reset(optimizer.mu), nu=reset(optimizer.nu))
  trained = trained.replace(gaussians=gaussians.replace(node=None))
  return trained, gaussians.node, optimizer
