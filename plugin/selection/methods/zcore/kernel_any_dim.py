"""ZCore for any draws, each in a subspace of its own, of any number of dimensions.

With one target per subspace nothing is worth sorting. All images are measured, twice for each draw, first to find the
nearest to the target, then the neighbours of that one. This goes through tiles of rows small enough to stay in cache
while a batch of draws is answered, and every loop over a tile is a vector loop. Neighbours are listed up to a radius
guessed from a sample of the images; where the guess fails, all distances are taken.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import jit
from .kernel_pairs import SHARED, SYMMETRIC, count_within, find_cut, smallest_positive, weigh

_TILE = 1024  # rows of all dimensions that stay in cache while a batch of draws is answered
_BLOCK = 32  # distances tested at once before any of them is looked at


@jit
def _distances(columns, dims, point, first, stop, distance):
    """L1 distances of the rows `first` to `stop` from a point, added up in the order of `dims`."""
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
    """Finds the image nearest to each point; of several, the first."""
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
    """Lists the images within each radius of each point; `found` counts them even where there is no more room."""
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


@jit
def _penalise_listed(hit, rank, high, above, exponent, rule, distance, bits, images, weight, coverage, redundancy):
    """Covers one image and penalises the nearest of some `images`, listed in ascending order; of all if it is empty."""
    size = len(distance)
    zeros = count_within(distance, size, 0)
    if zeros > 1:
        _share_among_listed_twins(hit, zeros, rule, distance, images, coverage, redundancy)
        return
    cut, spare = find_cut(distance, size, rank, high, above)
    total = weigh(distance, size, distance[smallest_positive(bits, size)], cut, 0, exponent, weight)
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
def _share_among_listed_twins(hit, zeros, rule, distance, images, coverage, redundancy):
    if rule != SYMMETRIC:
        coverage[hit] += 1
    for i in range(len(distance)):
        if distance[i] == 0:
            image = images[i] if len(images) > 0 else i
            if rule == SYMMETRIC:
                coverage[image] += 1 / zeros
                redundancy[image] += 1 / zeros
            elif image != hit and rule == SHARED:
                redundancy[image] += 1 / (zeros - 1)
            elif image != hit:
                redundancy[image] += 1
                return


@jit
def _guess_radii(sample, share, dims, points, distance, radii):
    """Radii that hold a share of all images, and a little more, going by a sample of them."""
    size = sample.shape[1]
    expected = share * size
    rank = min(size, int(expected + 3 * math.sqrt(expected)) + 2)
    for t in range(len(dims)):
        _distances(sample, dims[t], points[t], 0, size, distance)
        radii[t] = find_cut(distance, size, rank, float(distance[:size].max()), size)[0]


@jit
def score_draws(columns, sample, dims, targets, n_neighbors, exponent, rule, distance, bits, coverage, redundancy):
    """Adds the effect of any draws.

    Args:
        columns: (d, n) embeddings, one dimension a row
        sample: (d, s) some of the columns' entries, to guess radii from; all images are measured if it is empty
        dims: (t, m) subspaces
        targets: (t, m) points in these
        n_neighbors: images that share a penalty, at most n - 1
        exponent: of the distance in the penalty
        rule: LITERAL, SHARED or SYMMETRIC
        distance: (n,) scratch of the embeddings' dtype
        bits: the same memory seen as unsigned integers
        coverage: (n,) float64, added to
        redundancy: (n,) float64, added to
    """
    n = columns.shape[1]
    n_draws, m = dims.shape
    rank = n_neighbors + 1
    points = targets.astype(columns.dtype)
    hits = np.empty(n_draws, dtype=np.int64)
    _nearest_images(columns, dims, points, distance, bits, hits)
    for t in range(n_draws):
        for j in range(m):
            points[t, j] = columns[dims[t, j], hits[t]]
    found = np.zeros(n_draws, dtype=np.int64)
    radii = np.empty(n_draws, dtype=columns.dtype)
    room = 3 * rank if sample.shape[1] > 0 else 0
    near = np.empty((n_draws, room), dtype=columns.dtype)
    near_bits = near.view(bits.dtype)
    near_images = np.empty((n_draws, room), dtype=np.int32)
    if room > 0:
        _guess_radii(sample, rank / n, dims, points, distance, radii)
        _collect_neighbours(columns, dims, points, radii, distance, near, near_images, found)
    everything = np.empty(0, dtype=np.int32)
    weight = np.empty(n, dtype=columns.dtype)
    for t in range(n_draws):
        size = found[t]
        if rank <= size < room - _BLOCK:
            _penalise_listed(hits[t], rank, float(radii[t]), size, exponent, rule, near[t, :size],
                             near_bits[t, :size], near_images[t, :size], weight, coverage, redundancy)  # fmt: skip
        else:
            _distances(columns, dims[t], points[t], 0, n, distance)
            _penalise_listed(hits[t], rank, float(distance.max()), n, exponent, rule, distance, bits, everything,
                             weight, coverage, redundancy)  # fmt: skip
