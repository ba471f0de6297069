# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Checks the kinematic bicycle against a recorded drive.

  python -m experiments.vehicle_check --data_dir=SEGMENT

reads one segment of comma2k19 (Schafer et al. 2018, arXiv 1812.05752): poses in
ECEF coordinates at 20 Hz, speed and steering wheel from the CAN bus at 83 Hz.
It fits ratio and offset of the steering to the beginning of the segment, drives
the bicycle over stretches of the rest from measured speed and steering alone,
and prints one JSON line with the errors at their ends.

For comparison the line also has the errors without steering, which are small on
a straight road, and those with a scale of the speed, fitted to the same
beginning, because wheel speeds on the bus are a little off.
"""

import dataclasses
import json
import pathlib

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from experiments import flags as shared
from rdrl import sim
from rdrl import training
from rdrl import types
from rdrl.sim import dynamics

_DATA_DIR = shared.flag('data_dir')
_FIT = flags.DEFINE_float('fit_s', 20.0, 'Seconds that are fitted to.')
_STRETCH = flags.DEFINE_float('stretch_s', 5.0, 'Seconds of a stretch.')

# WGS 84: semi-major axis in metres and squared eccentricity.
_AXIS, _ECCENTRICITY = 6378137.0, 6.69437999014e-3
# Frames between the beginnings of two stretches.
_STRIDE = 5


@dataclasses.dataclass(frozen=True)
class Segment:
  """A drive on flat ground, in NumPy.

  Attributes:
    times: `[T]` seconds.
    xy: `[T, 2]` metres east and north of the first pose.
    heading: `[T]` rad, course over ground.
    steering_times: `[M]` seconds.
    steering: `[M]` rad at the steering wheel, positive to the left.
    speed_times: `[K]` seconds.
    speed: `[K]` m/s.
  """

  times: np.ndarray
  xy: np.ndarray
  heading: np.ndarray
  steering_times: np.ndarray
  steering: np.ndarray
  speed_times: np.ndarray
  speed: np.ndarray


def _load(data_dir, name, width=None):
  path = pathlib.Path(data_dir) / name
  try:
    with path.open('rb') as file:
      values = np.load(file)
  except (OSError, ValueError) as error:
    raise training.config.ConfigError(f'{path}: {error}') from error
  values = values[:, 0] if width is None and values.ndim == 2 else values
  if values.shape[1:] != (() if width is None else (width,)):
    raise training.config.ConfigError(f'{path}: has shape {values.shape}')
  if len(values) < 2 or not np.isfinite(values).all():
    raise training.config.ConfigError(f'{path}: too short or not finite')
  return values


def east_north_up(position):
  """Rotation `[3, 3]` from ECEF axes to east, north, up at `[3]` metres."""
  x, y, z = position
  longitude, radius = np.arctan2(y, x), np.hypot(x, y)
  latitude = np.arctan2(z, radius * (1 - _ECCENTRICITY))
  for _ in range(5):
    curve = _AXIS / np.sqrt(1 - _ECCENTRICITY * np.sin(latitude) ** 2)
    lift = _ECCENTRICITY * curve * np.sin(latitude)
    latitude = np.arctan2(z + lift, radius)
  sin, cos = np.sin(latitude), np.cos(latitude)
  east = np.array([-np.sin(longitude), np.cos(longitude), 0])
  out = np.array([np.cos(longitude), np.sin(longitude), 0])
  pole = np.array([0, 0, 1])
  return np.stack([east, cos * pole - sin * out, cos * out + sin * pole])


def read(data_dir):
  """Reads a `Segment`.

  Raises:
    ConfigError: naming the file that is missing or damaged.
  """
  position = _load(data_dir, 'global_pose/frame_positions', 3)
  velocity = _load(data_dir, 'global_pose/frame_velocities', 3)
  axes = east_north_up(position[0])
  course = velocity @ axes[:2].T
  can = 'processed_log/CAN'
  return Segment(
    times=_load(data_dir, 'global_pose/frame_times'),
    xy=(position - position[0]) @ axes[:2].T,
    heading=np.unwrap(np.arctan2(course[:, 1], course[:, 0])),
    steering_times=_load(data_dir, f'{can}/steering_angle/t'),
    steering=np.radians(_load(data_dir, f'{can}/steering_angle/value')),
    speed_times=_load(data_dir, f'{can}/speed/t'),
    speed=_load(data_dir, f'{can}/speed/value'),
  )


def _stretches(segment, begin, end, length):
  """Starts `[n]`, controls and ends `[n, 2]` within `[begin, end)` frames."""
  first = np.arange(begin, end - length, _STRIDE)
  if not len(first):
    raise training.config.ConfigError(
      f'frames {begin} to {end} hold no stretch of {length}'
    )
  frames = first[:, None] + np.arange(length + 1)
  times = segment.times[frames]
  dt = np.diff(times)
  speed = np.interp(times, segment.speed_times, segment.speed)
  middle = (times[:, 1:] + times[:, :-1]) / 2
  steering = np.interp(middle, segment.steering_times, segment.steering)
  start = types.AgentState(
    xy=np.zeros((len(first), 2)),
    z=np.zeros(len(first)),
    yaw=segment.heading[first],
    speed=speed[:, 0],
    valid=np.ones(len(first), bool),
  )
  inputs = start, np.diff(speed) / dt, steering, dt
  ends = segment.xy[first + length] - segment.xy[first]
  return *jax.tree.map(jnp.float32, inputs), ends


@jax.jit
def _ends(params, start, acceleration, steering, dt):
  """Middles `[n, 2]` at the ends; params are 1 / ratio, offset and scale."""
  gain, offset, scale = params
  config = sim.Config()

  def end(start, acceleration, steering, dt):
    start = start.replace(speed=scale * start.speed)
    wheels = gain * (steering - offset)
    track = dynamics.drive(start, scale * acceleration, wheels, config, dt)
    return track.xy[-1]

  return jax.vmap(end)(start, acceleration, steering, dt)


_slopes = jax.jit(jax.jacfwd(_ends))


def _fit(stretches, free, initial=(1 / 20, 0.0, 1.0)):
  """Fits the params `free` of `[3]` to the ends of stretches."""
  *inputs, ends = stretches
  initial, free = np.array(initial), list(free)

  def params(x):
    full = initial.copy()
    full[free] = x
    return full.astype(np.float32)

  found = optimize.least_squares(
    lambda x: np.ravel(_ends(params(x), *inputs) - ends).astype(float),
    initial[free],
    jac=lambda x: np.reshape(_slopes(params(x), *inputs), (-1, 3))[
      :, free
    ].astype(float),
    # Offsets are hundredths of a radian, scales are about one.
    x_scale=np.array([0.01, 0.01, 0.01])[free],
  )
  return params(found.x)


def _errors(stretches, params):
  """Metres `[n, 2]` along and aside at the end of each stretch."""
  *inputs, ends = stretches
  error = np.asarray(_ends(np.float32(params), *inputs)) - ends
  course = ends / np.linalg.norm(ends, axis=-1, keepdims=True)
  left = np.stack([-course[:, 1], course[:, 0]], -1)
  return np.stack([(error * course).sum(-1), (error * left).sum(-1)], -1)


def check(segment, fit_s=20.0, stretch_s=5.0):
  """Measures how well the bicycle reproduces a drive.

  Args:
    segment: the drive.
    fit_s: seconds at its beginning, to fit ratio and offset to.
    stretch_s: seconds of the stretches of the rest.

  Returns:
    Dict of `steering_ratio`, `steering_offset_deg` at the steering wheel, the
    number of `stretches`, their length `stretch_s`, and errors at their ends in
    metres: `median_end_m`, `worst_end_m`, medians `along_m` and `aside_m` and
    `aside_without_steering_m`; and of a fit with a `speed_scale`
    `scaled_median_end_m`.

  Raises:
    ConfigError: if the segment is too short.
  """
  step = np.median(np.diff(segment.times))
  length, split = round(stretch_s / step), round(fit_s / step)
  fitted = _stretches(segment, 0, split, length)
  rest = _stretches(segment, split, len(segment.times), length)
  params = _fit(fitted, (0, 1))
  scaled = _fit(fitted, (0, 1, 2), params)
  errors = _errors(rest, params)
  distance = np.linalg.norm(errors, axis=-1)
  along, aside = np.median(np.abs(errors), 0)
  straight = np.abs(_errors(rest, (0, 0, 1)))[:, 1]
  better = np.linalg.norm(_errors(rest, scaled), axis=-1)
  return {
    'steering_ratio': float(1 / params[0]),
    'steering_offset_deg': float(np.degrees(params[1])),
    'stretches': len(distance),
    'stretch_s': stretch_s,
    'median_end_m': float(np.median(distance)),
    'worst_end_m': float(distance.max()),
    'along_m': float(along),
    'aside_m': float(aside),
    'aside_without_steering_m': float(np.median(straight)),
    'speed_scale': float(scaled[2]),
    'scaled_median_end_m': float(np.median(better)),
  }


def main():
  if _DATA_DIR.value is None:
    raise training.config.ConfigError('--data_dir: expected a segment')
  facts = check(read(_DATA_DIR.value), _FIT.value, _STRETCH.value)
  print(json.dumps(facts))


if __name__ == '__main__':
  training.cli.run(main)
