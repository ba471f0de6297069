# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Waymo Open Motion (Ettinger et al. 2021) to prepared logs without images.

  python -m experiments.prepare --source=womd --data_dir=womd_scenes \
    --out_dir=data/womd

`data_dir` holds one archive a scene, see `data_pipelines.archive`. `read` gives
the log of one of them at once.

World: as in the archive, whose axes are east, north and up about an origin of
its own, moved by whole kilometres to where the ego begins. Archives that tell
no heights have all boxes stand on z = 0.

Names of roads and of what lights show are those of GPUDrive or of ScenarioNet
(metadrive/type.py of github.com/metadriverse/metadrive), whose bike lanes are
left out and whose lights are states of all steps.

Lanes are those of the map, in driving direction, `traffic.LANE_WIDTH` wide,
for archives do not have their boundaries, nor speed limits. Road lines and road
edges are boundaries. The map has no drivable area: it is here what lies to the
left of the nearest road edge, for the edges of WOMD have the road on their left
(map_metric_features.py of github.com/waymo-research/waymo-open-dataset), within
`_REACH` of a lane; a strip along each lane; and the driveways. Of stop signs
only the place is known, so that they have no stop line.
"""

import operator
import re

from absl import logging
import contourpy
import numpy as np
from scipy import spatial

from data_pipelines import archive
from data_pipelines import files
from data_pipelines import traffic
from rdrl import logs
from rdrl import types

# What road types, in small letters, are. Those of no use here have no name.
_KINDS = {
  r'lane(_surface_\w+|_freeway|_unknown)?': 'lane',
  r'road_line(_\w+)?|unknown_line': 'road_line',
  r'road_edge(_boundary|_median|_unknown)?': 'road_edge',
  r'crosswalk|driveway': None,
  r'lane_bike_lane|road_edge_sidewalk|guardrail': None,
  r'speed_bump|stop_sign|unknown|other': None,
}

# States of `waymo_open_dataset.protos.map_pb2.TrafficSignalLaneState`, and the
# colours to which MetaDrive reduces them. One that flashes red asks to stop,
# then to go; nothing here obeys that.
LIGHTS = {
  'unknown': types.LIGHT_UNKNOWN,
  'go': types.LIGHT_GO,
  'arrow_go': types.LIGHT_GO,
  'caution': types.LIGHT_CAUTION,
  'arrow_caution': types.LIGHT_CAUTION,
  'flashing_caution': types.LIGHT_CAUTION,
  'flashing_stop': types.LIGHT_CAUTION,
  'stop': types.LIGHT_STOP,
  'arrow_stop': types.LIGHT_STOP,
  'green': types.LIGHT_GO,
  'yellow': types.LIGHT_CAUTION,
  'red': types.LIGHT_STOP,
  'none': types.LIGHT_UNKNOWN,
}
_PREFIX = re.compile('^(lane_state|traffic_light)_')

# Metres from a light to the ego at which it is a mistake.
_FAR = 1e5

# Of what the lights of the lanes that part at one stop line show, the first.
_MOST_PERMISSIVE = (
  types.LIGHT_GO,
  types.LIGHT_CAUTION,
  types.LIGHT_STOP,
  types.LIGHT_UNKNOWN,
)
# Metres between two stop points that are one.
_SAME_PLACE = 0.5

# The raster from which the drivable area is traced: metres of its cells, from
# the nearest lane beyond which nothing is drivable, and of half a lane's strip.
_CELL = 0.5
_REACH = 20.0
_STRIP = 1.5
# Metres of the shortest line.
_LEAST_LENGTH = 0.01
# Square metres of the smallest piece and of the smallest hole.
_LEAST_AREA = 2.0


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
  heights = archive.heights(scene)[..., None]
  return traffic.make_log(
    name=scene.path.stem,
    times=scene.times,
    xyz=np.concatenate([scene.xyz[..., :2], heights], -1),
    yaw=scene.yaw,
    valid=scene.valid,
    sizes=scene.sizes,
    classes=scene.classes,
    make_map=lambda ego, radius: _map(scene, ego, radius),
    source=scene.path,
    options=options,
    velocity=scene.velocity,
  )


def _map(scene, ego, radius):
  roads = _roads(scene)

  def near(name):
    return traffic.near(roads.get(name, []), ego, radius)

  lanes = near('lane')
  stop_lines, lights = _stop_lines(scene, roads.get('lane', []))
  return types.Map(
    lanes=traffic.polylines(lanes, traffic.LINE_TOLERANCE),
    lane_width=np.full(max(len(lanes), 1), traffic.LANE_WIDTH, np.float32),
    boundaries=traffic.polylines(
      traffic.runs_near(
        [*roads.get('road_line', []), *roads.get('road_edge', [])], ego, radius
      )
    ),
    drivable=traffic.polylines(
      drivable_area(
        roads.get('road_edge', []),
        roads.get('lane', []),
        near('driveway'),
        ego.min(0) - radius,
        ego.max(0) + radius,
      ),
      points=4,
    ),
    crosswalks=traffic.polylines(
      list(map(traffic.opened, near('crosswalk'))), points=4
    ),
    stop_lines=traffic.polylines(stop_lines),
    lights=lights,
  )


def _roads(scene):
  """Lines `[P, 2]` of some length by what they are."""
  roads, unknown = {}, []
  for name, lines in scene.roads.items():
    word = name.lower()
    kinds = [
      kind or word
      for pattern, kind in _KINDS.items()
      if re.fullmatch(pattern, word)
    ]
    if not kinds and lines:
      unknown.append(name)
    for kind in kinds:
      roads.setdefault(kind, []).extend(
        line for line in lines if np.ptp(line, axis=0).max() > _LEAST_LENGTH
      )
  if unknown and not roads:
    raise logs.LogError(
      f'{scene.path}: road_type_names: {unknown[:20]} are all unknown'
    )
  return roads


def drivable_area(edges, lanes, driveways, low, high):
  """Outlines of what a car may drive on, from a map without them.

  Args:
    edges: road edges `[P, 2]`, the road on their left.
    lanes: centre lines `[P, 2]`.
    driveways: polygons `[P, 2]`.
    low: `[2]` corner of the region to look at.
    high: `[2]` the opposite one.

  Returns:
    Polygons `[P, 2]`, holes included as `traffic.outline` has it.
  """
  x, y = (
    np.arange(a, b + _CELL, _CELL) for a, b in zip(low, high, strict=True)
  )
  cells = np.stack(np.meshgrid(x, y), -1)
  inside = np.full(cells.shape[:2], -_REACH)
  if lanes:
    points = np.concatenate([traffic.densify(lane, _CELL) for lane in lanes])
    to_lane, _ = spatial.cKDTree(points).query(
      cells, distance_upper_bound=_REACH
    )
    inside = np.maximum(inside, _STRIP - to_lane)
    if edges:
      near = np.isfinite(to_lane)
      inside[near] = np.maximum(
        inside[near], _left_of_nearest(edges, cells[near])
      )
  if driveways:
    mask = logs.polygon_mask(
      traffic.polylines(driveways), cells.shape[:2], low, _CELL
    )
    inside = np.maximum(inside, logs.distance_grid(mask, low, _CELL).values)
  tracer = contourpy.contour_generator(
    x, y, inside, fill_type=contourpy.FillType.OuterOffset
  )
  polygons = []
  for points, offsets in zip(*tracer.filled(0, np.inf), strict=True):
    rings = np.split(points, np.asarray(offsets[1:-1], int))
    ring, *holes = [
      traffic.opened(traffic.simplify(r, traffic.OUTLINE_TOLERANCE))
      for r in rings
      if r is rings[0] or abs(traffic.signed_area(r)) >= _LEAST_AREA
    ]
    if abs(traffic.signed_area(rings[0])) >= _LEAST_AREA and len(ring) > 2:
      holes = [hole for hole in holes if len(hole) > 2]
      polygons.append(traffic.outline(ring, holes))
  return polygons


def _left_of_nearest(edges, points):
  """`[n]` metres from `[n, 2]` points to the edges, negative on their right."""
  edges = [traffic.densify(edge, _CELL) for edge in edges]
  start = np.concatenate([edge[:-1] for edge in edges])
  step = np.concatenate([np.diff(edge, axis=0) for edge in edges])
  length = np.linalg.norm(step, axis=-1)
  start, step = start[length > 1e-3], step[length > 1e-3]
  _, nearest = spatial.cKDTree(start + step / 2).query(points)
  start, step = start[nearest], step[nearest]
  offset = points - start
  share = np.sum(offset * step, -1) / np.sum(step * step, -1)
  apart = offset - np.clip(share, 0, 1)[:, None] * step
  side = step[:, 0] * offset[:, 1] - step[:, 1] * offset[:, 0]
  return np.where(side >= 0, 1, -1) * np.linalg.norm(apart, axis=-1)


def _stop_lines(scene, lanes):
  """Lines `[2, 2]` from left to right, and `[T, L]` lights, or None.

  A light stands for one lane and at the point where that begins; lanes that
  part there have each their own. Where these differ the line shows what is most
  permissive, because it does not know who goes where.
  """
  places, states = [], []
  for number, light in scene.lights.items():
    source = f'{scene.path}: tl: light {files.short(number)}'
    place, state = _light(light, len(scene.times), source)
    if place is None:
      logging.warning('%s: left out, for nothing tells where it is', source)
      continue
    place = place - scene.origin
    if not np.all(np.abs(place) <= _FAR):
      raise logs.LogError(f'{source}: {place} m from the ego')
    for i, other in enumerate(places):
      if np.linalg.norm(other - place) < _SAME_PLACE:
        states[i].append(state)
        break
    else:
      places.append(place)
      states.append([state])
  if not places or not lanes:
    return [], None
  lines, lights = [], np.zeros((len(scene.times), len(places)), np.int32)
  begins = np.concatenate([lane[:-1] for lane in lanes])
  ahead = np.concatenate([np.diff(lane, axis=0) for lane in lanes])
  for i, place in enumerate(places):
    nearest = np.argmin(np.linalg.norm(begins - place, axis=-1))
    direction = ahead[nearest] / max(np.linalg.norm(ahead[nearest]), 1e-6)
    left = direction[::-1] * [-1, 1] * traffic.LANE_WIDTH / 2
    lines.append(np.stack([place + left, place - left]))
    shown = np.stack(states[i])
    for state in _MOST_PERMISSIVE[::-1]:
      lights[(shown == state).any(0), i] = state
  return lines, lights


def _light(light, steps, source):
  """Where a light has traffic stop, `[2]`, and its state at `[T]` steps.

  The place is that of `x` and `y`, of which the first counts, or `stop` or
  `stop_point`; None if there is none. Without a `time_index` there is a state
  for each step.
  """
  try:
    place = light.get('stop', light.get('stop_point'))
    if 'x' in light:
      place = light['x'][0], light['y'][0]
    if place is not None:
      place = np.array([float(place[0]), float(place[1])])
    words = light['state']
    if isinstance(words, dict):
      words = words['object_state']
    words = [_PREFIX.sub('', str(word).lower()) for word in words]
    when = light.get('time_index', range(len(words)))
    when = np.array([operator.index(step) for step in when], int)
  except (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
  ) as error:
    raise logs.LogError(f'{source}: {files.short(repr(error))}') from error
  if when.shape != (len(words),) or np.any((when < 0) | (when >= steps)):
    raise logs.LogError(
      f'{source}: time_index: {len(when)} for {len(words)} states in {steps} '
      'steps'
    )
  if 'time_index' not in light and len(words) != steps:
    raise logs.LogError(
      f'{source}: state: {len(words)}, but there are {steps} steps'
    )
  for word in words:
    if word not in LIGHTS:
      raise logs.LogError(
        f'{source}: state: {files.short(word)!r} is not one of {sorted(LIGHTS)}'
      )
  state = np.full(steps, types.LIGHT_UNKNOWN, np.int32)
  state[when] = [LIGHTS[word] for word in words]
  return place, state
