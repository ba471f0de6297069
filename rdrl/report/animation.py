# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A drive from above that any browser plays: one SVG file, animated by SMIL.

It shows what `top_view` shows, at any size and in a hundredth of the bytes of a
video: boxes, lanes, the reference, the arc that each action asks for, where a
collision ended it, and below the reward terms of each decision. It plays in a
page, too, as the source of an `<img>`. Opened by itself it stops and goes on by
a click, and the arrow keys step through it.
"""

import pathlib

import numpy as np

from rdrl import types
from rdrl.report import templates
from rdrl.report import top_view

# Seconds for which the end is shown before it begins again.
_HOLD = 1.0
# Pixels: a row of reward terms, the names before it, the sums behind it.
_ROW, _LABEL, _SUM = 14, 130, 60


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
  count = len(drive.active)
  substeps = (len(drive.valid) - 1) // count
  cell = (frame.width - _LABEL - _SUM) / count
  return templates.render(
    'animation.svg',
    title=title,
    view=top_view,
    frame=frame,
    clock=clock,
    ground=_ground(lane_map, drive, frame),
    way=_points(frame, drive.agents.xy[: clock.states, 0]),
    boxes=_boxes(drive, frame, clock),
    plans=[
      (_points(frame, xy), clock.shown(decision * substeps, substeps))
      for decision, xy in top_view.plans(drive)
    ],
    collision=_collision(drive, frame, clock),
    below=_ROW * (len(types.REWARD_TERMS) + 1) + 6,
    row=_ROW,
    label=_LABEL,
    cell=cell,
    rewards=_rewards(drive),
    decisions=[k * substeps * types.TIME_STEP for k in range(count)],
    cursor=[
      templates.short(_LABEL + i / substeps * cell) for i in range(clock.states)
    ],
  )


class _Clock:
  """Times of a drive of so many states, as shares of what is played."""

  def __init__(self, num_states):
    self.states = num_states
    self.seconds = (num_states - 1) * types.TIME_STEP + _HOLD
    times = np.arange(num_states) * types.TIME_STEP / self.seconds
    self.times = [templates.short(t, 4) for t in [*times, 1]]

  def changes(self, visible):
    """Time to `visible` or `hidden` from then on, of states `[states]` bool."""
    changes = [0, *np.flatnonzero(np.diff(visible)) + 1]
    words = 'hidden', 'visible'
    return {self.times[i]: words[int(visible[i])] for i in changes}

  def shown(self, first, count):
    """`changes` of what is visible at `count` states only."""
    index = np.arange(self.states)
    return self.changes((index >= first) & (index < first + count))


def _points(frame, xy):
  pixels = frame.pixels(xy)
  return ' '.join(','.join(map(templates.short, point)) for point in pixels)


def _ground(lane_map, drive, frame):
  """Points, colour and width of what does not move; areas have no width."""
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
      yield _points(frame, xy[valid]), color, width
  reference = drive.path.xy[drive.path.valid]
  yield _points(frame, reference), top_view.REFERENCE, 1.5


def _boxes(drive, frame, clock):
  """Boxes, those that matter last."""
  there = drive.agents.valid[: clock.states]
  corner = np.array([frame.width, frame.height])
  for agent in range(there.shape[1])[::-1]:
    # Who is nowhere to be seen would make a file large for nothing.
    pixels = frame.pixels(drive.agents.xy[: clock.states, agent])
    margin = frame.scale * drive.sizes[agent, 0]
    seen = there[:, agent] & (
      (pixels > -margin) & (pixels < corner + margin)
    ).all(-1)
    if not seen.any():
      continue
    # The animation must not interpolate through values of hidden states.
    held = np.maximum.accumulate(np.where(seen, np.arange(clock.states), -1))
    held = np.where(held < 0, np.argmax(seen), held)
    yaw = np.unwrap(drive.agents.yaw[: clock.states, agent][held])
    turns = np.degrees(frame.yaw - yaw)
    yield {
      'size': frame.scale * drive.sizes[agent, :2],
      'color': top_view.role(drive, agent),
      'shown': clock.changes(seen),
      'places': [' '.join(map(templates.short, xy)) for xy in pixels[held]],
      'turns': [templates.short(turn) for turn in turns],
    }


def _collision(drive, frame, clock):
  if not top_view.collided(drive):
    return None
  x, y = frame.pixels(drive.agents.xy[clock.states - 1, 0])
  return {'x': x, 'y': y, 'shown': clock.shown(clock.states - 1, 1)}


def _rewards(drive):
  """A row for each term, with value and colour of each decision."""
  rows = []
  for index, name in enumerate(types.REWARD_TERMS):
    reward = np.where(drive.active, drive.reward[:, index], 0)
    largest = max(np.abs(reward).max(initial=0), 1e-6)
    cells = [(x, top_view.reward_color(x / largest)) for x in reward]
    name = name.replace('_', ' ')
    rows.append({'name': name, 'cells': cells, 'sum': reward.sum()})
  return rows
