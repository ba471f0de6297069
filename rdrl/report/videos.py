# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Frames, captions and H.264 files that any browser plays.

Frames are uint8 `[N, H, W, 3]`. Small renders are enlarged by repeating pixels,
so that what a page shows is what was rendered.
"""

import functools
import pathlib
import subprocess

import imageio_ffmpeg
import matplotlib
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from rdrl import types

FRAMES_PER_SECOND = round(1 / types.TIME_STEP)

# H.264 that browsers play and that starts before it is loaded whole. Bit-exact
# flags and one thread keep versions, dates and races out of the file.
_ENCODING = (
  *('-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-crf', '20'),
  *('-preset', 'veryfast', '-threads', '1', '-movflags', '+faststart'),
  *('-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact'),
)

# From left to right in the built-in world's rig of front, left and right.
_ORDER = (1, 0, 2)
CAMERAS = ('front', 'front left', 'front right')

_BAR = 20
_PAPER = (24, 26, 30)
_INK = (236, 238, 240)


def write(path, frames, frames_per_second=FRAMES_PER_SECOND):
  """Writes an H.264 file; the same frames give the same bytes.

  Args:
    path: ends in `.mp4`.
    frames: uint8 `[N, H, W, 3]`; odd sides are repeated by one pixel, which
      4:2:0 chroma demands.
    frames_per_second: default real time.

  Raises:
    ValueError: if there is no frame or the frames are no uint8 images.
    OSError: if ffmpeg fails, with what it said.
  """
  frames = np.asarray(frames)
  if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
    raise ValueError(
      f'{path}: frames: {frames.dtype} {frames.shape} is not uint8 [N, H, W, 3]'
    )
  if not frames.size:
    raise ValueError(f'{path}: frames: {frames.shape} holds no image')
  _, height, width, _ = frames.shape
  frames = np.pad(
    frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), 'edge'
  )
  # imageio_ffmpeg's own writer forks with a hook, of which JAX warns.
  done = subprocess.run(
    [
      *(imageio_ffmpeg.get_ffmpeg_exe(), '-y', '-v', 'error'),
      *('-f', 'rawvideo', '-pix_fmt', 'rgb24'),
      *('-s', f'{frames.shape[2]}x{frames.shape[1]}'),
      *('-r', str(frames_per_second), '-i', '-'),
      *_ENCODING,
      str(path),
    ],
    input=frames.tobytes(),
    capture_output=True,
    check=False,
  )
  if done.returncode:
    raise OSError(f'{path}: {done.stderr.decode().strip()}')


def write_image(path, image):
  """Writes uint8 `[H, W, 3]` as a PNG file."""
  Image.fromarray(np.asarray(image)).save(path, optimize=True)


def enlarge(frames, least_width):
  """Repeats pixels until the frames are at least `least_width` wide."""
  factor = max(1, -(-least_width // frames.shape[-2]))
  return frames.repeat(factor, -3).repeat(factor, -2)


def caption(frames, text):
  """Puts a bar with a line of text above frames.

  Args:
    frames: `[N, H, W, 3]`.
    text: one line for all frames or a list with a line for each; what is wider
      than the frames is cut.
  """
  lines = [text] * len(frames) if isinstance(text, str) else text
  if len(lines) != len(frames):
    raise ValueError(f'caption: {len(lines)} lines for {len(frames)} frames')
  width = frames.shape[2]
  bars = np.stack([_bar(line, width) for line in lines])
  return np.concatenate([bars, frames], 1)


@functools.lru_cache(maxsize=256)
def _bar(line, width):
  image = Image.new('RGB', (width, _BAR), _PAPER)
  draw = ImageDraw.Draw(image)
  draw.text((6, _BAR // 2), line, _INK, font(12), anchor='lm')
  return np.asarray(image)


@functools.cache
def font(size):
  """DejaVu Sans, which comes with Matplotlib and so is everywhere the same."""
  folder = pathlib.Path(matplotlib.get_data_path()) / 'fonts/ttf'
  return ImageFont.truetype(folder / 'DejaVuSans.ttf', size)


def panorama(images):
  """Images `[N, C, H, W, 3]` of cameras, left to right, as `[N, H, C W, 3]`."""
  n, c, h, w, _ = images.shape
  return np.moveaxis(images, 1, 2).reshape(n, h, c * w, 3)


def stack(videos, gap=4):
  """Videos above each other; see `beside`."""
  return _joined(videos, gap, 1)


def beside(videos, gap=4):
  """Videos beside each other.

  A video that ends sooner stays at its last frame; a lower one is filled up
  with background.

  Args:
    videos: list of `[N, H, W, 3]`.
    gap: pixels between two.
  """
  return _joined(videos, gap, 2)


def _joined(videos, gap, axis):
  length = max(len(video) for video in videos)
  shape = [length, *(max(v.shape[i] for v in videos) for i in (1, 2)), 3]
  shape[axis] = sum(v.shape[axis] for v in videos) + gap * (len(videos) - 1)
  joined = np.empty(shape, np.uint8)
  # Row by row: filling pixel by pixel takes longer than all the rest.
  joined.reshape(*shape[:2], -1)[:] = np.tile(np.uint8(_PAPER), shape[2])
  begin = 0
  for video in videos:
    place = [slice(None), slice(video.shape[1]), slice(video.shape[2])]
    place[axis] = slice(begin, begin + video.shape[axis])
    joined[tuple(place)][: len(video)] = video
    joined[tuple(place)][len(video) :] = video[-1]
    begin += video.shape[axis] + gap
  return joined


def left_to_right(count):
  """Indices of so many cameras from left to right."""
  return _ORDER if count == len(_ORDER) else tuple(range(count))


def camera_names(count):
  """Names of so many cameras from left to right."""
  if count == len(CAMERAS):
    return [CAMERAS[i] for i in _ORDER]
  return ['front'] if count == 1 else [f'camera {i}' for i in range(count)]


def to_bytes(images):
  """Uint8 of images in [0, 1]."""
  return np.round(255 * np.asarray(images)).astype(np.uint8)
