# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Samples joint futures: free, guided to a collision, or from a proposal.

Guidance moves the data that the network predicts down the gradient of an
objective, without a gradient through the network, as Safe-Sim does ("clean"
guidance, Rempe et al., arXiv 2304.01893). It is scaled by sin(angle), so that
the network has the last word. A proposal enters as in SDEdit and in Safe-Sim's
partial diffusion: it is noised to a level below the highest and denoised again.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import trees
from rdrl import types
from rdrl.prior import diffusion
from rdrl.scenario.learned import config as config_lib
from rdrl.scenario.learned import guidance as guidance_lib
from rdrl.scenario.learned import model as model_lib
from rdrl.scenario.learned import motion
from rdrl.scenario.learned import network
from rdrl.scenario.learned import traffic as traffic_lib

# Place of the adversary in the views that `propose` makes; the ego is 0.
ADVERSARY = 1


def sample(
  model: model_lib.Model,
  view: traffic_lib.View,
  known,
  key,
  adversary=ADVERSARY,
  drivable=None,
  guidance: config_lib.Guidance | None = None,
  start: types.AgentState | None = None,
  strength=1.0,
) -> types.AgentState:
  """Samples a joint future of the agents of a view; call it inside of `jit`.

  Args:
    model: a trained one.
    view: the present, the ego first; `view.future` holds known futures, such as
      the ego's plan.
    known: `[N]` bool, whose futures are known; one that is not valid throughout
      is sampled all the same.
    key: of the noise.
    adversary: `[]` int32, the agent that guidance lets collide with the ego.
    drivable: raster of the scene, for guidance.
    guidance: its weights; None samples freely.
    start: `[F, N]` proposal for agents that are not known, used where valid
      throughout; None starts from noise.
    strength: `[]` above 0, where to start, as a share of the angle of the noise
      level `sigma_max`: 1 keeps nothing of the proposal, 0 all.

  Returns:
    `AgentState` `[F, N]`, valid for agents that are valid now; known futures as
    given.

  Raises:
    ValueError: if guidance lacks a raster.
  """
  config = model.config
  if guidance is not None and drivable is None:
    raise ValueError('sample: guidance needs the raster `drivable`')
  whole = view.now.valid & jnp.all(view.future.valid, 0)
  known = known & whole
  net = model_lib.denoiser(config)
  seen = network.features(view, known, config.knot_steps)
  encoded = net.apply(model.params, seen, method='encode')
  planned = model_lib.latents(view, model.scale, config)
  planned = jnp.where(known[:, None], planned, 0)

  def tracks(data):
    return _unroll(view, known, data, model)

  def predict(noisy, angle):
    noisy = jnp.where(known[:, None], planned, noisy)
    angles = jnp.where(known, 0, angle)
    found = net.apply(model.params, noisy, angles, encoded, method='denoise')
    if guidance is not None:
      data = diffusion.data_from_velocity(noisy, found, angle)
      # v = (cos z - data) / sin: a change of the data by sin(angle) times the
      # descent is one of the velocity by the descent.
      share = jnp.sin(angle)
      found = found - _descent(
        lambda offset: guidance_lib.objective(
          tracks(data + share * offset), view, adversary, drivable, guidance
        ),
        data,
        guidance,
      )
    return jnp.where(known[:, None], 0, found)

  origin = jnp.zeros_like(planned)
  levels = diffusion.noise_levels(
    config.sampler_steps, config.sigma_max, config.sigma_min
  )
  if start is not None:
    highest = jnp.tan(strength * jnp.arctan(config.sigma_max))
    levels = levels * (highest / config.sigma_max)
    proposed = model_lib.latents(
      view.replace(future=start), model.scale, config
    )
    usable = jnp.all(start.valid, 0) & view.now.valid
    origin = jnp.where(usable[:, None], proposed, 0)
  noise = jax.random.normal(key, planned.shape)
  return tracks(diffusion.sample(predict, noise, levels, 'euler', origin))


def _descent(objective, data, guidance):
  """Offset after some steps of clipped gradient descent from zero."""

  def step(offset, _):
    gradient = jax.grad(objective)(offset)
    length = geometry.safe_norm(gradient, keepdims=True)
    return offset - guidance.rate * gradient / jnp.maximum(length, 1), None

  return jax.lax.scan(step, jnp.zeros_like(data), length=guidance.num_steps)[0]


def _unroll(view, known, data, model):
  """`AgentState` `[F, N]` of `[N, Z]`, known futures as given."""
  config = model.config
  actions = data.reshape(-1, config.num_knots, 2) * model.scale
  drawn = jax.vmap(motion.unroll, (0, 0, 0, None), 1)(
    view.now, actions, view.wheeled, config
  )
  return jax.tree.map(
    lambda given, x: jnp.where(
      known.reshape(-1, *(1,) * (x.ndim - 2)), given, x
    ),
    view.future,
    drawn,
  )


