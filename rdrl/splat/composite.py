# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Front-to-back alpha compositing of per-tile lists of Gaussians.

The lists are cut into blocks of `BLOCK` entries. A loop holds a fixed number of
slots, each working on one tile; in every turn each slot blends one block, and a
slot whose tile is finished, because its list ended or no light passes any more,
takes the next tile from the queue, longest first. So all slots stay busy
however skewed the lists are, no turn is spent behind an opaque surface, and the
work of many images is one queue: under `vmap` the tiles of the whole batch are
queued together rather than waiting for each other.

The exponent of a Gaussian is a quadratic polynomial of the pixel's place in its
tile, hence for a block a matrix product with six monomials that are the same
for all tiles; the sums over pixels in the backward pass are products with the
same monomials. Tile-local coordinates keep the cancellation of float32 small.

The backward pass blends front to back once more and saves nothing per entry.
With T_k the transmittance before entry k, v_k the cotangent of the pixel dotted
with the entry's features, and S the same for the composited pixel,

  dL/dalpha_k = T_k v_k - (S - sum_{j<=k} alpha_j T_j v_j) / (1 - alpha_k).
"""

import functools

import jax
from jax import custom_batching
import jax.numpy as jnp
import numpy as np

# Entries that a slot blends in one turn.
BLOCK = 16
TILE_HEIGHT, TILE_WIDTH = 8, 8
# Colour, depth, and ones whose sum is alpha.
NUM_FEATURES = 5

MIN_ALPHA = 1 / 255
MIN_TRANSMITTANCE = 1e-4

# Most slots; a short queue gets fewer, or its longest tile would keep one slot
# busy while the others idle.
_SLOTS = 16
_TILES_PER_SLOT = 8
_PIXELS = TILE_HEIGHT * TILE_WIDTH


def _monomials():
  """`[6, pixels]`: 1, x, y, x^2, xy, y^2 about the middle of a tile."""
  y, x = np.mgrid[:TILE_HEIGHT, :TILE_WIDTH] + 0.5
  x, y = x.ravel() - TILE_WIDTH / 2, y.ravel() - TILE_HEIGHT / 2
  rows = [np.ones_like(x), x, y, x * x, x * y, y * y]
  return np.stack(rows).astype(np.float32)


def exponent_coefficients(offset, conic, log_opacity):
  """`[..., 6]` coefficients of log(opacity) - sigma in the monomials.

  Args:
    offset: `[..., 2]` mean of the Gaussian relative to the middle of the tile.
    conic: `[..., 3]` inverse covariance xx, xy, yy in 1 / pixel^2.
    log_opacity: `[...]`.
  """
  x, y = offset[..., 0], offset[..., 1]
  a, b, c = conic[..., 0], conic[..., 1], conic[..., 2]
  along_x, along_y = a * x + b * y, b * x + c * y
  constant = log_opacity - 0.5 * (along_x * x + along_y * y)
  return jnp.stack([constant, along_x, along_y, -0.5 * a, -b, -0.5 * c], -1)


def _unpack(rows, valid, middle):
  """Coefficients `[..., 6]` and features `[..., 5]` of blocks of entries.

  Args:
    rows: `[..., BLOCK, 10]` of the table, see `composite`.
    valid: `[..., BLOCK]`.
    middle: `[..., 2]` pixels.
  """
  coefficients = exponent_coefficients(
    rows[..., :2] - middle[..., None, :], rows[..., 2:5], rows[..., 5]
  )
  # exp(-100) is skipped like every alpha below 1/255.
  nothing = jnp.array([-100.0, 0, 0, 0, 0, 0])
  coefficients = jnp.where(valid[..., None], coefficients, nothing)
  features = jnp.concatenate(
    [rows[..., 6:10], jnp.ones_like(rows[..., :1])], -1
  )
  return coefficients, features


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def composite(table, gaussian, valid, middle, first, count, max_alpha):
  """Blends the blocks of every tile, front to back.

  Entry k adds its features times alpha_k T_k, where alpha is
  min(`max_alpha`, exp(exponent)), entries below 1/255 are skipped and a pixel
  is finished before the entry that would leave less than 1e-4 of the light, as
  in gsplat.

  Only blocks that some slot reaches are gathered, so that here room for entries
  that an image does not have costs nothing; the gradient prepares all of it.

  Args:
    table: `[N, 10]` of each Gaussian: where it is in pixels, inverse covariance
      xx, xy, yy, logarithm of its opacity, and four features.
    gaussian: `[blocks, BLOCK]` int32 row of the table of each entry.
    valid: `[blocks, BLOCK]` bool, whether there is an entry.
    middle: `[blocks, 2]` middle in pixels of the tile of each block.
    first: `[tiles]` int32 index of a tile's first block.
    count: `[tiles]` int32 number of its blocks, which follow each other.
    max_alpha: Python float below 1.

  Returns:
    `[tiles, 5, pixels]`, the last of the five the sum of the weights.
  """
  return _forward(max_alpha)(table, gaussian, valid, middle, first, count)


def _composite_fwd(table, gaussian, valid, middle, first, count, max_alpha):
  known = table, gaussian, valid, middle, first, count
  image = _forward(max_alpha)(*known)
  return image, (*known, image)


def _composite_bwd(max_alpha, residuals, cotangent):
  table, gaussian, valid, middle, first, count, image = residuals
  blocks, pull = jax.vjp(
    lambda table: _unpack(table[gaussian], valid, middle), table
  )
  gradients = _backward(max_alpha)(*blocks, first, count, image, cotangent)
  return *pull(gradients), None, None, None, None, None


composite.defvjp(_composite_fwd, _composite_bwd)


def _queue_batched(function, pointers):
  """Batches by joining the queues of the batch into one.

  Args:
    function: of arrays whose leading axes are joined.
    pointers: argument that holds rows of another one to that other one; both
      by number.
  """
  batched = custom_batching.custom_vmap(function)

  @batched.def_vmap
  def rule(size, in_batched, *arguments):
    arguments = [
      x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
      for x, is_batched in zip(arguments, in_batched, strict=True)
    ]
    for pointer, target in pointers.items():
      x = arguments[pointer]
      shift = arguments[target].shape[1] * jnp.arange(size, dtype=jnp.int32)
      arguments[pointer] = x + shift.reshape(-1, *[1] * (x.ndim - 1))
    flat = [x.reshape(-1, *x.shape[2:]) for x in arguments]
    out = batched(*flat)
    unflat = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), out)
    return unflat, jax.tree.map(lambda _: True, out)

  return batched


def _alphas(coefficients, max_alpha):
  """`[BLOCK, slots, pixels]` of `[BLOCK, slots, 6]` coefficients."""
  block, slots, _ = coefficients.shape
  exponent = jnp.matmul(
    coefficients.reshape(-1, 6),
    _monomials(),
    precision=jax.lax.Precision.HIGHEST,
  ).reshape(block, slots, _PIXELS)
  alpha = jnp.exp(jnp.minimum(exponent, np.log(max_alpha)))
  return jnp.where(exponent >= np.log(MIN_ALPHA), alpha, 0), exponent


def _run_queue(first, count, turn, per_tile, results):
  """Lets slots work through all tiles.

  Args:
    first: `[tiles]` first block.
    count: `[tiles]` blocks; tiles of none are left out.
    turn: `(block [slots], transmittance, carry, results, tile [slots]) ->
      (transmittance, carry, results)` blends one block per slot.
    per_tile: `tile [slots] -> carry` what a slot starts a tile with.
    results: PyTree of arrays that `turn` writes.
  """
  tiles = len(first)
  slots = min(_SLOTS, -(-tiles // _TILES_PER_SLOT))
  order = jnp.argsort(-count)
  num_active = jnp.sum(count > 0)
  first, count = first[order], count[order]

  def load(position):
    """The `position`-th tile of the queue, or the idle tile."""
    is_idle = position >= num_active
    position = jnp.minimum(position, tiles - 1)
    block = jnp.where(is_idle, 0, first[position])
    end = block + jnp.where(is_idle, 0, count[position])
    return jnp.where(is_idle, tiles, order[position]), block, end

  def is_busy(state):
    return jnp.any(state[1] < tiles)

  def body(state):
    taken, tile, block, end, transmittance, carry, results = state
    transmittance, carry, results = turn(
      block, transmittance, carry, results, tile
    )
    is_opaque = jnp.max(transmittance, -1) <= MIN_TRANSMITTANCE
    done = (block + 1 >= end) | is_opaque
    rank = taken + jnp.cumsum(done) - 1
    new_tile, new_block, new_end = load(rank)
    tile = jnp.where(done, new_tile, tile)
    block = jnp.where(done, new_block, block + 1)
    end = jnp.where(done, new_end, end)
    transmittance = jnp.where(done[:, None], 1, transmittance)
    carry = jax.tree.map(
      lambda new, old: jnp.where(
        done.reshape(-1, *[1] * (old.ndim - 1)), new, old
      ),
      per_tile(new_tile),
      carry,
    )
    taken = taken + jnp.sum(done)
    return taken, tile, block, end, transmittance, carry, results

  tile, block, end = load(jnp.arange(slots))
  state = (
    jnp.asarray(slots, jnp.int32),
    tile,
    block,
    end,
    jnp.ones((slots, _PIXELS), jnp.float32),
    per_tile(tile),
    results,
  )
  return jax.lax.while_loop(is_busy, body, state)[-1]


@functools.cache
def _forward(max_alpha):
  def run(table, gaussian, valid, middle, first, count):
    tiles = len(first)

    def turn(block, transmittance, pixel, image, tile):
      coefficients, features = _unpack(
        table[gaussian[block]], valid[block], middle[block]
      )
      alpha, _ = _alphas(jnp.swapaxes(coefficients, 0, 1), max_alpha)

      def blend(carry, entry):
        before, pixel = carry
        alpha, feature = entry
        after = before * (1 - alpha)
        weight = jnp.where(after > MIN_TRANSMITTANCE, alpha * before, 0)
        return (after, pixel + weight[:, None] * feature[:, :, None]), None

      (transmittance, pixel), _ = jax.lax.scan(
        blend,
        (transmittance, pixel),
        (alpha, jnp.swapaxes(features, 0, 1)),
      )
      return transmittance, pixel, image.at[tile].set(pixel)

    def per_tile(tile):
      return jnp.zeros((len(tile), NUM_FEATURES, _PIXELS), jnp.float32)

    # The last row takes what idle slots write.
    image = jnp.zeros((tiles + 1, NUM_FEATURES, _PIXELS), jnp.float32)
    return _run_queue(first, count, turn, per_tile, image)[:tiles]

  return _queue_batched(run, {1: 0, 4: 1})


@functools.cache
def _backward(max_alpha):
  def run(coefficients, features, first, count, image, cotangent):
    tiles, blocks = len(first), len(coefficients)
    cotangent = jnp.pad(cotangent, ((0, 1), (0, 0), (0, 0)))
    total = jnp.sum(jnp.pad(image, ((0, 1), (0, 0), (0, 0))) * cotangent, 1)

    def turn(block, transmittance, carry, gradients, tile):
      rest, cotangent = carry
      alpha, exponent = _alphas(
        jnp.swapaxes(coefficients[block], 0, 1), max_alpha
      )

      def blend(carry, entry):
        before, rest = carry
        alpha, feature = entry
        after = before * (1 - alpha)
        lives = after > MIN_TRANSMITTANCE
        value = sum(
          feature[:, i, None] * cotangent[:, i] for i in range(NUM_FEATURES)
        )
        weight = jnp.where(lives, alpha * before, 0)
        rest = rest - weight * value
        d_alpha = before * value - rest / (1 - alpha)
        d_alpha = jnp.where(lives, d_alpha, 0)
        return (after, rest), (weight, d_alpha)

      (transmittance, rest), (weight, d_alpha) = jax.lax.scan(
        blend,
        (transmittance, rest),
        (alpha, jnp.swapaxes(features[block], 0, 1)),
      )
      is_clamped = exponent > np.log(max_alpha)
      d_exponent = jnp.where(is_clamped, 0, d_alpha * alpha)
      d_coefficients = jnp.matmul(
        d_exponent.reshape(-1, _PIXELS),
        _monomials().T,
        precision=jax.lax.Precision.HIGHEST,
      ).reshape(BLOCK, len(block), 6)
      d_features = jnp.einsum(
        'ksp,scp->skc',
        weight,
        cotangent,
        precision=jax.lax.Precision.HIGHEST,
      )
      row = jnp.where(tile < tiles, block, blocks)
      gradients = (
        gradients[0].at[row].set(jnp.swapaxes(d_coefficients, 0, 1)),
        gradients[1].at[row].set(d_features),
      )
      return transmittance, (rest, cotangent), gradients

    def per_tile(tile):
      return total[tile], cotangent[tile]

    gradients = (
      jnp.zeros((blocks + 1, BLOCK, 6), jnp.float32),
      jnp.zeros((blocks + 1, BLOCK, NUM_FEATURES), jnp.float32),
    )
    gradients = _run_queue(first, count, turn, per_tile, gradients)
    return gradients[0][:blocks], gradients[1][:blocks]

  return _queue_batched(run, {2: 0})
