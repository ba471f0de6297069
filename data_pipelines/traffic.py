# Copyright 2026 The rdrl Authors. Apache-2.0.
"""From tracks and a map to prepared logs without cameras and lidar.

What the pipelines of traffic data sets share. Recordings differ in numbers of
agents, lanes and points; `write` pads them to the greatest of each, so that a
data set has one shape.
"""

import dataclasses
import pathlib

from absl import flags
from absl import logging
import numpy as np
from scipy import signal
from scipy import spatial
import tqdm

from data_pipelines import builder
from rdrl import logs
from rdrl import types

# Metres, where a data set does not tell the width of its lanes.
LANE_WIDTH = 3.5

# Metres by which a line may move when its superfluous points are left out.
LINE_TOLERANCE = 0.02
OUTLINE_TOLERANCE = 0.1

# Steps to either side of which a velocity is the slope.
_SLOPE_STEPS = 2

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
  name, times, tracks, sizes, classes, make_map, source, options=DEFAULT
) -> types.Log:
  """A valid log without cameras and lidar.

  Args:
    name: of the log.
    times: `[T]` seconds.
    tracks: `[T, A]` in float64, the ego first; what is not valid is not read.
    sizes: `[A, 3]` metres.
    classes: `[A]`.
    make_map: function of the ego's path `[T, 2]` and of the radius, in metres,
      around it that counts, to a `Map`; its lights, if any, are for all steps.
    source: file, for messages.
    options: what to keep.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  if options.map_radius <= 0:
    raise logs.LogError(
      f'map_radius: {options.map_radius} m is not positive: {source}'
    )
  steps = len(times) if options.num_steps is None else options.num_steps
  if not 0 < steps <= len(times):
    raise logs.LogError(
      f'{source}: steps: {steps} wanted, the recording has {len(times)}'
    )
  tracks = types.take(tracks, slice(0, steps))
  valid = np.asarray(tracks.valid, bool)
  # Whom nobody saw in these steps is no agent.
  seen = valid.any(0)
  seen[0] = True
  valid = valid[:, seen]
  yaw = np.asarray(tracks.yaw)[:, seen]
  values = {
    'xy': np.asarray(tracks.xy)[:, seen],
    'z': np.asarray(tracks.z)[:, seen],
    'yaw': (yaw + np.pi) % (2 * np.pi) - np.pi,
    'speed': np.asarray(tracks.speed)[:, seen],
  }
  for field, value in values.items():
    there = valid[..., None] if field == 'xy' else valid
    values[field] = np.where(there, value, 0).astype(np.float32)
  lane_map = make_map(values['xy'][:, 0].astype(float), options.map_radius)
  if lane_map.lights is not None:
    lane_map = lane_map.replace(lights=lane_map.lights[:steps])
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
    times=np.asarray(times[:steps], np.float64),
    tracks=types.AgentState(valid=valid, **values),
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


def velocities(xyz, times, valid):
  """Velocities of tracks by the least-squares slope over five steps.

  Positions at 10 Hz jitter by centimetres, hence differences of neighbours by
  metres per second.

  Args:
    xyz: `[T, A, D]` metres.
    times: `[T]` seconds.
    valid: `[T, A]` bool.

  Returns:
    `[T, A, D]` m/s; zero where a track is not valid, or valid at that step
    only.
  """
  velocity = np.zeros(np.shape(xyz))
  window = 2 * _SLOPE_STEPS + 1
  for agent in range(valid.shape[1]):
    for start, end in stretches(valid[:, agent]):
      steps = slice(start, end)
      if end - start >= window:
        velocity[steps, agent] = signal.savgol_filter(
          xyz[steps, agent],
          window,
          1,
          deriv=1,
          delta=(times[end - 1] - times[start]) / (end - 1 - start),
          axis=0,
        )
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


def define_flags(values):
  """Defines the flags that all of these pipelines have in `values`."""
  flags.DEFINE_string(
    'data_dir', None, 'Folder of the recordings.', flag_values=values
  )
  flags.DEFINE_string(
    'out_dir', None, 'Folder to write to.', flag_values=values
  )
  flags.DEFINE_list(
    'logs', None, 'Names of recordings; default: all.', flag_values=values
  )
  flags.DEFINE_integer(
    'num_agents',
    None,
    'Agents to keep, the ego and those nearest to it; default: all.',
    flag_values=values,
  )
  flags.DEFINE_integer(
    'num_steps',
    None,
    'Steps to keep, the first; default: all.',
    flag_values=values,
  )
  flags.DEFINE_float(
    'map_radius',
    DEFAULT.map_radius,
    'Metres around the path of the ego of which the map is kept.',
    flag_values=values,
  )


def prepare(values, recordings, read):
  """Writes what the flags of `define_flags` ask for.

  Args:
    values: the flags.
    recordings: function of a folder to the paths of its recordings by name.
    read: function of such a path and `Options` to a `Log`.
  """
  found = recordings(values.data_dir)
  names = values.logs or sorted(found)
  for name in names:
    if name not in found:
      raise logs.LogError(
        f'{values.data_dir}: logs: {name!r} is not one of {sorted(found)[:20]}'
      )
  options = Options(values.num_agents, values.num_steps, values.map_radius)
  write([found[name] for name in names], read, values.out_dir, options)
  print(f'wrote {len(names)} logs to {values.out_dir}')


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
