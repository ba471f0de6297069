# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Tracks as vehicles can have driven them."""

import os
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from data_pipelines import kitti
from rdrl import scenario
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.scenario import checks
from rdrl.scenario import smoothing
from rdrl.world import recording

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT / os.environ.get('RDRL_DATA', '../shared/data') / 'kitti_raw_0001'
STEPS = 80
LENGTH = 4.6
AXLE = 0.3 * LENGTH
SIZES = np.tile(np.float32([LENGTH, 1.9, 1.5]), (2, 1))
CLASSES = np.array([types.VEHICLE, types.VEHICLE])


def _bicycle(start, acceleration, curvature, late=0.0):
  """`AgentState` `[T]` of the middle of a box, each step `late` seconds late.

  In float64, by steps of a hundredth of one.
  """
  late = np.broadcast_to(late, len(acceleration))
  x, y, yaw, speed = start
  fine = 100
  dt = types.TIME_STEP / fine
  places = []
  for a, k in zip(acceleration, curvature, strict=True):
    for _ in range(fine):
      places.append((x, y, yaw, speed))
      x += (speed + a * dt / 2) * dt * np.cos(yaw + speed * dt * k / 2)
      y += (speed + a * dt / 2) * dt * np.sin(yaw + speed * dt * k / 2)
      yaw += (speed + a * dt / 2) * dt * k
      speed += a * dt
  places = np.array(places)
  when = fine * np.arange(len(acceleration)) + np.round(late / dt).astype(int)
  x, y, yaw, speed = places[np.clip(when, 0, len(places) - 1)].T
  return types.AgentState(
    xy=np.stack([x + AXLE * np.cos(yaw), y + AXLE * np.sin(yaw)], -1).astype(
      np.float32
    ),
    z=np.zeros(len(yaw), np.float32),
    yaw=((yaw + np.pi) % (2 * np.pi) - np.pi).astype(np.float32),
    speed=speed.astype(np.float32),
    valid=np.ones(len(yaw), bool),
  )


def _braking(late=0.0):
  """A car that brakes in a bend, through a heading of pi, and drives on."""
  time = types.TIME_STEP * np.arange(STEPS)
  acceleration = -2 * np.sin(np.pi * time / 4) ** 2
  curvature = 0.03 * np.sin(np.pi * time / 8)
  return _bicycle((3.0, -2.0, 3.0, 13.0), acceleration, curvature, late)


def _jittered(seed=0):
  """The car with clocks a hundredth of a second off and places 1 cm off."""
  rng = np.random.default_rng(seed)
  track = _braking(rng.uniform(0, 0.01, STEPS))
  noise = rng.normal(scale=0.01, size=track.xy.shape).astype(np.float32)
  return track.replace(xy=track.xy + noise)


def _together(*tracks):
  return jax.tree.map(lambda *x: np.stack(x, 1), *tracks)


def _smooth(*tracks, classes=CLASSES):
  found = smoothing.smooth(_together(*tracks), SIZES, classes)
  return [trees.take(found, (slice(None), i)) for i in range(len(tracks))]


def _jerk(track):
  speed = np.linalg.norm(np.diff(track.xy.astype(float), axis=0), axis=-1) / 0.1
  return np.abs(np.diff(speed, 2) / 0.01).max()


def _distance(a, b):
  return np.linalg.norm(np.asarray(a.xy, float) - b.xy, axis=-1)


def test_who_could_drive_so_stays_as_recorded_to_the_bit():
  track = _braking()
  other = _bicycle((0, 0, 0, 5), np.full(STEPS, 0.5), np.full(STEPS, 0.05))
  for new, old in zip(_smooth(track, other), (track, other), strict=True):
    for name, values in vars(old).items():
      np.testing.assert_array_equal(getattr(new, name), values, name)


