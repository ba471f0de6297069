# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""What each part of the reconstruction is worth, against the built-in world.

  python -m experiments.compare_fits --streets=1,2,102 --workdir=runs/compare

fits every street by plain 3DGS and then with one part more at a time, scores
the frames that were never fitted and the views to both sides of the path, and
prints a table of means and deviations over the streets. metrics.json in WORKDIR
holds every figure, offsets.svg the curves. A comparison that was killed goes on
where it stopped.
"""

import dataclasses
import json
import pathlib
import time

from absl import flags
import jax
import numpy as np

from experiments import perceptual
from experiments import presets
from experiments import road
from experiments import scene_scores
from rdrl import report
from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl import world


@dataclasses.dataclass(frozen=True)
class Variant:
  """What is left of the preset, which has all parts.

  Attributes:
    overrides: of the preset.
    has_objects: whether objects move with their tracks; without, everything is
      background.
    num_traversals: drives through the street; Gaussians and steps grow with
      them.
  """

  overrides: tuple[str, ...] = ()
  has_objects: bool = True
  num_traversals: int = 1


_NO_GROUND = ('splat.has_ground=False',)
_NO_DEPTH = ('splat.depth_weight=0.0', 'splat.fits_surface=False')
VARIANTS = {
  'plain 3DGS': Variant(_NO_GROUND + _NO_DEPTH, has_objects=False),
  '+ scene graph': Variant(_NO_GROUND + _NO_DEPTH),
  '+ ground': Variant(_NO_DEPTH),
  '+ depth': Variant(),
  '+ second traversal': Variant(num_traversals=2),
}

_PRESET = flags.DEFINE_string(
  'preset', 'cpu', f'Size of the fits: {", ".join(presets.SCENES)}.'
)
_STREETS = flags.DEFINE_list(
  'streets', ['1', '2', '102'], 'Seeds of built-in streets.'
)
_VARIANTS = flags.DEFINE_list(
  'variants', list(VARIANTS), 'What to fit, of the names of the table.'
)
_OFFSETS = flags.DEFINE_list(
  'offsets', ['0', '1', '2', '3', '4', '5', '6'], 'Metres to either side.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', 'runs/compare', 'Where everything is written.'
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of every random draw.')
_SET = flags.DEFINE_multi_string(
  'set', [], 'Override of one field of all variants, as path=value.'
)

# Steps between two of the moments at which shifted views are scored.
_STRIDE = 20


def _fit(street_seed, variant, config, directory):
  """Scores of one fit; those of its first traversal if there are several."""
  offsets = config.shown_offsets
  config = training.config.override(config, variant.overrides)
  count = variant.num_traversals
  streets = [world.build(street_seed, config.world, t) for t in range(count)]
  logs = [
    training.checkpoints.stage(
      directory.parent / f'log_{t}',
      types.Log,
      lambda street=street: world.record(street, config.world),
    )
    for t, street in enumerate(streets)
  ]
  fitted = logs
  if not variant.has_objects:
    fitted = [_without_objects(log) for log in logs]
  config = dataclasses.replace(
    config.splat,
    num_gaussians=count * config.splat.num_gaussians,
    snapshot_fractions=(),
  )
  begin = time.monotonic()
  key = jax.random.key(_SEED.value)
  result = splat.fit_traversals(fitted, config, key, directory)[0]
  seconds = time.monotonic() - begin
  scene = result.scene.replace(tracks=logs[0].tracks)
  scores = {name: result.metrics[name] for name in ('psnr', 'ssim')}
  scores |= scene_scores.held_out_scores(scene, streets[0], logs[0], config)
  curves = scene_scores.offset_curves(
    streets[0],
    {'scene': scene},
    offsets,
    _STRIDE,
    config,
    {'perceptual': perceptual.trained(pathlib.Path(_WORKDIR.value))},
  )['scene']
  return {'seconds': seconds, 'held_out': scores, 'offsets': curves}


def _without_objects(log):
  """The log as if nobody but the ego had been tracked."""
  valid = np.asarray(log.tracks.valid).copy()
  valid[:, 1:] = False
  return log.replace(tracks=log.tracks.replace(valid=valid))


def _mean(rows):
  """`mean (deviation)` over streets of each column of `[streets, n]`."""
  rows = np.asarray(rows)
  digits = 2 if rows.max() > 2 else 3
  return [
    f'{m:.{digits}f} ({s:.{digits}f})'
    for m, s in zip(rows.mean(0), rows.std(0), strict=True)
  ]


def _table(scores, pick, columns):
  """Lines of a table with a row for each variant."""
  yield '| | ' + ' | '.join(columns) + ' |'
  yield '|---' * (len(columns) + 1) + '|'
  for name, streets in scores.items():
    cells = _mean([pick(found) for found in streets.values()])
    yield f'| {name} | ' + ' | '.join(cells) + ' |'


def main(argv):
  if argv[1:]:
    raise training.config.ConfigError(f'{argv[1]}: not a flag')
  for name in _VARIANTS.value:
    if name not in VARIANTS:
      raise training.config.ConfigError(
        f'--variants: {name!r} is none of {", ".join(VARIANTS)}'
      )
  streets = presets.numbers('--streets', _STREETS.value, int)
  offsets = presets.numbers('--offsets', _OFFSETS.value, float)
  config = dataclasses.replace(
    training.config.override(presets.get_scene(_PRESET.value), _SET.value),
    shown_offsets=offsets,
  )
  workdir = pathlib.Path(_WORKDIR.value)
  training.mesh.start()
  training.config.record(
    workdir, road.Request('world', None, _SEED.value, config)
  )
  scores = {name: {} for name in _VARIANTS.value}
  for seed in streets:
    for name in scores:
      directory = workdir / f'street_{seed}' / name.replace(' ', '_')
      path = directory / 'scores.json'
      if not path.exists():
        found = _fit(seed, VARIANTS[name], config, directory)
        path.write_text(json.dumps(found, indent=2))
      scores[name][seed] = json.loads(path.read_text())
      print(f'street {seed}, {name}: {json.dumps(scores[name][seed])}')
  (workdir / 'metrics.json').write_text(json.dumps(scores, indent=2))
  held_out = scene_scores.LABELS
  columns = ['PSNR of held-out frames, dB', *held_out.values(), 'seconds']
  print('\nMeans and deviations over the streets')
  for line in _table(
    scores,
    lambda x: [
      x['held_out']['psnr'],
      *(x['held_out'][k] for k in held_out),
      x['seconds'],
    ],
    columns,
  ):
    print(line)
  for score in ('psnr', 'ssim', 'perceptual'):
    print(f'\n{score} by metres beside the path')
    labels = [f'{x:g}' for x in offsets]
    for line in _table(scores, lambda x, s=score: x['offsets'][s], labels):
      print(line)
  report.plots.curves(
    workdir / 'offsets.svg',
    {
      name: (
        offsets,
        np.mean([x['offsets']['psnr'] for x in found.values()], 0),
      )
      for name, found in scores.items()
    },
    'metres beside the recorded path',
    'PSNR in dB',
  )


if __name__ == '__main__':
  training.cli.run(main)
