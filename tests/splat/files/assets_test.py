# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Edits move what they name and nothing else; a bank gives back what it got."""

import dataclasses
import errno
import json
import pathlib
import sys

import jax
import numpy as np
import plyfile
import pytest

from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl.splat.files import assets

HEIGHT, WIDTH = 24, 40
CONFIG = splat.RenderConfig(entries_per_gaussian=16.0)
CAMERA = types.Camera(
  camera_from_world=np.float32(
    [[0, -1, 0, 0], [0, 0, -1, 1], [1, 0, 0, 0], [0, 0, 0, 1]]
  ),
  intrinsics=np.float32([[30, 0, 20], [0, 30, 12], [0, 0, 1]]),
  height=HEIGHT,
  width=WIDTH,
)
STEPS = 3
CAR, OTHER = 1, 2


def _gaussians(rng, count, node, middle, spread, num_sh):
  floats = {
    'means': rng.uniform(-1, 1, (count, 3)) * spread + middle,
    'log_scales': rng.normal(-1.2, 0.3, (count, 3)),
    'quats': rng.normal(size=(count, 4)),
    'opacity_logits': rng.normal(1, 1, count),
    'sh': rng.normal(0, 0.4, (count, num_sh, 3)),
  }
  floats = {k: np.asarray(v, np.float32) for k, v in floats.items()}
  return types.Gaussians(**floats, node=np.full(count, node, np.int32))


def _scene(road, seed=0, num_sh=4):
  """Two cars ahead of the ego, before a wall of Gaussians; one slot is free."""
  rng = np.random.default_rng(seed)
  absent = road.straight(0, 0, 0, STEPS) | {'valid': np.zeros(STEPS, bool)}
  scene = road.scene(
    road.straight(0, 0, 5, STEPS),
    road.straight(8, 0.5, 5, STEPS),
    road.straight(11, -2.5, 2, STEPS),
    absent,
  )
  half = np.array(road.CAR) / 2
  parts = [
    _gaussians(rng, 60, types.BACKGROUND, [16, 0, 1], [1, 8, 3], num_sh),
    _gaussians(rng, 20, types.GROUND, [8, 0, -1], [6, 5, 0.1], num_sh),
    _gaussians(rng, 30, CAR, np.zeros(3), half, num_sh),
    _gaussians(rng, 25, OTHER, np.zeros(3), half, num_sh),
  ]
  x = np.arange(640) * 0.5 - 60
  return scene.replace(
    gaussians=jax.tree.map(lambda *x: np.concatenate(x), *parts),
    sky=rng.uniform(0, 1, (4, 8, 3)).astype(np.float32),
    exposure=np.float32([[[1.1, 0.1, 0, 0.02], [0, 0.9, 0, 0], [0, 0, 1, 0]]]),
    # The road climbs by a tenth.
    ground=scene.ground.replace(
      values=np.tile(np.float32(0.1 * x), (len(scene.ground.values), 1))
    ),
  )


@jax.jit
def _render(scene, agents):
  rendered = splat.render_scene(scene, CAMERA, agents, config=CONFIG)
  return rendered.color, rendered.overflow


def _image(scene, agents=None, step=1):
  if agents is None:
    agents = trees.take(scene.tracks, step)
  color, overflow = _render(scene, agents)
  assert not overflow
  return np.asarray(color)


def _track(scene, agent):
  return trees.take(scene.tracks, (slice(None), agent))


def _agents(scene, agent, step=1, **changes):
  """The agents of a step, fields of one of them changed."""
  agents = trees.take(scene.tracks, step)
  fields = {}
  for name, value in changes.items():
    fields[name] = np.array(getattr(agents, name))
    fields[name][agent] = value
  return agents.replace(**fields)


def test_what_is_taken_out_and_put_back_looks_as_before(road):
  scene = _scene(road)
  asset = assets.extract(scene, CAR, 'car')
  without = assets.remove(scene, CAR)
  back = assets.insert(without, asset, _track(scene, CAR))
  np.testing.assert_allclose(_image(back), _image(scene), atol=1e-5)
  assert np.abs(_image(without) - _image(scene)).max() > 0.1
  # It found the slot and the Gaussians that the removal had left.
  np.testing.assert_array_equal(back.tracks.valid, scene.tracks.valid)
  assert len(back.gaussians.node) == len(scene.gaussians.node)


