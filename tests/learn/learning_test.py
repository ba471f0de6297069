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
from rdrl import sim
from rdrl import training
from rdrl import trees
from rdrl import types
from tests import rigs

SIM = sim.Config(
  horizon=8, frames=1, image_height=4, image_width=4, truth_cell=4
)
NETWORK = policies.Config(
  patch=4, hidden=16, num_blocks=0, width=16, num_layers=1, num_heads=2
)
IMITATION = learn.ImitationConfig(
  stride=4,
  batch_size=32,
  num_steps=150,
  learning_rate=3e-3,
  trains_encoder=True,
  # Each of the sixteen lamps is a pixel.
  augment=learn.AugmentConfig(noise=0, shift=0, cut=0),
)
QUICK = dataclasses.replace(IMITATION, num_steps=2)
PPO = learn.PpoConfig(
  num_envs=16, num_minibatches=4, warmup_updates=1, temperature=1.0
)


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
  free, parked = _place(road, 200, 5.25), _place(road, 46, -1.75)
  starts = (5, 10, 15, 20)
  scenarios = [
    road.scenario(place, start=np.int32(start), adversary=np.int32(adversary))
    for place, adversary in ((free, 0), (parked, 1))
    for start in starts
  ]
  scenarios = trees.concatenate(scenarios)
  return sim.Env.create([free], scenarios, _Gap(), SIM)


def _place(road, x, y):
  """The drive at 10 m/s, and a car parked at x, y."""
  ego = road.straight(0, -1.75, 10, steps=61)
  return road.scene(ego, road.straight(x, y, 0, steps=61))


@pytest.fixture(scope='module')
def recorded(road):
  return _recorded(road)


def _recorded(road):
  """Demonstrations that drive on while a car comes near, in another lane.

  A policy that imitates them has been shown to heed no lamp; without them, what
  it would do about one is left to its initial parameters.
  """
  place = _place(road, 46, 5.25)
  scenario = road.scenario(place, start=np.int32(5), adversary=np.int32(0))
  env = sim.Env.create([place], scenario, _Gap(), SIM)
  return learn.imitation_data(env, IMITATION, jax.random.key(0))


def _imitator(data, directory=None, config=IMITATION):
  policy = policies.create(jax.random.key(1), NETWORK, data.observation)
  policy = learn.imitate(policy, data, config, jax.random.key(2), directory)
  return policy, data


@pytest.fixture(scope='module')
def learnt(recorded, tmp_path_factory):
  directory = tmp_path_factory.mktemp('imitation')
  return *_imitator(recorded, directory), directory


def _collided(env, policy):
  """Share of the drives towards the parked car that end in it."""
  drives = report.evaluate(policy, env, [4, 5, 6, 7], jax.random.key(3))
  assert not np.any(drives.events.position_deviation)
  return np.mean(np.any(drives.events.dynamic_collision, -1))


def test_demonstrations_keep_speed_and_lane_and_lead_back_to_them(env):
  data = learn.imitation_data(env, IMITATION, jax.random.key(0))
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


def _shown(source, speed, longitudinal, count):
  """Demonstrations `[count]` of one action straight on."""
  return learn.Demonstrations(
    observation=types.Observation(
      images=np.zeros((count, 1, 1, 4, 4, 3), np.uint8),
      speed=np.full(count, speed, np.float32),
      route=np.zeros((count, 5, 2), np.float32),
      rig=rigs.around(count, size=(4, 4)),
    ),
    action=np.tile(np.array([[30, longitudinal]], np.int32), (count, 1)),
    source=np.full(count, learn.SOURCES.index(source), np.int32),
    weight=np.ones(count, np.float32),
  )


def test_rare_manoeuvres_are_balanced_within_shares_of_their_sources():
  # 5 m in half a second are 10 m/s, 4 m are 8 m/s.
  parts = [
    _shown('log', 10, 20, 12),
    _shown('cousin', 10, 20, 3),
    _shown('cousin', 10, 16, 1),
  ]
  config = dataclasses.replace(
    IMITATION, mix=(0.25, 0.25, 0.5), balance_offset=1e-6
  )
  shown = learn.join(parts, config)
  assert np.mean(shown.weight) == pytest.approx(1)
  # There is no teacher, so that both others have a half each.
  assert np.sum(shown.weight[:12]) == pytest.approx(8)
  # Of the cousins' half, 3 of 15 that cruise have a fifth of the weight of the
  # one that brakes.
  cruising, braking = np.sum(shown.weight[12:15]), shown.weight[15]
  assert braking == pytest.approx(5 * cruising, rel=1e-3)
  shares = learn.balance(shown)
  assert shares['before']['-0.4 to 0.4 m/s'] == pytest.approx(15 / 16)
  assert shares['after']['-2.5 to -1.25 m/s'] == pytest.approx(braking / 16)
  for one in shares.values():
    assert sum(one.values()) == pytest.approx(2)
    assert one['-0.012 to 0.012 rad'] == pytest.approx(1)


