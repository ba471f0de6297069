# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images as lossless bytes, and masks of what a camera sees of its own car."""

import io
import pathlib

import numpy as np
from PIL import Image

from rdrl import types
from rdrl.logs import checks


def encode_image(image):
  """PNG bytes of `[H, W, 3]` uint8."""
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, 'png')
  return buffer.getvalue()


def decode_image(data: bytes, source: str):
  """`[H, W, 3]` uint8 of the bytes of an image file.

  Raises:
    LogError: one line that names `source` if the bytes are no whole image.
  """
  try:
    with Image.open(io.BytesIO(data)) as image:
      return np.asarray(image.convert('RGB'))
  # Pillow reports a damaged PNG chunk as a SyntaxError.
  except (OSError, SyntaxError, ValueError) as error:
    # Its message for no image at all names the buffer's address.
    what = str(error).partition('<')[0].strip() or type(error).__name__
    raise checks.LogError(
      f'{source}: image: {len(data)} bytes do not decode: {what}'
    ) from error


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
    image = Image.fromarray(
      decode_image(pathlib.Path(path).read_bytes(), str(path))
    )
    gray = image.convert('L').resize(size, Image.Resampling.NEAREST)
    masks.append(np.asarray(gray) < 128)
    if masks[-1].all():
      raise checks.LogError(f'{path}: ego_masks: black all over')
  return log.replace(ego_mask=np.stack(masks))
