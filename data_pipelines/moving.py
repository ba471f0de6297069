# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Boxes of what moves, found in the lidar of a drive that has no labels.

A point is moving if sweeps of other times looked through the place where it is:
their ranges in its direction are larger. That is the visibility test of
Pomerleau et al., "Long-term 3D map maintenance in dynamic environments", ICRA
2014, on range images as in Removert (Kim and Kim, "Remove, then revert", IROS
2020). What stands still is confirmed by the sweeps before and by those after;
what moves has been cleared in the one half or in the other.

Moving points are clustered; clusters become tracks by a Kalman filter of
constant velocity and optimal assignment (SORT, Bewley et al., ICIP 2016). A
box takes its heading from the velocity and its size from the steps that saw it
best. It stands where its near faces meet the points, because far faces are out
of sight, and is smoothed both ways (Rauch, Tung and Striebel 1965).
"""

import dataclasses

from absl import logging
import numpy as np
from scipy import ndimage
from scipy import optimize
from scipy import sparse
from scipy import spatial
from scipy.sparse import csgraph
import tqdm

from rdrl import logs
from rdrl import trees
from rdrl import types


@dataclasses.dataclass(frozen=True)
class Config:
  """What counts as moving, and how far boxes are trusted.

  Attributes:
    low: metres above the ground below which a point is ground.
    high: metres above the ground beyond which a point is overhead.
    reach: metres from the lidar beyond which points are left alone.
    ground_cell: metres, side of a cell of the ground.
    ground_window: metres, larger than any object and smaller than any hill.
    pixel: degrees, side of a pixel of a range image.
    window: pixels, odd: all rays in so wide a square must agree.
    margin: metres by which a ray must go on behind a point to clear it.
    margin_share: and as a share of the range.
    gap: seconds; sweeps nearer in time do not vote on a point.
    horizon: seconds; nor do sweeps farther away.
    max_votes: sweeps that vote on a point on each side in time.
    min_clear: rays that must have cleared a point on one side in time.
    clear_share: and as a share of the votes on that side.
    link: metres between neighbouring points of one object.
    link_share: and as a share of the range, for beams spread.
    min_points: points of one cluster.
    accuracy: metres, standard deviation of a box's place at one step.
    blend: seconds before and after a step whose points show where its box ends.
    acceleration: m/s^2, standard deviation of what changes the velocity.
    max_speed: m/s that is possible at the first sight of an object.
    gate: standard deviations within which a cluster may continue a track.
    max_gap: seconds that a track goes on unseen.
    min_time: seconds between first and last sight of a track.
    min_seen: share of the steps between them at which it was seen.
    min_distance: metres that a track leads on.
    min_speed: m/s, median of a track.
  """

  low: float = 0.3
  high: float = 4.0
  reach: float = 80.0
  ground_cell: float = 1.0
  ground_window: float = 11.0
  pixel: float = 0.2
  window: int = 5
  margin: float = 0.5
  margin_share: float = 0.01
  gap: float = 0.25
  horizon: float = 4.0
  max_votes: int = 20
  min_clear: int = 3
  clear_share: float = 0.8
  link: float = 0.7
  link_share: float = 0.03
  min_points: int = 4
  accuracy: float = 0.3
  blend: float = 0.5
  acceleration: float = 1.5
  max_speed: float = 20.0
  gate: float = 3.0
  max_gap: float = 1.0
  min_time: float = 1.0
  min_seen: float = 0.5
  min_distance: float = 2.0
  min_speed: float = 0.7


@dataclasses.dataclass(frozen=True)
class _Candidates:
  """Points that may belong to an object, sweep after sweep.

  Attributes:
    xyz: `[M, 3]` float64 world.
    distance: `[M]` metres from the lidar.
    height: `[M]` metres above the ground.
    at_edge: `[M]` bool, where the view of the lidar ends: what is there may be
      cut off.
    first: `[T + 1]` where each sweep begins.
  """

  xyz: np.ndarray
  distance: np.ndarray
  height: np.ndarray
  at_edge: np.ndarray
  first: np.ndarray


@dataclasses.dataclass
class _Track:
  """An object while it is being followed.

  Attributes:
    step: of the state.
    mean: `[4]` x, y and their rates.
    cov: `[4, 4]`.
    seen: `{step: [n] rows of the candidates}`.
  """

  step: int
  mean: np.ndarray
  cov: np.ndarray
  seen: dict[int, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _Object:
  """A track with its box; arrays span the steps from first to last sight.

  Attributes:
    steps: `[n]`.
    xyz: `[n, 3]` middle of the box.
    yaw: `[n]`.
    speed: `[n]` m/s.
    size: length, width, height in metres.
    kind: a value of `Log.classes`.
    points: lidar points on it in all.
  """

  steps: np.ndarray
  xyz: np.ndarray
  yaw: np.ndarray
  speed: np.ndarray
  size: np.ndarray
  kind: int
  points: int


DEFAULT = Config()


def find(
  log: types.Log, origins, config: Config = DEFAULT, budget=None
) -> types.Log:
  """Adds agents for what moves in the lidar and has no box.

  Args:
    log: whose tracks hold the ego and whatever else is known; points in their
      boxes are theirs. Only tracks, sizes, classes, times and lidar are read.
    origins: `[T, 3]` world, where the lidar was at each step.
    config: what counts as moving.
    budget: agents, those there were included; None: as many as are found.

  Returns:
    The log with agents after those that were there, the one with most lidar
    points first. Each is valid from first to last sight. A heading is where it
    moves to, so that one that reverses is turned round. While one stands still
    for longer than about half the horizon it has no box. Two runs give the
    same.

  Raises:
    LogError: one line that names the log and the field, if there is no lidar at
      any step, a point or time is not finite, an origin is missing or far from
      the others, or the agents that were there exceed the budget.
  """
  origins = np.asarray(origins, np.float64)
  _check(log, origins, budget)
  ground = _Ground(log, origins, config)
  candidates = _candidates(log, origins, ground, config)
  moving, loose = _vote(log, origins, candidates, config)
  clusters = [
    _cluster(candidates, moving, loose, step, config)
    for step in range(len(log.times))
  ]
  found = []
  for track in _follow(log.times, candidates, clusters, config):
    box = _fit(track, log.times, origins, candidates, ground, config)
    is_longer = True
    for _ in range(_ROUNDS):
      if box is None or not is_longer:
        break
      is_longer = _extend(track, box, log.times, candidates, loose, config)
      box = _fit(track, log.times, origins, candidates, ground, config)
    if box is not None:
      found.append(box)
  found = _distinct(found)
  if budget is not None and len(found) > (room := budget - len(log.sizes)):
    logging.warning(
      '%s: %d of %d moving objects are left out, which have fewest lidar '
      'points: the budget is %d agents',
      log.name,
      len(found) - room,
      len(found),
      budget,
    )
    found = found[:room]
  return _append(log, found)


def _check(log, origins, budget):
  steps = len(log.times)
  if np.ndim(log.lidar) != 3 or 0 in np.shape(log.lidar):
    raise logs.LogError(
      f'{log.name}: lidar: no points to find what moves: shape '
      f'{np.shape(log.lidar)}'
    )
  for name, values, shape in [
    ('lidar', log.lidar, (steps, np.shape(log.lidar)[1], 3)),
    ('lidar_valid', log.lidar_valid, np.shape(log.lidar)[:2]),
    ('origins', origins, (steps, 3)),
  ]:
    if np.shape(values) != shape:
      raise logs.LogError(
        f'{log.name}: {name}: shape {np.shape(values)} is not {shape}'
      )
  valid = np.asarray(log.lidar_valid)
  if not valid.any():
    raise logs.LogError(f'{log.name}: lidar: no points at any step')
  for name, values, mask in [
    ('times', log.times, np.ones(steps, bool)),
    ('origins', origins, np.ones(steps, bool)),
    ('lidar', log.lidar, valid),
  ]:
    finite = np.isfinite(values)
    finite |= ~mask.reshape(*mask.shape, *[1] * (finite.ndim - mask.ndim))
    for index in np.argwhere(~finite)[:1].tolist():
      raise logs.LogError(
        f'{log.name}: {name}: {values[tuple(index)]} at {index}'
      )
  for step in np.flatnonzero(np.diff(log.times) <= 0)[:1]:
    raise logs.LogError(
      f'{log.name}: times: step {step + 1} at {log.times[step + 1]} s does not '
      f'follow {log.times[step]} s'
    )
  if budget is not None and budget < len(log.sizes):
    raise logs.LogError(
      f'{log.name}: tracks: {len(log.sizes)} agents, but the budget is {budget}'
    )


class _Ground:
  """Height of the ground: low lidar heights per cell, opened, filled.

  The opening removes what is narrower than its window, as in Zhang et al., "A
  progressive morphological filter for removing nonground measurements", TGRS
  2003, with one window.
  """

  # Of the heights in a cell: reflections lie below the ground.
  _PERCENTILE = 10
  # Beyond it, some place of the lidar is a mistake: 33 square kilometres.
  _MAX_CELLS = 1 << 25

  def __init__(self, log, origins, config):
    points = []
    for step, origin in enumerate(origins):
      sweep = np.asarray(log.lidar[step])[np.asarray(log.lidar_valid[step])]
      away = np.abs(sweep[:, :2] - origin[:2]).max(-1)
      points.append(sweep[away < config.reach])
    points = np.concatenate(points)
    if not len(points):
      raise logs.LogError(
        f'{log.name}: lidar: no points within {config.reach} m of the lidar'
      )
    self._cell = config.ground_cell
    self._origin = np.floor(points[:, :2].min(0) / self._cell) * self._cell
    index = np.floor((points[:, :2] - self._origin) / self._cell).astype(int)
    shape = index.max(0) + 1
    if np.prod(shape, dtype=float) > self._MAX_CELLS:
      raise logs.LogError(
        f'{log.name}: origins: the lidar saw an area of '
        f'{" x ".join(f"{x * self._cell:.6g}" for x in shape)} m'
      )
    flat = np.ravel_multi_index(index.T, shape)
    order = np.lexsort((points[:, 2], flat))
    cells, first, count = np.unique(
      flat[order], return_index=True, return_counts=True
    )
    values = np.full(np.prod(shape), np.nan)
    values[cells] = points[order, 2][first + count * self._PERCENTILE // 100]
    values = values.reshape(shape)
    nearest = ndimage.distance_transform_edt(
      np.isnan(values), return_distances=False, return_indices=True
    )
    filled = ndimage.median_filter(values[tuple(nearest)], 3, mode='nearest')
    window = 2 * int(np.ceil(config.ground_window / self._cell / 2)) - 1
    opened = ndimage.grey_opening(filled, (window, window), mode='nearest')
    self._values = ndimage.gaussian_filter(opened, 1.0, mode='nearest')

  def __call__(self, xy):
    """Heights `[n]` at `[n, 2]`."""
    index = (xy - self._origin) / self._cell - 0.5
    return ndimage.map_coordinates(
      self._values, index.T, order=1, mode='nearest'
    )


# Boxes own what lies this near to them, in metres.
_OWN_MARGIN = 0.3
# Where sweeps are no full circles: degrees without a point that make a gap, and
# degrees from it that are its edge.
_SECTOR_GAP = 30.0
_SECTOR_EDGE = 2.0


def _candidates(log, origins, ground, config):
  xyz, distance, height, at_edge, first = [], [], [], [], [0]
  for step, origin in enumerate(origins):
    points = np.asarray(log.lidar[step], np.float64)
    points = points[np.asarray(log.lidar_valid[step])]
    away = np.linalg.norm(points - origin, axis=-1)
    above = points[:, 2] - ground(points[:, :2])
    keep = (above > config.low) & (above < config.high)
    keep &= away < config.reach
    agents = trees.take(log.tracks, step)
    for k in np.flatnonzero(agents.valid):
      offset = points[:, :2] - agents.xy[k]
      local = np.c_[_turn(offset, -agents.yaw[k]), points[:, 2] - agents.z[k]]
      half = np.asarray(log.sizes[k]) / 2 + _OWN_MARGIN
      keep &= ~np.all(np.abs(local) <= half, -1)
    xyz.append(points[keep])
    distance.append(away[keep])
    height.append(above[keep])
    at_edge.append(_at_edge(points - origin)[keep])
    first.append(first[-1] + keep.sum())
  return _Candidates(
    xyz=np.concatenate(xyz),
    distance=np.concatenate(distance),
    height=np.concatenate(height),
    at_edge=np.concatenate(at_edge),
    first=np.array(first),
  )


def _at_edge(rays):
  """`[n]` bool: which of `[n, 3]` rays lie where the sector of all ends."""
  if not len(rays):
    return np.zeros(0, bool)
  azimuth = np.degrees(np.arctan2(rays[:, 1], rays[:, 0]))
  ends = np.sort(azimuth)
  gaps = np.diff(np.append(ends, ends[0] + 360))
  widest = gaps.argmax()
  if gaps[widest] < _SECTOR_GAP:
    return np.zeros(len(rays), bool)
  last, first = ends[widest], ends[(widest + 1) % len(ends)]
  away = np.minimum((last - azimuth) % 360, (azimuth - first) % 360)
  return away <= _SECTOR_EDGE


def _vote(log, origins, candidates, config):
  """`[M]` which candidates move, and `[M]` which nothing holds to be still."""
  times = np.asarray(log.times)
  # Rays that cleared a point, and that met it, before and after its time.
  clear = np.zeros((2, len(candidates.xyz)), np.int16)
  meets = np.zeros_like(clear)
  voters = _voters(times, config)
  for step in tqdm.trange(
    len(times), desc='find', unit='sweep', leave=False, disable=None
  ):
    points = np.asarray(log.lidar[step], np.float64)
    points = points[np.asarray(log.lidar_valid[step])]
    if not len(points):
      continue
    image = _RangeImage(points - origins[step], config)
    for other in np.flatnonzero(voters[:, step]):
      rows = slice(*candidates.first[other : other + 2])
      side = int(step > other)
      cleared, met = image.judge(candidates.xyz[rows] - origins[step])
      clear[side, rows] += cleared
      meets[side, rows] += met
  is_clear = clear >= config.min_clear
  is_clear &= clear >= config.clear_share * (clear + meets)
  moving = is_clear.any(0)
  return moving, clear.sum(0) >= meets.sum(0)


def _voters(times, config):
  """`[T, T]` bool: whether a column's sweep judges the points of a row's.

  At most `max_votes` on either side, evenly spread.
  """
  voters = np.zeros((len(times), len(times)), bool)
  for row, time in enumerate(times):
    for side in (-1, 1):
      away = side * (times - time)
      steps = np.flatnonzero((away >= config.gap) & (away <= config.horizon))
      if len(steps) > config.max_votes:
        pick = np.linspace(0, len(steps) - 1, config.max_votes).round()
        steps = steps[pick.astype(int)]
      voters[row, steps] = True
  return voters


class _RangeImage:
  """Least and largest range of a sweep around each direction."""

  def __init__(self, rays, config):
    self._config = config
    self._pixel = np.radians(config.pixel)
    self._columns = int(np.ceil(2 * np.pi / self._pixel))
    azimuth, elevation, distance = _spherical(rays)
    half = config.window // 2
    self._low = elevation.min() - (half + 0.5) * self._pixel
    rows = int((elevation.max() - self._low) / self._pixel) + half + 1
    index = self._index(azimuth, elevation)
    near = np.full((rows, self._columns), np.inf, np.float32)
    far = np.full((rows, self._columns), -np.inf, np.float32)
    np.minimum.at(near, index, distance)
    np.maximum.at(far, index, distance)
    options = {'size': config.window, 'mode': ('constant', 'wrap')}
    self._near = ndimage.minimum_filter(near, cval=np.inf, **options)
    self._far = ndimage.maximum_filter(far, cval=-np.inf, **options)

  def judge(self, points):
    """Which of `[n, 3]` points about the lidar its rays cleared, and met."""
    azimuth, elevation, distance = _spherical(points)
    row, column = self._index(azimuth, elevation)
    inside = (row >= 0) & (row < len(self._near))
    row = np.where(inside, row, 0)
    near, far = self._near[row, column], self._far[row, column]
    margin = self._config.margin + self._config.margin_share * distance
    is_seen = inside & np.isfinite(near)
    clear = is_seen & (near > distance + margin)
    met = is_seen & ~clear & (far >= distance - margin)
    return clear, met

  def _index(self, azimuth, elevation):
    row = np.floor((elevation - self._low) / self._pixel).astype(int)
    column = np.floor((azimuth + np.pi) / self._pixel).astype(int)
    return row, column % self._columns


def _spherical(rays):
  flat = np.hypot(rays[:, 0], rays[:, 1])
  azimuth = np.arctan2(rays[:, 1], rays[:, 0])
  elevation = np.arctan2(rays[:, 2], flat)
  return azimuth, elevation, np.hypot(flat, rays[:, 2])


def _cluster(candidates, moving, loose, step, config):
  """Lists of rows of the candidates of one sweep, one list per object.

  Points that move found an object; those beside them that nothing holds to be
  still belong to it too.
  """
  rows = np.arange(*candidates.first[step : step + 2])
  seeds = rows[moving[rows]]
  if len(seeds) < config.min_points:
    return []
  reach = _link(candidates, rows, config)
  tree = spatial.cKDTree(candidates.xyz[seeds, :2])
  distance, _ = tree.query(candidates.xyz[rows, :2])
  rows = rows[moving[rows] | (loose[rows] & (distance < reach))]
  reach = _link(candidates, rows, config)
  pairs = spatial.cKDTree(candidates.xyz[rows, :2]).query_pairs(
    reach.max(), output_type='ndarray'
  )
  apart = candidates.xyz[rows[pairs[:, 0]], :2]
  apart = np.linalg.norm(apart - candidates.xyz[rows[pairs[:, 1]], :2], axis=-1)
  pairs = pairs[apart < reach[pairs].min(-1)]
  graph = sparse.coo_array(
    (np.ones(len(pairs)), pairs.T), shape=(len(rows), len(rows))
  )
  count, labels = csgraph.connected_components(graph, directed=False)
  members = np.split(
    rows[np.argsort(labels, kind='stable')],
    np.cumsum(np.bincount(labels, minlength=count))[:-1],
  )
  return [
    x for x in members if moving[x].sum() >= max(config.min_points, len(x) / 3)
  ]


def _link(candidates, rows, config):
  return config.link + config.link_share * candidates.distance[rows]


def _follow(times, candidates, clusters, config):
  """Tracks that clusters form, in the order in which they began."""
  live, done = [], []
  for step, members in enumerate(clusters):
    for track in live:
      _predict(track, times, step, config)
    places = np.array([_place(candidates, x) for x in members]).reshape(-1, 2)
    cost = np.full((len(live), len(places)), config.gate**2)
    noise = np.eye(2) * config.accuracy**2
    for row, track in enumerate(live):
      offset = places - track.mean[:2]
      inverse = np.linalg.inv(track.cov[:2, :2] + noise)
      squared = np.einsum('ni,ij,nj->n', offset, inverse, offset)
      cost[row] = np.minimum(squared, config.gate**2)
    taken = set()
    for row, column in zip(*optimize.linear_sum_assignment(cost), strict=True):
      if cost[row, column] < config.gate**2:
        track = live[row]
        track.mean, track.cov = _update(
          track.mean, track.cov, places[column], noise
        )
        track.seen[step] = members[column]
        taken.add(column)
    for column in sorted(set(range(len(places))) - taken):
      live.append(
        _Track(
          step=step,
          mean=np.append(places[column], [0, 0]),
          cov=_first_cov(config),
          seen={step: members[column]},
        )
      )
    stale = times[step] - config.max_gap
    done += [track for track in live if times[max(track.seen)] < stale]
    live = [track for track in live if times[max(track.seen)] >= stale]
  tracks = done + live
  return sorted(tracks, key=lambda x: (min(x.seen), x.seen[min(x.seen)][0]))


def _place(candidates, rows):
  """`[2]` middle of the extent of points, which a few more do not move."""
  xy = candidates.xyz[rows, :2]
  return (xy.min(0) + xy.max(0)) / 2


def _first_cov(config):
  return np.diag(
    [config.accuracy**2] * 2 + [(config.max_speed / config.gate) ** 2] * 2
  )


def _transition(duration, config):
  """`[4, 4]` constant velocity and the noise of white acceleration."""
  forward = np.eye(4)
  forward[[0, 1], [2, 3]] = duration
  shake = np.zeros((4, 2))
  shake[[0, 1], [0, 1]] = duration**2 / 2
  shake[[2, 3], [0, 1]] = duration
  return forward, config.acceleration**2 * shake @ shake.T


def _predict(track, times, step, config):
  forward, noise = _transition(times[step] - times[track.step], config)
  track.mean = forward @ track.mean
  track.cov = forward @ track.cov @ forward.T + noise
  track.step = step


def _update(mean, cov, place, noise):
  gain = cov[:, :2] @ np.linalg.inv(cov[:2, :2] + noise)
  return mean + gain @ (place - mean[:2]), cov - gain @ cov[:2]


def _smooth(times, places, seen, config):
  """Rauch-Tung-Striebel smoother.

  Args:
    times: `[n]` seconds.
    places: `[n, 2]`.
    seen: `[n]` bool: where `places` counts, at one step at least.
    config: noise.

  Returns:
    `[n, 4]` places and velocities.
  """
  noise = np.eye(2) * config.accuracy**2
  first = int(np.argmax(seen))
  mean, cov = np.append(places[first], [0, 0]), _first_cov(config)
  means, covs, ahead = [mean], [cov], []
  for i in range(first + 1, len(times)):
    forward, shake = _transition(times[i] - times[i - 1], config)
    mean, cov = forward @ mean, forward @ cov @ forward.T + shake
    ahead.append((forward, mean, cov))
    if seen[i]:
      mean, cov = _update(mean, cov, places[i], noise)
    means.append(mean)
    covs.append(cov)
  for i in range(len(means) - 2, -1, -1):
    forward, predicted, predicted_cov = ahead[i]
    gain = covs[i] @ forward.T @ np.linalg.inv(predicted_cov)
    means[i] = means[i] + gain @ (means[i + 1] - predicted)
  before = [
    _transition(time - times[first], config)[0] @ means[0]
    for time in times[:first]
  ]
  return np.array(before + means)


# How often a track is prolonged by `blend` seconds at either end, and the share
# of its length by which a box reaches for what else is of the same object.
_ROUNDS = 8
_STRETCH = 0.25


def _extend(track, box, times, candidates, loose, config):
  """Adds what lies in the box at, before and after the steps of a track.

  What an object that drives ahead hides, nothing clears: it is known to move
  only by where it was.

  Returns:
    Whether the track has become longer.
  """
  times = np.asarray(times)
  first, last = box.steps[[0, -1]]
  half = box.size[:2] / 2 + [_STRETCH * box.size[0], 0] + _OWN_MARGIN
  near = times >= times[first] - config.blend
  near &= times <= times[last] + config.blend
  grown = False
  for step in np.flatnonzero(near):
    k = np.clip(step, first, last) - first
    ahead = box.speed[k] * (times[step] - times[first + k])
    middle = box.xyz[k, :2] + _turn(np.array([ahead, 0.0]), box.yaw[k])
    rows = np.arange(*candidates.first[step : step + 2])
    local = _turn(candidates.xyz[rows, :2] - middle, -box.yaw[k])
    rows = rows[np.all(np.abs(local) <= half, -1)]
    kept = rows[loose[rows]]
    if len(kept) >= max(config.min_points, len(rows) / 2):
      before = track.seen.get(step, np.zeros(0, int))
      track.seen[step] = np.union1d(before, kept)
      grown |= not first <= step <= last
  return grown


# Length, width and height in metres between which the sizes of a class lie.
# The visible part is smaller than the whole, so that the lower bounds are what
# is usual: of a car seen from behind the length is unknown.
_SIZES = {
  types.PEDESTRIAN: ((0.6, 0.6, 1.6), (1.1, 1.0, 2.0)),
  types.CYCLIST: ((1.7, 0.6, 1.6), (2.3, 1.1, 2.0)),
  types.VEHICLE: ((4.3, 1.8, 1.5), (40.0, 3.0, 4.5)),
}
# Vehicles so high are vans, or else lorries, buses and trams.
_TALL = ((1.9, (5.1, 1.9, 1.9)), (2.8, (10.0, 2.5, 2.8)))
# Visible length, width and height in metres and speed in m/s up to which an
# object walks, and up to which it may be a cycle.
_WALKS = (1.3, 1.3, 2.2, 2.5)
_CYCLES = (2.5, 1.3, 2.2, 9.0)
# Metres that are seen of a vehicle at least, along or across. A wall along the
# line of sight, at which beams end here and there, looks like a moving post.
_LEAST_VEHICLE = 1.0
# Of the extents that the steps show: some steps catch a neighbour's points.
_PERCENTILE = 80
# Steps at which an object was seen whole, to have a velocity.
_LEAST_WHOLE = 5
# And of the points of an object on either side.
_OUTLIERS = 3
_FITS = 3


def _fit(track, times, origins, candidates, ground, config):
  """The `_Object` of a track, or None if it is no moving object."""
  first, last = min(track.seen), max(track.seen)
  steps = np.arange(first, last + 1)
  times = np.asarray(times)[steps]
  seen = np.array([step in track.seen for step in steps])
  if times[-1] - times[0] < config.min_time or seen.mean() < config.min_seen:
    return None
  rows = [track.seen.get(step, np.zeros(0, int)) for step in steps]
  # What is cut off shows no face of the object where its points end.
  seen &= [not candidates.at_edge[x].any() for x in rows]
  if seen.sum() < _LEAST_WHOLE:
    return None
  places = np.array(
    [_place(candidates, x) if len(x) else np.zeros(2) for x in rows]
  )
  for _ in range(_FITS):
    motion = _motion(times, places, seen, config)
    if motion is None:
      return None
    xy, speed, yaw = motion
    local = [
      _turn(candidates.xyz[x, :2] - middle, -angle)
      for x, middle, angle in zip(rows, xy, yaw, strict=True)
    ]
    ends = np.zeros((len(steps), 2, 2))
    for i in np.flatnonzero(seen):
      ends[i] = _ends(local, np.abs(times - times[i]) <= config.blend)
    extent = np.percentile(ends[seen, 1] - ends[seen, 0], _PERCENTILE, axis=0)
    top = np.percentile(
      [candidates.height[x].max() for x in rows if len(x)], _PERCENTILE
    )
    visible = np.append(extent, top)
    kind = _kind(visible, np.median(speed))
    if kind is None:
      return None
    size = _size(kind, visible)
    lidar = _turn(origins[steps, :2] - xy, -yaw)
    middle = _anchor(ends[:, 0], ends[:, 1], size[:2] / 2, lidar)
    places = xy + _turn(middle, yaw)
  motion = _motion(times, places, seen, config)
  if motion is None:
    return None
  xy, speed, yaw = motion
  return _Object(
    steps=steps,
    xyz=np.c_[xy, ground(xy) + size[2] / 2],
    yaw=yaw,
    speed=speed,
    size=size,
    kind=kind,
    points=sum(map(len, rows)),
  )


def _motion(times, places, seen, config):
  """Smoothed `[n, 2]` places, `[n]` speeds and headings; None if at rest.

  The heading is the direction of motion; where that is too slow to have one,
  it is that of the nearest step that has.
  """
  state = _smooth(times, places, seen, config)
  xy, velocity = state[:, :2], state[:, 2:]
  speed = np.linalg.norm(velocity, axis=-1)
  distance = np.linalg.norm(xy[-1] - xy[0])
  if distance < config.min_distance or np.median(speed) < config.min_speed:
    return None
  steps = np.arange(len(times))
  fast = steps[speed >= config.min_speed]
  nearest = fast[np.abs(steps[:, None] - fast).argmin(1)]
  return xy, speed, np.arctan2(velocity[nearest, 1], velocity[nearest, 0])


def _kind(visible, speed):
  """Class by visible size in metres and speed in m/s; None if it is none."""
  for kind, most in [(types.PEDESTRIAN, _WALKS), (types.CYCLIST, _CYCLES)]:
    if np.all(np.append(visible, speed) <= most):
      return kind
  return types.VEHICLE if max(visible[:2]) >= _LEAST_VEHICLE else None


def _size(kind, visible):
  least, most = _SIZES[kind]
  if kind == types.VEHICLE:
    for height, usual in _TALL:
      if visible[2] >= height:
        least = usual
  return np.clip(visible, least, most)


def _ends(local, near):
  """`[2, 2]` least and largest coordinates of the points of some steps.

  Beams that are spread widely miss the corners of a box at one step, and fall
  elsewhere at the next.
  """
  points = np.concatenate(
    [x for x, use in zip(local, near, strict=True) if use]
  )
  return np.percentile(points, [_OUTLIERS, 100 - _OUTLIERS], axis=0)


def _anchor(low, high, half, lidar):
  """`[n, 2]` middles of boxes whose near faces meet the ends of their points.

  All in a box frame, whose origin is about where the box is.

  Args:
    low: `[n, 2]` least coordinates of the points.
    high: `[n, 2]` largest coordinates.
    half: `[2]` of the size of the box.
    lidar: `[n, 2]` where the lidar is.
  """
  bounds = np.sort([high - half, low + half], axis=0)
  middle = np.clip(0, *bounds)
  middle = np.where(lidar > half, high - half, middle)
  return np.where(lidar < -half, low + half, middle)


# Two boxes whose middles are nearer than this share of the sum of their half
# sides are of one object.
_OVERLAP = 0.75


def _distinct(objects):
  """Those with most points first, without those that are part of another."""
  kept = []
  for item in sorted(objects, key=lambda x: -x.points):
    if not any(_is_part(item, other) for other in kept):
      kept.append(item)
  return kept


def _is_part(item, other):
  """Whether the boxes overlap during most of the time of the first."""
  _, mine, theirs = np.intersect1d(item.steps, other.steps, return_indices=True)
  offset = item.xyz[mine, :2] - other.xyz[theirs, :2]
  local = _turn(offset, -other.yaw[theirs])
  reach = _OVERLAP * (item.size[:2] + other.size[:2]) / 2
  return 2 * np.all(np.abs(local) <= reach, -1).sum() > len(item.steps)


def _append(log, objects):
  """The log with objects as agents after those that are there."""
  steps, count = len(log.times), len(objects)
  xy = np.zeros((steps, count, 2))
  z, yaw, speed = np.zeros((3, steps, count))
  valid = np.zeros((steps, count), bool)
  for k, item in enumerate(objects):
    xy[item.steps, k] = item.xyz[:, :2]
    z[item.steps, k] = item.xyz[:, 2]
    yaw[item.steps, k] = item.yaw
    speed[item.steps, k] = item.speed
    valid[item.steps, k] = True
  new = types.AgentState(xy=xy, z=z, yaw=yaw, speed=speed, valid=valid)
  tracks = types.AgentState(
    **{
      name: np.concatenate(
        [value, getattr(new, name).astype(np.asarray(value).dtype)], 1
      )
      for name, value in vars(log.tracks).items()
    }
  )
  sizes = np.array([item.size for item in objects]).reshape(-1, 3)
  kinds = np.array([item.kind for item in objects], int)
  return log.replace(
    tracks=tracks,
    sizes=np.concatenate([log.sizes, sizes]).astype(np.float32),
    classes=np.concatenate([log.classes, kinds]).astype(np.int32),
  )


def _turn(xy, angle):
  """`[..., 2]` rotated by angles in radians, counter-clockwise."""
  cos, sin = np.cos(angle), np.sin(angle)
  return np.stack(
    [
      cos * xy[..., 0] - sin * xy[..., 1],
      sin * xy[..., 0] + cos * xy[..., 1],
    ],
    -1,
  )
