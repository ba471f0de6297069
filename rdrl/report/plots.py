# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Figures as SVG files that repeat byte by byte and follow dark mode."""

import contextlib
import pathlib

import matplotlib as mpl
from matplotlib import figure
import numpy as np

# Legible on white and on near-black.
COLORS = ('#3b82f6', '#f97316', '#10b981', '#a855f7', '#ef4444', '#eab308')

# Text and axes; replaced in the file by what the reader's mode asks for.
_INK = '#012345'
_STYLE = (
  '<style>:root{--ink:#30363d}@media(prefers-color-scheme:dark)'
  '{:root{--ink:#c9d1d9}}</style>'
)


def curves(path, series, x_label, y_label, is_logarithmic=False):
  """Lines over a common axis.

  Args:
    path: ends in `.svg`.
    series: label to (x `[n]`, y `[n]`) or, with a band, (x, y, low, high).
    x_label: of the horizontal axis.
    y_label: of the vertical axis.
    is_logarithmic: whether both axes are.
  """
  with _axes(path) as axes:
    if is_logarithmic:
      axes.loglog()
    for (label, values), color in zip(
      series.items(), _cycle(series), strict=True
    ):
      x, y, *band = (np.asarray(v, np.float64) for v in values)
      marker = 'o' if len(x) <= 12 else None
      axes.plot(x, y, color=color, label=label, marker=marker, markersize=4)
      if band:
        axes.fill_between(x, *band, color=color, alpha=0.2, linewidth=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(series) > 1:
      _legend(axes)


def histogram(path, values, x_label, y_label, bins=20):
  """Counts of values; `values` maps a label to `[n]`."""
  with _axes(path) as axes:
    axes.hist(
      [np.asarray(v, np.float64) for v in values.values()],
      bins=bins,
      stacked=True,
      color=_cycle(values),
      label=list(values),
    )
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(values) > 1:
      _legend(axes)


def shares(path, groups, x_label):
  """Horizontal bars of shares of 1; `groups` maps a label to `{name: share}`.

  All groups have the same names, drawn in the order given.
  """
  names = list(next(iter(groups.values())))
  place = np.arange(len(names))[::-1]
  height = 0.8 / len(groups)
  with _axes(path, 0.8 + 0.3 * len(names)) as axes:
    for i, (label, values) in enumerate(groups.items()):
      axes.barh(
        place + 0.4 - height * (i + 0.5),
        [values[name] for name in names],
        height,
        color=COLORS[i],
        label=label,
      )
    axes.set_yticks(place, names)
    axes.grid(axis='y', visible=False)
    axes.set_xlabel(x_label)
    _legend(axes)


def bars(path, values, x_label, intervals=None):
  """Horizontal bars of a number for each name, in the order given.

  Args:
    path: ends in `.svg`.
    values: name to number.
    x_label: of the axis.
    intervals: name to its least and greatest, drawn as a line; None draws none.
  """
  with _axes(path, 0.6 + 0.3 * len(values)) as axes:
    names = list(values)[::-1]
    numbers = np.array([values[n] for n in names])
    spread = None
    if intervals is not None:
      low, high = np.array([intervals[n] for n in names]).T
      spread = [numbers - low, high - numbers]
    drawn = axes.barh(
      names, numbers, color=COLORS[0], xerr=spread, ecolor=_INK, capsize=2
    )
    fmt = '%g' if intervals is None else '%.3g'
    axes.bar_label(drawn, fmt=fmt, padding=3, color=_INK, fontsize=9)
    axes.margins(x=0.15)
    axes.grid(axis='y', visible=False)
    axes.set_xlabel(x_label)


def _cycle(series):
  return [COLORS[i % len(COLORS)] for i in range(len(series))]


def _legend(axes):
  axes.legend(frameon=False, labelcolor=_INK, fontsize=9)


@contextlib.contextmanager
def _axes(path, height=3.0):
  style = {
    'svg.hashsalt': 'rdrl',
    'svg.fonttype': 'path',
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'grid.alpha': 0.25,
    'axes.axisbelow': True,
    'lines.linewidth': 1.8,
  } | {
    f'{part}.{kind}': _INK
    for part, kind in [
      ('axes', 'edgecolor'),
      ('axes', 'labelcolor'),
      ('xtick', 'color'),
      ('ytick', 'color'),
      ('grid', 'color'),
      ('text', 'color'),
    ]
  }
  with mpl.rc_context(style):
    drawing = figure.Figure(figsize=(6, height), layout='constrained')
    axes = drawing.subplots()
    yield axes
    drawing.savefig(
      path,
      format='svg',
      transparent=True,
      metadata={'Date': None, 'Creator': None},
    )
  path = pathlib.Path(path)
  text = path.read_text().replace(_INK, 'var(--ink)')
  path.write_text(text.replace('<defs>', _STYLE + '<defs>', 1))
