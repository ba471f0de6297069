# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Numbers are right where products of default precision are not float32."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rdrl import geometry
from rdrl import learn
from rdrl import policy
from rdrl import prior
from rdrl import refine
from rdrl import sim
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.policy import network as policy_network
from rdrl.prior import restorer
from rdrl.scenario import learned
from rdrl.scenario.learned import model as model_lib
from rdrl.scenario.learned import network
from rdrl.sim import contact
from rdrl.sim import dynamics
from rdrl.splat import metrics
from rdrl.splat import trust
from rdrl.splat.fitting import fit as fitting
from rdrl.splat.fitting import optimise
from rdrl.world import shading
from tests import rigs
from tests import rounding
from tests.splat.fitting import fitting_test

HEIGHT, WIDTH = 24, 40
RNG = np.random.default_rng(0)
_START = RNG.bit_generator.state
KINDS = pytest.mark.parametrize(
  'kind', ['tf32', pytest.param('bf16', marks=pytest.mark.slow)]
)


@pytest.fixture(autouse=True)
def _draw_anew():
  """A test draws the same whichever ran before."""
  RNG.bit_generator.state = _START


def _picture():
  """`[H, W, 3]`: a bright even sky over waves, darker from left to right."""
  y, x = np.mgrid[:HEIGHT, :WIDTH][..., None]
  waves = 0.5 + 0.3 * np.sin(x / 4 + np.arange(3)) * np.cos(y / 3)
  image = np.where(y < HEIGHT / 2, 0.97, waves * (1 - x / (2 * WIDTH)))
  return image.astype(np.float32)


def _cancelling_ssim_map(a, b):
  """By means of squares, of default precision: what float32 alone can bear."""
  size = a.shape[:2]
  down, across = map(metrics._blur_matrix, size)

  def mean(x):
    return jnp.einsum('ij,jkc,kl->ilc', down, x, across)

  means = mean(a), mean(b)
  spread = mean(a * a) - means[0] ** 2 + mean(b * b) - means[1] ** 2
  shared = mean(a * b) - means[0] * means[1]
  level = (2 * means[0] * means[1] + 1e-4) / (
    means[0] ** 2 + means[1] ** 2 + 1e-4
  )
  return level * (2 * shared + 9e-4) / (spread + 9e-4)


def test_operands_are_rounded_to_nearest_and_ties_to_even():
  step = 2.0**-10
  values = 1 + step * jnp.array([0, 0.25, 0.5, 0.75, 1, 1.5, 2.5])
  expected = 1 + step * np.array([0, 0, 0, 1, 1, 2, 2])
  one = jnp.ones((1, 1))
  found = rounding.rounded(jnp.matmul, 'tf32')(values[:, None], one)
  np.testing.assert_array_equal(found[:, 0], expected)
  assert rounding.rounded(jnp.matmul, 'bf16')(one + 2.0**-8, one) == 1
  whole = functools.partial(jnp.matmul, precision='highest')
  np.testing.assert_array_equal(
    rounding.rounded(whole, 'bf16')(values[:, None], one)[:, 0], values
  )


def test_products_within_programs_are_found_and_rounded():
  @jax.custom_vjp
  def apart(x):
    return x @ x

  @jax.custom_batching.custom_vmap
  def together(x):
    return x @ x

  together.def_vmap(lambda size, is_batched, x: (x @ x, True))
  apart.defvjp(lambda x: (x @ x, x), lambda x, slope: (slope @ x.T,))
  inner = {
    'jit': jax.jit(lambda x: x @ x),
    'scan': lambda x: jax.lax.scan(lambda c, _: (c @ x, None), x, length=1)[0],
    'while': lambda x: jax.lax.while_loop(
      lambda c: c[0, 0] < 1, lambda c: c + x @ x, 0 * x
    ),
    'cond': lambda x: jax.lax.cond(x[0, 0] > 0, lambda x: x @ x, jnp.sin, x),
    'checkpoint': jax.checkpoint(lambda x: x @ x),
    'custom_vjp': apart,
    'custom_vmap': together,
    'vmap': lambda x: jax.vmap(lambda y: y @ x)(x),
    'convolution': lambda x: jax.lax.conv(
      x[None, None], x[None, None], (1, 1), 'VALID'
    ),
  }
  mesh = jax.make_mesh((1,), ('one',))
  inner['shard_map'] = jax.shard_map(
    lambda x: x @ x,
    mesh=mesh,
    in_specs=jax.P(),
    out_specs=jax.P(),
    check_vma=False,
  )
  x = jnp.full((1, 1), 1 + 2.0**-9 + 2.0**-12)
  for name, function in inner.items():
    found = rounding.products(function, x)
    assert len(found) == 1 and not found[0].is_whole, name
    assert found[0].place.startswith('tests/precision_test.py'), name
    square = np.square(np.float64(1 + 2.0**-9))
    assert rounding.rounded(function, 'tf32')(x).item() == square, name
  # A gradient by a rule, and one through a loop.
  slope = rounding.rounded(jax.grad(lambda x: apart(x).sum()), 'tf32')(x)
  assert slope.item() == 1 + 2.0**-9
  assert rounding.rounded(jax.grad(lambda x: inner['scan'](x).sum()), 'tf32')(
    x
  ).item() == 2 * (1 + 2.0**-9)


