# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The stages of the road, each of which goes on where a killed run stopped.

A stage that trains resumes from the checkpoints of its own loop; one that
computes a noun keeps it as a checkpoint. Running a finished work directory
again therefore reads, and computes only scenarios, scores and pictures anew.
"""

import contextlib
import dataclasses
import operator
import pathlib
import time
import zlib

import jax
import numpy as np

from experiments import presets
from experiments import showing
from rdrl import learn
from rdrl import logs
from rdrl import policy as policies
from rdrl import prior as priors
from rdrl import ranges
from rdrl import refine
from rdrl import report
from rdrl import scenario
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import types
from rdrl import world
from rdrl.splat.raster import backends

SOURCES = ('world', 'kitti', 'prepared')
STAGES = (
  'record',
  'fit',
  'prior',
  'refine',
  'scenarios',
  'imitate',
  'reinforce',
  'evaluate',
  'report',
)


@dataclasses.dataclass(frozen=True)
class Request:
  """What a user asked for.

  Attributes:
    source: one of `SOURCES`.
    data_dir: folder of the recording; None for the built-in world.
    seed: of every random draw.
    config: the size of everything.
  """

  source: str
  data_dir: str | None
  seed: ranges.Seed
  config: presets.Config


@dataclasses.dataclass
class Place:
  """One recorded drive and what becomes of it.

  Attributes:
    log: the views to fit, None until recorded.
    group: the name of what is fitted together: traversals of one street.
    street: the built-in street that it was recorded in, or None.
    is_test: whether the final scores are taken here.
    is_training: whether the policy learns here.
    aside: a log of the same drive through a camera that is never fitted.
    fit: the reconstruction.
    repair: what refinement made of it.
    scores: of the reconstruction before and after refinement.
    variants: scenarios.
    counts: of scenarios by behaviour and reason.
  """

  log: types.Log | None
  group: str
  street: world.Street | None = None
  is_test: bool = True
  is_training: bool = True
  aside: types.Log | None = None
  fit: splat.FitResult | None = None
  repair: refine.Repair | None = None
  scores: dict | None = None
  variants: types.Scenario | None = None
  counts: dict | None = None

  @property
  def scene(self):
    """The reconstruction after refinement."""
    return self.repair.scene


def run(request, workdir, until=STAGES[-1]):
  """Runs the stages up to and including `until`.

  Args:
    request: what to do.
    workdir: where everything is kept.
    until: one of `STAGES`.

  Returns:
    The path of the report's page, or None if it was not reached.

  Raises:
    ValueError: if the request names nothing that there is or contradicts
      itself, or if `workdir` holds a run of another request.
    FileNotFoundError: if there is no such `data_dir`.
    OSError: if `workdir` cannot be written or another process has it.
  """
  _check_choice('--until', until, STAGES)
  check_source(request)
  if request.source == 'world':
    _check_world(request.config)
  _check_stages(request.config, until)
  training.config.record(workdir, request)
  name = backends.resolve(request.config.splat.render.backend)
  print(f'{backends.describe(jax.devices()[0])}: {name} blends', flush=True)
  road = Road(request, pathlib.Path(workdir))
  for name in STAGES[: STAGES.index(until) + 1]:
    with road.timed(name):
      result = getattr(road, name)()
  return result if until == STAGES[-1] else None


def check_source(request):
  """Whether there is something to read.

  Raises:
    ConfigError: if there is no such source, if it needs a folder, or if there
      is no street.
    FileNotFoundError: if there is no such folder.
  """
  _check_choice('--log', request.source, SOURCES)
  if request.source == 'world':
    if not request.config.train_seeds + request.config.test_seeds:
      raise training.config.ConfigError('train_seeds=(): no street to drive')
    return
  if not request.data_dir:
    raise training.config.ConfigError(
      f'--data_dir: not set, but --log={request.source} reads it'
    )
  if not pathlib.Path(request.data_dir).is_dir():
    raise FileNotFoundError(f'{request.data_dir}: --data_dir: no such folder')


def _check_choice(name, value, known):
  if value not in known:
    raise training.config.ConfigError(
      f'{name}={value}: expected one of {", ".join(known)}'
    )


class Road:
  """The stages in order; each fills the fields that the next one reads.

  Attributes:
    places: name to `Place`.
    timing: name of a stage to its wall time in seconds, of this process.
  """

  def __init__(self, request, workdir):
    self.request = request
    self.config = request.config
    self.workdir = workdir
    self.key = jax.random.key(request.seed)
    self.places = {}
    self.timing = {}

  def record(self):
    """Gets the drives: of the built-in world, or from disk."""
    if self.request.source == 'world':
      self._record_world()
    else:
      self._read_drives()
    for name, place in self.places.items():
      place.log = logs.pad_agents(place.log, self.config.num_agents)
      logs.validate(place.log, name)

  def fit(self):
    """Fits Gaussians to each drive."""
    training.threads.each(self.fit_group, self.groups())

  def groups(self):
    """Names of what is fitted together."""
    return dict.fromkeys(place.group for place in self.places.values())

  def fit_group(self, name):
    """Fits Gaussians to one drive, or to the traversals of one street."""
    places = [p for p in self.places.values() if p.group == name]
    results = splat.fit_traversals(
      [place.log for place in places],
      self.config.splat,
      self._key('fit', name),
      self.workdir / 'fit' / name,
    )
    for place, result in zip(places, results, strict=True):
      place.fit, place.log = result, result.log
      if place.aside is not None:
        place.aside = splat.corrected(place.aside, result.rig)

  def prior(self):
    """Trains the restorer on under-trained renders of what it will repair."""

    def pairs(name):
      place = self.places[name]
      return training.checkpoints.stage(
        self.workdir / 'clips' / name,
        priors.Clips,
        lambda: refine.training_clips(
          place.log,
          place.fit.snapshots,
          self.config.refine,
          self._key('clips', name),
          render_config=self.config.splat.render,
        ),
      )

    self.restorer = priors.train(
      jax.tree.map(
        lambda *x: np.concatenate(x), *training.threads.each(pairs, self.places)
      ),
      self.config.prior,
      self._key('prior'),
      self.workdir / 'prior',
    )

  def refine(self):
    """Repairs each scene where the drive never was, and measures both."""

    def repair(name):
      place = self.places[name]
      directory = self.workdir / 'refine' / name
      place.repair = training.checkpoints.stage(
        directory / 'repair',
        refine.Repair,
        lambda: refine.refine(
          place.fit.scene,
          place.log,
          self.restorer,
          self.config.refine,
          self._key('refine', name),
          directory,
          splat_config=self.config.splat,
        ),
      )
      place.scores = showing.reconstruction_scores(place, self.config)

    training.threads.each(repair, self.places)

  def scenarios(self):
    """Cousins and adversaries of every scene."""
    for index, (name, place) in enumerate(self.places.items()):
      config = self.config.scenario
      if place.is_training:
        config = scenario.without_held_out(config)
      else:
        config = _only_adversaries(config, self.config.num_test_drives)
      place.variants, place.counts = scenario.expand(
        place.scene, index, config, self._key('scenarios', name)
      )

  def imitate(self):
    """Stage 1: the policy copies the expert and its cousins."""
    self.train_env = self._env(
      [p.variants for p in self.places.values() if p.is_training]
    )
    self.demonstrations = training.checkpoints.stage(
      self.workdir / 'demonstrations',
      learn.Demonstrations,
      lambda: learn.imitation_data(
        self.train_env, self.config.imitation, self._key('demonstrations')
      ),
    )
    policy = policies.create(
      self._key('policy'), self.config.policy, self.demonstrations.observation
    )
    self.imitator = learn.imitate(
      policy,
      self.demonstrations,
      self.config.imitation,
      self._key('imitate'),
      self.workdir / 'imitation',
    )

  def reinforce(self):
    """Stage 2: PPO among adversaries."""
    self.driver = learn.reinforce(
      self.imitator,
      self.train_env,
      self.demonstrations,
      self.config.ppo,
      self._key('reinforce'),
      self.workdir / 'ppo',
    )

  def evaluate(self):
    """Drives both policies where neither has learnt, in both worlds."""
    variants = [p.variants for p in self.places.values() if p.is_test]
    self.test_envs = {'simulator': self._env(variants)}
    if all(place.street for place in self.places.values()):
      self.test_envs['world'] = self._env(variants, is_real=True)
    self.test_indices = self._test_indices()
    self.drives = {}

    def drive(world_name):
      env = self.test_envs[world_name]
      for policy_name, policy in (
        ('imitation', self.imitator),
        ('ppo', self.driver),
      ):
        self.drives[policy_name, world_name] = training.checkpoints.stage(
          self.workdir / 'drives' / f'{policy_name}_{world_name}',
          types.Drive,
          lambda policy=policy: report.evaluate(
            policy, env, self.test_indices, self._key('evaluate')
          ),
        )

    training.threads.each(drive, self.test_envs)

  def report(self):
    """Writes the page and `metrics.json`; returns the page's path."""
    return showing.write_report(self)

  @contextlib.contextmanager
  def timed(self, name):
    """Measures and prints the wall time of a stage."""
    begin = time.monotonic()
    yield
    self.timing[name] = time.monotonic() - begin
    print(f'{name}: {self.timing[name]:.1f} s', flush=True)

  def _record_world(self):
    config = self.config
    seeds = [(seed, False) for seed in config.train_seeds]
    seeds += [(seed, True) for seed in config.test_seeds]
    for seed, is_test in seeds:
      group = f'world_{seed}'
      for traversal in range(config.num_traversals):
        name = f'{group}_traversal_{traversal}' if traversal else group
        self.places[name] = Place(
          None,
          group,
          world.build(seed, config.world, traversal),
          is_test=is_test,
          is_training=not is_test,
        )

    def record(name):
      place = self.places[name]
      place.log = training.checkpoints.stage(
        self.workdir / 'logs' / name,
        types.Log,
        lambda: world.record(place.street, config.world),
      )

    training.threads.each(record, self.places)

  def _read_drives(self):
    prepared = self.request.data_dir
    if self.request.source == 'kitti':
      prepared = self.workdir / 'data'
      _prepare_kitti(self.request.data_dir, prepared, self.config)
    for name in logs.names(prepared):
      log = logs.read(prepared, name)
      log = logs.with_ego_masks(log, self.config.ego_masks)
      aside = None
      if self.request.source == 'kitti':
        log, aside = _camera(log, 0), _camera(log, 1)
      self.places[name] = Place(log, name, aside=aside)

  def _key(self, *names):
    key = self.key
    for name in names:
      key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key

  def _env(self, variants, is_real=False):
    """An environment of all places, with scenarios of some of them.

    Args:
      variants: list of `Scenario`.
      is_real: whether it is the held-out world, ray-cast and on tyres, rather
        than the reconstruction.
    """
    places = self.places.values()
    scenes = [place.scene for place in places]
    config = self.config.sim
    if is_real:
      scenes = [_with_true_grids(place) for place in places]
      config = dataclasses.replace(config, dynamics=self.config.reality)
    return sim.Env.create(
      scenes, scenario.concatenate(variants), self.renderer(is_real), config
    )

  def renderer(self, is_real, height=None, width=None):
    """What draws all places: the reconstructions, or the truth."""
    places = list(self.places.values())
    if is_real:
      return world.Renderer.create(
        [place.street for place in places],
        np.stack([place.log.sizes for place in places]),
        np.stack([place.log.classes for place in places]),
      )
    return splat.Renderer.create(
      [place.scene for place in places],
      height or self.config.sim.image_height,
      width or self.config.sim.image_width,
      self.config.splat.render,
    )

  def _test_indices(self):
    """Edited drives if there are any, else all, at most as many as asked."""
    adversary = np.asarray(self.test_envs['simulator'].scenarios.adversary)
    edited = np.flatnonzero(adversary)
    indices = edited if len(edited) else np.arange(len(adversary))
    return indices[: self.config.num_test_drives]


