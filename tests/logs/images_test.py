# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images survive encoding; damaged ones are refused in one line."""

import sys

import numpy as np
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


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