@KINDS
def test_ssim_and_its_gradient_against_float64(kind):
  def both(a, b):
    mean, slope = jax.value_and_grad(splat.ssim)(a, b)
    return metrics.ssim_map(a, b), mean, slope

  found, expected = rounding.rounded(both, kind), jax.jit(both)
  a = _picture()
  for noise in (0.1, 0.01, 0.0):
    b = np.clip(a + RNG.normal(0, noise, a.shape), 0, 1).astype(np.float32)
    one = found(a, b)
    with jax.enable_x64(True):
      other = expected(*(np.asarray(x, np.float64) for x in (a, b)))
    for x, y, atol in zip(one, other, (3e-4, 3e-6, 2e-5), strict=True):
      np.testing.assert_allclose(x, y, atol=atol)


def _descend(kind=None):
  """PSNR after 200 steps of Adam on the photometric loss of bare colours."""
  image, adam = jnp.asarray(_picture()), optax.adam(0.01)

  def loss(colors):
    apart = jnp.mean(jnp.abs(colors - image))
    unlike = jnp.mean(1 - metrics.ssim_map(colors, image)) / 2
    return 0.8 * apart + 0.2 * unlike

  def step(carry, _):
    colors, state = carry
    updates, state = adam.update(jax.grad(loss)(colors), state)
    return (colors + updates, state), None

  def descend(colors):
    carry = colors, adam.init(colors)
    return jax.lax.scan(step, carry, length=200)[0][0]

  run = jax.jit(descend) if kind is None else rounding.rounded(descend, kind)
  return splat.psnr(run(jnp.full_like(image, 0.5)), image)


@KINDS
def test_colours_are_found_as_well(kind):
  plain = _descend()
  assert plain > 50 and abs(_descend(kind) - plain) < 0.3


def test_where_variances_cancel_in_tf32_they_are_not(monkeypatch):
  monkeypatch.setattr(metrics, 'ssim_map', _cancelling_ssim_map)
  assert _descend() > 50 > 30 > _descend('tf32')


