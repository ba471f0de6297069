# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The drawing shows where everything is when, in the pixels of its frame."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from rdrl import types
from rdrl.report import animation
from rdrl.report import top_view
from rdrl.sim import anchors
from tests.report.drives import SUBSTEPS
from tests.report.drives import TIME
from tests.report.drives import hit
from tests.report.drives import lane_map
from tests.report.drives import straight
from tests.report.drives import turning

NAME = '{http://www.w3.org/2000/svg}'
# The end stays for a second.
SECONDS = TIME[-1] + 1.0


def _svg(drive, title='', **kwargs):
  return ElementTree.fromstring(
    animation.svg(drive, lane_map(), title, **kwargs)
  )


def _agents(root):
  return root.findall(f".//{NAME}g[@class='agent']")


def _values(element, kind):
  """Values of a transform, one for each state and the last one again."""
  (found,) = element.iter(f'{NAME}animateTransform')
  assert found.get('type') == kind
  values = found.get('values').split(';')
  times = found.get('keyTimes').split(';')
  assert len(values) == len(times)
  assert (times[0], times[-1]) == ('0', '1')
  return np.array([[float(x) for x in value.split()] for value in values])


def _shown(element):
  """Seconds at which an element appears and disappears."""
  (found,) = element.findall(f'{NAME}animate')
  assert found.get('attributeName') == 'visibility'
  seconds = float(found.get('dur').removesuffix('s'))
  return [
    (value, pytest.approx(float(time) * seconds, abs=2e-3))
    for value, time in zip(
      found.get('values').split(';'),
      found.get('keyTimes').split(';'),
      strict=True,
    )
  ]


def _points(element):
  return np.array(
    [
      [float(x) for x in point.split(',')]
      for point in element.get('points').split()
    ]
  )


def test_boxes_go_where_the_record_has_them():
  other = np.stack([TIME * 6 + 14, 3.5 + 0 * TIME], -1)
  drive = straight(other=(other, 0, 6))
  frame = top_view.fit_frame([drive])
  ego, agent = _agents(_svg(drive, frame=frame))[::-1]
  for element, index in ((ego, 0), (agent, 1)):
    expected = frame.pixels(drive.agents.xy[:, index])
    found = _values(element, 'translate')
    np.testing.assert_allclose(found[:-1], expected, atol=0.051)
    assert np.array_equal(found[-1], found[-2])
  (box,) = ego.iter(f'{NAME}rect')
  assert float(box.get('width')) == pytest.approx(4 * frame.scale, abs=0.06)
  assert float(box.get('height')) == pytest.approx(2 * frame.scale, abs=0.06)


def test_a_turn_through_the_back_does_not_spin():
  yaw = np.pi - 0.5 + 0.25 * TIME
  drive = turning(straight(0.0), yaw)
  frame = top_view.fit_frame([drive])
  found = _values(_agents(_svg(drive, frame=frame))[-1], 'rotate')[:-1, 0]
  np.testing.assert_allclose(np.diff(found), -np.degrees(0.025), atol=0.11)
  assert found[0] == pytest.approx(np.degrees(frame.yaw - yaw[0]), abs=0.051)


def test_who_is_not_there_is_not_shown():
  assert len(_agents(_svg(straight()))) == 1
  drive = straight(other=([20.0, 3.5], 0, 0))
  drive.agents.valid[:10, 1] = False
  drive.agents.xy[:10, 1] = np.nan
  agent, ego = _agents(_svg(drive))
  assert _shown(agent) == [('hidden', 0), ('visible', 1.0)]
  assert not ego.findall(f'{NAME}animate')
  assert 'nan' not in ElementTree.tostring(agent, 'unicode')


