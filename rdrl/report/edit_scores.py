# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Edits of a reconstruction against the built-in world with the same edit.

Every car of a street is taken away, and put down elsewhere at several turns,
and the recording cameras look at the hole and at the car. The world draws both,
too: it has never heard of Gaussians, and its cars may stand anywhere.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rdrl import geometry
from rdrl import splat
from rdrl import trees
from rdrl import types
from rdrl import world
from rdrl.report import scene_scores
from rdrl.report import tables
from rdrl.report import videos

TURNS = (30, 90, 180)
DISTANCE = 5.0
# What is asked for, dB.
LEAST_IN_BOX, LEAST_IN_HOLE = 20.0, 22.0

# Where to put a car, in the order in which places are tried: shares of the
# distance ahead along its heading and to its left.
_PLACES = {
  'ahead': (1, 0),
  'behind': (-1, 0),
  'left': (0, 1),
  'right': (0, -1),
}
# Metres that stay free around a car that is put down.
_GAP = 0.3


def edit_scores(
  street,
  scene,
  log,
  config,
  turns=TURNS,
  distance=DISTANCE,
  num_moments=4,
):
  """Scores of the removal and of the insertion of every car.

  Moments are held-out steps at which a camera sees at least
  `scene_scores.LEAST_PIXELS` pixels of a car's box, spread over all of these.
  At each, the car goes to the first place that is free and seen, of those ahead
  of it, behind it, to its left and to its right: at every turn clear of all
  other boxes, the ego's too, and of walls, its middle where cars may drive, and
  so many pixels of its box visible to a camera. A pixel counts for a box where
  its ray enters the box before it meets what the world has there without the
  car: inside the box is the car or what is seen past it, and never what stands
  in front. Cars are extracted, removed and inserted as `splat.assets` does it.

  Args:
    street: where the log was recorded.
    scene: the reconstruction.
    log: the recording.
    config: `splat.RenderConfig`.
    turns: degrees, counter-clockwise.
    distance: metres from where the car was.
    num_moments: at most so many for each car.

  Returns:
    Scores and pictures. Scores: `cars`, for each one that is seen a dictionary
    of its `agent`, `metres` from the nearest camera, `moments`, `Gaussians`,
    `places`, and in dB, means over images, `recorded` (in its box, unedited),
    `hole` (in its former box, removed) and `turned`, by degrees (in its box,
    inserted); `mean` over cars of these; `unseen`, agents that are not scored.
    What could not be scored is None. Pictures: agent to uint8 `[h, w, 3]`,
    truth above reconstruction, of the view that shows most of its box.
  """
  scene = jax.device_get(scene)
  steps = np.flatnonzero(log.is_held_out)
  cameras, agents = trees.take((log.cameras, log.tracks), steps)
  _, depth = scene_scores.survey(street, cameras, agents)
  grids = world.truth_grids(street)
  cars, pictures, unseen = [], {}, []
  for agent in range(1, len(log.sizes)):
    if (
      log.classes[agent] != types.VEHICLE
      or not log.tracks.valid[:, agent].any()
    ):
      continue
    box = scene_scores.box_depths(cameras, _only(agents, agent), log.sizes)
    is_seen = _is_scored(box < depth).any(-1)
    rows = np.flatnonzero(is_seen)
    if not len(rows):
      unseen.append(agent)
      continue
    spread = np.linspace(0, len(rows) - 1, min(num_moments, len(rows)))
    rows = rows[np.round(spread).astype(int)]
    found, picture = _car(
      street, scene, log, config, agent, steps[rows], turns, distance, grids
    )
    cars.append(found)
    pictures[agent] = picture
  return {
    'cars': cars,
    'mean': {
      'recorded': _mean([car['recorded'] for car in cars]),
      'hole': _mean([car['hole'] for car in cars]),
      'turned': {
        str(turn): _mean([car['turned'][str(turn)] for car in cars])
        for turn in turns
      },
    },
    'unseen': unseen,
  }, pictures