@pytest.mark.slow
@pytest.mark.parametrize('kind', rounding.MANTISSA)
def test_a_fit_of_200_steps_is_as_good(kind):
  config = fitting_test.CONFIG.with_fit(
    num_steps=200,
    snapshot_fractions=(),
    relocate_every=1000,
  )
  key = jax.random.key(0)
  # Bright and even, as skies are: where squares are large and variances small.
  log = fitting_test._log()
  log = log.replace(images=255 - (255 - log.images) // 6)
  start = fitting._prepare([log], config, key)

  def fit(state, pool):
    def step(state, i):
      state, logged = optimise.step(state, i, pool, key, config)
      return state, logged['gradient_norm']

    return jax.lax.scan(step, state, jnp.arange(config.fit.num_steps))

  scores, norms = {}, {}
  for name, run in (
    ('plain', jax.jit(fit)),
    (kind, rounding.rounded(fit, kind)),
  ):
    state, norm = run(start.state, start.pool)
    (result,) = fitting._results(start, state, config)
    scores[name], norms[name] = result.metrics['psnr'], np.max(norm)
  assert abs(scores[kind] - scores['plain']) < 0.3, (scores, norms)
  assert norms[kind] < 1.1 * norms['plain'], (scores, norms)


def test_points_project_as_in_float64():
  rotation = geometry.rotation_from_quat(jnp.array([0.9, 0.1, -0.3, 0.2]))
  pose = geometry.from_rotation_translation(
    rotation, jnp.array([512.0, -87.0, 3.0])
  )
  camera = types.Camera(
    camera_from_world=geometry.inverse(pose),
    intrinsics=jnp.array([[900.0, 0, 960], [0, 900, 640], [0, 0, 1]]),
    height=1280,
    width=1920,
  )
  local = np.append(RNG.uniform(-20, 20, (200, 2)), np.full((200, 1), 30), 1)
  points = np.float32(geometry.transform_points(pose, jnp.asarray(local)))
  pixels, depth = rounding.rounded(geometry.project, 'bf16')(camera, points)
  pose = np.asarray(camera.camera_from_world, np.float64)
  inside = points @ pose[:3, :3].T + pose[:3, 3]
  expected = 900 * inside[:, :2] / inside[:, 2:] + [960, 640]
  np.testing.assert_allclose(pixels, expected, atol=1e-2)
  np.testing.assert_allclose(depth, inside[:, 2], rtol=1e-5)


def _close(function, *args, **tolerance):
  """Rounded to bfloat16 and as it is; TF32 rounds less."""
  plain = jax.jit(function)(*args)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, **tolerance),
    rounding.rounded(function, 'bf16')(*args),
    plain,
  )
  return plain


def _agents(count=6):
  """Boxes a kilometre from the origin, some of which touch."""
  return types.AgentState(
    xy=jnp.float32(RNG.uniform([996, -704], [1004, -696], (count, 2))),
    z=jnp.full(count, 0.75),
    yaw=jnp.float32(RNG.uniform(-3, 3, count)),
    speed=jnp.float32(RNG.uniform(0, 12, count)),
    valid=jnp.ones(count, bool),
  )


SIZES = jnp.tile(jnp.float32([4.6, 1.9, 1.5]), (6, 1))


@pytest.mark.slow
def test_rasters_of_boxes_and_lanes():
  agents = _agents()
  ego = trees.take(agents, 0).replace(
    xy=jnp.float32([985, -700]), yaw=jnp.float32(0)
  )
  mounts, intrinsics = world.camera_rig(world.Config(height=24, width=40))
  camera = trees.take(
    geometry.mount_cameras(mounts, intrinsics, ego, 24, 40), 0
  )
  grid = types.Grid(
    values=jnp.float32(RNG.uniform(0, 1, (2, 64, 64))),
    origin=jnp.float32([970, -730]),
    cell=jnp.float32(1),
  )
  flat = grid.replace(values=jnp.zeros((4, 4)))

  def draw(camera, agents, grid, flat):
    return (
      refine.box_raster(camera, agents, SIZES, jnp.ones(6, jnp.int32)),
      refine.lane_raster(camera, grid, flat),
    )

  (boxes, _), (lanes, _) = _close(draw, camera, agents, grid, flat, atol=1e-4)
  assert 0.05 < np.mean(boxes[..., 0]) < 0.95 and np.any(lanes > 0.1)


def test_collisions():
  def met(agents):
    return contact.met(agents, contact.boxes_of(agents, SIZES))

  assert np.any(_close(met, _agents(), atol=0))


def test_dynamics():
  def drive(ego):
    def step(carry, command):
      return dynamics.step(*carry, *command, ego, config), carry[0].xy

    found = []
    for name in ('bicycle', 'single_track'):
      config = dataclasses.replace(sim.Config(), dynamics=name)
      start = ego, dynamics.initial(ego, 0.0, config)
      commands = jnp.tile(jnp.array([10.0, 0.03]), (30, 1))
      found.append(jax.lax.scan(step, start, commands)[1])
    return found

  _close(drive, trees.take(_agents(), 0), atol=1e-4)


def test_advantages():
  shape = 12, 3, 2
  reward, value, after = jnp.float32(RNG.normal(size=(3, *shape)))
  ended = jnp.arange(12)[:, None] == jnp.array([4, 7, 99])

  def advantage(*args):
    return learn.gae(*args, ended, ~ended & False, 0.99, 0.95)

  _close(advantage, reward, value, after, rtol=1e-6)
  found = rounding.rounded(advantage, 'bf16')(reward, value, after)
  # The last step before an end by hand, in float64.
  reward, value = (np.asarray(x, np.float64) for x in (reward, value))
  np.testing.assert_allclose(found[4, 0], (reward - value)[4, 0], rtol=1e-6)


