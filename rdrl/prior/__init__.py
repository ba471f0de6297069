# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The video diffusion prior: network, noise schedule, loss, sampler."""

from rdrl.prior import diffusion as diffusion
from rdrl.prior.restorer import DTYPES as DTYPES
from rdrl.prior.restorer import Clips as Clips
from rdrl.prior.restorer import Config as Config
from rdrl.prior.restorer import Prior as Prior
from rdrl.prior.restorer import posterior as posterior
from rdrl.prior.restorer import restore as restore
from rdrl.prior.restorer import train as train
from rdrl.prior.unet import UNet as UNet
