# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Which products a program has, and that all but networks' are whole float32.

Programs are traced with all that they are given, and never run.
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdrl import geometry
from rdrl import policy
from rdrl import prior
from rdrl import sim
from rdrl import splat
from rdrl import training
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.learn import imitation
from rdrl.learn import ppo
from rdrl.prior import restorer
from rdrl.refine import views
from rdrl.report import metrics
from rdrl.report import perceptual
from rdrl.report import scene_scores
from rdrl.scenario import learned
from rdrl.scenario.learned import model as model_lib
from rdrl.sim import dynamics
from rdrl.splat import trust
from rdrl.splat.appearance import deformation
from rdrl.splat.fitting import optimise
from rdrl.world import recording
from tests import rounding
from tests.report import drives

# Whose products may be of the platform's default precision, and why.
NETWORKS = {
  'rdrl/policy/network.py': 'logits, of which one is drawn',
  'rdrl/policy/state.py': 'values, which are estimates, and such logits',
  'rdrl/prior/unet.py': 'colours under noise, rounded to bytes',
  'rdrl/scenario/learned/network.py': 'actions under noise, kept to limits',
}
COUNT, STEPS, AGENTS, POINTS = 24, 3, 3, 10
HEIGHT, WIDTH = 16, 32
KEY = jax.random.key(0)
SPLAT = splat.Config(
  render=splat.RenderConfig(articulated_budget=8, deformable_budget=8),
  fit=splat.FitConfig(
    sh_degree=1,
    snapshot_fractions=(),
    learning_rate_light=1e-3,
    learning_rate_poses=1e-3,
    mirror_share=0.3,
    has_ground=True,
    fits_surface=True,
    clears_boxes=True,
    likeness_weight=0.1,
    extent=10.0,
  ),
)


def _zeros(*shape, dtype=np.float32):
  return np.zeros(shape, dtype)


def _traced(tree):
  return jax.tree.map(jnp.asarray, tree)


def _agents(*leading):
  return types.AgentState(
    xy=_zeros(*leading, 2),
    z=_zeros(*leading),
    yaw=_zeros(*leading),
    speed=_zeros(*leading),
    valid=np.ones(leading, bool),
  )


def _cameras(*leading):
  return types.Camera(
    camera_from_world=_zeros(*leading, 4, 4),
    intrinsics=_zeros(*leading, 3, 3),
    height=HEIGHT,
    width=WIDTH,
  )


def _grid(*leading):
  return types.Grid(
    values=_zeros(*leading, 4, 4), origin=_zeros(2), cell=np.float32(1)
  )


def _scene():
  """A vehicle, one who walks and one who rides."""
  motion = types.Motion(
    cadence=_zeros(AGENTS),
    gait=_zeros(AGENTS, 4, 3),
    embedding=_zeros(AGENTS, deformation.NUM_EMBEDDED),
    field=jax.eval_shape(deformation.init, KEY),
  )
  kind = (types.RIGID, types.ARTICULATED, types.DEFORMABLE)
  return types.Scene(
    gaussians=types.Gaussians(
      means=_zeros(COUNT, 3),
      log_scales=_zeros(COUNT, 3),
      quats=_zeros(COUNT, 4),
      opacity_logits=_zeros(COUNT),
      sh=_zeros(COUNT, 4, 3),
      node=_zeros(COUNT, dtype=np.int32),
    ),
    sky=_zeros(4, 8, 3),
    exposure=_zeros(1, 3, 4),
    camera_from_ego=_zeros(1, 4, 4),
    intrinsics=_zeros(1, 3, 3),
    tracks=_agents(STEPS, AGENTS),
    sizes=_zeros(AGENTS, 3),
    classes=_zeros(AGENTS, dtype=np.int32),
    map=None,
    drivable=_grid(),
    occupancy=_grid(),
    ground=_grid(),
    height=HEIGHT,
    width=WIDTH,
    bodies=types.Bodies(
      kind=np.array(kind),
      sizes=_zeros(AGENTS, 3),
      origin=_zeros(AGENTS),
      motion=motion,
    ),
    light=_zeros(8, 3),
  )


