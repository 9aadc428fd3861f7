"""ZCore's grid: the images of a pair of dimensions, sorted into cells, and the kernels that look around in it.

In the docstrings n is the number of images, and *float* the dtype of the embeddings, float32 or float64. An image's
*position* is its place in cell order, which differs from its row. Every kernel says what it writes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....vectors.jit import jit
from .params import LITERAL


class Quantiles(NamedTuple):
    """The quantile cell of every value, for all dimensions; made once a run.

    Attributes:
        codes: (d, n) uint8 cell of each value, of 256, see :func:`encode_column`
        edges: (d, 257) float edges of these cells
        side: cells along a side of the grid, a power of two up to 256
    """

    codes: np.ndarray
    edges: np.ndarray
    side: int


class Grid(NamedTuple):
    """The images of one pair of dimensions, sorted by cell.

    Attributes:
        xs: (n,) float first coordinate, by position
        ys: (n,) float second coordinate, by position
        images: (n,) int32 row of the image, by position
        start: (side * side + 2,) int64; cell (row, column) holds the positions from start[row * side + column] up to
            the next entry
        x_edges: (side + 1,) float edges of the columns
        y_edges: (side + 1,) float edges of the rows
        side: cells along a side
    """

    xs: np.ndarray
    ys: np.ndarray
    images: np.ndarray
    start: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    side: int


@jit
def cell_of(value, edges, cells):
    """The number of inner edges, of (cells + 1,) float, at or below a value; ``cells`` is a power of two."""
    cell = 0
    half = cells >> 1
    while half > 0:
        cell += half * (edges[cell + half] <= value)  # without a branch, which could not be predicted
        half >>= 1
    return cell


@jit
def encode_column(column, edges, codes):
    """Writes the quantile cell, of 256, of each of (n,) float values into ``codes``, (n,) uint8; edges are (257,)."""
    for i in range(len(column)):
        codes[i] = cell_of(column[i], edges, 256)


@jit
def sort_into_cells(x, y, x_code, y_code, shift, grid):
    """Sorts the images of a pair by cell; writes ``xs``, ``ys``, ``images`` and ``start`` of the grid.

    Args:
        x: (n,) float first coordinate of all images
        y: (n,) float second coordinate
        x_code: (n,) uint8 cell of the first coordinate, of 256
        y_code: (n,) uint8 cell of the second coordinate
        shift: bits by which 256 cells become ``grid.side``
        grid: the :class:`Grid` to fill
    """
    xs, ys, images, start, _, _, side = grid
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
    """How far a float value lies outside a cell; 0 inside it."""
    return max(edges[cell] - value, value - edges[cell + 1], edges[0] * 0)


@jit
def nearest_image(x, y, grid, rule):
    """The position of the image nearest to the target (x, y), two floats; ``rule`` decides between equals."""
    xs, ys, images, start, x_edges, y_edges, side = grid
    row = cell_of(y, y_edges, side)
    column = cell_of(x, x_edges, side)
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
def runs_in_reach(x, y, row, column, radius, grid, runs):
    """Lists the runs of images, one a row of cells, that may lie within ``radius`` of (x, y).

    Args:
        x: first coordinate, a float
        y: second coordinate, a float
        row: row of the cell that (x, y) lies in
        column: its column
        radius: float64
        grid: the :class:`Grid`
        runs: (side, 2) int64; the first rows are written

    Returns:
        the number of runs, and of images in them
    """
    start, x_edges, y_edges, side = grid.start, grid.x_edges, grid.y_edges, grid.side
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
def runs_around(row, column, grid, runs):
    """Lists the runs of the 5 x 5 cells around one, and of more if they hold a single image.

    Writes the first rows of ``runs``, (side, 2) int64, and returns how many.
    """
    start, side = grid.start, grid.side
    reach = 2
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