def test_ego_of_a_built_in_street_stays_and_nobody_moves_by_a_decimetre():
  street = world.build(1)
  tracks = jax.device_get(recording.drive(street))
  new = smoothing.smooth(tracks, street.sizes, street.classes)
  _, most = smoothing.residual(tracks, new)
  # Somebody may brake by 8 m/s^2 from one step to the next.
  assert most[0] == 0 and most.max() < 0.1


def test_jitter_goes_and_the_motion_stays():
  recorded, truth = _jittered(), _braking(0.005)
  assert _jerk(recorded) > 100
  smoothed, _ = _smooth(recorded, recorded)
  assert _jerk(smoothed) < 10
  speed, course = checks.motion(smoothed.xy, smoothed.yaw)
  window = np.arange(STEPS) % (STEPS - 1) > 1
  failed = checks.kinematics(speed, course, window, scenario.Config())
  assert not any(map(bool, failed.values()))
  # Nearer to what was driven than what was recorded.
  assert np.sqrt(np.mean(_distance(smoothed, truth) ** 2)) < 0.02
  assert np.sqrt(np.mean(_distance(recorded, truth) ** 2)) > 0.03
  assert np.abs(smoothed.speed - truth.speed)[5:-5].max() < 0.25
  turn = np.angle(np.exp(1j * (smoothed.yaw - truth.yaw)))
  assert np.abs(turn).max() < np.radians(0.5)
  rms, most = smoothing.residual(_together(recorded), _together(smoothed))
  np.testing.assert_allclose(most, _distance(smoothed, recorded).max(), 1e-4)
  assert 0.02 < rms[0] < 0.05


def test_smoothing_what_is_smooth_changes_nothing():
  once = _together(*_smooth(_jittered(), _jittered(1)))
  twice = smoothing.smooth(once, SIZES, CLASSES)
  assert smoothing.residual(once, twice)[1].max() == 0


def test_explanation_is_the_least_sum_of_squares():
  """Against a solver of the same problem in its noises, in float64."""
  rng = np.random.default_rng(2)
  track = trees.take(_braking(), slice(30, 50))
  noise = 0.04
  track = track.replace(
    xy=track.xy - track.xy[0] + rng.normal(scale=noise, size=track.xy.shape),
    yaw=np.unwrap(track.yaw),
  )
  track = jax.tree.map(
    lambda x: np.float32(x) if x.dtype == np.float64 else x, track
  )
  found = jax.jit(smoothing.explain)(track, AXLE, noise)
  count = len(track.yaw)
  forward = np.stack([np.cos(track.yaw), np.sin(track.yaw)], -1)
  along = np.sum(np.gradient(track.xy, 0.1, axis=0) * forward, -1)
  steering = 3.0 / (along**2 + 3.0**2)

  def drive(unknown):
    state, jerk, turn = unknown[:6], *unknown[6:].reshape(2, -1)
    states = [state]
    for j, k in zip(jerk, turn, strict=True):
      x, y, yaw, speed, a, c = states[-1]
      way = (speed + a * 0.05) * 0.1
      middle = yaw + way * c / 2
      way_seen = way * np.sinc(way * c / 2 / np.pi)
      states.append(
        np.array(
          [
            x + way_seen * np.cos(middle),
            y + way_seen * np.sin(middle),
            yaw + way * c,
            speed + a * 0.1,
            a + 0.1 * 3.0 * j,
            c + 0.1 * k,
          ]
        )
      )
    return np.array(states)

  def misses(unknown):
    states = drive(unknown)
    yaw = states[:, 2]
    place = states[:, :2] + AXLE * np.stack([np.cos(yaw), np.sin(yaw)], -1)
    turn = unknown[6 + count - 1 :] / steering[:-1]
    return np.concatenate(
      [
        ((place - track.xy) / noise).ravel(),
        (yaw - track.yaw) / (noise / 2),
        unknown[6 : 6 + count - 1],
        turn,
      ]
    )

  start = np.zeros(6 + 2 * (count - 1))
  start[:2] = track.xy[0] - AXLE * forward[0]
  start[2:4] = track.yaw[0], along.mean()
  best = optimize.least_squares(misses, start, x_scale='jac', xtol=1e-12)
  states = drive(best.x)
  yaw = states[:, 2]
  place = states[:, :2] + AXLE * np.stack([np.cos(yaw), np.sin(yaw)], -1)
  np.testing.assert_allclose(found.xy, place, atol=1e-3)
  np.testing.assert_allclose(found.speed, states[:, 3], atol=1e-2)


