# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tracks as vehicles can have driven them.

Recorded places jitter: by the noise of a receiver or of a labelled box, by
straight lines between labels, and where a place is from some hundredths of a
second before or after its step, which at 13 m/s is a decimetre. To the eye that
is nothing; but a plan that repeats it asks for jerk that no car has.

The motion that explains a track is the most likely one of a kinematic bicycle
whose acceleration and curvature change at random, given the recorded places and
headings with some noise: the iterated extended Kalman smoother, which is
Gauss-Newton (Bell, "The iterated Kalman smoother as a Gauss-Newton method",
SIAM J. Optimization 4, 1994), with the backward pass of Bierman ("Fixed
interval smoothing with discrete measurements", Int. J. Control 18, 1973), which
inverts no covariance. Of a ladder of noises the least is taken whose motion is
within limits; the distance to the recorded places tells what it cost.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.scenario import checks
from rdrl.scenario.config import Config

# m/s above which an agent moves.
MOVING = 0.5
# A track within the limits of edits stays as it was recorded, any other is
# smoothed until it is within them, too; that of the ego, which cousins repeat
# with a change, until it leaves room for that: m/s^2, 1/m, m/s^3.
_DRIVABLE = Config()
_ROOMY = dataclasses.replace(
  _DRIVABLE,
  max_acceleration=6.0,
  max_lateral_acceleration=4.5,
  max_curvature=0.19,
  max_jerk=8.0,
)
# Metres, standard deviation of recorded places; that of a heading is as if two
# places so far apart told it.
_NOISES = 0.01 * 2.0 ** np.arange(7)
_LEVER = 2.0
# m/s^3, standard deviation of the jerk of a step, along and to the side, and
# m/s below which steering is no faster.
_JERK, _SLOW = 3.0, 3.0
# Standard deviations at the first step, of what `_roll` takes.
_PRIOR = np.array([1.0, 1.0, 0.2, 3.0, 3.0, 0.2])
# Share of the length of a box between its middle and the rear axle.
_REAR_AXLE = 0.3
_ITERATIONS = 6
# Agents that are smoothed at once.
_TOGETHER = 16
# Steps that the motion of one looks at to either side.
_LOOKS = 2


def smooth(tracks: types.AgentState, sizes, classes) -> types.AgentState:
  """Tracks of which plans may repeat any part.

  Vehicles and cyclists that move and could not have driven as recorded, by
  `checks`, drive as the bicycle that explains their places best, if one does
  within the limits; all others stay as they are.

  Args:
    tracks: `[T, A]` as recorded.
    sizes: `[A, 3]` metres.
    classes: `[A]`.

  Returns:
    `[T, A]` in host memory. Heights and who is valid when are as recorded.
  """
  tracks = jax.tree.map(np.asarray, tracks)
  wanted = np.isin(classes, (types.VEHICLE, types.CYCLIST))
  wanted &= np.any(tracks.valid & (np.abs(tracks.speed) > MOVING), 0)
  moves = jax.tree.map(lambda x: np.moveaxis(x, 1, 0), tracks)
  wanted &= ~np.asarray(_are_drivable(moves))
  rows = np.flatnonzero(wanted)
  if not len(rows):
    return tracks
  # Places in the world may be so far from its origin that float32 rounds them
  # to millimetres.
  first = np.argmax(moves.valid[rows], 1)
  origin = moves.xy[rows, first]
  part = trees.take(moves, rows)
  part = part.replace(xy=part.xy - origin[:, None])
  axles = _REAR_AXLE * np.asarray(sizes, np.float32)[rows, 0]
  found, is_smooth = trees.map_batches(
    lambda batch: _smooth(*batch), (part, axles, rows == 0), _TOGETHER
  )
  found = found.replace(xy=found.xy + origin[:, None])
  new = jax.tree.map(np.array, tracks)
  for row in np.flatnonzero(is_smooth):
    seen, agent = found.valid[row], rows[row]
    for name, values in vars(found).items():
      getattr(new, name)[seen, agent] = values[row][seen]
  return new


def residual(tracks: types.AgentState, smoothed: types.AgentState):
  """Root of the mean square and greatest distance `[A]` in metres."""
  squared = np.sum((np.asarray(smoothed.xy) - tracks.xy) ** 2, -1)
  squared = np.where(tracks.valid, squared, 0)
  seen = np.maximum(np.sum(tracks.valid, 0), 1)
  return np.sqrt(squared.sum(0) / seen), np.sqrt(squared.max(0))


def _is_beyond(track, limits):
  """Whether the motion of a track `[T]` exceeds limits of a `Config`."""
  speed, course = checks.motion(track.xy, track.yaw)
  seen = jnp.pad(track.valid, _LOOKS)
  steps = len(track.valid)
  window = jnp.stack([seen[i : i + steps] for i in range(2 * _LOOKS + 1)])
  failed = checks.kinematics(speed, course, jnp.all(window, 0), limits)
  # Who backs up may.
  del failed['speed']
  return jnp.any(jnp.stack(list(failed.values())))


@training.compiling.quick_jit
def _are_drivable(tracks):
  return ~jax.vmap(lambda track: _is_beyond(track, _DRIVABLE))(tracks)


@training.compiling.quick_jit
def _smooth(tracks, axles, is_ego):
  """Motions `[n, T]` of tracks `[n, T]`, and which `[n]` are within limits."""
  noises = jnp.asarray(_NOISES)

  def one(track, axle, is_ego):
    yaw = jnp.unwrap(_held(track.yaw, track.valid))
    recorded = track.replace(xy=_held(track.xy, track.valid), yaw=yaw)

    def is_rough(carry):
      level, _, is_smooth = carry
      return ~is_smooth & (level < len(noises))

    def smoother(carry):
      level, _, _ = carry
      found = explain(recorded, axle, noises[level])
      beyond = jnp.where(
        is_ego, _is_beyond(found, _ROOMY), _is_beyond(found, _DRIVABLE)
      )
      return level + 1, found, ~beyond

    start = jnp.zeros((), jnp.int32), track, jnp.zeros((), bool)
    return jax.lax.while_loop(is_rough, smoother, start)[1:]

  return jax.vmap(one)(tracks, axles, is_ego)


def _held(x, valid):
  """`x` `[T, ...]` with what is not valid as at the valid step before."""
  steps = jnp.arange(len(valid))
  return x[jax.lax.cummax(jnp.where(valid, steps, jnp.argmax(valid)))]


def explain(track: types.AgentState, axle, noise) -> types.AgentState:
  """The most likely motion of a bicycle `[T]`, given recorded places.

  Args:
    track: `[T]`, valid at some step; places near the origin, headings without
      jumps by a turn.
    axle: `[]` metres from the rear axle to the middle of the box.
    noise: `[]` metres, standard deviation of the places.
  """
  dt = types.TIME_STEP
  valid = track.valid
  begun = jnp.arange(len(valid)) >= jnp.argmax(valid)
  measured = jnp.concatenate([track.xy, track.yaw[:, None]], -1)
  deviations = jnp.stack([noise, noise, noise / _LEVER])

  forward = jnp.stack([jnp.cos(track.yaw), jnp.sin(track.yaw)], -1)
  speed = jnp.sum(jnp.gradient(track.xy, dt, axis=0) * forward, -1)
  rear = track.xy - axle * forward
  still = jnp.zeros_like(speed)
  guess = jnp.stack([*rear.T, track.yaw, speed, still, still], -1)

  steering = _JERK / (speed**2 + _SLOW**2)
  drift = jnp.stack([*4 * [still], still + _JERK * dt, steering * dt], -1) ** 2

  def improve(_, states):
    """One step of Gauss-Newton."""
    seen = _with_slopes(lambda x: _observe(x, axle), states)
    ahead = _with_slopes(_roll, states)
    start = states[0], jnp.diag(jnp.asarray(_PRIOR) ** 2)
    rows = states, seen, ahead, measured, drift, valid, begun
    _, passed = jax.lax.scan(_filter, start, rows)
    _, found = jax.lax.scan(_look_back, jnp.zeros(6), passed, reverse=True)
    return found

  def _filter(carry, row):
    mean, covariance = carry
    state, (seen, slopes), (ahead, step), measured, drift, valid, begun = row
    error = measured - seen - _dot(slopes, mean - state)
    pull, left = jnp.zeros(6), jnp.eye(6)
    updated, spread = mean, covariance
    # One number after another, so that there is nothing to invert.
    for slope, miss, deviation in zip(slopes, error, deviations, strict=True):
      miss -= _dot(slope, updated - mean)
      reach = _dot(spread, slope)
      weight = valid / (_dot(slope, reach) + deviation**2)
      gain = weight * reach
      updated += gain * miss
      # Joseph's form: the short one loses in float32 what is left of a prior.
      rest = jnp.eye(6) - jnp.outer(gain, slope)
      spread = _dot(rest, _dot(spread, rest.T))
      spread += deviation**2 * jnp.outer(gain, gain)
      along = _dot(slope, left)
      pull += weight * miss * along
      left -= jnp.outer(gain, along)
    ahead += _dot(step, updated - state)
    spread = _dot(step, _dot(spread, step.T)) + jnp.diag(drift)
    following = trees.where(begun, (ahead, spread), carry)
    step = jnp.where(begun, step, jnp.eye(6))
    return following, (mean, covariance, pull, _dot(step, left))

  def _look_back(adjoint, row):
    mean, covariance, pull, step = row
    adjoint = _dot(adjoint, step) - pull
    return adjoint, mean - _dot(covariance, adjoint)

  states = jax.lax.fori_loop(0, _ITERATIONS, improve, guess)
  place = jax.vmap(_observe, (0, None))(states, axle)
  return track.replace(
    xy=place[:, :2], yaw=geometry.wrap_angle(place[:, 2]), speed=states[:, 3]
  )


def _roll(state):
  """The next x, y, yaw, speed, acceleration and curvature of a rear axle."""
  x, y, yaw, speed, acceleration, curvature = state
  length = (speed + acceleration * types.TIME_STEP / 2) * types.TIME_STEP
  angle = length * curvature
  chord = length * jnp.sinc(angle / (2 * jnp.pi))
  direction = yaw + angle / 2
  return jnp.stack(
    [
      x + chord * jnp.cos(direction),
      y + chord * jnp.sin(direction),
      yaw + angle,
      speed + acceleration * types.TIME_STEP,
      acceleration,
      curvature,
    ]
  )


def _observe(state, axle):
  """Middle of the box and heading `[3]`."""
  x, y, yaw = state[:3]
  return jnp.stack([x + axle * jnp.cos(yaw), y + axle * jnp.sin(yaw), yaw])


def _with_slopes(function, states):
  """Values `[T, n]` and Jacobians `[T, n, 6]` at states `[T, 6]`."""
  return jax.vmap(function)(states), jax.vmap(jax.jacfwd(function))(states)


def _dot(a, b):
  return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
