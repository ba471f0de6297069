# Copyright 2026 The rdrl Authors. Apache-2.0.

import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest

from rdrl.report import videos


def _ramp(count, height, width):
  """Smooth frames that brighten from one to the next."""
  y, x = np.mgrid[:height, :width] / max(height, width)
  time = np.arange(count)[:, None, None] / max(count, 1)
  colors = [x + 0 * time, y + 0 * time, time + 0 * x]
  return (255 * np.stack(np.broadcast_arrays(*colors), -1) / 2).astype(np.uint8)


def _decode(path, height, width):
  """Frames as ffmpeg decodes them."""
  done = subprocess.run(
    [
      *(imageio_ffmpeg.get_ffmpeg_exe(), '-v', 'error', '-i', str(path)),
      *('-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'),
    ],
    capture_output=True,
    check=True,
  )
  return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


@pytest.mark.parametrize(('height', 'width'), [(32, 48), (33, 49), (16, 31)])
def test_video_decodes_to_the_frames_written(tmp_path, height, width):
  frames = _ramp(7, height, width)
  videos.write(tmp_path / 'x.mp4', frames)
  even = _decode(tmp_path / 'x.mp4', height + height % 2, width + width % 2)
  assert len(even) == 7
  error = even[:, :height, :width].astype(float) - frames
  assert np.abs(error).mean() < 6


def test_file_repeats_and_is_what_browsers_want(tmp_path):
  frames = _ramp(12, 48, 64)
  for name in ('a.mp4', 'b.mp4'):
    videos.write(tmp_path / name, frames)
  data = (tmp_path / 'a.mp4').read_bytes()
  assert data == (tmp_path / 'b.mp4').read_bytes()
  assert b'avc1' in data
  # The index stands before the images, so that playing starts at once.
  assert data.index(b'moov') < data.index(b'mdat')


@pytest.mark.parametrize(
  'frames',
  [
    np.zeros((0, 4, 4, 3), np.uint8),
    np.zeros((2, 4, 4), np.uint8),
    np.zeros((2, 4, 4, 3), np.float32),
  ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path, frames):
  with pytest.raises(ValueError, match=r'x\.mp4: frames: .*'):
    videos.write(tmp_path / 'x.mp4', frames)
  assert not (tmp_path / 'x.mp4').exists()


def test_folder_that_is_not_there_is_an_error(tmp_path):
  with pytest.raises(OSError, match='nowhere'):
    videos.write(tmp_path / 'nowhere/x.mp4', _ramp(2, 4, 4))


def test_enlarging_repeats_pixels():
  frames = _ramp(1, 3, 5)
  large = videos.enlarge(frames, 12)
  assert large.shape == (1, 9, 15, 3)
  assert np.array_equal(large[:, 1::3, 1::3], frames)
  # Wide enough is left alone; a column too few doubles all.
  assert np.array_equal(videos.enlarge(frames, 5), frames)
  assert videos.enlarge(frames, 6).shape == (1, 6, 10, 3)


def test_panorama_puts_the_first_camera_on_the_left():
  images = np.arange(3, dtype=np.uint8).reshape(1, 3, 1, 1, 1)
  images = np.broadcast_to(images, (2, 3, 4, 5, 3))
  seen = videos.panorama(images)
  assert seen.shape == (2, 4, 15, 3)
  assert seen[0, 0, [0, 5, 10], 0].tolist() == [0, 1, 2]


def test_shorter_video_stays_at_its_last_frame():
  a, b = _ramp(2, 4, 6), _ramp(5, 8, 6)
  both = videos.beside([a, b], gap=2)
  assert both.shape == (5, 8, 14, 3)
  assert all(np.array_equal(frame[:4, :6], a[1]) for frame in both[1:])
  assert np.array_equal(both[:, :, 8:], b)
  above = videos.stack([a, b], gap=0)
  assert above.shape == (5, 12, 6, 3)
  assert np.array_equal(above[:, 4:], b)


def test_caption_stands_above_each_frame():
  frames = _ramp(3, 10, 80)
  with_text = videos.caption(frames, ['a', 'b', 'b'])
  bar = with_text.shape[1] - 10
  assert np.array_equal(with_text[:, bar:], frames)
  assert np.array_equal(with_text[1, :bar], with_text[2, :bar])
  assert not np.array_equal(with_text[0, :bar], with_text[1, :bar])
  with pytest.raises(ValueError, match='2 lines for 3 frames'):
    videos.caption(frames, ['a', 'b'])


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
