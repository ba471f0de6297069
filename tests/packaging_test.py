# Copyright 2026 The rdrl Authors. Apache-2.0.
"""What is installed is whole, and needs what it says that it needs."""

import configparser
from importlib import metadata
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

from packaging import requirements
from packaging import utils
import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('rdrl', 'experiments', 'data_pipelines')

# A line each, as the linter wants them; parsing all files takes seconds.
IMPORT = re.compile(
  r'^ *(?:import (?=[\w.]+(?: as \w+)?$)|from (?=[\w.]+ import \w))(\w+)', re.M
)

# Imported by tensorflow-datasets, which does not ask for all of them.
INDIRECT = {'array-record', 'importlib-resources'}
# Used, but not by an import.
TOOLS = {'pytest-xdist', 'ruff', 'setuptools', 'vulture'}
# Yardsticks, used where somebody installed them.
PEERS = {'gsplat', 'nerfacc', 'torch'}


def _declared():
  """`Requirement`s of setup.cfg: those of the package, and each extra's."""
  config = configparser.ConfigParser()
  config.read(ROOT / 'setup.cfg')
  groups = dict(config['options.extras_require'])
  groups[''] = config['options']['install_requires']
  return {
    name: [requirements.Requirement(line) for line in lines.split('\n') if line]
    for name, lines in groups.items()
  }


def _all():
  return list(itertools.chain(*_declared().values()))


def _names(declared):
  return {utils.canonicalize_name(one.name) for one in declared}


def _files():
  """Paths of all that the packages consist of."""
  return {
    str(path.relative_to(ROOT))
    for package in PACKAGES
    for path in (ROOT / package).rglob('*')
    if path.is_file() and '__pycache__' not in path.parts
  }


def _imported(folder):
  """Names of libraries that files import, but for Python's own and ours."""
  found = set()
  for path in (ROOT / folder).rglob('*.py'):
    found |= set(IMPORT.findall(path.read_text()))
  return found - sys.stdlib_module_names - {*PACKAGES, 'tests', 'conftest'}


def _distributions(*folders):
  """Names of what has to be installed for the imports of folders."""
  known = metadata.packages_distributions()
  found = set().union(*map(_imported, folders)) - PEERS
  return {utils.canonicalize_name(known[name][0]) for name in found}


def test_the_wheel_holds_every_file_and_the_command(tmp_path):
  source = tmp_path / 'source'
  for package in PACKAGES:
    shutil.copytree(
      ROOT / package,
      source / package,
      ignore=shutil.ignore_patterns('__pycache__'),
    )
  for name in ('setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(ROOT / name, source)
  code = 'from setuptools import build_meta; build_meta.build_wheel("..")'
  subprocess.run(
    [sys.executable, '-c', code], cwd=source, check=True, capture_output=True
  )
  (path,) = tmp_path.glob('*.whl')
  with zipfile.ZipFile(path) as wheel:
    inside = set(wheel.namelist())
    (entry_points,) = (x for x in inside if x.endswith('entry_points.txt'))
    text = wheel.read(entry_points).decode()
  assert {x for x in inside if '.dist-info/' not in x} == _files()
  assert 'rdrl = experiments.__main__:main' in text.splitlines()


def test_every_import_is_declared_and_every_declaration_imported():
  declared = _declared()
  package = _names(declared[''] + declared['gym'])
  tests = _names(declared['test'])
  assert _distributions(*PACKAGES) == package - INDIRECT
  assert _distributions('tests') | TOOLS <= package | tests
  assert tests - TOOLS <= _distributions('tests', *PACKAGES)


def test_every_dependency_has_a_lower_bound():
  for one in _all():
    assert any(x.operator == '>=' for x in one.specifier), one


def test_what_make_installs_is_what_is_declared():
  lines = (ROOT / 'requirements' / 'direct.txt').read_text().splitlines()
  direct = _names(requirements.Requirement(x) for x in lines if x[0] != '#')
  assert direct == _names(_all())


@pytest.mark.parametrize(
  'lock', sorted(x.name for x in (ROOT / 'requirements').glob('python*.txt'))
)
def test_a_lock_satisfies_every_declaration(lock):
  lines = (ROOT / 'requirements' / lock).read_text().splitlines()
  versions = dict(x.split('==') for x in lines if x[0] != '#')
  versions = {utils.canonicalize_name(k): v for k, v in versions.items()}
  for one in _all():
    assert one.specifier.contains(
      versions[utils.canonicalize_name(one.name)]
    ), one


def test_bazel_depends_on_what_is_declared():
  rules = (ROOT / 'BUILD').read_text().split('py_library(')[1:]
  (rule,) = (x for x in rules if '"rdrl",' in x.splitlines()[1])
  found = set(re.findall(r'"@pypi//(\w+):pkg"', rule))
  declared = _names(_declared()[''])
  assert {utils.canonicalize_name(x) for x in found} == declared
  # Those of the tests stand in the last rule.
  rule = rules[-1].rpartition('[py_test(')[2]
  found = set(re.findall(r'"@pypi//(\w+):pkg"', rule))
  tests = _names(_declared()['test']) - {'pytest-xdist', 'ruff', 'vulture'}
  assert {utils.canonicalize_name(x) for x in found} == tests


if __name__ == '__main__':
  sys.exit(pytest.main([__file__]))