def _check_world(config):
  """Whether the built-in streets can be what the configuration says."""
  seeds = config.train_seeds + config.test_seeds
  if (
    not config.train_seeds
    or not config.test_seeds
    or len(set(seeds)) < len(seeds)
  ):
    raise training.config.ConfigError(
      f'train_seeds {config.train_seeds}, test_seeds {config.test_seeds}: one'
      ' or more of each, all different'
    )
  if config.world.num_agents > config.num_agents:
    raise training.config.ConfigError(
      f'world.num_agents: {config.world.num_agents} agents, but the budget,'
      f' num_agents, is {config.num_agents}'
    )
  least = 2 * config.scenario.first_start + 1
  if config.world.num_steps < least:
    raise training.config.ConfigError(
      f'world.num_steps={config.world.num_steps}: expected {least} or more, as'
      ' scenario.first_start has it'
    )


def _check_stages(config, until):
  """Whether the stages up to `until` have what they need.

  Raises:
    ConfigError: if the prior has nothing to learn from, imitation nobody to
      copy, or if environments cannot be spread over the devices.
  """
  accepted = zip(
    scenario.BEHAVIOURS, config.scenario.num_accepted, strict=False
  )
  devices = jax.device_count()
  for stage, name, is_right, expected in (
    (
      'prior',
      'splat.fit.snapshot_fractions',
      config.splat.fit.snapshot_fractions,
      'one or more, from which the prior learns',
    ),
    (
      'imitate',
      'scenario.num_accepted',
      any(n for x, n in accepted if x not in scenario.ADVERSARIES),
      'some without an adversary, which the policy copies',
    ),
    (
      'reinforce',
      'ppo.num_envs',
      config.ppo.num_envs % devices == 0,
      f'a multiple of {devices} devices',
    ),
  ):
    if STAGES.index(until) >= STAGES.index(stage) and not is_right:
      value = operator.attrgetter(name)(config)
      raise training.config.ConfigError(f'{name}={value}: expected {expected}')


