# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Times a step of the simulator without rendering, beside Waymax.

  python -m experiments.bench.env
  taskset -c 0 python -m experiments.bench.env  # one core

prints one JSON line per case, then a table. The work is Waymax's: all agents
but the ego replay their logs; the ego is a kinematic bicycle with new commands
at every step of 0.1 s, in episodes of 80 steps. Cases add nothing else, or
overlaps of all pairs of agents, or these and whether agents' corners have left
the road. The functions are those of `sim.Env`. Waymax compares every corner
with every point of the road; here the distance to the road's edge is baked once
per scene into a grid, which takes `bake_s`, so that a step does not depend on
the number of points.

Waymax 0.1 ran on one thread with 32 objects where a float32 product of
2048x2048 reached 265 GFLOP/s and a sort of 200,000 took 57 ms; its rates are
scaled by the ratio that favours it more. Each figure is that of the fastest of
many calls, to exclude other load on the machine, on both sides.
"""

import functools
import os
import time

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageDraw

from experiments import flags as shared
from experiments.bench import timing
from rdrl import geometry
from rdrl import sim
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.logs import grids
from rdrl.sim import contact
from rdrl.sim import dynamics
from rdrl.sim import stack

CASES = ('no metrics', 'collisions', 'collisions + off-road')

_AGENTS = shared.flag('agents', ['32', '128'])
_REPEATS = shared.flag('repeats', 20)
_SEED = shared.flag('seed')
_POINTS = flags.DEFINE_list('points', ['2000', '20000'], 'Points of a road.')
_ENVS = shared.flag('envs', ['1', '16', '64', '1024'])

# Steps per second of Waymax with 32 objects, by case, points and environments,
# and the yardstick beside which they were measured, GFLOP/s and ms.
WAYMAX = {
  ('no metrics', None): {1: 232e3, 16: 937e3, 64: 893e3},
  ('collisions', None): {1: 50e3, 16: 89e3, 64: 63e3},
  ('collisions + off-road', 2000): {1: 190, 16: 186, 64: 177},
  ('collisions + off-road', 20000): {1: 19, 8: 17},
}
WAYMAX_AGENTS = 32
_YARDSTICK = 265, 57

# Steps of an episode, scenes, and least steps of a timed call.
_STEPS, _SCENES, _LEAST = 80, 4, 8_000
# Metres: radius of the road's middle and its amplitude, half its width, side
# of a grid's cell; and cells along a side.
_RADIUS, _SWING, _HALF_WIDTH, _CELL, _SIDE = 110.0, 12.0, 9.0, 0.5, 560


def _radius(angle, phase):
  return _RADIUS + _SWING * np.sin(3 * angle + phase)


def road(num_points, phase):
  """`Grid` of a ring road whose two edges have `num_points` together."""
  angle = np.arange(num_points // 2) * (2 * np.pi / (num_points // 2))
  image = Image.new('1', (_SIDE, _SIDE))
  draw = ImageDraw.Draw(image)
  for side, fill in ((1, 1), (-1, 0)):
    radius = _radius(angle, phase) + side * _HALF_WIDTH
    xy = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    draw.polygon([tuple(p) for p in xy / _CELL + _SIDE / 2], fill=fill)
  # The middle of pixel (0, 0) is half a cell inside the image.
  origin = np.full(2, (0.5 - _SIDE / 2) * _CELL)
  return grids.distance_grid(np.array(image), origin, _CELL)


def traffic(num_agents, phase, rng):
  """`AgentState` `[_STEPS + 1, A]` of cars around the ring, and their sizes."""
  time = np.arange(_STEPS + 1)[:, None] * types.TIME_STEP
  speed = rng.uniform(2, 15, num_agents)
  lane = rng.uniform(-1, 1, num_agents) * (_HALF_WIDTH - 1)
  angle = rng.uniform(0, 2 * np.pi, num_agents) + speed / _RADIUS * time
  radius = _radius(angle, phase) + lane
  xy = radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
  step = np.gradient(xy, axis=0)
  tracks = types.AgentState(
    xy=xy,
    z=np.full(angle.shape, 0.75),
    yaw=np.arctan2(step[..., 1], step[..., 0]),
    speed=np.linalg.norm(step, axis=-1) / types.TIME_STEP,
    valid=np.ones(angle.shape, bool),
  )
  size = np.tile([4.6, 1.9, 1.5], (num_agents, 1))
  return jax.tree.map(
    lambda x: x if x.dtype == bool else np.float32(x), (tracks, size)
  )


def _substep(case, grid, scene, sizes, carry, inputs):
  """Steps one environment; counts agents that overlap or have left the road.

  Sums speeds, so that the compiler must compute all agents.
  """
  agents, vehicle, driven, met, left = carry
  track, speed, curvature = inputs
  agents, vehicle = dynamics.advance(
    agents, vehicle, track, speed, curvature, sim.Config()
  )
  driven += agents.speed
  if case != CASES[0]:
    boxes = contact.boxes_of(agents, sizes)
    met += contact.met(agents, boxes)
    if case == CASES[2]:
      left += contact.off_road(
        boxes, lambda xy: geometry.sample_grid(grid, xy, scene)
      )
  return agents, vehicle, driven, met, left


@jax.jit(static_argnames=('case', 'num_envs', 'rounds'))
def drive(case, num_envs, rounds, tracks, sizes, grid, commands):
  """Steps some environments through episodes of `_STEPS`, `rounds` times.

  Args:
    case: of `CASES`.
    num_envs: B; environment i is in scene i modulo S.
    rounds: number of episodes in sequence.
    tracks: `[S, T, A]`.
    sizes: `[S, A, 3]` metres.
    grid: `[S]` metres to the road's edge.
    commands: `[T - 1, 2]` speed in m/s and curvature in 1/m of the egos.

  Returns:
    `[B, A]` sums over steps of the speeds of the agents, and how often each met
    another and was off the road; then the last `AgentState` `[B, A]`.
  """
  scenes = jnp.arange(num_envs) % len(sizes)

  def episode(counts, _):
    start = jax.vmap(lambda s: trees.take(tracks, (s, 0)))(scenes)

    def step(carry, inputs):
      t, command = inputs

      def one(scene, *carry):
        inputs = trees.take(tracks, (scene, t + 1)), *command
        return _substep(case, grid, scene, sizes[scene], carry, inputs)

      return jax.vmap(one)(scenes, *carry), None

    carry, _ = jax.lax.scan(
      step, (start, None, *counts), (jnp.arange(_STEPS), commands)
    )
    agents, _, *counts = carry
    return tuple(counts), agents

  zero = jnp.zeros((num_envs, sizes.shape[1]))
  count = zero.astype(jnp.int32)
  counts, agents = jax.lax.scan(episode, (zero, count, count), length=rounds)
  return *counts, trees.take(agents, -1)


def arguments(num_agents, num_points, seed):
  """Tracks, sizes, grid and commands of `drive`."""
  rng = np.random.default_rng(seed)
  phases = rng.uniform(0, 2 * np.pi, _SCENES)
  cars = [traffic(num_agents, phase, rng) for phase in phases]
  tracks, sizes = trees.stack(cars)
  grid = stack.grids([road(num_points, phase) for phase in phases])
  commands = np.stack(
    [rng.uniform(4, 12, _STEPS), 1 / _RADIUS + rng.normal(0, 0.02, _STEPS)], -1
  )
  return jax.tree.map(jnp.asarray, (tracks, sizes, grid, np.float32(commands)))


def waymax(case, num_points, num_envs, num_agents, gflop_per_s, sort_ms):
  """Waymax's steps per second on this machine, or None where not measured."""
  if num_agents != WAYMAX_AGENTS:
    return None
  rates = WAYMAX.get((case, num_points if case == CASES[2] else None), {})
  if num_envs not in rates:
    return None
  slower = min(_YARDSTICK[0] / gflop_per_s, sort_ms / _YARDSTICK[1])
  return rates[num_envs] / slower


