# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Extracts, removes, moves and inserts objects of scenes, on the host in NumPy.

A scene keeps its budgets: removed Gaussians become transparent, inserted ones
replace invisible ones. Where these are too few, the scene grows; `pad` brings
scenes to one size, so that they stack again.

Spherical harmonics of an object are in its box frame, so turning it about the
vertical does not change them. Where a scene knows its light
(`appearance.lighting`), objects are lit by it; otherwise they keep their own:
an object recorded in the sun stays sunlit as it turns. Shadows on the road do
not change.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import reprlib

import jax
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.splat.appearance import bodies as bodies_lib
from rdrl.splat.appearance import lighting
from rdrl.splat.config import RenderConfig
from rdrl.splat.files import ply
from rdrl.splat.raster import blocks
from rdrl.splat.raster import project

# The bank that the package ships, written by `experiments.fill_bank`.
_SHIPPED = pathlib.Path(__file__).parent / 'bank'
# Degrees to either side of an ego's heading within which its cameras see.
_SECTOR = 85.0
# Names of the values of `Log.classes` in a bank.
CLASSES = ('other', 'vehicle', 'pedestrian', 'cyclist')

# Opacity logit below which nothing is drawn.
_UNSEEN = float(np.log(blocks.MIN_ALPHA / (1 - blocks.MIN_ALPHA)))
# Least determinant of an exposure that can be undone.
_LEAST_DETERMINANT = 1e-3

_VERSION = 1
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}')
# Limits of an asset: bytes of its JSON, Gaussians, and metres of its box.
_MAX_FACTS, _MAX_COUNT, _MAX_SIZE = 1 << 16, 10_000_000, 1000
# Bytes of a Gaussian of degree 3 in a file, with normals and node.
_MAX_BYTES = 4 * 63


@dataclasses.dataclass(frozen=True, eq=False)
class Asset:
  """An object outside of any scene.

  Attributes:
    gaussians: `[N]`, means in the box frame in metres, colours through the mean
      exposure of the source scene, every `node` 0: drawn by itself, its box
      frame is the world.
    size: `[3]` length, width, height of the box in metres.
    kind: one of `types.OTHER`, `VEHICLE`, `PEDESTRIAN`, `CYCLIST`.
    name: in a bank.
    source: where it comes from, free text.
    is_lit: whether the colours contain the light of the source.
  """

  gaussians: types.Gaussians
  size: np.ndarray
  kind: int
  name: str
  source: str = ''
  is_lit: bool = True


def extract(scene: types.Scene, agent, name, source='', step=None) -> Asset:
  """Extracts an agent's visible Gaussians.

  Applies the mean exposure of the scene's cameras to the colours; `insert`
  undoes that of its scene, so that the object looks alike in both. Removes the
  scene's light where it is known. Freezes an agent that is not rigid in its
  pose at one step.

  Args:
    scene: one.
    agent: index of the agent, from 1 on.
    name: of the asset.
    source: see `Asset`.
    step: of that pose; None takes the middle one of its valid steps.

  Raises:
    ValueError: if there is no such agent, if it is the ego, or if it has no
      Gaussians.
  """
  scene = jax.device_get(scene)
  _check_agent(scene, agent)
  chosen = np.flatnonzero(_is_seen(scene.gaussians, agent))
  if not len(chosen):
    raise ValueError(f'agent {agent}: no Gaussians, nothing to extract')
  gaussians = trees.take(_frozen(scene, agent, step), chosen)
  return Asset(
    gaussians=gaussians.replace(
      sh=_through(gaussians.sh, *_mean_exposure(scene)),
      node=np.zeros_like(gaussians.node),
    ),
    size=np.asarray(scene.sizes[agent], np.float32),
    kind=int(scene.classes[agent]),
    name=name,
    source=source,
    is_lit=scene.light is None,
  )


def remove(scene: types.Scene, agent) -> types.Scene:
  """Removes an agent: never valid, its Gaussians transparent.

  Agent and Gaussians are then free for `insert`; no shape changes.

  Raises:
    ValueError: if there is no such agent or it is the ego.
  """
  scene = jax.device_get(scene)
  _check_agent(scene, agent)
  gaussians = scene.gaussians
  is_own = gaussians.node == agent
  valid = scene.tracks.valid.copy()
  valid[:, agent] = False
  return scene.replace(
    gaussians=gaussians.replace(
      opacity_logits=_where(
        is_own, blocks.TRANSPARENT, gaussians.opacity_logits
      ),
      node=_where(is_own, types.BACKGROUND, gaussians.node),
    ),
    tracks=scene.tracks.replace(valid=valid),
  )