def table(scores):
  """Lines of a table with a row for each car, dB."""
  turns = list(scores['mean']['turned'])
  columns = ['car', 'metres', 'recorded', 'hole', *(f'{t} deg' for t in turns)]
  cars = [(car['agent'], f'{car["metres"]:.0f}', car) for car in scores['cars']]
  rows = []
  for name, metres, row in [*cars, ('mean', '', scores['mean'])]:
    values = [row['recorded'], row['hole'], *row['turned'].values()]
    cells = ['-' if value is None else f'{value:.1f}' for value in values]
    rows.append([name, metres, *cells])
  yield from tables.markdown(columns, rows)
  least = f'least {LEAST_IN_HOLE:g} in the hole, {LEAST_IN_BOX:g} in a box'
  values = [(car['hole'], LEAST_IN_HOLE) for car in scores['cars']] + [
    (value, LEAST_IN_BOX)
    for car in scores['cars']
    for value in car['turned'].values()
  ]
  values = [(value, bound) for value, bound in values if value is not None]
  good = sum(value >= bound for value, bound in values)
  yield f'{good} of {len(values)} reach what is asked for: {least}'


def _car(street, scene, log, config, agent, steps, turns, distance, grids):
  """Scores and picture of one car at some steps."""
  cameras, agents = trees.take((log.cameras, log.tracks), steps)
  box = scene_scores.box_depths(cameras, _only(agents, agent), log.sizes)
  absent = agents.replace(valid=agents.valid & ~_column(agents.valid, agent))
  _, depth = scene_scores.survey(street, cameras, absent)
  in_box = box < depth
  recorded = np.asarray(log.images[steps], np.float32) / 255
  seen = scene_scores.rendered(
    scene, cameras, agents, config, steps=steps
  ).color
  # Rows of pictures: what was edited, the truth, the reconstruction, pixels.
  views = {'recorded': (recorded, seen, in_box)}

  without = splat.assets.remove(scene, agent)
  truth = scene_scores.truth(street, cameras, absent)
  gone = scene_scores.rendered(
    without, cameras, absent, config, steps=steps
  ).color
  views['removed'] = truth, gone, in_box

  places, tracks = _place(
    log, agent, steps, cameras, depth, turns, distance, grids
  )
  has_place = np.array([place is not None for place in places])
  # A car that was hardly seen may have lost all of its Gaussians.
  count = int(np.sum(scene.gaussians.node == agent))
  asset = (
    splat.assets.extract(scene, agent, f'agent-{agent}') if count else None
  )
  for turn in turns:
    track = tracks[turn]
    if asset is None:
      edited = splat.assets.replace_track(without, agent, track)
    else:
      edited = splat.assets.insert(without, asset, track, agent=agent)
    moved = trees.take(edited.tracks, steps)
    box = scene_scores.box_depths(cameras, _only(moved, agent), log.sizes)
    views[f'turned by {turn}'] = (
      scene_scores.truth(street, cameras, moved),
      scene_scores.rendered(edited, cameras, moved, config, steps=steps).color,
      (box < depth) & has_place[:, None, None, None],
    )
  dB = {label: _psnr(*view) for label, view in views.items()}
  eye = geometry.inverse(jnp.asarray(cameras.camera_from_world))[:, 0, :2, 3]
  metres = np.linalg.norm(np.asarray(eye) - agents.xy[:, agent], axis=-1)
  scores = {
    'agent': agent,
    'metres': float(metres.min()),
    'moments': steps.tolist(),
    'places': places,
    'Gaussians': count,
    'recorded': dB['recorded'],
    'hole': dB['removed'],
    'turned': {str(turn): dB[f'turned by {turn}'] for turn in turns},
  }
  return scores, _picture(views, dB)


