# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From tracks and a map to prepared logs without cameras and lidar.

What the pipelines of traffic data sets share. Recordings differ in numbers of
agents, lanes and points; `write` pads them to the greatest of each, so that a
data set has one shape.
"""

import dataclasses
import pathlib

from absl import logging
import numpy as np
from scipy import spatial
import tqdm

from data_pipelines import builder
from data_pipelines import times as keeping_time
from rdrl import logs
from rdrl import trees
from rdrl import types

# Metres, where a data set does not tell the width of its lanes.
LANE_WIDTH = 3.5

# Metres by which a line may move when its superfluous points are left out.
LINE_TOLERANCE = 0.02
OUTLINE_TOLERANCE = 0.1

# Steps to either side of which a velocity is the slope.
_SLOPE_STEPS = 2

# Seconds by which a step may be early or late; that two of them are at least
# apart, for what is less is one stamp twice; and at most, as annotations at
# 2 Hz are, which nuScenes joins by straight lines.
_ON_TIME = 0.01
_MIN_GAP = 0.001
MAX_GAP = 0.55

# Metres from where the ego would be without a change of velocity that are a
# jump: ten times the acceleration of gravity. Recorded egos have up to 0.57.
JUMP = 1.0

# Metres of a step in which something moves, how many such steps tell where it
# goes, how many agents cannot all be backing up, and rad between headings and
# the way that are no chance: recorded traffic has a median of at most 0.07.
_MOVE = 0.2
_MOVES = 3
_MANY = 3
OFF_COURSE = np.pi / 6

# m/s of what certainly moves.
_FAST = 2.0

# Metres of map around the ego's path that a raster of it can have.
MAX_RADIUS = 1000.0

# Metres between the points at which the distance of a line is measured.
_PROBE = 5.0

# Points of a part of a boundary.
_LONGEST = 64


@dataclasses.dataclass(frozen=True)
class Options:
  """What to keep of a recording.

  Attributes:
    num_agents: the ego and those that come nearest to it; None: all.
    num_steps: the first ones; None: all.
    map_radius: metres; lines and polygons that come so near to the path of the
      ego are kept, whole.
  """

  num_agents: int | None = None
  num_steps: int | None = None
  map_radius: float = 100.0


DEFAULT = Options()


def make_log(
  name,
  times,
  xyz,
  yaw,
  valid,
  sizes,
  classes,
  make_map,
  source,
  options=DEFAULT,
  velocity=None,
) -> types.Log:
  """A valid log without cameras and lidar, its steps `types.TIME_STEP` apart.

  Args:
    name: of the log.
    times: `[T]` seconds.
    xyz: `[T, A, 3]` metres, float64, the ego first; middles of boxes.
    yaw: `[T, A]` rad.
    valid: `[T, A]` bool; what is not valid is not read.
    sizes: `[A, 3]` metres.
    classes: `[A]`.
    make_map: function of the ego's path `[T, 2]` and of the radius, in metres,
      around it that counts, to a `Map`; its lights, if any, are for all
      `times`.
    source: file, for messages.
    options: what to keep.
    velocity: `[T, A, 2]` m/s; where it is not finite it comes from positions,
      and everywhere if it is None or of another unit, or no velocity at all.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  # Not so that a NaN passes.
  if not 0 < options.map_radius <= MAX_RADIUS:
    raise logs.LogError(
      f'map_radius: {options.map_radius} m is not above 0 and at most '
      f'{MAX_RADIUS:g}: {source}'
    )
  if velocity is None:
    velocity = np.full_like(xyz[..., :2], np.nan)
  moving = {'xyz': xyz, 'yaw': yaw, 'velocity': velocity}
  times, valid, moving, held = in_time(
    times, np.asarray(valid, bool), moving, source, options.num_steps
  )
  steps = len(times)
  # Whom nobody saw in these steps is no agent.
  seen = valid.any(0)
  seen[0] = True
  valid = valid[:, seen]
  xyz, yaw, velocity = (value[:, seen] for value in moving.values())
  check_motion(times, xyz[..., :2], yaw, valid, source)
  slope = velocities(xyz[..., :2], times, valid)
  if _is_other(velocity, slope):
    logging.warning('%s: velocity: not that of the positions, left out', source)
    velocity = slope
  velocity = np.where(np.isfinite(velocity), velocity, slope)
  values = {
    'xy': xyz[..., :2],
    'z': xyz[..., 2],
    'yaw': (yaw + np.pi) % (2 * np.pi) - np.pi,
    'speed': along(velocity, yaw),
  }
  for field, value in values.items():
    there = valid[..., None] if field == 'xy' else valid
    values[field] = np.where(there, value, 0).astype(np.float32)
  tracks = types.AgentState(valid=valid, **values)
  lane_map = make_map(values['xy'][:, 0].astype(float), options.map_radius)
  if lane_map.lights is not None:
    lane_map = lane_map.replace(lights=lane_map.lights[held])
  if not np.any(lane_map.lanes.valid):
    lane_map = _with_corridor(lane_map, tracks, source)
  cameras = np.zeros((0, 4, 4), np.float32)
  log = types.Log(
    images=np.zeros((steps, 0, 0, 0, 3), np.uint8),
    cameras=types.Camera(
      camera_from_world=np.zeros((steps, 0, 4, 4), np.float32),
      intrinsics=np.zeros((steps, 0, 3, 3), np.float32),
      height=0,
      width=0,
    ),
    camera_from_ego=cameras,
    times=times,
    tracks=tracks,
    sizes=np.asarray(sizes, np.float32)[seen],
    classes=np.asarray(classes, np.int32)[seen],
    lidar=np.zeros((steps, 0, 3), np.float32),
    lidar_valid=np.zeros((steps, 0), bool),
    map=lane_map,
    name=name,
  )
  logs.validate(log, str(source))
  if options.num_agents is not None:
    log, left_out = logs.keep_nearest(log, options.num_agents)
    if left_out:
      logging.warning(
        '%s: tracks: %d agents left out, the farthest from the ego',
        source,
        left_out,
      )
  return log


