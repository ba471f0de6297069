# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Configuration of rendering and fitting."""

import dataclasses
from typing import Annotated

from rdrl import ranges
from rdrl.splat.raster import backends


@dataclasses.dataclass(frozen=True)
class RenderConfig:
  """Rendering.

  Attributes:
    near: metres along the optical axis; closer Gaussians are not drawn.
    far: metres along the optical axis; farther Gaussians are not drawn.
    eps2d: pixel^2 added to the projected variances (gsplat's low-pass).
    antialiased: whether to lower opacity by as much as that low-pass widens a
      Gaussian (Mip-Splatting, Yu et al. 2024; gsplat's antialiased mode).
    backend: one of `backends.NAMES`; 'auto' lets the device decide.
    entries_per_gaussian: capacity of an image's tile lists per Gaussian, on top
      of the next; the farthest entries beyond it are dropped and counted.
    entries_per_tile: capacity per tile, because a covered surface stays covered
      at every resolution.
    articulated_budget: most Gaussians of pedestrians that a skeleton bends, see
      `appearance.bodies`; 0 keeps pedestrians rigid.
    deformable_budget: most Gaussians of cyclists and others that deform over
      time, see `appearance.deformation`; 0 keeps them rigid.
  """

  near: ranges.Positive = 0.1
  far: ranges.Positive = 1000.0
  eps2d: ranges.NotNegative = 0.3
  antialiased: bool = False
  backend: Annotated[str, ranges.OneOf(backends.NAMES)] = 'auto'
  entries_per_gaussian: ranges.NotNegative = 2.5
  entries_per_tile: ranges.NotNegative = 80.0
  articulated_budget: ranges.CountOrNone = 0
  deformable_budget: ranges.CountOrNone = 0

  def misfits(self):
    """See `ranges`."""
    if self.near >= self.far:
      yield 'far', f'more than near, {self.near}'


@dataclasses.dataclass(frozen=True)
class FitConfig:
  """Fitting; learning rates that no preset changes are in `fitting.optimise`.

  Attributes:
    num_gaussians: budget of a scene, moving objects included.
    gaussians_per_object: least number for each tracked object; one that lidar
      hits often gets more.
    sh_degree: 0 to 3.
    sky_height: rows of the sky map, which has twice as many columns.
    num_steps: steps of a fit, one image each.
    coarse_share: share of a fit's steps, at its start, that use images of half
      the resolution.
    refit_steps: steps of a refit.
    extra_share: share of a refit's steps that use an extra view.
    snapshot_fractions: of the fit, at which copies of the scene are kept.
    relocate_every: steps between relocations of dead Gaussians.
    ssim_weight: share of DSSIM in the photometric loss; the rest is L1.
    depth_weight: of the relative error of the expected depth at lidar points.
    opacity_weight: pulls opacities down, so that idle Gaussians die.
    scale_weight: pulls scales down, for the same reason.
    extent: metres from the camera beyond which the learning rate of means grows
      in proportion to their distance, so that they move as fast in the image; 0
      uses one rate for all.
    has_ground: whether Gaussians on the road stay on the surface that lidar
      found, see `appearance.ground`.
    fits_surface: whether lidar is compared with `Rendered.surface_depth` rather
      than with `Rendered.depth`.
    learning_rate_light: of the light on agents, see `appearance.lighting`; 0
      leaves it in their colours.
    learning_rate_poses: of the pose corrections of rig and boxes at each step,
      in rad; metres move five times as fast. 0 trusts the recorded poses.
    mirror_share: share of the steps at which a vehicle is fitted mirrored, for
      each plane that `appearance.symmetry.planes` allows.
    clears_boxes: whether to hide background Gaussians inside of agents' boxes
      while fitting, so that they do not learn the colours of an agent that
      hides them.
    likeness_weight: of the distance of vehicles' colours to the model that all
      vehicles of a scene share, see `appearance.likeness`. If not 0: vehicles
      begin whole, with the shapes of others where lidar did not hit them;
      nothing pulls their opacities and scales down, so that unseen parts stay;
      and of two ends only an unseen one learns from the other's mirror image.
  """

  num_gaussians: ranges.Count = 8192
  gaussians_per_object: ranges.CountOrNone = 96
  sh_degree: Annotated[int, ranges.Range(0, 3)] = 1
  sky_height: ranges.Count = 32
  num_steps: ranges.Count = 900
  coarse_share: ranges.Share = 0.0
  refit_steps: ranges.Count = 750
  extra_share: ranges.Share = 0.4
  snapshot_fractions: tuple[ranges.Share, ...] = (0.05, 0.1, 0.2, 0.4, 0.7)
  relocate_every: ranges.Count = 100
  ssim_weight: ranges.Share = 0.2
  depth_weight: ranges.NotNegative = 0.02
  opacity_weight: ranges.NotNegative = 0.005
  scale_weight: ranges.NotNegative = 0.005
  extent: ranges.NotNegative = 0.0
  has_ground: bool = False
  fits_surface: bool = False
  learning_rate_light: ranges.NotNegative = 0.0
  learning_rate_poses: ranges.NotNegative = 0.0
  mirror_share: ranges.Share = 0.0
  clears_boxes: bool = False
  likeness_weight: ranges.NotNegative = 0.0


@dataclasses.dataclass(frozen=True)
class GridConfig:
  """The ground, drivable and occupancy grids of a scene.

  Attributes:
    size: cells along each side.
    cell: metres.
  """

  size: ranges.Count = 256
  cell: ranges.Positive = 0.5


@dataclasses.dataclass(frozen=True)
class Config:
  """Reconstruction; the defaults are preset `quickstart`.

  Attributes:
    render: how images are drawn, of a fit and of its scenes.
    fit: how Gaussians are fitted.
    grid: what the simulator drives on.
  """

  render: RenderConfig = RenderConfig()
  fit: FitConfig = FitConfig()
  grid: GridConfig = GridConfig()

  def with_fit(self, **changes):
    """A copy in which some fields of `fit` have other values."""
    return dataclasses.replace(
      self, fit=dataclasses.replace(self.fit, **changes)
    )


# Default argument of the functions that render and score.
DEFAULT = RenderConfig()
