"""k-means as the selectors use it: seeded, the same for any number of threads, and bounded in time."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .device import gpu_for, named_if_full

if TYPE_CHECKING:
    import torch

#: Distances per pass up to which all rows take part in every k-means step; mini-batches beyond.
_FULL_PASS = 20_000_000
#: Rows per cluster that mini-batches are drawn from: more move the centers little (faiss samples as many).
_SAMPLED = 256
#: Passes of mini-batches over what is sampled.
_BATCH_STEPS = 5
_BLOCK_ROWS = 16_384


def kmeans(
    points: np.ndarray, n_clusters: int, *, seed: int = 0, weights: np.ndarray | None = None, n_steps: int = 25
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters rows with k-means.

    Args:
        points: (n, d) float32
        n_clusters: clusters to form; at most n
        seed (0): the random seed
        weights (None): (n,) weights of the rows
        n_steps (25): passes over the data

    Returns:
        a tuple of (n,) int64 cluster ids, each that of the nearest center, and (n_clusters, d) float32 centers
    """
    n_clusters = min(n_clusters, len(points))
    if n_clusters == len(points):
        return np.arange(len(points)), points.copy()
    in_full = len(points) * n_clusters <= _FULL_PASS
    work = points.size * n_clusters * (n_steps + 1 if in_full else 1)
    device = gpu_for(work, 3 * points.nbytes if in_full else 0)
    if in_full and device is not None:
        centers = _full_passes(points, n_clusters, seed, weights, n_steps, device)
    else:
        centers = _fit(points, n_clusters, seed, weights, n_steps if in_full else None)
    return nearest_center(points, centers, device)[0], centers


def _full_passes(
    points: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None, n_steps: int, device: torch.device
) -> np.ndarray:
    """The centers that :func:`_fit` finds, on a GPU."""
    from .torch_kernel import lloyd

    weights = np.ones(len(points), dtype=np.float32) if weights is None else weights.astype(np.float32)
    # Starts where scikit-learn does.
    rng = np.random.RandomState(seed)
    starts = rng.choice(len(points), n_clusters, replace=False, p=weights / weights.sum())
    with named_if_full(device):
        return lloyd(points, starts, weights, n_steps, device)


def _fit(points: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None, n_steps: int | None) -> np.ndarray:
    """(n_clusters, d) float32 centers after some full passes, or mini-batches where ``n_steps`` is None."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if n_steps is not None:
        model = KMeans(n_clusters, init="random", n_init=1, max_iter=n_steps, random_state=seed)
    else:
        if len(points) > _SAMPLED * n_clusters:
            rows = np.sort(np.random.default_rng(seed).choice(len(points), _SAMPLED * n_clusters, replace=False))
            points, weights = points[rows], None if weights is None else weights[rows]
        model = MiniBatchKMeans(
            n_clusters,
            init="random",
            n_init=1,
            batch_size=max(4096, 4 * n_clusters),
            max_iter=_BATCH_STEPS,
            random_state=seed,
        )
    # scikit-learn adds the partial sums of its threads in the order they finish; one thread is reproducible.
    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies of one image are ordinary here
        model.fit(points, sample_weight=weights)
    return model.cluster_centers_.astype(np.float32)


def rows_seen(n_points: int, n_clusters: int, n_steps: int = 25) -> int:
    """How many rows :func:`kmeans` compares with all centers at most.

    Args:
        n_points: rows
        n_clusters: clusters to form
        n_steps (25): passes over the data

    Returns:
        rows, each as often as it is compared

    Examples:
        >>> rows_seen(1_000, 10)
        26000
    """
    if n_points * n_clusters <= _FULL_PASS:
        return (n_steps + 1) * n_points
    return _BATCH_STEPS * min(n_points, _SAMPLED * n_clusters) + n_points


def central_rows(
    points: np.ndarray, n_clusters: int, *, seed: int = 0, weights: np.ndarray | None = None
) -> np.ndarray:
    """The row nearest to the center of every k-means cluster.

    Args:
        points: (n, d) float32
        n_clusters: clusters to form
        seed (0): the random seed
        weights (None): (n,) weights of the rows; they also divide the distance to the center

    Returns:
        (m,) int64 rows, m at most ``n_clusters``: clusters without a row have none
    """
    clusters, centers = kmeans(points, n_clusters, seed=seed, weights=weights)
    distances = np.linalg.norm(points - centers[clusters], axis=1) / (1 if weights is None else weights)
    order = np.lexsort((distances, clusters))
    return order[np.unique(clusters[order], return_index=True)[1]]


def nearest_center(
    points: np.ndarray, centers: np.ndarray, device: torch.device | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Assigns rows to their nearest center.

    Args:
        points: (n, d) float32
        centers: (q, d) float32
        device (None): where to compute; by default on the processor

    Returns:
        a tuple of (n,) int64 center ids and (n,) float32 Euclidean distances
    """
    if device is not None:
        from . import torch_kernel

        with named_if_full(device):
            return torch_kernel.nearest_center(points, centers, device)
    labels = np.empty(len(points), dtype=np.int64)
    distances = np.empty(len(points), dtype=np.float32)
    half_norms = 0.5 * np.einsum("ij,ij->i", centers, centers)
    for start in range(0, len(points), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        labels[rows] = (half_norms - points[rows] @ centers.T).argmin(axis=1)
        distances[rows] = np.linalg.norm(points[rows] - centers[labels[rows]], axis=1)
    return labels, distances
