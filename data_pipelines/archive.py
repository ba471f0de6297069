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
and neither heights nor altitudes. Headings of either are beyond a turn where
somebody has turned more than once, so that motion tells their unit.
"""

import dataclasses
import pathlib

import numpy as np

from data_pipelines import files
from data_pipelines import traffic
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

# Metres: from the ego, of a box, from any origin on Earth, and between two
# numbers as they are stored.
_FAR = 1e5
_LONGEST = 100.0
_EARTH = 1e8
_FINE = 0.02
# Headings that are no angle in any unit; and rad that no car turns in a scene.
_TURNED = 1e5
_TURNS = 8 * np.pi


@dataclasses.dataclass(frozen=True)
class Archive:
  """What one archive holds, agents in the order ego, then as in the file.

  Attributes:
    path: the file.
    times: `[T]` seconds.
    xyz: `[T, A, 3]` metres, the middles of boxes; NaN heights where the archive
      has none.
    yaw: `[T, A]` rad.
    velocity: `[T, A, 2]` m/s, NaN or infinite where the archive has it so.
    valid: `[T, A]` bool.
    sizes: `[A, 3]` metres, by class where the archive has none.
    classes: `[A]`.
    roads: `[P, 2]` lines by the name of their type.
    origin: `[2]` what was taken from all of these, by whole kilometres more
      than in the archive, so that the ego begins within one of the origin.
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
  if not steps:
    raise logs.LogError(f'{path}: valid: no steps: shape {valid.shape}')
  ego %= agents
  xyz, roads = (raw[x].astype(np.float64) for x in ('xyz', 'road_xyz'))
  first = xyz[ego, np.argmax(valid[ego]), :2]
  first = np.where(np.abs(first) <= _EARTH, first, 0)
  shift = np.append(1000 * np.round(first / 1000), 0)
  # Heights and sizes may be unknown, and of a road point heights are no matter.
  tracked = valid[..., None] & (~np.isnan(xyz) | [True, True, False])
  for field, values, centre, limit, used in [
    ('xyz', xyz, shift, _FAR, tracked),
    ('heading', raw['heading'], 0, _TURNED, valid),
    ('dims', raw['dims'], 0, _LONGEST, ~np.isnan(raw['dims'])),
    ('road_xyz', roads[:, :2], shift[:2], _FAR, True),
    ('origin', raw['origin'], 0, _EARTH, True),
  ]:
    _check(values, centre, limit, used, f'{path}: {field}')
  _check_precision(raw['xyz'][tracked], f'{path}: xyz')
  _check_precision(raw['road_xyz'][:, :2], f'{path}: road_xyz')
  heading = _radians(
    raw['heading'].astype(np.float64).T, np.swapaxes(xyz, 0, 1), valid.T
  )
  order = np.r_[ego, np.delete(np.arange(agents), ego)]
  kinds = raw['type'][order].astype(int)
  named = (types.VEHICLE, types.PEDESTRIAN, types.CYCLIST)
  classes = np.where(np.isin(kinds, named), kinds, types.OTHER)
  usual = np.array([USUAL_SIZES[kind] for kind in classes.tolist()])
  sizes = raw['dims'][order].astype(np.float64)
  times = raw['ts'] if 'ts' in raw else types.TIME_STEP * np.arange(steps)
  return Archive(
    path=path,
    times=np.asarray(times, np.float64),
    xyz=np.swapaxes(xyz[order] - shift, 0, 1),
    yaw=heading[:, order],
    velocity=np.swapaxes(raw['vel'][order], 0, 1).astype(np.float64),
    valid=valid[order].T,
    sizes=np.where(sizes > 0, sizes, usual),
    classes=classes,
    roads=_roads(raw, roads[:, :2] - shift[:2], path),
    origin=raw['origin'] + shift[:2],
    lights=files.json(str(raw['tl']), f'{path}: tl'),
  )


def heights(archive):
  """`[T, A]` z of the middles; boxes stand on z = 0 where none is known."""
  half = np.broadcast_to(archive.sizes[:, 2] / 2, archive.valid.shape)
  z = archive.xyz[..., 2]
  return np.where(np.isfinite(z), z, half)


def _roads(raw, xy, path):
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
      roads[names[kinds[ids[points[0]]]]].append(xy[points])
  return roads


def _radians(heading, xyz, valid):
  """Headings `[T, A]` in radians, whichever of radians or degrees they are.

  Their unit is the one that has agents go where they head, backwards or
  forwards. Where both do, or nobody moves, it is degrees if a heading is beyond
  what cars turn in a scene.
  """
  degrees = np.deg2rad(heading)
  off = [
    traffic.off_course(xyz[..., :2], yaw, valid) for yaw in (heading, degrees)
  ]
  off = np.minimum(off, np.pi - np.array(off))
  moves = np.isfinite(off[0])
  radians_off, degrees_off = (
    np.median(off[:, moves], 1) if moves.any() else (0, 0)
  )
  if max(radians_off, degrees_off) < traffic.OFF_COURSE:
    return (
      degrees if np.abs(heading[valid]).max(initial=0) > _TURNS else heading
    )
  return degrees if degrees_off < radians_off else heading


def _check(values, centre, limit, used, source):
  """Checks that what is used of some numbers is near enough to `centre`.

  Raises:
    LogError: one line that names the source, the first that is not, and where.
  """
  values, centre = np.broadcast_arrays(values, centre)
  for index in np.argwhere(used & ~(np.abs(values - centre) <= limit))[:1]:
    value, middle = values[tuple(index)], centre[tuple(index)]
    raise logs.LogError(
      f'{source}: {value} at {index.tolist()}, expected {middle:g} +- {limit:g}'
    )


def _check_precision(values, source):
  """Checks that numbers of few bits still tell centimetres.

  Raises:
    LogError: one line that names the source, the number and its precision.
  """
  if values.dtype.kind == 'f':
    far = np.abs(values).max(initial=0)
    if np.spacing(far) > _FINE:
      raise logs.LogError(
        f'{source}: {values.dtype} at {far:g} m is known to '
        f'{np.spacing(far):.3g} m: take an origin off before it is stored'
      )
