# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The straight road of the simulator's tests, for scenarios."""

import importlib.util
import pathlib

_PATH = pathlib.Path(__file__).parents[1] / 'sim' / 'conftest.py'
_SPEC = importlib.util.spec_from_file_location('straight_road', _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)

road = _MODULE.road
