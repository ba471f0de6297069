# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Agents of other drives, or of the bank that ships, come into every scene."""

import dataclasses
import sys
import types as python_types

import jax
import numpy as np
import pytest

from rdrl import pipeline
from rdrl import splat
from rdrl import types
from rdrl.pipeline import stages

KINDS = (types.VEHICLE, types.VEHICLE, types.PEDESTRIAN, types.CYCLIST)
CONFIG = pipeline.Config(num_donors=4)
RUN = stages.Run(pipeline.Request('world', None, 0, CONFIG))


@dataclasses.dataclass(frozen=True)
class _Repair:
  scene: types.Scene

  def replace(self, **changes):
    return dataclasses.replace(self, **changes)


def _gaussians(node, color, count):
  sh = np.zeros((count, 1, 3), np.float32)
  sh[:, 0] = (np.array(color) - 0.5) / 0.28209479177387814
  return types.Gaussians(
    means=np.zeros((count, 3), np.float32),
    log_scales=np.full((count, 3), -1, np.float32),
    quats=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
    opacity_logits=np.full(count, 3, np.float32),
    sh=sh,
    node=np.full(count, node, np.int32),
  )


def _drive(road, name, *bodies):
  """A `Repaired` with a car beside the road for each colour."""
  cars = [road.straight(20 + 10 * i, 5, 0) for i in range(len(bodies))]
  parts = [_gaussians(types.BACKGROUND, (0.2, 0.2, 0.2), 10)]
  parts += [_gaussians(i + 1, color, 6) for i, color in enumerate(bodies)]
  scene = road.scene(road.straight(0, -1.75, 10), *cars)
  exposure = np.eye(3, 4, dtype=np.float32)[None]
  gaussians = jax.tree.map(lambda *x: np.concatenate(x), *parts)
  recording = python_types.SimpleNamespace(name=name, group=name)
  fitted = python_types.SimpleNamespace(recording=recording)
  repair = _Repair(scene.replace(gaussians=gaussians, exposure=exposure))
  return stages.Repaired(fitted, repair, {}, {})


def test_donors_are_those_of_other_drives_and_of_the_bank(road):
  red, green, blue = np.eye(3) * 0.8 + 0.1
  drives = _drive(road, 'a', red, green), _drive(road, 'b', blue, blue, blue)
  found = stages.donors(RUN, drives)
  sizes = {len(one.scene.gaussians.node) for one in found}
  assert len(sizes) == 1
  for one, drive in zip(found, drives, strict=True):
    own = len(drive.scene.sizes)
    assert tuple(one.scene.classes[own:]) == KINDS
    assert not one.scene.tracks.valid[:, own:].any()
    np.testing.assert_array_equal(one.scene.sizes[:own], drive.scene.sizes)
    assert np.all(splat.assets.num_visible(one.scene)[1:] > 0)
    colors = splat.assets.mean_colors(one.scene)[own : own + 2]
    wanted = [blue] if drive is drives[0] else [red, green]
    for color in colors:
      assert min(np.abs(color - w).max() for w in wanted) < 1e-3
  # Walkers and cyclists are of the bank: no drive has any.
  assert np.all(found[0].scene.sizes[-2:, 1] < 1)
  again = stages.donors(RUN, drives)
  jax.tree.map(
    np.testing.assert_array_equal,
    [one.scene for one in found],
    [one.scene for one in again],
  )


def test_a_drive_alone_has_donors_of_the_bank(road):
  (found,) = stages.donors(RUN, [_drive(road, 'alone')])
  assert tuple(found.scene.classes[1:]) == KINDS
  assert np.all(splat.assets.num_visible(found.scene)[1:] > 30)
  assert found.scene.tracks.valid.sum(0)[1:].max() == 0


def test_no_donors_leave_drives_as_they_are(road):
  config = dataclasses.replace(CONFIG, num_donors=0)
  run = stages.Run(dataclasses.replace(RUN.request, config=config))
  drives = [_drive(road, 'alone')]
  assert stages.donors(run, drives) is drives


def test_the_bank_has_some_of_every_class():
  bank = splat.AssetBank.shipped()
  kinds = [bank.load(name).kind for name in bank.names()]
  assert {kind: kinds.count(kind) >= 2 for kind in KINDS} == {
    kind: True for kind in KINDS
  }
  size = sum(path.stat().st_size for path in bank.directory.iterdir())
  assert size < 600_000


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