def test_a_removed_agent_is_as_good_as_invalid(road):
  scene = _scene(road)
  absent = _agents(scene, CAR, valid=False)
  removed = assets.remove(scene, CAR)
  np.testing.assert_array_equal(_image(removed), _image(scene, absent))
  for old, new in zip(
    jax.tree.leaves(scene), jax.tree.leaves(removed), strict=True
  ):
    assert old.shape == new.shape and old.dtype == new.dtype
  # Also where somebody declares the slot valid again.
  there = _agents(scene, CAR)
  np.testing.assert_array_equal(_image(removed, there), _image(removed))


def test_a_turned_asset_is_the_agent_turned(road):
  scene = _scene(road)
  asset = assets.extract(scene, CAR, 'car')
  track = assets.moved(_track(scene, CAR), scene.ground, 1, -2, np.pi / 2)
  found = assets.insert(assets.remove(scene, CAR), asset, track)
  before = trees.take(scene.tracks, (1, CAR))
  # The car looks along x, so ahead is east and left is north.
  truth = _agents(
    scene,
    CAR,
    xy=before.xy + np.array([1, -2]),
    z=before.z + 0.1,
    yaw=np.pi / 2,
  )
  np.testing.assert_allclose(_image(found), _image(scene, truth), atol=1e-5)
  moved = assets.move(scene, CAR, 1, -2, np.pi / 2)
  np.testing.assert_allclose(_image(moved), _image(found), atol=1e-5)
  assert np.abs(_image(found) - _image(scene)).max() > 0.1


def test_a_parked_box_stands_on_the_ground(road):
  scene = _scene(road)
  track = assets.parked(scene, (4.0, 2.0, 1.8), 12.0, -3.0, 0.5)
  np.testing.assert_allclose(track.z, 1.2 + 0.9, atol=1e-5)
  np.testing.assert_allclose(track.xy, np.tile([12, -3], (STEPS, 1)))
  assert track.valid.all() and not track.speed.any()


def test_an_asset_becomes_an_agent_of_another_scene(road):
  source, target = _scene(road), _scene(road, seed=1)
  source = source.replace(classes=np.int32([1, 3, 1, 1]))
  track = assets.parked(target, source.sizes[CAR], 9.0, 2.0, 1.0)
  asset = assets.extract(source, CAR, 'car')
  found = assets.insert(target, asset, track)
  assert found.classes.tolist() == [1, 1, 1, 3]
  np.testing.assert_array_equal(found.sizes[3], source.sizes[CAR])
  np.testing.assert_array_equal(found.tracks.xy[:, 3], track.xy)
  # What was there before is still there, untouched.
  absent = _agents(found, 3, valid=False)
  np.testing.assert_allclose(_image(found, absent), _image(target), atol=1e-5)
  # And the newcomer alone looks as alone in its source.
  alone = assets.remove(assets.remove(found, CAR), OTHER)
  gaussians = alone.gaussians
  is_agent = gaussians.node == 3
  alone = alone.replace(
    sky=source.sky,
    gaussians=gaussians.replace(
      opacity_logits=np.where(is_agent, gaussians.opacity_logits, -20)
    ),
  )
  gaussians = source.gaussians
  is_agent = gaussians.node == CAR
  truth = source.replace(
    gaussians=gaussians.replace(
      opacity_logits=np.where(is_agent, gaussians.opacity_logits, -20)
    )
  )
  truth = assets.replace_track(truth, CAR, track)
  np.testing.assert_allclose(_image(alone), _image(truth), atol=1e-5)


def test_exposures_of_two_scenes_cancel(road):
  """An opaque asset looks alike though the cameras are set differently."""
  source = _scene(road)
  gaussians = source.gaussians
  # Opaque and not so dark that rendering cuts colours at zero.
  source = source.replace(
    gaussians=gaussians.replace(
      opacity_logits=np.full_like(gaussians.opacity_logits, 9),
      log_scales=np.full_like(gaussians.log_scales, -0.5),
      sh=0.2 * gaussians.sh,
    )
  )
  target = source.replace(
    exposure=np.float32([[[0.7, 0, 0, 0.1], [0, 0.8, 0, 0.1], [0, 0, 0.9, 0]]])
  )
  asset = assets.extract(source, CAR, 'car')
  found = assets.insert(assets.remove(target, CAR), asset, _track(source, CAR))
  middle = slice(10, 14), slice(18, 22)
  seen, truth = _image(found)[middle], _image(source)[middle]
  np.testing.assert_allclose(seen, truth, atol=5e-3)
  assert np.abs(_image(target)[middle] - truth).max() > 0.05


