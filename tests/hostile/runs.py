# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Work directories, checkpoints and configurations."""

import fcntl
import functools
import json
import pathlib
import shutil
import tempfile

import numpy as np

from experiments import edit_scene
from rdrl import pipeline
from rdrl import training
from rdrl import types

# One bit of it is flipped, halfway through.
_FILES = (
  'SHA256SUMS',
  '_CHECKPOINT_METADATA',
  'state/_METADATA',
  'state/manifest.ocdbt',
  'state/d/*',
  'state/ocdbt.process_0/d/*',
)


def _request(*assignments, source='world', data_dir=None, seed=0):
  config = training.config.override(pipeline.Config(), assignments)
  return pipeline.Request(source, data_dir, seed, config)


def _run(folder, *assignments, until='report', **fields):
  pipeline.run(_request(*assignments, **fields), folder / 'run', until)


def _set(*assignments):
  """A configuration that no run can have; its last field is named."""

  def case(folder):
    name = assignments[-1].partition('=')[0]
    return lambda: _run(folder, *assignments), name

  return case


def _asks(named, **fields):
  return lambda folder: (lambda: _run(folder, **fields), named)


def _record(content):
  """A work directory whose `config.json` is not what it was."""

  def case(folder):
    (folder / 'run').mkdir()
    path = folder / 'run' / 'config.json'
    path.write_bytes(content)
    return lambda: _run(folder), str(path)

  return case


def _edited(name, content):
  """A fitted scene beside a file that cannot be read."""

  def case(folder):
    _put_checkpoint(folder / 'scenes' / 'street')
    leaves = training.config.flatten(_request())
    (folder / 'config.json').write_text(json.dumps(leaves))
    (folder / name).write_bytes(content)
    return lambda: edit_scene.read(folder), str(folder / name)

  return case


def _camera():
  return types.Camera(np.eye(4), np.eye(3), height=3, width=4)


@functools.cache
def _checkpoint():
  """A folder with checkpoints of the steps 1 and 2; written once."""
  folder = tempfile.TemporaryDirectory()
  for step in (1, 2):
    training.checkpoints.save(folder.name, step, _camera())
  return folder


def _put_checkpoint(folder, steps=(2,)):
  for step in steps:
    shutil.copytree(
      pathlib.Path(_checkpoint().name, str(step)), folder / str(step)
    )
  return folder / str(steps[-1])


def _reads(folder):
  return lambda: training.checkpoints.read(folder, types.Camera)


def _flipped(pattern):
  def case(folder):
    path = next(_put_checkpoint(folder).glob(pattern))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    return _reads(folder), f'{folder}/2: damaged ('

  return case


def _damaged(damage, named='2: damaged ('):
  """A checkpoint to which `damage` was done, read by a stage."""

  def case(folder):
    damage(_put_checkpoint(folder))
    return _reads(folder), named

  return case


def _resumed(damage, named, last=2):
  """Both checkpoints of a loop, damaged, and the loop goes on."""

  def case(folder):
    checkpoints = folder / 'checkpoints'
    newest = _put_checkpoint(checkpoints, (1, 2))
    damage(checkpoints, newest)

    def call():
      training.loop.run(None, _camera(), last, name='run', directory=folder)

    return call, named

  return case


def _empty_both(checkpoints, newest):
  del newest
  for path in checkpoints.glob('*/_CHECKPOINT_METADATA'):
    path.write_bytes(b'')


def _a_file(path):
  shutil.rmtree(path)
  path.write_text('')


def _with_notes(change):
  """Notes that are wrong though the checksums are right."""

  def damage(path):
    file = path / '_CHECKPOINT_METADATA'
    content = json.loads(file.read_text())
    change(content['custom_metadata'])
    file.write_text(json.dumps(content))
    sums = path / 'SHA256SUMS'
    lines = [
      f'{training.checkpoints._digest(file)}  {file.name}'
      if line.endswith(file.name)
      else line
      for line in sums.read_text().splitlines()
    ]
    sums.write_text('\n'.join([*lines, '']))

  return damage


