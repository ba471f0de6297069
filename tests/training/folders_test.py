# Copyright 2026 The rdrl Authors. Apache-2.0.

import pathlib
import subprocess
import sys

import pytest

from rdrl.training import folders

# The file alone, since the package takes seconds to import.
_CLAIMS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location('folders', sys.argv[1])
folders = importlib.util.module_from_spec(spec)
spec.loader.exec_module(folders)
folders.claim(sys.argv[2])
print('claimed', flush=True)
sys.stdin.read()
"""


def _owner(workdir):
  process = subprocess.Popen(
    [sys.executable, '-c', _CLAIMS, folders.__file__, str(workdir)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'claimed\n'
  return process


def test_a_work_directory_belongs_to_one_process_until_it_dies(tmp_path):
  workdir = tmp_path / 'deep' / 'run'
  owner = _owner(workdir)
  with pytest.raises(BlockingIOError) as error:
    folders.claim(workdir)
  assert error.value.filename == str(workdir)
  assert f'process runs here, {owner.pid} on ' in error.value.strerror
  assert (workdir / '.lock').read_text().startswith(f'{owner.pid} on ')
  owner.kill()
  owner.communicate()
  folders.claim(workdir)
  folders.claim(workdir)
  assert folders.place(workdir / 'fit' / 'a') == 'fit/a'


def test_place_is_known_below_a_claimed_directory_only(tmp_path):
  assert folders.place(tmp_path / 'fit') is None
  folders.claim(tmp_path)
  assert folders.place(tmp_path / 'fit') == 'fit'
  assert folders.place(tmp_path) is None
  assert folders.place(tmp_path.parent / 'fit') is None


def test_processes_that_are_not_the_first_take_no_lock(tmp_path):
  folders.claim(tmp_path, is_first=False)
  assert list(tmp_path.iterdir()) == []
  assert folders.place(tmp_path / 'fit') == 'fit'


def _fill(path, text):
  with folders.replacing(path) as new:
    (new / 'file').write_text(text)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
  path = tmp_path / 'report'
  _fill(path, 'old')
  _fill(path, 'new')
  assert (path / 'file').read_text() == 'new'
  assert list(tmp_path.iterdir()) == [path]


def test_a_folder_stays_where_building_fails(tmp_path):
  path = tmp_path / 'report'
  _fill(path, 'old')
  with pytest.raises(KeyboardInterrupt), folders.replacing(path) as new:
    (new / 'file').write_text('half')
    raise KeyboardInterrupt
  assert (path / 'file').read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('renames', [0, 1])
def test_a_folder_stays_where_a_kill_comes_at_either_renaming(
  renames, tmp_path, monkeypatch
):
  path = tmp_path / 'report'
  _fill(path, 'old')
  done = []
  rename = pathlib.Path.rename

  def dies(self, target):
    if len(done) == renames:
      raise SystemExit
    done.append(target)
    return rename(self, target)

  monkeypatch.setattr(pathlib.Path, 'rename', dies)
  with pytest.raises(SystemExit):
    _fill(path, 'new')
  monkeypatch.undo()
  # What comes next fails, too, and still nothing is lost.
  with pytest.raises(ValueError), folders.replacing(path):
    raise ValueError
  assert (path / 'file').read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


def test_a_kill_after_both_renamings_leaves_the_new_folder(tmp_path):
  path = tmp_path / 'report'
  _fill(path, 'new')
  _fill(tmp_path / '.report.replaced', 'old')
  folders.recover_all(tmp_path)
  assert (path / 'file').read_text() == 'new'
  assert list(tmp_path.iterdir()) == [path]


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
