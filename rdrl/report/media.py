# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The files of a report that its page refers to: videos, pictures, plots."""

from concurrent import futures
import contextlib
import dataclasses
import hashlib
import pathlib

import numpy as np

from rdrl.report import videos


@dataclasses.dataclass(frozen=True)
class Media:
  """Writes files of one report; each method returns the name it was given.

  Attributes:
    folder: where they lie.
    pool: encodes videos.
    encoding: futures of the videos.
    encoded: frames' shape and digest to the bytes of their video.
  """

  folder: pathlib.Path
  pool: futures.Executor
  encoding: list
  encoded: dict

  def film(self, name, frames):
    """Begins to encode frames, see `videos.write`."""
    self.encoding.append(self.pool.submit(self._encode, name, frames))
    return name

  def image(self, name, image):
    """Writes a picture, see `videos.write_image`."""
    videos.write_image(self.folder / name, image)
    return name

  def draw(self, name, function, *args):
    """Has `function(path, *args)` write a drawing."""
    function(self.folder / name, *args)
    return name

  def _encode(self, name, frames):
    digest = hashlib.sha256(np.ascontiguousarray(frames)).digest()
    key, path = (frames.shape, digest), self.folder / name
    if key in self.encoded:
      path.write_bytes(self.encoded[key])
      return
    videos.write(path, frames)
    self.encoded[key] = path.read_bytes()


@contextlib.contextmanager
def opened(folder, encoded):
  """`Media` of a new folder; all videos are written when the context ends.

  Args:
    folder: to make.
    encoded: see `Media`; what is in it is not encoded again, and what is
      encoded is put into it.
  """
  folder.mkdir()
  # Encoders are processes of their own and run while the next video is made.
  with futures.ThreadPoolExecutor(2) as pool:
    media = Media(folder, pool, [], encoded)
    yield media
    for video in media.encoding:
      video.result()