def _fit_step(scene):
  extra = 2
  pool = optimise.Pool(
    views=optimise.Views(
      images=_zeros(STEPS + extra, HEIGHT, WIDTH, 3, dtype=np.uint8),
      weights=_zeros(1 + extra, HEIGHT, WIDTH),
      cameras=_cameras(STEPS + extra),
      camera_index=_zeros(STEPS + extra, dtype=np.int32),
      steps=_zeros(STEPS + extra, dtype=np.int32),
    ),
    depth_pixel=_zeros(STEPS, POINTS, dtype=np.int32),
    depth=_zeros(STEPS, POINTS),
    tracks=scene.tracks,
    sizes=scene.sizes,
    is_vehicle=scene.classes == types.VEHICLE,
    ground=scene.ground,
    num_log=jnp.int32(STEPS),
    traversal=_zeros(STEPS, dtype=np.int32),
    clock=_zeros(STEPS),
    bodies=scene.bodies,
    mirrors=_zeros(AGENTS, 2, dtype=np.int8),
    seen=jnp.ones((1, 1, 1), bool),
    light=scene.light[None],
  )
  state = optimise.initial_state(
    scene.gaussians, scene.sky[None], scene.exposure[None], pool, SPLAT
  )
  return optimise.step(state, jnp.int32(0), pool, KEY, SPLAT, has_extra=True)


def _rendering(scene):
  camera, agents = _traced((_cameras(), _agents(AGENTS)))
  rendered = splat.render_scene(
    scene, camera, agents, 0, SPLAT.render, time=0.5
  )
  return rendered, geometry.project(camera, scene.gaussians.means)


def _lockstep(scene):
  """The gradients of an image by the form for accelerators."""
  config = dataclasses.replace(SPLAT.render, backend='lockstep')
  camera, agents = _traced((_cameras(), _agents(AGENTS)))

  def brightness(gaussians):
    seen = scene.replace(gaussians=gaussians)
    return jnp.sum(splat.render_scene(seen, camera, agents, 0, config).color)

  return jax.grad(brightness, allow_int=True)(_traced(scene.gaussians))


def _trust(scene):
  """Information, errors and normal equations of one view."""
  view = _traced((_cameras(), _agents(AGENTS), np.int32(0)))
  image, time = _zeros(HEIGHT, WIDTH, 3), jnp.float32(0)
  found = trust.Discrepancy(_zeros(COUNT), _zeros(4), jnp.float32(1))
  total = {
    name: jnp.zeros_like(getattr(scene.gaussians, name)) for name in trust.PRIOR
  }
  return (
    trust._add_view(total, scene, *view, time, KEY, SPLAT.render),
    trust._add_errors(
      _zeros(COUNT, 11), scene, *view, image, time, SPLAT.render
    ),
    trust._add_residuals(scene, found, *view, image, time, SPLAT.render),
    trust.squared_error(scene, found, *view[:2], SPLAT.render),
    trust.view_distance(image[..., 0], view[0], _cameras(2)),
  )


def _scores_of_images(scene):
  image = _zeros(HEIGHT, WIDTH, 3)
  params = perceptual.Encoder().init(KEY, image[None])
  return (
    splat.psnr(image, image),
    splat.ssim(image, image),
    perceptual._distances(params, image[None], image[None]),
    scene_scores._boxes(_cameras(1), _agents(AGENTS), _zeros(AGENTS, 3)),
  )


def _scores_of_drives(scene):
  return metrics._scores(
    trees.stack([drives.straight()]), tuple(metrics.METRICS)
  )


def _condition(scene):
  """Rasters of boxes and lanes beside a render, and what references show."""
  seen = views.Recording(
    images=_zeros(STEPS, 1, HEIGHT, WIDTH, 3, dtype=np.uint8),
    depth=_zeros(STEPS, 1, HEIGHT, WIDTH),
    cameras=_cameras(STEPS, 1),
    lines=_grid(2),
  )
  steps = _zeros(2, dtype=np.int32)
  references = _zeros(2, 1, 2, dtype=np.int32)
  return views.render_clip(
    scene, seen, _cameras(2), steps, jnp.int32(0), references, SPLAT.render
  )


def _restoring(scene):
  config = prior.Config(channels=8, multipliers=(1, 2), num_heads=2)
  clip = _zeros(1, 2, HEIGHT, WIDTH, 3)
  condition = _zeros(1, 2, HEIGHT, WIDTH, 2)
  network = restorer._network(config)
  context, guess = restorer._known(clip, clip, condition, 1.0)
  params = network.init(KEY, guess, context, guess, _zeros(1))
  model = prior.Prior(params, jnp.float32(1), config)
  return prior.posterior(model, clip, clip, condition, KEY)


def _dynamics(scene):
  ego, found = _agents(), []
  for name in ('bicycle', 'single_track'):
    config = dataclasses.replace(sim.Config(), dynamics=name)
    vehicle = dynamics.initial(ego, 0.0, config)
    found.append(dynamics.step(ego, vehicle, 9.0, 0.1, ego, config))
  controls = jnp.zeros((2, STEPS - 1))
  return found, dynamics.drive(ego, *controls, config)


