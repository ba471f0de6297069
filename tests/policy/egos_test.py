# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Egos without anything learnt do what their names say, by what is seen."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl.policy import egos
from rdrl.sim import anchors


@pytest.fixture(scope='module')
def ended(road):
  """Each ego behind a car that brakes, beside which the recorded one passed.

  The recorded ego changes lanes; the others follow its path. In the second
  scenario nobody is in the way.
  """
  steps = 101
  time = np.arange(steps) * 0.1
  ahead = road.straight(25, -1.75, 0, steps)
  far = road.straight(400, -1.75, 0, steps)
  driven = road.straight(0, -1.75, 10, steps)
  # Brakes to a stop 5 m behind the car.
  driven['xy'][:, 0] = np.minimum(10 * time, 14.5)
  driven['speed'] = np.where(time < 1.45, 10.0, 0.0)
  found = {}
  for name, other in {'blocked': ahead, 'open': far}.items():
    place = road.scene(driven, other)
    env = _environment(road, place)
    for ego in egos.EGOS:
      drive = egos.drive(env, ego, [0])
      found[name, ego] = bool(np.any(drive.events.dynamic_collision))
  return found


def _environment(road, place):
  """Images large enough to see a car 100 m ahead; nothing is drawn."""
  config = sim.Config(frames=1)
  renderer = sim.NoRenderer(1, config.image_height, config.image_width)
  return sim.Env.create([place], road.scenario(place), renderer, config)


@pytest.mark.parametrize('ego', ['IDM', 'planner', 'cautious', 'gentle'])
def test_a_teacher_heeds_whom_a_camera_sees_and_nobody_else(road, ego):
  ahead = (28.0, -1.75), (18.0, -1.75)
  behind = (-7.0, -1.75), (-30.0, 20.0)

  @jax.jit
  def act(env):
    return egos.action(ego, env, env.start(jax.random.key(0), 0))

  def chosen(place, speed):
    other = road.straight(*place, speed)
    scene = road.scene(road.straight(0, -1.75, 10), other)
    return act(_environment(road, scene)).tolist()

  assert chosen(behind[0], 25) == chosen(behind[1], 1)
  free = chosen(behind[0], 25)
  near, nearer = (chosen(place, 2) for place in ahead)
  # Longitudinal anchors: the nearer, the slower.
  assert nearer[1] < near[1] < free[1]


@pytest.mark.parametrize('speed', [0, 4, 8])
def test_the_cautious_one_does_what_the_slower_of_two_does(road, speed):
  scene = road.scene(
    road.straight(0, -1.75, 8), road.straight(18, -1.75, speed)
  )
  env = _environment(road, scene)

  @jax.jit
  def act(env):
    state = env.start(jax.random.key(0), 0)
    names = 'cautious', 'IDM', 'planner'
    return [egos.action(name, env, state) for name in names]

  cautious, idm, planner = (x.tolist() for x in act(env))
  assert cautious == (idm if idm[1] < planner[1] else planner)


@pytest.mark.parametrize(('gap', 'is_urgent'), [(31, False), (9, True)])
def test_a_gentle_one_changes_its_acceleration_by_little_unless_it_must(
  road, gap, is_urgent
):
  scene = road.scene(road.straight(0, -1.75, 8), road.straight(gap, -1.75, 0))
  env = _environment(road, scene)

  @jax.jit
  def act(env):
    state = env.start(jax.random.key(0), 0)
    state = state.replace(acceleration=jnp.float32(1.0))
    return [egos.action(name, env, state) for name in ('cautious', 'gentle')]

  (_, cautious), (_, gentle) = (
    np.asarray(sim.anchors.command(x)) for x in act(env)
  )
  asked, done = (cautious - 8) / 0.5, (gentle - 8) / 0.5
  if is_urgent:
    assert asked < -4 and done == asked
  else:
    # An anchor is half a metre a second: 1 m/s^2.
    assert -4 < asked < -2 and done == pytest.approx(1 - 2, abs=0.51)


def test_the_planner_passes_who_stands_half_in_its_lane(road):
  ego = road.straight(0, -1.75, 8)
  place = road.scene(ego, road.straight(30, -3.6, 0))
  drive = egos.drive(_environment(road, place), 'planner', [0])
  assert not np.any(drive.events.dynamic_collision)
  x, y = np.moveaxis(np.asarray(drive.agents.xy[0, :, 0]), -1, 0)
  beside = np.abs(x - 30) < 4
  # 1.85 m between the middles are .05 m less than the widths.
  assert x[-1] > 40 and np.min(y[beside]) > -1.5


@pytest.mark.slow
def test_only_constant_speed_runs_into_a_car_that_stands(ended):
  assert ended == {
    (place, ego): (place, ego) == ('blocked', 'constant speed')
    for place in ('blocked', 'open')
    for ego in egos.EGOS
  }


def test_an_unknown_ego_is_named():
  with pytest.raises(ValueError, match="ego 'careful': expected one of"):
    egos.drive(None, 'careful', [0])


@pytest.mark.parametrize('bend', [0.0, 0.04, -0.055])
def test_pursuit_stays_on_a_circle(bend):
  config = sim.Config()
  ahead = np.array(config.route_points)
  # A circle that the rear axle is on, seen from the middle of the box.
  along = ahead + config.rear_axle_to_center
  angle = bend * along
  x = along if bend == 0 else np.sin(angle) / bend
  y = 0 * along if bend == 0 else (1 - np.cos(angle)) / bend
  route = np.stack([x - config.rear_axle_to_center, y], -1)
  action = anchors.pursue(
    jnp.asarray(route, jnp.float32), 10.0, 10.0 * anchors.DURATION, config
  )
  curvature, speed = anchors.command(action)
  # As near as anchors of .025 by .25 m come.
  np.testing.assert_allclose(curvature, bend, atol=0.004)
  np.testing.assert_allclose(speed, 10, atol=0.5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
