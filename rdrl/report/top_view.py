# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Drives seen from above."""

import dataclasses

import jax
import numpy as np
from PIL import Image
from PIL import ImageDraw

from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.report import videos
from rdrl.sim import anchors

EGO = (38, 110, 235)
ADVERSARY = (214, 58, 46)
OTHERS = (120, 126, 134)
REFERENCE = (60, 160, 90)
COLLISION = (235, 20, 20)
PLAN = (150, 70, 220)

GRASS = (222, 228, 216)
_ROAD = (202, 205, 209)
_CROSSWALK = (226, 226, 214)
_EDGE = (138, 142, 148)
_LANE = (250, 250, 250)
PAPER = (250, 250, 250)
INK = (40, 44, 50)

# From below: fields of `Map`, their colours and widths in pixels; those of
# areas are None.
GROUND = (
  ('drivable', _ROAD, None),
  ('crosswalks', _CROSSWALK, None),
  ('boundaries', _EDGE, 1),
  ('lanes', _LANE, 1),
  ('stop_lines', _LANE, 3),
)

# Points of a planned arc.
_ARC = 9

# Pictures are drawn larger by this factor and then averaged: smooth edges.
_SMOOTH = 2


@dataclasses.dataclass(frozen=True)
class Frame:
  """Where the world is in a picture: the way of the drive runs to the right.

  Attributes:
    center: world xy in the middle.
    yaw: rad, heading that points right.
    scale: pixels per metre.
    width: pixels.
    height: pixels.
  """

  center: tuple[float, float]
  yaw: float
  scale: float
  width: int
  height: int

  def pixels(self, xy):
    """Pixels `[..., 2]` of world points `[..., 2]`."""
    cos, sin = np.cos(self.yaw), np.sin(self.yaw)
    x, y = np.moveaxis(np.asarray(xy, np.float64) - self.center, -1, 0)
    right, up = cos * x + sin * y, cos * y - sin * x
    return np.stack(
      [
        self.width / 2 + self.scale * right,
        self.height / 2 - self.scale * up,
      ],
      -1,
    )


def fit_frame(drives, width=640, height=240, margin=12.0):
  """The frame that shows all of the ways of some drives and their references.

  Args:
    drives: list of single `Drive`s.
    width: pixels.
    height: pixels.
    margin: metres around.
  """
  ways = [np.asarray(d.agents.xy)[np.asarray(d.valid), 0] for d in drives]
  ways += [np.asarray(d.reference.xy) for d in drives]
  points = np.concatenate(ways).astype(np.float64)
  reference = np.asarray(drives[0].reference.xy, np.float64)
  way = reference[-1] - reference[0]
  moves = np.linalg.norm(way) > 1
  yaw = float(
    np.arctan2(way[1], way[0])
    if moves
    else np.asarray(drives[0].agents.yaw)[0, 0]
  )
  cos, sin = np.cos(yaw), np.sin(yaw)
  rotated = points @ np.array([[cos, -sin], [sin, cos]])
  low, high = rotated.min(0) - margin, rotated.max(0) + margin
  middle = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
  scale = min(width / (high[0] - low[0]), height / (high[1] - low[1]), 12.0)
  return Frame(
    (float(middle[0]), float(middle[1])), yaw, float(scale), width, height
  )


