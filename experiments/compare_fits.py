# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Compares fits with one part more at a time, against the built-in world.

  python -m experiments.compare_fits --streets=1,2,102 --workdir=runs/compare

fits every street by plain 3DGS and then with one part more at a time, scores
held-out frames and views to both sides of the path, and prints tables of means
and deviations over the streets. A second traversal, in other light and traffic,
is fitted alone and together with the first; edits of cars and information gain
are scored for the variants in `WHOLE`. metrics.json in WORKDIR holds every
figure, offsets.svg the curves. A killed comparison resumes when started again.
"""

import dataclasses
import json
import pathlib
import time

from absl import flags
import jax
import numpy as np
from PIL import Image

from experiments import flags as shared
from experiments import presets
from rdrl import pipeline
from rdrl import report
from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl import world
from rdrl.report import edit_scores
from rdrl.report import perceptual
from rdrl.report import scene_scores
from rdrl.report import tables
from rdrl.report import trust_scores


@dataclasses.dataclass(frozen=True)
class Variant:
  """How a street is fitted.

  Attributes:
    overrides: of the preset, which has all parts up to `+ depth`.
    has_objects: whether objects move with their tracks; else all is background.
    traversals: drives through the street that are fitted together; Gaussians
      and steps grow with their number.
  """

  overrides: tuple[str, ...] = ()
  has_objects: bool = True
  traversals: tuple[int, ...] = (0,)


_NO_DEPTH = ('splat.fit.depth_weight=0.0', 'splat.fit.fits_surface=False')
_NO_GROUND = ('splat.fit.has_ground=False',)
_SYMMETRY = ('splat.fit.mirror_share=0.2',)
_LIGHT = ('splat.fit.learning_rate_light=0.005',)
_DETAIL = ('splat.fit.gaussians_per_object=1024', 'splat.fit.num_steps=3500')
_LIKENESS = ('splat.fit.likeness_weight=0.02', 'splat.fit.clears_boxes=True')
_BODIES = ('splat.render.articulated_budget=2048',)
_DEFORMING = ('splat.render.deformable_budget=1024',)
_BEFORE, _TOGETHER = '+ depth', '+ second traversal'
_ALONE = 'second traversal alone'
_SYMMETRIC, _LIT = '+ symmetry', '+ symmetry and light'
_DETAILED, _ALIKE = '+ detail of cars', '+ likeness of cars'
# Variants whose edits and information gain are scored.
WHOLE = (_BEFORE, _SYMMETRIC, _LIT, _DETAILED, _ALIKE)
_WHOLE_COLUMNS = (
  'pixels',
  'blocks',
  'recorded',
  'hole',
  *(f'{turn} deg' for turn in edit_scores.TURNS),
)
VARIANTS = {
  'plain 3DGS': Variant(_NO_GROUND + _NO_DEPTH, has_objects=False),
  '+ scene graph': Variant(_NO_GROUND + _NO_DEPTH),
  '+ ground': Variant(_NO_DEPTH),
  _BEFORE: Variant(),
  _SYMMETRIC: Variant(_SYMMETRY),
  _LIT: Variant(_SYMMETRY + _LIGHT),
  _DETAILED: Variant(_SYMMETRY + _LIGHT + _DETAIL),
  _ALIKE: Variant(_SYMMETRY + _LIGHT + _DETAIL + _LIKENESS),
  '+ skeletons': Variant(_BODIES),
  '+ deforming cyclists': Variant(_DEFORMING),
  _TOGETHER: Variant(traversals=(0, 1)),
  _ALONE: Variant(traversals=(1,)),
}

_PRESET = shared.flag('preset', 'cpu')
_STREETS = shared.flag('streets', ['1', '2', '102'])
_OFFSETS = shared.flag('offsets', ['0', '1', '2', '3', '4', '5', '6'])
_WORKDIR = shared.flag('workdir', 'runs/compare')
_SEED = shared.flag('seed')
_SET = shared.flag('set')
_VARIANTS = flags.DEFINE_list(
  'variants', list(VARIANTS), 'What to fit, of the names of the table.'
)

# Metres to the side at which information gain is compared with the error.
_TRUST_OFFSET = 3.0
# Steps between scored moments of shifted views.
_STRIDE = 20


def _fit(street_seed, variant, config, directory):
  """Fits one street.

  Returns:
    A list of `splat.FitResult`, one for each traversal, and seconds.
  """
  config = training.config.override(config, variant.overrides)
  drives = []
  for traversal in variant.traversals:
    street = world.build(street_seed, config.world, traversal)
    log = training.checkpoints.stage(
      directory.parent / f'log_{traversal}',
      types.Log,
      lambda street=street: world.record(street, config.world),
    )
    drives.append(log if variant.has_objects else _without_objects(log))
  config = config.splat.with_fit(
    num_gaussians=len(drives) * config.splat.fit.num_gaussians,
    snapshot_fractions=(),
  )
  begin = time.monotonic()
  key = jax.random.key(_SEED.value)
  results = splat.fit_traversals(drives, config, key, directory)
  return results, time.monotonic() - begin


def _scores(street_seed, name, config, directory):
  """Scores of the first traversal of a variant on one street."""
  street = world.build(street_seed, config.world)
  variant = VARIANTS[name]
  results, seconds = _fit(street_seed, variant, config, directory)
  scores = {
    'seconds': seconds,
    'own': [result.metrics['psnr'] for result in results],
    'ssim': results[0].metrics['ssim'],
  }
  if variant.traversals[0]:
    return scores
  log = results[0].log
  if not variant.has_objects:
    log = world.record(street, config.world)
  scene = results[0].scene.replace(tracks=log.tracks)
  scores['held_out'] = scene_scores.held_out_scores(
    scene, street, log, config.splat.render
  )
  curves = scene_scores.offset_curves(
    street,
    {name: scene},
    config.shown_offsets,
    _STRIDE,
    config.splat.render,
    {'perceptual': perceptual.trained(pathlib.Path(_WORKDIR.value))},
  )
  scores['offsets'] = curves[name]
  if name in WHOLE:
    keys = jax.random.split(jax.random.key(_SEED.value))
    known = trust_scores.know(scene, log, config.splat.render, keys[0])
    found = trust_scores.trust_scores(
      street, known, config.splat.render, keys[1], _TRUST_OFFSET, _STRIDE
    )
    scores['trust'] = found['gain']
    edits, pictures = edit_scores.edit_scores(
      street, scene, log, config.splat.render
    )
    scores['edits'] = edits
    for agent, picture in pictures.items():
      Image.fromarray(picture).save(directory / f'edit_{agent}.png')
  return scores


def _without_objects(log):
  """The log with all tracks but the ego's invalid."""
  valid = np.asarray(log.tracks.valid).copy()
  valid[:, 1:] = False
  return log.replace(tracks=log.tracks.replace(valid=valid))


