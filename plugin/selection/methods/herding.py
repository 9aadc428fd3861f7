"""Herding: a subset whose mean (or kernel mean) is that of the pool."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.neighbors import pairwise_distances
from ..method import register
from ..pool import Picks, Pool

#: Rows up to which herding is exact. Larger pools are split into random shards that take turns, each herded towards
#: the mean of the whole pool, so that time and memory stay linear in the number of rows.
SHARD_ROWS = 8192
#: Rows from which the kernel mean and the kernel's bandwidth are estimated.
_LANDMARKS = 8192
_BANDWIDTH_ROWS = 2000


@register("herding", "Herding: keeps the pool's mean; a safe choice on clean, balanced pools")
def herding(pool: Pool, k: int, kernel: str = "linear", bandwidth: float | None = None) -> Picks:
    """Picks the row that brings the mean of the coreset closest to the mean of the pool (Welling, ICML 2009).

    This is the distance-minimising (argmin) form. With ``kernel="rbf"`` the means are those of the Gaussian kernel's
    feature space, so the coreset follows the pool's whole distribution, not its mean alone (kernel herding, Chen,
    Welling and Smola, UAI 2010). Weights are weights of the pool's mean.

    Args:
        pool: the problem
        k: rows to pick
        kernel ("linear"): "linear" or "rbf"
        bandwidth (None): h of ``exp(-d^2 / (2 h^2))``; the median distance of the rows by default

    Returns:
        the picks

    References:
        Welling: Herding Dynamical Weights to Learn. ICML 2009.
        Chen, Welling and Smola: Super-Samples from Kernel Herding. UAI 2010.
    """
    if kernel not in ("linear", "rbf"):
        raise CoresetError(f'kernel must be "linear" or "rbf", got {kernel!r}')
    if kernel == "rbf" and bandwidth is None:
        bandwidth = median_distance(pool)
    affinity = _mean_affinity(pool, bandwidth)
    shards = max(1, -(-len(pool) // SHARD_ROWS))
    rows_of = [np.arange(shard, len(pool), shards) for shard in range(shards)]  # pool rows are in random order already
    kept_of = [pool.preselected[pool.preselected % shards == shard] for shard in range(shards)]
    counts = _fill_evenly(k, np.array([len(rows) for rows in rows_of]), np.array([len(kept) for kept in kept_of]))
    steps, orders = [], []
    for shard, (rows, kept) in enumerate(zip(rows_of, kept_of, strict=True)):
        gram = _gram(pool.Z[rows], bandwidth)
        order = _herd(gram, affinity[rows], kept // shards, int(counts[shard]))
        orders.append(rows[order])
        steps.append((len(kept) + np.arange(len(order))) * shards + shard)
        pool.report((shard + 1) / shards, f"{shard + 1} of {shards} shards")
    order = np.concatenate(orders)[np.argsort(np.concatenate(steps), kind="stable")]
    return Picks(order, details={"kernel": kernel, "shards": shards} | ({"bandwidth": bandwidth} if bandwidth else {}))


def median_distance(pool: Pool) -> float:
    """Median distance between rows: the usual bandwidth of a Gaussian kernel.

    Args:
        pool: the problem

    Returns:
        a positive distance, from the first 2,000 rows
    """
    sample = pool.Z[:_BANDWIDTH_ROWS]
    distances = pairwise_distances(sample, sample)[np.triu_indices(len(sample), 1)]
    median = float(np.median(distances)) if len(distances) else 0.0
    return median if median > 0 else 1.0


def _mean_affinity(pool: Pool, bandwidth: float | None) -> np.ndarray:
    """(n,) float64 mean kernel value between every row and the pool."""
    if bandwidth is None:
        mean = np.average(pool.Z.astype(np.float64), axis=0, weights=pool.weights)
        return pool.Z @ mean.astype(np.float32)
    marks, weights = pool.Z[:_LANDMARKS], pool.weights[:_LANDMARKS] / pool.weights[:_LANDMARKS].sum()
    blocks = [
        _rbf(pairwise_distances(pool.Z[start : start + 4096], marks), bandwidth) @ weights
        for start in range(0, len(pool), 4096)
    ]
    return np.concatenate(blocks)


def _gram(Z: np.ndarray, bandwidth: float | None) -> np.ndarray:
    return Z @ Z.T if bandwidth is None else _rbf(pairwise_distances(Z, Z), bandwidth)


def _rbf(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    return np.exp(-(distances**2) / np.float32(2 * bandwidth**2))


def _herd(gram: np.ndarray, affinity: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    # |(t + 1) mu - sum - phi_i|^2 is smallest where this is largest, t being the number of rows kept.
    inside = gram[:, kept].sum(axis=1, dtype=np.float64) + 0.5 * np.diagonal(gram)
    inside[kept] = np.inf
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        order[step] = best = int(np.argmax((len(kept) + step + 1) * affinity - inside))
        inside += gram[best]
        inside[best] = np.inf
    return order


def _fill_evenly(k: int, sizes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Number of picks per shard if the shard with the fewest kept rows always comes next."""
    shard = np.repeat(np.arange(len(sizes)), sizes - taken)
    turn = np.concatenate([np.arange(first, last) for first, last in zip(taken, sizes, strict=True)])
    return np.bincount(shard[np.lexsort((shard, turn))][:k], minlength=len(sizes))