def replace_track(
  scene: types.Scene, agent, track: types.AgentState
) -> types.Scene:
  """Puts an agent, with its Gaussians, on another track.

  Args:
    scene: one.
    agent: index of the agent, from 1 on.
    track: `[T]`.

  Raises:
    ValueError: if there is no such agent, if it is the ego, or if the track has
      another length than those of the scene.
  """
  scene = jax.device_get(scene)
  _check_agent(scene, agent)
  steps = len(scene.tracks.valid)
  columns = {}
  for name, old in vars(scene.tracks).items():
    column = np.asarray(getattr(track, name))
    wanted = (steps, *old.shape[2:])
    if column.shape != wanted:
      raise ValueError(
        f'track: {name}: shape is {column.shape}, expected {wanted}'
      )
    columns[name] = old.copy()
    columns[name][:, agent] = column
  return scene.replace(tracks=types.AgentState(**columns))


def move(
  scene: types.Scene, agent, ahead=0.0, left=0.0, turn=0.0
) -> types.Scene:
  """Moves an agent; see `moved` and `replace_track`."""
  scene = jax.device_get(scene)
  _check_agent(scene, agent)
  track = trees.take(scene.tracks, (slice(None), agent))
  return replace_track(
    scene, agent, moved(track, scene.ground, ahead, left, turn)
  )


def moved(
  track: types.AgentState, ground: types.Grid, ahead=0.0, left=0.0, turn=0.0
) -> types.AgentState:
  """Shifts a track, keeping the box's height above the ground.

  Args:
    track: `[...]`.
    ground: height of the ground in metres.
    ahead: metres along the heading that the track has at each step.
    left: metres to the left of it.
    turn: radians, counter-clockwise, about the middle of the box.

  Returns:
    `[...]`. Speed does not change, even if the box now drives sideways.
  """
  track = jax.tree.map(np.asarray, track)
  offset = np.broadcast_to(np.float32([ahead, left]), track.xy.shape)
  xy = track.xy + np.asarray(geometry.rotate_2d(offset, track.yaw))
  rise = geometry.sample_grid(ground, xy) - geometry.sample_grid(
    ground, track.xy
  )
  yaw = np.asarray(geometry.wrap_angle(track.yaw + np.float32(turn)))
  return track.replace(
    xy=xy.astype(np.float32),
    z=(track.z + np.asarray(rise)).astype(np.float32),
    yaw=yaw.astype(np.float32) if turn else track.yaw,
  )


def parked(scene: types.Scene, size, x, y, yaw) -> types.AgentState:
  """The track `[T]` of a box that stands on the ground of a scene.

  Args:
    scene: one.
    size: `[3]` of the box in metres.
    x: metres, the middle of the box in the world.
    y: metres.
    yaw: radians.
  """
  steps = len(scene.tracks.valid)
  xy = np.array([x, y], np.float32)
  floor = float(geometry.sample_grid(scene.ground, xy))
  return types.AgentState(
    xy=np.tile(xy, (steps, 1)),
    z=np.full(steps, floor + float(size[2]) / 2, np.float32),
    yaw=np.full(steps, yaw, np.float32),
    speed=np.zeros(steps, np.float32),
    valid=np.ones(steps, bool),
  )


