# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Renders a scene off its path, lets the prior repair it, fits again."""

from rdrl.refine.conditions import box_raster as box_raster
from rdrl.refine.conditions import lane_grid as lane_grid
from rdrl.refine.conditions import lane_raster as lane_raster
from rdrl.refine.repair import Config as Config
from rdrl.refine.repair import Repair as Repair
from rdrl.refine.repair import is_free as is_free
from rdrl.refine.repair import refine as refine
from rdrl.refine.repair import training_clips as training_clips
from rdrl.refine.views import CHANNELS as CHANNELS
from rdrl.refine.views import shifted_cameras as shifted_cameras
