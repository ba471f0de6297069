# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Both stages on a straight road with a car parked on it."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import learn
from rdrl import policy as policies
from rdrl import report
from rdrl import scenario
from rdrl import sim
from rdrl import training
from rdrl import types

SIM = sim.Config(horizon=8, frames=1, image_height=4, image_width=4)
NETWORK = policies.Config(channels=(8,), width=16, num_layers=1, num_heads=2)
IMITATION = learn.ImitationConfig(
  stride=4, batch_size=32, num_steps=150, learning_rate=3e-3
)
PPO = learn.PpoConfig(num_envs=16, warmup_updates=1)


@struct.dataclass
class _Gap:
  """Lights one lamp of sixteen more every 2.5 m towards the car ahead."""

  def __call__(self, scene_index, cameras, agents, time=None):
    del scene_index
    gap = agents.xy[1, 0] - agents.xy[0, 0]
    lamps = (gap > 0) & (gap < 2.5 * (1 + jnp.arange(16)))
    images = 255 * lamps.reshape(1, 4, 4, 1).astype(jnp.uint8)
    return jnp.broadcast_to(images, (len(cameras.intrinsics), 4, 4, 3))


@pytest.fixture(scope='module')
def env(road):
  return _environment(road)


def _environment(road):
  """A drive at 10 m/s in an empty lane, and with a car parked in that lane."""
  ego = road.straight(0, -1.75, 10, steps=61)
  free = road.scene(ego, road.straight(200, 5.25, 0, steps=61))
  parked = road.scene(ego, road.straight(46, -1.75, 0, steps=61))
  starts = (5, 10, 15, 20)
  scenarios = [
    road.scenario(place, start=np.int32(start), adversary=np.int32(adversary))
    for place, adversary in ((free, 0), (parked, 1))
    for start in starts
  ]
  scenarios = jax.tree.map(lambda *x: np.concatenate(x), *scenarios)
  return sim.Env.create([free], scenarios, _Gap(), SIM)


def _imitator(env, directory=None, config=IMITATION, data=None):
  if data is None:
    data = learn.imitation_data(env, config, jax.random.key(0))
  policy = policies.create(jax.random.key(1), NETWORK, data.observation)
  policy = learn.imitate(policy, data, config, jax.random.key(2), directory)
  return policy, data


@pytest.fixture(scope='module')
def learnt(env, tmp_path_factory):
  directory = tmp_path_factory.mktemp('imitation')
  return *_imitator(env, directory), directory


def _collided(env, policy):
  """Share of the drives towards the parked car that end in it."""
  drives = report.evaluate(policy, env, [4, 5, 6, 7], jax.random.key(3))
  assert not np.any(drives.events.position_deviation)
  return np.mean(np.any(drives.events.dynamic_collision, -1))


def test_demonstrations_keep_speed_and_lane_and_lead_back_to_them(env):
  data = learn.imitation_data(env, IMITATION, jax.random.key(0))
  assert np.mean(data.weight) == pytest.approx(1)
  speed = np.asarray(data.observation.speed)
  lateral, metres = np.moveaxis(
    np.stack([sim.anchors.LATERAL, sim.anchors.LONGITUDINAL])[
      [0, 1], data.action
    ],
    -1,
    0,
  )
  aside = -np.asarray(data.observation.route)[:, 0, 1]
  driven = aside == 0
  # Half as driven, half displaced; 10 m/s are 5 m in half a second.
  assert np.mean(driven) == pytest.approx(0.5, abs=0.01)
  np.testing.assert_allclose(metres[driven], 5, atol=0.2)
  np.testing.assert_allclose(lateral[driven], 0, atol=0.02)
  # Too fast is slowed down, too slow sped up.
  change = metres / 0.5 - speed
  assert np.corrcoef(change[~driven], speed[~driven])[0, 1] < -0.8


def test_rare_manoeuvres_are_balanced(road):
  cruises = road.straight(0, -1.75, 10, steps=61)
  brakes = road.straight(0, -1.75, 10, steps=61)
  time = 0.1 * np.arange(61)
  brakes['speed'] = np.clip(10 - 2.5 * (time - 4), 0, 10)
  cousin = scenario.BEHAVIOURS.index('speed_change')
  scenarios = [
    road.scenario(road.scene(own), start=np.int32(start), behaviour=kind)
    for own, start, kind in (
      (cruises, 5, np.int32(0)),
      (brakes, 45, np.int32(cousin)),
    )
  ]
  scenarios = jax.tree.map(lambda *x: np.concatenate(x), *scenarios)
  shares = learn.balance(scenarios, IMITATION)
  # Every fourth step up to half a second before the end: 13 and 3.
  assert shares['before']['-0.5 to 0.5 m/s'] == pytest.approx(13 / 16)
  assert shares['before']['-4 to -1.5 m/s'] == pytest.approx(3 / 16)
  # Recorded drives and cousins share the weight.
  assert shares['after']['-0.5 to 0.5 m/s'] == pytest.approx(0.5)
  assert shares['after']['-4 to -1.5 m/s'] == pytest.approx(0.5)
  for one in shares.values():
    assert sum(one.values()) == pytest.approx(2)
    assert one['-0.04 to 0.04 rad'] == pytest.approx(1)


