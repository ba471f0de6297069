# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Scenarios that are drawn anew in a compiled step of training."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from rdrl import scenario
from rdrl import trees
from rdrl import types
from rdrl.sim import stack


@struct.dataclass
class Drawer:
  """Draws scenarios of several scenes. Make it with `create`.

  Attributes:
    contexts: `[S]` of scenes.
    places: `[S]` int32, of each scene among those of the environment.
    config: static, a `scenario.Config`.
    num_tries: static, adversaries to choose from.
  """

  contexts: scenario.Context
  places: types.Array
  config: scenario.Config = struct.field(pytree_node=False)
  num_tries: int = struct.field(pytree_node=False)

  @classmethod
  def create(cls, scenes, config, num_tries):
    """Prepares scenes.

    Args:
      scenes: place in the environment to `Scene`; of equal numbers of steps and
        agents.
      config: a `scenario.Config`.
      num_tries: adversaries that each draw chooses from.

    Raises:
      ValueError: if there is no scene, or an ego is not valid throughout.
    """
    if not scenes:
      raise ValueError('Drawer: no scene to draw scenarios in')
    contexts = [scenario.prepare(scene) for scene in scenes.values()]
    grids = {
      name: stack.grids([getattr(context, name) for context in contexts])
      for name in ('drivable', 'occupancy', 'ground')
    }
    bare = [context.replace(**dict.fromkeys(grids)) for context in contexts]
    return cls(
      contexts=trees.stack(bare).replace(**grids),
      places=np.array(list(scenes), np.int32),
      config=config,
      num_tries=num_tries,
    )

  def draw(self, key, count, target) -> types.Scenario:
    """`Scenario` `[count]`, each of a scene at random.

    Args:
      key: one key gives one set of scenarios.
      count: static.
      target: `[]` difficulty to aim at, see `scenario.next_target`.
    """
    scene_key, key = jax.random.split(key)
    rows = jax.random.randint(scene_key, (count,), 0, len(self.places))

    def one(inputs):
      row, key = inputs
      return scenario.draw_scenario(
        trees.take(self.contexts, row),
        key,
        target,
        self.places[row],
        self.config,
        self.num_tries,
      )

    # One after the other: an adversary and its checks are large already.
    return jax.lax.map(one, (rows, jax.random.split(key, count)))


def next_target(target, scenarios, failed, config):
  """The difficulty to aim at after drives of scenarios that were drawn.

  Args:
    target: `[]` so far.
    scenarios: `Scenario` `[n]`.
    failed: `[n]` bool, whether the policy did.
    config: a `scenario.Config`.
  """
  is_edited = scenarios.adversary != 0
  count = jnp.sum(is_edited)
  success = jnp.sum(is_edited & ~failed) / jnp.maximum(count, 1)
  moved = scenario.next_target(target, success, config)
  return jnp.where(count > 0, moved, target)