def insert(
  scene: types.Scene,
  asset: Asset,
  track: types.AgentState,
  *,
  agent=None,
  budget=None,
) -> types.Scene:
  """Inserts an object.

  Its Gaussians replace those whose opacity is below 1/255, which are never
  drawn; the rest is appended.

  Spherical harmonics get the scene's degree: missing bands are zero, higher
  ones are dropped, which leaves the best approximation over all directions.

  In a scene that knows its light, an asset that is lit keeps its look at the
  first valid step of its track and turns in the scene's light from there. An
  asset that is not lit stays so in a scene that does not know its light.

  Args:
    scene: one.
    asset: what to insert.
    track: `[T]` of its box.
    agent: index of the agent that it becomes; None takes the first free one:
      never valid and without visible Gaussians.
    budget: exact number of Gaussians of the result; None lets the scene grow.

  Raises:
    ValueError: if no agent is free or the named one is not, if the budget does
      not hold the scene and the asset, if the track has another length than the
      scene's, or if the scene's mean exposure cannot be undone.
  """
  scene = jax.device_get(scene)
  agent = _free_agent(scene, agent)
  scene = replace_track(scene, agent, track)
  if budget is not None:
    scene = pad(scene, num_gaussians=budget)
  count = len(asset.gaussians.node)
  room = np.flatnonzero(scene.gaussians.opacity_logits < _UNSEEN)
  total = len(scene.gaussians.node)
  missing = count - len(room)
  if missing > 0:
    if budget is not None:
      raise ValueError(
        f'asset {asset.name!r}: {count} Gaussians, but a budget of {budget}'
        f' leaves room for {len(room)}: {total - len(room)} are in use'
      )
    scene = pad(scene, num_gaussians=total + missing)
    room = np.append(room, np.arange(total, total + missing))
  matrix, offset = _mean_exposure(scene)
  if abs(np.linalg.det(matrix)) < _LEAST_DETERMINANT:
    raise ValueError(
      f'exposure: the mean {matrix.tolist()} of the scene cannot be undone'
    )
  undo = np.linalg.inv(matrix)
  gaussians = asset.gaussians.replace(
    sh=_through(
      _with_coefficients(asset.gaussians.sh, scene.gaussians.sh.shape[1]),
      undo,
      -undo @ offset,
    ),
    node=np.full(count, agent, np.int32),
  )
  if scene.light is not None and asset.is_lit:
    first = trees.take(scene.tracks, np.argmax(scene.tracks.valid[:, agent]))
    gaussians = lighting.lit(gaussians, -scene.light, first)
    gaussians = jax.device_get(gaussians)
  bodies = scene.bodies
  if bodies is not None:
    kind, box = bodies.kind.copy(), bodies.sizes.copy()
    kind[agent], box[agent] = types.RIGID, asset.size
    bodies = bodies.replace(kind=kind, sizes=box)

  def put(old, new):
    old = old.copy()
    old[room[:count]] = new
    return old

  sizes, classes = scene.sizes.copy(), scene.classes.copy()
  sizes[agent], classes[agent] = asset.size, asset.kind
  return scene.replace(
    gaussians=jax.tree.map(put, scene.gaussians, gaussians),
    sizes=sizes,
    classes=classes,
    bodies=bodies,
  )


def pad(scene: types.Scene, num_gaussians=None, num_agents=None) -> types.Scene:
  """Pads with transparent Gaussians and invalid agents up to the budgets.

  Args:
    scene: one.
    num_gaussians: budget, or None.
    num_agents: budget, the ego included, or None.

  Raises:
    ValueError: if the scene holds more than a budget.
  """
  scene = jax.device_get(scene)
  for name, budget, count in (
    ('Gaussians', num_gaussians, len(scene.gaussians.node)),
    ('agents', num_agents, len(scene.sizes)),
  ):
    if budget is not None and budget < count:
      raise ValueError(f'{count} {name}, but the budget is {budget}')

  def widen(x, extra, axis=0, value=0):
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, extra)
    return np.pad(x, widths, constant_values=value)

  if num_gaussians is not None:
    extra = num_gaussians - len(scene.gaussians.node)
    gaussians = jax.tree.map(lambda x: widen(x, extra), scene.gaussians)
    begin = num_gaussians - extra
    gaussians.opacity_logits[begin:] = blocks.TRANSPARENT
    # The zero quaternion is no rotation.
    gaussians.quats[begin:, 0] = 1
    scene = scene.replace(gaussians=gaussians)
  if num_agents is not None:
    extra = num_agents - len(scene.sizes)
    scene = scene.replace(
      tracks=jax.tree.map(lambda x: widen(x, extra, 1), scene.tracks),
      # One metre, as in `logs.pad_agents`.
      sizes=widen(scene.sizes, extra, value=1),
      classes=widen(scene.classes, extra, value=types.OTHER),
    )
    bodies = scene.bodies
    if bodies is not None:
      learnt = bodies.motion
      scene = scene.replace(
        bodies=bodies.replace(
          kind=widen(bodies.kind, extra, value=types.RIGID),
          sizes=widen(bodies.sizes, extra, value=1),
          origin=widen(bodies.origin, extra),
          motion=learnt.replace(
            cadence=widen(learnt.cadence, extra),
            gait=widen(learnt.gait, extra),
            embedding=widen(learnt.embedding, extra),
          ),
        )
      )
  return scene