def animate(drive, lane_map, frame=None):
  """A drive from above, with its reward terms below.

  Args:
    drive: one `Drive`.
    lane_map: `Map`.
    frame: what to show; default all of the way.

  Returns:
    uint8 `[s, H, W, 3]`, s the number of states until the end.
  """
  drive = to_numpy(drive)
  frame = frame or fit_frame([drive])
  ground = _ground(lane_map, drive, frame)
  count = int(drive.valid.sum())
  substeps = (len(drive.valid) - 1) // len(drive.active)
  arcs = dict(plans(drive))
  return np.stack(
    [
      np.concatenate(
        [
          _moment(ground, drive, frame, [i], arcs.get(i // substeps)),
          _rewards(drive, -(-i // substeps), frame.width),
        ]
      )
      for i in range(count)
    ]
  )


def picture(drive, lane_map, frame=None, every=10):
  """All of a drive in one picture, uint8 `[H, W, 3]`.

  Args:
    drive: one `Drive`.
    lane_map: `Map`.
    frame: what to show; default all of the way.
    every: states between two of the positions of ego and adversary; the others
      are where they were at the end.
  """
  drive = to_numpy(drive)
  frame = frame or fit_frame([drive])
  last = int(drive.valid.sum()) - 1
  return _moment(
    _ground(lane_map, drive, frame),
    drive,
    frame,
    [*range(last % every, last, every), last],
  )


def replayed(scene, scenario, lane_map, config):
  """A picture, as above, of a scenario whose ego repeats the recording.

  Args:
    scene: of the scenario.
    scenario: `Scenario` `[]`.
    lane_map: `Map`.
    config: `sim.Config`.
  """
  alone = trees.stack([scenario.replace(scene=np.int32(0))])
  no_images = sim.NoRenderer(scene.intrinsics.shape[0], 1, 1)
  env = sim.Env.create([scene], alone, no_images, config)
  return picture(trees.take(sim.replay(env, [0]), 0), lane_map)


def to_numpy(drive):
  """The drive in host memory."""
  return jax.tree.map(np.asarray, drive)


def collided(drive):
  """Whether the ego met an agent or an obstacle."""
  events = drive.events
  happened = events.dynamic_collision | events.static_collision
  return bool((happened & drive.active).any())


def role(drive, agent):
  """The colour of an agent."""
  if agent == 0:
    return EGO
  return ADVERSARY if agent == drive.adversary else OTHERS


def plans(drive):
  """What each action asks for: decisions with world points `[n, 2]` of its arc.

  The arc is that of the rear axle, drawn from the middle of the box. Actions
  that the steering cannot reach are no policy's but stand in records of replay.

  Args:
    drive: one `Drive` in host memory.
  """
  substeps = (len(drive.valid) - 1) // len(drive.active)
  curvature, speed = (np.asarray(x) for x in anchors.command(drive.action))
  for decision in np.flatnonzero(drive.active):
    if not anchors.feasible[tuple(drive.action[decision])]:
      continue
    bend = curvature[decision]
    way = np.linspace(0, speed[decision] * anchors.DURATION, _ARC)
    ahead, left = way, np.zeros(_ARC)
    if bend:
      ahead, left = np.sin(bend * way) / bend, (1 - np.cos(bend * way)) / bend
    state = decision * substeps
    yaw = drive.agents.yaw[state, 0]
    cos, sin = np.cos(yaw), np.sin(yaw)
    turned = np.stack([cos * ahead - sin * left, sin * ahead + cos * left], -1)
    yield int(decision), drive.agents.xy[state, 0] + turned


def _canvas(frame):
  size = frame.width * _SMOOTH, frame.height * _SMOOTH
  image = Image.new('RGB', size, GRASS)
  return image, ImageDraw.Draw(image)


def _points(frame, xy):
  return [tuple(p) for p in frame.pixels(xy) * _SMOOTH]


def _ground(lane_map, drive, frame):
  """What does not move."""
  image, draw = _canvas(frame)

  def each(lines):
    for xy, valid in zip(
      np.asarray(lines.xy), np.asarray(lines.valid), strict=True
    ):
      if valid.sum() > 1:
        yield _points(frame, xy[valid])

  for kind, color, width in GROUND:
    for points in each(getattr(lane_map, kind)):
      if width:
        draw.line(points, color, width * _SMOOTH)
      else:
        draw.polygon(points, color)
  draw.line(_points(frame, drive.path.xy[drive.path.valid]), REFERENCE, _SMOOTH)
  return image


def _moment(ground, drive, frame, steps, plan=None):
  """Boxes at the last of some states; ego and adversary paler at the others."""
  image = ground.copy()
  draw = ImageDraw.Draw(image)
  last = steps[-1]
  way = _points(frame, drive.agents.xy[: last + 1, 0])
  for number, step in enumerate(steps):
    age = 0.75 * (1 - (number + 1) / len(steps))
    for agent in range(drive.agents.xy.shape[1])[::-1]:
      is_shown = step == last or agent in (0, drive.adversary)
      if drive.agents.valid[step, agent] and is_shown:
        _box(draw, drive, frame, step, agent, age)
  if len(way) > 1:
    draw.line(way, EGO, 2 * _SMOOTH)
  if plan is not None:
    draw.line(_points(frame, plan), PLAN, 3 * _SMOOTH)
  if last == int(drive.valid.sum()) - 1 and collided(drive):
    (x, y), r = way[-1], 12 * _SMOOTH
    draw.ellipse((x - r, y - r, x + r, y + r), None, COLLISION, 3 * _SMOOTH)
  return np.asarray(image.reduce(_SMOOTH))


def _box(draw, drive, frame, step, agent, age):
  color = tuple(
    round(c + age * (r - c))
    for c, r in zip(role(drive, agent), _ROAD, strict=True)
  )
  yaw = drive.agents.yaw[step, agent]
  forward = np.array([np.cos(yaw), np.sin(yaw)])
  left = np.array([-forward[1], forward[0]])
  length, width = drive.sizes[agent, :2]

  def at(x, y):
    xy = drive.agents.xy[step, agent]
    return xy + x * length / 2 * forward + y * width / 2 * left

  corners = [at(1, 1), at(-1, 1), at(-1, -1), at(1, -1)]
  draw.polygon(_points(frame, np.stack(corners)), color, INK)
  nose = np.stack([at(0.9, 0), at(0.4, 0.7), at(0.4, -0.7)])
  draw.polygon(_points(frame, nose), PAPER)


def _rewards(drive, decisions, width):
  """A row for each reward term: its value in each decision so far."""
  row, label, number = 14, 130, 60
  height = row * len(types.REWARD_TERMS) + 6
  image = Image.new('RGB', (width, height), PAPER)
  draw = ImageDraw.Draw(image)
  cell = (width - label - number) / len(drive.active)
  reward = np.where(drive.active[:, None], drive.reward, 0)[:decisions]
  for i, name in enumerate(types.REWARD_TERMS):
    y = 3 + i * row
    text = name.replace('_', ' ')
    draw.text((6, y + row / 2), text, INK, videos.font(10), 'lm')
    largest = max(np.abs(drive.reward[drive.active, i]).max(initial=0), 1e-6)
    for k in range(len(drive.active)):
      x = label + k * cell
      value = reward[k, i] / largest if k < decisions else 0.0
      box = (x + 1, y + 1, x + cell - 2, y + row - 2)
      draw.rectangle(box, reward_color(value), (226, 228, 230))
    total = f'{reward[:, i].sum():+.2f}' if decisions else '0'
    draw.text((width - 6, y + row / 2), total, INK, videos.font(10), 'rm')
  return np.asarray(image)


def reward_color(value):
  """Of a share of the largest reward: white at 0, green at +1, red at -1."""
  toward = REFERENCE if value > 0 else ADVERSARY
  share = min(abs(float(value)), 1.0)
  return tuple(
    round(p + share * (c - p)) for c, p in zip(toward, PAPER, strict=True)
  )
