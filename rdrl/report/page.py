# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A folder that shows a run: page, videos, plots and figures.

`write` fills `index.html`, `media/`, `metrics.json`, `timing.json` and, where
drives are scored, `drives.html`, which lists all of them, worst first. Nothing
outside the folder is referred to, and except for `timing.json` the same content
gives the same bytes.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import hashlib
import json
import math
import pathlib

import jax
import jinja2
import numpy as np

from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.report import animation
from rdrl.report import metrics
from rdrl.report import overview
from rdrl.report import plots
from rdrl.report import statistics
from rdrl.report import top_view
from rdrl.report import videos


@dataclasses.dataclass(frozen=True)
class Reconstruction:
  """How well a drive was reconstructed along its own path.

  Attributes:
    name: of the drive.
    cameras: names `[C]`, from left to right.
    frames: what is shown, `recorded` and, once there is one, `reconstructed`,
      to uint8 `[N, C, H, W, 3]` of the same moments, from top to bottom.
    held_out: `[N]` bool, frames that were never fitted.
    psnr: row, such as a camera, to column, such as a stage, to dB on held-out
      frames; the last column of the first row is the headline. Empty until
      something was fitted.
  """

  name: str
  cameras: Sequence[str]
  frames: Mapping[str, np.ndarray]
  held_out: np.ndarray
  psnr: Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Shift:
  """What a scene looks like beside its recorded path.

  Attributes:
    name: of the drive.
    cameras: names `[C]`, from left to right.
    offset: metres to the left.
    recorded: uint8 `[N, C, H, W, 3]` on the path at the same moments.
    frames: what is shown to uint8 `[N, C, H, W, 3]` of the same moments, from
      top to bottom: as reconstructed, as restored, after refinement and, where
      there is one, the truth.
    psnr: stage to (offsets in metres, dB against the truth), the first stage
      before and the last one after refinement; empty without a truth.
  """

  name: str
  cameras: Sequence[str]
  offset: float
  recorded: np.ndarray
  frames: Mapping[str, np.ndarray]
  psnr: Mapping[str, tuple[Sequence[float], Sequence[float]]]


@dataclasses.dataclass(frozen=True)
class Inspection:
  """A reconstruction to look at from all sides.

  Attributes:
    name: of the drive.
    cameras: names `[C]`, from left to right.
    frames: what is shown to uint8 `[N, C, H, W, 3]` of held-out moments, from
      top to bottom.
    above: uint8 `[h, w, 3]`, its Gaussians from above by node.
    flight: uint8 `[n, h, w, 3]`, a flight around the recorded car.
    scores: label, with unit, to number.
    curves: score, with unit, to label to (offsets in metres, values).
  """

  name: str
  cameras: Sequence[str]
  frames: Mapping[str, np.ndarray]
  above: np.ndarray
  flight: np.ndarray
  scores: Mapping[str, float]
  curves: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]]


@dataclasses.dataclass(frozen=True)
class Told:
  """What became of a sentence that told of an adversary.

  Attributes:
    counts: `accepted` or a reason to reject, to a number of draws.
    image: uint8 `[H, W, 3]`, one accepted scenario from above with the ego as
      recorded, or None if there is none.
    name: of the drive that it shows.
  """

  counts: Mapping[str, int]
  image: np.ndarray | None = None
  name: str = ''


