# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What decides how scenes are rendered and fitted."""

import dataclasses
from typing import Annotated

from rdrl import ranges
from rdrl.splat.raster import backends


@dataclasses.dataclass(frozen=True)
class RenderConfig:
  """Rendering.

  Attributes:
    near: metres; what is closer along the optical axis is not drawn.
    far: metres; likewise what is farther.
    eps2d: pixel^2 added to the projected variances (gsplat's low-pass).
    antialiased: whether opacities fall as much as that low-pass widens a
      Gaussian (Mip-Splatting, Yu et al. 2024; gsplat's antialiased mode).
    backend: who blends, of `backends.NAMES`; 'auto' leaves it to the device.
    entries_per_gaussian: capacity of the tile lists of an image, together with
      the next; what does not fit is the farthest, is left out and is counted.
    entries_per_tile: grows the capacity with the image, since a surface that is
      covered stays so at every resolution.
    articulated_budget: Gaussians of pedestrians that a skeleton may bend, see
      `appearance.bodies`; 0 leaves pedestrians rigid.
    deformable_budget: Gaussians of cyclists and others that may deform over
      time, see `appearance.deformation`; 0 leaves them rigid.
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
    gaussians_per_object: of them, at least, for each tracked object; one that
      lidar hits often gets more.
    sh_degree: 0 to 3.
    sky_height: rows of the sky map, which has twice as many columns.
    num_steps: steps of a fit, one image each.
    coarse_share: share of a fit's steps, the first ones, that look at images
      of half the resolution.
    refit_steps: steps of a refit.
    extra_share: share of a refit's steps that look at an extra view.
    snapshot_fractions: of the fit, at which copies of the scene are kept.
    relocate_every: steps between relocations of dead Gaussians.
    ssim_weight: share of DSSIM in the photometric loss; the rest is L1.
    depth_weight: of the relative error of the expected depth at lidar points.
    opacity_weight: pulls opacities down, so that idle Gaussians die.
    scale_weight: pulls scales down, likewise.
    extent: metres from the camera beyond which means move in proportion to
      their distance, so that the image moves as fast; 0 lets all move alike.
    has_ground: whether Gaussians on the road stay on the surface that lidar
      found, see `appearance.ground`.
    fits_surface: whether it is `surface_depth` that lidar is compared with,
      rather than the depth of the Gaussians' middles.
    learning_rate_light: of the light on agents, see `appearance.lighting`; 0
      leaves it in their colours.
    learning_rate_poses: of the corrections of the rig and of the boxes at each
      step, rad, and five times as many metres; 0 takes the recorded poses for
      the truth.
    mirror_share: share of the steps at which a vehicle is fitted as its mirror
      image at either plane where it may be, see `appearance.symmetry`.
    clears_boxes: whether what stands still is left out of agents' boxes while
      it is fitted, so that it can't be painted like what hides it.
    likeness_weight: of how far the colours of vehicles are from what all of a
      scene have in common, see `appearance.likeness`. If not 0, vehicles begin
      whole, with the shapes of others where they were not hit, nothing pulls
      their opacities and scales down, so that what nobody sees stays, and of
      two ends only the one that was not hit learns from the mirror image of
      the other.
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


# What is rendered and scored with where nobody says otherwise.
DEFAULT = RenderConfig()
