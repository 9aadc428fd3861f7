"""A small pool around the labelled rows, for rare classes in large pools (AnchorAL; Lesci and Vlachos, NAACL 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import CoresetError
from ..vectors.neighbors import squared_unit_distances, unit_rows

#: The value of ``pool`` that asks for it.
ANCHORS = "anchors"

#: Anchors of a class, and the fewest rows that each of them finds.
_PER_CLASS, _LEAST_FOUND = 10, 50
#: Rows of the pool: ten for each that is asked for, within these bounds.
_ROWS_EACH, _LEAST_ROWS, _MOST_ROWS = 10, 1_000, 10_000


def anchor_pool(
    matrix: np.ndarray, labels: Sequence[str | None], candidates: np.ndarray, k: int, seed: int = 0
) -> np.ndarray:
    """The candidates that are most similar to labelled rows of any class.

    Of each class ten labelled rows far from each other (k-means++) are its anchors, others in every round. Each finds
    the candidates nearest to it; those with the highest mean similarity to the anchors that found them are kept. A
    class with few labels has as many anchors as one with many, so rare classes are looked for as much as others.

    Args:
        matrix: (n, d) embeddings
        labels: n labels to learn from, None where there is none
        candidates: (n,) bool, rows that may be asked for
        k: rows that will be asked for
        seed (0): the random seed

    Returns:
        (n,) bool, ten times as many rows as asked for, 1,000 at least and 10,000 at most

    Raises:
        CoresetError: if nothing has a label
    """
    known = np.array([label is not None for label in labels], dtype=bool)
    if not known.any():
        raise CoresetError(f"pool='{ANCHORS}' looks around labelled rows, and none has a label yet; label some first")
    free = np.flatnonzero(candidates)
    size = int(np.clip(_ROWS_EACH * k, _LEAST_ROWS, _MOST_ROWS))
    if len(free) <= size:
        return candidates.copy()
    anchors = _anchors(matrix, np.array(labels, dtype=object), known, seed + int(known.sum()))
    each = min(len(free), max(_LEAST_FOUND, -(-2 * size // len(anchors))))
    unit, total, times = unit_rows(matrix[free])[0], np.zeros(len(free)), np.zeros(len(free))
    for anchor in anchors:
        similarity = 1 - squared_unit_distances(unit, anchor[None])[:, 0] / 2
        nearest = np.argpartition(-similarity, each - 1)[:each]
        total[nearest] += similarity[nearest]
        times[nearest] += 1
    found = np.flatnonzero(times)
    best = found[np.argsort(-total[found] / times[found], kind="stable")[:size]]
    pool = np.zeros(len(candidates), dtype=bool)
    pool[free[best]] = True
    return pool


def _anchors(matrix: np.ndarray, labels: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """(A, d) unit-norm rows, up to ten of each class."""
    from sklearn.cluster import kmeans_plusplus

    found = []
    for name in sorted(set(labels[known])):
        mine = np.unique(unit_rows(matrix[labels == name])[0], axis=0)
        many = min(_PER_CLASS, len(mine))
        found.append(mine[kmeans_plusplus(mine, many, random_state=seed)[1]])
    return np.concatenate(found)
