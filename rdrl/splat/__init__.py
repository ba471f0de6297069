# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians: rendered, fitted, relocated, saved and loaded."""

from rdrl.splat import trust as trust
from rdrl.splat.appearance.renderer import Renderer as Renderer
from rdrl.splat.appearance.views import render_moment as render_moment
from rdrl.splat.appearance.views import render_scene as render_scene
from rdrl.splat.config import Config as Config
from rdrl.splat.config import FitConfig as FitConfig
from rdrl.splat.config import GridConfig as GridConfig
from rdrl.splat.config import RenderConfig as RenderConfig
from rdrl.splat.files import assets as assets
from rdrl.splat.files import ply as ply
from rdrl.splat.files.assets import Asset as Asset
from rdrl.splat.files.assets import AssetBank as AssetBank
from rdrl.splat.files.ply import load_ply as load_ply
from rdrl.splat.files.ply import save_ply as save_ply
from rdrl.splat.fitting.fit import FitResult as FitResult
from rdrl.splat.fitting.fit import evaluate as evaluate
from rdrl.splat.fitting.fit import fit as fit
from rdrl.splat.fitting.fit import fit_scenes as fit_scenes
from rdrl.splat.fitting.fit import fit_traversals as fit_traversals
from rdrl.splat.fitting.fit import refit as refit
from rdrl.splat.fitting.grids import ground_and_grids as ground_and_grids
from rdrl.splat.fitting.optimise import Views as Views
from rdrl.splat.fitting.poses import corrected as corrected
from rdrl.splat.metrics import psnr as psnr
from rdrl.splat.metrics import ssim as ssim
from rdrl.splat.raster.rendering import Rendered as Rendered
from rdrl.splat.raster.rendering import contributions as contributions
from rdrl.splat.raster.rendering import render as render
from rdrl.splat.raster.rendering import with_capacity as with_capacity
