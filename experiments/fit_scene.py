# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Fits scenes to drives and writes a page that shows how good they are.

On the built-in world:

  python -m experiments.fit_scene --preset=cpu --streets=1 \
    --workdir=runs/scene

On a real drive:

  python -m experiments.fit_scene --preset=cpu --log=kitti \
    --data_dir=../shared/data/kitti_raw_0001 --workdir=runs/scene_kitti

The page, WORKDIR/report/index.html, has held-out moments beside the truth,
errors, expected errors (information gain), depth, a flight around the car, the
Gaussians from above and, for the built-in world, scores against the truth to
both sides of the path; metrics.json holds the figures. WORKDIR/scenes holds the
scenes, which `experiments.edit_scene` reads. A killed fit resumes when started
again. `--set=splat.fit.num_steps=500` sets any field of the configuration;
`--print_config` shows them all.
"""

import dataclasses
import json
import pathlib
import resource

import jax
import numpy as np

from experiments import flags as shared
from experiments import presets
from experiments import sources
from rdrl import pipeline
from rdrl import report
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl.report import scene_scores
from rdrl.report import trust_scores

_PRESET = shared.flag('preset', 'cpu')
_LOG = shared.flag('log', pipeline.SOURCES[0])
_DATA_DIR = shared.flag('data_dir')
_STREETS = shared.flag('streets', ['1'])
_WORKDIR = shared.flag('workdir', 'runs/scene')
_SEED = shared.flag('seed')
_SET = shared.flag('set')
_OFFSETS = shared.flag('offsets', ['0', '1', '2', '3', '4', '5', '6'])
_PRINT_CONFIG = shared.flag('print_config')

# Flight around the ego: frames, metres from the car and above it.
_FLIGHT_FRAMES, _FLIGHT_RADIUS, _FLIGHT_HEIGHT = 90, 11.0, 5.0
# Factor by which errors are enlarged.
_GAIN = 4
# Nats of information gain at half brightness.
_HALF_GAIN = 2.0
# Metres to the side at which it is compared with the true error.
_TRUST_OFFSET = 3.0
# Metres of depth at half brightness.
_HALF_DEPTH = 15.0
# Steps between scored moments of shifted views.
_STRIDE = 20


def _request():
  config = dataclasses.replace(
    presets.get_scene(_PRESET.value, _LOG.value != pipeline.SOURCES[0]),
    shown_offsets=shared.numbers(_OFFSETS, float),
  )
  if _LOG.value == 'world':
    streets = shared.numbers(_STREETS, int)
    config = dataclasses.replace(config, train_seeds=streets, test_seeds=())
  return pipeline.Request(
    source=_LOG.value,
    data_dir=_DATA_DIR.value and str(pathlib.Path(_DATA_DIR.value).resolve()),
    seed=_SEED.value,
    config=training.config.override(config, _SET.value),
  )


def inspect(fitted, config):
  """Scores and shows a `pipeline.Fitted`; returns `report.page.Inspection`."""
  recording, scene = fitted.recording, fitted.scene
  name, log, street = recording.name, recording.log, recording.street
  steps = np.flatnonzero(log.is_held_out)
  cameras, agents = trees.take((log.cameras, log.tracks), steps)
  seen = scene_scores.rendered(
    scene, cameras, agents, config.splat.render, steps=steps
  )
  keys = jax.random.split(jax.random.key(_SEED.value))
  known = trust_scores.know(scene, log, config.splat.render, keys[0])
  gain = trust_scores.maps(
    known, cameras, agents, steps, config.splat.render, keys[1]
  )['gain'][..., None]
  recorded = np.asarray(log.images[steps])
  color = report.videos.to_bytes(seen.color)
  error = np.abs(color.astype(int) - recorded)
  order = list(report.videos.left_to_right(recorded.shape[1]))
  frames = {
    'recorded': recorded,
    'reconstructed': color,
    f'error, {_GAIN} times': np.minimum(_GAIN * error, 255).astype(np.uint8),
    'information gain': report.videos.to_bytes(
      np.repeat(gain / (gain + _HALF_GAIN), 3, -1)
    ),
    'depth, near is bright': report.videos.to_bytes(
      np.repeat(
        seen.alpha[..., None] / (1 + seen.depth[..., None] / _HALF_DEPTH), 3, -1
      )
    ),
  }
  found = fitted.metrics
  scores = {
    'PSNR of held-out frames, dB': found['psnr'],
    'SSIM of held-out frames': found['ssim'],
    'PSNR where lidar hits, dB': found['psnr_lidar'],
    'entries without room, most in a frame': found['overflow'],
    'Gaussians': len(scene.gaussians.node),
    'steps': config.splat.fit.num_steps,
  }
  if recording.aside is not None:
    aside = splat.evaluate(scene, recording.aside, config.splat.render)
    scores['PSNR of a camera that was never fitted, dB'] = aside['psnr']
  curves = {}
  if street is not None:
    true = scene_scores.held_out_scores(scene, street, log, config.splat.render)
    scores |= {scene_scores.LABELS[k]: v for k, v in true.items()}
    found = scene_scores.offset_curves(
      street,
      {name: scene},
      config.shown_offsets,
      _STRIDE,
      config.splat.render,
    )
    for score, label in (('psnr', 'PSNR in dB'), ('ssim', 'SSIM')):
      curves[label] = {k: (c['offset'], c[score]) for k, c in found.items()}
    found = trust_scores.trust_scores(
      street, known, config.splat.render, keys[1], _TRUST_OFFSET, _STRIDE
    )
    print(f'{name}, rank correlations with the error:', json.dumps(found))
    label = (
      f'rank correlation of information gain with the error {_TRUST_OFFSET:g}'
      ' m aside'
    )
    scores[label] = found['gain']['pixels_absolute_pooled']
    scores[f'{label}, blocks'] = found['gain']['blocks_absolute_pooled']
  return report.content.Inspection(
    name=name,
    cameras=report.videos.camera_names(len(order)),
    frames={k: x[:, order] for k, x in frames.items()},
    above=report.above.picture(scene, len(log.times) // 2),
    flight=_flight(scene, config.splat.render),
    scores=scores,
    curves=curves,
  )


def _flight(scene, config):
  """Uint8 `[n, h, w, 3]` around the ego in the middle of the drive."""
  agents = trees.take(scene.tracks, len(scene.tracks.valid) // 2)
  return report.videos.to_bytes(
    scene_scores.flight(
      scene, agents, 0, config, _FLIGHT_FRAMES, _FLIGHT_RADIUS, _FLIGHT_HEIGHT
    )
  )


def main():
  request = _request()
  if _PRINT_CONFIG.value:
    print(json.dumps(training.config.flatten(request.config), indent=2))
    return
  pipeline.check_source(request)
  training.mesh.start()
  training.config.record(_WORKDIR.value, request)
  workdir = pathlib.Path(_WORKDIR.value)
  run = pipeline.Run(request, workdir, sources.preparer(request.source))
  timing = pipeline.Timing()
  with timing.stage('record'):
    recordings = pipeline.record(run)
  fits = []
  for name in pipeline.groups(recordings):
    with timing.stage(f'fit {name}'):
      fits += pipeline.fit_group(run, recordings, name)
  for fitted in fits:
    directory = workdir / 'scenes' / fitted.recording.name
    if training.checkpoints.latest_step(directory) is None:
      scene = jax.tree.map(np.asarray, fitted.scene)
      training.checkpoints.save(directory, 0, scene)
  inspections = []
  for fitted in fits:
    with timing.stage(f'score {fitted.recording.name}'):
      inspections.append(inspect(fitted, request.config))
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
  print(f'peak memory: {peak:.1f} GiB')
  for inspection in inspections:
    print(inspection.name, json.dumps(inspection.scores))
  path = report.page.write(
    workdir / 'report',
    report.content.Content(
      title='Reconstruction',
      facts={'log': request.source, 'seed': request.seed},
      timing=timing.seconds,
      inspections=inspections,
    ),
  )
  print(f'report: {path}')


if __name__ == '__main__':
  training.cli.run(main)