def _is_other(velocity, slope):
  """Whether velocities, where there are any, are not those of what moves."""
  fast = np.linalg.norm(slope, axis=-1)
  off = np.linalg.norm(velocity - slope, axis=-1) / np.maximum(fast, 1)
  off = off[np.isfinite(off) & (fast > _FAST)]
  return len(off) > 0 and np.median(off) > 0.5


def _with_corridor(lane_map, tracks, source):
  """A map without lanes, with one along the way that the ego took."""
  logging.warning('%s: map: no lanes near the ego, but the way it took', source)
  corridor = logs.corridor_map(trees.take(tracks, (slice(None), 0)))
  fields = {'lanes': corridor.lanes, 'lane_width': corridor.lane_width}
  if not np.any(lane_map.drivable.valid):
    fields['drivable'] = corridor.drivable
  return lane_map.replace(speed_limit=None, **fields)


def in_time(times, valid, moving, source, num_steps=None):
  """Tracks at steps that are `types.TIME_STEP` apart.

  Steps that keep time are left as they are. Others are taken from the two
  steps around them, between which everything changes evenly; an agent is there
  if it is in both.

  Args:
    times: `[T]` seconds.
    valid: `[T, A]` bool.
    moving: `[T, A, ...]` arrays by name; one named `yaw` in rad.
    source: file, for messages.
    num_steps: the first ones; None: all.

  Returns:
    `[S]` times, `[S, A]` valid, the arrays, and `[S]` which step of the file
    was the last to begin.

  Raises:
    LogError: one line that names the file, the step and the gap, if steps do
      not follow one another or are more than `MAX_GAP` apart; or if there are
      less than `num_steps`.
  """
  times = np.asarray(times, np.float64)
  # What comes after the last of them matters to nobody.
  if num_steps is not None:
    end = times[:1] + types.TIME_STEP * (num_steps - 1) - _ON_TIME
    times = times[: max(np.searchsorted(times, end).max(initial=0), 0) + 1]
  gaps = np.diff(times)
  good = (gaps >= _MIN_GAP) & (gaps <= MAX_GAP) & np.isfinite(gaps)
  for step in np.flatnonzero(~good)[:1]:
    raise logs.LogError(
      f'{source}: times: step {step + 1} at {times[step + 1]:.9g} s is '
      f'{gaps[step]:.4g} s after step {step}, expected {_MIN_GAP} to '
      f'{MAX_GAP} s'
    )
  count = int((gaps.sum() + _ON_TIME) / types.TIME_STEP) + (len(times) > 0)
  wanted = count if num_steps is None else num_steps
  if not 0 < wanted <= count:
    raise logs.LogError(
      f'{source}: steps: {wanted} wanted, the recording has {count}'
    )
  grid = types.TIME_STEP * np.arange(wanted)
  late = times - times[0]
  if len(late) >= wanted and np.all(np.abs(late[:wanted] - grid) <= _ON_TIME):
    kept = slice(0, wanted)
    moving = {name: value[kept] for name, value in moving.items()}
    return times[kept], valid[kept], moving, np.arange(wanted)
  logging.warning(
    '%s: times: steps of %.4g to %.4g s, resampled to %g s',
    source,
    gaps.min(),
    gaps.max(),
    types.TIME_STEP,
  )
  held = np.searchsorted(late, grid + 1e-6, 'right') - 1
  # The last step may end a little after the recording.
  before = np.minimum(held, len(late) - 2)
  after = before + 1
  share = (grid - late[before]) / (late[after] - late[before])
  # Who is there at a step needs not be at the next.
  share = np.where(
    np.abs(share - np.round(share)) < 1e-5, np.round(share), share
  )
  before, after = (
    np.where(share == 1, after, before),
    np.where(share, after, before),
  )
  sampled = {}
  for name, value in moving.items():
    change = value[after] - value[before]
    if name == 'yaw':
      change = (change + np.pi) % (2 * np.pi) - np.pi
    weight = share.reshape(-1, *[1] * (value.ndim - 1))
    sampled[name] = value[before] + weight * change
  return times[0] + grid, valid[before] & valid[after], sampled, held


