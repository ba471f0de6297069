# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Archives of tracks and roads, one `.npz` a scene.

  xyz[N, T, 3] heading[N, T] vel[N, T, 2] valid[N, T]   tracks; vel in m/s
  dims[N, 3] type[N]             length, width, height; 1 vehicle, 2 pedestrian,
                                 3 cyclist, anything else: other
  sdc                            the ego; -1 is the last agent
  road_xyz[P, 3] road_id[P]      points; a polyline is a run of one id
  road_type[R] road_type_names   what polyline `road_id` is
  origin[2]                      was subtracted from all of these
  tl                             traffic lights, JSON
  ts[T]                          seconds; without it, steps of 0.1 s

Scenes of WOMD and nuScenes come like this from ScenarioNet and GPUDrive
(arXiv 2306.12241, 2408.01584). Those of the latter have headings in degrees,
and neither heights nor altitudes.
"""

import dataclasses
import pathlib

import numpy as np

from data_pipelines import files
from rdrl import logs
from rdrl import types

# Length, width, height in metres of those whose archive does not tell.
USUAL_SIZES = {
  types.VEHICLE: (4.5, 1.9, 1.6),
  types.PEDESTRIAN: (0.8, 0.8, 1.75),
  types.CYCLIST: (1.8, 0.7, 1.75),
  types.OTHER: (1.0, 1.0, 1.0),
}

_FIELDS = {
  'xyz': (files.NUMBER, ('N', 'T', 3)),
  'heading': (files.NUMBER, ('N', 'T')),
  'vel': (files.NUMBER, ('N', 'T', 2)),
  'valid': (files.FLAG, ('N', 'T')),
  'dims': (files.NUMBER, ('N', 3)),
  'type': (files.WHOLE, ('N',)),
  'sdc': (files.WHOLE, ()),
  'road_xyz': (files.NUMBER, ('P', 3)),
  'road_id': (files.WHOLE, ('P',)),
  'road_type': (files.WHOLE, ('R',)),
  'road_type_names': (files.TEXT, (None,)),
  'origin': (files.NUMBER, (2,)),
  'tl': (files.TEXT, ()),
  'ts': (files.NUMBER, ('T',)),
}


@dataclasses.dataclass(frozen=True)
class Archive:
  """What one archive holds, agents in the order ego, then as in the file.

  Attributes:
    path: the file.
    times: `[T]` seconds.
    xyz: `[T, A, 3]` metres, the middles of boxes; NaN heights where the archive
      has none.
    yaw: `[T, A]` rad.
    velocity: `[T, A, 2]` m/s.
    valid: `[T, A]` bool.
    sizes: `[A, 3]` metres, by class where the archive has none.
    classes: `[A]`.
    roads: `[P, 2]` lines by the name of their type.
    origin: `[2]`.
    lights: the parsed `tl`.
  """

  path: pathlib.Path
  times: np.ndarray
  xyz: np.ndarray
  yaw: np.ndarray
  velocity: np.ndarray
  valid: np.ndarray
  sizes: np.ndarray
  classes: np.ndarray
  roads: dict[str, list[np.ndarray]]
  origin: np.ndarray
  lights: dict


def recordings(data_dir):
  """Archives of a folder, by their names.

  Raises:
    LogError: if there is none.
  """
  found = {path.stem: path for path in pathlib.Path(data_dir).glob('*.npz')}
  if not found:
    raise logs.LogError(f'{data_dir}: data_dir: no .npz is there')
  return found


def read(path) -> Archive:
  """Reads an archive.

  Raises:
    LogError: one line that names the file, the field and its value.
  """
  path = pathlib.Path(path)
  raw = files.arrays(path, _FIELDS, optional=('ts',))
  valid = raw['valid'].astype(bool)
  agents, steps = valid.shape
  ego = int(raw['sdc'])
  if not -agents <= ego < agents:
    raise logs.LogError(f'{path}: sdc: {ego}, but there are {agents} agents')
  ego %= agents
  for field, value in [
    ('xyz', raw['xyz'][..., :2]),
    ('heading', raw['heading']),
    ('vel', raw['vel']),
  ]:
    _check_finite(value, valid, f'{path}: {field}')
  _check_finite(raw['road_xyz'][:, :2], True, f'{path}: road_xyz')
  heading = raw['heading'].astype(np.float64)
  # No heading in radians is beyond a turn.
  if np.abs(heading[valid]).max(initial=0) > 2 * np.pi:
    heading = np.deg2rad(heading)
  order = np.r_[ego, np.delete(np.arange(agents), ego)]
  known = (types.VEHICLE, types.PEDESTRIAN, types.CYCLIST)
  kinds = raw['type'][order].astype(int)
  classes = np.where(np.isin(kinds, known), kinds, types.OTHER)
  usual = np.array([USUAL_SIZES[kind] for kind in classes.tolist()])
  sizes = raw['dims'][order].astype(np.float64)
  times = raw['ts'] if 'ts' in raw else types.TIME_STEP * np.arange(steps)
  return Archive(
    path=path,
    times=np.asarray(times, np.float64),
    xyz=np.swapaxes(raw['xyz'][order], 0, 1).astype(np.float64),
    yaw=heading[order].T,
    velocity=np.swapaxes(raw['vel'][order], 0, 1).astype(np.float64),
    valid=valid[order].T,
    sizes=np.where(sizes > 0, sizes, usual),
    classes=classes,
    roads=_roads(raw, path),
    origin=raw['origin'],
    lights=files.json(str(raw['tl']), f'{path}: tl'),
  )


def heights(archive):
  """`[T, A]` z of the middles; boxes stand on z = 0 where none is known."""
  half = np.broadcast_to(archive.sizes[:, 2] / 2, archive.valid.shape)
  z = archive.xyz[..., 2]
  return np.where(np.isfinite(z), z, half)


def _roads(raw, path):
  names = [str(name) for name in raw['road_type_names']]
  ids, kinds = raw['road_id'], raw['road_type']
  for field, values, limit in [
    ('road_id', ids, len(kinds)),
    ('road_type', kinds, len(names)),
  ]:
    wrong = np.flatnonzero((values < 0) | (values >= limit))
    if len(wrong):
      raise logs.LogError(
        f'{path}: {field}: {values[wrong[0]]} at {wrong[0]} is not one of '
        f'{limit}'
      )
  roads = {name: [] for name in names}
  for points in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(ids)) + 1):
    if len(points):
      xy = raw['road_xyz'][points, :2].astype(np.float64)
      roads[names[kinds[ids[points[0]]]]].append(xy)
  return roads


def _check_finite(values, valid, source):
  good = np.isfinite(values)
  if np.ndim(valid):
    valid = np.reshape(valid, valid.shape + (1,) * (good.ndim - valid.ndim))
    good |= ~valid
  bad = np.argwhere(~good)
  if len(bad):
    index = tuple(map(int, bad[0]))
    raise logs.LogError(f'{source}: {values[index]} at {list(index)}')
