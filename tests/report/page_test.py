# Copyright 2026 The rdrl Authors. Apache-2.0.

import functools
import html.parser
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
from typing import ClassVar

import imageio_ffmpeg
import numpy as np
from PIL import Image
import pytest

from rdrl import trees
from rdrl import types
from rdrl.report import content as content_lib
from rdrl.report import page
from rdrl.report import top_view
from tests.report.drives import lane_map

STATES, DECISIONS, AGENTS, PATH = 41, 8, 3, 61
CAMERAS = ('left', 'front')


def drive(scenario, last=STATES - 1, sway=0.3):
  """A hand-made drive; one that ends before its record hits the adversary."""
  t = np.arange(STATES) * types.TIME_STEP
  xy = np.stack(
    [
      np.stack([8 * t, sway * np.sin(t)], -1),
      np.stack([14 + 6 * t, 3.5 - 0.9 * np.minimum(t, 3.5)], -1),
      np.stack([40 - 5 * t, np.full(STATES, 3.5)], -1),
    ],
    1,
  )
  yaw = np.stack([0.05 * np.cos(t), -0.1 + 0 * t, np.pi + 0 * t], -1)
  speed = np.stack([8 + 0 * t, 6 + 0 * t, 5 + 0 * t], -1)
  path = np.stack([np.arange(PATH) * 0.8, np.zeros(PATH)], -1)

  def states(xy, yaw, speed):
    shape = xy.shape[:-1]
    return types.AgentState(
      xy=np.float32(xy),
      z=np.zeros(shape, np.float32),
      yaw=np.broadcast_to(np.float32(yaw), shape),
      speed=np.broadcast_to(np.float32(speed), shape),
      valid=np.ones(shape, bool),
    )

  active = np.arange(DECISIONS) * 5 < last
  hit = (np.arange(DECISIONS) == active.sum() - 1) & (last < STATES - 1)
  no = np.zeros(DECISIONS, bool)
  zero = np.zeros(DECISIONS, np.float32)
  reward = np.zeros((DECISIONS, len(types.REWARD_TERMS)), np.float32)
  reward[:, 4] = 0.1 * active
  reward[:, 0] = -1.0 * hit
  return types.Drive(
    agents=states(xy, yaw, speed),
    valid=np.arange(STATES) <= last,
    sizes=np.float32([[4.6, 1.9, 1.5]] * AGENTS),
    classes=np.int32([types.VEHICLE] * AGENTS),
    reference=states(path[np.minimum(np.arange(STATES), last)], 0, 8),
    path=states(path, 0, 8),
    drivable=np.ones(STATES, np.float32),
    action=np.zeros((DECISIONS, 2), np.int32),
    reward=reward,
    events=types.Events(
      dynamic_collision=hit,
      static_collision=no,
      position_deviation=no,
      heading_deviation=no,
      at_fault=hit,
      front=hit.astype(np.float32),
      obstacle_side=zero,
      position_side=zero,
      heading_side=zero,
    ),
    active=active,
    terminated=hit.any(),
    scenario=np.int32(scenario),
    adversary=np.int32(1),
    behaviour=np.int32(scenario % 2 + 1),
  )


