# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scores of a learned adversary on scenes that it was not trained on.

As CTG (Zhong et al., arXiv 2210.17366) and Safe-Sim (Chang et al., arXiv
2401.00391) do it: how often the adversary hits the ego, how often who drives
leaves the road, and how far the distributions of motion are from the recorded
ones, as mean Wasserstein distance. They compare accelerations along and across
and jerk; yaw rates and gaps to the nearest other are added here, each in units
of its recorded standard deviation. The ego drives as recorded and does not
react.

Recorded futures are measured as the model would draw them, by the actions that
fit them best, so that both sides are without the jitter of recorded boxes.
"""

import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageDraw
import tqdm

from rdrl import geometry
from rdrl import scenario
from rdrl import trees
from rdrl import types
from rdrl.report import tables
from rdrl.report import top_view
from rdrl.report import videos
from rdrl.scenario import learned

# What is compared: acceleration along and across, jerk, yaw rate, gap.
QUANTITIES = ('acceleration', 'lateral', 'jerk', 'yaw rate', 'gap')

# m/s from which on an agent counts as moving, and metres from the ego within
# which the adversary is looked for.
_MOVING, _REACH = 1.0, 50.0
_NUM_RESAMPLES = 200
# Of a scene, at most.
_PROPOSALS = 8
# Bins of the histograms in recorded standard deviations: how many in one, and
# how many from the middle to either side.
_FINE, _WIDE = 50, 20
_EGO, _ADVERSARY = 0, learned.ADVERSARY


@struct.dataclass
class Beginnings:
  """Where futures of one scene begin.

  Attributes:
    views: `[W]`, the ego first, the adversary second.
    usable: `[W]` bool, there is an adversary whose future was recorded.
    step: `[W]` int32.
    agent: `[W]` int32, who the adversary is.
  """

  views: learned.View
  usable: types.Array
  step: types.Array
  agent: types.Array


@struct.dataclass
class Measured:
  """Measurements of futures `[...]`.

  Attributes:
    collision: `[...]` bool, the adversary's box meets the ego's.
    off_road: `[..., N]` bool, its middle leaves the drivable area.
    overlap: `[..., N]` bool, its box meets one that it should not.
    is_feasible: `[...]` bool, the adversary's track passes the kinematic checks
      of proposals.
    values: `[..., F, N, len(QUANTITIES)]`.
    counts: `[..., N]` bool, drives, moves now and was drawn.
  """

  collision: types.Array
  off_road: types.Array
  overlap: types.Array
  is_feasible: types.Array
  values: types.Array
  counts: types.Array


@functools.partial(jax.jit, static_argnames='config')
def beginnings(traffic, steps, config) -> Beginnings:
  """`Beginnings` `[W]` of one scene at steps `[W]`.

  The adversary is who moves on wheels nearest to the ego, as ReconDreamer-RL
  chooses it, among those whose future was recorded.
  """

  def begin(step):
    ahead = step + jnp.arange(config.future_steps + 1)
    inside = ahead < traffic.tracks.valid.shape[0]
    states = trees.take(traffic.tracks, jnp.where(inside, ahead, step))
    now = trees.take(states, 0)
    distance = jnp.linalg.norm(now.xy - now.xy[0], axis=-1)
    fits = (
      jnp.all(states.valid, 0)
      & jnp.all(inside)
      & (jnp.asarray(traffic.classes) != types.PEDESTRIAN)
      & (now.speed > _MOVING)
      & (distance < _REACH)
      & (jnp.arange(len(distance)) > 0)
    )
    agent = jnp.argmin(jnp.where(fits, distance, jnp.inf))
    agent = jnp.where(jnp.any(fits), agent, 1)
    return Beginnings(
      views=learned.look(traffic, step, 0, config, agent),
      usable=jnp.any(fits),
      step=step,
      agent=agent,
    )

  return jax.vmap(begin)(steps)


@jax.jit
def draw(model, views, drivable, keys, guidance=None, start=None, strength=1.0):
  """Futures `[W, S, F, N]` of views `[W]`; all but the ego are drawn.

  Args:
    model: `learned.Model`.
    views: `View` `[W]`.
    drivable: raster of the scene.
    keys: `[W, S]`.
    guidance: `learned.Guidance` or None.
    start: `[W, F, N]` or None, see `learned.sample`.
    strength: see `learned.sample`.
  """
  known = jnp.arange(model.config.num_agents) == _EGO

  def one(view, keys, start):
    return jax.vmap(
      lambda key: learned.sample(
        model,
        view,
        known,
        key,
        _ADVERSARY,
        drivable,
        guidance,
        start,
        strength,
      )
    )(keys)

  return jax.vmap(one, (0, 0, None if start is None else 0))(views, keys, start)


@functools.partial(jax.jit, static_argnames='config')
def recorded(views, config):
  """Recorded futures `[W, F, N]` as the model would draw them."""

  def one(view):
    drawn = jax.vmap(learned.smooth, (0, 1, 0, None), 1)(
      view.now, view.future, view.wheeled, config
    )
    whole = view.now.valid & jnp.all(view.future.valid, 0)
    is_ego = jnp.arange(len(whole)) == _EGO
    drawn = drawn.replace(valid=drawn.valid & whole)
    return jax.tree.map(
      lambda given, x: jnp.where(
        is_ego.reshape(-1, *(1,) * (x.ndim - 2)), given, x
      ),
      view.future,
      drawn,
    )

  return jax.vmap(one)(views)


@jax.jit
def measure(views, futures, drivable) -> Measured:
  """`Measured` `[W, S]` of futures `[W, S, F, N]` of views `[W]`."""

  def one(view, future):
    exists = view.now.valid & jnp.all(future.valid, 0)
    agents = jnp.arange(len(exists))
    drives = exists & view.wheeled & (agents != _EGO)
    overlaps = geometry.boxes_overlap(
      future.xy[:, :, None],
      future.yaw[:, :, None],
      view.sizes[:, None],
      future.xy[:, None],
      future.yaw[:, None],
      view.sizes,
    )
    pairs = exists & exists[:, None] & (agents != agents[:, None])
    overlaps = jnp.any(overlaps, 0) & pairs
    wanted = (agents == _EGO) & (agents[:, None] == _ADVERSARY)
    on_road = geometry.sample_grid(drivable, view.now.xy) > 0
    off = geometry.sample_grid(drivable, future.xy) <= 0
    track = trees.take(future, (slice(None), _ADVERSARY))
    failed = scenario.checks.kinematics(
      track.speed,
      track.yaw,
      jnp.ones_like(track.valid),
      scenario.Config(),
    )
    return Measured(
      collision=overlaps[_EGO, _ADVERSARY],
      off_road=drives & on_road & jnp.any(off, 0),
      overlap=drives & jnp.any(overlaps & ~wanted, 1),
      is_feasible=~jnp.any(jnp.stack(list(failed.values()))),
      values=_values(view, future, exists),
      counts=drives & (view.now.speed > _MOVING),
    )

  return jax.vmap(jax.vmap(one, (None, 0)))(views, futures)


def _values(view, future, exists):
  dt = types.TIME_STEP
  speed = jnp.concatenate([view.now.speed[None], future.speed])
  yaw = jnp.concatenate([view.now.yaw[None], future.yaw])
  acceleration = (speed[1:] - speed[:-1]) / dt
  steps = learned.JERK_STEPS
  early = jnp.minimum(
    jnp.arange(len(acceleration)), len(acceleration) - 1 - steps
  )
  jerk = (acceleration[early + steps] - acceleration[early]) / (steps * dt)
  turn = geometry.wrap_angle(yaw[1:] - yaw[:-1]) / dt
  gaps = learned.gaps_between(future, view.sizes)
  other = exists & ~jnp.eye(len(exists), dtype=bool)
  nearest = jnp.min(jnp.where(other, gaps, _REACH), -1)
  return jnp.stack([acceleration, turn * future.speed, jerk, turn, nearest], -1)


# Rows of the scores.
ROWS = ('recorded', 'free', 'guided', 'rules', 'guided from rules')


@struct.dataclass
class _Tally:
  """Sums over the futures of one scene, or of several.

  Attributes:
    futures: `[]` how many.
    events: `[4]` of them: collision, adversary off road, adversary in an
      overlap, feasible.
    drivers: `[]` agents that were drawn and drive.
    off_road: `[]` of them.
    histograms: `[2, len(QUANTITIES), bins]` of all and of the adversary.
  """

  futures: np.ndarray
  events: np.ndarray
  drivers: np.ndarray
  off_road: np.ndarray
  histograms: np.ndarray


def score(
  model,
  traffic,
  steps,
  num_samples,
  guidance,
  key,
  proposals=None,
  strength=0.6,
):
  """Scores of recorded, free and guided futures.

  Args:
    model: `learned.Model`.
    traffic: `Traffic` `[S]` of scenes to score.
    steps: at which futures begin; moments without an adversary are left out.
    num_samples: futures of each beginning.
    guidance: `learned.Guidance`.
    key: of all draws.
    proposals: for each scene a list of (step, agent, track `[T]`), which are
      scored, and from which guided futures start too; None: no such rows. They
      have beginnings and adversaries of their own.
    strength: see `learned.sample`.

  Returns:
    Row to scores: `collision`, `off_road` (of the adversary), `off_road_all`,
    `overlap` (of the adversary with anybody but the ego), `feasible`, shares;
    `realism` and `realism_adversary`, mean distances; `distances` and
    `distances_adversary`, by quantity; `futures`, how many. And `times`, the
    ratio of the guided to the free row of `collision`, `realism` and
    `realism_adversary`, each with its 95 % interval over scenes.
  """
  config = model.config
  steps = jnp.asarray(steps, jnp.int32)
  measured = {row: [] for row in ROWS}
  for index in tqdm.trange(len(traffic.kind), desc='score', disable=None):
    scene = jax.tree.map(jnp.asarray, trees.take(traffic, index))
    begun = beginnings(scene, steps, config)
    views, road = begun.views, scene.drivable
    keys = keys_of(key, index, len(steps), num_samples)
    futures = {
      'recorded': trees.take(recorded(views, config), (slice(None), None)),
      'free': draw(model, views, road, keys),
      'guided': draw(model, views, road, keys, guidance),
    }
    for row, future in futures.items():
      measured[row].append(
        _flat(measure(views, future, road), np.asarray(begun.usable))
      )
    for number, (step, agent, track) in enumerate(
      proposals[index] if proposals is not None else ()
    ):
      views, start = proposed_view(scene, step, agent, track, config)
      starts = {
        'rules': trees.take(
          recorded(views.replace(future=start), config), (slice(None), None)
        ),
        'guided from rules': draw(
          model,
          views,
          road,
          keys[number % len(steps)][None],
          guidance,
          start,
          strength,
        ),
      }
      for row, future in starts.items():
        measured[row].append(
          _flat(measure(views, future, road), np.array([True]))
        )
  measured = {row: parts for row, parts in measured.items() if parts}
  return summary(measured)


def rule_based(scene, number, key, config):
  """Proposals of the Dynamic Adversary Agent, as `score` takes them.

  Args:
    scene: `types.Scene`.
    number: of draws, evenly of all behaviours; rejected ones, those of donors
      and of pedestrians, and those that begin before the past or end after the
      future that the model needs are left out, and all after `_PROPOSALS`.
    key: of the draws.
    config: `learned.Config`.
  """
  behaviours = np.resize(
    [scenario.BEHAVIOURS.index(name) for name in scenario.ADVERSARIES], number
  )
  found = scenario.proposals(
    scenario.prepare(scene),
    behaviours,
    jax.random.split(key, number),
    scenario.Config(),
  )
  fits = scenario.can_redraw(scene, found, config)
  return [
    (
      int(found.trigger[row]),
      int(found.agent[row]),
      trees.take(found.track, row),
    )
    for row in np.flatnonzero(fits)[:_PROPOSALS]
  ]


def keys_of(key, index, num_steps, num_samples):
  """Keys `[W, S]` of the futures of one scene, free and guided alike."""
  return jax.random.split(
    jax.random.fold_in(key, index), (num_steps, num_samples)
  )


@functools.partial(jax.jit, static_argnames='config')
def proposed_view(scene, step, agent, track, config):
  """`View` `[1]` and the start `[1, F, N]` of a proposed track `[T]`.

  Others start from their recording.
  """
  view = learned.look(scene, step, 0, config, agent)
  ahead = step + jnp.arange(1, config.future_steps + 1)
  inside = ahead < len(track.valid)
  proposed = trees.take(track, jnp.where(inside, ahead, step))
  proposed = proposed.replace(valid=proposed.valid & inside)
  start = jax.tree.map(
    lambda x, new: x.at[:, _ADVERSARY].set(new), view.future, proposed
  )
  return jax.tree.map(lambda x: x[None], (view, start))


def _flat(measured, usable):
  """`Measured` `[n]` in host memory of those `[W, S]` that are usable."""
  return jax.tree.map(
    lambda x: np.asarray(x)[usable].reshape(-1, *x.shape[2:]), measured
  )


def summary(measured):
  """Scores, see `score`, of what was measured.

  Args:
    measured: row to a list of `Measured` `[n]`, one for each scene.

  Raises:
    ValueError: if nothing was.
  """
  values = np.concatenate(
    [_values_of(part, part.counts) for part in measured['recorded']]
  )
  if not len(values):
    raise ValueError('score: no moment has an adversary whose future is known')
  middle, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
  tallies = {
    row: trees.stack([_tally(part, middle, spread) for part in parts])
    for row, parts in measured.items()
  }
  truth = _total(tallies['recorded'])
  scores = {
    row: _scores(_total(parts), truth) for row, parts in tallies.items()
  }
  scores['times'] = _times(tallies)
  return scores


def _values_of(measured, counts):
  """`[n, len(QUANTITIES)]` of the agents that count."""
  return np.moveaxis(measured.values, 2, 1)[counts].reshape(-1, len(QUANTITIES))


def _tally(measured, middle, spread):
  is_adversary = np.arange(measured.counts.shape[-1]) == _ADVERSARY
  histograms = []
  for counts in (measured.counts, measured.counts & is_adversary):
    units = (_values_of(measured, counts) - middle) / spread
    bins = np.clip((units + _WIDE) * _FINE, 0, 2 * _WIDE * _FINE - 1)
    histograms.append(
      [
        np.bincount(column.astype(int), minlength=2 * _WIDE * _FINE)
        for column in bins.T
      ]
    )
  return _Tally(
    futures=np.array(len(measured.collision)),
    events=np.array(
      [
        measured.collision.sum(),
        measured.off_road[:, _ADVERSARY].sum(),
        measured.overlap[:, _ADVERSARY].sum(),
        measured.is_feasible.sum(),
      ]
    ),
    drivers=measured.counts.sum(),
    off_road=(measured.off_road & measured.counts).sum(),
    histograms=np.array(histograms),
  )


def _total(tallies):
  return jax.tree.map(lambda x: x.sum(0), tallies)


def _distances(histograms, truth):
  """`[..., len(QUANTITIES)]` Wasserstein distances of `[..., bins]`."""
  shares = [
    np.cumsum(x, -1) / np.maximum(np.sum(x, -1, keepdims=True), 1)
    for x in (histograms, truth)
  ]
  return np.abs(shares[0] - shares[1]).sum(-1) / _FINE


def _scores(tally, truth):
  futures = max(int(tally.futures), 1)
  distances = _distances(tally.histograms, truth.histograms)
  names = ('collision', 'off_road', 'overlap', 'feasible')
  return {
    **dict(zip(names, (tally.events / futures).tolist(), strict=True)),
    'off_road_all': float(tally.off_road / max(int(tally.drivers), 1)),
    'realism': float(distances[0].mean()),
    'realism_adversary': float(distances[1].mean()),
    'distances': dict(zip(QUANTITIES, distances[0].tolist(), strict=True)),
    'distances_adversary': dict(
      zip(QUANTITIES, distances[1].tolist(), strict=True)
    ),
    'futures': int(tally.futures),
  }


def _times(tallies):
  """Ratios of guided to free, each `{'mean', 'low', 'high'}`.

  None where there is no bound: free futures may never collide.
  """
  rng = np.random.default_rng(0)
  count = len(tallies['free'].futures)
  everything = np.arange(count)
  samples = [everything, *rng.integers(0, count, (_NUM_RESAMPLES, count))]
  names = ('collision', 'realism', 'realism_adversary')
  ratios = []
  for chosen in samples:
    truth = _total(trees.take(tallies['recorded'], chosen))
    free, guided = (
      _scores(_total(trees.take(tallies[row], chosen)), truth)
      for row in ('free', 'guided')
    )
    ratios.append([guided[n] / free[n] if free[n] else np.inf for n in names])
  ratios = np.array(ratios)
  bounds = {
    'mean': ratios[0],
    'low': np.quantile(ratios[1:], 0.025, axis=0, method='lower'),
    'high': np.quantile(ratios[1:], 0.975, axis=0, method='higher'),
  }
  return {
    name: {
      bound: float(values[i]) if np.isfinite(values[i]) else None
      for bound, values in bounds.items()
    }
    for i, name in enumerate(names)
  }


def table(scores):
  """Lines of a table with a row for each way to draw."""
  columns = (
    ('collision', '%'),
    ('off_road', '%'),
    ('off_road_all', '%'),
    ('overlap', '%'),
    ('feasible', '%'),
    ('realism', ''),
    ('realism_adversary', ''),
  )
  labels = [
    f'{name.replace("_", " ")} {unit}'.strip() for name, unit in columns
  ]
  there = [row for row in ROWS if row in scores]
  rows = []
  for row in there:
    cells = [
      f'{100 * scores[row][name]:.1f}' if unit else f'{scores[row][name]:.3f}'
      for name, unit in columns
    ]
    rows.append([row, *cells, scores[row]['futures']])
  yield from tables.markdown(['futures', *labels, 'number'], rows)
  yield ''
  rows = []
  for row in there[1:]:
    for kind, label in (('', 'all'), ('_adversary', 'adversary')):
      found = scores[row]['distances' + kind]
      cells = [f'{found[name]:.3f}' for name in QUANTITIES]
      rows.append([f'{row}, {label}', *cells])
  yield from tables.markdown(['distance', *QUANTITIES], rows)
  yield ''
  for name, ratio in scores['times'].items():
    mean, low, high = (
      'no bound' if ratio[bound] is None else f'{ratio[bound]:.2f}'
      for bound in ('mean', 'low', 'high')
    )
    label = name.replace('_', ' ')
    yield f'guided over free, {label}: {mean} ({low} to {high})'


# Of a picture: pixels per metre, metres from its middle to its sides, and
# colours of the road, its surroundings, lanes and boundaries.
_SCALE, _ASIDE = 6, 40.0
_ROAD, _GRASS = (202, 205, 209), (222, 228, 216)
_LINES = {0: (250, 250, 250), 1: (138, 142, 148)}


def picture(scene, view, futures):
  """Futures from above, one beside the other, the ego heading to the right.

  Args:
    scene: `Traffic`.
    view: `View`, whose middle is the ego.
    futures: names out of `ROWS` to `AgentState` `[F, N]`.

  Returns:
    uint8 `[H, W, 3]`.
  """
  ego = trees.take(view.now, _EGO)
  side = round(2 * _ASIDE * _SCALE)
  frame = top_view.Frame(
    center=tuple(np.asarray(ego.xy, float)),
    yaw=float(ego.yaw),
    scale=_SCALE,
    width=side,
    height=side,
  )
  offset = (np.arange(side) + 0.5) / _SCALE - _ASIDE
  ahead, left = np.meshgrid(offset, -offset)
  xy = ego.xy + geometry.rotate_2d(np.stack([ahead, left], -1), ego.yaw)
  on_road = np.asarray(geometry.sample_grid(scene.drivable, xy)) > 0
  ground = Image.fromarray(
    np.where(on_road[..., None], _ROAD, _GRASS).astype(np.uint8)
  )
  draw = ImageDraw.Draw(ground)
  for line, kind in zip(scene.pieces, scene.kind, strict=True):
    if kind in _LINES:
      draw.line(_pixels(frame, line), _LINES[kind], 1)
  panels = []
  # A tree of JAX's sorts its labels.
  for label in sorted(futures, key=ROWS.index):
    future = futures[label]
    image = ground.copy()
    _paint(ImageDraw.Draw(image), frame, view, future)
    panels.append(videos.caption(np.asarray(image)[None], label))
  return videos.beside(panels)[0]


def _paint(draw, frame, view, future):
  """Ways of all, and boxes now and when adversary and ego are nearest."""
  gap = np.linalg.norm(future.xy[:, _EGO] - future.xy[:, _ADVERSARY], axis=-1)
  then = trees.take(future, int(np.argmin(gap)))
  colors = {_EGO: top_view.EGO, _ADVERSARY: top_view.ADVERSARY}
  for agent in range(len(view.agents))[::-1]:
    if not view.now.valid[agent]:
      continue
    color = colors.get(agent, top_view.OTHERS)
    way = np.concatenate([view.now.xy[None, agent], future.xy[:, agent]])
    draw.line(_pixels(frame, way), color, 2)
    for state, fill in ((view.now, None), (then, color)):
      corners = geometry.box_corners(
        state.xy[agent], state.yaw[agent], view.sizes[agent]
      )
      draw.polygon(_pixels(frame, corners), fill, color)


def _pixels(frame, xy):
  return [tuple(p) for p in frame.pixels(xy)]
