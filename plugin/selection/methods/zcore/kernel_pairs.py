"""ZCore for many targets per pair of dimensions.

What a draw does (ZCore paper, arXiv 2411.15349): the image nearest to a random target in a random subspace is covered,
and its K nearest images share a penalty of 1 in proportion to distance ** -exponent. Distances are L1.

Data layout. Embeddings are columns, (d, n), because a draw reads few dimensions of all images. The images of one pair
of dimensions are sorted into a grid of cells whose edges are quantiles of either dimension, so a cell holds about as
many images in a crowd as at the fringe. Cells are stored row by row: what a diamond (an L1 ball) touches in one row of
cells is one contiguous run of images. Hence

1.  a target finds its nearest image by walking a few cells outwards;
2.  targets with the same nearest image share one penalty, which depends on pair and image alone; and since finding
    the image is cheap but penalising K others is not, many scouts settle most of it for each target (`score_pairs`);
3.  penalties are vector loops over runs, and are added up in cell order; only once a pair do they go back to images;
4.  the K-th distance is found by interpolation: a probe counts the distances below a guess, which is one vector
    loop, and a handful of probes is cheaper than any sort.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import jit

# How images that coincide in the subspace are treated.
LITERAL = 0  #: the reference: the first is covered, and one single other image takes the whole penalty
SHARED = 1  #: the first is covered, the others share the penalty
SYMMETRIC = 2  #: the mean over all orders of the images: coverage and penalty are shared by all of them


# ---- the K-th distance and the weights


@jit
def count_within(distance, size, limit):
    """How many of the first ``size`` distances are below or at the limit."""
    inside = 0
    for i in range(size):
        inside += distance[i] <= limit
    return inside


@jit
def find_cut(distance, size, rank, high, above):
    """The distance that separates the `rank` smallest of `distance[:size]` from the rest.

    `distance` holds exactly one 0 (the hit itself), and `above` >= rank entries are <= `high`. Returns the cut and how
    many of the entries equal to it are too many; ties apart that is 0.
    """
    low = 0.0
    below = 1
    step = 0
    while above != rank:
        step += 1
        share = 0.5 if step % 4 == 0 else (rank - below + 0.5) / (above - below + 1)
        # in two dimensions the count grows with the square of the distance
        probe = distance.dtype.type(math.sqrt(low * low + (high - low) * (high + low) * share))
        if not low < probe < high:
            probe = distance.dtype.type(low + (high - low) / 2)
            if not low < probe < high:  # no number in between: everything in (low, high] equals high
                break
        inside = count_within(distance, size, probe)
        if inside < rank:
            low, below = float(probe), inside
        else:
            high, above = float(probe), inside
    return distance.dtype.type(high), above - rank


@jit
def smallest_positive(bits, size):
    """Where the smallest positive number is; numbers >= 0 order like their bits, and 0 - 1 is the largest integer.

    Unlike a minimum of floats, a minimum of integers becomes a vector loop.
    """
    one = bits.dtype.type(1)
    smallest = bits.dtype.type(bits[0] - one)
    for i in range(size):
        smallest = min(smallest, bits.dtype.type(bits[i] - one))
    smallest += one
    at = 0
    while bits[at] != smallest:
        at += 1
    return at


@jit
def weigh(distance, size, smallest, cut, spare, exponent, weight):
    """Fills `weight[:size]` with the unscaled penalties of the neighbours up to `cut`, and returns their sum.

    (smallest / D) ** e is D ** -e up to a factor that cancels, and cannot overflow. Ties at the cut get equal parts.
    """
    zero = distance.dtype.type(0)
    total = 0.0
    if exponent == 4.0:
        for i in range(size):
            ratio = smallest / distance[i] if 0 < distance[i] <= cut else zero
            ratio *= ratio
            weight[i] = ratio * ratio
            total += weight[i]
    else:
        power = distance.dtype.type(exponent)
        for i in range(size):
            weight[i] = (smallest / distance[i]) ** power if 0 < distance[i] <= cut else zero
            total += weight[i]
    if spare > 0:
        ties = 0
        for i in range(size):
            ties += distance[i] == cut
        for i in range(size):
            if distance[i] == cut:
                total -= weight[i] * (spare / ties)
                weight[i] *= (ties - spare) / ties
    return total


# ---- the grid of a pair


@jit
def _cell_of(value, edges, cells):
    """The number of inner edges at or below a value; `cells` is a power of two."""
    cell = 0
    half = cells >> 1
    while half > 0:
        cell += half * (edges[cell + half] <= value)  # without a branch, which could not be predicted
        half >>= 1
    return cell


@jit
def encode_column(column, edges, codes):
    """Writes the quantile cell of each value."""
    for i in range(len(column)):
        codes[i] = _cell_of(column[i], edges, 256)


@jit
def _sort_into_cells(x, y, x_code, y_code, side, shift, start, xs, ys, images):
    """Sorts the images of a pair by cell; images of cell (row, column) lie in start[row * side + column] onwards."""
    start[:] = 0
    for i in range(len(x)):
        start[(y_code[i] >> shift) * side + (x_code[i] >> shift) + 2] += 1
    for cell in range(2, len(start)):
        start[cell] += start[cell - 1]
    for i in range(len(x)):
        cell = (y_code[i] >> shift) * side + (x_code[i] >> shift) + 1
        at = start[cell]
        start[cell] = at + 1
        xs[at] = x[i]
        ys[at] = y[i]
        images[at] = i


@jit
def _gap(value, edges, cell):
    """How far a value lies outside a cell."""
    return max(edges[cell] - value, value - edges[cell + 1], edges[0] * 0)


@jit
def _nearest_image(x, y, xs, ys, images, start, x_edges, y_edges, side, rule):
    """The position, in cell order, of the image nearest to a target."""
    row = _cell_of(y, y_edges, side)
    column = _cell_of(x, x_edges, side)
    best = xs.dtype.type(np.inf)
    hit = -1
    up = row
    down = row - 1
    while True:
        # the nearer of the two next rows; a row out of the grid is infinitely far
        up_gap = _gap(y, y_edges, up) if up < side else np.inf
        down_gap = _gap(y, y_edges, down) if down >= 0 else np.inf
        gap = min(up_gap, down_gap)
        if gap > best or gap == np.inf:
            return hit
        if up_gap <= down_gap:
            row = up
            up += 1
        else:
            row = down
            down -= 1
        for direction in (1, -1):
            cell = column if direction == 1 else column - 1
            while 0 <= cell < side and gap + _gap(x, x_edges, cell) <= best:
                for i in range(start[row * side + cell], start[row * side + cell + 1]):
                    distance = abs(xs[i] - x) + abs(ys[i] - y)
                    if distance < best:
                        best, hit = distance, i
                    elif distance == best and (images[i] < images[hit] if rule == LITERAL else xs[i] < xs[hit]):
                        hit = i
                cell += direction


@jit
def _runs_in_reach(x, y, row, column, radius, start, x_edges, y_edges, side, runs):
    """Lists the runs of images, one a row of cells, that may lie within `radius`; returns runs and images."""
    reach = radius * (1 + 16 * np.finfo(x_edges.dtype).eps)  # distances are rounded, cells must not be missed
    n_runs = 0
    n_images = 0
    for direction in (1, -1):
        left = 0
        right = side - 1
        at = row if direction == 1 else row - 1
        while 0 <= at < side:
            width = reach - _gap(y, y_edges, at)
            if width < 0:
                break
            # rows further out are narrower: the ends only move inwards
            while left < column and x - x_edges[left + 1] > width:
                left += 1
            while right > column and x_edges[right] - x > width:
                right -= 1
            first = start[at * side + left]
            stop = start[at * side + right + 1]
            if stop > first:
                runs[n_runs, 0] = first
                runs[n_runs, 1] = stop
                n_runs += 1
                n_images += stop - first
            at += direction
    return n_runs, n_images


@jit
def _measure(x, y, xs, ys, runs, n_runs, distance):
    """Writes the distances of the images of some runs one after the other; returns how many."""
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
def _neighbours(hit, row, column, rank, radius, xs, ys, start, x_edges, y_edges, side, runs, distance):
    """Measures runs that hold the `rank` nearest images; returns runs, their size, a radius and its count."""
    x = xs[hit]
    y = ys[hit]
    n = len(xs)
    if 2 * rank >= n:
        runs[0, 0] = 0
        runs[0, 1] = n
        _measure(x, y, xs, ys, runs, 1, distance)
        return 1, n, np.inf, n
    slack = 4 * n / (side * side)  # images in the cells around: no radius is finer than that
    attempt = 0
    while True:
        n_runs, size = _runs_in_reach(x, y, row, column, radius, start, x_edges, y_edges, side, runs)
        attempt += 1
        if size < 1.35 * rank and size < n:
            radius *= 1.05 * min(math.sqrt(1.6 * rank / max(size, 1)), 2.0) if attempt < 32 else np.inf
        elif size > 2.4 * rank + slack and attempt < 4:
            radius *= max(math.sqrt(1.6 * rank / size), 0.25)
        else:
            _measure(x, y, xs, ys, runs, n_runs, distance)
            inside = count_within(distance, size, radius)
            if inside >= rank:
                return n_runs, size, radius, inside
            radius *= 1.05 * min(math.sqrt(rank / max(inside, 1)), 2.0)


@jit
def _add_to_runs(weight, scale, runs, n_runs, penalty):
    offset = 0
    for run in range(n_runs):
        run_penalty = penalty[runs[run, 0] : runs[run, 1]]
        run_weight = weight[offset : offset + len(run_penalty)]
        for i in range(len(run_penalty)):
            run_penalty[i] += scale * run_weight[i]
        offset += len(run_penalty)


@jit
def _runs_around(row, column, start, side, runs):
    """Lists the runs of the cells around one, more of them if it is alone; returns how many."""
    reach = 1
    while True:
        n_runs = 0
        n_images = 0
        for at in range(max(row - reach, 0), min(row + reach + 1, side)):
            runs[n_runs, 0] = start[at * side + max(column - reach, 0)]
            runs[n_runs, 1] = start[at * side + min(column + reach + 1, side)]
            n_images += runs[n_runs, 1] - runs[n_runs, 0]
            n_runs += 1
        if n_images > 1:
            return n_runs
        reach *= 2


@jit
def _answer_hit(hit, scout_part, target_part, rank, first_radius, exponent, rule, xs, ys, images, start, x_edges,
                y_edges, side, runs, distance, bits, weight, coverage, penalty):  # fmt: skip
    """Covers one image by `scout_part` and penalises its neighbours; returns a first guess of the next radius.

    The penalty in the cells around is the same for scouts and targets and differs in sign, so it cancels on average.
    """
    row = _cell_of(ys[hit], y_edges, side)
    column = _cell_of(xs[hit], x_edges, side)
    n_runs = _runs_around(row, column, start, side, runs)
    size = _measure(xs[hit], ys[hit], xs, ys, runs, n_runs, distance)
    twins = count_within(distance, size, 0)
    if twins > 1:
        _share_among_twins(hit, scout_part, twins, rule, images, runs, n_runs, distance, coverage, penalty)
        return first_radius
    coverage[images[hit]] += scout_part
    everything = distance.dtype.type(np.inf)
    total = weigh(distance, size, distance[smallest_positive(bits, size)], everything, 0, exponent, weight)
    _add_to_runs(weight, (scout_part - target_part) / total, runs, n_runs, penalty)
    if target_part == 0:
        return first_radius
    n_runs, size, radius, inside = _neighbours(
        hit, row, column, rank, first_radius, xs, ys, start, x_edges, y_edges, side, runs, distance
    )
    if radius == np.inf:
        radius = float(distance[:size].max())
    cut, spare = find_cut(distance, size, rank, radius, inside)
    total = weigh(distance, size, distance[smallest_positive(bits, size)], cut, spare, exponent, weight)
    _add_to_runs(weight, target_part / total, runs, n_runs, penalty)
    return max(cut * 1.06, (x_edges[side] - x_edges[0]) * 1e-6)


@jit
def _share_among_twins(hit, part, zeros, rule, images, runs, n_runs, distance, coverage, penalty):
    """Covers and penalises images that coincide in the subspace."""
    victim = -1
    offset = 0
    for run in range(n_runs):
        for i in range(runs[run, 0], runs[run, 1]):
            if distance[offset] == 0:
                if rule == SYMMETRIC:
                    coverage[images[i]] += part / zeros
                    penalty[i] += part / zeros
                elif i != hit and (victim < 0 or images[i] < images[victim]):
                    victim = i
            offset += 1
    if rule == LITERAL:
        coverage[images[hit]] += part
        penalty[victim] += part


@jit
def score_pairs(columns, codes, edges, side, pairs, targets, scouts, n_neighbors, exponent, rule, distance, bits,
                coverage, redundancy):  # fmt: skip
    """Adds the effect of `targets` in the subspaces `pairs`, made more precise by `scouts`.

    Scouts are further targets, which cost little: they alone say which images are covered, and how the penalty is
    shared in the cells around. The targets correct that to the share of all neighbours: they add the true penalty and
    take off the one in the cells around. In expectation nothing changes.

    Args:
        columns: (d, n) embeddings, one dimension a row
        codes: (d, n) uint8 quantile cell of each value, see `encode_column`
        edges: (d, 257) edges of these cells
        side: cells along a side of the grid, a power of two up to 256
        pairs: (p, 2) dimensions
        targets: (2, p, t) points in these dimensions
        scouts: (2, p, s) more points, which together count as much as all targets
        n_neighbors: images that share a penalty, at most n - 1
        exponent: of the distance in the penalty
        rule: LITERAL or SYMMETRIC
        distance: (n,) scratch of the embeddings' dtype
        bits: the same memory seen as unsigned integers
        coverage: (n,) float64, added to
        redundancy: (n,) float64, added to
    """
    n = columns.shape[1]
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
    weight = np.empty(n, dtype=columns.dtype)
    runs = np.empty((side, 2), dtype=np.int64)
    scout_part = targets.shape[2] / scouts.shape[2]
    for p in range(len(pairs)):
        a, b = pairs[p]
        x_edges = edges[a, ::step].copy()
        y_edges = edges[b, ::step].copy()
        _sort_into_cells(columns[a], columns[b], codes[a], codes[b], side, shift, start, xs, ys, images)
        for which, points in enumerate((scouts, targets)):
            for t in range(points.shape[2]):
                x = columns.dtype.type(points[0, p, t])
                y = columns.dtype.type(points[1, p, t])
                hits[which, _nearest_image(x, y, xs, ys, images, start, x_edges, y_edges, side, rule)] += 1
        radius = float(x_edges[side] - x_edges[0]) / 8
        for hit in range(n):
            if hits[0, hit] > 0 or hits[1, hit] > 0:
                radius = _answer_hit(
                    hit, hits[0, hit] * scout_part, hits[1, hit] * 1.0, n_neighbors + 1, radius, exponent, rule, xs, ys,
                    images, start, x_edges, y_edges, side, runs, distance, bits, weight, coverage, penalty,
                )  # fmt: skip
                hits[:, hit] = 0
        for i in range(n):
            if penalty[i] != 0:
                redundancy[images[i]] += penalty[i]
                penalty[i] = 0
