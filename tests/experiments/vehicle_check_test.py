# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The vehicle check on a drive of known steering, and on a recorded one."""

import os
import pathlib
import sys

import numpy as np
import pytest

from experiments import vehicle_check
from rdrl import sim
from rdrl import training

ROOT = pathlib.Path(__file__).parents[2]
REAL = (
  ROOT / os.environ.get('RDRL_DATA', '../shared/data') / ('comma2k19_example')
)


def _made_up(ratio, offset, scale):
  """30 s at 20 Hz of a bicycle whose middle is integrated in float64."""
  times = np.arange(601) * 0.05
  fine = np.arange(0, 30.0001, 0.001)
  config = sim.Config()
  wheels = 0.02 * np.sin(fine) + 0.01 * np.sin(0.37 * fine)
  speed = 12 + 2 * np.sin(0.2 * fine)
  curvature = np.tan(wheels) / config.wheelbase
  yaw = np.concatenate([[0], np.cumsum(0.001 * (speed * curvature)[:-1])])
  rear = np.cumsum(
    0.001 * speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], -1), 0
  )
  middle = rear + config.rear_axle_to_center * np.stack(
    [np.cos(yaw), np.sin(yaw)], -1
  )
  at = np.round(times / 0.001).astype(int)
  return vehicle_check.Segment(
    times=times,
    xy=middle[at],
    heading=yaw[at],
    steering_times=fine,
    steering=ratio * wheels + offset,
    speed_times=fine,
    speed=speed / scale,
  )


def test_what_the_steering_was_made_of_is_found():
  facts = vehicle_check.check(_made_up(16.0, np.radians(1.5), 1.01))
  assert facts['speed_scale'] == pytest.approx(1.01, abs=1e-3)
  # Speeds are a hundredth low, so are 5 s of about 12 m/s.
  assert facts['along_m'] == pytest.approx(0.6, abs=0.15)
  assert facts['scaled_median_end_m'] < 0.02
  exact = vehicle_check.check(_made_up(16.0, np.radians(1.5), 1.0))
  assert exact['steering_ratio'] == pytest.approx(16, rel=2e-3)
  assert exact['steering_offset_deg'] == pytest.approx(1.5, abs=0.02)
  assert exact['worst_end_m'] < 0.03
  assert exact['aside_without_steering_m'] > 1


def test_axes_are_east_north_and_up():
  # Where the equator meets the prime meridian, and at 45 degrees north.
  axes = vehicle_check.east_north_up(np.array([6378137.0, 0, 0]))
  np.testing.assert_allclose(
    axes, [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-12
  )
  # 45 degrees north: e.g. Hofmann-Wellenhof et al., "GNSS" (2008), eq. 8.4.
  axes = vehicle_check.east_north_up(np.array([4517590.8788, 0, 4487348.4089]))
  half = np.sqrt(0.5)
  np.testing.assert_allclose(
    axes, [[0, 1, 0], [-half, 0, half], [half, 0, half]], atol=1e-9
  )


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(training.config.ConfigError, match='frame_positions'):
    vehicle_check.read(tmp_path)


def test_the_bicycle_repeats_a_recorded_highway():
  if not REAL.exists():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  facts = vehicle_check.check(vehicle_check.read(REAL))
  assert facts['median_end_m'] <= 1.0
  assert facts['scaled_median_end_m'] < 0.3
  assert facts['stretches'] > 100


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
