# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Edits a fitted scene: removes, moves and inserts cars.

Reads the WORKDIR of `experiments.fit_scene` and changes nothing there. List the
agents of the scene and the assets of a bank:

  python -m experiments.edit_scene --workdir=runs/scene --bank=runs/bank --list

Save the car of agent 3 to the bank; its Gaussians are a `.ply` that any viewer
of 3DGS opens:

  python -m experiments.edit_scene --workdir=runs/scene --extract=3 \
    --bank=runs/bank --name=red-van

Remove agent 3 and park a car of the bank at x, y, yaw in degrees:

  python -m experiments.edit_scene --workdir=runs/scene --remove=3 \
    --insert=red-van --bank=runs/bank --at=12.5,-3.1,90 --out=runs/edited

Insert a car of the bank 8 m ahead of agent 2 and 3.5 m to its left:

  python -m experiments.edit_scene --workdir=runs/scene --num_agents=17 \
    --insert=red-van --bank=runs/bank --follow=2 --shift=8,3.5,0 \
    --out=runs/edited

Move agent 1 by 5 m ahead and turn it by 30 degrees:

  python -m experiments.edit_scene --workdir=runs/scene --move=1 \
    --shift=5,0,30 --out=runs/edited

OUT gets the scene, laid out like WORKDIR, so that it can be edited again;
edited.mp4, the recording cameras' views before above those after; edited.png,
the moment of it that changed most; around.mp4, the car from all sides; and
edits.json, the list of edits. `--num_agents` and `--num_gaussians` pad the
scene to a fixed size, for a simulator that stacks scenes.

Score edits against the built-in world with the same edits:

  python -m experiments.edit_scene --workdir=runs/scene --score --out=runs/edits
