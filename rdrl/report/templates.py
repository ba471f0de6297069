# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The templates of this folder, which pages and drawings are rendered from."""

import functools
import math
import pathlib

import jinja2


def render(name, **fields) -> str:
  """The text of a template; what a field holds is escaped."""
  return _environment().get_template(name).render(**fields)


def number(x, digits=2, sign=False):
  """A number as text, a dash where there is none."""
  if x is None or not math.isfinite(x):
    return '–'
  text = f'{x:+.{digits}f}' if sign else f'{x:.{digits}f}'
  if float(text) == 0:
    text = text.lstrip('+-')
  return text.replace('-', '−')


def short(x, digits=1):
  """A number for a machine, without zeros at its end."""
  text = f'{x:.{digits}f}'
  return text.rstrip('0').rstrip('.') if '.' in text else text


@functools.cache
def _environment():
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters.update(
    number=number,
    short=short,
    hex=lambda color: f'#{bytes(color).hex()}',
  )
  return environment
