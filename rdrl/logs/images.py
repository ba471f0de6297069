# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images as lossless bytes."""

import io

import numpy as np
from PIL import Image

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
