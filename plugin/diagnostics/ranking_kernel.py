"""The compiled loop of :mod:`.ranking_pass`: which pairs matter, and what their distances change."""

from __future__ import annotations

import math

import numpy as np

from ..vectors.jit import jit

_CHUNK = 16


@jit
def add_block(
    products, slack, left, right, sizes, half, own, within, segments, positions, earliest, least, nearest, first, limit
):
    """Adds a block of images to what is known of some evaluated rows.

    Only pairs that may be near enough to change something are compared in full, by a float64 difference of the vectors,
    so that nothing depends on how the products were found.

    Args:
        products: (m, q) float at least x.y of every row x and image y of the block, but for the slack
        slack: (m,) what rounding may take from the products of each row
        left: (m, d) float rows
        right: (q, d) float images
        sizes: (m,) squared lengths of the rows
        half: (q,) half the squared lengths of the images
        own: (m,) int64 which image of the block each row itself is; out of range for none
        within: (m,) the squared distance that ``first`` asks for
        segments: (r, q) int64, the first budget of each ranking that keeps each image; g for none
        positions: (r, q) int64 position of each image in each ranking; the length of the ranking for none
        earliest: (r,) int64, the smallest segment of each ranking in the block
        least: (m, r, g) float32 distance to the nearest image that each budget of each ranking keeps; lowered
        nearest: (m, r) int64 position of the nearest image at the last budget; updated
        first: (m,) int64, the first position in the first ranking within the distance; lowered
        limit: pairs that may be compared in full

    Returns:
        False if there were more; what was found until then is kept
    """
    n_rankings, n_budgets = least.shape[1], least.shape[2]
    compared, lowest = 0, positions[0].min()
    far = np.full(len(sizes), -1.0)  # the largest squared distance that changes something
    for row in range(len(sizes)):
        for ranking in range(n_rankings):
            if earliest[ranking] < n_budgets:
                far[row] = max(far[row], float(least[row, ranking, earliest[ranking]]) ** 2)
        if first[row] > lowest:
            far[row] = max(far[row], within[row])
    enough = ((sizes - far) / 2 - slack).astype(np.float32)
    for start in range(0, len(half), _CHUNK):
        stop = min(start + _CHUNK, len(half))
        halves = half[start:stop]
        for row in range(len(sizes)):
            close, hits, values = enough[row], np.int32(0), products[row, start:stop]
            for column in range(stop - start):  # counted in 32 bits, as wide as the products, so that it vectorises
                hits += np.int32(values[column] - halves[column] >= close)
            if hits == 0:
                continue
            for column in range(start, stop):
                if products[row, column] - half[column] < close or column == own[row]:
                    continue
                compared += 1
                if compared > limit:
                    return False
                squared = 0.0
                for axis in range(left.shape[1]):
                    apart = float(left[row, axis]) - float(right[column, axis])
                    squared += apart * apart
                if squared <= within[row]:
                    first[row] = min(first[row], positions[0, column])
                distance = np.float32(math.sqrt(squared))
                if float(distance) ** 2 > far[row]:
                    continue
                for ranking in range(n_rankings):
                    segment = segments[ranking, column]
                    if segment < n_budgets and distance <= least[row, ranking, segment]:
                        known = least[row, ranking, n_budgets - 1]
                        place = positions[ranking, column]
                        if distance < known or (distance == known and place < nearest[row, ranking]):
                            nearest[row, ranking] = place
                        while segment < n_budgets and distance < least[row, ranking, segment]:
                            least[row, ranking, segment] = distance
                            segment += 1
    return True
