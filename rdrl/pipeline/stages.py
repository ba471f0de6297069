# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The stages: each a function from nouns, of the stages before, to a noun.

What a stage computes is kept below the work directory of its `Run`, so that it
is computed once: one that trains goes on from the checkpoints of its own loop,
one that computes a noun keeps it as a checkpoint. Without a work directory all
is computed and nothing is kept; the nouns are the same but for float64, which
checkpoints keep as float32.
"""

import collections
from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import math
import pathlib
import zlib

import jax
import numpy as np

from rdrl import learn
from rdrl import logs
from rdrl import policy as policies
from rdrl import prior as priors
from rdrl import refine as refinement
from rdrl import report
from rdrl import scenario
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.pipeline.config import Config
from rdrl.pipeline.config import Request
from rdrl.report import scene_scores

# Recorded drives of a place of the final scores.
_PLAIN = 4
# Folders of the stages until scenes are repaired.
_RECONSTRUCTING = ('data', 'logs', 'fit', 'clips', 'prior', 'refine')
# Steps between two of the moments at which shifted views are compared.
_SHIFT_STRIDE = 20
# Classes of donors, in turn, and how many agents of a class a drive gives.
_DONORS = (types.VEHICLE, types.VEHICLE, types.PEDESTRIAN, types.CYCLIST)
_GIVEN = 2


@dataclasses.dataclass(frozen=True)
class Run:
  """What all stages of a run have in common.

  Attributes:
    request: what a user asked for.
    workdir: where everything is kept, or None.
    prepare: function of a request and a folder that writes prepared logs of the
      recording to the folder, unless they are there; for sources that are
      neither built in nor prepared.
    base: work directory of a run whose reconstructions this one takes over, or
      None.
  """

  request: Request
  workdir: pathlib.Path | None = None
  prepare: Callable[[Request, pathlib.Path], None] | None = None
  base: pathlib.Path | None = None

  @property
  def config(self) -> Config:
    """The size of everything."""
    return self.request.config

  def key(self, *names):
    """A random key, one for each list of names."""
    key = jax.random.key(self.request.seed)
    for name in names:
      key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key

  def folder(self, *names):
    """A folder below the work directory, or None without one."""
    takes_over = self.base is not None and names[0] in _RECONSTRUCTING
    root = self.base if takes_over else self.workdir
    return root and root.joinpath(*names)

  def kept(self, kind, compute, *names):
    """What `compute()` returns, a `kind`, computed once per work directory."""
    if self.workdir is None:
      return compute()
    return training.checkpoints.stage(self.folder(*names), kind, compute)


@dataclasses.dataclass(frozen=True)
class Recording:
  """One recorded drive.

  Attributes:
    name: of the drive.
    log: the views to fit.
    group: the name of what is fitted together: traversals of one street.
    street: the built-in street that it was recorded in, or None.
    is_test: whether the final scores are taken here.
    is_training: whether the policy learns here.
    aside: a log of the same drive through a camera that is never fitted, or
      None.
  """

  name: str
  log: types.Log
  group: str
  street: world.Street | None = None
  is_test: bool = True
  is_training: bool = True
  aside: types.Log | None = None


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A reconstructed drive.

  Attributes:
    recording: its poses are those that the fit corrected.
    scene: the reconstruction.
    snapshots: the scene at some moments of the fit.
    metrics: held-out scores, as `splat.evaluate` returns them.
  """

  recording: Recording
  scene: types.Scene
  snapshots: tuple[types.Scene, ...]
  metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Repaired:
  """A reconstruction that was refined off the recorded path.

  Attributes:
    fitted: before.
    repair: what refinement did.
    held_out: dB on held-out frames by row, such as a camera, and stage.
    shifted: stage to (offsets in metres, dB against the truth); empty without
      a built-in street.
  """

  fitted: Fitted
  repair: refinement.Repair
  held_out: Mapping[str, Mapping[str, float]]
  shifted: Mapping[str, tuple[list[float], list[float]]]

  @property
  def recording(self):
    """The recorded drive."""
    return self.fitted.recording

  @property
  def scene(self):
    """The reconstruction after refinement."""
    return self.repair.scene