def _images(count, seed, height=24, width=40):
  rng = np.random.default_rng(seed)
  coarse = rng.integers(0, 255, (1, len(CAMERAS), 4, 5, 3))
  fine = coarse.repeat(height // 4, 2).repeat(width // 5, 3)
  shift = np.arange(count).reshape(-1, 1, 1, 1, 1)
  return ((fine + 3 * shift) % 256).astype(np.uint8)


def content(num_drives=6):
  """A report with every section."""
  baseline = [drive(i, 20 if i % 2 else STATES - 1) for i in range(num_drives)]
  better = [
    drive(i, 25 if i == 1 else STATES - 1, 0.1) for i in range(num_drives)
  ]
  drives = {
    'imitation': trees.stack(baseline),
    'PPO': trees.stack(better),
  }
  offsets = [0.0, 1.0, 2.0, 3.0]
  steps = np.arange(0, 200, 10)
  return content_lib.Content(
    title='A made-up run',
    facts={'preset': 'quickstart', 'seed': 0},
    timing={'fit': 12.5},
    reconstructions=[
      content_lib.Reconstruction(
        name='street 1',
        cameras=CAMERAS,
        frames={'recorded': _images(9, 0), 'reconstructed': _images(9, 1)},
        held_out=np.arange(9) % 8 == 0,
        psnr={
          'all cameras': {'first fit': 26.0, 'refined': 25.9},
          'front': {'first fit': 26.5, 'refined': float('nan')},
        },
      )
    ],
    shifts=[
      content_lib.Shift(
        name='street 1',
        cameras=CAMERAS,
        offset=3.0,
        recorded=_images(5, 8),
        frames={
          'as reconstructed': _images(5, 2),
          'as restored': _images(5, 3),
          'after refinement': _images(5, 4),
          'truth': _images(5, 5),
        },
        psnr={
          'first fit': (offsets, [26, 22, 20, 18.0]),
          'refined': (offsets, [25.9, 22.6, 21, 19.25]),
        },
      )
    ],
    scenarios=content_lib.Scenarios(
      counts={'accepted': 40, 'overlap': 7, 'unavoidable': 3},
      difficulty={'cut in': [1.0, 1.5, 3.0], 'hard brake': [2.0, 2.5]},
      difficulty_label='required deceleration in m/s²',
      balance={
        'before': {'below 0 m/s': 0.9, 'above 0 m/s': 0.1},
        'after': {'below 0 m/s': 0.6, 'above 0 m/s': 0.4},
      },
      residuals={'drive 7': (0.0283, 0.061)},
      never_accepted={'dart_out': 'no agent 64'},
    ),
    curves=[
      content_lib.Curve.from_lines(
        'Imitation',
        [{'step': int(i), 'loss': float(np.exp(-i / 50))} for i in steps],
        {'loss': 'cross entropy'},
        'loss',
        'Loss on the demonstrations.',
      ),
    ],
    driving=content_lib.Driving(
      drives={'training simulator': drives, 'ray-cast world': drives},
      maps=[lane_map()],
      scenes=[0] * num_drives,
      behaviours=('log', 'cut_in', 'hard_brake'),
      num_worst=2,
    ),
    showcases=[
      content_lib.Showcase(
        name='Cut-in',
        caption='Scenario 1.',
        cameras=CAMERAS,
        lane_map=lane_map(),
        drives={
          'imitation': (baseline[1], _images(21, 6)),
          'PPO': (better[0], _images(STATES, 7)),
        },
      )
    ],
  )


class _Links(html.parser.HTMLParser):
  def __init__(self):
    super().__init__()
    self.found, self.open = [], []

  def handle_starttag(self, tag, attrs):
    if tag not in ('meta', 'link', 'img', 'br'):
      self.open.append(tag)
    self.found += [v for k, v in attrs if k in ('src', 'href')]

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def links(index):
  """What a page refers to, after checking that its tags are balanced."""
  parser = _Links()
  parser.feed(index.read_text())
  assert not parser.open
  return parser.found


@pytest.fixture(scope='module')
def full(tmp_path_factory):
  return page.write(tmp_path_factory.mktemp('full') / 'report', content())


def test_everything_referred_to_is_there_and_nothing_else_is(full):
  listing = links(full.parent / 'drives.html')
  assert 'index.html' in listing
  found = links(full) + [x for x in listing if x != 'index.html']
  assert not [x for x in found if x.startswith(('http', '//', '/'))]
  files = {x for x in found if not x.startswith(('#', 'data:'))}
  there = {
    str(p.relative_to(full.parent)) for p in full.parent.rglob('*.*')
  } - {'index.html'}
  assert files == there
  anchors = {x[1:] for x in found if x.startswith('#')}
  assert all(f'id="{x}"' in full.read_text() for x in anchors)


def test_same_content_gives_the_same_bytes(full, tmp_path):
  again = page.write(tmp_path / 'report', content())
  files, others = (
    {
      str(path.relative_to(folder)): path.read_bytes()
      for path in folder.rglob('*.*')
    }
    for folder in (full.parent, again.parent)
  )
  assert 'index.html' in files and set(files) == set(others)
  assert [x for x in files if files[x] != others[x]] == []


def test_page_says_how_far_a_reference_is_from_what_was_recorded(full):
  words = ' '.join(full.read_text().replace('&nbsp;', ' ').split())
  assert 'recorded places of drive 7 jitter' in words
  assert 'Never accepted: dart out (no agent 64).' in words
  assert '0.028 m from them' in words and 'at most 0.061 m' in words


def test_metrics_hold_the_figures_and_no_times(full):
  figures = json.loads((full.parent / 'metrics.json').read_text())
  world = figures['driving']['training simulator']
  assert world['imitation']['collision']['mean'] == 0.5
  assert world['PPO']['collision']['mean'] == pytest.approx(1 / 6, abs=1e-4)
  difference = world['PPO - imitation']['collision']
  assert difference['mean'] == pytest.approx(-1 / 3, abs=1e-4)
  assert difference['n'] == 6
  gap = figures['driving']['ray-cast world - training simulator']['PPO']
  assert gap['collision']['mean'] == 0
  assert figures['reconstruction']['street 1']['front']['refined'] is None
  assert 'timing' not in figures
  timing = json.loads((full.parent / 'timing.json').read_text())
  assert timing == {'seconds': {'fit': 12.5}}


def test_videos_hold_what_was_given(full):
  media = full.parent / 'media'

  def length(name):
    return imageio_ffmpeg.count_frames_and_secs(str(media / name))[0]

  assert length('reconstruction_0.mp4') == 9
  assert length('shift_0.mp4') == 5
  # The drive that ends first stays while the other goes on.
  assert length('drive_0.mp4') == STATES


def test_overview_shows_the_middle_moment_of_the_front_camera(full):
  image = np.asarray(Image.open(full.parent / 'media/overview.png'))
  shift = content().shifts[0]
  views = (
    shift.recorded,
    shift.frames['as reconstructed'],
    shift.frames['after refinement'],
  )
  front, size = CAMERAS.index('front'), 8
  for column, images in enumerate(views):
    expected = images[2, front].repeat(size, 0).repeat(size, 1)
    height, width, _ = expected.shape
    begin = column * (width + 4)
    shown = image[-height:, begin : begin + width]
    np.testing.assert_array_equal(shown, expected)
  drive = image[-height:, 3 * (width + 4) :]
  assert (drive == top_view.EGO).all(-1).any()


def test_tiles_show_the_headlines(full):
  text = full.read_text()
  assert '25.9 dB' in text
  assert '+1.2 dB' in text
  assert '50.0 % → 16.7 %' in text


def test_worst_drive_comes_first(full):
  text = full.read_text()
  worst = text[text.index('id="worst"') :]
  assert worst.index('collision, at fault') < worst.index('no incident')


def test_list_of_drives_has_all_of_them_worst_first(full):
  text = (full.parent / 'drives.html').read_text()
  # Four of two policies in two worlds that hit, twenty that do not.
  outcomes = re.findall(r'</b>(.*) after', text)
  hits = ['collision, at fault'] * 8
  assert outcomes == hits + ['no incident'] * 16
  captions = re.findall(r'<figcaption>(.*) in .*score (.*?),', text)
  assert [who for who, _ in captions].count('PPO') == 12
  drawings = [x for x in links(full.parent / 'drives.html') if 'drive_' in x]
  assert len(set(drawings)) == 24
  first = (full.parent / drawings[0]).read_text()
  assert 'collision, at fault' in first


def test_minimal_content_leaves_every_section_out(tmp_path):
  index = page.write(
    tmp_path / 'report', content_lib.Content('Empty', {'seed': 1})
  )
  assert '<section' not in index.read_text()
  assert {x for x in links(index) if not x.startswith('data:')} == {
    'metrics.json',
    'timing.json',
  }


def test_no_truth_means_no_curve_over_the_offset(tmp_path):
  shift = content().shifts[0]
  frames = {'after refinement': shift.frames['after refinement'][:2]}
  shift = content_lib.Shift('drive', CAMERAS, 1.0, shift.recorded, frames, {})
  index = page.write(
    tmp_path / 'report', content_lib.Content('No truth', {}, shifts=[shift])
  )
  assert [x for x in links(index) if x.startswith('media/')] == [
    'media/shift_0.mp4'
  ]


def test_a_failure_leaves_the_old_report(tmp_path):
  page.write(tmp_path / 'report', content_lib.Content('Old', {}))
  driving = content().driving
  worlds = {k: dict(v) for k, v in driving.drives.items()}
  other = worlds['ray-cast world']['PPO']
  worlds['ray-cast world']['PPO'] = other.replace(scenario=other.scenario + 1)
  wrong = content_lib.Driving(worlds, driving.maps, driving.scenes, ())
  with pytest.raises(ValueError, match='PPO in ray-cast world met other'):
    page.write(
      tmp_path / 'report', content_lib.Content('New', {}, driving=wrong)
    )
  assert [p.name for p in tmp_path.iterdir()] == ['report']
  assert 'Old' in (tmp_path / 'report/index.html').read_text()


def test_names_are_escaped(tmp_path):
  index = page.write(
    tmp_path / 'r', content_lib.Content('a <b> & c', {'x': '<i>'})
  )
  assert '<b> &' not in index.read_text()
  assert '<i>' not in index.read_text()
  links(index)


class _Server(http.server.SimpleHTTPRequestHandler):
  """Serves a folder, a probe in its page, and `/wait` when that has ended."""

  ended = threading.Event()
  missing: ClassVar[list[str]] = []

  def do_GET(self):
    if self.path.startswith('/wait'):
      self.ended.wait(60)
      self.send_response(204)
      self.end_headers()
    elif self.path == '/ended':
      self.ended.set()
      self.send_response(204)
      self.end_headers()
    elif self.path == '/':
      page = pathlib.Path(self.directory, 'index.html').read_text()
      page = page.replace('</body>', _PROBE + '</body>').encode()
      self.send_response(200)
      self.send_header('Content-Type', 'text/html; charset=utf-8')
      self.send_header('Content-Length', str(len(page)))
      self.end_headers()
      self.wfile.write(page)
    else:
      super().do_GET()

  def send_error(self, code, *args):
    if code == 404:
      self.missing.append(self.path)
    super().send_error(code, *args)

  def log_message(self, *args):
    pass


# The picture that does not come holds the page open while the videos play.
_PROBE = """<img src="/wait"><script>
  const videos = [...document.querySelectorAll('video')];
  Promise.all(videos.map(video => new Promise(played => {
    video.ontimeupdate = () => { if (video.currentTime > 0) played(video); };
    video.onerror = () => console.error(video.src + ' does not play');
    video.play();
  }))).then(all => {
    document.title = 'played ' + all.filter(v => v.videoWidth > 0).length;
    fetch('/ended');
  });
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('chromium'), reason='needs Chromium')
def test_browser_plays_every_video_without_a_complaint(full, tmp_path):
  handler = functools.partial(_Server, directory=str(full.parent))
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = subprocess.run(
      [
        'chromium',
        *('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic'),
        *('--no-first-run', '--disable-background-networking'),
        *('--disable-component-update', '--disable-sync'),
        *('--enable-logging=stderr', f'--user-data-dir={tmp_path}'),
        *('--dump-dom', f'http://127.0.0.1:{server.server_port}/'),
      ],
      capture_output=True,
      text=True,
      timeout=120,
      check=True,
    )
    server.shutdown()
  count = full.read_text().count('<video')
  assert f'<title>played {count}</title>' in done.stdout
  assert 'CONSOLE' not in done.stderr
  assert not _Server.missing


def test_an_inspection_shows_its_pictures_and_figures(tmp_path):
  rng = np.random.default_rng(0)
  frames = rng.integers(0, 255, (2, 2, 12, 20, 3), np.uint8)
  inspection = content_lib.Inspection(
    name='street',
    cameras=CAMERAS,
    frames={'recorded': frames, 'depth': frames},
    above=frames[0, 0],
    flight=frames[:, 0],
    scores={'PSNR, dB': 31.25},
    curves={'SSIM': {'street': ([0, 3], [0.95, 0.9])}},
  )
  content = content_lib.Content('Scene', {}, inspections=[inspection])
  path = page.write(tmp_path / 'report', content)
  html = path.read_text()
  media = path.parent / 'media'
  for name in (
    'inspection_0.mp4',
    'inspection_0_flight.mp4',
    'inspection_0_above.png',
    'inspection_0_0.svg',
  ):
    assert (media / name).stat().st_size > 100
    assert f'media/{name}' in html
  figures = json.loads((path.parent / 'metrics.json').read_text())
  assert figures['scene'] == {'street': {'PSNR, dB': 31.25}}
  assert figures['offset']['street']['SSIM']['street']['value'] == [0.95, 0.9]
  assert '31.250' in html


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
