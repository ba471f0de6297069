# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A teacher's labels make a policy brake that never saw anybody brake."""

import dataclasses
import sys
import zlib

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import learn
from rdrl import policy as policies
from rdrl import report
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl.sim import anchors

SIM = sim.Config(
  horizon=12, frames=1, image_height=48, image_width=80, truth_cell=8
)
NETWORK = policies.Config(hidden=8, num_blocks=0, width=16, num_layers=1)
IMITATION = learn.ImitationConfig(
  stride=4,
  batch_size=32,
  num_steps=100,
  learning_rate=3e-3,
  balance_offset=5.0,
  trains_encoder=True,
  augment=learn.AugmentConfig(noise=0, shift=0, cut=0, contrast=0),
)
DAGGER = learn.DaggerConfig(
  teacher='IDM', num_drives=8, num_envs=8, trains_encoder=True
)


@struct.dataclass
class _Bar:
  """A bar across the image, the longer the nearer the car ahead is."""

  def __call__(self, scene_index, cameras, agents, time=None):
    gap = agents.xy[1, 0] - agents.xy[0, 0]
    share = jnp.where(gap > 0, jnp.clip(1 - gap / 40, 0, 1), 0)
    column = jnp.arange(80) < 80 * share
    image = jnp.broadcast_to(255 * column[:, None], (48, 80, 3))
    count = len(cameras.intrinsics)
    return jnp.broadcast_to(image, (count, 48, 80, 3)).astype(jnp.uint8)


@pytest.fixture(scope='module')
def env(road):
  """A drive at 10 m/s in an empty lane, and with a car parked in that lane."""
  ego = road.straight(0, -1.75, 10, steps=81)
  free = road.scene(ego, road.straight(300, 5.25, 0, steps=81))
  parked = road.scene(ego, road.straight(50, -1.75, 0, steps=81))
  scenarios = [
    road.scenario(place, start=np.int32(start), adversary=np.int32(adversary))
    for place, adversary in ((free, 0), (parked, 1))
    for start in (5, 8, 11, 14)
  ]
  scenarios = trees.concatenate(scenarios)
  return sim.Env.create([free], scenarios, _Bar(), SIM)


def _collided(env, policy):
  drives = report.evaluate(policy, env, [4, 5, 6, 7], jax.random.key(3))
  return np.mean(np.any(drives.events.dynamic_collision, -1))


def _imitate(policy, parts, steps, **changes):
  config = dataclasses.replace(IMITATION, num_steps=steps, **changes)
  shown = learn.join(parts, config)
  return learn.imitate(policy, shown, config, jax.random.key(2))


@pytest.fixture(scope='module')
def imitator(env):
  shown = learn.imitation_data(env, IMITATION, jax.random.key(0))
  policy = policies.create(jax.random.key(1), NETWORK, shown.observation)
  return _imitate(policy, [shown], IMITATION.num_steps), shown


def test_a_teacher_teaches_to_stop(env, imitator):
  policy, shown = imitator
  assert _collided(env, policy) == 1
  (_, policy), _ = learn.teach(
    policy,
    env,
    [shown],
    dataclasses.replace(DAGGER, rounds=((1.0, 150), (0.3, 150))),
    IMITATION,
    lambda *names: jax.random.key(zlib.crc32('/'.join(names).encode())),
  )
  assert _collided(env, policy) == 0
  drives = report.evaluate(policy, env, [0, 1, 2, 3], jax.random.key(3))
  gone = np.diff(drives.agents.xy[:, [0, -1], 0, 0], axis=1)
  assert not np.any(drives.terminated) and np.all(gone > 40)


def test_labels_are_the_teachers_whoever_drives(env, imitator):
  policy, _ = imitator
  own = learn.demonstrate(policy, env, 1.0, DAGGER, jax.random.key(4))
  assert np.all(own.source == learn.SOURCES.index('teacher'))
  # What it decides is what it does: the speed that it sees next.
  aimed = anchors.LONGITUDINAL[own.action[:, 1]] / anchors.DURATION
  seen = np.asarray(own.observation.speed)
  # From drive to drive the route begins anew; within one speed follows.
  follows = np.isclose(seen[1:], aimed[:-1], atol=0.3)
  assert np.mean(follows) > 0.85
  other = learn.demonstrate(policy, env, 0.0, DAGGER, jax.random.key(4))
  # The policy drives at the car until it hits it: fewer decisions, among them
  # ones in which the teacher brakes as hard as a car can.
  assert len(other.weight) < len(own.weight)
  gained = anchors.LONGITUDINAL[other.action[:, 1]] / anchors.DURATION
  assert np.min(gained - other.observation.speed) < -3.5


def test_a_resting_encoder_stays_as_it_is_and_the_rest_learns(env, imitator):
  policy, shown = imitator
  other = _imitate(policy, [shown], 20, trains_encoder=False)
  before, after = policy.params['params'], other.params['params']
  for part in ('encoder', 'perception'):
    jax.tree.map(np.testing.assert_array_equal, before[part], after[part])
  changed = jax.tree.map(
    lambda x, y: not np.array_equal(x, y), before['planner'], after['planner']
  )
  assert all(jax.tree.leaves(changed))
  batch = trees.take(shown.observation, slice(4))
  percept = policies.perceive(other, batch)
  whole, planned = (
    policies.apply(other, batch),
    policies.plan(other, percept, batch.replace(images=None)),
  )
  np.testing.assert_allclose(
    whole.lateral_logits, planned.lateral_logits, atol=1e-5
  )


def test_perception_learns_whom_images_show(env):
  key = jax.random.key(5)
  parts = [
    learn.demonstrate(
      policies.create(
        key,
        NETWORK,
        jax.vmap(env.start, (None, 0))(key, jnp.zeros(1, int)).observation,
      ),
      env,
      1.0,
      DAGGER,
      key,
    )
  ]
  shown = learn.join(parts, IMITATION)
  truth = shown.observation.truth
  assert np.any(truth.is_seen)
  perfect = types.Percept(
    tokens=np.zeros((len(shown.weight), 0), np.float32),
    seen=np.where(truth.is_seen, 20.0, -20.0).astype(np.float32),
    box=truth.box / np.array(policies.network.BOX_SCALE),
    clearance=np.clip(truth.clearance, -4, 4)
    / policies.network.CLEARANCE_SCALE,
  )
  losses = learn.perception.loss(perfect, truth, jnp.ones(len(shown.weight)))
  assert all(value < 1e-6 for value in losses.values())
  wrong = perfect.replace(
    seen=-perfect.seen,
    box=perfect.box + 1,
    clearance=perfect.clearance + 1,
  )
  losses = learn.perception.loss(wrong, truth, jnp.ones(len(shown.weight)))
  assert losses['box'] == pytest.approx(1, rel=1e-4)
  assert losses['road'] == pytest.approx(1, rel=1e-4)
  assert losses['seen'] > 20


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