@dataclasses.dataclass(frozen=True)
class Edited:
  """Scenarios of one scene.

  Attributes:
    variants: `Scenario` `[V]`, of the scores as well where there is no other.
    counts: behaviour to reason to a number of proposals.
    held_out: `Scenario` `[W]` of the scores alone, on a stretch of a recorded
      drive that the others do not enter.
  """

  variants: types.Scenario
  counts: Mapping[str, Mapping[str, int]]
  held_out: types.Scenario | None = None

  @property
  def tested(self):
    """The scenarios of the scores."""
    return self.variants if self.held_out is None else self.held_out


@dataclasses.dataclass(frozen=True)
class Imitators:
  """Policies that copy, and what they learnt from.

  Attributes:
    env: the environment to train in.
    drawer: of more scenarios in it, or None.
    demonstrations: all that was imitated.
    policies: `imitation`, of the log and its cousins, and `dagger`, of a
      teacher's labels as well.
    rounds: policies after each round of DAgger.
  """

  env: sim.Env
  drawer: learn.Drawer | None
  demonstrations: learn.Demonstrations
  policies: Mapping[str, policies.Policy]
  rounds: tuple[policies.Policy, ...] = ()


@dataclasses.dataclass(frozen=True)
class Learned:
  """Policies by name, in the order in which they were learnt."""

  policies: Mapping[str, policies.Policy]


@dataclasses.dataclass(frozen=True)
class Evaluated:
  """Final drives.

  Attributes:
    envs: world to the environment in it, `simulator` first.
    indices: `[n]` scenarios that are driven, the same in all.
    drives: world to policy to `Drive` `[n]`.
  """

  envs: Mapping[str, sim.Env]
  indices: np.ndarray
  drives: Mapping[str, Mapping[str, types.Drive]]


def record(run: Run) -> tuple[Recording, ...]:
  """Gets the drives: of the built-in world, or from disk.

  Raises:
    LogError: if a log is not valid or does not fit the budget of agents.
  """
  built_in = run.request.source == 'world'
  recordings = []
  for found in _record_world(run) if built_in else _read_drives(run):
    log = logs.pad_agents(found.log, run.config.num_agents)
    logs.validate(log, found.name)
    recordings.append(dataclasses.replace(found, log=log))
  return tuple(recordings)


def _record_world(run):
  config = run.config
  seeds = [(seed, False) for seed in config.train_seeds]
  seeds += [(seed, True) for seed in config.test_seeds]
  drives = [
    (seed, is_test, traversal)
    for seed, is_test in seeds
    for traversal in range(config.num_traversals)
  ]

  def one(drive):
    seed, is_test, traversal = drive
    group = f'world_{seed}'
    name = f'{group}_traversal_{traversal}' if traversal else group
    street = world.build(seed, config.world, traversal)
    return Recording(
      name=name,
      log=run.kept(
        types.Log, lambda: world.record(street, config.world), 'logs', name
      ),
      group=group,
      street=street,
      is_test=is_test,
      is_training=not is_test,
    )

  return training.threads.each(one, drives)


def _read_drives(run):
  prepared = run.request.data_dir
  if run.prepare is not None:
    prepared = run.folder('data')
    run.prepare(run.request, prepared)
  for name in logs.names(prepared):
    log = logs.read(prepared, name)
    log = logs.with_ego_masks(log, run.config.ego_masks)
    aside = None
    if run.request.source == 'kitti':
      log, aside = _camera(log, 0), _camera(log, 1)
    yield Recording(name, log, name, aside=aside)


def groups(recordings):
  """Names of what is fitted together."""
  return tuple(dict.fromkeys(one.group for one in recordings))


def fit(run: Run, recordings) -> tuple[Fitted, ...]:
  """Fits Gaussians to each drive.

  An accelerator, which one drive does not keep busy, fits drives of one shape
  at once.
  """
  if jax.default_backend() != 'cpu' and _are_alike(recordings):
    return fit_together(run, recordings)
  parts = training.threads.each(
    lambda name: fit_group(run, recordings, name), groups(recordings)
  )
  return tuple(fitted for part in parts for fitted in part)


