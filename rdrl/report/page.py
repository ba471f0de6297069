# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A folder that shows a run: page, videos, plots and figures.

`write` fills `index.html`, `media/`, `metrics.json`, `timing.json` and, where
drives are scored, `drives.html`, which lists all of them, worst first. Nothing
outside the folder is referred to, and except for `timing.json` the same content
gives the same bytes.
"""

from collections.abc import Mapping
import json
import math
import pathlib

import numpy as np

from rdrl import training
from rdrl import types
from rdrl.report import animation
from rdrl.report import comparison
from rdrl.report import media as media_lib
from rdrl.report import overview
from rdrl.report import plots
from rdrl.report import templates
from rdrl.report import top_view
from rdrl.report import videos
from rdrl.report.content import Content
from rdrl.report.templates import number


def write(path, content: Content, encoded=None):
  """Writes a report, whole or not at all.

  It is built beside `path` and then takes its place; when something fails, the
  report that was there stays.

  Args:
    path: folder of the report; what it held is replaced.
    content: what to show.
    encoded: dictionary that is given again and again to write the report of
      what goes on: videos that have not changed are taken from it.

  Returns:
    Path of `index.html`.

  Raises:
    ValueError: if drives that are compared did not meet the same scenarios.
  """
  path = pathlib.Path(path).absolute()
  with training.folders.replacing(path) as building:
    _build(building, content, {} if encoded is None else encoded)
  return path / 'index.html'


def _build(folder, content, encoded):
  compared = comparison.compare(content.driving) if content.driving else None
  _write_json(folder / 'metrics.json', _figures(content, compared))
  _write_json(folder / 'timing.json', {'seconds': dict(content.timing)})

  def render(name, template, **fields):
    text = templates.render(
      template, title=content.title, facts=content.facts, **fields
    )
    (folder / name).write_text(text, encoding='utf-8')

  with media_lib.opened(folder / 'media', encoded) as media:

    def each(section, nouns):
      return [section(media, i, noun) for i, noun in enumerate(nouns)]

    drives, worst = [], None
    if compared:
      drives = _drives(media, content.driving, compared)
      worst = _worst(media, content.driving, compared, drives)
    if drives:
      render('drives.html', 'drives.html', rows=drives)
    render(
      'index.html',
      'page.html',
      tiles=list(_tiles(content, compared)),
      overview=_overview(media, content),
      inspections=each(_inspection, content.inspections),
      reconstructions=each(_reconstruction, content.reconstructions),
      shifts=each(_shift, content.shifts),
      scenarios=_scenarios(media, content.scenarios),
      curves=each(_curve, content.curves),
      driving=compared,
      showcases=each(_showcase, content.showcases),
      worst=worst,
    )


def _figures(content, compared):
  """The numbers behind the page."""

  def over_offset(curves, name):
    return {
      label: {'offset': list(offset), name: list(values)}
      for label, (offset, values) in curves.items()
    }

  return {
    'facts': dict(content.facts),
    'scene': {i.name: dict(i.scores) for i in content.inspections},
    'offset': {
      i.name: {k: over_offset(v, 'value') for k, v in i.curves.items()}
      for i in content.inspections
    },
    'reconstruction': {r.name: r.psnr for r in content.reconstructions},
    'shifted': {s.name: over_offset(s.psnr, 'psnr') for s in content.shifts},
    'scenarios': dict(content.scenarios.counts) if content.scenarios else {},
    'driving': compared.figures if compared else {},
  }


def _write_json(path, tree):
  text = json.dumps(
    _plain(tree), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
  )
  path.write_text(text + '\n', encoding='utf-8')


def _plain(x):
  """JSON's own types; floats to five digits, null for what is not finite."""
  if isinstance(x, Mapping):
    return {str(key): _plain(value) for key, value in x.items()}
  if isinstance(x, (list, tuple, np.ndarray)):
    return [_plain(value) for value in x]
  if isinstance(x, (bool, np.bool_)):
    return bool(x)
  if isinstance(x, (int, np.integer)):
    return int(x)
  if isinstance(x, str) or x is None:
    return x
  return float(f'{float(x):.5g}') if math.isfinite(x) else None


def _list(names):
  """'a', 'a and b', 'a, b and c'."""
  names = list(names)
  if len(names) < 2:
    return ''.join(names)
  return ', '.join(names[:-1]) + ' and ' + names[-1]


