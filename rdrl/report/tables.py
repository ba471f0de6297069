# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tables for people to read and to copy."""


def markdown(columns, rows):
  """Yields the lines of a Markdown table.

  Args:
    columns: labels; the first is that of the rows' names.
    rows: cells of each row, its name first.

  Raises:
    ValueError: if a row has not one cell for each column.
  """
  columns = list(columns)
  yield _line(columns)
  yield '|---' * len(columns) + '|'
  for row in rows:
    cells = list(map(str, row))
    if len(cells) != len(columns):
      raise ValueError(f'{cells}: {len(cells)} cells in {len(columns)} columns')
    yield _line(cells)


def _line(cells):
  return '|' + '|'.join(f' {x} ' if x else ' ' for x in cells) + '|'


def interval(summary):
  """`mean (low to high)` of an entry of `statistics.summary`."""
  return '{mean:.3f} ({low:.3f} to {high:.3f})'.format(**summary)