def _are_alike(recordings):
  """Whether drives are of places of their own and their arrays of one shape."""
  # Maps change no shape of what is fitted.
  shapes = [
    [np.shape(x) for x in jax.tree.leaves(one.log.replace(map=None))]
    for one in recordings
  ]
  is_alone = len(groups(recordings)) == len(recordings)
  return is_alone and all(shape == shapes[0] for shape in shapes)


def fit_together(run: Run, recordings) -> tuple[Fitted, ...]:
  """Fits Gaussians to drives of one shape at once, dealt out among devices."""
  devices = jax.local_devices()
  is_even = len(recordings) % len(devices) == 0
  results = splat.fit_scenes(
    [one.log for one in recordings],
    run.config.splat,
    run.key('fit'),
    run.folder('fit', 'together'),
    mesh=training.mesh.make(devices) if is_even else None,
  )
  return _fitted(recordings, results)


def fit_group(run: Run, recordings, name) -> tuple[Fitted, ...]:
  """Fits Gaussians to one drive, or to the traversals of one street."""
  together = [one for one in recordings if one.group == name]
  results = splat.fit_traversals(
    [one.log for one in together],
    run.config.splat,
    run.key('fit', name),
    run.folder('fit', name),
  )
  return _fitted(together, results)


def _fitted(recordings, results):
  return tuple(
    Fitted(
      recording=dataclasses.replace(
        one,
        log=result.log,
        aside=None
        if one.aside is None
        else splat.corrected(one.aside, result.rig),
      ),
      scene=result.scene,
      snapshots=result.snapshots,
      metrics=result.metrics,
    )
    for one, result in zip(recordings, results, strict=True)
  )


def prior(run: Run, fits) -> priors.Prior:
  """Trains the restorer on under-trained renders of what it will repair."""

  def pairs(fitted):
    name = fitted.recording.name
    return run.kept(
      priors.Clips,
      lambda: refinement.training_clips(
        fitted.recording.log,
        fitted.snapshots,
        run.config.refine,
        run.key('clips', name),
        render_config=run.config.splat.render,
      ),
      'clips',
      name,
    )

  clips = training.threads.each(pairs, fits)
  return priors.train(
    trees.concatenate(clips),
    run.config.prior,
    run.key('prior'),
    run.folder('prior'),
  )


def refine(run: Run, fits, restorer) -> tuple[Repaired, ...]:
  """Repairs each scene where the drive never was, and measures both."""

  def one(fitted):
    name = fitted.recording.name
    directory = run.folder('refine', name)
    repair = run.kept(
      refinement.Repair,
      lambda: refinement.refine(
        fitted.scene,
        fitted.recording.log,
        restorer,
        run.config.refine,
        run.key('refine', name),
        directory,
        splat_config=run.config.splat,
      ),
      'refine',
      name,
      'repair',
    )
    return Repaired(fitted, repair, *_scores(fitted, repair.scene, run.config))

  return tuple(training.threads.each(one, fits))


def _scores(fitted, refined, config):
  """`held_out` and `shifted` of a `Repaired`."""
  recording = fitted.recording
  scenes = {'fitted': fitted.scene, 'refined': refined}
  held_out, shifted = {}, {}
  for stage, scene in scenes.items():
    views = {'': recording.log, 'aside, ': recording.aside}
    for prefix, log in views.items():
      if log is None:
        continue
      # The fit has scored its own scene on its own log.
      is_scored = scene is fitted.scene and log is recording.log
      found = (
        fitted.metrics
        if is_scored
        else splat.evaluate(scene, log, config.splat.render)
      )
      for row, value in psnr_rows(found):
        held_out.setdefault(prefix + row, {})[stage] = value
  if recording.street is not None:
    curves = scene_scores.offset_curves(
      recording.street,
      scenes,
      config.shown_offsets,
      _SHIFT_STRIDE,
      config.splat.render,
    )
    shifted = {k: (c['offset'], c['psnr']) for k, c in curves.items()}
  return held_out, shifted


def psnr_rows(found):
  """Labels and dB out of what `splat.evaluate` returned."""
  cameras = [name for name in found if name.startswith('psnr_camera_')]
  labels = report.videos.CAMERAS
  labels = labels if len(cameras) == len(labels) else cameras
  yield 'all cameras', found['psnr']
  yield 'where lidar hits', found['psnr_lidar']
  for name, label in zip(cameras, labels, strict=True):
    yield label.removeprefix('psnr_').replace('_', ' '), found[name]


