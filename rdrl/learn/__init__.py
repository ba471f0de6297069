# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Imitation, DAgger, advantages and the PPO learner."""

from rdrl.learn import perception as perception
from rdrl.learn import streets as streets
from rdrl.learn.advantage import gae as gae
from rdrl.learn.augment import AugmentConfig as AugmentConfig
from rdrl.learn.augment import mirror_order as mirror_order
from rdrl.learn.dagger import DaggerConfig as DaggerConfig
from rdrl.learn.dagger import demonstrate as demonstrate
from rdrl.learn.dagger import teach as teach
from rdrl.learn.drawing import Drawer as Drawer
from rdrl.learn.imitation import SOURCES as SOURCES
from rdrl.learn.imitation import Demonstrations as Demonstrations
from rdrl.learn.imitation import ImitationConfig as ImitationConfig
from rdrl.learn.imitation import balance as balance
from rdrl.learn.imitation import imitate as imitate
from rdrl.learn.imitation import imitation_data as imitation_data
from rdrl.learn.imitation import imitation_loss as imitation_loss
from rdrl.learn.imitation import join as join
from rdrl.learn.ppo import PpoConfig as PpoConfig
from rdrl.learn.ppo import auxiliary_loss as auxiliary_loss
from rdrl.learn.ppo import collect as collect
from rdrl.learn.ppo import ppo_loss as ppo_loss
from rdrl.learn.ppo import reinforce as reinforce
