# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The architecture: each package imports only from those above it."""

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# From the foundation up; a package may import those that stand before it.
ORDER = (
  'interrupts',
  'ranges',
  'trees',
  'types',
  'geometry',
  'logs',
  'world',
  'training',
  'splat',
  'prior',
  'refine',
  'scenario',
  'sim',
  'policy',
  'learn',
  'report',
  'pipeline',
)

# Of `splat`, likewise.
ROOMS = ('raster', 'appearance', 'files', 'fitting')

# Heavy or absent on accelerator images, so imported in one file each.
EDGES = {
  'brax': {'rdrl/sim/brax_env.py'},
  'gymnasium': {'rdrl/sim/gym_env.py'},
  'orbax': {'rdrl/training/checkpoints.py'},
}


def _imports(path):
  """Dotted names that a file imports, with whether at module level."""
  tree = ast.parse(path.read_text())
  top = set(map(id, tree.body))
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield alias.name, id(node) in top
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      for alias in node.names:
        yield f'{node.module}.{alias.name}', id(node) in top


def _package(path):
  name = path.relative_to(ROOT / 'rdrl').parts[0]
  return name.removesuffix('.py')


def test_every_package_of_the_house_exists_and_no_other():
  found = {
    _package(path)
    for path in (ROOT / 'rdrl').rglob('*.py')
    if path.name != '__init__.py' or path.parent != ROOT / 'rdrl'
  }
  assert found == set(ORDER)


@pytest.mark.parametrize('room', ROOMS)
def test_imports_among_rooms_of_splat_point_up(room):
  below = set(ROOMS[ROOMS.index(room) + 1 :])
  for path in sorted((ROOT / 'rdrl' / 'splat' / room).rglob('*.py')):
    for name, _ in _imports(path):
      parts = name.split('.')
      if parts[:2] == ['rdrl', 'splat']:
        assert parts[2] not in below, f'{path} imports {name}'


@pytest.mark.parametrize('package', ORDER)
def test_imports_point_up(package):
  allowed = set(ORDER[: ORDER.index(package) + 1])
  for path in sorted((ROOT / 'rdrl').rglob('*.py')):
    if _package(path) != package:
      continue
    for name, _ in _imports(path):
      parts = name.split('.')
      if parts[0] in ('experiments', 'data_pipelines'):
        pytest.fail(f'{path} imports {name}')
      if parts[0] == 'rdrl' and len(parts) > 1:
        assert parts[1] in allowed, f'{path} imports {name}'


@pytest.mark.parametrize('library', sorted(EDGES))
def test_edge_libraries_are_imported_in_one_place(library):
  found = {
    str(path.relative_to(ROOT))
    for path in ROOT.glob('rdrl/**/*.py')
    for name, _ in _imports(path)
    if name.split('.')[0] == library
  }
  assert found == EDGES[library]


def test_tensorflow_datasets_is_never_imported_at_module_level():
  for folder in ('rdrl', 'experiments'):
    for path in (ROOT / folder).rglob('*.py'):
      for name, top in _imports(path):
        assert not (top and name.startswith('tensorflow')), path


def test_tests_mirror_the_package():
  for path in (ROOT / 'tests').glob('*/*_test.py'):
    folder = path.parent.name
    if folder in ('experiments', 'data_pipelines'):
      assert (ROOT / folder).is_dir()
    else:
      assert folder in ORDER, path


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
