"""ZCore literally, one draw after the other with a full sort: the formula, and nothing that makes it fast.

Arithmetic is that of the embeddings' dtype, distances add up dimension by dimension, and everything else is float64.
"""

import numpy as np


def zcore_oracle(embeddings, dims, targets, n_neighbors=1000, exponent=4.0, duplicates="share", ties="order"):
    """Coverage and redundancy, (n,) each, after the given draws.

    ``duplicates``: of the images that coincide with the hit in the subspace, one takes the penalty of a draw
    ("first", as in the reference), or all others share it ("share"). ``ties``: of images equally far at the last place
    among the neighbours, the first count ("order"), or all count in equal parts ("share").
    """
    n = len(embeddings)
    coverage = np.zeros(n)
    redundancy = np.zeros(n)
    for subspace, target in zip(dims, targets, strict=True):
        points = embeddings[:, subspace]
        hit = np.argmin(_l1(points, target.astype(points.dtype)))
        coverage[hit] += 1
        distance = _l1(points, points[hit])
        order = np.argsort(distance, kind="stable")
        others = order[order != hit]
        twins = others[distance[others] == 0]
        if len(twins):
            penalised = twins[:1] if duplicates == "first" else twins
            redundancy[penalised] += 1 / len(penalised)
        else:
            weight = (distance[others[0]] / distance[others]).astype(np.float64) ** exponent
            inside = np.arange(len(others)) < n_neighbors
            if ties == "share":
                last = distance[others] == distance[others[inside]].max()
                weight[last] *= (inside & last).sum() / last.sum()
                inside |= last
            redundancy[others[inside]] += weight[inside] / weight[inside].sum()
    return coverage, redundancy


def _l1(points, target):
    distance = np.zeros(len(points), dtype=points.dtype)
    for j in range(points.shape[1]):
        distance += np.abs(points[:, j] - target[j])
    return distance
