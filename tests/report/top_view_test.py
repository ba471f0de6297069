# Copyright 2026 The rdrl Authors. Apache-2.0.

import sys

import numpy as np
import pytest

from rdrl import types
from rdrl.report import top_view

STATES, DECISIONS = 11, 2


def _states(xy, yaw):
  xy = np.float32(xy)
  shape = xy.shape[:-1]
  return types.AgentState(
    xy=xy,
    z=np.zeros(shape, np.float32),
    yaw=np.broadcast_to(np.float32(yaw), shape),
    speed=np.full(shape, 10, np.float32),
    valid=np.ones(shape, bool),
  )


def _drive(yaw=0.0, last=STATES - 1, hits=False):
  """An ego going 10 m along `yaw`, an adversary 6 m to its left, one beyond."""
  forward = np.array([np.cos(yaw), np.sin(yaw)])
  left = np.array([-forward[1], forward[0]])
  way = np.arange(STATES)[:, None] * forward
  agents = np.stack([way, way + 6 * left, way + 9 * left], 1)
  no = np.zeros(DECISIONS, bool)
  zero = np.zeros(DECISIONS, np.float32)
  return types.Drive(
    agents=_states(agents, yaw),
    valid=np.arange(STATES) <= last,
    sizes=np.float32([[4, 2, 1.5]] * 3),
    classes=np.ones(3, np.int32),
    reference=_states(way, yaw),
    path=_states(way, yaw),
    drivable=np.ones(STATES, np.float32),
    action=np.zeros((DECISIONS, 2), np.int32),
    reward=np.float32([[0, 0, 0, 0, 1, 0, 0], [-1, 0, 0, 0, 1, 0, 0]]),
    events=types.Events(
      dynamic_collision=np.array([False, hits]),
      static_collision=no,
      position_deviation=no,
      heading_deviation=no,
      at_fault=no,
      front=zero,
      obstacle_side=zero,
      position_side=zero,
      heading_side=zero,
    ),
    active=np.arange(DECISIONS) * 5 < last,
    terminated=np.bool_(hits),
    scenario=np.int32(0),
    adversary=np.int32(1),
    behaviour=np.int32(1),
  )


def _map():
  lines = types.Polylines(
    xy=np.float32([[[-50, 0], [50, 0]]]), valid=np.ones((1, 2), bool)
  )
  return types.NO_MAP.replace(lanes=lines, lane_width=np.float32([3.5]))


def _middle(image, color):
  """Mean pixel xy of a colour."""
  rows, columns = np.nonzero(np.all(image == np.uint8(color), -1))
  assert rows.size, color
  return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize('yaw', [0.0, 2.0, -1.2])
def test_way_runs_to_the_right_and_left_is_up(yaw):
  drive = _drive(yaw)
  frame = top_view.fit_frame([drive], 300, 200)
  image = top_view.picture(drive, _map(), frame, every=100)
  ego = _middle(image, top_view.EGO)
  adversary = _middle(image, top_view.ADVERSARY)
  other = _middle(image, top_view.OTHERS)
  # The blue way behind the ego pulls its mean to the left.
  assert ego[0] == pytest.approx(adversary[0], abs=40)
  assert other[1] < adversary[1] < ego[1]
  assert adversary[1] - other[1] == pytest.approx(3 * frame.scale, abs=2)
  ends = frame.pixels(np.asarray(drive.reference.xy)[[0, -1]])
  assert ends[1] - ends[0] == pytest.approx([10 * frame.scale, 0], abs=0.1)


def test_frame_holds_every_way():
  drives = [_drive(), _drive(0.5)]
  frame = top_view.fit_frame(drives, 300, 100)
  for drive in drives:
    pixels = frame.pixels(np.asarray(drive.agents.xy)[:, 0])
    assert (pixels >= 0).all()
    assert (pixels <= [300, 100]).all()


def test_animation_has_a_frame_for_each_state_until_the_end():
  frames = top_view.animate(_drive(last=7), _map())
  assert len(frames) == 8
  assert frames.dtype == np.uint8
  assert np.array_equal(frames, top_view.animate(_drive(last=7), _map()))


def test_collision_is_marked_at_the_end_only():
  def marked(image):
    return np.all(image == np.uint8(top_view.COLLISION), -1).any()

  frames = top_view.animate(_drive(hits=True), _map())
  assert marked(frames[-1])
  assert not any(marked(frame) for frame in frames[:-1])
  assert not marked(top_view.animate(_drive(), _map())[-1])


def test_reward_terms_appear_when_their_decision_begins():
  frames = top_view.animate(_drive(), _map())
  rewards = frames[:, 240:]

  def shown(frame, color):
    return np.all(frame == np.uint8(color), -1).sum()

  gained = [shown(frame, top_view.REFERENCE) for frame in rewards]
  assert gained[0] == 0
  assert 0 < gained[1] == gained[5] < gained[6] == gained[10]
  lost = [shown(frame, top_view.ADVERSARY) for frame in rewards]
  assert lost[5] == 0 < lost[6]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