def _other_shape(folder):
  _put_checkpoint(folder)
  like = types.Camera(np.eye(5), np.eye(3), height=3, width=4)
  return (
    lambda: training.checkpoints.restore(folder, like),
    'camera_from_world: shape is (4, 4), expected (5, 5)',
  )


def _other_noun(folder):
  _put_checkpoint(folder)
  return lambda: training.checkpoints.read(folder, types.Grid), '2: values'


def _other_place(folder):
  training.folders.claim(folder)
  training.checkpoints.save(folder / 'logs' / 'a', 0, _camera())
  (folder / 'logs' / 'a').rename(folder / 'logs' / 'b')
  return _reads(folder / 'logs' / 'b'), 'logs/b/0: was saved as place logs/a'


def _locked(folder):
  (folder / 'run').mkdir()
  file = (folder / 'run' / '.lock').open('w')
  file.write('4711 on elsewhere\n')
  file.flush()
  fcntl.flock(file, fcntl.LOCK_EX)

  def call():
    with file:
      _run(folder)

  return call, f'{folder}/run: another process runs here, 4711 on elsewhere'


def _without_record(folder):
  _put_checkpoint(folder / 'run' / 'fit' / 'world_1' / 'checkpoints')
  return lambda: _run(folder, seed=5), f'{folder}/run/config.json: missing'


def _a_file_for_a_folder(folder):
  (folder / 'run').write_text('')
  return lambda: _run(folder), str(folder / 'run')


def _in_the_way(folder):
  (folder / 'file').write_text('')

  def call():
    training.checkpoints.save(folder / 'file' / 'deep', 0, _camera())

  return call, str(folder / 'file')


def _damaged_lines(folder):
  path = folder / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"step": \x00\n{"step": 3}\n')
  return lambda: training.loop.read_metrics(folder), f'{path}: line 2'


def _override(assignment, named):
  return lambda folder: (lambda: _run(folder, assignment), named)


_VALUES = (
  'train_seeds=(102,)',
  'test_seeds=()',
  'world.num_agents=20',
  'reality=tyres',
  'prior.dtype=half',
  'policy.num_heads=7',
  'policy.width=0',
  'ppo.num_envs=0',
  'ppo.num_minibatches=5',
  'ppo.discount=1.5',
  'imitation.learning_rate=1e400',
  'imitation.learning_rate=-1.0',
  'splat.fit.num_gaussians=-5',
  'splat.render.backend=cuda',
  'splat.render.far=0.01',
  'splat.fit.snapshot_fractions=()',
  'refine.clip_period=0',
  'refine.offsets=((1e9,),)',
  'world.height=-3',
  'world.num_steps=5',
  'world.field_of_view=180.0',
  'prior.multipliers=()',
  'prior.channels=12',
  'prior.crop_width=81',
  'prior.solver=rk4',
  'scenario.num_accepted=(1,)',
  "scenario.held_out=('swerve',)",
  "scenario.limits=(('onset', (3.0, 1.0)),)",
  "scenario.limits=(('onsett', (1.0, 3.0)),)",
  'scenario.first_start=1',
  'sim.route_points=()',
  'sim.reward_weights=(1.0,)',
  'sim.image_width=81',
  'sim.acceleration_limits=(4.0, -8.0)',
  'ego_masks=(1,)',
  'train_seeds=(-1,)',
  'num_agents=9999999999999',
  'shown_offsets=(1e400,)',
)

