# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What decides how scenes are fitted and rendered."""

import dataclasses
from typing import Annotated

from rdrl import ranges
from rdrl.splat import backends


@dataclasses.dataclass(frozen=True)
class Config:
  """Fitting and rendering; the defaults are preset `quickstart`.

  Attributes:
    num_gaussians: budget of a scene, moving objects included.
    gaussians_per_object: of them, at least, for each tracked object; one that
      lidar hits often gets more.
    sh_degree: 0 to 3.
    sky_height: rows of the sky map, which has twice as many columns.
    near: metres; what is closer along the optical axis is not drawn.
    far: metres; likewise what is farther.
    eps2d: pixel^2 added to the projected variances (gsplat's low-pass).
    antialiased: whether opacities fall as much as that low-pass widens a
      Gaussian (Mip-Splatting, Yu et al. 2024; gsplat's antialiased mode).
    radius_clip: pixels; what reaches no farther either way is not drawn.
    max_alpha: largest opacity of one Gaussian in one pixel; gsplat 1.5 has
      0.999, its main branch 0.99.
    backend: who blends, of `backends.NAMES`; 'auto' leaves it to the device.
    image_dtype: of rendered colours, 'float32' or 'bfloat16'.
    entries_per_gaussian: capacity of the tile lists of an image, together with
      the next; what does not fit is the farthest, is left out and is counted.
    entries_per_tile: grows the capacity with the image, since a surface that is
      covered stays so at every resolution.
    num_steps: steps of a fit, one image each.
    coarse_share: share of a fit's steps, the first ones, that look at images
      of half the resolution.
    refit_steps: steps of a refit.
    extra_share: share of a refit's steps that look at an extra view.
    holdout: every `holdout`-th time step, from the first on, is never fitted.
    snapshot_fractions: of the fit, at which copies of the scene are kept.
    learning_rate_means: metres per step at first; it decays to a hundredth.
    learning_rate_scales: and so on, as in 3DGS but for shorter fits.
    learning_rate_quats: see above.
    learning_rate_opacity: see above.
    learning_rate_sh: of the constant colour; higher bands get a twentieth.
    learning_rate_sky: of the sky map.
    learning_rate_exposure: of each camera's affine colour transform.
    learning_rate_gait: rad per step, of the gaits of walkers; that of cadence
      is a tenth in cycles per metre.
    learning_rate_field: of the deformation field and of its embeddings.
    learning_rate_light: of the light on agents, see `splat.lighting`; 0 leaves
      it in their colours.
    learning_rate_poses: of the corrections of the rig and of the boxes at each
      step, rad, and five times as many metres; 0 takes the recorded poses for
      the truth.
    ssim_weight: share of DSSIM in the photometric loss; the rest is L1.
    depth_weight: of the relative error of the expected depth at lidar points.
    opacity_weight: pulls opacities down, so that idle Gaussians die.
    scale_weight: pulls scales down, likewise.
    relocate_every: steps between relocations of dead Gaussians.
    relocate_until: share of the steps after which none is relocated.
    min_opacity: below which a Gaussian is dead.
    noise: strength of the exploration noise on means, in learning rates.
    extent: metres from the camera beyond which means move in proportion to
      their distance, so that the image moves as fast; 0 lets all move alike.
    object_rate: factor on the rate of the means of tracked objects.
    mirror_share: share of the steps at which a vehicle is fitted as its mirror
      image at either plane where it may be, see `splat.symmetry`.
    robust_share: share of the pixels of an image that the photometric loss
      leaves out, those that are missed most, as what nobody tracked is.
    normal_weight: of the angle between rendered normals and those of lidar.
    articulated_budget: Gaussians of pedestrians that a skeleton may bend, see
      `splat.bodies`; 0 leaves pedestrians rigid.
    deformable_budget: Gaussians of cyclists and others that may deform over
      time, see `splat.deformation`; 0 leaves them rigid.
    has_ground: whether Gaussians on the road stay on the surface that lidar
      found, see `splat.ground`.
    fits_surface: whether it is `surface_depth` that lidar is compared with,
      rather than the depth of the Gaussians' middles.
    clears_boxes: whether what stands still is left out of agents' boxes while
      it is fitted, so that it can't be painted like what hides it.
    likeness_weight: of how far the colours of vehicles are from what all of a
      scene have in common, see `splat.likeness`. If not 0, vehicles begin
      whole, with the shapes of others where they were not hit, nothing pulls
      their opacities and scales down, so that what nobody sees stays, and of
      two ends only the one that was not hit learns from the mirror image of
      the other.
    grid_size: cells along each side of the ground, drivable and occupancy grid.
    grid_cell: metres.
  """

  num_gaussians: ranges.Count = 8192
  gaussians_per_object: ranges.CountOrNone = 96
  sh_degree: Annotated[int, ranges.Range(0, 3)] = 1
  sky_height: ranges.Count = 32
  near: ranges.Positive = 0.1
  far: ranges.Positive = 1000.0
  eps2d: ranges.NotNegative = 0.3
  antialiased: bool = False
  radius_clip: ranges.NotNegative = 0.0
  max_alpha: Annotated[float, ranges.Range(0.01, 0.999999)] = 0.999
  backend: Annotated[str, ranges.OneOf(backends.NAMES)] = 'auto'
  image_dtype: Annotated[str, ranges.OneOf(('float32', 'bfloat16'))] = 'float32'
  entries_per_gaussian: ranges.NotNegative = 2.5
  entries_per_tile: ranges.NotNegative = 80.0
  num_steps: ranges.Count = 900
  coarse_share: ranges.Share = 0.0
  refit_steps: ranges.Count = 750
  extra_share: ranges.Share = 0.4
  holdout: Annotated[int, ranges.Range(2, 10**6)] = 8
  snapshot_fractions: tuple[ranges.Share, ...] = (0.05, 0.1, 0.2, 0.4, 0.7)
  learning_rate_means: ranges.NotNegative = 0.01
  learning_rate_scales: ranges.NotNegative = 0.02
  learning_rate_quats: ranges.NotNegative = 0.005
  learning_rate_opacity: ranges.NotNegative = 0.05
  learning_rate_sh: ranges.NotNegative = 0.02
  learning_rate_sky: ranges.NotNegative = 0.01
  learning_rate_exposure: ranges.NotNegative = 0.001
  learning_rate_gait: ranges.NotNegative = 0.002
  learning_rate_field: ranges.NotNegative = 0.001
  learning_rate_light: ranges.NotNegative = 0.0
  learning_rate_poses: ranges.NotNegative = 0.0
  ssim_weight: ranges.Share = 0.2
  depth_weight: ranges.NotNegative = 0.02
  opacity_weight: ranges.NotNegative = 0.005
  scale_weight: ranges.NotNegative = 0.005
  relocate_every: ranges.Count = 100
  relocate_until: ranges.Share = 0.8
  min_opacity: ranges.Decay = 0.005
  noise: ranges.NotNegative = 0.0
  extent: ranges.NotNegative = 0.0
  object_rate: ranges.NotNegative = 1.0
  mirror_share: ranges.Share = 0.0
  robust_share: ranges.Decay = 0.0
  normal_weight: ranges.NotNegative = 0.0
  articulated_budget: ranges.CountOrNone = 0
  deformable_budget: ranges.CountOrNone = 0
  has_ground: bool = False
  fits_surface: bool = False
  clears_boxes: bool = False
  likeness_weight: ranges.NotNegative = 0.0
  grid_size: ranges.Count = 256
  grid_cell: ranges.Positive = 0.5

  def misfits(self):
    """See `ranges`."""
    if self.near >= self.far:
      yield 'far', f'more than near, {self.near}'


# What is rendered and scored with where nobody says otherwise.
DEFAULT = Config()


def is_held_out(steps, config):
  """Whether time steps are kept from fitting."""
  return steps % config.holdout == 0
