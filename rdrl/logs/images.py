# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images as lossless bytes, and masks of what a camera sees of its own car."""

import io
import pathlib
import warnings

import numpy as np
from PIL import Image

from rdrl import types
from rdrl.logs import checks

# Pixels of an image, and bytes of a file of one: no camera of a car has more.
MAX_PIXELS = 1 << 26
MAX_BYTES = 1 << 28


def encode_image(image):
  """PNG bytes of `[H, W, 3]` uint8."""
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, 'png')
  return buffer.getvalue()


def decode_image(data: bytes, source: str, size=None):
  """`[H, W, 3]` uint8 of the bytes of a PNG or JPEG file.

  Nothing is decoded before its size is known to be right: a kilobyte can say
  that it is gigabytes of pixels.

  Args:
    data: the bytes.
    source: where they are from, for the message.
    size: width and height that they must have; None takes any up to
      `MAX_PIXELS`.

  Raises:
    LogError: one line that names `source` if the bytes are no whole image, or
      one of another size.
  """
  try:
    with _opened(data) as image:
      width, height = image.size
      if size is not None and (width, height) != tuple(size):
        raise checks.LogError(
          f'{source}: image: {width}x{height} pixels, but the camera is '
          f'calibrated for {size[0]}x{size[1]}'
        )
      if width * height > MAX_PIXELS:
        raise checks.LogError(
          f'{source}: image: {width}x{height} pixels, more than {MAX_PIXELS}'
        )
      return np.asarray(image.convert('RGB'))
  except checks.LogError:
    raise
  # Pillow reports a damaged PNG chunk as a SyntaxError, and its own limit of
  # pixels as an error of no kind.
  except (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
  ) as error:
    # Its message for no image at all names the buffer's address.
    what = str(error).partition('<')[0].strip() or type(error).__name__
    raise checks.LogError(
      f'{source}: image: {len(data)} bytes do not decode: {what}'
    ) from error


def _opened(data):
  with warnings.catch_warnings():
    # There is a limit of our own, which does not only warn.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    # Of other formats Pillow leaves some to other programs.
    return Image.open(io.BytesIO(data), formats=('PNG', 'JPEG'))


def read_image(path, size=None):
  """The image of a file, see `decode_image`.

  Raises:
    LogError: naming the file, also if it has more than `MAX_BYTES`.
    OSError: if it cannot be read.
  """
  path = pathlib.Path(path)
  length = path.stat().st_size
  if length > MAX_BYTES:
    raise checks.LogError(
      f'{path}: image: {length} bytes, more than {MAX_BYTES}'
    )
  return decode_image(path.read_bytes(), str(path), size)


def with_ego_masks(log: types.Log, paths):
  """`log` with `ego_mask` read from image files, black where the car is.

  Args:
    log: of `C` cameras.
    paths: of `C` files, in the order of the cameras, of any size; none leaves
      the log as it is.

  Raises:
    LogError: if their number is not that of the cameras, or if a file is no
      image or black all over.
    FileNotFoundError: if there is no such file.
  """
  if not paths:
    return log
  if len(paths) != log.images.shape[1]:
    raise checks.LogError(
      f'{log.name}: ego_masks: {len(paths)} files for {log.images.shape[1]}'
      ' cameras'
    )
  size = log.cameras.width, log.cameras.height
  masks = []
  for path in paths:
    image = Image.fromarray(read_image(path))
    gray = image.convert('L').resize(size, Image.Resampling.NEAREST)
    masks.append(np.asarray(gray) < 128)
    if masks[-1].all():
      raise checks.LogError(f'{path}: ego_masks: black all over')
  return log.replace(ego_mask=np.stack(masks))