CASES = {
  **{f'--set={value}': _set(value) for value in _VALUES},
  '--set with 100000 signs': _override(
    'ppo.num_envs=' + 100000 * '-' + '1', '--set=ppo.num_envs'
  ),
  '--set with 20000 terms': _override(
    'ppo.num_envs=' + 20000 * '1+' + '1', '--set=ppo.num_envs'
  ),
  '--set with 100000 digits': _override(
    'ppo.num_envs=' + 100000 * '9', '--set=ppo.num_envs'
  ),
  '--set of 100000 names': _override(100000 * 'ppo.' + '=1', '--set=ppo'),
  '--set of nothing': _override('=', '--set='),
  'seed 2**63': _asks('seed=9223372036854775808', seed=2**63),
  'seed 2**32, which is seed 0': _asks('seed=4294967296', seed=2**32),
  'seed -1': _asks('seed=-1', seed=-1),
  'seed -10**30': _asks(f'seed={-(10**30)}', seed=-(10**30)),
  'unknown source': _asks('--log=tape', source='tape'),
  'unknown stage': _asks('--until=end', until='end'),
  'no folder of the recording': _asks('--data_dir', source='kitti'),
  'folder that is not there': _asks(
    '/no/where', source='kitti', data_dir='/no/where'
  ),
  'config.json is empty': _record(b''),
  'config.json is cut': _record(b'{"seed": 0, "con'),
  'config.json is binary': _record(bytes(range(256))),
  'config.json is a list': _record(b'[]'),
  'config.json is a number': _record(b'5'),
  'config.json is 200000 deep': _record(200000 * b'['),
  'config.json is of another run': _record(b'{"seed": 5}'),
  'config.json lacks a field': _record(b'{}'),
  'config.json is missing beside stages': _without_record,
  'config.json of a scene is a list': _edited('config.json', b'[1]'),
  'config.json of a scene is 200000 deep': _edited(
    'config.json', 200000 * b'['
  ),
  'config.json of a scene has other types': _edited(
    'config.json', b'{"seed": "one"}'
  ),
  'edits.json of a scene is a number': _edited('edits.json', b'5'),
  **{f'checkpoint, a bit of {file}': _flipped(file) for file in _FILES},
  'checkpoint without checksums': _damaged(
    lambda x: (x / 'SHA256SUMS').unlink()
  ),
  'checkpoint without data': _damaged(
    lambda x: shutil.rmtree(x / 'state' / 'ocdbt.process_0')
  ),
  'checkpoint with empty metadata': _damaged(
    lambda x: (x / '_CHECKPOINT_METADATA').write_bytes(b'')
  ),
  'checkpoint with a file more': _damaged(
    lambda x: (x / 'state' / 'd' / 'more').write_bytes(b'1')
  ),
  'checkpoint is an empty folder': _damaged(
    lambda x: (shutil.rmtree(x), x.mkdir())
  ),
  'checkpoint is a file': _damaged(_a_file),
  'checkpoint with checksums of bytes': _damaged(
    lambda x: (x / 'SHA256SUMS').write_bytes(bytes(range(256)))
  ),
  'checkpoint with an array of 10**12': _damaged(
    _with_notes(lambda x: x['empty'].update(more=[10**12]))
  ),
  'checkpoint with an array of 0 x 10**30': _damaged(
    _with_notes(lambda x: x['empty'].update(more=[0, 10**30]))
  ),
  'checkpoint without notes': _damaged(_with_notes(lambda x: x.clear())),
  'checkpoint of another step': _damaged(
    _with_notes(lambda x: x.update(step=900)), 'was saved as step 900, not 2'
  ),
  'checkpoint of another place': _other_place,
  'checkpoint of another shape': _other_shape,
  'checkpoint of another noun': _other_noun,
  'checkpoints of a loop, both damaged': _resumed(
    _empty_both, 'checkpoints/2: damaged ('
  ),
  'checkpoint of a loop beyond its end': _resumed(
    lambda checkpoints, newest: newest.rename(checkpoints / '9999999'),
    'step 9999999 of a run that ends at 2',
  ),
  'checkpoint where a file is': _in_the_way,
  'no checkpoint': lambda folder: (_reads(folder), str(folder)),
  'metric lines damaged': _damaged_lines,
  'work directory of another process': _locked,
  'work directory is a file': _a_file_for_a_folder,
  'work directory that cannot be made': lambda folder: (
    lambda: pipeline.run(_request(), '/proc/rdrl'),
    '/proc/rdrl',
  ),
  'work directory with a NUL': lambda folder: (
    lambda: pipeline.run(_request(), folder / 'a\0b'),
    'null',
  ),
  'work directory with a name of 5000': lambda folder: (
    lambda: pipeline.run(_request(), folder / (5000 * 'a')),
    'aaa',
  ),
}