def prominence(tracks: types.AgentState, sizes):
  """How well the cameras of a drive saw each agent from all sides.

  Args:
    tracks: `[T, A]`, the ego first.
    sizes: `[A, 3]` metres.

  Returns:
    `[A]` sums over the eighths of the directions around an agent: the root of
    about the solid angle of its box, in sr, added up over the steps at which it
    was seen from there; 0 for the ego. What hides it does not count.
  """
  tracks = jax.tree.map(np.asarray, tracks)
  offset = tracks.xy - tracks.xy[:, :1]
  bearing = np.arctan2(offset[..., 1], offset[..., 0])
  ahead = np.cos(bearing - tracks.yaw[:, :1]) > np.cos(np.radians(_SECTOR))
  distance = np.maximum(np.linalg.norm(offset, axis=-1), 2)
  length, width, height = np.asarray(sizes).T
  area = height * np.sqrt(length * width) / distance**2
  area = np.where(tracks.valid & ahead, area, 0)
  eighth = np.round((bearing - tracks.yaw) * 4 / np.pi).astype(int) % 8
  seen = sum(np.sqrt(np.sum(area * (eighth == i), 0)) for i in range(8))
  return np.where(np.arange(len(seen)) == 0, 0, seen)


def num_visible(scene: types.Scene):
  """`[A]` int, visible Gaussians of each agent; 0 for the ego."""
  node = np.asarray(scene.gaussians.node)
  is_seen = np.asarray(scene.gaussians.opacity_logits) >= _UNSEEN
  own = node[is_seen & (node > types.BACKGROUND)]
  return np.bincount(own, minlength=len(scene.sizes))


def mean_colors(scene: types.Scene):
  """Mean sRGB colour `[A, 3]` of each agent's visible Gaussians.

  As the mean exposure of the scene's cameras shows them; grey where an agent
  has none.
  """
  scene = jax.device_get(scene)
  sh = _through(scene.gaussians.sh, *_mean_exposure(scene))
  color = np.clip(0.5 + project.SH0 * sh[:, 0], 0, 1)
  found = np.full((len(scene.sizes), 3), 0.5, np.float32)
  for agent in np.flatnonzero(num_visible(scene)):
    found[agent] = color[_is_seen(scene.gaussians, agent)].mean(0)
  return found


