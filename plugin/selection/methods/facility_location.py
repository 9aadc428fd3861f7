"""Facility location: representatives of the whole pool."""

from __future__ import annotations

import numpy as np

from ..cover import DENSE_ROWS, greedy_cover, similarity_matrix
from ..method import register
from ..pool import Picks, Pool


@register("facility_location", "Facility location, lazy greedy: every image has a similar one in the coreset")
def facility_location(pool: Pool, k: int) -> Picks:
    """Maximises the summed similarity of every row to its most similar kept row.

    The similarity is ``(1 + cosine) / 2``; the greedy solution reaches at least 63 % of the best (Nemhauser, Wolsey and
    Fisher, 1978). Above 8,192 rows only the 64 nearest neighbours of a row count as similar. Weights are those of the
    represented rows.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; ``uncovered`` in the details is the share of rows that no kept row is similar to

    References:
        Nemhauser, Wolsey and Fisher: An Analysis of Approximations for Maximizing Submodular Set Functions. 1978.
        Minoux: Accelerated Greedy Algorithms for Maximizing Submodular Set Functions. 1978.
    """
    matrix = similarity_matrix(pool, lambda distances: 1 - distances**2 / 4)
    order, gains = greedy_cover(matrix, k, pool)
    details: dict[str, object] = {"gain": float(gains.sum()), "exact": len(pool) <= DENSE_ROWS}
    if len(pool) > DENSE_ROWS:
        chosen = matrix[np.concatenate([pool.preselected, order])]
        details["uncovered"] = 1 - len(np.unique(chosen.indices[chosen.data > 0])) / len(pool)
    return Picks(order, details=details)
