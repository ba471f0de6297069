# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The nouns of a report: what a run has to show, before `page` writes it."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

from rdrl import types


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
    residuals: drive to how far its reference is from the recorded ego, in
      metres: root of the mean square, and at most; may be empty.
    never_accepted: behaviour or sentence that was wanted but accepted in no
      drive, to the reasons; may be empty.
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
  residuals: Mapping[str, tuple[float, float]] = dataclasses.field(
    default_factory=dict
  )
  never_accepted: Mapping[str, str] = dataclasses.field(default_factory=dict)


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