def test_imitation_learns_to_drive_and_runs_into_what_it_never_saw(env, learnt):
  policy, _, directory = learnt
  lines = (directory / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['loss'] for line in lines]
  assert losses[-1] < 0.9 * losses[0]
  drives = report.evaluate(policy, env, [0, 1, 2, 3], jax.random.key(3))
  assert not np.any(drives.terminated)
  assert np.max(np.abs(drives.agents.xy[:, :, 0, 1] + 1.75)) < 0.3
  assert _collided(env, policy) == 1


@pytest.mark.slow
def test_steps_per_call_do_not_change_what_is_imitated(
  env, learnt, monkeypatch
):
  policy, data, _ = learnt
  monkeypatch.setattr(training.loop, 'steps_per_call', lambda on_cpu: 50)
  other, _ = _imitator(env, data=data)
  jax.tree.map(np.testing.assert_array_equal, other.params, policy.params)


def _update(env, learnt, directory, **changes):
  policy, data, *_ = learnt
  config = dataclasses.replace(PPO, num_epochs=1, **changes)
  driver = learn.reinforce(
    policy, env, data, config, jax.random.key(5), directory
  )
  lines = (pathlib.Path(directory) / 'metrics.jsonl').read_text().splitlines()
  return driver, [json.loads(line) for line in lines]


def test_ppo_at_least_halves_collisions_and_drives_on_where_it_can(env, learnt):
  # Nothing ties it to who never braked, and exploring costs no comfort.
  weights = tuple(
    {'progress': 0.05, 'time_to_collision': 0.2, 'comfort': 0.0}.get(name, 1.0)
    for name in types.REWARD_TERMS
  )
  config = dataclasses.replace(
    PPO,
    num_envs=128,
    num_updates=40,
    discount=0.97,
    entropy_weight=0.01,
    kl_weight=0.0,
    imitation_weight=0.0,
    learning_rate=1e-3,
  )
  env = env.replace(config=dataclasses.replace(SIM, reward_weights=weights))
  imitator, data, _ = learnt
  driver = learn.reinforce(imitator, env, data, config, jax.random.key(5))
  assert _collided(env, imitator) == 1
  assert _collided(env, driver) <= 0.5
  drives = report.evaluate(driver, env, [0, 1, 2, 3], jax.random.key(3))
  gone = np.diff(drives.agents.xy[:, [0, -1], 0, 0], axis=1)
  assert not np.any(drives.terminated) and np.all(gone > 30)


@pytest.mark.slow
def test_a_resumed_ppo_ends_where_an_uninterrupted_one_does(
  env, learnt, tmp_path
):
  whole, lines = _update(env, learnt, tmp_path / 'whole', num_updates=4)
  _update(env, learnt, tmp_path / 'cut', num_updates=2)
  resumed, other = _update(env, learnt, tmp_path / 'cut', num_updates=4)
  assert lines == other
  jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)


@pytest.mark.slow
def test_eight_devices_learn_what_one_does(env, tmp_path):
  quick = dataclasses.replace(IMITATION, num_steps=2)
  _, lines = _update(env, _imitator(env, config=quick), tmp_path, num_updates=1)
  flags = '--xla_force_host_platform_device_count=8'
  subprocess.run(
    [sys.executable, __file__, '--update', str(tmp_path / 'eight')],
    check=True,
    env=os.environ | {'XLA_FLAGS': flags, 'PYTHONPATH': '.'},
  )
  other = (tmp_path / 'eight' / 'metrics.jsonl').read_text()
  for name, value in json.loads(other).items():
    assert value == pytest.approx(lines[0][name], rel=1e-2, abs=1e-3), name


def test_what_cannot_be_split_is_named(env, learnt):
  policy, data, _ = learnt
  config = dataclasses.replace(PPO, num_minibatches=3)
  with pytest.raises(ValueError, match='num_minibatches is 3'):
    learn.reinforce(policy, env, data, config, jax.random.key(0))


def _update_by_command(directory):
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
  import conftest

  assert jax.device_count() == 8
  env = _environment(conftest.Road)
  quick = dataclasses.replace(IMITATION, num_steps=2)
  _update(env, _imitator(env, config=quick), directory, num_updates=1)


if __name__ == '__main__':
  if sys.argv[1:2] == ['--update']:
    _update_by_command(sys.argv[2])
  else:
    sys.exit(pytest.main([__file__]))
