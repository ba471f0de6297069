# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""nuScenes tracks (Caesar et al. 2020) to prepared logs without images.

  python -m experiments.prepare --source=nuscenes \
    --data_dir=nuscenes_mini_tracks --out_dir=data/nuscenes

`data_dir` holds one archive a scene, see `data_pipelines.archive`, as
ScenarioNet exports them (arXiv 2306.12241). `read` gives the log of one of them
at once. What such an archive has of its own:

- Tracks are annotations at 2 Hz, interpolated to 10 Hz. Its velocities are
  differences to the next step, zero at the last one, so that speeds are taken
  from positions.
- The ego is where nuScenes has it: the middle of the rear axle, on a ground at
  z = 0; and its length and width are swapped.
- In the last half second of some scenes the ego jumps back; the log ends there.
- The third number of a road point is its heading, not its height.

Lanes are those of the map, lane connectors included, in driving direction,
`traffic.LANE_WIDTH` wide. Outlines of the drivable area are its white lines,
which are closed, or in pieces that meet, and come inside one another: holes.
There are neither crosswalks nor stop lines nor speed limits in these archives.
"""

from absl import logging
import numpy as np

from data_pipelines import archive
from data_pipelines import traffic
from rdrl import logs
from rdrl import types

# Metres from the rear axle to the middle of the recording car, a Renault Zoe:
# half its length, 4.084, less its rear overhang, 0.657.
MIDDLE_AHEAD_OF_REAR_AXLE = 1.385

# An ego that jumps: m/s^2 that no car has, and steps at the end of a scene in
# which it ends the log.
_JUMP = 25.0
_TAIL = 10

# Metres between the ends of two pieces of one outline.
_MEET = 0.1

_LANES = 'LANE_SURFACE_STREET'
_OUTLINES = 'ROAD_LINE_SOLID_SINGLE_WHITE'
_DIVIDERS = ('ROAD_LINE_BROKEN_SINGLE_WHITE', 'ROAD_LINE_SOLID_SINGLE_YELLOW')


def read(path, options=traffic.DEFAULT) -> types.Log:
  """The log of one archive.

  Args:
    path: of the archive.
    options: what to keep of it.

  Returns:
    A valid `Log` without cameras and lidar.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  scene = archive.read(path)
  steps = _sound_steps(scene)
  xy = scene.xyz[:steps, :, :2].copy()
  yaw, valid = scene.yaw[:steps], scene.valid[:steps]
  times = scene.times[:steps]
  ahead = np.stack([np.cos(yaw[:, 0]), np.sin(yaw[:, 0])], -1)
  xy[:, 0] += MIDDLE_AHEAD_OF_REAR_AXLE * ahead
  sizes = scene.sizes.copy()
  sizes[0, :2] = np.sort(sizes[0, :2])[::-1]
  z = archive.heights(scene)[:steps].copy()
  z[:, 0] += sizes[0, 2] / 2
  return traffic.make_log(
    name=scene.path.stem,
    times=times,
    xyz=np.concatenate([xy, z[..., None]], -1),
    yaw=yaw,
    valid=valid,
    sizes=sizes,
    classes=scene.classes,
    make_map=lambda ego, radius: _map(scene, ego, radius),
    source=scene.path,
    options=options,
  )


def _sound_steps(scene):
  """How many steps come before the ego jumps at the end of a scene."""
  steps = len(scene.times)
  with np.errstate(divide='ignore', invalid='ignore'):
    step = np.diff(scene.times)[:, None]
    change = np.diff(np.diff(scene.xyz[:, 0, :2], axis=0) / step, axis=0)
    jumps = np.linalg.norm(2 * change / (step[1:] + step[:-1]), axis=-1) > _JUMP
  # The second difference at i ends with step i + 2.
  late = np.flatnonzero(jumps) + 2
  late = late[late >= steps - _TAIL]
  if len(late):
    logging.info('%s: the ego jumps at step %d', scene.path, late[0])
    return int(late[0])
  return steps


def _map(scene, ego, radius):
  for name in (_LANES, _OUTLINES):
    if not scene.roads.get(name):
      raise logs.LogError(
        f'{scene.path}: road_type_names: no {name} among {sorted(scene.roads)}'
      )
  roads = {
    name: [line for line in lines if len(line) > 1]
    for name, lines in scene.roads.items()
  }
  lanes = traffic.near(roads[_LANES], ego, radius)
  dividers = [line for name in _DIVIDERS for line in roads.get(name, [])]
  rings = _joined(roads[_OUTLINES])
  low, high = ego.min(0) - radius, ego.max(0) + radius
  areas = [traffic.clip(area, low, high) for area in _areas(rings)]
  polygons = traffic.polylines([area for area in areas if len(area) > 2])
  if not any(
    logs.polygon_mask(polygons, (1, 1), place, 1.0)[0, 0] for place in ego
  ):
    raise logs.LogError(
      f'{scene.path}: {_OUTLINES}: {len(rings)} outlines, and the ego is in'
      ' none of them at any step'
    )
  return types.Map(
    lanes=traffic.polylines(lanes, traffic.LINE_TOLERANCE),
    lane_width=np.full(max(len(lanes), 1), traffic.LANE_WIDTH, np.float32),
    boundaries=traffic.polylines(
      traffic.runs_near([*dividers, *rings], ego, radius)
    ),
    drivable=traffic.polylines(
      [area for area in areas if len(area) > 2],
      traffic.LINE_TOLERANCE,
      points=4,
    ),
    crosswalks=traffic.polylines([], points=4),
    stop_lines=traffic.polylines([]),
  )


def _joined(lines):
  """Lines `[P, 2]`, those that are pieces of one put together, end to end."""

  def meet(a, b):
    return np.linalg.norm(a - b) < _MEET

  rings = [line for line in lines if meet(line[0], line[-1])]
  pieces = [line for line in lines if not meet(line[0], line[-1])]
  while pieces:
    line = pieces.pop()
    for _ in range(2):
      # At its last end, then at the other.
      while found := [
        (number, turn)
        for number, piece in enumerate(pieces)
        for turn in (1, -1)
        if meet(piece[::turn][0], line[-1])
      ]:
        number, turn = found[0]
        line = np.concatenate([line, pieces.pop(number)[::turn][1:]])
      line = line[::-1]
    rings.append(line)
  return rings


def _areas(rings):
  """Polygons of rings, of which those within an odd number are holes."""
  rings = [traffic.opened(ring) for ring in rings]
  inside = np.zeros((len(rings), len(rings)), bool)
  for i, ring in enumerate(rings):
    polygon = traffic.polylines([ring])
    for j, other in enumerate(rings):
      if i != j:
        # Rings do not cross, so that one point tells.
        point = other[0]
        inside[j, i] = logs.polygon_mask(polygon, (1, 1), point, 1.0)[0, 0]
  depth = inside.sum(1)
  polygons = []
  for i in np.flatnonzero(depth % 2 == 0):
    holes = np.flatnonzero(inside[:, i] & (depth == depth[i] + 1))
    polygons.append(traffic.outline(rings[i], [rings[j] for j in holes]))
  return polygons