def donors(run: Run, repaired) -> tuple[Repaired, ...]:
  """Brings agents into every scene who were not there, for scenarios to insert.

  They are not valid in its tracks. Their bodies are those of agents of other
  drives, whom the cameras saw best, or of the bank that the package ships
  where no other drive has one of the class.
  """
  if not run.config.num_donors:
    return repaired
  given = {}
  for one in repaired:
    given.setdefault(one.recording.group, []).extend(_given(one))
  bank = splat.AssetBank.shipped()
  shipped = [bank.load(name) for name in bank.names()]
  scenes = []
  for one in repaired:
    others = [
      x for k, v in given.items() if k != one.recording.group for x in v
    ]
    key = run.key('donors', one.recording.name)
    count = run.config.num_donors
    scenes.append(_with_donors(one.scene, count, others, shipped, key))
  # One size for all, so that they stack.
  most = max(len(scene.gaussians.node) for scene in scenes)
  return tuple(
    dataclasses.replace(
      one, repair=one.repair.replace(scene=splat.assets.pad(scene, most))
    )
    for one, scene in zip(repaired, scenes, strict=True)
  )


def _given(one):
  """`splat.Asset`s of the agents of a `Repaired` that may be donors."""
  scene = jax.device_get(one.scene)
  seen = splat.assets.prominence(scene.tracks, scene.sizes)
  has_body = splat.assets.num_visible(scene) > 0
  for kind in dict.fromkeys(_DONORS):
    found = np.flatnonzero((scene.classes == kind) & has_body & (seen > 0))
    for agent in found[np.argsort(-seen[found])][:_GIVEN]:
      name = f'{one.recording.name}-{agent}'
      yield splat.assets.extract(scene, int(agent), name)


def _with_donors(scene, count, others, shipped, key):
  """The scene with so many donors as further agents."""
  first = len(scene.sizes)
  scene = splat.assets.pad(scene, num_agents=first + count)
  unseen = trees.take(scene.tracks, (slice(None), first))
  for number in range(count):
    kind = _DONORS[number % len(_DONORS)]
    fitting = [asset for asset in others if asset.kind == kind]
    fitting = fitting or [asset for asset in shipped if asset.kind == kind]
    choice = jax.random.randint(
      jax.random.fold_in(key, number), (), 0, len(fitting)
    )
    scene = splat.assets.insert(
      scene, fitting[int(choice)], unseen, agent=first + number
    )
  return scene


