# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What the report shows of the stages that are done.

Each function takes the run and the nouns of its stages by their names, and
returns a part of `report.content.Content`.
"""

import collections

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import learn
from rdrl import refine as refinement
from rdrl import report
from rdrl import scenario
from rdrl import training
from rdrl import trees
from rdrl.pipeline import stages
from rdrl.report import scene_scores

_LABELS = {'imitation': 'imitation', 'dagger': 'DAgger', 'ppo': 'PPO'}


def facts(run, nouns):
  """What ran; nothing that differs between two runs of the same."""
  found = {
    'log': run.request.source,
    'seed': run.request.seed,
    'drives fitted': len(nouns['record']),
    'Gaussians': run.config.splat.fit.num_gaussians,
  }
  if 'imitate' in nouns:
    found['scenarios to train on'] = int(nouns['imitate'].env.num_scenarios)
  if 'evaluate' in nouns:
    found['drives scored'] = len(nouns['evaluate'].indices)
  return found


def recorded(run, nouns):
  """`Reconstruction` of each drive of which there is only the recording."""
  return [
    _reconstruction(run, one, {'recorded': one.log.images}, {})
    for one in nouns['record']
  ]


def fitted(run, nouns):
  """`Reconstruction` of each drive as fitted, of its held-out moments."""

  def one(fitted):
    recording = fitted.recording
    steps = np.flatnonzero(recording.log.is_held_out)
    rows = stages.psnr_rows(fitted.metrics) if fitted.metrics else ()
    return _reconstruction(
      run,
      recording,
      {
        'recorded': recording.log.images[steps],
        'reconstructed': _rendered(run, recording, fitted.scene, steps),
      },
      {row: {'fitted': value} for row, value in rows},
      steps,
    )

  return training.threads.each(one, nouns['fit'])


def refined(run, nouns):
  """`Reconstruction` of each drive after refinement."""

  def one(repaired):
    recording = repaired.recording
    steps = np.arange(len(recording.log.times))
    rendered = _rendered(run, recording, repaired.scene, steps)
    return _reconstruction(
      run,
      recording,
      {'recorded': recording.log.images, 'reconstructed': rendered},
      repaired.held_out,
    )

  return training.threads.each(one, nouns['refine'])


def _rendered(run, recording, scene, steps):
  """Uint8 `[n, C, H, W, 3]` of a scene at steps of its recording."""
  cameras, agents = trees.take(
    (recording.log.cameras, recording.log.tracks), steps
  )
  seen = scene_scores.rendered(
    scene, cameras, agents, run.config.splat.render, steps=steps
  )
  return report.videos.to_bytes(seen.color)


def _reconstruction(run, recording, frames, psnr, steps=None):
  count = recording.log.images.shape[1]
  order = list(report.videos.left_to_right(count))
  if steps is None:
    steps = np.arange(len(recording.log.times))
  return report.content.Reconstruction(
    name=recording.name,
    cameras=report.videos.camera_names(count),
    frames={label: images[:, order] for label, images in frames.items()},
    held_out=recording.log.is_held_out[steps],
    psnr=psnr,
  )


def shifts(run, nouns):
  """`Shift` of each drive."""
  return training.threads.each(lambda x: _shift(run, x), nouns['refine'])


def _shift(run, repaired):
  """The last round's restored clips at one offset, and what became of them."""
  repair, street = repaired.repair, repaired.recording.street
  offset = float(np.max(repair.offset))
  at_offset = np.flatnonzero(repair.offset == np.float32(offset))
  count = repaired.recording.log.images.shape[1]
  order = list(report.videos.left_to_right(count))

  def by_moment(x):
    """`[M, F, ...]` to `[clips * F, C, ...]`, cameras from left to right."""
    clips = x[at_offset].reshape(-1, count, *x.shape[1:])
    moments = np.moveaxis(clips, 1, 2)[:, :, order]
    return moments.reshape(-1, count, *moments.shape[3:])

  steps = repair.steps[at_offset].reshape(-1, count, repair.steps.shape[1])
  steps = steps[:, 0].reshape(-1)
  scene = repaired.scene
  cameras = refinement.shifted_cameras(scene, offset, steps)
  agents = jax.tree.map(lambda x: jnp.asarray(x)[steps], scene.tracks)
  refined = scene_scores.rendered(
    scene, cameras, agents, run.config.splat.render, steps=steps
  )
  frames = {
    'as reconstructed': by_moment(repair.degraded),
    'as restored': by_moment(repair.restored),
    'after refinement': report.videos.to_bytes(refined.color)[:, order],
  }
  if street is not None:
    truth = scene_scores.truth(street, cameras, agents)
    frames['the truth'] = report.videos.to_bytes(truth)[:, order]
  return report.content.Shift(
    name=repaired.recording.name,
    cameras=report.videos.camera_names(count),
    offset=offset,
    recorded=repaired.recording.log.images[steps][:, order],
    frames=frames,
    psnr=repaired.shifted,
  )


def scenarios(run, nouns):
  """Outcomes of all proposals, by behaviour, and what is imitated."""
  counts = {}
  for edited in nouns['scenarios']:
    for behaviour, reasons in edited.counts.items():
      if behaviour in run.config.scenario.sentences:
        continue
      for reason, number in reasons.items():
        label = f'{behaviour}: {reason}'.replace('_', ' ')
        counts[label] = counts.get(label, 0) + number
  balance = {}
  if 'imitate' in nouns:
    balance = learn.balance(nouns['imitate'].demonstrations)
  return report.content.Scenarios(
    {k: v for k, v in counts.items() if v},
    balance=balance,
    sentences={
      sentence: _told(run, nouns, sentence)
      for sentence in run.config.scenario.sentences
    },
    residuals=residuals(nouns),
    never_accepted=stages.never_accepted(nouns['scenarios']),
  )