def off_course(xy, yaw, valid):
  """How far headings are from the way that agents go.

  Args:
    xy: `[T, A, 2]` metres.
    yaw: `[T, A]` rad.
    valid: `[T, A]` bool.

  Returns:
    `[A]` rad from 0 to pi, the median over the steps of an agent in which it
    moves; NaN for whom nobody sees move.
  """
  moved = np.diff(xy, axis=0)
  length = np.linalg.norm(moved, axis=-1)
  moves = valid[1:] & valid[:-1] & (length >= _MOVE)
  way = np.arctan2(moved[..., 1], moved[..., 0])
  off = np.abs((yaw[:-1] - way + np.pi) % (2 * np.pi) - np.pi)
  result = np.full(valid.shape[1], np.nan)
  for agent in np.flatnonzero(moves.sum(0) >= _MOVES):
    steps = moves[:, agent]
    far = np.linalg.norm(moved[steps, agent].sum(0))
    # What stands and is measured badly gets nowhere.
    if far >= length[steps, agent].sum() / 2:
      result[agent] = np.median(off[steps, agent])
  return result


def check_motion(times, xy, yaw, valid, source):
  """Checks that the ego is there and drives, and that agents go as they head.

  Args:
    times: `[T]` seconds, `types.TIME_STEP` apart.
    xy: `[T, A, 2]` metres, the ego first.
    yaw: `[T, A]` rad.
    valid: `[T, A]` bool.
    source: file, for messages.

  Raises:
    LogError: one line that names the file, the step and what the ego does
      there, or by how much headings are wrong.
  """
  for step in np.flatnonzero(~valid[:, 0])[:1]:
    raise logs.LogError(f'{source}: valid: the ego is missing at step {step}')
  keeping_time.check_way(xy[:, 0], times, lambda _: f'{source}: xyz: ego')
  change = np.linalg.norm(np.diff(xy[:, 0], n=2, axis=0), axis=-1)
  for step in np.flatnonzero(~(change <= JUMP))[:1]:
    raise logs.LogError(
      f'{source}: xyz: the ego jumps by {change[step]:.4g} m between steps '
      f'{step} and {step + 2}, from {xy[step, 0].round(2).tolist()} to '
      f'{xy[step + 2, 0].round(2).tolist()}'
    )
  off = off_course(xy, yaw, valid)
  off = off[np.isfinite(off)]
  # One that backs up goes where its tail points; not everybody does.
  backing = np.minimum(off, np.pi - off) if len(off) < _MANY else off
  if len(off) and np.median(backing) > OFF_COURSE:
    raise logs.LogError(
      f'{source}: heading: {np.rad2deg(np.median(off)):.0f} degrees off the '
      f'way they go, in the median of {len(off)} agents that move'
    )