def _tiles(content, compared):
  """Value, label and note of each headline."""
  headlines = [
    list(next(iter(r.psnr.values())).values())[-1]
    for r in content.reconstructions
    if r.psnr
  ]
  if headlines:
    yield (
      f'{number(np.mean(headlines), 1)} dB',
      'PSNR of held-out frames on the recorded path',
      _count(len(headlines)),
    )
  pairs = [pair for s in content.shifts if (pair := _at_offset(s))]
  if pairs:
    before, after = np.mean(pairs, 0)
    offset = content.shifts[0].offset
    yield (
      f'{number(after - before, 1, True)} dB',
      f'gained by refinement {number(offset, 1)} m off the path',
      f'{number(before, 1)} → {number(after, 1)} dB, {_count(len(pairs))}',
    )
  if not compared:
    return
  figures, policies = compared.figures, compared.policies
  first, *others = compared.worlds
  for world in compared.worlds:
    ratios = [100 * figures[world][p]['collision']['mean'] for p in policies]
    yield (
      ' → '.join(f'{number(ratio, 1)} %' for ratio in ratios),
      f'drives with a collision: {" → ".join(policies)}',
      world,
    )
  for world in others:
    interval = figures[f'{world} - {first}'][policies[-1]]['collision']
    gap, low, high = (100 * interval[k] for k in ('mean', 'low', 'high'))
    yield (
      f'{number(gap, 1, True)} points',
      f'sim-to-real gap in collisions of {policies[-1]}',
      f'{number(low, 1)} to {number(high, 1)}, 95 % interval',
    )


def _overview(media, content):
  """Name of the picture of the whole run, None until there is a drive."""
  if not content.shifts or not content.showcases:
    return None
  # Streets that the policy never learnt on come last.
  image = overview.picture(content.shifts[-1], content.showcases[0])
  return media.image('overview.png', image)


def _count(drives):
  return 'one drive' if drives == 1 else f'mean of {drives} drives'


def _at_offset(shift):
  """PSNR of the first and of the last stage at the offset shown, if known."""
  values = [
    psnr[list(offsets).index(shift.offset)]
    for offsets, psnr in shift.psnr.values()
    if shift.offset in list(offsets)
  ]
  return (values[0], values[-1]) if len(values) > 1 else None


def _reconstruction(media, index, reconstruction):
  r = reconstruction
  marks = [' · held out' if held else '' for held in np.asarray(r.held_out)]
  columns = list(dict.fromkeys(c for row in r.psnr.values() for c in row))
  return {
    'name': r.name,
    'video': media.film(
      f'reconstruction_{index}.mp4', _above_each_other(r.frames, marks)
    ),
    'caption': f'The same moments, from top to bottom: {_list(r.frames)}; '
    f'{_cameras(r.cameras)}. Frames marked “held out” are never fitted.',
    'columns': columns,
    'rows': [
      (row, [values.get(column) for column in columns])
      for row, values in r.psnr.items()
    ],
  }


def _inspection(media, index, inspection):
  name = f'inspection_{index}'
  # Held-out moments are far apart: half a second each.
  slowly = {
    label: np.repeat(np.asarray(x), 5, 0)
    for label, x in inspection.frames.items()
  }
  flight = videos.enlarge(inspection.flight, 640)
  return {
    'name': inspection.name,
    'video': media.film(f'{name}.mp4', _above_each_other(slowly)),
    'caption': 'Moments that were never fitted, from top to bottom: '
    f'{_list(inspection.frames)}; {_cameras(inspection.cameras)}.',
    'flight': media.film(f'{name}_flight.mp4', flight),
    'above': media.image(f'{name}_above.png', inspection.above),
    'plots': [
      (_over_offset(media, f'{name}_{number}.svg', series, score), score)
      for number, (score, series) in enumerate(inspection.curves.items())
    ],
    'scores': inspection.scores,
  }


def _shift(media, index, shift):
  name = f'shift_{index}'
  side = 'left' if shift.offset >= 0 else 'right'
  return {
    'name': shift.name,
    'video': media.film(f'{name}.mp4', _above_each_other(shift.frames)),
    'caption': f'The cameras {number(abs(shift.offset), 1)} m to the {side} '
    f'of the recorded path, from top to bottom: {_list(shift.frames)}; '
    f'{_cameras(shift.cameras)}.',
    'plot': _over_offset(media, f'{name}.svg', shift.psnr, 'PSNR in dB')
    if shift.psnr
    else None,
  }


