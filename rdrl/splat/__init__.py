# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Gaussians: rendered, fitted, relocated, saved and loaded."""

from rdrl.splat.config import Config as Config
from rdrl.splat.render import Rendered as Rendered
from rdrl.splat.render import render as render
from rdrl.splat.render import render_scene as render_scene
