# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The environment: scenes, what happens in them, and a renderer.

One decision holds for half a second of the log's clock, which is half a second
of motion, in steps of `types.TIME_STEP`; collisions are looked for at each.
Methods are written for one environment; batch them with `jax.vmap`.
"""

import os
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import types
from rdrl.sim import anchors
from rdrl.sim import dynamics
from rdrl.sim import events as events_lib
from rdrl.sim import paths as paths_lib
from rdrl.sim import road
from rdrl.sim import terrain
from rdrl.sim.config import DYNAMICS
from rdrl.sim.config import Config
from rdrl.world import traffic

# The process that has made an environment, whose threads a fork leaves behind.
_home = None


def stay_home():
  """Remembers this process, or finds that it was forked from that one.

  JAX has threads, so that what a forked process asks of it waits for ever.

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


def _pad_polylines(lines, rows, points):
  missing = (
    (0, rows - lines.valid.shape[0]),
    (0, points - lines.valid.shape[1]),
  )
  return types.Polylines(
    xy=np.pad(np.asarray(lines.xy), (*missing, (0, 0))),
    valid=np.pad(np.asarray(lines.valid), missing),
  )


def _stack_maps(maps):
  """One `Map` with a leading `[S]`, padded to the largest."""
  padded = {}
  for name in ('lanes', 'boundaries', 'drivable', 'crosswalks', 'stop_lines'):
    lines = [getattr(m, name) for m in maps]
    rows = max(x.valid.shape[0] for x in lines)
    points = max(x.valid.shape[1] for x in lines)
    padded[name] = [_pad_polylines(x, rows, points) for x in lines]
  if any(m.lights is not None for m in maps):
    padded['lights'] = _pad_lights(maps, padded['stop_lines'][0].valid.shape[0])
  rows = max(len(m.lane_width) for m in maps)
  padded['lane_width'] = [
    np.pad(np.asarray(m.lane_width), (0, rows - len(m.lane_width)))
    for m in maps
  ]
  if any(m.speed_limit is not None for m in maps):
    limits = np.full((len(maps), rows), np.inf, np.float32)
    for row, m in zip(limits, maps, strict=True):
      if m.speed_limit is not None:
        row[: len(m.speed_limit)] = m.speed_limit
    padded['speed_limit'] = list(limits)
  return types.Map(
    **{
      name: types.stack(values)
      if isinstance(values[0], types.Polylines)
      else np.stack(values)
      for name, values in padded.items()
    }
  )


def _pad_lights(maps, rows):
  """`[T, rows]` lights of each map; the last step holds, none is unknown."""
  steps = max(1 if m.lights is None else len(m.lights) for m in maps)
  padded = []
  for lane_map in maps:
    count = lane_map.stop_lines.valid.shape[0]
    lights = lane_map.lights
    if lights is None:
      lights = np.full((1, count), types.LIGHT_UNKNOWN)
    lights = np.asarray(lights, np.int32)
    if lights.shape[1] != count:
      raise ValueError(
        f'map.lights has shape {lights.shape} [T, L], there are {count} stop '
        'lines'
      )
    missing = (0, steps - len(lights)), (0, 0)
    lights = np.pad(lights, missing, mode='edge')
    padded.append(np.pad(lights, ((0, 0), (0, rows - count))))
  return padded


def _along_map(scenes, scenarios, points, valid):
  """What `Env.line_progress` and `Env.lanes` are made of, `[V, A, ...]`.

  Either is None where no stop line has a light and where nobody changes lanes.
  """
  count, num_agents = valid.shape[:2]
  where = np.asarray(scenarios.scene)
  controller = np.asarray(scenarios.controller)
  line_progress = lanes = None
  if any(scene.map.lights is not None for scene in scenes):
    rows = max(scene.map.stop_lines.valid.shape[0] for scene in scenes)
    line_progress = np.full((count, num_agents, rows), np.inf, np.float32)
    for v, a in np.ndindex(count, num_agents):
      lines = scenes[where[v]].map.stop_lines
      found = paths_lib.crossings(points[v, a], valid[v, a], lines)
      line_progress[v, a, : len(found)] = found
  if np.any(controller == types.LANE_CHANGE):
    shape = *valid.shape, paths_lib.NUM_LANES
    lanes = np.full(shape, np.inf, np.float32)
    for v, a in np.argwhere(controller == types.LANE_CHANGE):
      lanes[v, a] = paths_lib.lanes_beside(
        points[v, a], valid[v, a], scenes[where[v]].map.lanes
      )
  return line_progress, lanes


