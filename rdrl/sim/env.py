# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The environment: scenes, scenarios in them, and a renderer.

A decision holds for `Config.decision_steps` steps of `types.TIME_STEP`, by
default half a second; each step checks for collisions. Methods are written for
one environment; batch them with `jax.vmap`.
"""

import functools
import os
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import controllers as controllers_lib
from rdrl.sim import dynamics
from rdrl.sim import events as events_lib
from rdrl.sim import paths as paths_lib
from rdrl.sim import reward as reward_lib
from rdrl.sim import road
from rdrl.sim import sight
from rdrl.sim import stack
from rdrl.sim.config import DYNAMICS
from rdrl.sim.config import Config
from rdrl.world import traffic

# The process that made the first environment.
_home = None


def stay_home():
  """Remembers this process and refuses to work in a fork of it.

  A fork leaves JAX's threads behind, so that its calls would wait for ever.

  Raises:
    RuntimeError: in a process that was forked from one with an environment.
  """
  global _home
  _home = _home or os.getpid()
  if os.getpid() != _home:
    raise RuntimeError(
      'an environment does not work in a forked process, since JAX has '
      'threads: start workers by spawn, as with AsyncVectorEnv(functions, '
      "context='spawn')"
    )


@struct.dataclass
class NoRenderer:
  """Black images, for driving by geometry alone.

  Attributes:
    num_cameras: static.
    height: static, pixels.
    width: static, pixels.
  """

  num_cameras: int = struct.field(pytree_node=False)
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)

  def __call__(self, scene_index, cameras, agents, time=None):
    """`[C, h, w, 3]` uint8 zeros."""
    del scene_index, cameras, agents, time
    shape = (self.num_cameras, self.height, self.width, 3)
    return jnp.zeros(shape, jnp.uint8)


def _backs(scenarios):
  """Whether any agent with a controller backs up by a metre."""
  tracks = scenarios.tracks
  speed = np.where(tracks.valid, np.asarray(tracks.speed), 0)
  back = np.maximum(-speed, 0).sum(1) * types.TIME_STEP
  is_moved = np.asarray(scenarios.controller) != types.REPLAY
  return bool(np.any((back > 1) & is_moved))


def _check(scenes, scenarios, config):
  if config.dynamics not in DYNAMICS:
    raise ValueError(
      f'sim.dynamics is {config.dynamics!r}, expected one of {DYNAMICS}'
    )
  if len(config.reward_weights) != len(types.REWARD_TERMS):
    raise ValueError(
      f'sim.reward_weights has {len(config.reward_weights)} values, expected '
      f'{len(types.REWARD_TERMS)}: {types.REWARD_TERMS}'
    )
  shape, expected = (
    scenarios.tracks.valid.shape[1:],
    scenes[0].tracks.valid.shape,
  )
  if shape != expected:
    raise ValueError(
      f'scenarios have tracks of shape {shape} [T, A], the scenes of {expected}'
    )
  index, start = np.asarray(scenarios.scene), np.asarray(scenarios.start)
  if index.min() < 0 or index.max() >= len(scenes):
    raise ValueError(
      f'scenario.scene goes from {index.min()} to {index.max()}, there are '
      f'{len(scenes)} scenes'
    )
  last = shape[0] - 1 - config.decision_steps
  if start.min() < 0 or start.max() > last:
    raise ValueError(
      f'scenario.start goes from {start.min()} to {start.max()}, a decision '
      f'within {shape[0]} steps begins at 0 to {last}'
    )
  controller = np.asarray(scenarios.controller)
  if controller.min() < types.REPLAY or controller.max() > types.LANE_CHANGE:
    raise ValueError(
      f'scenario.controller goes from {controller.min()} to '
      f'{controller.max()}, expected {types.REPLAY} to {types.LANE_CHANGE}'
    )


_of_scenarios = training.compiling.quick_jit(
  paths_lib.of_scenarios, static_argnums=2
)


@struct.dataclass
class Env:
  """Scenes, scenarios in them, and a renderer. Make it with `create`.

  Attributes:
    scenes: `[S]` without Gaussians and sky.
    scenarios: `[V]`.
    paths: `[V]` of their tracks.
    renderer: `(scene [], cameras [C], agents [A], time []) -> [C, h, w, 3]`
      uint8, time in seconds on the clock of the tracks.
    config: static.
    controllers: static, those that an agent may have, without `REPLAY`.
    backs: static, whether an agent with a controller may back up by a metre.
  """

  scenes: types.Scene
  scenarios: types.Scenario
  paths: paths_lib.Paths
  renderer: Any
  config: Config = struct.field(pytree_node=False)
  controllers: frozenset[int] = struct.field(pytree_node=False)
  backs: bool = struct.field(pytree_node=False)

  @classmethod
  def create(
    cls, scenes, scenarios, renderer, config, controllers=(), backs=False
  ):
    """Creates an environment on device.

    Args:
      scenes: list of `Scene`, of equal numbers of steps, agents and cameras.
      scenarios: `Scenario` `[V]` in these scenes.
      renderer: PyTree with the call signature of `NoRenderer`.
      config: parameters.
      controllers: those of later scenarios beyond those of `scenarios`, see
        `with_scenarios`.
      backs: whether an agent of later scenarios may back up.

    Raises:
      ValueError: if the parts do not fit each other.
      RuntimeError: in a process that was forked from one with an environment.
    """
    stay_home()
    _check(scenes, scenarios, config)
    found = np.unique(np.asarray(scenarios.controller)).tolist()
    env = cls(
      scenes=jax.device_put(stack.scenes(scenes)),
      scenarios=scenarios,
      paths=None,
      renderer=renderer,
      config=config,
      controllers=frozenset([*found, *controllers]) - {types.REPLAY},
      backs=backs or _backs(scenarios),
    )
    return jax.device_put(env.with_scenarios(scenarios))

  def with_scenarios(self, scenarios):
    """Replaces the scenarios, inside or outside of a compiled program.

    Args:
      scenarios: `Scenario` `[V]`, any number of them, in the same scenes, with
        as many steps and agents; as drawn by `scenario.draw_scenario`. An agent
        with none of `controllers` follows its track.
    """
    paths = _of_scenarios(
      scenarios, self.scenes, types.LANE_CHANGE in self.controllers
    )
    return self.replace(scenarios=scenarios, paths=paths)

  @property
  def num_scenarios(self):
    return self.scenarios.scene.shape[0]

  def reset(self, key, scenario=None) -> types.SimState:
    """Begins an episode.

    Args:
      key: draws the scenario, uniformly.
      scenario: `[]` int32, instead of a draw.
    """
    state = self.start(key, scenario)
    return state.replace(
      observation=self.expert_observation(state.scenario, state.step)
    )

  def step(self, state: types.SimState, action) -> types.SimState:
    """Takes one decision.

    Args:
      state: of one environment. An ended episode stays as it is, without reward
        and events.
      action: `[2]` int32, lateral and longitudinal anchor index.
    """
    over = state.terminated | state.truncated
    moved = self.advance(state, action)
    return trees.where(over, moved, self.look(moved))

  def start(self, key, scenario=None) -> types.SimState:
    """`reset` without rendering: images are black."""
    if scenario is None:
      scenario = jax.random.randint(key, (), 0, self.num_scenarios)
    scenario = jnp.asarray(scenario, jnp.int32)
    step = self.scenarios.start[scenario].astype(jnp.int32)
    agents = self.track(scenario, step)
    ego = trees.take(agents, 0)
    config = self.config
    progress = self.paths.progress[scenario, step]
    vehicle, acceleration = self._vehicle(scenario, step, ego)
    past = jnp.maximum(step - jnp.arange(config.decision_steps)[::-1], 0)
    num_cameras = self.scenes.intrinsics.shape[1]
    size = config.image_height, config.image_width
    images = jnp.zeros((config.frames, num_cameras, *size, 3), jnp.uint8)
    return types.SimState(
      scenario=scenario,
      step=step,
      decision=jnp.int32(0),
      agents=agents,
      vehicle=vehicle,
      acceleration=acceleration,
      progress=progress,
      trace=jax.vmap(functools.partial(self.track, scenario))(past),
      observation=self._observation(scenario, agents, images, progress[0]),
      reward=jnp.zeros(len(types.REWARD_TERMS)),
      events=events_lib.none(),
      terminated=jnp.zeros((), bool),
      truncated=jnp.zeros((), bool),
      lateral=jnp.zeros((len(agents.yaw), 3))
      if types.LANE_CHANGE in self.controllers
      else None,
    )

  def blank(self) -> types.Observation:
    """An `Observation` `[1]` of zeros in host memory, of the right shapes."""
    shapes = jax.eval_shape(
      lambda: (
        jax.vmap(self.start, (None, 0))(
          jax.random.key(0), jnp.zeros(1, int)
        ).observation
      )
    )
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)

  def advance(self, state: types.SimState, action) -> types.SimState:
    """`step` without a new image."""
    over = state.terminated | state.truncated
    frozen = state.replace(
      reward=jnp.zeros_like(state.reward), events=events_lib.none()
    )
    return trees.where(over, frozen, self._advance(state, action))

  def look(self, state: types.SimState, ago=0) -> types.SimState:
    """Renders a new frame and drops the oldest one.

    Args:
      state: of one environment.
      ago: `[]` int32 decisions; if positive, renders the tracks of so many
        decisions ago instead.
    """
    before = jnp.maximum(state.step - ago * self.config.decision_steps, 0)
    past = self.track(state.scenario, before)
    agents = trees.where(jnp.asarray(ago) > 0, past, state.agents)
    image = self._render(state.scenario, agents, before)
    images = jnp.concatenate([state.observation.images[1:], image[None]])
    progress = jnp.where(
      ago > 0,
      self.paths.progress[state.scenario, before, 0],
      state.progress[0],
    )
    return state.replace(
      observation=self._observation(state.scenario, agents, images, progress)
    )

  def expert_observation(self, scenario, step) -> types.Observation:
    """Observation with all agents on their tracks.

    Args:
      scenario: `[]` int32.
      step: `[]` int32 on the clock of the tracks; frames before the first step
        show the first step.
    """
    ago = self.config.decision_steps * jnp.arange(self.config.frames)[::-1]
    steps = jnp.maximum(step - ago, 0)
    tracks = jax.vmap(functools.partial(self.track, scenario))(steps)
    return self.observe_past(scenario, tracks, steps)

  def observe_past(self, scenario, agents, steps) -> types.Observation:
    """Observation after given states.

    Args:
      scenario: `[]` int32.
      agents: `[F, A]`, one decision apart, now last.
      steps: `[F]` int32 on the clock of the tracks.
    """
    images = jax.vmap(self._render, (None, 0, 0))(scenario, agents, steps)
    return self._observation(scenario, trees.take(agents, -1), images)

  def drivable(self, scenario, xy):
    """Metres `[...]` from world points to the edge of the drivable area."""
    scene = self.scenarios.scene[scenario]
    return geometry.sample_grid(self.scenes.drivable, xy, scene)

  def track(self, scenario, step) -> types.AgentState:
    """Agents `[A]` on their tracks in a scenario `[]` at a step `[]`."""
    return trees.take(self.scenarios.tracks, (scenario, step))

  def lights(self, scene, step):
    """Lights `[L]` int32 of the stop lines of a scene `[]` at a step `[]`."""
    lights = self.scenes.map.lights
    return lights[scene, jnp.minimum(step, lights.shape[1] - 1)]

  def _vehicle(self, scenario, step, ego):
    """Initial state of the dynamics, and acceleration `[]` before."""
    before = trees.take(self.track(scenario, jnp.maximum(step - 1, 0)), 0)
    turned = geometry.wrap_angle(ego.yaw - before.yaw)
    moved = geometry.safe_norm(ego.xy - before.xy)
    turned *= jnp.where(ego.speed < 0, -1, 1)
    curvature = jnp.where(moved > 0.1, turned / jnp.maximum(moved, 0.1), 0.0)
    steps = self.config.decision_steps
    past = trees.take(self.track(scenario, jnp.maximum(step - steps, 0)), 0)
    acceleration = (ego.speed - past.speed) / (steps * types.TIME_STEP)
    return dynamics.initial(ego, curvature, self.config), acceleration

  def rig(self, scenario) -> types.Rig:
    """Cameras `[C]` in a scenario `[]`, sized for a policy."""
    scenes, config = self.scenes, self.config
    scene = self.scenarios.scene[scenario]
    intrinsics = geometry.scale_intrinsics(
      scenes.intrinsics[scene],
      config.image_width / scenes.width,
      config.image_height / scenes.height,
    )
    return types.Rig(scenes.camera_from_ego[scene], intrinsics)

  def cameras(self, scenario, ego) -> types.Camera:
    """Cameras `[C]` of an ego `[]` in a scenario `[]`, sized for a policy."""
    rig, config = self.rig(scenario), self.config
    return geometry.mount_cameras(
      rig.camera_from_ego,
      rig.intrinsics,
      ego,
      config.image_height,
      config.image_width,
    )

  def _render(self, scenario, agents, step):
    cameras = self.cameras(scenario, trees.take(agents, 0))
    scene = self.scenarios.scene[scenario]
    return self.renderer(scene, cameras, agents, step * types.TIME_STEP)

  def _observation(self, scenario, agents, images, progress=None):
    ego = trees.take(agents, 0)
    path = self.paths.xy[scenario, 0], self.paths.valid[scenario, 0]
    along, *_ = paths_lib.project(
      ego.xy, *path, progress, geometry.velocity(ego)
    )
    points = jax.vmap(traffic.point_on_path, (None, None, 0))(
      *path, along + jnp.array(self.config.route_points)
    )
    return types.Observation(
      images=images,
      speed=ego.speed,
      route=geometry.rotate_2d(points - ego.xy, -ego.yaw),
      rig=self.rig(scenario),
      truth=None
      if not self.config.truth_cell
      else sight.truth(self, scenario, agents),
    )

  def _advance(self, state, action):
    config, index = self.config, state.scenario
    scenario = trees.take(
      self.scenarios.replace(tracks=None, start=None), index
    )
    curvature, speed = anchors.command(action)

    def substep(before, _):
      others = controllers_lib.step(self, scenario, before)
      agents, vehicle = dynamics.advance(
        before.agents, before.vehicle, others.agents, speed, curvature, config
      )
      after = others.replace(
        agents=agents, vehicle=vehicle, step=before.step + 1
      )
      after = self._judge(scenario, before, after)
      # An ended episode stands still, so that its last state and step are those
      # of the event.
      after = trees.where(events_lib.ended(before.events), before, after)
      return after, after.agents

    # Constants need not be carried from step to step.
    bare = {'observation': None, 'trace': None, 'reward': None}
    moving = state.replace(events=events_lib.none(), **bare)
    after, trace = jax.lax.scan(substep, moving, length=config.decision_steps)
    duration = (after.step - state.step) * types.TIME_STEP
    gained = after.agents.speed[0] - state.agents.speed[0]
    after = after.replace(
      decision=state.decision + 1, acceleration=gained / duration, trace=trace
    )
    terminated = events_lib.ended(after.events)
    last = self.paths.progress.shape[1] - 1
    is_late = (after.decision >= config.horizon) | (
      after.step + config.decision_steps > last
    )
    return after.replace(
      observation=state.observation,
      reward=reward_lib.reward(
        state,
        after,
        self.paths.progress[index, :, 0],
        self.scenes.sizes[scenario.scene],
        config,
      ),
      terminated=terminated,
      truncated=~terminated & is_late,
    )

  def _judge(self, scenario, before, after):
    """Adds height, progress and events of the ego to the state after a step."""
    config, index, scene = self.config, after.scenario, scenario.scene
    ego = trees.take(after.agents, 0)
    sizes = self.scenes.sizes[scene]
    is_edited = scenario.adversary != 0

    def sample(name):
      return lambda xy: geometry.sample_grid(
        getattr(self.scenes, name), xy, scene
      )

    agents = after.agents
    if config.dynamics == 'replay':
      # The ego is its reference, even where that jitters or leaves the map.
      along = self.paths.progress[index, after.step, 0]
      offset, heading = jnp.zeros(()), ego.yaw
      is_edited = False
    else:
      height = sample('ground')(ego.xy) + self.paths.clearance[index, 0]
      agents = agents.replace(z=agents.z.at[0].set(height))
      along, offset, heading, _ = paths_lib.project(
        ego.xy,
        self.paths.xy[index, 0],
        self.paths.valid[index, 0],
        before.progress[0],
        geometry.velocity(ego),
      )
      heading += jnp.pi * controllers_lib.is_backing(
        self, index, 0, heading, along
      )
    lane = road.lane(
      ego.xy, ego.yaw, sizes[0], trees.take(self.scenes.map, scene)
    )
    place = events_lib.Place(
      offset=offset,
      heading=heading,
      has_lane=lane['has_lane'],
      in_lane=lane['in_lane'],
      occupancy=sample('occupancy'),
      drivable=sample('drivable'),
    )
    classes = self.scenes.classes[scene]
    events = events_lib.detect(agents, sizes, classes, place, is_edited, config)
    runs_light = self._runs_light(
      scene, trees.take(before.agents, 0), ego, sizes[0], before.step
    )
    return after.replace(
      agents=agents,
      progress=after.progress.at[0].set(along),
      events=events.replace(ran_light=before.events.ran_light | runs_light),
    )

  def _runs_light(self, scene, before, after, size, step):
    """Whether the ego crosses a stop line whose light says stop, `[]` bool."""
    if self.scenes.map.lights is None:
      return jnp.zeros((), bool)
    lines = trees.take(self.scenes.map.stop_lines, scene)
    crossed = events_lib.crosses(before, after, size, lines)
    return jnp.any(crossed & (self.lights(scene, step) == types.LIGHT_STOP))