@pytest.mark.parametrize(('own', 'other'), [(1, 4), (4, 9)])
def test_a_lower_degree_is_padded_without_a_trace(road, own, other):
  scene, wide = _scene(road, num_sh=own), _scene(road, num_sh=own)
  missing = other - own
  wide = wide.replace(
    gaussians=wide.gaussians.replace(
      sh=np.pad(wide.gaussians.sh, ((0, 0), (0, missing), (0, 0)))
    )
  )
  asset = assets.extract(scene, CAR, 'car')
  found = assets.insert(assets.remove(wide, CAR), asset, _track(scene, CAR))
  np.testing.assert_allclose(_image(found), _image(scene), atol=1e-5)


def test_a_higher_degree_is_cut_to_its_lower_bands(road):
  scene = _scene(road, num_sh=4)
  flat = scene.replace(
    gaussians=scene.gaussians.replace(sh=scene.gaussians.sh[:, :1])
  )
  asset = assets.extract(scene, CAR, 'car')
  found = assets.insert(assets.remove(flat, CAR), asset, _track(scene, CAR))
  np.testing.assert_allclose(_image(found), _image(flat), atol=1e-5)


@pytest.mark.slow
def test_scenes_padded_to_one_budget_stack_and_look_as_before(road):
  scene = _scene(road)
  asset = assets.extract(scene, CAR, 'car')
  track = assets.parked(scene, asset.size, 9.0, 2.0, 1.0)
  grown = assets.insert(scene, asset, track)
  assert len(grown.gaussians.node) == 135 + 30
  fixed = assets.insert(scene, asset, track, budget=200)
  np.testing.assert_allclose(_image(fixed), _image(grown), atol=1e-5)
  padded = assets.pad(scene, num_gaussians=200, num_agents=6)
  np.testing.assert_allclose(_image(padded), _image(scene), atol=1e-5)
  both = trees.stack([padded, assets.pad(fixed, num_agents=6)])
  assert both.gaussians.means.shape == (2, 200, 3)
  assert both.tracks.xy.shape == (2, STEPS, 6, 2)


def test_gaussians_that_are_never_drawn_give_way(road):
  scene = _scene(road)
  logits = scene.gaussians.opacity_logits.copy()
  # The first ten of the wall, as faint as a fit leaves them.
  logits[:10] = -6
  scene = scene.replace(
    gaussians=scene.gaussians.replace(opacity_logits=logits)
  )
  asset = assets.extract(scene, CAR, 'car')
  found = assets.insert(scene, asset, _track(scene, CAR))
  assert len(found.gaussians.node) == 135 + 20
  assert np.all(found.gaussians.node[:10] == 3)


# Bright on one side: harmonic 2 of these, the third of degree 1, is -x.
_LIGHT = np.zeros((8, 3), np.float32)
_LIGHT[2] = 0.8, 0.6, 0.4


def test_what_is_put_back_into_known_light_looks_as_before(road):
  scene = _scene(road).replace(light=_LIGHT)
  asset = assets.extract(scene, CAR, 'car')
  assert not asset.is_lit
  without = assets.remove(scene, CAR)
  back = assets.insert(without, asset, _track(scene, CAR))
  np.testing.assert_allclose(_image(back), _image(scene), atol=1e-5)
  # Turned, it is the scene's light that falls on it.
  track = assets.moved(_track(scene, CAR), scene.ground, turn=np.pi)
  found = _image(assets.insert(without, asset, track))
  truth = _image(scene, _agents(scene, CAR, yaw=np.pi))
  np.testing.assert_allclose(found, truth, atol=1e-5)


