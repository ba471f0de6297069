# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Environments of built-in streets that nobody recorded or reconstructed."""

import dataclasses

import jax
import numpy as np
import tqdm

from rdrl import scenario
from rdrl import sim
from rdrl import trees
from rdrl import types
from rdrl import world


@dataclasses.dataclass(frozen=True)
class Streets:
  """Streets, the scenes that they are and what may happen there.

  Attributes:
    streets: list of `world.Street`.
    scenes: list of `Scene` by geometry alone.
    scenarios: `Scenario` `[V]` of all.
  """

  streets: list[world.Street]
  scenes: list[types.Scene]
  scenarios: types.Scenario


def build(seeds, world_config, scenario_config, key) -> Streets:
  """Builds streets and draws their scenarios.

  Args:
    seeds: of the streets.
    world_config: `world.Config`.
    scenario_config: `scenario.Config`.
    key: a street's scenarios depend on it and on the street's seed.
  """
  streets, scenes, scenarios = [], [], []
  for index, seed in enumerate(tqdm.tqdm(seeds, desc='streets')):
    street = world.build(seed, world_config)
    place = world.scene(street)
    found, _ = scenario.expand(
      place, index, scenario_config, jax.random.fold_in(key, seed)
    )
    streets.append(street)
    scenes.append(place)
    scenarios.append(found)
  return Streets(streets, scenes, trees.concatenate(scenarios))


def environment(streets: Streets, config, is_drawn) -> sim.Env:
  """Makes an environment of streets.

  Args:
    streets: from `build`.
    config: `sim.Config`.
    is_drawn: whether cameras see the ray-cast street; else images are black.
  """
  scenes = streets.scenes
  if is_drawn:
    renderer = world.Renderer.create(
      streets.streets,
      np.stack([place.sizes for place in scenes]),
      np.stack([place.classes for place in scenes]),
    )
  else:
    renderer = sim.NoRenderer(
      len(scenes[0].intrinsics), config.image_height, config.image_width
    )
  return sim.Env.create(scenes, streets.scenarios, renderer, config)
