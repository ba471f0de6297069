# Copyright 2026 The rdrl Authors. Apache-2.0.
r"""Trains the learned adversary on recorded traffic and scores it.

Prepare traffic first, such as Waymo Open Motion:

  python -m experiments.prepare --source=womd --data_dir=womd_scenes \
    --out_dir=data/womd --num_agents=64

Train on all scenes but the held-out ones, then sample futures of these, free
and guided to a collision with the ego:

  python -m experiments.train_adversary --data_dir=data/womd \
    --workdir=runs/adversary

An interrupted run resumes when the same command is given again. Score another
guidance with the same model:

  python -m experiments.train_adversary --data_dir=data/womd \
    --workdir=runs/adversary --guide=collision=2.0 --guide=rate=0.2

Start guided futures from proposals of the rule-based adversary as well:

  python -m experiments.train_adversary --data_dir=data/womd \
    --workdir=runs/adversary --proposals=128

Set size and training, the fields of `learned.Config`:

  python -m experiments.train_adversary --data_dir=data/womd \
    --workdir=runs/small --model=num_steps=500 --model=channels=48

WORKDIR gets config.json, the model in model/, metrics.jsonl, and the
scores in scores.json and scores.md; above.png shows a scene with its recorded,
free and guided futures.
"""

import dataclasses
import json
import pathlib

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from experiments import flags as shared
from rdrl import logs
from rdrl import ranges
from rdrl import report
from rdrl import training
from rdrl import trees
from rdrl.report import adversary_scores
from rdrl.scenario import learned

_DATA_DIR = shared.flag('data_dir')
_WORKDIR = shared.flag('workdir', 'runs/adversary')
_SEED = shared.flag('seed')
_PROPOSALS = shared.flag('proposals', 0)
_MODEL = flags.DEFINE_multi_string(
  'model', [], 'field=value of learned.Config: size and training.'
)
_HELD_OUT = flags.DEFINE_integer(
  'held_out', 16, 'Scenes that are not trained on, but scored.'
)
_GUIDE = flags.DEFINE_multi_string(
  'guide', [], 'field=value of learned.Guidance.'
)
_SCORED = flags.DEFINE_enum(
  'scored',
  'held_out',
  ['held_out', 'trained', 'none'],
  'Scenes to score: the held-out ones; as many of the others, on which to'
  ' choose a guidance; or none.',
)
_STEPS = flags.DEFINE_list(
  'steps', ['10', '20', '30', '40', '50'], 'Steps at which futures begin.'
)
_SAMPLES = flags.DEFINE_integer('samples', 8, 'Futures of each beginning.')
_STRENGTH = flags.DEFINE_float(
  'strength',
  0.6,
  'How much of a proposal partial diffusion may change: 1 all, near 0 nothing.',
)


@dataclasses.dataclass(frozen=True)
class Request:
  """Data and training of a model.

  Attributes:
    data_dir: folder of the prepared traffic.
    seed: of the split and of training.
    num_held_out: number of held-out scenes.
    model: size and training.
  """

  data_dir: str
  seed: ranges.Seed
  num_held_out: ranges.Count
  model: learned.Config


def split(names, num_held_out, seed):
  """Splits names into training and held-out ones, both in order.

  Raises:
    ValueError: if one of the parts is empty.
  """
  if not 0 < num_held_out < len(names):
    raise ValueError(
      f'--held_out={num_held_out}: expected 1 to {len(names) - 1} of'
      f' {len(names)} scenes'
    )
  order = np.random.default_rng(seed).permutation(len(names))
  held_out = set(order[:num_held_out].tolist())
  return (
    [name for i, name in enumerate(names) if i not in held_out],
    [name for i, name in enumerate(names) if i in held_out],
  )


def read(data_dir, names, config):
  """Reads logs of a data set as `Traffic` `[S]` in host memory."""
  return learned.stack(
    [
      learned.prepare(logs.geometric_scene(logs.read(data_dir, name)), config)
      for name in tqdm.tqdm(names, desc='scenes', disable=None)
    ]
  )


def write_scores(workdir, scores, facts):
  """Writes scores.json and scores.md; returns the lines of the latter."""
  (workdir / 'scores.json').write_text(
    json.dumps({'facts': facts, 'scores': scores}, indent=2) + '\n'
  )
  lines = [*adversary_scores.table(scores), '']
  lines += [f'{name}: {value}' for name, value in facts.items()]
  (workdir / 'scores.md').write_text('\n'.join(lines) + '\n')
  return lines


