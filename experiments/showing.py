# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Measures the stages of a run and shows them in its report."""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import learn
from rdrl import refine
from rdrl import report
from rdrl import scenario
from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl.report import scene_scores

# Steps between two of the moments at which shifted views are compared.
_SHIFT_STRIDE = 20


def reconstruction_scores(place, config):
  """Figures of a reconstruction before and after refinement.

  Args:
    place: `road.Place` whose `fit` and `scene` are there.
    config: `presets.Config`.

  Returns:
    A dictionary: `held_out`, row to stage to dB, and `shifted`, stage to
    (offsets in metres, dB), empty without a street.
  """
  stages = {'fitted': place.fit.scene, 'refined': place.scene}
  held_out, shifted = {}, {}
  for stage, scene in stages.items():
    views = {'': place.log, 'aside, ': place.aside}
    for prefix, log in views.items():
      if log is None:
        continue
      for row, value in _psnr_rows(
        splat.evaluate(scene, log, config.splat.render)
      ):
        held_out.setdefault(prefix + row, {})[stage] = value
  if place.street is not None:
    curves = scene_scores.offset_curves(
      place.street,
      stages,
      config.shown_offsets,
      _SHIFT_STRIDE,
      config.splat.render,
    )
    shifted = {k: (c['offset'], c['psnr']) for k, c in curves.items()}
  return {'held_out': held_out, 'shifted': shifted}


def _psnr_rows(found):
  """Labels and dB out of what `splat.evaluate` returned."""
  cameras = [name for name in found if name.startswith('psnr_camera_')]
  names = (
    report.videos.CAMERAS
    if len(cameras) == len(report.videos.CAMERAS)
    else cameras
  )
  yield 'all cameras', found['psnr']
  yield 'where lidar hits', found['psnr_lidar']
  for name, label in zip(cameras, names, strict=True):
    yield label.removeprefix('psnr_').replace('_', ' '), found[name]


def write_report(road):
  """Writes the report of a finished `road.Road`; returns the page's path."""
  request, places = road.request, road.places
  variants = road.test_envs['simulator'].scenarios
  facts = {
    'log': request.source,
    'seed': request.seed,
    'drives fitted': len(places),
    'Gaussians': road.config.splat.fit.num_gaussians,
    'scenarios to train on': int(road.train_env.num_scenarios),
    'drives scored': len(road.test_indices),
  }
  content = report.page.Content(
    title='ReconDreamer-RL',
    facts=facts,
    timing=road.timing,
    reconstructions=training.threads.each(
      lambda name: _reconstruction(name, places[name], road.config), places
    ),
    shifts=training.threads.each(
      lambda name: _shift(name, places[name], road.config), places
    ),
    scenarios=_scenarios(road),
    curves=_curves(road.workdir),
    driving=report.page.Driving(
      drives={
        world_name: {
          policy_name: road.drives[policy_name, world_name]
          for policy_name in ('imitation', 'ppo')
        }
        for world_name in road.test_envs
      },
      maps=[place.log.map for place in places.values()],
      scenes=np.asarray(variants.scene),
      behaviours=scenario.BEHAVIOURS,
    ),
    showcases=_showcases(road),
  )
  return report.page.write(road.workdir / 'report', content)


def _reconstruction(name, place, config):
  log = place.log
  count = log.images.shape[1]
  rendered = report.videos.to_bytes(
    scene_scores.rendered(
      place.scene,
      log.cameras,
      log.tracks,
      config.splat.render,
      steps=np.arange(len(log.times)),
    ).color
  )
  order = list(report.videos.left_to_right(count))
  return report.page.Reconstruction(
    name=name,
    cameras=report.videos.camera_names(count),
    recorded=log.images[:, order],
    rendered=rendered[:, order],
    held_out=log.is_held_out,
    psnr=place.scores['held_out'],
  )


