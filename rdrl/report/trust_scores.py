# Copyright 2026 The rdrl Authors. Apache-2.0.
"""How well a scene knows where it is wrong, against the built-in world.

Expected information gain of views that nobody recorded (FisherRF, Jiang et al.
2024; FaithFusion) beside their true error: the rank correlation says whether
one is large where the other is. The same is computed for other maps that could
serve instead.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from rdrl import refine
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.report import scene_scores
from rdrl.splat import trust

# What is compared with the error, see `Maps`.
LABELS = {
  'gain': 'information gain',
  'discrepancy': 'discrepancy alone',
  'variance': 'posterior variance alone',
  'distance': 'distance to the nearest view',
  'gradient': 'gradient of the image',
}

# Pixels along the side of a block.
BLOCK = 8
# What is correlated with what, see `correlations`.
SCORES = tuple(
  f'{region}_{error}_{over}'
  for region in ('pixels', 'blocks')
  for error in ('absolute', 'squared')
  for over in ('pooled', 'views')
)
# Recorded images that are looked at, and steps from one to the next that the
# posterior takes: fewer tell less, and more take longer.
_NUM_VIEWS, _STRIDE = 256, 3
# Of the posterior.
_NUM_SAMPLES = 4


@struct.dataclass
class Knowledge:
  """A scene with the information that its fitted views give.

  Attributes:
    scene: the reconstruction, on the device.
    spread: of its parameters, from `trust.deviations`.
    discrepancy: from `trust.discrepancy`.
    cameras: `[V]`, all that were fitted.
  """

  scene: types.Scene
  spread: dict
  discrepancy: trust.Discrepancy
  cameras: types.Camera


def know(scene, log, config, key, num_views=_NUM_VIEWS):
  """Computes the `Knowledge` of a scene from its log without held-out steps.

  Args:
    scene: the reconstruction.
    log: what it was fitted to.
    config: `splat.RenderConfig`.
    key: of random signs.
    num_views: images at least to look at, if there are as many, evenly spaced
      in time; each stands for as many as were fitted for it.
  """
  scene = jax.tree.map(jnp.asarray, scene)
  steps = np.flatnonzero(~log.is_held_out)
  num_cameras = log.images.shape[1]
  stride = max(len(steps) * num_cameras // num_views, 1)
  chosen = steps[::stride]
  index = np.tile(np.arange(num_cameras, dtype=np.int32), len(chosen))
  at = np.repeat(chosen, num_cameras), index
  views = trees.take(log.cameras, at), trees.take(log.tracks, at[0]), index
  times = np.float32(types.TIME_STEP * at[0])
  images = np.asarray(log.images[at], np.float32) / 255
  found = trust.discrepancy(scene, *views, images, config, times)
  few = np.repeat(np.arange(len(chosen)) % _STRIDE == 0, num_cameras)
  information = trust.fisher(
    scene, *trees.take(views, few), key, config, times[few]
  )
  share = len(steps) * num_cameras / few.sum()
  information = jax.tree.map(lambda x: share * x, information)
  return Knowledge(
    scene=scene,
    spread=trust.deviations(information, found.noise),
    discrepancy=found,
    cameras=jax.tree.map(
      lambda x: x[steps].reshape(-1, *x.shape[2:]), log.cameras
    ),
  )


def maps(known, cameras, agents, steps, config, key, num_samples=_NUM_SAMPLES):
  """Maps of uncertainty that a scene gives of views of it.

  Args:
    known: `Knowledge`.
    cameras: `[S, C]`, anywhere.
    agents: `[S, A]`.
    steps: `[S]` of the tracks.
    config: `splat.RenderConfig`.
    key: of the samples of the posterior; the same for all views.
    num_samples: of them, at least 2.

  Returns:
    The names of `LABELS` to `[S, C, H, W]`: `gain` in nats, `discrepancy` and
    `variance` of a channel, `distance` in metres and `gradient`, squared.
  """
  times = np.float32(types.TIME_STEP * np.asarray(steps))
  return scene_scores.by_moment(
    lambda *moment: _maps(known, *moment, key, num_samples, config),
    cameras,
    agents,
    times,
  )


@functools.partial(jax.jit, static_argnames=('num_samples', 'config'))
def _maps(known, cameras, agents, time, key, num_samples, config):
  """`maps` of one moment."""

  def one(camera):
    seen = splat.render_scene(
      known.scene, camera, agents, config=config, time=time
    )
    view = camera, agents, config, time
    variance = trust.posterior_variance(
      known.scene, known.spread, key, num_samples, *view
    )
    missed = trust.squared_error(known.scene, known.discrepancy, *view)
    total = variance + missed[..., None]
    slopes = jnp.gradient(seen.color, axis=(0, 1))
    return {
      'gain': trust.nats(total, known.discrepancy.noise),
      'discrepancy': missed,
      'variance': jnp.mean(variance, -1),
      'distance': trust.view_distance(
        jnp.maximum(seen.depth, config.near), camera, known.cameras
      ),
      'gradient': sum(jnp.mean(x**2, -1) for x in slopes),
    }

  return jax.lax.map(one, cameras)


def trust_scores(
  street,
  known,
  config,
  key,
  offset=3.0,
  stride=20,
  num_samples=_NUM_SAMPLES,
):
  """Rank correlations with the true error beside the recorded path.

  Views whose shifted car would touch another one or a wall are left out, as in
  `scene_scores.offset_curves`.

  Args:
    street: where the scene was recorded.
    known: `Knowledge` of the scene.
    config: `splat.RenderConfig`.
    key: see `maps`.
    offset: metres to either side.
    stride: steps from one moment to the next.
    num_samples: see `maps`.

  Returns:
    The names of `LABELS` to what `correlations` returns, NaN if all of the
    shifted views are blocked.
  """
  scene = known.scene
  found, errors = [], []
  for signed in sorted({offset, -offset}):
    steps = np.arange(0, len(scene.tracks.valid), stride)
    steps = steps[np.asarray(refine.is_free(scene, signed, steps))]
    if not len(steps):
      continue
    cameras = refine.shifted_cameras(scene, signed, steps)
    agents = jax.tree.map(lambda x, at=steps: np.asarray(x)[at], scene.tracks)
    seen = scene_scores.rendered(scene, cameras, agents, config, steps=steps)
    errors.append(seen.color - scene_scores.truth(street, cameras, agents))
    found.append(maps(known, cameras, agents, steps, config, key, num_samples))
  if not errors:
    return {name: dict.fromkeys(SCORES, np.nan) for name in LABELS}
  error = np.concatenate(errors)
  return {
    name: correlations(np.concatenate([x[name] for x in found]), error)
    for name in LABELS
  }


def correlations(values, error):
  """Spearman's rank correlations of a map with the error of its view.

  Args:
    values: `[..., H, W]`.
    error: `[..., H, W, 3]`.

  Returns:
    The names of `SCORES` to numbers: over `pixels` or over means of `blocks` of
    `BLOCK` pixels square; with the mean `absolute` or `squared` error over
    channels; over the regions of all views together, `pooled`, or the mean over
    `views` of those where neither is constant.
  """
  height, width = np.shape(values)[-2:]
  found = []
  for size in (1, BLOCK):
    x = _block_means(np.reshape(values, (-1, height, width)), size)
    for whole in (np.abs(error), np.square(error)):
      y = np.mean(whole, -1).reshape(-1, height, width)
      y = _block_means(y, size)
      varies = (x.min(-1) < x.max(-1)) & (y.min(-1) < y.max(-1))
      views = [_rank_correlation(x[i], y[i]) for i in np.flatnonzero(varies)]
      found.append(_rank_correlation(x.ravel(), y.ravel()))
      found.append(float(np.mean(views)) if views else np.nan)
  return dict(zip(SCORES, found, strict=True))


def _rank_correlation(x, y):
  return float(stats.spearmanr(x, y).statistic)


def _block_means(images, size):
  """`[V, n]` of `[V, H, W]`; what is left at the lower and right border goes.

  Infinite values stay so, which is how ranks take them.
  """
  rows, columns = (x // size for x in images.shape[1:])
  images = images[:, : rows * size, : columns * size]
  blocks = images.reshape(-1, rows, size, columns, size)
  return blocks.mean((2, 4)).reshape(len(images), -1)
