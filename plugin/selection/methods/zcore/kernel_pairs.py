"""ZCore for many targets per pair of dimensions.

What a draw does (ZCore paper, arXiv 2411.15349): the image nearest to a random target in a random subspace is covered,
and its K nearest images share a penalty of 1 in proportion to distance ** -exponent. Distances are L1.

Data layout. Embeddings are columns, (d, n), because a draw reads few dimensions of all images. The images of one pair
of dimensions are sorted into a grid of cells whose edges are quantiles of either dimension, so a cell holds about as
many images in a dense part as in a sparse one. Cells are stored row by row: what a diamond (an L1 ball) touches in one
row of cells is one contiguous run of images. Hence

1.  a target finds its nearest image by walking a few cells outwards;
2.  targets with the same nearest image share one penalty, which depends on pair and image alone; and since finding
    the image is cheap but penalising K others is not, many auxiliary targets settle most of it (`score_pairs`);
3.  penalties are vector loops over runs, and are added up in cell order; only once a pair do they go back to images;
4.  the K-th distance is found by interpolation: a probe counts the distances below a guess, which is one vector
    loop, and a handful of probes is cheaper than any sort.

In the docstrings n is the number of images, and *float* the dtype of the embeddings, float32 or float64. An image's
*position* is its place in cell order, which differs from its row. Every kernel says what it writes; what is not said
to be written is read only. Kernels that kernels call are compiled into them, see `jit`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....vectors.jit import jit
from .columns import PackedColumns
from .grid import Grid, cell_of, nearest_image, runs_around, runs_in_reach, sort_into_cells
from .params import LITERAL, SYMMETRIC
from .weights import count_within, find_cut, smallest_and_zeros, weigh


class Scratch(NamedTuple):
    """Memory that kernels overwrite.

    Attributes:
        runs: (side, 2) int64 first position and the one after the last of every run of images
        distance: (n,) float distances of the images of all runs, one run after the other
        bits: (n,) the memory of ``distance`` seen as unsigned integers
        weight: (n,) float penalties of the same images, not scaled yet
        number: (1,) float and the same memory as (1,) unsigned integers
    """

    runs: np.ndarray
    distance: np.ndarray
    bits: np.ndarray
    weight: np.ndarray
    number: tuple[np.ndarray, np.ndarray]


def make_scratch(columns: np.ndarray | PackedColumns, side: int = 0) -> Scratch:
    """Scratch memory for (d, n) embeddings and a grid of ``side`` cells along a side."""
    n = columns.shape[1]
    distance = np.empty(n, dtype=columns.dtype)
    number = np.empty(1, dtype=columns.dtype)
    return Scratch(
        runs=np.empty((side, 2), dtype=np.int64),
        distance=distance,
        bits=distance.view(f"u{distance.itemsize}"),
        weight=np.empty(n, dtype=columns.dtype),
        number=(number, number.view(f"u{number.itemsize}")),
    )


@jit
def _measure(hit, grid, n_runs, scratch):
    """Measures how far the images of the first runs lie from the one at position ``hit``.

    Reads ``scratch.runs``, writes ``scratch.distance``, one run after the other, and returns how many it wrote.
    """
    xs, ys, runs, distance = grid.xs, grid.ys, scratch.runs, scratch.distance
    x = xs[hit]
    y = ys[hit]
    size = 0
    for run in range(n_runs):
        first = runs[run, 0]
        stop = runs[run, 1]
        run_xs = xs[first:stop]  # slices, because the compiler turns loops over whole arrays into vector loops
        run_ys = ys[first:stop]
        run_distance = distance[size : size + stop - first]
        for i in range(len(run_xs)):
            run_distance[i] = abs(run_xs[i] - x) + abs(run_ys[i] - y)
        size += stop - first
    return size


@jit
def _neighbours(hit, row, column, rank, radius, grid, scratch):
    """Measures runs that hold the ``rank`` nearest images to the one at position ``hit``.

    Args:
        hit: position of the image
        row: row of its cell
        column: column of its cell
        rank: how many images to hold, itself among them
        radius: float64 first guess of the distance of the last of them
        grid: the :class:`Grid`
        scratch: the :class:`Scratch`, of which ``runs`` and ``distance`` are written

    Returns:
        the number of runs, of images in them, a float64 radius (infinite if all images were taken), and how many
        images lie within it: at least ``rank``
    """
    n = len(grid.xs)
    if 2 * rank >= n:
        scratch.runs[0, 0] = 0
        scratch.runs[0, 1] = n
        _measure(hit, grid, 1, scratch)
        return 1, n, np.inf, n
    slack = 4 * n / (grid.side * grid.side)  # images in the cells around: no radius is finer than that
    attempt = 0
    while True:
        n_runs, size = runs_in_reach(grid.xs[hit], grid.ys[hit], row, column, radius, grid, scratch.runs)
        attempt += 1
        if size < 1.35 * rank and size < n:
            radius *= 1.05 * min(math.sqrt(1.6 * rank / max(size, 1)), 2.0) if attempt < 32 else np.inf
        elif size > 2.4 * rank + slack and attempt < 4:
            radius *= max(math.sqrt(1.6 * rank / size), 0.25)
        else:
            _measure(hit, grid, n_runs, scratch)
            inside = count_within(scratch.distance, size, radius)
            if inside >= rank:
                return n_runs, size, radius, inside
            radius *= 1.05 * min(math.sqrt(rank / max(inside, 1)), 2.0)


@jit
def _add_to_runs(scale, n_runs, scratch, penalty):
    """Adds ``scratch.weight`` times ``scale`` to ``penalty``, (n,) float64 by position, over the first runs."""
    runs, weight = scratch.runs, scratch.weight
    offset = 0
    for run in range(n_runs):
        run_penalty = penalty[runs[run, 0] : runs[run, 1]]
        run_weight = weight[offset : offset + len(run_penalty)]
        for i in range(len(run_penalty)):
            run_penalty[i] += scale * run_weight[i]
        offset += len(run_penalty)


@jit
def _answer_hit(hit, auxiliary_part, target_part, first_radius, params, grid, scratch, coverage, penalty):
    """Covers one image by ``auxiliary_part`` and penalises its neighbours.

    The penalty in the cells around is the same for auxiliary and other targets and differs in sign, so it cancels on
    average.

    Args:
        hit: position of the image
        auxiliary_part: float64 number of auxiliary targets that it is nearest to, scaled to the number of targets
        target_part: float64 number of targets that it is nearest to
        first_radius: float64 first guess of the distance of its K-th neighbour
        params: the :class:`.params.ZCoreParams`
        grid: the :class:`Grid`
        scratch: the :class:`Scratch`, overwritten
        coverage: (n,) float64 by row, added to
        penalty: (n,) float64 by position, added to

    Returns:
        a float64 first guess for the next image
    """
    runs, distance, bits, weight, number = scratch
    row = cell_of(grid.ys[hit], grid.y_edges, grid.side)
    column = cell_of(grid.xs[hit], grid.x_edges, grid.side)
    n_runs = runs_around(row, column, grid, runs)
    size = _measure(hit, grid, n_runs, scratch)
    smallest, coincident = smallest_and_zeros(bits, size, number)
    if coincident > 1:
        _share_among_coincident(hit, auxiliary_part, coincident, params.rule, grid, n_runs, scratch, coverage, penalty)
        return first_radius
    coverage[grid.images[hit]] += auxiliary_part
    everything = distance.dtype.type(np.inf)
    total = weigh(distance, size, smallest, everything, 0, params.exponent, weight)
    _add_to_runs((auxiliary_part - target_part) / total, n_runs, scratch, penalty)
    if target_part == 0:
        return first_radius
    rank = params.n_neighbors + 1
    n_runs, size, radius, inside = _neighbours(hit, row, column, rank, first_radius, grid, scratch)
    if radius == np.inf:
        radius = float(distance[:size].max())
    cut, spare = find_cut(distance, size, rank, radius, inside)
    smallest = smallest_and_zeros(bits, size, number)[0]
    total = weigh(distance, size, smallest, cut, spare, params.exponent, weight)
    _add_to_runs(target_part / total, n_runs, scratch, penalty)
    return max(cut * 1.06, (grid.x_edges[grid.side] - grid.x_edges[0]) * 1e-6)


@jit
def _share_among_coincident(hit, part, count, rule, grid, n_runs, scratch, coverage, penalty):
    """Covers and penalises images that coincide with the one at position ``hit`` in the subspace.

    Args:
        hit: position of the image
        part: float64 coverage and penalty to give in all
        count: how many images coincide, itself among them
        rule: LITERAL or SYMMETRIC
        grid: the :class:`Grid`
        n_runs: runs that hold all of them
        scratch: the :class:`Scratch`, of which ``runs`` and ``distance`` are read
        coverage: (n,) float64 by row, added to
        penalty: (n,) float64 by position, added to
    """
    penalised = -1
    offset = 0
    for run in range(n_runs):
        for i in range(scratch.runs[run, 0], scratch.runs[run, 1]):
            if scratch.distance[offset] == 0:
                if rule == SYMMETRIC:
                    coverage[grid.images[i]] += part / count
                    penalty[i] += part / count
                elif i != hit and (penalised < 0 or grid.images[i] < grid.images[penalised]):
                    penalised = i
            offset += 1
    if rule == LITERAL:
        coverage[grid.images[hit]] += part
        penalty[penalised] += part


@jit
def score_pairs(columns, quantiles, pairs, targets, auxiliary, params, scratch, coverage, redundancy):
    """Adds the effect of ``targets`` in the subspaces ``pairs``, made more precise by auxiliary targets.

    Auxiliary targets are control variates. They cost little: they alone say which images are covered, and how the
    penalty is shared in the cells around. The targets correct that to the share of all neighbours: they add the true
    penalty and take off the one in the cells around. In expectation nothing changes.

    Args:
        columns: (d, n) float embeddings, one dimension a row
        quantiles: the :class:`Quantiles` of all dimensions
        pairs: (p, 2) int64 dimensions
        targets: (2, p, t) float64 points in these dimensions
        auxiliary: (2, p, s) float64 more points, which together count as much as all targets
        params: the :class:`.params.ZCoreParams`; the rule is LITERAL or SYMMETRIC
        scratch: the :class:`Scratch`, overwritten
        coverage: (n,) float64, added to
        redundancy: (n,) float64, added to
    """
    n = columns.shape[1]
    side = quantiles.side
    step = 256 // side
    shift = 0
    while side << shift < 256:
        shift += 1
    start = np.empty(side * side + 2, dtype=np.int64)
    xs = np.empty(n, dtype=columns.dtype)
    ys = np.empty(n, dtype=columns.dtype)
    images = np.empty(n, dtype=np.int32)
    hits = np.zeros((2, n), dtype=np.int32)
    penalty = np.zeros(n, dtype=np.float64)
    auxiliary_part = targets.shape[2] / auxiliary.shape[2]
    for p in range(len(pairs)):
        a, b = pairs[p]
        x_edges = quantiles.edges[a, ::step].copy()
        y_edges = quantiles.edges[b, ::step].copy()
        grid = Grid(xs, ys, images, start, x_edges, y_edges, side)
        sort_into_cells(columns[a], columns[b], quantiles.codes[a], quantiles.codes[b], shift, grid)
        for which, points in enumerate((auxiliary, targets)):
            for t in range(points.shape[2]):
                x = columns.dtype.type(points[0, p, t])
                y = columns.dtype.type(points[1, p, t])
                hits[which, nearest_image(x, y, grid, params.rule)] += 1
        radius = float(x_edges[side] - x_edges[0]) / 8
        for hit in range(n):
            if hits[0, hit] > 0 or hits[1, hit] > 0:
                parts = hits[0, hit] * auxiliary_part, hits[1, hit] * 1.0
                radius = _answer_hit(hit, *parts, radius, params, grid, scratch, coverage, penalty)
                hits[:, hit] = 0
        for i in range(n):
            if penalty[i] != 0:
                redundancy[images[i]] += penalty[i]
                penalty[i] = 0