def test_what_was_not_seen_is_bridged_and_not_invented():
  recorded = _jittered()
  valid = np.ones(STEPS, bool)
  valid[:7] = valid[30:36] = valid[70:] = False
  hidden = recorded.replace(
    xy=np.where(valid[:, None], recorded.xy, np.nan),
    yaw=np.where(valid, recorded.yaw, np.nan),
    valid=valid,
  )
  _, smoothed = _smooth(recorded, hidden)
  np.testing.assert_array_equal(smoothed.valid, valid)
  assert np.isnan(smoothed.xy[~valid]).all()
  assert _distance(smoothed, _braking(0.005))[valid].max() < 0.06


def test_who_walks_and_who_stands_stay_as_recorded():
  rng = np.random.default_rng(3)
  walks = _jittered()
  stands = _bicycle((0, 0, 0, 0), np.zeros(STEPS), np.zeros(STEPS))
  noise = rng.normal(scale=0.05, size=(STEPS, 2)).astype(np.float32)
  stands = stands.replace(xy=stands.xy + noise)
  classes = np.array([types.PEDESTRIAN, types.VEHICLE])
  for new, old in zip(
    _smooth(walks, stands, classes=classes), (walks, stands), strict=True
  ):
    np.testing.assert_array_equal(new.xy, old.xy)


def test_what_no_vehicle_can_have_driven_stays_as_recorded():
  track = _braking()
  jumps = track.replace(xy=track.xy + 20 * (np.arange(STEPS) > 40)[:, None])
  _, new = _smooth(track, jumps.replace(xy=np.float32(jumps.xy)))
  np.testing.assert_array_equal(new.xy, np.float32(jumps.xy))


def test_places_far_from_the_origin_are_smoothed_alike():
  recorded = _jittered()
  # A power of two, so that float32 rounds only to millimetres.
  far = np.float32([8192, -4096])
  near, away = _smooth(recorded, recorded.replace(xy=recorded.xy + far))
  np.testing.assert_allclose(away.xy - far, near.xy, atol=0.01)


@pytest.mark.slow
def test_real_drive_has_cousins():
  """KITTI raw 2011_09_26_drive_0001, also with its steps out of time."""
  if not REAL.is_dir():
    pytest.skip(f'no recording at {REAL}; set RDRL_DATA')
  from rdrl import logs

  log = kitti.read_raw(REAL, num_lidar=1, motion=None, num_agents=2)
  scene = logs.geometric_scene(log)
  # By the nearest hundredth of a second, as packets of its receiver are.
  step = np.arange(len(log.times))
  late = np.round(0.1035 * step, 2) - 0.1035 * step
  velocity = np.gradient(log.tracks.xy[:, 0], 0.1035, axis=0)
  jitter = log.tracks.xy.copy()
  jitter[:, 0] += velocity * late[:, None]
  scene = scene.replace(tracks=log.tracks.replace(xy=jitter))
  context = scenario.prepare(scene)
  rms, most = smoothing.residual(scene.tracks, context.tracks)
  assert 0.02 < rms[0] < 0.04 and most[0] < 0.1
  # It is the drive without the jitter again.
  assert smoothing.residual(log.tracks, context.tracks)[0][0] < 0.015
  for name in scenario.COUSINS[:4]:
    found = scenario.proposals(
      context,
      np.full(64, scenario.BEHAVIOURS.index(name)),
      jax.random.split(jax.random.key(0), 64),
      scenario.Config(),
    )
    assert np.sum(found.reason == 0) >= 16, name
  assert jnp.isfinite(context.tracks.xy).all()


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