def scenarios(run: Run, repaired) -> tuple[Edited, ...]:
  """Cousins and adversaries of every scene."""
  edited, trained = [], None
  if run.request.adversary is not None:
    trained = scenario.learned.Adversary(
      scenario.learned.load(run.request.adversary)
    )
  num_tests = max(sum(one.recording.is_test for one in repaired), 1)
  for index, one in enumerate(repaired):
    key = run.key('scenarios', one.recording.name)
    tested = _only_adversaries(
      run.config.scenario, -(-run.config.num_test_drives // num_tests)
    )
    if not one.recording.is_training:
      edited.append(Edited(*scenario.expand(one.scene, index, tested, key)))
      continue
    held_out, last = None, _last_learnt(run.config, one)
    if last is not None:
      tested = dataclasses.replace(tested, first_start=last)
      held_out, _ = scenario.expand(
        one.scene, index, tested, run.key('held out', one.recording.name)
      )
    learnt = _learnt_edits(run.config, one)
    found = scenario.expand(one.scene, index, learnt, key, trained)
    edited.append(Edited(*found, held_out))
  for name, reasons in never_accepted(edited).items():
    print(f'{name}: never accepted: {reasons}', flush=True)
  return tuple(edited)


def _learnt_edits(config, one):
  """The scenarios of a scene that the policy may learn on."""
  edits = scenario.without_held_out(config.scenario)
  last = _last_learnt(config, one)
  if last is None:
    return edits
  rest = len(one.scene.tracks.valid) - 1 - last
  return dataclasses.replace(edits, episode_steps=edits.episode_steps + rest)


def _drawer(config, repaired):
  """What draws adversaries while PPO learns; None where none are wanted."""
  scenes = {
    index: one
    for index, one in enumerate(repaired)
    if one.recording.is_training
  }
  edits = _learnt_edits(config, next(iter(scenes.values())))
  wanted = config.trained_on or scenario.BEHAVIOURS
  counts = tuple(
    count * (name in wanted and name in scenario.ADVERSARIES)
    for name, count in zip(scenario.BEHAVIOURS, edits.num_accepted, strict=True)
  )
  if not (config.ppo.drawn_share and any(counts)):
    return None
  return learn.Drawer.create(
    {index: one.scene for index, one in scenes.items()},
    dataclasses.replace(edits, num_accepted=counts),
    config.ppo.num_tries,
  )


def _last_learnt(config, one):
  """The last step of a drive on which the policy learns; None if all are.

  Raises:
    ConfigError: if no episode fits in before it.
  """
  recording, share = one.recording, config.held_out_share
  if not (recording.is_training and recording.is_test and share):
    return None
  last = len(one.scene.tracks.valid) - 1
  learnt = last - math.ceil(share * last)
  least = config.scenario.first_start + config.scenario.episode_steps
  if learnt < least:
    raise training.config.ConfigError(
      f'held_out_share={share}: {recording.name} has {learnt} steps to learn'
      f' on, scenario.first_start and .episode_steps need {least}'
    )
  return learnt


def never_accepted(edited):
  """Why each wanted behaviour or sentence was accepted in no scene.

  Args:
    edited: `Edited` of all scenes.

  Returns:
    Its name to the reasons and how often, the commonest first.
  """
  total = {}
  for one in edited:
    for name, reasons in one.counts.items():
      total.setdefault(name, collections.Counter()).update(reasons)
  return {
    name: ', '.join(
      f'{reason.replace("_", " ")} {number}'
      for reason, number in reasons.most_common()
      if number
    )
    for name, reasons in total.items()
    if not reasons['accepted']
  }


def imitate(run: Run, repaired, edited) -> Imitators:
  """Stage 1: the policy copies the log, its cousins and a teacher."""
  config = run.config
  variants = [
    two.variants
    for one, two in zip(repaired, edited, strict=True)
    if one.recording.is_training
  ]
  if config.trained_on:
    variants = [scenario.select(one, config.trained_on) for one in variants]
  env = _env(run, repaired, variants, tells_truth=True)
  # Drives of one environment are alike long.
  last = _last_learnt(
    config, next(one for one in repaired if one.recording.is_training)
  )
  order = learn.mirror_order(env.scenes)

  def shown(name, compute):
    return run.kept(learn.Demonstrations, compute, 'demonstrations', name)

  part = shown(
    'recorded',
    lambda: learn.imitation_data(
      env, config.imitation, run.key('demonstrations'), last=last
    ),
  )
  policy = policies.create(run.key('policy'), config.policy, part.observation)
  if config.encoder:
    shipped = config.encoder == 'shipped'
    path = policies.weights.SHIPPED if shipped else config.encoder
    policy = policies.weights.load(path, policy)
  demonstrations = learn.join([part], config.imitation)
  policy = learn.imitate(
    policy,
    demonstrations,
    config.imitation,
    run.key('imitate', 'recorded'),
    run.folder('imitation', 'recorded'),
    order,
  )
  found, rounds = {'imitation': policy}, []
  if config.dagger.rounds:
    rounds, demonstrations = learn.teach(
      policy,
      env,
      [part],
      config.dagger,
      config.imitation,
      run.key,
      order,
      shown,
      lambda name: run.folder('imitation', name),
    )
    found['dagger'] = rounds[-1]
  drawer = _drawer(config, repaired)
  return Imitators(env, drawer, demonstrations, found, tuple(rounds))


def reinforce(run: Run, imitators: Imitators) -> Learned:
  """Stage 2: PPO among adversaries."""
  *_, policy = imitators.policies.values()
  driver = learn.reinforce(
    policy,
    imitators.env,
    imitators.demonstrations,
    run.config.ppo,
    run.key('reinforce'),
    run.folder('ppo'),
    imitators.drawer,
  )
  return Learned({**imitators.policies, 'ppo': driver})


def evaluate(run: Run, repaired, edited, learned: Learned) -> Evaluated:
  """Drives all policies where none has learnt, in both worlds."""
  envs = test_environments(run, repaired, edited)
  indices = _test_indices(envs['simulator'], run.config.num_test_drives)

  def drive(name):
    return {
      policy_name: run.kept(
        types.Drive,
        lambda policy=policy: report.evaluate(
          policy, envs[name], indices, run.key('evaluate')
        ),
        'drives',
        f'{policy_name}_{name}',
      )
      for policy_name, policy in learned.policies.items()
    }

  drives = training.threads.each(drive, envs)
  return Evaluated(envs, indices, dict(zip(envs, drives, strict=True)))


def test_environments(run: Run, repaired, edited) -> dict[str, sim.Env]:
  """The environments of the final scores, by world, `simulator` first."""
  variants = [
    two.tested
    for one, two in zip(repaired, edited, strict=True)
    if one.recording.is_test
  ]
  envs = {'simulator': _env(run, repaired, variants)}
  if all(one.recording.street for one in repaired):
    envs['world'] = _env(run, repaired, variants, is_real=True)
  return envs


def _env(run, repaired, variants, is_real=False, tells_truth=False):
  """An environment of all scenes, with scenarios of some of them.

  Args:
    run: see `Run`.
    repaired: of all scenes.
    variants: list of `Scenario`.
    is_real: whether it is the held-out world, ray-cast and on tyres, rather
      than the reconstruction.
    tells_truth: whether observations hold the truth, for training.
  """
  config = run.config.sim
  if tells_truth:
    config = dataclasses.replace(config, truth_cell=run.config.policy.patch)
  scenes = [one.scene for one in repaired]
  if is_real:
    scenes = [_with_true_grids(one) for one in repaired]
    config = dataclasses.replace(config, dynamics=run.config.reality)
  return sim.Env.create(
    scenes,
    trees.concatenate(variants),
    renderer(run, repaired, is_real, config.image_height, config.image_width),
    config,
  )


def renderer(run: Run, repaired, is_real, height, width):
  """Draws all scenes: the reconstructions, or the truth.

  Args:
    run: see `Run`.
    repaired: of all scenes.
    is_real: whether it draws the truth, which fits any size of image.
    height: of the reconstructions' images, pixels.
    width: likewise.
  """
  if is_real:
    scenes = [one.scene for one in repaired]
    streets = [
      world.with_agents(
        one.recording.street,
        scene.sizes,
        scene.classes,
        splat.assets.mean_colors(scene),
      )
      for one, scene in zip(repaired, scenes, strict=True)
    ]
    return world.Renderer.create(
      streets,
      np.stack([scene.sizes for scene in scenes]),
      np.stack([scene.classes for scene in scenes]),
    )
  return splat.Renderer.create(
    [one.scene for one in repaired], height, width, run.config.splat.render
  )


def _test_indices(env, most):
  """Edited drives if there are any, else all, at most so many."""
  adversary = np.asarray(env.scenarios.adversary)
  edited = np.flatnonzero(adversary)
  indices = edited if len(edited) else np.arange(len(adversary))
  return indices[:most]


def _with_true_grids(one):
  """The scene of a `Repaired` with rasters that are those of its street."""
  drivable, occupancy, ground = world.truth_grids(one.recording.street)
  return one.scene.replace(
    drivable=drivable, occupancy=occupancy, ground=ground
  )


def _only_adversaries(config, count):
  """The scenarios of a place that is only for the final scores.

  Alike many of all adversaries that are trained on or held out; insertions are
  of all families.
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
    held_out=(),
    sentences=(),
    num_accepted=tuple(
      share if name in tested else _PLAIN * (name == 'log')
      for name in scenario.BEHAVIOURS
    ),
  )


def _camera(log, index):
  """The log as seen by one of its cameras."""
  only = slice(index, index + 1)
  return log.replace(
    images=log.images[:, only],
    cameras=trees.take(log.cameras, (slice(None), only)),
    camera_from_ego=log.camera_from_ego[only],
    ego_mask=None if log.ego_mask is None else log.ego_mask[only],
  )