def write_picture(path, model, traffic, steps, num_samples, guidance, key):
  """Draws futures of the first moment at which guidance leads to a collision.

  If there is none, of the first with an adversary. Arguments and futures are
  those of `adversary_scores.score`.
  """
  config, shown = model.config, None
  for index in range(len(traffic.kind)):
    scene = jax.tree.map(jnp.asarray, trees.take(traffic, index))
    begun = adversary_scores.beginnings(scene, steps, config)
    if not np.any(begun.usable):
      continue
    views, road = begun.views, scene.drivable
    keys = adversary_scores.keys_of(key, index, len(steps), num_samples)
    free = adversary_scores.draw(model, views, road, keys)
    guided = adversary_scores.draw(model, views, road, keys, guidance)
    hits = adversary_scores.measure(views, guided, road).collision
    hits = np.asarray(hits) & np.asarray(begun.usable)[:, None]
    if hits.any() or shown is None:
      row = np.argmax(begun.usable), 0
      row = np.argwhere(hits)[0] if hits.any() else row
      known = adversary_scores.recorded(views, config)
      shown = (
        scene,
        trees.take(views, row[0]),
        {
          'recorded': trees.take(known, row[0]),
          'free': trees.take(free, tuple(row)),
          'guided': trees.take(guided, tuple(row)),
        },
      )
    if hits.any():
      break
  shown = jax.tree.map(np.asarray, shown)
  report.videos.write_image(path, adversary_scores.picture(*shown))


def main():
  if _DATA_DIR.value is None:
    raise training.config.ConfigError('--data_dir: not set')
  steps = np.array(shared.numbers(_STEPS, int), np.int32)
  guidance = training.config.override(
    learned.Guidance(), _GUIDE.value, '--guide='
  )
  request = Request(
    data_dir=str(pathlib.Path(_DATA_DIR.value).resolve()),
    seed=_SEED.value,
    num_held_out=_HELD_OUT.value,
    model=training.config.override(learned.Config(), _MODEL.value, '--model='),
  )
  learned.validate(request.model)
  training.mesh.start()
  workdir = pathlib.Path(_WORKDIR.value)
  names = dict(
    zip(
      ('trained', 'held_out'),
      split(logs.names(request.data_dir), request.num_held_out, request.seed),
      strict=True,
    )
  )
  training.config.record(workdir, request)

  def traffic(part):
    return training.checkpoints.stage(
      workdir / 'traffic' / part,
      learned.Traffic,
      lambda: read(request.data_dir, names[part], request.model),
    )

  key = jax.random.key(request.seed)
  model = learned.train(traffic('trained'), request.model, key, workdir)
  learned.save(model, workdir)
  part = _SCORED.value
  if part == 'none':
    return
  scored = trees.take(traffic(part), slice(request.num_held_out))
  sample_key = jax.random.fold_in(key, 1)
  proposals = None
  if _PROPOSALS.value:
    proposals = [
      adversary_scores.rule_based(
        logs.geometric_scene(logs.read(request.data_dir, name)),
        _PROPOSALS.value,
        jax.random.fold_in(jax.random.fold_in(key, 2), index),
        model.config,
      )
      for index, name in enumerate(
        tqdm.tqdm(
          names[part][: request.num_held_out], desc='propose', disable=None
        )
      )
    ]
  scores = adversary_scores.score(
    model,
    scored,
    steps,
    _SAMPLES.value,
    guidance,
    sample_key,
    proposals,
    _STRENGTH.value,
  )
  facts = {
    'scenes': f'{len(scored.kind)}, {part.replace("_", " ")}',
    'seed': request.seed,
    'steps': ', '.join(map(str, steps.tolist())),
    'guidance': ', '.join(
      f'{name} {value}'
      for name, value in training.config.flatten(guidance).items()
    ),
    'proposals drawn for each scene': _PROPOSALS.value,
    'strength': _STRENGTH.value if _PROPOSALS.value else None,
  }
  for line in write_scores(workdir, scores, facts):
    print(line)
  write_picture(
    workdir / 'above.png',
    model,
    scored,
    steps,
    _SAMPLES.value,
    guidance,
    sample_key,
  )
  print(f'model, scores and picture: {workdir}')


if __name__ == '__main__':
  training.cli.run(main)