def test_motion_of_the_learned_adversary():
  config = learned.Config()
  now = trees.take(_agents(), 0).replace(speed=jnp.float32(9))
  actions = jnp.float32(RNG.uniform(-1, 1, (config.num_knots, 2)))
  actions *= jnp.array([2.0, 0.1])

  def there_and_back(actions):
    future = learned.unroll(now, actions, True, config)
    return future, learned.fit(now, future, config)

  future, _ = _close(there_and_back, actions, atol=1e-3)
  # Knots in between in float64, as far as no limit is met.
  place = (np.arange(len(future.speed)) + 0.5) / config.knot_steps
  steps = np.interp(place, np.arange(config.num_knots), actions[:, 0])
  np.testing.assert_allclose(
    future.speed, 9 + 0.1 * np.cumsum(steps), rtol=1e-5
  )


def test_expected_errors_of_trust():
  x = jnp.float32(RNG.normal(-4, 1, (16, 24, 4)))
  weights = jnp.array([0.3, 1, -0.2, 0.1])
  found = trust.Discrepancy(jnp.zeros(1), weights, jnp.float32(1))
  expected = np.asarray(x, np.float64) @ np.asarray(weights, np.float64)
  found = rounding.rounded(trust._weighted, 'bf16')(x, found)
  np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_strides_of_walkers_far_from_the_origin():
  street = world.build(1, world.Config(num_agents=6))
  walkers = jnp.full(6, types.PEDESTRIAN)

  def legs(agents):
    _, (solids, _, _) = shading.agent_scenery(street, agents, SIZES, walkers)
    return solids

  _close(legs, _agents(), atol=1e-3)


# Of the largest number that comes out.
TOLERANCE = {'tf32': 0.01, 'bf16': 0.1}


def _tells(network, *args):
  """What comes out of a network whose parameters are all random."""
  params = jax.eval_shape(network.init, jax.random.key(0), *args)
  params = jax.tree.map(
    lambda x: jnp.float32(RNG.normal(0, x.shape[0] ** -0.5, x.shape)), params
  )
  return network.apply, (params, *args)


def _policy():
  config = policy.Config(hidden=16, width=16, num_layers=1)
  observation = types.Observation(
    images=RNG.integers(0, 256, (3, 2, 1, 16, 24, 3), np.uint8),
    speed=jnp.float32(RNG.uniform(0, 15, 3)),
    route=jnp.float32(RNG.uniform(0, 30, (3, 5, 2))),
    rig=rigs.around(3),
  )
  return _tells(policy_network.Network(config), observation)


def _prior():
  config = prior.Config(channels=8, multipliers=(1, 2), num_heads=2)
  clips = jnp.float32(RNG.normal(size=(3, 1, 2, 16, 16, 3)))
  return _tells(restorer._network(config), *clips, jnp.full(1, 0.5))


def _denoiser():
  config = learned.Config(channels=16, num_heads=2, num_layers=1)
  count = 4
  seen = network.Features(
    own=jnp.float32(RNG.normal(size=(count, 9))),
    near=jnp.float32(RNG.normal(size=(count, 5, 7))),
    is_near=jnp.ones((count, 5), bool),
    pairs=jnp.float32(RNG.normal(size=(count, count, 8))),
    exists=jnp.ones(count, bool),
  )
  noisy = jnp.float32(RNG.normal(size=(count, 2 * config.num_knots)))
  return _tells(model_lib.denoiser(config), noisy, jnp.full(count, 0.5), seen)


@pytest.mark.slow
@pytest.mark.parametrize('make', [_policy, _prior, _denoiser])
def test_networks_stay_within_their_tolerance(make):
  function, args = make()
  plain = jax.tree.leaves(jax.jit(function)(*args))
  for kind, tolerance in TOLERANCE.items():
    found = jax.tree.leaves(rounding.rounded(function, kind)(*args))
    for x, y in zip(found, plain, strict=True):
      apart = np.abs(x - y).max() / np.abs(y).max()
      # They do take what the platform gives.
      assert 0 < apart < tolerance, (kind, apart)


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