@dataclasses.dataclass(frozen=True)
class Scenarios:
  """Counts and difficulties of the edits of the recorded drives.

  Attributes:
    counts: outcome, such as `accepted` or a reason to reject, to a number.
    difficulty: behaviour to the difficulties `[n]` of its accepted scenarios;
      may be empty.
    difficulty_label: what a difficulty is, with its unit.
    balance: `before` and `after`, each manoeuvre to its share of what is
      imitated; may be empty.
    sentences: each that told of an adversary to what became of it; may be
      empty.
  """

  counts: Mapping[str, int]
  difficulty: Mapping[str, Sequence[float]] = dataclasses.field(
    default_factory=dict
  )
  difficulty_label: str = 'difficulty'
  balance: Mapping[str, Mapping[str, float]] = dataclasses.field(
    default_factory=dict
  )
  sentences: Mapping[str, Told] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Curve:
  """One plot over the course of a training.

  Attributes:
    title: of the plot.
    series: label to (x `[n]`, y `[n]`) or (x, y, low, high).
    x_label: with unit.
    y_label: with unit.
    caption: what it shows.
  """

  title: str
  series: Mapping[str, tuple]
  x_label: str
  y_label: str
  caption: str = ''

  @classmethod
  def from_lines(cls, title, lines, names, y_label, caption='', x='step'):
    """A curve of metric lines, from `training.loop.read_metrics`.

    Args:
      title: of the plot.
      lines: list of dictionaries.
      names: key of the lines to label; lines without it are left out.
      y_label: with unit.
      caption: what it shows.
      x: key of the horizontal axis.
    """
    series = {}
    for name, label in names.items():
      have = [line for line in lines if name in line and x in line]
      series[label] = [line[x] for line in have], [line[name] for line in have]
    return cls(title, series, x, y_label, caption)


@dataclasses.dataclass(frozen=True)
class Driving:
  """Drives of all policies in all worlds through the same scenarios.

  Attributes:
    drives: world to policy to `Drive` `[n]`. The first world is the one trained
      in; the first policy is the baseline of the others.
    maps: `Map` of each scene.
    scenes: `[V]` scene of each scenario.
    behaviours: names that `Drive.behaviour` points into.
    num_worst: drives to show of the last policy in the last world.
  """

  drives: Mapping[str, Mapping[str, types.Drive]]
  maps: Sequence[types.Map]
  scenes: Sequence[int]
  behaviours: Sequence[str]
  num_worst: int = 6


