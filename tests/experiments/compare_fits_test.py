# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Parts of a fit are compared, and a comparison goes on where it stopped."""

import json
import sys

import pytest

from experiments import compare_fits
from tests import programs


def _run(*arguments):
  return programs.run(
    '-m', 'experiments.compare_fits', *arguments, timeout=1500
  )


@pytest.mark.slow
def test_tables_of_parts_and_of_traversals(tmp_path):
  run = [
    f'--workdir={tmp_path}',
    '--preset=quickstart',
    '--streets=1',
    '--offsets=0,3',
    '--set=world.height=24',
    '--set=world.width=40',
    '--set=world.num_steps=24',
    '--set=world.num_lidar=256',
    '--set=splat.fit.num_gaussians=1500',
    '--set=splat.fit.num_steps=40',
  ]
  first = _run(*run, '--variants=plain 3DGS,+ depth')
  assert first.returncode == 0, first.stderr
  street = tmp_path / 'street_1'
  before = (street / '+_depth/scores.json').read_bytes()
  found = json.loads(before)
  assert len(found['offsets']['perceptual']) == 2
  assert found['edits']['mean'].keys() == {'recorded', 'hole', 'turned'}
  # What was done is read; what was not is done.
  names = '+ depth,+ second traversal,second traversal alone'
  again = _run(*run, f'--variants={names}')
  assert again.returncode == 0, again.stderr
  assert (street / '+_depth/scores.json').read_bytes() == before
  together = json.loads((street / '+_second_traversal/scores.json').read_text())
  assert len(together['own']) == 2
  assert 'each traversal' in again.stdout
  assert (tmp_path / 'offsets.svg').stat().st_size > 1000


def test_streets_without_a_score_are_left_out_of_its_mean():
  means = compare_fits._mean([[30.0, None, 0.02], [32.0, None, None]])
  assert means == ['31.00 (1.00)', '-', '0.020 (0.000)']


def test_a_variant_that_is_none_is_named(tmp_path):
  result = _run(f'--workdir={tmp_path}/run', '--variants=+ magic')
  assert result.returncode == 1
  assert '+ magic' in result.stderr.splitlines()[-1]
  assert not (tmp_path / 'run').exists()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