def _mean(rows):
  """`mean (deviation)` over streets of each column of `[streets, n]`.

  Leaves out streets without a score, None.
  """
  cells = []
  for column in np.array(rows, float).T:
    values = column[~np.isnan(column)]
    if not len(values):
      cells.append('-')
      continue
    mean, deviation = values.mean(), values.std()
    digits = 2 if mean > 2 else 3
    cells.append(f'{mean:.{digits}f} ({deviation:.{digits}f})')
  return cells


def _of_whole(found):
  """Numbers for `_WHOLE_COLUMNS`."""
  mean = found['edits']['mean']
  return [
    found['trust']['pixels_absolute_pooled'],
    found['trust']['blocks_absolute_pooled'],
    mean['recorded'],
    mean['hole'],
    *mean['turned'].values(),
  ]


def _table(scores, pick, columns):
  """Lines of a table with a row for each variant."""
  return tables.markdown(
    ['', *columns],
    [
      [name, *_mean([pick(found) for found in streets.values()])]
      for name, streets in scores.items()
      if name != _ALONE
    ],
  )


def main():
  for name in _VARIANTS.value:
    if name not in VARIANTS:
      raise training.config.ConfigError(
        f'--variants: {name!r} is none of {", ".join(VARIANTS)}'
      )
  streets = shared.numbers(_STREETS, int)
  offsets = shared.numbers(_OFFSETS, float)
  config = dataclasses.replace(
    training.config.override(presets.get_scene(_PRESET.value), _SET.value),
    shown_offsets=offsets,
  )
  workdir = pathlib.Path(_WORKDIR.value)
  training.mesh.start()
  training.config.record(
    workdir, pipeline.Request('world', None, _SEED.value, config)
  )
  scores = {name: {} for name in _VARIANTS.value}
  for seed in streets:
    for name in _VARIANTS.value:
      directory = workdir / f'street_{seed}' / name.replace(' ', '_')
      path = directory / 'scores.json'
      if not path.exists():
        found = _scores(seed, name, config, directory)
        path.write_text(json.dumps(found, indent=2))
      scores[name][seed] = json.loads(path.read_text())
  (workdir / 'metrics.json').write_text(json.dumps(scores, indent=2))
  labels = scene_scores.LABELS
  print('\nMeans and deviations over the streets')
  for line in _table(
    scores,
    lambda x: [x['own'][0], *map(x['held_out'].get, labels), x['seconds']],
    ['PSNR of held-out frames, dB', *labels.values(), 'seconds'],
  ):
    print(line)
  for score in ('psnr', 'ssim', 'perceptual'):
    print(f'\n{score} by metres beside the path')
    columns = [f'{x:g}' for x in offsets]
    for line in _table(scores, lambda x, s=score: x['offsets'][s], columns):
      print(line)
  for name in WHOLE:
    if name in scores:
      print(f'\n{name}: rank correlation of information gain with the error')
      print(f'{_TRUST_OFFSET:g} m aside, by pixel and by block; edits in dB')
      for line in _table({name: scores[name]}, _of_whole, _WHOLE_COLUMNS):
        print(line)
  if {_ALONE, _TOGETHER} <= scores.keys():
    print('\nPSNR of held-out frames of each traversal, dB')
    rows = [
      [name, '; '.join(_mean([x['own'] for x in scores[name].values()]))]
      for name in (_BEFORE, _ALONE, _TOGETHER)
      if name in scores
    ]
    for line in tables.markdown(['', 'first; second'], rows):
      print(line)
  report.plots.curves(
    workdir / 'offsets.svg',
    {
      name: (
        offsets,
        np.mean([x['offsets']['psnr'] for x in found.values()], 0),
      )
      for name, found in scores.items()
      if name != _ALONE
    },
    'metres beside the recorded path',
    'PSNR in dB',
  )


if __name__ == '__main__':
  training.cli.run(main)
