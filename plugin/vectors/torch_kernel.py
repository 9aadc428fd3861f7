"""The loops of :mod:`.product_kernel` for vectors on a GPU. Only :mod:`.device` decides whether they are used."""

from __future__ import annotations

import numpy as np
import torch

from .device import block_rows

#: Rows beyond the k nearest that are compared exactly too, for those that rounding may have put behind.
_SPARE = 8


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
        a tuple of (m, k') int64 rows of ``others``, k' being k or a few more, and their (m, k') float32 Euclidean
        distances, by differences, which keep the digits of near copies
    """
    k = min(k + _SPARE, len(others))
    norms = (others * others).sum(dim=1)
    columns = np.empty((len(asked), k), dtype=np.int64)
    distances = np.empty((len(asked), k), dtype=np.float32)
    done = 0
    for rows in asked.split(block_rows(max(len(others), k * asked.shape[1]), asked.device)):
        near = torch.addmm(norms, rows, others.T, alpha=-2).topk(k, largest=False, sorted=False).indices
        part = slice(done, done + len(rows))
        columns[part] = near.cpu().numpy()
        distances[part] = torch.linalg.vector_norm(others[near] - rows[:, None], dim=2).cpu().numpy()
        done += len(rows)
    return columns, distances


def nearest_center(points: np.ndarray, centers: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`.kmeans.nearest_center` returns; the points come to the device block by block."""
    labels = np.empty(len(points), dtype=np.int64)
    distances = np.empty(len(points), dtype=np.float32)
    to = put(centers, device)
    half_norms = 0.5 * (to * to).sum(dim=1)
    step = block_rows(max(centers.shape), device)
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        rows = put(points[part], device)
        nearest = torch.addmm(half_norms, rows, to.T, alpha=-1).argmin(dim=1)
        labels[part] = nearest.cpu().numpy()
        distances[part] = torch.linalg.vector_norm(rows - to[nearest], dim=1).cpu().numpy()
    return labels, distances


def lower_nearest(nearest: np.ndarray, points: torch.Tensor, kept: np.ndarray) -> None:
    """Lowers distances between unit rows, with the rounding of :func:`.product_kernel.lower_nearest`.

    Args:
        nearest: (n,) float32 distances of every row, lowered in place to those from the kept ones
        points: (n, d) float32
        kept: (q,) int64 rows
    """
    new = points[torch.from_numpy(kept)]
    norms = (new * new).sum(dim=1)
    step = block_rows(max(new.shape), points.device)
    for start in range(0, len(nearest), step):
        part = slice(start, start + step)
        rows = points[part]
        squared = torch.addmm(norms, rows, new.T, alpha=-2).amin(dim=1) + (rows * rows).sum(dim=1)
        distances = torch.where(squared >= 1e-6, squared, 0).sqrt()
        np.minimum(nearest[part], distances.cpu().numpy(), out=nearest[part])