def _over_offset(media, name, series, label):
  return media.draw(name, plots.curves, series, 'lateral offset in m', label)


def _cameras(names):
  """A phrase that names the cameras."""
  if len(names) == 1:
    return f'camera {names[0]}'
  return f'cameras {_list(names)} from left to right'


def _above_each_other(frames, marks=None):
  """Labelled panoramas; `marks` `[N]` go behind the labels."""
  marks = marks or [''] * len(next(iter(frames.values())))
  return videos.stack(
    [
      videos.caption(
        videos.enlarge(videos.panorama(np.asarray(images)), 640),
        [label + mark for mark in marks],
      )
      for label, images in frames.items()
    ],
    gap=0,
  )


def _scenarios(media, scenarios):
  if scenarios is None:
    return None
  is_rated = any(map(len, scenarios.difficulty.values()))
  return {
    'plot': media.draw(
      'scenarios.svg', plots.bars, scenarios.counts, 'number of edits'
    ),
    'told': [
      {
        'sentence': sentence,
        'counts': ', '.join(f'{name} {n}' for name, n in told.counts.items()),
        'image': None
        if told.image is None
        else media.image(f'told_{index}.png', told.image),
        'name': told.name,
      }
      for index, (sentence, told) in enumerate(scenarios.sentences.items())
    ],
    'balance': media.draw(
      'balance.svg',
      plots.shares,
      scenarios.balance,
      'share of demonstrations',
    )
    if scenarios.balance
    else None,
    'total': sum(scenarios.counts.values()),
    'difficulty': media.draw(
      'difficulty.svg',
      plots.histogram,
      scenarios.difficulty,
      scenarios.difficulty_label,
      'accepted scenarios',
    )
    if is_rated
    else None,
    'difficulty_label': scenarios.difficulty_label,
    'residuals': scenarios.residuals,
    'never_accepted': {
      name.replace('_', ' '): reasons
      for name, reasons in scenarios.never_accepted.items()
    },
  }


def _curve(media, index, curve):
  plot = media.draw(
    f'curve_{index}.svg',
    plots.curves,
    curve.series,
    curve.x_label,
    curve.y_label,
  )
  return {'title': curve.title, 'caption': curve.caption, 'plot': plot}


def _showcase(media, index, showcase):
  drives = [drive for drive, _ in showcase.drives.values()]
  columns = []
  for label, (drive, views) in showcase.drives.items():
    seen = videos.enlarge(videos.panorama(np.asarray(views)), 640)
    frame = top_view.fit_frame(drives, seen.shape[2], 240)
    above = top_view.animate(drive, showcase.lane_map, frame)
    speed = np.asarray(drive.agents.speed)[:, 0]
    lines = [
      f'{label} · {i * types.TIME_STEP:.1f} s · {speed[i]:.1f} m/s'
      for i in range(len(seen))
    ]
    lines[-1] += f' · {comparison.outcome(drive)}'
    columns.append(videos.caption(videos.stack([seen, above], 0), lines))
  return {
    'name': showcase.name,
    'video': media.film(f'drive_{index}.mp4', videos.beside(columns)),
    'caption': f'{showcase.caption} {_list(showcase.drives)}, from left to '
    f'right. Each: {_cameras(showcase.cameras)}; the drive from above; the '
    'reward terms of each decision, green gained, red lost, and their sums.',
  }


def _drives(media, driving, compared):
  """Rows of all drives, worst first, each with its animation from above."""
  return [
    row
    | {
      'animation': media.draw(
        f'drive_{rank}.svg',
        animation.write,
        row['drive'],
        row['lane_map'],
        f'{row["policy"]} in {row["world"]}, scenario {row["scenario"]}, '
        f'{row["behaviour"]}: {row["outcome"]}',
      )
    }
    for rank, row in enumerate(comparison.ranked(driving, compared))
  ]


def _worst(media, driving, compared, drives):
  """Pictures of drives of the last policy in the last world, worst first."""
  world, policy = compared.worlds[-1], compared.policies[-1]
  mine = [x for x in drives if (x['world'], x['policy']) == (world, policy)]
  rows = []
  for rank, row in enumerate(mine[: driving.num_worst]):
    frame = top_view.fit_frame([row['drive']], 480, 200)
    image = top_view.picture(row['drive'], row['lane_map'], frame)
    picture = media.image(f'worst_{rank}.png', image)
    rows.append(row | {'picture': picture})
  return {'world': world, 'policy': policy, 'rows': rows}
