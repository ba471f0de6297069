# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What decides a run, and whether that can be."""

# Fields are named like the modules that their types come from.
from __future__ import annotations

import dataclasses
import operator
import pathlib
from typing import Annotated

import jax

from rdrl import learn
from rdrl import policy
from rdrl import prior
from rdrl import ranges
from rdrl import refine
from rdrl import scenario
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import world

SOURCES = ('world', 'kitti', 'prepared')
# Adversaries that the policy never trains on: they come out of rest, beside the
# road, into the way of the ego. Those it trains on that come into its way, by
# cutting in or crossing, should have taught it to yield to these too.
HELD_OUT = ('pull_out', 'dart_out')
# Kept of each behaviour: recordings, every adversary, cousins.
_ACCEPTED = (
  4,
  *(8 for _ in scenario.ADVERSARIES),
  *(4 for _ in scenario.COUSINS),
)
STAGES = (
  'record',
  'fit',
  'prior',
  'refine',
  'donors',
  'scenarios',
  'imitate',
  'reinforce',
  'evaluate',
  'report',
)


@dataclasses.dataclass(frozen=True)
class Config:
  """Everything that decides a run; the defaults are preset `quickstart`.

  Attributes:
    train_seeds: built-in streets that the policy learns on.
    test_seeds: built-in streets of the final scores, which the policy never
      learns on.
    num_traversals: drives through each built-in street, in other light and
      traffic, that are fitted together.
    num_agents: budget of agents per log, the ego among them.
    num_donors: agents that scenarios may insert into each scene, on top of
      num_agents; two vehicles, a walker and a cyclist in turn.
    num_test_drives: edited drives that each score is taken over.
    held_out_share: of each recorded drive, at its end, on which the policy is
      scored and does not learn, less than half; 0 scores it where it learnt.
      What begins before must end before: `scenario.episode_steps`.
    kitti_num_lidar: budget of lidar points per step of a KITTI drive.
    ego_masks: image files, one for each camera of a recorded drive in order,
      black where it sees the car that carries it; none where none does.
    shown_offsets: metres off the path at which scenes are compared with the
      truth.
    reality: how the vehicle moves in the held-out world.
    world: recording the built-in streets.
    splat: fitting.
    prior: the video diffusion prior.
    refine: restoring shifted paths.
    scenario: cousins and adversaries to train on.
    trained_on: behaviours of the scenarios that the policy trains on, of
      `scenario.BEHAVIOURS`; all that there are where empty.
    sim: the environment.
    policy: the network.
    encoder: file of the image encoder that it begins with, from
      `experiments.train_encoder`; the one that ships where it is `shipped`, a
      fresh one where it is empty.
    imitation: the first half of stage 1.
    dagger: the second half.
    ppo: stage 2.
  """

  train_seeds: tuple[ranges.Seed, ...] = (1, 2)
  test_seeds: tuple[ranges.Seed, ...] = (102,)
  num_traversals: ranges.Count = 1
  num_agents: ranges.Count = 16
  num_donors: ranges.CountOrNone = 4
  num_test_drives: ranges.Count = 64
  held_out_share: ranges.Share = 0.0
  kitti_num_lidar: ranges.Count = 32768
  ego_masks: tuple[str, ...] = ()
  shown_offsets: tuple[ranges.Signed, ...] = (0.0, 1.5, 3.0)
  reality: Annotated[str, ranges.OneOf(sim.DYNAMICS)] = 'single_track'
  world: world.Config = world.Config()
  splat: splat.Config = splat.Config()
  prior: prior.Config = prior.Config()
  refine: refine.Config = refine.Config()
  scenario: scenario.Config = scenario.Config(
    held_out=HELD_OUT, num_proposals=32, num_accepted=_ACCEPTED
  )
  trained_on: tuple[str, ...] = ()
  sim: sim.Config = sim.Config()
  policy: policy.Config = policy.Config()
  encoder: str = 'shipped'
  imitation: learn.ImitationConfig = learn.ImitationConfig()
  dagger: learn.DaggerConfig = learn.DaggerConfig()
  ppo: learn.PpoConfig = learn.PpoConfig()

  def misfits(self):
    """See `ranges`."""
    if self.sim.horizon % self.ppo.num_minibatches:
      yield (
        'ppo.num_minibatches',
        f'a divisor of sim.horizon, {self.sim.horizon}',
      )
    if not self.held_out_share < 0.5:
      yield 'held_out_share', 'less than a half'
    episode = self.sim.horizon * self.sim.decision_steps
    if self.held_out_share and episode > self.scenario.episode_steps:
      yield 'scenario.episode_steps', f'at least those of an episode, {episode}'
    if wrong := scenario.grammar.misfit(self.scenario):
      yield 'scenario.sentences', f'what can be read, but {wrong}'
    if not set(self.trained_on) <= set(scenario.BEHAVIOURS):
      yield 'trained_on', f'some of {scenario.BEHAVIOURS}'
    if self.scenario.first_start < self.sim.decision_steps:
      yield (
        'scenario.first_start',
        f'at least sim.decision_steps, {self.sim.decision_steps}',
      )
    if not (self.encoder or self.imitation.trains_encoder):
      yield (
        'imitation.trains_encoder',
        'True, for a fresh encoder has learnt nothing yet',
      )
    for name in ('image_height', 'image_width'):
      if getattr(self.sim, name) % self.policy.patch:
        yield f'sim.{name}', f'a multiple of policy.patch, {self.policy.patch}'


@dataclasses.dataclass(frozen=True)
class Request:
  """What a user asked for.

  Attributes:
    source: one of `SOURCES`.
    data_dir: folder of the recording; None for the built-in world.
    seed: of every random draw.
    config: the size of everything.
    adversary: folder of what `experiments.train_adversary` trained, which then
      draws adversaries to train on anew, or None.
  """

  source: str
  data_dir: str | None
  seed: ranges.Seed
  config: Config
  adversary: str | None = None


def check(request, until):
  """Whether the stages up to `until` can do what is asked for.

  Raises:
    ValueError: if the request names nothing that there is or contradicts
      itself.
    FileNotFoundError: if there is no such `data_dir`, or no adversary.
    training.checkpoints.CheckpointError: if the adversary is damaged.
  """
  _check_choice('--until', until, STAGES)
  check_source(request)
  if request.adversary is not None:
    scenario.learned.load(request.adversary)
  if request.source == 'world':
    _check_world(request.config)
  _check_stages(request.config, until)


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