def test_collision_is_marked_at_the_end():
  assert _svg(straight()).find(f'.//{NAME}circle') is None
  drive = hit()
  frame = top_view.fit_frame([drive])
  mark = _svg(drive, frame=frame).find(f'.//{NAME}circle')
  assert _shown(mark) == [('hidden', 0), ('visible', 1.2)]
  place = [float(mark.get('cx')), float(mark.get('cy'))]
  assert place == pytest.approx(frame.pixels([12, 0]).tolist(), abs=0.051)


def _planned(drive, frame):
  plans = _svg(drive, frame=frame).findall(f".//{NAME}polyline[@class='plan']")
  return [(_shown(plan), _points(plan)) for plan in plans]


def test_plan_leads_to_its_anchor_while_its_decision_holds():
  drive = straight()
  column, row = 40, 20
  drive.action[3] = column, row
  frame = top_view.fit_frame([drive])
  # What the steering cannot reach is no plan.
  assert not anchors.feasible[0, 0]
  ((shown, points),) = _planned(drive, frame)
  assert shown == [('hidden', 0), ('visible', 1.5), ('hidden', 2.0)]
  start = np.array([drive.agents.xy[3 * SUBSTEPS, 0, 0], 0])
  anchor = [anchors.LONGITUDINAL[row], anchors.LATERAL[column]]
  ends = frame.pixels([start, start + anchor])
  np.testing.assert_allclose(points[[0, -1]], ends, atol=0.051)
  drive.action[3] = anchors.STRAIGHT, row
  ((_, points),) = _planned(drive, frame)
  ends = frame.pixels([start[0] + anchors.LONGITUDINAL[row], 0])
  np.testing.assert_allclose(points[-1], ends, atol=0.051)


def test_plan_turns_with_the_ego():
  drive = turning(straight(), np.full(len(TIME), np.pi / 2))
  drive.action[0] = anchors.STRAIGHT, 40
  frame = top_view.fit_frame([drive])
  ((_, points),) = _planned(drive, frame)
  np.testing.assert_allclose(points[-1], frame.pixels([0, 10]), atol=0.051)


def test_reward_terms_of_each_decision_are_below():
  drive = straight(last=12, dynamic_collision=2)
  drive.reward[:, 4] = 0.5
  drive.reward[2, 0] = -1
  cells = [
    (cell.get('fill'), float(cell.find(f'{NAME}title').text))
    for cell in _svg(drive).iter(f'{NAME}rect')
    if cell.get('class') == 'reward'
  ]
  assert len(cells) == len(types.REWARD_TERMS) * len(drive.active)
  # Those after the end count nothing.
  assert [x for _, x in cells if x] == [-1] + [0.5] * 3
  colors = {x: color for color, x in cells}
  for x, share in ((-1, -1), (0.5, 1), (0, 0)):
    color = bytes(top_view.reward_color(share)).hex()
    assert colors[x] == f'#{color}'
  assert '+1.50' in [x.text for x in _svg(drive).iter(f'{NAME}text')]


def test_it_plays_in_real_time_and_again():
  text = animation.svg(straight(), lane_map())
  assert set(re.findall(r'dur="(.*?)s"', text)) == {f'{SECONDS:.0f}'}
  assert text.count('dur=') == text.count('repeatCount="indefinite"') > 0


def test_lanes_that_the_frame_does_not_show_are_left_out():
  drive = straight()
  frame = top_view.Frame((0.0, 300.0), 0.0, 5.0, 300, 100)
  drawn = [x for x in _svg(drive, frame=frame).iter(f'{NAME}polygon')]
  assert not drawn
  assert _svg(drive).find(f'.//{NAME}polygon') is not None


def test_the_same_drive_gives_the_same_file_with_its_title_escaped(tmp_path):
  paths = tmp_path / 'a.svg', tmp_path / 'b.svg'
  for path in paths:
    animation.write(path, hit(), lane_map(), 'a <b> & c')
  assert paths[0].read_bytes() == paths[1].read_bytes()
  root = ElementTree.parse(paths[0]).getroot()
  assert root.find(f'{NAME}title').text == 'a <b> & c'


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
