# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Reads and validates prepared logs as `types.Log`."""

from rdrl.logs.checks import LogError as LogError
from rdrl.logs.checks import check_times as check_times
from rdrl.logs.checks import validate as validate
from rdrl.logs.dataset import names as names
from rdrl.logs.dataset import read as read
from rdrl.logs.grids import distance_grid as distance_grid
from rdrl.logs.grids import polygon_mask as polygon_mask
from rdrl.logs.images import decode_image as decode_image
from rdrl.logs.images import encode_image as encode_image
from rdrl.logs.images import read_image as read_image
from rdrl.logs.images import with_ego_masks as with_ego_masks
from rdrl.logs.maps import corridor_map as corridor_map
from rdrl.logs.scenes import geometric_scene as geometric_scene
from rdrl.logs.shapes import keep_nearest as keep_nearest
from rdrl.logs.shapes import map_shape as map_shape
from rdrl.logs.shapes import pad_agents as pad_agents
from rdrl.logs.shapes import pad_map as pad_map
from rdrl.logs.shapes import resize as resize
