# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Trains the image encoder that policies begin with.

On built-in streets that no score is ever taken on (seeds 1000 to 1999), a
planner drives and an expert is displaced, among adversaries of all families;
every image comes with the truth. The network learns to see whom the images
show, where the road is and what the drivers do; encoder and perception are
kept:

  python -m experiments.train_encoder --workdir=runs/encoder

An interrupted run resumes when the same command is given again. A copy of
WORKDIR/encoder.npz as rdrl/policy/encoder.npz ships with the package.

Size of network and images, streets, drives and training are those of the
preset, which `--set` overrides:

  python -m experiments.train_encoder --workdir=runs/small --num_streets=4 \
    --set=imitation.num_steps=500

WORKDIR gets config.json, encoder.npz, metrics.jsonl in training/ and the errors
on other streets in scores.md.
"""

import dataclasses
import functools
import pathlib

from absl import flags
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from experiments import flags as shared
from experiments import presets
from rdrl import learn
from rdrl import pipeline
from rdrl import policy as policies
from rdrl import ranges
from rdrl import scenario
from rdrl import training
from rdrl import trees
from rdrl import world
from rdrl.learn import perception
from rdrl.report import tables

_PRESET = shared.flag('preset', 'quickstart')
_SET = shared.flag('set')
_SEED = shared.flag('seed')
_WORKDIR = shared.flag('workdir', 'runs/encoder')
_NUM_STREETS = shared.flag('num_streets', 64)
_NUM_DRIVES = flags.DEFINE_integer(
  'num_drives', 512, "Drives of the planner in all; the expert's come on top."
)

_FIRST, _FIRST_TEST, _NUM_TESTS, _NUM_TEST_DRIVES = 1000, 1900, 4, 64
# Scenarios of each family and street.
_PER_FAMILY = 3
_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Request:
  """What the encoder is trained on, and how.

  Attributes:
    seed: of every draw.
    num_streets: to learn on.
    num_drives: of the planner.
    config: the size of everything.
  """

  seed: ranges.Seed
  num_streets: ranges.Count
  num_drives: ranges.Count
  config: pipeline.Config


@struct.dataclass
class Shown:
  """Demonstrations to learn from and to test by.

  Attributes:
    training: `Demonstrations` `[M]`.
    test: `Demonstrations` `[m]` on other streets.
  """

  training: learn.Demonstrations
  test: learn.Demonstrations


def environment(request, key):
  """Streets to learn on, then those for tests, and which are the latter."""
  config = request.config
  seeds = [*range(_FIRST, _FIRST + request.num_streets)]
  seeds += range(_FIRST_TEST, _FIRST_TEST + _NUM_TESTS)
  kept = {'log': 1} | dict.fromkeys(scenario.COUSINS, 1)
  counts = tuple(kept.get(name, _PER_FAMILY) for name in scenario.BEHAVIOURS)
  edits = dataclasses.replace(
    config.scenario, num_accepted=counts, num_proposals=16
  )
  found = learn.streets.build(seeds, config.world, edits, key)
  settings = dataclasses.replace(config.sim, truth_cell=config.policy.patch)
  env = learn.streets.environment(found, settings, is_drawn=True)
  return env, np.asarray(env.scenarios.scene) >= request.num_streets


def show(request, key):
  """`Shown` on streets, with the truth, in host memory."""
  config = request.config
  env, is_test = environment(request, key)
  keys = jax.random.split(key, 5)
  nobody = policies.create(keys[0], config.policy, env.blank())

  def drive(mask, num_drives, key):
    driven = dataclasses.replace(config.dagger, num_drives=num_drives)
    among = np.flatnonzero(mask)
    return learn.demonstrate(nobody, env, 1.0, driven, key, among=among)

  copied = learn.imitation_data(
    env, config.imitation, keys[1], np.flatnonzero(~is_test)
  )
  driven = drive(~is_test, request.num_drives, keys[2])
  return Shown(
    training=learn.join([copied, driven], config.imitation),
    test=drive(is_test, _NUM_TEST_DRIVES, keys[3]),
  )


def errors(policy, shown):
  """How well a policy sees and copies, `{name: value}`."""
  count = len(shown.weight) // _BATCH * _BATCH
  parts = [
    jax.device_get(
      _errors(policy, trees.take(shown, slice(begin, begin + _BATCH)))
    )
    for begin in range(0, count, _BATCH)
  ]
  return {name: float(np.mean([x[name] for x in parts])) for name in parts[0]}


@jax.jit
def _errors(policy, shown):
  output = policies.apply(policy, shown.observation)
  truth, weight = shown.observation.truth, jnp.ones(len(shown.weight))
  found = perception.loss(output.percept, truth, weight)
  off = jnp.abs(policies.mode(output) - shown.action)
  claimed = output.percept.seen > 0
  return found | {
    'cells seen': jnp.sum(claimed & truth.is_seen) / jnp.sum(truth.is_seen),
    'cells claimed that show nobody': jnp.sum(claimed & ~truth.is_seen)
    / jnp.maximum(jnp.sum(claimed), 1),
    'longitudinal error, anchors': jnp.mean(off[:, 1]),
    'lateral error, anchors': jnp.mean(off[:, 0]),
  }


def main():
  """Shows, trains, scores and writes."""
  config = training.config.override(presets.get(_PRESET.value), _SET.value)
  request = Request(_SEED.value, _NUM_STREETS.value, _NUM_DRIVES.value, config)
  workdir = pathlib.Path(_WORKDIR.value)
  training.config.record(workdir, request)
  key = jax.random.key(request.seed)
  shown = training.checkpoints.stage(
    workdir / 'shown', Shown, functools.partial(show, request, key)
  )
  rig = world.scene(world.build(_FIRST, config.world))
  policy = policies.create(
    jax.random.fold_in(key, 2), config.policy, shown.training.observation
  )
  policy = learn.imitate(
    policy,
    shown.training,
    dataclasses.replace(config.imitation, trains_encoder=True),
    jax.random.fold_in(key, 3),
    workdir / 'training',
    learn.mirror_order(rig),
  )
  policies.weights.save(workdir / 'encoder.npz', policy)
  scores = {
    'training': errors(policy, shown.training),
    'test': errors(policy, shown.test),
  }
  lines = tables.markdown(
    ['', *scores],
    [
      [row, *(f'{scores[name][row]:.3f}' for name in scores)]
      for row in scores['test']
    ],
  )
  text = '\n'.join(lines)
  (workdir / 'scores.md').write_text(text + '\n')
  print(text)


if __name__ == '__main__':
  training.cli.run(main)