class AssetBank:
  """Assets in a folder: `NAME.json` and the `.ply` of 3DGS that it names.

  The JSON file has `version`, `class`, `size` in metres, `source`, `is_lit`,
  `count`, the file name of `gaussians` and its `sha256`. It is written last,
  and files are replaced atomically, so that a reader sees the old asset or the
  new one.
  """

  def __init__(self, directory):
    self.directory = pathlib.Path(directory)

  @classmethod
  def shipped(cls):
    """The bank of cars, walkers and cyclists that the package ships."""
    return cls(_SHIPPED)

  def names(self):
    """Names of all assets, sorted.

    Raises:
      FileNotFoundError: if there is no such folder.
    """
    if not self.directory.is_dir():
      raise FileNotFoundError(f'{self.directory}: no such bank of assets')
    return sorted(path.stem for path in self.directory.glob('*.json'))

  def save(self, asset: Asset, overwrite=False):
    """Adds an asset; returns the path of its JSON file.

    Raises:
      ValueError: if the name is not valid, or the asset is not finite.
      FileExistsError: if there is an asset of this name, unless `overwrite`.
      OSError: if the folder cannot be written.
    """
    path = self._path(asset.name)
    if path.exists() and not overwrite:
      raise FileExistsError(
        f'{path}: the bank has an asset {asset.name!r}: choose another name or'
        ' overwrite it'
      )
    _check_finite(asset.gaussians, f'asset {asset.name}')
    self.directory.mkdir(parents=True, exist_ok=True)
    temporary, written = (
      self.directory / f'.{asset.name}.{os.getpid()}.{part}.tmp'
      for part in ('ply', 'json')
    )
    try:
      ply.save_ply(temporary, asset.gaussians)
      digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
      # Named by its content: the file that an older JSON names stays whole.
      gaussians = self.directory / f'{asset.name}.{digest[:8]}.ply'
      facts = {
        'version': _VERSION,
        'class': CLASSES[asset.kind],
        'size': [float(x) for x in asset.size],
        'source': asset.source,
        'is_lit': asset.is_lit,
        'count': len(asset.gaussians.node),
        'gaussians': gaussians.name,
        'sha256': digest,
      }
      with ply.named(written):
        written.write_text(json.dumps(facts, indent=2) + '\n', 'utf-8')
      temporary.replace(gaussians)
      written.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
      written.unlink(missing_ok=True)
    for old in self.directory.glob(f'{asset.name}.*.ply'):
      parts = old.name.removeprefix(f'{asset.name}.')
      if old != gaussians and re.fullmatch(r'[0-9a-f]{8}\.ply', parts):
        old.unlink()
    return path

  def facts(self, name):
    """Reads the JSON file of an asset.

    Raises:
      FileNotFoundError: if there is no such asset.
      ValueError: naming file, field and value, if it is not what `save` writes.
    """
    path = self._path(name)
    names = self.names()
    if name not in names:
      raise FileNotFoundError(
        f'{path}: no asset {name!r} in the bank, which has'
        f' {_short(", ".join(names)) or "none"}'
      )
    length = path.stat().st_size
    if length > _MAX_FACTS:
      raise ValueError(f'{path}: {length} bytes, more than {_MAX_FACTS}')
    try:
      text = path.read_text('utf-8')
      facts = json.loads(text)
    except RecursionError as error:
      raise ValueError(f'{path}: JSON nested too deep') from error
    except ValueError as error:
      raise ValueError(f'{path}: not JSON: {_short(error)}') from error
    if not isinstance(facts, dict):
      raise ValueError(f'{path}: {_short(text)} is not an object of fields')
    checks = {
      'version': (lambda x: x == _VERSION, f'{_VERSION}'),
      'class': (lambda x: x in CLASSES, f'one of {", ".join(CLASSES)}'),
      'size': (_is_size, 'three positive numbers'),
      'source': (lambda x: isinstance(x, str), 'a text'),
      'is_lit': (lambda x: isinstance(x, bool), 'true or false'),
      'count': (
        lambda x: type(x) is int and 0 < x <= _MAX_COUNT,
        f'a number from 1 to {_MAX_COUNT}',
      ),
      'gaussians': (_is_file_name, 'the name of a .ply file beside it'),
      'sha256': (lambda x: isinstance(x, str), 'a text'),
    }
    for field, (is_right, expected) in checks.items():
      value = facts.get(field)
      if field not in facts or not is_right(value):
        raise ValueError(
          f'{path}: {field}: {reprlib.repr(value)}, expected {expected}'
        )
    return facts

  def load(self, name) -> Asset:
    """Loads an asset.

    Raises:
      FileNotFoundError: if there is no such asset or its `.ply` is missing.
      ValueError: naming file, field and value, if a file is damaged or was not
        written by `save`.
    """
    facts = self.facts(name)
    path = self.directory / facts['gaussians']
    if not path.is_file():
      raise FileNotFoundError(
        f'{path}: missing, though {self._path(name)} names it'
      )
    length, count = path.stat().st_size, facts['count']
    if length > count * _MAX_BYTES + ply.MAX_HEADER:
      raise ValueError(
        f'{path}: {length} bytes, too many for {count} Gaussians'
      )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != facts['sha256']:
      raise ValueError(
        f'{path}: sha256: {digest}, but {self._path(name)} says'
        f' {_short(facts["sha256"])}'
      )
    gaussians = ply.load_ply(path)
    _check_finite(gaussians, path)
    if len(gaussians.node) != facts['count'] or np.any(gaussians.node):
      raise ValueError(
        f'{path}: node: {len(gaussians.node)} Gaussians of nodes'
        f' {np.unique(gaussians.node).tolist()}, expected {facts["count"]} of 0'
      )
    return Asset(
      gaussians=gaussians,
      size=np.array(facts['size'], np.float32),
      kind=CLASSES.index(facts['class']),
      name=name,
      source=facts['source'],
      is_lit=facts['is_lit'],
    )

  def _path(self, name):
    if not _NAME.fullmatch(name):
      raise ValueError(
        f'asset {_short(repr(name))}: a name has up to 100 letters, digits,'
        ' dots, dashes and underscores and begins with one of the first two'
      )
    return self.directory / f'{name}.json'


