# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Files of strangers, no larger than they may be before any is unpacked.

A file of a few kilobytes can claim to hold terabytes, or do so. What a header
claims is compared with what the file has, and with a limit, first; what nobody
asks for is not read at all. Every refusal is a `LogError` of one line that
names the file and, where there is one, the field.
"""

import json as json_lib
import math
import pathlib
from xml.etree import ElementTree
from xml.parsers import expat
import zipfile
import zlib

import numpy as np

from rdrl import logs

# Bytes of a text, and of the entries of an archive that are read in all.
MAX_TEXT = 1 << 25
MAX_ARRAYS = 1 << 28
# Elements of XML within one another.
_MAX_DEPTH = 64

# What `arrays` may be asked for: kinds of NumPy's dtypes.
NUMBER, WHOLE, FLAG, TEXT = 'numbers', 'whole numbers', 'true or false', 'texts'
_KINDS = {NUMBER: 'iuf', WHOLE: 'iuf', FLAG: 'biuf', TEXT: 'U'}


def short(value):
  """A value of a file on one line that stays short, for a message."""
  words = ' '.join(str(value).split())
  words = ''.join(x if x.isprintable() else '?' for x in words[:80])
  return words + '...' * (len(str(value)) > 80)


def check_exists(path):
  """Raises `LogError` if a path is no file."""
  if not pathlib.Path(path).is_file():
    raise logs.LogError(f'{path}: no such file')


def content(path, limit=MAX_TEXT):
  """The bytes of a file.

  Raises:
    LogError: if there is no such file, if it has more than `limit` bytes or if
      it cannot be read.
  """
  path = pathlib.Path(path)
  check_exists(path)
  try:
    size = path.stat().st_size
    if size > limit:
      raise logs.LogError(f'{path}: {size} bytes, more than {limit}')
    return path.read_bytes()
  except OSError as error:
    raise logs.LogError(f'{path}: cannot be read: {error.strerror}') from error


def text(path):
  """The text of a file in UTF-8, whatever the locale; see `content`."""
  try:
    return content(path).decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise logs.LogError(
      f'{path}: no text: byte {error.object[error.start]:#04x} at {error.start}'
    ) from error


def json(words, source):
  """The parsed object of a JSON text.

  Args:
    words: the text.
    source: file, and field if any, for the message.

  Raises:
    LogError: if it is no JSON, an object in more objects than can be followed
      or no object.
  """
  try:
    value = json_lib.loads(words)
  except RecursionError as error:
    raise logs.LogError(f'{source}: JSON nested too deep') from error
  except ValueError as error:
    raise logs.LogError(f'{source}: not JSON: {error}') from error
  if not isinstance(value, dict):
    raise logs.LogError(f'{source}: {short(repr(words))} is no object')
  return value


def xml(path, source):
  """The root element of an XML file without entities of its own.

  Entities that hold entities are what makes a small file large.

  Args:
    path: of the file.
    source: file, and field if any, for the message.

  Raises:
    LogError: see `content`, and if it is no XML or is nested too deep.
  """
  data = content(path)
  builder = ElementTree.TreeBuilder()
  parser = expat.ParserCreate()
  depth = 0

  def start(name, attributes):
    nonlocal depth
    depth += 1
    if depth > _MAX_DEPTH:
      raise logs.LogError(f'{source}: {short(name)}: nested {depth} deep')
    builder.start(name, attributes)

  def end(name):
    nonlocal depth
    depth -= 1
    builder.end(name)

  def entity(name, *_):
    raise logs.LogError(f'{source}: entity {short(name)}: not expected here')

  parser.StartElementHandler = start
  parser.EndElementHandler = end
  parser.CharacterDataHandler = builder.data
  parser.EntityDeclHandler = entity
  try:
    parser.Parse(data, True)
  except logs.LogError:
    raise
  # An encoding that Python does not know is a LookupError, one that it cannot
  # give to the parser a ValueError.
  except (expat.ExpatError, LookupError, ValueError) as error:
    raise logs.LogError(f'{source}: not XML: {short(error)}') from error
  return builder.close()


def arrays(path, fields, optional=()):
  """Arrays of an `.npz`, of kinds and shapes that fit together.

  Args:
    path: of the file.
    fields: name to kind, of `NUMBER`, `WHOLE`, `FLAG`, `TEXT`, and shape: of
      each axis its length, a letter where equal letters have equal lengths, or
      None for any.
    optional: names of those that may be missing.

  Returns:
    Dictionary of those that are there: numbers as they are, NaN and infinite
    ones included; whole numbers as int64; flags as bool.

  Raises:
    LogError: see `content`, and if the file is damaged, lacks a field, or a
      field is of another kind or shape or too large.
  """
  path = pathlib.Path(path)
  check_exists(path)
  size = path.stat().st_size
  if size > MAX_ARRAYS:
    raise logs.LogError(f'{path}: {size} bytes, more than {MAX_ARRAYS}')
  found, lengths, room = {}, {}, MAX_ARRAYS
  try:
    with zipfile.ZipFile(path) as archive:
      entries = set(archive.namelist())
      for field, (kind, shape) in fields.items():
        if f'{field}.npy' in entries:
          source = f'{path}: {field}'
          info = archive.getinfo(f'{field}.npy')
          room -= _check_header(
            archive, info, kind, shape, room, lengths, source
          )
          with archive.open(info) as file:
            value = np.lib.format.read_array(file, allow_pickle=False)
          found[field] = _as(kind, value, source)
        elif field not in optional:
          raise logs.LogError(f'{path}: {field}: missing')
  except logs.LogError:
    raise
  # RuntimeError is zipfile's for what is encrypted.
  except (OSError, ValueError, EOFError, RuntimeError) as error:
    raise logs.LogError(f'{path}: cannot be read: {short(error)}') from error
  except (zipfile.BadZipFile, zlib.error) as error:
    raise logs.LogError(f'{path}: cannot be read: {short(error)}') from error
  return found


def _check_header(archive, info, kind, shape, room, lengths, source):
  """Bytes of an entry of an archive, by its header alone."""
  # Others inflate whole blocks, however little of them is asked for.
  if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    raise logs.LogError(f'{source}: compression {info.compress_type}')
  with archive.open(info) as file:
    version = np.lib.format.read_magic(file)
    read = {
      (1, 0): np.lib.format.read_array_header_1_0,
      (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
      raise logs.LogError(f'{source}: version {version}')
    try:
      have, _, dtype = read(file)
    # It is parsed as Python, and what is none may end in any error.
    except Exception as error:
      raise logs.LogError(f'{source}: header: {short(error)}') from error
    left = info.file_size - file.tell()
  if dtype.kind not in _KINDS[kind]:
    raise logs.LogError(f'{source}: {dtype.name} are no {kind}')
  fits = len(have) == len(shape)
  for length, want in zip(have, shape, strict=False):
    if isinstance(want, str):
      want = lengths.setdefault(want, length)
    fits &= want is None or length == want
  if not fits:
    names = {name: lengths[name] for name in shape if name in lengths}
    raise logs.LogError(
      f'{source}: shape {short(have)} is not {shape} with {names}'
    )
  size = math.prod(have) * dtype.itemsize
  if min(have, default=0) < 0 or size != left:
    raise logs.LogError(
      f'{source}: {left} bytes, but {short(have)} of {dtype.name} has {size}'
    )
  if size > room:
    raise logs.LogError(
      f'{source}: {size} bytes, more than the {room} left of {MAX_ARRAYS}'
    )
  return size


def _as(kind, value, source):
  if kind == WHOLE:
    with np.errstate(invalid='ignore'):
      whole = value.astype(np.int64)
    bad = np.argwhere(whole != value)
    if len(bad):
      index = tuple(map(int, bad[0]))
      raise logs.LogError(
        f'{source}: {value[index]} at {list(index)} is no whole number'
      )
    return whole
  if kind == FLAG:
    bad = np.argwhere((value != 0) & (value != 1))
    if len(bad):
      index = tuple(map(int, bad[0]))
      raise logs.LogError(
        f'{source}: {value[index]} at {list(index)} is neither true nor false'
      )
    return value.astype(bool)
  return value
