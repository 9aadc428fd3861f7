"""The compiled loop of :mod:`.ranking_pass`: one reading of a block serves all rankings."""

from __future__ import annotations

from ..vectors.jit import jit


@jit
def add_block(best, closeness, segments, first_within, enough, begin, length):
    """Adds a block of images to what is known of the evaluated rows.

    Args:
        best: (r, g, m) float, the largest closeness among the images that each budget of each ranking adds; raised
        closeness: (q, m) float closeness of the images of the block
        segments: (r, q) int64, the first budget of each ranking that keeps each image; g for none
        first_within: (m,) int64, the first image of the first ranking within the radius, ``length`` for none yet
        enough: (m,) float closeness at which a distance equals the radius
        begin: position in the first ranking of the block's first image
        length: length of the first ranking, after which images of other rankings come
    """
    for column in range(closeness.shape[0]):
        values = closeness[column]
        for ranking in range(best.shape[0]):
            segment = segments[ranking, column]
            if segment < best.shape[1]:
                largest = best[ranking, segment]
                for row in range(values.shape[0]):
                    largest[row] = max(largest[row], values[row])
        if begin + column < length:
            for row in range(values.shape[0]):
                if values[row] >= enough[row] and first_within[row] == length:
                    first_within[row] = begin + column
