"""The loops of :mod:`.product_kernel` for vectors on a GPU. Only :mod:`.device` decides whether they are used."""

from __future__ import annotations

import numpy as np
import torch

from .device import block_rows
from .matrix import blocks


def put(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """A copy of an array on a device."""
    return torch.tensor(array, device=device)


def nearest_rows(asked: torch.Tensor, others: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of some rows, in no order.

    Args:
        asked: (m, d) float32
        others: (q, d) float32, on the same device
        k: rows to find, at most q

    Returns:
        a tuple of (m, k) int64 rows of ``others`` and their (m, k) float32 Euclidean distances, by differences, which
        keep the digits of near copies
    """
    norms = (others * others).sum(dim=1)
    columns = np.empty((len(asked), k), dtype=np.int64)
    distances = np.empty((len(asked), k), dtype=np.float32)
    for part in blocks(len(asked), block_rows(max(len(others), k * asked.shape[1]))):
        rows = asked[part]
        near = torch.addmm(norms, rows, others.T, alpha=-2).topk(k, largest=False, sorted=False).indices
        columns[part] = near.cpu().numpy()
        distances[part] = torch.linalg.vector_norm(others[near] - rows[:, None], dim=2).cpu().numpy()
    return columns, distances


def nearest_center(points: np.ndarray, centers: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`.kmeans.nearest_center` returns; the points come to the device block by block."""
    labels = np.empty(len(points), dtype=np.int64)
    distances = np.empty(len(points), dtype=np.float32)
    to = put(centers, device)
    half_norms = 0.5 * (to * to).sum(dim=1)
    for part in blocks(len(points), block_rows(max(centers.shape))):
        rows = put(points[part], device)
        nearest = torch.addmm(half_norms, rows, to.T, alpha=-1).argmin(dim=1)
        labels[part] = nearest.cpu().numpy()
        distances[part] = torch.linalg.vector_norm(rows - to[nearest], dim=1).cpu().numpy()
    return labels, distances


def lloyd(
    points: np.ndarray, starts: np.ndarray, weights: np.ndarray, n_steps: int, device: torch.device
) -> np.ndarray:
    """k-means from given rows on, with the rules of scikit-learn's ``KMeans``: when to stop, and where to put centers
    that no row is nearest to.

    Args:
        points: (n, d) float32
        starts: (q,) int64 rows that the centers start at
        weights: (n,) float32 of the rows
        n_steps: passes over the data, at most
        device: where to compute

    Returns:
        (q, d) float32 centers
    """
    mean = points.mean(axis=0)  # near the origin products keep more digits
    rows, mass = put(points - mean, device), put(weights, device)
    tolerance = 1e-4 * rows.var(dim=0, correction=0).mean()
    centers = rows[torch.from_numpy(starts)]
    labels = torch.empty(0, device=device)
    for _ in range(n_steps):
        before, last = labels, centers
        labels, sums, masses = _assigned(rows, mass, centers)
        empty = (masses == 0).nonzero()[:, 0]
        far, farthest = (rows - centers[labels]).square().sum(dim=1).topk(len(empty))
        for center, row in zip(empty[far > 0], farthest[far > 0], strict=True):
            moved = mass[row] * rows[row]
            sums[labels[row]] -= moved
            masses[labels[row]] -= mass[row]
            sums[center], masses[center] = moved, mass[row]
        centers = torch.where(masses[:, None] > 0, sums / masses[:, None], last)
        if torch.equal(labels, before) or (centers - last).square().sum() <= tolerance:
            break
    return centers.cpu().numpy() + mean


def _assigned(
    rows: torch.Tensor, mass: torch.Tensor, centers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The (n,) nearest centers of rows, and the (q, d) sums and (q,) masses of the rows of each.

    Sums are products with a matrix of ones and zeros: unlike additions in any order, they are reproducible.
    """
    half_norms = 0.5 * (centers * centers).sum(dim=1)
    labels = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    sums, masses = torch.zeros_like(centers), torch.zeros_like(half_norms)
    for part in blocks(len(rows), block_rows(max(centers.shape))):
        scores = torch.addmm(half_norms, rows[part], centers.T, alpha=-1)
        labels[part] = nearest = scores.argmin(dim=1)
        belongs = scores.zero_().scatter_(1, nearest[:, None], mass[part, None])
        sums.addmm_(belongs.T, rows[part])
        masses += belongs.sum(dim=0)
    return labels, sums, masses


def lower_nearest(nearest: np.ndarray, points: torch.Tensor, kept: np.ndarray) -> None:
    """Lowers distances between unit rows, with the rounding of :func:`.product_kernel.lower_nearest`.

    Args:
        nearest: (n,) float32 distances of every row, lowered in place to those from the kept ones
        points: (n, d) float32
        kept: (q,) int64 rows
    """
    new = points[torch.from_numpy(kept)]
    norms = (new * new).sum(dim=1)
    for part in blocks(len(nearest), block_rows(max(new.shape))):
        rows = points[part]
        squared = torch.addmm(norms, rows, new.T, alpha=-2).amin(dim=1) + (rows * rows).sum(dim=1)
        distances = torch.where(squared >= 1e-6, squared, 0).sqrt()
        np.minimum(nearest[part], distances.cpu().numpy(), out=nearest[part])