def velocities(xyz, times, valid):
  """Velocities of tracks by the least-squares slope over five steps.

  Positions at 10 Hz jitter by centimetres, hence differences of neighbours by
  metres per second. The first and last steps of a stretch have the slope of
  the five that begin or end it.

  Args:
    xyz: `[T, A, D]` metres.
    times: `[T]` seconds.
    valid: `[T, A]` bool.

  Returns:
    `[T, A, D]` m/s; zero where a track is not valid, or valid at that step
    only.
  """
  around = np.arange(-_SLOPE_STEPS, _SLOPE_STEPS + 1)
  velocity = np.zeros(np.shape(xyz))
  for agent in range(valid.shape[1]):
    for start, end in stretches(valid[:, agent]):
      steps = np.arange(start, end)
      if end - start >= len(around):
        middle = np.clip(steps, start + _SLOPE_STEPS, end - 1 - _SLOPE_STEPS)
        window = middle[:, None] + around
        time = times[window] - times[window].mean(1, keepdims=True)
        velocity[steps, agent] = np.einsum(
          'tw,twd->td', time, xyz[window, agent]
        ) / np.sum(time**2, 1, keepdims=True)
      elif end - start > 1:
        velocity[steps, agent] = np.gradient(
          xyz[steps, agent], times[steps], axis=0
        )
  return velocity


def stretches(valid):
  """First steps and those after the last of the runs of true in a `[T]`."""
  edges = np.diff(np.r_[0, np.asarray(valid, int), 0])
  return list(
    zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
  )


def along(velocity, yaw):
  """Component `[...]` of velocities `[..., 2]` along headings `[...]`."""
  return velocity[..., 0] * np.cos(yaw) + velocity[..., 1] * np.sin(yaw)


def near(lines, path, radius):
  """Those of some `[P, 2]` lines that come within `radius` of a path."""
  tree = spatial.cKDTree(path)
  return [
    line
    for line in lines
    if tree.query(densify(line, _PROBE), distance_upper_bound=radius)[0].min()
    <= radius
  ]


def runs_near(lines, path, radius):
  """Parts of lines within `radius` of a path, of at most `_LONGEST` points.

  For lines that mean nothing as a whole.
  """
  tree = spatial.cKDTree(path)
  parts = []
  for line in near(lines, path, radius):
    fine = densify(line, _PROBE)
    distance, _ = tree.query(fine, distance_upper_bound=radius)
    for start, end in stretches(distance <= radius):
      part = simplify(fine[max(start - 1, 0) : end + 1], LINE_TOLERANCE)
      for first in range(0, len(part) - 1, _LONGEST - 1):
        parts.append(part[first : first + _LONGEST])
  return parts


def clip(polygon, low, high):
  """What of a polygon lies in an axis-aligned rectangle.

  Sutherland and Hodgman (1974). Parts hang together by the rectangle's border.

  Args:
    polygon: `[P, 2]`, its last point joins its first.
    low: `[2]` corner of the rectangle.
    high: `[2]` the opposite one.

  Returns:
    `[Q, 2]`; Q is less than 3 where nothing lies inside.
  """
  for axis in (0, 1):
    for sign, bound in [(1, low[axis]), (-1, -high[axis])]:
      if not len(polygon):
        return polygon
      after = np.roll(polygon, -1, 0)
      depth = sign * polygon[:, axis] - bound
      depth_after = sign * after[:, axis] - bound
      crosses = (depth >= 0) != (depth_after >= 0)
      share = depth / np.where(crosses, depth - depth_after, 1)
      meets = polygon + share[:, None] * (after - polygon)
      meets[:, axis] = sign * bound
      # Each point that is inside, then where its side crosses the border.
      points = np.stack([polygon, meets], 1).reshape(-1, 2)
      polygon = points[np.stack([depth >= 0, crosses], 1).ravel()]
  return polygon


def densify(line, spacing):
  """`line` `[P, 2]` with points added, none farther apart than `spacing`."""
  length = np.linalg.norm(np.diff(line, axis=0), axis=-1)
  count = np.maximum(np.ceil(length / spacing), 1).astype(int)
  pieces = [
    line[i] + np.linspace(0, 1, n, endpoint=False)[:, None] * step
    for i, (n, step) in enumerate(
      zip(count, np.diff(line, axis=0), strict=True)
    )
  ]
  return np.concatenate([*pieces, line[-1:]])


def simplify(line, tolerance):
  """The fewest of the points of a line that stay near enough to all of them.

  Ramer (1972), Douglas and Peucker (1973).

  Args:
    line: `[P, 2]`; one that ends where it begins stays closed.
    tolerance: metres from each point to the line that is left.

  Returns:
    `[Q, 2]`.
  """
  kept = np.zeros(len(line), bool)
  kept[[0, -1]] = True
  stack = [(0, len(line) - 1)]
  while stack:
    first, last = stack.pop()
    if last - first < 2:
      continue
    points = line[first + 1 : last] - line[first]
    chord = line[last] - line[first]
    squared = chord @ chord
    share = np.clip(points @ chord / squared, 0, 1) if squared else 0
    distance = np.linalg.norm(points - np.multiply.outer(share, chord), axis=-1)
    worst = int(np.argmax(distance))
    if distance[worst] > tolerance:
      middle = first + 1 + worst
      kept[middle] = True
      stack += [(first, middle), (middle, last)]
  return line[kept]


