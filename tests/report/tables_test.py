# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import pytest

from rdrl.report import tables


def test_a_table_reads_as_markdown():
  lines = list(tables.markdown(['', 'dB'], [['fitted', 26.5], ['refined', '']]))
  assert lines == [
    '| | dB |',
    '|---|---|',
    '| fitted | 26.5 |',
    '| refined | |',
  ]


def test_a_row_of_another_length_is_refused():
  with pytest.raises(ValueError, match='3 cells in 2 columns'):
    list(tables.markdown(['', 'dB'], [['fitted', 26.5, 1]]))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
