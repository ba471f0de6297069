# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The rasterizer's bench runs and says what it timed."""

import json
import sys

import pytest

from tests import programs


@pytest.mark.slow
def test_a_view_is_timed_forward_and_backward():
  found = programs.run(
    '-m',
    'experiments.bench.rasterizer',
    '--suites=views',
    '--gaussians=1000',
    '--sh_degrees=0',
    '--repeats=1',
  )
  assert found.returncode == 0, found.stderr
  lines = [json.loads(line) for line in found.stdout.splitlines()]
  views = [line for line in lines if line['case'] == 'view']
  assert {line['image'] for line in views} == {'320x192', '640x384'}
  for line in views:
    assert 0 < line['forward_ms'] < line['forward_backward_ms']
    assert not line['overflow'] and not line['recompilations']


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
