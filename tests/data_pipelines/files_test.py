# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What files claim is weighed before it is believed."""

import io
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from data_pipelines import files
from rdrl import logs

FIELDS = {
  'a': (files.NUMBER, ('N', 3)),
  'b': (files.WHOLE, ('N',)),
  'c': (files.FLAG, (None,)),
  'd': (files.TEXT, ()),
}


def good():
  return {
    'a': np.arange(6, dtype=np.float32).reshape(2, 3),
    'b': np.array([3.0, -4.0]),
    'c': np.array([1, 0, 1], np.int8),
    'd': np.array('words'),
  }


def npy(shape, dtype, data=b''):
  """The bytes of an array file whose header says what it likes."""
  header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}"
  header = header.encode() + b'\n'
  return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + data


def pack(path, entries, compression=zipfile.ZIP_DEFLATED):
  with zipfile.ZipFile(path, 'w', compression) as archive:
    for name, data in entries.items():
      if isinstance(data, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, data)
        data = buffer.getvalue()
      archive.writestr(f'{name}.npy', data)
  return path


def test_what_fits_is_read_and_nothing_else(tmp_path):
  extra = {'unread': b'no array at all'}
  path = pack(tmp_path / 'a.npz', good() | extra)
  found = files.arrays(path, FIELDS | {'e': (files.TEXT, ())}, optional='e')
  assert list(found) == list('abcd')
  np.testing.assert_array_equal(found['a'], good()['a'])
  assert found['b'].dtype == np.int64 and found['b'].tolist() == [3, -4]
  assert found['c'].tolist() == [True, False, True]
  assert str(found['d']) == 'words'


@pytest.mark.parametrize(
  ('field', 'value', 'named'),
  [
    ('a', np.zeros((2, 4)), r'a: shape \(2, 4\) is not'),
    ('b', np.zeros(3), r"b: shape \(3,\) is not \('N',\) with {'N': 2}"),
    ('b', np.array([0.5, 1]), r'b: 0.5 at \[0\] is no whole'),
    ('b', np.array([1, np.nan]), r'b: nan at \[1\] is no whole'),
    ('b', np.array([1e300, 1]), r'b: 1e\+300 at \[0\] is no whole'),
    ('a', np.array([['x'] * 3] * 2), 'a: str\\d+ are no numbers'),
    ('a', np.ones((2, 3), complex), 'a: complex128 are no numbers'),
    ('c', np.array(['no']), 'c: str\\d+ are no true or false'),
    ('c', np.array([2]), r'c: 2 at \[0\] is neither'),
    ('d', np.array(b'words'), 'd: bytes\\d+ are no texts'),
    ('d', None, 'd: missing'),
    ('a', b'no array', 'cannot be read: .*magic'),
    ('a', npy((10**11, 3), '<f8'), r'a: 0 bytes, but .* has 24000'),
    ('a', npy((-1, 3), '<f8'), 'a: 0 bytes'),
    ('a', npy((2, 3), '|O'), 'a: object are no numbers'),
    ('a', npy((2, 3), '<f4', b'1234'), 'a: 4 bytes, but .* has 24'),
    ('a', npy('(' * 5000, '<f4'), 'a: header: '),
    ('a', npy('{[]: 1}', '<f4'), 'a: header: '),
    ('a', npy((2, 3), 'no dtype'), 'a: header: '),
    ('a', npy('(2, 3)' + ' ' * 20000, '<f4'), 'a: header: '),
  ],
)
def test_what_does_not_fit_is_named(tmp_path, field, value, named):
  entries = good() | {field: value}
  entries = {k: v for k, v in entries.items() if v is not None}
  path = pack(tmp_path / 'a.npz', entries)
  with pytest.raises(logs.LogError, match=f'a.npz: {named}') as error:
    files.arrays(path, FIELDS)
  assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize('entry', ['a', 'unread'])
def test_a_bomb_goes_off_nowhere(tmp_path, entry, monkeypatch):
  count = 1 << 22
  bomb = npy((count, 3), '<f4') + bytes(12 * count)
  path = pack(tmp_path / 'a.npz', good() | {entry: bomb})
  del bomb
  assert path.stat().st_size < 1 << 17
  monkeypatch.setattr(files, 'MAX_ARRAYS', 1 << 20)
  fields = {k: v for k, v in FIELDS.items() if k == 'a'}
  tracemalloc.start()
  try:
    if entry == 'a':
      with pytest.raises(
        logs.LogError, match=r'a\.npz: a: 50331648 bytes, more'
      ):
        files.arrays(path, fields)
    else:
      assert list(files.arrays(path, fields)) == ['a']
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 1 << 20


def test_other_compressions_are_refused(tmp_path):
  path = pack(tmp_path / 'a.npz', good(), zipfile.ZIP_BZIP2)
  with pytest.raises(logs.LogError, match='a: compression 12'):
    files.arrays(path, FIELDS)


def test_an_xml_file_is_a_tree_with_an_old_doctype(tmp_path):
  path = tmp_path / 'a.xml'
  path.write_text('<!DOCTYPE b>\n<b><c x="1"> 5 </c><c>6</c></b>')
  root = files.xml(path, 'a.xml')
  assert [item.text for item in root.findall('c')] == [' 5 ', '6']


BOMB = (
  '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
)


@pytest.mark.parametrize(
  ('words', 'named'),
  [
    (BOMB, 'entity x'),
    (BOMB.encode('utf-16'), 'entity x'),
    ('<a>' * 100 + '</a>' * 100, 'a: nested 65 deep'),
    ('<?xml version="1.0" encoding="klingon"?><a/>', 'not XML: .*klingon'),
    ('<?xml version="1.0" encoding="hex"?><a/>', 'not XML: '),
    ('<a>&gone;</a>', 'not XML: undefined entity'),
    (b'<a>\xff</a>', 'not XML: not well-formed'),
    ('', 'not XML: no element'),
  ],
)
def test_xml_that_grows_or_is_none_is_refused(tmp_path, words, named):
  path = tmp_path / 'a.xml'
  path.write_bytes(words if isinstance(words, bytes) else words.encode())
  with pytest.raises(logs.LogError, match=rf'^a\.xml: {named}'):
    files.xml(path, 'a.xml')


def test_texts_are_in_utf8_and_bounded(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_bytes('\ufeffKöln'.encode())
  assert files.text(path) == 'Köln'
  path.write_bytes(b'K\xf6ln')
  with pytest.raises(logs.LogError, match=r'a\.txt: no text: byte 0xf6 at 1'):
    files.text(path)
  with path.open('wb') as file:
    file.truncate(1 << 40)
  with pytest.raises(logs.LogError, match=r'a\.txt: 1099511627776 bytes, more'):
    files.text(path)


@pytest.mark.parametrize(
  ('words', 'named'),
  [
    ('[' * 100_000, 'JSON nested too deep'),
    ('{"a":' * 100_000, 'JSON nested too deep'),
    ('[' * 100_000 + ']' * 100_000, 'JSON nested too deep'),
    ('{"a": 1', 'not JSON: '),
    ('9' * 5000, 'not JSON: '),
    ('5', "'5' is no object"),
    ('[1]', r"'\[1\]' is no object"),
  ],
)
def test_json_that_is_no_object_is_refused(words, named):
  with pytest.raises(logs.LogError, match=f'^a.json: {named}'):
    files.json(words, 'a.json')


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