"""

import dataclasses
import json
import pathlib

from absl import flags
import jax
import numpy as np

from experiments import flags as shared
from rdrl import pipeline
from rdrl import refine
from rdrl import report
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.report import edit_scores
from rdrl.report import scene_scores

_WORKDIR = shared.flag('workdir', 'runs/scene')
_AGENTS = shared.flag('num_agents')
_GAUSSIANS = shared.flag('num_gaussians')
_PLACE = flags.DEFINE_string(
  'place', None, 'Name of the scene, where WORKDIR has several.'
)
_OUT = flags.DEFINE_string(
  'out', None, 'Folder of the edited scene or of the scores.'
)
_BANK = shared.flag('bank')
_LIST = flags.DEFINE_bool(
  'list', False, 'Print the agents of the scene and the assets of the bank.'
)
_EXTRACT = flags.DEFINE_integer(
  'extract', None, 'Agent whose Gaussians go into the bank.'
)
_NAME = flags.DEFINE_string(
  'name', None, 'Of the extracted asset; default: scene and agent.'
)
_REMOVE = flags.DEFINE_list('remove', [], 'Agents that are taken away.')
_MOVE = flags.DEFINE_integer('move', None, 'Agent that goes elsewhere.')
_INSERT = flags.DEFINE_string('insert', None, 'Asset that becomes an agent.')
_AT = flags.DEFINE_list(
  'at', None, 'x, y in metres and yaw in degrees: parked there.'
)
_FOLLOW = flags.DEFINE_integer(
  'follow', None, 'Agent beside whose track, as it was before all edits.'
)
_SHIFT = flags.DEFINE_list(
  'shift', None, 'Metres ahead, metres to the left and degrees from a track.'
)
_STRIDE = flags.DEFINE_integer('stride', 2, 'Steps between two frames.')
_SCORE = flags.DEFINE_bool(
  'score', False, 'Score edits of all cars against the built-in world.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Replace an asset or a scene of the same name.'
)

# Limits of numbers: metres and degrees, agents, Gaussians.
_FARTHEST, _MOST_AGENTS, _MOST_GAUSSIANS = 1e5, 10_000, 100_000_000

# Flight around a car: frames, metres from it and above it.
_FLIGHT_FRAMES, _FLIGHT_RADIUS, _FLIGHT_HEIGHT = 60, 7.0, 2.5


@dataclasses.dataclass(frozen=True)
class Fitted:
  """One scene of a work directory.

  Attributes:
    name: of the place.
    scene: the reconstruction.
    request: of its fit.
    edits: since then, in words.
  """

  name: str
  scene: types.Scene
  request: pipeline.Request
  edits: tuple[str, ...]


def read(workdir, name=None):
  """Reads a `Fitted` scene.

  Args:
    workdir: of `experiments.fit_scene` or of this command.
    name: of the place; None takes the only one.

  Raises:
    FileNotFoundError: if there is no such scene.
    ConfigError: naming the file, if the configuration is not one of ours, or
      if there are several scenes and no name.
  """
  workdir = pathlib.Path(workdir)
  folder = workdir / 'scenes'
  names = sorted(
    path.name
    for path in (folder.iterdir() if folder.is_dir() else ())
    if training.checkpoints.latest_step(path) is not None
  )
  if not names:
    raise FileNotFoundError(
      f'{folder}: no fitted scene: --workdir is not what experiments.fit_scene'
      ' writes'
    )
  if name is None and len(names) > 1:
    raise training.config.ConfigError(
      f'--place: not set, but {folder} has {", ".join(names)}'
    )
  name = names[0] if name is None else name
  if name not in names:
    raise training.config.ConfigError(
      f'--place={name}: {folder} has {", ".join(names)}'
    )
  edits = workdir / 'edits.json'
  return Fitted(
    name=name,
    request=_request(workdir / 'config.json'),
    edits=tuple(training.config.read(edits, list)) if edits.exists() else (),
    scene=training.checkpoints.read(folder / name, types.Scene),
  )


def _request(path):
  """The `pipeline.Request` that `training.config.record` wrote."""
  leaves = training.config.read(path)
  request = pipeline.Request('world', None, 0, pipeline.Config())
  data_dir = leaves.pop('data_dir', None)
  try:
    request = training.config.override(
      request, [f'{name}={value!r}' for name, value in leaves.items()], ''
    )
  except training.config.ConfigError as error:
    raise training.config.ConfigError(f'{path}: {error}') from error
  return dataclasses.replace(request, data_dir=data_dir)


def _numbers(flag):
  """Three numbers of a list flag."""
  found = shared.numbers(flag, float)
  if len(found) != 3 or not np.max(np.abs(found)) <= _FARTHEST:
    raise training.config.ConfigError(
      f'--{flag.name}={",".join(flag.value)}: expected three numbers up to'
      f' {_FARTHEST:g}'
    )
  return found


def _check_flags():
  """Checks that the flags agree, before anything is read.

  Raises:
    ConfigError: if they do not.
  """

  def demand(is_right, message):
    if not is_right:
      raise training.config.ConfigError(message)

  is_edit = bool(_REMOVE.value) or _MOVE.value is not None or _INSERT.value
  is_edit = is_edit or _AGENTS.value is not None or _GAUSSIANS.value is not None
  demand(
    is_edit or _LIST.value or _EXTRACT.value is not None or _SCORE.value,
    'nothing to do: expected one of --list, --extract, --remove, --move,'
    ' --insert, --num_agents, --num_gaussians or --score',
  )
  for flag in (_EXTRACT, _INSERT):
    demand(
      flag.value is None or _BANK.value,
      f'--bank: not set, but --{flag.name}={flag.value} needs it',
    )
  demand(
    _OUT.value or not (is_edit or _SCORE.value),
    '--out: not set, but the result goes there',
  )
  demand(
    not (is_edit and _SCORE.value),
    '--score: scores edits of its own, without --remove, --move or --insert',
  )
  demand(
    not _OUT.value
    or pathlib.Path(_OUT.value).resolve()
    != pathlib.Path(_WORKDIR.value).resolve(),
    f'--out={_OUT.value}: is --workdir, which stays as it is',
  )
  demand(
    _MOVE.value is None or _INSERT.value is None,
    '--move and --insert: one at a time, edit the result again',
  )
  goes = _MOVE.value is not None or _INSERT.value is not None
  demand(
    goes == (_AT.value is not None or _SHIFT.value is not None)
    and (_AT.value is None or _SHIFT.value is None),
    '--at, --shift: --move and --insert need one of the two, and only they do',
  )
  demand(
    (_FOLLOW.value is not None)
    == (_INSERT.value is not None and _SHIFT.value is not None),
    '--follow: the track that --insert with --shift is beside, and only there',
  )
  demand(_STRIDE.value > 0, f'--stride={_STRIDE.value}: expected 1 or more')
  for flag, most in (
    (_AGENTS, _MOST_AGENTS),
    (_GAUSSIANS, _MOST_GAUSSIANS),
  ):
    demand(
      flag.value is None or 0 < flag.value <= most,
      f'--{flag.name}={flag.value}: expected 1 to {most}',
    )


def _track(scene, size, agent):
  """The track of `--at`, or that of `agent` shifted by `--shift`."""
  if _AT.value is not None:
    x, y, degrees = _numbers(_AT)
    return splat.assets.parked(scene, size, x, y, np.radians(degrees))
  ahead, left, degrees = _numbers(_SHIFT)
  if not 0 <= agent < len(scene.sizes):
    raise training.config.ConfigError(
      f'--follow={agent}: the scene has agents 0 to {len(scene.sizes) - 1}'
    )
  track = splat.assets.moved(
    trees.take(scene.tracks, (slice(None), agent)),
    scene.ground,
    ahead,
    left,
    np.radians(degrees),
  )
  # The middle of a box is half its height above the ground.
  rise = (float(size[2]) - float(scene.sizes[agent][2])) / 2
  return track.replace(z=track.z + np.float32(rise))


def edit(scene):
  """Applies the edits of the flags.

  Returns:
    The edited scene; the edits in words; and the agent that was moved or
    inserted, or None.
  """
  before, done, shown = scene, [], None
  if _AGENTS.value is not None:
    scene = splat.assets.pad(scene, num_agents=_AGENTS.value)
    done.append(f'padded to {_AGENTS.value} agents')
  for agent in shared.numbers(_REMOVE, int):
    scene = splat.assets.remove(scene, agent)
    done.append(f'removed agent {agent}')
  where = (
    f'at {",".join(_AT.value)}'
    if _AT.value
    else f'shifted by {",".join(_SHIFT.value or ())}'
  )
  if _MOVE.value is not None:
    shown = _MOVE.value
    # First, since it checks the number with a message of its own.
    scene = splat.assets.move(scene, shown)
    track = _track(before, scene.sizes[shown], shown)
    scene = splat.assets.replace_track(scene, shown, track)
    done.append(f'moved agent {shown} {where}')
  if _INSERT.value is not None:
    asset = splat.AssetBank(_BANK.value).load(_INSERT.value)
    track = _track(before, asset.size, _FOLLOW.value)
    agents = set(_present(scene))
    scene = splat.assets.insert(scene, asset, track, budget=_GAUSSIANS.value)
    (shown,) = set(_present(scene)) - agents
    beside = '' if _AT.value else f' beside agent {_FOLLOW.value}'
    done.append(
      f'inserted {asset.name} ({asset.source}) as agent {shown} {where}{beside}'
    )
  if _GAUSSIANS.value is not None:
    scene = splat.assets.pad(scene, num_gaussians=_GAUSSIANS.value)
    done.append(f'padded to {_GAUSSIANS.value} Gaussians')
  return scene, done, shown


def _present(scene):
  """Agents that are valid at any step."""
  return np.flatnonzero(np.any(scene.tracks.valid, 0)).tolist()


def _film(before, after, config, out):
  """Writes edited.mp4 and edited.png."""
  videos = []
  for scene in (before, after):
    steps = np.arange(0, len(scene.tracks.valid), _STRIDE.value)
    cameras = refine.shifted_cameras(scene, 0.0, steps)
    agents = trees.take(scene.tracks, steps)
    color = scene_scores.rendered(
      scene, cameras, agents, config, steps=steps
    ).color
    order = list(report.videos.left_to_right(color.shape[1]))
    videos.append(
      report.videos.panorama(report.videos.to_bytes(color)[:, order])
    )
  change = np.abs(videos[0].astype(int) - videos[1]).mean((1, 2, 3))
  frames = report.videos.stack(
    [
      report.videos.caption(video, label)
      for video, label in zip(videos, ('before', 'edited'), strict=True)
    ]
  )
  report.videos.write(
    out / 'edited.mp4',
    frames,
    report.videos.FRAMES_PER_SECOND / _STRIDE.value,
  )
  report.videos.write_image(out / 'edited.png', frames[np.argmax(change)])


def _fly(scene, agent, config, out):
  """Writes around.mp4."""
  steps = np.flatnonzero(scene.tracks.valid[:, agent])
  agents = trees.take(scene.tracks, steps[len(steps) // 2])
  frames = scene_scores.flight(
    scene,
    agents,
    agent,
    config,
    _FLIGHT_FRAMES,
    _FLIGHT_RADIUS,
    _FLIGHT_HEIGHT,
  )
  report.videos.write(out / 'around.mp4', report.videos.to_bytes(frames))


def _write(fitted, scene, done, shown):
  out = pathlib.Path(_OUT.value)
  directory = out / 'scenes' / fitted.name
  exists = training.checkpoints.latest_step(directory) is not None
  if exists and not _OVERWRITE.value:
    raise FileExistsError(
      f'{directory}: holds a scene: choose another --out or --overwrite it'
    )
  training.config.record(out, fitted.request)
  training.checkpoints.save(directory, 0, jax.tree.map(np.asarray, scene))
  edits = [*fitted.edits, *done]
  with splat.ply.named(out / 'edits.json'):
    (out / 'edits.json').write_text(json.dumps(edits, indent=2) + '\n')
  config = fitted.request.config.splat.render
  _film(fitted.scene, scene, config, out)
  if shown is not None and scene.tracks.valid[:, shown].any():
    _fly(scene, shown, config, out)
  for line in done:
    print(line)
  print(f'edited scene: {directory}')


def _print_lists(fitted):
  scene = fitted.scene
  print(f'{fitted.name}: {len(scene.gaussians.node)} Gaussians')
  print('agent | class | length, width, height in m | steps | Gaussians')
  for agent in range(1, len(scene.sizes)):
    kind = splat.assets.CLASSES[scene.classes[agent]]
    size = ', '.join(f'{x:.2f}' for x in scene.sizes[agent])
    steps = int(scene.tracks.valid[:, agent].sum())
    count = int(np.sum(scene.gaussians.node == agent))
    what = f'{kind} | {size}' if steps else 'free |'
    print(f'{agent} | {what} | {steps} | {count}')
  if _BANK.value:
    bank = splat.AssetBank(_BANK.value)
    print('asset | class | length, width, height in m | Gaussians | source')
    for name in bank.names():
      facts = bank.facts(name)
      size = ', '.join(f'{x:.2f}' for x in facts['size'])
      print(
        f'{name} | {facts["class"]} | {size} | {facts["count"]} |'
        f' {facts["source"]}'
      )


def _score(fitted):
  """Prints and writes the scores of edits of all cars."""
  if fitted.request.source != 'world' or fitted.edits:
    raise training.config.ConfigError(
      f'--score: {_WORKDIR.value} is'
      + (' edited' if fitted.edits else ' no fit of the built-in world')
      + ', so there is no truth to compare it with'
    )
  run = pipeline.Run(fitted.request, pathlib.Path(_WORKDIR.value))
  recordings = {one.name: one for one in pipeline.record(run)}
  recording = recordings[fitted.name]
  scores, pictures = edit_scores.edit_scores(
    recording.street,
    fitted.scene,
    recording.log,
    fitted.request.config.splat.render,
  )
  out = pathlib.Path(_OUT.value)
  out.mkdir(parents=True, exist_ok=True)
  (out / 'edit_scores.json').write_text(json.dumps(scores, indent=2) + '\n')
  for agent, picture in pictures.items():
    report.videos.write_image(out / f'agent_{agent}.png', picture)
  for line in edit_scores.table(scores):
    print(line)
  print(f'pictures and figures: {out}')


def main():
  _check_flags()
  training.mesh.start()
  fitted = read(_WORKDIR.value, _PLACE.value)
  if _EXTRACT.value is not None:
    agent = _EXTRACT.value
    asset = splat.assets.extract(
      fitted.scene,
      agent,
      _NAME.value or f'{fitted.name}_{agent}',
      f'{fitted.name}, agent {agent}',
    )
    path = splat.AssetBank(_BANK.value).save(asset, _OVERWRITE.value)
    print(f'asset: {path}')
  if _LIST.value:
    _print_lists(fitted)
  if _SCORE.value:
    _score(fitted)
    return
  scene, done, shown = edit(fitted.scene)
  if done:
    _write(fitted, scene, done, shown)


if __name__ == '__main__':
  training.cli.run(main)
