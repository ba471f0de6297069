# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images survive encoding; damaged ones are refused in one line."""

import struct
import sys
import tracemalloc
import zlib

import numpy as np
from PIL import Image
import pytest

from rdrl import logs

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)


def test_decoding_returns_exactly_what_was_encoded():
  data = logs.encode_image(IMAGE)
  np.testing.assert_array_equal(logs.decode_image(data, 'a.png'), IMAGE)


@pytest.mark.parametrize(
  'data',
  [
    logs.encode_image(IMAGE)[:-40],
    logs.encode_image(IMAGE)[:60],
    logs.encode_image(IMAGE)[:20],
    b'not an image',
    b'',
  ],
)
def test_a_damaged_image_is_named_with_its_size(data):
  with pytest.raises(logs.LogError) as caught:
    logs.decode_image(data, 'a.png')
  text = str(caught.value)
  assert text.startswith(f'a.png: image: {len(data)} bytes do not decode: ')
  assert '0x' not in text
  assert '\n' not in text


def test_a_bit_that_flipped_is_noticed():
  data = bytearray(logs.encode_image(IMAGE))
  data[len(data) // 2] ^= 4
  with pytest.raises(logs.LogError):
    logs.decode_image(bytes(data), 'a.png')


def _header(width, height):
  """A PNG whose header says so, with nothing behind it."""
  chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
  data = struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
  return b'\x89PNG\r\n\x1a\n' + data + b'\0\0\0\0IEND\xaeB`\x82'


@pytest.mark.parametrize(
  ('data', 'size', 'named'),
  [
    (_header(60000, 60000), None, 'do not decode: Image size'),
    (_header(60000, 60000), (60000, 60000), 'do not decode: Image size'),
    (_header(12000, 12000), None, '12000x12000 pixels, more than'),
    (_header(12000, 12000), (12000, 12000), '12000x12000 pixels, more than'),
    (_header(12000, 12000), (32, 16), '12000x12000 pixels, but .* for 32x16'),
    (logs.encode_image(IMAGE), (16, 32), '32x16 pixels, but .* for 16x32'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', None, 'decode'),
    (b'P6 2 2 255 ' + bytes(12), None, 'do not decode'),
  ],
)
def test_what_is_too_large_or_of_another_format_is_not_decoded(
  data, size, named, recwarn
):
  tracemalloc.start()
  try:
    with pytest.raises(logs.LogError, match=f'^a.png: image: .*{named}'):
      logs.decode_image(data, 'a.png', size)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 1 << 20
  assert not recwarn.list


def test_an_image_of_the_size_wanted_and_a_jpeg_are_read(tmp_path):
  path = tmp_path / 'a.png'
  path.write_bytes(logs.encode_image(IMAGE))
  np.testing.assert_array_equal(logs.read_image(path, (32, 16)), IMAGE)
  Image.fromarray(IMAGE).save(tmp_path / 'a.jpg')
  assert logs.read_image(tmp_path / 'a.jpg', [32, 16]).shape == IMAGE.shape
  with path.open('wb') as file:
    file.truncate(1 << 40)
  with pytest.raises(
    logs.LogError, match=r'a\.png: image: 1099511627776 bytes'
  ):
    logs.read_image(path)


def _write(path, image):
  path.write_bytes(logs.encode_image(np.repeat(image[..., None], 3, -1)))
  return str(path)


def test_ego_masks_are_read_at_the_size_of_the_images(log, tmp_path):
  white = np.full((16, 24), 255, np.uint8)
  bonnet = white.copy()
  bonnet[12:, 4:20] = 0
  paths = (
    _write(tmp_path / 'left.png', white),
    _write(tmp_path / 'right.png', bonnet),
  )
  masked = logs.with_ego_masks(log, paths)
  logs.validate(masked, 'here')
  assert not masked.ego_mask[0].any()
  np.testing.assert_array_equal(masked.ego_mask[1], bonnet[::2, ::2] == 0)
  half = logs.resize(masked, 4, 6)
  np.testing.assert_array_equal(half.ego_mask[1], bonnet[::4, ::4] == 0)


def test_ego_masks_that_do_not_fit_are_named(log, tmp_path):
  black = _write(tmp_path / 'black.png', np.zeros((4, 6), np.uint8))
  assert logs.with_ego_masks(log, ()) is log
  with pytest.raises(logs.LogError, match='ego_masks: 1 files for 2 cameras'):
    logs.with_ego_masks(log, (black,))
  with pytest.raises(logs.LogError, match='ego_masks: black all over'):
    logs.with_ego_masks(log, (black, black))
  with pytest.raises(FileNotFoundError, match='none'):
    logs.with_ego_masks(log, (str(tmp_path / 'none.png'), black))
  wrong = log.replace(ego_mask=np.zeros((1, 8, 12), bool))
  with pytest.raises(logs.LogError, match=r'ego_mask: shape \(1, 8, 12\)'):
    logs.validate(wrong, 'here')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
