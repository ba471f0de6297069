# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The nouns that flow through rdrl, with shapes, units and frames.

Letters: `T` time steps of 0.1 s, `C` cameras, `A` agents, `N` Gaussians, `K`
spherical-harmonic coefficients, `P` points of a polyline. A leading `...` is
batch. Every noun is a frozen PyTree, so it passes through `jit` and `vmap`.

Frames. World: x east, y north, z up, metres. Ego and every agent's box frame:
origin in the middle of the box, x forward, y left, z up. Camera: OpenCV axes, x
right, y down, z forward; pixel (0, 0) covers [0, 1) x [0, 1), its centre is at
(0.5, 0.5). Yaw is counter-clockwise from the world x axis. Seconds, radians.

Agent 0 is the ego, always; readers put it there. Padding is marked by `valid`
and never removed, so that one compiled program serves every log.
"""

from typing import Any

from flax import struct
import jax
import numpy as np

# Seconds between two steps of a log, a track or a simulation.
TIME_STEP = 0.1
# Of so many steps of a log one is held out.
_HOLDOUT = 8

# Values of `Log.classes`.
OTHER, VEHICLE, PEDESTRIAN, CYCLIST = 0, 1, 2, 3

# Names of the reward terms, in the order of the last axis of every reward.
REWARD_TERMS = (
  'dynamic_collision',
  'static_collision',
  'position_deviation',
  'heading_deviation',
  'progress',
  'time_to_collision',
  'comfort',
)

# Values of `Gaussians.node` that are no agents.
GROUND, BACKGROUND = -1, 0

# How an agent other than the ego moves: `Scenario.controller`.
REPLAY, IDM, YIELD, LANE_CHANGE = 0, 1, 2, 3

# Values of `Map.lights`.
LIGHT_UNKNOWN, LIGHT_GO, LIGHT_CAUTION, LIGHT_STOP = 0, 1, 2, 3

# Where the box of the ego was met: `Events.side`.
NO_SIDE, FRONT, REAR, LEFT, RIGHT = 0, 1, 2, 3, 4

# How the Gaussians of an agent move in its box: `Bodies.kind`.
RIGID, ARTICULATED, DEFORMABLE = 0, 1, 2

Array = jax.Array | np.ndarray


@struct.dataclass
class Camera:
  """Pinhole cameras.

  Attributes:
    camera_from_world: `[..., 4, 4]` rigid transform into OpenCV axes.
    intrinsics: `[..., 3, 3]` pixels.
    height: static, pixels.
    width: static, pixels.
  """

  camera_from_world: Array
  intrinsics: Array
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)


@struct.dataclass
class Rig:
  """How cameras are mounted on the ego.

  Attributes:
    camera_from_ego: `[..., C, 4, 4]` rigid transform into OpenCV axes.
    intrinsics: `[..., C, 3, 3]` pixels.
  """

  camera_from_ego: Array
  intrinsics: Array


@struct.dataclass
class Gaussians:
  """Anisotropic 3D Gaussians, parameters unconstrained.

  Attributes:
    means: `[N, 3]` metres; in the box frame of the agent that `node` names, in
      the world where it names none.
    log_scales: `[N, 3]` logarithm of the standard deviations in metres.
    quats: `[N, 4]` wxyz rotation of the principal axes, any positive norm.
    opacity_logits: `[N]`.
    sh: `[N, K, 3]` spherical-harmonic colour, K = (degree + 1)^2, standard 3DGS
      order; colour = 0.5 + sum of basis times coefficient.
    node: `[N]` int32: k the k-th agent, 0 `BACKGROUND`, -1 `GROUND`.
  """

  means: Array
  log_scales: Array
  quats: Array
  opacity_logits: Array
  sh: Array
  node: Array


NO_GAUSSIANS = Gaussians(
  means=np.zeros((0, 3), np.float32),
  log_scales=np.zeros((0, 3), np.float32),
  quats=np.zeros((0, 4), np.float32),
  opacity_logits=np.zeros(0, np.float32),
  sh=np.zeros((0, 1, 3), np.float32),
  node=np.zeros(0, np.int32),
)


@struct.dataclass
class Motion:
  """What is learnt of how bodies move.

  Attributes:
    cadence: `[..., A]` cycles of the gait per metre walked.
    gait: `[..., A, 4, 3]` rad: of the flexion of hip, knee, shoulder and elbow
      on the left the mean, sine and cosine over a cycle; the right side is half
      a cycle behind.
    embedding: `[..., A, E]` by which the deformation field knows an agent.
    field: parameters of the deformation field.
  """

  cadence: Array
  gait: Array
  embedding: Array
  field: Any


@struct.dataclass
class Bodies:
  """How the Gaussians of agents move in their boxes, where they are not rigid.

  A node's Gaussians describe a walker that stands upright, arms stretched
  sideways and palms down, and any other agent as it is without deformation.

  Attributes:
    kind: `[..., A]` int32 `RIGID`, `ARTICULATED` or `DEFORMABLE`.
    sizes: `[..., A, 3]` metres, of the boxes.
    origin: `[..., A]` metres along the heading from the origin of the world,
      where the gait is at its phase 0.
    motion: what is learnt.
  """

  kind: Array
  sizes: Array
  origin: Array
  motion: Motion


@struct.dataclass
class AgentState:
  """Kinematic state of agents; a trajectory adds a leading `[T]` axis.

  Attributes:
    xy: `[..., A, 2]` middle of the box in the world.
    z: `[..., A]` height of the middle of the box.
    yaw: `[..., A]` heading, counter-clockwise from the world x axis.
    speed: `[..., A]` m/s along the heading, negative when reversing.
    valid: `[..., A]` bool; all other fields are meaningless where False.
  """

  xy: Array
  z: Array
  yaw: Array
  speed: Array
  valid: Array


@struct.dataclass
class Polylines:
  """A padded set of polylines or polygons.

  Attributes:
    xy: `[L, P, 2]` world points.
    valid: `[L, P]` bool, true for a prefix of each row. A polygon's last point
      joins its first.
  """

  xy: Array
  valid: Array


@struct.dataclass
class Map:
  """A lane map.

  Attributes:
    lanes: centre lines, in driving direction.
    lane_width: `[L]` metres.
    boundaries: painted lines and kerbs.
    drivable: polygons whose union a car may drive on.
    crosswalks: polygons.
    stop_lines: polylines of two points.
    lights: `[T, L]` int32 `LIGHT_...` that each of the `L` stop lines shows at
      each step of the tracks; None where no line has a light.
    speed_limit: `[L]` m/s of each lane, infinite where it has none; None where
      no lane has one.
  """

  lanes: Polylines
  lane_width: Array
  boundaries: Polylines
  drivable: Polylines
  crosswalks: Polylines
  stop_lines: Polylines
  lights: Array | None = None
  speed_limit: Array | None = None


# One line of two points that are not valid: programs reduce over lines.
_NO_LINES = Polylines(
  xy=np.zeros((1, 2, 2), np.float32), valid=np.zeros((1, 2), bool)
)
NO_MAP = Map(
  lanes=_NO_LINES,
  lane_width=np.zeros(1, np.float32),
  boundaries=_NO_LINES,
  drivable=_NO_LINES,
  crosswalks=_NO_LINES,
  stop_lines=_NO_LINES,
)


@struct.dataclass
class Grid:
  """A raster over the ground; sample it with `geometry.sample_grid`.

  Attributes:
    values: `[..., H, W]`; row i, column j lies at origin + cell * (j, i).
    origin: `[..., 2]` world xy of the middle of cell (0, 0).
    cell: `[...]` side of a cell in metres.
  """

  values: Array
  origin: Array
  cell: Array


@struct.dataclass
class Log:
  """A recorded drive, in host memory (NumPy).

  Attributes:
    images: `[T, C, H, W, 3]` uint8 sRGB.
    cameras: `[T, C]`.
    camera_from_ego: `[C, 4, 4]` the mean mount of each camera.
    times: `[T]` seconds, increasing.
    tracks: `[T, A]`, the ego first.
    sizes: `[A, 3]` length, width, height of the boxes in metres.
    classes: `[A]` int32: `OTHER`, `VEHICLE`, `PEDESTRIAN` or `CYCLIST`.
    lidar: `[T, P, 3]` float32 points in the world.
    lidar_valid: `[T, P]` bool.
    map: the lane map.
    name: static, which drive this is.
    ego_mask: `[C, H, W]` bool, where a camera sees the car that carries it;
      None where none does.
  """

  images: Array
  cameras: Camera
  camera_from_ego: Array
  times: Array
  tracks: AgentState
  sizes: Array
  classes: Array
  lidar: Array
  lidar_valid: Array
  map: Map
  name: str = struct.field(pytree_node=False, default='')
  ego_mask: Array | None = None

  @property
  def is_held_out(self):
    """`[T]` bool, steps for scores alone: every eighth, from the first on."""
    return np.arange(len(self.times)) % _HOLDOUT == 0


@struct.dataclass
class Scene:
  """What a simulator needs to know of a place.

  Attributes:
    gaussians: background and one node per tracked agent; the ego has none.
    sky: `[h, w, 3]` equirectangular environment map, linear in the colours of
      the images: row 0 the zenith, column 0 the direction of world +x, columns
      counter-clockwise seen from above.
    exposure: `[C, 3, 4]` affine colour transform of each camera.
    camera_from_ego: `[C, 4, 4]`.
    intrinsics: `[C, 3, 3]` at `height` x `width`.
    tracks: `[T, A]` as recorded, the ego first.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    map: the lane map.
    drivable: signed distance to the edge of the drivable area in metres,
      positive inside.
    occupancy: signed distance to the nearest static obstacle between 0.3 and
      2 m above ground in metres, positive in free space.
    ground: height of the ground in metres.
    height: static, pixels.
    width: static, pixels.
    bodies: how agents move that are not rigid; None where all are.
    light: `[8, 3]` on agents by their normals, see `splat.appearance.lighting`;
      None where colours have it in them.
  """

  gaussians: Gaussians
  sky: Array
  exposure: Array
  camera_from_ego: Array
  intrinsics: Array
  tracks: AgentState
  sizes: Array
  classes: Array
  map: Map
  drivable: Grid
  occupancy: Grid
  ground: Grid
  height: int = struct.field(pytree_node=False)
  width: int = struct.field(pytree_node=False)
  bodies: Bodies | None = None
  light: Array | None = None


@struct.dataclass
class Scenario:
  """Who drives where in one scene; many scenarios share a scene.

  Attributes:
    tracks: `[T, A]` the tracks after editing; the ego's is the reference that
      it should follow: the expert's or a cousin's.
    scene: `[]` int32 index into the scenes of the environment.
    start: `[]` int32 the step at which an episode begins.
    adversary: `[]` int32 the edited agent; 0 where none is.
    behaviour: `[]` int32 index into `scenario.BEHAVIOURS`; 0 is the log's own.
    controller: `[A]` int32, from `release` on: `REPLAY`; `IDM` along its track;
      `YIELD`, its track and its time, but it yields to who is in the way;
      `LANE_CHANGE`, IDM along its track or the lanes beside it.
    release: `[A]` int32 the step from which `controller` holds; before it the
      agent follows its track.
    difficulty: `[]` share of the ego's manoeuvres that the adversary spoils, 0
      without one; None where nobody asked.
  """

  tracks: AgentState
  scene: Array
  start: Array
  adversary: Array
  behaviour: Array
  controller: Array
  release: Array
  difficulty: Array | None = None


@struct.dataclass
class Truth:
  """What a simulator knows of where the ego is, in the frame of the ego.

  Attributes:
    agents: `[..., K, 10]` the nearest others: x, y in metres; velocity relative
      to the ego's, m/s along x and y; cosine and sine of the yaw; length and
      width in metres; 1 where a camera sees it; 1 where there is one.
    is_seen: `[..., C, n, m]` bool, cells of the newest images into which the
      box of an agent that the cameras see reaches.
    box: `[..., C, n, m, 6]` of the nearest such agent, the first six values of
      `agents`; 0 where there is none.
    clearance: `[..., P, Q]` metres to the edge of the drivable area, positive
      inside, at points ahead, each from right to left, see `sim.sight`.
  """

  agents: Array
  is_seen: Array
  box: Array
  clearance: Array


@struct.dataclass
class Observation:
  """What a policy sees.

  Attributes:
    images: `[..., F, C, h, w, 3]` uint8, the last F decisions, newest last.
    speed: `[...]` m/s.
    route: `[..., R, 2]` points of the reference path ahead, ego frame, metres.
    rig: `[..., C]` where the cameras look, for images of this size.
    truth: for what is trained with the policy, which does not see it; None
      where nobody asks.
  """

  images: Array
  speed: Array
  route: Array
  rig: Rig
  truth: Truth | None = None


@struct.dataclass
class Percept:
  """What a policy makes of its images.

  Attributes:
    tokens: `[..., C, n, m, width]` of the cells of each image.
    seen: `[..., C, n, m]` logits of `Truth.is_seen`.
    box: `[..., C, n, m, 6]` `Truth.box`, scaled to about unit size.
    clearance: `[..., P, Q]` `Truth.clearance`, scaled likewise.
  """

  tokens: Array
  seen: Array
  box: Array
  clearance: Array


@struct.dataclass
class Events:
  """What happened to the ego during one decision, and on which side.

  The sides are the factors f of RAD (arXiv 2502.13144), section 2.5 of whose
  auxiliary objectives they steer: +1, -1, or 0 where nothing happened.

  Attributes:
    dynamic_collision: `[...]` bool, the box met another agent's box.
    static_collision: `[...]` bool, the box met a static obstacle.
    position_deviation: `[...]` bool, too far from the reference or corridor.
    heading_deviation: `[...]` bool, turned too far from it.
    at_fault: `[...]` bool, a dynamic collision that the ego caused: with who
      stands, ahead of it, or beside it while it left its lane; see
      `sim.events.is_blamed`.
    front: `[...]` +1 the other agent was ahead, -1 behind.
    obstacle_side: `[...]` +1 static obstacle on the left, -1 on the right.
    position_side: `[...]` +1 ego left of the reference, -1 right.
    heading_side: `[...]` +1 ego yawed left of the reference, -1 right.
    side: `[...]` int32 `FRONT`, `REAR`, `LEFT` or `RIGHT`, the side of the ego
      that was met in a dynamic collision, else `NO_SIDE`.
    closing_speed: `[...]` m/s at which the two approached each other across
      that side, 0 without a collision.
    ran_light: `[...]` bool, the ego's front crossed a stop line whose light
      said stop; that does not end the episode.
  """

  dynamic_collision: Array
  static_collision: Array
  position_deviation: Array
  heading_deviation: Array
  at_fault: Array
  front: Array
  obstacle_side: Array
  position_side: Array
  heading_side: Array
  side: Array | None = None
  closing_speed: Array | None = None
  ran_light: Array | None = None


@struct.dataclass
class SimState:
  """One environment between two decisions.

  Attributes:
    scenario: `[]` int32 index into the scenarios of the environment.
    step: `[]` int32 in units of `TIME_STEP` on the clock of the tracks.
    decision: `[]` int32 decisions taken since reset.
    agents: `[A]`.
    vehicle: `[V]` what the ego's dynamics carry beyond its `AgentState`; None
      where that is all.
    acceleration: `[]` m/s^2, the mean of the last decision.
    progress: `[A]` metres that each agent has gone along its track.
    trace: `[substeps, A]` agents at each substep of the last decision, the
      newest equal to `agents`.
    observation: what the policy sees now.
    reward: `[len(REWARD_TERMS)]` of the last decision.
    events: of the last decision.
    terminated: `[]` bool, an event ended the episode.
    truncated: `[]` bool, time ended it.
    lateral: `[A, 3]` of agents that change lanes: metres left of their track,
      their rate in m/s, and where they are going; None where nobody does.
  """

  scenario: Array
  step: Array
  decision: Array
  agents: AgentState
  vehicle: Array | None
  acceleration: Array
  progress: Array
  trace: AgentState
  observation: Observation
  reward: Array
  events: Events
  terminated: Array
  truncated: Array
  lateral: Array | None = None


@struct.dataclass
class Transition:
  """One decision of a rollout, `[time, environment]` leading.

  Attributes:
    observation: before the action; without images where `percept` stands for
      them.
    action: `[..., 2]` int32 lateral and longitudinal anchor index.
    log_prob: `[..., 2]` of each stream under the acting policy.
    value: `[..., len(REWARD_TERMS)]` before the action.
    reward: `[..., len(REWARD_TERMS)]`.
    events: after the action.
    terminated: `[...]` bool.
    truncated: `[...]` bool.
    weight: `[...]` 1, or 0 for what came after the end of the episode.
    percept: what an encoder that does not learn made of the images; None where
      it learns or there is none.
  """

  observation: Observation
  action: Array
  log_prob: Array
  value: Array
  reward: Array
  events: Events
  terminated: Array
  truncated: Array
  weight: Array
  percept: Percept | None = None


@struct.dataclass
class Road:
  """What the map says about the places where a car was during a drive.

  Of the lanes that hold the middle of the box, the car's is the one in whose
  middle it is and whose way it goes best, see `sim.road`.

  Attributes:
    clearance: `[S, 5]` metres from the corners of the box, as
      `geometry.box_corners` orders them, and from its middle to the edge of the
      drivable area, positive inside.
    has_lane: `[S]` bool, whether there is one; where not, the next three are
      zero, zero and false.
    lane_offset: `[S]` metres by which the middle is left of the centre line of
      the lane.
    lane_heading: `[S]` of the lane beside the middle.
    in_lane: `[S]` bool, whether all of the box is in that lane.
    at_crossing: `[S]` bool, whether a lane of another direction holds the
      middle, too.
    speed_limit: `[S]` m/s of the lane, infinite where none is known.
  """

  clearance: Array
  has_lane: Array
  lane_offset: Array
  lane_heading: Array
  in_lane: Array
  at_crossing: Array
  speed_limit: Array


@struct.dataclass
class Way:
  """How far a drive came along its reference path.

  Attributes:
    arc: `[S]` metres of the ego along the path.
    offset: `[S]` metres of the ego to its left.
    expert: `[]` metres that the expert covers in the same time.
  """

  arc: Array
  offset: Array
  expert: Array


@struct.dataclass
class Drive:
  """The record of one rollout: all that any metric needs.

  `D` decisions, `S` = D * substeps + 1 states `TIME_STEP` apart, the first at
  reset.

  Attributes:
    agents: `[S, A]`.
    valid: `[S]` bool, up to and including the state that ended the drive.
    sizes: `[A, 3]` metres.
    classes: `[A]` int32.
    reference: `[S]` AgentState without agent axis: where the expert (or cousin)
      was at the same time.
    path: `[T]` AgentState without agent axis: the whole reference path.
    drivable: `[S]` least signed distance of the ego's corners to the edge of
      the drivable area in metres, positive inside.
    action: `[D, 2]` int32.
    reward: `[D, len(REWARD_TERMS)]`.
    events: `[D]`.
    active: `[D]` bool, decisions taken before the end.
    terminated: `[]` bool.
    scenario: `[]` int32.
    adversary: `[]` int32.
    behaviour: `[]` int32.
    road: `[S]` where the ego was; None in a record that does not tell.
    reference_road: `[S]` where the reference was; None as `road` is.
    way: None in a record; see `report.signals.located`.
  """

  agents: AgentState
  valid: Array
  sizes: Array
  classes: Array
  reference: AgentState
  path: AgentState
  drivable: Array
  action: Array
  reward: Array
  events: Events
  active: Array
  terminated: Array
  scenario: Array
  adversary: Array
  behaviour: Array
  road: Road | None = None
  reference_road: Road | None = None
  way: Way | None = None
