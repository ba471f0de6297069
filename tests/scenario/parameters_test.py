# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The table of parameters says who draws what, and within which limits."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import ranges
from rdrl import scenario
from rdrl.scenario import adversaries
from rdrl.scenario import plan

CONFIG = scenario.Config()
TIME = jnp.arange(5.0)


class _Asked:
  """A draw of the middle that remembers for what it was asked."""

  def __init__(self):
    middle = jnp.full(len(plan.PARAMETERS), 0.5)
    self._draw = plan.Draw(plan.unconstrained(CONFIG).parameters, middle)
    self.names = set()

  def range(self, name):
    self.names.add(name)
    return self._draw.range(name)

  def __call__(self, name):
    self.names.add(name)
    return self._draw(name)


def _mover():
  one = jnp.float32(1)
  meeting = plan.Meeting(*[one] * len(dataclasses.fields(plan.Meeting)))
  others = len(dataclasses.fields(plan.Mover)) - 1
  mover = plan.Mover(*[one] * others, crossing_time=one)
  return mover.replace(meeting=meeting)


@pytest.mark.parametrize(
  'family, planned',
  list(zip(scenario.FAMILIES, adversaries.PLANS, strict=True)),
)
def test_a_family_draws_what_the_table_gives_it(family, planned):
  asked = _Asked()
  jax.eval_shape(lambda: planned(_mover(), TIME, asked, CONFIG))
  for name in asked.names:
    assert family in scenario.PARAMETERS[name].behaviours, name


def test_limits_of_the_configuration_take_the_place_of_the_tables():
  config = dataclasses.replace(CONFIG, limits=(('brake', (5.0, 6.0)),))
  expected = plan.unconstrained(CONFIG).parameters
  expected[plan.PARAMETERS.index('brake')] = 5, 6
  np.testing.assert_array_equal(plan.unconstrained(config).parameters, expected)


def test_what_is_in_the_table_is_allowed_and_by_a_behaviour():
  for name, parameter in scenario.PARAMETERS.items():
    assert ranges.misfit(parameter.limits, parameter.allowed) is None, name
    assert parameter.behaviours, name
    assert set(parameter.behaviours) <= set(scenario.BEHAVIOURS), name


@pytest.mark.parametrize(
  'limits, message',
  [
    ((('brakes', (1.0, 2.0)),), 'names among onset, merge_time'),
    ((('brake', (2.0, 1.0)),), 'ascending numbers for brake'),
    ((('brake', (-2.0, 1.0)),), '0 to 1000000000 for each for brake'),
    ((('slow_speed', (0.1, 1.5)),), '0 to 1 for each for slow_speed'),
    ((('brake', 1.0),), 'several values'),
  ],
)
def test_limits_of_nothing_and_wrong_ones_are_named(limits, message):
  with pytest.raises(ValueError, match=f'scenario.limits=.*{message}'):
    ranges.check(dataclasses.replace(CONFIG, limits=limits), 'scenario.')


def test_a_misspelt_name_is_no_parameter():
  with pytest.raises(KeyError, match='brakes'):
    CONFIG.limits_of('brakes')


def test_a_draw_moves_on_within_the_ranges_of_what_it_moves():
  names = ('side', 'place', 'place_aside')
  limits = plan.unconstrained(CONFIG).parameters
  first = plan.Draw(limits, jnp.full(len(plan.PARAMETERS), 0.3))
  moved = [first.moved_on(names, step) for step in range(32)]
  for name in plan.PARAMETERS:
    values = np.array([draw(name) for draw in moved])
    low, high = limits[plan.PARAMETERS.index(name)]
    np.testing.assert_allclose(values[0], first(name), rtol=1e-6)
    if name not in names:
      assert len(set(values.tolist())) == 1
      continue
    # The first dozen meets every quarter of the range.
    share = (values[:12] - low) / (high - low)
    assert np.all(np.histogram(share, 4, (0, 1))[0] > 0)
  pairs = np.array([[draw(name) for name in names] for draw in moved])
  assert np.abs(np.corrcoef(pairs.T) - np.eye(3)).max() < 0.3


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