def _with_true_grids(place):
  """The scene of a place whose rasters are those of its street."""
  drivable, occupancy, ground = world.truth_grids(place.street)
  return place.scene.replace(
    drivable=drivable, occupancy=occupancy, ground=ground
  )


def _only_adversaries(config, count):
  """The scenarios of a place that is only for the final scores.

  Alike many of all adversaries that are trained on or held out.
  """
  tested = [
    name
    for name, kept in zip(scenario.BEHAVIOURS, config.num_accepted, strict=True)
    if name in scenario.ADVERSARIES and (kept or name in config.held_out)
  ]
  share = -(-count // max(len(tested), 1))
  return dataclasses.replace(
    config,
    num_proposals=max(config.num_proposals, 4 * share),
    num_accepted=tuple(
      share if name in tested else int(name == 'log')
      for name in scenario.BEHAVIOURS
    ),
  )


def _prepare_kitti(data_dir, out_dir, config):
  # TFDS is absent on accelerator images; only this source needs it.
  from data_pipelines import builder
  from data_pipelines import kitti

  if not out_dir.exists():
    log = kitti.read_raw(
      data_dir,
      cameras=('image_02', 'image_03'),
      num_lidar=config.kitti_num_lidar,
      num_agents=config.num_agents,
    )
    builder.write([log], out_dir, data_dir)


def _camera(log, index):
  """The log as seen by one of its cameras."""
  only = slice(index, index + 1)
  return log.replace(
    images=log.images[:, only],
    cameras=types.take(log.cameras, (slice(None), only)),
    camera_from_ego=log.camera_from_ego[only],
    ego_mask=None if log.ego_mask is None else log.ego_mask[only],
  )
