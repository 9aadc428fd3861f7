"""ZCore for any draws, each in a subspace of its own, of any number of dimensions.

With one target per subspace nothing is worth sorting. All images are measured, twice for each draw, first to find the
nearest to the target, then the neighbours of that one. This goes through tiles of rows small enough to stay in cache
while a batch of draws is answered, and every loop over a tile is a vector loop. Neighbours are listed up to a radius
guessed from a sample of the images; where the guess fails, all distances are taken.

In the docstrings n is the number of images, t of draws, m of dimensions in a subspace, and *float* the dtype of the
embeddings, float32 or float64. Every kernel says what it writes; what is not said to be written is read only.
Kernels that kernels call are compiled into them, see `jit`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....vectors.jit import jit
from .params import SHARED, SYMMETRIC
from .weights import count_within, find_cut, smallest_positive, weigh

_TILE = 1024  # rows of all dimensions that stay in cache while a batch of draws is answered
_BLOCK = 32  # distances tested at once before any of them is looked at


@jit
def _distances(columns, dims, point, first, stop, distance):
    """Writes the L1 distances of some images from a point, added up in the order of ``dims``.

    Args:
        columns: (d, n) float embeddings, one dimension a row
        dims: (m,) int64 dimensions of the subspace
        point: (m,) float
        first: the first image to measure
        stop: the one after the last
        distance: (>= stop - first,) float, the first of which are written
    """
    xs = columns[dims[0], first:stop]
    x = point[0]
    if len(dims) == 1:
        for i in range(len(xs)):
            distance[i] = abs(xs[i] - x)
        return
    ys = columns[dims[1], first:stop]
    y = point[1]
    for i in range(len(xs)):
        distance[i] = abs(xs[i] - x) + abs(ys[i] - y)
    for j in range(2, len(dims)):
        ys = columns[dims[j], first:stop]
        y = point[j]
        for i in range(len(ys)):
            distance[i] += abs(ys[i] - y)


@jit
def _nearest_images(columns, dims, points, distance, bits, hits):
    """Finds the image nearest to each point; of several, the first.

    Args:
        columns: (d, n) float embeddings
        dims: (t, m) int64 subspaces
        points: (t, m) float
        distance: (n,) float, overwritten
        bits: the same memory seen as unsigned integers
        hits: (t,) int64, written
    """
    n = columns.shape[1]
    best = np.full(len(dims), np.inf)
    for first in range(0, n, _TILE):
        size = min(_TILE, n - first)
        for t in range(len(dims)):
            _distances(columns, dims[t], points[t], first, first + size, distance)
            smallest = bits[0]
            for i in range(size):
                smallest = min(smallest, bits[i])
            at = 0
            while bits[at] != smallest:
                at += 1
            if distance[at] < best[t]:
                best[t] = distance[at]
                hits[t] = first + at


@jit
def _collect_neighbours(columns, dims, points, radii, distance, near, near_images, found):
    """Lists the images within a radius of each point.

    Args:
        columns: (d, n) float embeddings
        dims: (t, m) int64 subspaces
        points: (t, m) float
        radii: (t,) float
        distance: (n,) float, overwritten
        near: (t, room) float, written: distances of the images found
        near_images: (t, room) int32, written: which they are, in ascending order
        found: (t,) int64, written: how many there are, counted even where there is no more room
    """
    n = columns.shape[1]
    room = near.shape[1]
    found[:] = 0
    for first in range(0, n, _TILE):
        size = min(_TILE, n - first)
        for t in range(len(dims)):
            _distances(columns, dims[t], points[t], first, first + size, distance)
            radius = radii[t]
            for start in range(0, size, _BLOCK):
                block = distance[start : min(start + _BLOCK, size)]
                inside = count_within(block, len(block), radius)
                if inside == 0:
                    continue
                at = found[t]
                found[t] += inside
                if at + len(block) >= room:
                    continue
                for i in range(len(block)):  # without a branch: what is too far is overwritten by the next
                    near[t, at] = block[i]
                    near_images[t, at] = first + start + i
                    at += block[i] <= radius


class Listed(NamedTuple):
    """Images measured from the one that was hit.

    Attributes:
        distance: (s,) float
        bits: (s,) the same memory seen as unsigned integers
        images: (s,) int32 which images, ascending; empty if they are all n, in their order
    """

    distance: np.ndarray
    bits: np.ndarray
    images: np.ndarray


@jit
def _penalise_listed(hit, listed, high, above, params, weight, coverage, redundancy):
    """Covers one image and penalises the K nearest of those listed.

    Args:
        hit: the image
        listed: :class:`Listed` images, itself and its K nearest among them
        high: float64 distance within which ``above`` > K of them lie
        above: see there
        params: the :class:`.params.ZCoreParams`
        weight: (n,) float, overwritten
        coverage: (n,) float64, added to
        redundancy: (n,) float64, added to
    """
    distance, bits, images = listed
    size = len(distance)
    coincident = count_within(distance, size, 0)
    if coincident > 1:
        _share_among_coincident(hit, coincident, params.rule, listed, coverage, redundancy)
        return
    cut, spare = find_cut(distance, size, params.n_neighbors + 1, high, above)
    smallest = distance[smallest_positive(bits, size)]
    total = weigh(distance, size, smallest, cut, 0, params.exponent, weight)
    i = size
    while spare > 0:  # of images equally far, the first count
        i -= 1
        if distance[i] == cut:
            total -= weight[i]
            weight[i] = 0
            spare -= 1
    coverage[hit] += 1
    scale = 1 / total
    if len(images) == 0:
        for i in range(size):
            redundancy[i] += scale * weight[i]
    else:
        for i in range(size):
            redundancy[images[i]] += scale * weight[i]


@jit
def _share_among_coincident(hit, count, rule, listed, coverage, redundancy):
    """Covers and penalises the ``count`` listed images that coincide with the one that was hit, itself among them.

    Adds to ``coverage`` and ``redundancy``, (n,) float64 each.
    """
    if rule != SYMMETRIC:
        coverage[hit] += 1
    for i in range(len(listed.distance)):
        if listed.distance[i] == 0:
            image = listed.images[i] if len(listed.images) > 0 else i
            if rule == SYMMETRIC:
                coverage[image] += 1 / count
                redundancy[image] += 1 / count
            elif image != hit and rule == SHARED:
                redundancy[image] += 1 / (count - 1)
            elif image != hit:
                redundancy[image] += 1
                return


@jit
def _guess_radii(sample, share, dims, points, distance, radii):
    """Guesses radii that hold a share of all images, and a little more, going by a sample of them.

    Args:
        sample: (d, s) float embeddings of the sample
        share: float64 share of the images to hold
        dims: (t, m) int64 subspaces
        points: (t, m) float
        distance: (>= s,) float, overwritten
        radii: (t,) float, written
    """
    size = sample.shape[1]
    expected = share * size
    rank = min(size, int(expected + 3 * math.sqrt(expected)) + 2)
    for t in range(len(dims)):
        _distances(sample, dims[t], points[t], 0, size, distance)
        radii[t] = find_cut(distance, size, rank, float(distance[:size].max()), size)[0]


@jit
def score_draws(columns, sample, dims, targets, params, scratch, coverage, redundancy):
    """Adds the effect of any draws.

    Args:
        columns: (d, n) float embeddings, one dimension a row
        sample: (d, s) some of the columns' entries, to guess radii from; all images are measured if it is empty
        dims: (t, m) int64 subspaces
        targets: (t, m) float64 points in these
        params: the :class:`.params.ZCoreParams`
        scratch: the :class:`.kernel_pairs.Scratch`, overwritten; its ``runs`` are not used
        coverage: (n,) float64, added to
        redundancy: (n,) float64, added to
    """
    n = columns.shape[1]
    n_draws, m = dims.shape
    rank = params.n_neighbors + 1
    points = targets.astype(columns.dtype)
    hits = np.empty(n_draws, dtype=np.int64)
    _nearest_images(columns, dims, points, scratch.distance, scratch.bits, hits)
    for t in range(n_draws):
        for j in range(m):
            points[t, j] = columns[dims[t, j], hits[t]]
    found = np.zeros(n_draws, dtype=np.int64)
    radii = np.empty(n_draws, dtype=columns.dtype)
    room = 3 * rank if sample.shape[1] > 0 else 0
    near = np.empty((n_draws, room), dtype=columns.dtype)
    near_bits = near.view(scratch.bits.dtype)
    near_images = np.empty((n_draws, room), dtype=np.int32)
    if room > 0:
        _guess_radii(sample, rank / n, dims, points, scratch.distance, radii)
        _collect_neighbours(columns, dims, points, radii, scratch.distance, near, near_images, found)
    everything = Listed(scratch.distance, scratch.bits, np.empty(0, dtype=np.int32))
    for t in range(n_draws):
        size = found[t]
        if rank <= size < room - _BLOCK:
            listed = Listed(near[t, :size], near_bits[t, :size], near_images[t, :size])
            high = float(radii[t])
        else:
            _distances(columns, dims[t], points[t], 0, n, scratch.distance)
            listed = everything
            high = float(scratch.distance.max())
            size = n
        _penalise_listed(hits[t], listed, high, size, params, scratch.weight, coverage, redundancy)
