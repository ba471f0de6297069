# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Fills a bank with cars, walkers and cyclists out of fitted built-in streets.

The bank that the package ships, whose agents drive where a recording has no
boxes, was written by

  python -m experiments.fill_bank --workdir=runs/bank \
    --bank=rdrl/splat/files/bank

from streets that no preset trains on or scores. Of each street it takes those
of each class whom the cameras saw best. A killed run goes on.
"""

import pathlib

import numpy as np

from experiments import flags as shared
from experiments import presets
from rdrl import pipeline
from rdrl import splat
from rdrl import training
from rdrl import types

_STREETS = shared.flag('streets', ['1000', '1001'])
_WORKDIR = shared.flag('workdir', 'runs/bank')
_SEED = shared.flag('seed')
_SET = shared.flag('set')
_BANK = shared.flag('bank')

# On top of preset quickstart: cars are seen from all sides, and look alike
# where they were not.
_OVERRIDES = (
  'splat.fit.num_gaussians=12288',
  'splat.fit.gaussians_per_object=320',
  'splat.fit.num_steps=1200',
  'splat.fit.mirror_share=0.2',
  'splat.fit.likeness_weight=0.02',
  'splat.fit.clears_boxes=True',
)
# How many of each class a street gives.
_WANTED = {types.VEHICLE: 2, types.PEDESTRIAN: 1, types.CYCLIST: 1}


def fill(bank, fits):
  """Saves the best seen agents of `pipeline.Fitted` drives.

  Args:
    bank: `splat.AssetBank`.
    fits: of built-in streets.
  """
  for fitted in fits:
    scene = fitted.scene
    order = np.argsort(-splat.assets.prominence(scene.tracks, scene.sizes))
    for kind, count in _WANTED.items():
      chosen = [a for a in order if a and scene.classes[a] == kind]
      for rank, agent in enumerate(chosen[:count]):
        name = f'{splat.assets.CLASSES[kind]}-{fitted.recording.name}-{rank}'
        source = f'built-in street, agent {agent} of {fitted.recording.name}'
        asset = splat.assets.extract(
          scene, int(agent), name.replace('_', '-'), source
        )
        print(bank.save(asset, overwrite=True), len(asset.gaussians.node))


def main():
  if not _BANK.value:
    raise training.config.ConfigError(
      '--bank: not set, but that is where assets go'
    )
  config = training.config.override(
    presets.get('quickstart'),
    (
      *_OVERRIDES,
      f'train_seeds={shared.numbers(_STREETS, int)}',
      'test_seeds=()',
      *_SET.value,
    ),
  )
  request = pipeline.Request('world', None, _SEED.value, config)
  pipeline.check_source(request)
  training.mesh.start()
  training.config.record(_WORKDIR.value, request)
  run = pipeline.Run(request, pathlib.Path(_WORKDIR.value))
  fits = pipeline.fit(run, pipeline.record(run))
  fill(splat.AssetBank(_BANK.value), fits)


if __name__ == '__main__':
  training.cli.run(main)
