# Copyright 2026 The rdrl Authors. Apache-2.0.
"""A straight road along x for tests: two lanes each way, walls beside it."""

import os
import shutil
import tempfile

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import sim
from rdrl import trees
from rdrl import types

# Middles of the lanes; traffic keeps to the right and the ego drives at -1.75.
LANES = (-5.25, -1.75, 1.75, 5.25)
HALF_ROAD, HALF_STREET = 9.3, 11.0
CAR = (4.6, 1.9, 1.5)
# Of rewards, whatever the defaults are.
WEIGHTS = (1.0, 1.0, 1.0, 1.0, 0.1, 0.2, 0.05)


# XLA's newer emitters of loops for CPUs take as long to compile as all the rest
# of a program, LLVM's optimisations most of what then remains.
_QUICK = (
  '--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters'
  ' --xla_backend_optimization_level=0'
)


def pytest_addoption(parser):
  parser.addoption(
    '--optimised',
    action='store_true',
    help='Compile programs as users have them; else for running them once.',
  )


def pytest_configure(config):
  """What files of tests and the processes they start have in common is compiled
  once a session.
  """
  if not hasattr(config, 'workerinput'):
    folder = tempfile.mkdtemp(prefix='rdrl_programs_')
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ['RDRL_CACHE'] = folder
    if not config.getoption('optimised'):
      os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {_QUICK}'
  jax.config.update('jax_compilation_cache_dir', os.environ['RDRL_CACHE'])
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


@pytest.fixture(autouse=True, scope='module')
def let_programs_go():
  """All programs of all files would exhaust the mappings of a process."""
  yield
  jax.clear_caches()


def straight(x, y, speed, steps=101):
  """Track of an agent at constant speed along x, backwards if negative."""
  time = np.arange(steps) * types.TIME_STEP
  return {
    'xy': np.stack([x + speed * time, np.full(steps, y)], -1),
    'yaw': np.full(steps, np.pi if speed < 0 else 0.0),
    'speed': np.full(steps, abs(speed)),
    'valid': np.ones(steps, bool),
  }


def scene(*agents, classes=None):
  """A `Scene` of agents, each as `straight` gives it, the ego first."""
  steps = len(agents[0]['yaw'])

  def field(name, dtype):
    return np.stack([agent[name] for agent in agents], 1).astype(dtype)

  tracks = types.AgentState(
    xy=field('xy', np.float32),
    z=np.full((steps, len(agents)), CAR[2] / 2, np.float32),
    yaw=field('yaw', np.float32),
    speed=field('speed', np.float32),
    valid=field('valid', bool),
  )
  y = np.arange(-15, 15.5, 0.5)

  def grid(values):
    return types.Grid(
      values=np.repeat(values[:, None], 640, 1).astype(np.float32),
      origin=np.array([-60.0, -15.0], np.float32),
      cell=np.float32(0.5),
    )

  ahead = np.array([[0.0, -1, 0, 0], [0, 0, -1, 1], [1, 0, 0, 0], [0, 0, 0, 1]])
  return types.Scene(
    gaussians=None,
    sky=np.zeros((2, 4, 3), np.float32),
    exposure=np.zeros((1, 3, 4), np.float32),
    camera_from_ego=ahead[None].astype(np.float32),
    intrinsics=np.array([[[8.0, 0, 4], [0, 8, 2], [0, 0, 1]]], np.float32),
    tracks=tracks,
    sizes=np.tile(np.array(CAR, np.float32), (len(agents), 1)),
    classes=np.full(len(agents), types.VEHICLE, np.int32)
    if classes is None
    else np.array(classes, np.int32),
    map=types.NO_MAP,
    drivable=grid(HALF_ROAD - np.abs(y)),
    occupancy=grid(HALF_STREET - np.abs(y)),
    ground=grid(np.zeros(len(y))),
    height=4,
    width=8,
  )


def scenario(place, **fields):
  """A `Scenario` `[1]` of the tracks of a scene, replayed."""
  num_agents = len(place.sizes)
  values = {
    'tracks': place.tracks,
    'scene': np.int32(0),
    'start': np.int32(5),
    'adversary': np.int32(0),
    'behaviour': np.int32(0),
    'controller': np.zeros(num_agents, np.int32),
    'release': np.zeros(num_agents, np.int32),
  } | fields
  return trees.stack([types.Scenario(**values)])


@struct.dataclass
class ClockRenderer:
  """Shows where the ego is instead of a picture."""

  def __call__(self, scene_index, cameras, agents, time=None):
    value = jnp.round(agents.xy[0, 0]).astype(jnp.uint8)
    return jnp.full((1, 2, 4, 3), value)


def environment(place, config=None, **fields):
  """An `Env` of one scene and one scenario; equal shapes compile once."""
  config = config or sim.Config(
    image_height=2, image_width=4, reward_weights=WEIGHTS
  )
  scenarios = scenario(place, **fields)
  return sim.Env.create([place], scenarios, ClockRenderer(), config)


@jax.jit
def reset(env):
  """`SimState` `[]`."""
  return env.reset(jax.random.key(0))


@jax.jit
def _drive(env, action):

  def act(states, key):
    del states, key
    return action[None]

  key = jax.random.key(1)
  states = jax.tree.map(lambda x: x[None], reset(env))
  drive = sim.rollout(env, act, states, key, 17)
  return jax.tree.map(lambda x: x[0], drive)


def drive(env, action):
  """`Drive` `[]` in host memory of 17 equal decisions `[2]`."""
  return jax.device_get(_drive(env, action))


@jax.jit
def step(env, state, action):
  """`SimState` `[]` after a decision `[2]`."""
  return env.step(state, action)


def pytest_collection_modifyitems(items):
  """Files that take longest first, so that both workers end together."""
  items.sort(key=lambda item: 'splat' not in item.path.parts)


class Road:
  """What tests need of this file, as one fixture."""

  LANES, CAR, WEIGHTS = LANES, CAR, WEIGHTS
  HALF_ROAD, HALF_STREET = HALF_ROAD, HALF_STREET
  straight = staticmethod(straight)
  scene = staticmethod(scene)
  scenario = staticmethod(scenario)
  environment = staticmethod(environment)
  reset = staticmethod(reset)
  step = staticmethod(step)
  drive = staticmethod(drive)
  ClockRenderer = ClockRenderer


@pytest.fixture(scope='session')
def road():
  return Road