def propose(
  model: model_lib.Model,
  scene: types.Scene,
  step,
  agent,
  keys,
  guidance=None,
  track: types.AgentState | None = None,
  strength=0.6,
  others_known=True,
) -> types.AgentState:
  """Proposes tracks for one agent of a scene that should hit the ego.

  They follow the recording up to `step`, then the model, which knows the ego's
  plan, for its horizon, then go straight at the last speed; a car follower can
  take over there. `scenario.checks` tests whether they can be driven and
  avoided.

  Args:
    model: a trained one.
    scene: one; the ego's track is its plan.
    step: at which the edit begins.
    agent: to edit, valid at `step`.
    keys: `[n]`, one for each track.
    guidance: `Guidance`; None samples freely.
    track: `[T]` proposal of another generator, of which sampling keeps what
      `strength` leaves; None starts from noise.
    strength: see `sample`.
    others_known: whether the other agents follow their recording, as in a
      scenario that replays them; else they are sampled, too, and dropped.

  Returns:
    `AgentState` `[n, T]` on the device, valid from the agent's first valid step
    in the recording.

  Raises:
    ValueError: if the agent is the ego or not there, or the scene too short.
  """
  valid = np.asarray(scene.tracks.valid)
  if not 0 < agent < valid.shape[1] or not 0 <= step < len(valid) - 1:
    raise ValueError(
      f'propose: agent {agent} at step {step}: the scene has agents 1 to'
      f' {valid.shape[1] - 1} and steps 0 to {len(valid) - 1}'
    )
  if not valid[step, agent]:
    raise ValueError(f'propose: agent {agent} is not there at step {step}')
  traffic = traffic_lib.prepare(scene, model.config)
  return _propose(
    model,
    traffic,
    jax.tree.map(jnp.asarray, scene.ground),
    jnp.int32(step),
    jnp.int32(agent),
    keys,
    guidance,
    track,
    strength,
    others_known,
  )


@functools.partial(jax.jit, static_argnames='others_known')
def _propose(
  model,
  traffic,
  ground,
  step,
  agent,
  keys,
  guidance,
  track,
  strength,
  others_known,
):
  config = model.config
  recorded = jax.tree.map(lambda x: x[:, agent], traffic.tracks)
  # The ego's plan may extend beyond the end of the recording.
  traffic = traffic.replace(
    tracks=_continued(traffic.tracks, config.future_steps)
  )
  view = traffic_lib.look(traffic, step, 0, config, agent)
  slots = jnp.arange(config.num_agents)
  known = (slots == 0) | (others_known & (slots != ADVERSARY))
  start = None
  if track is not None:
    track = _continued(jax.tree.map(jnp.asarray, track), config.future_steps)
    ahead = step + jnp.arange(1, config.future_steps + 1)
    start = jax.tree.map(
      lambda x, new: x.at[:, ADVERSARY].set(new[ahead]), view.future, track
    )

  def one(key):
    future = sample(
      model,
      view,
      known,
      key,
      ADVERSARY,
      traffic.drivable,
      guidance,
      start,
      strength,
    )
    drawn = trees.take(future, (slice(None), ADVERSARY))
    return _track(recorded, drawn, step, ground)

  return jax.vmap(one)(keys)


def _continued(tracks, count):
  """Extends tracks `[T, ...]` by `count` steps, straight at the last speed."""
  last = trees.take(tracks, -1)
  time = types.TIME_STEP * jnp.arange(1, count + 1)
  time = time.reshape(-1, *(1,) * last.yaw.ndim)
  velocity = last.speed[..., None] * jnp.stack(
    [jnp.cos(last.yaw), jnp.sin(last.yaw)], -1
  )
  more = jax.tree.map(
    lambda x: jnp.broadcast_to(x, (count, *x.shape)), last
  ).replace(xy=last.xy + time[..., None] * velocity)
  return jax.tree.map(lambda *x: jnp.concatenate(x), tracks, more)


def _track(recorded, drawn, step, ground):
  """`[T]`: the recording up to `step`, the sample, then straight ahead."""
  count = len(recorded.valid)
  steps = jnp.arange(count)
  future = trees.take(
    _continued(drawn, count), jnp.maximum(steps - step - 1, 0)
  )
  now = trees.take(recorded, step)
  clearance = now.z - geometry.sample_grid(ground, now.xy)
  future = future.replace(z=geometry.sample_grid(ground, future.xy) + clearance)
  is_past = steps <= step
  return jax.tree.map(
    lambda old, new: jnp.where(
      is_past.reshape(-1, *(1,) * (new.ndim - 1)), old, new
    ),
    recorded,
    future,
  )