def test_an_asset_that_brings_its_light_is_not_lit_twice(road):
  dark = _scene(road)
  scene = dark.replace(light=_LIGHT)
  asset = assets.extract(dark, CAR, 'car')
  assert asset.is_lit
  alone = assets.remove(assets.remove(scene, CAR), OTHER)
  found = assets.insert(alone, asset, _track(dark, CAR))
  truth = _image(assets.remove(dark, OTHER))
  np.testing.assert_allclose(_image(found), truth, atol=1e-5)
  turned = assets.replace_track(
    found, CAR, assets.moved(_track(dark, CAR), dark.ground, turn=np.pi)
  )
  unlit = assets.move(assets.remove(dark, OTHER), CAR, turn=np.pi)
  assert np.abs(_image(turned) - _image(unlit)).max() > 0.05


def _with_bodies(scene, kind):
  """`scene` with a gait for all agents, used by those of the kind."""
  count = len(scene.sizes)
  gait = np.zeros((count, 4, 3), np.float32)
  gait[:, 0, 1] = 0.6
  return scene.replace(
    bodies=types.Bodies(
      kind=np.array(kind, np.int32),
      sizes=scene.sizes,
      origin=np.zeros(count, np.float32),
      motion=types.Motion(
        cadence=np.full(count, 0.7, np.float32),
        gait=gait,
        embedding=np.zeros((count, 2), np.float32),
        field=None,
      ),
    )
  )


@pytest.mark.slow
def test_a_walker_is_frozen_in_its_stride(road):
  kind = [types.RIGID, types.ARTICULATED, types.RIGID, types.RIGID]
  scene = _with_bodies(_scene(road), kind)
  asset = assets.extract(scene, CAR, 'walker', step=1)
  assert (
    np.abs(asset.gaussians.means - scene.gaussians.means[80:110]).max() > 0.1
  )
  back = assets.insert(assets.remove(scene, CAR), asset, _track(scene, CAR))
  assert back.bodies.kind.tolist() == [types.RIGID] * 4
  config = dataclasses.replace(CONFIG, articulated_budget=30)
  for step, is_alike in ((1, True), (2, False)):
    agents = trees.take(scene.tracks, step)
    truth, found = (
      np.asarray(splat.render_scene(x, CAMERA, agents, config=config).color)
      for x in (scene, back)
    )
    assert (np.abs(truth - found).max() < 1e-5) == is_alike


@pytest.mark.slow
def test_padding_reaches_bodies(road):
  scene = _with_bodies(_scene(road), [types.RIGID] * 4)
  padded = assets.pad(scene, num_agents=6)
  assert padded.bodies.motion.gait.shape == (6, 4, 3)
  np.testing.assert_array_equal(_image(padded), _image(scene))


def test_bank_gives_back_what_it_got(road, tmp_path):
  asset = assets.extract(_scene(road), CAR, 'red-car', 'street 1, agent 1')
  bank = splat.AssetBank(tmp_path / 'bank')
  bank.save(asset)
  assert bank.names() == ['red-car']
  back = bank.load('red-car')
  for name, value in vars(asset.gaussians).items():
    found = getattr(back.gaussians, name)
    np.testing.assert_array_equal(found, value, err_msg=name)
    assert found.dtype == value.dtype
  np.testing.assert_array_equal(back.size, asset.size)
  assert (back.kind, back.name, back.source) == (
    types.VEHICLE,
    'red-car',
    'street 1, agent 1',
  )
  # Nothing is left of the writing, and any program finds the Gaussians.
  files = sorted(p.name for p in bank.directory.iterdir())
  assert len(files) == 2 and files[1] == 'red-car.json'
  assert len(splat.load_ply(bank.directory / files[0]).node) == 30


def test_bank_overwrites_only_when_asked(road, tmp_path):
  scene, bank = _scene(road), splat.AssetBank(tmp_path)
  bank.save(assets.extract(scene, CAR, 'car'))
  other = assets.extract(scene, OTHER, 'car')
  with pytest.raises(FileExistsError, match=r'car\.json'):
    bank.save(other)
  assert len(bank.load('car').gaussians.node) == 30
  bank.save(other, overwrite=True)
  assert len(bank.load('car').gaussians.node) == 25
  assert len(list(tmp_path.iterdir())) == 2


