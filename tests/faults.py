# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Collisions of an ego, and whether nuPlan has them as its fault.

Ego and other are x, y, yaw and speed, boxes of 4.6 m by 1.9 m; the lane of the
ego is 3.5 m wide around y = 0. See `rdrl.sim.events.is_blamed`.
"""

import numpy as np

from rdrl import types

CAR = (4.6, 1.9, 1.5)
_OPPOSITE = float(np.pi)

# Ego, other, class of the other, whose fault.
FAULTS = (
  # Runs into a standing car, and is run into.
  ((0.0, 0, 0, 10), (4.5, 0.0, 0, 0), types.VEHICLE, True),
  ((0.0, 0, 0, 10), (-4.5, 0.3, 0, 15), types.VEHICLE, False),
  # The same with little overlap of the sides.
  ((0.0, 0, 0, 10), (4.0, 1.7, 0, 0), types.VEHICLE, True),
  ((0.0, 0, 0, 10), (-4.0, 1.7, 0, 15), types.VEHICLE, False),
  # Stands while an oncoming car does not.
  ((0.0, 0, 0, 0), (4.5, 0.0, 3.1, 5), types.VEHICLE, False),
  # Another moves over: the front bumper meets it, or a side does.
  ((0.0, 0, 0, 10), (2.5, 1.8, -0.1, 10), types.VEHICLE, True),
  ((0.0, 0, 0, 10), (-1.0, 1.8, -0.1, 10), types.VEHICLE, False),
  # In its lane, which the other is in, too; and when it had left it.
  ((0.0, 0, 0.1, 10), (-1.0, 1.8, 0, 10), types.VEHICLE, False),
  ((0.0, 1.2, 0, 10), (-1.0, 3.0, -0.1, 10), types.VEHICLE, True),
  ((0.0, 0.4, 0.2, 10), (-1.0, 2.0, 0, 10), types.VEHICLE, True),
  # Drifts within its lane into a parked car beside, into a pedestrian who
  # stands, and into one who walks along.
  ((0.0, 0.3, 0.03, 10), (-0.3, 2.1, 0, 0), types.VEHICLE, True),
  ((0.0, 0.3, 0.03, 10), (-1.0, 1.4, 0, 0), types.PEDESTRIAN, True),
  ((0.0, 0.3, 0.03, 10), (-1.0, 1.4, 0, 1), types.PEDESTRIAN, False),
  # An object stands, whatever its track says.
  ((0.0, 0.3, 0.03, 10), (-1.0, 1.4, 0, 0.2), types.OTHER, True),
  # Backs into a car and into a pedestrian who stand, and into one who drives.
  ((0.0, 0, 0, -2), (-4.5, 0.0, 0, 0), types.VEHICLE, True),
  ((0.0, 0, 0, -2), (-4.5, 0.0, 0, 0), types.PEDESTRIAN, True),
  ((0.0, 0, 0, -2), (-4.5, 0.0, 0, 2), types.VEHICLE, False),
  # Is backed into while it stands.
  ((0.0, 0, 0, 0), (4.5, 0.0, 0, -2), types.VEHICLE, False),
)