def _place(log, agent, steps, cameras, depth, turns, distance, grids):
  """Where a car goes at each step.

  Returns:
    Names of places `[S]`, None where there is none; and a track `[T]` for each
    turn, that of the car at all other steps.
  """
  drivable, occupancy, ground = grids
  own = trees.take(log.tracks, (slice(None), agent))
  tracks = {turn: jax.tree.map(np.copy, own) for turn in turns}
  places = [None] * len(steps)
  for name, (ahead, left) in _PLACES.items():
    if None not in places:
      break
    candidates, is_good = {}, np.ones(len(steps), bool)
    for turn in turns:
      track = splat.assets.moved(
        own, ground, distance * ahead, distance * left, np.radians(turn)
      )
      candidates[turn] = track
      moved = trees.take(log.tracks, steps)
      moved = jax.tree.map(
        lambda all_, one: _with_column(all_, agent, one[steps]), moved, track
      )
      box = scene_scores.box_depths(cameras, _only(moved, agent), log.sizes)
      is_good &= _is_scored(box < depth).any(-1)
      is_good &= _is_free(moved, agent, log.sizes, occupancy)
      middle = geometry.sample_grid(drivable, moved.xy[:, agent])
      is_good &= np.asarray(middle) > 0
    for i, step in enumerate(steps):
      if is_good[i] and places[i] is None:
        places[i] = name
        for turn in turns:
          for field, value in vars(candidates[turn]).items():
            getattr(tracks[turn], field)[step] = value[step]
  return places, tracks


def _is_free(agents, agent, sizes, occupancy):
  """`[S]`, whether a box is clear of all others and of what never moves."""
  sizes = np.asarray(sizes)
  own = trees.take(agents, (slice(None), slice(agent, agent + 1)))
  overlaps = np.asarray(
    geometry.boxes_overlap(
      own.xy, own.yaw, sizes[agent] + 2 * _GAP, agents.xy, agents.yaw, sizes
    )
  )
  others = agents.valid.copy()
  others[:, agent] = False
  corners = geometry.box_corners(own.xy[:, 0], own.yaw[:, 0], sizes[agent])
  clear = np.asarray(geometry.sample_grid(occupancy, corners)) > 0
  return ~np.any(overlaps & others, -1) & np.all(clear, -1)


def _picture(views, dB):
  """Truth above reconstruction, of the view with most pixels in the box."""
  # The smallest box decides, so that no column shows nothing.
  counts = np.stack([mask.sum((-1, -2)) for _, _, mask in views.values()])
  at = np.unravel_index(np.argmax(counts.min(0)), counts.shape[1:])
  columns = []
  for label, (truth, seen, mask) in views.items():
    pair = np.stack([_outlined(x[at], mask[at]) for x in (truth, seen)])
    value = 'not seen' if dB[label] is None else f'{dB[label]:.1f} dB'
    columns.append(
      videos.caption(videos.stack([pair[:1], pair[1:]]), f'{label}, {value}')
    )
  return videos.beside(columns)[0]


def _outlined(image, mask):
  """Uint8 image with a white line around the pixels that count."""
  padded = np.pad(mask, 1)
  inner = mask.copy()
  for axis, shift in ((0, -1), (0, 1), (1, -1), (1, 1)):
    inner &= np.roll(padded, shift, axis)[1:-1, 1:-1]
  return np.where((mask & ~inner)[..., None], 255, videos.to_bytes(image))


def _psnr(truth, seen, mask):
  """Mean dB over images with enough pixels in the mask, or None."""
  values = np.asarray(splat.psnr(seen, truth, mask))[_is_scored(mask)]
  return float(values.mean()) if len(values) else None


def _is_scored(mask):
  """`[...]` of masks `[..., H, W]`."""
  return mask.sum((-1, -2)) >= scene_scores.LEAST_PIXELS


def _mean(values):
  values = [value for value in values if value is not None]
  return float(np.mean(values)) if values else None


def _column(valid, agent):
  """`[S, A]` bool, true for one agent."""
  return np.broadcast_to(np.arange(valid.shape[1]) == agent, valid.shape)


def _only(agents, agent):
  """`agents` without the others."""
  return agents.replace(valid=agents.valid & _column(agents.valid, agent))


def _with_column(all_, agent, one):
  all_ = all_.copy()
  all_[:, agent] = one
  return all_