def test_an_asset_that_cannot_be_written_leaves_no_trace(bank, monkeypatch):
  before = {p: p.read_bytes() for p in bank.directory.iterdir()}
  asset = bank.load('car')

  def full(*_, **__):
    raise OSError(errno.ENOSPC, 'No space left on device')

  spoilt = asset.gaussians.replace(means=asset.gaussians.means * np.nan)
  with pytest.raises(ValueError, match='asset car: means: not all finite'):
    bank.save(dataclasses.replace(asset, gaussians=spoilt), overwrite=True)
  other = dataclasses.replace(asset, source='elsewhere')
  for place, name in [(plyfile.PlyData, 'write'), (pathlib.Path, 'write_text')]:
    with monkeypatch.context() as patch:
      patch.setattr(place, name, full)
      with pytest.raises(OSError, match='No space left') as error:
        bank.save(other, overwrite=True)
    assert str(bank.directory) in error.value.filename
    assert before == {p: p.read_bytes() for p in bank.directory.iterdir()}


@pytest.fixture
def bank(road, tmp_path):
  bank = splat.AssetBank(tmp_path)
  bank.save(assets.extract(_scene(road), CAR, 'car'))
  return bank


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('version', 7, r'car\.json: version: 7, expected 1'),
    ('class', 'lorry', r"car\.json: class: 'lorry', expected one of other"),
    ('size', [4.0, 0.0, 1.5], r'car\.json: size: \[4\.0, 0\.0, 1\.5\]'),
    ('size', [4.0, 1.5], r'car\.json: size: .* three positive numbers'),
    ('size', [10**400, 2, 2], r'car\.json: size: \[1000.*positive numbers'),
    ('size', [1e30, 2, 2], r'car\.json: size: \[1e\+30, 2, 2\]'),
    ('size', [True, 2, 2], r'car\.json: size: \[True'),
    ('source', None, r'car\.json: source: None'),
    ('source', 900 * [0], r'car\.json: source: \[0, 0, 0, 0, 0, 0, \.\.\.\],'),
    ('is_lit', 'yes', r"car\.json: is_lit: 'yes', expected true or false"),
    ('count', 31, r'car\.[0-9a-f]{8}\.ply: node: 30 Gaussians .*31'),
    ('gaussians', '../a.ply', r"car\.json: gaussians: '\.\./a\.ply'"),
    ('gaussians', 'gone.ply', r'gone\.ply: missing, though .*car\.json'),
    ('gaussians', 'a\0.ply', r'car\.json: gaussians: '),
    ('count', 10**30, r'car\.json: count: 1000'),
    ('count', 1.0, r'car\.json: count: 1\.0, expected a number'),
    ('sha256', 'f00', r'\.ply: sha256: [0-9a-f]{64}, but .*car\.json says f00'),
  ],
)
def test_a_damaged_asset_is_refused_by_name(bank, field, value, message):
  path = bank.directory / 'car.json'
  facts = json.loads(path.read_text())
  path.write_text(json.dumps(facts | {field: value}))
  with pytest.raises((ValueError, OSError), match=message):
    bank.load('car')
  facts.pop(field)
  path.write_text(json.dumps(facts))
  with pytest.raises(ValueError, match=rf'car\.json: {field}: None, expected'):
    bank.load('car')


def test_files_that_are_no_assets_are_refused_by_name(bank):
  path = bank.directory / 'car.json'
  (gaussians,) = bank.directory.glob('*.ply')
  gaussians.write_bytes(gaussians.read_bytes()[:-40])
  with pytest.raises(ValueError, match=r'\.ply: sha256'):
    bank.load('car')
  path.write_text('{"version": 1')
  with pytest.raises(ValueError, match=r'car\.json: not JSON'):
    bank.load('car')
  path.write_text('[' * 50_000)
  with pytest.raises(ValueError, match=r'car\.json: JSON nested too deep'):
    bank.load('car')
  path.write_text(' ' * 70_000)
  with pytest.raises(ValueError, match=r'car\.json: 70000 bytes, more than'):
    bank.load('car')
  path.write_bytes(b'{"version": "\xff"}')
  with pytest.raises(ValueError, match=r'car\.json: not JSON: .utf-8'):
    bank.load('car')
  path.write_text('[1]')
  with pytest.raises(ValueError, match=r'car\.json: \[1\] is not an object'):
    bank.load('car')
  with pytest.raises(FileNotFoundError, match=r'van\.json: .* has car'):
    bank.load('van')
  for name in ('../car', 'a/b', '/car', '', 'a\0', 'a\n', 'x' * 5000):
    with pytest.raises(
      ValueError, match=r"asset '.* a name has up to"
    ) as error:
      bank.load(name)
    assert len(str(error.value)) < 400
  with pytest.raises(FileNotFoundError, match='nowhere: no such bank'):
    splat.AssetBank(bank.directory / 'nowhere').names()