def bench(num_agents, points, envs, repeats, seed, yardstick):
  """Reports every case with `num_agents`; returns rows of the table."""
  rows, unexpected = [], 0
  with timing.Compilations() as compiled:
    roads = {}
    for num_points in points:
      begin = time.perf_counter()
      inputs = arguments(num_agents, num_points, seed)
      roads[num_points] = inputs, (time.perf_counter() - begin) / _SCENES
    for case in CASES:
      for num_envs in envs:
        rounds = max(1, _LEAST // (_STEPS * num_envs))
        is_compiled = False
        # Only the last case looks at the road.
        for num_points in points if case == CASES[2] else points[:1]:
          inputs, bake = roads[num_points]
          call = functools.partial(drive, case, num_envs, rounds)
          before = compiled.count
          if not is_compiled:
            jax.block_until_ready(call(*inputs))
            before = compiled.count
          least, _ = timing.least_ms(call, *inputs, repeats=repeats)
          is_compiled = True
          unexpected += compiled.count - before
          rate = 1e3 * rounds * _STEPS * num_envs / least
          facts = {
            'agents': num_agents,
            'points': num_points if case == CASES[2] else None,
            'envs': num_envs,
            'steps_per_s': rate,
            'waymax_steps_per_s': waymax(
              case, num_points, num_envs, num_agents, *yardstick
            ),
            'bake_s': bake if case == CASES[2] else None,
            'recompilations': unexpected,
          }
          cores = len(os.sched_getaffinity(0))
          timing.report(case, cores=cores, **facts)
          rows.append({'case': case} | facts)
  return rows


def table(rows):
  """Lines of a table of what `bench` returned."""
  head = ('case', 'agents', 'points', 'envs', 'steps/s', 'Waymax', 'ratio')
  lines = [head]
  for row in rows:
    rate, peer = row['steps_per_s'], row['waymax_steps_per_s']
    lines.append(
      (
        row['case'],
        str(row['agents']),
        str(row['points'] or ''),
        str(row['envs']),
        f'{rate:,.0f}',
        f'{peer:,.0f}' if peer else '',
        f'{rate / peer:.2f}' if peer else '',
      )
    )
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return [
    '  '.join(
      cell.rjust(width) if i else cell.ljust(width)
      for i, (cell, width) in enumerate(zip(line, widths, strict=True))
    ).rstrip()
    for line in lines
  ]


def main():
  agents = shared.numbers(_AGENTS, int)
  points = shared.numbers(_POINTS, int)
  envs = shared.numbers(_ENVS, int)
  for flag, values, least in (
    ('--agents', agents, 1),
    ('--points', points, 6),
    ('--envs', envs, 1),
  ):
    if not values or min(values) < least:
      raise training.config.ConfigError(
        f'{flag}={values}: expected at least {least}'
      )
  yardstick = timing.yardstick(_REPEATS.value, timing.least_ms)
  rows = []
  for num_agents in agents:
    rows += bench(
      num_agents, points, envs, _REPEATS.value, _SEED.value, yardstick
    )
  print('\n'.join(table(rows)))


if __name__ == '__main__':
  training.cli.run(main)