def polylines(lines, tolerance=None, points=2):
  """`Polylines` of lines, each as long as the longest; one row if none are.

  Args:
    lines: of `[P, 2]`.
    tolerance: metres, of `simplify`; None: as they are.
    points: the least number of columns.
  """
  if tolerance is not None:
    lines = [simplify(line, tolerance) for line in lines]
  points = max([points, *map(len, lines)])
  xy = np.zeros((max(len(lines), 1), points, 2), np.float32)
  valid = np.zeros(xy.shape[:2], bool)
  for row, line in enumerate(lines):
    xy[row, : len(line)] = line
    valid[row, : len(line)] = True
  return types.Polylines(xy=xy, valid=valid)


def outline(ring, holes=()):
  """One polygon of a ring and the rings of its holes.

  The way to a hole and back is the same line twice, which no count of crossed
  sides notices. Holes go round the other way than the ring.

  Args:
    ring: `[P, 2]`, its last point joins its first.
    holes: likewise.

  Returns:
    `[Q, 2]`.
  """
  pieces = [ring]
  for hole in holes:
    if signed_area(hole) * signed_area(ring) > 0:
      hole = hole[::-1]
    pieces += [ring[:1], hole, hole[:1]]
  return np.concatenate([*pieces, ring[:1]] if holes else pieces)


def signed_area(ring):
  """Square metres within a ring `[P, 2]`, positive if counter-clockwise."""
  x, y = (ring - ring[0]).T
  return np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2


def opened(ring):
  """`ring` without a last point that repeats its first."""
  return ring[:-1] if len(ring) > 1 and np.all(ring[0] == ring[-1]) else ring


def prepare(data_dir, out_dir, recordings, read, names=None, options=DEFAULT):
  """Writes recordings of a folder as one data set.

  Args:
    data_dir: folder of the recordings.
    out_dir: as for `builder.write`.
    recordings: function of a folder to the paths of its recordings by name.
    read: function of such a path and `Options` to a `Log`.
    names: of recordings; None: all.
    options: what to keep.

  Returns:
    How many were written.

  Raises:
    LogError: if there is no such recording; otherwise see `write`.
  """
  found = recordings(data_dir)
  names = names or sorted(found)
  for name in names:
    if name not in found:
      raise logs.LogError(
        f'{data_dir}: logs: {name!r} is not one of {sorted(found)[:20]}'
      )
  write([found[name] for name in names], read, out_dir, options)
  return len(names)


def write(paths, read, out_dir, options=DEFAULT):
  """Writes recordings as one data set, padded to the greatest of each budget.

  Recordings are read twice, first for their shapes, so that one at a time is
  held.

  Args:
    paths: of the recordings.
    read: function of a path and `Options` to a `Log`.
    out_dir: as for `builder.write`.
    options: what to keep.

  Raises:
    LogError: one line, if a recording is not sound or there is none.
    FileExistsError: if `out_dir` holds something.
  """
  if pathlib.Path(out_dir).exists():
    builder.write([], out_dir)
  shapes, agents, lit = [], 0, False
  for path in tqdm.tqdm(paths, desc='look', unit='log', disable=None):
    log = read(path, options)
    shapes.append(logs.map_shape(log.map))
    agents = max(agents, len(log.sizes))
    lit |= log.map.lights is not None
  shape = {
    name: tuple(np.max([each[name] for each in shapes], axis=0))
    for name in (shapes[0] if shapes else ())
  }

  def padded():
    for path in tqdm.tqdm(paths, desc='write', unit='log', disable=None):
      log = read(path, options)
      lane_map = log.map
      if lit and lane_map.lights is None:
        rows = lane_map.stop_lines.valid.shape[0]
        lane_map = lane_map.replace(
          lights=np.full((len(log.times), rows), types.LIGHT_UNKNOWN, np.int32)
        )
      log = log.replace(map=logs.pad_map(lane_map, shape))
      yield logs.pad_agents(log, agents)

  builder.write(padded(), out_dir)
