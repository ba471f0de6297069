# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Compares who could teach: rules, a planner, and policies told the truth.

Drives built-in streets by geometry alone, among adversaries of all families.
Policies that are told whom the cameras see learn on other streets first, one by
PPO, and one, the student, from the teacher of the preset by DAgger: what a
camera policy could do that sees perfectly. PPO of the preset then goes on from
the student.

  python -m experiments.teachers --workdir=runs/teachers

An interrupted run resumes when the same command is given again. Fewer streets,
and a longer training:

  python -m experiments.teachers --num_streets=8 --set=ppo.num_updates=400

WORKDIR gets config.json, the policies in policy/, student/ and reinforced/,
metrics.jsonl in ppo/, round_*/ and ppo_of_student/ and the table in scores.md.
"""

import dataclasses
import functools
import pathlib
import zlib

from absl import flags
from flax import struct
import jax
import numpy as np

from experiments import flags as shared
from experiments import presets
from rdrl import learn
from rdrl import pipeline
from rdrl import policy as policies
from rdrl import ranges
from rdrl import report
from rdrl import scenario
from rdrl import training
from rdrl import types
from rdrl.pipeline import matrix
from rdrl.policy import egos
from rdrl.report import tables

_PRESET = shared.flag('preset', 'quickstart')
_SET = shared.flag('set')
_SEED = shared.flag('seed')
_WORKDIR = shared.flag('workdir', 'runs/teachers')
_STREETS = shared.flag('streets', ['101', '102', '103', '104'])
_NUM_STREETS = shared.flag('num_streets', 32)
_PER_FAMILY = flags.DEFINE_integer(
  'per_family', 8, 'Drives of each family and street, at most.', 1
)

_FIRST = 1000
# Training on geometry alone, over what the preset has for images.
_GEOMETRY = (
  'ppo.num_envs=256',
  'ppo.num_updates=250',
  'ppo.num_minibatches=4',
  'ppo.imitation_weight=0',
  'ppo.kl_weight=0',
  'ppo.learning_rate=1e-3',
  'ppo.entropy_weights=(0.01,0.003)',
  'ppo.temperature=1.0',
  'dagger.num_drives=512',
  'dagger.num_envs=128',
  'dagger.rounds=((1.0,1000),(0.5,1000),(0.2,1000),(0.0,8000))',
)
_SCORES = (*matrix.SCORES, 'static_collision')


@dataclasses.dataclass(frozen=True)
class Request:
  """Who is compared where.

  Attributes:
    seed: of every draw.
    streets: seeds of the streets that are driven.
    num_streets: that the policy learns on.
    per_family: drives of each family and street, at most.
    config: of the world, its scenarios, the simulator, DAgger and PPO from the
      beginning.
    ppo: that goes on from the student.
  """

  seed: ranges.Seed
  streets: tuple[ranges.Seed, ...]
  num_streets: ranges.Count
  per_family: ranges.Count
  config: pipeline.Config
  ppo: learn.PpoConfig


@struct.dataclass
class _Learnt:
  """What is kept of a policy.

  Attributes:
    params: PyTree.
  """

  params: dict


def environment(request, seeds, key):
  """Streets by geometry alone, with scenarios of every family."""
  config = request.config
  counts = tuple(
    request.per_family if name in scenario.ADVERSARIES else 2 * (name == 'log')
    for name in scenario.BEHAVIOURS
  )
  edits = dataclasses.replace(config.scenario, num_accepted=counts)
  settings = dataclasses.replace(
    config.sim, frames=1, truth_cell=config.policy.patch
  )
  found = learn.streets.build(seeds, config.world, edits, key)
  return learn.streets.environment(found, settings, is_drawn=False)


def train(request, env, key, directory):
  """A policy that is told the truth, after PPO."""
  policy = policies.create(key, policies.StateConfig(), env.blank())
  return learn.reinforce(policy, env, None, request.config.ppo, key, directory)


def teach(request, env, key, workdir):
  """A policy that is told the truth, after DAgger."""
  config = request.config
  policy = policies.create(key, policies.StateConfig(), env.blank())
  (*_, policy), _ = learn.teach(
    policy,
    env,
    [],
    config.dagger,
    config.imitation,
    lambda *names: jax.random.fold_in(
      key, zlib.crc32('/'.join(names).encode())
    ),
    learn.mirror_order(env.scenes),
    folder=lambda name: workdir / name,
  )
  return policy


def rows(drives):
  """Lines of a table: scores of each driver, of each family and of all."""
  behaviours = next(iter(drives.values())).behaviour
  scores = {
    name: report.metrics.scores(drive, _SCORES)
    for name, drive in drives.items()
  }
  groups = {'all edited': behaviours > 0, 'recorded': behaviours == 0}
  for index in np.unique(behaviours[behaviours > 0]):
    name = scenario.BEHAVIOURS[index].replace('_', ' ')
    groups[name] = behaviours == index
  for group, mask in groups.items():
    for name, found in scores.items():
      means = [f'{np.nanmean(found[score][mask]):.3f}' for score in _SCORES]
      yield [group, int(mask.sum()), name, *means]


def main():
  """Trains the policy, lets all drive and writes the table."""
  preset = presets.get(_PRESET.value)
  config = training.config.override(preset, _GEOMETRY)
  config = training.config.override(config, _SET.value)
  request = Request(
    _SEED.value,
    shared.numbers(_STREETS, int),
    _NUM_STREETS.value,
    _PER_FAMILY.value,
    config,
    # Nothing is imitated of which images are not drawn.
    dataclasses.replace(preset.ppo, imitation_weight=0.0),
  )
  workdir = pathlib.Path(_WORKDIR.value)
  training.config.record(workdir, request)
  key = jax.random.key(request.seed)

  def kept(name, kind, compute):
    return training.checkpoints.stage(workdir / name, kind, compute)

  @functools.cache
  def learnt_on():
    seeds = range(_FIRST, _FIRST + request.num_streets)
    return environment(request, seeds, key)

  def learner(name, compute, directory):
    saved = kept(
      name,
      _Learnt,
      lambda: _Learnt(compute(request, learnt_on(), key, directory).params),
    )
    return policies.Policy(saved.params, policies.StateConfig())

  policy = learner('policy', train, workdir / 'ppo')
  student = learner('student', teach, workdir)
  reinforced = learner(
    'reinforced',
    lambda request, env, key, directory: learn.reinforce(
      student, env, None, request.ppo, key, directory
    ),
    workdir / 'ppo_of_student',
  )
  env = environment(request, request.streets, jax.random.fold_in(key, 1))
  drivers = {name: name for name in egos.EGOS}
  drivers |= {
    'PPO': policy,
    'student': student,
    'student, then PPO': reinforced,
  }
  drives = {
    name: kept(
      f'drives_{name.replace(",", "").replace(" ", "_")}',
      types.Drive,
      lambda ego=ego: egos.drive(env, ego, np.arange(env.num_scenarios)),
    )
    for name, ego in drivers.items()
  }
  labels = [report.metrics.METRICS[name].label for name in _SCORES]
  lines = list(
    tables.markdown(['families', 'drives', 'driver', *labels], rows(drives))
  )
  (workdir / 'scores.md').write_text('\n'.join(lines) + '\n')
  print('\n'.join(lines))


if __name__ == '__main__':
  training.cli.run(main)
