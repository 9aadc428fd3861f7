"""How much images differ by the objects in them, and a few that stand for all: the second stage of PPAL."""

from __future__ import annotations

import numpy as np

from ..vectors.matrix import blocks

#: The distance of a box to an image without any of its class: the largest that two unit vectors can have.
_APART = 2.0
#: Distances between boxes that are held at a time.
_BLOCK_VALUES = 4 * 1024**2
_STEPS = 100


def box_distances(
    images: np.ndarray, classes: np.ndarray, scores: np.ndarray, vectors: np.ndarray, n: int
) -> np.ndarray:
    """How much every two images differ by the boxes of each class (category-conditioned matching).

    A box is as far from an image as ``1 - cos`` to the nearest box of its own class there, 2 if there is none. An image
    is as far from another as its boxes are, weighted by their scores; the distance of two is the mean of both ways.

    Args:
        images: (m,) int64 image of every box
        classes: (m,) class of every box
        scores: (m,) float64 score of every box, positive
        vectors: (m, d) float32 unit vectors of the boxes
        n: images; those without boxes are 0 from each other and 2 from all others

    Returns:
        (n, n) float64, from 0 to 2

    References:
        Yang, Huang and Crowley: Plug and Play Active Learning for Object Detection. CVPR 2024.
    """
    order = np.argsort(images, kind="stable")
    images, classes, scores, vectors = images[order], classes[order], scores[order], vectors[order]
    apart = np.zeros((n, n))
    for name in sorted(set(classes.tolist())):
        mine = np.flatnonzero(classes == name)
        first = np.flatnonzero(np.diff(images[mine], prepend=-1))
        for part in blocks(len(mine), max(1, _BLOCK_VALUES // max(len(mine), n))):
            rows = mine[part]
            nearest = np.full((len(rows), n), _APART)
            between = 1 - vectors[rows] @ vectors[mine].T
            nearest[:, images[mine][first]] = np.maximum(np.minimum.reduceat(between, first, axis=1), 0)
            np.add.at(apart, images[rows], scores[rows, None] * nearest)
    total = np.bincount(images, weights=scores, minlength=n)
    apart /= np.where(total > 0, total, 1)[:, None]
    apart[np.ix_(total == 0, total > 0)] = _APART
    both = (apart + apart.T) / 2
    np.fill_diagonal(both, 0)
    return both


def medoids(distances: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """The k rows that the others are near to: k-medoids, from the rows that lie farthest apart.

    Args:
        distances: (n, n) float, symmetric, 0 between a row and itself
        k: how many, from 1 to n
        seed (0): draws the first row

    Returns:
        (k,) int64 rows, ascending
    """
    centers = np.array([np.random.default_rng(seed).integers(len(distances))])
    nearest = distances[centers[0]].copy()
    while len(centers) < k:
        nearest[centers] = -1
        centers = np.append(centers, nearest.argmax())
        nearest = np.minimum(nearest, distances[centers[-1]])
    for _ in range(_STEPS):
        cluster = distances[:, centers].argmin(axis=1)
        cluster[centers] = np.arange(k)  # so that none is empty where rows coincide
        members = [np.flatnonzero(cluster == number) for number in range(k)]
        moved = np.array([mine[distances[np.ix_(mine, mine)].sum(axis=1).argmin()] for mine in members])
        if (moved == centers).all():
            break
        centers = moved
    return np.sort(centers)