def test_imitation_learns_to_drive_and_runs_into_whom_it_was_not_shown(
  env, learnt
):
  policy, _, directory = learnt
  lines = (directory / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['loss'] for line in lines]
  assert losses[-1] < 0.9 * losses[0]
  drives = report.evaluate(policy, env, [0, 1, 2, 3], jax.random.key(3))
  assert not np.any(drives.terminated)
  assert np.max(np.abs(drives.agents.xy[:, :, 0, 1] + 1.75)) < 0.3
  assert _collided(env, policy) == 1


@pytest.mark.slow
def test_steps_per_call_do_not_change_what_is_imitated(learnt, monkeypatch):
  policy, data, _ = learnt
  monkeypatch.setattr(training.loop, 'steps_per_call', lambda on_cpu: 50)
  other, _ = _imitator(data)
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
    {'progress': 0.1, 'time_to_collision': 0.2, 'comfort': 0.0}.get(name, 1.0)
    for name in types.REWARD_TERMS
  )
  config = dataclasses.replace(
    PPO,
    num_envs=128,
    num_updates=80,
    discount=0.97,
    entropy_weights=(0.01, 0.01),
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
  env, learnt, tmp_path, monkeypatch
):
  whole, lines = _update(env, learnt, tmp_path / 'whole', num_updates=4)
  run = training.loop.run

  def killed(step, *args, **kwargs):
    def until_killed(learner, i, count):
      if i == 2:
        raise KeyboardInterrupt
      return step(learner, i, count)

    return run(until_killed, *args, **kwargs | {'save_every': 1})

  monkeypatch.setattr(training.loop, 'run', killed)
  with pytest.raises(KeyboardInterrupt):
    _update(env, learnt, tmp_path / 'cut', num_updates=4)
  monkeypatch.setattr(training.loop, 'run', run)
  resumed, other = _update(env, learnt, tmp_path / 'cut', num_updates=4)
  assert lines == other
  jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)


def test_training_that_goes_astray_is_named_and_its_checkpoint_stays(
  env, learnt, tmp_path
):
  _update(env, learnt, tmp_path, num_updates=1)
  with pytest.raises(FloatingPointError, match=r'ppo: entropy is .* beyond'):
    _update(env, learnt, tmp_path, num_updates=2, least_entropy=100.0)
  checkpoints = tmp_path / 'checkpoints'
  assert training.checkpoints.latest_step(checkpoints) == 1


@pytest.mark.slow
def test_eight_devices_learn_what_one_does(env, recorded, tmp_path):
  learnt = _imitator(recorded, config=QUICK)
  _, lines = _update(env, learnt, tmp_path, num_updates=1)
  flags = '--xla_force_host_platform_device_count=8'
  subprocess.run(
    [sys.executable, __file__, '--update', str(tmp_path / 'eight')],
    check=True,
    env=os.environ | {'XLA_FLAGS': flags, 'PYTHONPATH': '.'},
  )
  other = (tmp_path / 'eight' / 'metrics.jsonl').read_text()
  for name, value in json.loads(other).items():
    assert value == pytest.approx(lines[0][name], rel=1e-2, abs=1e-3), name


@pytest.mark.slow
def test_a_policy_that_stays_gives_a_ratio_of_one(env, learnt, tmp_path):
  _, lines = _update(
    env,
    learnt,
    tmp_path,
    num_updates=2,
    warmup_updates=0,
    learning_rate=0.0,
  )
  for line in lines:
    assert line['greatest_ratio'] == pytest.approx(1, abs=1e-4)
    assert line['kl'] == pytest.approx(0, abs=1e-6)
    assert line['clip_fraction'] == 0
    assert line['kl_to_imitation'] == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_split_is_named(env, learnt):
  policy, data, _ = learnt
  config = dataclasses.replace(PPO, num_minibatches=3)
  with pytest.raises(ValueError, match='num_minibatches is 3'):
    learn.reinforce(policy, env, data, config, jax.random.key(0))


def _update_by_command(directory):
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
  import conftest

  assert jax.device_count() == 8
  learnt = _imitator(_recorded(conftest.Road), config=QUICK)
  _update(_environment(conftest.Road), learnt, directory, num_updates=1)


if __name__ == '__main__':
  if sys.argv[1:2] == ['--update']:
    _update_by_command(sys.argv[2])
  else:
    sys.exit(pytest.main([__file__]))