def residuals(nouns):
  """How far references of drives are from the recorded ego.

  Returns:
    Name of a drive whose places jitter to metres: root of the mean square, and
    at most.
  """
  found = {}
  for repaired, edited in zip(nouns['refine'], nouns['scenarios'], strict=True):
    # All but cousins leave the ego's reference alone.
    alone = scenario.select(edited.variants, ('log', *scenario.ADVERSARIES))
    if not len(alone.scene):
      continue
    recorded = trees.take(repaired.scene.tracks, (slice(None), slice(1)))
    reference = trees.take(alone.tracks, (0, slice(None), slice(1)))
    (rms,), (most,) = scenario.smoothing.residual(recorded, reference)
    if most:
      found[repaired.recording.name] = float(rms), float(most)
  return found


def _told(run, nouns, sentence):
  """`Told` of a sentence: draws in all drives, the first that was accepted."""
  total, shown = collections.Counter(), {}
  for repaired, edited in zip(nouns['donors'], nouns['scenarios'], strict=True):
    total.update(edited.counts.get(sentence, {}))
    found = scenario.of_sentences(
      edited.variants, edited.counts, run.config.scenario
    )
    if sentence in found and not shown:
      variant = trees.take(found[sentence], 0)
      lane_map = repaired.recording.log.map
      shown = {
        'image': report.top_view.replayed(
          repaired.scene, variant, lane_map, run.config.sim
        ),
        'name': repaired.recording.name,
      }
  counts = {k.replace('_', ' '): v for k, v in total.items() if v}
  return report.content.Told(counts, **shown)


def curves(run):
  """`Curve` of each training that has begun."""

  def lines(*names):
    return training.loop.read_metrics(run.folder(*names))

  found = [
    report.content.Curve.from_lines(
      'Prior',
      lines('prior'),
      {'loss': 'v-prediction loss'},
      'loss',
      'Error of the denoised clips, means over the steps between two points.',
    ),
    *(
      report.content.Curve.from_lines(
        title,
        lines('imitation', name),
        {'imitation_loss': 'cross entropy', 'seen_loss': 'perception'},
        'loss',
        f'Of the anchors that {who} chose, likewise.',
      )
      for title, name, who in _imitated(run.config.dagger)
    ),
    report.content.Curve.from_lines(
      'PPO',
      lines('ppo'),
      {'collision_ratio': 'drives with a collision'},
      'share of drives',
      'Drives with a collision, by update, on the training scenarios.',
    ),
  ]
  return [c for c in found if any(len(x) for x, *_ in c.series.values())]


def _imitated(config):
  """Title, folder and teachers of each training of stage 1."""
  yield 'Imitation', 'recorded', 'the expert and its cousins'
  for number, (share, _) in enumerate(config.rounds):
    who = f'the expert, its cousins and the {config.teacher}'
    title = f'DAgger {number + 1}, the teacher drives {share:.0%}'
    yield title, f'round_{number}', who


def driving(run, nouns):
  """The scores of all drives."""
  del run
  evaluated = nouns['evaluate']
  return report.content.Driving(
    drives=evaluated.drives,
    maps=[one.recording.log.map for one in nouns['refine']],
    scenes=np.asarray(evaluated.envs['simulator'].scenarios.scene),
    behaviours=scenario.BEHAVIOURS,
  )


def showcases(run, nouns):
  """`Showcase` of each world."""
  return training.threads.each(
    lambda name: _showcase(run, nouns['donors'], nouns['evaluate'], name),
    nouns['evaluate'].envs,
  )


def _showcase(run, repaired, evaluated, name):
  """A drive that imitation fails and the last policy masters, if any."""
  env, drives = evaluated.envs[name], evaluated.drives[name]
  failed = [
    np.any(d.events.dynamic_collision | d.events.static_collision, -1)
    for d in drives.values()
  ]
  telling = np.flatnonzero(failed[0] & ~failed[-1])
  chosen = int(telling[0]) if len(telling) else 0
  *_, last = (_LABELS[policy] for policy in drives)
  scenes = np.asarray(env.scenarios.scene)
  index = int(scenes[int(drives['imitation'].scenario[chosen])])
  log = repaired[index].recording.log
  count, height, width = log.images.shape[1:4]
  renderer = stages.renderer(run, repaired, name == 'world', height, width)
  order = list(report.videos.left_to_right(count))
  filmed = {}
  for policy, drive in drives.items():
    one = trees.take(drive, chosen)
    start = int(env.scenarios.start[int(one.scenario)])
    frames = report.film(
      renderer, repaired[index].scene, index, one, height, width, start
    )
    filmed[_LABELS[policy]] = one, frames[:, order]
  reason = (
    f'the first one in which imitation collides and {last} does not'
    if len(telling)
    else 'the first one'
  )
  return report.content.Showcase(
    name=f'One scenario in the {name}',
    caption=f'Of the scored scenarios, {reason}.',
    cameras=report.videos.camera_names(count),
    lane_map=log.map,
    drives=filmed,
  )
