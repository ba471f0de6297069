# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Brings a log to the shapes that a program was compiled for."""

import numpy as np
from PIL import Image

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.logs import checks

MAP_LINES = ('lanes', 'boundaries', 'drivable', 'crosswalks', 'stop_lines')


def resize(log: types.Log, height: int, width: int):
  """`log` with images of `height` x `width` pixels.

  Each new pixel is the mean of the area that it covers; intrinsics follow.

  Raises:
    LogError: if a side is not positive.
  """
  if height <= 0 or width <= 0:
    raise checks.LogError(
      f'{log.name}: images: cannot be resized to {width}x{height} pixels'
    )
  steps, cameras, old_height, old_width = log.images.shape[:4]
  if (height, width) == (old_height, old_width):
    return log
  images = np.empty((steps, cameras, height, width, 3), np.uint8)
  for index in np.ndindex(steps, cameras):
    images[index] = Image.fromarray(log.images[index]).resize(
      (width, height), Image.Resampling.BOX
    )
  intrinsics = geometry.scale_intrinsics(
    log.cameras.intrinsics, width / old_width, height / old_height
  )
  mask = log.ego_mask
  if mask is not None:
    shape = (width, height)
    mask = [Image.fromarray(255 * np.uint8(x)) for x in mask]
    mask = [x.resize(shape, Image.Resampling.BOX) for x in mask]
    mask = np.stack([np.asarray(x) > 0 for x in mask])
  return log.replace(
    images=images,
    ego_mask=mask,
    cameras=log.cameras.replace(
      intrinsics=np.asarray(intrinsics), height=height, width=width
    ),
  )


def pad_agents(log: types.Log, budget: int, source=None):
  """`log` with exactly `budget` agents, the new ones nowhere valid.

  Args:
    log: the log.
    budget: agents, the ego included.
    source: where the agents were read from, for the message; default: the
      log's name.

  Raises:
    LogError: if the log holds more agents than the budget.
  """
  agents = log.sizes.shape[0]
  if agents > budget:
    raise checks.LogError(
      f'{source or log.name}: tracks: {agents} agents, but the budget is '
      f'{budget}'
    )
  extra = budget - agents

  def pad(values, axis, value=0):
    widths = [(0, 0)] * np.ndim(values)
    widths[axis] = (0, extra)
    return np.pad(values, widths, constant_values=value)

  tracks = log.tracks
  return log.replace(
    tracks=types.AgentState(
      xy=pad(tracks.xy, 1),
      z=pad(tracks.z, 1),
      yaw=pad(tracks.yaw, 1),
      speed=pad(tracks.speed, 1),
      valid=pad(tracks.valid, 1, False),
    ),
    # A metre rather than nothing, so that code which divides by a size before
    # it masks stays finite.
    sizes=pad(log.sizes, 0, 1),
    classes=pad(log.classes, 0, types.OTHER),
  )


def keep_nearest(log: types.Log, budget: int):
  """`log` with at most `budget` agents: the ego and those nearest to it.

  Near is who comes nearest to the ego at any step; the order stays.

  Args:
    log: the log.
    budget: agents, the ego included.

  Returns:
    The log and how many agents were left out.

  Raises:
    LogError: if the budget has no place for the ego.
  """
  if budget < 1:
    raise checks.LogError(
      f'{log.name}: tracks: {budget} agents have no room for the ego'
    )
  tracks = log.tracks
  distance = np.linalg.norm(tracks.xy - tracks.xy[:, :1], axis=-1)
  distance = np.where(tracks.valid, distance, np.inf).min(0)
  # With an order of -1 the ego comes first, even where boxes overlap.
  distance[0] = -1
  kept = np.sort(np.argsort(distance, kind='stable')[:budget])
  left_out = log.sizes.shape[0] - len(kept)
  return log.replace(
    tracks=trees.take(tracks, (slice(None), kept)),
    sizes=log.sizes[kept],
    classes=log.classes[kept],
  ), left_out


def map_shape(lane_map: types.Map):
  """`[L, P]` of each set of polylines of a map, by name."""
  return {name: np.shape(getattr(lane_map, name).valid) for name in MAP_LINES}


def pad_map(lane_map: types.Map, shape):
  """A map with budgets of polylines, the new ones nowhere valid.

  Args:
    lane_map: the map.
    shape: by name, like that of `map_shape`, the greatest of each.

  Raises:
    LogError: if the map holds more than the budget.
  """
  lines = {}
  for name in MAP_LINES:
    old = getattr(lane_map, name)
    found = np.shape(old.valid)
    missing = [(0, b - f) for b, f in zip(shape[name], found, strict=True)]
    if min(missing)[1] < 0:
      raise checks.LogError(
        f'map.{name}: shape {found}, but the budget is {tuple(shape[name])}'
      )
    lines[name] = types.Polylines(
      xy=np.pad(old.xy, [*missing, (0, 0)]), valid=np.pad(old.valid, missing)
    )
  rows = shape['lanes'][0] - len(lane_map.lane_width)
  lights = lane_map.lights
  if lights is not None:
    rows_of_lights = shape['stop_lines'][0] - lights.shape[1]
    lights = np.pad(lights, [(0, 0), (0, rows_of_lights)])
  limit = lane_map.speed_limit
  if limit is not None:
    limit = np.pad(limit, (0, rows), constant_values=np.inf)
  return lane_map.replace(
    lane_width=np.pad(lane_map.lane_width, (0, rows)),
    lights=lights,
    speed_limit=limit,
    **lines,
  )