def _learned(scene):
  """Futures that guidance bends, and the gradient of training."""
  config = learned.Config(
    num_agents=AGENTS,
    past_steps=1,
    future_steps=10,
    num_pieces=4,
    num_near=2,
    channels=8,
    num_heads=2,
    num_layers=1,
  )
  traffic = learned.Traffic(
    tracks=_agents(20, AGENTS),
    sizes=_zeros(AGENTS, 3),
    classes=_zeros(AGENTS, dtype=np.int32),
    pieces=_zeros(4, 4, 2),
    kind=_zeros(4, dtype=np.int32),
    drivable=_grid(),
  )
  params = model_lib.init(learned.stack([traffic]), config, KEY)
  model = learned.Model(params, scale=_zeros(2), config=config)
  view = learned.look(_traced(traffic), 2, 0, config)
  batch = jax.tree.map(lambda x: x[None], view)
  return (
    learned.sample(
      model,
      view,
      np.arange(AGENTS) == 0,
      KEY,
      drivable=_traced(traffic.drivable),
      guidance=learned.Guidance(),
      start=view.future,
    ),
    jax.grad(model_lib.loss)(params, batch, model.scale, KEY, config),
    jax.vmap(learned.smooth, (0, 1, 0, None), 1)(
      view.now, view.future, view.wheeled, config
    ),
  )


def _reinforcement(road):
  """A whole update: rollout in the simulator, advantages, losses, Adam."""
  place = road.scene(road.straight(0, -1.75, 10), road.straight(40, -1.75, 0))
  settings = sim.Config(
    horizon=2, frames=1, image_height=4, image_width=4, truth_cell=4
  )
  controller = np.array([types.REPLAY, types.IDM], np.int32)
  env = sim.Env.create(
    [place],
    road.scenario(place, controller=controller),
    sim.NoRenderer(1, 4, 4),
    settings,
  )
  observation = jax.vmap(env.start, (None, 0))(
    KEY, jnp.zeros(2, int)
  ).observation
  network = policy.Config(
    patch=4, hidden=8, num_blocks=1, width=8, num_layers=1, num_heads=1
  )
  config = ppo.PpoConfig(num_envs=2, num_minibatches=1, imitation_batch_size=2)
  shown = imitation.Demonstrations(
    observation=observation,
    action=_zeros(2, 2, dtype=np.int32),
    source=_zeros(2, dtype=np.int32),
    weight=_zeros(2),
  )
  mesh = training.mesh.make()

  def update(env, shown):
    acting = policy.create(KEY, network, observation)
    begun = ppo.start(acting, env, config, KEY)
    return ppo._step(begun, acting, env, shown, KEY, jnp.int32(0), config, mesh)

  return update, env, shown


SLOW = 'trust', 'scores of drives', 'restoring', 'learned'
NETWORKS_OF = {
  'restoring': ['rdrl/prior/unet.py'],
  'learned': ['rdrl/scenario/learned/network.py'],
}
CASES = {
  'fit': _fit_step,
  'rendering': _rendering,
  'lockstep': _lockstep,
  'trust': _trust,
  'scores of images': _scores_of_images,
  'scores of drives': _scores_of_drives,
  'conditions': _condition,
  'restoring': _restoring,
  'dynamics': _dynamics,
  'learned': _learned,
}


def _check(networks, function, *args):
  found = rounding.products(function, *args)
  assert found
  default = {x.place for x in found if not x.is_whole}
  files = {place.split(' ')[0] for place in default}
  assert files <= NETWORKS.keys(), default
  assert files == set(networks)


@pytest.mark.parametrize(
  'name',
  [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in CASES],
)
def test_only_networks_have_products_that_are_not_whole_float32(name):
  _check(NETWORKS_OF.get(name, ()), CASES[name], _scene())


def test_so_it_is_in_the_world_of_solids():
  config = world.Config(height=HEIGHT, width=WIDTH, num_lidar=64)
  street = world.build(1, config)

  def see(street, agents, camera):
    image = world.render(street, camera, agents, street.sizes, street.classes)
    return image, recording._scan(street, agents, 0)

  _check((), see, street, _agents(len(street.sizes)), _cameras())


@pytest.mark.slow
def test_so_it_is_in_an_update_by_reinforcement(road):
  networks = ['rdrl/policy/network.py', 'rdrl/policy/state.py']
  _check(networks, *_reinforcement(road))


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