def _is_size(value):
  return (
    isinstance(value, list)
    and len(value) == 3
    and all(type(x) in (int, float) and 0 < x <= _MAX_SIZE for x in value)
  )


def _is_file_name(value):
  return (
    isinstance(value, str)
    and value.endswith('.ply')
    and value.isprintable()
    and pathlib.PurePath(value).name == value
  )


def _check_finite(gaussians, source):
  for field, value in vars(gaussians).items():
    if not np.all(np.isfinite(value)):
      raise ValueError(f'{source}: {field}: not all finite')


def _short(value):
  """A value as text, cut to 200 characters."""
  text = str(value)
  return text if len(text) <= 200 else text[:200] + '...'


def _check_agent(scene, agent):
  last = len(scene.sizes) - 1
  if agent == 0:
    raise ValueError('agent 0: the ego has no Gaussians and is not edited')
  if not 0 < agent <= last:
    raise ValueError(f'agent {agent}: the scene has agents 1 to {last}')


def _is_seen(gaussians, agent):
  """`[N]` bool, the visible Gaussians of an agent."""
  return (gaussians.node == agent) & (gaussians.opacity_logits >= _UNSEEN)


def _frozen(scene, agent, step):
  """All Gaussians, with the body of one agent posed as at a step."""
  if scene.bodies is None or scene.bodies.kind[agent] == types.RIGID:
    return scene.gaussians
  if step is None:
    (steps,) = np.nonzero(scene.tracks.valid[:, agent])
    step = int(steps[len(steps) // 2]) if len(steps) else 0
  # All others rigid, so that the budget is this agent's.
  only = np.arange(len(scene.sizes)) == agent
  kind = np.where(only, scene.bodies.kind, types.RIGID)
  is_articulated = kind[agent] == types.ARTICULATED
  budget = 'articulated_budget' if is_articulated else 'deformable_budget'
  count = int(np.sum(scene.gaussians.node == agent))
  gaussians, _ = bodies_lib.posed(
    scene.gaussians,
    scene.bodies.replace(kind=kind),
    trees.take(scene.tracks, step),
    types.TIME_STEP * step,
    RenderConfig(**{budget: count}),
  )
  return jax.device_get(gaussians)


def _free_agent(scene, agent):
  """The agent that `insert` uses, checked."""
  node = scene.gaussians.node
  is_seen = scene.gaussians.opacity_logits >= _UNSEEN
  is_free = ~np.any(scene.tracks.valid, 0)
  is_free[0] = False
  is_free[node[is_seen & (node > types.BACKGROUND)]] = False
  if agent is None:
    if not is_free.any():
      raise ValueError(
        f'agents: none of {len(is_free)} is free: remove one, or pad the scene'
        f' to {len(is_free) + 1} agents'
      )
    return int(np.argmax(is_free))
  _check_agent(scene, agent)
  if not is_free[agent]:
    raise ValueError(
      f'agent {agent}: not free, valid at'
      f' {int(scene.tracks.valid[:, agent].sum())} steps with'
      f' {int(_is_seen(scene.gaussians, agent).sum())} Gaussians'
    )
  return agent


def _where(mask, value, old):
  return np.where(mask, np.asarray(value, old.dtype), old)


def _mean_exposure(scene):
  """Matrix `[3, 3]` and offset `[3]` that an average camera applies."""
  exposure = np.mean(np.asarray(scene.exposure, np.float64), 0)
  return exposure[:, :3], exposure[:, 3]


def _through(sh, matrix, offset):
  """Applies an affine map of colours to harmonics `[N, K, 3]`.

  Blending commutes with it, because weights add up to one. Clipping of colours
  at zero does not, so clipped colours may differ.
  """
  sh = np.asarray(sh, np.float64) @ matrix.T
  sh[:, 0] += (matrix @ np.full(3, 0.5) + offset - 0.5) / project.SH0
  return sh.astype(np.float32)


def _with_coefficients(sh, count):
  """Harmonics `[N, count, 3]`, padded by zeros or cut."""
  missing = max(count - sh.shape[1], 0)
  return np.pad(sh, ((0, 0), (0, missing), (0, 0)))[:, :count]
