# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A drive from above that any browser plays: one SVG file, animated by SMIL.

It shows what `top_view` shows, at any size and in a hundredth of the bytes of a
video: boxes, lanes, the reference, the arc that each action asks for, where a
collision ended it, and below the reward terms of each decision. It plays in a
page, too, as the source of an `<img>`. Opened by itself it stops and goes on by
a click, and the arrow keys step through it.
"""

import pathlib
from xml.sax import saxutils

import numpy as np

from rdrl import types
from rdrl.report import top_view

# Seconds for which the end is shown before it begins again.
_HOLD = 1.0
# Pixels: a row of reward terms, the names before it, the sums behind it.
_ROW, _LABEL, _SUM = 14, 130, 60

_STYLE = (
  'text{font:10px system-ui,sans-serif;fill:#282c32}'
  'polyline,.plan{fill:none;stroke-linejoin:round}'
)

_SCRIPT = """
const drawing = document.documentElement;
drawing.onclick = () => drawing.animationsPaused() ?
  drawing.unpauseAnimations() : drawing.pauseAnimations();
onkeydown = event => {
  const step = {ArrowLeft: -0.1, ArrowRight: 0.1}[event.key];
  if (!step) return;
  drawing.pauseAnimations();
  drawing.setCurrentTime(Math.max(0, drawing.getCurrentTime() + step));
};
"""


def write(path, drive, lane_map, title='', frame=None):
  """Writes `svg` to a file whose name ends in `.svg`; see there."""
  text = svg(drive, lane_map, title, frame)
  pathlib.Path(path).write_text(text, encoding='utf-8')


def svg(drive, lane_map, title='', frame=None):
  """The SVG of one `Drive`; the same drive gives the same text.

  Args:
    drive: one `Drive`.
    lane_map: `Map`.
    title: of the drawing, for people.
    frame: what to show; default all of the way.
  """
  drive = top_view.to_numpy(drive)
  frame = frame or top_view.fit_frame([drive])
  clock = _Clock(int(drive.valid.sum()))
  height = frame.height + _ROW * (len(types.REWARD_TERMS) + 1) + 6
  parts = [
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width}" '
    f'height="{height}" viewBox="0 0 {frame.width} {height}">',
    f'<title>{saxutils.escape(title)}</title><style>{_STYLE}</style>',
    f'<script>{saxutils.escape(_SCRIPT)}</script>',
    # A drawing within the drawing cuts off what the frame does not show.
    f'<svg width="{frame.width}" height="{frame.height}">',
    f'<rect width="100%" height="100%" fill="{_hex(top_view.GRASS)}"/>',
    *_ground(lane_map, drive, frame),
    *_agents(drive, frame, clock),
    *_plans(drive, frame, clock),
    *_collision(drive, frame, clock),
    f'</svg><g transform="translate(0 {frame.height})">',
    *_rewards(drive, frame.width, height - frame.height, clock),
    '</g></svg>\n',
  ]
  return '\n'.join(parts)


class _Clock:
  """Times of a drive of so many states, as shares of what is played."""

  def __init__(self, num_states):
    self.states = num_states
    self.seconds = (num_states - 1) * types.TIME_STEP + _HOLD
    self.times = np.arange(num_states) * types.TIME_STEP / self.seconds
    self.common = f'dur="{_number(self.seconds)}s" repeatCount="indefinite"'

  def linear(self, values):
    """Attributes that go through values, one for each state."""
    times = ';'.join(_number(t, 4) for t in [*self.times, 1])
    values = ';'.join([*values, values[-1]])
    return f'values="{values}" keyTimes="{times}" {self.common}'

  def shown(self, visible):
    """The element that shows its parent at some states, `[states]` bool."""
    changes = np.flatnonzero(np.diff(visible)) + 1
    times = ';'.join(_number(self.times[i], 4) for i in [0, *changes])
    values = ';'.join(
      'visible' if visible[i] else 'hidden' for i in [0, *changes]
    )
    return (
      f'<animate attributeName="visibility" calcMode="discrete" '
      f'values="{values}" keyTimes="{times}" {self.common}/>'
    )


def _number(x, digits=1):
  text = f'{x:.{digits}f}'
  return text.rstrip('0').rstrip('.') if '.' in text else text


def _hex(color):
  return f'#{bytes(color).hex()}'


def _points(frame, xy):
  return ' '.join(f'{_number(x)},{_number(y)}' for x, y in frame.pixels(xy))


def _ground(lane_map, drive, frame):
  """What does not move."""
  corner = np.array([frame.width, frame.height])
  for kind, color, width in top_view.GROUND:
    lines = getattr(lane_map, kind)
    for xy, valid in zip(
      np.asarray(lines.xy), np.asarray(lines.valid), strict=True
    ):
      if valid.sum() < 2:
        continue
      pixels = frame.pixels(xy[valid])
      if (pixels.max(0) < 0).any() or (pixels.min(0) > corner).any():
        continue
      points = f'points="{_points(frame, xy[valid])}"'
      if width:
        yield _line(points, color, width)
      else:
        yield f'<polygon {points} fill="{_hex(color)}"/>'
  reference = drive.path.xy[drive.path.valid]
  yield _line(f'points="{_points(frame, reference)}"', top_view.REFERENCE, 1.5)


def _line(points, color, width):
  return f'<polyline {points} stroke="{_hex(color)}" stroke-width="{width}"/>'


def _agents(drive, frame, clock):
  """The way of the ego, and boxes, those that matter last."""
  count = clock.states
  way = _points(frame, drive.agents.xy[:count, 0])
  yield (
    f'<polyline points="{way}" stroke="{_hex(top_view.EGO)}" '
    'stroke-width="2" stroke-opacity="0.35"/>'
  )
  there = drive.agents.valid[:count]
  corner = np.array([frame.width, frame.height])
  for agent in range(there.shape[1])[::-1]:
    # Who is nowhere to be seen would make a file large for nothing.
    pixels = frame.pixels(drive.agents.xy[:count, agent])
    margin = frame.scale * drive.sizes[agent, 0]
    seen = there[:, agent] & (
      (pixels > -margin) & (pixels < corner + margin)
    ).all(-1)
    if seen.any():
      yield from _box(drive, frame, clock, agent, pixels, seen)


def _box(drive, frame, clock, agent, pixels, seen):
  # The animation must not interpolate through values of hidden states.
  index = np.arange(clock.states)
  held = np.maximum.accumulate(np.where(seen, index, -1))
  held = np.where(held < 0, np.argmax(seen), held)
  pixels = pixels[held]
  yaw = np.unwrap(drive.agents.yaw[: clock.states, agent][held])
  turn = np.degrees(frame.yaw - yaw)
  places = [f'{_number(x)} {_number(y)}' for x, y in pixels]
  turns = [_number(x) for x in turn]
  length, width = frame.scale * drive.sizes[agent, :2]
  nose = f'{0.45 * length:.1f},0 {0.2 * length:.1f},{0.35 * width:.1f} '
  nose += f'{0.2 * length:.1f},{-0.35 * width:.1f}'
  yield f'<g class="agent" transform="translate({places[0]})">'
  if not seen.all():
    yield clock.shown(seen)
  for kind, values in (('translate', places), ('rotate', turns)):
    if kind == 'rotate':
      yield f'<g transform="rotate({turns[0]})">'
    if len(set(values)) > 1:
      yield (
        f'<animateTransform attributeName="transform" type="{kind}" '
        f'{clock.linear(values)}/>'
      )
  yield (
    f'<rect x="{-length / 2:.1f}" y="{-width / 2:.1f}" width="{length:.1f}" '
    f'height="{width:.1f}" fill="{_hex(top_view.role(drive, agent))}" '
    f'stroke="{_hex(top_view.INK)}"/>'
    f'<polygon points="{nose}" fill="{_hex(top_view.PAPER)}"/></g></g>'
  )


def _plans(drive, frame, clock):
  """The arc of each decision, while it holds."""
  substeps = (len(drive.valid) - 1) // len(drive.active)
  for decision, xy in top_view.plans(drive):
    first = decision * substeps
    visible = np.zeros(clock.states, bool)
    visible[first : first + substeps] = True
    yield (
      f'<polyline class="plan" points="{_points(frame, xy)}" '
      f'stroke="{_hex(top_view.PLAN)}" stroke-width="3" visibility="hidden">'
      f'{clock.shown(visible)}</polyline>'
    )


def _collision(drive, frame, clock):
  if top_view.collided(drive):
    x, y = frame.pixels(drive.agents.xy[clock.states - 1, 0])
    visible = np.arange(clock.states) == clock.states - 1
    yield (
      f'<circle class="collision" cx="{x:.1f}" cy="{y:.1f}" r="12" fill="none" '
      f'stroke="{_hex(top_view.COLLISION)}" stroke-width="3" '
      f'visibility="hidden">{clock.shown(visible)}</circle>'
    )


def _rewards(drive, width, height, clock):
  """A row for each term, a column for each decision, and where one is."""
  yield (
    f'<rect width="{width}" height="{height}" fill="{_hex(top_view.PAPER)}"/>'
  )
  count = len(drive.active)
  substeps = (len(drive.valid) - 1) // count
  cell = (width - _LABEL - _SUM) / count
  bottom = 3 + _ROW * len(types.REWARD_TERMS)
  for row, name in enumerate(types.REWARD_TERMS):
    y = 3 + row * _ROW
    reward = np.where(drive.active, drive.reward[:, row], 0)
    largest = max(np.abs(reward).max(initial=0), 1e-6)
    yield f'<text x="6" y="{y + 11}">{name.replace("_", " ")}</text>'
    for k in range(count):
      color = top_view.reward_color(reward[k] / largest)
      yield (
        f'<rect class="reward" x="{_LABEL + k * cell + 1:.1f}" y="{y + 1}" '
        f'width="{cell - 2:.1f}" height="{_ROW - 2}" fill="{_hex(color)}" '
        f'stroke="#e2e4e6"><title>{reward[k]:+.3f}</title></rect>'
      )
    yield (
      f'<text x="{width - 6}" y="{y + 11}" text-anchor="end">'
      f'{reward.sum():+.2f}</text>'
    )
  for k in range(0, count, 2):
    seconds = k * substeps * types.TIME_STEP
    yield (
      f'<text x="{_LABEL + k * cell:.1f}" y="{bottom + 11}">'
      f'{_number(seconds)} s</text>'
    )
  steps = [f'{_LABEL + i / substeps * cell:.1f}' for i in range(clock.states)]
  yield (
    f'<line y1="0" y2="{bottom}" x1="0" x2="0" stroke="{_hex(top_view.EGO)}" '
    f'transform="translate({steps[0]})"><animateTransform '
    f'attributeName="transform" type="translate" {clock.linear(steps)}/></line>'
  )