def _shift(name, place, config):
  """The last round's restored clips at one offset, and what became of them."""
  repair = place.repair
  offset = float(np.max(repair.offset))
  at_offset = np.flatnonzero(repair.offset == np.float32(offset))
  count = place.log.images.shape[1]
  order = list(report.videos.left_to_right(count))

  def by_moment(x):
    """`[M, F, ...]` to `[clips * F, C, ...]`, cameras from left to right."""
    clips = x[at_offset].reshape(-1, count, *x.shape[1:])
    moments = np.moveaxis(clips, 1, 2)[:, :, order]
    return moments.reshape(-1, count, *moments.shape[3:])

  steps = repair.steps[at_offset].reshape(-1, count, repair.steps.shape[1])
  steps = steps[:, 0].reshape(-1)
  cameras = refine.shifted_cameras(place.scene, offset, steps)
  agents = jax.tree.map(lambda x: jnp.asarray(x)[steps], place.scene.tracks)
  refined = scene_scores.rendered(
    place.scene, cameras, agents, config.splat.render, steps=steps
  )
  frames = {
    'as reconstructed': by_moment(repair.degraded),
    'as restored': by_moment(repair.restored),
    'after refinement': report.videos.to_bytes(refined.color)[:, order],
  }
  if place.street is not None:
    frames['the truth'] = report.videos.to_bytes(
      scene_scores.truth(place.street, cameras, agents)
    )[:, order]
  return report.page.Shift(
    name=name,
    cameras=report.videos.camera_names(count),
    offset=offset,
    frames=frames,
    psnr=place.scores['shifted'],
  )


def _scenarios(road):
  """Outcomes of all proposals, by behaviour, and what is imitated."""
  counts = {}
  for place in road.places.values():
    for behaviour, reasons in place.counts.items():
      for reason, number in reasons.items():
        label = f'{behaviour}: {reason}'.replace('_', ' ')
        counts[label] = counts.get(label, 0) + number
  return report.page.Scenarios(
    {k: v for k, v in counts.items() if v},
    balance=learn.balance(road.train_env.scenarios, road.config.imitation),
  )


def _curves(workdir):
  def lines(*names):
    return training.loop.read_metrics(workdir.joinpath(*names))

  curves = [
    report.page.Curve.from_lines(
      'Prior',
      lines('prior'),
      {'loss': 'v-prediction loss'},
      'loss',
      'Error of the denoised clips, means over the steps between two points.',
    ),
    report.page.Curve.from_lines(
      'Imitation',
      lines('imitation'),
      {'loss': 'cross entropy'},
      'loss',
      'Of the anchors that the expert and its cousins chose, likewise.',
    ),
    report.page.Curve.from_lines(
      'PPO',
      lines('ppo'),
      {'collision_ratio': 'drives with a collision'},
      'share of drives',
      'Drives with a collision, by update, on the training scenarios.',
    ),
  ]
  return [c for c in curves if any(len(x) for x, *_ in c.series.values())]


def _showcases(road):
  return training.threads.each(
    lambda world_name: _showcase(road, world_name), road.test_envs
  )


def _showcase(road, world_name):
  """A drive that imitation fails and PPO masters, where there is one."""
  env = road.test_envs[world_name]
  drives = [road.drives[p, world_name] for p in ('imitation', 'ppo')]
  failed = [
    np.any(d.events.dynamic_collision | d.events.static_collision, -1)
    for d in drives
  ]
  telling = np.flatnonzero(failed[0] & ~failed[1])
  chosen = int(telling[0]) if len(telling) else 0
  scene_index = int(env.scenarios.scene[int(drives[0].scenario[chosen])])
  place = list(road.places.values())[scene_index]
  height, width = place.log.images.shape[2:4]
  renderer = road.renderer(world_name == 'world', height, width)
  order = list(report.videos.left_to_right(place.log.images.shape[1]))
  filmed = {}
  for label, drive in zip(('imitation', 'PPO'), drives, strict=True):
    one = types.take(drive, chosen)
    start = int(env.scenarios.start[int(one.scenario)])
    frames = report.film(
      renderer, place.scene, scene_index, one, height, width, start
    )
    filmed[label] = one, frames[:, order]
  reason = (
    'the first one in which imitation collides and PPO does not'
    if len(telling)
    else 'the first one'
  )
  return report.page.Showcase(
    name=f'One scenario in the {world_name}',
    caption=f'Of the scored scenarios, {reason}.',
    cameras=report.videos.camera_names(len(order)),
    lane_map=place.log.map,
    drives=filmed,
  )