@dataclasses.dataclass(frozen=True)
class Showcase:
  """Drives through one scenario, side by side.

  Attributes:
    name: of the scenario.
    caption: which one it is and why it is shown.
    cameras: names `[C]`, from left to right.
    lane_map: `Map` of its scene.
    drives: label to a `Drive` and the uint8 `[s, C, h, w, 3]` that its cameras
      saw, from `evaluation.film`.
  """

  name: str
  caption: str
  cameras: Sequence[str]
  lane_map: types.Map
  drives: Mapping[str, tuple[types.Drive, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Content:
  """All that a report may show; what is empty is left out.

  Attributes:
    title: of the page.
    facts: what ran, such as preset and seed; nothing that differs between two
      runs of the same.
    timing: seconds of each stage.
    inspections: of each drive.
    reconstructions: of each drive.
    shifts: of each drive.
    scenarios: edits of all drives.
    curves: of the trainings.
    driving: the scores.
    showcases: videos of drives.
  """

  title: str
  facts: Mapping[str, str | int | float]
  timing: Mapping[str, float] = dataclasses.field(default_factory=dict)
  inspections: Sequence[Inspection] = ()
  reconstructions: Sequence[Reconstruction] = ()
  shifts: Sequence[Shift] = ()
  scenarios: Scenarios | None = None
  curves: Sequence[Curve] = ()
  driving: Driving | None = None
  showcases: Sequence[Showcase] = ()


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
    (building / 'media').mkdir()
    _build(building, content, {} if encoded is None else encoded)
  return path / 'index.html'


def _build(folder, content, encoded):
  scored = _score(content.driving) if content.driving else None
  figures = {
    'facts': dict(content.facts),
    'scene': {i.name: dict(i.scores) for i in content.inspections},
    'offset': {
      i.name: {
        score: {
          label: {'offset': list(offset), 'value': list(value)}
          for label, (offset, value) in curves.items()
        }
        for score, curves in i.curves.items()
      }
      for i in content.inspections
    },
    'reconstruction': {r.name: r.psnr for r in content.reconstructions},
    'shifted': {
      s.name: {
        stage: {'offset': list(offset), 'psnr': list(psnr)}
        for stage, (offset, psnr) in s.psnr.items()
      }
      for s in content.shifts
    },
    'scenarios': dict(content.scenarios.counts) if content.scenarios else {},
    'driving': scored['figures'] if scored else {},
  }
  _write_json(folder / 'metrics.json', figures)
  _write_json(folder / 'timing.json', {'seconds': dict(content.timing)})

  media = folder / 'media'
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters['number'] = _number
  drives = _all_drives(media, content.driving, scored) if scored else []
  if drives:
    listing = environment.get_template('drives.html')
    text = listing.render(title=content.title, facts=content.facts, rows=drives)
    (folder / 'drives.html').write_text(text, encoding='utf-8')
  template = environment.get_template('page.html')
  # Encoders are processes of their own and run while the next video is made.
  with futures.ThreadPoolExecutor(2) as pool:
    encoding = []

    def film(name, frames):
      encoding.append(pool.submit(_encode, media / name, frames, encoded))

    page = template.render(
      title=content.title,
      facts=content.facts,
      tiles=_tiles(content, scored),
      overview=_overview(media, content),
      inspections=[
        _inspection(film, media, i, x)
        for i, x in enumerate(content.inspections)
      ],
      reconstructions=[
        _reconstruction(film, i, r)
        for i, r in enumerate(content.reconstructions)
      ],
      shifts=[_shift(film, media, i, s) for i, s in enumerate(content.shifts)],
      scenarios=_scenarios(media, content.scenarios),
      curves=[_curve(media, i, c) for i, c in enumerate(content.curves)],
      driving=scored,
      showcases=[
        _showcase(film, i, s) for i, s in enumerate(content.showcases)
      ],
      worst=_worst(media, content.driving, scored, drives) if scored else None,
    )
    for video in encoding:
      video.result()
  (folder / 'index.html').write_text(page, encoding='utf-8')


def _encode(path, frames, encoded):
  """`videos.write`, unless the same frames were encoded before."""
  digest = hashlib.sha256(np.ascontiguousarray(frames)).digest()
  key = frames.shape, digest
  if key in encoded:
    path.write_bytes(encoded[key])
    return
  videos.write(path, frames)
  encoded[key] = path.read_bytes()


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


def _number(x, digits=2, sign=False):
  """A number as text, a dash where there is none."""
  if x is None or not math.isfinite(x):
    return '–'
  text = f'{x:+.{digits}f}' if sign else f'{x:.{digits}f}'
  if float(text) == 0:
    text = text.lstrip('+-')
  return text.replace('-', '−')


def _list(names):
  """'a', 'a and b', 'a, b and c'."""
  names = list(names)
  if len(names) < 2:
    return ''.join(names)
  return ', '.join(names[:-1]) + ' and ' + names[-1]


def _score(driving):
  """Scores, intervals, and the rows of the table."""
  scores, figures = {}, {}
  worlds = list(driving.drives)
  policies = list(driving.drives[worlds[0]])
  expected = np.asarray(driving.drives[worlds[0]][policies[0]].scenario)
  for world in worlds:
    if list(driving.drives[world]) != policies:
      raise ValueError(
        f'driving: {world} has the policies {list(driving.drives[world])}, '
        f'{worlds[0]} has {policies}'
      )
    for policy, drive in driving.drives[world].items():
      if not np.array_equal(np.asarray(drive.scenario), expected):
        raise ValueError(
          f'driving: {policy} in {world} met other scenarios than '
          f'{policies[0]} in {worlds[0]}'
        )
      scores[world, policy] = metrics.scores(drive)
  for world in worlds:
    figures[world] = {
      policy: statistics.summary(scores[world, policy]) for policy in policies
    }
    for policy in policies[1:]:
      figures[world][f'{policy} - {policies[0]}'] = statistics.compare(
        scores[world, policy], scores[world, policies[0]]
      )
  for world in worlds[1:]:
    figures[f'{world} - {worlds[0]}'] = {
      policy: statistics.compare(
        scores[world, policy], scores[worlds[0], policy]
      )
      for policy in policies
    }
  return {
    'scores': scores,
    'figures': figures,
    'tables': [
      _table({world: figures[world] for world in worlds}),
      *[_table({key: figures[key]}) for key in figures if key not in worlds],
    ],
    'worlds': worlds,
    'policies': policies,
    'count': len(expected),
  }


def _table(groups):
  """Scores as rows; worlds, or differences of two, as groups of columns."""
  rows = [
    {
      'label': metric.label,
      'source': metric.source,
      'unit': metric.unit,
      'is_part': metric.label[0].islower(),
      'cells': [
        _cell(column[name], metric, ' - ' in key or ' - ' in group)
        for group, columns in groups.items()
        for key, column in columns.items()
      ],
    }
    for name, metric in metrics.METRICS.items()
  ]
  return {
    'groups': [(group, list(columns)) for group, columns in groups.items()],
    'rows': [row for row in rows if not _is_zero(row)],
    'zeros': [row for row in rows if _is_zero(row)],
  }


def _is_zero(row):
  """Whether a row of the table has nothing but zeros, for sure."""
  return all(
    cell['n'] > 0 and cell['mean'] == cell['low'] == cell['high'] == 0
    for cell in row['cells']
  )


def _cell(interval, metric, is_difference):
  """A number of the table, with whether its difference is one for sure."""
  verdict = ''
  known = interval['n'] > 0
  if is_difference and known and not interval['low'] <= 0 <= interval['high']:
    better = (interval['mean'] > 0) == metric.higher_is_better
    verdict = 'better' if better else 'worse'
  return interval | {'sign': is_difference, 'verdict': verdict}


def _tiles(content, scored):
  tiles = []
  headlines = [
    list(next(iter(r.psnr.values())).values())[-1]
    for r in content.reconstructions
    if r.psnr
  ]
  if headlines:
    tiles.append(
      {
        'value': f'{_number(np.mean(headlines), 1)} dB',
        'label': 'PSNR of held-out frames on the recorded path',
        'note': _drives(len(headlines)),
      }
    )
  pairs = [pair for s in content.shifts if (pair := _at_offset(s))]
  if pairs:
    before, after = np.mean(pairs, 0)
    offset = content.shifts[0].offset
    tiles.append(
      {
        'value': f'{_number(after - before, 1, True)} dB',
        'label': f'gained by refinement {_number(offset, 1)} m off the path',
        'note': f'{_number(before, 1)} → {_number(after, 1)} dB, '
        f'{_drives(len(pairs))}',
      }
    )
  if scored:
    figures, policies = scored['figures'], scored['policies']
    for world in scored['worlds']:
      ratios = [figures[world][p]['collision']['mean'] for p in policies]
      tiles.append(
        {
          'value': ' → '.join(f'{_number(100 * r, 1)} %' for r in ratios),
          'label': f'drives with a collision: {" → ".join(policies)}',
          'note': world,
        }
      )
    for world in scored['worlds'][1:]:
      gap = figures[f'{world} - {scored["worlds"][0]}'][policies[-1]]
      interval = gap['collision']
      tiles.append(
        {
          'value': f'{_number(100 * interval["mean"], 1, True)} points',
          'label': f'sim-to-real gap in collisions of {policies[-1]}',
          'note': f'{_number(100 * interval["low"], 1)} to '
          f'{_number(100 * interval["high"], 1)}, 95 % interval',
        }
      )
  return tiles


def _overview(media, content):
  """Name of the picture of the whole run, None until there is a drive."""
  if not content.shifts or not content.showcases:
    return None
  # Streets that the policy never learnt on come last.
  image = overview.picture(content.shifts[-1], content.showcases[0])
  videos.write_image(media / 'overview.png', image)
  return 'overview.png'


def _drives(count):
  return 'one drive' if count == 1 else f'mean of {count} drives'


def _at_offset(shift):
  """PSNR of the first and of the last stage at the offset shown, if known."""
  values = [
    psnr[list(offsets).index(shift.offset)]
    for offsets, psnr in shift.psnr.values()
    if shift.offset in list(offsets)
  ]
  return (values[0], values[-1]) if len(values) > 1 else None


def _reconstruction(film, index, reconstruction):
  r = reconstruction
  name = f'reconstruction_{index}.mp4'
  marks = [' · held out' if held else '' for held in np.asarray(r.held_out)]
  film(name, _above_each_other(r.frames, marks))
  columns = list(dict.fromkeys(c for row in r.psnr.values() for c in row))
  return {
    'name': r.name,
    'video': name,
    'caption': f'The same moments, from top to bottom: {_list(r.frames)}; '
    f'{_cameras(r.cameras)}. Frames marked “held out” are never fitted.',
    'columns': columns,
    'rows': [
      (row, [values.get(column) for column in columns])
      for row, values in r.psnr.items()
    ],
  }


def _inspection(film, media, index, inspection):
  name = f'inspection_{index}'
  count = len(next(iter(inspection.frames.values())))
  # Held-out moments are far apart: half a second each.
  slowly = {
    label: np.repeat(np.asarray(x), 5, 0)
    for label, x in inspection.frames.items()
  }
  film(f'{name}.mp4', _above_each_other(slowly, [''] * (5 * count)))
  film(f'{name}_flight.mp4', videos.enlarge(inspection.flight, 640))
  videos.write_image(media / f'{name}_above.png', inspection.above)
  plotted = []
  for number, (score, series) in enumerate(inspection.curves.items()):
    plotted.append((f'{name}_{number}.svg', score))
    plots.curves(media / plotted[-1][0], series, 'lateral offset in m', score)
  return {
    'name': inspection.name,
    'video': f'{name}.mp4',
    'caption': 'Moments that were never fitted, from top to bottom: '
    f'{_list(inspection.frames)}; {_cameras(inspection.cameras)}.',
    'flight': f'{name}_flight.mp4',
    'above': f'{name}_above.png',
    'plots': plotted,
    'scores': inspection.scores,
  }


def _shift(film, media, index, shift):
  name = f'shift_{index}.mp4'
  count = len(next(iter(shift.frames.values())))
  film(name, _above_each_other(shift.frames, [''] * count))
  side = 'left' if shift.offset >= 0 else 'right'
  plot = None
  if shift.psnr:
    plot = f'shift_{index}.svg'
    plots.curves(media / plot, shift.psnr, 'lateral offset in m', 'PSNR in dB')
  return {
    'name': shift.name,
    'video': name,
    'caption': f'The cameras {_number(abs(shift.offset), 1)} m to the {side} '
    f'of the recorded path, from top to bottom: {_list(shift.frames)}; '
    f'{_cameras(shift.cameras)}.',
    'plot': plot,
  }


def _cameras(names):
  """A phrase that names the cameras."""
  if len(names) == 1:
    return f'camera {names[0]}'
  return f'cameras {_list(names)} from left to right'


def _above_each_other(frames, marks):
  """Labelled panoramas; `marks` `[N]` go behind the labels."""
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
  plots.bars(media / 'scenarios.svg', scenarios.counts, 'number of edits')
  plot = None
  if any(len(values) for values in scenarios.difficulty.values()):
    plot = 'difficulty.svg'
    plots.histogram(
      media / plot,
      scenarios.difficulty,
      scenarios.difficulty_label,
      'accepted scenarios',
    )
  if scenarios.balance:
    plots.shares(
      media / 'balance.svg', scenarios.balance, 'share of demonstrations'
    )
  told = []
  for index, (sentence, one) in enumerate(scenarios.sentences.items()):
    reasons = (f'{name} {count}' for name, count in one.counts.items())
    item = {'sentence': sentence, 'counts': ', '.join(reasons), 'image': None}
    if one.image is not None:
      item |= {'image': f'told_{index}.png', 'name': one.name}
      videos.write_image(media / item['image'], one.image)
    told.append(item)
  return {
    'plot': 'scenarios.svg',
    'told': told,
    'balance': 'balance.svg' if scenarios.balance else None,
    'total': sum(scenarios.counts.values()),
    'difficulty': plot,
    'difficulty_label': scenarios.difficulty_label,
  }


def _curve(media, index, curve):
  name = f'curve_{index}.svg'
  plots.curves(media / name, curve.series, curve.x_label, curve.y_label)
  return {'title': curve.title, 'caption': curve.caption, 'plot': name}


def _showcase(film, index, showcase):
  name = f'drive_{index}.mp4'
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
    lines[-1] += f' · {_outcome(_score_of(drive))}'
    columns.append(videos.caption(videos.stack([seen, above], 0), lines))
  film(name, videos.beside(columns))
  return {
    'name': showcase.name,
    'video': name,
    'caption': f'{showcase.caption} {_list(showcase.drives)}, from left to '
    f'right. Each: {_cameras(showcase.cameras)}; the drive from above; the '
    'reward terms of each decision, green gained, red lost, and their sums.',
  }


def _outcome(score):
  """How a drive ended, in words; `score` gives that of a name."""
  for name, words in (
    ('at_fault_collision', 'collision, at fault'),
    ('dynamic_collision', 'collision, not at fault'),
    ('static_collision', 'hit an obstacle'),
    ('position_deviation', 'too far from the path'),
    ('heading_deviation', 'turned off the path'),
    ('off_road', 'left the road'),
  ):
    if score(name):
      return words
  return 'no incident'


def _score_of(drive):
  return lambda name: metrics.METRICS[name].function(drive)


# Scores in a row of the list of drives; and those that sort it, worst first:
# the first in which two drives differ decides.
_TOLD = ('closed_loop_score', 'progress', 'time_to_collision')
_ORDER = (
  'at_fault_collision',
  'collision',
  'deviation',
  'off_road',
  'closed_loop_score',
  'progress',
  'time_to_collision',
  'average_deviation',
)


def _badness(scores, i):
  """Key of drive `i` that is least for the worst; no score is no worse."""
  return tuple(
    np.nan_to_num(
      scores[name][i]
      if metrics.METRICS[name].higher_is_better
      else -scores[name][i],
      nan=np.inf,
    )
    for name in _ORDER
  )


def _all_drives(media, driving, scored):
  """Rows of all drives, worst first, each with its animation from above."""
  found = []
  for world in scored['worlds']:
    for policy in scored['policies']:
      scores = scored['scores'][world, policy]
      drives = jax.tree.map(np.asarray, driving.drives[world][policy])
      for i in range(scored['count']):
        row = _row(trees.take(drives, i), scores, i, driving)
        found.append(
          (_badness(scores, i), row | {'world': world, 'policy': policy})
        )
  found.sort(key=lambda pair: pair[0])
  rows = [row for _, row in found]
  for rank, row in enumerate(rows):
    row['animation'] = f'drive_{rank}.svg'
    animation.write(
      media / row['animation'],
      row['drive'],
      driving.maps[int(driving.scenes[row['scenario']])],
      f'{row["policy"]} in {row["world"]}, scenario {row["scenario"]}, '
      f'{row["behaviour"]}: {row["outcome"]}',
    )
  return rows


def _row(drive, scores, i, driving):
  scenario = int(drive.scenario)
  return {
    'drive': drive,
    'scenario': scenario,
    'behaviour': driving.behaviours[int(drive.behaviour)].replace('_', ' '),
    'outcome': _outcome(lambda name: scores[name][i]),
    'seconds': (int(drive.valid.sum()) - 1) * types.TIME_STEP,
    **{name: scores[name][i] for name in _TOLD},
  }


def _worst(media, driving, scored, drives):
  """The drives of the last policy in the last world, worst first."""
  world, policy = scored['worlds'][-1], scored['policies'][-1]
  rows = [
    row | {'picture': None}
    for row in drives
    if (row['world'], row['policy']) == (world, policy)
  ]
  for rank, row in enumerate(rows[: driving.num_worst]):
    row['picture'] = f'worst_{rank}.png'
    frame = top_view.fit_frame([row['drive']], 480, 200)
    lane_map = driving.maps[int(driving.scenes[row['scenario']])]
    videos.write_image(
      media / row['picture'], top_view.picture(row['drive'], lane_map, frame)
    )
  return {'world': world, 'policy': policy, 'rows': rows}
