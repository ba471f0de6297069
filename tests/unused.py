# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Names that vulture takes for unused and that stay, each with its reason."""
# ruff: noqa: B018, F821

# Called by frameworks.
_split_generators  # tensorflow-datasets, of a builder.
setup  # flax, of a module.
StartElementHandler  # expat, as the three below.
EndElementHandler
CharacterDataHandler
EntityDeclHandler
pack_info  # nerfacc, of which a bench replaces these.
num_pixels
exclusive_prod

# Interfaces for users.
BraxEnv
observation_size
action_size
GymEnv
observation_space
information_gain  # Of `splat.trust`: what any view would teach.
