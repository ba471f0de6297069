# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times the Dynamic Adversary Agent: proposals drawn and checked per second.

  python -m experiments.bench.adversaries
  taskset -c 0 python -m experiments.bench.adversaries  # one core

prints one JSON line per number of agents. All families and insertion are drawn
equally often, on two built-in streets, one thread each. A proposal that passes
all checks is also compared with the ego's manoeuvres; `judged` is the share of
these. Each figure is that of the fastest of many rounds, each with new keys, to
exclude other load on the machine.
"""

import time

from absl import flags
import jax
import numpy as np

from experiments import flags as shared
from experiments.bench import timing
from rdrl import scenario
from rdrl import training
from rdrl import types
from rdrl import world

_AGENTS = shared.flag('agents', ['12', '32'])
_PROPOSALS = shared.flag('proposals', 1408)
_SEED = shared.flag('seed')
_ROUNDS = flags.DEFINE_integer('rounds', 10, 'Timed rounds.')

_STREETS = 2


def place(street):
  """The true `Scene` of a built-in street, with a donor, without appearance.

  Args:
    street: from `world.build`.
  """
  drivable, occupancy, ground = world.truth_grids(street)
  tracks = jax.device_get(world.drive(street))
  unseen = ((0, 0), (0, 1))
  scene = types.Scene(
    gaussians=None,
    sky=None,
    exposure=None,
    camera_from_ego=None,
    intrinsics=None,
    tracks=jax.tree.map(
      lambda x: np.pad(x, unseen + ((0, 0),) * (x.ndim - 2)), tracks
    ),
    sizes=np.pad(street.sizes, ((0, 1), (0, 0))),
    classes=np.pad(street.classes, (0, 1)),
    map=None,
    drivable=drivable,
    occupancy=occupancy,
    ground=ground,
    height=1,
    width=1,
  )
  return scenario.reserve(scene, [[4.5, 1.9, 1.6]])


def measure(num_agents, num_proposals, num_rounds, seed):
  """Times rounds after a first one, which compiles.

  Args:
    num_agents: per street.
    num_proposals: per street and round.
    num_rounds: to time.
    seed: of streets and proposals.

  Returns:
    `proposals_per_s` of all streets together; `accepted` and `judged`, shares;
    `recompilations`, programs compiled in all rounds but the first.
  """
  config = scenario.Config()
  contexts = [
    scenario.prepare(
      place(world.build(seed + i, world.Config(num_agents=num_agents)))
    )
    for i in range(_STREETS)
  ]
  behaviours = 1 + np.arange(num_proposals) % len(scenario.ADVERSARIES)

  def draw(number):
    keys = jax.random.split(
      jax.random.fold_in(jax.random.key(seed), number),
      (_STREETS, num_proposals),
    )
    begin = time.perf_counter()
    found = training.threads.each(
      lambda i: scenario.proposals(contexts[i], behaviours, keys[i], config),
      range(_STREETS),
    )
    duration = time.perf_counter() - begin
    return duration, np.concatenate([proposal.reason for proposal in found])

  draw(0)
  with timing.Compilations() as compiled:
    durations, reasons = zip(
      *[draw(1 + i) for i in range(num_rounds)], strict=True
    )
  reasons = np.concatenate(reasons)
  judged = [0, *map(scenario.REASONS.index, ('unavoidable', 'trivial'))]
  return {
    'proposals_per_s': _STREETS * num_proposals / min(durations),
    'accepted': float(np.mean(reasons == 0)),
    'judged': float(np.mean(np.isin(reasons, judged))),
    'recompilations': compiled.count,
  }


def main():
  counts = shared.numbers(_AGENTS, int)
  timing.yardstick()
  for count in counts:
    facts = measure(count, _PROPOSALS.value, _ROUNDS.value, _SEED.value)
    timing.report('scenario.proposals', agents=count, **facts)


if __name__ == '__main__':
  training.cli.run(main)
