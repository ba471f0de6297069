# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys
import xml.etree.ElementTree

import pytest

from rdrl.report import plots


def _draw(path):
  plots.curves(
    path / 'curves.svg',
    {
      'a': ([0, 1, 2], [1.0, 2.0, 4.0], [0.5, 1.0, 3.0], [1.5, 3.0, 5.0]),
      'b': ([0, 1], [3.0, 1.0]),
      'never logged': ([], []),
    },
    'step',
    'loss',
  )
  plots.bars(path / 'bars.svg', {'accepted': 3, 'overlap': 0}, 'edits')
  plots.histogram(path / 'histogram.svg', {'cut in': [1, 1, 2]}, 'm/s²', 'n')


def test_files_repeat_parse_and_follow_the_mode_of_the_reader(tmp_path):
  for name in ('one', 'two'):
    (tmp_path / name).mkdir()
    _draw(tmp_path / name)
  names = sorted(p.name for p in (tmp_path / 'one').iterdir())
  assert names == ['bars.svg', 'curves.svg', 'histogram.svg']
  for name in names:
    text = (tmp_path / 'one' / name).read_text()
    assert text == (tmp_path / 'two' / name).read_text()
    xml.etree.ElementTree.fromstring(text)
    assert 'prefers-color-scheme:dark' in text
    assert 'var(--ink)' in text


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