def test_impossible_edits_are_refused_with_numbers(road):
  scene = _scene(road)
  asset = assets.extract(scene, CAR, 'car')
  track = _track(scene, CAR)
  for edit in (
    lambda agent: assets.extract(scene, agent, 'car'),
    lambda agent: assets.remove(scene, agent),
    lambda agent: assets.move(scene, agent, 5.0),
    lambda agent: assets.replace_track(scene, agent, track),
    lambda agent: assets.insert(scene, asset, track, agent=agent),
  ):
    with pytest.raises(ValueError, match='agent 0: the ego'):
      edit(0)
    for agent in (-1, 4):
      with pytest.raises(ValueError, match=f'agent {agent}: .* agents 1 to 3'):
        edit(agent)
  with pytest.raises(ValueError, match='agent 3: no Gaussians'):
    assets.extract(scene, 3, 'car')
  with pytest.raises(ValueError, match='agent 1: not free, valid at 3 steps'):
    assets.insert(scene, asset, track, agent=CAR)
  full = assets.insert(scene, asset, track)
  with pytest.raises(ValueError, match=r'none of 4 is free: .* 5 agents'):
    assets.insert(full, asset, track)
  with pytest.raises(
    ValueError, match=r'30 Gaussians, .* 150 .*15: 135 are in'
  ):
    assets.insert(scene, asset, track, budget=150)
  with pytest.raises(ValueError, match='135 Gaussians, but the budget is 100'):
    assets.insert(scene, asset, track, budget=100)
  with pytest.raises(ValueError, match='4 agents, but the budget is 2'):
    assets.pad(scene, num_agents=2)
  with pytest.raises(ValueError, match=r'xy: shape is \(2, 2\), .*\(3, 2\)'):
    assets.insert(scene, asset, trees.take(track, slice(2)))
  dark = scene.replace(exposure=np.zeros((1, 3, 4), np.float32))
  with pytest.raises(ValueError, match=r'exposure: .* cannot be undone'):
    assets.insert(dark, asset, track)


def test_who_is_near_and_seen_from_all_sides_is_prominent(road):
  absent = road.straight(5, 0, 0, 61) | {'valid': np.zeros(61, bool)}
  scene = road.scene(
    road.straight(0, 0, 10, 61),
    road.straight(12, 0, 10, 61),  # Ahead: seen from behind alone.
    road.straight(40, 3.5, 0, 61),  # Overtaken.
    road.straight(40, 20, 0, 61),
    road.straight(-20, 0, 10, 61),  # Never in view.
    absent,
  )
  seen = assets.prominence(scene.tracks, scene.sizes)
  assert seen[0] == seen[4] == seen[5] == 0
  assert seen[2] > seen[1] > 0 and seen[2] > seen[3] > 0


def test_colours_and_numbers_are_those_of_what_is_seen(road):
  scene = _scene(road)
  count = assets.num_visible(scene)
  logits = scene.gaussians.opacity_logits
  for agent in (CAR, OTHER):
    own = scene.gaussians.node == agent
    assert count[agent] == np.sum(own & (logits > np.log(1 / 254)))
  assert count[0] == count[3] == 0
  flat = np.zeros_like(scene.gaussians.sh)
  flat[:, 0] = (np.float32([0.2, 0.4, 0.6]) - 0.5) / 0.28209479
  scene = scene.replace(gaussians=scene.gaussians.replace(sh=flat))
  # Through the exposure of the scene's camera.
  expected = [1.1 * 0.2 + 0.1 * 0.4 + 0.02, 0.9 * 0.4, 0.6]
  np.testing.assert_allclose(
    assets.mean_colors(scene)[CAR], expected, atol=1e-3
  )
  np.testing.assert_array_equal(assets.mean_colors(scene)[3], 0.5)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