def _stack_scenes(scenes):
  """Scenes `[S]`; the renderer holds what it draws, so they are bare of it."""
  no_gaussians = types.Gaussians(
    means=np.zeros((0, 3), np.float32),
    log_scales=np.zeros((0, 3), np.float32),
    quats=np.zeros((0, 4), np.float32),
    opacity_logits=np.zeros(0, np.float32),
    sh=np.zeros((0, 1, 3), np.float32),
    node=np.zeros(0, np.int32),
  )
  grids = {
    name: terrain.stack([getattr(scene, name) for scene in scenes])
    for name in ('drivable', 'occupancy', 'ground')
  }
  maps = _stack_maps([scene.map for scene in scenes])
  bare = [
    scene.replace(
      gaussians=no_gaussians,
      sky=np.zeros((0, 0, 3), np.float32),
      bodies=None,
      map=None,
      drivable=None,
      occupancy=None,
      ground=None,
    )
    for scene in scenes
  ]
  return types.stack(bare).replace(map=maps, **grids)


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


@struct.dataclass
class Env:
  """Scenes, scenarios in them, and a renderer. Make it with `create`.

  Attributes:
    scenes: `[S]` without Gaussians and sky.
    scenarios: `[V]`.
    renderer: `(scene [], cameras [C], agents [A], time []) -> [C, h, w, 3]`
      uint8, time in seconds on the clock of the tracks.
    paths: `[V, A, P, 2]` the tracks of the scenarios as polylines.
    path_valid: `[V, A, P]` bool.
    track_progress: `[V, T, A]` metres along the path at each step of a track.
    desired_speed: `[V, A]` m/s along the path, the greatest of a track from its
      release on.
    clearance: `[V, A]` metres from the ground to the middle of the box.
    line_progress: `[V, A, L]` metres along the path of each stop line, or
      infinite; None where no line has a light.
    lanes: `[V, A, P, K]` metres to the left of the paths of the lanes beside
      them, or infinite; None where nobody changes lanes.
    config: static.
    follows: static, whether anybody has the controller `IDM`.
    yields: static, whether anybody has the controller `YIELD`.
    backs: static, whether anybody with a controller backs up by a metre.
  """

  scenes: types.Scene
  scenarios: types.Scenario
  renderer: Any
  paths: types.Array
  path_valid: types.Array
  track_progress: types.Array
  desired_speed: types.Array
  clearance: types.Array
  line_progress: types.Array | None
  lanes: types.Array | None
  config: Config = struct.field(pytree_node=False)
  follows: bool = struct.field(pytree_node=False)
  yields: bool = struct.field(pytree_node=False)
  backs: bool = struct.field(pytree_node=False)

  @classmethod
  def create(cls, scenes, scenarios, renderer, config):
    """An environment on device.

    Args:
      scenes: list of `Scene`, of equal numbers of steps, agents and cameras.
      scenarios: `Scenario` `[V]` in these scenes.
      renderer: PyTree that is called as `NoRenderer` is.
      config: parameters.

    Raises:
      ValueError: if the parts do not fit each other.
      RuntimeError: in a process that was forked from one with an environment.
    """
    stay_home()
    _check(scenes, scenarios, config)
    stacked = jax.tree.map(jnp.asarray, _stack_scenes(scenes))
    tracks = jax.tree.map(np.asarray, scenarios.tracks)
    count, steps, num_agents = tracks.valid.shape

    def by_agent(x):
      return np.moveaxis(x, 2, 1).reshape(-1, steps, *x.shape[3:])

    points, valid, progress = paths_lib.from_tracks(
      by_agent(tracks.xy), by_agent(tracks.yaw), by_agent(tracks.valid)
    )
    free = np.asarray(scenarios.release)[:, None] <= np.arange(steps)[:, None]
    speed = np.abs(tracks.speed)
    desired = np.max(np.where(tracks.valid & free, speed, 0), 1)
    ground = jax.vmap(
      lambda scene, xy: terrain.sample(stacked.ground, scene, xy)
    )(jnp.asarray(scenarios.scene), jnp.asarray(tracks.xy))
    height = np.where(tracks.valid, tracks.z - np.asarray(ground), 0)
    seen = np.maximum(tracks.valid.sum(1), 1)
    points = points.reshape(count, num_agents, -1, 2)
    valid = valid.reshape(count, num_agents, -1)
    line_progress, lanes = _along_map(scenes, scenarios, points, valid)
    controller = np.asarray(scenarios.controller)
    back = np.where(tracks.valid, np.maximum(-tracks.speed, 0), 0).sum(1)
    env = cls(
      scenes=stacked,
      scenarios=scenarios,
      renderer=renderer,
      paths=points,
      path_valid=valid,
      track_progress=np.moveaxis(
        progress.reshape(count, num_agents, steps), 1, 2
      ),
      desired_speed=desired.astype(np.float32),
      clearance=(height.sum(1) / seen).astype(np.float32),
      line_progress=line_progress,
      lanes=lanes,
      config=config,
      follows=bool(np.any(controller == types.IDM)),
      yields=bool(np.any(controller == types.YIELD)),
      backs=bool(
        np.any((back * types.TIME_STEP > 1) & (controller != types.REPLAY))
      ),
    )
    return jax.tree.map(jnp.asarray, env)

  @property
  def num_scenarios(self):
    return self.scenarios.scene.shape[0]

  def reset(self, key, scenario=None) -> types.SimState:
    """The beginning of an episode.

    Args:
      key: draws the scenario, uniformly.
      scenario: `[]` int32, to choose it.
    """
    state = self.start(key, scenario)
    return state.replace(
      observation=self.expert_observation(state.scenario, state.step)
    )

  def step(self, state: types.SimState, action) -> types.SimState:
    """One decision.

    Args:
      state: of one environment. After its end it comes back as it is, with no
        reward and no event.
      action: `[2]` int32, lateral and longitudinal anchor index.
    """
    over = state.terminated | state.truncated
    moved = self.advance(state, action)
    return _where(over, moved, self.look(moved))

  def start(self, key, scenario=None) -> types.SimState:
    """What `reset` gives, before anything was seen: its images are black."""
    if scenario is None:
      scenario = jax.random.randint(key, (), 0, self.num_scenarios)
    scenario = jnp.asarray(scenario, jnp.int32)
    step = self.scenarios.start[scenario].astype(jnp.int32)
    agents = self._tracks(scenario, step)
    ego = types.take(agents, 0)
    config = self.config
    past = jnp.maximum(step - jnp.arange(config.decision_steps)[::-1], 0)
    num_cameras = self.scenes.intrinsics.shape[1]
    size = config.image_height, config.image_width
    images = jnp.zeros((config.frames, num_cameras, *size, 3), jnp.uint8)
    return types.SimState(
      scenario=scenario,
      step=step,
      decision=jnp.int32(0),
      agents=agents,
      vehicle=self._vehicle(scenario, step, ego),
      progress=self.track_progress[scenario, step],
      trace=jax.vmap(lambda t: self._tracks(scenario, t))(past),
      observation=self._observation(
        scenario, ego, images, self.track_progress[scenario, step, 0]
      ),
      reward=jnp.zeros(len(types.REWARD_TERMS)),
      events=events_lib.none(),
      terminated=jnp.zeros((), bool),
      truncated=jnp.zeros((), bool),
      lateral=None if self.lanes is None else jnp.zeros((len(agents.yaw), 3)),
    )

  def advance(self, state: types.SimState, action) -> types.SimState:
    """What `step` gives, before anything new was seen."""
    over = state.terminated | state.truncated
    frozen = state.replace(
      reward=jnp.zeros_like(state.reward), events=events_lib.none()
    )
    return _where(over, frozen, self._advance(state, action))

  def look(self, state: types.SimState, ago=0) -> types.SimState:
    """Adds what is seen now to the images, whose oldest frame makes room.

    Args:
      state: of one environment.
      ago: `[]` int32 decisions; if positive, what was seen from the tracks then
        is added instead.
    """
    before = jnp.maximum(state.step - ago * self.config.decision_steps, 0)
    past = self._tracks(state.scenario, before)
    agents = _where(jnp.asarray(ago) > 0, past, state.agents)
    image = self._render(state.scenario, agents, before)
    images = jnp.concatenate([state.observation.images[1:], image[None]])
    progress = jnp.where(
      ago > 0,
      self.track_progress[state.scenario, before, 0],
      state.progress[0],
    )
    return state.replace(
      observation=self._observation(
        state.scenario, types.take(agents, 0), images, progress
      )
    )

  def expert_observation(self, scenario, step) -> types.Observation:
    """What the policy sees with everybody on their tracks.

    Args:
      scenario: `[]` int32.
      step: `[]` int32 on the clock of the tracks; frames before the first step
        show the first step.
    """
    ago = self.config.decision_steps * jnp.arange(self.config.frames)[::-1]
    steps = jnp.maximum(step - ago, 0)
    tracks = jax.vmap(lambda step: self._tracks(scenario, step))(steps)
    return self.observe_past(scenario, tracks, steps)

  def observe_past(self, scenario, agents, steps) -> types.Observation:
    """What the policy sees after some moments.

    Args:
      scenario: `[]` int32.
      agents: `[F, A]`, one decision apart, now last.
      steps: `[F]` int32 on the clock of the tracks.
    """
    images = jax.vmap(self._render, (None, 0, 0))(scenario, agents, steps)
    now = types.take(agents, -1)
    return self._observation(scenario, types.take(now, 0), images)

  def drivable(self, scenario, xy):
    """Metres `[...]` from world points to the edge of the drivable area."""
    scene = self.scenarios.scene[scenario]
    return terrain.sample(self.scenes.drivable, scene, xy)

  def _tracks(self, scenario, step):
    return types.take(self.scenarios.tracks, (scenario, step))

  def _vehicle(self, scenario, step, ego):
    """What the dynamics carry, then the mean acceleration of a decision."""
    before = types.take(self._tracks(scenario, jnp.maximum(step - 1, 0)), 0)
    turned = geometry.wrap_angle(ego.yaw - before.yaw)
    moved = geometry.safe_norm(ego.xy - before.xy)
    turned *= jnp.where(ego.speed < 0, -1, 1)
    curvature = jnp.where(moved > 0.1, turned / jnp.maximum(moved, 0.1), 0.0)
    steps = self.config.decision_steps
    past = types.take(self._tracks(scenario, jnp.maximum(step - steps, 0)), 0)
    acceleration = (ego.speed - past.speed) / (steps * types.TIME_STEP)
    vehicle = dynamics.initial(ego, curvature, self.config)
    return jnp.append(vehicle, acceleration)

  def _render(self, scenario, agents, step):
    scenes, config = self.scenes, self.config
    scene = self.scenarios.scene[scenario]
    intrinsics = geometry.scale_intrinsics(
      scenes.intrinsics[scene],
      config.image_width / scenes.width,
      config.image_height / scenes.height,
    )
    cameras = geometry.mount_cameras(
      scenes.camera_from_ego[scene],
      intrinsics,
      types.take(agents, 0),
      config.image_height,
      config.image_width,
    )
    return self.renderer(scene, cameras, agents, step * types.TIME_STEP)

  def _observation(self, scenario, ego, images, progress=None):
    path = self.paths[scenario, 0], self.path_valid[scenario, 0]
    along, *_ = paths_lib.project(ego.xy, *path, progress, _velocity(ego))
    points = jax.vmap(traffic.point_on_path, (None, None, 0))(
      *path, along + jnp.array(self.config.route_points)
    )
    return types.Observation(
      images=images,
      speed=ego.speed,
      route=geometry.rotate_2d(points - ego.xy, -ego.yaw),
    )

  def _advance(self, state, action):
    config, index = self.config, state.scenario
    scenario = types.take(
      self.scenarios.replace(tracks=None, start=None), index
    )
    scene = scenario.scene
    sizes = self.scenes.sizes[scene]
    path = self.paths[index, 0], self.path_valid[index, 0]
    lane_map = types.take(self.scenes.map, scene)
    replays = config.dynamics == 'replay'
    curvature, speed = anchors.command(action)

    def sample(name):
      return lambda xy: terrain.sample(getattr(self.scenes, name), scene, xy)

    def substep(carry, _):
      agents, vehicle, progress, lateral, events, step = carry
      over = events_lib.ended(events)
      moved, moved_progress, moved_lateral = self._traffic(
        scenario, index, agents, progress, lateral, step
      )
      moved, moved_vehicle = dynamics.advance(
        agents, vehicle, moved, speed, curvature, config
      )
      ego = types.take(moved, 0)
      if not replays:
        height = sample('ground')(ego.xy) + self.clearance[index, 0]
        moved = moved.replace(z=moved.z.at[0].set(height))
      if replays:
        # It is its reference, wherever that trembles or leaves the map.
        along = self.track_progress[index, step + 1, 0]
        offset, heading = jnp.zeros(()), ego.yaw
      else:
        along, offset, heading, _ = paths_lib.project(
          ego.xy, *path, progress[0], _velocity(ego)
        )
        heading += jnp.pi * self._is_backing(index, 0, heading, along)
      lane = road.lane(ego.xy, ego.yaw, sizes[0], lane_map)
      found = events_lib.detect(
        moved,
        sizes,
        offset,
        heading,
        sample('occupancy'),
        sample('drivable'),
        False if replays else scenario.adversary != 0,
        config,
        self.scenes.classes[scene],
        (lane['has_lane'], lane['in_lane']),
      )
      found = found.replace(
        ran_light=events.ran_light
        | self._runs_light(scene, types.take(agents, 0), ego, sizes[0], step)
      )
      # An ended episode stands still, so that the last state is that of the
      # event and the step tells when it happened.
      new = (
        moved,
        moved_vehicle,
        moved_progress.at[0].set(along),
        moved_lateral,
        found,
        step + 1,
      )
      carry = _where(over, carry, new)
      return carry, carry[0]

    carry = (
      state.agents,
      state.vehicle[:-1],
      state.progress,
      state.lateral,
      events_lib.none(),
      state.step,
    )
    carry, trace = jax.lax.scan(substep, carry, length=config.decision_steps)
    agents, vehicle, progress, lateral, events, step = carry
    reward, acceleration = self._reward(
      state, agents, progress[0], events, step, sizes
    )
    terminated = events_lib.ended(events)
    decision = state.decision + 1
    last = self.track_progress.shape[1] - 1
    truncated = ~terminated & (
      (decision >= config.horizon) | (step + config.decision_steps > last)
    )
    return state.replace(
      step=step,
      decision=decision,
      agents=agents,
      vehicle=jnp.append(vehicle, acceleration),
      progress=progress,
      lateral=lateral,
      trace=trace,
      reward=reward,
      events=events,
      terminated=terminated,
      truncated=truncated,
    )

  def _is_backing(self, index, agent, heading, progress):
    """Whether an agent's track backed up at a place of its path, `[]` bool."""
    return paths_lib.is_backing(
      heading,
      progress,
      self.track_progress[index, :, agent],
      self.scenarios.tracks.yaw[index, :, agent],
    )

  def _lights(self, scene, step):
    """`[L]` int32 what the stop lines of a scene show at a step."""
    lights = self.scenes.map.lights
    return lights[scene, jnp.minimum(step, lights.shape[1] - 1)]

  def _runs_light(self, scene, before, after, size, step):
    """Whether the ego crosses a line whose light says stop, `[]` bool."""
    if self.line_progress is None:
      return jnp.zeros((), bool)
    lines = types.take(self.scenes.map.stop_lines, scene)
    crossed = events_lib.crosses(before, after, size, lines)
    return jnp.any(crossed & (self._lights(scene, step) == types.LIGHT_STOP))

  def _traffic(self, scenario, index, agents, progress, lateral, step):
    """Agents, progress and lateral after a step of everybody but the ego.

    Who has no controller, or not yet, and who is not there yet, is where the
    tracks have it.
    """
    config, scene = self.config, scenario.scene
    sizes = self.scenes.sizes[scene]
    paths, desired_speed = self.paths[index], self.desired_speed[index]
    track = self._tracks(index, step + 1)
    now = self._tracks(index, step)
    # Drivers know no reverse gear: who backs up looks the way that it goes.
    if self.backs:
      is_turned = self._turned(index, progress)
      agents, track, now = (_turn(x, is_turned) for x in (agents, track, now))
    next_due = self.track_progress[index, step + 1]
    is_free = (
      (step >= scenario.release) & agents.valid & (jnp.arange(len(sizes)) != 0)
    )
    stop_gap = None
    if self.line_progress is not None:
      stop_gap = jax.vmap(traffic.light_gap, (0, 0, 0, 0, None, None))(
        agents.speed,
        progress,
        sizes[:, 0] / 2,
        self.line_progress[index],
        self._lights(scene, step),
        config.idm,
      )
    common = {
      'dt': types.TIME_STEP,
      'config': config.idm,
      'stop_gap': stop_gap,
    }
    first = agents, sizes, paths, self.path_valid[index], progress

    def merge(controlled, driven, driven_progress, moved, moved_progress):
      height = terrain.sample(self.scenes.ground, scene, driven.xy)
      driven = driven.replace(z=height + self.clearance[index])
      return _where(controlled, driven, moved), jnp.where(
        controlled, driven_progress, moved_progress
      )

    moved = track, next_due
    if self.follows:
      controlled = is_free & (scenario.controller == types.IDM)
      driven = traffic.step_along_paths(
        *first, desired_speed, controlled, **common
      )
      moved = merge(controlled, *driven, *moved)
    if self.yields:
      controlled = is_free & (scenario.controller == types.YIELD)
      times = jnp.stack([step, step + 1])
      *driven, is_back = traffic.step_on_schedule(
        *first,
        desired_speed,
        jax.tree.map(lambda *x: jnp.stack(x), now, track),
        self.track_progress[index, times],
        controlled,
        schedule=config.schedule,
        **common,
      )
      moved = merge(controlled & ~is_back, *driven, *moved)
    if self.lanes is not None:
      controlled = is_free & (scenario.controller == types.LANE_CHANGE)
      *driven, lateral = traffic.step_changing_lanes(
        *first,
        lateral,
        self.lanes[index],
        desired_speed,
        controlled,
        mobil=config.mobil,
        **common,
      )
      moved = merge(controlled, *driven, *moved)
    if self.backs:
      moved = _turn(moved[0], is_turned), moved[1]
    return *moved, lateral

  def _turned(self, index, progress):
    """Who backs up, `[A]` bool, at places `[A]` of their paths."""
    _, heading = jax.vmap(traffic.pose_on_path)(
      self.paths[index], self.path_valid[index], progress
    )
    agents = jnp.arange(len(progress))
    return jax.vmap(self._is_backing, (None, 0, 0, 0))(
      index, agents, heading, progress
    )

  def _reward(self, state, agents, progress, events, step, sizes):
    """Reward `[len(REWARD_TERMS)]` and mean acceleration of the decision.

    Comfort is judged on the means over a decision: commands are steps.
    """
    config, index = self.config, state.scenario
    expert = self.track_progress[index, :, 0]
    gone = (progress - state.progress[0]) / jnp.maximum(
      expert[step] - expert[state.step], 1.0
    )
    duration = (step - state.step) * types.TIME_STEP
    old, new = types.take(state.agents, 0), types.take(agents, 0)
    acceleration = (new.speed - old.speed) / duration
    jerk = (acceleration - state.vehicle[-1]) / duration
    turned = geometry.wrap_angle(new.yaw - old.yaw) / duration
    lateral = (new.speed + old.speed) / 2 * turned
    low, high = config.comfort_acceleration
    is_rough = (
      (acceleration < low)
      | (acceleration > high)
      | (jnp.abs(lateral) > config.comfort_lateral_acceleration)
      | (jnp.abs(jerk) > config.comfort_jerk)
    )
    is_urgent = events_lib.soon_collides(
      agents, sizes, config.time_to_collision
    )
    terms = [
      -1.0 * events.dynamic_collision,
      -1.0 * events.static_collision,
      -1.0 * events.position_deviation,
      -1.0 * events.heading_deviation,
      jnp.clip(gone, 0, 1),
      -1.0 * is_urgent,
      -1.0 * is_rough,
    ]
    return jnp.stack(terms) * jnp.array(config.reward_weights), acceleration


def _velocity(ego):
  return ego.speed * jnp.stack([jnp.cos(ego.yaw), jnp.sin(ego.yaw)])


def _turn(agents, is_turned):
  """The same motion with head and tail of some agents swapped."""
  turned = agents.replace(
    yaw=geometry.wrap_angle(agents.yaw + jnp.pi), speed=-agents.speed
  )
  return _where(is_turned, turned, agents)


def _where(condition, x, y):
  """Chooses between trees; a `[A]` condition broadcasts along trailing axes."""

  def choose(x, y):
    shape = condition.shape + (1,) * (jnp.ndim(x) - condition.ndim)
    return jnp.where(condition.reshape(shape), x, y)

  return jax.tree.map(choose, x, y)
